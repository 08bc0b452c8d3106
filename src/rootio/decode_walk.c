/* Entry by entry through the nodes: texts, lists in lists, and all that has no fast layout. Must not know of files. */
#include "rootio/decode.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

enum { BYTE_COUNT = 0x40000000, MEMBER_WISE = 0x4000, REFERENCED = 0x10 };

struct walk {
  const uint8_t *at, *end; /* of the entry; of the basket where there are no offsets */
  bool bounded;            /* `end` is the entry's own */
  struct mlaas_piece *piece;
  struct mlaas_error *error;
};

static enum mlaas_status short_of(const struct walk *walk, int64_t wanted) {
  return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld bytes were expected where the entry has %lld left",
                    (long long)wanted, (long long)(walk->end - walk->at));
}

#define WALK_NEED(walk, count)                                                                                         \
  do {                                                                                                                 \
    if ((count) > (walk)->end - (walk)->at)                                                                            \
      return short_of(walk, count);                                                                                    \
  } while (0)

static uint32_t take32(struct walk *walk) {
  uint32_t word;
  memcpy(&word, walk->at, 4);
  walk->at += 4;
  return __builtin_bswap32(word);
}

/* Room for `count` more elements of `width` bytes; *place is where they go. */
static enum mlaas_status reserve(struct walk *walk, size_t buffer, int64_t count, int64_t width, void **place) {
  struct mlaas_piece *piece = walk->piece;
  int64_t used = piece->used[buffer];
  if (used + count >= INT_MAX)
    return mlaas_fail(walk->error, MLAAS_LIMIT, "more than 2^31 elements in one basket");
  MLAAS_TRY(mlaas_block_grow(&piece->blocks[buffer], (used + count) * width, walk->error));
  *place = (uint8_t *)piece->blocks[buffer].data + used * width;
  piece->used[buffer] = used + count;
  return MLAAS_OK;
}

static enum mlaas_status walk_flags(struct walk *walk, int64_t count, uint32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    WALK_NEED(walk, 4);
    out[i] = take32(walk);
    if (out[i] & REFERENCED) {
      WALK_NEED(walk, 2);
      walk->at += 2;
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status walk_values(struct walk *walk, const struct mlaas_node *node, int64_t count) {
  void *out = NULL;
  int64_t least = node->value.stored ? node->value.stored : 4;
  if (count > (walk->end - walk->at) / least)
    return short_of(walk, count * least);
  MLAAS_TRY(reserve(walk, node->buffer, count, node->value.width, &out));
  if (node->value.packing == MLAAS_PACKED_FLAGS)
    return walk_flags(walk, count, out);
  mlaas_values_decode(&node->value, walk->at, count, out);
  walk->at += count * node->value.stored;
  return MLAAS_OK;
}

static enum mlaas_status put_end(struct walk *walk, size_t buffer, int64_t end) {
  void *out = NULL;
  MLAAS_TRY(reserve(walk, buffer, 1, 4, &out));
  int32_t value = (int32_t)end;
  memcpy(out, &value, 4);
  return MLAAS_OK;
}

static enum mlaas_status text_length(struct walk *walk, enum mlaas_extent extent, int64_t *length) {
  *length = 0;
  if (extent == MLAAS_EXTENT_LEAF && walk->at == walk->end)
    return MLAAS_OK;
  if (extent != MLAAS_EXTENT_COUNT) {
    WALK_NEED(walk, 1);
    *length = *walk->at++;
    if (*length < 255)
      return MLAAS_OK;
  }
  WALK_NEED(walk, 4);
  *length = take32(walk);
  return MLAAS_OK;
}

static enum mlaas_status walk_text(struct walk *walk, const struct mlaas_node *node) {
  int64_t length;
  void *out = NULL;
  MLAAS_TRY(text_length(walk, node->extent, &length));
  WALK_NEED(walk, length);
  MLAAS_TRY(reserve(walk, node->buffer + 1, length, 1, &out));
  memcpy(out, walk->at, (size_t)length);
  walk->at += length;
  return put_end(walk, node->buffer, walk->piece->used[node->buffer + 1]);
}

static enum mlaas_status walk_node(struct walk *walk, const struct mlaas_node *node, int64_t count);

/* As many as there are up to the end; *count of them. */
static enum mlaas_status walk_rest(struct walk *walk, const struct mlaas_node *node, int64_t *count) {
  int64_t stored = mlaas_node_stored(node), left = walk->end - walk->at;
  *count = 0;
  if (!walk->bounded)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "the basket has no offsets that bound its lists");
  if (stored > 0) {
    *count = left / stored;
    return walk_node(walk, node, *count);
  }
  for (; walk->at < walk->end; ++*count)
    MLAAS_TRY(walk_node(walk, node, 1));
  return MLAAS_OK;
}

static enum mlaas_status walk_list(struct walk *walk, const struct mlaas_node *node) {
  int64_t count;
  if (node->extent == MLAAS_EXTENT_REST) {
    MLAAS_TRY(walk_rest(walk, node->children, &count));
  } else {
    WALK_NEED(walk, 4);
    count = take32(walk);
    if (count > walk->end - walk->at) /* an element has at least one byte */
      return short_of(walk, count);
    MLAAS_TRY(walk_node(walk, node->children, count));
  }
  const int32_t *ends = walk->piece->blocks[node->buffer].data;
  return put_end(walk, node->buffer, ends[walk->piece->used[node->buffer] - 1] + count);
}

static enum mlaas_status walk_unframed(struct walk *walk, const struct mlaas_node *node) {
  if (node->kind == MLAAS_NODE_TEXT)
    return walk_text(walk, node);
  if (node->kind == MLAAS_NODE_LIST)
    return walk_list(walk, node);
  if (node->kind == MLAAS_NODE_FIXED)
    return walk_node(walk, node->children, node->size);
  for (size_t i = 0; i < node->num_children; i++)
    MLAAS_TRY(walk_node(walk, &node->children[i], 1));
  return MLAAS_OK;
}

/* Byte count and version, then the node, which must end where the byte count says. */
static enum mlaas_status walk_framed(struct walk *walk, const struct mlaas_node *node) {
  WALK_NEED(walk, 6);
  const uint8_t *end = walk->end;
  bool bounded = walk->bounded;
  uint32_t word = take32(walk);
  int64_t bytes = word & ~(uint32_t)BYTE_COUNT;
  if (!(word & BYTE_COUNT) || bytes < 2 || bytes > walk->end - walk->at)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a byte count of 0x%x does not fit the %lld bytes that are left", word,
                      (long long)(walk->end - walk->at));
  if (walk->at[0] & MEMBER_WISE >> 8)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "collections written member by member are not read yet");
  walk->end = walk->at + bytes;
  walk->bounded = true;
  walk->at += 2;
  MLAAS_TRY(walk_unframed(walk, node));
  if (walk->at != walk->end)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld of the %lld bytes of an object are left over",
                      (long long)(walk->end - walk->at), (long long)bytes);
  walk->end = end;
  walk->bounded = bounded;
  return MLAAS_OK;
}

