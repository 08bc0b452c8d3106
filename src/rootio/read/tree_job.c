/* One read, step by step: list the baskets, learn their sizes, make room, decode. Must not know how bytes become
 * values.
 */
#include "rootio/read/tree_job.h"

#include "base/error.h"
#include "rootio/table/side_file.h"

#include <limits.h>
#include <string.h>

enum { HEAD_BYTES = 512, HEADS_AT_ONCE = 32 };

/* ---- which baskets ---- */

static const struct mlaas_branch *branch_of(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return job->columns[part->column].plan->branch;
}

static struct mlaas_source *source_of(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return mlaas_side_file_source(job->table, job->columns[part->column].plan);
}

int64_t mlaas_basket_end(const struct mlaas_branch *branch, size_t basket) {
  return basket + 1 < branch->num_baskets ? branch->baskets[basket + 1].entry : branch->entry_number;
}

size_t mlaas_basket_at(const struct mlaas_branch *branch, int64_t entry) {
  size_t low = 0, high = branch->num_baskets;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (branch->baskets[middle].entry <= entry)
      low = middle;
    else
      high = middle;
  }
  return low;
}

static size_t count_parts(const struct mlaas_read_column *column) {
  const struct mlaas_branch *branch = column->plan->branch;
  if (column->start >= column->stop || branch->num_baskets == 0)
    return 0;
  return mlaas_basket_at(branch, column->stop - 1) - mlaas_basket_at(branch, column->start) + 1;
}

