/* Readers: the public face of reading entry ranges. Must not know how baskets are decoded. */
#include "rootio/read_job.h"

#include "base/error.h"
#include "column/arrow.h"

#include <string.h>

struct mlaas_reader {
  struct mlaas_table *table;
  size_t *columns;
  size_t num_columns;
  struct mlaas_kept_basket *kept; /* one for each column */
  struct mlaas_read_worker *workers;
  int num_workers;
};

static void drop_kept(struct mlaas_reader *reader) {
  for (size_t i = 0; reader->kept && i < reader->num_columns; i++) {
    if (reader->kept[i].there)
      mlaas_piece_reset(&reader->kept[i].piece);
    reader->kept[i].there = false;
  }
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
  drop_kept(reader);
  for (int i = 0; reader->workers && i < reader->num_workers; i++)
    reset_worker(&reader->workers[i]);
  mlaas_free(reader->workers);
  mlaas_free(reader->kept);
  mlaas_free(reader->columns);
  mlaas_table_close(reader->table);
  mlaas_free(reader);
}

static enum mlaas_status make_workers(struct mlaas_reader *reader, struct mlaas_error *error) {
  struct mlaas_context *context = reader->table->file->context;
  reader->num_workers = mlaas_pool_threads(mlaas_context_pool(context));
  reader->workers = mlaas_alloc((size_t)reader->num_workers * sizeof *reader->workers);
  reader->kept = mlaas_alloc((reader->num_columns + 1) * sizeof *reader->kept);
  if (!reader->workers || !reader->kept)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader of %zu columns", reader->num_columns);
  for (int i = 0; i < reader->num_workers; i++)
    mlaas_codec_init(&reader->workers[i].codec, mlaas_context_budget(context));
  return MLAAS_OK;
}

enum mlaas_status mlaas_reader_open(struct mlaas_table *table, const size_t *columns, size_t num_columns,
                                    struct mlaas_reader **reader, struct mlaas_error *error) {
  struct mlaas_reader *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a reader");
  made->table = mlaas_table_get(table);
  enum mlaas_status status = mlaas_table_choose(table, columns, num_columns, &made->columns, &made->num_columns, error);
  if (status == MLAAS_OK)
    status = make_workers(made, error);
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
                                 .lean = lean};
  mlaas_arena_init(&job->arena, job->budget);
  job->columns = mlaas_arena_alloc(&job->arena, reader->num_columns, sizeof *job->columns, error);
  if (!job->columns)
    return error->status;
  job->num_columns = reader->num_columns;
  for (size_t i = 0; i < job->num_columns; i++)
    job->columns[i] = (struct mlaas_read_column){.plan = &reader->table->columns[reader->columns[i]].plan,
                                                 .kept = &reader->kept[i],
                                                 .start = start,
                                                 .stop = stop};
  return MLAAS_OK;
}

static enum mlaas_status build_rows(const struct mlaas_read_job *job, int64_t length, struct ArrowArray *array,
                                    struct mlaas_error *error) {
  MLAAS_TRY(mlaas_array_init(array, length, NULL, 0, job->num_columns, error));
  for (size_t i = 0; i < job->num_columns; i++) {
    enum mlaas_status status =
        mlaas_node_array(job->columns[i].plan->root, length, job->columns[i].blocks, array->children[i], error);
    if (status != MLAAS_OK) {
      mlaas_array_release(array);
      return status;
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status read_once(struct mlaas_reader *reader, int64_t start, int64_t stop, bool lean,
                                   struct ArrowArray *array, struct mlaas_error *error) {
  struct mlaas_read_job job;
  enum mlaas_status status = begin_job(reader, start, stop, lean, &job, error);
  if (status == MLAAS_OK)
    status = mlaas_read_job_run(&job, error);
  if (status == MLAAS_OK)
    status = build_rows(&job, stop - start, array, error);
  mlaas_read_job_reset(&job);
  return status;
}

enum mlaas_status mlaas_reader_read(struct mlaas_reader *reader, int64_t start, int64_t stop, struct ArrowArray *array,
                                    struct mlaas_error *error) {
  struct mlaas_error local;
  error = error ? error : &local;
  if (start < 0 || stop < start || stop > reader->table->num_entries)
    return mlaas_fail(error, MLAAS_ARGUMENT, "entries %lld to %lld were asked for; table %s has %lld", (long long)start,
                      (long long)stop, reader->table->entry->path, (long long)reader->table->num_entries);
  enum mlaas_status status = read_once(reader, start, stop, false, array, error);
  if (status == MLAAS_LIMIT) { /* hold nothing that the result does not need, whatever it costs */
    drop_kept(reader);
    for (int i = 0; i < reader->num_workers; i++)
      trim_worker(&reader->workers[i]);
    status = read_once(reader, start, stop, true, array, error);
  }
  return status;
}
