/* The back end `onnxruntime`: runs ONNX files (.onnx), with the operators of ai.onnx.ml that scikit-learn's and
 * XGBoost's converters use.
 *
 * Outputs that are no tensors but sequences of maps (class to probability, one map per row) become a tensor with a
 * column per class, in the order of the classes. Options: "optimization" (all, basic, none), "arena" (true: keep the
 * memory of a run's intermediate results, by default it is given back), "spinning" (true: threads wait for the next run
 * in a busy loop), "input_node" and "output_node" (names parted by commas: what is expected, and which outputs are
 * wanted).
 */
#include "onnxruntime_api.h"
#include "plugin.h"

static const struct plugin_library library = {
    .framework = "ONNX Runtime",
    .package = "onnxruntime",
    .file = "libonnxruntime.so",
    .soname = "libonnxruntime.so.1",
};

/* What all models of the process share; made with the first one. */
static struct {
  pthread_mutex_t lock;
  bool ready;
  struct ort_api api;
  void *env, *memory, *allocator;
  char version[32];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct ort_api *const ort = &shared.api;

struct model {
  struct plugin_model ports; /* first */
  void *session;
  int *input_types;    /* the library's number of each input's dtype */
  bool *output_tensor; /* else a sequence of maps */
  struct plugin_pool pool;
};

struct held {
  struct plugin_held link;
  void **inputs, **outputs;
  struct plugin_block *blocks; /* one per output, for what is not given out as the library made it */
};

/* ---- the library ---- */

static enum mlaas_status fail(ort_status *status, const char *what, struct mlaas_error *error) {
  enum mlaas_status code = MLAAS_INTERNAL;
  if (ort->status_code(status) == ORT_CODE_INVALID_ARGUMENT)
    code = MLAAS_ARGUMENT;
  else if (ort->status_code(status) == ORT_CODE_NOT_IMPLEMENTED)
    code = MLAAS_UNSUPPORTED;
  plugin_fail_words(error, code, what, ort->status_message(status));
  ort->status_free(status);
  return code;
}

#define TRY_ORT(call, what)                                                                                            \
  do {                                                                                                                 \
    ort_status *status_ = (call);                                                                                      \
    if (status_)                                                                                                       \
      return fail(status_, what, error);                                                                               \
  } while (0)

static void log_nothing(void *context, int severity, const char *category, const char *id, const char *place,
                        const char *message) {
  (void)context, (void)severity, (void)category, (void)id, (void)place, (void)message;
}

static enum mlaas_status load(const char *folder, struct mlaas_error *error) {
  void *handle;
  const struct ort_base *(*get_base)(void);
  PLUGIN_TRY(plugin_library_open(&library, folder, &handle, error));
  PLUGIN_TRY(plugin_symbol(&library, handle, "OrtGetApiBase", &get_base, error));
  const struct ort_base *base = get_base();
  snprintf(shared.version, sizeof shared.version, "%s", base->get_version());
  const void *table = base->get_api(ORT_VERSION_NEEDED);
  if (!table)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "ONNX Runtime is of version %s, 1.%d or newer is needed",
                              shared.version, ORT_VERSION_NEEDED);
#define X(place, result, name, arguments)                                                                              \
  memcpy(&shared.api.name, (const char *)table + (place) * sizeof(void *), sizeof(void *));
  ORT_FUNCTIONS(X)
#undef X
  /* Asking an old library for a new version makes it complain on stderr, so the version's text decides. */
  int minor = 0;
  if (sscanf(shared.version, "1.%d", &minor) == 1 && minor >= ORT_VERSION_HAS_SHAPE &&
      (table = base->get_api(ORT_VERSION_HAS_SHAPE)))
    memcpy(&shared.api.has_shape, (const char *)table + ORT_PLACE_HAS_SHAPE * sizeof(void *), sizeof(void *));
  TRY_ORT(ort->env_new(log_nothing, NULL, ORT_LOG_FATAL, "mlaas", &shared.env), "cannot start ONNX Runtime");
  TRY_ORT(ort->memory_new(0, 0, &shared.memory), "cannot start ONNX Runtime");
  TRY_ORT(ort->allocator_get(&shared.allocator), "cannot start ONNX Runtime");
  shared.ready = true;
  return MLAAS_OK;
}

