/* The rate limit: periods, clients, memory. */
#include "serve/limiter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const int64_t second = 1000000000;

static void the_first_n_of_a_period_pass(void **state) {
  (void)state;
  struct mlaas_limiter *limiter = mlaas_limiter_new(3, 60 * second);
  for (int64_t i = 0; i < 3; i++) {
    struct mlaas_limit limit = mlaas_limiter_count(limiter, "10.0.0.1", 100 * second + i);
    assert_int_equal(limit.limit, 3);
    assert_int_equal(limit.left, 2 - i);
    assert_int_equal(limit.reset_ns, 60 * second - i);
  }
  for (int i = 0; i < 1000; i++)
    assert_int_equal(mlaas_limiter_count(limiter, "10.0.0.1", 159 * second).left, -1);
  assert_int_equal(mlaas_limiter_count(limiter, "10.0.0.2", 159 * second).left, 2);
  assert_int_equal(mlaas_limiter_count(limiter, "10.0.0.1", 160 * second).left, 2);
  mlaas_limiter_free(limiter);
}

static void a_reload_changes_the_limit(void **state) {
  (void)state;
  struct mlaas_limiter *limiter = mlaas_limiter_new(1, second);
  mlaas_limiter_count(limiter, "a", 0);
  assert_int_equal(mlaas_limiter_count(limiter, "a", 1).left, -1);
  mlaas_limiter_set(limiter, 5, second);
  assert_true(mlaas_limiter_count(limiter, "a", 2).left >= 0);
  mlaas_limiter_set(limiter, 0, second);
  assert_int_equal(mlaas_limiter_count(limiter, "a", 3).limit, 0);
  mlaas_limiter_free(limiter);
}

/* A crowd makes the table forget, but neither grow nor refuse those that are new. */
static void a_crowd_of_clients_is_bounded(void **state) {
  (void)state;
  struct mlaas_limiter *limiter = mlaas_limiter_new(2, 60 * second);
  char name[32];
  for (int i = 0; i < 200000; i++) {
    snprintf(name, sizeof name, "2001:db8::%x", (unsigned)i);
    assert_int_equal(mlaas_limiter_count(limiter, name, second + i).left, 1);
  }
  int64_t left = 0; /* one that stays busy is not forgotten by a crowd that fits */
  for (int i = 0; i < 100; i++) {
    snprintf(name, sizeof name, "192.0.2.%d", i);
    mlaas_limiter_count(limiter, name, 400 * second);
    left = mlaas_limiter_count(limiter, "198.51.100.7", 400 * second).left;
  }
  assert_int_equal(left, -1);
  mlaas_limiter_free(limiter);
}

static void failing_memory_gives_none(void **state) {
  (void)state;
  mlaas_memory_fail(1, false);
  assert_null(mlaas_limiter_new(1, 1));
  mlaas_memory_fail(0, false);
  mlaas_limiter_free(NULL);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_n_of_a_period_pass),
      cmocka_unit_test(a_reload_changes_the_limit),
      cmocka_unit_test(a_crowd_of_clients_is_bounded),
      cmocka_unit_test(failing_memory_gives_none),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
