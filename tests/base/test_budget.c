/* The ceiling on memory: it is kept, also by many threads at once, and freed blocks come back. */
#include "base/memory.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { MIB = 1 << 20 };

static void blocks_are_counted_and_aligned(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 * MIB);
  const int64_t sizes[] = {0, 1, 64, 65, 100000, (256 << 10) - 64, (256 << 10) - 63, MIB, 5 * MIB + 1};
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
    struct mlaas_block block;
    assert_int_equal(mlaas_block_new(budget, sizes[i], &block, NULL), MLAAS_OK);
    assert_non_null(block.data);
    assert_int_equal((uintptr_t)block.data % 64, 0);
    assert_int_equal(block.size, sizes[i]);
    assert_true(block.capacity >= sizes[i]);
    assert_int_equal(mlaas_budget_held(budget), block.capacity);
    memset(block.data, 0x5a, (size_t)block.capacity);
    mlaas_block_reset(&block);
    assert_null(block.data);
    mlaas_block_reset(&block);
    assert_int_equal(mlaas_budget_held(budget), 0);
  }
  mlaas_budget_put(budget);
}

static void the_ceiling_is_an_error_with_numbers(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(MIB);
  struct mlaas_block first, second;
  struct mlaas_error error;
  assert_int_equal(mlaas_block_new(budget, 700000, &first, NULL), MLAAS_OK);
  assert_int_equal(mlaas_block_new(budget, 700000, &second, &error), MLAAS_LIMIT);
  assert_non_null(strstr(error.message, "of 1048576 are held"));
  assert_non_null(strstr(error.message, "; this needs a memory ceiling of at least "));
  mlaas_block_reset(&second);
  mlaas_block_reset(&first);
  assert_int_equal(mlaas_block_new(budget, -1, &first, &error), MLAAS_LIMIT);
  assert_int_equal(mlaas_block_new(budget, INT64_MAX, &first, &error), MLAAS_LIMIT);
  assert_int_equal(mlaas_block_new(budget, 700000, &second, NULL), MLAAS_OK);
  mlaas_block_reset(&second);
  mlaas_budget_put(budget);
}

static void kept_blocks_never_break_the_ceiling(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(10 * MIB);
  struct mlaas_block blocks[4];
  for (int round = 0; round < 3; round++) {
    for (int i = 0; i < 4; i++)
      assert_int_equal(mlaas_block_new(budget, 2 * MIB + round * MIB / 8, &blocks[i], NULL), MLAAS_OK);
    for (int i = 0; i < 4; i++)
      mlaas_block_reset(&blocks[i]);
    assert_int_equal(mlaas_budget_held(budget), 0);
  }
  struct mlaas_block whole;
  assert_int_equal(mlaas_block_new(budget, 10 * MIB, &whole, NULL), MLAAS_OK);
  mlaas_block_reset(&whole);
  assert_true(mlaas_budget_peak(budget) <= mlaas_budget_ceiling(budget));
  mlaas_budget_put(budget);
}

static void a_freed_block_is_used_again(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(64 * MIB);
  struct mlaas_block block;
  assert_int_equal(mlaas_block_new(budget, 4 * MIB, &block, NULL), MLAAS_OK);
  void *data = block.data;
  mlaas_block_reset(&block);
  assert_int_equal(mlaas_block_new(budget, 4 * MIB - 1000, &block, NULL), MLAAS_OK);
  assert_ptr_equal(block.data, data);
  mlaas_block_reset(&block);
  mlaas_budget_put(budget);
}

/* Fresh memory would be zero. */
static void sizes_that_nobody_asks_for_any_more_do_not_keep_others_out(void **state) {
  (void)state;
  enum { MANY = 2000, SMALL = 20000 };
  struct mlaas_budget *budget = mlaas_budget_new(64 * MIB);
  struct mlaas_block block, *small = calloc(MANY, sizeof *small);
  for (size_t i = 0; i < MANY; i++)
    assert_int_equal(mlaas_block_new(budget, SMALL, &small[i], NULL), MLAAS_OK);
  for (size_t i = 0; i < MANY; i++)
    mlaas_block_reset(&small[i]);
  free(small);
  for (int i = 0; i < 2; i++) {
    assert_int_equal(mlaas_block_new(budget, MIB, &block, NULL), MLAAS_OK);
    assert_int_equal(*(char *)block.data, i ? 'j' : 0);
    *(char *)block.data = 'j';
    mlaas_block_reset(&block);
  }
  mlaas_budget_put(budget);
}

