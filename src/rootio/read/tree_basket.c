/* The work of one thread on its baskets: read, inflate, decode. Must not know which range is being read. */
#include "rootio/read/tree_job.h"

#include "base/error.h"
#include "rootio/table/side_file.h"

#include <stdlib.h>
#include <string.h>

enum { GROUP_BYTES = 256 << 10, GROUP_BASKETS = 64 }; /* read at once by one thread: stays in its cache */

/* Neighbouring baskets. */
struct group {
  size_t first, count;
};

struct work {
  struct mlaas_read_job *job;
  enum mlaas_read_step step;
  struct mlaas_read_part **order;
  struct group *groups;
  size_t num_parts, num_groups;
};

static const struct mlaas_basket_ref *ref_of(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return &job->columns[part->column].plan->branch->baskets[part->basket];
}

enum mlaas_status mlaas_read_where(const struct mlaas_read_job *job, const struct mlaas_read_part *part,
                                   enum mlaas_status status, struct mlaas_error *error) {
  const struct mlaas_branch *branch = job->columns[part->column].plan->branch;
  if (error && error->offset < 0 && !ref_of(job, part)->embedded)
    error->offset = ref_of(job, part)->seek;
  mlaas_fail_in(error, status, "basket %zu", part->basket);
  mlaas_fail_in(error, status, "branch %s", branch->path);
  mlaas_fail_in(error, status, "%s", job->table->entry->path);
  return mlaas_fail_in(error, status, "%s",
                       mlaas_source_url(mlaas_side_file_source(job->table, job->columns[part->column].plan)));
}

/* ---- bytes to a basket ---- */

static enum mlaas_status check_head(const struct mlaas_read_job *job, const struct mlaas_read_part *part,
                                    const struct mlaas_basket_head *head, const struct mlaas_basket_ref *ref,
                                    struct mlaas_error *error) {
  if (head->entries != part->entries)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d entries where the tree says %d", head->entries,
                      part->entries);
  if (!ref->embedded && head->num_bytes != ref->num_bytes)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d bytes where the tree says %d", head->num_bytes,
                      ref->num_bytes);
  return mlaas_budget_check(job->budget, MLAAS_CEILING_BASKET, ref->embedded ? 0 : head->object_len, error);
}

static enum mlaas_status inflate(struct mlaas_read_worker *worker, const struct mlaas_basket_head *head,
                                 const struct mlaas_basket_ref *ref, const uint8_t *stored, uint8_t *out,
                                 struct mlaas_error *error) {
  return mlaas_codec_decode(&worker->codec, stored + head->key_len, head->num_bytes - head->key_len, out,
                            head->object_len, ref->seek + head->key_len, error);
}

/* The basket behind `stored`, inflated into the worker's memory. */
static enum mlaas_status open_basket(const struct mlaas_read_job *job, struct mlaas_read_worker *worker,
                                     const struct mlaas_read_part *part, const uint8_t *stored,
                                     struct mlaas_basket *basket, struct mlaas_error *error) {
  const struct mlaas_basket_ref *ref = ref_of(job, part);
  struct mlaas_basket_head head;
  if (ref->embedded) {
    MLAAS_TRY(mlaas_basket_open_embedded(ref, &head, basket, error));
    return check_head(job, part, &head, ref, error);
  }
  MLAAS_TRY(mlaas_basket_head(stored, ref->num_bytes, ref->seek, &head, error));
  MLAAS_TRY(check_head(job, part, &head, ref, error));
  MLAAS_TRY(mlaas_block_grow(&worker->object, head.object_len, error));
  MLAAS_TRY(inflate(worker, &head, ref, stored, worker->object.data, error));
  return mlaas_basket_open(&head, worker->object.data, basket, error);
}

/* ---- a basket to values ---- */

