/* Reading tables of other formats: what the context's functions deliver is copied into counted memory, in the one form
 * that arrays of this library have (no offset, 32-bit lists, nulls only where the schema has them). Knows no format.
 */
#include "rootio/table/foreign.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

struct mlaas_foreign_reader {
  struct mlaas_foreign_purse purse; /* the first: found again from it */
  struct mlaas_table *table;        /* borrowed from the reader around this */
  const struct mlaas_foreign *functions;
  void *handle;
  size_t *columns;
  size_t num_columns;
  struct mlaas_budget *budget;
  int64_t claimed;
};

static bool claim(struct mlaas_foreign_purse *purse, int64_t bytes) {
  struct mlaas_foreign_reader *reader = (struct mlaas_foreign_reader *)(void *)purse;
  if (bytes < 0 && bytes >= -reader->claimed)
    mlaas_budget_return(reader->budget, -bytes);
  else if (bytes < 0 || mlaas_budget_claim(reader->budget, bytes, NULL) != MLAAS_OK)
    return false;
  reader->claimed += bytes;
  return true;
}

void mlaas_foreign_reader_close(struct mlaas_foreign_reader *reader) {
  if (!reader)
    return;
  if (reader->handle)
    reader->functions->close_reader(reader->handle);
  if (reader->claimed)
    mlaas_budget_return(reader->budget, reader->claimed);
  mlaas_free(reader->columns);
  mlaas_free(reader);
}

enum mlaas_status mlaas_foreign_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                            struct mlaas_foreign_reader **reader, struct mlaas_error *error) {
  struct mlaas_foreign_reader *made = mlaas_alloc(sizeof *made);
  size_t *origins = mlaas_alloc((num_columns + 1) * sizeof *origins);
  if (!made || !origins) {
    mlaas_free(made);
    mlaas_free(origins);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader of %zu columns", num_columns);
  }
  *made = (struct mlaas_foreign_reader){.purse = {claim},
                                        .table = table,
                                        .functions = mlaas_foreign_functions(table),
                                        .columns = origins,
                                        .num_columns = num_columns,
                                        .budget = mlaas_context_budget(table->file->context)};
  memcpy(origins, columns, num_columns * sizeof *origins);
  for (size_t i = 0; i < num_columns; i++)
    origins[i] = table->columns[columns[i]].origin;
  enum mlaas_status status =
      made->functions->open_reader(table->foreign->handle, origins, num_columns, &made->purse, &made->handle, error);
  memcpy(origins, columns, num_columns * sizeof *origins); /* from now on the table's */
  if (status == MLAAS_OK)
    *reader = made;
  else
    mlaas_foreign_reader_close(made);
  return status;
}

/* ---- copies ---- */

/* A stretch of rows of one array, to be copied to the blocks of a node. */
struct part {
  const struct ArrowArray *array;
  int64_t start, length; /* start counts the array's offset */
};

struct copy {
  struct mlaas_budget *budget;
  struct mlaas_block *blocks;
  struct mlaas_error *error;
};

static enum mlaas_status fail(struct copy *copy, const char *what) {
  return mlaas_fail(copy->error, MLAAS_FORMAT, "%s", what);
}

static bool is_there(const struct ArrowArray *array, int64_t row) {
  const uint8_t *bits = array->n_buffers > 0 ? array->buffers[0] : NULL;
  return !bits || (bits[row >> 3] >> (row & 7) & 1);
}

static bool has_nulls(const struct part *part) {
  const struct ArrowArray *array = part->array;
  if (array->null_count == 0 || array->n_buffers < 1 || !array->buffers[0])
    return false;
  for (int64_t i = part->start; i < part->start + part->length; i++)
    if (!is_there(array, i))
      return true;
  return false;
}

static enum mlaas_status new_block(struct copy *copy, size_t i, int64_t count, int64_t width) {
  int64_t size;
  if (__builtin_mul_overflow(count, width, &size))
    return mlaas_fail(copy->error, MLAAS_LIMIT, "%lld values of %lld bytes are too much", (long long)count,
                      (long long)width);
  return mlaas_block_new(copy->budget, size, &copy->blocks[i], copy->error);
}

