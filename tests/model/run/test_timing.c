/* Planning by measured costs against all ways to split, and measuring models whose costs and answers are known. */
#include "model/run/timing.h"
#include "net/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

/* ---- the plan ---- */

/* Least cost of `n` rows over all ways to write it as a sum, found by trying every one. */
static int64_t try_all(const int64_t *cost, int n, int most) {
  int64_t best = n == 0 ? 0 : INT64_MAX;
  for (int s = 1; s <= n && s <= most; s++) {
    int64_t rest = try_all(cost, n - s, s); /* parts fall in size */
    if (cost[s] + rest < best)
      best = cost[s] + rest;
  }
  return best;
}

static void the_plan_costs_as_little_as_any(void **state) {
  (void)state;
  srandom(7);
  for (int round = 0; round < 40; round++) {
    struct mlaas_timing timing = {.most = 24};
    for (int n = 1; n <= timing.most; n++)
      timing.cost[n] = round % 2 ? 1 + random() % 50 : 10 + n + random() % (1 + n / 2);
    mlaas_timing_plan(&timing);
    for (int n = 1; n <= timing.most; n++) {
      int64_t total = 0;
      for (int left = n; left > 0; left -= timing.first[left]) {
        assert_in_range(timing.first[left], 1, left);
        total += timing.cost[timing.first[left]];
      }
      assert_int_equal(total, try_all(timing.cost, n, n));
    }
  }
}

static void a_dear_size_is_split(void **state) {
  (void)state;
  struct mlaas_timing timing = {.most = 8, .cost = {0, 185, 190, 195, 200, 400, 450, 500, 550}}; /* a frozen graph's */
  mlaas_timing_plan(&timing);
  assert_int_equal(timing.first[8], 4);
  assert_int_equal(timing.first[4], 4);
  timing.cost[8] = 390;
  mlaas_timing_plan(&timing);
  assert_int_equal(timing.first[8], 8);
}

static void of_equal_splits_the_largest_run_is_taken(void **state) {
  (void)state;
  struct mlaas_timing timing = {.most = 16};
  for (int n = 1; n <= 16; n++)
    timing.cost[n] = 10 * n;
  mlaas_timing_plan(&timing);
  for (int n = 1; n <= 16; n++)
    assert_int_equal(timing.first[n], n);
}

static void short_runs_are_for_the_loop(void **state) {
  (void)state;
  struct mlaas_timing timing = {.most = 2, .cost = {0, 1000000, 1900000}};
  mlaas_timing_plan(&timing);
  assert_true(timing.on_loop);
  timing.cost[2] = 2100000; /* never run: twice one is cheaper */
  mlaas_timing_plan(&timing);
  assert_true(timing.on_loop);
  timing.cost[1] = 1900000; /* now it is */
  mlaas_timing_plan(&timing);
  assert_false(timing.on_loop);
}

/* ---- measuring ---- */

/* More than is needed, also where this thread does not run for seconds. */
enum { PATIENCE_MS = 120000 };

struct fake {
  int64_t row_ns, run_ns; /* what a run takes */
  int fails_at;           /* number of rows from which on it fails; 0: never */
  int ignores;            /* outputs have one row, whatever is asked */
  int runs, largest, bad_inputs;
  float y[MLAAS_BATCH_MOST];
};

/* A long time is slept, a short one is computed: what others do on the core meanwhile does not count. */
static void work(int64_t ns) {
  struct timespec time = {ns / 1000000000, ns % 1000000000};
  if (ns >= 10000000) {
    nanosleep(&time, NULL);
    return;
  }
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  for (int64_t end = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec + ns, now = 0; now < end;
       now = (int64_t)time.tv_sec * 1000000000 + time.tv_nsec)
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
}

static enum mlaas_status run_fake(void *model, const struct mlaas_tensor *inputs, struct mlaas_tensor *outputs,
                                  void **held, struct mlaas_error *error) {
  struct fake *fake = model;
  int rows = (int)inputs[0].shape[0];
  fake->runs++;
  if (rows > fake->largest)
    fake->largest = rows;
  const float *x = inputs[0].data;
  const int32_t *k = inputs[1].data;
  const struct mlaas_blob *text = inputs[2].data;
  for (int i = 0; i < rows; i++)
    fake->bad_inputs += x[i * 3] != 0 || k[i] != 1 || text[i].size != 0;
  if (fake->fails_at && rows >= fake->fails_at)
    return mlaas_backend_fail(error, MLAAS_INTERNAL, "so many rows it does not take");
  work(fake->run_ns + rows * fake->row_ns);
  outputs[0] = (struct mlaas_tensor){MLAAS_DTYPE_FLOAT32, 1, {fake->ignores ? 1 : rows}, fake->y, 0};
  outputs[0].size = (size_t)outputs[0].shape[0] * sizeof(float);
  *held = fake;
  return MLAAS_OK;
}

static void release_fake(void *model, void *held) { assert_ptr_equal(model, held); }

static const struct mlaas_backend fake_backend = {.name = "fake", .run = run_fake, .release = release_fake};
static const struct mlaas_tensor_info fake_inputs[] = {{"x", MLAAS_DTYPE_FLOAT32, 3, {-1, 3, -1}},
                                                       {"k", MLAAS_DTYPE_INT32, 1, {-1}},
                                                       {"text", MLAAS_DTYPE_BYTES, 2, {-1, 1}}};