static uint8_t *place_of(const struct mlaas_read_column *column, const struct mlaas_read_part *part, size_t buffer) {
  return (uint8_t *)column->blocks[buffer].data +
         part->bases[buffer] * (int64_t)mlaas_node_element(column->plan->root, buffer);
}

/* Numbers that fill their basket and keep their width are inflated where they belong and swapped there. */
static enum mlaas_status inflate_in_place(const struct mlaas_read_job *job, struct mlaas_read_worker *worker,
                                          const struct mlaas_read_part *part, const uint8_t *stored, bool *done,
                                          struct mlaas_error *error) {
  const struct mlaas_read_column *column = &job->columns[part->column];
  const struct mlaas_branch_plan *plan = column->plan;
  const struct mlaas_basket_ref *ref = ref_of(job, part);
  struct mlaas_basket_head head;
  int64_t per;
  const struct mlaas_node *leaf = mlaas_node_inner(plan->root, &per);
  *done = false;
  if (ref->embedded || plan->layout != MLAAS_LAYOUT_FLAT || leaf->kind != MLAAS_NODE_VALUE ||
      !mlaas_values_keep_width(&leaf->value))
    return MLAAS_OK;
  MLAAS_TRY(mlaas_basket_head(stored, ref->num_bytes, ref->seek, &head, error));
  MLAAS_TRY(check_head(job, part, &head, ref, error));
  if (!mlaas_basket_is_plain(&head, (int64_t)part->entries * plan->entry_bytes))
    return MLAAS_OK;
  uint8_t *out = place_of(column, part, leaf->buffer);
  MLAAS_TRY(inflate(worker, &head, ref, stored, out, error));
  mlaas_values_decode_in_place(&leaf->value, out, part->entries * per);
  *done = true;
  return MLAAS_OK;
}

static enum mlaas_status decode_flat(const struct mlaas_read_column *column, struct mlaas_read_worker *worker,
                                     const struct mlaas_read_part *part, const struct mlaas_basket *basket,
                                     struct mlaas_error *error) {
  enum { FEW = 16 };
  size_t count = column->plan->num_buffers;
  uint8_t *few[FEW], **buffers = count > FEW ? mlaas_alloc(count * sizeof *buffers) : few;
  if (!buffers)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a struct of %zu members", count);
  for (size_t i = 0; i < count; i++)
    buffers[i] = place_of(column, part, i);
  enum mlaas_status status = mlaas_decode_flat(column->plan, basket, buffers, &worker->scratch, error);
  if (buffers != few)
    mlaas_free(buffers);
  return status;
}

static enum mlaas_status decode_list(const struct mlaas_read_column *column, struct mlaas_read_worker *worker,
                                     const struct mlaas_read_part *part, const struct mlaas_basket *basket,
                                     struct mlaas_error *error) {
  const struct mlaas_branch_plan *plan = column->plan;
  int64_t per;
  size_t list = plan->root->buffer, values = mlaas_node_inner(plan->root->children, &per)->buffer;
  struct mlaas_list_sink sink = {.ends = (int32_t *)column->blocks[list].data + part->bases[list] + 1,
                                 .base = (int32_t)(part->bases[values] / per),
                                 .items = part->items,
                                 .values = place_of(column, part, values)};
  return mlaas_decode_list(plan, basket, part->counts ? part->counts->values : NULL, &sink, &worker->scratch, error);
}

static enum mlaas_status decode_whole(const struct mlaas_read_job *job, struct mlaas_read_worker *worker,
                                      struct mlaas_read_part *part, const uint8_t *stored, struct mlaas_error *error) {
  const struct mlaas_read_column *column = &job->columns[part->column];
  struct mlaas_basket basket;
  bool done = false;
  MLAAS_TRY(inflate_in_place(job, worker, part, stored, &done, error));
  if (done)
    return MLAAS_OK;
  MLAAS_TRY(open_basket(job, worker, part, stored, &basket, error));
  if (column->plan->layout == MLAAS_LAYOUT_FLAT)
    return decode_flat(column, worker, part, &basket, error);
  return decode_list(column, worker, part, &basket, error);
}

