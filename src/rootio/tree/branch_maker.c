/* Nodes and refusals for the planners of branches. Must not know which kinds of branches there are.
 */
#include "rootio/tree/branch_maker.h"

#include "base/error.h"
#include "rootio/value/type_name.h"

#include <stdlib.h>
#include <string.h>

enum mlaas_status mlaas_maker_refuse(struct mlaas_branch_maker *maker, const char *why) {
  maker->plan->unsupported = why;
  return MLAAS_OK;
}

enum mlaas_status mlaas_maker_refuse_class(struct mlaas_branch_maker *maker, const char *class_name) {
  const char *why = mlaas_arena_format(maker->arena, maker->error, "objects of class %s are not read yet", class_name);
  return why ? mlaas_maker_refuse(maker, why) : MLAAS_MEMORY;
}

/* ---- nodes ---- */

enum mlaas_status mlaas_maker_node(struct mlaas_branch_maker *maker, enum mlaas_node_kind kind, const char *format,
                                   struct mlaas_node **node) {
  *node = mlaas_arena_alloc(maker->arena, 1, sizeof **node, maker->error);
  if (!*node)
    return MLAAS_MEMORY;
  **node = (struct mlaas_node){.kind = kind, .format = format, .name = ""};
  return MLAAS_OK;
}

enum mlaas_status mlaas_maker_list(struct mlaas_branch_maker *maker, enum mlaas_extent extent, bool framed,
                                   struct mlaas_node *child, struct mlaas_node **node) {
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_LIST, "+l", node));
  (*node)->extent = extent;
  (*node)->framed = framed;
  (*node)->children = child;
  (*node)->num_children = 1;
  return MLAAS_OK;
}

enum mlaas_status mlaas_maker_text(struct mlaas_branch_maker *maker, enum mlaas_extent extent, bool framed,
                                   struct mlaas_node **node) {
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_TEXT, "u", node));
  (*node)->extent = extent;
  (*node)->framed = framed;
  return MLAAS_OK;
}

enum mlaas_status mlaas_maker_array(struct mlaas_branch_maker *maker, const struct mlaas_scalar *value,
                                    const char *format, const struct mlaas_shape *shape, struct mlaas_node **node) {
  MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_VALUE, format, node));
  (*node)->value = *value;
  for (int i = shape->num_dims; i-- > 0;) {
    struct mlaas_node *inner = *node;
    char *text = mlaas_arena_format(maker->arena, maker->error, "+w:%d", shape->dims[i]);
    if (!text)
      return MLAAS_MEMORY;
    MLAAS_TRY(mlaas_maker_node(maker, MLAAS_NODE_FIXED, text, node));
    (*node)->size = shape->dims[i];
    (*node)->children = inner;
    (*node)->num_children = 1;
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_maker_finish(struct mlaas_branch_maker *maker, struct mlaas_node *root, int32_t header_bytes) {
  struct mlaas_branch_plan *plan = maker->plan;
  plan->root = root;
  plan->num_buffers = mlaas_node_number(root, 0);
  plan->header_bytes = header_bytes;
  plan->layout = MLAAS_LAYOUT_WALK;
  int64_t stored = mlaas_node_stored(root), per;
  if (stored > 0 && stored < INT32_MAX) {
    plan->layout = MLAAS_LAYOUT_FLAT;
    plan->entry_bytes = (int32_t)stored;
  } else if (stored >= INT32_MAX) {
    return mlaas_maker_refuse(maker, "entries of more than 2 GiB cannot be read");
  } else if (root->kind == MLAAS_NODE_LIST && header_bytes >= 0) {
    int64_t item = mlaas_node_stored(root->children);
    if (item > 0 && item < INT32_MAX && mlaas_node_inner(root->children, &per)->kind == MLAAS_NODE_VALUE) {
      plan->layout = MLAAS_LAYOUT_LIST;
      plan->item_bytes = (int32_t)item;
    }
  }
  return MLAAS_OK;
}

/* ---- titles ---- */

/* "x[n][3]/d[0,1,8]": brackets that follow each other; a comma means a range, not a dimension. */
static bool parse_title(const char *title, struct mlaas_shape *shape) {
  *shape = (struct mlaas_shape){.num_dims = 0};
  const char *at = strchr(title, '[');
  for (; at && *at == '['; at++) {
    const char *end = strchr(at, ']'), *comma = strchr(at, ',');
    if (!end)
      return false;
    if (comma && comma < end)
      return true;
    char *rest;
    long size = strtol(at + 1, &rest, 10);
    if (rest != end || size < 1) {
      if (shape->counted || shape->num_dims > 0)
        return false;
      shape->counted = true;
    } else if (size > INT32_MAX || shape->num_dims == MLAAS_MOST_DIMENSIONS) {
      return false;
    } else {
      shape->dims[shape->num_dims++] = (int32_t)size;
    }
    at = end;
  }
  return true;
}

bool mlaas_shape_of_leaf(const struct mlaas_leaf *leaf, struct mlaas_shape *shape) {
  if (!parse_title(leaf->title, shape))
    return false;
  int64_t product = 1;
  for (int i = 0; i < shape->num_dims; i++)
    if (__builtin_mul_overflow(product, shape->dims[i], &product) || product > INT32_MAX)
      return false;
  if (shape->num_dims == 0 && leaf->len > 1) {
    shape->dims[shape->num_dims++] = leaf->len;
    return true;
  }
  return leaf->len <= 0 || product == leaf->len;
}

bool mlaas_code_is_packed(int32_t code) { return code == 19 || code == 9; }

bool mlaas_maker_value(int32_t code, const char *range, struct mlaas_scalar *value, const char **format) {
  return mlaas_scalar_of_code(code, value, format) &&
         (!mlaas_code_is_packed(code) || mlaas_packing_parse(range, value));
}

enum mlaas_status mlaas_maker_rest(struct mlaas_branch_maker *maker, struct mlaas_node *item, int32_t header_bytes,
                                   const struct mlaas_branch *counter) {
  struct mlaas_node *list;
  MLAAS_TRY(mlaas_maker_list(maker, MLAAS_EXTENT_REST, false, item, &list));
  maker->plan->counter = counter;
  maker->plan->counter_name = counter ? counter->name : NULL;
  return mlaas_maker_finish(maker, list, header_bytes);
}
