/* Nodes to Arrow: numbering of buffers, schema, arrays. Must not know how bytes are decoded. */
#include "rootio/value/node.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

size_t mlaas_node_num_buffers(const struct mlaas_node *node) {
  switch (node->kind) {
  case MLAAS_NODE_VALUE:
  case MLAAS_NODE_LIST:
  case MLAAS_NODE_OPTION:
    return 1;
  case MLAAS_NODE_TEXT:
    return 2;
  case MLAAS_NODE_STRUCT:
    return node->counts_rows;
  default:
    return 0;
  }
}

size_t mlaas_node_number(struct mlaas_node *node, size_t next) {
  size_t first = next;
  node->counts_rows = false;
  node->buffer = next;
  next += mlaas_node_num_buffers(node);
  for (size_t i = 0; i < node->num_children; i++)
    next = mlaas_node_number(&node->children[i], next);
  if (node->kind == MLAAS_NODE_STRUCT && next == first) {
    node->counts_rows = true;
    next++;
  }
  return next;
}

/* True where the node or one below it, row for row, has a buffer. */
static bool has_rows(const struct mlaas_node *node) {
  if (node->kind == MLAAS_NODE_FIXED)
    return has_rows(node->children);
  return node->kind != MLAAS_NODE_SKIP; /* a struct has at least its own */
}

size_t mlaas_node_rows_buffer(const struct mlaas_node *node, int64_t *per) {
  *per = 1;
  while (node->kind == MLAAS_NODE_FIXED || (node->kind == MLAAS_NODE_STRUCT && !node->counts_rows)) {
    *per *= node->kind == MLAAS_NODE_FIXED ? node->size : 1;
    const struct mlaas_node *child = node->children;
    while (!has_rows(child))
      child++;
    node = child;
  }
  return node->buffer;
}

const struct mlaas_node *mlaas_node_inner(const struct mlaas_node *node, int64_t *per) {
  *per = 1;
  while (node->kind == MLAAS_NODE_FIXED) {
    *per *= node->size;
    node = node->children;
  }
  return node;
}

int64_t mlaas_node_stored(const struct mlaas_node *node) {
  if (node->kind == MLAAS_NODE_VALUE)
    return node->value.stored;
  if (node->kind == MLAAS_NODE_FIXED && !node->framed && !node->object)
    return node->size * mlaas_node_stored(node->children);
  if (node->kind != MLAAS_NODE_STRUCT || node->framed || node->object)
    return 0;
  int64_t sum = 0;
  for (size_t i = 0; i < node->num_children; i++) {
    int64_t bytes = mlaas_node_stored(&node->children[i]);
    if (bytes == 0)
      return 0;
    sum += bytes;
  }
  return sum;
}

/* The node that buffer `buffer` belongs to, or NULL. */
static const struct mlaas_node *owner_of(const struct mlaas_node *node, size_t buffer) {
  if (buffer >= node->buffer && buffer < node->buffer + mlaas_node_num_buffers(node))
    return node;
  const struct mlaas_node *found = NULL;
  for (size_t i = 0; i < node->num_children && !found; i++)
    found = owner_of(&node->children[i], buffer);
  return found;
}

size_t mlaas_node_element(const struct mlaas_node *node, size_t buffer) {
  const struct mlaas_node *owner = owner_of(node, buffer);
  if (owner->kind == MLAAS_NODE_VALUE)
    return (size_t)owner->value.width;
  if (owner->kind == MLAAS_NODE_OPTION)
    return 1;
  if (owner->kind == MLAAS_NODE_STRUCT)
    return 0;
  return owner->buffer == buffer ? sizeof(int32_t) : 1;
}

bool mlaas_node_is_offsets(const struct mlaas_node *node, size_t buffer) {
  const struct mlaas_node *owner = owner_of(node, buffer);
  return (owner->kind == MLAAS_NODE_LIST || owner->kind == MLAAS_NODE_TEXT) && owner->buffer == buffer;
}

/* ---- Arrow ---- */

/* How many members of an Arrow struct the children are: bases count with all of theirs. */
static size_t count_members(const struct mlaas_node *node) {
  size_t count = 0;
  for (size_t i = 0; i < node->num_children; i++)
    if (node->children[i].inlined)
      count += count_members(&node->children[i]);
    else
      count += node->children[i].kind != MLAAS_NODE_SKIP;
  return count;
}

static const char *name_of_child(const struct mlaas_node *node, const struct mlaas_node *child) {
  if (node->kind == MLAAS_NODE_STRUCT)
    return child->name;
  return strcmp(node->format, "+m") == 0 ? "entries" : "item";
}

