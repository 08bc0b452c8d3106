/* Specs as an object: making, copying, merging. The statistics are in specs_stats.c, the JSON in specs_json.c. */
#include "dataset/specs.h"

#include "base/error.h"
#include "column/arrow.h"

#include <math.h>
#include <string.h>

static enum mlaas_status fail_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
}

void mlaas_specs_free(struct mlaas_specs *specs) {
  if (!specs)
    return;
  for (size_t i = 0; i < specs->num_files; i++) {
    mlaas_free(specs->files[i].url);
    mlaas_free(specs->files[i].id);
  }
  for (size_t i = 0; i < specs->num_columns; i++)
    mlaas_column_stats_reset(&specs->columns[i]);
  mlaas_free(specs->files);
  mlaas_free(specs->columns);
  mlaas_free(specs->table);
  mlaas_free(specs);
}

/* ---- from a schema ---- */

static enum mlaas_status make_column(const struct ArrowSchema *schema, const struct mlaas_source *source,
                                     struct mlaas_column_stats *column, struct mlaas_error *error) {
  struct mlaas_column_stats like = {.jagged = source->kind != MLAAS_SOURCE_FLAT, .source = *source};
  size_t length;
  memcpy(like.format, like.jagged ? schema->children[0]->format : schema->format, 2);
  *column = mlaas_column_stats_like(&like);
  column->name = mlaas_strdup(schema->name ? schema->name : "");
  const char *counter = mlaas_schema_metadata(schema, "mlaas.counter", &length);
  if (counter) {
    column->counter = mlaas_alloc(length + 1);
    if (column->counter)
      memcpy(column->counter, counter, length);
  }
  return column->name && (!counter || column->counter) ? MLAAS_OK : fail_memory(error);
}

