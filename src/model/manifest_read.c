/* What a model's folder or file says of itself. Opens no framework, runs nothing; the values of model.json and
 * params.json are read in manifest_json.c.
 */
#include "model/manifest.h"

#include "base/error.h"
#include "model/folder.h"
#include "model/manifest_json.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

enum {
  MANIFEST_MEMORY = 1 << 28,
  PARAMS_BYTES = 1 << 20,
  MODEL_JSON_BYTES = 16 << 20,
  RECIPE_BYTES = 64 << 20,
  LABELS_BYTES = 16 << 20,
  ENTRIES = 10000, /* files of a folder that are looked at */
};

static enum mlaas_status out_of_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory for what a model says of itself");
}

void mlaas_manifest_reset(struct mlaas_manifest *manifest) {
  struct mlaas_budget *budget = manifest->arena.budget;
  json_decref(manifest->model);
  json_decref(manifest->params);
  json_decref(manifest->options);
  mlaas_recipe_put(manifest->recipe);
  mlaas_arena_reset(&manifest->arena);
  mlaas_budget_put(budget);
  memset(manifest, 0, sizeof *manifest);
}

/* ---- files ---- */

static bool ends_with(const char *name, const char *end) {
  size_t length = strlen(name), tail = strlen(end);
  return length > tail && strcasecmp(name + length - tail, end) == 0;
}

/* The back end for a file of this name, or NULL. */
static const char *backend_of(const char *name) {
  if (strcmp(name, "echo.json") == 0)
    return "echo";
  if (strcmp(name, "slow.json") == 0)
    return "slow";
  if (ends_with(name, ".pb"))
    return "tensorflow";
  if (ends_with(name, ".onnx"))
    return "onnxruntime";
  if (ends_with(name, ".ubj") || ends_with(name, ".json"))
    return "xgboost";
  return NULL;
}

/* Sets the back end and the path for the file FOLDER/NAME, which exists. The members of echo.json and slow.json are
 * options of their back ends. */
static enum mlaas_status use_file(struct mlaas_manifest *manifest, const char *folder, const char *name,
                                  const char *backend, struct mlaas_error *error) {
  backend = manifest->backend ? manifest->backend : backend; /* what the folder says goes first */
  manifest->backend = backend;
  manifest->path = mlaas_folder_path(&manifest->arena, folder, name, error);
  if (!manifest->path)
    return out_of_memory(error);
  if (strcmp(backend, "echo") != 0 && strcmp(backend, "slow") != 0)
    return MLAAS_OK;
  json_t *members = NULL;
  MLAAS_TRY(mlaas_file_json(manifest->path, PARAMS_BYTES, &members, error));
  bool copied = json_object_update(manifest->options, members) == 0;
  json_decref(members);
  return copied ? MLAAS_OK : out_of_memory(error);
}

static enum mlaas_status use_saved_model(struct mlaas_manifest *manifest, const char *folder,
                                         struct mlaas_error *error) {
  if (!manifest->backend)
    manifest->backend = "tensorflow";
  manifest->path = mlaas_arena_strndup(&manifest->arena, folder, strlen(folder), error);
  return manifest->path ? MLAAS_OK : out_of_memory(error);
}

/* ---- a folder without words: what its files are ---- */

enum kind { KIND_ONNX, KIND_PB, KIND_UBJ, KIND_JSON, KINDS };

struct found {
  char name[KINDS][NAME_MAX + 1];
  int count[KINDS];
  bool best[KINDS]; /* called model.*: preferred */
};

static const char *const metadata[] = {"params.json",    "model.json",  "recipe.json",       "metrics.json",
                                       "reference.json", "config.json", "keras_metadata.pb", "fingerprint.pb"};

static int kind_of(const char *name) {
  for (size_t i = 0; i < sizeof metadata / sizeof *metadata; i++)
    if (strcmp(name, metadata[i]) == 0 && strcmp(name, "model.json") != 0)
      return -1;
  if (ends_with(name, ".onnx"))
    return KIND_ONNX;
  if (ends_with(name, ".pb"))
    return KIND_PB;
  if (ends_with(name, ".ubj"))
    return KIND_UBJ;
  return ends_with(name, ".json") ? KIND_JSON : -1;
}

