/* A file, its table and a reader as one thing. */
#include "dataset/access.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

static enum mlaas_status check_same(const struct mlaas_dataset_file *expected, const struct mlaas_access *access,
                                    struct mlaas_error *error) {
  struct mlaas_file_info info;
  mlaas_file_info(access->handle->file, &info);
  if (strcmp(info.id, expected->file_id) == 0 && access->entries == expected->entries)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_STALE, "%s has changed: it was %s with %lld entries, now it is %s with %lld",
                    expected->url, expected->file_id, (long long)expected->entries, info.id,
                    (long long)access->entries);
}

static enum mlaas_status open_reader(const char *const *branches, size_t count, struct mlaas_access *access,
                                     struct mlaas_error *error) {
  size_t *columns = mlaas_alloc(count * sizeof *columns);
  if (!columns)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu branches", count);
  enum mlaas_status status = MLAAS_OK;
  int64_t bytes = 0, stored = 0;
  for (size_t i = 0; i < count && status == MLAAS_OK; i++) {
    struct mlaas_column_info info;
    status = mlaas_table_find(access->table, branches[i], &columns[i], error);
    if (status != MLAAS_OK)
      break;
    mlaas_table_column(access->table, columns[i], &info);
    bytes += info.raw_bytes;
    stored += info.stored_bytes;
  }
  if (status == MLAAS_OK)
    status = mlaas_table_schema(access->table, columns, count, &access->schema, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(access->table, columns, count, &access->reader, error);
  access->row_bytes = access->entries > 0 ? bytes / access->entries + 1 : 1;
  access->row_stored = access->entries > 0 ? stored / access->entries + 1 : 1;
  mlaas_free(columns);
  return status;
}

enum mlaas_status mlaas_access_open(const struct mlaas_dataset *dataset, size_t index, const char *const *branches,
                                    size_t count, struct mlaas_access *access, struct mlaas_error *error) {
  const struct mlaas_dataset_file *file = &dataset->files[index];
  bool fresh = false;
  *access = (struct mlaas_access){.dataset = dataset};
  enum mlaas_status status = mlaas_handle_open(dataset, index, &access->handle, &fresh, error);
  if (status == MLAAS_OK) {
    access->table = access->handle->table;
    if (!fresh)
      mlaas_handle_counters(access->handle, &access->before);
    access->entries = mlaas_table_num_entries(access->table);
    status = check_same(file, access, error);
  }
  if (status == MLAAS_OK)
    status = open_reader(branches, count, access, error);
  if (status != MLAAS_OK) {
    mlaas_access_close(access);
    if (error && !error->where[0])
      mlaas_fail_in(error, status, "%s", file->url);
  }
  return status;
}

void mlaas_access_close(struct mlaas_access *access) {
  if (access->reader)
    mlaas_reader_close(access->reader);
  mlaas_schema_release(&access->schema);
  if (access->handle)
    mlaas_handle_close(access->dataset, access->handle);
  *access = (struct mlaas_access){0};
}

enum mlaas_status mlaas_access_read(struct mlaas_access *access, int64_t start, int64_t *stop, int64_t least,
                                    struct ArrowArray *array, struct mlaas_error *error) {
  for (;;) {
    enum mlaas_status status = mlaas_reader_read(access->reader, start, *stop, array, error);
    if (status == MLAAS_LIMIT && mlaas_handles_drop(access->dataset))
      continue;
    access->handle->bad |= status != MLAAS_OK && status != MLAAS_LIMIT && status != MLAAS_CANCELLED;
    if (status != MLAAS_LIMIT || *stop - start <= least)
      return status;
    *stop = start + (*stop - start) / 2;
  }
}

void mlaas_access_counters(const struct mlaas_access *access, struct mlaas_source_counters *counters) {
  mlaas_handle_counters(access->handle, counters);
  mlaas_source_counters_subtract(counters, &access->before);
}

int64_t mlaas_access_rows(const struct mlaas_access *access, int64_t bytes) {
  int64_t rows = bytes / access->row_bytes;
  return rows > 0 ? rows : 1;
}

enum mlaas_status mlaas_dataset_bind(const struct mlaas_dataset *dataset, size_t index, struct mlaas_access *access,
                                     struct mlaas_filler **filler, struct mlaas_error *error) {
  size_t num_branches = mlaas_recipe_num_branches(dataset->recipe), count = num_branches;
  const char **names = mlaas_alloc((num_branches + 2) * sizeof *names);
  if (!names)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %zu branches", num_branches);
  memcpy(names, dataset->branches, num_branches * sizeof *names);
  if (dataset->label_branch)
    names[count++] = dataset->label_branch;
  if (dataset->params.weight_branch)
    names[count++] = dataset->params.weight_branch;
  enum mlaas_status status = mlaas_access_open(dataset, index, names, count, access, error);
  mlaas_free(names);
  MLAAS_TRY(status);
  for (size_t i = 0; i < num_branches; i++) /* as the recipe calls them; the text is the recipe's */
    access->schema.children[i]->name = mlaas_recipe_branch(dataset->recipe, i);
  for (size_t i = num_branches; i < count; i++) /* never taken for features */
    access->schema.children[i]->name = "";
  status = mlaas_filler_new(dataset->recipe, &access->schema, filler, error);
  if (status != MLAAS_OK) {
    mlaas_fail_in(error, status, "%s", dataset->files[index].url);
    mlaas_access_close(access);
  }
  return status;
}
