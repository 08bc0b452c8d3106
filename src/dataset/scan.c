/* From files to a recipe: the pass over all entries that makes statistics, statistics made earlier, or a recipe made
 * earlier. Afterwards the data set is ready. Knows no batches.
 */
#include "dataset/losses.h"
#include "dataset/opener.h"

#include "base/error.h"
#include "column/arrow.h"
#include "recipe/recipe.h"

#include <string.h>

struct scan {
  struct mlaas_dataset *dataset;
  const char **names;
  size_t num_names;
  mlaas_progress *progress;
  void *progress_context;
  int64_t done, total;
  struct mlaas_opener opener;
  /* of the slice at hand */
  struct mlaas_specs *specs;
  const struct ArrowArray *array;
  const uint64_t *mix;
};

/* ---- the pass ---- */

static enum mlaas_status add_column(void *context, size_t i, int worker, struct mlaas_error *error) {
  const struct scan *scan = context;
  const struct mlaas_params *params = &scan->dataset->params;
  (void)worker;
  return mlaas_column_stats_add(&scan->specs->columns[i], scan->array->children[i], scan->mix, params->missing,
                                params->num_missing, error);
}

static enum mlaas_status report(struct scan *scan, int64_t rows, struct mlaas_error *error) {
  scan->done += rows;
  if (scan->progress && scan->progress(scan->progress_context, scan->done, scan->total) != 0)
    return mlaas_fail(error, MLAAS_CANCELLED, "the scan was cancelled after %lld of %lld entries",
                      (long long)scan->done, (long long)scan->total);
  return MLAAS_OK;
}

/* Adds entries [start, *stop), fewer where memory is short. */
static enum mlaas_status scan_slice(struct scan *scan, const struct mlaas_dataset_file *file,
                                    struct mlaas_access *access, int64_t start, int64_t *stop,
                                    struct mlaas_error *error) {
  struct mlaas_block mix = {0};
  struct ArrowArray array = {0};
  struct mlaas_budget *budget = mlaas_context_budget(scan->dataset->context);
  MLAAS_TRY(mlaas_block_new(budget, (*stop - start) * (int64_t)sizeof(uint64_t), &mix, error));
  enum mlaas_status status = mlaas_access_read(access, start, stop, 1, &array, error);
  if (status == MLAAS_OK) {
    mlaas_row_mix(file->id, start, *stop - start, mix.data);
    scan->array = &array;
    scan->mix = mix.data;
    status = mlaas_pool_run(mlaas_context_pool(scan->dataset->context), scan->num_names, add_column, scan, error);
  }
  mlaas_array_release(&array);
  mlaas_block_reset(&mix);
  return status;
}

static enum mlaas_status scan_entries(struct scan *scan, const struct mlaas_dataset_file *file,
                                      struct mlaas_access *access, struct mlaas_error *error) {
  int64_t ceiling = mlaas_budget_ceiling(mlaas_context_budget(scan->dataset->context));
  int64_t cluster = mlaas_plan_longest_unit(&scan->dataset->plan) * access->row_bytes;
  int64_t rows = mlaas_access_rows(access, ceiling / 8);
  if (cluster > ceiling * 2 / 5) /* its baskets cannot be kept from slice to slice: few and large ones */
    rows = mlaas_access_rows(access, ceiling * 2 / 5);
  else if (rows > 2 * MLAAS_PIECE_ROWS)
    rows = 2 * MLAAS_PIECE_ROWS;
  for (int64_t start = 0, ahead = 0, stop; start < file->entries; start = stop) {
    stop = file->entries - start < rows ? file->entries : start + rows;
    if (ahead < file->entries)
      ahead = mlaas_reader_ahead(access->reader, ahead > start ? ahead : start, file->entries, 0);
    MLAAS_TRY(scan_slice(scan, file, access, start, &stop, error));
    MLAAS_TRY(report(scan, stop - start, error));
  }
  return MLAAS_OK;
}

/* A file has statistics of its own, as its types may differ in size from those of the others. */
static enum mlaas_status scan_file(struct scan *scan, size_t index, struct mlaas_specs **specs,
                                   struct mlaas_error *error) {
  const struct mlaas_dataset_file *file = &scan->dataset->files[index];
  struct mlaas_opened opened;
  mlaas_opener_walk(&scan->opener, index);
  MLAAS_TRY(mlaas_opener_take(&scan->opener, index, &opened, error));
  struct mlaas_access access = opened.access;
  enum mlaas_status status = mlaas_specs_new(scan->dataset->table, &access.schema, specs, error);
  if (status == MLAAS_OK && (*specs)->num_columns != scan->num_names)
    status = mlaas_fail(error, MLAAS_INTERNAL, "%s: statistics are of %zu branches, not of %zu", file->url,
                        (*specs)->num_columns, scan->num_names);
  if (status == MLAAS_OK) {
    scan->specs = *specs;
    status = scan_entries(scan, file, &access, error);
  }
  if (status == MLAAS_OK)
    status = mlaas_specs_add_file(*specs, file->url, file->id, file->entries, error);
  mlaas_access_close(&access);
  return status;
}

