/* Nodes to Arrow: numbering of buffers, schema, arrays. Must not know how bytes are decoded. */
#include "rootio/node.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

size_t mlaas_node_number(struct mlaas_node *node, size_t next) {
  node->buffer = next;
  if (node->kind == MLAAS_NODE_VALUE || node->kind == MLAAS_NODE_LIST)
    next += 1;
  else if (node->kind == MLAAS_NODE_TEXT)
    next += 2;
  for (size_t i = 0; i < node->num_children; i++)
    next = mlaas_node_number(&node->children[i], next);
  return next;
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
  if (node->kind == MLAAS_NODE_FIXED)
    return node->size * mlaas_node_stored(node->children);
  if (node->kind != MLAAS_NODE_STRUCT || node->framed)
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
  bool mine = node->buffer == buffer && node->kind != MLAAS_NODE_FIXED && node->kind != MLAAS_NODE_STRUCT;
  if (mine || (node->kind == MLAAS_NODE_TEXT && node->buffer + 1 == buffer))
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
  return owner->buffer == buffer ? sizeof(int32_t) : 1;
}

bool mlaas_node_is_offsets(const struct mlaas_node *node, size_t buffer) {
  const struct mlaas_node *owner = owner_of(node, buffer);
  return owner->kind != MLAAS_NODE_VALUE && owner->buffer == buffer;
}

enum mlaas_status mlaas_node_schema(const struct mlaas_node *node, const char *name, struct ArrowSchema *schema,
                                    struct mlaas_error *error) {
  MLAAS_TRY(mlaas_schema_init(schema, node->format, name, node->num_children, error));
  for (size_t i = 0; i < node->num_children; i++) {
    const struct mlaas_node *child = &node->children[i];
    enum mlaas_status status =
        mlaas_node_schema(child, node->kind == MLAAS_NODE_STRUCT ? child->name : "item", schema->children[i], error);
    if (status != MLAAS_OK) {
      mlaas_schema_release(schema);
      return status;
    }
  }
  return MLAAS_OK;
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

enum mlaas_status mlaas_node_array(const struct mlaas_node *node, int64_t length, struct mlaas_block *blocks,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  size_t mine = node->kind == MLAAS_NODE_TEXT ? 2 : node->kind == MLAAS_NODE_VALUE || node->kind == MLAAS_NODE_LIST;
  int64_t child_length = length_of_child(node, length, blocks);
  if (node->kind == MLAAS_NODE_VALUE && node->value.packing == MLAAS_PACKED_BOOL)
    MLAAS_TRY(pack_bits(&blocks[node->buffer], length, error));
  MLAAS_TRY(mlaas_array_init(array, length, mine ? &blocks[node->buffer] : NULL, mine, node->num_children, error));
  for (size_t i = 0; i < node->num_children; i++) {
    enum mlaas_status status = mlaas_node_array(&node->children[i], child_length, blocks, array->children[i], error);
    if (status != MLAAS_OK) {
      mlaas_array_release(array);
      return status;
    }
  }
  return MLAAS_OK;
}