static enum mlaas_status make_columns(struct mlaas_specs *specs, const struct ArrowSchema *schema,
                                      struct mlaas_error *error) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    struct mlaas_source source = {.child = i};
    if (!mlaas_source_describe(schema->children[i], &source))
      continue;
    MLAAS_TRY(make_column(schema->children[i], &source, &specs->columns[specs->num_columns++], error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_specs_new(const char *table, const struct ArrowSchema *schema, struct mlaas_specs **specs,
                                  struct mlaas_error *error) {
  struct mlaas_specs *made = mlaas_alloc(sizeof *made);
  if (!made)
    return fail_memory(error);
  made->table = mlaas_strdup(table);
  made->columns = mlaas_alloc((size_t)schema->n_children * sizeof *made->columns);
  enum mlaas_status status = made->table && made->columns ? make_columns(made, schema, error) : fail_memory(error);
  if (status == MLAAS_OK)
    *specs = made;
  else
    mlaas_specs_free(made);
  return status;
}

enum mlaas_status mlaas_specs_add_file(struct mlaas_specs *specs, const char *url, const char *id, int64_t entries,
                                       struct mlaas_error *error) {
  struct mlaas_specs_file *files = mlaas_realloc(specs->files, (specs->num_files + 1) * sizeof *files);
  if (!files)
    return fail_memory(error);
  specs->files = files;
  struct mlaas_specs_file file = {mlaas_strdup(url), mlaas_strdup(id), entries};
  files[specs->num_files++] = file; /* counted even if half made: free takes it away */
  return file.url && file.id ? MLAAS_OK : fail_memory(error);
}

const struct mlaas_column_stats *mlaas_specs_find(const struct mlaas_specs *specs, const char *name) {
  for (size_t i = 0; i < specs->num_columns; i++)
    if (strcmp(specs->columns[i].name, name) == 0)
      return &specs->columns[i];
  return NULL;
}

/* ---- copying ---- */

static enum mlaas_status copy_column(const struct mlaas_column_stats *from, struct mlaas_column_stats *to,
                                     struct mlaas_error *error) {
  *to = *from;
  to->name = mlaas_strdup(from->name);
  to->counter = from->counter ? mlaas_strdup(from->counter) : NULL;
  to->lengths = from->num_lengths ? mlaas_alloc(from->num_lengths * sizeof *to->lengths) : NULL;
  if (to->lengths)
    memcpy(to->lengths, from->lengths, from->num_lengths * sizeof *to->lengths);
  bool good = to->name && (to->counter || !from->counter) && (to->lengths || !from->num_lengths);
  return good ? MLAAS_OK : fail_memory(error);
}

static enum mlaas_status copy_parts(const struct mlaas_specs *specs, struct mlaas_specs *copy,
                                    struct mlaas_error *error) {
  copy->table = mlaas_strdup(specs->table);
  copy->columns = mlaas_alloc(specs->num_columns * sizeof *copy->columns);
  if (!copy->table || !copy->columns)
    return fail_memory(error);
  for (size_t i = 0; i < specs->num_columns; i++)
    MLAAS_TRY(copy_column(&specs->columns[i], &copy->columns[copy->num_columns++], error));
  for (size_t i = 0; i < specs->num_files; i++)
    MLAAS_TRY(mlaas_specs_add_file(copy, specs->files[i].url, specs->files[i].id, specs->files[i].entries, error));
  return MLAAS_OK;
}

struct mlaas_specs *mlaas_specs_copy(const struct mlaas_specs *specs, struct mlaas_error *error) {
  struct mlaas_specs *copy = mlaas_alloc(sizeof *copy);
  if (!copy) {
    fail_memory(error);
    return NULL;
  }
  if (copy_parts(specs, copy, error) == MLAAS_OK)
    return copy;
  mlaas_specs_free(copy);
  return NULL;
}

/* ---- merging ---- */

/* The path of a table without its cycle. */
static size_t path_length(const char *table) { return strcspn(table, ";"); }

static enum mlaas_status check_merge(const struct mlaas_specs *specs, const struct mlaas_specs *other,
                                     struct mlaas_error *error) {
  size_t length = path_length(specs->table);
  if (length != path_length(other->table) || memcmp(specs->table, other->table, length) != 0)
    return mlaas_fail(error, MLAAS_SCHEMA, "statistics of table \"%s\" do not add to those of \"%s\"", other->table,
                      specs->table);
  for (size_t i = 0; i < specs->num_files; i++)
    for (size_t k = 0; k < other->num_files; k++)
      if (strcmp(specs->files[i].id, other->files[k].id) == 0)
        return mlaas_fail(error, MLAAS_ARGUMENT, "file \"%s\" is in both statistics", specs->files[i].url);
  return MLAAS_OK;
}

/* Branches that one of the two lacks are dropped: only common ones are used. */
static enum mlaas_status merge_columns(struct mlaas_specs *specs, const struct mlaas_specs *other,
                                       struct mlaas_error *error) {
  size_t kept = 0;
  for (size_t i = 0; i < specs->num_columns; i++) {
    const struct mlaas_column_stats *found = mlaas_specs_find(other, specs->columns[i].name);
    if (!found) {
      mlaas_column_stats_reset(&specs->columns[i]);
      continue;
    }
    MLAAS_TRY(mlaas_column_stats_merge(&specs->columns[i], found, error));
    struct mlaas_column_stats moved = specs->columns[i];
    specs->columns[i] = (struct mlaas_column_stats){0};
    specs->columns[kept++] = moved;
  }
  specs->num_columns = kept;
  return MLAAS_OK;
}

/* Works on a copy, so that a failure leaves `specs` as it was. */
enum mlaas_status mlaas_specs_merge(struct mlaas_specs *specs, const struct mlaas_specs *other,
                                    struct mlaas_error *error) {
  MLAAS_TRY(check_merge(specs, other, error));
  struct mlaas_specs *copy = mlaas_specs_copy(specs, error);
  if (!copy)
    return MLAAS_MEMORY;
  enum mlaas_status status = merge_columns(copy, other, error);
  for (size_t i = 0; status == MLAAS_OK && i < other->num_files; i++)
    status = mlaas_specs_add_file(copy, other->files[i].url, other->files[i].id, other->files[i].entries, error);
  if (status == MLAAS_OK) {
    struct mlaas_specs old = *specs;
    *specs = *copy;
    *copy = old;
  }
  mlaas_specs_free(copy);
  return status;
}
