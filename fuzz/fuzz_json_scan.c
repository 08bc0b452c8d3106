/* The scanner of request bodies: accepts what jansson accepts, and finds the same numbers and texts. */
#include "../tests/serve/body/json_oracle.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_arena arena;
  struct mlaas_budget *budget = mlaas_budget_new(256 << 20);
  mlaas_arena_init(&arena, budget);
  if (json_judge((const char *)data, size, &arena) == JSON_DIFFER)
    abort();
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  return 0;
}
