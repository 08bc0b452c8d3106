/* Hostile trees: four bytes of length, so many of streamer info, then a tree's record; every branch of it is planned.
 */
#include "record_fuzz.h"
#include "rootio/tree/branch_plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void plan_all(const struct mlaas_tree *tree, const struct mlaas_streamers *streamers,
                     struct mlaas_budget *budget) {
  struct mlaas_arena arena;
  struct mlaas_error error;
  mlaas_arena_init(&arena, budget);
  for (size_t i = 0; i < tree->num_all && i < 1000; i++) {
    struct mlaas_branch_plan plan;
    if (mlaas_branch_plan_make(tree->all[i], streamers, tree, &arena, &plan, &error) != MLAAS_OK)
      break;
    if (plan.has_data && !plan.unsupported && !plan.root)
      __builtin_trap();
  }
  mlaas_arena_reset(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  uint32_t front;
  if (size < sizeof front)
    return 0;
  memcpy(&front, data, sizeof front);
  data += sizeof front;
  size -= sizeof front;
  front = front < size ? front : (uint32_t)size;
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_streamers streamers;
  struct mlaas_tree tree;
  struct mlaas_key key;
  struct mlaas_error error;
  uint8_t *bytes, *record;
  struct mlaas_container container = record_open(data, front, budget, &key, &bytes);
  if (front)
    container.streamer_key = key;
  if (mlaas_streamers_read(&container, &streamers, &error) == MLAAS_OK) {
    struct mlaas_container holder = record_open(data + front, size - front, budget, &key, &record);
    if (mlaas_tree_read(&holder, &streamers, &key, &tree, &error) == MLAAS_OK) {
      plan_all(&tree, &streamers, budget);
      mlaas_tree_reset(&tree);
    }
    mlaas_container_reset(&holder);
    free(record);
  }
  mlaas_container_reset(&container);
  free(bytes);
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
