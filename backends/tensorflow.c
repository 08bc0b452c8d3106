/* The back end `tensorflow`: SavedModels (a folder) and frozen graphs (a .pb file), by TensorFlow's C interface.
 *
 * A SavedModel's inputs and outputs are those of a signature, under the names the signature gives. A frozen graph's are
 * nodes: those named by the options, else the only placeholder and the only node whose output nobody takes. Inputs are
 * lent to TensorFlow, not copied, where they begin at a multiple of 64 bytes. A run happens on the caller's thread.
 *
 * Options: "signature", "tags" (of the SavedModel, parted by commas; "serve"), "input_node" and "output_node" (of a
 * frozen graph, several parted by commas; a SavedModel has its signature), "config_proto" (a file with a serialized
 * ConfigProto, over ours). Threads of one operator are the process's, not the model's: the first model decides.
 */
#include "plugin.h"
#include "tensorflow_api.h"
#include "tensorflow_signature.h"

enum { CONFIG_MOST = 1 << 20, TAGS_MOST = 16 };
#define GRAPH_MOST ((size_t)2 << 30) /* no protocol buffer is longer */

static const struct plugin_library library = {
    .framework = "TensorFlow",
    .package = "tensorflow-cpu",
    .file = "libtensorflow_cc.so",
    .soname = "libtensorflow_cc.so.2",
    .also_file = "libtensorflow.so", /* the C library that TensorFlow publishes by itself */
    .also_soname = "libtensorflow.so.2",
};

static struct {
  pthread_mutex_t lock;
  bool ready;
  struct tf_api api;
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct tf_api *const tf = &shared.api;

struct model {
  struct plugin_model ports; /* first */
  void *graph, *session;
  struct tf_output *input_nodes, *output_nodes;
  int *input_types; /* TensorFlow's number of each input's dtype */
  struct plugin_pool pool;
};

struct held {
  struct plugin_held link;
  void *status;
  void **inputs, **outputs; /* tensors */
  struct plugin_block *blocks;
};

/* ---- the library ---- */

static enum mlaas_status load(const char *folder, struct mlaas_error *error) {
  void *handle;
  setenv("TF_CPP_MIN_LOG_LEVEL", "3", 0); /* errors come back as words; nothing of ours prints */
  PLUGIN_TRY(plugin_library_open(&library, folder, &handle, error));
#define X(result, name, arguments) PLUGIN_TRY(plugin_symbol(&library, handle, "TF_" #name, &shared.api.name, error));
  TF_FUNCTIONS(X)
#undef X
  shared.ready = true;
  return MLAAS_OK;
}

static enum mlaas_status load_once(const char *folder, struct mlaas_error *error) {
  pthread_mutex_lock(&shared.lock);
  enum mlaas_status status = shared.ready ? MLAAS_OK : load(folder, error);
  pthread_mutex_unlock(&shared.lock);
  return status;
}

/* ---- inputs and outputs ---- */

/* "name:index" or "name" to the node. */
static enum mlaas_status find_node(struct model *model, const char *tensor, struct tf_output *node,
                                   struct mlaas_error *error) {
  char name[PLUGIN_NAME_MOST + 1];
  snprintf(name, sizeof name, "%s", tensor);
  char *colon = strrchr(name, ':');
  long index = 0;
  if (colon) {
    index = strtol(colon + 1, NULL, 10);
    *colon = 0;
  }
  node->operation = tf->GraphOperationByName(model->graph, name);
  if (!node->operation)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the graph has no node %.200s", name);
  if (index < 0 || index >= tf->OperationNumOutputs(node->operation))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the graph's node %.200s has no output %ld", name, index);
  node->index = (int)index;
  return MLAAS_OK;
}

static enum mlaas_status find_nodes(struct model *model, const struct plugin_ports *ports, struct tf_output **nodes,
                                    struct mlaas_error *error) {
  *nodes = calloc(ports->count + 1, sizeof **nodes);
  if (!*nodes)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the model's inputs and outputs");
  for (size_t i = 0; i < ports->count; i++) {
    PLUGIN_TRY(find_node(model, ports->names[i], &(*nodes)[i], error));
    int number = tf->OperationOutputType((*nodes)[i]);
    if (tensorflow_dtype(number) != ports->infos[i].dtype)
      return mlaas_backend_fail(error, MLAAS_FORMAT, "the type of %.100s is not what the signature says",
                                ports->infos[i].name);
  }
  return MLAAS_OK;
}

static enum mlaas_status find_all(struct model *model, struct mlaas_error *error) {
  PLUGIN_TRY(find_nodes(model, &model->ports.inputs, &model->input_nodes, error));
  PLUGIN_TRY(find_nodes(model, &model->ports.outputs, &model->output_nodes, error));
  model->input_types = calloc(model->ports.inputs.count + 1, sizeof *model->input_types);
  if (!model->input_types)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the model's inputs and outputs");
  for (size_t i = 0; i < model->ports.inputs.count; i++)
    model->input_types[i] = tf->OperationOutputType(model->input_nodes[i]);
  return MLAAS_OK;
}

static enum mlaas_status add_node(struct model *model, struct plugin_ports *ports, const char *tensor, void *status,
                                  struct mlaas_error *error) {
  struct tf_output node;
  char shown[PLUGIN_NAME_MOST + 1];
  PLUGIN_TRY(find_node(model, tensor, &node, error));
  snprintf(shown, sizeof shown, "%s", tensor);
  size_t length = strlen(shown);
  if (length > 2 && strcmp(shown + length - 2, ":0") == 0)
    shown[length - 2] = 0;
  int number = tf->OperationOutputType(node);
  if (tensorflow_dtype(number) == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "the node %.100s has elements of TensorFlow's type %d, which is not supported", shown,
                              number);
  PLUGIN_TRY(plugin_ports_add(ports, tensor, shown, tensorflow_dtype(number), error));
  struct mlaas_tensor_info *info = &ports->infos[ports->count - 1];
  info->num_dims = tf->GraphGetTensorNumDims(model->graph, node, status);
  if (tf->GetCode(status) != TF_CODE_OK)
    info->num_dims = -1;
  if (info->num_dims > MLAAS_TENSOR_DIMS)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED, "the node %.100s has %d dimensions, at most %d are supported",
                              shown, info->num_dims, MLAAS_TENSOR_DIMS);
  if (info->num_dims > 0)
    tf->GraphGetTensorShape(model->graph, node, info->shape, info->num_dims, status);
  return MLAAS_OK;
}