static enum mlaas_status load_once(const char *folder, struct mlaas_error *error) {
  pthread_mutex_lock(&shared.lock);
  enum mlaas_status status = shared.ready ? MLAAS_OK : load(folder, error);
  pthread_mutex_unlock(&shared.lock);
  return status;
}

/* ---- what a model says of its inputs and outputs ---- */

static enum mlaas_dtype dtype_of(int number) {
  switch (number) {
#define X(theirs, ours)                                                                                                \
  case theirs:                                                                                                         \
    return MLAAS_DTYPE_##ours;
    ORT_DTYPES(X)
#undef X
  default:
    return MLAAS_DTYPE_INVALID;
  }
}

static enum mlaas_status describe_tensor(const void *type, const char *name, struct mlaas_tensor_info *info,
                                         int *number, struct mlaas_error *error) {
  const void *shape = NULL;
  size_t num_dims = 0;
  TRY_ORT(ort->type_tensor(type, &shape), "cannot read the model's types");
  TRY_ORT(ort->shape_dtype(shape, number), "cannot read the model's types");
  TRY_ORT(ort->shape_num_dims(shape, &num_dims), "cannot read the model's types");
  info->dtype = dtype_of(*number);
  if (info->dtype == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%.100s has elements of ONNX's type %d, which is not supported",
                              name, *number);
  if (num_dims > MLAAS_TENSOR_DIMS)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%.100s has %zu dimensions, at most %d are supported", name,
                              num_dims, MLAAS_TENSOR_DIMS);
  TRY_ORT(ort->shape_dims(shape, info->shape, num_dims), "cannot read the model's types");
  /* Libraries before 1.24 do not tell a scalar from a tensor whose shape is not known. */
  bool known = num_dims > 0 || (ort->has_shape && ort->has_shape(shape));
  info->num_dims = known ? (int32_t)num_dims : -1;
  for (size_t i = 0; i < num_dims; i++)
    info->shape[i] = info->shape[i] < 0 ? -1 : info->shape[i];
  return MLAAS_OK;
}

/* A sequence of maps from class to number: rows times classes. */
static enum mlaas_status describe_maps(const void *type, const char *name, struct mlaas_tensor_info *info,
                                       struct mlaas_error *error) {
  const void *sequence = NULL, *map = NULL, *shape = NULL;
  void *item = NULL, *value = NULL;
  int kind = 0, number = 0;
  ort_status *status = ort->type_sequence(type, &sequence);
  if (!status && sequence)
    status = ort->sequence_item_type(sequence, &item);
  if (!status && item)
    status = ort->type_kind(item, &kind);
  if (!status && kind == ORT_KIND_MAP)
    status = ort->type_map(item, &map);
  if (!status && map)
    status = ort->map_value_type(map, &value);
  if (!status && value)
    status = ort->type_tensor(value, &shape);
  if (!status && shape)
    status = ort->shape_dtype(shape, &number);
  if (value)
    ort->type_free(value);
  if (item)
    ort->type_free(item);
  if (status)
    return fail(status, "cannot read the model's types", error);
  info->dtype = dtype_of(number);
  if (info->dtype == MLAAS_DTYPE_INVALID || info->dtype == MLAAS_DTYPE_BYTES)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "the output %.100s is a sequence, and only sequences of maps to numbers are supported",
                              name);
  info->num_dims = 2;
  info->shape[0] = info->shape[1] = -1;
  return MLAAS_OK;
}