static void note_file(struct found *found, const char *name) {
  int kind = kind_of(name);
  if (kind < 0)
    return;
  bool best = strncmp(name, "model.", 6) == 0;
  if (best || (!found->best[kind] && found->count[kind] == 0))
    memcpy(found->name[kind], name, strlen(name) + 1);
  found->best[kind] |= best;
  found->count[kind]++;
}

static enum mlaas_status look_around(const char *folder, struct found *found, struct mlaas_error *error) {
  DIR *dir = opendir(folder);
  if (!dir)
    return mlaas_fail_errno(error, errno, "the folder cannot be read");
  struct dirent *entry;
  for (int i = 0; i < ENTRIES && (entry = readdir(dir)); i++)
    if (entry->d_name[0] != '.' && kind_of(entry->d_name) >= 0 && mlaas_folder_has(folder, entry->d_name))
      note_file(found, entry->d_name);
  closedir(dir);
  return MLAAS_OK;
}

/* XGBoost's two forms count as one model, of which the smaller file is taken. */
static enum mlaas_status use_files(struct mlaas_manifest *manifest, const char *folder, struct mlaas_error *error) {
  struct found found = {0};
  if (mlaas_folder_has(folder, "saved_model.pb"))
    return use_saved_model(manifest, folder, error);
  MLAAS_TRY(look_around(folder, &found, error));
  int chosen = -1, kinds = 0;
  if (found.count[KIND_UBJ])
    found.count[KIND_JSON] = 0;
  for (int kind = KINDS - 1; kind >= 0; kind--) {
    if (found.count[kind] && !(kind == KIND_JSON && (found.count[KIND_ONNX] || found.count[KIND_PB]))) {
      chosen = kind;
      kinds++;
    }
  }
  if (chosen < 0)
    return mlaas_fail(error, MLAAS_UNSUPPORTED,
                      "holds no model: none of model.json, params.json, saved_model.pb, or a file .pb, .onnx, .ubj");
  if (kinds > 1 || (found.count[chosen] > 1 && !found.best[chosen]))
    return mlaas_fail(error, MLAAS_UNSUPPORTED,
                      "holds several models, such as %s: keep one, or name it in params.json as \"model\"",
                      found.name[chosen]);
  return use_file(manifest, folder, found.name[chosen], backend_of(found.name[chosen]), error);
}

/* ---- a bundle ---- */

static enum mlaas_status read_recipe(struct mlaas_manifest *manifest, const char *folder, struct mlaas_error *error) {
  if (!mlaas_folder_has(folder, "recipe.json"))
    return MLAAS_OK;
  char *path = mlaas_folder_path(&manifest->arena, folder, "recipe.json", error), *text = NULL;
  size_t length = 0;
  if (!path)
    return out_of_memory(error);
  MLAAS_TRY(mlaas_file_text(path, RECIPE_BYTES, &text, &length, error));
  enum mlaas_status status = mlaas_recipe_parse(text, length, &manifest->recipe, error);
  mlaas_free(text);
  return mlaas_fail_in(error, status, "%s", path);
}

static enum mlaas_status read_params(struct mlaas_manifest *manifest, const char *folder, struct mlaas_error *error) {
  if (!mlaas_folder_has(folder, "params.json"))
    return MLAAS_OK;
  char *path = mlaas_folder_path(&manifest->arena, folder, "params.json", error);
  if (!path)
    return out_of_memory(error);
  MLAAS_TRY(mlaas_file_json(path, PARAMS_BYTES, &manifest->params, error));
  return mlaas_fail_in(error, mlaas_manifest_params(manifest, error), "%s", path);
}