static enum mlaas_status fill_part(const struct mlaas_read_job *job, size_t column, size_t basket,
                                   struct mlaas_read_part *part, struct mlaas_error *error) {
  const struct mlaas_read_column *read = &job->columns[column];
  const struct mlaas_branch *branch = read->plan->branch;
  int64_t entry = branch->baskets[basket].entry, end = mlaas_basket_end(branch, basket);
  int64_t start = entry > read->start ? entry : read->start, stop = end < read->stop ? end : read->stop;
  *part = (struct mlaas_read_part){
      .column = column, .basket = basket, .entry = entry, .items = -1, .uncounted = read->plan->counts_given};
  if (end - entry > INT32_MAX)
    return mlaas_read_where(
        job, part, mlaas_fail(error, MLAAS_FORMAT, "a basket of %lld entries", (long long)(end - entry)), error);
  part->entries = (int32_t)(end - entry);
  part->start = (int32_t)(start - entry);
  part->stop = (int32_t)(stop - entry);
  part->whole = part->start == 0 && part->stop == part->entries && read->plan->layout != MLAAS_LAYOUT_WALK;
  if (read->kept && read->kept->there && read->kept->basket == basket) {
    part->piece = read->kept->piece;
    read->kept->there = false;
    part->whole = part->uncounted = false;
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_read_parts(struct mlaas_read_job *job, struct mlaas_error *error) {
  size_t most = 0;
  for (size_t i = 0; i < job->num_columns; i++)
    most += count_parts(&job->columns[i]);
  job->parts = mlaas_arena_alloc(&job->arena, most, sizeof *job->parts, error);
  if (!job->parts)
    return error->status;
  for (size_t i = 0; i < job->num_columns; i++) {
    struct mlaas_read_column *column = &job->columns[i];
    const struct mlaas_branch *branch = column->plan->branch;
    column->first_part = job->num_parts;
    size_t count = count_parts(column), first = count ? mlaas_basket_at(branch, column->start) : 0;
    for (size_t k = first; k < first + count; k++)
      if (mlaas_basket_end(branch, k) > branch->baskets[k].entry) { /* some are empty */
        struct mlaas_read_part *part = &job->parts[job->num_parts++];
        column->num_parts++;
        MLAAS_TRY(fill_part(job, i, k, part, error));
      }
  }
  return MLAAS_OK;
}

/* ---- headers ---- */

static enum mlaas_status take_head(const struct mlaas_read_job *job, struct mlaas_read_part *part,
                                   const struct mlaas_basket_head *head, struct mlaas_error *error) {
  const struct mlaas_branch_plan *plan = job->columns[part->column].plan;
  int64_t bytes = (int64_t)head->last - head->key_len;
  part->items = mlaas_list_items(plan, part->entries, bytes);
  part->uncounted = head->object_len == bytes && plan->header_bytes < 10;
  if (head->entries != part->entries)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d entries where the tree says %d", head->entries,
                      part->entries);
  return part->items >= 0
             ? MLAAS_OK
             : mlaas_fail(error, MLAAS_FORMAT, "%lld bytes of %d entries are no whole number of items of %d bytes",
                          (long long)bytes, part->entries, plan->item_bytes);
}

/* A key longer than was expected is read once more, as long as it says. */
static enum mlaas_status read_long_head(const struct mlaas_read_job *job, const struct mlaas_read_part *part,
                                        struct mlaas_basket_head *head, struct mlaas_error *error) {
  const struct mlaas_basket_ref *ref = &branch_of(job, part)->baskets[part->basket];
  struct mlaas_block block = {0};
  int64_t size = ref->num_bytes < SHRT_MAX ? ref->num_bytes : SHRT_MAX;
  MLAAS_TRY(mlaas_block_new(job->budget, size, &block, error));
  enum mlaas_status status = mlaas_source_read_at(source_of(job, part), ref->seek, size, block.data, error);
  if (status == MLAAS_OK)
    status = mlaas_basket_head(block.data, size, ref->seek, head, error);
  mlaas_block_reset(&block);
  return status;
}

static enum mlaas_status decode_head(const struct mlaas_read_job *job, struct mlaas_read_part *part,
                                     const uint8_t *bytes, int64_t size, struct mlaas_error *error) {
  const struct mlaas_basket_ref *ref = &branch_of(job, part)->baskets[part->basket];
  struct mlaas_basket_head head;
  enum mlaas_status status;
  if (ref->embedded) {
    struct mlaas_basket basket;
    status = mlaas_basket_open_embedded(ref, &head, &basket, error);
    head.object_len = (int32_t)basket.size + (basket.offsets ? 4 : 0);
  } else {
    status = mlaas_basket_head(bytes, size, ref->seek, &head, size < ref->num_bytes ? NULL : error);
    if (status != MLAAS_OK && size < ref->num_bytes)
      status = read_long_head(job, part, &head, error);
  }
  if (status == MLAAS_OK)
    status = take_head(job, part, &head, error);
  return status == MLAAS_OK ? MLAAS_OK : mlaas_read_where(job, part, status, error);
}

bool mlaas_needs_head(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return job->columns[part->column].plan->layout == MLAAS_LAYOUT_LIST && !part->piece.blocks;
}

int64_t mlaas_head_bytes(const struct mlaas_basket_ref *ref) {
  return ref->num_bytes < HEAD_BYTES ? ref->num_bytes : HEAD_BYTES;
}

/* Some of the parts whose headers are wanted: the work of one thread. */
struct heads {
  struct mlaas_read_job *job;
  struct mlaas_read_part **parts;
  size_t count;
};

/* Reads the headers of parts[0 .. count), all of one file. */
static enum mlaas_status read_some(const struct mlaas_read_job *job, struct mlaas_read_part **parts, size_t count,
                                   struct mlaas_error *error) {
  uint8_t bytes[HEADS_AT_ONCE][HEAD_BYTES];
  struct mlaas_range ranges[HEADS_AT_ONCE];
  for (size_t i = 0; i < count; i++) {
    const struct mlaas_basket_ref *ref = &branch_of(job, parts[i])->baskets[parts[i]->basket];
    ranges[i] = (struct mlaas_range){ref->seek, mlaas_head_bytes(ref), bytes[i]};
  }
  enum mlaas_status status = mlaas_source_read_many(source_of(job, parts[0]), ranges, count, error);
  if (status != MLAAS_OK)
    return mlaas_read_where(job, parts[0], status, error);
  for (size_t i = 0; i < count; i++)
    MLAAS_TRY(decode_head(job, parts[i], bytes[i], ranges[i].length, error));
  return MLAAS_OK;
}

static bool is_embedded(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return branch_of(job, part)->baskets[part->basket].embedded != NULL;
}

static enum mlaas_status work_on_heads(void *context, size_t item, int thread, struct mlaas_error *error) {
  const struct heads *heads = context;
  const struct mlaas_read_job *job = heads->job;
  struct mlaas_read_part **parts = heads->parts + item * HEADS_AT_ONCE;
  size_t left = heads->count - item * HEADS_AT_ONCE, count = left < HEADS_AT_ONCE ? left : HEADS_AT_ONCE;
  (void)thread;
  for (size_t i = 0; i < count;) {
    size_t first = i++;
    if (is_embedded(job, parts[first])) {
      MLAAS_TRY(decode_head(job, parts[first], NULL, 0, error));
      continue;
    }
    while (i < count && !is_embedded(job, parts[i]) && source_of(job, parts[i]) == source_of(job, parts[first]))
      i++;
    MLAAS_TRY(read_some(job, parts + first, i - first, error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_read_heads(struct mlaas_read_job *job, struct mlaas_error *error) {
  struct heads heads = {.job = job};
  size_t count = 0;
  for (size_t i = 0; i < job->num_parts; i++)
    count += mlaas_needs_head(job, &job->parts[i]);
  if (count == 0)
    return MLAAS_OK;
  heads.parts = mlaas_arena_alloc(&job->arena, count, sizeof(void *), error);
  if (!heads.parts)
    return error->status;
  for (size_t i = 0; i < job->num_parts; i++)
    if (mlaas_needs_head(job, &job->parts[i]))
      heads.parts[heads.count++] = &job->parts[i];
  return mlaas_pool_run(job->pool, (count + HEADS_AT_ONCE - 1) / HEADS_AT_ONCE, work_on_heads, &heads, error);
}

/* ---- room ---- */

/* Elements of a basket that is decoded in place: its rows, its items, the values in them. */
static void count_whole(const struct mlaas_branch_plan *plan, const struct mlaas_read_part *part, int64_t *counts) {
  int64_t per;
  if (plan->layout == MLAAS_LAYOUT_LIST) {
    const struct mlaas_node *inner = mlaas_node_inner(plan->root->children, &per);
    counts[plan->root->buffer] += part->entries;
    counts[inner->buffer] += part->items * per;
  } else {
    mlaas_piece_count(plan->root, NULL, 0, part->entries, counts);
  }
}

/* Room for the sizes of pieces; those of kept ones are known. */
static enum mlaas_status make_rows(struct mlaas_read_job *job, struct mlaas_error *error) {
  for (size_t i = 0; i < job->num_parts; i++) {
    struct mlaas_read_part *part = &job->parts[i];
    const struct mlaas_branch_plan *plan = job->columns[part->column].plan;
    if (part->whole)
      continue;
    part->rows = mlaas_arena_alloc(&job->arena, plan->num_buffers, sizeof *part->rows, error);
    if (!part->rows)
      return error->status;
    if (part->piece.blocks)
      mlaas_piece_count(plan->root, &part->piece, part->start, part->stop, part->rows);
  }
  return MLAAS_OK;
}

static enum mlaas_status place_parts(struct mlaas_read_job *job, struct mlaas_read_column *column,
                                     struct mlaas_error *error) {
  size_t num_buffers = column->plan->num_buffers;
  column->totals = mlaas_arena_alloc(&job->arena, num_buffers, sizeof *column->totals, error);
  column->blocks = mlaas_arena_alloc(&job->arena, num_buffers, sizeof *column->blocks, error);
  if (!column->totals || !column->blocks)
    return error->status;
  if (column->plan->absent)
    mlaas_piece_count(column->plan->root, NULL, 0, column->stop - column->start, column->totals);
  for (size_t i = 0; i < column->num_parts; i++) {
    struct mlaas_read_part *part = &job->parts[column->first_part + i];
    part->bases = mlaas_arena_alloc(&job->arena, num_buffers, sizeof *part->bases, error);
    if (!part->bases)
      return error->status;
    memcpy(part->bases, column->totals, num_buffers * sizeof *part->bases);
    if (part->whole)
      count_whole(column->plan, part, column->totals);
    for (size_t k = 0; !part->whole && k < num_buffers; k++)
      column->totals[k] += part->rows[k];
  }
  return MLAAS_OK;
}

static enum mlaas_status make_blocks(struct mlaas_read_job *job, struct mlaas_read_column *column,
                                     struct mlaas_error *error) {
  const struct mlaas_branch_plan *plan = column->plan;
  for (size_t i = 0; i < plan->num_buffers; i++) {
    bool offsets = mlaas_node_is_offsets(plan->root, i);
    if (column->totals[i] >= INT32_MAX)
      return mlaas_fail(error, MLAAS_LIMIT, "column %s has %lld elements in this range; ask for fewer entries",
                        plan->branch->path, (long long)column->totals[i]);
    int64_t bytes = (column->totals[i] + offsets) * (int64_t)mlaas_node_element(plan->root, i);
    MLAAS_TRY(mlaas_block_new(job->budget, bytes, &column->blocks[i], error));
    if (plan->absent)
      memset(column->blocks[i].data, 0, (size_t)bytes);
    if (offsets)
      *(int32_t *)column->blocks[i].data = 0;
  }
  return MLAAS_OK;
}

static enum mlaas_status make_room(struct mlaas_read_job *job, struct mlaas_error *error) {
  for (size_t i = 0; i < job->num_columns; i++)
    MLAAS_TRY(place_parts(job, &job->columns[i], error));
  for (size_t i = 0; i < job->num_columns; i++)
    MLAAS_TRY(make_blocks(job, &job->columns[i], error));
  return MLAAS_OK;
}

/* ---- all ---- */

struct placing {
  const struct mlaas_read_job *job;
  const struct mlaas_read_part **parts;
};

static enum mlaas_status place_part(void *context, size_t item, int thread, struct mlaas_error *error) {
  const struct placing *placing = context;
  const struct mlaas_read_part *part = placing->parts[item];
  const struct mlaas_read_column *column = &placing->job->columns[part->column];
  (void)thread, (void)error;
  mlaas_piece_place(column->plan->root, &part->piece, part->start, part->stop, part->bases, column->blocks);
  return MLAAS_OK;
}

/* What was decoded on its own goes into its column. */
static enum mlaas_status place_pieces(struct mlaas_read_job *job, struct mlaas_error *error) {
  size_t count = 0;
  for (size_t i = 0; i < job->num_parts; i++)
    count += job->parts[i].piece.blocks != NULL;
  if (count == 0)
    return MLAAS_OK;
  struct placing placing = {job, mlaas_arena_alloc(&job->arena, count, sizeof(void *), error)};
  if (!placing.parts)
    return error->status;
  count = 0;
  for (size_t i = 0; i < job->num_parts; i++)
    if (job->parts[i].piece.blocks)
      placing.parts[count++] = &job->parts[i];
  return mlaas_pool_run(job->pool, count, place_part, &placing, error);
}

static enum mlaas_status run_steps(struct mlaas_read_job *job, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_read_parts(job, error));
  mlaas_read_announce(job);
  MLAAS_TRY(mlaas_read_heads(job, error));
  MLAAS_TRY(mlaas_read_counts(job, error));
  mlaas_read_uncount(job);
  MLAAS_TRY(make_rows(job, error));
  MLAAS_TRY(mlaas_read_baskets(job, MLAAS_READ_PIECES, error));
  MLAAS_TRY(make_room(job, error));
  MLAAS_TRY(mlaas_read_baskets(job, MLAAS_READ_WHOLE, error));
  if (job->lean)
    MLAAS_TRY(mlaas_read_baskets(job, MLAAS_READ_AGAIN, error));
  return place_pieces(job, error);
}

enum mlaas_status mlaas_read_job_run(struct mlaas_read_job *job, struct mlaas_error *error) {
  enum mlaas_status status = run_steps(job, error);
  if (status != MLAAS_OK)
    mlaas_read_job_reset(job);
  return status;
}

/* A basket that goes on behind the range is kept for the next one, as long as plenty of memory is left. */
static bool is_worth_keeping(const struct mlaas_read_job *job, const struct mlaas_read_part *part) {
  return job->columns[part->column].kept && part->stop < part->entries &&
         mlaas_budget_held(job->budget) < mlaas_budget_ceiling(job->budget) / 4 * 3;
}

static void keep(struct mlaas_kept_basket *kept, const struct mlaas_read_part *part) {
  if (kept->there)
    mlaas_piece_reset(&kept->piece);
  *kept = (struct mlaas_kept_basket){true, part->basket, part->piece};
}

void mlaas_read_job_reset(struct mlaas_read_job *job) {
  for (size_t i = 0; i < job->num_parts; i++) {
    struct mlaas_read_part *part = &job->parts[i];
    if (!part->piece.blocks)
      continue;
    if (is_worth_keeping(job, part))
      keep(job->columns[part->column].kept, part);
    else
      mlaas_piece_reset(&part->piece);
  }
  for (size_t i = 0; i < job->num_columns; i++)
    for (size_t k = 0; job->columns[i].blocks && k < job->columns[i].plan->num_buffers; k++)
      mlaas_block_reset(&job->columns[i].blocks[k]);
  if (job->counters)
    mlaas_read_job_reset(job->counters);
  mlaas_arena_reset(&job->arena);
  job->parts = NULL;
  job->counters = NULL;
  job->num_parts = job->num_columns = 0;
}
