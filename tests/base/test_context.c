/* What the handles of one job share. */
#include "base/context.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void defaults_are_filled_in(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_context_memory_ceiling(context), 1 << 30);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  assert_true(mlaas_context_threads(context) >= 1);
  mlaas_context_put(context);
}

static void options_are_taken(void **state) {
  (void)state;
  struct mlaas_context_options options = {sizeof options, 50000000, 3};
  struct mlaas_context *context = NULL;
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_context_memory_ceiling(context), 50000000);
  assert_int_equal(mlaas_context_threads(context), 3);
  struct mlaas_block block;
  assert_int_equal(mlaas_block_new(mlaas_context_budget(context), 1000, &block, NULL), MLAAS_OK);
  assert_int_equal(mlaas_context_memory_held(context), block.capacity);
  mlaas_context_put(mlaas_context_get(context));
  mlaas_block_reset(&block);
  assert_int_equal(mlaas_context_memory_peak(context), 1024);
  mlaas_context_put(context);
  mlaas_context_put(NULL);
}

static void impossible_options_are_refused(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_error error;
  struct mlaas_context_options options = {sizeof options, -1, 0};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "must be positive"));
  options = (struct mlaas_context_options){sizeof options, 0, 5000};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "5000 threads"));
  assert_null(context);
}

static void each_allocation_may_fail(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_error error;
  int failures = 0;
  for (long n = 1; n < 20; n++) {
    mlaas_memory_fail(n, false);
    enum mlaas_status status = mlaas_context_new(NULL, &context, &error);
    mlaas_memory_fail(0, false);
    if (status == MLAAS_OK) {
      mlaas_context_put(context);
      break;
    }
    assert_int_equal(status, MLAAS_MEMORY);
    failures++;
  }
  assert_in_range(failures, 1, 18);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(defaults_are_filled_in),
      cmocka_unit_test(options_are_taken),
      cmocka_unit_test(impossible_options_are_refused),
      cmocka_unit_test(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
