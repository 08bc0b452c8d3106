/* The parallel for: every item once, the error of the lowest failed item, scratch by worker, no use after fork. */
#include "base/cancel.h"
#include "base/error.h"
#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>
#include <sched.h>

enum { ITEMS = 5000, MOST = 8 };

struct work {
  atomic_int seen[ITEMS];
  atomic_int busy[MOST]; /* 1 while a worker of this index runs */
  atomic_int overlaps;
  size_t first_bad, bad_step; /* items that fail */
};

static enum mlaas_status visit(void *context, size_t i, int worker, struct mlaas_error *error) {
  struct work *work = context;
  if (worker < 0 || worker >= MOST || atomic_exchange(&work->busy[worker], 1))
    atomic_fetch_add(&work->overlaps, 1);
  atomic_fetch_add(&work->seen[i], 1);
  bool bad = work->bad_step && i >= work->first_bad && (i - work->first_bad) % work->bad_step == 0;
  if (worker >= 0 && worker < MOST)
    atomic_store(&work->busy[worker], 0);
  return bad ? mlaas_fail(error, MLAAS_FORMAT, "item %zu", i) : MLAAS_OK;
}

static struct work the_work;

static void clear_work(void) { memset(&the_work, 0, sizeof the_work); }

static void every_item_runs_once(void **state) {
  (void)state;
  for (int threads = 1; threads <= MOST; threads++) {
    struct mlaas_pool *pool = mlaas_pool_new(threads);
    assert_int_equal(mlaas_pool_threads(pool), threads);
    for (size_t count = 0; count <= ITEMS; count = count * 7 + 1) {
      clear_work();
      assert_int_equal(mlaas_pool_run(pool, count, visit, &the_work, NULL), MLAAS_OK);
      for (size_t i = 0; i < ITEMS; i++)
        assert_int_equal(atomic_load(&the_work.seen[i]), i < count);
      assert_int_equal(atomic_load(&the_work.overlaps), 0);
    }
    mlaas_pool_free(pool);
  }
}

struct cancelling {
  atomic_bool flag;
  atomic_int done, late; /* items; of these, begun when the flag was set */
};

enum { CANCELLED_AT = 100 };

static enum mlaas_status cancel_in_the_middle(void *context, size_t i, int worker, struct mlaas_error *error) {
  struct cancelling *cancelling = context;
  (void)worker;
  (void)error;
  atomic_fetch_add(&cancelling->late, atomic_load(&cancelling->flag));
  if (i == CANCELLED_AT)
    atomic_store(&cancelling->flag, true);
  while (i > CANCELLED_AT && !atomic_load(&cancelling->flag))
    sched_yield(); /* the one that sets it may be slow */
  atomic_fetch_add(&cancelling->done, 1);
  return MLAAS_OK;
}

/* The others may be about to begin one each; no more is begun. */
static void nothing_begins_after_a_cancel(void **state) {
  (void)state;
  for (int threads = 1; threads <= MOST; threads++) {
    struct mlaas_pool *pool = mlaas_pool_new(threads);
    struct cancelling cancelling = {0};
    struct mlaas_error error;
    const atomic_bool *before = mlaas_cancel_watch(&cancelling.flag);
    assert_int_equal(mlaas_pool_run(pool, ITEMS, cancel_in_the_middle, &cancelling, &error), MLAAS_CANCELLED);
    assert_true(atomic_load(&cancelling.done) + threads > CANCELLED_AT);
    assert_true(atomic_load(&cancelling.late) <= threads - 1);
    int done = atomic_load(&cancelling.done);
    assert_int_equal(mlaas_pool_run(pool, ITEMS, cancel_in_the_middle, &cancelling, &error), MLAAS_CANCELLED);
    assert_int_equal(atomic_load(&cancelling.done), done);
    mlaas_cancel_watch(before);
    assert_int_equal(mlaas_pool_run(pool, ITEMS, cancel_in_the_middle, &cancelling, &error), MLAAS_OK);
    assert_int_equal(atomic_load(&cancelling.done), done + ITEMS); /* nobody watches */
    mlaas_pool_free(pool);
  }
}

static void the_lowest_error_wins(void **state) {
  (void)state;
  for (int threads = 1; threads <= MOST; threads++) {
    struct mlaas_pool *pool = mlaas_pool_new(threads);
    for (int round = 0; round < 20; round++) {
      clear_work();
      the_work.first_bad = (size_t)round * 13;
      the_work.bad_step = 3;
      struct mlaas_error error;
      char expected[32];
      snprintf(expected, sizeof expected, "item %zu", the_work.first_bad);
      assert_int_equal(mlaas_pool_run(pool, ITEMS, visit, &the_work, &error), MLAAS_FORMAT);
      assert_string_equal(error.message, expected);
      assert_int_equal(atomic_load(&the_work.seen[ITEMS - 1]), 0);
    }
    clear_work();
    assert_int_equal(mlaas_pool_run(pool, 100, visit, &the_work, NULL), MLAAS_OK);
    mlaas_pool_free(pool);
  }
}

