/* Which spans of a file are asked for: merging, gaps, limits. */
#include "source/gather.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static void assert_spans(const struct mlaas_range *ranges, size_t count, int64_t gap, const int64_t (*wanted)[2],
                         size_t num_wanted) {
  struct mlaas_range spans[16];
  assert_int_equal(mlaas_ranges_gather(ranges, count, gap, spans), num_wanted);
  for (size_t i = 0; i < num_wanted; i++) {
    assert_int_equal(spans[i].offset, wanted[i][0]);
    assert_int_equal(spans[i].length, wanted[i][1]);
  }
}

static void what_touches_is_one_span(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 10, NULL}, {10, 5, NULL}, {12, 3, NULL}, {20, 1, NULL}, {20, 4, NULL}};
  const int64_t wanted[][2] = {{0, 15}, {20, 4}};
  assert_spans(ranges, COUNT(ranges), 0, wanted, 2);
  assert_spans(ranges, 0, 0, wanted, 0);
}

static void gaps_are_closed_up_to_the_limit(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 1000, NULL}, {1010, 1000, NULL}, {2110, 1000, NULL}};
  const int64_t one[][2] = {{0, 3110}}, two[][2] = {{0, 2010}, {2110, 1000}};
  assert_spans(ranges, 3, 99, two, 2);
  assert_spans(ranges, 3, 100, one, 1);
}

/* A tenth of what is wanted: 300 of 3000 bytes. */
static void gaps_together_stay_below_a_tenth(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 1000, NULL}, {1100, 1000, NULL}, {2301, 1000, NULL}};
  const int64_t wanted[][2] = {{0, 2100}, {2301, 1000}};
  assert_spans(ranges, 3, 1000, wanted, 2); /* 100 + 201 would be one too many */
  const struct mlaas_range tight[] = {{0, 1000, NULL}, {1100, 1000, NULL}, {2300, 1000, NULL}};
  const int64_t all[][2] = {{0, 3300}};
  assert_spans(tight, 3, 1000, all, 1);
}

static void overlaps_are_wanted_once(void **state) {
  (void)state;
  const struct mlaas_range ranges[] = {{0, 100, NULL}, {0, 100, NULL}, {111, 10, NULL}};
  const int64_t wanted[][2] = {{0, 100}, {111, 10}}; /* 11 of 110 bytes would be a tenth: 11 <= 11 */
  const int64_t closed[][2] = {{0, 121}};
  assert_spans(ranges, 3, 10, wanted, 2);
  assert_spans(ranges, 3, 11, closed, 1);
  const struct mlaas_range wider[] = {{0, 100, NULL}, {0, 100, NULL}, {112, 10, NULL}};
  const int64_t apart[][2] = {{0, 100}, {112, 10}}; /* though 12 are less than a tenth of 210 */
  assert_spans(wider, 3, 50, apart, 2);
}

static void sorting_is_by_offset_then_length(void **state) {
  (void)state;
  struct mlaas_range ranges[] = {{5, 2, NULL}, {1, 9, NULL}, {5, 1, NULL}, {0, 3, NULL}};
  const int64_t wanted[][2] = {{0, 3}, {1, 9}, {5, 1}, {5, 2}};
  mlaas_ranges_sort(ranges, 4);
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(ranges[i].offset, wanted[i][0]);
    assert_int_equal(ranges[i].length, wanted[i][1]);
  }
}

static void pieces_cover_a_range_evenly(void **state) {
  (void)state;
  static const int64_t cases[][2] = {{1, 1}, {10, 3}, {10, 10}, {10, 11}, {11, 10}, {1000003, 4096}, {7, 0}};
  char memory[1];
  for (size_t c = 0; c < COUNT(cases); c++) {
    struct mlaas_range range = {77, cases[c][0], memory};
    int64_t most = cases[c][1], at = 77, least = INT64_MAX, longest = 0;
    size_t pieces = mlaas_pieces_of(range.length, most);
    for (size_t i = 0; i < pieces; i++) {
      struct mlaas_range piece = mlaas_piece_of(&range, most, i);
      assert_int_equal(piece.offset, at);
      assert_ptr_equal(piece.data, memory + (at - 77));
      at += piece.length;
      least = piece.length < least ? piece.length : least;
      longest = piece.length > longest ? piece.length : longest;
    }
    assert_int_equal(at, 77 + range.length);
    assert_true(most == 0 || longest <= most);
    assert_true(longest - least <= 1);
  }
}

