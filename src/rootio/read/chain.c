/* Reads the files of a chain one after another. Where they are far away, the next one is opened, and its first bytes
 * are on their way, before the one at hand was read to its end. */
#include "rootio/table/chain.h"

#include "base/early.h"
#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

enum { AHEAD_SHARE = 4 }; /* of the cache, for the file that comes next */

/* A file that is open. */
struct part {
  struct mlaas_table *table;
  size_t *columns;
  struct mlaas_reader *reader;
  int64_t ahead; /* announced up to here */
};

/* What a thread made of the next file. */
struct early_part {
  enum mlaas_status status;
  struct mlaas_error error;
  struct part part;
};

struct mlaas_chain_reader {
  struct mlaas_chain *chain; /* one count */
  size_t *columns;           /* in the first file's table */
  size_t num_columns, next_file;
  int64_t batch_rows, at;
  struct ArrowSchema schema; /* of the first file */
  struct part part;          /* that is being read; zeroed: none */
  struct mlaas_early *early; /* opens the next one; NULL: no file is remote */
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

static enum mlaas_status check_types(const struct mlaas_chain_reader *reader, const struct part *part,
                                     struct mlaas_error *error) {
  struct ArrowSchema schema;
  MLAAS_TRY(mlaas_table_schema(part->table, part->columns, reader->num_columns, &schema, error));
  enum mlaas_status status = MLAAS_OK;
  for (int64_t i = 0; status == MLAAS_OK && i < schema.n_children; i++) {
    const struct ArrowSchema *a = reader->schema.children[i], *b = schema.children[i];
    if (!is_same_type(a, b, 0) || ((a->flags ^ b->flags) & ARROW_FLAG_NULLABLE)) {
      struct mlaas_column_info first, here;
      mlaas_table_column(reader->chain->first, reader->columns[i], &first);
      mlaas_table_column(part->table, part->columns[i], &here);
      status = mlaas_fail(error, MLAAS_SCHEMA, "column %s is of type %s; in the first file of the chain it is %s",
                          here.name, here.type_name, first.type_name);
    }
  }
  mlaas_schema_release(&schema);
  return status;
}

static enum mlaas_status find_columns(const struct mlaas_chain_reader *reader, const struct part *part,
                                      struct mlaas_error *error) {
  for (size_t i = 0; i < reader->num_columns; i++) {
    struct mlaas_column_info info;
    mlaas_table_column(reader->chain->first, reader->columns[i], &info);
    if (mlaas_table_find(part->table, info.name, &part->columns[i], error) == MLAAS_NOT_FOUND)
      return mlaas_fail(error, MLAAS_SCHEMA, "column %s of the first file of the chain is missing", info.name);
  }
  return check_types(reader, part, error);
}

/* ---- from file to file ---- */

static void close_part(struct part *part) {
  mlaas_reader_close(part->reader);
  mlaas_table_close(part->table);
  mlaas_free(part->columns);
  *part = (struct part){0};
}

/* From any thread: of the reader only what does not change is looked at. */
static enum mlaas_status open_part(const struct mlaas_chain_reader *reader, size_t i, struct part *part,
                                   struct mlaas_error *error) {
  struct mlaas_chain *chain = reader->chain;
  *part = (struct part){.columns = mlaas_alloc((reader->num_columns + 1) * sizeof *part->columns)};
  enum mlaas_status status = MLAAS_OK;
  if (!part->columns)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  if (i == 0)
    part->table = mlaas_table_get(chain->first);
  else
    status = mlaas_chain_open_table(chain, i, &part->table, error);
  if (status == MLAAS_OK) {
    status = find_columns(reader, part, error);
    if (status != MLAAS_OK) {
      mlaas_fail_in(error, status, "%s", mlaas_table_path(part->table));
      mlaas_fail_in(error, status, "%s", chain->files[i].url);
    }
  }
  if (status == MLAAS_OK)
    status = mlaas_reader_open(part->table, part->columns, reader->num_columns, &part->reader, error);
  if (status != MLAAS_OK)
    close_part(part);
  return status;
}

static void *open_early(void *context, size_t i) {
  const struct mlaas_chain_reader *reader = context;
  struct early_part *made = mlaas_alloc(sizeof *made);
  if (!made)
    return NULL;
  struct part *part = &made->part;
  made->status = open_part(reader, i, part, &made->error);
  int64_t room = mlaas_context_remote(reader->chain->context)->cache / AHEAD_SHARE;
  if (made->status == MLAAS_OK)
    part->ahead = mlaas_reader_ahead(part->reader, 0, mlaas_table_num_entries(part->table), room);
  return made;
}

static void drop_early(void *context, void *result) {
  (void)context;
  struct early_part *made = result;
  if (made->status == MLAAS_OK)
    close_part(&made->part);
  mlaas_free(made);
}

static bool is_remote(const struct mlaas_chain *chain, size_t i) {
  return chain->files[i].url && mlaas_source_is_remote_url(chain->files[i].url);
}

/* All of the file at hand is on its way. */
static void want_next(struct mlaas_chain_reader *reader) {
  const struct mlaas_chain *chain = reader->chain;
  struct mlaas_budget *budget = mlaas_context_budget(chain->context);
  size_t i = reader->next_file;
  if (reader->early && i < chain->num_files && is_remote(chain, i) &&
      mlaas_budget_held(budget) < mlaas_budget_ceiling(budget) / 2)
    mlaas_early_want(reader->early, i);
}

/* What was opened early, if it was. A file that memory was too short for has another chance now, alone. */
static enum mlaas_status take_early(struct mlaas_chain_reader *reader, struct mlaas_error *error) {
  void *result = NULL;
  if (reader->early)
    MLAAS_TRY(mlaas_early_take(reader->early, reader->next_file, &result, error));
  struct early_part *made = result;
  if (!made)
    return MLAAS_OK;
  enum mlaas_status status = made->status;
  if (status == MLAAS_OK)
    reader->part = made->part;
  else if (status == MLAAS_LIMIT || status == MLAAS_MEMORY)
    status = MLAAS_OK;
  else
    *error = made->error;
  mlaas_free(made);
  return status;
}

static enum mlaas_status open_next(struct mlaas_chain_reader *reader, struct mlaas_error *error) {
  MLAAS_TRY(take_early(reader, error));
  if (!reader->part.table)
    MLAAS_TRY(open_part(reader, reader->next_file, &reader->part, error));
  mlaas_chain_note(reader->chain, reader->next_file, reader->part.table);
  reader->next_file++;
  reader->at = 0;
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
  if (status == MLAAS_OK)
    status = mlaas_table_schema(chain->first, made->columns, made->num_columns, &made->schema, error);
  bool remote = false;
  for (size_t i = 1; i < chain->num_files && !remote; i++)
    remote = is_remote(chain, i);
  if (status == MLAAS_OK && remote) /* without memory for it files are opened when their turn comes */
    made->early = mlaas_early_new(1, open_early, drop_early, made);
  if (status == MLAAS_OK)
    *reader = made;
  else
    mlaas_chain_reader_close(made);
  return status;
}

void mlaas_chain_reader_close(struct mlaas_chain_reader *reader) {
  if (!reader)
    return;
  mlaas_early_free(reader->early);
  close_part(&reader->part);
  mlaas_schema_release(&reader->schema);
  mlaas_free(reader->columns);
  mlaas_chain_close(reader->chain);
  mlaas_free(reader);
}

/* The first cluster that begins behind the rows that were read, or the end. */
static int64_t end_of_batch(const struct mlaas_chain_reader *reader) {
  int64_t stop = mlaas_table_num_entries(reader->part.table);
  if (reader->batch_rows > 0)
    return stop - reader->at > reader->batch_rows ? reader->at + reader->batch_rows : stop;
  return mlaas_table_cluster_end(reader->part.table, reader->at, stop);
}

enum mlaas_status mlaas_chain_reader_next(struct mlaas_chain_reader *reader, struct ArrowArray *array,
                                          struct mlaas_error *error) {
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  *array = (struct ArrowArray){0};
  struct part *part = &reader->part;
  while (!part->table || reader->at >= mlaas_table_num_entries(part->table)) {
    close_part(part);
    if (reader->next_file == reader->chain->num_files)
      return MLAAS_OK;
    MLAAS_TRY(open_next(reader, error));
  }
  int64_t end = end_of_batch(reader), last = mlaas_table_num_entries(part->table);
  if (part->ahead < last)
    part->ahead = mlaas_reader_ahead(part->reader, part->ahead, last, 0);
  if (part->ahead >= last)
    want_next(reader);
  enum mlaas_status status = mlaas_reader_read(part->reader, reader->at, end, array, error);
  while (status == MLAAS_LIMIT && reader->batch_rows == 0 && end - reader->at > 1) {
    end = reader->at + (end - reader->at) / 2;
    status = mlaas_reader_read(part->reader, reader->at, end, array, error);
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
