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
  struct mlaas_context_options options = {.size = sizeof options, .memory = 50000000, .threads = 3};
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
  struct mlaas_context_options options = {.size = sizeof options, .memory = -1};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "must be positive"));
  options = (struct mlaas_context_options){.size = sizeof options, .threads = 5000};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "5000 threads"));
  options = (struct mlaas_context_options){.size = sizeof options, .limits = {.page = -1}};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "a limit is -1"));
  options = (struct mlaas_context_options){.size = sizeof options, .limits = {.nesting = 1001}};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "nesting is 1001"));
  options = (struct mlaas_context_options){.threads = 1};
  assert_int_equal(mlaas_context_new(&options, &context, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "size is 0"));
  assert_null(context);
}

static void a_derived_context_shares_all_but_the_way_to_servers(void **state) {
  (void)state;
  struct mlaas_context *context = NULL, *derived = NULL;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  char token[] = "token";
  struct mlaas_remote_options remote = *mlaas_context_remote(context);
  remote.timeout_ms = 7;
  remote.token_file = token;
  assert_int_equal(mlaas_context_derive(context, &remote, &derived, NULL), MLAAS_OK);
  token[0] = 'x';
  assert_ptr_equal(mlaas_context_budget(derived), mlaas_context_budget(context));
  assert_ptr_equal(mlaas_context_pool(derived), mlaas_context_pool(context));
  assert_int_equal(mlaas_context_remote(derived)->timeout_ms, 7);
  assert_int_equal(mlaas_context_remote(derived)->retries, 4);
  assert_string_equal(mlaas_context_remote(derived)->token_file, "token");
  assert_null(mlaas_context_remote(context)->token_file);
  mlaas_context_put(context); /* the derived one holds it */
  assert_int_equal(mlaas_context_memory_held(derived), 0);
  mlaas_context_put(derived);
}

static void limits_are_taken_and_said(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_error error;
  struct mlaas_limits limits;
  struct mlaas_context_options options = {
      .size = sizeof options, .limits = {.basket = 1000, .nesting = 7}, .trust_pages = true};
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  const struct mlaas_budget *budget = mlaas_context_budget(context);
  mlaas_context_limits(context, &limits);
  assert_int_equal(limits.basket, 1000);
  assert_int_equal(limits.nesting, 7);
  assert_int_equal(limits.metadata, 256 << 20);
  assert_int_equal(limits.page, 256 << 20);
  assert_int_equal(limits.columns, 1000000);
  assert_true(mlaas_budget_trusts_pages(budget));
  assert_int_equal(mlaas_budget_check(budget, MLAAS_CEILING_BASKET, 1000, &error), MLAAS_OK);
  assert_int_equal(mlaas_budget_check(budget, MLAAS_CEILING_BASKET, 1001, &error), MLAAS_LIMIT);
  assert_string_equal(error.message, "a basket of 1001 bytes is above the limit of 1000; raise it by limits.basket or "
                                     "--max-basket");
  assert_int_equal(mlaas_budget_check(budget, MLAAS_CEILING_NESTING, INT64_MAX, &error), MLAAS_LIMIT);
  assert_int_equal(mlaas_budget_check(budget, MLAAS_CEILING_METADATA, -5, &error), MLAAS_OK);
  mlaas_context_put(context);
}

/* A program built against the header of before gives a shorter struct; what lies behind it is not looked at. */
static void older_callers_are_served(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_context_options options = {.size = offsetof(struct mlaas_context_options, limits), .threads = 2};
  memset(&options.limits, 0xff, sizeof options - offsetof(struct mlaas_context_options, limits));
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  assert_false(mlaas_budget_trusts_pages(mlaas_context_budget(context)));
  assert_int_equal(mlaas_budget_limit(mlaas_context_budget(context), MLAAS_CEILING_NESTING), 100);
  mlaas_context_put(context);
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
      cmocka_unit_test(a_derived_context_shares_all_but_the_way_to_servers),
      cmocka_unit_test(limits_are_taken_and_said),
      cmocka_unit_test(older_callers_are_served),
      cmocka_unit_test(each_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
