/* Readers: the public face of reading entry ranges. Must not know how baskets are decoded. */
#include "rootio/table/foreign.h"
#include "rootio/table/join.h"
#include "rootio/read/ntuple_read.h"

#include "base/error.h"
#include "column/arrow.h"

#include <stdlib.h>
#include <string.h>

/* Members of a struct are decoded together. */
struct share {
  size_t first; /* column of the same branch */
  size_t slot;  /* of that one among those that are decoded */
};

struct mlaas_reader {
  struct mlaas_table *table;
  size_t *columns;
  size_t num_columns;
  struct share *shares;                 /* by column */
  struct mlaas_kept_basket *kept;       /* one for each column; NULL for an ntuple */
  struct mlaas_kept_page **pages;       /* of an ntuple, for each column one for each feed; NULL for a tree */
  struct mlaas_join_reader *join;       /* of a table with friends: it does it all */
  struct mlaas_foreign_reader *foreign; /* of another format: the same */
  struct mlaas_read_worker *workers;
  int num_workers;
  struct mlaas_ahead *ahead; /* what remote sources were told; NULL where the file is at hand */
};

static void drop_kept(struct mlaas_reader *reader) {
  for (size_t i = 0; reader->kept && i < reader->num_columns; i++) {
    if (reader->kept[i].there)
      mlaas_piece_reset(&reader->kept[i].piece);
    reader->kept[i].there = false;
  }
  for (size_t i = 0; reader->pages && i < reader->num_columns; i++)
    mlaas_kept_pages_reset(reader->pages[i], reader->table->columns[reader->columns[i]].field->num_feeds);
}

static void trim_worker(struct mlaas_read_worker *worker) {
  mlaas_codec_reset(&worker->codec);
  mlaas_block_reset(&worker->stored);
  mlaas_block_reset(&worker->object);
  mlaas_block_reset(&worker->scratch);
}

static void reset_worker(struct mlaas_read_worker *worker) {
  trim_worker(worker);
  mlaas_free(worker->ranges);
}

void mlaas_reader_close(struct mlaas_reader *reader) {
  if (!reader)
    return;
  mlaas_join_reader_close(reader->join);
  mlaas_foreign_reader_close(reader->foreign);
  if (reader->ahead)
    mlaas_ahead_reset(reader->ahead);
  mlaas_free(reader->ahead);
  drop_kept(reader);
  for (int i = 0; reader->workers && i < reader->num_workers; i++)
    reset_worker(&reader->workers[i]);
  mlaas_free(reader->workers);
  mlaas_free(reader->kept);
  for (size_t i = 0; reader->pages && i < reader->num_columns; i++)
    mlaas_free(reader->pages[i]);
  mlaas_free(reader->pages);
  mlaas_free(reader->columns);
  mlaas_free(reader->shares);
  mlaas_table_close(reader->table);
  mlaas_free(reader);
}

static enum mlaas_status no_memory(const struct mlaas_reader *reader, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader of %zu columns", reader->num_columns);
}

/* Room for what one range leaves to the next. */
static enum mlaas_status make_kept(struct mlaas_reader *reader, struct mlaas_error *error) {
  if (!reader->table->entry->is_ntuple) {
    reader->kept = mlaas_alloc((reader->num_columns + 1) * sizeof *reader->kept);
    return reader->kept ? MLAAS_OK : no_memory(reader, error);
  }
  reader->pages = mlaas_alloc((reader->num_columns + 1) * sizeof *reader->pages);
  if (!reader->pages)
    return no_memory(reader, error);
  for (size_t i = 0; i < reader->num_columns; i++) {
    size_t count = reader->table->columns[reader->columns[i]].field->num_feeds;
    reader->pages[i] = mlaas_alloc((count + 1) * sizeof **reader->pages);
    if (!reader->pages[i])
      return no_memory(reader, error);
  }
  return MLAAS_OK;
}

static enum mlaas_status make_ahead(struct mlaas_reader *reader, struct mlaas_error *error) {
  const struct mlaas_file *file = reader->table->file;
  if (!mlaas_source_is_remote(file->container.source))
    return MLAAS_OK;
  reader->ahead = mlaas_alloc(sizeof *reader->ahead);
  if (!reader->ahead)
    return no_memory(reader, error);
  mlaas_ahead_init(reader->ahead, mlaas_context_budget(file->context));
  return MLAAS_OK;
}

