/* Events from a ROOT file: the branches that a recipe reads, each value as the branch's type holds it. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/events.h"

#include <mlaas/file.h>
#include <string.h>

enum { CHUNK = 4096 }; /* entries that are read together */

struct root_events {
  struct mlaas_events events;
  struct mlaas_file *file;
  struct mlaas_table *table;
  struct mlaas_reader *reader;
  const struct mlaas_recipe *recipe;
  struct ArrowSchema schema;
  struct ArrowArray chunk; /* entries [first, stop) */
  int64_t first, stop;
};

static int64_t integer_at(const struct ArrowArray *array, char format, int64_t i) {
  const void *data = array->buffers[1];
  switch (format) {
  case 'b':
    return ((const uint8_t *)data)[i / 8] >> (i % 8) & 1;
  case 'c':
    return ((const int8_t *)data)[i];
  case 'C':
    return ((const uint8_t *)data)[i];
  case 's':
    return ((const int16_t *)data)[i];
  case 'S':
    return ((const uint16_t *)data)[i];
  case 'i':
    return ((const int32_t *)data)[i];
  case 'I':
    return ((const uint32_t *)data)[i];
  default:
    return ((const int64_t *)data)[i];
  }
}

static void add_number(struct mlaas_client_batch *batch, const char *name, const struct ArrowArray *array, char format,
                       int64_t i) {
  i += array->offset;
  if (format == 'f')
    mlaas_client_batch_float(batch, name, ((const float *)array->buffers[1])[i]);
  else if (format == 'g')
    mlaas_client_batch_number(batch, name, ((const double *)array->buffers[1])[i]);
  else if (format == 'L' && integer_at(array, 'l', i) < 0) /* beyond int64 */
    mlaas_client_batch_number(batch, name, (double)((const uint64_t *)array->buffers[1])[i]);
  else
    mlaas_client_batch_integer(batch, name, integer_at(array, format, i));
}

enum { PIECE = 256 };

/* Whole numbers of any type, through a buffer that grows. */
static enum mlaas_status add_integers(struct mlaas_client_batch *batch, const char *name,
                                      const struct ArrowArray *array, char format, int64_t begin, int64_t end,
                                      struct mlaas_error *error) {
  int64_t few[PIECE] = {0}, *all = few;
  size_t count = (size_t)(end - begin);
  if (count > PIECE && !(all = mlaas_alloc(count * sizeof *all)))
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of %s", name);
  for (size_t i = 0; i < count; i++)
    all[i] = integer_at(array, format, begin + (int64_t)i);
  mlaas_client_batch_integers(batch, name, all, count);
  if (all != few)
    mlaas_free(all);
  return MLAAS_OK;
}

static enum mlaas_status add_list(struct mlaas_client_batch *batch, const char *name, const struct ArrowArray *child,
                                  char format, int64_t begin, int64_t end, struct mlaas_error *error) {
  begin += child->offset;
  end += child->offset;
  if (format == 'f')
    mlaas_client_batch_floats(batch, name, (const float *)child->buffers[1] + begin, (size_t)(end - begin));
  else if (format == 'g')
    mlaas_client_batch_doubles(batch, name, (const double *)child->buffers[1] + begin, (size_t)(end - begin));
  else
    return add_integers(batch, name, child, format, begin, end, error);
  return MLAAS_OK;
}

static enum mlaas_status add_branch(struct mlaas_client_batch *batch, const char *name,
                                    const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
                                    struct mlaas_error *error) {
  const char *format = schema->format;
  if (format[0] != '+') {
    add_number(batch, name, array, format[0], row);
    return MLAAS_OK;
  }
  char inner = schema->children[0]->format[0];
  row += array->offset;
  if (format[1] == 'l') {
    const int32_t *offsets = array->buffers[1];
    return add_list(batch, name, array->children[0], inner, offsets[row], offsets[row + 1], error);
  }
  int64_t width = 0;
  for (const char *digit = format + 3; *digit >= '0' && *digit <= '9'; digit++)
    width = width * 10 + (*digit - '0');
  return add_list(batch, name, array->children[0], inner, row * width, (row + 1) * width, error);
}

