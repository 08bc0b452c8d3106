/* A table that is open with all that reading it takes, and hashes of its rows. */
#ifndef MLAAS_TESTS_ROOTIO_OPENED_H
#define MLAAS_TESTS_ROOTIO_OPENED_H

#include "rows.h"

#include <mlaas/file.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct opened {
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_table *table;
  struct mlaas_reader *reader;
  struct ArrowSchema schema;
  struct mlaas_error error;
};

/* The i-th table, -1: the only one. Whatever comes of it, close_all ends it. */
static inline enum mlaas_status open_nth(struct opened *opened, const char *url, int i, int64_t memory, int threads) {
  *opened = (struct opened){0};
  struct mlaas_context_options options = {.size = sizeof options, .memory = memory, .threads = threads};
  struct mlaas_error *error = &opened->error;
  struct mlaas_table_info info = {0};
  enum mlaas_status status = mlaas_context_new(&options, &opened->context, error);
  if (status == MLAAS_OK)
    status = mlaas_file_open(opened->context, url, &opened->file, error);
  if (status == MLAAS_OK && i >= 0)
    mlaas_file_table(opened->file, (size_t)i, &info);
  if (status == MLAAS_OK)
    status = mlaas_table_open(opened->file, info.path, &opened->table, error);
  if (status == MLAAS_OK)
    status = mlaas_table_schema(opened->table, NULL, 0, &opened->schema, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(opened->table, NULL, 0, &opened->reader, error);
  return status;
}

/* In the wrong order on purpose: a table holds its file, a reader its table. */
static inline void close_all(struct opened *opened) {
  mlaas_file_close(opened->file);
  mlaas_table_close(opened->table);
  mlaas_reader_close(opened->reader);
  if (opened->schema.release)
    opened->schema.release(&opened->schema);
  if (opened->context)
    assert_int_equal(mlaas_context_memory_held(opened->context), 0);
  mlaas_context_put(opened->context);
}

/* Hashes of rows [start, stop) at hashes + start. */
static inline enum mlaas_status read_rows(struct opened *opened, int64_t start, int64_t stop, uint64_t *hashes) {
  struct ArrowArray array;
  enum mlaas_status status = mlaas_reader_read(opened->reader, start, stop, &array, &opened->error);
  if (status != MLAAS_OK)
    return status;
  assert_int_equal(array.length, stop - start);
  assert_int_equal(array.null_count, 0);
  for (int64_t i = 0; i < array.length; i++)
    hashes[start + i] = hash_row(&opened->schema, &array, i, 7);
  array.release(&array);
  return MLAAS_OK;
}

/* Of all rows, which *count says; to be freed. Leaves nothing open. */
static inline uint64_t *hash_all(const char *path, int i, int threads, int64_t *count) {
  struct opened opened;
  assert_int_equal(open_nth(&opened, path, i, 0, threads), MLAAS_OK);
  *count = mlaas_table_num_entries(opened.table);
  uint64_t *hashes = calloc((size_t)*count + 1, sizeof *hashes);
  assert_int_equal(read_rows(&opened, 0, *count, hashes), MLAAS_OK);
  close_all(&opened);
  return hashes;
}

#endif
