/* One open model: its manifest, its back end, the checks of what goes in. Knows no framework. */
#include "model/model.h"

#include "base/error.h"
#include "model/backend.h"
#include "recipe/json.h"

#include <math.h>
#include <string.h>

enum { MOST_OPTIONS = 256, MOST_TENSORS = 4096 };

static enum mlaas_status out_of_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a model");
}

/* ---- options, for which the back end wants texts ---- */

static char *option_text(struct mlaas_arena *arena, const json_t *value, struct mlaas_error *error) {
  switch (json_typeof(value)) {
  case JSON_STRING:
    return mlaas_arena_strndup(arena, json_string_value(value), json_string_length(value), error);
  case JSON_INTEGER:
    return mlaas_arena_format(arena, error, "%lld", (long long)json_integer_value(value));
  case JSON_REAL:
    return mlaas_arena_format(arena, error, "%.17g", json_real_value(value));
  case JSON_TRUE:
  case JSON_FALSE:
    return mlaas_arena_format(arena, error, "%s", json_is_true(value) ? "true" : "false");
  default:
    mlaas_fail(error, MLAAS_FORMAT, "an option of a back end has to be a text, a number, true or false");
    return NULL;
  }
}

static enum mlaas_status options_of(struct mlaas_manifest *manifest, struct mlaas_backend_config *config,
                                    struct mlaas_error *error) {
  size_t count = json_object_size(manifest->options), i = 0;
  if (count > MOST_OPTIONS)
    return mlaas_fail(error, MLAAS_LIMIT, "%zu options for a back end are more than %d", count, MOST_OPTIONS);
  struct mlaas_backend_option *options = mlaas_arena_alloc(&manifest->arena, count, sizeof *options, error);
  struct mlaas_error why = {.status = MLAAS_MEMORY, .offset = -1};
  const char *key;
  json_t *value;
  if (!options)
    return out_of_memory(error);
  json_object_foreach(manifest->options, key, value) {
    char *text = json_is_null(value) ? NULL : option_text(&manifest->arena, value, &why);
    if (!text && !json_is_null(value))
      return mlaas_fail(error, why.status, "\"%s\": %s", key, why.message);
    if (text)
      options[i++] = (struct mlaas_backend_option){key, text};
  }
  config->options = options;
  config->num_options = i;
  return MLAAS_OK;
}

/* The caller's options go over the model's own. */
static enum mlaas_status merge_options(struct mlaas_manifest *manifest, const struct mlaas_model_options *given,
                                       struct mlaas_error *error) {
  if (given->backend && strcmp(given->backend, manifest->backend) != 0) {
    json_object_del(manifest->options, "input_node"); /* words for TensorFlow alone */
    json_object_del(manifest->options, "output_node");
    manifest->backend = mlaas_arena_strndup(&manifest->arena, given->backend, strlen(given->backend), error);
    if (!manifest->backend)
      return out_of_memory(error);
  }
  if (!given->options || !*given->options)
    return MLAAS_OK;
  json_error_t where;
  json_t *over = json_loads(given->options, 0, &where);
  if (!json_is_object(over)) {
    json_decref(over);
    return mlaas_fail(error, MLAAS_ARGUMENT, "the options of the back end are no JSON object: %s",
                      over ? "another kind of value" : where.text);
  }
  bool merged = true;
  const char *key;
  json_t *value;
  json_object_foreach(over, key, value) if (!json_is_object(value)) merged &=
      json_object_set(manifest->options, key, value) == 0;
  else if (strcmp(key, manifest->backend) == 0) /* {"tensorflow": {...}}: for that back end alone */
      merged &= json_object_update(manifest->options, value) == 0;
  json_decref(over);
  return merged ? MLAAS_OK : out_of_memory(error);
}

/* ---- life ---- */

static bool any_rows(const struct mlaas_tensor_info *infos, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (infos[i].num_dims < 1 || infos[i].shape[0] >= 0)
      return false;
  return true;
}

static enum mlaas_status check_infos(const struct mlaas_tensor_info *infos, size_t count, struct mlaas_error *error) {
  if (!infos || count == 0 || count > MOST_TENSORS)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the model has %zu inputs or outputs", count);
  for (size_t i = 0; i < count; i++)
    if (!infos[i].name || infos[i].dtype <= MLAAS_DTYPE_INVALID || infos[i].dtype >= MLAAS_DTYPE_COUNT ||
        infos[i].num_dims > MLAAS_TENSOR_DIMS)
      return mlaas_fail(error, MLAAS_UNSUPPORTED, "'%s' has a type or shape that is not known",
                        infos[i].name ? infos[i].name : "");
  return MLAAS_OK;
}