static enum mlaas_status describe_port(struct model *model, bool output, const void *type, const char *name,
                                       struct mlaas_error *error) {
  struct plugin_ports *ports = output ? &model->ports.outputs : &model->ports.inputs;
  int kind, number = 0;
  TRY_ORT(ort->type_kind(type, &kind), "cannot read the model's types");
  PLUGIN_TRY(plugin_ports_add(ports, name, name, MLAAS_DTYPE_INVALID, error));
  struct mlaas_tensor_info *info = &ports->infos[ports->count - 1];
  if (kind == ORT_KIND_TENSOR) {
    PLUGIN_TRY(describe_tensor(type, name, info, &number, error));
  } else if (output && kind == ORT_KIND_SEQUENCE) {
    PLUGIN_TRY(describe_maps(type, name, info, error));
  } else {
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%s %.100s is no tensor", output ? "output" : "input", name);
  }
  if (output)
    model->output_tensor[ports->count - 1] = kind == ORT_KIND_TENSOR;
  else
    model->input_types[ports->count - 1] = number;
  return MLAAS_OK;
}

static enum mlaas_status describe(struct model *model, bool output, const char *wanted, struct mlaas_error *error) {
  size_t count;
  TRY_ORT((output ? ort->session_outputs : ort->session_inputs)(model->session, &count), "cannot read the model");
  if (count > PLUGIN_PORTS_MOST)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "the model has %zu inputs or outputs, at most %d are supported",
                              count, PLUGIN_PORTS_MOST);
  void *flags = calloc(count + 1, output ? sizeof *model->output_tensor : sizeof *model->input_types);
  if (output)
    model->output_tensor = flags;
  else
    model->input_types = flags;
  if (!flags)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the model's inputs and outputs");
  size_t found = 0;
  for (size_t i = 0; i < count; i++) {
    char *name = NULL;
    void *type = NULL;
    TRY_ORT((output ? ort->session_output_name : ort->session_input_name)(model->session, i, shared.allocator, &name),
            "cannot read the model's names");
    bool named = wanted && plugin_list_has(wanted, name);
    found += named;
    enum mlaas_status status = MLAAS_OK;
    if (!output || !wanted || named) {
      ort_status *bad = (output ? ort->session_output_type : ort->session_input_type)(model->session, i, &type);
      status =
          bad ? fail(bad, "cannot read the model's types", error) : describe_port(model, output, type, name, error);
    }
    if (type)
      ort->type_free(type);
    ort_status *bad = ort->allocator_free(shared.allocator, name);
    if (bad)
      ort->status_free(bad);
    if (status != MLAAS_OK)
      return status;
  }
  if (wanted && found != plugin_list_count(wanted))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the model does not have all of the %s %.200s",
                              output ? "outputs" : "inputs", wanted);
  return MLAAS_OK;
}

/* ---- open and close ---- */

static void held_free(struct model *model, struct held *held) {
  if (!held)
    return;
  for (size_t i = 0; held->blocks && i < model->ports.outputs.count; i++)
    plugin_block_reset(&held->blocks[i]);
  free(held->inputs);
  free(held->outputs);
  free(held->blocks);
  free(held);
}

static void close_model(void *opened) {
  struct model *model = opened;
  for (struct plugin_held *held; (held = plugin_pool_take(&model->pool));)
    held_free(model, (struct held *)held);
  if (model->session)
    ort->session_free(model->session);
  plugin_ports_reset(&model->ports.inputs);
  plugin_ports_reset(&model->ports.outputs);
  pthread_mutex_destroy(&model->pool.lock);
  free(model->input_types);
  free(model->output_tensor);
  free(model);
}

static enum mlaas_status set_options(const struct mlaas_backend_config *config, void *options,
                                     struct mlaas_error *error) {
  bool arena = false, spinning = false;
  int level = ORT_OPTIMISE_ALL;
  const char *optimise = plugin_option(config, "optimization");
  PLUGIN_TRY(plugin_option_flag(config, "arena", &arena, error));
  PLUGIN_TRY(plugin_option_flag(config, "spinning", &spinning, error));
  if (optimise && strcmp(optimise, "none") == 0)
    level = ORT_OPTIMISE_NONE;
  else if (optimise && strcmp(optimise, "basic") == 0)
    level = ORT_OPTIMISE_BASIC;
  else if (optimise && strcmp(optimise, "all") != 0)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the option optimization is %.100s, expected all, basic or none",
                              optimise);
  const char *what = "cannot set ONNX Runtime's options";
  TRY_ORT(ort->options_intra(options, config->threads), what);
  TRY_ORT(ort->options_inter(options, 1), what);
  TRY_ORT(ort->options_mode(options, 0), what); /* one operator after the other */
  TRY_ORT(ort->options_optimise(options, level), what);
  TRY_ORT(ort->options_entry(options, "session.intra_op.allow_spinning", spinning ? "1" : "0"), what);
  if (!arena) {
    TRY_ORT(ort->options_no_arena(options), what);
    TRY_ORT(ort->options_no_pattern(options), what);
  }
  return MLAAS_OK;
}

