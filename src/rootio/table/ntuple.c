/* A table that is an ntuple: its top-level fields as columns. Must not know how pages are read. */
#include "rootio/table/table.h"

#include "base/error.h"

#include <string.h>

/* Where clusters begin that have entries. */
static enum mlaas_status list_clusters(struct mlaas_table *table, struct mlaas_error *error) {
  const struct mlaas_ntuple *ntuple = &table->ntuple;
  table->clusters = mlaas_arena_alloc(&table->arena, ntuple->num_clusters, sizeof *table->clusters, error);
  if (!table->clusters)
    return error->status;
  for (size_t i = 0; i < ntuple->num_clusters; i++)
    if (ntuple->clusters[i].entries > 0)
      table->clusters[table->num_clusters++] = ntuple->clusters[i].first_entry;
  return MLAAS_OK;
}

static const char *type_of(const struct mlaas_ntuple_field *field) {
  if (field->type_name[0])
    return field->type_name;
  return field->role == MLAAS_NTUPLE_COLLECTION ? "collection" : "record";
}

/* Sums over the pages of one column, in all clusters. */
static void add_column(const struct mlaas_ntuple *ntuple, uint32_t id, struct mlaas_column_info *info) {
  for (size_t i = 0; i < ntuple->num_clusters; i++) {
    const struct mlaas_ntuple_range *range = &ntuple->clusters[i].ranges[id];
    for (size_t k = 0; k < range->num_pages; k++) {
      info->stored_bytes += range->pages[k].stored;
      info->raw_bytes += range->pages[k].size;
    }
    info->num_baskets += (int64_t)range->num_pages;
    if (info->compression < 0 && range->num_pages)
      info->compression = (int32_t)range->compression;
  }
}

/* All below a field, which need not be readable. */
static void add_field(const struct mlaas_ntuple *ntuple, uint32_t id, int64_t depth, struct mlaas_column_info *info) {
  const struct mlaas_ntuple_field *field = &ntuple->fields[id];
  if (depth < 0)
    return;
  for (size_t i = 0; i < field->num_columns; i++)
    add_column(ntuple, field->columns[i], info);
  for (size_t i = 0; i < field->num_children; i++)
    add_field(ntuple, field->children[i], depth - 1, info);
}

void mlaas_table_field(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info) {
  const struct mlaas_table_column *column = &table->columns[i];
  const struct mlaas_ntuple_field *field = &table->ntuple.fields[column->field->field];
  *info = (struct mlaas_column_info){.name = column->name,
                                     .type_name = column->plan.type_name,
                                     .title = field->description,
                                     .unsupported = column->plan.unsupported,
                                     .compression = -1};
  add_field(&table->ntuple, column->field->field, mlaas_budget_limit(table->arena.budget, MLAAS_CEILING_NESTING), info);
}

static enum mlaas_status plan_field(struct mlaas_table *table, uint32_t id, const struct mlaas_streamers *streamers,
                                    struct mlaas_error *error) {
  const struct mlaas_ntuple_field *field = &table->ntuple.fields[id];
  struct mlaas_field_plan *plan = mlaas_arena_alloc(&table->arena, 1, sizeof *plan, error);
  if (!plan)
    return error->status;
  MLAAS_TRY(mlaas_field_plan_make(&table->ntuple, streamers, id, &table->arena, plan, error));
  mlaas_table_add(table, &(struct mlaas_table_column){.name = field->name,
                                                      .plan = {.has_data = true,
                                                               .unsupported = plan->unsupported,
                                                               .type_name = type_of(field),
                                                               .root = plan->root,
                                                               .num_buffers = plan->num_buffers},
                                                      .field = plan});
  return MLAAS_OK;
}

/* Where streamed classes are described: in the file's list, else in the ntuple's own, which is there only for them. */
static enum mlaas_status find_streamers(struct mlaas_table *table, struct mlaas_streamers *streamers,
                                        struct mlaas_error *error) {
  const struct mlaas_ntuple *ntuple = &table->ntuple;
  *streamers = table->file->streamers;
  for (size_t i = 0; i < ntuple->num_fields && ntuple->streamers; i++)
    if (ntuple->fields[i].role == MLAAS_NTUPLE_STREAMED &&
        !mlaas_streamers_find(streamers, ntuple->fields[i].type_name, -1, 0))
      return mlaas_streamers_parse(ntuple->streamers, ntuple->streamers_size, &table->arena, streamers, error);
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_open_ntuple(struct mlaas_table *table, struct mlaas_error *error) {
  struct mlaas_ntuple *ntuple = &table->ntuple;
  struct mlaas_streamers streamers;
  size_t top = 0;
  MLAAS_TRY(mlaas_ntuple_read(&table->file->container, table->entry->key, ntuple, error));
  table->num_entries = ntuple->entries;
  table->title = table->entry->key->title[0] ? table->entry->key->title : ntuple->description;
  MLAAS_TRY(list_clusters(table, error));
  MLAAS_TRY(find_streamers(table, &streamers, error));
  for (size_t i = 0; i < ntuple->num_fields; i++)
    top += ntuple->fields[i].parent == i;
  MLAAS_TRY(mlaas_table_make_room(table, top, error));
  for (size_t i = 0; i < ntuple->num_fields; i++)
    if (ntuple->fields[i].parent == i)
      MLAAS_TRY(plan_field(table, (uint32_t)i, &streamers, error));
  return MLAAS_OK;
}
