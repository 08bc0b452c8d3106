/* Requests that are run on their loop: what is joined, split, kept apart, late, cancelled, and that nobody gets
 * another's rows.
 */
#include "batching.h"

static struct subject the_subject;
static struct side the_side;

static void begin(int most) {
  make_subject(&the_subject, most);
  open_side(&the_side, 0);
}

static void end(void) {
  close_side(&the_side);
  check_subject(&the_subject);
}

#define REQUEST(rows, begin) new_request(&the_subject, rows, 1, begin)

static void expect_runs(int count, const int *rows) {
  assert_int_equal(the_subject.fake.num_runs, count);
  for (int i = 0; i < count; i++)
    assert_int_equal(the_subject.fake.rows[i], rows[i]);
}
#define EXPECT_RUNS(...) expect_runs((int)(sizeof((int[]){__VA_ARGS__}) / sizeof(int)), (const int[]){__VA_ARGS__})

static void what_comes_together_is_run_together(void **state) {
  (void)state;
  begin(64);
  struct request *a = REQUEST(1, 1), *b = REQUEST(1, 20), *c = REQUEST(3, 300), *d = REQUEST(1, 4000);
  SUBMIT(&the_side, a, b, c, d);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  expect(c, MLAAS_OK);
  expect(d, MLAAS_OK);
  EXPECT_RUNS(6);
  struct request *alone = REQUEST(2, 7);
  SUBMIT(&the_side, alone);
  expect(alone, MLAAS_OK);
  EXPECT_RUNS(6, 2);
  const struct mlaas_model_stats *stats = &the_subject.instance.stats;
  assert_int_equal(stats->succeeded, 5);
  assert_int_equal(stats->rows, 8);
  assert_int_equal(stats->runs, 2);
  assert_int_equal(stats->batch.sum, 8);
  assert_int_equal(stats->batch.count, 2);
  assert_int_equal(stats->batch.bucket[3], 1);
  assert_int_equal(stats->request.count, 5);
  assert_int_equal(stats->queue.count, 5);
  assert_int_equal(stats->compute.count, 2);
  end();
}

static void what_waits_is_split_as_planned(void **state) {
  (void)state;
  begin(8);
  int64_t *cost = the_subject.instance.timing.cost;
  for (int n = 1; n <= 8; n++)
    cost[n] = n <= 4 ? 100 : 1000; /* more than four are a trap */
  mlaas_timing_plan(&the_subject.instance.timing);
  struct request *requests[7] = {NULL};
  for (int i = 0; i < 6; i++)
    requests[i] = REQUEST(1, (float)i);
  tell(&the_side, do_submit, requests);
  for (int i = 0; i < 6; i++)
    expect(requests[i], MLAAS_OK);
  EXPECT_RUNS(4, 2);
  struct request *a = REQUEST(3, 10), *b = REQUEST(3, 20), *c = REQUEST(1, 30);
  SUBMIT(&the_side, a, b, c); /* requests are not cut for it: 3, then 3 and 1 */
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  expect(c, MLAAS_OK);
  EXPECT_RUNS(4, 2, 3, 4);
  end();
}

static void rows_of_other_shapes_stay_apart(void **state) {
  (void)state;
  begin(64);
  struct request *a = REQUEST(1, 1), *b = new_request(&the_subject, 2, 3, 50), *c = REQUEST(1, 3),
                 *d = new_request(&the_subject, 1, 3, 70);
  SUBMIT(&the_side, a, b, c, d);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  expect(c, MLAAS_OK);
  expect(d, MLAAS_OK);
  EXPECT_RUNS(2, 3);
  end();
}

static void large_requests_are_run_in_parts(void **state) {
  (void)state;
  begin(4);
  struct request *large = REQUEST(15, 0), *small = REQUEST(1, 100), *also = REQUEST(2, 200);
  SUBMIT(&the_side, large, small, also);
  wait_for(&large->done);
  sem_post(&large->done);
  assert_true(large->order == 3); /* others go first when a part is done */
  expect(large, MLAAS_OK);
  expect(small, MLAAS_OK);
  expect(also, MLAAS_OK);
  EXPECT_RUNS(4, 3, 4, 4, 3);
  end();
}

static void large_requests_are_late_or_cancelled_between_parts(void **state) {
  (void)state;
  begin(4);
  struct request *large = REQUEST(16, 0), *first = REQUEST(1, 1);
  first->cancels = large;
  SUBMIT(&the_side, large, first);
  expect(large, MLAAS_CANCELLED);
  expect(first, MLAAS_OK);
  EXPECT_RUNS(4, 1);
  end();
}

static void what_cannot_be_joined_is_run_as_it_is(void **state) {
  (void)state;
  begin(1);
  the_subject.model.batchable = false;
  struct request *a = REQUEST(7, 1), *b = REQUEST(1, 30);
  SUBMIT(&the_side, a, b);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  EXPECT_RUNS(7, 1);
  end();
}