/* `count` of `node`, one after another. */
static enum mlaas_status walk_node(struct walk *walk, const struct mlaas_node *node, int64_t count) {
  if (node->kind == MLAAS_NODE_VALUE)
    return walk_values(walk, node, count);
  if (node->kind == MLAAS_NODE_FIXED && !node->framed)
    return walk_node(walk, node->children, count * node->size);
  for (int64_t i = 0; i < count; i++)
    MLAAS_TRY(node->framed ? walk_framed(walk, node) : walk_unframed(walk, node));
  return MLAAS_OK;
}

/* A collection's member column: nothing at all where the collection is empty. */
static enum mlaas_status walk_entry(struct walk *walk, const struct mlaas_node *root) {
  if (root->kind == MLAAS_NODE_LIST && root->extent == MLAAS_EXTENT_REST && walk->bounded && walk->at == walk->end)
    return walk_list(walk, root);
  return walk_node(walk, root, 1);
}

static enum mlaas_status start_offsets(struct walk *walk, const struct mlaas_branch_plan *plan) {
  for (size_t i = 0; i < plan->num_buffers; i++)
    if (mlaas_node_is_offsets(plan->root, i))
      MLAAS_TRY(put_end(walk, i, 0));
  return MLAAS_OK;
}

static int64_t begin_of(const struct mlaas_basket *basket, int32_t entry) {
  uint32_t word;
  memcpy(&word, basket->offsets + 4 * (int64_t)entry, 4);
  return (int64_t)(int32_t)__builtin_bswap32(word);
}

/* Where entry `i` ends, from 0; the sum goes on from `begin` where the array holds sizes. */
static int64_t end_of(const struct mlaas_basket *basket, int32_t entry, int64_t begin) {
  if (entry + 1 == basket->entries)
    return basket->size;
  int64_t next = begin_of(basket, entry + 1);
  return basket->offsets_are_sizes ? begin + next : next - basket->key_len;
}

enum mlaas_status mlaas_decode_walk(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    struct mlaas_piece *piece, struct mlaas_error *error) {
  struct walk walk = {.at = basket->data,
                      .end = basket->data + basket->size,
                      .bounded = basket->offsets != NULL,
                      .piece = piece,
                      .error = error};
  MLAAS_TRY(start_offsets(&walk, plan));
  for (int32_t i = 0; i < basket->entries; i++) {
    if (walk.bounded) {
      int64_t begin = walk.at - basket->data, end = end_of(basket, i, begin);
      if (end < begin || end > basket->size)
        return mlaas_fail(error, MLAAS_FORMAT, "entry %d of the basket lies at %lld to %lld of %lld bytes", i,
                          (long long)begin, (long long)end, (long long)basket->size);
      walk.end = basket->data + end;
    }
    MLAAS_TRY(walk_entry(&walk, plan->root));
    if (walk.bounded && walk.at != walk.end)
      return mlaas_fail(error, MLAAS_FORMAT, "entry %d of the basket has %lld bytes left over", i,
                        (long long)(walk.end - walk.at));
  }
  piece->entries = basket->entries;
  return walk.at == basket->data + basket->size
             ? MLAAS_OK
             : mlaas_fail(error, MLAAS_FORMAT, "the basket has bytes behind its %d entries", basket->entries);
}