static void growing_keeps_the_content(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(MIB);
  struct mlaas_block block;
  assert_int_equal(mlaas_block_new(budget, 5, &block, NULL), MLAAS_OK);
  memcpy(block.data, "jets", 5);
  assert_int_equal(mlaas_block_grow(&block, 300000, NULL), MLAAS_OK);
  assert_string_equal((char *)block.data, "jets");
  assert_int_equal(block.size, 300000);
  struct mlaas_error error;
  assert_int_equal(mlaas_block_grow(&block, 2 * MIB, &error), MLAAS_LIMIT);
  assert_string_equal((char *)block.data, "jets");
  mlaas_memory_fail(1, true);
  assert_int_equal(mlaas_block_grow(&block, 600000, &error), MLAAS_MEMORY);
  mlaas_memory_fail(0, false);
  assert_string_equal((char *)block.data, "jets");
  mlaas_block_reset(&block);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

static void claims_count_like_blocks(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1000);
  assert_int_equal(mlaas_budget_claim(budget, 600, NULL), MLAAS_OK);
  assert_int_equal(mlaas_budget_claim(budget, 600, NULL), MLAAS_LIMIT);
  assert_int_equal(mlaas_budget_held(budget), 600);
  mlaas_budget_return(budget, 600);
  assert_int_equal(mlaas_budget_held(budget), 0);
  assert_int_equal(mlaas_budget_peak(budget), 600);
  mlaas_budget_put(budget);
}

/* A block outlives whoever made the budget. */
static void a_block_holds_its_budget(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(MIB);
  struct mlaas_block block;
  assert_int_equal(mlaas_block_new(budget, 300000, &block, NULL), MLAAS_OK);
  mlaas_budget_put(budget);
  memset(block.data, 1, 300000);
  mlaas_block_reset(&block);
}

struct taker {
  struct mlaas_budget *budget;
  unsigned seed;
  long refused;
};

static void *take_and_give(void *argument) {
  struct taker *taker = argument;
  struct mlaas_block blocks[4] = {{0}};
  for (int i = 0; i < 4000; i++) {
    taker->seed = taker->seed * 1664525u + 1013904223u;
    struct mlaas_block *block = &blocks[taker->seed >> 30];
    mlaas_block_reset(block);
    int64_t size = (taker->seed >> 8) % (600 << 10);
    if (mlaas_block_new(taker->budget, size, block, NULL) != MLAAS_OK)
      taker->refused++;
    else if (size > 0)
      *(volatile char *)block->data = 1;
  }
  for (int i = 0; i < 4; i++)
    mlaas_block_reset(&blocks[i]);
  return NULL;
}

static void many_threads_keep_the_ceiling(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(3 * MIB);
  struct taker takers[4];
  pthread_t threads[4];
  for (unsigned i = 0; i < 4; i++) {
    takers[i] = (struct taker){budget, i + 1, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
  }
  long refused = 0;
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    refused += takers[i].refused;
  }
  assert_true(refused > 0);
  assert_int_equal(mlaas_budget_held(budget), 0);
  assert_true(mlaas_budget_peak(budget) <= 3 * MIB);
  mlaas_budget_put(budget);
}

struct giver {
  struct mlaas_block block;
  int asked;
};

static void give(void *context, int64_t size) {
  struct giver *giver = context;
  assert_true(size > 0);
  giver->asked++;
  mlaas_block_reset(&giver->block);
}

static void make_giver(struct giver *giver, struct mlaas_need *need, struct mlaas_budget *budget) {
  *giver = (struct giver){.asked = 0};
  *need = (struct mlaas_need){.let_go = give, .context = giver};
  assert_int_equal(mlaas_block_new(budget, MIB, &giver->block, NULL), MLAAS_OK);
  mlaas_budget_add_need(budget, need);
}

