/* Files of other formats: opened by the functions of the context, their tables and columns listed. Knows no format. */
#include "rootio/table/foreign.h"

#include "base/error.h"

#include <inttypes.h>
#include <mlaas/bytes.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { MOST_TABLES = 100000 };

struct mlaas_foreign_handle {
  const struct mlaas_foreign *functions;
  struct mlaas_foreign_file file;
  const char *url, *id;
  struct mlaas_arena arena;
};

/* ---- files ---- */

void mlaas_foreign_close(struct mlaas_foreign_handle *foreign) {
  if (!foreign)
    return;
  if (foreign->file.handle)
    foreign->functions->close(foreign->file.handle);
  mlaas_arena_reset(&foreign->arena);
  mlaas_free(foreign);
}

/* A copy of the file has the same: no path and no time is in it. */
static const char *identity(struct mlaas_foreign_handle *foreign, struct mlaas_error *error) {
  const struct mlaas_foreign_file *file = &foreign->file;
  XXH3_state_t state;
  XXH3_64bits_reset(&state);
  if (file->head_size)
    XXH3_64bits_update(&state, file->head, file->head_size);
  if (file->tail_size)
    XXH3_64bits_update(&state, file->tail, file->tail_size);
  return mlaas_arena_format(&foreign->arena, error, "xxh3-%016" PRIx64 ":%" PRId64, XXH3_64bits_digest(&state),
                            file->size);
}

static enum mlaas_status list_tables(struct mlaas_file *made, struct mlaas_error *error) {
  struct mlaas_foreign_handle *foreign = made->foreign;
  struct mlaas_arena *arena = &foreign->arena;
  size_t count = foreign->file.num_tables;
  if (count > MOST_TABLES)
    return mlaas_fail(error, MLAAS_LIMIT, "the file has %zu tables; at most %d are listed", count, MOST_TABLES);
  struct mlaas_key *keys = mlaas_arena_alloc(arena, count + 1, sizeof *keys, error);
  const char *class_name = mlaas_arena_format(arena, error, "%s", foreign->file.format);
  made->tables = mlaas_arena_alloc(arena, count + 1, sizeof *made->tables, error);
  if (!keys || !class_name || !made->tables)
    return error->status;
  for (size_t i = 0; i < count; i++) {
    const char *name = foreign->file.tables[i];
    keys[i] = (struct mlaas_key){.class_name = class_name, .cycle = 1};
    keys[i].name = mlaas_arena_strndup(arena, name, strlen(name), error);
    if (!keys[i].name)
      return error->status;
    made->tables[i] = (struct mlaas_file_table){
        .key = &keys[i], .path = keys[i].name[0] ? keys[i].name : "table", .is_foreign = true};
    made->num_tables++;
  }
  return mlaas_file_index_objects(made, error);
}

static enum mlaas_status open_with(const struct mlaas_foreign *functions, struct mlaas_file *made, const char *url,
                                   struct mlaas_error *error) {
  struct mlaas_foreign_handle *foreign = mlaas_alloc(sizeof *foreign);
  if (!foreign)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a file");
  made->foreign = foreign;
  foreign->functions = functions;
  mlaas_arena_init(&foreign->arena, mlaas_context_budget(made->context));
  mlaas_arena_init(&made->container.arena, mlaas_context_budget(made->context));
  MLAAS_TRY(functions->open(functions->context, made->context, url, &foreign->file, error));
  if (!foreign->file.handle)
    return MLAAS_OK;
  if (!(foreign->url = mlaas_arena_strndup(&foreign->arena, url, strlen(url), error)) ||
      !(foreign->id = identity(foreign, error)))
    return error->status;
  return list_tables(made, error);
}

enum mlaas_status mlaas_foreign_open(struct mlaas_context *context, const char *url, struct mlaas_file **file,
                                     bool *is_foreign, struct mlaas_error *error) {
  const struct mlaas_foreign *functions = mlaas_context_foreign(context);
  if (!functions)
    return MLAAS_OK;
  if (functions->size < sizeof *functions)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the size of struct mlaas_foreign is %zu; it must be its sizeof",
                      functions->size);
  struct mlaas_file *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a file");
  made->count = 1;
  made->context = mlaas_context_get(context);
  enum mlaas_status status = open_with(functions, made, url, error);
  *is_foreign = status == MLAAS_OK && made->foreign->file.handle;
  if (*is_foreign)
    *file = made;
  else
    mlaas_file_close(made);
  return status;
}

void mlaas_foreign_counters(const struct mlaas_file *file, struct mlaas_source_counters *counters) {
  struct mlaas_costs costs = {0};
  if (file->foreign->file.bytes)
    mlaas_bytes_costs(file->foreign->file.bytes, &costs);
  *counters = (struct mlaas_source_counters){costs.requests, costs.ranges,  costs.bytes,    costs.delivered,
                                             costs.hits,     costs.retries, costs.failovers};
}

