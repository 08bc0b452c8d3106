/* The values of model.json and params.json. Knows no files. */
#include "model/manifest_json.h"

#include "base/error.h"
#include "model/folder.h"

#include <limits.h>
#include <string.h>
#include <strings.h>

enum { MOST_LABELS = 1 << 20, MOST_THREADS = 1024, MOST_CHANNELS = 1024 };

static enum mlaas_status out_of_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory for what a model says of itself");
}

/* Go's rule, which TFaaS has: the key as it is, else without regard to case. */
static json_t *look(json_t *object, const char *key) {
  json_t *value = json_object_get(object, key);
  const char *name;
  json_t *other;
  if (value)
    return value;
  json_object_foreach(object, name, other) {
    if (strcasecmp(name, key) == 0)
      return other;
  }
  return NULL;
}

const char *mlaas_manifest_param(const struct mlaas_manifest *manifest, const char *key) {
  return json_string_value(look(manifest->params, key));
}

static enum mlaas_status read_number(json_t *object, const char *key, int most, int *number,
                                     struct mlaas_error *error) {
  json_t *value = look(object, key);
  if (!value || json_is_null(value))
    return MLAAS_OK;
  json_int_t given = json_integer_value(value);
  if (!json_is_integer(value) || given < 0 || given > most)
    return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has to be a whole number from 0 to %d", key, most);
  *number = (int)given;
  return MLAAS_OK;
}

static enum mlaas_status read_options(struct mlaas_manifest *manifest, json_t *object, struct mlaas_error *error) {
  json_t *given = look(object, "backend_options");
  if (!given || json_is_null(given))
    return MLAAS_OK;
  if (!json_is_object(given))
    return mlaas_fail(error, MLAAS_FORMAT, "\"backend_options\" has to be an object");
  return json_object_update(manifest->options, given) == 0 ? MLAAS_OK : out_of_memory(error);
}

static enum mlaas_status read_name(struct mlaas_manifest *manifest, json_t *object, struct mlaas_error *error) {
  const char *name = json_string_value(look(object, "name"));
  if (name && *name && !manifest->name)
    manifest->name = name; /* the JSON lives as long */
  return read_number(object, "threads", MOST_THREADS, &manifest->threads, error);
}

/* What values without names are. A wrong word is refused: guessing would give wrong scores. */
static enum mlaas_status read_input(struct mlaas_manifest *manifest, json_t *object, struct mlaas_error *error) {
  json_t *value = look(object, "input");
  const char *text = json_string_value(value);
  if (!value || json_is_null(value))
    return MLAAS_OK;
  if (!text || (strcmp(text, "raw") != 0 && strcmp(text, "normalised") != 0))
    return mlaas_fail(error, MLAAS_FORMAT, "\"input\" has to be \"raw\" or \"normalised\"");
  manifest->normalised = strcmp(text, "normalised") == 0;
  return MLAAS_OK;
}

/* ---- model.json ---- */

static enum mlaas_status check_format(json_t *model, struct mlaas_error *error) {
  const char *format = json_string_value(json_object_get(model, "format"));
  json_t *version = json_object_get(model, "version");
  if (!format || strcmp(format, "mlaas-model") != 0)
    return mlaas_fail(error, MLAAS_FORMAT, "\"format\" is '%.60s', expected 'mlaas-model'", format ? format : "");
  if (!json_is_integer(version) || json_integer_value(version) < 1)
    return mlaas_fail(error, MLAAS_FORMAT, "\"version\" has to be a whole number, 1 or more");
  if (json_integer_value(version) > 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED,
                      "version %lld of mlaas-model is newer than this program knows (1); update mlaas",
                      (long long)json_integer_value(version));
  return MLAAS_OK;
}

static enum mlaas_status read_backend(struct mlaas_manifest *manifest, struct mlaas_error *error) {
  const char *name = json_string_value(json_object_get(manifest->model, "back_end"));
  if (!name || !*name)
    return mlaas_fail(error, MLAAS_FORMAT, "\"back_end\" has to be a text");
  if (strcmp(name, "python") == 0)
    return mlaas_fail(error, MLAAS_UNSUPPORTED,
                      "the model can be run by Python only (\"back_end\" is python): export it to ONNX to serve it");
  manifest->backend = strcmp(name, "onnx") == 0 ? "onnxruntime" : name;
  return MLAAS_OK;
}

