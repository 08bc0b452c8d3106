/* Hostile files: header, key lists, directories, and the payloads behind the keys, whatever codec they are in. */
#include "rootio/container/container.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_source *source;
  struct mlaas_container container;
  struct mlaas_error error;
  if (mlaas_source_from_memory(data, size, &source, &error) == MLAAS_OK &&
      mlaas_container_open(&container, source, budget, &error) == MLAAS_OK) {
    for (size_t i = 0; i < container.num_keys && i < 100; i++) {
      struct mlaas_block payload;
      if (mlaas_key_payload(&container, &container.keys[i], &payload, &error) == MLAAS_OK)
        mlaas_block_reset(&payload);
    }
    mlaas_container_reset(&container);
  }
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
