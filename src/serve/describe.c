/* Says what a model is, for people and for tools: GET /models/NAME and GET /repository. Files are read on worker
 * threads; a model is opened only if the request says load=1. Must not know how models are run.
 */
#include "base/error.h"
#include "recipe/recipe.h"
#include "serve/page.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILES_MOST = 500, FILES_DEPTH = 4 };

struct describe {
  struct mlaas_errand errand;
  struct mlaas_waiter waiter;
  struct mlaas_slice name; /* empty: the whole repository */
  int64_t version;
  json_t *reply;
};

static const char *const state_names[] = {[MLAAS_MODEL_UNLOADED] = "unloaded",
                                          [MLAAS_MODEL_LOADING] = "loading",
                                          [MLAAS_MODEL_READY] = "ready",
                                          [MLAAS_MODEL_FAILED] = "failed"};

/* Sets a new value; a value that could not be made leaves its key out, which readers of the reply expect anyhow. */
static void put(json_t *object, const char *key, json_t *value) {
  if (value)
    json_object_set_new(object, key, value);
}

static void put_text(json_t *object, const char *key, const char *text) {
  if (text && *text)
    put(object, key, json_string(text));
}

static json_t *entry_json(const struct mlaas_model_entry *entry, bool with_name) {
  json_t *json = json_object();
  if (!json)
    return NULL;
  if (with_name)
    put_text(json, "name", entry->name);
  put(json, "version", json_integer(entry->version));
  put(json, "state", json_string(state_names[entry->state]));
  put_text(json, "reason", entry->reason);
  return json;
}

/* ---- files ---- */

