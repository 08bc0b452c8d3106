/* Quotas, units and pieces: nothing lost, sums exact, samples spread over the file. */
#include "dataset/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MANY = 400 };

static int64_t sum_of(const int64_t *values, size_t count) {
  int64_t sum = 0;
  for (size_t i = 0; i < count; i++)
    sum += values[i];
  return sum;
}

/* Every row of the table of takes in the notes on the original: there rows were lost, here none may be. */
static void test_apportion_loses_nothing(void **state) {
  (void)state;
  static const struct {
    int64_t sizes[9];
    size_t count;
    int64_t total;
  } cases[] = {
      {{476963, 491653}, 2, 50000},
      {{1000, 1030}, 2, 500},
      {{1000, 1030}, 2, -1},
      {{38036, 20000, 90000, 60000, 30000, 40000, 20000, 30000, 21964}, 9, -1},
      {{38036, 20000, 90000, 60000, 30000, 40000, 20000, 30000, 21964}, 9, 97},
      {{100, 100, 100, 100, 100, 100, 100}, 7, -1},
      {{100, 100, 100, 100, 100, 100, 100}, 7, 350},
      {{100000, 10, 5000}, 3, -1},
      {{10, 100000}, 2, -1},
      {{10, 100000}, 2, 1},
      {{1000, 1030}, 2, 1},
      {{1000, 1030}, 2, 5000},
      {{0, 0}, 2, 10},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    int64_t all = sum_of(cases[i].sizes, cases[i].count), shares[9];
    int64_t asked = cases[i].total < 0 || cases[i].total > all ? all : cases[i].total;
    assert_int_equal(mlaas_plan_apportion(cases[i].sizes, cases[i].count, asked, shares, NULL), MLAAS_OK);
    assert_int_equal(sum_of(shares, cases[i].count), asked);
    for (size_t f = 0; f < cases[i].count && all; f++) {
      double exact = (double)asked * (double)cases[i].sizes[f] / (double)all;
      assert_true(shares[f] > exact - 1 && shares[f] < exact + 1 && shares[f] <= cases[i].sizes[f]);
    }
  }
}

static void test_apportion_gives_the_largest_remainders(void **state) {
  (void)state;
  int64_t sizes[] = {53, 24, 23}, shares[3];
  assert_int_equal(mlaas_plan_apportion(sizes, 3, 10, shares, NULL), MLAAS_OK); /* 5.3, 2.4, 2.3 */
  assert_int_equal(shares[0], 5);
  assert_int_equal(shares[1], 3);
  assert_int_equal(shares[2], 2);
}

/* Against the definition: sort all rows by their place. */
static void test_interleave_is_the_sorted_stream(void **state) {
  (void)state;
  int64_t sizes[] = {17, 0, 5, 40, 1}, taken[5], done[5] = {0};
  int64_t all = sum_of(sizes, 5);
  for (int64_t rows = 0; rows <= all; rows++) {
    mlaas_plan_interleave(sizes, 5, rows, taken);
    assert_memory_equal(taken, done, sizeof done);
    size_t next = 5;
    double least = 2;
    for (size_t f = 0; f < 5; f++) {
      double place = sizes[f] ? (2.0 * (double)done[f] + 1) / (2.0 * (double)sizes[f]) : 2;
      if (done[f] < sizes[f] && place < least) {
        least = place;
        next = f;
      }
    }
    if (next < 5)
      done[next]++;
  }
  assert_memory_equal(taken, sizes, sizeof sizes);
}

static void test_interleave_keeps_proportions_of_large_files(void **state) {
  (void)state;
  int64_t sizes[] = {476963000000, 491653000000, 3}, taken[3];
  int64_t all = sum_of(sizes, 3);
  for (int64_t rows = 1; rows < all; rows = rows * 7 + 3) {
    mlaas_plan_interleave(sizes, 3, rows, taken);
    assert_int_equal(sum_of(taken, 3), rows);
    for (size_t f = 0; f < 3; f++) {
      long double exact = (long double)rows * (long double)sizes[f] / (long double)all;
      assert_true((long double)taken[f] > exact - 1.001L && (long double)taken[f] < exact + 1.001L);
    }
  }
}

/* ---- plans ---- */

struct files {
  struct mlaas_plan_source sources[4];
  int64_t clusters[4][MANY];
};

static void set_file(struct files *files, size_t i, int64_t entries, int64_t cluster) {
  size_t count = 0;
  for (int64_t start = 0; start < entries && count < MANY; start += cluster)
    files->clusters[i][count++] = start;
  files->sources[i] = (struct mlaas_plan_source){entries, files->clusters[i], count, 0, false, 0};
}

static void check_plan(const struct mlaas_plan *plan, const struct files *files) {
  int64_t row = 0;
  for (size_t f = 0; f < plan->num_files; f++) {
    const struct mlaas_plan_file *file = &plan->files[f];
    int64_t rows = 0, last = 0;
    size_t piece = file->first_piece;
    for (size_t u = file->first_unit; u < file->first_unit + file->num_units; u++) {
      assert_int_equal(plan->units[u].first, piece);
      piece += plan->units[u].count;
    }
    assert_int_equal(piece, file->first_piece + file->num_pieces);
    for (size_t p = file->first_piece; p < piece; p++) {
      const struct mlaas_piece *x = &plan->pieces[p];
      assert_true(x->start >= last && x->stop >= x->start && x->stop - x->start <= MLAAS_PIECE_ROWS);
      assert_true(x->stop <= files->sources[f].entries && x->row % 4 == 0 && x->row >= row);
      rows += x->stop - x->start;
      last = x->stop;
      row = x->row + (x->stop - x->start);
    }
    assert_int_equal(rows, file->quota);
    assert_int_equal(mlaas_plan_rows(plan, f, MLAAS_PARTS_TRAIN), rows);
  }
}

