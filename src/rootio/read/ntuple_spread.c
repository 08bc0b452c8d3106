/* Options: the file has only the values that are there, Arrow wants a row for each that is missing too. Knows nodes and
 * buffers only.
 */
#include "rootio/read/ntuple_job.h"

#include <string.h>

/* Which of `rows` rows are there, and how many. */
struct rows {
  const uint8_t *there;
  int64_t count, found;
};

/* From the last to the first, for they move away from where they are. */
static void widen_values(const struct rows *rows, int64_t bytes, uint8_t *values) {
  int64_t from = rows->found;
  for (int64_t i = rows->count; i-- > 0;)
    if (rows->there[i])
      memmove(values + i * bytes, values + --from * bytes, (size_t)bytes);
    else
      memset(values + i * bytes, 0, (size_t)bytes);
}

/* `per` lists in each row; a missing one is empty, where the one before ends. */
static void widen_offsets(const struct rows *rows, int64_t per, int32_t *offsets) {
  int64_t from = rows->found;
  for (int64_t i = rows->count; i-- > 0;) {
    int32_t end = offsets[from * per];
    if (rows->there[i])
      from--;
    for (int64_t k = per; k > 0; k--)
      offsets[i * per + k] = rows->there[i] ? offsets[from * per + k] : end;
  }
}

static void widen(const struct mlaas_node *node, const struct rows *rows, int64_t per, struct mlaas_block *blocks) {
  switch (node->kind) {
  case MLAAS_NODE_VALUE:
    widen_values(rows, per * node->value.width, blocks[node->buffer].data);
    return;
  case MLAAS_NODE_TEXT:
  case MLAAS_NODE_LIST:
    widen_offsets(rows, per, blocks[node->buffer].data);
    return;
  case MLAAS_NODE_OPTION:
    widen_values(rows, per, blocks[node->buffer].data);
    break;
  default:
    per *= node->kind == MLAAS_NODE_FIXED ? node->size : 1;
  }
  for (size_t i = 0; i < node->num_children; i++)
    widen(&node->children[i], rows, per, blocks);
}

static int64_t rows_of_children(const struct mlaas_node *node, int64_t rows, const struct mlaas_block *blocks) {
  int64_t found = 0;
  switch (node->kind) {
  case MLAAS_NODE_LIST:
    return ((const int32_t *)blocks[node->buffer].data)[rows];
  case MLAAS_NODE_FIXED:
    return rows * node->size;
  case MLAAS_NODE_OPTION:
    for (int64_t i = 0; i < rows; i++)
      found += ((const uint8_t *)blocks[node->buffer].data)[i];
    return found;
  default:
    return rows;
  }
}

void mlaas_spread(const struct mlaas_node *node, int64_t rows, struct mlaas_block *blocks) {
  if (node->num_children == 0)
    return;
  int64_t below = rows_of_children(node, rows, blocks);
  for (size_t i = 0; i < node->num_children; i++)
    mlaas_spread(&node->children[i], below, blocks); /* the inner ones first */
  if (node->kind == MLAAS_NODE_OPTION && below < rows)
    widen(node->children, &(struct rows){blocks[node->buffer].data, rows, below}, 1, blocks);
}