/* What is wrong with the file decides the status; the library's own codes say little. */
static enum mlaas_status fail_session(ort_status *bad, const char *path, struct mlaas_error *error) {
  int code = ort->status_code(bad);
  enum mlaas_status status = MLAAS_FORMAT;
  if (code == ORT_CODE_NO_SUCH_FILE)
    status = MLAAS_NOT_FOUND;
  else if (code == ORT_CODE_NOT_IMPLEMENTED || strstr(ort->status_message(bad), "is not a registered function/op"))
    status = MLAAS_UNSUPPORTED;
  char what[PLUGIN_NAME_MOST];
  snprintf(what, sizeof what, "ONNX Runtime does not take %.200s", path);
  plugin_fail_words(error, status, what, ort->status_message(bad));
  ort->status_free(bad);
  return status;
}

static enum mlaas_status open_session(struct model *model, const struct mlaas_backend_config *config,
                                      struct mlaas_error *error) {
  void *options;
  PLUGIN_TRY(plugin_check_options(config, "optimization arena spinning input_node output_node", error));
  TRY_ORT(ort->options_new(&options), "cannot make ONNX Runtime's options");
  enum mlaas_status status = set_options(config, options, error);
  if (status == MLAAS_OK) {
    ort_status *bad = ort->session_new(shared.env, config->path, options, &model->session);
    if (bad)
      status = fail_session(bad, config->path, error);
  }
  ort->options_free(options);
  PLUGIN_TRY(status);
  PLUGIN_TRY(describe(model, false, plugin_option(config, "input_node"), error));
  return describe(model, true, plugin_option(config, "output_node"), error);
}

static enum mlaas_status open_model(const struct mlaas_backend_config *config, void **opened,
                                    struct mlaas_error *error) {
  PLUGIN_TRY(load_once(config->library, error));
  PLUGIN_TRY(plugin_check_path(config->path, false, error));
  struct model *model = calloc(1, sizeof *model);
  if (!model)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a model");
  pthread_mutex_init(&model->pool.lock, NULL);
  enum mlaas_status status = open_session(model, config, error);
  if (status != MLAAS_OK)
    close_model(model);
  else
    *opened = model;
  return status;
}

/* ---- run ---- */

static struct held *held_new(struct model *model, struct mlaas_error *error) {
  struct held *held = (struct held *)plugin_pool_take(&model->pool);
  if (held)
    return held;
  held = calloc(1, sizeof *held);
  if (held) {
    held->inputs = calloc(model->ports.inputs.count + 1, sizeof *held->inputs);
    held->outputs = calloc(model->ports.outputs.count + 1, sizeof *held->outputs);
    held->blocks = calloc(model->ports.outputs.count + 1, sizeof *held->blocks);
  }
  if (held && held->inputs && held->outputs && held->blocks)
    return held;
  held_free(model, held);
  mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a run");
  return NULL;
}

static void free_values(void **values, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (values[i]) {
      ort->value_free(values[i]);
      values[i] = NULL;
    }
}

static void release(void *opened, void *given) {
  struct model *model = opened;
  struct held *held = given;
  free_values(held->outputs, model->ports.outputs.count);
  plugin_pool_give(&model->pool, &held->link);
}