static bool is_placeholder(void *operation) { return strcmp(tf->OperationOpType(operation), "Placeholder") == 0; }

static bool is_sink(void *operation) {
  const char *type = tf->OperationOpType(operation);
  int count = tf->OperationNumOutputs(operation);
  if (count == 0 || is_placeholder(operation) || strcmp(type, "Const") == 0)
    return false;
  for (int i = 0; i < count; i++)
    if (tf->OperationOutputNumConsumers((struct tf_output){operation, i}) > 0)
      return false;
  return tf->OperationNumControlOutputs(operation) == 0;
}

/* The only node that `fits`, else an error that lists those there are. */
static enum mlaas_status find_only(struct model *model, bool (*fits)(void *operation), const char *option,
                                   const char **name, struct mlaas_error *error) {
  char there[600] = "";
  size_t position = 0, count = 0;
  for (void *operation; (operation = tf->GraphNextOperation(model->graph, &position));) {
    if (!fits(operation))
      continue;
    *name = tf->OperationName(operation);
    size_t length = strlen(there);
    snprintf(there + length, sizeof there - length, "%s%.100s", count++ ? ", " : "", *name);
  }
  if (count == 1)
    return MLAAS_OK;
  const char *kind = fits == is_sink ? "nodes that could be its output" : "placeholders";
  if (count == 0)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the graph has no %s", kind);
  return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the graph has %zu %s, name one with the option %s: %s", count, kind,
                            option, there);
}

static enum mlaas_status choose_nodes(struct model *model, const char *named, bool output, void *status,
                                      struct mlaas_error *error) {
  struct plugin_ports *ports = output ? &model->ports.outputs : &model->ports.inputs;
  char name[PLUGIN_NAME_MOST];
  if (!named || !named[0])
    PLUGIN_TRY(
        find_only(model, output ? is_sink : is_placeholder, output ? "output_node" : "input_node", &named, error));
  while (plugin_list_next(&named, name))
    PLUGIN_TRY(add_node(model, ports, name, status, error));
  return MLAAS_OK;
}