/* The type that holds the numbers of both. Only the statistics need one type; every file is filled from its own. */
static char wider(char a, char b) {
  static const char order[] = "bcCsSiIlL"; /* each holds those before it, signs apart */
  if (a == b)
    return a;
  if (strchr("fg", a) || strchr("fg", b)) {
    char other = strchr("fg", a) ? b : a;
    return a == 'g' || b == 'g' || strchr("iIlL", other) ? 'g' : 'f';
  }
  char last = strchr(order, a) > strchr(order, b) ? a : b;
  return last == 'L' ? 'g' : strchr("CSI", last) ? 'l' : last;
}

static void align_types(struct mlaas_specs *specs, struct mlaas_specs *other) {
  for (size_t i = 0; i < specs->num_columns && i < other->num_columns; i++) {
    char format = wider(specs->columns[i].format[0], other->columns[i].format[0]);
    specs->columns[i].format[0] = other->columns[i].format[0] = format;
  }
}

static enum mlaas_status scan_files(struct scan *scan, struct mlaas_specs **specs, struct mlaas_error *error) {
  bool lost = false;
  for (size_t i = 0; i < scan->dataset->num_files; i++) {
    struct mlaas_specs *one = NULL;
    if (scan->dataset->files[i].entries == 0)
      continue;
    int64_t before = scan->done, entries = scan->dataset->files[i].entries;
    enum mlaas_status status = scan_file(scan, i, &one, error);
    if (mlaas_dataset_may_lose(scan->dataset, status)) {
      const struct mlaas_error why = *error;
      mlaas_specs_free(one);
      scan->total -= entries - (scan->done - before);
      lost = true;
      MLAAS_TRY(mlaas_dataset_lose(scan->dataset, i, "scan", &why, error));
      continue;
    }
    if (status == MLAAS_OK && !*specs) {
      *specs = one;
      continue;
    }
    if (status == MLAAS_OK) {
      align_types(*specs, one);
      status = mlaas_specs_merge(*specs, one, error);
    }
    mlaas_specs_free(one);
    MLAAS_TRY(status);
  }
  return lost ? mlaas_dataset_replan(scan->dataset, error) : MLAAS_OK;
}

/* The branches that statistics are made of. */
static enum mlaas_status list_names(struct scan *scan, struct mlaas_error *error) {
  const struct mlaas_dataset *dataset = scan->dataset;
  scan->names = mlaas_alloc(dataset->num_columns * sizeof *scan->names);
  if (!scan->names)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu branches", dataset->num_columns);
  for (size_t i = 0; i < dataset->num_columns; i++)
    if (mlaas_dataset_scans(dataset, &dataset->columns[i]))
      scan->names[scan->num_names++] = dataset->columns[i].name;
  if (scan->num_names == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "no branch is left that all files have and that is a number");
  return MLAAS_OK;
}

/* ---- the split as the recipe keeps it ---- */

/* Ranges of the entries taken, or NULL where that is all of them. */
static json_t *describe_ranges(const struct mlaas_plan *plan, size_t index) {
  const struct mlaas_plan_file *file = &plan->files[index];
  if (file->quota == file->entries)
    return NULL;
  json_t *ranges = json_array();
  for (size_t i = file->first_piece; i < file->first_piece + file->num_pieces; i++) {
    int64_t start = plan->pieces[i].start;
    while (i + 1 < file->first_piece + file->num_pieces && plan->pieces[i + 1].start == plan->pieces[i].stop)
      i++;
    if (plan->pieces[i].stop > start)
      json_array_append_new(ranges, json_pack("[II]", (json_int_t)start, (json_int_t)plan->pieces[i].stop));
  }
  return ranges;
}

static json_t *describe_split(const struct mlaas_dataset *dataset) {
  const struct mlaas_params *params = &dataset->params;
  json_t *files = json_array(), *split_by = json_array();
  for (size_t i = 0; i < params->split_by.count; i++)
    json_array_append_new(split_by, json_string(params->split_by.names[i]));
  for (size_t i = 0; i < dataset->num_files; i++) {
    if (dataset->files[i].lost)
      continue;
    json_t *file = json_pack("{ss sI}", "id", dataset->files[i].id, "entries", (json_int_t)dataset->files[i].entries);
    json_t *ranges = describe_ranges(&dataset->plan, i);
    if (ranges)
      json_object_set_new(file, "ranges", ranges);
    json_array_append_new(files, file);
  }
  return json_pack("{ss sI s[fff] so so}", "method", "xxh3-64", "seed", (json_int_t)params->seed, "shares",
                   params->shares[0], params->shares[1], params->shares[2], "split_by", split_by, "files", files);
}

