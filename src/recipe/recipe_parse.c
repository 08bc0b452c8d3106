/* From recipe.json to struct mlaas_recipe. Strict: whatever could change a number and is not understood is an error. */
#include "recipe/recipe.h"

#include "base/error.h"
#include "recipe/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- small readers; each failure names the key ---- */

static enum mlaas_status fail_key(struct mlaas_error *error, const char *key, const char *want) {
  return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has to be %s", key, want);
}

static enum mlaas_status read_text(const json_t *object, const char *key, const char **text,
                                   struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  *text = json_string_value(value);
  return *text && strlen(*text) == json_string_length(value) ? MLAAS_OK : fail_key(error, key, "a text");
}

static enum mlaas_status read_int(const json_t *object, const char *key, int64_t low, int64_t high, int64_t *number,
                                  struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  *number = json_integer_value(value);
  if (json_is_integer(value) && *number >= low && *number <= high)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has to be an integer between %lld and %lld", key, (long long)low,
                    (long long)high);
}

static enum mlaas_status read_number(const json_t *object, const char *key, bool finite, double *number,
                                     struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  *number = mlaas_json_value(value);
  if (finite ? json_is_number(value) : mlaas_json_is_number(value))
    return MLAAS_OK;
  return fail_key(error, key, "a number");
}

static enum mlaas_status read_list(const json_t *object, const char *key, size_t most, const json_t **list,
                                   size_t *count, struct mlaas_error *error) {
  *list = json_object_get(object, key);
  *count = json_array_size(*list);
  if (*list && !json_is_array(*list))
    return fail_key(error, key, "a list");
  if (*count > most)
    return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has %zu items; at most %zu are allowed", key, *count, most);
  return MLAAS_OK;
}

/* Index of `text` among `choices`, or -1. */
static int find_choice(const char *text, const char *const *choices, size_t count) {
  for (size_t i = 0; text && i < count; i++)
    if (strcmp(choices[i], text) == 0)
      return (int)i;
  return -1;
}

static enum mlaas_status check_keys(const json_t *object, const char *const *known, size_t count,
                                    struct mlaas_error *error) {
  if (!json_is_object(object))
    return mlaas_fail(error, MLAAS_FORMAT, "a JSON object was expected");
  json_t *walk = (json_t *)(uintptr_t)object;
  for (void *at = json_object_iter(walk); at; at = json_object_iter_next(walk, at))
    if (find_choice(json_object_iter_key(at), known, count) < 0)
      return mlaas_fail(error, MLAAS_FORMAT, "the key \"%.80s\" is unknown; a newer version may have written it",
                        json_object_iter_key(at));
  return MLAAS_OK;
}

#define CHECK_KEYS(object, keys, error) MLAAS_TRY(check_keys(object, keys, sizeof(keys) / sizeof *(keys), error))

/* Arrow formats of values that become features. */
static bool is_numeric(const char *format) { return strlen(format) == 1 && strchr("bcCsSiIlLfg", format[0]); }

/* ---- columns and inputs ---- */

static enum mlaas_status read_scaler(const struct mlaas_recipe *recipe, const json_t *json,
                                     struct mlaas_recipe_column *column, struct mlaas_error *error) {
  static const char *const scalers[] = {"none", "standard", "minmax", "constant"};
  bool compat = recipe->arithmetic == MLAAS_ARITHMETIC_COMPAT;
  double high;
  column->center = 0;
  column->scale = 1;
  switch (find_choice(json_string_value(json_object_get(json, "scaler")), scalers, 4)) {
  case 0:
    return MLAAS_OK;
  case 1:
    MLAAS_TRY(read_number(json, "mean", true, &column->center, error));
    MLAAS_TRY(read_number(json, "sd", true, &column->scale, error));
    return column->scale > 0 ? MLAAS_OK : fail_key(error, "sd", "above 0");
  case 2:
    MLAAS_TRY(read_number(json, "min", !compat, &column->center, error));
    MLAAS_TRY(read_number(json, "max", !compat, &high, error));
    column->scale = high - column->center;
    if (compat && high == column->center) /* MLaaS4HEP leaves constants as they are */
      column->center = 0, column->scale = 1;
    return compat || column->scale > 0 ? MLAAS_OK : fail_key(error, "max", "above min");
  case 3:
    column->constant = true;
    return MLAAS_OK;
  default:
    return fail_key(error, "scaler", "standard, minmax, none or constant");
  }
}

