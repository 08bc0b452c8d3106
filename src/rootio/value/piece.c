/* A basket decoded into memory of its own, and rows of it copied into a column. Must not know of files. */
#include "rootio/value/decode.h"

#include "base/error.h"

#include <string.h>

enum mlaas_status mlaas_piece_init(struct mlaas_piece *piece, size_t num_buffers, struct mlaas_error *error) {
  *piece = (struct mlaas_piece){.num_buffers = num_buffers};
  piece->used = mlaas_alloc((num_buffers + 1) * sizeof *piece->used); /* objects may have no buffer at all */
  piece->blocks = mlaas_alloc((num_buffers + 1) * sizeof *piece->blocks);
  if (piece->used && piece->blocks)
    return MLAAS_OK;
  mlaas_piece_reset(piece);
  return mlaas_fail(error, MLAAS_MEMORY, "no memory for a basket of %zu buffers", num_buffers);
}

void mlaas_piece_reset(struct mlaas_piece *piece) {
  for (size_t i = 0; piece->blocks && i < piece->num_buffers; i++)
    mlaas_block_reset(&piece->blocks[i]);
  mlaas_free(piece->used);
  mlaas_free(piece->blocks);
  *piece = (struct mlaas_piece){0};
}

int64_t mlaas_piece_bytes(const struct mlaas_piece *piece) {
  int64_t sum = 0;
  for (size_t i = 0; i < piece->num_buffers; i++)
    sum += piece->blocks[i].capacity;
  return sum;
}

static enum mlaas_status piece_flat(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    struct mlaas_budget *budget, struct mlaas_block *scratch, struct mlaas_piece *piece,
                                    struct mlaas_error *error) {
  uint8_t *buffers[1] = {NULL}, **all = buffers;
  if (plan->num_buffers > 1 && !(all = mlaas_alloc(plan->num_buffers * sizeof *all)))
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a basket of %zu buffers", plan->num_buffers);
  mlaas_piece_count(plan->root, piece, 0, basket->entries, piece->used);
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; i < plan->num_buffers && status == MLAAS_OK; i++) {
    int64_t bytes = piece->used[i] * (int64_t)mlaas_node_element(plan->root, i);
    status = mlaas_block_new(budget, bytes, &piece->blocks[i], error);
    all[i] = piece->blocks[i].data;
  }
  if (status == MLAAS_OK)
    status = mlaas_decode_flat(plan, basket, all, scratch, error);
  if (all != buffers)
    mlaas_free(all);
  return status;
}

static enum mlaas_status piece_list(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    const int32_t *counts, struct mlaas_budget *budget, struct mlaas_block *scratch,
                                    struct mlaas_piece *piece, struct mlaas_error *error) {
  int64_t per, items = mlaas_list_items(plan, basket->entries, basket->size);
  if (items < 0)
    return mlaas_fail(error, MLAAS_FORMAT, "%lld bytes of %d entries are no whole number of items of %d bytes",
                      (long long)basket->size, basket->entries, plan->item_bytes);
  const struct mlaas_node *leaf = mlaas_node_inner(plan->root->children, &per);
  piece->used[plan->root->buffer] = basket->entries + 1;
  piece->used[leaf->buffer] = items * per;
  MLAAS_TRY(mlaas_block_new(budget, 4 * ((int64_t)basket->entries + 1), &piece->blocks[plan->root->buffer], error));
  MLAAS_TRY(mlaas_block_new(budget, items * per * leaf->value.width, &piece->blocks[leaf->buffer], error));
  int32_t *offsets = piece->blocks[plan->root->buffer].data;
  offsets[0] = 0;
  struct mlaas_list_sink sink = {.ends = offsets + 1, .items = items, .values = piece->blocks[leaf->buffer].data};
  return mlaas_decode_list(plan, basket, counts, &sink, scratch, error);
}

static enum mlaas_status piece_walk(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    const struct mlaas_counts *counts, struct mlaas_budget *budget,
                                    struct mlaas_piece *piece, struct mlaas_error *error) {
  for (size_t i = 0; i < plan->num_buffers; i++) {
    int64_t share = plan->num_buffers > 2 ? basket->size / (int64_t)plan->num_buffers + 64 : basket->size;
    int64_t first = mlaas_node_is_offsets(plan->root, i) ? 4 * ((int64_t)basket->entries + 1) : share;
    MLAAS_TRY(mlaas_block_new(budget, first, &piece->blocks[i], error));
    piece->blocks[i].size = 0;
  }
  return mlaas_decode_walk(plan, basket, counts, piece, error);
}