/* ---- ready ---- */

/* The recipe of specs and plan, and the pass that needs it. *lost: files had to be left out, and the recipe's split is
 * of a plan that is no more. */
static enum mlaas_status make_recipe(struct mlaas_dataset *dataset, const struct mlaas_specs *specs, json_t *warnings,
                                     bool *lost, struct mlaas_error *error) {
  struct mlaas_recipe *recipe = NULL;
  json_t *split = describe_split(dataset);
  if (!split)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to describe the split");
  MLAAS_TRY(mlaas_specs_recipe(specs, &dataset->params, split, warnings, &recipe, error));
  dataset->recipe = recipe;
  size_t count = mlaas_recipe_num_branches(recipe);
  if (!dataset->branches)
    dataset->branches = mlaas_arena_alloc(&dataset->arena, count, sizeof *dataset->branches, error);
  enum mlaas_status status = dataset->branches ? mlaas_dataset_survey(dataset, lost, error) : MLAAS_MEMORY;
  for (size_t i = 0; i < count && status == MLAAS_OK; i++)
    dataset->branches[i] = mlaas_recipe_branch(recipe, i);
  if (status != MLAAS_OK || *lost) {
    mlaas_recipe_put(recipe);
    dataset->recipe = NULL;
  }
  return status;
}

/* Keeps specs and makes the recipe and all that follows from it. Takes specs over. */
static enum mlaas_status finish(struct mlaas_dataset *dataset, struct mlaas_specs *specs, struct mlaas_error *error) {
  bool lost = false;
  enum mlaas_status status = make_recipe(dataset, specs, dataset->warnings, &lost, error);
  while (status == MLAAS_OK && lost) /* each time with fewer files */
    status = make_recipe(dataset, specs, NULL, &lost, error);
  if (status == MLAAS_OK)
    dataset->specs = specs;
  else
    mlaas_specs_free(specs);
  return status;
}

static enum mlaas_status check_new(const struct mlaas_dataset *dataset, struct mlaas_error *error) {
  return dataset->recipe ? mlaas_fail(error, MLAAS_STATE, "the data set has its recipe already; open it again")
                         : MLAAS_OK;
}

enum mlaas_status mlaas_dataset_scan(struct mlaas_dataset *dataset, mlaas_progress *progress, void *progress_context,
                                     struct mlaas_error *error) {
  struct mlaas_specs *specs = NULL;
  struct mlaas_error own;
  error = error ? error : &own;
  struct scan scan = {.dataset = dataset, .progress = progress, .progress_context = progress_context};
  MLAAS_TRY(check_new(dataset, error));
  MLAAS_TRY(mlaas_dataset_check_types(dataset, error));
  for (size_t i = 0; i < dataset->num_files; i++)
    scan.total += dataset->files[i].entries;
  enum mlaas_status status = list_names(&scan, error);
  if (status == MLAAS_OK) {
    mlaas_opener_init(&scan.opener, dataset, MLAAS_OPENER_ACCESS, scan.names, scan.num_names);
    status = scan_files(&scan, &specs, error);
    mlaas_opener_reset(&scan.opener);
  }
  mlaas_free(scan.names);
  if (status == MLAAS_OK)
    return finish(dataset, specs, error);
  mlaas_specs_free(specs);
  return status;
}

/* ---- specs made earlier ---- */

static enum mlaas_status check_files(const struct mlaas_dataset *dataset, const struct mlaas_specs *specs,
                                     struct mlaas_error *error) {
  size_t used = 0, lost = json_array_size(dataset->lost);
  for (size_t i = 0; i < dataset->num_files; i++) {
    const struct mlaas_dataset_file *file = &dataset->files[i];
    const struct mlaas_specs_file *found = NULL;
    if (file->entries == 0)
      continue;
    used++;
    for (size_t k = 0; k < specs->num_files && !found; k++)
      found = strcmp(specs->files[k].id, file->id) == 0 ? &specs->files[k] : NULL;
    if (!found)
      return mlaas_fail(error, MLAAS_STALE, "the specs were made without %s (%s): make them again", file->url,
                        file->id);
    if (found->entries != file->entries)
      return mlaas_fail(error, MLAAS_STALE, "the specs know %s with %lld entries, it has %lld: make them again",
                        file->url, (long long)found->entries, (long long)file->entries);
  }
  if (used > specs->num_files || specs->num_files - used > lost) /* those of a lost file may be among them */
    return mlaas_fail(error, MLAAS_STALE, "the specs are of %zu files, these are %zu: make them again",
                      specs->num_files, used);
  return MLAAS_OK;
}