static const struct mlaas_tensor_info fake_outputs[] = {{"y", MLAAS_DTYPE_FLOAT32, 1, {-1}}};

static struct mlaas_model model_of(struct fake *fake) {
  return (struct mlaas_model){.backend = &fake_backend,
                              .opened = fake,
                              .inputs = fake_inputs,
                              .num_inputs = 3,
                              .outputs = fake_outputs,
                              .num_outputs = 1,
                              .batchable = true};
}

static void costs_are_what_runs_take(void **state) {
  (void)state;
  struct fake fake = {.row_ns = 1000, .run_ns = 20000};
  struct mlaas_model model = model_of(&fake);
  struct mlaas_timing timing;
  assert_int_equal(mlaas_timing_measure(&model, 1000, PATIENCE_MS, &timing, NULL), MLAAS_OK);
  assert_int_equal(timing.most, MLAAS_BATCH_MOST);
  assert_int_equal(fake.bad_inputs, 0);
  assert_true(model.batchable);
  for (int n = 1; n <= timing.most; n++)
    assert_true(timing.cost[n] >= 20000); /* at least: the machine may be busy */
  assert_true(timing.cost[MLAAS_BATCH_MOST] >= 20000 + MLAAS_BATCH_MOST * 1000);
  assert_in_range(timing.cost[3], timing.cost[2] < timing.cost[4] ? timing.cost[2] : timing.cost[4],
                  timing.cost[2] < timing.cost[4] ? timing.cost[4] : timing.cost[2]); /* interpolated */
}

static void not_more_rows_are_tried_than_asked(void **state) {
  (void)state;
  for (int most = 1; most <= 20; most += 19 - 1) {
    struct fake fake = {0};
    struct mlaas_model model = model_of(&fake);
    struct mlaas_timing timing;
    assert_int_equal(mlaas_timing_measure(&model, most, PATIENCE_MS, &timing, NULL), MLAAS_OK);
    assert_int_equal(timing.most, most);
    assert_int_equal(fake.largest, most);
  }
}

static void sizes_that_fail_are_never_run(void **state) {
  (void)state;
  struct fake fake = {.fails_at = 12};
  struct mlaas_model model = model_of(&fake);
  struct mlaas_timing timing;
  assert_int_equal(mlaas_timing_measure(&model, 64, PATIENCE_MS, &timing, NULL), MLAAS_OK);
  assert_int_equal(timing.most, 8);
  assert_true(model.batchable);
  fake.fails_at = 1;
  assert_int_equal(mlaas_timing_measure(&model, 64, PATIENCE_MS, &timing, NULL), MLAAS_OK);
  assert_int_equal(timing.most, 1);
  assert_int_equal(timing.cost[1], 0);
  assert_false(timing.on_loop); /* nothing is known */
  assert_false(model.batchable);
}

static void rows_that_do_not_follow_are_never_joined(void **state) {
  (void)state;
  struct fake fake = {.ignores = 1};
  struct mlaas_model model = model_of(&fake);
  struct mlaas_timing timing;
  assert_int_equal(mlaas_timing_measure(&model, 64, PATIENCE_MS, &timing, NULL), MLAAS_OK);
  assert_int_equal(timing.most, 1);
  assert_int_equal(timing.first[1], 1);
  assert_false(model.batchable);
}

static void a_slow_model_is_measured_within_its_time(void **state) {
  (void)state;
  struct fake fake = {.run_ns = 30000000};
  struct mlaas_model model = model_of(&fake);
  struct mlaas_timing timing;
  assert_int_equal(mlaas_timing_measure(&model, 64, 10, &timing, NULL), MLAAS_OK);
  assert_int_equal(timing.most, 1); /* no time was left to see what more rows cost */
  assert_int_equal(fake.runs, 2);   /* the first could have been slow for its own reasons */
  assert_true(timing.cost[1] >= 29000000);
  assert_false(timing.on_loop);
}

static void running_out_of_memory_is_said_or_measured_without(void **state) {
  (void)state;
  for (long n = 1; n < 30; n++) {
    struct fake fake = {0};
    struct mlaas_model model = model_of(&fake);
    struct mlaas_timing timing;
    struct mlaas_error error;
    mlaas_memory_fail(n, true);
    enum mlaas_status status = mlaas_timing_measure(&model, 4, 1000, &timing, &error);
    mlaas_memory_fail(0, false);
    if (status != MLAAS_OK)
      assert_int_equal(error.status, MLAAS_MEMORY);
    else
      assert_in_range(timing.most, 1, 4);
    assert_int_equal(status == MLAAS_OK, n > 5); /* outputs, inputs and the three of them for one row */
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_plan_costs_as_little_as_any),
      cmocka_unit_test(a_dear_size_is_split),
      cmocka_unit_test(of_equal_splits_the_largest_run_is_taken),
      cmocka_unit_test(short_runs_are_for_the_loop),
      cmocka_unit_test(costs_are_what_runs_take),
      cmocka_unit_test(not_more_rows_are_tried_than_asked),
      cmocka_unit_test(sizes_that_fail_are_never_run),
      cmocka_unit_test(rows_that_do_not_follow_are_never_joined),
      cmocka_unit_test(a_slow_model_is_measured_within_its_time),
      cmocka_unit_test(running_out_of_memory_is_said_or_measured_without),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
