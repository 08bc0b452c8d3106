/* A table that is open: its columns listed and looked up. Must not know how values are decoded. */
#include "rootio/table/table.h"

#include "base/error.h"
#include "column/arrow.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

struct mlaas_table *mlaas_table_get(struct mlaas_table *table) {
  __atomic_add_fetch(&table->count, 1, __ATOMIC_RELAXED);
  return table;
}

static uint32_t *slot_of(const struct mlaas_table *table, const char *name) {
  size_t at = XXH3_64bits(name, strlen(name)) & (table->index_size - 1);
  while (table->index[at] && strcmp(table->columns[table->index[at] - 1].name, name) != 0)
    at = (at + 1) & (table->index_size - 1);
  return &table->index[at];
}

enum mlaas_status mlaas_table_make_room(struct mlaas_table *table, size_t most, struct mlaas_error *error) {
  table->index_size = 16;
  while (table->index_size < 2 * most)
    table->index_size *= 2;
  table->columns = mlaas_arena_alloc(&table->arena, most, sizeof *table->columns, error);
  table->index = mlaas_arena_alloc(&table->arena, table->index_size, sizeof *table->index, error);
  return table->columns && table->index ? MLAAS_OK : MLAAS_MEMORY;
}

void mlaas_table_add(struct mlaas_table *table, const struct mlaas_table_column *column) {
  uint32_t *slot = slot_of(table, column->name);
  if (*slot)
    return;
  struct mlaas_table_column *added = &table->columns[table->num_columns];
  *added = *column;
  if (!added->shown)
    added->shown = added->plan.root;
  *slot = (uint32_t)++table->num_columns;
}

const struct mlaas_branch_plan *mlaas_table_plan(const struct mlaas_table *table, const struct mlaas_branch *branch) {
  uint32_t found = branch && branch->path ? *slot_of(table, branch->path) : 0;
  const struct mlaas_branch_plan *plan = found ? &table->columns[found - 1].plan : NULL;
  return plan && plan->branch == branch ? plan : NULL;
}

/* ---- what it is ---- */

struct mlaas_file *mlaas_table_file(const struct mlaas_table *table) {
  return table->file;
}
const char *mlaas_table_path(const struct mlaas_table *table) { return table->entry->path; }
const char *mlaas_table_title(const struct mlaas_table *table) { return table->title ? table->title : ""; }
int64_t mlaas_table_num_entries(const struct mlaas_table *table) { return table->num_entries; }

size_t mlaas_table_num_columns(const struct mlaas_table *table) { return table->num_columns; }

const char *mlaas_table_counter(const struct mlaas_branch_plan *plan) {
  return !plan->unsupported && plan->counter ? plan->counter->path : NULL;
}

static size_t num_all(const struct mlaas_table *table) { return table->num_columns + table->num_members; }

size_t mlaas_table_num_members(const struct mlaas_table *table) { return table->num_members; }

static enum mlaas_status no_such_column(const struct mlaas_table *table, const char *name, struct mlaas_error *error) {
  size_t count = num_all(table);
  const char **names = mlaas_alloc((count + 1) * sizeof *names);
  if (!names)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of columns");
  for (size_t i = 0; i < count; i++)
    names[i] = table->columns[i].name;
  const char *nearest = mlaas_nearest(name, names, count);
  mlaas_free(names);
  if (nearest)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "table %s has no column %s; did you mean %s?", table->entry->path, name,
                      nearest);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "table %s has no column %s", table->entry->path, name);
}

enum mlaas_status mlaas_table_find(const struct mlaas_table *table, const char *name, size_t *column,
                                   struct mlaas_error *error) {
  uint32_t found = *slot_of(table, name);
  if (!found)
    return no_such_column(table, name, error);
  *column = found - 1;
  return MLAAS_OK;
}

static enum mlaas_status check_choice(const struct mlaas_table *table, const size_t *columns, size_t count,
                                      struct mlaas_error *error) {
  for (size_t i = 0; i < count; i++) {
    if (columns[i] >= num_all(table))
      return mlaas_fail(error, MLAAS_ARGUMENT, "column %zu was asked for; table %s has %zu", columns[i],
                        table->entry->path, num_all(table));
    const struct mlaas_table_column *column = &table->columns[columns[i]];
    if (column->plan.unsupported)
      return mlaas_fail(error, MLAAS_UNSUPPORTED, "column %s cannot be read: %s", column->name,
                        column->plan.unsupported);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_choose(const struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                     size_t **chosen, size_t *count, struct mlaas_error *error) {
  size_t most = columns ? num_columns : table->num_columns;
  if (columns)
    MLAAS_TRY(check_choice(table, columns, num_columns, error));
  size_t *list = mlaas_alloc((most + 1) * sizeof *list);
  if (!list)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of %zu columns", most);
  *count = 0;
  for (size_t i = 0; i < most; i++)
    if (columns || !table->columns[i].plan.unsupported)
      list[(*count)++] = columns ? columns[i] : i;
  *chosen = list;
  return MLAAS_OK;
}

static enum mlaas_status fill_schema(const struct mlaas_table *table, const size_t *columns, struct ArrowSchema *schema,
                                     struct mlaas_error *error) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    const struct mlaas_table_column *column = &table->columns[columns[i]];
    const char *counter = column->friend_number ? column->counter : mlaas_table_counter(&column->plan);
    MLAAS_TRY(mlaas_node_schema(column->shown, column->name, schema->children[i], error));
    if (column->missing)
      schema->children[i]->flags |= ARROW_FLAG_NULLABLE;
    if (counter)
      MLAAS_TRY(mlaas_schema_annotate(schema->children[i], "mlaas.counter", counter, error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_schema(const struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                     struct ArrowSchema *schema, struct mlaas_error *error) {
  size_t *chosen, count;
  MLAAS_TRY(mlaas_table_choose(table, columns, num_columns, &chosen, &count, error));
  enum mlaas_status status = mlaas_schema_init(schema, "+s", "", count, error);
  if (status == MLAAS_OK)
    status = fill_schema(table, chosen, schema, error);
  mlaas_free(chosen);
  if (status != MLAAS_OK)
    mlaas_schema_release(schema);
  return status;
}