void mlaas_foreign_info(const struct mlaas_file *file, struct mlaas_file_info *info) {
  const struct mlaas_foreign_handle *foreign = file->foreign;
  const struct mlaas_bytes *bytes = foreign->file.bytes;
  struct mlaas_source_counters counters;
  mlaas_foreign_counters(file, &counters);
  *info = (struct mlaas_file_info){.url = foreign->url,
                                   .id = foreign->id,
                                   .compression = -1,
                                   .size = foreign->file.size,
                                   .bytes_read = counters.bytes,
                                   .read_requests = counters.requests,
                                   .is_remote = bytes && mlaas_bytes_is_remote(bytes)};
}

/* ---- columns ---- */

/* Formats of values, as static texts. */
static const char *const values[] = {"b", "c", "C", "s", "S", "i", "I", "l", "L", "f", "g"};
static const int32_t widths[] = {1, 1, 1, 2, 2, 4, 4, 8, 8, 4, 8};

struct maker {
  struct mlaas_arena *arena;
  struct mlaas_error *error;
  int64_t deepest;
};

static enum mlaas_status make_node(struct maker *maker, const struct ArrowSchema *schema, int64_t depth,
                                   struct mlaas_node *node);

static enum mlaas_status make_children(struct maker *maker, const struct ArrowSchema *schema, int64_t depth,
                                       struct mlaas_node *node) {
  if (schema->n_children < 1 || (node->kind != MLAAS_NODE_STRUCT && schema->n_children != 1))
    return mlaas_fail(maker->error, MLAAS_INTERNAL, "Arrow type %s has %lld children", schema->format,
                      (long long)schema->n_children);
  node->num_children = (size_t)schema->n_children;
  node->children = mlaas_arena_alloc(maker->arena, node->num_children, sizeof *node->children, maker->error);
  if (!node->children)
    return maker->error->status;
  for (size_t i = 0; i < node->num_children; i++)
    MLAAS_TRY(make_node(maker, schema->children[i], depth + 1, &node->children[i]));
  return MLAAS_OK;
}

static enum mlaas_status make_fixed(struct maker *maker, const struct ArrowSchema *schema, int64_t depth,
                                    struct mlaas_node *node) {
  char *end;
  long long size = strtoll(schema->format + 3, &end, 10);
  if (*end || size < 1 || size > INT32_MAX)
    return mlaas_fail(maker->error, MLAAS_UNSUPPORTED, "Arrow type %s is no array of a fixed length", schema->format);
  node->kind = MLAAS_NODE_FIXED;
  node->size = (int32_t)size;
  node->format = mlaas_arena_format(maker->arena, maker->error, "+w:%lld", size);
  return node->format ? make_children(maker, schema, depth, node) : maker->error->status;
}

/* The part below an option. */
static enum mlaas_status make_plain(struct maker *maker, const struct ArrowSchema *schema, int64_t depth,
                                    struct mlaas_node *node) {
  const char *format = schema->format;
  for (size_t i = 0; i < sizeof values / sizeof *values; i++)
    if (strcmp(format, values[i]) == 0) {
      node->kind = MLAAS_NODE_VALUE;
      node->format = values[i];
      node->value.width = widths[i];
      node->value.packing = i ? MLAAS_PACKED_PLAIN : MLAAS_PACKED_BOOL;
      return MLAAS_OK;
    }
  if (strncmp(format, "+w:", 3) == 0)
    return make_fixed(maker, schema, depth, node);
  if (strcmp(format, "u") == 0) {
    node->kind = MLAAS_NODE_TEXT;
    node->format = "u";
    return MLAAS_OK;
  }
  if (strcmp(format, "+l") == 0 || strcmp(format, "+s") == 0) {
    node->kind = format[1] == 'l' ? MLAAS_NODE_LIST : MLAAS_NODE_STRUCT;
    node->format = format[1] == 'l' ? "+l" : "+s";
    return make_children(maker, schema, depth, node);
  }
  return mlaas_fail(maker->error, MLAAS_INTERNAL, "Arrow type %s was given, which nothing reads", format);
}

