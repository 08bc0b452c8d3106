/* multipart/byteranges, Content-Range, and ranges in a header: what is right comes through however it is cut, what is
 * wrong is refused. */
#include "source/http/byteranges.h"
#include "source/http/file.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const char content[] = "abcdefghijklmnopqrstuvwxyz";
enum { SIZE = 26, MOST = 8 };

static char memory[MOST][32];
static int64_t filled[MOST];
static struct mlaas_scatter scatter;

static void want(const struct mlaas_range *ranges, size_t count) {
  memset(memory, 0, sizeof memory);
  memset(filled, 0, sizeof filled);
  scatter = (struct mlaas_scatter){.ranges = ranges, .count = count, .filled = filled};
}

static bool feed(const char *type, const char *text, size_t step, struct mlaas_byteranges *parser) {
  if (!mlaas_byteranges_init(parser, mlaas_slice_of(type), SIZE, &scatter, MOST))
    return false;
  for (size_t at = 0, size = strlen(text); at < size; at += step)
    if (!mlaas_byteranges_feed(parser, text + at, step < size - at ? step : size - at))
      return false;
  return true;
}

#define PART(range, bytes) "\r\n--B\r\nContent-Type: x/y\r\nContent-Range: bytes " range "/26\r\n\r\n" bytes
#define END "\r\n--B--\r\n"
static const char type[] = "multipart/byteranges; boundary=B";

static void parts_fill_ranges_however_they_are_cut(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 3, memory[0]}, {5, 4, memory[1]}, {9, 2, memory[2]}, {20, 6, memory[3]}};
  /* One part for two ranges and a gap, one for a range cut in two, out of order; a preamble and an epilogue. */
  static const char text[] =
      "hello\r\n" PART("20-22", "uvw") PART("0-8", "abcdefghi") PART("23-25", "xyz") PART("9-10", "jk") END "and more";
  for (size_t step = 1; step < sizeof text; step++) {
    struct mlaas_byteranges parser;
    want(ranges, 4);
    assert_true(feed(type, text, step, &parser));
    assert_true(mlaas_byteranges_ended(&parser));
    assert_true(mlaas_scatter_complete(&scatter));
    for (size_t i = 0; i < 4; i++)
      assert_memory_equal(ranges[i].data, content + ranges[i].offset, (size_t)ranges[i].length);
  }
}

static void an_answer_that_ends_early_is_not_complete(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 3, memory[0]}, {5, 4, memory[1]}};
  static const char text[] = PART("0-2", "abc") PART("5-8", "fghi") END;
  for (size_t length = 0; length < sizeof text - 3; length++) { /* the last line break may be missing */
    struct mlaas_byteranges parser;
    char cut[sizeof text];
    snprintf(cut, sizeof cut, "%.*s", (int)length, text);
    want(ranges, 2);
    assert_true(feed(type, cut, sizeof cut, &parser));
    assert_false(mlaas_byteranges_ended(&parser) && mlaas_scatter_complete(&scatter));
  }
}

static void what_is_malformed_is_refused(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 3, memory[0]}, {5, 4, memory[1]}};
  static const struct {
    const char *text, *problem;
  } bad[] = {
      {PART("0-2", "abcd") END, "another length"},
      {PART("0-2", "ab") END, "another length"}, /* its line break was taken for content */
      {PART("0-2", "abc\r\nXX\r\n"), "boundary"},
      {PART("0-2", "abc") PART("0-2", "abc") END, "twice"},
      {PART("6-8", "ghi") END, "twice"}, /* a range from its middle */
      {PART("20-26", "uvwxyz!") END, "Content-Range"},
      {PART("5-4", "") END, "Content-Range"},
      {PART("*", "") END, "Content-Range"},
      {PART("99999999999999999999-0", "") END, "Content-Range"},
      {"--B\r\n\r\nabc" END, "without Content-Range"},
      {"--B\r\nContent-Range: bytes 0-2/26\r\nContent-Range: bytes 0-2/26\r\n\r\nabc" END, "two"},
      {"--B\r\nContent-Range: bytes 0-2/26\r\nContent-Encoding: gzip\r\n\r\nabc" END, "encoded"},
      {"--B\r\nContent-Range: bytes 0-2/27\r\n\r\nabc" END, "another size"},
      {PART("11-11", "l") PART("11-11", "l") PART("11-11", "l") PART("11-11", "l") PART("11-11", "l") PART("11-11", "l")
           PART("11-11", "l") PART("11-11", "l") PART("11-11", "l") END,
       "more parts"},
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    struct mlaas_byteranges parser;
    want(ranges, 2);
    assert_false(feed(type, bad[i].text, 7, &parser));
    assert_non_null(strstr(parser.problem, bad[i].problem));
    assert_int_equal(parser.changed, i == 12);
    assert_false(mlaas_byteranges_feed(&parser, "x", 1)); /* and it stays so */
  }
}

