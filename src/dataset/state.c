/* Where a loader stands, as JSON, and back; and what it has done so far. Starts and stops nothing itself. */
#include "dataset/loader.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

/* What the order of rows and their values depend on, apart from what the state names: files, takes, recipe. */
static enum mlaas_status fingerprint(const struct mlaas_loader *loader, char text[17], struct mlaas_error *error) {
  const struct mlaas_dataset *dataset = loader->dataset;
  char *recipe = NULL;
  MLAAS_TRY(mlaas_recipe_format(dataset->recipe, &recipe, error));
  uint64_t hash = XXH3_64bits(recipe, strlen(recipe));
  mlaas_text_free(recipe);
  for (size_t i = 0; i < dataset->num_files; i++) {
    uint64_t numbers[4] = {hash, (uint64_t)dataset->files[i].entries, (uint64_t)dataset->plan.files[i].quota, 0};
    memcpy(&numbers[3], &dataset->files[i].label, sizeof numbers[3]);
    const char *id = dataset->files[i].id ? dataset->files[i].id : "";
    hash = XXH3_64bits_withSeed(id, strlen(id), XXH3_64bits(numbers, sizeof numbers));
  }
  for (size_t i = 0; i < dataset->num_classes; i++)
    hash = XXH3_64bits_withSeed(&dataset->classes[i].factor, sizeof dataset->classes[i].factor, hash);
  snprintf(text, 17, "%016llx", (unsigned long long)hash);
  return MLAAS_OK;
}

/* What has to be the same for a state to fit, in the order in which it is compared. */
static json_t *describe(const struct mlaas_loader *loader, const char *data) {
  const struct mlaas_mixer_options *options = &loader->mixer.options;
  return json_pack("{ss ss sI sI sb sI sI sI}", "data", data, "split", loader->split, "seed",
                   (json_int_t)options->order.seed, "batch_rows", (json_int_t)options->batch_rows, "shuffle",
                   options->order.shuffle, "rank", (json_int_t)options->order.rank, "world",
                   (json_int_t)options->order.world, "batches", (json_int_t)loader->mixer.num_batches);
}

enum mlaas_status mlaas_loader_state(const struct mlaas_loader *loader, char **json, struct mlaas_error *error) {
  char data[17];
  MLAAS_TRY(fingerprint(loader, data, error));
  json_t *all = json_pack("{ss si}", "format", "mlaas-loader-state", "version", 1);
  pthread_mutex_lock(&loader->home->lock);
  json_object_set_new(all, "epoch", json_integer((json_int_t)loader->epoch));
  json_object_set_new(all, "batch", json_integer((json_int_t)loader->position));
  pthread_mutex_unlock(&loader->home->lock);
  json_object_set_new(all, "window_rows", json_integer((json_int_t)loader->mixer.options.window_rows));
  json_object_set_new(all, "lanes", json_integer((json_int_t)loader->mixer.options.order.lanes));
  json_object_set_new(all, "of", describe(loader, data));
  *json = json_dumps(all, JSON_COMPACT);
  json_decref(all);
  return *json ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for the state of a loader");
}

static enum mlaas_status check_same(const struct mlaas_loader *loader, const json_t *of, struct mlaas_error *error) {
  char data[17];
  MLAAS_TRY(fingerprint(loader, data, error));
  json_t *own = describe(loader, data);
  enum mlaas_status status = own ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory to compare states");
  for (void *at = json_object_iter(own); at && status == MLAAS_OK; at = json_object_iter_next(own, at)) {
    const char *key = json_object_iter_key(at);
    const json_t *theirs = json_object_get(of, key);
    if (json_equal(json_object_iter_value(at), theirs))
      continue;
    char *then = theirs ? json_dumps(theirs, JSON_ENCODE_ANY) : NULL;
    char *now = json_dumps(json_object_iter_value(at), JSON_ENCODE_ANY);
    status = mlaas_fail(error, MLAAS_STALE, "the state is of another loader: %s was %.80s, now it is %.80s", key,
                        then ? then : "not there", now ? now : "another");
    mlaas_text_free(then);
    mlaas_text_free(now);
  }
  json_decref(own);
  return status;
}

