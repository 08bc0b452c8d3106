/* Reading ahead: of a remote file everything that a reader needs is announced before it is asked for, once, and nothing
 * else. The rows are those of a file at hand.
 */
#include "base/context.h"
#include "../counted.h"
#include "../opened.h"
#include "rootio/read/ahead.h"

#include <mlaas/chain.h>
#include <mlaas/verify.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define DATA TESTS_ROOT "/tests/data/"
#define TTH TESTS_ROOT "/examples/tth/"

/* Name and table, by number. */
static const struct {
  const char *path;
  int table;
} files[] = {{DATA "vectors-nested.root", 0},
             {DATA "strings-split0.root", 0},
             {DATA "leaf-lists.root", 0},
             {DATA "autoflush.root", 0},
             {DATA "tntuple.root", 0},
             {DATA "branches.root", 0},
             {DATA "branches.root", 1},
             {DATA "branches.root", 2},
             {DATA "branches.root", 3},
             {DATA "branches.root", 4},
             {DATA "branches.root", 5},
             {DATA "branches.root", 6},
             {DATA "classes-split99.root", 0},
             {DATA "classes-memberwise.root", 0},
             {DATA "old-branch-split1.root", 0},
             {DATA "pointer-vector-split199.root", 0},
             {DATA "clusters-merged.root", 0},
             {DATA "ntuple-columns.root", 0},
             {DATA "ntuple-containers.root", 0},
             {DATA "ntuple-classes.root", 0},
             {DATA "ntuple-late.root", 0},
             {DATA "ntuple-small-pages.root", 0},
             {DATA "ntuple-clusters.root", 0},
             {DATA "ntuple-projected.root", 0},
             {DATA "ntuple-representations.root", 0},
             {DATA "ntuple-nested.root", 0},
             {TTH "flatTree_ttH_noDRmatch.root", 0},
             {DATA "friends-main.root", 0},
             {DATA "friends-main.root", 1},
             {DATA "friends-main.root", 2},
             {DATA "friends-main.root", 3}};
enum { NUM_FILES = sizeof files / sizeof *files };

static void open_table(struct opened *opened, const char *before, const char *path, int table, int threads) {
  char url[1024];
  snprintf(url, sizeof url, "%s%s", before, path);
  mlaas_source_use(&counted_scheme);
  assert_int_equal(open_nth(opened, url, table, 0, threads), MLAAS_OK);
}

static void read_all(struct opened *opened, int64_t start, int64_t stop, uint64_t *hashes) {
  assert_int_equal(read_rows(opened, start, stop, hashes), MLAAS_OK);
}

/* What was announced is what was read. */
static void assert_same_ranges(const char *path) {
  sort_noted(&counted.announced);
  sort_noted(&counted.read);
  for (size_t i = 0; i < counted.announced.count && i < counted.read.count; i++) {
    const struct mlaas_range *a = &counted.announced.ranges[i], *b = &counted.read.ranges[i];
    if (a->offset != b->offset || a->length != b->length)
      fail_msg("%s: announced %lld bytes at %lld, read %lld at %lld", path, (long long)a->length, (long long)a->offset,
               (long long)b->length, (long long)b->offset);
  }
  if (counted.announced.count != counted.read.count)
    fail_msg("%s: %zu ranges announced, %zu read", path, counted.announced.count, counted.read.count);
}

static void a_read_announces_all_it_needs_first(void **state) {
  (void)state;
  for (int f = 0; f < NUM_FILES; f++) {
    struct opened opened;
    int64_t count;
    uint64_t *whole = hash_all(files[f].path, files[f].table, 1, &count),
             *remote = calloc((size_t)count + 1, sizeof *remote);
    open_table(&opened, COUNTED, files[f].path, files[f].table, 3);
    counted_forget();
    read_all(&opened, 0, count, remote);
    assert_memory_equal(remote, whole, (size_t)count * sizeof *remote);
    assert_int_equal(counted.trips, 0);
    assert_same_ranges(files[f].path);
    assert_int_equal(mlaas_reader_ahead_bytes(opened.reader), 0);
    close_all(&opened);
    free(whole);
    free(remote);
  }
}