/* What lies in a folder, by path below it; links and what begins with a point are left out. Closes `fd`. */
static void add_files(json_t *files, int fd, const char *prefix, int depth) {
  DIR *folder = fdopendir(fd);
  if (!folder) {
    close(fd);
    return;
  }
  for (struct dirent *entry; (entry = readdir(folder)) != NULL && json_array_size(files) < FILES_MOST;) {
    struct stat info;
    char path[1024];
    if (entry->d_name[0] == '.' || fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
      continue;
    int size = snprintf(path, sizeof path, "%s%s%s", prefix, *prefix ? "/" : "", entry->d_name);
    if (size < 0 || (size_t)size >= sizeof path)
      continue;
    if (S_ISDIR(info.st_mode) && depth < FILES_DEPTH) {
      int below = openat(dirfd(folder), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
      if (below >= 0)
        add_files(files, below, path, depth + 1);
    } else if (S_ISREG(info.st_mode)) {
      json_array_append_new(files, json_pack("{s:s, s:I}", "name", path, "size", (json_int_t)info.st_size));
    }
  }
  closedir(folder);
}

/* The part of `path` below `folder`; NULL if it is not below it. */
static const char *below(const char *path, const char *folder) {
  size_t size = strlen(folder);
  while (size > 1 && folder[size - 1] == '/')
    size--;
  if (strncmp(path, folder, size) != 0 || path[size] != '/')
    return NULL;
  return path + size + 1;
}

/* The file that a viewer of graphs is given: what the back end opens, and of a SavedModel the graph in it. */
static void put_graph(json_t *json, const struct mlaas_manifest *manifest, const char *folder) {
  char path[4096];
  struct stat info;
  int size = snprintf(path, sizeof path, "%s", manifest->path ? manifest->path : "");
  if (size <= 0 || (size_t)size >= sizeof path || stat(path, &info) < 0)
    return;
  if (S_ISDIR(info.st_mode)) {
    size = snprintf(path, sizeof path, "%s/saved_model.pb", manifest->path);
    if (size <= 0 || (size_t)size >= sizeof path || stat(path, &info) < 0)
      return;
  }
  put_text(json, "graph", below(path, folder));
}

static void put_files(json_t *json, const struct mlaas_model_entry *entry, const char *repository) {
  json_t *files = json_array();
  int fd = open(entry->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && files)
    add_files(files, fd, "", 0);
  else if (fd >= 0)
    close(fd);
  put(json, "files", files);
  put_text(json, "folder", below(entry->path, repository));
}

/* ---- a model ---- */

static json_t *recipe_json(const struct mlaas_recipe *recipe) {
  json_t *json = json_object();
  static const char *const keys[] = {"table", "inputs", "collections", "missing", "pad", "arithmetic"};
  for (size_t i = 0; json && i < sizeof keys / sizeof *keys; i++)
    put(json, keys[i], json_deep_copy(json_object_get(recipe->json, keys[i]))); /* counts are not shared by threads */
  return json;
}

static void put_manifest(json_t *json, const struct mlaas_manifest *manifest) {
  static const char *const from_model[] = {"inputs", "outputs", "metrics", "classes"};
  put(json, "bundle", json_boolean(manifest->bundle));
  put_text(json, "back_end", manifest->backend);
  put_text(json, "warning", manifest->warning);
  put(json, "input", json_string(manifest->normalised ? "normalised" : "raw"));
  put_text(json, "description", json_string_value(json_object_get(manifest->params, "description")));
  put_text(json, "timestamp", json_string_value(json_object_get(manifest->params, "timestamp")));
  if (manifest->img_channels)
    put(json, "img_channels", json_integer(manifest->img_channels));
  for (size_t i = 0; i < sizeof from_model / sizeof *from_model; i++)
    put(json, from_model[i], json_deep_copy(json_object_get(manifest->model, from_model[i])));
  json_t *labels = json_array();
  for (size_t i = 0; labels && i < manifest->num_labels; i++)
    json_array_append_new(labels, json_string(manifest->labels[i]));
  put(json, "labels", labels);
  if (manifest->recipe)
    put(json, "recipe", recipe_json(manifest->recipe));
}

/* What is known of an open model replaces what its files say. */
static void put_opened(json_t *json, const struct mlaas_model *model) {
  struct mlaas_error error;
  char *text = NULL;
  if (mlaas_model_describe(model, &text, &error) != MLAAS_OK)
    return;
  json_t *description = json_loads(text, 0, NULL);
  mlaas_text_free(text);
  const char *key;
  json_t *value;
  json_object_foreach(description, key, value) {
    bool taken = strcmp(key, "name") == 0 || strcmp(key, "version") == 0 || strcmp(key, "file") == 0 ||
                 strcmp(key, "recipe") == 0 || json_is_null(value);
    if (!taken)
      json_object_set(json, key, value);
  }
  json_decref(description);
}

static void put_instance(json_t *json, struct mlaas_instance *instance) {
  struct mlaas_model_stats *stats = &instance->stats;
  json_t *counters = json_object();
  const struct {
    const char *key;
    uint64_t value;
  } values[] = {
      {"succeeded", atomic_load(&stats->succeeded)},
      {"failed", atomic_load(&stats->failed)},
      {"rejected", atomic_load(&stats->rejected)},
      {"cancelled", atomic_load(&stats->cancelled)},
      {"timed_out", atomic_load(&stats->timed_out)},
      {"rows", atomic_load(&stats->rows)},
      {"runs", atomic_load(&stats->runs)},
      {"requests", atomic_load(&stats->request.count)},
      {"request_ns", atomic_load(&stats->request.sum)},
      {"queue_ns", atomic_load(&stats->queue.sum)},
      {"compute_ns", atomic_load(&stats->compute.sum)},
  };
  for (size_t i = 0; counters && i < sizeof values / sizeof *values; i++)
    put(counters, values[i].key, json_integer((json_int_t)values[i].value));
  put(json, "stats", counters);
  put(json, "loaded",
      json_pack("{s:I, s:f, s:i, s:b, s:I}", "at", (json_int_t)instance->loaded_at, "seconds",
                (double)instance->load_ns * 1e-9, "largest_batch", instance->timing.most, "on_loop",
                (int)instance->timing.on_loop, "cost_ns", (json_int_t)instance->timing.cost[1]));
}

static json_t *model_json(const struct mlaas_model_entry *entry, const char *repository) {
  json_t *json = entry_json(entry, true);
  if (!json)
    return NULL;
  put_files(json, entry, repository);
  if (entry->instance) {
    put_manifest(json, &entry->instance->model->manifest);
    put_graph(json, &entry->instance->model->manifest, entry->path);
    put_opened(json, entry->instance->model);
    put_instance(json, entry->instance);
    return json;
  }
  struct mlaas_manifest manifest = {0};
  struct mlaas_error error;
  if (mlaas_manifest_read(entry->path, &manifest, &error) == MLAAS_OK) {
    put_manifest(json, &manifest);
    put_graph(json, &manifest, entry->path);
  } else if (!json_object_get(json, "reason")) {
    put_text(json, "reason", error.message);
  }
  mlaas_manifest_reset(&manifest);
  return json;
}

static bool is_named(const struct mlaas_model_entry *entry, struct mlaas_slice name) {
  return name.size == 0 || mlaas_slice_is(name, entry->name);
}

/* The entry that is asked for: that version, else the default one, which is the last. */
static enum mlaas_status find(const struct mlaas_listing *listing, const struct describe *describe,
                              const struct mlaas_model_entry **found, struct mlaas_error *error) {
  const struct mlaas_model_entry *any = NULL;
  *found = NULL;
  for (size_t i = 0; i < listing->count; i++) {
    const struct mlaas_model_entry *entry = &listing->entries[i];
    if (!is_named(entry, describe->name))
      continue;
    any = entry;
    if (describe->version == 0 || entry->version == describe->version)
      *found = entry;
  }
  if (*found)
    return MLAAS_OK;
  int size = (int)describe->name.size;
  if (any)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "model %.*s has no version %lld", size, describe->name.data,
                      (long long)describe->version);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "no model is called %.*s", size, describe->name.data);
}

