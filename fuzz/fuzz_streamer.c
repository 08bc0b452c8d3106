/* Hostile streamer info: the list itself, who derives from whom, and the nodes of every class in it. */
#include "record_fuzz.h"
#include "rootio/record/layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_nodes(const struct mlaas_streamers *streamers, struct mlaas_budget *budget) {
  struct mlaas_error error;
  for (size_t i = 0; i < streamers->num_infos && i < 64; i++) {
    struct mlaas_node_maker maker;
    struct mlaas_arena arena;
    mlaas_arena_init(&arena, budget);
    mlaas_streamers_derives(streamers, streamers->infos[i].name, "TTree");
    mlaas_node_maker_init(&maker, streamers, &arena, &error);
    struct mlaas_node *node = mlaas_info_node(&maker, &streamers->infos[i]);
    if (node) {
      struct ArrowSchema schema;
      mlaas_node_number(node, 0);
      if (mlaas_node_schema(node, "x", &schema, &error) == MLAAS_OK)
        schema.release(&schema);
    } else if (!maker.unsupported && maker.status == MLAAS_OK) {
      __builtin_trap(); /* neither a node nor a reason */
    }
    mlaas_arena_reset(&arena);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_streamers streamers;
  struct mlaas_key key;
  struct mlaas_error error;
  uint8_t *bytes;
  struct mlaas_container container = record_open(data, size, budget, &key, &bytes);
  container.streamer_key = key;
  if (mlaas_streamers_read(&container, &streamers, &error) == MLAAS_OK)
    make_nodes(&streamers, budget);
  mlaas_container_reset(&container);
  free(bytes);
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