/* What fuzzing found: whether "--B--" ends all may not depend on where the pieces end, nor may other text of its
 * length. */
static void the_end_is_the_same_however_it_is_cut(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 3, memory[0]}};
  static const struct {
    const char *text;
    bool ends;
  } cases[] = {{"\r\n--B--\r*", true}, {"--B--", true}, {"xyz----B--", false}, {"--C--", false}, {"--B-", false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (size_t step = 1; step < 20; step++) {
      struct mlaas_byteranges parser;
      want(ranges, 1);
      assert_true(feed(type, cases[i].text, step, &parser));
      assert_int_equal(mlaas_byteranges_ended(&parser), cases[i].ends);
    }
}

static void what_stands_around_parts_has_a_ceiling(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 3, memory[0]}};
  struct mlaas_byteranges parser;
  want(ranges, 1);
  assert_true(mlaas_byteranges_init(&parser, mlaas_slice_of(type), SIZE, &scatter, MOST));
  size_t lines = 0;
  while (lines < 10000 && mlaas_byteranges_feed(&parser, "nothing\r\n", 9))
    lines++;
  assert_in_range(lines, 100, 1000);
  assert_true(mlaas_byteranges_init(&parser, mlaas_slice_of(type), SIZE, &scatter, MOST));
  size_t bytes = 0;
  while (bytes < 100000 && mlaas_byteranges_feed(&parser, "x", 1))
    bytes++;
  assert_in_range(bytes, 100, 1000);
  char text[4096] = ""; /* the ceiling is the same however the answer is cut */
  for (int i = 0; i < 300; i++)
    memcpy(text + 10 * i, "nothing..\n", 11);
  memcpy(text + 3000, PART("0-2", "abc") END, sizeof PART("0-2", "abc") END);
  for (size_t step = 1; step < 5000; step += step) {
    want(ranges, 1);
    assert_true(feed(type, text, step, &parser));
    assert_true(mlaas_byteranges_ended(&parser) && mlaas_scatter_complete(&scatter));
  }
}

static void boundaries_are_found(void **state) {
  (void)state;
  struct mlaas_byteranges parser;
  static const char *const good[] = {"multipart/byteranges; boundary=B", "Multipart/ByteRanges;boundary=\"B\"",
                                     "multipart/byteranges; charset=x; Boundary=B; more"};
  static const char *const bad[] = {"multipart/byteranges",
                                    "multipart/mixed; boundary=B",
                                    "text/plain",
                                    "",
                                    "multipart/byteranges; boundary=",
                                    "multipart/byteranges; boundary=\"B",
                                    ("multipart/byteranges; boundary=0123456789012345678901234567890123456789012345678"
                                     "9012345678901234567890123456789")};
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_true(mlaas_byteranges_init(&parser, mlaas_slice_of(good[i]), SIZE, &scatter, MOST));
    assert_int_equal(parser.boundary_size, 3);
    assert_memory_equal(parser.boundary, "--B", 3);
  }
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(mlaas_byteranges_init(&parser, mlaas_slice_of(bad[i]), SIZE, &scatter, MOST));
}