static enum mlaas_status check_state(const struct mlaas_loader *loader, const json_t *state,
                                     struct mlaas_error *error) {
  const char *format = json_string_value(json_object_get(state, "format"));
  if (!format || strcmp(format, "mlaas-loader-state") != 0)
    return mlaas_fail(error, MLAAS_FORMAT, "no \"format\": \"mlaas-loader-state\": this is no state of a loader");
  if (json_integer_value(json_object_get(state, "version")) != 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the state is of version %lld; this program reads 1",
                      (long long)json_integer_value(json_object_get(state, "version")));
  MLAAS_TRY(check_same(loader, json_object_get(state, "of"), error));
  json_int_t epoch = json_integer_value(json_object_get(state, "epoch"));
  json_int_t batch = json_integer_value(json_object_get(state, "batch"));
  json_int_t window = json_integer_value(json_object_get(state, "window_rows"));
  json_int_t lanes = json_integer_value(json_object_get(state, "lanes"));
  if (lanes < 1 || lanes > MLAAS_LANES)
    return mlaas_fail(error, MLAAS_FORMAT, "%lld lanes are not possible", (long long)lanes);
  if (epoch < 0 || batch < 0 || batch > loader->mixer.num_batches || window < 1 || window > INT32_MAX / 2 ||
      window % loader->mixer.options.batch_rows != 0)
    return mlaas_fail(error, MLAAS_FORMAT, "epoch %lld, batch %lld and window_rows %lld are no place in an epoch",
                      (long long)epoch, (long long)batch, (long long)window);
  return MLAAS_OK;
}

enum mlaas_status mlaas_loader_restore(struct mlaas_loader *loader, const char *json, struct mlaas_error *error) {
  json_error_t where;
  json_t *state = json_loads(json, 0, &where);
  if (!state)
    return mlaas_fail(error, MLAAS_FORMAT, "the state is no JSON: %s in line %d", where.text, where.line);
  enum mlaas_status status = check_state(loader, state, error);
  int64_t epoch = json_integer_value(json_object_get(state, "epoch"));
  int64_t batch = json_integer_value(json_object_get(state, "batch"));
  int64_t window = json_integer_value(json_object_get(state, "window_rows"));
  size_t lanes = (size_t)json_integer_value(json_object_get(state, "lanes"));
  json_decref(state);
  MLAAS_TRY(status);
  MLAAS_TRY(mlaas_loader_rewind(loader, epoch, batch, error));
  int64_t own = loader->mixer.options.window_rows;
  loader->mixer.options.order.lanes = lanes; /* the order of rows depends on both: the ceiling may be another now */
  loader->mixer.options.window_rows = window;
  status = mlaas_mixer_start(&loader->mixer, epoch, error);
  if (status == MLAAS_OK && window != own)
    status = mlaas_loader_make_queue(loader, error);
  if (status != MLAAS_OK)
    loader->mixer.options.window_rows = own;
  return status;
}

/* Rows that were left out because a file stopped being readable. */
static json_t *describe_lost(const struct mlaas_mixer *mixer) {
  json_t *lost = json_array();
  for (size_t i = 0; mixer->losses && i < mixer->dataset->num_files; i++)
    if (mixer->losses[i].rows)
      json_array_append_new(lost, json_pack("{ss sI ss sI}", "url", mixer->dataset->files[i].url, "rows",
                                            (json_int_t)mixer->losses[i].rows, "reason", mixer->losses[i].told, "index",
                                            (json_int_t)i));
  return lost;
}

enum mlaas_status mlaas_loader_stats(const struct mlaas_loader *loader, char **json, struct mlaas_error *error) {
  const struct mlaas_context *context = loader->dataset->context;
  json_t *truncated = json_object();
  pthread_mutex_lock(&loader->home->lock);
  for (int64_t i = 0; i < loader->truncated_count; i++)
    if (loader->truncated[i])
      json_object_set_new(truncated, mlaas_recipe_branch(loader->dataset->recipe, (size_t)i),
                          json_integer((json_int_t)loader->truncated[i]));
  double rate = loader->seconds > 0 ? (double)loader->rows_made / loader->seconds : 0;
  json_t *all = json_pack(
      "{sI sI sI sI sf sf sI sI sI sI so so so}", "epoch", (json_int_t)loader->epoch, "batch",
      (json_int_t)loader->position, "rows_made", (json_int_t)loader->rows_made, "bytes_read",
      (json_int_t)loader->counters.bytes, "seconds", loader->seconds, "rows_per_second", rate, "batches_lent",
      (json_int_t)loader->home->lent, "window_rows", (json_int_t)loader->mixer.options.window_rows, "memory_held",
      (json_int_t)mlaas_context_memory_held(context), "memory_peak", (json_int_t)mlaas_context_memory_peak(context),
      "truncated", truncated, "source", mlaas_counters_json(&loader->counters), "lost", describe_lost(&loader->mixer));
  pthread_mutex_unlock(&loader->home->lock);
  *json = all ? json_dumps(all, JSON_COMPACT) : NULL;
  json_decref(all);
  return *json ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for the statistics of a loader");
}