static enum mlaas_status make_input(const struct mlaas_tensor *tensor, int number, void **value,
                                    struct mlaas_error *error) {
  static char nothing[64];
  size_t num_dims = (size_t)tensor->num_dims;
  if (tensor->dtype != MLAAS_DTYPE_BYTES) {
    TRY_ORT(ort->tensor_of(shared.memory, tensor->data ? tensor->data : nothing, tensor->size, tensor->shape, num_dims,
                           number, value),
            "cannot make an input");
    return MLAAS_OK;
  }
  const struct mlaas_blob *texts = tensor->data;
  TRY_ORT(ort->tensor_new(shared.allocator, tensor->shape, num_dims, number, value), "cannot make an input");
  for (size_t i = 0; i < tensor->size / sizeof *texts; i++) {
    char *room;
    TRY_ORT(ort->string_room(*value, i, texts[i].size, &room), "cannot make an input of texts");
    if (texts[i].size)
      memcpy(room, texts[i].data, texts[i].size);
  }
  return MLAAS_OK;
}

/* Offsets and text behind the list of texts, in one block. */
static enum mlaas_status take_texts(const void *value, size_t count, struct mlaas_tensor *output,
                                    struct plugin_block *block, struct mlaas_error *error) {
  size_t bytes;
  TRY_ORT(ort->strings_size(value, &bytes), "cannot read an output of texts");
  size_t each = sizeof(struct mlaas_blob) + sizeof(size_t), size;
  if (__builtin_mul_overflow(count, each, &size) || __builtin_add_overflow(size, bytes, &size))
    return mlaas_backend_fail(error, MLAAS_MEMORY, "an output of %zu texts is too large", count);
  PLUGIN_TRY(plugin_block_reserve(block, size + 1, error));
  struct mlaas_blob *texts = block->data;
  size_t *offsets = (size_t *)(void *)(texts + count);
  char *text = (char *)(offsets + count);
  if (count)
    TRY_ORT(ort->strings_copy(value, text, bytes, offsets, count), "cannot read an output of texts");
  for (size_t i = 0; i < count; i++)
    texts[i] = (struct mlaas_blob){text + offsets[i], (i + 1 < count ? offsets[i + 1] : bytes) - offsets[i]};
  output->data = texts;
  output->size = count * sizeof *texts;
  return MLAAS_OK;
}

static enum mlaas_status take_shape(const void *value, struct mlaas_tensor *output, int64_t *elements,
                                    struct mlaas_error *error) {
  void *shape;
  int number;
  size_t num_dims = 0;
  TRY_ORT(ort->value_shape(value, &shape), "cannot read an output");
  ort_status *bad = ort->shape_dtype(shape, &number);
  if (!bad)
    bad = ort->shape_num_dims(shape, &num_dims);
  if (!bad && num_dims <= MLAAS_TENSOR_DIMS)
    bad = ort->shape_dims(shape, output->shape, num_dims);
  ort->shape_free(shape);
  if (bad)
    return fail(bad, "cannot read an output", error);
  output->dtype = dtype_of(number);
  output->num_dims = (int32_t)num_dims;
  *elements = num_dims > MLAAS_TENSOR_DIMS ? -1 : plugin_elements(output->shape, output->num_dims);
  if (*elements < 0 || output->dtype == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "an output has %zu dimensions and elements of ONNX's type %d",
                              num_dims, number);
  return MLAAS_OK;
}

static enum mlaas_status take_tensor(void *value, struct mlaas_tensor *output, struct plugin_block *block,
                                     struct mlaas_error *error) {
  int64_t elements = 0;
  PLUGIN_TRY(take_shape(value, output, &elements, error));
  if (output->dtype == MLAAS_DTYPE_BYTES)
    return take_texts(value, (size_t)elements, output, block, error);
  TRY_ORT(ort->tensor_data(value, &output->data), "cannot read an output");
  output->size = (size_t)elements * plugin_dtype_bytes(output->dtype);
  return MLAAS_OK;
}

