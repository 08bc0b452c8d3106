/* Entry by entry through the nodes: texts, lists in lists, objects, and all that has no fast layout. Must not know of
 * files. */
#include "rootio/value/walk.h"

#include "base/error.h"

#include <limits.h>
#include <string.h>

enum status_of_empty { COLUMNS_OF_EMPTY = 7, VERSION_OF_CONTENT = 8 }; /* since when what, in versions of frames */

enum mlaas_status mlaas_walk_short(const struct mlaas_walk *walk, int64_t wanted) {
  return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld bytes were expected where the entry has %lld left",
                    (long long)wanted, (long long)(walk->end - walk->at));
}

enum mlaas_status mlaas_walk_reserve(struct mlaas_walk *walk, size_t buffer, int64_t count, int64_t width,
                                     void **place) {
  struct mlaas_piece *piece = walk->piece;
  int64_t used = piece->used[buffer];
  if (count > INT_MAX || used + count >= INT_MAX)
    return mlaas_fail(walk->error, MLAAS_LIMIT, "more than 2^31 elements in one basket");
  MLAAS_TRY(mlaas_block_grow(&piece->blocks[buffer], (used + count) * width, walk->error));
  *place = (uint8_t *)piece->blocks[buffer].data + used * width;
  piece->used[buffer] = used + count;
  return MLAAS_OK;
}

/* ---- values and texts ---- */