/* Fills the schemas at *next and moves it. */
static enum mlaas_status member_schemas(const struct mlaas_node *node, struct ArrowSchema ***next,
                                        struct mlaas_error *error) {
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    if (child->inlined)
      MLAAS_TRY(member_schemas(child, next, error));
    else if (child->kind != MLAAS_NODE_SKIP)
      MLAAS_TRY(mlaas_node_schema(child, name_of_child(node, child), *(*next)++, error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_node_schema(const struct mlaas_node *node, const char *name, struct ArrowSchema *schema,
                                    struct mlaas_error *error) {
  if (node->kind == MLAAS_NODE_OPTION) {
    MLAAS_TRY(mlaas_node_schema(node->children, name, schema, error));
    schema->flags |= ARROW_FLAG_NULLABLE;
    return MLAAS_OK;
  }
  MLAAS_TRY(mlaas_schema_init(schema, node->format, name, count_members(node), error));
  struct ArrowSchema **next = schema->children;
  enum mlaas_status status = member_schemas(node, &next, error);
  if (status != MLAAS_OK)
    mlaas_schema_release(schema);
  return status;
}

/* Arrow keeps eight truth values in a byte, the first in the lowest bit. */
static enum mlaas_status pack_bits(struct mlaas_block *block, int64_t count, struct mlaas_error *error) {
  struct mlaas_block packed = {0};
  MLAAS_TRY(mlaas_block_new(block->budget, (count + 7) / 8, &packed, error));
  const uint8_t *in = block->data;
  uint8_t *out = packed.data;
  for (int64_t i = 0; i < count / 8; i++, in += 8) {
    uint64_t eight;
    memcpy(&eight, in, 8);
    out[i] = (uint8_t)((eight * UINT64_C(0x0102040810204080)) >> 56); /* bytes are 0 or 1 */
  }
  if (count % 8) {
    unsigned bits = 0;
    for (int64_t i = 0; i < count % 8; i++)
      bits |= (unsigned)in[i] << i;
    out[count / 8] = (uint8_t)bits;
  }
  mlaas_block_reset(block);
  *block = packed;
  return MLAAS_OK;
}

static int64_t length_of_child(const struct mlaas_node *node, int64_t length, const struct mlaas_block *blocks) {
  if (node->kind == MLAAS_NODE_LIST)
    return ((const int32_t *)blocks[node->buffer].data)[length];
  return node->kind == MLAAS_NODE_FIXED ? length * node->size : length;
}

/* Fills the arrays at *next and moves it. */
static enum mlaas_status member_arrays(const struct mlaas_node *node, int64_t length, struct mlaas_block *blocks,
                                       struct ArrowArray ***next, struct mlaas_error *error) {
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    if (child->inlined)
      MLAAS_TRY(member_arrays(child, length, blocks, next, error));
    else if (child->kind != MLAAS_NODE_SKIP)
      MLAAS_TRY(mlaas_node_array(child, length, blocks, *(*next)++, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status option_array(const struct mlaas_node *node, int64_t length, struct mlaas_block *blocks,
                                      struct ArrowArray *array, struct mlaas_error *error) {
  struct mlaas_block *there = &blocks[node->buffer];
  int64_t missing = length;
  for (int64_t i = 0; i < length; i++)
    missing -= ((const uint8_t *)there->data)[i];
  MLAAS_TRY(pack_bits(there, length, error));
  MLAAS_TRY(mlaas_node_array(node->children, length, blocks, array, error));
  mlaas_array_set_validity(array, there, missing);
  return MLAAS_OK;
}

enum mlaas_status mlaas_node_array(const struct mlaas_node *node, int64_t length, struct mlaas_block *blocks,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  if (node->kind == MLAAS_NODE_OPTION)
    return option_array(node, length, blocks, array, error);
  size_t mine = node->kind == MLAAS_NODE_STRUCT ? 0 : mlaas_node_num_buffers(node);
  int64_t child_length = length_of_child(node, length, blocks);
  if (node->kind == MLAAS_NODE_VALUE && node->value.packing == MLAAS_PACKED_BOOL)
    MLAAS_TRY(pack_bits(&blocks[node->buffer], length, error));
  MLAAS_TRY(mlaas_array_init(array, length, mine ? &blocks[node->buffer] : NULL, mine, count_members(node), error));
  struct ArrowArray **next = array->children;
  enum mlaas_status status = member_arrays(node, child_length, blocks, &next, error);
  if (status != MLAAS_OK)
    mlaas_array_release(array);
  return status;
}