/* The numbers of one map; the library keeps maps sorted by class. */
static enum mlaas_status take_map(const void *map, struct mlaas_tensor *output, int64_t row, struct plugin_block *block,
                                  struct mlaas_error *error) {
  void *numbers = NULL;
  struct mlaas_tensor values = {0};
  TRY_ORT(ort->value_item(map, 1, shared.allocator, &numbers), "cannot read an output of maps");
  enum mlaas_status status = take_tensor(numbers, &values, NULL, error);
  if (status == MLAAS_OK && row == 0) {
    size_t size;
    output->shape[1] = plugin_elements(values.shape, values.num_dims);
    if (__builtin_mul_overflow(values.size, (size_t)output->shape[0], &size))
      status = mlaas_backend_fail(error, MLAAS_MEMORY, "an output of maps is too large");
    else if ((status = plugin_block_reserve(block, size, error)) == MLAAS_OK)
      *output = (struct mlaas_tensor){output->dtype, 2, {output->shape[0], output->shape[1]}, block->data, size};
  }
  if (status == MLAAS_OK) {
    size_t bytes = output->size / (size_t)output->shape[0];
    if (values.size != bytes || values.dtype != output->dtype)
      status = mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "the maps of an output have different numbers of classes");
    else
      memcpy((char *)output->data + (size_t)row * bytes, values.data, bytes);
  }
  ort->value_free(numbers);
  return status;
}

static enum mlaas_status take_maps(const void *value, enum mlaas_dtype dtype, struct mlaas_tensor *output,
                                   struct plugin_block *block, struct mlaas_error *error) {
  size_t rows;
  TRY_ORT(ort->value_count(value, &rows), "cannot read an output of maps");
  *output = (struct mlaas_tensor){.dtype = dtype, .num_dims = 2, .shape = {(int64_t)rows, 0}};
  for (size_t row = 0; row < rows; row++) {
    void *map;
    TRY_ORT(ort->value_item(value, (int)row, shared.allocator, &map), "cannot read an output of maps");
    enum mlaas_status status = take_map(map, output, (int64_t)row, block, error);
    ort->value_free(map);
    PLUGIN_TRY(status);
  }
  return MLAAS_OK;
}

static enum mlaas_status run_held(struct model *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                                  struct held *held, struct mlaas_error *error) {
  for (size_t i = 0; i < model->ports.inputs.count; i++)
    PLUGIN_TRY(make_input(&inputs[i], model->input_types[i], &held->inputs[i], error));
  TRY_ORT(ort->run(model->session, NULL, model->ports.inputs.names, held->inputs, model->ports.inputs.count,
                   model->ports.outputs.names, model->ports.outputs.count, held->outputs),
          "ONNX Runtime does not run the model on this");
  for (size_t i = 0; i < model->ports.outputs.count; i++) {
    if (!model->output_tensor[i]) {
      PLUGIN_TRY(
          take_maps(held->outputs[i], model->ports.outputs.infos[i].dtype, &outputs[i], &held->blocks[i], error));
      continue;
    }
    PLUGIN_TRY(take_tensor(held->outputs[i], &outputs[i], &held->blocks[i], error));
    PLUGIN_TRY(plugin_keep_output(inputs, model->ports.inputs.count, &outputs[i], &held->blocks[i], error));
  }
  return MLAAS_OK;
}

static enum mlaas_status run(void *opened, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                             void **given, struct mlaas_error *error) {
  struct model *model = opened;
  struct held *held = held_new(model, error);
  if (!held)
    return MLAAS_MEMORY;
  enum mlaas_status status = run_held(model, inputs, outputs, held, error);
  free_values(held->inputs, model->ports.inputs.count);
  if (status == MLAAS_OK)
    *given = held;
  else
    release(model, held);
  return status;
}

/* ---- the table ---- */

static const char *library_version(void) { return shared.version; }

const struct mlaas_backend *mlaas_backend_get(void) {
  static const struct mlaas_backend backend = {
      .version = MLAAS_BACKEND_VERSION,
      .size = sizeof backend,
      .name = "onnxruntime",
      .open = open_model,
      .close = close_model,
      .inputs = plugin_model_inputs,
      .outputs = plugin_model_outputs,
      .run = run,
      .release = release,
      .library_version = library_version,
  };
  return &backend;
}
