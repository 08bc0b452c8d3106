/* Requests that runner threads run: joined over loops, cancelled and late while they wait and while they run, runs that
 * do not end, turns, delays, and all of it at once.
 */
#include "batching.h"

static struct subject the_subject, the_other;
static struct side the_sides[2];
static struct mlaas_runners *the_runners;

static void add_executor(struct subject *subject, int most, int64_t delay_us) {
  make_subject(subject, most);
  assert_int_equal(mlaas_executor_new(the_runners, &subject->instance, delay_us, &subject->instance.executor, NULL),
                   MLAAS_OK);
}

static void begin(int threads, int most, int64_t delay_us) {
  the_runners = mlaas_runners_new(threads);
  assert_non_null(the_runners);
  add_executor(&the_subject, most, delay_us);
  open_side(&the_sides[0], 0);
  open_side(&the_sides[1], 1);
}

static void end_subject(struct subject *subject) {
  struct mlaas_executor *executor = subject->instance.executor;
  check_subject(subject);
  mlaas_executor_free(executor);
}

static void end(void) {
  close_side(&the_sides[0]);
  close_side(&the_sides[1]);
  end_subject(&the_subject);
  mlaas_runners_free(the_runners);
}

#define REQUEST(rows, begin) new_request(&the_subject, rows, 1, begin)
#define SIDE (&the_sides[0])

/* One request that is inside a run and stays there until the gate opens. */
static struct request *block(struct subject *subject) {
  move_gate(&subject->fake, true);
  struct request *request = new_request(subject, 1, 1, 5);
  SUBMIT(SIDE, request);
  wait_inside(&subject->fake, 1);
  return request;
}

static void what_waits_meanwhile_is_joined_over_loops(void **state) {
  (void)state;
  begin(1, 64, 0);
  struct request *first = block(&the_subject);
  struct request *a = REQUEST(1, 1), *b = REQUEST(2, 20), *c = REQUEST(3, 300);
  SUBMIT(&the_sides[0], a);
  SUBMIT(&the_sides[1], b, c);
  assert_int_equal(the_subject.instance.stats.waiting, 3);
  move_gate(&the_subject.fake, false);
  expect(first, MLAAS_OK);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  expect(c, MLAAS_OK);
  assert_int_equal(the_subject.fake.num_runs, 2);
  assert_int_equal(the_subject.fake.rows[1], 6);
  end();
}

static void who_waits_or_runs_can_leave_at_once(void **state) {
  (void)state;
  begin(1, 64, 0);
  struct request *running = block(&the_subject);
  struct request *a = REQUEST(1, 1), *b = REQUEST(1, 2);
  SUBMIT(SIDE, a, b);
  cancel(running);
  expect(running, MLAAS_CANCELLED); /* its memory is gone while the run uses its rows */
  cancel(a);
  expect(a, MLAAS_CANCELLED);
  assert_int_equal(the_subject.instance.stats.waiting, 1);
  move_gate(&the_subject.fake, false);
  expect(b, MLAAS_OK);
  assert_int_equal(the_subject.fake.rows[1], 1);
  assert_int_equal(the_subject.instance.stats.cancelled, 2);
  end();
}

static void one_of_a_run_leaves_and_the_others_stay(void **state) {
  (void)state;
  begin(1, 64, 0);
  struct request *first = block(&the_subject);
  struct request *a = REQUEST(1, 1), *b = REQUEST(2, 20), *c = REQUEST(1, 300);
  SUBMIT(&the_sides[1], a, b, c);
  move_gate(&the_subject.fake, false);
  expect(first, MLAAS_OK);
  expect(a, MLAAS_OK);
  expect(b, MLAAS_OK);
  expect(c, MLAAS_OK);
  move_gate(&the_subject.fake, true);
  first = block(&the_subject);
  a = REQUEST(1, 1), b = REQUEST(2, 20), c = REQUEST(1, 300);
  SUBMIT(&the_sides[1], a, b, c);
  cancel(first);
  expect(first, MLAAS_CANCELLED);
  wait_inside(&the_subject.fake, 1); /* the runner is stuck in it, and one run at a time is allowed */
  assert_int_equal(the_subject.instance.stats.waiting, 3);
  cancel(b);
  expect(b, MLAAS_CANCELLED);
  move_gate(&the_subject.fake, false);
  expect(a, MLAAS_OK);
  expect(c, MLAAS_OK);
  end();
}