/* ---- open and close ---- */

/* ConfigProto: intra_op_parallelism_threads (2), inter_op_parallelism_threads (5) of -1, which is the caller's thread.
 * A second serialized message behind it is merged over it. */
static enum mlaas_status set_config(const struct mlaas_backend_config *config, void *options, void *status,
                                    struct mlaas_error *error) {
  unsigned char ours[32];
  size_t size = 0, more = 0;
  ours[size++] = 0x10;
  for (unsigned threads = (unsigned)config->threads; size < 8; threads >>= 7) {
    ours[size++] = (unsigned char)((threads & 127) | (threads > 127 ? 128 : 0));
    if (threads <= 127)
      break;
  }
  ours[size++] = 0x28;
  memset(ours + size, 0xff, 9);
  size += 9;
  ours[size++] = 1;
  const char *file = plugin_option(config, "config_proto");
  char *theirs = NULL;
  if (file && file[0])
    PLUGIN_TRY(plugin_read_file(file, CONFIG_MOST, &theirs, &more, error));
  char *both = malloc(size + more);
  enum mlaas_status result = MLAAS_OK;
  if (both) {
    memcpy(both, ours, size);
    if (more)
      memcpy(both + size, theirs, more);
    tf->SetConfig(options, both, size + more, status);
    if (tf->GetCode(status) != TF_CODE_OK)
      result =
          plugin_fail_words(error, MLAAS_ARGUMENT, "TensorFlow does not take the config_proto", tf->Message(status));
  } else {
    result = mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for the session's options");
  }
  free(both);
  free(theirs);
  return result;
}

static enum mlaas_status fail_open(const char *path, const void *status, struct mlaas_error *error) {
  char what[400];
  snprintf(what, sizeof what, "TensorFlow does not take %.300s", path);
  bool unknown = tf->GetCode(status) == TF_CODE_UNIMPLEMENTED || strstr(tf->Message(status), "Op type not registered");
  return plugin_fail_words(error, unknown ? MLAAS_UNSUPPORTED : MLAAS_FORMAT, what, tf->Message(status));
}

static enum mlaas_status open_saved_model(struct model *model, const struct mlaas_backend_config *config, void *options,
                                          void *status, struct mlaas_error *error) {
  const char *list = plugin_option(config, "tags");
  char tags[TAGS_MOST][PLUGIN_NAME_MOST];
  const char *names[TAGS_MOST];
  int count = 0;
  for (list = list ? list : "serve"; count < TAGS_MOST && plugin_list_next(&list, tags[count]); count++)
    names[count] = tags[count];
  struct tf_buffer *meta = tf->NewBuffer();
  model->session = tf->LoadSessionFromSavedModel(options, NULL, config->path, names, count, model->graph, meta, status);
  enum mlaas_status result =
      tf->GetCode(status) != TF_CODE_OK
          ? fail_open(config->path, status, error)
          : tensorflow_signature_read(meta->data, meta->length, plugin_option(config, "signature"),
                                      &model->ports.inputs, &model->ports.outputs, error);
  tf->DeleteBuffer(meta);
  return result;
}

static enum mlaas_status import_graph(struct model *model, const char *path, void *status, struct mlaas_error *error) {
  char *bytes;
  size_t size;
  PLUGIN_TRY(plugin_read_file(path, GRAPH_MOST, &bytes, &size, error));
  struct tf_buffer buffer = {bytes, size, NULL};
  void *options = tf->NewImportGraphDefOptions();
  tf->GraphImportGraphDef(model->graph, &buffer, options, status);
  tf->DeleteImportGraphDefOptions(options);
  free(bytes);
  if (tf->GetCode(status) != TF_CODE_OK)
    return fail_open(path, status, error);
  size = 0;
  return tf->GraphNextOperation(model->graph, &size)
             ? MLAAS_OK
             : mlaas_backend_fail(error, MLAAS_FORMAT, "the graph in %s has no nodes", path);
}

