/* The plain heap with its switch to fail, and arenas. */
#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static int switch_failures_off(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  return 0;
}

static void the_nth_allocation_fails_once(void **state) {
  (void)state;
  mlaas_memory_fail(2, false);
  void *first = mlaas_alloc(8), *second = mlaas_alloc(8), *third = mlaas_alloc(8);
  assert_non_null(first);
  assert_null(second);
  assert_non_null(third);
  mlaas_free(first);
  mlaas_free(third);
}

static void sticky_failures_go_on(void **state) {
  (void)state;
  mlaas_memory_fail(1, true);
  for (int i = 0; i < 3; i++)
    assert_null(mlaas_alloc(8));
  assert_null(mlaas_strdup("text"));
  mlaas_memory_fail(0, false);
  void *later = mlaas_alloc(8);
  assert_non_null(later);
  mlaas_free(later);
}

static void memory_is_zeroed_and_kept(void **state) {
  (void)state;
  char *text = mlaas_alloc(4);
  assert_memory_equal(text, "\0\0\0", 4);
  memcpy(text, "abc", 4);
  char *longer = mlaas_realloc(text, 4096);
  assert_string_equal(longer, "abc");
  mlaas_memory_fail(1, false);
  assert_null(mlaas_realloc(longer, 1 << 20));
  assert_string_equal(longer, "abc");
  mlaas_free(longer);
  mlaas_free(mlaas_alloc(0));
  mlaas_free(NULL);
}

static void an_arena_gives_zeroed_aligned_pieces(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  assert_int_equal(mlaas_budget_held(budget), 0);
  for (size_t size = 1; size < 3000; size += 7) {
    unsigned char *piece = mlaas_arena_alloc(&arena, size, 1, NULL);
    assert_non_null(piece);
    assert_int_equal((uintptr_t)piece % 16, 0);
    for (size_t i = 0; i < size; i++)
      assert_int_equal(piece[i], 0);
    memset(piece, 0xff, size); /* a piece that overlaps another would not be zero */
  }
  assert_true(mlaas_budget_held(budget) > 600000);
  mlaas_arena_reset(&arena);
  mlaas_arena_reset(&arena);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

static void an_arena_copies_and_formats_text(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  assert_string_equal(mlaas_arena_strndup(&arena, "jetPt_0", 5, NULL), "jetPt");
  assert_string_equal(mlaas_arena_strndup(&arena, "", 0, NULL), "");
  assert_string_equal(mlaas_arena_format(&arena, NULL, "%s_%d", "jetPt", 3), "jetPt_3");
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

/* Whatever was in it, a cleared arena holds at most one usual chunk and gives its first small pieces from there. */
static void a_cleared_arena_keeps_one_chunk(void **state) {
  (void)state;
  const size_t orders[][4] = {{16, 0}, {16, 200000, 0}, {200000, 16, 0}, {200000, 0}, {200000, 16, 300000, 0}};
  for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
    struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
    struct mlaas_arena arena;
    bool small = false;
    mlaas_arena_init(&arena, budget);
    mlaas_arena_clear(&arena);
    for (size_t k = 0; k < 4 && orders[i][k]; k++) {
      assert_non_null(mlaas_arena_alloc(&arena, orders[i][k], 1, NULL));
      small |= orders[i][k] == 16;
    }
    for (int round = 0; round < 3; round++) {
      mlaas_arena_clear(&arena);
      int64_t held = mlaas_budget_held(budget);
      assert_int_equal(held, small || round > 0 ? 32 << 10 : 0);
      mlaas_memory_fail(small || round > 0 ? 1 : 0, false);
      char *piece = mlaas_arena_alloc(&arena, 1000, 1, NULL);
      mlaas_memory_fail(0, false);
      assert_non_null(piece);
      for (int byte = 0; byte < 1000; byte++)
        assert_int_equal(piece[byte], 0);
      memset(piece, 1, 1000);
      if (round == 1)
        assert_non_null(mlaas_arena_alloc(&arena, 40000, 3, NULL));
    }
    mlaas_arena_reset(&arena);
    assert_int_equal(mlaas_budget_held(budget), 0);
    mlaas_budget_put(budget);
  }
}

static void an_arena_refuses_what_does_not_fit(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(100000);
  struct mlaas_arena arena;
  struct mlaas_error error;
  mlaas_arena_init(&arena, budget);
  assert_null(mlaas_arena_alloc(&arena, SIZE_MAX / 2, 3, &error));
  assert_int_equal(error.status, MLAAS_LIMIT);
  assert_non_null(strstr(error.message, "more than memory can hold"));
  assert_null(mlaas_arena_alloc(&arena, 200000, 1, &error));
  assert_int_equal(error.status, MLAAS_LIMIT);
  mlaas_memory_fail(1, false);
  assert_null(mlaas_arena_alloc(&arena, 16, 1, &error));
  assert_int_equal(error.status, MLAAS_MEMORY);
  assert_non_null(mlaas_arena_alloc(&arena, 16, 1, &error));
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(the_nth_allocation_fails_once, switch_failures_off),
      cmocka_unit_test_teardown(sticky_failures_go_on, switch_failures_off),
      cmocka_unit_test_teardown(memory_is_zeroed_and_kept, switch_failures_off),
      cmocka_unit_test(an_arena_gives_zeroed_aligned_pieces),
      cmocka_unit_test(an_arena_copies_and_formats_text),
      cmocka_unit_test_teardown(a_cleared_arena_keeps_one_chunk, switch_failures_off),
      cmocka_unit_test_teardown(an_arena_refuses_what_does_not_fit, switch_failures_off),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
