/* Reading ranges: every way of cutting and every number of threads gives the same rows, under the ceiling, and nothing
 * that fails leaves a trace. That the values are right is asserted against other readers in tests/python.
 */
#include "base/context.h"
#include "../opened.h"
#include "source/source.h"

#include <mlaas/chain.h>
#include <mlaas/file.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define DATA TESTS_ROOT "/tests/data/"
#define BIG TESTS_ROOT "/examples/tth/flatTree_QCD_HT300to500.root"

static const char *const files[] = {DATA "vectors-nested.root",
                                    DATA "strings-split0.root",
                                    DATA "leaf-lists.root",
                                    DATA "autoflush.root",
                                    DATA "tntuple.root",
                                    DATA "old-branch-split1.root",
                                    DATA "ntuple-columns.root",
                                    DATA "ntuple-containers.root",
                                    DATA "ntuple-classes.root",
                                    DATA "ntuple-late.root",
                                    DATA "ntuple-small-pages.root",
                                    DATA "ntuple-clusters.root",
                                    DATA "ntuple-projected.root",
                                    DATA "ntuple-nested.root"};
enum { NUM_FILES = sizeof files / sizeof *files };

static enum mlaas_status open_all(struct opened *opened, const char *path, int64_t memory, int threads) {
  return open_nth(opened, path, -1, memory, threads);
}

static void any_cut_and_any_thread_gives_the_same_rows(void **state) {
  (void)state;
  for (int f = 0; f < NUM_FILES; f++) {
    int64_t count;
    uint64_t *whole = hash_all(files[f], -1, 1, &count);
    for (int64_t step = 1; step <= count; step = step * 3 + 1) {
      struct opened opened;
      uint64_t *cut = calloc((size_t)count + 1, sizeof *cut);
      assert_int_equal(open_all(&opened, files[f], 0, 1 + (int)(step % 4)), MLAAS_OK);
      for (int64_t start = 0; start < count; start += step)
        assert_int_equal(read_rows(&opened, start, start + step < count ? start + step : count, cut), MLAAS_OK);
      assert_memory_equal(cut, whole, (size_t)count * sizeof *cut);
      memset(cut, 0, (size_t)count * sizeof *cut); /* and from the end */
      for (int64_t stop = count; stop > 0; stop -= step)
        assert_int_equal(read_rows(&opened, stop > step ? stop - step : 0, stop, cut), MLAAS_OK);
      assert_memory_equal(cut, whole, (size_t)count * sizeof *cut);
      assert_int_equal(read_rows(&opened, count, count, cut), MLAAS_OK);
      close_all(&opened);
      free(cut);
    }
    free(whole);
  }
}

static void a_basket_is_read_once_by_ranges_in_order(void **state) {
  (void)state;
  struct opened opened;
  uint64_t hashes[64];
  struct mlaas_file_info before, first, last;
  assert_int_equal(open_all(&opened, DATA "vectors-nested.root", 0, 1), MLAAS_OK);
  int64_t count = mlaas_table_num_entries(opened.table);
  assert_true(count <= 64);
  mlaas_file_info(opened.file, &before);
  assert_int_equal(read_rows(&opened, 0, 1, hashes), MLAAS_OK);
  mlaas_file_info(opened.file, &first);
  assert_true(first.bytes_read > before.bytes_read);
  for (int64_t i = 1; i < count; i++)
    assert_int_equal(read_rows(&opened, i, i + 1, hashes), MLAAS_OK);
  mlaas_file_info(opened.file, &last);
  size_t num_columns = mlaas_table_num_columns(opened.table);
  int64_t stored = 0;
  for (size_t i = 0; i < num_columns; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(opened.table, i, &info);
    stored += info.stored_bytes;
  }
  /* beside the baskets only headers: at most 512 bytes each */
  assert_true(last.bytes_read - before.bytes_read <= stored + 512 * (int64_t)num_columns * 4);
  close_all(&opened);
}

