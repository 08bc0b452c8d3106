/* A table as an Arrow C Stream. Must not know how baskets are decoded. */
#include "rootio/table/table.h"

#include "base/error.h"
#include "column/arrow.h"

#include <stdio.h>
#include <string.h>

struct stream {
  struct mlaas_table *table; /* one count */
  struct mlaas_reader *reader;
  size_t *columns, num_columns;
  int64_t at, stop, batch_rows;
  int64_t ahead; /* announced up to here */
  char message[sizeof(struct mlaas_error)];
};

static int fail_stream(struct stream *stream, const struct mlaas_error *error) {
  return mlaas_stream_error(error, stream->message, sizeof stream->message);
}

static int get_schema(struct ArrowArrayStream *self, struct ArrowSchema *schema) {
  struct stream *stream = self->private_data;
  struct mlaas_error error;
  if (mlaas_table_schema(stream->table, stream->columns, stream->num_columns, schema, &error) != MLAAS_OK)
    return fail_stream(stream, &error);
  return 0;
}

static int64_t end_of_batch(const struct stream *stream) {
  if (stream->batch_rows == 0)
    return mlaas_table_cluster_end(stream->table, stream->at, stream->stop);
  return stream->stop - stream->at > stream->batch_rows ? stream->at + stream->batch_rows : stream->stop;
}

static int get_next(struct ArrowArrayStream *self, struct ArrowArray *array) {
  struct stream *stream = self->private_data;
  struct mlaas_error error;
  *array = (struct ArrowArray){0};
  if (stream->at >= stream->stop)
    return 0;
  int64_t end = end_of_batch(stream);
  if (stream->ahead < stream->stop)
    stream->ahead = mlaas_reader_ahead(stream->reader, stream->ahead, stream->stop, 0);
  enum mlaas_status status = mlaas_reader_read(stream->reader, stream->at, end, array, &error);
  while (status == MLAAS_LIMIT && stream->batch_rows == 0 && end - stream->at > 1) {
    end = stream->at + (end - stream->at) / 2;
    status = mlaas_reader_read(stream->reader, stream->at, end, array, &error);
  }
  if (status != MLAAS_OK)
    return fail_stream(stream, &error);
  stream->at = end;
  return 0;
}

static const char *get_last_error(struct ArrowArrayStream *self) {
  const struct stream *stream = self->private_data;
  return stream->message[0] ? stream->message : NULL;
}

static void free_stream(struct stream *stream) {
  mlaas_reader_close(stream->reader);
  mlaas_table_close(stream->table);
  mlaas_free(stream->columns);
  mlaas_free(stream);
}

static void release_stream(struct ArrowArrayStream *self) {
  free_stream(self->private_data);
  *self = (struct ArrowArrayStream){0};
}

static enum mlaas_status open_stream(struct stream *stream, const size_t *columns, size_t num_columns,
                                     struct mlaas_error *error) {
  MLAAS_TRY(mlaas_table_choose(stream->table, columns, num_columns, &stream->columns, &stream->num_columns, error));
  return mlaas_reader_open(stream->table, stream->columns, stream->num_columns, &stream->reader, error);
}

enum mlaas_status mlaas_table_stream(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                     int64_t start, int64_t stop, int64_t batch_rows, struct ArrowArrayStream *stream,
                                     struct mlaas_error *error) {
  if (start < 0 || stop < start || stop > table->num_entries || batch_rows < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "entries %lld to %lld in batches of %lld were asked for; table %s has %lld", (long long)start,
                      (long long)stop, (long long)batch_rows, table->entry->path, (long long)table->num_entries);
  struct stream *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a stream");
  made->table = mlaas_table_get(table);
  made->at = made->ahead = start;
  made->stop = stop;
  made->batch_rows = batch_rows;
  enum mlaas_status status = open_stream(made, columns, num_columns, error);
  if (status != MLAAS_OK) {
    free_stream(made);
    return status;
  }
  *stream = (struct ArrowArrayStream){get_schema, get_next, get_last_error, release_stream, made};
  return MLAAS_OK;
}
