/* The branches that all files have in common: what is dropped and why, what does not fit together, what params name and
 * nobody has. Knows no values. */
#include "dataset/dataset.h"

#include "base/error.h"
#include "column/arrow.h"

#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A column of one table, as far as it matters here. */
struct column {
  const char *name, *type_name, *unsupported, *format;
  bool jagged, numeric, nullable, in_parts;
};

static bool is_number(const struct ArrowSchema *schema) {
  return mlaas_format_width(schema->format) > 0 || strcmp(schema->format, "b") == 0;
}

static bool holds_struct(const struct ArrowSchema *schema) {
  while (schema->format[0] == '+' && schema->format[1] != 's' && schema->n_children == 1)
    schema = schema->children[0];
  return strcmp(schema->format, "+s") == 0;
}

static void classify(const struct ArrowSchema *schema, struct column *column) {
  column->in_parts = holds_struct(schema);
  column->jagged = strcmp(schema->format, "+l") == 0;
  const struct ArrowSchema *values = column->jagged ? schema->children[0] : schema;
  column->nullable = (schema->flags | values->flags) & ARROW_FLAG_NULLABLE;
  column->numeric = is_number(values) && !column->nullable;
  column->format = values->format;
}

static int by_name(const void *a, const void *b) {
  return strcmp(((const struct column *)a)->name, ((const struct column *)b)->name);
}

/* Indices of what can be read, of the first `count`: columns, then members of structs. */
static size_t *list_readable(const struct mlaas_table *table, size_t count, size_t *num_readable) {
  size_t *indices = mlaas_alloc((count + 1) * sizeof *indices);
  *num_readable = 0;
  for (size_t i = 0; indices && i < count; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    if (!info.unsupported)
      indices[(*num_readable)++] = i;
  }
  return indices;
}

static size_t count_columns(const struct mlaas_table *table) {
  return mlaas_table_num_columns(table) + mlaas_table_num_members(table);
}

/* All columns of a table in its order, members of structs behind them; `schema` keeps their formats alive. */
static enum mlaas_status list_columns(const struct mlaas_table *table, struct ArrowSchema *schema,
                                      struct column **columns, struct mlaas_error *error) {
  size_t count = count_columns(table), num_readable;
  size_t *readable = list_readable(table, count, &num_readable);
  *columns = mlaas_alloc((count + 1) * sizeof **columns);
  enum mlaas_status status = readable && *columns ? mlaas_table_schema(table, readable, num_readable, schema, error)
                                                  : mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu columns", count);
  mlaas_free(readable);
  if (status != MLAAS_OK) {
    mlaas_free(*columns);
    return status;
  }
  int64_t child = 0;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(table, i, &info);
    struct column *column = &(*columns)[i];
    *column = (struct column){.name = info.name, .type_name = info.type_name, .unsupported = info.unsupported};
    if (!info.unsupported && child < schema->n_children)
      classify(schema->children[child++], column);
  }
  return MLAAS_OK;
}

static char *format_text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *format_text(const char *format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  int length = vsnprintf(NULL, 0, format, arguments);
  char *text = mlaas_alloc((size_t)length + 1);
  if (text)
    vsnprintf(text, (size_t)length + 1, format, again);
  va_end(again);
  va_end(arguments);
  return text;
}

static enum mlaas_status no_memory(const char *name, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "no memory for branch %s", name);
}

static enum mlaas_status append(struct mlaas_dataset *dataset, const struct column *column, const char *lacking,
                                struct mlaas_error *error) {
  struct mlaas_common *grown = dataset->columns;
  if ((dataset->num_columns & (dataset->num_columns - 1)) == 0) /* full at each power of two */
    grown = mlaas_realloc(dataset->columns, (dataset->num_columns ? dataset->num_columns * 2 : 1) * sizeof *grown);
  if (!grown)
    return no_memory(column->name, error);
  dataset->columns = grown;
  struct mlaas_common *common = &grown[dataset->num_columns];
  struct mlaas_arena *arena = &dataset->arena;
  *common = (struct mlaas_common){.jagged = column->jagged, .numeric = column->numeric};
  common->name = mlaas_arena_format(arena, error, "%s", column->name);
  common->type_name = common->name ? mlaas_arena_format(arena, error, "%s", column->type_name) : NULL;
  common->format =
      common->type_name ? mlaas_arena_format(arena, error, "%s", column->format ? column->format : "") : NULL;
  if (!common->format)
    return no_memory(column->name, error);
  dataset->num_columns++;
  if (lacking)
    common->dropped = format_text("%s has no such branch", lacking);
  else if (column->unsupported)
    common->dropped = format_text("it cannot be read: %s", column->unsupported);
  else if (column->nullable)
    common->dropped = format_text("values of it are missing");
  else if (column->in_parts)
    common->dropped = format_text("its members are columns of their own: %s.*", column->name);
  else if (!column->numeric)
    common->dropped = format_text("%s is neither a number nor a list of numbers", column->type_name);
  bool full = !common->dropped && (lacking || column->unsupported || !column->numeric);
  return full ? no_memory(column->name, error) : MLAAS_OK;
}

