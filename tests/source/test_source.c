/* Sources: local files, memory, the guard of every read, and failures on demand. */
#include "base/memory.h"
#include "source/source.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char content[] = "0123456789abcdef";
static char path[64];

static int write_file(void **state) {
  (void)state;
  strcpy(path, "/tmp/mlaas-source-XXXXXX");
  int descriptor = mkstemp(path);
  ssize_t written = write(descriptor, content, sizeof content);
  close(descriptor);
  return written == sizeof content ? 0 : -1;
}

static int remove_file(void **state) {
  (void)state;
  mlaas_source_fail(0);
  mlaas_memory_fail(0, false);
  return unlink(path);
}

static void assert_reads(const char *url) {
  struct mlaas_source *source;
  struct mlaas_error error;
  char data[4];
  assert_int_equal(mlaas_source_open(NULL, url, &source, &error), MLAAS_OK);
  assert_string_equal(mlaas_source_url(source), url);
  assert_int_equal(mlaas_source_size(source), sizeof content);
  assert_int_equal(mlaas_source_read_at(source, 10, 4, data, &error), MLAAS_OK);
  assert_memory_equal(data, "abcd", 4);
  mlaas_source_put(source);
}

static void paths_and_file_urls_are_read(void **state) {
  (void)state;
  char url[128];
  assert_reads(path);
  snprintf(url, sizeof url, "file://%s", path);
  assert_reads(url);
  snprintf(url, sizeof url, "file://localhost%s", path);
  assert_reads(url);
}

static void many_ranges_are_filled_and_counted(void **state) {
  (void)state;
  struct mlaas_source *source;
  struct mlaas_source_counters counters;
  char a[3], b[5];
  struct mlaas_range ranges[] = {{0, 3, a}, {9, 5, b}};
  assert_int_equal(mlaas_source_open(NULL, path, &source, NULL), MLAAS_OK);
  assert_int_equal(mlaas_source_read_many(source, ranges, 2, NULL), MLAAS_OK);
  assert_memory_equal(a, "012", 3);
  assert_memory_equal(b, "9abcd", 5);
  mlaas_source_counters(source, &counters);
  assert_int_equal(counters.bytes, 8);
  assert_int_equal(counters.requests, 2);
  mlaas_source_put(mlaas_source_get(source)); /* counted: still open */
  assert_int_equal(mlaas_source_read_many(source, NULL, 0, NULL), MLAAS_OK);
  mlaas_source_put(source);
}

/* One request for those that follow each other here and there; not where only the file or only memory goes on. */
static void neighbouring_ranges_are_one_request(void **state) {
  (void)state;
  struct mlaas_source *source;
  struct mlaas_source_counters counters;
  char data[12];
  struct mlaas_range ranges[] = {
      {0, 2, data}, {2, 3, data + 2}, {7, 2, data + 5}, {9, 2, data + 8}, {11, 2, data + 10}};
  assert_int_equal(mlaas_source_open(NULL, path, &source, NULL), MLAAS_OK);
  memset(data, '-', sizeof data);
  assert_int_equal(mlaas_source_read_many(source, ranges, 5, NULL), MLAAS_OK);
  assert_memory_equal(data, "0123478-9abc", 12);
  mlaas_source_counters(source, &counters);
  assert_int_equal(counters.bytes, 11);
  assert_int_equal(counters.requests, 3);
  mlaas_source_put(source);
}

static void what_cannot_be_opened_says_why(void **state) {
  (void)state;
  struct mlaas_source *source;
  struct mlaas_error error;
  assert_int_equal(mlaas_source_open(NULL, "/nowhere/at all.root", &source, &error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.message, "/nowhere/at all.root"));
  assert_null(source);
  assert_int_equal(mlaas_source_open(NULL, "/tmp", &source, &error), MLAAS_IO);
  assert_non_null(strstr(error.message, "a directory"));
  assert_int_equal(mlaas_source_open(NULL, "gopher://host/x.root", &source, &error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(error.message, "file://"));
}

static void ranges_outside_are_refused(void **state) {
  (void)state;
  static const int64_t bad[][2] = {{-1, 2}, {0, -1}, {16, 2}, {18, 0}, {INT64_MAX, 1}, {1, INT64_MAX}};
  struct mlaas_source *source;
  struct mlaas_error error;
  char data[4];
  assert_int_equal(mlaas_source_open(NULL, path, &source, NULL), MLAAS_OK);
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(mlaas_source_read_at(source, bad[i][0], bad[i][1], data, &error), MLAAS_FORMAT);
    assert_int_equal(error.offset, bad[i][0]);
    assert_non_null(strstr(error.message, "truncated?"));
  }
  assert_int_equal(mlaas_source_read_at(source, 17, 0, data, &error), MLAAS_OK);
  mlaas_source_put(source);
}

static void a_file_that_shrinks_is_noticed(void **state) {
  (void)state;
  struct mlaas_source *source;
  struct mlaas_error error;
  char data[8];
  assert_int_equal(mlaas_source_open(NULL, path, &source, NULL), MLAAS_OK);
  assert_int_equal(truncate(path, 6), 0);
  assert_int_equal(mlaas_source_read_at(source, 2, 8, data, &error), MLAAS_IO);
  assert_int_equal(error.offset, 6);
  assert_non_null(strstr(error.message, "shorter"));
  mlaas_source_put(source);
}

static void memory_is_a_source_too(void **state) {
  (void)state;
  struct mlaas_source *source;
  char data[3];
  assert_int_equal(mlaas_source_from_memory(content, sizeof content, &source, NULL), MLAAS_OK);
  assert_int_equal(mlaas_source_read_at(source, 4, 3, data, NULL), MLAAS_OK);
  assert_memory_equal(data, "456", 3);
  assert_int_equal(mlaas_source_read_at(source, 15, 3, data, NULL), MLAAS_FORMAT);
  mlaas_source_put(source);
}

static void the_nth_read_fails_on_demand(void **state) {
  (void)state;
  struct mlaas_source *source;
  struct mlaas_error error;
  char data[3];
  assert_int_equal(mlaas_source_open(NULL, path, &source, NULL), MLAAS_OK);
  mlaas_source_fail(2);
  assert_int_equal(mlaas_source_read_at(source, 4, 3, data, &error), MLAAS_OK);
  assert_int_equal(mlaas_source_read_at(source, 4, 3, data, &error), MLAAS_IO);
  assert_int_equal(mlaas_source_read_at(source, 4, 3, data, &error), MLAAS_OK);
  mlaas_source_put(source);
}

static void opening_survives_each_failed_allocation(void **state) {
  (void)state;
  struct mlaas_source *source = NULL;
  struct mlaas_error error;
  long n = 0;
  enum mlaas_status status;
  do {
    mlaas_memory_fail(++n, false);
    status = mlaas_source_open(NULL, path, &source, &error);
    assert_true(status == MLAAS_OK || (status == MLAAS_MEMORY && !source));
  } while (status != MLAAS_OK);
  assert_true(n > 3);
  mlaas_source_put(source);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, write_file, remove_file)
  const struct CMUnitTest tests[] = {
      TEST(paths_and_file_urls_are_read),
      TEST(many_ranges_are_filled_and_counted),
      TEST(neighbouring_ranges_are_one_request),
      TEST(what_cannot_be_opened_says_why),
      TEST(ranges_outside_are_refused),
      TEST(a_file_that_shrinks_is_noticed),
      TEST(memory_is_a_source_too),
      TEST(the_nth_read_fails_on_demand),
      TEST(opening_survives_each_failed_allocation),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