static void batching_can_be_off(void **state) {
  (void)state;
  begin(1);
  struct request *a = REQUEST(1, 1), *b = REQUEST(3, 30);
  SUBMIT(&the_side, a, b);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  EXPECT_RUNS(1, 1, 1, 1);
  end();
}

static void a_bad_request_fails_alone(void **state) {
  (void)state;
  begin(64);
  struct request *a = REQUEST(1, 1), *bad = REQUEST(1, NAN), *b = REQUEST(2, 5);
  SUBMIT(&the_side, a, bad, b);
  wait_for(&bad->done);
  sem_post(&bad->done);
  assert_string_equal(bad->message, "a NaN it does not take");
  expect(a, MLAAS_OK);
  expect(bad, MLAAS_ARGUMENT);
  expect(b, MLAAS_OK);
  EXPECT_RUNS(4, 1, 1, 2);
  assert_int_equal(the_subject.instance.stats.failed, 1);
  assert_int_equal(the_subject.instance.stats.succeeded, 2);
  end();
}

static void the_late_are_not_run(void **state) {
  (void)state;
  begin(64);
  struct request *late = REQUEST(1, 1), *good = REQUEST(1, 2);
  late->infer.deadline = mlaas_now() - 1;
  good->infer.deadline = mlaas_now() + 60000000000;
  SUBMIT(&the_side, late, good);
  expect(late, MLAAS_TIMEOUT);
  expect(good, MLAAS_OK);
  EXPECT_RUNS(1);
  assert_int_equal(the_subject.instance.stats.timed_out, 1);
  end();
}

static void submit_and_cancel(struct side *side, void *argument) {
  struct request **list = argument;
  do_submit(side, list);
  mlaas_infer_cancel(&list[1]->infer);
  assert_int_equal(list[1]->calls, 1); /* at once */
  mlaas_infer_cancel(&list[1]->infer); /* it is over: nothing happens */
}

static void cancelled_ones_are_taken_out(void **state) {
  (void)state;
  begin(64);
  struct request *a = REQUEST(1, 1), *gone = REQUEST(5, 10), *b = REQUEST(1, 30);
  tell(&the_side, submit_and_cancel, (struct request *[]){a, gone, b, NULL});
  expect(gone, MLAAS_CANCELLED);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  EXPECT_RUNS(2);
  assert_int_equal(the_subject.instance.stats.cancelled, 1);
  end();
}

/* One whose answer makes its server close another connection whose answer is next in the same batch. */
static void one_answer_may_cancel_the_next(void **state) {
  (void)state;
  begin(64);
  struct request *a = REQUEST(1, 1), *b = REQUEST(1, 2), *c = REQUEST(1, 3), *bad = REQUEST(1, NAN), *d = REQUEST(1, 4);
  a->cancels = b;
  SUBMIT(&the_side, a, b, c);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_CANCELLED);
  expect(c, MLAAS_OK);
  EXPECT_RUNS(3);
  bad->cancels = d; /* while each is run alone */
  SUBMIT(&the_side, bad, d);
  expect(bad, MLAAS_ARGUMENT);
  expect(d, MLAAS_CANCELLED);
  EXPECT_RUNS(3, 2, 1);
  end();
}

static void a_full_queue_refuses(void **state) {
  (void)state;
  begin(64);
  the_subject.instance.queue_limit = 2;
  struct request *a = REQUEST(1, 1), *b = REQUEST(1, 2), *c = REQUEST(1, 3);
  SUBMIT(&the_side, a, b, c);
  assert_int_equal(c->submitted, MLAAS_LIMIT);
  assert_string_equal(c->message, "2 requests wait for model fake already");
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  SUBMIT(&the_side, c); /* now there is room */
  expect(c, MLAAS_OK);
  assert_int_equal(the_subject.instance.stats.rejected, 1);
  end();
}

static void no_rows_are_refused(void **state) {
  (void)state;
  begin(64);
  struct request *none = REQUEST(0, 1);
  SUBMIT(&the_side, none);
  assert_int_equal(none->submitted, MLAAS_ARGUMENT);
  assert_int_equal(none->calls, 0);
  free_request(none);
  end();
}

static void models_take_turns(void **state) {
  (void)state;
  begin(2);
  static struct subject other;
  make_subject(&other, 2);
  struct request *a[4], *b = new_request(&other, 1, 2, 9);
  for (int i = 0; i < 4; i++)
    a[i] = REQUEST(2, (float)i);
  SUBMIT(&the_side, a[0], a[1], a[2], a[3], b);
  wait_for(&b->done);
  sem_post(&b->done);
  int order = b->order;
  expect(b, MLAAS_OK);
  for (int i = 0; i < 4; i++) {
    wait_for(&a[i]->done);
    sem_post(&a[i]->done);
    assert_int_equal(a[i]->order < order, i == 0);
    expect(a[i], MLAAS_OK);
  }
  check_subject(&other);
  end();
}