static enum mlaas_status copy_values(struct copy *copy, const struct mlaas_node *node, const struct part *part) {
  int64_t width = node->value.width;
  MLAAS_TRY(new_block(copy, node->buffer, part->length, width));
  if (part->length == 0)
    return MLAAS_OK;
  if (part->array->n_buffers != 2 || !part->array->buffers[1])
    return fail(copy, "an array of values has no buffer");
  const uint8_t *from = part->array->buffers[1];
  uint8_t *to = copy->blocks[node->buffer].data;
  if (node->value.packing != MLAAS_PACKED_BOOL) {
    memcpy(to, from + part->start * width, (size_t)(part->length * width));
    return MLAAS_OK;
  }
  for (int64_t i = 0, at = part->start; i < part->length; i++, at++)
    to[i] = from[at >> 3] >> (at & 7) & 1;
  return MLAAS_OK;
}

/* Offsets that begin at 0; *first and *count: what lies between them. */
static enum mlaas_status copy_offsets(struct copy *copy, size_t buffer, const struct part *part, int64_t *first,
                                      int64_t *count) {
  MLAAS_TRY(new_block(copy, buffer, part->length + 1, sizeof(int32_t)));
  int32_t *to = copy->blocks[buffer].data;
  *first = *count = to[0] = 0;
  if (part->length == 0)
    return MLAAS_OK;
  if (part->array->n_buffers < 2 || !part->array->buffers[1])
    return fail(copy, "an array of lists has no offsets");
  const int32_t *from = (const int32_t *)part->array->buffers[1] + part->start;
  if (from[0] < 0)
    return fail(copy, "a list begins before its items");
  for (int64_t i = 0; i < part->length; i++) {
    if (from[i + 1] < from[i])
      return fail(copy, "a list ends before it begins");
    to[i + 1] = from[i + 1] - from[0];
  }
  *first = from[0];
  *count = to[part->length];
  return MLAAS_OK;
}

static enum mlaas_status copy_texts(struct copy *copy, const struct mlaas_node *node, const struct part *part) {
  int64_t first, count;
  MLAAS_TRY(copy_offsets(copy, node->buffer, part, &first, &count));
  MLAAS_TRY(new_block(copy, node->buffer + 1, count, 1));
  if (count && (part->array->n_buffers < 3 || !part->array->buffers[2]))
    return fail(copy, "an array of texts has no bytes");
  if (count)
    memcpy(copy->blocks[node->buffer + 1].data, (const char *)part->array->buffers[2] + first, (size_t)count);
  return MLAAS_OK;
}

static enum mlaas_status copy_rows(struct copy *copy, const struct mlaas_node *node, const struct part *part);

static enum mlaas_status copy_child(struct copy *copy, const struct mlaas_node *node, const struct part *part, size_t i,
                                    int64_t start, int64_t length) {
  if (part->array->n_children != (int64_t)node->num_children)
    return fail(copy, "an array has other children than its type");
  const struct ArrowArray *child = part->array->children[i];
  if (start < 0 || length < 0 || length > child->length - start)
    return fail(copy, "a list ends behind its items");
  return copy_rows(copy, &node->children[i], &(struct part){child, child->offset + start, length});
}

static enum mlaas_status copy_option(struct copy *copy, const struct mlaas_node *node, const struct part *part) {
  MLAAS_TRY(new_block(copy, node->buffer, part->length, 1));
  uint8_t *there = copy->blocks[node->buffer].data;
  for (int64_t i = 0; i < part->length; i++)
    there[i] = is_there(part->array, part->start + i);
  const struct mlaas_node *child = node->children;
  if (child->kind == MLAAS_NODE_TEXT)
    return copy_texts(copy, child, part);
  MLAAS_TRY(copy_values(copy, child, part));
  uint8_t *to = copy->blocks[child->buffer].data;
  for (int64_t i = 0; i < part->length; i++)
    if (!there[i])
      memset(to + i * child->value.width, 0, (size_t)child->value.width);
  return MLAAS_OK;
}