/* What another file makes of a branch that is used so far. */
static enum mlaas_status compare(struct mlaas_common *common, const struct column *column, const char *url,
                                 struct mlaas_error *error) {
  if (common->dropped || common->conflict)
    return MLAAS_OK;
  if (column && !column->unsupported && column->numeric && column->jagged == common->jagged)
    return MLAAS_OK;
  if (!column)
    common->dropped = format_text("%s has no such branch", url);
  else if (column->unsupported)
    common->dropped = format_text("it cannot be read in %s: %s", url, column->unsupported);
  else
    common->conflict = format_text("branch %s is %s in %s, but %s in the files before it", common->name,
                                   column->type_name, url, common->type_name);
  return common->dropped || common->conflict ? MLAAS_OK : no_memory(common->name, error);
}

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* Adds the columns that no file before had. */
static enum mlaas_status append_new(struct mlaas_dataset *dataset, const struct column *columns, size_t count,
                                    const char *first_url, struct mlaas_error *error) {
  size_t num_known = dataset->num_columns;
  const char **known = mlaas_alloc(num_known * sizeof *known);
  if (!known)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu branches", num_known);
  for (size_t i = 0; i < num_known; i++)
    known[i] = dataset->columns[i].name;
  qsort(known, num_known, sizeof *known, by_text);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < count && status == MLAAS_OK; i++)
    if (!bsearch(&columns[i].name, known, num_known, sizeof *known, by_text))
      status = append(dataset, &columns[i], first_url, error);
  mlaas_free(known);
  return status;
}

static const char *first_url(const struct mlaas_dataset *dataset) {
  for (size_t i = 0; i < dataset->num_files; i++)
    if (dataset->files[i].entries > 0)
      return dataset->files[i].url;
  return "";
}

enum mlaas_status mlaas_dataset_add_table(struct mlaas_dataset *dataset, const struct mlaas_table *table,
                                          const char *url, bool first, struct mlaas_error *error) {
  struct ArrowSchema schema = {0};
  struct column *columns = NULL, *sorted = NULL;
  size_t count = count_columns(table);
  MLAAS_TRY(list_columns(table, &schema, &columns, error));
  enum mlaas_status status = MLAAS_OK;
  if (first) {
    for (size_t i = 0; i < count && status == MLAAS_OK; i++)
      status = append(dataset, &columns[i], NULL, error);
    goto out;
  }
  sorted = mlaas_alloc(count * sizeof *sorted);
  if (!sorted) {
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu columns", count);
    goto out;
  }
  memcpy(sorted, columns, count * sizeof *sorted);
  qsort(sorted, count, sizeof *sorted, by_name);
  for (size_t i = 0; i < dataset->num_columns && status == MLAAS_OK; i++) {
    struct column key = {.name = dataset->columns[i].name};
    status = compare(&dataset->columns[i], bsearch(&key, sorted, count, sizeof *sorted, by_name), url, error);
  }
  if (status == MLAAS_OK)
    status = append_new(dataset, columns, count, first_url(dataset), error);
out:
  mlaas_schema_release(&schema);
  mlaas_free(columns);
  mlaas_free(sorted);
  return status;
}

/* ---- branches that params name ---- */

static struct mlaas_common *find_common(const struct mlaas_dataset *dataset, const char *name) {
  for (size_t i = 0; i < dataset->num_columns; i++)
    if (strcmp(dataset->columns[i].name, name) == 0)
      return &dataset->columns[i];
  return NULL;
}

static const char *nearest_common(const struct mlaas_dataset *dataset, const char *name) {
  const char **names = mlaas_alloc(dataset->num_columns * sizeof *names), *nearest = NULL;
  for (size_t i = 0; names && i < dataset->num_columns; i++)
    names[i] = dataset->columns[i].name;
  if (names)
    nearest = mlaas_nearest(name, names, dataset->num_columns);
  mlaas_free(names);
  return nearest;
}

static enum mlaas_status fail_missing(const struct mlaas_dataset *dataset, const char *key, const char *name,
                                      struct mlaas_error *error) {
  const char *nearest = nearest_common(dataset, name);
  if (nearest)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "%s names branch %s, which no file has; did you mean %s?", key, name,
                      nearest);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "%s names branch %s, which no file has", key, name);
}