static void texts_are_joined_and_gathered(void **state) {
  (void)state;
  begin(2);
  the_subject.fake.input = (struct mlaas_tensor_info){"x", MLAAS_DTYPE_BYTES, 1, {-1}};
  the_subject.fake.output = (struct mlaas_tensor_info){"y", MLAAS_DTYPE_BYTES, 1, {-1}};
  struct mlaas_blob texts[5] = {{"11 ", 3}, {"2 ", 2}, {"333 ", 4}, {"4 ", 2}, {"55 ", 3}};
  struct request *a = REQUEST(1, 0), *b = REQUEST(1, 0), *large = REQUEST(5, 0), *all[] = {a, b, large, NULL};
  const float values[] = {11, 2, 333, 4, 55};
  for (int i = 0; all[i]; i++) {
    int64_t rows = all[i]->rows;
    all[i]->input = (struct mlaas_tensor){
        MLAAS_DTYPE_BYTES, 1, {rows}, i == 1 ? texts + 2 : texts, (size_t)rows * sizeof(struct mlaas_blob)};
  }
  tell(&the_side, do_submit, all);
  for (int i = 0; all[i]; i++) {
    wait_for(&all[i]->done);
    assert_int_equal(all[i]->status, MLAAS_OK);
    for (int64_t r = 0; r < all[i]->rows; r++)
      assert_true(all[i]->y[r] == values[i == 1 ? 2 : r]);
    all[i]->input.size = 0; /* not of its own memory */
    free_request(all[i]);
  }
  EXPECT_RUNS(2, 2, 2, 1);
  end();
}

/* After the first round nothing is allocated: all that is asked for fails, and yet requests are joined and answered. */
static void the_steady_state_allocates_nothing(void **state) {
  (void)state;
  begin(64);
  for (int round = 0; round < 50; round++) {
    struct request *requests[33] = {NULL};
    for (int i = 0; i < 32; i++)
      requests[i] = REQUEST(2, (float)i);
    mlaas_memory_fail(round > 0, true);
    tell(&the_side, do_submit, requests);
    for (int i = 0; i < 32; i++)
      expect(requests[i], MLAAS_OK);
    mlaas_memory_fail(0, false);
    assert_int_equal(the_subject.fake.num_runs, round + 1);
    assert_int_equal(the_subject.fake.rows[round], 64);
  }
  end();
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  bool all_good = false;
  for (long n = 1; !all_good; n++) {
    assert_in_range(n, 1, 100);
    begin(4);
    struct request *list[] = {REQUEST(1, 1), REQUEST(1, 2), REQUEST(9, 10), NULL};
    mlaas_memory_fail(n, n % 2);
    tell(&the_side, do_submit, list);
    all_good = true;
    for (int i = 0; list[i]; i++) {
      if (list[i]->submitted != MLAAS_OK) {
        assert_int_equal(list[i]->submitted, MLAAS_MEMORY);
        assert_int_equal(list[i]->calls, 0);
        free_request(list[i]);
        all_good = false;
        continue;
      }
      wait_for(&list[i]->done);
      sem_post(&list[i]->done);
      all_good = all_good && list[i]->status == MLAAS_OK;
      expect(list[i], list[i]->status == MLAAS_OK ? MLAAS_OK : MLAAS_MEMORY);
    }
    mlaas_memory_fail(0, false);
    end();
  }
}

static void free_batcher(struct side *side, void *argument) {
  (void)argument;
  mlaas_batcher_free(side->batcher);
  side->batcher = NULL;
}

static void do_nothing(struct side *side, void *argument) {
  (void)side;
  (void)argument;
}

/* As a server does it: the loop has still to close its own things. */
static void the_loop_goes_on_without_its_batcher(void **state) {
  (void)state;
  begin(64);
  struct request *last = REQUEST(1, 1);
  SUBMIT(&the_side, last);
  expect(last, MLAAS_OK);
  tell(&the_side, free_batcher, NULL);
  for (int round = 0; round < 10; round++)
    tell(&the_side, do_nothing, NULL);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_comes_together_is_run_together),
      cmocka_unit_test(what_waits_is_split_as_planned),
      cmocka_unit_test(rows_of_other_shapes_stay_apart),
      cmocka_unit_test(large_requests_are_run_in_parts),
      cmocka_unit_test(large_requests_are_late_or_cancelled_between_parts),
      cmocka_unit_test(what_cannot_be_joined_is_run_as_it_is),
      cmocka_unit_test(batching_can_be_off),
      cmocka_unit_test(a_bad_request_fails_alone),
      cmocka_unit_test(the_late_are_not_run),
      cmocka_unit_test(cancelled_ones_are_taken_out),
      cmocka_unit_test(one_answer_may_cancel_the_next),
      cmocka_unit_test(a_full_queue_refuses),
      cmocka_unit_test(no_rows_are_refused),
      cmocka_unit_test(models_take_turns),
      cmocka_unit_test(texts_are_joined_and_gathered),
      cmocka_unit_test(the_steady_state_allocates_nothing),
      cmocka_unit_test(memory_may_end_anywhere),
      cmocka_unit_test(the_loop_goes_on_without_its_batcher),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