static enum mlaas_status walk_flags(struct mlaas_walk *walk, int64_t count, uint32_t *out) {
  for (int64_t i = 0; i < count; i++) {
    MLAAS_WALK_NEED(walk, 4);
    out[i] = mlaas_walk_u32(walk);
    if (out[i] & MLAAS_REFERENCED) {
      MLAAS_WALK_NEED(walk, 2);
      walk->at += 2;
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status walk_values(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count) {
  void *out = NULL;
  int64_t least = node->value.stored ? node->value.stored : 4;
  if (count > (walk->end - walk->at) / least)
    return mlaas_walk_short(walk, count * least);
  MLAAS_TRY(mlaas_walk_reserve(walk, node->buffer, count, node->value.width, &out));
  if (node->value.packing == MLAAS_PACKED_FLAGS)
    return walk_flags(walk, count, out);
  mlaas_values_decode(&node->value, walk->at, count, out);
  walk->at += count * node->value.stored;
  return MLAAS_OK;
}

static enum mlaas_status put_end(struct mlaas_walk *walk, size_t buffer, int64_t end) {
  void *out = NULL;
  MLAAS_TRY(mlaas_walk_reserve(walk, buffer, 1, 4, &out));
  int32_t value = (int32_t)end;
  memcpy(out, &value, 4);
  return MLAAS_OK;
}

static enum mlaas_status text_length(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *length) {
  *length = 0;
  if (node->extent == MLAAS_EXTENT_LEAF && walk->bounded && walk->end - walk->at == node->size)
    return MLAAS_OK;
  if (node->extent != MLAAS_EXTENT_COUNT) {
    MLAAS_WALK_NEED(walk, 1);
    *length = *walk->at++;
    if (*length < 255)
      return MLAAS_OK;
  }
  MLAAS_WALK_NEED(walk, 4);
  *length = mlaas_walk_u32(walk);
  return MLAAS_OK;
}

static enum mlaas_status walk_text(struct mlaas_walk *walk, const struct mlaas_node *node) {
  int64_t length;
  void *out = NULL;
  MLAAS_TRY(text_length(walk, node, &length));
  MLAAS_WALK_NEED(walk, length);
  MLAAS_TRY(mlaas_walk_reserve(walk, node->buffer + 1, length, 1, &out));
  memcpy(out, walk->at, (size_t)length);
  walk->at += length;
  return put_end(walk, node->buffer, walk->piece->used[node->buffer + 1]);
}

/* ---- lists ---- */

static enum mlaas_status walk_rows(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count,
                                   const struct mlaas_walk_frame *frame);

/* Rows up to the end, of which `frame` was entered where there is one; *count of them. */
static enum mlaas_status rows_to_end(struct mlaas_walk *walk, const struct mlaas_node *node,
                                     const struct mlaas_walk_frame *frame, int64_t *count) {
  int64_t stored = mlaas_node_stored(node), left = walk->end - walk->at;
  if (node->kind == MLAAS_NODE_LIST && node->extent == MLAAS_EXTENT_GIVEN && walk->counts && walk->counts->ends) {
    const int32_t *ends = walk->counts->ends;
    *count = ends[walk->index] - (walk->index > 0 ? ends[walk->index - 1] : 0);
    return walk_rows(walk, node, *count, frame);
  }
  if (stored > 0) {
    *count = left / stored;
    return walk_rows(walk, node, *count, frame);
  }
  for (*count = 0; walk->at < walk->end; ++*count) {
    const uint8_t *start = walk->at;
    MLAAS_TRY(walk_rows(walk, node, 1, frame));
    if (walk->at == start)
      return mlaas_fail(walk->error, MLAAS_FORMAT, "bytes are left over behind objects that have none");
  }
  return MLAAS_OK;
}

static enum mlaas_status take_content(struct mlaas_walk *walk, const struct mlaas_node *node,
                                      const struct mlaas_walk_frame *frame);

/* As many as there are up to the end of the entry. */
static enum mlaas_status walk_rest(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *count) {
  struct mlaas_walk_frame frame = {0};
  if (!walk->bounded)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "the basket has no offsets that bound its lists");
  if (!node->framed)
    return rows_to_end(walk, node, NULL, count);
  MLAAS_TRY(mlaas_walk_enter(walk, &frame));
  MLAAS_TRY(take_content(walk, node, &frame));
  MLAAS_TRY(rows_to_end(walk, node, &frame, count));
  return mlaas_walk_leave(walk, &frame);
}

/* The value of the row's counter. */
static enum mlaas_status count_of_member(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *count) {
  const struct mlaas_node *counter = node->counter;
  int64_t row = (walk->piece->used[node->buffer] - 1) / node->per_count;
  int32_t width = counter->value.width;
  *count = 0;
  if (node->flagged) {
    MLAAS_WALK_NEED(walk, 1);
    if (*walk->at++ == 0)
      return MLAAS_OK;
  }
  if (row >= walk->piece->used[counter->buffer])
    return mlaas_fail(walk->error, MLAAS_FORMAT, "the counter of %s comes behind it", node->name);
  const uint8_t *value = (const uint8_t *)walk->piece->blocks[counter->buffer].data + row * width;
  memcpy(count, value, (size_t)width); /* little-endian, as everything in memory here */
  if (strchr("csil", counter->format[0]))
    *count = (int64_t)((uint64_t)*count << (64 - 8 * width)) >> (64 - 8 * width);
  if (node->triangle && *count >= 0 && *count < INT_MAX)
    *count = *count * (*count + 1) / 2;
  if (*count < 0 || *count > walk->end - walk->at)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld elements of %s do not fit the %lld bytes that are left",
                      (long long)*count, node->name, (long long)(walk->end - walk->at));
  return MLAAS_OK;
}

/* What another branch says of this row. */
static enum mlaas_status count_of_branch(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t *count) {
  int64_t row = walk->piece->used[node->buffer] - 1;
  bool there = true;
  if (node->flagged) {
    MLAAS_WALK_NEED(walk, 1);
    there = *walk->at++ != 0;
  }
  if (!walk->counts || row >= walk->counts->count)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "the branch that counts has no count for list %lld of the basket",
                      (long long)row);
  *count = there ? walk->counts->values[row] : 0;
  if (*count < 0 || *count > walk->end - walk->at)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "%lld elements do not fit the %lld bytes that are left",
                      (long long)*count, (long long)(walk->end - walk->at));
  return MLAAS_OK;
}

/* Structs of nothing have no bytes. */
static bool is_empty(const struct mlaas_node *node) {
  for (size_t i = 0; i < node->num_children; i++)
    if (!is_empty(&node->children[i]))
      return false;
  return node->kind == MLAAS_NODE_STRUCT;
}

static enum mlaas_status take_count(struct mlaas_walk *walk, const struct mlaas_node *node, bool member_wise,
                                    int64_t *count) {
  MLAAS_WALK_NEED(walk, 4);
  *count = mlaas_walk_u32(walk);
  if (*count <= walk->end - walk->at || (member_wise && *count <= 1 << 20 && is_empty(node->children)))
    return MLAAS_OK;
  return mlaas_walk_short(walk, *count); /* an element has at least one byte */
}

