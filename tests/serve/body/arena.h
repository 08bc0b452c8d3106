/* An arena for each test, of ARENA_BYTES. Include after cmocka.h, and after they were said. */
#ifndef MLAAS_TESTS_SERVE_BODY_ARENA_H
#define MLAAS_TESTS_SERVE_BODY_ARENA_H

#include "base/memory.h"

static struct mlaas_budget *the_budget;
static struct mlaas_arena the_arena;
static struct mlaas_error the_error;

static int make_arena(void **state) {
  (void)state;
  the_budget = mlaas_budget_new(ARENA_BYTES);
  mlaas_arena_init(&the_arena, the_budget);
  return 0;
}

static int free_arena(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  mlaas_arena_reset(&the_arena);
  mlaas_budget_put(the_budget);
  return 0;
}

#endif
