/* Objects of classes, collections of them and pointers in a basket's bytes. The first byte chooses the type, the second
 * whether the class has a frame, how many entries there are and whether their ends are given.
 */
#include "../tests/rootio/classes.h"
#include "rootio/value/class_node.h"
#include "rootio/value/decode.h"
#include "rootio/value/type_name.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const types[] = {"All",
                                    "vector<All>",
                                    "vector<vector<Point> >",
                                    "Holder",
                                    "vector<Holder>",
                                    "vector<Point*>",
                                    "vector<Deep>",
                                    "map<string,vector<Point> >",
                                    "map<string,map<int,Deep> >",
                                    "vector<pair<string,Deep> >",
                                    "pair<vector<int>,Point>",
                                    "vector<array<Point,2> >",
                                    "vector<bitset<9> >",
                                    "Loop",
                                    "vector<Loop>",
                                    "Self",
                                    "TRef",
                                    "vector<TRefArray>",
                                    "TArrayD",
                                    "vector<TNamed>",
                                    "TLorentzVector",
                                    "vector<string*>",
                                    "map<Point,TString>",
                                    "TClonesArray",
                                    "vector<Float16_t>",
                                    "unordered_set<TDatime>"};
enum { NUM_TYPES = sizeof types / sizeof *types, MOST_BUFFERS = 256 };

/* Rows [1, all but one) into memory of just the size that was counted. */
static void place_rows(const struct mlaas_branch_plan *plan, const struct mlaas_piece *piece) {
  int64_t start = piece->entries > 2, stop = piece->entries > 2 ? piece->entries - 1 : piece->entries;
  int64_t counts[MOST_BUFFERS] = {0}, bases[MOST_BUFFERS] = {0};
  struct mlaas_block blocks[MOST_BUFFERS] = {0};
  mlaas_piece_count(plan->root, piece, start, stop, counts);
  for (size_t i = 0; i < plan->num_buffers; i++) {
    size_t extra = mlaas_node_is_offsets(plan->root, i);
    blocks[i].data = calloc((size_t)counts[i] + extra + 1, mlaas_node_element(plan->root, i) + 1);
  }
  mlaas_piece_place(plan->root, piece, start, stop, bases, blocks);
  for (size_t i = 0; i < plan->num_buffers; i++)
    free(blocks[i].data);
}

static void decode(const struct mlaas_branch_plan *plan, int how, const uint8_t *data, size_t size,
                   struct mlaas_budget *budget) {
  size_t entries = how >> 2 & 7;
  bool bounded = how & 2;
  struct mlaas_piece piece;
  struct mlaas_error error;
  if (bounded && size < 4 * entries)
    return;
  struct mlaas_basket basket = {.entries = (int32_t)entries,
                                .key_len = 70,
                                .data = data + (bounded ? 4 * entries : 0),
                                .size = (int64_t)(size - (bounded ? 4 * entries : 0)),
                                .offsets = bounded ? data : NULL};
  if (mlaas_decode_piece(plan, &basket, NULL, budget, NULL, &piece, &error) != MLAAS_OK)
    return;
  place_rows(plan, &piece);
  mlaas_piece_reset(&piece);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char *const clones_names[] = {"Deep"};
  static const struct mlaas_clones clones = {.names = clones_names, .count = 1};
  if (size < 2)
    return 0;
  struct mlaas_budget *budget = mlaas_budget_new(32 << 20);
  struct mlaas_arena arena;
  struct mlaas_error error;
  struct mlaas_node_maker nodes;
  mlaas_arena_init(&arena, budget);
  mlaas_node_maker_init(&nodes, &streamers, &arena, &error);
  nodes.clones = &clones;
  struct mlaas_node *node = mlaas_type_node(&nodes, types[data[0] % NUM_TYPES], false);
  if (node && node->kind != MLAAS_NODE_SKIP) {
    if (data[1] & 1 && node->kind != MLAAS_NODE_OPTION)
      node->object = NULL;
    struct mlaas_branch_plan plan = {.layout = MLAAS_LAYOUT_WALK, .root = node};
    plan.num_buffers = mlaas_node_number(node, 0);
    if (plan.num_buffers <= MOST_BUFFERS)
      decode(&plan, data[1], data + 2, size - 2, budget);
  }
  mlaas_arena_reset(&arena);
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  return 0;
}