static void all_who_can_are_asked_for_room_until_there_is_some(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(3 * MIB);
  struct giver givers[2];
  struct mlaas_need needs[2];
  struct mlaas_block block = {0};
  for (int first = 0; first < 2; first++) { /* who goes first does not stop the other from being asked */
    make_giver(&givers[0], &needs[0], budget);
    make_giver(&givers[1], &needs[1], budget);
    assert_int_equal(mlaas_block_new(budget, 2 * MIB, &block, NULL), MLAAS_OK);
    assert_int_equal(givers[0].asked + givers[1].asked, 1);
    mlaas_block_reset(&block);
    assert_int_equal(mlaas_block_new(budget, 3 * MIB, &block, NULL), MLAAS_OK);
    assert_true(givers[0].asked > 0 && givers[1].asked > 0);
    mlaas_block_reset(&block);
    mlaas_budget_remove_need(budget, &needs[first]);
    givers[0].asked = givers[1].asked = 0;
    assert_int_equal(mlaas_block_new(budget, 3 * MIB, &block, NULL), MLAAS_OK);
    struct mlaas_error error;
    assert_int_equal(mlaas_budget_claim(budget, 1, &error), MLAAS_LIMIT);
    assert_int_equal(givers[first].asked, 0);
    assert_int_equal(givers[1 - first].asked, 1);
    mlaas_block_reset(&block);
    mlaas_budget_remove_need(budget, &needs[1 - first]);
    assert_int_equal(mlaas_budget_held(budget), 0);
  }
  mlaas_budget_put(budget);
}

struct asker {
  struct mlaas_budget *budget;
  atomic_bool stop;
};

static void *ask_on_and_on(void *argument) {
  struct asker *asker = argument;
  while (!atomic_load(&asker->stop))
    mlaas_budget_held(asker->budget);
  return NULL;
}

/* Arrays may be released in a child of the process that read them, which was forked while others had the lock. */
static void a_forked_child_may_give_back(void **state) {
  (void)state;
  struct asker asker = {.budget = mlaas_budget_new(3 * MIB)};
  struct mlaas_block blocks[2];
  pthread_t thread;
  assert_int_equal(mlaas_block_new(asker.budget, 1000, &blocks[0], NULL), MLAAS_OK);
  assert_int_equal(mlaas_block_new(asker.budget, MIB, &blocks[1], NULL), MLAAS_OK);
  int64_t held = mlaas_budget_held(asker.budget);
  assert_int_equal(pthread_create(&thread, NULL, ask_on_and_on, &asker), 0);
  for (int i = 0; i < 30; i++) {
    int result = -1;
    pid_t child = fork();
    if (child == 0) {
      alarm(10);
      mlaas_block_reset(&blocks[0]);
      mlaas_block_reset(&blocks[1]);
      mlaas_budget_return(asker.budget, 1);
      _exit(0);
    }
    assert_int_equal(waitpid(child, &result, 0), child);
    assert_int_equal(result, 0);
  }
  atomic_store(&asker.stop, true);
  pthread_join(thread, NULL);
  assert_int_equal(mlaas_budget_held(asker.budget), held);
  mlaas_block_reset(&blocks[0]);
  mlaas_block_reset(&blocks[1]);
  mlaas_budget_put(asker.budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(blocks_are_counted_and_aligned),
      cmocka_unit_test(the_ceiling_is_an_error_with_numbers),
      cmocka_unit_test(kept_blocks_never_break_the_ceiling),
      cmocka_unit_test(a_freed_block_is_used_again),
      cmocka_unit_test(sizes_that_nobody_asks_for_any_more_do_not_keep_others_out),
      cmocka_unit_test(growing_keeps_the_content),
      cmocka_unit_test(claims_count_like_blocks),
      cmocka_unit_test(a_block_holds_its_budget),
      cmocka_unit_test(many_threads_keep_the_ceiling),
      cmocka_unit_test(all_who_can_are_asked_for_room_until_there_is_some),
      cmocka_unit_test(a_forked_child_may_give_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