/* Also where every range cuts pages. */
static void a_page_is_read_once_by_ranges_in_order(void **state) {
  (void)state;
  struct opened opened;
  uint64_t hashes[64];
  struct mlaas_file_info before, after;
  assert_int_equal(open_all(&opened, DATA "ntuple-containers.root", 0, 1), MLAAS_OK);
  int64_t count = mlaas_table_num_entries(opened.table), pages = 0;
  assert_true(count > 2 && count <= 64);
  for (size_t i = 0; i < mlaas_table_num_columns(opened.table); i++) {
    struct mlaas_column_info info;
    mlaas_table_column(opened.table, i, &info);
    pages += info.stored_bytes + 8 * info.num_baskets;
  }
  mlaas_file_info(opened.file, &before);
  for (int64_t i = 0; i < count; i++)
    assert_int_equal(read_rows(&opened, i, i + 1, hashes), MLAAS_OK);
  mlaas_file_info(opened.file, &after);
  assert_true(after.bytes_read - before.bytes_read <= pages);
  close_all(&opened);
}

static void ranges_outside_the_table_are_refused(void **state) {
  (void)state;
  struct opened opened;
  assert_int_equal(open_all(&opened, DATA "tntuple.root", 0, 1), MLAAS_OK);
  struct ArrowArray array;
  int64_t count = mlaas_table_num_entries(opened.table);
  assert_int_equal(mlaas_reader_read(opened.reader, -1, 1, &array, &opened.error), MLAAS_ARGUMENT);
  assert_int_equal(mlaas_reader_read(opened.reader, 2, 1, &array, &opened.error), MLAAS_ARGUMENT);
  assert_int_equal(mlaas_reader_read(opened.reader, 0, count + 1, &array, &opened.error), MLAAS_ARGUMENT);
  assert_non_null(strstr(opened.error.message, "entries 0 to"));
  close_all(&opened);
}

/* A ceiling that one range breaks is an error, and the reader goes on with a smaller one. */
static void what_does_not_fit_leaves_the_reader_usable(void **state) {
  (void)state;
  int64_t count;
  uint64_t *whole = hash_all(BIG, -1, 1, &count), *cut = calloc((size_t)count, sizeof *cut);
  bool limited = false, fitted = false;
  for (int64_t memory = 256 << 10; memory < 64 << 20; memory *= 2) {
    struct opened opened;
    if (open_all(&opened, BIG, memory, 2) != MLAAS_OK) {
      assert_int_equal(opened.error.status, MLAAS_LIMIT);
      close_all(&opened);
      continue;
    }
    enum mlaas_status status = read_rows(&opened, 0, count, cut);
    assert_true(status == MLAAS_OK || status == MLAAS_LIMIT);
    assert_true(mlaas_context_memory_peak(opened.context) <= memory);
    if (status == MLAAS_LIMIT && read_rows(&opened, 0, 10, cut) == MLAAS_OK) {
      limited = true;
      assert_memory_equal(cut, whole, 10 * sizeof *cut);
    }
    fitted |= status == MLAAS_OK;
    close_all(&opened);
  }
  assert_true(limited);
  assert_true(fitted);
  free(whole);
  free(cut);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static const int chosen[] = {0, 1, 2, 7, 9};
  for (size_t c = 0; c < sizeof chosen / sizeof *chosen; c++) {
    int f = chosen[c];
    int64_t count;
    uint64_t *whole = hash_all(files[f], -1, 1, &count), *rows = calloc((size_t)count, sizeof *rows);
    enum mlaas_status status = MLAAS_MEMORY;
    long n = 0;
    while (status != MLAAS_OK) {
      struct opened opened;
      assert_int_equal(open_all(&opened, files[f], 0, 1), MLAAS_OK);
      mlaas_memory_fail(++n, false);
      status = read_rows(&opened, 0, count / 2, rows);
      mlaas_memory_fail(0, false);
      assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
      assert_int_equal(read_rows(&opened, 0, count, rows), MLAAS_OK); /* nothing is left broken */
      assert_memory_equal(rows, whole, (size_t)count * sizeof *rows);
      close_all(&opened);
    }
    assert_true(n > 10);
    free(whole);
    free(rows);
  }
}