/* Recursion is as deep as the type, which has a ceiling. */
static enum mlaas_status copy_rows(struct copy *copy, const struct mlaas_node *node, const struct part *part) {
  int64_t first, count;
  if (node->kind == MLAAS_NODE_OPTION)
    return copy_option(copy, node, part);
  if (has_nulls(part))
    return fail(copy, "a value is missing where the type says that none is");
  switch (node->kind) {
  case MLAAS_NODE_VALUE:
    return copy_values(copy, node, part);
  case MLAAS_NODE_TEXT:
    return copy_texts(copy, node, part);
  case MLAAS_NODE_LIST:
    MLAAS_TRY(copy_offsets(copy, node->buffer, part, &first, &count));
    return copy_child(copy, node, part, 0, first, count);
  case MLAAS_NODE_FIXED:
    if (__builtin_mul_overflow(part->start, (int64_t)node->size, &first) ||
        __builtin_mul_overflow(part->length, (int64_t)node->size, &count))
      return fail(copy, "an array of a fixed length is too long");
    return copy_child(copy, node, part, 0, first, count);
  default:
    for (size_t i = 0; i < node->num_children; i++)
      MLAAS_TRY(copy_child(copy, node, part, i, part->start, part->length));
    return MLAAS_OK;
  }
}

/* ---- reading ---- */

static enum mlaas_status copy_column(struct mlaas_foreign_reader *reader, size_t i, const struct ArrowArray *from,
                                     struct ArrowArray *to, struct mlaas_error *error) {
  const struct mlaas_table_column *column = &reader->table->columns[reader->columns[i]];
  size_t count = column->plan.num_buffers;
  struct copy copy = {reader->budget, mlaas_alloc((count + 1) * sizeof *copy.blocks), error};
  if (!copy.blocks)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for column %s", column->name);
  enum mlaas_status status = copy_rows(&copy, column->plan.root, &(struct part){from, from->offset, to->length});
  if (status == MLAAS_OK)
    status = mlaas_node_array(column->shown, to->length, copy.blocks, to, error);
  for (size_t k = 0; k < count; k++)
    mlaas_block_reset(&copy.blocks[k]);
  mlaas_free(copy.blocks);
  return mlaas_fail_in(error, status, "column %s", column->name);
}

static enum mlaas_status copy_all(struct mlaas_foreign_reader *reader, const struct ArrowArray *given, int64_t length,
                                  struct ArrowArray *array, struct mlaas_error *error) {
  if (given->length != length || given->offset != 0 || given->n_children != (int64_t)reader->num_columns)
    return mlaas_fail(error, MLAAS_INTERNAL, "%lld rows of %lld columns came, %lld of %zu were asked for",
                      (long long)given->length, (long long)given->n_children, (long long)length, reader->num_columns);
  MLAAS_TRY(mlaas_array_init(array, length, NULL, 0, reader->num_columns, error));
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < reader->num_columns; i++) {
    struct ArrowArray *child = array->children[i];
    if (given->children[i]->length < length)
      status = mlaas_fail(error, MLAAS_INTERNAL, "a column has %lld rows instead of %lld",
                          (long long)given->children[i]->length, (long long)length);
    child->length = length;
    if (status == MLAAS_OK)
      status = copy_column(reader, i, given->children[i], child, error);
  }
  if (status != MLAAS_OK)
    mlaas_array_release(array);
  return status;
}

static enum mlaas_status read_once(struct mlaas_foreign_reader *reader, int64_t start, int64_t stop,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  struct ArrowArray given = {0};
  MLAAS_TRY(reader->functions->read(reader->handle, start, stop, &given, error));
  enum mlaas_status status = copy_all(reader, &given, stop - start, array, error);
  if (given.release)
    given.release(&given);
  return status;
}

enum mlaas_status mlaas_foreign_reader_read(struct mlaas_foreign_reader *reader, int64_t start, int64_t stop,
                                            struct ArrowArray *array, struct mlaas_error *error) {
  enum mlaas_status status = read_once(reader, start, stop, array, error);
  if (status == MLAAS_LIMIT && reader->claimed) {
    reader->functions->trim(reader->handle);
    status = read_once(reader, start, stop, array, error);
  }
  if (status == MLAAS_OK)
    return MLAAS_OK;
  mlaas_fail_in(error, status, "%s", mlaas_table_path(reader->table));
  return mlaas_fail_in(error, status, "%s", mlaas_file_url(reader->table->file));
}
