/* Opening and closing a data set: files, labels, quotas. Reads no values; what is known in the end, dataset_describe.c
 * tells. */
#include "dataset/handles.h"
#include "dataset/losses.h"
#include "dataset/opener.h"

#include "base/error.h"
#include "rootio/table/table.h"

#include <math.h>
#include <mlaas/place.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* ---- labels and weights per file ---- */

/* Values are one for each file, or one for each name as it was written, of which a pattern is one. Errors: ARGUMENT. */
static enum mlaas_status check_count(const struct mlaas_dataset *dataset, size_t count, const char *what, bool *by_name,
                                     struct mlaas_error *error) {
  *by_name = count != dataset->num_files;
  if (!*by_name || count == dataset->num_written)
    return MLAAS_OK;
  char patterns[80] = "";
  if (dataset->num_written != dataset->num_files)
    snprintf(patterns, sizeof patterns, " of %zu names and patterns", dataset->num_written);
  return mlaas_fail(error, MLAAS_ARGUMENT, "%zu files%s but %zu %ss; one %s per file is wanted, or a branch",
                    dataset->num_files, patterns, count, what, what);
}

static enum mlaas_status take_label_list(struct mlaas_dataset *dataset, const json_t *json, struct mlaas_error *error) {
  bool by_name;
  MLAAS_TRY(check_count(dataset, json_array_size(json), "label", &by_name, error));
  for (size_t i = 0; i < dataset->num_files; i++) {
    const json_t *label = json_array_get(json, by_name ? dataset->files[i].origin : i);
    dataset->files[i].label = json_number_value(label);
    if (!json_is_number(label) || !isfinite(dataset->files[i].label))
      return mlaas_fail(error, MLAAS_ARGUMENT, "the label of file %zu (%s) is no number", i + 1, dataset->files[i].url);
  }
  return MLAAS_OK;
}

static enum mlaas_status take_labels(struct mlaas_dataset *dataset, const char *labels, struct mlaas_error *error) {
  json_error_t where;
  if (!labels || !*labels)
    return MLAAS_OK;
  json_t *json = json_loads(labels, JSON_DECODE_ANY, &where);
  if (!json)
    return mlaas_fail(error, MLAAS_ARGUMENT, "labels are no JSON: %s", where.text);
  enum mlaas_status status = MLAAS_OK;
  dataset->labelled = !json_is_null(json);
  if (json_is_string(json))
    dataset->params.label_branch = dataset->label_branch =
        mlaas_arena_format(&dataset->arena, error, "%s", json_string_value(json));
  else if (json_is_array(json))
    status = take_label_list(dataset, json, error);
  else if (dataset->labelled)
    status = mlaas_fail(error, MLAAS_ARGUMENT, "labels are neither a list of numbers nor the name of a branch");
  if (json_is_string(json) && !dataset->label_branch)
    status = MLAAS_MEMORY;
  json_decref(json);
  return status;
}

static enum mlaas_status take_weights(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  const struct mlaas_params *params = &dataset->params;
  bool by_name = false;
  if (params->num_weights)
    MLAAS_TRY(check_count(dataset, params->num_weights, "weight", &by_name, error));
  for (size_t i = 0; i < dataset->num_files; i++)
    dataset->files[i].weight = params->num_weights ? params->weight_of_file[by_name ? dataset->files[i].origin : i] : 1;
  return MLAAS_OK;
}

/* ---- files ---- */

/* The id, and "#2" after it for a file that is listed a second time: its rows are rows of their own. */
static enum mlaas_status name_file(struct mlaas_dataset *dataset, size_t index, const char *id,
                                   struct mlaas_error *error) {
  struct mlaas_dataset_file *file = &dataset->files[index];
  size_t ordinal = 1;
  for (size_t i = 0; i < index; i++)
    ordinal += dataset->files[i].file_id && strcmp(dataset->files[i].file_id, id) == 0;
  file->file_id = mlaas_arena_format(&dataset->arena, error, "%s", id);
  file->id = file->file_id;
  if (file->id && ordinal > 1)
    file->id = mlaas_arena_format(&dataset->arena, error, "%s#%zu", id, ordinal);
  return file->id ? MLAAS_OK : MLAAS_MEMORY;
}

struct opening {
  bool any;
};