static void content_ranges_are_parsed(void **state) {
  (void)state;
  static const struct {
    const char *text;
    bool good;
    int64_t first, last, total;
  } cases[] = {
      {"bytes 0-9/10", true, 0, 9, 10},
      {" Bytes  5-6/* ", true, 5, 6, -1},
      {"bytes */26", true, -1, -1, 26},
      {"bytes 0-9/9223372036854775807", true, 0, 9, INT64_MAX},
      {"bytes 0-9/9", false, 0, 0, 0},
      {"bytes 0-9/9223372036854775808", false, 0, 0, 0},
      {"bytes -5-9/10", false, 0, 0, 0},
      {"bytes 9-5/10", false, 0, 0, 0},
      {"bytes 0-9", false, 0, 0, 0},
      {"bytes 0-9/10 x", false, 0, 0, 0},
      {"bytes=0-9/10", false, 0, 0, 0},
      {"items 0-9/10", false, 0, 0, 0},
      {"bytes 100--1/200", false, 0, 0, 0}, /* XrdHttp 5.5.3 to an open range */
      {"", false, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int64_t first, last, total;
    bool good = mlaas_content_range_parse(mlaas_slice_of(cases[i].text), &first, &last, &total);
    assert_int_equal(good, cases[i].good);
    if (good)
      assert_true(first == cases[i].first && last == cases[i].last && total == cases[i].total);
  }
}

static void single_parts_are_scattered_within_their_bounds(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{2, 2, memory[0]}, {6, 2, memory[1]}};
  want(ranges, 2);
  assert_false(mlaas_scatter_begin(&scatter, 5, 4, SIZE));
  assert_false(mlaas_scatter_begin(&scatter, -1, 4, SIZE));
  assert_false(mlaas_scatter_begin(&scatter, 0, SIZE, SIZE));
  assert_true(mlaas_scatter_begin(&scatter, 0, 9, SIZE));
  assert_true(mlaas_scatter_write(&scatter, content, 7));
  assert_int_equal(mlaas_scatter_owed(&scatter), 3);
  assert_false(mlaas_scatter_complete(&scatter));
  assert_false(mlaas_scatter_write(&scatter, content + 7, 4)); /* more than was announced */
  assert_true(mlaas_scatter_write(&scatter, content + 7, 3));
  assert_true(mlaas_scatter_complete(&scatter));
  assert_string_equal(memory[0], "cd");
  assert_string_equal(memory[1], "gh");
}

static void headers_join_what_touches_and_have_ceilings(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 5, NULL}, {5, 5, NULL}, {20, 1, NULL}, {90, 10, NULL}};
  size_t next = 0, asked = 0;
  char *text = mlaas_http_range_text(ranges, 4, &next, 100, 0, &asked);
  assert_string_equal(text, "0-9,20-20,90-99");
  assert_true(next == 4 && asked == 3);
  mlaas_free(text);
  next = 0;
  text = mlaas_http_range_text(ranges, 4, &next, 1, 10, &asked);
  assert_string_equal(text, "0-20");
  assert_true(next == 3 && asked == 1);
  mlaas_free(text);
  text = mlaas_http_range_text(ranges, 4, &next, 1, 10, &asked);
  assert_string_equal(text, "90-99");
  mlaas_free(text);
  static struct mlaas_range many[1000];
  for (int i = 0; i < 1000; i++)
    many[i] = (struct mlaas_range){INT64_MAX / 2000 * (i + 1), 7, NULL};
  size_t pieces = 0;
  for (next = 0; next < 1000; pieces++) {
    text = mlaas_http_range_text(many, 1000, &next, 1000, 0, &asked);
    assert_in_range(strlen(text), 1, 6100);
    mlaas_free(text);
  }
  assert_in_range(pieces, 3, 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_fill_ranges_however_they_are_cut),
      cmocka_unit_test(an_answer_that_ends_early_is_not_complete),
      cmocka_unit_test(what_is_malformed_is_refused),
      cmocka_unit_test(the_end_is_the_same_however_it_is_cut),
      cmocka_unit_test(what_stands_around_parts_has_a_ceiling),
      cmocka_unit_test(boundaries_are_found),
      cmocka_unit_test(content_ranges_are_parsed),
      cmocka_unit_test(single_parts_are_scattered_within_their_bounds),
      cmocka_unit_test(headers_join_what_touches_and_have_ceilings),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