static enum mlaas_status make_node(struct maker *maker, const struct ArrowSchema *schema, int64_t depth,
                                   struct mlaas_node *node) {
  if (schema->dictionary) /* the values are elsewhere: these would be their numbers */
    return mlaas_fail(maker->error, MLAAS_INTERNAL, "Arrow type %s was given with a dictionary, which nothing reads",
                      schema->format);
  if (depth >= maker->deepest)
    return mlaas_fail(maker->error, MLAAS_LIMIT, "its type is nested deeper than %lld levels (max_nesting)",
                      (long long)maker->deepest);
  *node = (struct mlaas_node){
      .name = mlaas_arena_format(maker->arena, maker->error, "%s", schema->name ? schema->name : "")};
  if (!node->name)
    return maker->error->status;
  bool leaf = schema->format[0] != '+';
  if (!leaf || !(schema->flags & ARROW_FLAG_NULLABLE))
    return make_plain(maker, schema, depth, node);
  node->kind = MLAAS_NODE_OPTION;
  node->format = "";
  node->num_children = 1;
  node->children = mlaas_arena_alloc(maker->arena, 1, sizeof *node->children, maker->error);
  if (!node->children)
    return maker->error->status;
  node->children->name = node->name;
  return make_plain(maker, schema, depth, node->children);
}

static enum mlaas_status add_column(struct mlaas_table *table, size_t i, struct mlaas_error *error) {
  const struct mlaas_foreign_column *given = &table->foreign->columns[i];
  struct maker maker = {&table->arena, error, mlaas_budget_limit(table->arena.budget, MLAAS_CEILING_NESTING)};
  struct mlaas_table_column column = {0};
  column.name = mlaas_arena_format(&table->arena, error, "%s", given->name);
  column.plan.type_name = mlaas_arena_format(&table->arena, error, "%s", given->type_name);
  column.origin = i;
  if (!column.name || !column.plan.type_name)
    return error->status;
  if (given->unsupported) {
    column.plan.unsupported = mlaas_arena_format(&table->arena, error, "%s", given->unsupported);
    if (!column.plan.unsupported)
      return error->status;
  } else {
    column.plan.root = mlaas_arena_alloc(&table->arena, 1, sizeof *column.plan.root, error);
    if (!column.plan.root)
      return error->status;
    enum mlaas_status status = make_node(&maker, table->foreign->schema->children[i], 0, column.plan.root);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "column %s", given->name);
    column.plan.num_buffers = mlaas_node_number(column.plan.root, 0);
  }
  mlaas_table_add(table, &column);
  return MLAAS_OK;
}

void mlaas_foreign_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info) {
  const struct mlaas_table_column *column = &table->columns[i];
  const struct mlaas_foreign_column *given = &table->foreign->columns[column->origin];
  *info = (struct mlaas_column_info){.name = column->name,
                                     .type_name = column->plan.type_name,
                                     .title = "",
                                     .unsupported = column->plan.unsupported,
                                     .stored_bytes = given->stored_bytes,
                                     .raw_bytes = given->raw_bytes,
                                     .compression = -1};
}

/* ---- tables ---- */

static enum mlaas_status check_table(const struct mlaas_table *table, struct mlaas_error *error) {
  const struct mlaas_foreign_table *given = table->foreign;
  bool good = given->num_entries >= 0 && given->schema && given->schema->n_children == (int64_t)given->num_columns;
  int64_t before = -1;
  for (size_t i = 0; good && i < given->num_clusters; i++) {
    good = given->clusters[i] > before && given->clusters[i] < given->num_entries && (i > 0 || !given->clusters[0]);
    before = given->clusters[i];
  }
  if (!good || (given->num_entries > 0) != (given->num_clusters > 0))
    return mlaas_fail(error, MLAAS_INTERNAL, "the table's description contradicts itself");
  return mlaas_budget_check(table->arena.budget, MLAAS_CEILING_COLUMNS, (int64_t)given->num_columns, error);
}

enum mlaas_status mlaas_foreign_open_table(struct mlaas_table *table, struct mlaas_error *error) {
  struct mlaas_foreign_handle *foreign = table->file->foreign;
  struct mlaas_foreign_table *given = mlaas_arena_alloc(&table->arena, 1, sizeof *given, error);
  if (!given)
    return error->status;
  MLAAS_TRY(
      foreign->functions->open_table(foreign->file.handle, (size_t)(table->entry - table->file->tables), given, error));
  table->foreign = given;
  MLAAS_TRY(check_table(table, error));
  table->num_entries = given->num_entries;
  MLAAS_TRY(mlaas_table_make_room(table, given->num_columns + 1, error));
  for (size_t i = 0; i < given->num_columns; i++)
    MLAAS_TRY(add_column(table, i, error));
  return MLAAS_OK;
}

void mlaas_foreign_close_table(struct mlaas_table *table) {
  if (table->foreign && table->foreign->handle)
    table->file->foreign->functions->close_table(table->foreign->handle);
  table->foreign = NULL;
}

const struct mlaas_foreign *mlaas_foreign_functions(const struct mlaas_table *table) {
  return table->file->foreign->functions;
}
