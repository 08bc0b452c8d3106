/* Reads the files of a chain one after another. Must not know where they are. */
#include "rootio/table/chain.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

struct mlaas_chain_reader {
  struct mlaas_chain *chain; /* one count */
  size_t *columns, *here;    /* in the first file's table, and in the one that is open */
  size_t num_columns, next_file;
  int64_t batch_rows, at;
  int64_t ahead;             /* announced up to here */
  struct ArrowSchema schema; /* of the first file */
  struct mlaas_table *table; /* of the file that is being read, or NULL */
  struct mlaas_reader *reader;
};

/* ---- one type for all files ---- */

/* Names of list items and the like are of no concern, those of members are. */
static bool is_same_type(const struct ArrowSchema *a, const struct ArrowSchema *b, int depth) {
  enum { DEEPEST = 1000 };
  if (strcmp(a->format, b->format) != 0 || a->n_children != b->n_children || depth > DEEPEST)
    return false;
  for (int64_t i = 0; i < a->n_children; i++)
    if ((strcmp(a->format, "+s") == 0 && strcmp(a->children[i]->name, b->children[i]->name) != 0) ||
        ((a->children[i]->flags ^ b->children[i]->flags) & ARROW_FLAG_NULLABLE) ||
        !is_same_type(a->children[i], b->children[i], depth + 1))
      return false;
  return true;
}

static enum mlaas_status check_types(const struct mlaas_chain_reader *reader, struct mlaas_error *error) {
  struct ArrowSchema schema;
  MLAAS_TRY(mlaas_table_schema(reader->table, reader->here, reader->num_columns, &schema, error));
  enum mlaas_status status = MLAAS_OK;
  for (int64_t i = 0; status == MLAAS_OK && i < schema.n_children; i++) {
    const struct ArrowSchema *a = reader->schema.children[i], *b = schema.children[i];
    if (!is_same_type(a, b, 0) || ((a->flags ^ b->flags) & ARROW_FLAG_NULLABLE)) {
      struct mlaas_column_info first, here;
      mlaas_table_column(reader->chain->first, reader->columns[i], &first);
      mlaas_table_column(reader->table, reader->here[i], &here);
      status = mlaas_fail(error, MLAAS_SCHEMA, "column %s is of type %s; in the first file of the chain it is %s",
                          here.name, here.type_name, first.type_name);
    }
  }
  mlaas_schema_release(&schema);
  return status;
}

static enum mlaas_status find_columns(struct mlaas_chain_reader *reader, struct mlaas_error *error) {
  for (size_t i = 0; i < reader->num_columns; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(reader->chain->first, reader->columns[i], &info);
    if (mlaas_table_find(reader->table, info.name, &reader->here[i], error) == MLAAS_NOT_FOUND)
      return mlaas_fail(error, MLAAS_SCHEMA, "column %s of the first file of the chain is missing", info.name);
  }
  return check_types(reader, error);
}

/* ---- from file to file ---- */

static void close_file(struct mlaas_chain_reader *reader) {
  mlaas_reader_close(reader->reader);
  mlaas_table_close(reader->table);
  reader->reader = NULL;
  reader->table = NULL;
}

static enum mlaas_status open_next(struct mlaas_chain_reader *reader, struct mlaas_error *error) {
  struct mlaas_chain *chain = reader->chain;
  size_t i = reader->next_file;
  enum mlaas_status status = MLAAS_OK;
  if (i == 0)
    reader->table = mlaas_table_get(chain->first);
  else
    MLAAS_TRY(mlaas_chain_open_table(chain, i, &reader->table, error));
  status = find_columns(reader, error);
  if (status != MLAAS_OK) {
    mlaas_fail_in(error, status, "%s", mlaas_table_path(reader->table));
    mlaas_fail_in(error, status, "%s", chain->files[i].url);
  }
  if (status == MLAAS_OK)
    status = mlaas_reader_open(reader->table, reader->here, reader->num_columns, &reader->reader, error);
  if (status != MLAAS_OK) {
    close_file(reader);
    return status;
  }
  reader->next_file++;
  reader->at = reader->ahead = 0;
  return MLAAS_OK;
}