/* What was seen in training, for who wants to know what lies outside: "range", else the bounds of minmax. */
static enum mlaas_status read_range(const json_t *json, struct mlaas_recipe_column *column, struct mlaas_error *error) {
  const json_t *range = json_object_get(json, "range");
  const char *scaler = json_string_value(json_object_get(json, "scaler"));
  bool minmax = scaler && strcmp(scaler, "minmax") == 0;
  const json_t *low = range ? json_array_get(range, 0) : minmax ? json_object_get(json, "min") : NULL;
  const json_t *high = range ? json_array_get(range, 1) : minmax ? json_object_get(json, "max") : NULL;
  column->low = json_number_value(low);
  column->high = json_number_value(high);
  column->ranged = json_is_number(low) && json_is_number(high) && column->low <= column->high;
  return !range || (column->ranged && json_array_size(range) == 2) ? MLAAS_OK
                                                                   : fail_key(error, "range", "two ascending numbers");
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Index of a branch, which exists: collect_branches has seen it. */
static size_t branch_index(const struct mlaas_recipe *recipe, const char *name) {
  const char **found = bsearch(&name, recipe->branches, recipe->num_branches, sizeof *recipe->branches, by_text);
  return (size_t)(found - recipe->branches);
}

static enum mlaas_status read_column(const struct mlaas_recipe *recipe, bool padded, int64_t slots, const json_t *json,
                                     struct mlaas_recipe_column *column, struct mlaas_error *error) {
  static const char *const keys[] = {"branch", "type", "width", "sort_by", "scaler",
                                     "mean",   "sd",   "min",   "max",     "range"};
  const char *branch, *type, *sort;
  CHECK_KEYS(json, keys, error);
  MLAAS_TRY(read_text(json, "branch", &branch, error));
  column->branch = branch_index(recipe, branch);
  MLAAS_TRY(read_text(json, "type", &type, error));
  if (!is_numeric(type))
    return fail_key(error, "type", "one of Arrow's b c C s S i I l L f g");
  memcpy(column->format, type, 2);
  column->width = padded ? slots : 1;
  column->jagged = padded || json_object_get(json, "width");
  if (column->jagged && !padded)
    MLAAS_TRY(read_int(json, "width", 1, MLAAS_RECIPE_SLOTS, &column->width, error));
  column->sort = SIZE_MAX;
  if (json_object_get(json, "sort_by")) {
    MLAAS_TRY(read_text(json, "sort_by", &sort, error));
    if (!column->jagged)
      return mlaas_fail(error, MLAAS_FORMAT, "\"sort_by\" is for jagged branches; \"%s\" is flat", branch);
    column->sort = branch_index(recipe, sort);
  }
  MLAAS_TRY(read_range(json, column, error));
  return read_scaler(recipe, json, column, error);
}

/* First features, and how many there are. */
static enum mlaas_status place_columns(const struct mlaas_recipe *recipe, struct mlaas_recipe_input *input,
                                       int64_t *row, struct mlaas_error *error) {
  for (size_t i = 0; i < input->num_columns; i++) {
    struct mlaas_recipe_column *column = &input->columns[i];
    column->first = input->features;
    input->features += input->padded ? 1 : column->width;
    if (*row + input->features * input->slots > MLAAS_RECIPE_ROW)
      return mlaas_fail(error, MLAAS_FORMAT, "at branch \"%s\" a row has more than %d values",
                        recipe->branches[column->branch], MLAAS_RECIPE_ROW);
  }
  *row += input->features * input->slots;
  return MLAAS_OK;
}

static enum mlaas_status name_features(struct mlaas_recipe *recipe, struct mlaas_recipe_input *input,
                                       struct mlaas_error *error) {
  input->features_names =
      mlaas_arena_alloc(&recipe->arena, (size_t)input->features, sizeof *input->features_names, error);
  if (!input->features_names)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < input->num_columns; i++) {
    const struct mlaas_recipe_column *column = &input->columns[i];
    const char **names = input->features_names + column->first, *branch = recipe->branches[column->branch];
    names[0] = branch;
    for (int64_t slot = 0; !input->padded && column->jagged && slot < column->width; slot++)
      if (!(names[slot] = mlaas_arena_format(&recipe->arena, error, "%s_%lld", branch, (long long)slot)))
        return MLAAS_MEMORY;
  }
  return MLAAS_OK;
}

