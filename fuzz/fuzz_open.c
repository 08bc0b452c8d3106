/* Hostile files: container, streamer info, every tree and every ntuple, from memory. Reading values is fuzz_basket's.
 */
#include "rootio/ntuple/ntuple.h"
#include "rootio/tree/tree.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_objects(struct mlaas_container *container) {
  struct mlaas_streamers streamers;
  struct mlaas_error error;
  if (mlaas_streamers_read(container, &streamers, &error) != MLAAS_OK)
    return;
  for (size_t i = 0; i < container->num_keys; i++) {
    const struct mlaas_key *key = &container->keys[i];
    if (strstr(key->class_name, "RNTuple")) {
      struct mlaas_ntuple ntuple;
      if (mlaas_ntuple_read(container, key, &ntuple, &error) == MLAAS_OK)
        mlaas_ntuple_reset(&ntuple);
    } else if (mlaas_tree_is_tree(&streamers, key->class_name)) {
      struct mlaas_tree tree;
      if (mlaas_tree_read(container, &streamers, key, &tree, &error) == MLAAS_OK)
        mlaas_tree_reset(&tree);
    }
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_source *source;
  struct mlaas_container container;
  struct mlaas_error error;
  if (mlaas_source_from_memory(data, size, &source, &error) == MLAAS_OK &&
      mlaas_container_open(&container, source, budget, &error) == MLAAS_OK) {
    read_objects(&container);
    mlaas_container_reset(&container);
  }
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