static enum mlaas_status make_workers(struct mlaas_reader *reader, struct mlaas_error *error) {
  struct mlaas_context *context = reader->table->file->context;
  reader->num_workers = mlaas_pool_threads(mlaas_context_pool(context));
  reader->workers = mlaas_alloc((size_t)reader->num_workers * sizeof *reader->workers);
  if (!reader->workers)
    return no_memory(reader, error);
  for (int i = 0; i < reader->num_workers; i++)
    mlaas_codec_init(&reader->workers[i].codec, mlaas_context_budget(context));
  return MLAAS_OK;
}

/* ---- members that share a branch ---- */

static const struct mlaas_table_column *column_of(const struct mlaas_reader *reader, size_t i) {
  return &reader->table->columns[reader->columns[i]];
}

struct place {
  const struct mlaas_node *root;
  size_t column;
};

static int by_root(const void *left, const void *right) {
  const struct place *a = left, *b = right;
  if (a->root != b->root)
    return (uintptr_t)a->root < (uintptr_t)b->root ? -1 : 1;
  return a->column < b->column ? -1 : a->column > b->column;
}

static enum mlaas_status find_shares(struct mlaas_reader *reader, struct mlaas_error *error) {
  size_t count = reader->num_columns, slots = 0;
  reader->shares = mlaas_alloc((count + 1) * sizeof *reader->shares);
  struct place *places = mlaas_alloc((count + 1) * sizeof *places);
  if (!reader->shares || !places) {
    mlaas_free(places);
    return no_memory(reader, error);
  }
  for (size_t i = 0; i < count; i++)
    places[i] = (struct place){column_of(reader, i)->plan.root, i};
  qsort(places, count, sizeof *places, by_root);
  for (size_t i = 0, first = 0; i < count; i++) {
    if (places[i].root != places[first].root)
      first = i;
    reader->shares[places[i].column].first = places[first].column;
  }
  for (size_t i = 0; i < count; i++)
    reader->shares[i].slot = reader->shares[i].first == i ? slots++ : reader->shares[reader->shares[i].first].slot;
  mlaas_free(places);
  return MLAAS_OK;
}

/* For reading by ourselves. */
static enum mlaas_status prepare(struct mlaas_reader *reader, struct mlaas_error *error) {
  MLAAS_TRY(find_shares(reader, error));
  MLAAS_TRY(make_workers(reader, error));
  MLAAS_TRY(make_kept(reader, error));
  return make_ahead(reader, error);
}

enum mlaas_status mlaas_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                    struct mlaas_reader **reader, struct mlaas_error *error) {
  struct mlaas_reader *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  made->table = mlaas_table_get(table);
  enum mlaas_status status = mlaas_table_choose(table, columns, num_columns, &made->columns, &made->num_columns, error);
  if (status == MLAAS_OK && table->join)
    status = mlaas_join_reader_open(table, made->columns, made->num_columns, &made->join, error);
  if (status == MLAAS_OK && table->foreign)
    status = mlaas_foreign_reader_open(table, made->columns, made->num_columns, &made->foreign, error);
  if (status == MLAAS_OK && !table->join && !table->foreign)
    status = prepare(made, error);
  if (status != MLAAS_OK) {
    mlaas_reader_close(made);
    return status;
  }
  *reader = made;
  return MLAAS_OK;
}

static enum mlaas_status begin_job(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                   struct mlaas_read_job *job, struct mlaas_error *error) {
  struct mlaas_context *context = reader->table->file->context;
  *job = (struct mlaas_read_job){.table = reader->table,
                                 .budget = mlaas_context_budget(context),
                                 .pool = mlaas_context_pool(context),
                                 .workers = reader->workers,
                                 .ahead = reader->ahead,
                                 .lean = lean};
  mlaas_arena_init(&job->arena, job->budget);
  job->columns = mlaas_arena_alloc(&job->arena, reader->num_columns, sizeof *job->columns, error);
  if (!job->columns)
    return error->status;
  for (size_t i = 0; i < reader->num_columns; i++)
    if (reader->shares[i].first == i)
      job->columns[job->num_columns++] = (struct mlaas_read_column){
          .plan = &column_of(reader, i)->plan, .kept = &reader->kept[i], .start = start, .stop = stop};
  return MLAAS_OK;
}

/* ---- ntuples ---- */