static enum mlaas_status read_input(struct mlaas_recipe *recipe, const json_t *json, struct mlaas_recipe_input *input,
                                    int64_t *row, struct mlaas_error *error) {
  static const char *const keys[] = {"name", "kind", "slots", "columns"}, *const kinds[] = {"flat", "padded"};
  const json_t *columns;
  CHECK_KEYS(json, keys, error);
  MLAAS_TRY(read_text(json, "name", &input->name, error));
  int kind = find_choice(json_string_value(json_object_get(json, "kind")), kinds, 2);
  if (kind < 0)
    return fail_key(error, "kind", "flat or padded");
  input->padded = kind == 1;
  input->slots = 1;
  if (input->padded)
    MLAAS_TRY(read_int(json, "slots", 1, MLAAS_RECIPE_SLOTS, &input->slots, error));
  MLAAS_TRY(read_list(json, "columns", MLAAS_RECIPE_COLUMNS, &columns, &input->num_columns, error));
  if (input->num_columns == 0)
    return fail_key(error, "columns", "a list that is not empty");
  input->columns = mlaas_arena_alloc(&recipe->arena, input->num_columns, sizeof *input->columns, error);
  if (!input->columns)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < input->num_columns; i++) {
    enum mlaas_status status =
        read_column(recipe, input->padded, input->slots, json_array_get(columns, i), &input->columns[i], error);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "columns[%zu]", i);
  }
  MLAAS_TRY(place_columns(recipe, input, row, error));
  return name_features(recipe, input, error);
}

/* ---- branches: the columns' and the sort keys', each once ---- */

static size_t gather_names(const json_t *inputs, const char **names) {
  static const char *const keys[] = {"branch", "sort_by"};
  size_t count = 0;
  for (size_t i = 0; i < json_array_size(inputs); i++) {
    const json_t *columns = json_object_get(json_array_get(inputs, i), "columns");
    for (size_t k = 0; k < json_array_size(columns); k++)
      for (size_t which = 0; which < 2; which++) {
        const char *name = json_string_value(json_object_get(json_array_get(columns, k), keys[which]));
        if (name && names)
          names[count] = name;
        count += name != NULL;
      }
  }
  return count;
}

static enum mlaas_status collect_branches(struct mlaas_recipe *recipe, const json_t *inputs,
                                          struct mlaas_error *error) {
  size_t count = gather_names(inputs, NULL), kept = 0;
  const char **names = mlaas_arena_alloc(&recipe->arena, count, sizeof *names, error);
  if (!names)
    return MLAAS_MEMORY;
  gather_names(inputs, names);
  if (count)
    qsort(names, count, sizeof *names, by_text);
  for (size_t i = 0; i < count; i++)
    if (kept == 0 || strcmp(names[kept - 1], names[i]) != 0)
      names[kept++] = names[i];
  recipe->branches = names;
  recipe->num_branches = kept;
  return MLAAS_OK;
}

/* Which columns are the first of their branch. */
static enum mlaas_status mark_first_uses(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  bool *seen = mlaas_arena_alloc(&recipe->arena, recipe->num_branches, sizeof *seen, error);
  if (!seen)
    return MLAAS_MEMORY;
  for (size_t k = 0; k < recipe->num_inputs; k++)
    for (size_t i = 0; i < recipe->inputs[k].num_columns; i++) {
      struct mlaas_recipe_column *column = &recipe->inputs[k].columns[i];
      column->first_use = !seen[column->branch];
      seen[column->branch] = true;
    }
  return MLAAS_OK;
}

