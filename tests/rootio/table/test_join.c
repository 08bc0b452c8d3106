/* Tables with friends, and chains: allocations that fail, short reads, bytes that lie, and who holds what. Values are
 * compared in tests/python/test_friends.py. */
#include "base/memory.h"
#include "rootio/table/table.h"

#include <mlaas/chain.h>
#include <mlaas/file.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAIN TESTS_ROOT "/tests/data/friends-main.root"

/* Opens "m" with its friends and reads all columns of all rows. */
static enum mlaas_status read_all(struct mlaas_context *context, struct mlaas_error *error) {
  struct mlaas_file *file = NULL;
  struct mlaas_table *table = NULL, *joined = NULL;
  struct mlaas_reader *reader = NULL;
  enum mlaas_status status = mlaas_file_open(context, MAIN, &file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(file, "m", &table, error);
  if (status == MLAAS_OK)
    status = mlaas_table_with_friends(table, &joined, error);
  mlaas_file_close(file);
  mlaas_table_close(table);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(joined, NULL, 0, &reader, error);
  mlaas_table_close(joined); /* the reader holds it */
  for (int64_t start = 0; status == MLAAS_OK && start < 50; start += 25) {
    struct ArrowArray array;
    status = mlaas_reader_read(reader, start, start + 25, &array, error);
    if (status == MLAAS_OK) {
      assert_int_equal(array.length, 25);
      array.release(&array);
    }
  }
  mlaas_reader_close(reader);
  return status;
}

static enum mlaas_status read_in_context(struct mlaas_error *error) {
  struct mlaas_context_options options = {.size = sizeof options, .threads = 1};
  struct mlaas_context *context;
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  enum mlaas_status status = read_all(context, error);
  mlaas_memory_fail(0, false);
  mlaas_source_fail(0);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
  return status;
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  long n = 1;
  for (int successes = 0; successes < 20; n += n < 200 ? 1 : 13) { /* a few failures cost no more than a hint */
    struct mlaas_error error;
    struct mlaas_context_options options = {.size = sizeof options, .threads = 1};
    struct mlaas_context *context;
    assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
    mlaas_memory_fail(n, false);
    enum mlaas_status status = read_all(context, &error);
    mlaas_memory_fail(0, false);
    successes = status == MLAAS_OK ? successes + 1 : 0;
    if (status != MLAAS_OK)
      assert_true(status == MLAAS_MEMORY || status == MLAAS_UNSUPPORTED); /* a basket's own failure may name a branch */
    assert_int_equal(mlaas_context_memory_held(context), 0);
    mlaas_context_put(context);
    assert_in_range(n, 1, 1000000);
  }
  assert_true(n > 100);
}

static void every_read_may_fail(void **state) {
  (void)state;
  enum mlaas_status status = MLAAS_IO;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_error error;
    mlaas_source_fail(n);
    status = read_in_context(&error);
    if (status != MLAAS_OK)
      assert_true(status == MLAAS_IO || status == MLAAS_FORMAT);
    assert_in_range(n, 1, 10000);
  }
}

static void links_are_told(void *context, const struct mlaas_link_info *link) {
  int *count = context;
  if (link->kind == MLAAS_LINK_FRIEND && strcmp(link->alias, "near") == 0) {
    assert_string_equal(link->table, "short");
    assert_string_equal(link->file, "friends-main.root");
  }
  ++*count;
}

