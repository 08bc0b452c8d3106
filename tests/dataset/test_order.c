/* The order of an epoch: every row once, exact proportions in every window, disjoint shards of equal length. */
#include "dataset/order.h"
#include "dataset/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { FILES = 3, ENTRIES = 150000 };

static const int64_t entries[FILES] = {ENTRIES, 0, 33333};
static struct mlaas_budget *budget;
static struct mlaas_plan plan;

/* Row i of a piece is of part i % 5 clipped to 2: three fifths test, the rest shared by train and validation. */
static int set_up(void **state) {
  (void)state;
  static int64_t clusters[FILES][64];
  struct mlaas_plan_source sources[FILES];
  for (size_t f = 0; f < FILES; f++) {
    size_t count = 0;
    for (int64_t start = 0; start < entries[f]; start += 20000)
      clusters[f][count++] = start;
    sources[f] = (struct mlaas_plan_source){entries[f], clusters[f], count, 0, false, 0};
  }
  budget = mlaas_budget_new(64 << 20);
  if (mlaas_plan_init(&plan, budget, sources, FILES, -1, NULL) != MLAAS_OK)
    return -1;
  static int8_t parts[MLAAS_PIECE_ROWS];
  for (size_t p = 0; p < plan.num_pieces; p++) {
    for (int64_t i = 0; i < plan.pieces[p].stop - plan.pieces[p].start; i++)
      parts[i] = (int8_t)(i % 5 < 2 ? i % 5 : 2);
    mlaas_plan_set_parts(&plan, p, parts);
  }
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  mlaas_plan_reset(&plan);
  mlaas_budget_put(budget);
  return 0;
}

/* The entries of a run, one after the other. */
static int64_t entry_of(const struct mlaas_run *run, unsigned set, int64_t nth) {
  const struct mlaas_piece *piece = &plan.pieces[run->piece];
  int64_t seen = 0;
  for (int64_t i = 0; i < piece->stop - piece->start; i++) {
    int part = mlaas_plan_part(&plan, piece->row + i) & 3;
    if (set >> part & 1 && seen++ == run->skip + nth)
      return piece->start + i;
  }
  fail();
  return -1;
}

/* Counts in seen[file] how often each row (of the set, by its order in the file's stream) was delivered. */
static void walk(const struct mlaas_order_options *options, int64_t window, uint8_t *seen[FILES], int64_t *delivered) {
  struct mlaas_arena arena;
  struct mlaas_order order;
  mlaas_arena_init(&arena, budget);
  assert_int_equal(mlaas_order_init(&order, &plan, options, &arena, NULL), MLAAS_OK);
  assert_int_equal(order.rows, mlaas_order_num_rows(&plan, options->set, options->world));
  for (int64_t first = 0; first < order.rows; first += window) {
    int64_t rows = window < order.rows - first ? window : order.rows - first, sum = 0;
    const int64_t *from, *taken;
    mlaas_order_window(&order, first, rows, &from, &taken);
    assert_int_equal(order.num_lanes, options->shuffle ? FILES : 1);
    for (size_t lane = 0; lane < order.num_lanes; lane++) {
      sum += taken[lane]; /* in proportion to what the shard has of each lane */
      double exact = (double)rows * (double)order.sizes[lane] / (double)order.rows;
      assert_true((double)taken[lane] > exact - 2 && (double)taken[lane] < exact + 2);
      for (int64_t at = from[lane], left = taken[lane]; left > 0;) {
        struct mlaas_run run = mlaas_order_run(&order, lane, at, left);
        size_t f = plan.pieces[run.piece].file;
        assert_true(run.take > 0 && run.take <= left && (!options->shuffle || f == lane));
        int64_t start = entry_of(&run, options->set, 0), stop = entry_of(&run, options->set, run.take - 1);
        for (int64_t entry = start; entry <= stop; entry++)
          if (options->set >>
                  (mlaas_plan_part(&plan, plan.pieces[run.piece].row + entry - plan.pieces[run.piece].start) & 3) &
              1)
            seen[f][entry]++;
        at += run.take;
        left -= run.take;
      }
    }
    assert_int_equal(sum, rows);
    *delivered += rows;
  }
  mlaas_arena_reset(&arena);
}

static void check_every_row(unsigned set, bool shuffle, int64_t world) {
  uint8_t *seen[FILES];
  int64_t delivered = 0, all = 0;
  for (size_t f = 0; f < FILES; f++)
    seen[f] = calloc(1, (size_t)entries[f] + 1);
  for (int64_t rank = 0; rank < world; rank++) {
    struct mlaas_order_options options = {set, shuffle, 7, 3, rank, world, 0};
    walk(&options, 4096, seen, &delivered);
  }
  int64_t ones = 0;
  for (size_t f = 0; f < FILES; f++) {
    all += mlaas_plan_rows(&plan, f, set);
    for (int64_t i = 0; i < entries[f]; i++) {
      assert_true(seen[f][i] <= 1);
      ones += seen[f][i];
    }
    free(seen[f]);
  }
  assert_int_equal(delivered, all / world * world);
  assert_int_equal(ones, delivered);
}