static void cuts_announce_no_byte_twice(void **state) {
  (void)state;
  for (int f = 0; f < NUM_FILES; f++) {
    int64_t count;
    uint64_t *whole = hash_all(files[f].path, files[f].table, 1, &count),
             *remote = calloc((size_t)count + 1, sizeof *remote);
    for (int64_t step = 1 + count / 50; step <= count; step = step * 3 + 1) {
      struct opened opened;
      open_table(&opened, COUNTED, files[f].path, files[f].table, 1 + (int)(step % 3));
      counted_forget();
      int64_t ahead = 0;
      for (int64_t start = 0; start < count; start += step) {
        int64_t stop = start + step < count ? start + step : count;
        if (start >= ahead) /* a cluster or two */
          ahead = mlaas_reader_ahead(opened.reader, start, count, 1000);
        assert_true(ahead > start);
        read_all(&opened, start, stop, remote);
      }
      assert_memory_equal(remote, whole, (size_t)count * sizeof *remote);
      assert_int_equal(counted.trips, 0);
      assert_same_ranges(files[f].path);
      assert_int_equal(mlaas_reader_ahead_bytes(opened.reader), 0);
      close_all(&opened);
    }
    free(whole);
    free(remote);
  }
}

/* All there is, then the same once more: the second time nothing is announced. */
static void what_waits_to_be_read_is_not_announced_again(void **state) {
  (void)state;
  for (int f = 0; f < NUM_FILES; f++) {
    struct opened opened;
    open_table(&opened, COUNTED, files[f].path, files[f].table, 2);
    int64_t count = mlaas_table_num_entries(opened.table);
    uint64_t *remote = calloc((size_t)count + 1, sizeof *remote);
    counted_forget();
    assert_int_equal(mlaas_reader_ahead(opened.reader, 0, count, INT64_MAX), count);
    size_t announced = counted.announced.count;
    int64_t bytes = 0;
    for (size_t i = 0; i < announced; i++)
      bytes += counted.announced.ranges[i].length;
    assert_int_equal(bytes, mlaas_reader_ahead_bytes(opened.reader));
    assert_true(announced > 0);
    for (size_t i = 1; i < announced; i++) /* one file, but for the one that has baskets elsewhere */
      assert_true(counted.announced.ranges[i].offset >= counted.announced.ranges[i - 1].offset || files[f].table == 4);
    assert_int_equal(mlaas_reader_ahead(opened.reader, 0, count, INT64_MAX), count);
    assert_int_equal(counted.announced.count, announced);
    read_all(&opened, 0, count, remote);
    assert_same_ranges(files[f].path);
    close_all(&opened);
    free(remote);
  }
}

static void room_ends_what_is_announced(void **state) {
  (void)state;
  struct opened opened;
  open_table(&opened, COUNTED, TTH "flatTree_ttH_noDRmatch.root", 0, 2);
  int64_t count = mlaas_table_num_entries(opened.table);
  uint64_t *hashes = calloc((size_t)count, sizeof *hashes);
  int64_t some = mlaas_reader_ahead(opened.reader, 0, count, 50000);
  assert_true(some > 0 && some < count);
  assert_true(mlaas_reader_ahead_bytes(opened.reader) >= 25000);
  assert_true(mlaas_reader_ahead_bytes(opened.reader) < 500000);
  assert_int_equal(mlaas_reader_ahead(opened.reader, some, count, 20000), some);
  read_all(&opened, 0, count, hashes);
  assert_int_equal(mlaas_reader_ahead_bytes(opened.reader), 0);
  assert_true(mlaas_reader_ahead(opened.reader, some, count, 20000) > some);
  assert_int_equal(mlaas_reader_ahead(opened.reader, count, count + 5, 0), count);
  close_all(&opened);
  free(hashes);
}

static void files_at_hand_are_left_alone(void **state) {
  (void)state;
  struct opened opened;
  open_table(&opened, "", DATA "tntuple.root", 0, 1);
  int64_t count = mlaas_table_num_entries(opened.table);
  counted_forget();
  assert_int_equal(mlaas_reader_ahead(opened.reader, 0, count, 1), count);
  assert_int_equal(mlaas_reader_ahead_bytes(opened.reader), 0);
  assert_int_equal(counted.announcements, 0);
  close_all(&opened);
}