static enum mlaas_status begin_fields(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                      struct mlaas_fields_job *job, struct mlaas_error *error) {
  struct mlaas_context *context = reader->table->file->context;
  *job = (struct mlaas_fields_job){.table = reader->table,
                                   .budget = mlaas_context_budget(context),
                                   .pool = mlaas_context_pool(context),
                                   .workers = reader->workers,
                                   .ahead = reader->ahead,
                                   .start = start,
                                   .stop = stop,
                                   .lean = lean,
                                   .trust = mlaas_budget_trusts_pages(mlaas_context_budget(context))};
  mlaas_arena_init(&job->arena, job->budget);
  job->fields = mlaas_arena_alloc(&job->arena, reader->num_columns, sizeof *job->fields, error);
  if (!job->fields)
    return error->status;
  job->num_fields = reader->num_columns;
  for (size_t i = 0; i < job->num_fields; i++) {
    const struct mlaas_table_column *column = &reader->table->columns[reader->columns[i]];
    job->fields[i] = (struct mlaas_field_read){.plan = column->field, .name = column->name, .kept = reader->pages[i]};
  }
  return MLAAS_OK;
}

/* ---- arrays ---- */

struct rows {
  const struct mlaas_reader *reader;
  struct ArrowArray *array;
  int64_t length;
};

static enum mlaas_status add_array(const struct rows *rows, size_t i, struct mlaas_block *blocks,
                                   struct mlaas_error *error) {
  const struct mlaas_reader *reader = rows->reader;
  return mlaas_node_array(column_of(reader, i)->shown, rows->length, blocks, rows->array->children[i], error);
}

static enum mlaas_status read_fields(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                     const struct rows *rows, struct mlaas_error *error) {
  struct mlaas_fields_job job;
  enum mlaas_status status = begin_fields(reader, start, stop, lean, &job, error);
  if (status == MLAAS_OK)
    status = mlaas_fields_job_run(&job, error);
  for (size_t i = 0; status == MLAAS_OK && i < job.num_fields; i++)
    status = add_array(rows, i, job.fields[i].blocks, error);
  mlaas_fields_job_reset(&job);
  return status;
}

static enum mlaas_status copy_block(const struct mlaas_block *block, struct mlaas_block *copy,
                                    struct mlaas_error *error) {
  MLAAS_TRY(mlaas_block_new(block->budget, block->size, copy, error));
  if (block->size)
    memcpy(copy->data, block->data, (size_t)block->size);
  return MLAAS_OK;
}

/* Copies the buffers of `node` and of all below. */
static enum mlaas_status copy_buffers(const struct mlaas_node *node, const struct mlaas_block *blocks,
                                      struct mlaas_block *copies, struct mlaas_error *error) {
  size_t count = mlaas_node_num_buffers(node);
  for (size_t i = node->buffer; i < node->buffer + count; i++)
    MLAAS_TRY(copy_block(&blocks[i], &copies[i], error));
  for (size_t i = 0; i < node->num_children; i++)
    MLAAS_TRY(copy_buffers(&node->children[i], blocks, copies, error));
  return MLAAS_OK;
}

/* An array over copies: others need the same buffers. */
static enum mlaas_status add_copied_array(const struct rows *rows, size_t i, const struct mlaas_read_column *column,
                                          struct mlaas_error *error) {
  size_t count = column->plan->num_buffers;
  struct mlaas_block *copies = mlaas_alloc((count + 1) * sizeof *copies);
  if (!copies)
    return no_memory(rows->reader, error);
  enum mlaas_status status = copy_buffers(column_of(rows->reader, i)->shown, column->blocks, copies, error);
  if (status == MLAAS_OK)
    status = add_array(rows, i, copies, error);
  for (size_t k = 0; k < count; k++)
    mlaas_block_reset(&copies[k]);
  mlaas_free(copies);
  return status;
}