static void opening_survives_every_failing_allocation(void **state) {
  (void)state;
  static const char *const paths[] = {DATA "leaf-lists.root", DATA "ntuple-classes.root"};
  for (int f = 0; f < 2; f++) {
    enum mlaas_status status = MLAAS_MEMORY;
    for (long n = 1; status != MLAAS_OK; n++) {
      struct opened opened;
      mlaas_memory_fail(n, false);
      status = open_all(&opened, paths[f], 0, 1);
      mlaas_memory_fail(0, false);
      assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
      close_all(&opened);
    }
  }
}

/* Every read of `path` fails once; what is said names the file and the `kind` of column. */
static void fail_reads(const char *path, const char *kind) {
  int64_t count;
  uint64_t *whole = hash_all(path, -1, 1, &count), *rows = calloc((size_t)count, sizeof *rows);
  enum mlaas_status status = MLAAS_IO;
  long n = 0;
  while (status != MLAAS_OK) {
    struct opened opened;
    assert_int_equal(open_all(&opened, path, 0, 1), MLAAS_OK);
    mlaas_source_fail(++n);
    status = read_rows(&opened, 0, count, rows);
    mlaas_source_fail(0);
    if (status != MLAAS_OK) {
      assert_true(status == MLAAS_IO || status == MLAAS_FORMAT);
      assert_non_null(strstr(opened.error.where, path));
      assert_non_null(strstr(opened.error.where, kind));
      assert_int_equal(read_rows(&opened, 0, count, rows), MLAAS_OK);
    }
    assert_memory_equal(rows, whole, (size_t)count * sizeof *rows);
    close_all(&opened);
  }
  assert_true(n > 1);
  free(whole);
  free(rows);
}

static void every_read_may_fail(void **state) {
  (void)state;
  fail_reads(DATA "strings-split0.root", "branch ");
  fail_reads(DATA "ntuple-containers.root", "field ");
}

/* Damage in the key of a basket: the message says where. */
static void damage_is_named_with_its_place(void **state) {
  (void)state;
  char path[] = "/tmp/mlaas-test-XXXXXX";
  int descriptor = mkstemp(path);
  FILE *in = fopen(DATA "autoflush.root", "rb"), *out = fdopen(descriptor, "wb");
  for (int c; (c = fgetc(in)) != EOF;)
    fputc(c, out);
  fclose(in);
  fclose(out);
  struct opened opened;
  struct mlaas_error error;
  uint64_t *rows = calloc(100000, sizeof *rows);
  assert_int_equal(open_all(&opened, path, 0, 1), MLAAS_OK);
  int64_t count = mlaas_table_num_entries(opened.table);
  assert_true(count <= 100000);
  struct mlaas_file_info info;
  mlaas_file_info(opened.file, &info);
  FILE *damaged = fopen(path, "r+b");
  bool named = false;
  for (long at = 300; at < 900; at += 7) { /* the first baskets lie behind the header */
    fseek(damaged, at, SEEK_SET);
    int c = fgetc(damaged);
    fseek(damaged, at, SEEK_SET);
    fputc(c ^ 0x55, damaged);
    fflush(damaged);
    enum mlaas_status status = read_rows(&opened, 0, count, rows);
    error = opened.error;
    if (status != MLAAS_OK && strstr(error.where, "basket 0") && strstr(error.where, path) && error.offset >= 0)
      named = true;
    fseek(damaged, at, SEEK_SET);
    fputc(c, damaged);
    fflush(damaged);
  }
  assert_true(named);
  assert_int_equal(read_rows(&opened, 0, count, rows), MLAAS_OK);
  fclose(damaged);
  close_all(&opened);
  remove(path);
  free(rows);
}