static void streams_announce_what_comes(void **state) {
  (void)state;
  for (int f = 0; f < NUM_FILES; f++) {
    struct opened opened;
    struct ArrowArrayStream stream;
    open_table(&opened, COUNTED, files[f].path, files[f].table, 2);
    int64_t count = mlaas_table_num_entries(opened.table), rows = 0;
    assert_int_equal(mlaas_table_stream(opened.table, NULL, 0, 0, count, 1 + count / 7, &stream, &opened.error),
                     MLAAS_OK);
    counted_forget();
    for (;;) {
      struct ArrowArray array;
      assert_int_equal(stream.get_next(&stream, &array), 0);
      if (!array.release)
        break;
      rows += array.length;
      array.release(&array);
    }
    stream.release(&stream);
    assert_int_equal(rows, count);
    assert_int_equal(counted.trips, 0);
    assert_same_ranges(files[f].path);
    close_all(&opened);
  }
}

/* ---- friends ---- */

static void friends_are_announced_with_their_table(void **state) {
  (void)state;
  struct opened opened, local;
  struct mlaas_table *joined, *at_hand;
  struct mlaas_reader *reader, *other;
  struct ArrowArray array, expected;
  struct ArrowSchema schema;
  open_table(&opened, COUNTED, DATA "friends-main.root", 2, 2);
  open_table(&local, "", DATA "friends-main.root", 2, 1);
  struct mlaas_error *error = &opened.error;
  assert_int_equal(mlaas_table_with_friends(opened.table, &joined, error), MLAAS_OK);
  assert_int_equal(mlaas_table_with_friends(local.table, &at_hand, error), MLAAS_OK);
  assert_true(mlaas_table_num_columns(joined) > mlaas_table_num_columns(opened.table));
  assert_int_equal(mlaas_reader_open(joined, NULL, 0, &reader, error), MLAAS_OK);
  assert_int_equal(mlaas_reader_open(at_hand, NULL, 0, &other, error), MLAAS_OK);
  assert_int_equal(mlaas_table_schema(joined, NULL, 0, &schema, error), MLAAS_OK);
  int64_t count = mlaas_table_num_entries(joined);
  counted_forget();
  assert_int_equal(mlaas_reader_ahead(reader, 0, count, INT64_MAX / 2), count);
  assert_true(mlaas_reader_ahead_bytes(reader) > 0);
  assert_int_equal(mlaas_reader_read(reader, 0, count, &array, error), MLAAS_OK);
  assert_int_equal(mlaas_reader_read(other, 0, count, &expected, error), MLAAS_OK);
  for (int64_t i = 0; i < count; i++)
    assert_int_equal(hash_row(&schema, &array, i, 7), hash_row(&schema, &expected, i, 7));
  assert_int_equal(counted.trips, 0);
  array.release(&array);
  expected.release(&expected);
  schema.release(&schema);
  mlaas_reader_close(reader);
  mlaas_reader_close(other);
  mlaas_table_close(joined);
  mlaas_table_close(at_hand);
  close_all(&opened);
  close_all(&local);
}

/* ---- verification ---- */

static void note_finding(void *context, const struct mlaas_finding *finding) {
  snprintf(context, 512, "%s %s %s", mlaas_status_name(finding->status), finding->part, finding->message);
}

/* Adler-32 by its definition. */
static uint32_t adler32_of(const char *path) {
  uint32_t low = 1, high = 0;
  FILE *file = fopen(path, "rb");
  for (int byte; (byte = fgetc(file)) != EOF;) {
    low = (low + (uint32_t)byte) % 65521;
    high = (high + low) % 65521;
  }
  fclose(file);
  return high << 16 | low;
}

static struct mlaas_verify_report verify(const char *path, const char *checksum, char finding[512]) {
  char url[1024];
  struct mlaas_context *context;
  struct mlaas_error error;
  struct mlaas_verify_options options = {.size = sizeof options, .finding = note_finding, .context = finding};
  struct mlaas_verify_report report = {.size = sizeof report};
  snprintf(url, sizeof url, COUNTED "%s", path);
  mlaas_source_use(&counted_scheme);
  counted_forget();
  counted.checksum = checksum;
  assert_int_equal(mlaas_context_new(NULL, &context, &error), MLAAS_OK);
  assert_int_equal(mlaas_verify(context, url, &options, &report, &error), MLAAS_OK);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
  counted.checksum = NULL;
  return report;
}

