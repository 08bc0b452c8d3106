/* A basket's bytes against a chosen plan: header, offsets, values, and rows copied out of it. The first byte chooses
 * the plan, the second how the rest is taken: as a record of a file, as a basket in the tree's record, or as values and
 * offsets alone.
 */
#include "rootio/value/decode.h"
#include "rootio/value/class_node.h"
#include "rootio/value/type_name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CHARS = 1, SHORTS = 2, FLOATS = 5, DOUBLE32 = 9, FLAGS = 15, LONGS = 16, BOOLS = 18, FLOAT16 = 19 };

struct target {
  struct mlaas_node nodes[4];
  struct mlaas_arena arena;
  struct mlaas_branch_plan plan;
};

static void make_value(struct target *target, int32_t code, const char *range) {
  target->nodes[0] = (struct mlaas_node){.kind = MLAAS_NODE_VALUE, .name = ""};
  mlaas_scalar_of_code(code, &target->nodes[0].value, &target->nodes[0].format);
  if (range && !mlaas_packing_parse(range, &target->nodes[0].value))
    abort();
  target->plan.root = &target->nodes[0];
  target->plan.entry_bytes = target->nodes[0].value.stored;
  target->plan.layout = target->plan.entry_bytes ? MLAAS_LAYOUT_FLAT : MLAAS_LAYOUT_WALK;
}

static void make_fixed(struct target *target, int32_t size) {
  target->nodes[1] = (struct mlaas_node){
      .kind = MLAAS_NODE_FIXED, .name = "", .size = size, .children = target->plan.root, .num_children = 1};
  target->plan.root = &target->nodes[1];
  target->plan.entry_bytes *= size;
}

static void make_list(struct target *target, int32_t header) {
  target->nodes[2] = (struct mlaas_node){.kind = MLAAS_NODE_LIST,
                                         .name = "",
                                         .extent = MLAAS_EXTENT_REST,
                                         .framed = header < 0,
                                         .children = target->plan.root,
                                         .num_children = 1};
  target->plan.root = &target->nodes[2];
  target->plan.header_bytes = header;
  target->plan.item_bytes = target->plan.entry_bytes;
  target->plan.layout = header >= 0 && target->plan.item_bytes ? MLAAS_LAYOUT_LIST : MLAAS_LAYOUT_WALK;
}

static void make_type(struct target *target, const char *type) {
  struct mlaas_node *node;
  const char *unsupported;
  if (mlaas_type_parse(type, true, &target->arena, &node, &unsupported, NULL) != MLAAS_OK || !node)
    abort();
  target->plan.root = node;
  target->plan.layout = MLAAS_LAYOUT_WALK;
}

static void make_text(struct target *target, enum mlaas_extent extent) {
  target->nodes[0] = (struct mlaas_node){.kind = MLAAS_NODE_TEXT, .name = "", .extent = extent};
  target->plan.root = &target->nodes[0];
  target->plan.layout = MLAAS_LAYOUT_WALK;
}

static void make_plan(struct target *target, int which) {
  static const int32_t codes[] = {FLOATS, LONGS, SHORTS, CHARS, BOOLS, DOUBLE32, FLOAT16, FLAGS};
  static const char *const types[] = {"vector<string>",
                                      "string",
                                      "vector<vector<float> >",
                                      "vector<vector<vector<string> > >",
                                      "set<bool>",
                                      "vector<vector<Double32_t> >"};
  static const int32_t headers[] = {0, 1, 10, -1};
  which &= 63;
  if (which < 48) {
    make_value(target, codes[which % 8], which % 8 == 5 && which & 8 ? "[0,1,12]" : NULL);
    if (which & 16)
      make_fixed(target, 3);
    if (which >= 24)
      make_list(target, headers[which / 8 % 4]);
  } else if (which < 54) {
    make_type(target, types[which - 48]);
    if (which & 1) {
      target->plan.root->framed = false;
      make_list(target, -1);
    }
  } else {
    make_text(target, which < 57 ? MLAAS_EXTENT_LEAF : which < 60 ? MLAAS_EXTENT_SHORT : MLAAS_EXTENT_COUNT);
  }
  target->plan.num_buffers = mlaas_node_number(target->plan.root, 0);
}

