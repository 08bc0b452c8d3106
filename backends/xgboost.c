/* The back end `xgboost`: boosted trees saved as .ubj or .json.
 *
 * One input "x", float32 [-1, features], where NaN is a missing value. One output "score", float32 [-1, groups]: one
 * column for binary and regression, one per class for multi:softprob. Options: "output" (score; margin: before the
 * objective's function), "rounds" (use the first so many rounds of boosting; 0: all).
 */
#include "plugin.h"
#include "xgboost_api.h"
#include "xgboost_ubj.h"

#include <inttypes.h>

#define MODEL_MOST ((size_t)8 << 30)

static const struct plugin_library library = {
    .framework = "XGBoost",
    .package = "xgboost",
    .file = "libxgboost.so",
    .soname = "libxgboost.so",
};

static struct {
  pthread_mutex_t lock;
  bool ready;
  struct xgb_api api;
  char version[32];
} shared = {.lock = PTHREAD_MUTEX_INITIALIZER};

static const struct xgb_api *const xgb = &shared.api;

struct model {
  void *booster;
  struct mlaas_tensor_info input, output;
  char config[200]; /* of a prediction, JSON */
  struct plugin_pool pool;
};

struct held {
  struct plugin_held link;
  struct plugin_block scores;
};

/* ---- the library ---- */

static enum mlaas_status load(const char *folder, struct mlaas_error *error) {
  void *handle;
  int major = 0, minor = 0, patch = 0;
  PLUGIN_TRY(plugin_library_open(&library, folder, &handle, error));
#define X(result, name, arguments) PLUGIN_TRY(plugin_symbol(&library, handle, #name, &shared.api.name, error));
  XGB_FUNCTIONS(X)
#undef X
  xgb->XGBoostVersion(&major, &minor, &patch);
  snprintf(shared.version, sizeof shared.version, "%d.%d.%d", major, minor, patch);
  shared.ready = true;
  return MLAAS_OK;
}

static enum mlaas_status load_once(const char *folder, struct mlaas_error *error) {
  pthread_mutex_lock(&shared.lock);
  enum mlaas_status status = shared.ready ? MLAAS_OK : load(folder, error);
  pthread_mutex_unlock(&shared.lock);
  return status;
}

/* The library's last words begin with a line "[12:34:56] file:line: " and end with a stack trace. */
static enum mlaas_status fail(struct mlaas_error *error, enum mlaas_status status, const char *what) {
  char words[800];
  const char *said = xgb->XGBGetLastError(), *colon;
  if (said[0] == '[' && (colon = strstr(said, ": ")))
    said = colon + 2;
  snprintf(words, sizeof words, "%s", said);
  char *trace = strstr(words, "Stack trace");
  if (trace)
    *trace = 0;
  return plugin_fail_words(error, status, what, words);
}

/* ---- run ---- */

static enum mlaas_status predict(struct model *model, const float *x, int64_t rows, const uint64_t **shape,
                                 const float **result, uint64_t *groups, struct mlaas_error *error) {
  char array[200];
  uint64_t num_dims;
  snprintf(array, sizeof array,
           "{\"data\":[%" PRIuPTR ",true],\"shape\":[%" PRId64 ",%" PRId64 "],\"typestr\":\"<f4\",\"version\":3}",
           (uintptr_t)x, rows, model->input.shape[1]);
  if (xgb->XGBoosterPredictFromDense(model->booster, array, model->config, NULL, shape, &num_dims, result) != 0)
    return fail(error, MLAAS_INTERNAL, "XGBoost does not run the model on this");
  *groups = 1;
  for (uint64_t i = 1; i < num_dims; i++)
    *groups *= (*shape)[i];
  if (num_dims < 1 || (*shape)[0] != (uint64_t)rows)
    return mlaas_backend_fail(error, MLAAS_INTERNAL, "XGBoost gives no score per row");
  return MLAAS_OK;
}

static void release(void *opened, void *given) {
  plugin_pool_give(&((struct model *)opened)->pool, &((struct held *)given)->link);
}

/* The library's result belongs to the calling thread and its next prediction, so it is copied. */
static enum mlaas_status run_held(struct model *model, const struct mlaas_tensor *input, struct mlaas_tensor *output,
                                  struct held *held, struct mlaas_error *error) {
  int64_t rows = input->shape[0];
  uint64_t groups = (uint64_t)model->output.shape[1];
  const uint64_t *shape;
  const float *scores;
  PLUGIN_TRY(plugin_block_reserve(&held->scores, (size_t)rows * groups * sizeof *scores, error));
  if (rows > 0) { /* the library refuses none */
    PLUGIN_TRY(predict(model, input->data, rows, &shape, &scores, &groups, error));
    if (groups != (uint64_t)model->output.shape[1])
      return mlaas_backend_fail(error, MLAAS_INTERNAL, "XGBoost gives %" PRIu64 " columns, expected %lld", groups,
                                (long long)model->output.shape[1]);
    memcpy(held->scores.data, scores, (size_t)rows * groups * sizeof *scores);
  }
  *output = (struct mlaas_tensor){
      MLAAS_DTYPE_FLOAT32, 2, {rows, (int64_t)groups}, held->scores.data, (size_t)rows * groups * sizeof *scores};
  return MLAAS_OK;
}

static enum mlaas_status run(void *opened, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                             void **given, struct mlaas_error *error) {
  struct model *model = opened;
  struct held *held = (struct held *)plugin_pool_take(&model->pool);
  if (!held && !(held = calloc(1, sizeof *held)))
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a run");
  enum mlaas_status status = run_held(model, inputs, outputs, held, error);
  if (status == MLAAS_OK)
    *given = held;
  else
    release(model, held);
  return status;
}