static void a_servers_checksum_is_compared(void **state) {
  (void)state;
  static const char *const some[] = {DATA "vectors-nested.root", DATA "ntuple-nested.root",
                                     TTH "flatTree_TT_13TeV.root"};
  for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
    char right[64], wrong[64], finding[512] = "";
    snprintf(right, sizeof right, "adler32:%08x", adler32_of(some[i]));
    snprintf(wrong, sizeof wrong, "adler32:%08x", adler32_of(some[i]) ^ 16);
    struct mlaas_verify_report report = verify(some[i], right, finding);
    assert_int_equal(report.status, MLAAS_OK);
    assert_string_equal(report.checksum, right);
    report = verify(some[i], wrong, finding);
    assert_int_equal(report.status, MLAAS_CHECKSUM);
    assert_int_equal(report.findings, 1);
    assert_non_null(strstr(finding, "CHECKSUM file the server's checksum"));
    assert_non_null(strstr(finding, wrong));
    assert_non_null(strstr(finding, right));
    report = verify(some[i], "md5:0123", finding); /* nobody here computes it */
    assert_int_equal(report.status, MLAAS_OK);
    assert_string_equal(report.checksum, "");
    report = verify(some[i], NULL, finding);
    assert_int_equal(report.status, MLAAS_OK);
    assert_string_equal(report.checksum, "");
    assert_true(counted.trips <= 16); /* what opening takes; keys, baskets and pages are announced */
    assert_true(report.costs.bytes > 0 && report.costs.ranges > 10);
  }
}

/* ---- what is on its way ---- */