static enum mlaas_status walk_list(struct mlaas_walk *walk, const struct mlaas_node *node,
                                   const struct mlaas_walk_frame *frame) {
  int64_t count;
  bool member_wise = frame && frame->member_wise;
  if (node->extent == MLAAS_EXTENT_REST) {
    MLAAS_TRY(walk_rest(walk, node->children, &count));
  } else if (node->extent == MLAAS_EXTENT_CLONES) {
    MLAAS_TRY(mlaas_walk_clones(walk, node, &count));
  } else if (node->extent == MLAAS_EXTENT_MEMBER || node->extent == MLAAS_EXTENT_GIVEN) {
    MLAAS_TRY(node->extent == MLAAS_EXTENT_MEMBER ? count_of_member(walk, node, &count)
                                                  : count_of_branch(walk, node, &count));
    MLAAS_TRY(mlaas_walk_nodes(walk, node->children, count));
  } else {
    MLAAS_TRY(take_count(walk, node, member_wise, &count));
    if (!member_wise)
      MLAAS_TRY(mlaas_walk_nodes(walk, node->children, count));
    else if (count > 0 || frame->version < COLUMNS_OF_EMPTY)
      MLAAS_TRY(mlaas_walk_columns(walk, node->children, count));
  }
  const int32_t *ends = walk->piece->blocks[node->buffer].data;
  return put_end(walk, node->buffer, ends[walk->piece->used[node->buffer] - 1] + count);
}

/* ---- objects ---- */

static enum mlaas_status count_rows(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count) {
  void *nothing = NULL;
  return node->counts_rows ? mlaas_walk_reserve(walk, node->buffer, count, 0, &nothing) : MLAAS_OK;
}

static enum mlaas_status walk_members(struct mlaas_walk *walk, const struct mlaas_node *node) {
  MLAAS_TRY(count_rows(walk, node, 1));
  for (size_t i = 0; i < node->num_children; i++)
    MLAAS_TRY(node->bare ? walk_rows(walk, &node->children[i], 1, NULL)
                         : mlaas_walk_nodes(walk, &node->children[i], 1));
  return MLAAS_OK;
}

/* One object of a class, or one array that is a class. */
static enum mlaas_status walk_object(struct mlaas_walk *walk, const struct mlaas_node *node) {
  struct mlaas_walk_frame frame = {0};
  bool framed = node->object && !node->bare;
  if (framed)
    MLAAS_TRY(mlaas_walk_enter_object(walk, node->object, &frame));
  if (node->kind == MLAAS_NODE_FIXED)
    MLAAS_TRY(mlaas_walk_nodes(walk, node->children, node->size));
  else
    MLAAS_TRY(walk_members(walk, node));
  return framed ? mlaas_walk_leave(walk, &frame) : MLAAS_OK;
}

/* Member by member, each for all `count` objects; bases have no frames of their own here. */
enum mlaas_status mlaas_walk_columns(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count) {
  if (node->kind == MLAAS_NODE_FIXED)
    return mlaas_walk_nodes(walk, node->children, count * node->size);
  if (node->kind == MLAAS_NODE_SKIP)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "a base class that is not in the file's streamer info");
  MLAAS_TRY(count_rows(walk, node, count));
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    MLAAS_TRY(child->inlined ? mlaas_walk_columns(walk, child, count) : mlaas_walk_nodes(walk, child, count));
  }
  return MLAAS_OK;
}

/* What a frame says of a collection's content before its first count. */
static enum mlaas_status take_content(struct mlaas_walk *walk, const struct mlaas_node *node,
                                      const struct mlaas_walk_frame *frame) {
  int64_t per;
  const struct mlaas_node *list = node->kind == MLAAS_NODE_SKIP ? node : mlaas_node_inner(node, &per);
  if (!frame->member_wise || list->kind == MLAAS_NODE_SKIP)
    return MLAAS_OK;
  if (list->kind != MLAAS_NODE_LIST || !list->children->object || list->children->kind == MLAAS_NODE_OPTION)
    return mlaas_fail(walk->error, MLAAS_FORMAT, "a collection without members is written member by member");
  return frame->version >= VERSION_OF_CONTENT ? mlaas_walk_content(walk, list->children->object) : MLAAS_OK;
}