static void test_every_row_once(void **state) {
  (void)state;
  check_every_row(MLAAS_PARTS_ALL, true, 1);
  check_every_row(MLAAS_PARTS_TRAIN, true, 1);
  check_every_row(MLAAS_PARTS_TEST, false, 1);
}

static void test_shards_are_disjoint_and_equal(void **state) {
  (void)state;
  check_every_row(MLAAS_PARTS_TRAIN, true, 7);
  check_every_row(MLAAS_PARTS_ALL, false, 4);
}

static void test_without_shuffle_the_order_is_the_files(void **state) {
  (void)state;
  struct mlaas_arena arena;
  struct mlaas_order order;
  struct mlaas_order_options options = {.set = MLAAS_PARTS_ALL, .world = 1};
  mlaas_arena_init(&arena, budget);
  assert_int_equal(mlaas_order_init(&order, &plan, &options, &arena, NULL), MLAAS_OK);
  const int64_t *from, *taken;
  mlaas_order_window(&order, ENTRIES - 10, 30, &from, &taken);
  assert_int_equal(order.num_lanes, 1);
  assert_int_equal(from[0], ENTRIES - 10);
  struct mlaas_run run = mlaas_order_run(&order, 0, from[0], taken[0]);
  assert_int_equal(entry_of(&run, MLAAS_PARTS_ALL, 0), ENTRIES - 10);
  assert_int_equal(run.take, 10);
  run = mlaas_order_run(&order, 0, from[0] + 10, taken[0] - 10);
  assert_int_equal(plan.pieces[run.piece].file, 2);
  assert_int_equal(entry_of(&run, MLAAS_PARTS_ALL, 0), 0);
  assert_int_equal(run.take, 20);
  mlaas_arena_reset(&arena);
}

static void test_epochs_differ_and_repeat(void **state) {
  (void)state;
  struct mlaas_arena arena;
  struct mlaas_order orders[3];
  mlaas_arena_init(&arena, budget);
  for (uint64_t i = 0; i < 3; i++) {
    struct mlaas_order_options options = {MLAAS_PARTS_TRAIN, true, 7, i % 2, 0, 1, 0};
    assert_int_equal(mlaas_order_init(&orders[i], &plan, &options, &arena, NULL), MLAAS_OK);
  }
  size_t bytes = plan.num_pieces * sizeof orders[0].pieces[0];
  assert_memory_equal(orders[0].pieces, orders[2].pieces, bytes);
  assert_memory_not_equal(orders[0].pieces, orders[1].pieces, bytes);
  mlaas_arena_reset(&arena);
}

/* A thousand files in two groups: few lanes, each of one group, and every window has its share of both. */
static void test_many_files_share_lanes(void **state) {
  (void)state;
  enum { MANY = 1000, ROWS = 400 };
  static struct mlaas_plan_source sources[MANY];
  int64_t start = 0;
  for (size_t f = 0; f < MANY; f++)
    sources[f] = (struct mlaas_plan_source){ROWS + (int64_t)f, &start, 1, f % 10 == 0, false, 0};
  struct mlaas_plan many;
  struct mlaas_arena arena;
  struct mlaas_order order;
  struct mlaas_order_options options = {.set = MLAAS_PARTS_ALL, .shuffle = true, .world = 1};
  assert_int_equal(mlaas_plan_init(&many, budget, sources, MANY, -1, NULL), MLAAS_OK);
  mlaas_arena_init(&arena, budget);
  options.lanes = 1; /* fewer than there are groups */
  assert_int_equal(mlaas_order_init(&order, &many, &options, &arena, NULL), MLAAS_OK);
  assert_int_equal(order.num_lanes, 2);
  options.lanes = 0;
  assert_int_equal(mlaas_order_init(&order, &many, &options, &arena, NULL), MLAAS_OK);
  assert_in_range(order.num_lanes, 20, MLAAS_LANES);
  size_t pieces = 0;
  for (size_t lane = 0; lane < order.num_lanes; lane++) {
    size_t group = many.files[many.pieces[order.pieces[order.lanes[lane].first]].file].group;
    for (size_t i = 0; i < order.lanes[lane].count; i++, pieces++)
      assert_int_equal(many.files[many.pieces[order.pieces[order.lanes[lane].first + i]].file].group, group);
  }
  assert_int_equal(pieces, many.num_pieces);
  mlaas_arena_reset(&arena);
  mlaas_plan_reset(&many);
}

static void test_permutations_are_uniform(void **state) {
  (void)state;
  int64_t counts[4][4] = {{0}};
  for (uint64_t i = 0; i < 40000; i++) {
    struct mlaas_random random = mlaas_random_new(1, 2, i);
    int32_t values[4] = {0};
    mlaas_random_permutation(&random, values, 4);
    for (int j = 0; j < 4; j++)
      counts[j][values[j]]++;
  }
  for (int j = 0; j < 4; j++)
    for (int k = 0; k < 4; k++)
      assert_in_range(counts[j][k], 10000 - 450, 10000 + 450); /* five standard deviations */
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_row_once),
      cmocka_unit_test(test_shards_are_disjoint_and_equal),
      cmocka_unit_test(test_without_shuffle_the_order_is_the_files),
      cmocka_unit_test(test_epochs_differ_and_repeat),
      cmocka_unit_test(test_many_files_share_lanes),
      cmocka_unit_test(test_permutations_are_uniform),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