static void ranges_come_and_go(void **state) {
  (void)state;
  enum { MANY = 3000 };
  struct mlaas_budget *budget = mlaas_budget_new(1 << 24);
  struct mlaas_source *sources[2];
  struct mlaas_ahead ahead;
  struct mlaas_error error;
  mlaas_source_use(&counted_scheme);
  for (int i = 0; i < 2; i++)
    assert_int_equal(mlaas_source_open(NULL, COUNTED DATA "tntuple.root", &sources[i], &error), MLAAS_OK);
  counted_forget();
  mlaas_ahead_init(&ahead, budget);
  bool there[MANY] = {false};
  int64_t bytes = 0;
  uint64_t random = 1;
  for (int step = 0; step < 20 * MANY; step++) {
    random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    int64_t i = (int64_t)(random >> 33) % MANY, length = 1 + i % 7;
    struct mlaas_source *source = sources[i % 2];
    if (random >> 20 & 1)
      mlaas_ahead_want(&ahead, source, (int)(i % 3), i / 6, length);
    else
      mlaas_ahead_forget(&ahead, source, (int)(i % 3), i / 6, length);
    bytes += (random >> 20 & 1) && !there[i] ? length : !(random >> 20 & 1) && there[i] ? -length : 0;
    there[i] = random >> 20 & 1;
    assert_int_equal(ahead.bytes, bytes);
  }
  size_t pending = ahead.num_pending;
  for (int64_t i = 0; i < MANY; i++) { /* announced again only where it was not there */
    mlaas_ahead_read(&ahead, sources[i % 2], (int)(i % 3), i / 6, 1 + i % 7);
    pending += !there[i];
    assert_int_equal(ahead.num_pending, pending);
  }
  assert_int_equal(ahead.bytes, 0);
  mlaas_ahead_send(&ahead);
  assert_true(counted.announcements == 2);
  assert_int_equal(ahead.num_pending, 0);
  mlaas_ahead_reset(&ahead);
  for (int i = 0; i < 2; i++)
    mlaas_source_put(sources[i]);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

/* Memory that is missing makes less known early, and nothing else. */
static void a_hint_never_fails(void **state) {
  (void)state;
  struct opened opened;
  open_table(&opened, COUNTED, DATA "vectors-nested.root", 0, 1);
  int64_t count = mlaas_table_num_entries(opened.table), whole;
  uint64_t *hashes = calloc((size_t)count + 1, sizeof *hashes), *expected;
  for (long n = 1; n < 20; n++) {
    mlaas_memory_fail(n, false);
    mlaas_reader_ahead(opened.reader, 0, count, INT64_MAX);
    mlaas_memory_fail(0, false);
    read_all(&opened, 0, count, hashes);
  }
  expected = hash_all(DATA "vectors-nested.root", 0, 1, &whole);
  assert_memory_equal(hashes, expected, (size_t)count * sizeof *hashes);
  close_all(&opened);
  free(hashes);
  free(expected);
}

/* ---- chains ---- */

enum { CHAINED = 3 };

static struct mlaas_chain_reader *open_chain(struct mlaas_context **context, const char *second) {
  static char urls[CHAINED][1024];
  struct mlaas_chain_file parts[CHAINED];
  struct mlaas_context_options options = {.size = sizeof options, .threads = 2};
  struct mlaas_error error;
  struct mlaas_chain *chain;
  struct mlaas_chain_reader *reader;
  mlaas_source_use(&counted_scheme);
  for (int i = 0; i < CHAINED; i++) {
    snprintf(urls[i], sizeof urls[i], "%s%s%s", COUNTED, DATA, i == 1 ? second : "clusters-merged.root");
    parts[i] = (struct mlaas_chain_file){urls[i], "t"};
  }
  assert_int_equal(mlaas_context_new(&options, context, &error), MLAAS_OK);
  assert_int_equal(mlaas_chain_open(*context, parts, CHAINED, &chain, &error), MLAAS_OK);
  assert_int_equal(mlaas_chain_reader_open(chain, NULL, 0, 10, &reader, &error), MLAAS_OK);
  mlaas_chain_close(chain);
  return reader;
}

static void close_chain(struct mlaas_context *context, struct mlaas_chain_reader *reader) {
  mlaas_chain_reader_close(reader);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

static int64_t read_next(struct mlaas_chain_reader *reader) {
  struct mlaas_error error;
  struct ArrowArray array;
  assert_int_equal(mlaas_chain_reader_next(reader, &array, &error), MLAAS_OK);
  int64_t rows = array.release ? array.length : 0;
  if (array.release)
    array.release(&array);
  return rows;
}

static long locked(const long *number) {
  pthread_mutex_lock(&counted.lock);
  long value = *number;
  pthread_mutex_unlock(&counted.lock);
  return value;
}

/* And what it begins with is on its way: nobody waits where one file ends and another begins. */
static void a_chain_opens_its_next_file_early(void **state) {
  (void)state;
  struct mlaas_context *context;
  counted_forget();
  struct mlaas_chain_reader *reader = open_chain(&context, "clusters-merged.root");
  assert_int_equal(locked(&counted.opened), 1);
  int64_t rows = read_next(reader);
  assert_int_equal(rows, 10);
  for (int i = 0; i < 20000 && (locked(&counted.opened) < 2 || locked(&counted.announcements) < 2); i++)
    usleep(1000);
  assert_int_equal(locked(&counted.opened), 2); /* and not the one after it */
  assert_true(locked(&counted.announcements) >= 2);
  for (int64_t more; (more = read_next(reader)); rows += more)
    ;
  assert_int_equal(rows, CHAINED * 71);
  assert_int_equal(locked(&counted.opened), CHAINED);
  close_chain(context, reader);
}

static void a_chain_may_be_left_while_a_file_is_opened(void **state) {
  (void)state;
  struct mlaas_context *context;
  struct mlaas_chain_reader *reader = open_chain(&context, "clusters-merged.root");
  atomic_store(&counted.slow_us, 50000);
  assert_int_equal(read_next(reader), 10);
  close_chain(context, reader);
  atomic_store(&counted.slow_us, 0);
}

static void a_file_that_cannot_be_opened_fails_in_its_turn(void **state) {
  (void)state;
  struct mlaas_context *context;
  struct mlaas_error error;
  struct ArrowArray array;
  struct mlaas_chain_reader *reader = open_chain(&context, "not-there.root");
  for (int64_t rows = 0; rows < 71; rows += 10)
    assert_int_equal(read_next(reader), rows < 70 ? 10 : 1);
  for (int i = 0; i < 2; i++) { /* each time anew */
    assert_int_equal(mlaas_chain_reader_next(reader, &array, &error), MLAAS_NOT_FOUND);
    assert_non_null(strstr(error.message, "not-there.root"));
  }
  close_chain(context, reader);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(a_read_announces_all_it_needs_first),
                                     cmocka_unit_test(cuts_announce_no_byte_twice),
                                     cmocka_unit_test(what_waits_to_be_read_is_not_announced_again),
                                     cmocka_unit_test(room_ends_what_is_announced),
                                     cmocka_unit_test(files_at_hand_are_left_alone),
                                     cmocka_unit_test(streams_announce_what_comes),
                                     cmocka_unit_test(friends_are_announced_with_their_table),
                                     cmocka_unit_test(a_servers_checksum_is_compared),
                                     cmocka_unit_test(ranges_come_and_go),
                                     cmocka_unit_test(a_hint_never_fails),
                                     cmocka_unit_test(a_chain_opens_its_next_file_early),
                                     cmocka_unit_test(a_chain_may_be_left_while_a_file_is_opened),
                                     cmocka_unit_test(a_file_that_cannot_be_opened_fails_in_its_turn)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  counted_forget();
  return failed;
}