/* model.json is ours, or a model of XGBoost's; only a JSON object with our "format" is ours. */
static enum mlaas_status read_model_json(struct mlaas_manifest *manifest, const char *folder,
                                         struct mlaas_error *error) {
  if (!mlaas_folder_has(folder, "model.json"))
    return MLAAS_OK;
  char *path = mlaas_folder_path(&manifest->arena, folder, "model.json", error);
  if (!path)
    return out_of_memory(error);
  bool bundle = mlaas_folder_has(folder, "recipe.json");
  enum mlaas_status status = mlaas_file_json(path, MODEL_JSON_BYTES, &manifest->model, error);
  if (!bundle && (status == MLAAS_FORMAT || status == MLAAS_LIMIT))
    return MLAAS_OK; /* whoever opens it will say what is wrong */
  MLAAS_TRY(status);
  if (!json_object_get(manifest->model, "format") && !bundle) {
    json_decref(manifest->model);
    manifest->model = NULL;
    return MLAAS_OK;
  }
  return mlaas_fail_in(error, mlaas_manifest_model(manifest, error), "%s", path);
}

static enum mlaas_status use_bundle(struct mlaas_manifest *manifest, const char *folder, struct mlaas_error *error) {
  const char *file = json_string_value(json_object_get(manifest->model, "file"));
  char *path = mlaas_folder_path(&manifest->arena, folder, file, error);
  struct stat found;
  if (!path)
    return out_of_memory(error);
  if (stat(path, &found) != 0)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "model.json names the model file '%s', which is not there", file);
  if (S_ISDIR(found.st_mode) && !mlaas_folder_has(path, "saved_model.pb"))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "model.json names the folder '%s', which has no saved_model.pb", file);
  manifest->path = path;
  manifest->bundle = true;
  return S_ISDIR(found.st_mode) ? MLAAS_OK : use_file(manifest, folder, file, manifest->backend, error);
}

/* ---- TFaaS's folder ---- */

static enum mlaas_status use_named(struct mlaas_manifest *manifest, const char *folder, const char *model,
                                   struct mlaas_error *error) {
  if (strcmp(model, "saved_model.pb") == 0 && mlaas_folder_has(folder, model))
    return use_saved_model(manifest, folder, error);
  if (mlaas_folder_has(folder, model)) {
    const char *backend = backend_of(model);
    return use_file(manifest, folder, model, backend ? backend : "tensorflow", error);
  }
  if (mlaas_folder_has(folder, "saved_model.pb"))
    return use_saved_model(manifest, folder, error);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "params.json names the model file '%s', which is not there", model);
}

/* ---- labels and name ---- */

/* A frozen graph in a folder of TFaaS, which refuses such a model when its labels are not there. */
static bool needs_labels(const struct mlaas_manifest *manifest) {
  size_t length = strlen(manifest->path);
  return !manifest->bundle && manifest->params && strcmp(manifest->backend, "tensorflow") == 0 && length > 3 &&
         strcmp(manifest->path + length - 3, ".pb") == 0;
}

/* Labels decorate answers: one that cannot be read is a warning, but where TFaaS's clients are used to an error. */
static enum mlaas_status read_labels(struct mlaas_manifest *manifest, const char *folder, struct mlaas_error *error) {
  static const char *const none[] = {NULL};
  const char *named = mlaas_manifest_param(manifest, "labels"), *file = named && *named ? named : "labels.txt";
  if (manifest->labels)
    return MLAAS_OK;
  manifest->labels = none;
  if (file != named && !mlaas_folder_has(folder, file))
    return MLAAS_OK;
  struct mlaas_error why;
  char *path = mlaas_folder_path(&manifest->arena, folder, file, error);
  if (!path)
    return out_of_memory(error);
  enum mlaas_status status =
      mlaas_file_lines(&manifest->arena, path, LABELS_BYTES, &manifest->labels, &manifest->num_labels, &why);
  if (status == MLAAS_MEMORY)
    return out_of_memory(error);
  if (status != MLAAS_OK && file == named && needs_labels(manifest))
    return mlaas_fail(error, MLAAS_FORMAT, "params.json names the labels '%s', which %s", file,
                      status == MLAAS_NOT_FOUND ? "are not there" : "cannot be read");
  if (status != MLAAS_OK)
    manifest->warning = mlaas_arena_format(&manifest->arena, NULL, "labels are missing: %s %s", file, why.message);
  return MLAAS_OK;
}