static enum mlaas_status look_at_table(struct mlaas_dataset *dataset, size_t index, const struct mlaas_table *table,
                                       struct opening *opening, struct mlaas_error *error) {
  struct mlaas_dataset_file *file = &dataset->files[index];
  struct mlaas_file_info info;
  size_t count;
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  mlaas_file_info(mlaas_table_file(table), &info);
  int64_t cut = mlaas_table_file(table)->container.cut;
  if (cut > 0 && dataset->params.bad_file != MLAAS_BAD_FILE_FAIL) /* else reading what is not there says it */
    return mlaas_fail(error, MLAAS_FORMAT, "the file is truncated: its last %lld bytes are not there", (long long)cut);
  file->entries = mlaas_table_num_entries(table);
  MLAAS_TRY(name_file(dataset, index, info.id, error));
  int64_t *copy = mlaas_arena_alloc(&dataset->source_arena, count, sizeof *copy, error);
  if (!copy)
    return MLAAS_MEMORY;
  if (count)
    memcpy(copy, clusters, count * sizeof *copy);
  dataset->sources[index] =
      (struct mlaas_plan_source){.entries = file->entries, .clusters = copy, .num_clusters = count};
  if (file->entries == 0)
    return mlaas_dataset_warn(dataset, error, "%s has no entries and is skipped", file->url);
  if (!opening->any) { /* the table's name without its cycle */
    const char *path = mlaas_table_path(table), *cycle = strrchr(path, ';');
    size_t length = cycle ? (size_t)(cycle - path) : strlen(path);
    if (!(dataset->table = mlaas_arena_strndup(&dataset->arena, path, length, error)))
      return MLAAS_MEMORY;
  }
  MLAAS_TRY(mlaas_dataset_add_table(dataset, table, file->url, !opening->any, error));
  opening->any = true;
  return MLAAS_OK;
}

static enum mlaas_status look_at_file(struct mlaas_dataset *dataset, size_t index, struct mlaas_opener *opener,
                                      struct opening *opening, struct mlaas_error *error) {
  struct mlaas_opened opened;
  const char *url = dataset->files[index].url;
  mlaas_opener_walk(opener, index);
  enum mlaas_status status = mlaas_opener_take(opener, index, &opened, error);
  if (status == MLAAS_OK)
    status = look_at_table(dataset, index, opened.handle->table, opening, error);
  if (status != MLAAS_OK && error && !error->where[0])
    mlaas_fail_in(error, status, "%s", url);
  mlaas_opened_reset(dataset, &opened);
  if (!mlaas_dataset_may_lose(dataset, status))
    return status;
  dataset->sources[index] = (struct mlaas_plan_source){0};
  const struct mlaas_error why = *error;
  return mlaas_dataset_lose(dataset, index, "opening", &why, error);
}

/* Files of one label are a group. Where labels differ from entry to entry all files are one. */
static void group_files(struct mlaas_dataset *dataset, struct mlaas_plan_source *sources) {
  size_t groups = 0;
  for (size_t i = 0; i < dataset->num_files; i++) {
    size_t like = 0;
    while (like < i && dataset->files[like].label != dataset->files[i].label)
      like++;
    sources[i].group = like < i ? sources[like].group : groups++;
  }
}

static enum mlaas_status plan_files(struct mlaas_dataset *dataset, struct mlaas_plan_source *sources,
                                    struct mlaas_error *error) {
  int64_t entries = 0, wanted = dataset->params.nevents;
  for (size_t i = 0; i < dataset->num_files; i++)
    entries += dataset->files[i].entries;
  if (wanted > entries && !dataset->told_few)
    MLAAS_TRY(mlaas_dataset_warn(dataset, error, "%lld entries were asked for, but the files have %lld: all are taken",
                                 (long long)wanted, (long long)entries));
  dataset->told_few |= wanted > entries;
  group_files(dataset, sources);
  MLAAS_TRY(mlaas_dataset_quotas(dataset, sources, error));
  return mlaas_plan_init(&dataset->plan, mlaas_context_budget(dataset->context), sources, dataset->num_files, wanted,
                         error);
}

enum mlaas_status mlaas_dataset_replan(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_dataset_check_lost(dataset, error));
  for (size_t i = 0; i < dataset->num_files; i++)
    if (dataset->files[i].lost)
      dataset->sources[i] = (struct mlaas_plan_source){0};
  mlaas_plan_reset(&dataset->plan);
  return plan_files(dataset, dataset->sources, error);
}

static enum mlaas_status open_files(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  struct opening opening = {0};
  struct mlaas_error own;
  error = error ? error : &own;
  dataset->sources = mlaas_arena_alloc(&dataset->source_arena, dataset->num_files, sizeof *dataset->sources, error);
  enum mlaas_status status = dataset->sources ? MLAAS_OK : MLAAS_MEMORY;
  struct mlaas_opener opener;
  mlaas_opener_init(&opener, dataset, MLAAS_OPENER_HANDLES, NULL, 0);
  for (size_t i = 0; i < dataset->num_files && status == MLAAS_OK; i++)
    status = look_at_file(dataset, i, &opener, &opening, error);
  mlaas_opener_reset(&opener);
  if (status == MLAAS_OK)
    status = mlaas_dataset_check_lost(dataset, error);
  if (status == MLAAS_OK)
    status = plan_files(dataset, dataset->sources, error);
  if (dataset->params.bad_file == MLAAS_BAD_FILE_FAIL) /* nobody will plan again */
    mlaas_arena_reset(&dataset->source_arena);
  return status;
}