static enum mlaas_status open_backend(struct mlaas_model *model, const struct mlaas_model_options *options,
                                      struct mlaas_error *error) {
  struct mlaas_manifest *manifest = &model->manifest;
  struct mlaas_backend_config config = {.size = sizeof config, .path = manifest->path};
  char library[PATH_MAX];
  MLAAS_TRY(merge_options(manifest, options, error));
  MLAAS_TRY(options_of(manifest, &config, error));
  MLAAS_TRY(mlaas_backend_find(manifest->backend, options->backends, &model->backend, error));
  if (mlaas_backend_library(manifest->backend, options->libraries, library))
    config.library = library;
  config.threads = options->threads > 0 ? options->threads : manifest->threads > 0 ? manifest->threads : 1;
  MLAAS_TRY(model->backend->open(&config, &model->opened, error));
  model->inputs = model->backend->inputs(model->opened, &model->num_inputs);
  model->outputs = model->backend->outputs(model->opened, &model->num_outputs);
  if (model->num_inputs == 0 || model->num_outputs == 0) /* everybody behind here may look at the first of each */
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the model has %zu inputs and %zu outputs; it needs one of each",
                      model->num_inputs, model->num_outputs);
  MLAAS_TRY(check_infos(model->inputs, model->num_inputs, error));
  MLAAS_TRY(check_infos(model->outputs, model->num_outputs, error));
  model->batchable = any_rows(model->inputs, model->num_inputs) && any_rows(model->outputs, model->num_outputs);
  mlaas_drift_measure(model->backend, model->opened, &config, &model->drift);
  return MLAAS_OK;
}

enum mlaas_status mlaas_model_open(const char *path, const struct mlaas_model_options *options,
                                   struct mlaas_model **model, struct mlaas_error *error) {
  struct mlaas_model_options given = {.size = sizeof given};
  if (options)
    memcpy(&given, options, options->size < sizeof given ? options->size : sizeof given);
  struct mlaas_model *made = mlaas_alloc(sizeof *made);
  if (!made)
    return out_of_memory(error);
  enum mlaas_status status = mlaas_manifest_read(path, &made->manifest, error);
  if (status == MLAAS_OK)
    status = mlaas_fail_in(error, open_backend(made, &given, error), "%s", path);
  if (status == MLAAS_OK)
    *model = made;
  else
    mlaas_model_close(made);
  return status;
}

void mlaas_model_close(struct mlaas_model *model) {
  if (!model)
    return;
  if (model->opened)
    model->backend->close(model->opened);
  mlaas_manifest_reset(&model->manifest);
  mlaas_free(model);
}

/* ---- asking ---- */

const struct mlaas_tensor_info *mlaas_model_inputs(const struct mlaas_model *model, size_t *count) {
  *count = model->num_inputs;
  return model->inputs;
}

const struct mlaas_tensor_info *mlaas_model_outputs(const struct mlaas_model *model, size_t *count) {
  *count = model->num_outputs;
  return model->outputs;
}

struct mlaas_recipe *mlaas_model_recipe(const struct mlaas_model *model) {
  return model->manifest.recipe;
}

/* ---- running ---- */