static enum mlaas_status open_frozen(struct model *model, const struct mlaas_backend_config *config, void *options,
                                     void *status, struct mlaas_error *error) {
  PLUGIN_TRY(import_graph(model, config->path, status, error));
  PLUGIN_TRY(choose_nodes(model, plugin_option(config, "input_node"), false, status, error));
  PLUGIN_TRY(choose_nodes(model, plugin_option(config, "output_node"), true, status, error));
  model->session = tf->NewSession(model->graph, options, status);
  return tf->GetCode(status) == TF_CODE_OK ? MLAAS_OK : fail_open(config->path, status, error);
}

static void held_free(struct model *model, struct held *held) {
  if (!held)
    return;
  for (size_t i = 0; held->blocks && i < model->ports.outputs.count; i++)
    plugin_block_reset(&held->blocks[i]);
  if (held->status)
    tf->DeleteStatus(held->status);
  free(held->inputs);
  free(held->outputs);
  free(held->blocks);
  free(held);
}

static void close_model(void *opened) {
  struct model *model = opened;
  for (struct plugin_held *held; (held = plugin_pool_take(&model->pool));)
    held_free(model, (struct held *)held);
  void *status = tf->NewStatus();
  if (model->session) {
    tf->CloseSession(model->session, status);
    tf->DeleteSession(model->session, status);
  }
  if (model->graph)
    tf->DeleteGraph(model->graph);
  tf->DeleteStatus(status);
  plugin_ports_reset(&model->ports.inputs);
  plugin_ports_reset(&model->ports.outputs);
  pthread_mutex_destroy(&model->pool.lock);
  free(model->input_nodes);
  free(model->output_nodes);
  free(model->input_types);
  free(model);
}