/* A basket of which only some rows are wanted, or whose sizes nobody knows beforehand. */
static enum mlaas_status decode_piece(const struct work *work, struct mlaas_read_worker *worker,
                                      struct mlaas_read_part *part, const uint8_t *stored, struct mlaas_error *error) {
  const struct mlaas_read_job *job = work->job;
  const struct mlaas_read_column *column = &job->columns[part->column];
  const struct mlaas_node *root = column->plan->root;
  struct mlaas_basket basket;
  struct mlaas_piece *piece = &part->piece;
  MLAAS_TRY(open_basket(job, worker, part, stored, &basket, error));
  MLAAS_TRY(mlaas_decode_piece(column->plan, &basket, part->counts, job->budget, &worker->scratch, piece, error));
  if (work->step == MLAAS_READ_AGAIN)
    mlaas_piece_place(root, piece, part->start, part->stop, part->bases, column->blocks);
  else
    mlaas_piece_count(root, piece, part->start, part->stop, part->rows);
  if (job->lean)
    mlaas_piece_reset(piece);
  return MLAAS_OK;
}

/* ---- groups ---- */

static bool is_on_disk(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return !ref_of(job, part)->embedded;
}

static size_t side_of(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return job->columns[part->column].plan->side;
}

static enum mlaas_status read_group(const struct work *work, const struct group *group,
                                    struct mlaas_read_worker *worker, struct mlaas_error *error) {
  const struct mlaas_read_job *job = work->job;
  int64_t bytes = 0;
  size_t count = 0;
  for (size_t i = 0; i < group->count; i++) {
    const struct mlaas_read_part *part = work->order[group->first + i];
    MLAAS_TRY(mlaas_budget_check(job->budget, MLAAS_CEILING_BASKET, ref_of(job, part)->num_bytes, error));
    if (is_on_disk(job, part))
      bytes += ref_of(job, part)->num_bytes;
  }
  MLAAS_TRY(mlaas_block_grow(&worker->stored, bytes, error));
  uint8_t *at = worker->stored.data;
  for (size_t i = 0; i < group->count; i++) {
    const struct mlaas_basket_ref *ref = ref_of(job, work->order[group->first + i]);
    if (ref->embedded)
      continue;
    worker->ranges[count++] = (struct mlaas_range){ref->seek, ref->num_bytes, at};
    at += ref->num_bytes;
  }
  const struct mlaas_branch_plan *plan = job->columns[work->order[group->first]->column].plan;
  return count == 0 ? MLAAS_OK
                    : mlaas_source_read_many(mlaas_side_file_source(job->table, plan), worker->ranges, count, error);
}

static enum mlaas_status work_on_group(void *context, size_t item, int thread, struct mlaas_error *error) {
  const struct work *work = context;
  const struct group *group = &work->groups[item];
  struct mlaas_read_job *job = work->job;
  struct mlaas_read_worker *worker = &job->workers[thread];
  enum mlaas_status status = read_group(work, group, worker, error);
  if (status != MLAAS_OK)
    return mlaas_read_where(job, work->order[group->first], status, error);
  const uint8_t *stored = worker->stored.data;
  for (size_t i = 0; i < group->count && status == MLAAS_OK; i++) {
    struct mlaas_read_part *part = work->order[group->first + i];
    status = work->step == MLAAS_READ_WHOLE ? decode_whole(job, worker, part, stored, error)
                                            : decode_piece(work, worker, part, stored, error);
    if (status != MLAAS_OK)
      return mlaas_read_where(job, part, status, error);
    if (is_on_disk(job, part))
      stored += ref_of(job, part)->num_bytes;
  }
  return status;
}

/* A basket's place for sorting; embedded ones come last in each file. */
struct placed {
  size_t side;
  int64_t seek;
  struct mlaas_read_part *part;
};

