/* A table found in its file, opened and closed, whatever it is made of; what is told of its columns. Must not know how
 * values are decoded.
 */
#include "base/error.h"
#include "rootio/table/clones.h"
#include "rootio/table/foreign.h"
#include "rootio/table/join.h"
#include "rootio/table/side_file.h"
#include "rootio/tree/branch_plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- which table ---- */

/* "dir/name;cycle" against a path with or without ";cycle". */
static bool path_matches(const char *full, const char *path) {
  size_t length = strlen(path);
  return strncmp(full, path, length) == 0 && (full[length] == '\0' || full[length] == ';');
}

static const char *last_part(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* The table that was meant: the nearest path, else the same name in another directory; NULL for none. */
static const char *nearest_table(const struct mlaas_file *file, const char *path, const char **names) {
  char asked[256]; /* with a cycle, as the names have it */
  const char *elsewhere = NULL;
  snprintf(asked, sizeof asked, "%s%s", path, strchr(path, ';') ? "" : ";1");
  for (size_t i = 0; i < file->num_tables; i++) {
    names[i] = file->tables[i].path;
    if (!elsewhere && path_matches(last_part(names[i]), last_part(path)))
      elsewhere = names[i];
  }
  const char *nearest = mlaas_nearest(asked, names, file->num_tables);
  return nearest ? nearest : elsewhere;
}

static enum mlaas_status no_such_table(const struct mlaas_file *file, const char *path, struct mlaas_error *error) {
  const char **names = mlaas_alloc((file->num_tables + 1) * sizeof *names);
  if (!names)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of tables");
  const char *nearest = nearest_table(file, path, names);
  mlaas_free(names);
  if (nearest)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no table %s; did you mean %s?", path, nearest);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no table %s among the %zu of the file%s%s", path,
                    file->num_tables, file->num_tables ? "; the first is " : "",
                    file->num_tables ? file->tables[0].path : "");
}

static enum mlaas_status only_table(const struct mlaas_file *file, const struct mlaas_file_table **found,
                                    struct mlaas_error *error) {
  const char *first = NULL;
  for (size_t i = 0; i < file->num_tables; i++) {
    const struct mlaas_file_table *table = &file->tables[i];
    size_t length = strcspn(table->path, ";");
    if (first && (strncmp(first, table->path, length) != 0 || first[length] != ';'))
      return mlaas_fail(error, MLAAS_ARGUMENT, "the file has several tables, %s and %s among them; name one", first,
                        table->path);
    first = first ? first : table->path;
    if (!*found || table->key->cycle > (*found)->key->cycle)
      *found = table;
  }
  return *found ? MLAAS_OK : mlaas_fail(error, MLAAS_NOT_FOUND, "the file has no table");
}

enum mlaas_status mlaas_file_find_table(const struct mlaas_file *file, const char *path,
                                        const struct mlaas_file_table **found, struct mlaas_error *error) {
  *found = NULL;
  if (file->num_tables == 1 && file->tables[0].is_foreign && !file->tables[0].key->name[0]) {
    *found = &file->tables[0]; /* a format without names: what is asked for is what it is called */
    return MLAAS_OK;
  }
  if (!path)
    return only_table(file, found, error);
  while (*path == '/')
    path++;
  for (size_t i = 0; i < file->num_tables; i++)
    if (path_matches(file->tables[i].path, path) && (!*found || file->tables[i].key->cycle > (*found)->key->cycle))
      *found = &file->tables[i];
  return *found ? MLAAS_OK : no_such_table(file, path, error);
}

/* ---- opening and closing ---- */