static void *run_in_turn(void *argument) {
  struct mlaas_pool *pool = argument;
  struct work *own = calloc(1, sizeof *own);
  bool right = true;
  for (int round = 0; round < 30; round++)
    right = right && mlaas_pool_run(pool, 50, visit, own, NULL) == MLAAS_OK;
  for (int i = 0; i < 50; i++)
    right = right && atomic_load(&own->seen[i]) == 30;
  free(own);
  return right ? pool : NULL;
}

static void several_callers_take_turns(void **state) {
  (void)state;
  struct mlaas_pool *pool = mlaas_pool_new(3);
  pthread_t callers[4];
  for (int i = 0; i < 4; i++)
    assert_int_equal(pthread_create(&callers[i], NULL, run_in_turn, pool), 0);
  for (int i = 0; i < 4; i++) {
    void *result = NULL;
    pthread_join(callers[i], &result);
    assert_ptr_equal(result, pool);
  }
  mlaas_pool_free(pool);
}

struct holding {
  struct mlaas_pool *pool;
  atomic_bool begun, released, cancelled;
};

static enum mlaas_status hold(void *context, size_t i, int worker, struct mlaas_error *error) {
  struct holding *holding = context;
  (void)i;
  (void)worker;
  (void)error;
  atomic_store(&holding->begun, true);
  while (!atomic_load(&holding->released))
    usleep(100);
  return MLAAS_OK;
}

static void *run_long(void *argument) {
  struct holding *holding = argument;
  return mlaas_pool_run(holding->pool, 1, hold, holding, NULL) == MLAAS_OK ? argument : NULL;
}

static void *run_cancelled(void *argument) {
  struct holding *holding = argument;
  struct mlaas_error error = {0};
  mlaas_cancel_watch(&holding->cancelled);
  enum mlaas_status status = mlaas_pool_run(holding->pool, 1, hold, holding, &error);
  return status == MLAAS_CANCELLED && error.status == status ? argument : NULL;
}

/* Else a loader that is closed would wait for the server of another one, whose turn it is. */
static void a_cancel_ends_waiting_for_a_turn(void **state) {
  (void)state;
  struct holding holding = {.pool = mlaas_pool_new(2)};
  pthread_t longer, cancelled[3];
  void *result = NULL;
  assert_int_equal(pthread_create(&longer, NULL, run_long, &holding), 0);
  while (!atomic_load(&holding.begun))
    usleep(100);
  for (int i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&cancelled[i], NULL, run_cancelled, &holding), 0);
  usleep(5000);
  atomic_store(&holding.cancelled, true);
  for (int i = 0; i < 3; i++) {
    pthread_join(cancelled[i], &result); /* while the long one goes on */
    assert_ptr_equal(result, &holding);
  }
  atomic_store(&holding.released, true);
  pthread_join(longer, &result);
  assert_ptr_equal(result, &holding);
  clear_work();
  assert_int_equal(mlaas_pool_run(holding.pool, 10, visit, &the_work, NULL), MLAAS_OK);
  mlaas_pool_free(holding.pool);
}

static void a_forked_child_is_refused(void **state) {
  (void)state;
  struct mlaas_pool *pool = mlaas_pool_new(2);
  clear_work();
  assert_int_equal(mlaas_pool_run(pool, 10, visit, &the_work, NULL), MLAAS_OK);
  pid_t child = fork();
  if (child == 0) {
    struct mlaas_error error;
    enum mlaas_status status = mlaas_pool_run(pool, 10, visit, &the_work, &error);
    mlaas_pool_free(pool); /* must not wait for threads that this process does not have */
    _exit(status == MLAAS_STATE && strstr(error.message, "fork()") ? 0 : 1);
  }
  int result = -1;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_int_equal(result, 0);
  mlaas_pool_free(pool);
}

static void silly_sizes_are_allowed(void **state) {
  (void)state;
  struct mlaas_pool *pool = mlaas_pool_new(-3);
  assert_int_equal(mlaas_pool_threads(pool), 1);
  mlaas_pool_free(pool);
  mlaas_pool_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(nothing_begins_after_a_cancel),
      cmocka_unit_test(every_item_runs_once),
      cmocka_unit_test(the_lowest_error_wins),
      cmocka_unit_test(several_callers_take_turns),
      cmocka_unit_test(a_cancel_ends_waiting_for_a_turn),
      cmocka_unit_test(a_forked_child_is_refused),
      cmocka_unit_test(silly_sizes_are_allowed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