/* `count` of `node` without the frame around them, `frame` where there was one. */
static enum mlaas_status walk_rows(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count,
                                   const struct mlaas_walk_frame *frame) {
  if (node->kind == MLAAS_NODE_VALUE)
    return walk_values(walk, node, count);
  if (node->kind == MLAAS_NODE_FIXED && !node->object)
    return frame ? walk_rows(walk, node->children, count * node->size, frame)
                 : mlaas_walk_nodes(walk, node->children, count * node->size);
  for (int64_t i = 0; i < count; i++)
    switch (node->kind) {
    case MLAAS_NODE_TEXT:
      MLAAS_TRY(walk_text(walk, node));
      break;
    case MLAAS_NODE_LIST:
      MLAAS_TRY(walk_list(walk, node, frame));
      break;
    case MLAAS_NODE_OPTION:
      MLAAS_TRY(mlaas_walk_pointer(walk, node));
      break;
    case MLAAS_NODE_SKIP:
      MLAAS_TRY(mlaas_walk_skip(walk, node));
      break;
    default:
      MLAAS_TRY(walk_object(walk, node));
    }
  return MLAAS_OK;
}

enum mlaas_status mlaas_walk_nodes(struct mlaas_walk *walk, const struct mlaas_node *node, int64_t count) {
  struct mlaas_walk_frame frame = {0};
  if (!node->framed)
    return walk_rows(walk, node, count, NULL);
  MLAAS_TRY(mlaas_walk_enter(walk, &frame));
  MLAAS_TRY(take_content(walk, node, &frame));
  MLAAS_TRY(walk_rows(walk, node, count, &frame));
  return mlaas_walk_leave(walk, &frame);
}

/* ---- entries ---- */

/* The name of the class of an object whose branch may hold several. */
static enum mlaas_status take_title(struct mlaas_walk *walk, const struct mlaas_node *root) {
  MLAAS_WALK_NEED(walk, 1);
  int64_t length = *walk->at++;
  MLAAS_WALK_NEED(walk, length + 1);
  const char *name = (const char *)walk->at;
  walk->at += length + 1;
  if (name[length] != '\0' || strcmp(name, root->title) != 0)
    return mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "an object of class %.*s, where the branch is one of %s",
                      (int)strnlen(name, (size_t)length), name, root->title);
  return MLAAS_OK;
}

/* A collection's member column: nothing at all where the collection is empty. */
static enum mlaas_status walk_entry(struct mlaas_walk *walk, const struct mlaas_node *root) {
  bool empty = walk->bounded && walk->at == walk->end && root->kind == MLAAS_NODE_LIST;
  if (empty && (root->may_be_empty || root->extent == MLAAS_EXTENT_REST)) {
    const int32_t *ends = walk->piece->blocks[root->buffer].data;
    return put_end(walk, root->buffer, ends[walk->piece->used[root->buffer] - 1]);
  }
  if (root->title)
    MLAAS_TRY(take_title(walk, root));
  return mlaas_walk_nodes(walk, root, 1);
}

static enum mlaas_status start_offsets(struct mlaas_walk *walk, const struct mlaas_branch_plan *plan) {
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
                                    const struct mlaas_counts *counts, struct mlaas_piece *piece,
                                    struct mlaas_error *error) {
  struct mlaas_walk walk = {.at = basket->data,
                            .end = basket->data + basket->size,
                            .bounded = basket->offsets != NULL,
                            .data = basket->data,
                            .key_len = basket->key_len,
                            .sample = plan->sample,
                            .displaced = basket->displaced,
                            .counts = counts,
                            .piece = piece,
                            .error = error};
  const bool bounded = walk.bounded;
  MLAAS_TRY(start_offsets(&walk, plan));
  for (int32_t i = 0; i < basket->entries; i++) {
    if (bounded) {
      int64_t begin = walk.at - basket->data, end = end_of(basket, i, begin);
      if (end < begin || end > basket->size)
        return mlaas_fail(error, MLAAS_FORMAT, "entry %d of the basket lies at %lld to %lld of %lld bytes", i,
                          (long long)begin, (long long)end, (long long)basket->size);
      walk.end = basket->data + end;
    }
    walk.entry = walk.at;
    walk.index = i;
    MLAAS_TRY(walk_entry(&walk, plan->root));
    if (bounded && walk.at != walk.end)
      return mlaas_fail(error, MLAAS_FORMAT, "entry %d of the basket has %lld bytes left over", i,
                        (long long)(walk.end - walk.at));
  }
  piece->entries = basket->entries;
  return walk.at == basket->data + basket->size
             ? MLAAS_OK
             : mlaas_fail(error, MLAAS_FORMAT, "the basket has bytes behind its %d entries", basket->entries);
}