static enum mlaas_status check_columns(const struct mlaas_dataset *dataset, const struct mlaas_specs *specs,
                                       struct mlaas_error *error) {
  if (strcmp(specs->table, dataset->table) != 0)
    return mlaas_fail(error, MLAAS_STALE, "the specs are of table %s, not of %s", specs->table, dataset->table);
  for (size_t i = 0; i < dataset->num_columns; i++) {
    bool found = !mlaas_dataset_scans(dataset, &dataset->columns[i]);
    for (size_t k = 0; k < specs->num_columns && !found; k++)
      found = strcmp(specs->columns[k].name, dataset->columns[i].name) == 0;
    if (!found)
      return mlaas_fail(error, MLAAS_STALE, "the specs have no branch %s: make them again", dataset->columns[i].name);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_dataset_set_specs(struct mlaas_dataset *dataset, const struct mlaas_specs *specs,
                                          struct mlaas_error *error) {
  struct mlaas_specs *copy = NULL;
  char *json = NULL;
  MLAAS_TRY(check_new(dataset, error));
  MLAAS_TRY(mlaas_dataset_check_types(dataset, error));
  MLAAS_TRY(check_files(dataset, specs, error));
  MLAAS_TRY(check_columns(dataset, specs, error));
  MLAAS_TRY(mlaas_specs_format(specs, &json, error));
  enum mlaas_status status = mlaas_specs_parse(json, strlen(json), &copy, error);
  mlaas_text_free(json);
  return status == MLAAS_OK ? finish(dataset, copy, error) : status;
}

/* ---- a recipe made earlier ---- */

static enum mlaas_status rename_branches(struct mlaas_dataset *dataset, struct mlaas_recipe *recipe, const char *rename,
                                         struct mlaas_error *error) {
  size_t count = mlaas_recipe_num_branches(recipe), used = 0;
  json_t *names = rename && *rename ? json_loads(rename, 0, NULL) : json_object();
  if (!json_is_object(names)) {
    json_decref(names);
    return mlaas_fail(error, MLAAS_ARGUMENT, "rename is no JSON object of branch names");
  }
  enum mlaas_status status = MLAAS_OK;
  dataset->branches = mlaas_arena_alloc(&dataset->arena, count, sizeof *dataset->branches, error);
  if (!dataset->branches)
    status = MLAAS_MEMORY;
  for (size_t i = 0; i < count && status == MLAAS_OK; i++) {
    const char *branch = mlaas_recipe_branch(recipe, i);
    const char *other = json_string_value(json_object_get(names, branch));
    used += other != NULL;
    dataset->branches[i] = mlaas_arena_format(&dataset->arena, error, "%s", other ? other : branch);
    if (!dataset->branches[i])
      status = MLAAS_MEMORY;
  }
  if (status == MLAAS_OK && used != json_object_size(names))
    status = mlaas_fail(error, MLAAS_NOT_FOUND, "rename has %zu names, of which the recipe knows %zu",
                        json_object_size(names), used);
  json_decref(names);
  return status;
}

/* Every file has the recipe's branches, of types that it can fill from. */
static enum mlaas_status check_binding(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  struct mlaas_opener opener;
  struct mlaas_error own;
  enum mlaas_status status = MLAAS_OK;
  bool lost = false;
  error = error ? error : &own;
  mlaas_opener_init(&opener, dataset, MLAAS_OPENER_BOUND, NULL, 0);
  for (size_t i = 0; i < dataset->num_files && status == MLAAS_OK; i++) {
    struct mlaas_opened opened;
    if (dataset->files[i].entries == 0)
      continue;
    mlaas_opener_walk(&opener, i);
    status = mlaas_opener_take(&opener, i, &opened, error);
    mlaas_opened_reset(dataset, &opened);
    if (mlaas_dataset_may_lose(dataset, status)) {
      const struct mlaas_error why = *error;
      lost = true;
      status = mlaas_dataset_lose(dataset, i, "opening", &why, error);
    }
  }
  mlaas_opener_reset(&opener);
  return status == MLAAS_OK && lost ? mlaas_dataset_replan(dataset, error) : status;
}

enum mlaas_status mlaas_dataset_set_recipe(struct mlaas_dataset *dataset, struct mlaas_recipe *recipe,
                                           const char *rename, struct mlaas_error *error) {
  MLAAS_TRY(check_new(dataset, error));
  MLAAS_TRY(rename_branches(dataset, recipe, rename, error));
  dataset->recipe = mlaas_recipe_get(recipe);
  enum mlaas_status status = check_binding(dataset, error);
  for (bool lost = true; lost && status == MLAAS_OK;) /* each time with fewer files */
    status = mlaas_dataset_survey(dataset, &lost, error);
  if (status != MLAAS_OK) {
    mlaas_recipe_put(recipe);
    dataset->recipe = NULL;
  }
  return status;
}