static enum mlaas_status next_chunk(struct root_events *root, struct mlaas_error *error) {
  if (root->chunk.release)
    root->chunk.release(&root->chunk);
  memset(&root->chunk, 0, sizeof root->chunk);
  root->first = root->stop;
  root->stop = root->first + CHUNK < root->events.total ? root->first + CHUNK : root->events.total;
  return mlaas_reader_read(root->reader, root->first, root->stop, &root->chunk, error);
}

static enum mlaas_status read_root(struct mlaas_events *events, size_t most, struct mlaas_client_batch *batch,
                                   struct mlaas_error *error) {
  struct root_events *root = (struct root_events *)events;
  for (size_t done = 0; done < most && events->next < events->total; done++, events->next++) {
    if (events->next >= root->stop)
      MLAAS_TRY(next_chunk(root, error));
    mlaas_client_batch_event(batch);
    for (int64_t i = 0; i < root->schema.n_children; i++)
      MLAAS_TRY(add_branch(batch, mlaas_recipe_branch(root->recipe, (size_t)i), root->schema.children[i],
                           root->chunk.children[i], events->next - root->first, error));
  }
  return MLAAS_OK;
}

static void close_root(struct mlaas_events *events) {
  struct root_events *root = (struct root_events *)events;
  if (root->chunk.release)
    root->chunk.release(&root->chunk);
  if (root->schema.release)
    root->schema.release(&root->schema);
  mlaas_reader_close(root->reader);
  mlaas_table_close(root->table);
  mlaas_file_close(root->file);
  mlaas_free(root);
}

/* Numbers, or lists of them. */
static enum mlaas_status check_types(const struct ArrowSchema *schema, struct mlaas_error *error) {
  for (int64_t i = 0; i < schema->n_children; i++) {
    const struct ArrowSchema *branch = schema->children[i];
    const char *format = branch->format;
    if (strcmp(format, "+l") == 0 || strncmp(format, "+w:", 3) == 0)
      format = branch->children[0]->format;
    if (strlen(format) != 1 || !strchr("bcCsSiIlLfg", format[0]))
      return mlaas_fail(error, MLAAS_SCHEMA, "branch %s holds neither numbers nor lists of numbers", branch->name);
  }
  return MLAAS_OK;
}

static enum mlaas_status open_columns(struct root_events *root, struct mlaas_error *error) {
  size_t count = mlaas_recipe_num_branches(root->recipe);
  size_t *columns = mlaas_alloc(count * sizeof *columns);
  if (!columns)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the branches");
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < count; i++)
    status = mlaas_table_find(root->table, mlaas_recipe_branch(root->recipe, i), &columns[i], error);
  if (status == MLAAS_OK)
    status = mlaas_table_schema(root->table, columns, count, &root->schema, error);
  if (status == MLAAS_OK)
    status = check_types(&root->schema, error);
  if (status == MLAAS_OK)
    status = mlaas_reader_open(root->table, columns, count, &root->reader, error);
  mlaas_free(columns);
  return status;
}

enum mlaas_status mlaas_events_open_root(struct mlaas_context *context, const char *url, const char *table,
                                         const struct mlaas_recipe *recipe, struct mlaas_events **events,
                                         struct mlaas_error *error) {
  struct root_events *root = mlaas_alloc(sizeof *root);
  if (!root)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to read %s", url);
  root->events = (struct mlaas_events){-1, 0, read_root, close_root};
  root->recipe = recipe;
  if (!table)
    table = mlaas_recipe_table(recipe);
  enum mlaas_status status = mlaas_file_open(context, url, &root->file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(root->file, table && table[0] ? table : NULL, &root->table, error);
  if (status == MLAAS_OK)
    status = open_columns(root, error);
  if (status != MLAAS_OK) {
    close_root(&root->events);
    return status;
  }
  root->events.total = mlaas_table_num_entries(root->table);
  *events = &root->events;
  return MLAAS_OK;
}