enum mlaas_status mlaas_chain_reader_open(struct mlaas_chain *chain, const size_t *columns, size_t num_columns,
                                          int64_t batch_rows, struct mlaas_chain_reader **reader,
                                          struct mlaas_error *error) {
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  if (batch_rows < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "batches of %lld rows were asked for", (long long)batch_rows);
  struct mlaas_chain_reader *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  made->chain = mlaas_chain_get(chain);
  made->batch_rows = batch_rows;
  enum mlaas_status status =
      mlaas_table_choose(chain->first, columns, num_columns, &made->columns, &made->num_columns, error);
  if (status == MLAAS_OK) {
    made->here = mlaas_alloc((made->num_columns + 1) * sizeof *made->here);
    status = made->here ? mlaas_table_schema(chain->first, made->columns, made->num_columns, &made->schema, error)
                        : mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  }
  if (status == MLAAS_OK)
    *reader = made;
  else
    mlaas_chain_reader_close(made);
  return status;
}

void mlaas_chain_reader_close(struct mlaas_chain_reader *reader) {
  if (!reader)
    return;
  close_file(reader);
  mlaas_schema_release(&reader->schema);
  mlaas_free(reader->columns);
  mlaas_free(reader->here);
  mlaas_chain_close(reader->chain);
  mlaas_free(reader);
}

/* The first cluster that begins behind the rows that were read, or the end. */
static int64_t end_of_batch(const struct mlaas_chain_reader *reader) {
  int64_t stop = mlaas_table_num_entries(reader->table);
  if (reader->batch_rows > 0)
    return stop - reader->at > reader->batch_rows ? reader->at + reader->batch_rows : stop;
  size_t count, low = 0;
  const int64_t *clusters = mlaas_table_clusters(reader->table, &count);
  for (size_t high = count; low < high;) {
    size_t middle = low + (high - low) / 2;
    if (clusters[middle] <= reader->at)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && clusters[low] < stop ? clusters[low] : stop;
}

enum mlaas_status mlaas_chain_reader_next(struct mlaas_chain_reader *reader, struct ArrowArray *array,
                                          struct mlaas_error *error) {
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  *array = (struct ArrowArray){0};
  while (!reader->table || reader->at >= mlaas_table_num_entries(reader->table)) {
    close_file(reader);
    if (reader->next_file == reader->chain->num_files)
      return MLAAS_OK;
    MLAAS_TRY(open_next(reader, error));
  }
  int64_t end = end_of_batch(reader), last = mlaas_table_num_entries(reader->table);
  if (reader->ahead < last)
    reader->ahead = mlaas_reader_ahead(reader->reader, reader->ahead, last, 0);
  enum mlaas_status status = mlaas_reader_read(reader->reader, reader->at, end, array, error);
  while (status == MLAAS_LIMIT && reader->batch_rows == 0 && end - reader->at > 1) {
    end = reader->at + (end - reader->at) / 2;
    status = mlaas_reader_read(reader->reader, reader->at, end, array, error);
  }
  if (status == MLAAS_OK)
    reader->at = end;
  return status;
}

/* ---- as an Arrow C Stream ---- */

struct stream {
  struct mlaas_chain_reader *reader;
  char message[sizeof(struct mlaas_error)];
};

static int fail_stream(struct stream *stream, const struct mlaas_error *error) {
  return mlaas_stream_error(error, stream->message, sizeof stream->message);
}

static int get_schema(struct ArrowArrayStream *self, struct ArrowSchema *schema) {
  struct stream *stream = self->private_data;
  const struct mlaas_chain_reader *reader = stream->reader;
  struct mlaas_error error;
  if (mlaas_table_schema(reader->chain->first, reader->columns, reader->num_columns, schema, &error) != MLAAS_OK)
    return fail_stream(stream, &error);
  return 0;
}

static int get_next(struct ArrowArrayStream *self, struct ArrowArray *array) {
  struct stream *stream = self->private_data;
  struct mlaas_error error;
  if (mlaas_chain_reader_next(stream->reader, array, &error) != MLAAS_OK)
    return fail_stream(stream, &error);
  return 0;
}

static const char *get_last_error(struct ArrowArrayStream *self) {
  const struct stream *stream = self->private_data;
  return stream->message[0] ? stream->message : NULL;
}

static void release_stream(struct ArrowArrayStream *self) {
  struct stream *stream = self->private_data;
  mlaas_chain_reader_close(stream->reader);
  mlaas_free(stream);
  *self = (struct ArrowArrayStream){0};
}

enum mlaas_status mlaas_chain_stream(struct mlaas_chain *chain, const size_t *columns, size_t num_columns,
                                     int64_t batch_rows, struct ArrowArrayStream *stream, struct mlaas_error *error) {
  struct stream *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a stream");
  enum mlaas_status status = mlaas_chain_reader_open(chain, columns, num_columns, batch_rows, &made->reader, error);
  if (status != MLAAS_OK) {
    mlaas_free(made);
    return status;
  }
  *stream = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, made};
  return MLAAS_OK;
}