/* The first column of a branch comes last and takes the buffers themselves. */
static enum mlaas_status add_arrays(const struct rows *rows, const struct mlaas_read_job *job,
                                    struct mlaas_error *error) {
  const struct share *shares = rows->reader->shares;
  for (size_t i = rows->reader->num_columns; i-- > 0;) {
    const struct mlaas_read_column *column = &job->columns[shares[i].slot];
    MLAAS_TRY(shares[i].first == i ? add_array(rows, i, column->blocks, error)
                                   : add_copied_array(rows, i, column, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status read_branches(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                       const struct rows *rows, struct mlaas_error *error) {
  struct mlaas_read_job job;
  enum mlaas_status status = begin_job(reader, start, stop, lean, &job, error);
  if (status == MLAAS_OK)
    status = mlaas_read_job_run(&job, error);
  if (status == MLAAS_OK)
    status = add_arrays(rows, &job, error);
  mlaas_read_job_reset(&job);
  return status;
}

static enum mlaas_status read_once(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  struct rows rows = {reader, array, stop - start};
  MLAAS_TRY(mlaas_array_init(array, stop - start, NULL, 0, reader->num_columns, error));
  enum mlaas_status status = reader->pages ? read_fields(reader, start, stop, lean, &rows, error)
                                           : read_branches(reader, start, stop, lean, &rows, error);
  if (status != MLAAS_OK)
    mlaas_array_release(array);
  return status;
}

enum mlaas_status mlaas_reader_read(struct mlaas_reader *reader, int64_t start, int64_t stop, struct ArrowArray *array,
                                    struct mlaas_error *error) {
  struct mlaas_error local;
  error = error ? error : &local;
  if (start < 0 || stop < start || stop > reader->table->num_entries)
    return mlaas_fail(error, MLAAS_ARGUMENT, "entries %lld to %lld were asked for; table %s has %lld", (long long)start,
                      (long long)stop, reader->table->entry->path, (long long)reader->table->num_entries);
  if (reader->join)
    return mlaas_join_reader_read(reader->join, start, stop, array, error);
  if (reader->foreign)
    return mlaas_foreign_reader_read(reader->foreign, start, stop, array, error);
  enum mlaas_status status = read_once(reader, start, stop, false, array, error);
  if (status == MLAAS_LIMIT) { /* hold nothing that the result does not need, whatever it costs */
    drop_kept(reader);
    for (int i = 0; i < reader->num_workers; i++)
      trim_worker(&reader->workers[i]);
    status = read_once(reader, start, stop, true, array, error);
  }
  return status;
}

/* ---- reading ahead ---- */

static void announce_fields(struct mlaas_reader *reader, int64_t start, int64_t stop) {
  struct mlaas_fields_job job;
  if (begin_fields(reader, start, stop, false, &job, &(struct mlaas_error){0}) == MLAAS_OK)
    mlaas_fields_job_ahead(&job);
  mlaas_fields_job_reset(&job);
}

static void announce_branches(struct mlaas_reader *reader, int64_t start, int64_t stop) {
  struct mlaas_read_job job;
  if (begin_job(reader, start, stop, false, &job, &(struct mlaas_error){0}) == MLAAS_OK)
    mlaas_read_job_ahead(&job);
  mlaas_read_job_reset(&job);
}

/* Where the step from `at` ends: with the cluster. Of a tree's clusters that have more bytes than there is room for a
 * part; of an ntuple's only the whole tells which pages there are. */
static int64_t end_of_step(const struct mlaas_reader *reader, int64_t at, int64_t stop, int64_t room) {
  const struct mlaas_table *table = reader->table;
  int64_t end = mlaas_table_cluster_end(table, at, stop);
  double stored = 1;
  for (size_t i = 0; !reader->pages && i < reader->num_columns; i++) {
    const struct mlaas_branch *branch = column_of(reader, i)->plan.branch;
    stored += reader->shares[i].first == i && branch->stored_bytes > 0 ? (double)branch->stored_bytes : 0;
  }
  double rows = (double)room / stored * (double)table->num_entries;
  return !reader->pages && rows < (double)(end - at) ? at + (rows < 1 ? 1 : (int64_t)rows) : end;
}

int64_t mlaas_reader_ahead(struct mlaas_reader *reader, int64_t start, int64_t stop, int64_t room) {
  int64_t at = start < 0 ? 0 : start, last = reader->table->num_entries;
  stop = stop < last ? stop : last;
  if (reader->join)
    return mlaas_join_reader_ahead(reader->join, at, stop, room);
  if (!reader->ahead)
    return stop;
  if (room <= 0)
    room = mlaas_context_remote(reader->table->file->context)->cache;
  while (at < stop && reader->ahead->bytes < room) {
    int64_t end = end_of_step(reader, at, stop, room);
    if (reader->pages)
      announce_fields(reader, at, end);
    else
      announce_branches(reader, at, end);
    mlaas_ahead_send(reader->ahead);
    at = end;
  }
  return at;
}

int64_t mlaas_reader_ahead_bytes(const struct mlaas_reader *reader) {
  if (reader->join)
    return mlaas_join_reader_ahead_bytes(reader->join);
  return reader->ahead ? reader->ahead->bytes : 0;
}
