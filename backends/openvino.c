/* The back end `openvino`: runs ONNX files, frozen graphs and SavedModels on the CPU, each run on as many threads as
 * the model was opened with. Texts are not supported.
 *
 * Options: "precision" (f32: the default, also where the processor would be faster with less; bf16: about three times
 * as fast on large dense layers of processors that have it, with scores that differ in the third digit), "input_node"
 * and "output_node" (names parted by commas: what is expected, and which outputs are wanted), "signature" (is taken,
 * for models that say it to TensorFlow, but OpenVINO chooses by itself).
 */
#include "openvino_api.h"
#include "plugin.h"

static const struct plugin_library library = {
    .framework = "OpenVINO",
    .package = "openvino",
    .file = "libopenvino_c.so",
    .soname = "libopenvino_c.so",
};

static struct {
  pthread_mutex_t lock;
  bool ready;
  struct ov_api api;
  void *core;
  char version[64];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct ov_api *const ov = &shared.api;

struct model {
  struct plugin_model ports; /* first */
  void *compiled;
  int *input_types;     /* the library's number of each input's dtype */
  size_t *output_index; /* of each wanted output among the model's */
  struct plugin_pool pool;
};

/* A request has memory of its own for results, so it is what a run holds. */
struct held {
  struct plugin_held link;
  void *request;
  void **outputs; /* tensors */
  struct plugin_block *blocks;
};

/* ---- the library ---- */

static enum mlaas_status fail(struct mlaas_error *error, enum mlaas_status status, int code, const char *what) {
  const char *words = ov->get_last_err_msg();
  if (words && status == MLAAS_FORMAT && (strstr(words, "OpConversionFailure") || strstr(words, "Unsupported")))
    status = MLAAS_UNSUPPORTED;
  plugin_fail_words(error, status, what, words && words[0] ? words : ov->get_error_info(code));
  if (words)
    ov->free(words);
  return status;
}

#define TRY_OV(call, status, what)                                                                                     \
  do {                                                                                                                 \
    int code_ = (call);                                                                                                \
    if (code_)                                                                                                         \
      return fail(error, status, code_, what);                                                                         \
  } while (0)

static enum mlaas_dtype dtype_of(int number) {
  switch (number) {
#define X(theirs, ours)                                                                                                \
  case theirs:                                                                                                         \
    return MLAAS_DTYPE_##ours;
    OV_DTYPES(X)
#undef X
  default:
    return MLAAS_DTYPE_INVALID;
  }
}

/* Elements of every type we name must have its size in this library too. */
static enum mlaas_status check_types(struct mlaas_error *error) {
  static const int numbers[] = {
#define X(theirs, ours) theirs,
      OV_DTYPES(X)
#undef X
  };
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    int64_t dims[1] = {3};
    void *tensor = NULL;
    size_t size = 0;
    if (ov->tensor_create(numbers[i], (struct ov_shape){1, dims}, &tensor) == 0)
      ov->tensor_get_byte_size(tensor, &size);
    if (tensor)
      ov->tensor_free(tensor);
    if (size != 3 * plugin_dtype_bytes(dtype_of(numbers[i])))
      return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                                "OpenVINO %s numbers its types in another way; 2025.4 or newer is needed",
                                shared.version);
  }
  return MLAAS_OK;
}

static enum mlaas_status load(const char *folder, struct mlaas_error *error) {
  void *handle;
  struct ov_version version;
  PLUGIN_TRY(plugin_library_open(&library, folder, &handle, error));
#define X(result, name, arguments) PLUGIN_TRY(plugin_symbol(&library, handle, "ov_" #name, &shared.api.name, error));
  OV_FUNCTIONS(X)
#undef X
  TRY_OV(ov->get_openvino_version(&version), MLAAS_UNSUPPORTED, "OpenVINO does not say its version");
  snprintf(shared.version, sizeof shared.version, "%.*s", (int)strcspn(version.number, "-"), version.number);
  ov->version_free(&version);
  PLUGIN_TRY(check_types(error));
  TRY_OV(ov->core_create(&shared.core), MLAAS_INTERNAL, "OpenVINO does not start");
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

static enum mlaas_status describe_shape(const void *port, struct mlaas_tensor_info *info, struct mlaas_error *error) {
  struct ov_partial_shape shape;
  TRY_OV(ov->port_get_partial_shape(port, &shape), MLAAS_FORMAT, "OpenVINO does not say a shape");
  info->num_dims = shape.rank.min == shape.rank.max ? (int32_t)shape.rank.max : -1;
  for (int i = 0; i < info->num_dims && i < MLAAS_TENSOR_DIMS; i++)
    info->shape[i] = shape.dims[i].min == shape.dims[i].max ? shape.dims[i].max : -1;
  ov->partial_shape_free(&shape);
  if (info->num_dims > MLAAS_TENSOR_DIMS)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "%.100s has %d dimensions, at most %d are supported",
                              info->name, info->num_dims, MLAAS_TENSOR_DIMS);
  return MLAAS_OK;
}