static int compare_places(const void *left, const void *right) {
  const struct placed *a = left, *b = right;
  if (a->side != b->side)
    return a->side < b->side ? -1 : 1;
  if (a->seek != b->seek)
    return a->seek < b->seek ? -1 : 1;
  return a->part < b->part ? -1 : a->part > b->part;
}

/* True for the parts of this step; a piece that is there was kept from the range before. */
static bool is_wanted(const struct mlaas_read_part *part, enum mlaas_read_step step) {
  return step == MLAAS_READ_WHOLE ? part->whole : !part->whole && !part->piece.blocks;
}

static enum mlaas_status order_parts(struct work *work, struct mlaas_error *error) {
  struct mlaas_read_job *job = work->job;
  for (size_t i = 0; i < job->num_parts; i++)
    work->num_parts += is_wanted(&job->parts[i], work->step);
  if (work->num_parts == 0)
    return MLAAS_OK;
  struct placed *placed = mlaas_arena_alloc(&job->arena, work->num_parts, sizeof *placed, error);
  work->order = mlaas_arena_alloc(&job->arena, work->num_parts, sizeof *work->order, error);
  work->groups = mlaas_arena_alloc(&job->arena, work->num_parts, sizeof *work->groups, error);
  if (!placed || !work->order || !work->groups)
    return error->status;
  size_t count = 0;
  for (size_t i = 0; i < job->num_parts; i++)
    if (is_wanted(&job->parts[i], work->step))
      placed[count++] = (struct placed){side_of(job, &job->parts[i]),
                                        is_on_disk(job, &job->parts[i]) ? ref_of(job, &job->parts[i])->seek : INT64_MAX,
                                        &job->parts[i]};
  qsort(placed, count, sizeof *placed, compare_places);
  for (size_t i = 0; i < count; i++)
    work->order[i] = placed[i].part;
  return MLAAS_OK;
}

static void group_parts(struct work *work) {
  int64_t bytes = 0;
  for (size_t i = 0; i < work->num_parts; i++) {
    int64_t more = is_on_disk(work->job, work->order[i]) ? ref_of(work->job, work->order[i])->num_bytes : 0;
    struct group *group = work->num_groups ? &work->groups[work->num_groups - 1] : NULL;
    if (!group || bytes + more > GROUP_BYTES || group->count == GROUP_BASKETS ||
        side_of(work->job, work->order[i]) != side_of(work->job, work->order[i - 1])) {
      work->groups[work->num_groups++] = (struct group){i, 1};
      bytes = more;
    } else {
      group->count++;
      bytes += more;
    }
  }
}

enum mlaas_status mlaas_read_workers_ready(struct mlaas_read_worker *workers, int count, size_t ranges,
                                           struct mlaas_budget *budget, struct mlaas_error *error) {
  for (int i = 0; i < count; i++) {
    struct mlaas_read_worker *worker = &workers[i];
    if (!worker->ranges && !(worker->ranges = mlaas_alloc(ranges * sizeof *worker->ranges)))
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for a thread");
    struct mlaas_block *blocks[] = {&worker->stored, &worker->object, &worker->scratch};
    for (size_t k = 0; k < sizeof blocks / sizeof blocks[0]; k++)
      if (!blocks[k]->budget)
        MLAAS_TRY(mlaas_block_new(budget, 0, blocks[k], error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_read_baskets(struct mlaas_read_job *job, enum mlaas_read_step step, struct mlaas_error *error) {
  struct work work = {.job = job, .step = step};
  MLAAS_TRY(order_parts(&work, error));
  if (work.num_parts == 0)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_read_workers_ready(job->workers, mlaas_pool_threads(job->pool), GROUP_BASKETS, job->budget, error));
  group_parts(&work);
  return mlaas_pool_run(job->pool, work.num_groups, work_on_group, &work, error);
}