enum mlaas_status mlaas_decode_piece(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                     const struct mlaas_counts *counts, struct mlaas_budget *budget,
                                     struct mlaas_block *scratch, struct mlaas_piece *piece,
                                     struct mlaas_error *error) {
  MLAAS_TRY(mlaas_piece_init(piece, plan->num_buffers, error));
  piece->entries = basket->entries;
  enum mlaas_status status;
  if (plan->layout == MLAAS_LAYOUT_FLAT)
    status = piece_flat(plan, basket, budget, scratch, piece, error);
  else if (plan->layout == MLAAS_LAYOUT_LIST)
    status = piece_list(plan, basket, counts ? counts->values : NULL, budget, scratch, piece, error);
  else
    status = piece_walk(plan, basket, counts, budget, piece, error);
  if (status != MLAAS_OK)
    mlaas_piece_reset(piece);
  return status;
}

/* ---- rows of a piece ---- */

/* Turns rows of a list into rows of its child. */
static void go_down(const struct mlaas_node *node, const struct mlaas_piece *piece, int64_t *start, int64_t *stop) {
  if (node->kind == MLAAS_NODE_LIST || node->kind == MLAAS_NODE_TEXT) {
    if (!piece) {
      *start = *stop = 0;
      return;
    }
    const int32_t *offsets = piece->blocks[node->buffer].data;
    *start = offsets[*start];
    *stop = offsets[*stop];
  } else if (node->kind == MLAAS_NODE_FIXED) {
    *start *= node->size;
    *stop *= node->size;
  }
}

void mlaas_piece_count(const struct mlaas_node *node, const struct mlaas_piece *piece, int64_t start, int64_t stop,
                       int64_t *counts) {
  if (node->kind == MLAAS_NODE_SKIP)
    return;
  if (node->kind != MLAAS_NODE_FIXED && (node->kind != MLAAS_NODE_STRUCT || node->counts_rows))
    counts[node->buffer] += stop - start;
  go_down(node, piece, &start, &stop);
  if (node->kind == MLAAS_NODE_TEXT)
    counts[node->buffer + 1] += stop - start;
  for (size_t i = 0; i < node->num_children; i++)
    mlaas_piece_count(&node->children[i], piece, start, stop, counts);
}

static void place_offsets(const int32_t *in, int64_t count, int64_t base, int32_t *out) {
  int32_t shift = (int32_t)(base - in[0]);
  for (int64_t i = 1; i <= count; i++)
    out[i] = in[i] + shift;
}

static void place_bytes(const struct mlaas_block *in, int64_t start, int64_t stop, int64_t width, int64_t base,
                        const struct mlaas_block *out) {
  if (stop > start)
    memcpy((uint8_t *)out->data + base * width, (const uint8_t *)in->data + start * width,
           (size_t)((stop - start) * width));
}

/* Where the rows of a node begin: its first buffer tells. */
static int64_t base_of_rows(const struct mlaas_node *node, const int64_t *bases) {
  int64_t per;
  size_t buffer = mlaas_node_rows_buffer(node, &per);
  return bases[buffer] / per;
}

void mlaas_piece_place(const struct mlaas_node *node, const struct mlaas_piece *piece, int64_t start, int64_t stop,
                       const int64_t *bases, const struct mlaas_block *blocks) {
  size_t buffer = node->buffer;
  if (node->kind == MLAAS_NODE_SKIP)
    return;
  if (node->kind == MLAAS_NODE_VALUE || node->kind == MLAAS_NODE_OPTION)
    place_bytes(&piece->blocks[buffer], start, stop, node->kind == MLAAS_NODE_VALUE ? node->value.width : 1,
                bases[buffer], &blocks[buffer]);
  bool has_offsets = node->kind == MLAAS_NODE_LIST || node->kind == MLAAS_NODE_TEXT;
  const struct mlaas_node *child = node->num_children ? node->children : NULL;
  int64_t first = start, last = stop;
  go_down(node, piece, &start, &stop);
  if (has_offsets)
    place_offsets((const int32_t *)piece->blocks[buffer].data + first, last - first,
                  child ? base_of_rows(child, bases) : bases[buffer + 1],
                  (int32_t *)blocks[buffer].data + bases[buffer]);
  if (node->kind == MLAAS_NODE_TEXT)
    place_bytes(&piece->blocks[buffer + 1], start, stop, 1, bases[buffer + 1], &blocks[buffer + 1]);
  for (size_t i = 0; i < node->num_children; i++)
    mlaas_piece_place(&node->children[i], piece, start, stop, bases, blocks);
}