/* The name that the place gives: a folder NAME, or NAME/7 for version 7, or a file NAME.onnx. */
static enum mlaas_status name_by_place(struct mlaas_manifest *manifest, const char *path, bool is_folder,
                                       struct mlaas_error *error) {
  char full[PATH_MAX];
  if (!realpath(path, full))
    return mlaas_fail_errno(error, errno, "the path cannot be resolved");
  char *base = strrchr(full, '/');
  if (is_folder && base > full && base[1] >= '1' && base[1] <= '9' &&
      strspn(base + 1, "0123456789") == strlen(base + 1)) {
    if (!manifest->version && strlen(base + 1) <= 18)
      manifest->version = strtoll(base + 1, NULL, 10);
    *base = 0;
    base = strrchr(full, '/');
  }
  char *dot = is_folder ? NULL : strrchr(base, '.');
  if (dot && dot > base + 1)
    *dot = 0;
  if (!manifest->name)
    manifest->name = mlaas_arena_strndup(&manifest->arena, base + 1, strlen(base + 1), error);
  if (!manifest->version)
    manifest->version = 1;
  return manifest->name ? MLAAS_OK : out_of_memory(error);
}

static enum mlaas_status read_folder(struct mlaas_manifest *manifest, const char *path, struct mlaas_error *error) {
  MLAAS_TRY(read_model_json(manifest, path, error));
  MLAAS_TRY(read_params(manifest, path, error));
  const char *model = mlaas_manifest_param(manifest, "model");
  if (manifest->model)
    MLAAS_TRY(use_bundle(manifest, path, error));
  else if (model && *model)
    MLAAS_TRY(use_named(manifest, path, model, error));
  else
    MLAAS_TRY(use_files(manifest, path, error));
  if (manifest->bundle)
    MLAAS_TRY(read_recipe(manifest, path, error));
  MLAAS_TRY(mlaas_manifest_nodes(manifest, error));
  return read_labels(manifest, path, error);
}

static enum mlaas_status read_file(struct mlaas_manifest *manifest, const char *path, struct mlaas_error *error) {
  static const char *const none[] = {NULL};
  const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  const char *folder = slash ? mlaas_arena_strndup(&manifest->arena, path, (size_t)(slash - path), error) : ".";
  if (!folder)
    return out_of_memory(error);
  if (!backend_of(name))
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "no back end is known for it: expected .pb, .onnx, .ubj or .json");
  manifest->labels = none;
  return use_file(manifest, folder, name, backend_of(name), error);
}

enum mlaas_status mlaas_manifest_read(const char *path, struct mlaas_manifest *manifest, struct mlaas_error *error) {
  struct stat found;
  memset(manifest, 0, sizeof *manifest);
  if (stat(path, &found) != 0)
    return mlaas_fail_in(error, mlaas_fail_errno(error, errno, "there is no such model"), "%s", path);
  manifest->arena.budget = mlaas_budget_new(MANIFEST_MEMORY);
  manifest->options = json_object();
  manifest->normalised = true;
  enum mlaas_status status = MLAAS_OK;
  if (!manifest->arena.budget || !manifest->options)
    status = out_of_memory(error);
  else if (S_ISDIR(found.st_mode))
    status = read_folder(manifest, path, error);
  else if (S_ISREG(found.st_mode))
    status = read_file(manifest, path, error);
  else
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "is neither a folder nor a file");
  if (status == MLAAS_OK)
    status = name_by_place(manifest, path, S_ISDIR(found.st_mode), error);
  if (status != MLAAS_OK)
    mlaas_manifest_reset(manifest);
  return mlaas_fail_in(error, status, "%s", path);
}