static enum mlaas_status describe_port(struct model *model, bool output, size_t index, const char *wanted,
                                       const void *port, struct mlaas_error *error) {
  struct plugin_ports *ports = output ? &model->ports.outputs : &model->ports.inputs;
  char *theirs = NULL, name[PLUGIN_NAME_MOST + 1];
  int number;
  if (ov->port_get_any_name(port, &theirs) == 0 && theirs) {
    snprintf(name, sizeof name, "%s", theirs);
    ov->free(theirs);
  } else {
    snprintf(name, sizeof name, "%s_%zu", output ? "output" : "input", index);
  }
  size_t length = strlen(name);
  if (length > 2 && strcmp(name + length - 2, ":0") == 0) /* as TensorFlow calls a node's first output */
    name[length - 2] = 0;
  if (output && wanted && !plugin_list_has(wanted, name))
    return MLAAS_OK;
  TRY_OV(ov->port_get_element_type(port, &number), MLAAS_FORMAT, "OpenVINO does not say a type");
  if (dtype_of(number) == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "%.100s has elements of OpenVINO's type %d, which is not supported", name, number);
  PLUGIN_TRY(plugin_ports_add(ports, name, name, dtype_of(number), error));
  if (output)
    model->output_index[ports->count - 1] = index;
  else
    model->input_types[ports->count - 1] = number;
  return describe_shape(port, &ports->infos[ports->count - 1], error);
}

static enum mlaas_status describe(struct model *model, bool output, const char *wanted, struct mlaas_error *error) {
  struct plugin_ports *ports = output ? &model->ports.outputs : &model->ports.inputs;
  size_t count = 0, found = 0;
  TRY_OV((output ? ov->compiled_model_outputs_size : ov->compiled_model_inputs_size)(model->compiled, &count),
         MLAAS_FORMAT, "OpenVINO does not say the model's inputs and outputs");
  if (count > PLUGIN_PORTS_MOST)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "the model has %zu inputs or outputs, at most %d are supported",
                              count, PLUGIN_PORTS_MOST);
  void *numbers = calloc(count + 1, sizeof(size_t));
  if (output)
    model->output_index = numbers;
  else
    model->input_types = numbers;
  if (!numbers)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the model's inputs and outputs");
  for (size_t i = 0; i < count; i++) {
    void *port;
    TRY_OV((output ? ov->compiled_model_output_by_index : ov->compiled_model_input_by_index)(model->compiled, i, &port),
           MLAAS_FORMAT, "OpenVINO does not say the model's inputs and outputs");
    enum mlaas_status status = describe_port(model, output, i, wanted, port, error);
    ov->output_const_port_free(port);
    PLUGIN_TRY(status);
  }
  for (size_t i = 0; wanted && i < ports->count; i++)
    found += plugin_list_has(wanted, ports->infos[i].name);
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
  if (held->request)
    ov->infer_request_free(held->request);
  free(held->outputs);
  free(held->blocks);
  free(held);
}

static void close_model(void *opened) {
  struct model *model = opened;
  for (struct plugin_held *held; (held = plugin_pool_take(&model->pool));)
    held_free(model, (struct held *)held);
  if (model->compiled)
    ov->compiled_model_free(model->compiled);
  plugin_ports_reset(&model->ports.inputs);
  plugin_ports_reset(&model->ports.outputs);
  pthread_mutex_destroy(&model->pool.lock);
  free(model->input_types);
  free(model->output_index);
  free(model);
}

static enum mlaas_status compile(struct model *model, const struct mlaas_backend_config *config,
                                 struct mlaas_error *error) {
  const char *precision = plugin_option(config, "precision");
  char threads[16], what[400];
  void *read = NULL;
  if (precision && strcmp(precision, "f32") != 0 && strcmp(precision, "bf16") != 0)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the option precision is %.100s, expected f32 or bf16", precision);
  snprintf(threads, sizeof threads, "%d", config->threads);
  snprintf(what, sizeof what, "OpenVINO does not take %.300s", config->path);
  TRY_OV(ov->core_read_model(shared.core, config->path, NULL, &read), MLAAS_FORMAT, what);
  int code = ov->core_compile_model(shared.core, read, "CPU", 10, &model->compiled, "PERFORMANCE_HINT", "LATENCY",
                                    "INFERENCE_NUM_THREADS", threads, "NUM_STREAMS", "1", "INFERENCE_PRECISION_HINT",
                                    precision ? precision : "f32", "ENABLE_CPU_PINNING", "NO");
  enum mlaas_status status = code ? fail(error, MLAAS_FORMAT, code, what) : MLAAS_OK;
  ov->model_free(read);
  return status;
}

static enum mlaas_status open_inside(struct model *model, const struct mlaas_backend_config *config,
                                     struct mlaas_error *error) {
  PLUGIN_TRY(plugin_check_options(config, "precision input_node output_node signature", error));
  PLUGIN_TRY(plugin_check_path(config->path, plugin_is_folder(config->path), error));
  PLUGIN_TRY(compile(model, config, error));
  PLUGIN_TRY(describe(model, false, plugin_option(config, "input_node"), error));
  return describe(model, true, plugin_option(config, "output_node"), error);
}