static void tables_say_their_links_and_keep_their_columns(void **state) {
  (void)state;
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_table *table, *joined, *again;
  struct mlaas_column_info info;
  struct mlaas_error error;
  size_t column;
  int count = 0;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_file_open(context, MAIN, &file, &error), MLAAS_OK);
  assert_int_equal(mlaas_table_open(file, "m", &table, &error), MLAAS_OK);
  assert_int_equal(mlaas_table_links(table, links_are_told, &count, &error), MLAAS_OK);
  assert_int_equal(count, 6);
  assert_int_equal(mlaas_table_with_friends(table, &joined, &error), MLAAS_OK);
  assert_int_equal(mlaas_table_find(joined, "near.u", &column, &error), MLAAS_OK);
  mlaas_table_column(joined, column, &info);
  assert_string_equal(info.name, "near.u");
  assert_true(info.stored_bytes > 0);
  assert_int_equal(mlaas_table_find(joined, "near.v", &column, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_table_with_friends(joined, &again, &error), MLAAS_OK); /* its own result */
  assert_ptr_equal(joined, again);
  mlaas_table_close(again);
  mlaas_table_close(joined);
  assert_int_equal(mlaas_table_find(table, "near.u", &column, &error), MLAAS_NOT_FOUND);
  mlaas_table_close(table);
  mlaas_file_close(file);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

/* ---- records that lie ---- */

static uint8_t *load(const char *path, size_t *size) {
  FILE *in = fopen(path, "rb");
  assert_non_null(in);
  uint8_t *bytes = malloc(1 << 16);
  *size = fread(bytes, 1, 1 << 16, in);
  fclose(in);
  return bytes;
}

/* Joins "m" of these bytes with its friend and reads all. */
static enum mlaas_status join_bytes(struct mlaas_context *context, const uint8_t *bytes, size_t size,
                                    struct mlaas_error *error) {
  struct mlaas_source *source;
  struct mlaas_file *file = NULL;
  struct mlaas_table *table = NULL, *joined = NULL;
  struct mlaas_reader *reader = NULL;
  struct ArrowArray array;
  assert_int_equal(mlaas_source_from_memory(bytes, size, &source, NULL), MLAAS_OK);
  enum mlaas_status status = mlaas_file_from_source(context, source, &file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(file, "m", &table, error);
  if (status == MLAAS_OK)
    status = mlaas_table_with_friends(table, &joined, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(joined, NULL, 0, &reader, error);
  if (status == MLAAS_OK && mlaas_table_num_entries(joined) < 1000)
    status = mlaas_reader_read(reader, 0, mlaas_table_num_entries(joined), &array, error);
  if (status == MLAAS_OK && mlaas_table_num_entries(joined) < 1000)
    array.release(&array);
  mlaas_reader_close(reader);
  mlaas_table_close(joined);
  mlaas_table_close(table);
  mlaas_file_close(file);
  return status;
}

static void records_that_lie_do_no_harm(void **state) {
  (void)state;
  size_t size;
  uint8_t *bytes = load(TESTS_ROOT "/tests/data/friends-plain.root", &size);
  struct mlaas_context_options options = {.size = sizeof options, .memory = 16 << 20, .threads = 1};
  struct mlaas_context *context;
  struct mlaas_error error;
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  assert_int_equal(join_bytes(context, bytes, size, &error), MLAAS_OK);
  static const uint8_t changes[] = {0xff, 0x01, 0x40};
  size_t refused = 0, last = size < 8000 ? size : 8000;
  for (size_t i = 100; i < last; i++) {
    uint8_t kept = bytes[i];
    bytes[i] ^= changes[i % 3];
    refused += join_bytes(context, bytes, size, &error) != MLAAS_OK;
    bytes[i] = kept;
    assert_int_equal(mlaas_context_memory_held(context), 0);
  }
  assert_true(refused > 100);
  mlaas_context_put(context);
  free(bytes);
}

/* The friend's index is "run", "event", 12, then three arrays. */
static void indices_are_checked(void **state) {
  (void)state;
  static const uint8_t front[] = {3, 'r', 'u', 'n', 5, 'e', 'v', 'e', 'n', 't', 0, 0, 0, 0, 0, 0, 0, 12};
  size_t size, at = 0;
  uint8_t *bytes = load(TESTS_ROOT "/tests/data/friends-plain.root", &size);
  struct mlaas_context *context;
  struct mlaas_error error;
  while (at + sizeof front < size && memcmp(bytes + at, front, sizeof front) != 0)
    at++;
  assert_true(at + sizeof front < size);
  uint8_t *count = bytes + at + 10, *values = bytes + at + sizeof front;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  count[0] = 0x7f;
  assert_int_equal(join_bytes(context, bytes, size, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "does not fit"));
  count[0] = 0;
  values[7] = 9; /* the first pair's major: larger than all */
  assert_int_equal(join_bytes(context, bytes, size, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "smaller than the one before"));
  values[7] = 0;
  values[2 * 12 * 8 + 1] = 0x70; /* the first entry: far behind the end, so there is none */
  assert_int_equal(join_bytes(context, bytes, size, &error), MLAAS_OK);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
  free(bytes);
}

/* ---- chains ---- */

#define PART TESTS_ROOT "/tests/data/clusters-merged.root"

static enum mlaas_status read_chain(struct mlaas_context *context, int64_t *rows, struct mlaas_error *error) {
  const struct mlaas_chain_file files[] = {{PART, "t"}, {PART, NULL}, {PART, "t;1"}};
  struct mlaas_chain *chain = NULL;
  struct mlaas_chain_reader *reader = NULL;
  enum mlaas_status status = mlaas_chain_open(context, files, 3, &chain, error);
  if (status == MLAAS_OK)
    status = mlaas_chain_reader_open(chain, NULL, 0, 0, &reader, error);
  mlaas_chain_close(chain); /* the reader holds it */
  *rows = 0;
  for (bool more = true; status == MLAAS_OK && more;) {
    struct ArrowArray array;
    status = mlaas_chain_reader_next(reader, &array, error);
    more = status == MLAAS_OK && array.release;
    *rows += more ? array.length : 0;
    if (more)
      array.release(&array);
  }
  mlaas_chain_reader_close(reader);
  return status;
}

static void chains_read_all_files_whatever_allocation_fails(void **state) {
  (void)state;
  int64_t rows = 0;
  long n = 1;
  for (int successes = 0; successes < 20; n += n < 100 ? 1 : 13) {
    struct mlaas_error error;
    struct mlaas_context_options options = {.size = sizeof options, .threads = 1};
    struct mlaas_context *context;
    assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
    mlaas_memory_fail(n, false);
    enum mlaas_status status = read_chain(context, &rows, &error);
    mlaas_memory_fail(0, false);
    successes = status == MLAAS_OK ? successes + 1 : 0;
    if (status == MLAAS_OK)
      assert_int_equal(rows, 3 * 71);
    else
      assert_int_equal(status, MLAAS_MEMORY);
    assert_int_equal(mlaas_context_memory_held(context), 0);
    mlaas_context_put(context);
    assert_in_range(n, 1, 1000000);
  }
}

static void streams_of_chains_hold_what_they_need(void **state) {
  (void)state;
  const struct mlaas_chain_file files[] = {{PART, "t"}, {"/nowhere/at.all", "t"}};
  struct mlaas_context *context;
  struct mlaas_chain *chain;
  struct mlaas_error error;
  struct ArrowArrayStream stream;
  struct ArrowSchema schema;
  struct ArrowArray array;
  size_t column = 0;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_chain_open(context, files, 0, &chain, &error), MLAAS_ARGUMENT);
  assert_int_equal(mlaas_chain_open(context, files, 2, &chain, &error), MLAAS_OK);
  assert_int_equal(mlaas_chain_stream(chain, &column, 1, 50, &stream, &error), MLAAS_OK);
  mlaas_chain_close(chain);
  assert_int_equal(stream.get_schema(&stream, &schema), 0);
  assert_int_equal(schema.n_children, 1);
  schema.release(&schema);
  for (int64_t expected = 50; expected > 0; expected = expected == 50 ? 21 : 0) {
    assert_int_equal(stream.get_next(&stream, &array), 0);
    assert_int_equal(array.length, expected);
    array.release(&array);
  }
  assert_int_not_equal(stream.get_next(&stream, &array), 0);
  assert_non_null(strstr(stream.get_last_error(&stream), "/nowhere/at.all"));
  stream.release(&stream);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(tables_say_their_links_and_keep_their_columns),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(every_read_may_fail),
      cmocka_unit_test(records_that_lie_do_no_harm),
      cmocka_unit_test(indices_are_checked),
      cmocka_unit_test(chains_read_all_files_whatever_allocation_fails),
      cmocka_unit_test(streams_of_chains_hold_what_they_need),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