/* Rows [1, all but one) into memory of just the size that was counted. */
static void place_rows(const struct target *target, const struct mlaas_piece *piece) {
  int64_t start = piece->entries > 2, stop = piece->entries > 2 ? piece->entries - 1 : piece->entries;
  size_t count = target->plan.num_buffers;
  int64_t *counts = calloc(count, sizeof *counts), *bases = calloc(count, sizeof *bases);
  struct mlaas_block *blocks = calloc(count, sizeof *blocks);
  mlaas_piece_count(target->plan.root, piece, start, stop, counts);
  for (size_t i = 0; i < count; i++) {
    size_t extra = mlaas_node_is_offsets(target->plan.root, i);
    blocks[i].data = calloc((size_t)counts[i] + extra + 1, mlaas_node_element(target->plan.root, i));
  }
  mlaas_piece_place(target->plan.root, piece, start, stop, bases, blocks);
  for (size_t i = 0; i < count; i++)
    free(blocks[i].data);
  free(blocks);
  free(bases);
  free(counts);
}

static void decode(const struct target *target, const struct mlaas_basket *basket, const int32_t *counts,
                   struct mlaas_budget *budget) {
  struct mlaas_block scratch;
  struct mlaas_piece piece;
  struct mlaas_error error;
  if (mlaas_block_new(budget, 0, &scratch, &error) != MLAAS_OK)
    return;
  struct mlaas_counts given = {.values = counts, .count = basket->entries};
  if (mlaas_decode_piece(&target->plan, basket, counts ? &given : NULL, budget, &scratch, &piece, &error) == MLAAS_OK) {
    place_rows(target, &piece);
    mlaas_piece_reset(&piece);
  }
  mlaas_block_reset(&scratch);
}

static void decode_record(const struct target *target, const uint8_t *data, size_t size, struct mlaas_budget *budget) {
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  struct mlaas_error error;
  if (mlaas_basket_head(data, (int64_t)size, 0, &head, &error) != MLAAS_OK ||
      head.object_len > (int64_t)size - head.key_len)
    return;
  if (mlaas_basket_open(&head, data + head.key_len, &basket, &error) == MLAAS_OK)
    decode(target, &basket, NULL, budget);
}

static void decode_embedded(const struct target *target, const uint8_t *data, size_t size,
                            struct mlaas_budget *budget) {
  struct mlaas_basket_ref ref = {.embedded = data, .embedded_size = (int64_t)size};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  struct mlaas_error error;
  if (mlaas_basket_open_embedded(&ref, &head, &basket, &error) == MLAAS_OK)
    decode(target, &basket, NULL, budget);
}

/* As many offsets as the next byte says, then as many counts, then the values. */
static void decode_values(const struct target *target, int how, const uint8_t *data, size_t size,
                          struct mlaas_budget *budget) {
  size_t entries = size ? data[0] : 0;
  if (size < 1 + 8 * entries)
    return;
  int32_t *counts = malloc(4 * entries + 4);
  memcpy(counts, data + 1 + 4 * entries, 4 * entries);
  struct mlaas_basket basket = {.entries = (int32_t)entries,
                                .data = data + 1 + 8 * entries,
                                .size = (int64_t)(size - 1 - 8 * entries),
                                .offsets = how & 4 ? data + 1 : NULL,
                                .offsets_are_sizes = how & 8};
  decode(target, &basket, how & 16 ? counts : NULL, budget);
  free(counts);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  struct mlaas_budget *budget = mlaas_budget_new(32 << 20);
  struct target target = {0};
  mlaas_arena_init(&target.arena, budget);
  make_plan(&target, data[0]);
  if (data[1] % 4 == 0)
    decode_record(&target, data + 2, size - 2, budget);
  else if (data[1] % 4 == 1)
    decode_embedded(&target, data + 2, size - 2, budget);
  else
    decode_values(&target, data[1], data + 2, size - 2, budget);
  mlaas_arena_reset(&target.arena);
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