static enum mlaas_status read_inputs(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  const json_t *inputs;
  int64_t row = 0;
  MLAAS_TRY(read_list(recipe->json, "inputs", MLAAS_RECIPE_INPUTS, &inputs, &recipe->num_inputs, error));
  if (recipe->num_inputs == 0)
    return fail_key(error, "inputs", "a list that is not empty");
  MLAAS_TRY(collect_branches(recipe, inputs, error));
  recipe->inputs = mlaas_arena_alloc(&recipe->arena, recipe->num_inputs, sizeof *recipe->inputs, error);
  if (!recipe->inputs)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < recipe->num_inputs; i++) {
    enum mlaas_status status = read_input(recipe, json_array_get(inputs, i), &recipe->inputs[i], &row, error);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "inputs[%zu]", i);
    for (size_t k = 0; k < i; k++)
      if (strcmp(recipe->inputs[k].name, recipe->inputs[i].name) == 0)
        return mlaas_fail(error, MLAAS_FORMAT, "two inputs are called \"%s\"", recipe->inputs[i].name);
  }
  return mark_first_uses(recipe, error);
}

/* ---- split ---- */

static enum mlaas_status read_ranges(struct mlaas_recipe *recipe, const json_t *json, struct mlaas_recipe_file *file,
                                     struct mlaas_error *error) {
  const json_t *ranges;
  MLAAS_TRY(read_list(json, "ranges", SIZE_MAX, &ranges, &file->num_ranges, error));
  bool all = !ranges;
  if (all)
    file->num_ranges = 1;
  file->ranges = mlaas_arena_alloc(&recipe->arena, file->num_ranges, sizeof *file->ranges, error);
  if (!file->ranges)
    return MLAAS_MEMORY;
  if (all)
    file->ranges[0].stop = file->entries;
  for (size_t i = 0; !all && i < file->num_ranges; i++) {
    const json_t *range = json_array_get(ranges, i), *start = json_array_get(range, 0),
                 *stop = json_array_get(range, 1);
    file->ranges[i] = (struct mlaas_recipe_range){json_integer_value(start), json_integer_value(stop)};
    int64_t least = i ? file->ranges[i - 1].stop : 0;
    if (json_array_size(range) != 2 || !json_is_integer(start) || !json_is_integer(stop) ||
        file->ranges[i].start < least || file->ranges[i].stop < file->ranges[i].start ||
        file->ranges[i].stop > file->entries)
      return fail_key(error, "ranges", "a list of ascending [start, stop] within the entries of the file");
  }
  return MLAAS_OK;
}

static enum mlaas_status read_files(struct mlaas_recipe *recipe, const json_t *split, struct mlaas_error *error) {
  static const char *const keys[] = {"id", "entries", "ranges"};
  const json_t *files;
  MLAAS_TRY(read_list(split, "files", SIZE_MAX, &files, &recipe->num_files, error));
  recipe->files = mlaas_arena_alloc(&recipe->arena, recipe->num_files, sizeof *recipe->files, error);
  if (!recipe->files)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < recipe->num_files; i++) {
    const json_t *json = json_array_get(files, i);
    struct mlaas_recipe_file *file = &recipe->files[i];
    enum mlaas_status status = check_keys(json, keys, 3, error);
    if (status == MLAAS_OK)
      status = read_text(json, "id", &file->id, error);
    if (status == MLAAS_OK)
      status = read_int(json, "entries", 0, INT64_MAX, &file->entries, error);
    if (status == MLAAS_OK)
      status = read_ranges(recipe, json, file, error);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "files[%zu]", i);
  }
  return MLAAS_OK;
}

static enum mlaas_status read_shares(struct mlaas_recipe *recipe, const json_t *split, struct mlaas_error *error) {
  const json_t *shares = json_object_get(split, "shares");
  double sum = 0;
  for (size_t i = 0; i < 3; i++) {
    recipe->shares[i] = json_number_value(json_array_get(shares, i));
    if (!(recipe->shares[i] >= 0))
      return fail_key(error, "shares", "three numbers that sum to 1");
    sum += recipe->shares[i];
  }
  return json_array_size(shares) == 3 && fabs(sum - 1) < 1e-6
             ? MLAAS_OK
             : fail_key(error, "shares", "three numbers that sum to 1");
}