/* A name that excludes nothing is most likely mistyped; one list for many data sets is fine, so it is no error. */
static enum mlaas_status warn_excluded(struct mlaas_dataset *dataset, const char *name, struct mlaas_error *error) {
  for (size_t i = 0; i < dataset->num_columns; i++)
    if (fnmatch(name, dataset->columns[i].name, 0) == 0)
      return MLAAS_OK;
  const char *nearest = nearest_common(dataset, name);
  return mlaas_dataset_warn(dataset, error, "exclude_branches names \"%s\", which no file has%s%s%s", name,
                            nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

/* `flat`: one number per entry is wanted. */
static enum mlaas_status check_name(struct mlaas_dataset *dataset, const char *key, const char *name, bool flat,
                                    struct mlaas_error *error) {
  if (!name || strpbrk(name, "*?"))
    return MLAAS_OK;
  struct mlaas_common *common = find_common(dataset, name);
  if (!common)
    return fail_missing(dataset, key, name, error);
  if (common->dropped)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "%s names branch %s, but %s", key, name, common->dropped);
  if (common->conflict)
    return mlaas_fail(error, MLAAS_SCHEMA, "%s (key %s)", common->conflict, key);
  if (flat && common->jagged)
    return mlaas_fail(error, MLAAS_SCHEMA, "%s names branch %s, which is %s: one number per entry is wanted", key, name,
                      common->type_name);
  common->named = true;
  return MLAAS_OK;
}

static enum mlaas_status check_list(struct mlaas_dataset *dataset, const char *key, const json_t *list,
                                    struct mlaas_error *error) {
  for (size_t i = 0; i < json_array_size(list); i++)
    MLAAS_TRY(check_name(dataset, key, json_string_value(json_array_get(list, i)), false, error));
  return MLAAS_OK;
}

static enum mlaas_status check_split_by(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  const struct mlaas_names *names = &dataset->params.split_by;
  for (size_t i = 0; i < names->count; i++) {
    MLAAS_TRY(check_name(dataset, "split_by", names->names[i], true, error));
    const struct mlaas_common *common = find_common(dataset, names->names[i]);
    if (strchr("fg", common->format[0]))
      return mlaas_fail(error, MLAAS_SCHEMA, "split_by names branch %s, which is %s: integers are wanted", common->name,
                        common->type_name);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_dataset_check_names(struct mlaas_dataset *dataset, struct mlaas_error *error) {
  const struct mlaas_params *params = &dataset->params;
  MLAAS_TRY(check_list(dataset, "selected_branches", json_object_get(params->json, "selected_branches"), error));
  MLAAS_TRY(check_name(dataset, "weight", params->weight_branch, true, error));
  MLAAS_TRY(check_name(dataset, "labels", dataset->label_branch, true, error));
  MLAAS_TRY(check_split_by(dataset, error));
  for (size_t i = 0; i < params->exclude.count; i++)
    MLAAS_TRY(warn_excluded(dataset, params->exclude.names[i], error));
  for (size_t i = 0; i < json_array_size(params->inputs); i++)
    MLAAS_TRY(check_list(dataset, "inputs", json_object_get(json_array_get(params->inputs, i), "branches"), error));
  if (json_is_string(params->sort_by))
    return check_name(dataset, "sort_by", json_string_value(params->sort_by), false, error);
  json_t *sort_by = json_object_get(params->json, "sort_by");
  for (void *at = json_object_iter(sort_by); at; at = json_object_iter_next(sort_by, at))
    MLAAS_TRY(check_name(dataset, "sort_by", json_string_value(json_object_iter_value(at)), false, error));
  return MLAAS_OK;
}

/* ---- what is used ---- */

static bool is_among(const struct mlaas_names *names, const char *name) {
  for (size_t i = 0; i < names->count; i++)
    if (fnmatch(names->names[i], name, 0) == 0)
      return true;
  return false;
}

bool mlaas_dataset_scans(const struct mlaas_dataset *dataset, const struct mlaas_common *common) {
  const struct mlaas_params *params = &dataset->params;
  if (common->dropped || (dataset->label_branch && strcmp(common->name, dataset->label_branch) == 0))
    return false;
  if (common->named || is_among(&params->identifier, common->name))
    return true;
  return params->selected.count ? is_among(&params->selected, common->name) : !is_among(&params->exclude, common->name);
}

enum mlaas_status mlaas_dataset_check_types(const struct mlaas_dataset *dataset, struct mlaas_error *error) {
  for (size_t i = 0; i < dataset->num_columns; i++)
    if (dataset->columns[i].conflict && mlaas_dataset_scans(dataset, &dataset->columns[i]))
      return mlaas_fail(error, MLAAS_SCHEMA, "%s; add it to exclude_branches", dataset->columns[i].conflict);
  return MLAAS_OK;
}