static json_t *versions_json(const struct mlaas_listing *listing, struct mlaas_slice name) {
  json_t *array = json_array();
  for (size_t i = 0; array && i < listing->count; i++)
    if (is_named(&listing->entries[i], name))
      json_array_append_new(array, entry_json(&listing->entries[i], name.size == 0));
  return array;
}

static void describe_work(struct mlaas_errand *errand) {
  struct describe *describe = errand->user;
  struct mlaas_repository *repository = errand->service->repository;
  struct mlaas_listing listing = {0};
  const struct mlaas_model_entry *entry;
  errand->status = mlaas_repository_list(repository, &listing, &errand->error);
  if (errand->status == MLAAS_OK && describe->name.size == 0) {
    describe->reply = json_pack("{s:o, s:b}", "models", versions_json(&listing, describe->name), "read_only",
                                (int)errand->service->config.repository.read_only);
  } else if (errand->status == MLAAS_OK) {
    errand->status = find(&listing, describe, &entry, &errand->error);
    if (errand->status == MLAAS_OK)
      describe->reply = model_json(entry, mlaas_repository_folder(repository));
    if (describe->reply)
      put(describe->reply, "versions", versions_json(&listing, describe->name));
  }
  mlaas_listing_reset(&listing);
}

static void describe_done(struct mlaas_errand *errand) {
  struct describe *describe = errand->user;
  if (errand->status == MLAAS_OK)
    mlaas_reply_json(errand->exchange, 200, describe->reply);
  else
    mlaas_exchange_fail(errand->exchange, &errand->error);
}

/* The load went well or not: the entry's state and reason say so. */
static void loaded(void *context) {
  struct describe *describe = context;
  mlaas_errand_start(&describe->errand);
}

static struct describe *describe_new(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct describe *describe = mlaas_arena_alloc(&exchange->arena, 1, sizeof *describe, &error);
  if (!describe) {
    mlaas_exchange_fail(exchange, &error);
    return NULL;
  }
  describe->errand = (struct mlaas_errand){
      .service = service, .exchange = exchange, .work = describe_work, .done = describe_done, .user = describe};
  mlaas_exchange_header(exchange, "Cache-Control", "no-store");
  return describe;
}

void mlaas_describe_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_error error;
  struct mlaas_slice name = mlaas_route_rest(exchange), version = mlaas_request_parameter(exchange, "version"),
                     load = mlaas_request_parameter(exchange, "load");
  int64_t number = 0;
  for (size_t i = 0; i < version.size; i++) {
    if (version.data[i] < '0' || version.data[i] > '9' || i > 15) {
      mlaas_exchange_refuse(exchange, 400, "version must be a number");
      return;
    }
    number = number * 10 + (version.data[i] - '0');
  }
  if (mlaas_model_name_check(name, &error) != MLAAS_OK) {
    mlaas_exchange_refuse(exchange, 404, "%s", error.message);
    return;
  }
  struct describe *describe = describe_new(service, exchange);
  if (!describe)
    return;
  describe->name = name;
  describe->version = number;
  if (mlaas_slice_is(load, "1") || mlaas_slice_is_word(load, "true")) {
    describe->waiter = (struct mlaas_waiter){.loop = exchange->loop, .done = loaded, .context = describe};
    mlaas_repository_load(service->repository, name, number, false, &describe->waiter);
  } else {
    mlaas_errand_start(&describe->errand);
  }
}

void mlaas_repository_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct describe *describe = describe_new(service, exchange);
  if (describe)
    mlaas_errand_start(&describe->errand);
}