/* False: this machine was so busy that all times had passed before they were looked at. */
static bool deadlines_hold(int64_t first_ns) {
  begin(1, 64, 0);
  move_gate(&the_subject.fake, true);
  struct request *running = REQUEST(1, 1), *waiting = REQUEST(1, 2), *patient = REQUEST(1, 3), *soon = REQUEST(1, 4);
  int64_t now = mlaas_now();
  running->infer.deadline = now + 4 * first_ns;
  waiting->infer.deadline = now + 2 * first_ns;
  patient->infer.deadline = now + 600000000000;
  soon->infer.deadline = now + first_ns;
  SUBMIT(SIDE, running);
  SUBMIT(SIDE, waiting, patient, soon);
  struct request *all[] = {soon, waiting, running};
  for (int i = 0; i < 3; i++)
    wait_for(&all[i]->done);
  for (int i = 0; i < 3; i++)
    sem_post(&all[i]->done);
  assert_true(mlaas_now() >= now + 4 * first_ns);
  bool held = soon->order < waiting->order && waiting->order < running->order && /* in the order of their times */
              strcmp(running->message, "the deadline passed before the model was done") == 0;
  expect(soon, MLAAS_TIMEOUT);
  expect(waiting, MLAAS_TIMEOUT);
  expect(running, MLAAS_TIMEOUT);
  move_gate(&the_subject.fake, false);
  expect(patient, MLAAS_OK);
  assert_int_equal(the_subject.instance.stats.timed_out, 3);
  end();
  return held;
}

static void deadlines_hold_while_waiting_and_running(void **state) {
  (void)state;
  bool held = false;
  for (int64_t first_ns = 10000000; !held && first_ns < 6000000000; first_ns *= 2)
    held = deadlines_hold(first_ns);
  assert_true(held);
}

static void a_run_that_does_not_end_costs_its_model_only(void **state) {
  (void)state;
  begin(1, 64, 0);
  add_executor(&the_other, 64, 0);
  struct request *stuck = block(&the_subject), *behind = REQUEST(1, 9);
  SUBMIT(SIDE, behind);
  struct request *other = new_request(&the_other, 1, 1, 8);
  SUBMIT(SIDE, other); /* the only runner is busy */
  cancel(stuck);       /* nobody waits for it any more: another runner takes its place */
  expect(stuck, MLAAS_CANCELLED);
  expect(other, MLAAS_OK);
  assert_int_equal(the_subject.instance.stats.waiting, 1); /* its own model had all the runs it may have */
  cancel(behind);
  expect(behind, MLAAS_CANCELLED);
  move_gate(&the_subject.fake, false);
  wait_inside(&the_subject.fake, 0);
  for (int i = 0; i < 3; i++) { /* the surplus runner leaves, and those that stay work */
    struct request *again = REQUEST(1, 3);
    SUBMIT(SIDE, again);
    expect(again, MLAAS_OK);
  }
  end_subject(&the_other);
  end();
}

static void runners_leave_a_run_that_does_not_end(void **state) {
  (void)state;
  begin(1, 64, 0);
  struct request *stuck = block(&the_subject);
  cancel(stuck);
  expect(stuck, MLAAS_CANCELLED);
  close_side(&the_sides[0]);
  close_side(&the_sides[1]);
  mlaas_executor_free(the_subject.instance.executor); /* keeps what the run still needs */
  mlaas_runners_free(the_runners);                    /* comes back */
  move_gate(&the_subject.fake, false);                /* now it ends, and touches nothing any more */
  wait_inside(&the_subject.fake, 0);
  assert_int_equal(atomic_load(&the_subject.count), 1);
}

static void models_take_turns(void **state) {
  (void)state;
  begin(1, 1, 0);
  the_subject.model.batchable = false;
  add_executor(&the_other, 1, 0);
  struct request *first = block(&the_subject), *a[6], *b[2];
  for (int i = 0; i < 6; i++)
    SUBMIT(SIDE, a[i] = REQUEST(1, (float)i));
  for (int i = 0; i < 2; i++)
    SUBMIT(SIDE, b[i] = new_request(&the_other, 1, 1, (float)i));
  move_gate(&the_subject.fake, false);
  for (int i = 0; i < 6; i++)
    wait_for(&a[i]->done);
  for (int i = 0; i < 6; i++)
    sem_post(&a[i]->done);
  assert_true(b[0]->order <= 3); /* first, then one of each in turn */
  assert_true(b[1]->order <= 5);
  for (int i = 1; i < 6; i++)
    assert_true(a[i]->order > a[i - 1]->order);
  expect(first, MLAAS_OK);
  for (int i = 0; i < 6; i++)
    expect(a[i], MLAAS_OK);
  for (int i = 0; i < 2; i++)
    expect(b[i], MLAAS_OK);
  assert_int_equal(the_subject.fake.most_inside, 1);
  end_subject(&the_other);
  end();
}