static void test_plan_covers_every_entry(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct files files;
  set_file(&files, 0, 200000, 200000); /* one cluster */
  set_file(&files, 1, 179795, 35959);
  set_file(&files, 2, 0, 10);
  set_file(&files, 3, 3900, 10); /* tiny clusters: joined */
  struct mlaas_plan plan;
  assert_int_equal(mlaas_plan_init(&plan, budget, files.sources, 4, -1, NULL), MLAAS_OK);
  check_plan(&plan, &files);
  for (size_t f = 0; f < 4; f++)
    assert_int_equal(plan.files[f].quota, files.sources[f].entries);
  assert_int_equal(plan.files[0].num_units, 1);
  assert_int_equal(plan.files[1].num_units, 5);
  for (size_t u = 0; u < 5; u++) /* units are clusters */
    assert_int_equal(plan.pieces[plan.units[plan.files[1].first_unit + u].first].start, 35959 * u);
  assert_int_equal(plan.files[3].num_units, 1);
  mlaas_plan_reset(&plan);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

/* Only what is short is joined. */
static void test_units_end_at_clusters(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  int64_t clusters[] = {0, 100, 150100, 150200, 500000};
  struct mlaas_plan_source source = {600000, clusters, 5, 0, false, 0};
  struct mlaas_plan plan;
  assert_int_equal(mlaas_plan_init(&plan, budget, &source, 1, -1, NULL), MLAAS_OK);
  for (size_t c = 0; c < 5; c++) {
    size_t found = 0;
    for (size_t u = 0; u < plan.num_units; u++)
      found += plan.pieces[plan.units[u].first].start == clusters[c];
    assert_int_equal(found, 1);
  }
  mlaas_plan_reset(&plan);
  mlaas_budget_put(budget);
}

static void test_samples_are_exact_and_spread(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct files files;
  set_file(&files, 0, 476963, 476963);
  set_file(&files, 1, 491653, 30000);
  set_file(&files, 2, 7, 7);
  for (int64_t wanted = 0; wanted < 1200000; wanted = wanted * 3 + 1) {
    struct mlaas_plan plan;
    assert_int_equal(mlaas_plan_init(&plan, budget, files.sources, 3, wanted, NULL), MLAAS_OK);
    check_plan(&plan, &files);
    int64_t all = 476963 + 491653 + 7, quota = plan.files[0].quota;
    assert_int_equal(quota + plan.files[1].quota + plan.files[2].quota, wanted < all ? wanted : all);
    int64_t quarters[4] = {0};
    for (size_t p = 0; p < plan.files[0].num_pieces; p++)
      quarters[plan.pieces[p].start * 4 / 476963] += plan.pieces[p].stop - plan.pieces[p].start;
    for (size_t q = 0; q < 4 && quota >= 100; q++)
      assert_true(quarters[q] > quota / 6 && quarters[q] < quota * 2 / 5);
    mlaas_plan_reset(&plan);
  }
  mlaas_budget_put(budget);
}

static void test_parts_are_kept(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct files files;
  set_file(&files, 0, 50001, 20001);
  struct mlaas_plan plan;
  assert_int_equal(mlaas_plan_init(&plan, budget, files.sources, 1, -1, NULL), MLAAS_OK);
  int8_t *parts = malloc(MLAAS_PIECE_ROWS);
  int64_t count[4] = {0};
  for (size_t p = 0; p < plan.num_pieces; p++) {
    for (int64_t i = 0; i < plan.pieces[p].stop - plan.pieces[p].start; i++) {
      parts[i] = (int8_t)((i * 7 + (int64_t)p) % 11 % 4 - 1);
      count[parts[i] & 3]++;
    }
    mlaas_plan_set_parts(&plan, p, parts);
    for (int64_t i = 0; i < plan.pieces[p].stop - plan.pieces[p].start; i++)
      assert_int_equal(mlaas_plan_part(&plan, plan.pieces[p].row + i), (i * 7 + (int64_t)p) % 11 % 4 - 1);
  }
  free(parts);
  for (unsigned part = 0; part < 4; part++)
    assert_int_equal(mlaas_plan_rows(&plan, 0, 1u << part), count[part]);
  assert_int_equal(mlaas_plan_rows(&plan, 0, MLAAS_PARTS_ALL), 50001);
  mlaas_plan_reset(&plan);
  mlaas_budget_put(budget);
}

static void test_failing_allocations(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct files files;
  set_file(&files, 0, 50001, 20001);
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_plan plan;
    struct mlaas_error error;
    mlaas_memory_fail(n, false);
    status = mlaas_plan_init(&plan, budget, files.sources, 1, 1000, &error);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    assert_true(n < 100);
    mlaas_plan_reset(&plan);
    assert_int_equal(mlaas_budget_held(budget), 0);
  }
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_apportion_loses_nothing),
      cmocka_unit_test(test_apportion_gives_the_largest_remainders),
      cmocka_unit_test(test_interleave_is_the_sorted_stream),
      cmocka_unit_test(test_interleave_keeps_proportions_of_large_files),
      cmocka_unit_test(test_plan_covers_every_entry),
      cmocka_unit_test(test_units_end_at_clusters),
      cmocka_unit_test(test_samples_are_exact_and_spread),
      cmocka_unit_test(test_parts_are_kept),
      cmocka_unit_test(test_failing_allocations),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
