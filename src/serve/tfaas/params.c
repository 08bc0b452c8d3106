/* What TFaaS says of a model. Knows no route. */
#include "serve/tfaas/params.h"

#include "base/error.h"
#include "model/manifest.h"
#include "serve/body/files.h"

#include <strings.h>
#include <sys/stat.h>
#include <time.h>

json_t *mlaas_json_member(json_t *object, const char *name) {
  const char *key;
  json_t *value, *found = NULL;
  json_object_foreach(object, key, value) {
    if (strcasecmp(key, name) == 0)
      found = value; /* the last one, as Go */
  }
  return found;
}

enum mlaas_status mlaas_tfaas_params_parse(struct mlaas_slice text, json_t **params, struct mlaas_error *error) {
  json_error_t problem;
  if (text.size > MLAAS_TFAAS_PARAMS_MOST)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the parameters have more than %d bytes", MLAAS_TFAAS_PARAMS_MOST);
  json_t *found = json_loadb(text.data ? text.data : "", text.size, 0, &problem);
  if (!found)
    return mlaas_fail_at(error, MLAAS_ARGUMENT, problem.position, "the parameters are no JSON: %s", problem.text);
  json_t *name = json_is_object(found) ? mlaas_json_member(found, "name") : NULL;
  if (json_is_object(found) && (!name || json_is_string(name))) {
    *params = found;
    return MLAAS_OK;
  }
  json_decref(found);
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    name ? "\"name\" of the parameters is no text" : "the parameters are no JSON object");
}

/* ---- completing ---- */

static const char *text_of(json_t *params, const char *name, const char *other) {
  const char *text = json_string_value(mlaas_json_member(params, name));
  if ((!text || !*text) && other)
    text = json_string_value(mlaas_json_member(params, other));
  return text ? text : "";
}

static int put(json_t *object, const char *key, json_t *value) { return json_object_set_new(object, key, value); }

static int put_text(json_t *object, const char *key, json_t *params, const char *other) {
  return put(object, key, json_string(text_of(params, key, other)));
}

json_t *mlaas_tfaas_params_complete(json_t *params) {
  json_t *object = json_object(), *channels = mlaas_json_member(params, "img_channels");
  json_t *options = mlaas_json_member(params, "options");
  int bad = put_text(object, "name", params, NULL) | put_text(object, "model", params, NULL) |
            put_text(object, "labels", params, NULL) | put_text(object, "op", params, NULL) |
            put_text(object, "input_name", params, NULL) | put_text(object, "output_name", params, NULL) |
            put(object, "img_channels", json_integer(json_integer_value(channels))) |
            put(object, "options", options ? json_incref(options) : json_null()) |
            put_text(object, "input_node", params, "inputNode") |
            put_text(object, "output_node", params, "outputNode") | put_text(object, "description", params, NULL) |
            put_text(object, "timestamp", params, NULL) |
            put(object, "inputNode", json_string(text_of(params, "input_node", "inputNode"))) |
            put(object, "outputNode", json_string(text_of(params, "output_node", "outputNode")));
  if (bad) {
    json_decref(object);
    return NULL;
  }
  return object;
}

/* ---- a folder's ---- */

/* As Go prints a time: where the model does not say when it was made, its file does. */
static void add_time(json_t *params, const char *path) {
  const char *said = json_string_value(mlaas_json_member(params, "timestamp"));
  struct stat info;
  struct tm parts;
  char text[64];
  if ((said && *said) || stat(path, &info) != 0 || !gmtime_r(&info.st_mtime, &parts))
    return;
  strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S +0000 UTC", &parts);
  json_object_set_new(params, "timestamp", json_string(text));
}

static const char *base_of(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* Of a model that has no params.json. */
static enum mlaas_status from_manifest(const char *path, json_t **params, struct mlaas_error *error) {
  struct mlaas_manifest manifest = {0};
  enum mlaas_status status = mlaas_manifest_read(path, &manifest, error);
  if (status == MLAAS_OK) {
    const char *description = json_string_value(mlaas_json_member(manifest.model, "description"));
    *params =
        json_pack("{s:s, s:s, s:i, s:s}", "name", manifest.name ? manifest.name : "", "model", base_of(manifest.path),
                  "img_channels", manifest.img_channels, "description", description ? description : manifest.backend);
    status = *params ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "out of memory for a model's parameters");
  }
  mlaas_manifest_reset(&manifest);
  return status;
}

enum mlaas_status mlaas_tfaas_params_of(const char *path, const char *name, struct mlaas_arena *arena, json_t **params,
                                        struct mlaas_error *error) {
  struct mlaas_slice text;
  json_t *found = NULL;
  enum mlaas_status status =
      mlaas_files_read(path, MLAAS_SLICE("params.json"), MLAAS_TFAAS_PARAMS_MOST, arena, &text, error);
  if (status == MLAAS_OK)
    status = mlaas_tfaas_params_parse(text, &found, error);
  else if (status == MLAAS_NOT_FOUND || status == MLAAS_IO) /* IO: the path is a file, not a folder */
    status = from_manifest(path, &found, error);
  if (status != MLAAS_OK)
    return status;
  if (!*text_of(found, "name", NULL))
    json_object_set_new(found, "name", json_string(name));
  add_time(found, path);
  *params = mlaas_tfaas_params_complete(found);
  json_decref(found);
  return *params ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "out of memory for a model's parameters");
}