static enum mlaas_status read_labels(struct mlaas_manifest *manifest, struct mlaas_error *error) {
  json_t *labels = json_object_get(manifest->model, "labels");
  size_t count = json_array_size(labels);
  if (!labels || json_is_null(labels))
    return MLAAS_OK;
  if (!json_is_array(labels) || count > MOST_LABELS)
    return mlaas_fail(error, MLAAS_FORMAT, "\"labels\" has to be a list of at most %d texts", MOST_LABELS);
  const char **texts = mlaas_arena_alloc(&manifest->arena, count + 1, sizeof *texts, error);
  if (!texts)
    return out_of_memory(error);
  for (size_t i = 0; i < count; i++) {
    texts[i] = json_string_value(json_array_get(labels, i));
    if (!texts[i])
      return mlaas_fail(error, MLAAS_FORMAT, "\"labels\": item %zu is no text", i);
  }
  manifest->labels = texts;
  manifest->num_labels = count;
  return MLAAS_OK;
}

static bool wants_nan(json_t *model) {
  json_t *inputs = json_object_get(model, "inputs"), *input;
  const char *mask = json_string_value(json_object_get(model, "mask"));
  bool nan = mask && strcmp(mask, "nan") == 0;
  size_t i;
  json_array_foreach(inputs, i, input) {
    mask = json_string_value(json_object_get(input, "mask"));
    nan |= mask && strcmp(mask, "nan") == 0;
  }
  return nan;
}

enum mlaas_status mlaas_manifest_model(struct mlaas_manifest *manifest, struct mlaas_error *error) {
  json_t *model = manifest->model, *version = json_object_get(model, "model_version");
  MLAAS_TRY(check_format(model, error));
  MLAAS_TRY(read_backend(manifest, error));
  const char *file = json_string_value(json_object_get(model, "file"));
  if (!file || !mlaas_folder_name_stays(file))
    return mlaas_fail(error, MLAAS_FORMAT, "\"file\" has to be the name of a file in the same folder");
  if (version && (!json_is_integer(version) || json_integer_value(version) < 1))
    return mlaas_fail(error, MLAAS_FORMAT, "\"model_version\" has to be a whole number, 1 or more");
  manifest->version = json_integer_value(version);
  manifest->mask_is_nan = wants_nan(model);
  MLAAS_TRY(read_name(manifest, model, error));
  MLAAS_TRY(read_input(manifest, model, error));
  MLAAS_TRY(read_options(manifest, model, error));
  return read_labels(manifest, error);
}

/* ---- params.json ---- */

static enum mlaas_status check_file_name(json_t *params, const char *key, struct mlaas_error *error) {
  json_t *value = look(params, key);
  const char *text = json_string_value(value);
  if (!value || json_is_null(value) || (text && !*text))
    return MLAAS_OK;
  if (!text || !mlaas_folder_name_stays(text))
    return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has to be the name of a file in the same folder", key);
  return MLAAS_OK;
}

enum mlaas_status mlaas_manifest_params(struct mlaas_manifest *manifest, struct mlaas_error *error) {
  json_t *params = manifest->params;
  const char *backend = mlaas_manifest_param(manifest, "back_end");
  MLAAS_TRY(check_file_name(params, "model", error));
  MLAAS_TRY(check_file_name(params, "labels", error));
  MLAAS_TRY(read_name(manifest, params, error));
  MLAAS_TRY(read_number(params, "img_channels", MOST_CHANNELS, &manifest->img_channels, error));
  MLAAS_TRY(read_input(manifest, params, error));
  if (!manifest->model && backend && *backend)
    manifest->backend = strcmp(backend, "onnx") == 0 ? "onnxruntime" : backend;
  return read_options(manifest, params, error);
}

/* Under any of the spellings that TFaaS had over the years. */
static enum mlaas_status add_node(struct mlaas_manifest *manifest, const char *option, const char *const *keys,
                                  struct mlaas_error *error) {
  for (; *keys; keys++) {
    const char *text = mlaas_manifest_param(manifest, *keys);
    if (!text || !*text)
      continue;
    if (json_object_get(manifest->options, option) ||
        json_object_set_new(manifest->options, option, json_string(text)) == 0)
      return MLAAS_OK;
    return out_of_memory(error);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_manifest_nodes(struct mlaas_manifest *manifest, struct mlaas_error *error) {
  static const char *const inputs[] = {"input_node", "inputNode", "input_name", NULL};
  static const char *const outputs[] = {"output_node", "outputNode", "output_name", NULL};
  size_t length = strlen(manifest->path);
  bool frozen =
      strcmp(manifest->backend, "tensorflow") == 0 && length > 3 && strcasecmp(manifest->path + length - 3, ".pb") == 0;
  if (!frozen || manifest->bundle)
    return MLAAS_OK; /* all others name their inputs and outputs themselves */
  MLAAS_TRY(add_node(manifest, "input_node", inputs, error));
  return add_node(manifest, "output_node", outputs, error);
}