/* ---- open and close ---- */

static void close_model(void *opened) {
  struct model *model = opened;
  for (struct plugin_held *held; (held = plugin_pool_take(&model->pool));) {
    plugin_block_reset(&((struct held *)held)->scores);
    free(held);
  }
  if (model->booster)
    xgb->XGBoosterFree(model->booster);
  pthread_mutex_destroy(&model->pool.lock);
  free(model);
}

static enum mlaas_status set_config(struct model *model, const struct mlaas_backend_config *config,
                                    struct mlaas_error *error) {
  const char *output = plugin_option(config, "output"), *rounds = plugin_option(config, "rounds");
  bool margin = output && strcmp(output, "margin") == 0;
  char *end = NULL;
  PLUGIN_TRY(plugin_check_options(config, "output rounds", error));
  if (output && !margin && strcmp(output, "score") != 0)
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the option output is %.100s, expected score or margin", output);
  long most = rounds ? strtol(rounds, &end, 10) : 0;
  if (rounds && (end == rounds || *end || most < 0 || most > INT32_MAX))
    return mlaas_backend_fail(error, MLAAS_ARGUMENT, "the option rounds is %.100s, expected a number", rounds);
  snprintf(model->config, sizeof model->config,
           "{\"type\":%d,\"training\":false,\"iteration_begin\":0,\"iteration_end\":%ld,\"strict_shape\":true,"
           "\"missing\":NaN,\"cache_id\":0}",
           margin, most);
  return MLAAS_OK;
}

/* One row tells the number of groups, and makes the booster finish its configuration, which is not thread safe. */
static enum mlaas_status describe(struct model *model, struct mlaas_error *error) {
  uint64_t features = 0, groups = 0;
  const uint64_t *shape;
  const float *scores;
  int rounds = 0;
  if (xgb->XGBoosterGetNumFeature(model->booster, &features) != 0 ||
      xgb->XGBoosterBoostedRounds(model->booster, &rounds) != 0)
    return fail(error, MLAAS_FORMAT, "XGBoost does not know what the model takes");
  if (features < 1 || features > 1 << 24 || rounds < 1)
    return mlaas_backend_fail(error, MLAAS_FORMAT, "the model has %" PRIu64 " features and %d rounds", features,
                              rounds);
  model->input = (struct mlaas_tensor_info){"x", MLAAS_DTYPE_FLOAT32, 2, {-1, (int64_t)features}};
  float *row = calloc(features, sizeof *row);
  if (!row)
    return mlaas_backend_fail(error, MLAAS_MEMORY, "no memory for a row");
  enum mlaas_status status = predict(model, row, 1, &shape, &scores, &groups, error);
  free(row);
  model->output = (struct mlaas_tensor_info){"score", MLAAS_DTYPE_FLOAT32, 2, {-1, (int64_t)groups}};
  return status;
}

/* The library looks for the end of a .ubj in memory that is not its own when there is none. */
static enum mlaas_status check_file(const char *path, struct mlaas_error *error) {
  const char *dot = strrchr(path, '.');
  char *bytes;
  size_t size;
  PLUGIN_TRY(plugin_check_path(path, false, error));
  if (!dot || strcmp(dot, ".ubj") != 0)
    return MLAAS_OK;
  PLUGIN_TRY(plugin_read_file(path, MODEL_MOST, &bytes, &size, error));
  enum mlaas_status status = xgboost_ubj_check(bytes, size, error);
  free(bytes);
  return status;
}

static enum mlaas_status open_inside(struct model *model, const struct mlaas_backend_config *config,
                                     struct mlaas_error *error) {
  char threads[16], what[400];
  PLUGIN_TRY(set_config(model, config, error));
  PLUGIN_TRY(check_file(config->path, error));
  snprintf(threads, sizeof threads, "%d", config->threads);
  snprintf(what, sizeof what, "XGBoost does not take %.300s", config->path);
  xgb->XGBSetGlobalConfig("{\"verbosity\":0}"); /* of this thread; nothing of ours prints */
  if (xgb->XGBoosterCreate(NULL, 0, &model->booster) != 0)
    return fail(error, MLAAS_MEMORY, "XGBoost makes no booster");
  if (xgb->XGBoosterLoadModel(model->booster, config->path) != 0)
    return fail(error, MLAAS_FORMAT, what);
  if (xgb->XGBoosterSetParam(model->booster, "nthread", threads) != 0)
    return fail(error, MLAAS_INTERNAL, "XGBoost does not take the number of threads");
  return describe(model, error);
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

/* ---- the table ---- */

static const struct mlaas_tensor_info *inputs_of(const void *model, size_t *count) {
  *count = 1;
  return &((const struct model *)model)->input;
}

static const struct mlaas_tensor_info *outputs_of(const void *model, size_t *count) {
  *count = 1;
  return &((const struct model *)model)->output;
}

static const char *library_version(void) { return shared.version; }

const struct mlaas_backend *mlaas_backend_get(void) {
  static const struct mlaas_backend backend = {
      .version = MLAAS_BACKEND_VERSION,
      .size = sizeof backend,
      .name = "xgboost",
      .open = open_model,
      .close = close_model,
      .inputs = inputs_of,
      .outputs = outputs_of,
      .run = run,
      .release = release,
      .library_version = library_version,
  };
  return &backend;
}