static const char *dtype_name(enum mlaas_dtype dtype) {
  static const char *const names[] = {
#define X(symbol, name, bytes) name,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return dtype > MLAAS_DTYPE_INVALID && dtype < MLAAS_DTYPE_COUNT ? names[dtype] : "no type";
}

static size_t dtype_size(enum mlaas_dtype dtype) {
  static const uint8_t sizes[] = {
#define X(symbol, name, bytes) bytes,
      MLAAS_DTYPE_MAP(X)
#undef X
  };
  return dtype > MLAAS_DTYPE_INVALID && dtype < MLAAS_DTYPE_COUNT ? sizes[dtype] : 0;
}

enum { SHAPE_TEXT = 256 };

static void shape_text(int num_dims, const int64_t *shape, char text[SHAPE_TEXT]) {
  size_t used = 0;
  if (num_dims < 0) {
    snprintf(text, SHAPE_TEXT, "of any shape");
    return;
  }
  text[used++] = '[';
  for (int i = 0; i < num_dims && i < MLAAS_TENSOR_DIMS; i++)
    used += (size_t)snprintf(text + used, SHAPE_TEXT - used, "%s%lld", i ? "," : "", (long long)shape[i]);
  snprintf(text + used, SHAPE_TEXT - used, "]");
}

static enum mlaas_status misfit(const struct mlaas_tensor_info *info, const struct mlaas_tensor *tensor,
                                struct mlaas_error *error) {
  char expected[SHAPE_TEXT], found[SHAPE_TEXT];
  shape_text(info->num_dims, info->shape, expected);
  shape_text(tensor->num_dims, tensor->shape, found);
  return mlaas_fail(error, MLAAS_SCHEMA, "input \"%s\": expected %s %s, found %s %s", info->name,
                    dtype_name(info->dtype), expected, dtype_name(tensor->dtype), found);
}

enum mlaas_status mlaas_model_check_input(const struct mlaas_model *model, size_t i, const struct mlaas_tensor *tensor,
                                          struct mlaas_error *error) {
  const struct mlaas_tensor_info *info = &model->inputs[i];
  size_t bytes = dtype_size(tensor->dtype);
  bool fits = tensor->dtype == info->dtype && tensor->num_dims >= 0 && tensor->num_dims <= MLAAS_TENSOR_DIMS &&
              (info->num_dims < 0 || tensor->num_dims == info->num_dims);
  for (int dim = 0; fits && dim < tensor->num_dims; dim++) {
    fits = tensor->shape[dim] >= 0 &&
           (info->num_dims < 0 || info->shape[dim] < 0 || info->shape[dim] == tensor->shape[dim]) &&
           !__builtin_mul_overflow(bytes, (size_t)tensor->shape[dim], &bytes);
  }
  if (!fits)
    return misfit(info, tensor, error);
  if (bytes != tensor->size || (bytes && !tensor->data))
    return mlaas_fail(error, MLAAS_SCHEMA, "input \"%s\": its shape makes %zu bytes, found %zu", info->name, bytes,
                      tensor->size);
  return MLAAS_OK;
}

enum mlaas_status mlaas_model_run(struct mlaas_model *model, const struct mlaas_tensor *inputs,
                                  struct mlaas_tensor *outputs, void **held, struct mlaas_error *error) {
  for (size_t i = 0; i < model->num_inputs; i++)
    MLAAS_TRY(mlaas_model_check_input(model, i, &inputs[i], error));
  return model->backend->run(model->opened, inputs, outputs, held, error);
}

void mlaas_model_release(struct mlaas_model *model, void *held) { model->backend->release(model->opened, held); }

void mlaas_model_apply_mask(const struct mlaas_model *model, float *x, const uint8_t *mask, size_t count) {
  if (!model->manifest.mask_is_nan)
    return;
  for (size_t i = 0; i < count; i++)
    if (mask[i])
      x[i] = NAN;
}

/* ---- describing ---- */

static json_t *describe_tensors(const struct mlaas_tensor_info *infos, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; i < count; i++) {
    json_t *shape = infos[i].num_dims < 0 ? json_null() : json_array();
    for (int dim = 0; dim < infos[i].num_dims; dim++)
      json_array_append_new(shape, json_integer(infos[i].shape[dim]));
    json_array_append_new(
        list, json_pack("{s:s, s:s, s:o}", "name", infos[i].name, "dtype", dtype_name(infos[i].dtype), "shape", shape));
  }
  return list;
}

static json_t *describe_labels(const struct mlaas_manifest *manifest) {
  json_t *list = json_array();
  for (size_t i = 0; i < manifest->num_labels; i++) {
    json_t *label = json_string(manifest->labels[i]);
    json_array_append_new(list, label ? label : json_string("")); /* no UTF-8 */
  }
  return list;
}

/* Where the model runs with less than float32: what that costs. */
static json_t *describe_drift(const struct mlaas_drift *drift) {
  if (!drift->rows)
    return json_pack("{s:s, s:n, s:n, s:i}", "precision", drift->precision, "largest", "mean", "rows", 0);
  return json_pack("{s:s, s:f, s:f, s:I}", "precision", drift->precision, "largest", drift->largest, "mean",
                   drift->mean, "rows", (json_int_t)drift->rows);
}

static const char *file_name(const struct mlaas_manifest *manifest) {
  const char *slash = strrchr(manifest->path, '/');
  return slash ? slash + 1 : manifest->path;
}

enum mlaas_status mlaas_model_describe(const struct mlaas_model *model, char **json, struct mlaas_error *error) {
  const struct mlaas_manifest *manifest = &model->manifest;
  json_t *metrics = json_object_get(manifest->model, "metrics");
  json_t *about =
      json_pack("{s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:O?, s:s, s:b, s:b, s:b, s:s?}", "name", manifest->name,
                "version", (json_int_t)manifest->version, "back_end", manifest->backend, "library_version",
                model->backend->library_version(), "inputs", describe_tensors(model->inputs, model->num_inputs),
                "outputs", describe_tensors(model->outputs, model->num_outputs), "labels", describe_labels(manifest),
                "metrics", metrics, "file", file_name(manifest), "bundle", manifest->bundle, "recipe",
                manifest->recipe != NULL, "batchable", model->batchable, "warning", manifest->warning);
  if (!about)
    return out_of_memory(error);
  if (model->drift.precision)
    json_object_set_new(about, "drift", describe_drift(&model->drift));
  enum mlaas_status status = mlaas_json_format(about, json, error);
  json_decref(about);
  return status;
}