static enum mlaas_status open_inside(struct model *model, const struct mlaas_backend_config *config,
                                     struct mlaas_error *error) {
  bool folder = plugin_is_folder(config->path);
  PLUGIN_TRY(plugin_check_path(config->path, folder, error));
  PLUGIN_TRY(plugin_check_options(config, "signature tags input_node output_node config_proto", error));
  model->graph = tf->NewGraph();
  void *status = tf->NewStatus(), *options = tf->NewSessionOptions();
  enum mlaas_status result = set_config(config, options, status, error);
  if (result == MLAAS_OK)
    result = (folder ? open_saved_model : open_frozen)(model, config, options, status, error);
  tf->DeleteSessionOptions(options);
  tf->DeleteStatus(status);
  return result == MLAAS_OK ? find_all(model, error) : result;
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

static struct held *held_new(struct model *model, struct mlaas_error *error) {
  struct held *held = (struct held *)plugin_pool_take(&model->pool);
  if (held)
    return held;
  held = calloc(1, sizeof *held);
  if (held) {
    held->status = tf->NewStatus();
    held->inputs = calloc(model->ports.inputs.count + 1, sizeof *held->inputs);
    held->outputs = calloc(model->ports.outputs.count + 1, sizeof *held->outputs);
    held->blocks = calloc(model->ports.outputs.count + 1, sizeof *held->blocks);
  }
  if (held && held->status && held->inputs && held->outputs && held->blocks)
    return held;
  held_free(model, held);
  mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a run");
  return NULL;
}

static void free_input(void **input) {
  if (!*input)
    return;
  if (tensorflow_dtype(tf->TensorType(*input)) == MLAAS_DTYPE_BYTES) {
    struct tf_string *texts = tf->TensorData(*input);
    for (size_t i = 0; i < tf->TensorByteSize(*input) / sizeof *texts; i++)
      tf->StringDealloc(&texts[i]);
  }
  tf->DeleteTensor(*input);
  *input = NULL;
}

/* Outputs first: an output may share the texts of an input. */
static void release(void *opened, void *given) {
  struct model *model = opened;
  struct held *held = given;
  for (size_t i = 0; i < model->ports.outputs.count; i++)
    if (held->outputs[i]) {
      tf->DeleteTensor(held->outputs[i]);
      held->outputs[i] = NULL;
    }
  for (size_t i = 0; i < model->ports.inputs.count; i++)
    free_input(&held->inputs[i]);
  plugin_pool_give(&model->pool, &held->link);
}

static void keep_data(void *data, size_t size, void *context) { (void)data, (void)size, (void)context; }

static enum mlaas_status make_input(const struct mlaas_tensor *tensor, int number, void **input,
                                    struct mlaas_error *error) {
  static char nothing[64] __attribute__((aligned(64)));
  if (tensor->dtype != MLAAS_DTYPE_BYTES) {
    void *data = tensor->data ? tensor->data : nothing;
    *input = tf->NewTensor(number, tensor->shape, tensor->num_dims, data, tensor->size, keep_data, NULL);
  } else {
    const struct mlaas_blob *texts = tensor->data;
    size_t count = tensor->size / sizeof *texts;
    *input = tf->AllocateTensor(number, tensor->shape, tensor->num_dims, count * sizeof(struct tf_string));
    struct tf_string *to = *input ? tf->TensorData(*input) : NULL;
    for (size_t i = 0; to && i < count; i++) {
      tf->StringInit(&to[i]);
      tf->StringCopy(&to[i], texts[i].data, texts[i].size);
    }
  }
  return *input ? MLAAS_OK : mlaas_backend_fail(error, MLAAS_MEMORY, "TensorFlow has no memory for an input");
}

static enum mlaas_status take_output(const void *value, struct mlaas_tensor *output, struct plugin_block *block,
                                     struct mlaas_error *error) {
  int num_dims = tf->NumDims(value);
  output->dtype = tensorflow_dtype(tf->TensorType(value));
  if (num_dims > MLAAS_TENSOR_DIMS || output->dtype == MLAAS_DTYPE_INVALID)
    return mlaas_backend_fail(error, MLAAS_UNSUPPORTED,
                              "an output has %d dimensions and elements of TensorFlow's type %d", num_dims,
                              tf->TensorType(value));
  output->num_dims = num_dims;
  for (int i = 0; i < num_dims; i++)
    output->shape[i] = tf->Dim(value, i);
  output->data = tf->TensorData(value);
  output->size = tf->TensorByteSize(value);
  if (output->dtype != MLAAS_DTYPE_BYTES)
    return MLAAS_OK;
  const struct tf_string *from = output->data;
  size_t count = (size_t)plugin_elements(output->shape, num_dims);
  PLUGIN_TRY(plugin_block_reserve(block, count * sizeof(struct mlaas_blob), error));
  struct mlaas_blob *texts = block->data;
  for (size_t i = 0; i < count; i++)
    texts[i] = (struct mlaas_blob){tf->StringGetDataPointer(&from[i]), tf->StringGetSize(&from[i])};
  output->data = texts;
  output->size = count * sizeof *texts;
  return MLAAS_OK;
}

static enum mlaas_status run_held(struct model *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                                  struct held *held, struct mlaas_error *error) {
  for (size_t i = 0; i < model->ports.inputs.count; i++)
    PLUGIN_TRY(make_input(&inputs[i], model->input_types[i], &held->inputs[i], error));
  tf->SessionRun(model->session, NULL, model->input_nodes, held->inputs, (int)model->ports.inputs.count,
                 model->output_nodes, held->outputs, (int)model->ports.outputs.count, NULL, 0, NULL, held->status);
  int code = tf->GetCode(held->status);
  if (code != TF_CODE_OK)
    return plugin_fail_words(error, code == TF_CODE_INVALID_ARGUMENT ? MLAAS_ARGUMENT : MLAAS_INTERNAL,
                             "TensorFlow does not run the model on this", tf->Message(held->status));
  for (size_t i = 0; i < model->ports.outputs.count; i++) {
    PLUGIN_TRY(take_output(held->outputs[i], &outputs[i], &held->blocks[i], error));
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
  if (status == MLAAS_OK)
    *given = held;
  else
    release(model, held);
  return status;
}

/* ---- the table ---- */

static const char *library_version(void) { return shared.ready ? tf->Version() : ""; }

const struct mlaas_backend *mlaas_backend_get(void) {
  static const struct mlaas_backend backend = {
      .version = MLAAS_BACKEND_VERSION,
      .size = sizeof backend,
      .name = "tensorflow",
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
