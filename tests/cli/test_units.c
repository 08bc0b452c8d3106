/* Sizes, counts and durations as text. */
#include "cli/units.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char text[MLAAS_UNITS_TEXT];

static void sizes_are_parsed(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t bytes;
  } good[] = {{"0", 0},
              {"300000000", 300000000},
              {"300MB", 300000000},
              {"300 MB", 300000000},
              {"1GiB", 1 << 30},
              {"1.5KiB", 1536},
              {"2g", 2000000000},
              {"7B", 7},
              {"1.5TB", 1500000000000}};
  static const char *const bad[] = {"", "MB", "-1", "1..5MB", "1XB", "1 MB ", "1e3", "9999999TB", "1,5MB", "nan"};
  int64_t bytes = -1;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(mlaas_size_parse(good[i].text, &bytes));
    assert_int_equal(bytes, good[i].bytes);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(mlaas_size_parse(bad[i], &bytes));
}

static void times_are_parsed(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ms;
  } good[] = {{"0", 0},        {"15", 15000},   {"0.5", 500},   {"500ms", 500},     {"2min", 120000},
              {"1.5 s", 1500}, {"1h", 3600000}, {"0.25s", 250}, {"86400", 86400000}};
  static const char *const bad[] = {"",     "s",   "-1", ".5",   "1..5",           "1x",
                                    "1 s ", "1e3", "5m", "9e99", "99999999999999", "1,5"};
  int64_t ms = -1;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(mlaas_seconds_parse(good[i].text, &ms));
    assert_int_equal(ms, good[i].ms);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(mlaas_seconds_parse(bad[i], &ms));
}

static void sizes_are_written(void **state) {
  (void)state;
  assert_string_equal(mlaas_size_format(0, text), "0 B");
  assert_string_equal(mlaas_size_format(999, text), "999 B");
  assert_string_equal(mlaas_size_format(1000, text), "1.00 kB");
  assert_string_equal(mlaas_size_format(12345678, text), "12.3 MB");
  assert_string_equal(mlaas_size_format(999999, text), "1.00 MB");
  assert_string_equal(mlaas_size_format(10100000000, text), "10.1 GB");
  assert_string_equal(mlaas_size_format(123400000000, text), "123 GB");
}

static void counts_are_grouped(void **state) {
  (void)state;
  assert_string_equal(mlaas_count_format(7, text), "7");
  assert_string_equal(mlaas_count_format(948348, text), "948,348");
  assert_string_equal(mlaas_count_format(-1234567, text), "-1,234,567");
  assert_string_equal(mlaas_count_format(INT64_MIN, text), "-9,223,372,036,854,775,808");
  int64_t count;
  assert_true(mlaas_count_parse("9223372036854775807", &count));
  assert_false(mlaas_count_parse("9223372036854775808", &count));
  assert_false(mlaas_count_parse("1,000", &count));
}

static void durations_are_short(void **state) {
  (void)state;
  assert_string_equal(mlaas_seconds_format(0.04, text), "0.0 s");
  assert_string_equal(mlaas_seconds_format(4.26, text), "4.3 s");
  assert_string_equal(mlaas_seconds_format(61, text), "61 s");
  assert_string_equal(mlaas_seconds_format(200, text), "3 min 20 s");
  assert_string_equal(mlaas_seconds_format(7500, text), "2 h 05 min");
  assert_string_equal(mlaas_seconds_format(-1, text), "?");
}

static void roots_numbers_are_words(void **state) {
  (void)state;
  assert_string_equal(mlaas_compression_format(101, text), "zlib 1");
  assert_string_equal(mlaas_compression_format(404, text), "LZ4 4");
  assert_string_equal(mlaas_compression_format(505, text), "ZSTD 5");
  assert_string_equal(mlaas_compression_format(0, text), "none");
  assert_string_equal(mlaas_compression_format(-1, text), "?");
  assert_string_equal(mlaas_compression_format(12345, text), "12345");
  assert_string_equal(mlaas_root_version_format(62804, text), "6.28/04");
  assert_string_equal(mlaas_root_version_format(53432, text), "5.34/32");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sizes_are_parsed),    cmocka_unit_test(times_are_parsed),
      cmocka_unit_test(sizes_are_written),   cmocka_unit_test(counts_are_grouped),
      cmocka_unit_test(durations_are_short), cmocka_unit_test(roots_numbers_are_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