static void requests_keep_both_limits(void **state) {
  (void)state;
  struct mlaas_wire_file limits = {.most_ranges = 2, .most_request_bytes = 100};
  assert_true(mlaas_request_takes(&limits, 0, 0, 1000)); /* any may have one */
  assert_true(mlaas_request_takes(&limits, 1, 60, 40));
  assert_false(mlaas_request_takes(&limits, 1, 60, 41));
  assert_false(mlaas_request_takes(&limits, 2, 2, 1));
}

/* Against counting each byte. */
static void random_plans_cover_all_and_waste_little(void **state) {
  (void)state;
  enum { BYTES = 4000, MOST = 60 };
  srand(6);
  for (int round = 0; round < 2000; round++) {
    struct mlaas_range ranges[MOST], spans[MOST];
    bool wanted[BYTES] = {false}, covered[BYTES] = {false};
    size_t count = (size_t)(rand() % MOST);
    for (size_t i = 0; i < count; i++) {
      int64_t offset = rand() % (BYTES - 1);
      int64_t length = 1 + rand() % (BYTES - offset < 100 ? (int)(BYTES - offset) : 100);
      ranges[i] = (struct mlaas_range){offset, length, NULL};
      memset(wanted + offset, true, (size_t)length);
    }
    mlaas_ranges_sort(ranges, count);
    int64_t gap = rand() % 200, end = -1;
    size_t num_spans = mlaas_ranges_gather(ranges, count, gap, spans);
    assert_true(num_spans <= count);
    for (size_t i = 0; i < num_spans; i++) {
      assert_true(spans[i].offset > end); /* ascending, and touching ones were merged */
      end = spans[i].offset + spans[i].length;
      memset(covered + spans[i].offset, true, (size_t)spans[i].length);
    }
    long num_wanted = 0, waste = 0;
    for (size_t i = 0; i < BYTES; i++) {
      assert_true(covered[i] || !wanted[i]);
      num_wanted += wanted[i];
      waste += covered[i] && !wanted[i];
    }
    assert_true(waste <= num_wanted / 10);
  }
}

static size_t count_requests(const struct mlaas_range *ranges, size_t count, int64_t *delivered) {
  int64_t gap = mlaas_ranges_single_gap(ranges, count), end = INT64_MIN / 2;
  size_t requests = 0;
  *delivered = 0;
  for (size_t i = 0; i < count; i++) {
    requests += ranges[i].offset - end > gap;
    *delivered += ranges[i].length + (ranges[i].offset - end <= gap ? ranges[i].offset - end : 0);
    end = ranges[i].offset + ranges[i].length;
  }
  return requests;
}

/* Where each range is a request of its own: sparse columns waste no more than a tenth, crumbs are joined. */
static void single_ranges_waste_little_and_are_not_too_many(void **state) {
  (void)state;
  static struct mlaas_range ranges[200];
  static const struct {
    int64_t length, gap;
    size_t least, most;
  } cases[] = {{20000, 1900, 1, 1},       /* a tenth: all in one */
               {20000, 30000, 200, 200},  /* none is worth its gap */
               {3000, 20000, 200, 200},   /* small, but more than their heads */
               {200, 1000, 1, 40},        /* crumbs */
               {200, 1 << 20, 200, 200}}; /* too far from each other */
  for (size_t c = 0; c < COUNT(cases); c++) {
    int64_t delivered;
    for (size_t i = 0; i < 200; i++)
      ranges[i] = (struct mlaas_range){(int64_t)i * (cases[c].length + cases[c].gap), cases[c].length, NULL};
    assert_in_range(count_requests(ranges, 200, &delivered), cases[c].least, cases[c].most);
    assert_true(cases[c].length < 2048 || delivered <= 200 * cases[c].length * 11 / 10);
    assert_in_range(count_requests(ranges, 20, &delivered), cases[c].least < 20 ? 1 : 20, 20);
    assert_true(delivered <= 20 * cases[c].length * 11 / 10); /* so few may be asked for as they are */
  }
  assert_true(mlaas_ranges_single_gap(ranges, 0) >= 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_touches_is_one_span),
      cmocka_unit_test(gaps_are_closed_up_to_the_limit),
      cmocka_unit_test(gaps_together_stay_below_a_tenth),
      cmocka_unit_test(overlaps_are_wanted_once),
      cmocka_unit_test(sorting_is_by_offset_then_length),
      cmocka_unit_test(pieces_cover_a_range_evenly),
      cmocka_unit_test(requests_keep_both_limits),
      cmocka_unit_test(random_plans_cover_all_and_waste_little),
      cmocka_unit_test(single_ranges_waste_little_and_are_not_too_many),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