static enum mlaas_status read_split(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  static const char *const keys[] = {"method", "seed", "shares", "split_by", "files"}, *const methods[] = {"xxh3-64"};
  const json_t *split = json_object_get(recipe->json, "split"), *names;
  int64_t seed;
  recipe->shares[0] = 1;
  if (!split || json_is_null(split))
    return MLAAS_OK;
  CHECK_KEYS(split, keys, error);
  if (find_choice(json_string_value(json_object_get(split, "method")), methods, 1) < 0)
    return fail_key(error, "method", "xxh3-64");
  MLAAS_TRY(read_int(split, "seed", 0, INT64_MAX, &seed, error));
  recipe->seed = (uint64_t)seed;
  MLAAS_TRY(read_shares(recipe, split, error));
  MLAAS_TRY(read_list(split, "split_by", 64, &names, &recipe->num_split_by, error));
  recipe->split_by = mlaas_arena_alloc(&recipe->arena, recipe->num_split_by, sizeof *recipe->split_by, error);
  if (!recipe->split_by)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < recipe->num_split_by; i++)
    if (!(recipe->split_by[i] = json_string_value(json_array_get(names, i))))
      return fail_key(error, "split_by", "a list of branches");
  return read_files(recipe, split, error);
}

/* ---- the whole ---- */

static enum mlaas_status read_head(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  static const char *const keys[] = {"format", "version", "table",  "arithmetic",  "pad",
                                     "clip",   "missing", "inputs", "collections", "split"};
  static const char *const arithmetics[] = {"double", "compat"};
  const char *format = json_string_value(json_object_get(recipe->json, "format"));
  int64_t version;
  if (!format || strcmp(format, "mlaas-recipe") != 0)
    return mlaas_fail(error, MLAAS_FORMAT, "no \"format\": \"mlaas-recipe\": this is no recipe");
  MLAAS_TRY(read_int(recipe->json, "version", 1, INT64_MAX, &version, error));
  if (version > 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "mlaas-recipe version %lld is newer than this program, which reads 1",
                      (long long)version);
  CHECK_KEYS(recipe->json, keys, error);
  MLAAS_TRY(read_text(recipe->json, "table", &recipe->table, error));
  const json_t *arithmetic = json_object_get(recipe->json, "arithmetic");
  int choice = arithmetic ? find_choice(json_string_value(arithmetic), arithmetics, 2) : 0;
  if (choice < 0)
    return fail_key(error, "arithmetic", "double or compat");
  recipe->arithmetic = (enum mlaas_arithmetic)choice;
  return MLAAS_OK;
}

static enum mlaas_status read_values(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  const json_t *missing, *clip = json_object_get(recipe->json, "clip");
  double pad = 0;
  if (json_object_get(recipe->json, "pad"))
    MLAAS_TRY(read_number(recipe->json, "pad", true, &pad, error));
  recipe->pad = (float)pad;
  if (!isfinite(recipe->pad))
    return fail_key(error, "pad", "a number that float32 can hold");
  if (clip && !json_is_null(clip)) {
    recipe->clip = true;
    recipe->clip_low = (float)json_number_value(json_array_get(clip, 0));
    recipe->clip_high = (float)json_number_value(json_array_get(clip, 1));
    if (json_array_size(clip) != 2 || !(recipe->clip_low < recipe->clip_high))
      return fail_key(error, "clip", "two ascending numbers");
  }
  MLAAS_TRY(read_list(recipe->json, "missing", MLAAS_RECIPE_MISSING, &missing, &recipe->num_missing, error));
  recipe->missing = mlaas_arena_alloc(&recipe->arena, recipe->num_missing, sizeof *recipe->missing, error);
  if (!recipe->missing)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < recipe->num_missing; i++) {
    if (!json_is_number(json_array_get(missing, i)))
      return fail_key(error, "missing", "a list of numbers");
    recipe->missing[i] = json_number_value(json_array_get(missing, i));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_recipe_build(struct mlaas_recipe *recipe, struct mlaas_error *error) {
  if (!json_is_object(recipe->json))
    return mlaas_fail(error, MLAAS_FORMAT, "a JSON object was expected");
  MLAAS_TRY(read_head(recipe, error));
  MLAAS_TRY(read_values(recipe, error));
  MLAAS_TRY(read_inputs(recipe, error));
  return read_split(recipe, error);
}