static void several_runners_run_at_once(void **state) {
  (void)state;
  begin(3, 1, 0);
  move_gate(&the_subject.fake, true);
  struct request *all[6];
  for (int i = 0; i < 6; i++)
    SUBMIT(&the_sides[i % 2], all[i] = REQUEST(1, (float)i));
  wait_inside(&the_subject.fake, 3);
  move_gate(&the_subject.fake, false);
  for (int i = 0; i < 6; i++)
    expect(all[i], MLAAS_OK);
  assert_int_equal(the_subject.fake.most_inside, 3);
  end();
}

static void a_delay_waits_for_more_rows(void **state) {
  (void)state;
  begin(2, 4, 3600000000LL);
  struct request *all[4];
  for (int i = 0; i < 4; i++) {
    assert_int_equal(num_runs(&the_subject.fake), 0);
    SUBMIT(&the_sides[i % 2], all[i] = REQUEST(1, (float)i));
  }
  for (int i = 0; i < 4; i++)
    expect(all[i], MLAAS_OK); /* enough rows end an hour's wait */
  assert_int_equal(the_subject.fake.num_runs, 1);
  assert_int_equal(the_subject.fake.rows[0], 4);
  end();
  begin(2, 4, 5000);
  int64_t now = mlaas_now();
  struct request *alone = REQUEST(1, 1);
  SUBMIT(SIDE, alone);
  expect(alone, MLAAS_OK);
  assert_true(mlaas_now() >= now + 5000000);
  end();
}

static void large_requests_take_turns_with_small_ones(void **state) {
  (void)state;
  begin(1, 4, 0);
  struct request *first = block(&the_subject);
  struct request *large = REQUEST(17, 1), *small = REQUEST(1, 2), *other = REQUEST(3, 4), *gone = REQUEST(40, 9);
  SUBMIT(SIDE, large, small, other, gone);
  move_gate(&the_subject.fake, false);
  expect(small, MLAAS_OK);
  cancel(gone);
  wait_for(&large->done);
  sem_post(&large->done);
  assert_true(other->order < large->order);
  expect(large, MLAAS_OK);
  expect(other, MLAAS_OK);
  expect(first, MLAAS_OK);
  wait_for(&gone->done); /* it may have been quicker than the cancelling */
  assert_int_equal(gone->calls, 1);
  free_request(gone);
  end();
}

static void a_bad_request_fails_alone(void **state) {
  (void)state;
  begin(1, 64, 0);
  struct request *first = block(&the_subject);
  struct request *a = REQUEST(1, 1), *bad = REQUEST(1, NAN), *b = REQUEST(2, 5);
  SUBMIT(&the_sides[1], a, bad, b);
  move_gate(&the_subject.fake, false);
  wait_for(&bad->done);
  sem_post(&bad->done);
  assert_string_equal(bad->message, "a NaN it does not take");
  expect(first, MLAAS_OK);
  expect(a, MLAAS_OK);
  expect(bad, MLAAS_ARGUMENT);
  expect(b, MLAAS_OK);
  bad = REQUEST(1, NAN);
  SUBMIT(SIDE, bad);
  expect(bad, MLAAS_ARGUMENT);
  end();
}

static void a_full_queue_refuses(void **state) {
  (void)state;
  begin(1, 64, 0);
  the_subject.instance.queue_limit = 1;
  struct request *first = block(&the_subject), *a = REQUEST(1, 1), *b = REQUEST(1, 2);
  SUBMIT(SIDE, a);
  SUBMIT(&the_sides[1], b);
  assert_int_equal(b->submitted, MLAAS_LIMIT);
  free_request(b);
  move_gate(&the_subject.fake, false);
  expect(first, MLAAS_OK);
  expect(a, MLAAS_OK);
  end();
}