static void the_stream_gives_the_same_rows(void **state) {
  (void)state;
  static const int64_t batches[] = {0, 1, 7, 1000000};
  int64_t count;
  uint64_t *whole = hash_all(DATA "autoflush.root", -1, 1, &count);
  for (int b = 0; b < 4; b++) {
    struct opened opened;
    struct ArrowArrayStream stream;
    struct ArrowSchema schema;
    struct ArrowArray array;
    assert_int_equal(open_all(&opened, DATA "autoflush.root", 0, 2), MLAAS_OK);
    int64_t start = 3, stop = count - 2, at = start;
    assert_int_equal(mlaas_table_stream(opened.table, NULL, 0, start, stop, batches[b], &stream, NULL), MLAAS_OK);
    mlaas_table_close(opened.table);
    opened.table = NULL; /* the stream holds it */
    assert_int_equal(stream.get_schema(&stream, &schema), 0);
    while (stream.get_next(&stream, &array) == 0 && array.release) {
      assert_true(batches[b] == 0 || array.length <= batches[b]);
      for (int64_t i = 0; i < array.length; i++)
        assert_true(hash_row(&schema, &array, i, 7) == whole[at++]);
      array.release(&array);
    }
    assert_int_equal(at, stop);
    assert_null(stream.get_last_error(&stream));
    schema.release(&schema);
    stream.release(&stream);
    assert_null(stream.release);
    close_all(&opened);
  }
  free(whole);
}

enum { LINKS = 4, READERS = 3 };

struct chained {
  struct mlaas_chain *chain;
  pthread_barrier_t *start;
  int64_t rows, counted;
};

static void *read_chain(void *argument) {
  struct chained *chained = argument;
  struct mlaas_chain_reader *reader;
  struct ArrowArray array = {0};
  pthread_barrier_wait(chained->start);
  if (mlaas_chain_count(chained->chain, &chained->counted, NULL) != MLAAS_OK ||
      mlaas_chain_reader_open(chained->chain, NULL, 0, 0, &reader, NULL) != MLAAS_OK)
    return NULL;
  while (mlaas_chain_reader_next(reader, &array, NULL) == MLAAS_OK && array.release) {
    chained->rows += array.length;
    array.release(&array);
  }
  mlaas_chain_reader_close(reader);
  return chained;
}

/* Each with a reader of its own: they remember how long the files are for each other. TSan looks on. */
static void threads_may_read_one_chain(void **state) {
  (void)state;
  struct mlaas_context *context;
  struct mlaas_context_options options = {.size = sizeof options, .threads = 2};
  struct mlaas_chain_file links[LINKS];
  pthread_barrier_t start;
  pthread_barrier_init(&start, NULL, READERS);
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  for (int i = 0; i < LINKS; i++)
    links[i] = (struct mlaas_chain_file){.url = DATA "vectors-nested.root"};
  for (int round = 0; round < 10; round++) {
    struct chained chained[READERS];
    pthread_t threads[READERS];
    struct mlaas_chain *chain;
    assert_int_equal(mlaas_chain_open(context, links, LINKS, &chain, NULL), MLAAS_OK);
    int64_t rows = LINKS * mlaas_table_num_entries(mlaas_chain_table(chain));
    for (int i = 0; i < READERS; i++) {
      chained[i] = (struct chained){.chain = chain, .start = &start};
      assert_int_equal(pthread_create(&threads[i], NULL, read_chain, &chained[i]), 0);
    }
    for (int i = 0; i < READERS; i++) {
      void *result = NULL;
      pthread_join(threads[i], &result);
      assert_ptr_equal(result, &chained[i]);
      assert_int_equal(chained[i].rows, rows);
      assert_int_equal(chained[i].counted, rows);
    }
    mlaas_chain_close(chain);
  }
  mlaas_context_put(context);
  pthread_barrier_destroy(&start);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(any_cut_and_any_thread_gives_the_same_rows),
      cmocka_unit_test(a_basket_is_read_once_by_ranges_in_order),
      cmocka_unit_test(a_page_is_read_once_by_ranges_in_order),
      cmocka_unit_test(ranges_outside_the_table_are_refused),
      cmocka_unit_test(what_does_not_fit_leaves_the_reader_usable),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(opening_survives_every_failing_allocation),
      cmocka_unit_test(every_read_may_fail),
      cmocka_unit_test(damage_is_named_with_its_place),
      cmocka_unit_test(the_stream_gives_the_same_rows),
      cmocka_unit_test(threads_may_read_one_chain),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