static enum mlaas_status open_model(const struct mlaas_backend_config *config, void **opened,
                                    struct mlaas_error *error) {
  PLUGIN_TRY(load_once(config->library, error));
  struct model *model = calloc(1, sizeof *model);
  if (!model)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a model");
  pthread_mutex_init(&model->pool.lock, NULL);
  enum mlaas_status status = open_inside(model, config, error);
  if (status != MLAAS_OK)
    close_model(model);
  else
    *opened = model;
  return status;
}

/* ---- run ---- */

static enum mlaas_status held_new(struct model *model, struct held **given, struct mlaas_error *error) {
  struct held *held = *given = (struct held *)plugin_pool_take(&model->pool);
  if (held)
    return MLAAS_OK;
  held = calloc(1, sizeof *held);
  if (held) {
    held->outputs = calloc(model->ports.outputs.count + 1, sizeof *held->outputs);
    held->blocks = calloc(model->ports.outputs.count + 1, sizeof *held->blocks);
  }
  enum mlaas_status status = MLAAS_OK;
  if (!held || !held->outputs || !held->blocks) {
    status = mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a run");
  } else {
    int code = ov->compiled_model_create_infer_request(model->compiled, &held->request);
    if (code)
      status = fail(error, MLAAS_INTERNAL, code, "OpenVINO makes no request");
  }
  if (status != MLAAS_OK)
    held_free(model, held);
  else
    *given = held;
  return status;
}

static void release(void *opened, void *given) {
  struct model *model = opened;
  struct held *held = given;
  for (size_t i = 0; i < model->ports.outputs.count; i++)
    if (held->outputs[i]) {
      ov->tensor_free(held->outputs[i]);
      held->outputs[i] = NULL;
    }
  plugin_pool_give(&model->pool, &held->link);
}

static enum mlaas_status set_input(struct held *held, size_t index, int number, const struct mlaas_tensor *tensor,
                                   struct mlaas_error *error) {
  static char nothing[64] __attribute__((aligned(64)));
  int64_t dims[MLAAS_TENSOR_DIMS];
  void *theirs;
  memcpy(dims, tensor->shape, sizeof dims);
  TRY_OV(ov->tensor_create_from_host_ptr(number, (struct ov_shape){tensor->num_dims, dims},
                                         tensor->data ? tensor->data : nothing, &theirs),
         MLAAS_INTERNAL, "OpenVINO does not take an input");
  int code = ov->infer_request_set_input_tensor_by_index(held->request, index, theirs);
  ov->tensor_free(theirs); /* the request counts it */
  return code ? fail(error, MLAAS_ARGUMENT, code, "OpenVINO does not run the model on this") : MLAAS_OK;
}

static enum mlaas_status take_output(const void *tensor, struct mlaas_tensor *output, struct mlaas_error *error) {
  struct ov_shape shape;
  int number;
  const char *what = "OpenVINO does not give an output";
  TRY_OV(ov->tensor_get_element_type(tensor, &number), MLAAS_INTERNAL, what);
  TRY_OV(ov->tensor_get_byte_size(tensor, &output->size), MLAAS_INTERNAL, what);
  TRY_OV(ov->tensor_get_shape(tensor, &shape), MLAAS_INTERNAL, what);
  output->dtype = dtype_of(number);
  output->num_dims = (int32_t)shape.rank;
  bool fits = shape.rank <= MLAAS_TENSOR_DIMS && output->dtype != MLAAS_DTYPE_INVALID;
  if (fits && shape.rank > 0)
    memcpy(output->shape, shape.dims, (size_t)shape.rank * sizeof *shape.dims);
  ov->shape_free(&shape);
  if (!fits)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "an output has %d dimensions and elements of OpenVINO's type %d", output->num_dims,
                              number);
  output->data = NULL;
  if (output->size)
    TRY_OV(ov->tensor_data(tensor, &output->data), MLAAS_INTERNAL, what);
  return MLAAS_OK;
}

static enum mlaas_status run_held(struct model *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                                  struct held *held, struct mlaas_error *error) {
  for (size_t i = 0; i < model->ports.inputs.count; i++)
    PLUGIN_TRY(set_input(held, i, model->input_types[i], &inputs[i], error));
  TRY_OV(ov->infer_request_infer(held->request), MLAAS_ARGUMENT, "OpenVINO does not run the model on this");
  for (size_t i = 0; i < model->ports.outputs.count; i++) {
    TRY_OV(ov->infer_request_get_output_tensor_by_index(held->request, model->output_index[i], &held->outputs[i]),
           MLAAS_INTERNAL, "OpenVINO does not give an output");
    PLUGIN_TRY(take_output(held->outputs[i], &outputs[i], error));
    PLUGIN_TRY(plugin_keep_output(inputs, model->ports.inputs.count, &outputs[i], &held->blocks[i], error));
  }
  return MLAAS_OK;
}

static enum mlaas_status run(void *opened, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                             void **given, struct mlaas_error *error) {
  struct model *model = opened;
  struct held *held;
  PLUGIN_TRY(held_new(model, &held, error));
  enum mlaas_status status = run_held(model, inputs, outputs, held, error);
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
      .name = "openvino",
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