void mlaas_table_close(struct mlaas_table *table) {
  if (!table || __atomic_sub_fetch(&table->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  mlaas_foreign_close_table(table);
  mlaas_side_files_close(table);
  mlaas_join_free(table->join);
  mlaas_tree_reset(&table->tree);
  mlaas_ntuple_reset(&table->ntuple);
  mlaas_arena_reset(&table->arena);
  mlaas_file_close(table->file);
  mlaas_free(table);
}

static enum mlaas_status open_tree(struct mlaas_table *table, struct mlaas_error *error) {
  struct mlaas_tree *tree = &table->tree;
  MLAAS_TRY(mlaas_tree_read(&table->file->container, &table->file->streamers, table->entry->key, tree, error));
  table->num_entries = tree->entries;
  table->title = tree->title;
  MLAAS_TRY(mlaas_table_make_room(table, tree->num_all, error));
  for (size_t i = 0; i < tree->num_all; i++) {
    struct mlaas_branch_plan plan;
    MLAAS_TRY(mlaas_branch_plan_make(tree->all[i], &table->file->streamers, tree, &table->arena, &plan, error));
    if (plan.unknown_clones || plan.ambiguous)
      MLAAS_TRY(mlaas_clones_find(table, &plan, error));
    if (plan.elsewhere && !plan.unsupported)
      MLAAS_TRY(mlaas_side_file_find(table, &plan, error));
    if (plan.has_data)
      mlaas_table_add(table, &(struct mlaas_table_column){.name = tree->all[i]->path, .plan = plan});
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_table_open(struct mlaas_file *file, const char *path, struct mlaas_table **table,
                                   struct mlaas_error *error) {
  struct mlaas_error local;
  error = error ? error : &local;
  const struct mlaas_file_table *entry;
  const char *url = mlaas_file_url(file);
  if (mlaas_file_find_table(file, path, &entry, error) != MLAAS_OK)
    return mlaas_fail_in(error, error->status, "%s", url);
  struct mlaas_table *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a table");
  made->count = 1;
  made->file = mlaas_file_get(file);
  made->entry = entry;
  mlaas_arena_init(&made->arena, mlaas_context_budget(file->context));
  enum mlaas_status status = entry->is_foreign  ? mlaas_foreign_open_table(made, error)
                             : entry->is_ntuple ? mlaas_table_open_ntuple(made, error)
                                                : open_tree(made, error);
  if (status == MLAAS_OK && !entry->is_foreign)
    status = mlaas_table_add_members(made, error);
  if (status != MLAAS_OK) {
    mlaas_table_close(made);
    mlaas_fail_in(error, error->status, "%s", entry->path);
    return mlaas_fail_in(error, error->status, "%s", url);
  }
  *table = made;
  return MLAAS_OK;
}

/* ---- what it says of itself ---- */

void mlaas_table_counters(const struct mlaas_table *table, struct mlaas_source_counters *counters) {
  struct mlaas_source_counters more;
  const struct mlaas_join *join = table->join;
  mlaas_file_counters(table->file, counters);
  const struct mlaas_table *base = join ? join->base : table;
  for (size_t i = 0; i < base->num_sides; i++)
    if (base->sides[i].source) {
      mlaas_source_counters(base->sides[i].source, &more);
      mlaas_source_counters_add(counters, &more);
    }
  for (size_t i = 0; join && i < join->num_friends; i++)
    if (join->friends[i].table && join->friends[i].table->file != table->file) {
      mlaas_file_counters(join->friends[i].table->file, &more);
      mlaas_source_counters_add(counters, &more);
    }
}

/* ---- what it is made of ---- */

const int64_t *mlaas_table_clusters(const struct mlaas_table *table, size_t *count) {
  static const int64_t whole[1] = {0};
  if (table->join)
    return mlaas_table_clusters(table->join->base, count);
  if (table->foreign) {
    *count = table->foreign->num_clusters;
    return table->foreign->clusters;
  }
  size_t known = table->entry->is_ntuple ? table->num_clusters : table->tree.num_clusters;
  if (table->num_entries > 0 && known > 0) {
    *count = known;
    return table->entry->is_ntuple ? table->clusters : table->tree.clusters;
  }
  *count = table->num_entries > 0;
  return whole;
}

int64_t mlaas_table_cluster_end(const struct mlaas_table *table, int64_t entry, int64_t stop) {
  size_t count, low = 0;
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  for (size_t high = count; low < high;) { /* the first that begins behind */
    size_t middle = low + (high - low) / 2;
    if (clusters[middle] <= entry)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && clusters[low] < stop ? clusters[low] : stop;
}

void mlaas_table_column(const struct mlaas_table *table, size_t i, struct mlaas_column_info *info) {
  const struct mlaas_table_column *column = &table->columns[i];
  const struct mlaas_branch *branch = column->plan.branch;
  if (table->join) {
    mlaas_join_column(table, i, info);
    return;
  }
  if (table->foreign) {
    mlaas_foreign_column(table, i, info);
    return;
  }
  if (column->field) {
    mlaas_table_field(table, i, info);
    return;
  }
  *info = (struct mlaas_column_info){.name = column->name,
                                     .type_name = column->plan.type_name,
                                     .title = branch ? branch->title : "",
                                     .counter = mlaas_table_counter(&column->plan),
                                     .unsupported = column->plan.unsupported,
                                     .stored_bytes = branch ? branch->stored_bytes : 0,
                                     .raw_bytes = branch ? branch->raw_bytes : 0,
                                     .num_baskets = branch ? (int64_t)branch->num_baskets : 0,
                                     .compression = branch ? branch->compression : -1};
}
