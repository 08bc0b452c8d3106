/* Work that is begun early: each item once, whoever asks first; nothing is left behind when nobody takes it. */
#include "base/cancel.h"
#include "base/early.h"
#include "base/error.h"
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

enum { ITEMS = 200 };

struct bench {
  atomic_int made[ITEMS], dropped, busy, most;
  atomic_bool gate; /* closed: work waits for it, or for being cancelled */
  atomic_int cancelled;
};

static void *make(void *context, size_t item) {
  struct bench *bench = context;
  int busy = atomic_fetch_add(&bench->busy, 1) + 1, most = atomic_load(&bench->most);
  while (busy > most && !atomic_compare_exchange_weak(&bench->most, &most, busy))
    ;
  while (atomic_load(&bench->gate) && !mlaas_cancelled())
    usleep(100);
  atomic_fetch_add(&bench->cancelled, mlaas_cancelled());
  atomic_fetch_add(&bench->made[item], 1);
  atomic_fetch_sub(&bench->busy, 1);
  size_t *result = item % 10 == 9 ? NULL : malloc(sizeof *result);
  if (result)
    *result = item;
  return result;
}

static void drop(void *context, void *result) {
  struct bench *bench = context;
  atomic_fetch_add(&bench->dropped, 1);
  free(result);
}

static void what_was_wanted_is_made_once_and_handed_out(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(4, make, drop, bench);
  struct mlaas_error error;
  for (size_t i = 0; i < ITEMS; i++) {
    for (size_t k = i; k < i + 8 && k < ITEMS; k++)
      assert_true(mlaas_early_want(early, k));
    void *result;
    assert_int_equal(mlaas_early_take(early, i, &result, &error), MLAAS_OK);
    if (result) /* else it was not begun yet, or came to nothing */
      assert_int_equal(*(size_t *)result, i);
    assert_true(!result || atomic_load(&bench->made[i]) == 1);
    assert_true(atomic_load(&bench->made[i]) <= 1);
    free(result);
  }
  assert_true(atomic_load(&bench->most) <= 4);
  mlaas_early_free(early);
  free(bench);
}

/* Two callers wait for the same item: one has it, the other nothing, and neither another item's. */
struct rival {
  struct mlaas_early *early;
  pthread_barrier_t *start;
  int wrong, taken;
};

static void *take_all(void *context) {
  struct rival *rival = context;
  struct mlaas_error error;
  for (size_t i = 0; i < ITEMS; i++) {
    void *result;
    pthread_barrier_wait(rival->start);
    mlaas_early_want(rival->early, i); /* the faster one is at the next barrier before the other one wakes */
    rival->wrong += mlaas_early_take(rival->early, i, &result, &error) != MLAAS_OK;
    rival->wrong += result && *(size_t *)result != i;
    rival->taken += result != NULL;
    free(result);
    for (size_t k = i + 1; k < i + 3 && k < ITEMS; k++)
      mlaas_early_want(rival->early, k);
  }
  return NULL;
}

static void rivals_do_not_get_what_they_did_not_ask_for(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(4, make, drop, bench);
  pthread_barrier_t start;
  pthread_t threads[2];
  struct rival rivals[2] = {{.early = early, .start = &start}, {.early = early, .start = &start}};
  pthread_barrier_init(&start, NULL, 2);
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, take_all, &rivals[i]), 0);
  for (size_t i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(rivals[i].wrong, 0);
  }
  assert_true(rivals[0].taken + rivals[1].taken > 0);
  pthread_barrier_destroy(&start);
  mlaas_early_free(early);
  free(bench);
}

static void a_full_house_takes_no_more(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(2, make, drop, bench);
  struct mlaas_error error;
  atomic_store(&bench->gate, true);
  size_t taken = 0;
  while (taken < ITEMS && mlaas_early_want(early, taken))
    taken++;
  assert_true(taken >= 8 && taken < ITEMS);
  assert_true(mlaas_early_want(early, 0)); /* it is there already */
  void *result;
  assert_int_equal(mlaas_early_take(early, taken - 1, &result, &error), MLAAS_OK);
  assert_null(result); /* nobody has begun it, so it is the caller's */
  assert_true(mlaas_early_want(early, taken));
  assert_null(mlaas_early_peek(early, 0));
  atomic_store(&bench->gate, false);
  assert_int_equal(mlaas_early_take(early, 0, &result, &error), MLAAS_OK);
  free(result);
  mlaas_early_free(early);
  int made = 0, given = result ? 1 : 0;
  for (size_t i = 0; i < ITEMS; i++)
    made += atomic_load(&bench->made[i]) - (i % 10 == 9 ? atomic_load(&bench->made[i]) : 0);
  assert_int_equal(made, atomic_load(&bench->dropped) + given);
  free(bench);
}

static void leaving_cancels_what_runs(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(3, make, drop, bench);
  atomic_store(&bench->gate, true);
  for (size_t i = 0; i < 3; i++)
    mlaas_early_want(early, i);
  while (atomic_load(&bench->busy) == 0)
    usleep(100);
  mlaas_early_free(early);
  assert_true(atomic_load(&bench->cancelled) > 0);
  free(bench);
}

static void a_waiting_caller_can_be_cancelled(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(1, make, drop, bench);
  struct mlaas_error error;
  atomic_bool flag;
  void *result;
  atomic_init(&flag, true);
  atomic_store(&bench->gate, true);
  mlaas_early_want(early, 0);
  while (atomic_load(&bench->busy) == 0)
    usleep(100);
  mlaas_cancel_watch(&flag);
  assert_int_equal(mlaas_early_take(early, 0, &result, &error), MLAAS_CANCELLED);
  mlaas_cancel_watch(NULL);
  assert_null(result);
  mlaas_early_free(early);
  free(bench);
}

static void without_memory_there_is_none(void **state) {
  (void)state;
  mlaas_memory_fail(1, false);
  assert_null(mlaas_early_new(1, make, drop, NULL));
  mlaas_memory_fail(0, false);
  mlaas_early_free(NULL);
}

static void a_child_leaves_it_alone(void **state) {
  (void)state;
  struct bench *bench = calloc(1, sizeof *bench);
  struct mlaas_early *early = mlaas_early_new(2, make, drop, bench);
  mlaas_early_want(early, 1);
  pid_t child = fork();
  if (child == 0) {
    bool began = mlaas_early_want(early, 2);
    mlaas_early_free(early);
    _exit(began);
  }
  int status;
  assert_int_equal(waitpid(child, &status, 0), child);
  assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
  mlaas_early_free(early);
  free(bench);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_wanted_is_made_once_and_handed_out),
                                     cmocka_unit_test(rivals_do_not_get_what_they_did_not_ask_for),
                                     cmocka_unit_test(a_full_house_takes_no_more),
                                     cmocka_unit_test(leaving_cancels_what_runs),
                                     cmocka_unit_test(a_waiting_caller_can_be_cancelled),
                                     cmocka_unit_test(without_memory_there_is_none),
                                     cmocka_unit_test(a_child_leaves_it_alone)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