/* ---- open and close ---- */

static enum mlaas_status take_files(struct mlaas_dataset *dataset, const struct mlaas_places *places,
                                    struct mlaas_error *error) {
  size_t count = mlaas_places_count(places);
  dataset->files = mlaas_arena_alloc(&dataset->arena, count, sizeof *dataset->files, error);
  if (!dataset->files)
    return MLAAS_MEMORY;
  dataset->num_files = count;
  dataset->num_written = mlaas_places_num_written(places);
  for (size_t i = 0; i < count; i++) {
    struct mlaas_dataset_file *file = &dataset->files[i];
    const char *name = mlaas_places_name(places, i);
    char shown[1024];
    mlaas_place_show(name, shown, sizeof shown);
    file->origin = mlaas_places_origin(places, i);
    file->place = mlaas_arena_format(&dataset->arena, error, "%s", name);
    file->url = file->place ? mlaas_arena_format(&dataset->arena, error, "%s", shown) : NULL;
    if (!file->url)
      return MLAAS_MEMORY;
  }
  return MLAAS_OK;
}

static enum mlaas_status take_arguments(struct mlaas_dataset *dataset, const char *const *files, size_t num_files,
                                        const char *labels, struct mlaas_error *error) {
  struct mlaas_places *places = NULL;
  struct mlaas_places_options options = {.size = sizeof options, .redirector = dataset->params.redirector};
  MLAAS_TRY(mlaas_places_expand(dataset->context, files, num_files, &options, &places, error));
  enum mlaas_status status = take_files(dataset, places, error);
  mlaas_places_free(places);
  MLAAS_TRY(status);
  MLAAS_TRY(take_labels(dataset, labels, error));
  return take_weights(dataset, error);
}

/* The parameters may say how servers are reached: only this data set reaches them so. */
static enum mlaas_status take_remote(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  struct mlaas_context *derived = NULL;
  if (!dataset->params.remote)
    return MLAAS_OK;
  struct mlaas_remote_options options = *mlaas_context_remote(dataset->context);
  mlaas_params_remote(dataset->params.remote, &options);
  MLAAS_TRY(mlaas_context_derive(dataset->context, &options, &derived, error));
  mlaas_context_put(dataset->context);
  dataset->context = derived;
  return MLAAS_OK;
}

enum mlaas_status mlaas_dataset_open(struct mlaas_context *context, const char *const *files, size_t num_files,
                                     const char *labels, const char *params, struct mlaas_dataset **dataset,
                                     struct mlaas_error *error) {
  if (num_files == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "no files were given");
  struct mlaas_dataset *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a data set");
  made->count = 1;
  made->owner = getpid();
  made->context = mlaas_context_get(context);
  mlaas_arena_init(&made->arena, mlaas_context_budget(context));
  mlaas_arena_init(&made->source_arena, mlaas_context_budget(context));
  made->warnings = json_array();
  made->lost = json_array();
  enum mlaas_status status =
      made->warnings && made->lost ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a data set");
  if (status == MLAAS_OK)
    status = mlaas_params_init(&made->params, params, error);
  if (status == MLAAS_OK)
    status = take_remote(made, error);
  if (status == MLAAS_OK)
    status = take_arguments(made, files, num_files, labels, error);
  if (status == MLAAS_OK)
    status = mlaas_handles_init(made, error);
  if (status == MLAAS_OK)
    status = open_files(made, error);
  if (status == MLAAS_OK)
    status = mlaas_dataset_check_names(made, error);
  if (status == MLAAS_OK)
    *dataset = made;
  else
    mlaas_dataset_close(made);
  return status;
}

void mlaas_dataset_close(struct mlaas_dataset *dataset) {
  if (!dataset || getpid() != dataset->owner || __atomic_sub_fetch(&dataset->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  mlaas_recipe_put(dataset->recipe);
  mlaas_specs_free(dataset->specs);
  mlaas_handles_reset(dataset);
  mlaas_plan_reset(&dataset->plan);
  for (size_t i = 0; i < dataset->num_columns; i++) {
    mlaas_free(dataset->columns[i].dropped);
    mlaas_free(dataset->columns[i].conflict);
  }
  mlaas_free(dataset->columns);
  mlaas_free(dataset->classes);
  json_decref(dataset->warnings);
  json_decref(dataset->lost);
  mlaas_arena_reset(&dataset->source_arena);
  mlaas_params_reset(&dataset->params);
  mlaas_arena_reset(&dataset->arena);
  mlaas_context_put(dataset->context);
  mlaas_free(dataset);
}