static void memory_may_end_anywhere(void **state) {
  (void)state;
  bool all_good = false;
  for (long n = 1; !all_good; n++) {
    assert_in_range(n, 1, 100);
    begin(1, 4, 0);
    struct request *list[] = {REQUEST(1, 1), REQUEST(1, NAN), REQUEST(9, 10), NULL};
    mlaas_memory_fail(n, n % 2);
    tell(SIDE, do_submit, list);
    all_good = true;
    for (int i = 0; list[i]; i++) {
      assert_int_equal(list[i]->submitted, MLAAS_OK);
      wait_for(&list[i]->done);
      sem_post(&list[i]->done);
      enum mlaas_status right = i == 1 ? MLAAS_ARGUMENT : MLAAS_OK, status = list[i]->status;
      all_good = all_good && status == right;
      expect(list[i], status == right ? right : MLAAS_MEMORY);
    }
    mlaas_memory_fail(0, false);
    end();
  }
}

/* ---- everything at once ---- */

struct crowd {
  struct side *side;
  struct subject *slow, *quick;
  struct request *list[2]; /* of the one that is sent next */
  unsigned seed;
};

static void *crowd_main(void *argument) {
  struct crowd *crowd = argument;
  enum { TOGETHER = 24, LEAST_ROUNDS = 20 };
  struct request *requests[TOGETHER];
  bool *good = calloc(1, sizeof *good);
  *good = true;
  int64_t end = mlaas_now() + 1500000000;
  for (int round = 0; round < LEAST_ROUNDS || mlaas_now() < end; round++) {
    for (int i = 0; i < TOGETHER; i++) {
      unsigned dice = (unsigned)rand_r(&crowd->seed);
      struct request *request = new_request(dice % 3 ? crowd->slow : crowd->quick, 1 + dice % 11, 1 + dice / 11 % 2,
                                            dice / 7 % 29 == 0 ? NAN : (float)i);
      if (dice / 5 % 4 == 0)
        request->infer.deadline = mlaas_now() + dice % 300000;
      requests[i] = request;
      SUBMIT(crowd->side, request);
      if (dice / 3 % 5 == 0 && request->submitted == MLAAS_OK)
        cancel(requests[dice % (unsigned)(i + 1)]);
    }
    for (int i = 0; i < TOGETHER; i++) {
      struct request *request = requests[i];
      bool accepted = request->submitted == MLAAS_OK;
      if (accepted)
        wait_for(&request->done);
      *good = *good && request->calls == accepted && !request->inside_submit;
      bool is_nan = isnan(request->x[0]);
      *good = *good && (request->status != MLAAS_ARGUMENT || is_nan);
      for (int64_t r = 0; accepted && request->status == MLAAS_OK && r < request->rows; r++) {
        int64_t width = request->input.shape[1];
        *good = *good && request->y[r] == 2 * request->x[r * width] + (float)width;
      }
      free_request(request);
    }
  }
  return good;
}

static void nobody_gets_anothers_rows_in_the_crowd(void **state) {
  (void)state;
  begin(3, 16, 0);
  make_subject(&the_other, 16);
  the_subject.instance.queue_limit = 40;
  pthread_t threads[4];
  struct crowd crowds[4];
  for (int i = 0; i < 4; i++) {
    crowds[i] = (struct crowd){
        .side = &the_sides[i % 2], .slow = &the_subject, .quick = &the_other, .seed = (unsigned)i * 77 + 1};
    assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
  }
  for (int i = 0; i < 4; i++) {
    void *good = NULL;
    pthread_join(threads[i], &good);
    assert_true(*(bool *)good);
    free(good);
  }
  const struct mlaas_model_stats *stats = &the_subject.instance.stats;
  assert_true(stats->succeeded > 0 && stats->cancelled > 0 && stats->failed > 0);
  assert_true(stats->runs < stats->rows);
  check_subject(&the_other);
  end();
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_waits_meanwhile_is_joined_over_loops),
      cmocka_unit_test(who_waits_or_runs_can_leave_at_once),
      cmocka_unit_test(one_of_a_run_leaves_and_the_others_stay),
      cmocka_unit_test(deadlines_hold_while_waiting_and_running),
      cmocka_unit_test(a_run_that_does_not_end_costs_its_model_only),
      cmocka_unit_test(models_take_turns),
      cmocka_unit_test(several_runners_run_at_once),
      cmocka_unit_test(a_delay_waits_for_more_rows),
      cmocka_unit_test(large_requests_take_turns_with_small_ones),
      cmocka_unit_test(a_bad_request_fails_alone),
      cmocka_unit_test(a_full_queue_refuses),
      cmocka_unit_test(memory_may_end_anywhere),
      cmocka_unit_test(nobody_gets_anothers_rows_in_the_crowd),
      cmocka_unit_test(runners_leave_a_run_that_does_not_end), /* the last: what it leaves stays */
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
