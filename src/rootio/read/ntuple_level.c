/* One read of an ntuple, level by level: which elements, of which pages; make room; work; learn where the next level
 * lies. Must not know how pages become values.
 */
#include "rootio/read/ntuple_job.h"

#include "base/error.h"
#include "rootio/ntuple/page.h"

#include <string.h>

/* ---- which elements ---- */

static enum mlaas_status fail_field(const struct mlaas_fields_job *job, size_t field, enum mlaas_status status,
                                    struct mlaas_error *error) {
  mlaas_fail_in(error, status, "field %s", job->fields[field].name);
  mlaas_fail_in(error, status, "%s", job->table->entry->path);
  return mlaas_fail_in(error, status, "%s", mlaas_source_url(job->table->file->container.source));
}

/* Rows of the feed above in cluster `i`, or entries. */
static struct mlaas_span rows_above(const struct mlaas_fields_job *job, const struct mlaas_field_read *read,
                                    const struct mlaas_field_feed *feed, size_t i) {
  if (feed->parent == MLAAS_FEED_ENTRIES) {
    const struct mlaas_ntuple_cluster *cluster = mlaas_fields_cluster(job, i);
    int64_t start = job->start - cluster->first_entry, stop = job->stop - cluster->first_entry;
    return (struct mlaas_span){start > 0 ? start : 0, stop < cluster->entries ? stop : cluster->entries};
  }
  const struct mlaas_field_feed *parent = &read->plan->feeds[feed->parent];
  size_t alternatives = parent->kind == MLAAS_FEED_SWITCH ? parent->node->num_children : 1;
  return read->feeds[feed->parent].spans[i * alternatives + feed->alternative];
}

static enum mlaas_status make_segment(const struct mlaas_fields_job *job, size_t field, size_t feed, size_t i,
                                      struct mlaas_error *error) {
  struct mlaas_field_read *read = &job->fields[field];
  const struct mlaas_field_feed *plan = &read->plan->feeds[feed];
  struct mlaas_feed_read *mine = &read->feeds[feed];
  struct mlaas_span rows = rows_above(job, read, plan, i);
  struct mlaas_segment *segment = &mine->segments[i];
  const struct mlaas_ntuple_column *column = mlaas_fields_column(job, plan, i);
  if (!column)
    return mlaas_fail(error, MLAAS_FORMAT, "cluster %zu has no column of it", job->first_cluster + i);
  segment->base = mine->found;
  if (__builtin_mul_overflow(rows.start, plan->per, &segment->start) ||
      __builtin_mul_overflow(rows.stop, plan->per, &segment->stop) ||
      segment->stop > mlaas_fields_range(job, column, i)->elements)
    return mlaas_fail(error, MLAAS_FORMAT, "cluster %zu has %lld elements of it where %lld rows are wanted",
                      job->first_cluster + i, (long long)mlaas_fields_range(job, column, i)->elements,
                      (long long)rows.stop);
  mine->found += segment->stop - segment->start;
  if (mine->found >= INT32_MAX)
    return mlaas_fail(error, MLAAS_LIMIT, "it has %lld elements in this range or more; ask for fewer entries",
                      (long long)mine->found);
  return MLAAS_OK;
}

static int64_t room_for(const struct mlaas_field_read *read, const struct mlaas_field_feed *plan, int64_t found) {
  if (plan->parent == MLAAS_FEED_ENTRIES || read->plan->feeds[plan->parent].kind == MLAAS_FEED_ENDS)
    return found;
  return read->feeds[plan->parent].rows * plan->per;
}

static enum mlaas_status new_block(const struct mlaas_fields_job *job, struct mlaas_field_read *read,
                                   const struct mlaas_node *node, size_t buffer, int64_t rows,
                                   struct mlaas_error *error) {
  bool offsets = mlaas_node_is_offsets(node, buffer);
  int64_t bytes = (rows + offsets) * (int64_t)mlaas_node_element(node, buffer);
  MLAAS_TRY(mlaas_block_new(job->budget, bytes, &read->blocks[buffer], error));
  if (offsets)
    *(int32_t *)read->blocks[buffer].data = 0;
  return MLAAS_OK;
}

/* Segments and room for one feed. */
static enum mlaas_status open_feed(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error) {
  struct mlaas_field_read *read = &job->fields[field];
  const struct mlaas_field_feed *plan = &read->plan->feeds[feed];
  struct mlaas_feed_read *mine = &read->feeds[feed];
  mine->segments = mlaas_arena_alloc(&job->arena, job->num_clusters, sizeof *mine->segments, error);
  if (!mine->segments)
    return error->status;
  for (size_t i = 0; i < job->num_clusters; i++)
    MLAAS_TRY(make_segment(job, field, feed, i, error));
  mine->rows = room_for(read, plan, mine->found);
  if (mine->rows >= INT32_MAX)
    return mlaas_fail(error, MLAAS_LIMIT, "it has %lld rows in this range; ask for fewer entries",
                      (long long)mine->rows);
  if (plan->kind != MLAAS_FEED_SWITCH)
    return new_block(job, read, plan->node, plan->buffer, mine->rows, error);
  for (size_t i = 0; i < plan->node->num_children; i++)
    MLAAS_TRY(new_block(job, read, plan->node, plan->node->children[i].buffer, mine->rows, error));
  return MLAAS_OK;
}

/* ---- which pages ---- */

/* Index columns are read from the element before on: a list begins where that one ends. */
static int64_t first_element(const struct mlaas_field_feed *plan, const struct mlaas_segment *segment) {
  return segment->start - (mlaas_feed_is_index(plan) && segment->start > 0);
}

static size_t count_uses(const struct mlaas_fields_job *job, const struct mlaas_field_feed *plan,
                         const struct mlaas_segment *segment, size_t i) {
  if (segment->start == segment->stop)
    return 0;
  const struct mlaas_ntuple_range *range = mlaas_fields_range(job, mlaas_fields_column(job, plan, i), i);
  int64_t start = first_element(plan, segment), zeros = range->num_pages ? range->pages[0].first : range->elements;
  size_t count = start < zeros;
  if (segment->stop > zeros)
    count += mlaas_page_at(range, segment->stop - 1) - mlaas_page_at(range, start) + 1;
  return count;
}

/* The page goes on behind the range, or holds the element that the next one has to look back at. */
static bool is_wanted_later(const struct mlaas_fields_job *job, const struct mlaas_page_use *use) {
  const struct mlaas_field_feed *plan = mlaas_use_feed(job, use);
  int64_t stop = use->start + use->count, end = use->page->first + use->page->elements;
  bool last = stop == job->fields[use->field].feeds[use->feed].segments[use->cluster].stop;
  bool looks_back = mlaas_feed_is_index(plan) && stop < mlaas_fields_range(job, use->column, use->cluster)->elements;
  return use->cluster + 1 == job->num_clusters && last && (stop < end || looks_back);
}

static enum mlaas_status add_use(struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                 struct mlaas_error *error) {
  const struct mlaas_field_feed *plan = mlaas_use_feed(job, use);
  struct mlaas_kept_page *kept = &job->fields[use->field].kept[use->feed];
  struct mlaas_page_use *made = &job->uses[job->num_uses++];
  *made = *use;
  if (plan->kind == MLAAS_FEED_SWITCH) {
    made->runs = mlaas_arena_alloc(&job->arena, plan->node->num_children, sizeof *made->runs, error);
    if (!made->runs)
      return error->status;
  }
  if (!use->page || job->lean)
    return MLAAS_OK;
  if (kept->page == use->page) {
    made->values = kept->values;
    made->keep = made->kept = true;
    *kept = (struct mlaas_kept_page){0};
    return MLAAS_OK;
  }
  int64_t bytes = use->page->elements * (int64_t)mlaas_ntuple_page_width(use->column);
  made->keep = bytes <= job->room && is_wanted_later(job, use);
  job->room -= made->keep ? bytes : 0;
  return MLAAS_OK;
}

static enum mlaas_status add_uses(struct mlaas_fields_job *job, size_t field, size_t feed, size_t i,
                                  struct mlaas_error *error) {
  const struct mlaas_field_feed *plan = &job->fields[field].plan->feeds[feed];
  struct mlaas_segment *segment = &job->fields[field].feeds[feed].segments[i];
  segment->first_use = job->num_uses;
  if (segment->start == segment->stop)
    return MLAAS_OK;
  struct mlaas_page_use use = {.field = field, .feed = feed, .cluster = i, .column = mlaas_fields_column(job, plan, i)};
  const struct mlaas_ntuple_range *range = mlaas_fields_range(job, use.column, i);
  int64_t zeros = range->num_pages ? range->pages[0].first : range->elements;
  for (int64_t at = first_element(plan, segment), next; at < segment->stop; at = next) {
    use.page = at < zeros ? NULL : &range->pages[mlaas_page_at(range, at)];
    next = at < zeros ? zeros : use.page->first + use.page->elements;
    next = next < segment->stop ? next : segment->stop;
    use.start = at;
    use.count = next - at;
    use.out = segment->base + at - segment->start;
    MLAAS_TRY(add_use(job, &use, error));
  }
  segment->num_uses = job->num_uses - segment->first_use;
  return MLAAS_OK;
}

/* ---- levels ---- */

typedef enum mlaas_status visit(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error);

static enum mlaas_status visit_level(struct mlaas_fields_job *job, int level, visit *what, struct mlaas_error *error) {
  for (size_t i = 0; i < job->num_fields; i++) {
    const struct mlaas_field_plan *plan = job->fields[i].plan;
    for (size_t k = 0; level < plan->num_levels && k < plan->num_feeds; k++) {
      if (plan->feeds[k].level != level)
        continue;
      enum mlaas_status status = what(job, i, k, error);
      if (status != MLAAS_OK)
        return status;
    }
  }
  return MLAAS_OK;
}

static enum mlaas_status open_one(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error) {
  enum mlaas_status status = open_feed(job, field, feed, error);
  return status == MLAAS_OK ? MLAAS_OK : fail_field(job, field, status, error);
}

static enum mlaas_status count_one(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error) {
  (void)error;
  const struct mlaas_field_read *read = &job->fields[field];
  for (size_t i = 0; i < job->num_clusters; i++)
    job->num_uses += count_uses(job, &read->plan->feeds[feed], &read->feeds[feed].segments[i], i);
  return MLAAS_OK;
}

static enum mlaas_status list_one(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error) {
  for (size_t i = 0; i < job->num_clusters; i++)
    MLAAS_TRY(add_uses(job, field, feed, i, error));
  return MLAAS_OK;
}

static enum mlaas_status list_uses(struct mlaas_fields_job *job, int level, struct mlaas_error *error) {
  job->num_uses = 0;
  MLAAS_TRY(visit_level(job, level, count_one, error));
  job->uses = mlaas_arena_alloc(&job->arena, job->num_uses, sizeof *job->uses, error);
  job->num_uses = 0;
  return job->uses ? visit_level(job, level, list_one, error) : error->status;
}

/* Offsets of lists: from ends in their cluster, lower halves, to ends in the column. What does not fit 32 bits is found
 * by the level below, or at last by check_lists. */
static enum mlaas_status shift_ends(struct mlaas_fields_job *job, size_t field, size_t feed,
                                    struct mlaas_error *error) {
  (void)error;
  const struct mlaas_field_read *read = &job->fields[field];
  const struct mlaas_field_feed *plan = &read->plan->feeds[feed];
  const struct mlaas_feed_read *mine = &read->feeds[feed];
  if (plan->kind != MLAAS_FEED_ENDS)
    return MLAAS_OK;
  uint32_t base = 0, *offsets = read->blocks[plan->buffer].data;
  for (size_t i = 0; i < job->num_clusters; i++) {
    const struct mlaas_segment *segment = &mine->segments[i];
    uint32_t shift = base - (uint32_t)mine->spans[i].start, *out = offsets + segment->base + 1;
    for (int64_t k = 0; shift && k < segment->stop - segment->start; k++)
      out[k] += shift;
    base += (uint32_t)(mine->spans[i].stop - mine->spans[i].start);
  }
  offsets[0] = 0;
  return MLAAS_OK;
}

/* Items that have no column below would not be missed. */
static enum mlaas_status check_lists(struct mlaas_fields_job *job, size_t field, size_t feed,
                                     struct mlaas_error *error) {
  const struct mlaas_field_read *read = &job->fields[field];
  int64_t items = 0;
  for (size_t i = 0; read->plan->feeds[feed].kind == MLAAS_FEED_ENDS && i < job->num_clusters; i++) {
    const struct mlaas_span *span = &read->feeds[feed].spans[i];
    items += span->stop - span->start < INT32_MAX ? span->stop - span->start : INT32_MAX;
    if (items >= INT32_MAX)
      return fail_field(
          job, field,
          mlaas_fail(error, MLAAS_LIMIT, "its lists have 2,147,483,647 items in this range or more; ask for less"),
          error);
  }
  return MLAAS_OK;
}

/* A page that the next range needs is kept as long as plenty of memory is left. */
static void close_uses(struct mlaas_fields_job *job) {
  for (size_t i = 0; i < job->num_uses; i++) {
    struct mlaas_page_use *use = &job->uses[i];
    if (!use->values.budget)
      continue;
    struct mlaas_kept_page *kept = &job->fields[use->field].kept[use->feed];
    int64_t most = mlaas_budget_ceiling(job->budget) / 4 * 3;
    if (is_wanted_later(job, use) && mlaas_budget_held(job->budget) < most) { /* kept ones may end now */
      mlaas_block_reset(&kept->values);
      *kept = (struct mlaas_kept_page){use->page, use->values};
    } else {
      mlaas_block_reset(&use->values);
    }
  }
  job->num_uses = 0;
}

static enum mlaas_status run_level(struct mlaas_fields_job *job, int level, struct mlaas_error *error) {
  job->level = level;
  MLAAS_TRY(visit_level(job, level, open_one, error));
  MLAAS_TRY(list_uses(job, level, error));
  MLAAS_TRY(mlaas_ntuple_work(job, error));
  MLAAS_TRY(visit_level(job, level, mlaas_take_finish, error));
  MLAAS_TRY(visit_level(job, level, shift_ends, error));
  close_uses(job);
  return MLAAS_OK;
}

/* What needs all pages of a field: objects out of their bytes, and a place for what is missing. */
static enum mlaas_status finish_field(void *context, size_t item, int thread, struct mlaas_error *error) {
  const struct mlaas_fields_job *job = context;
  const struct mlaas_field_read *read = &job->fields[item];
  (void)thread;
  for (size_t i = 0; i < read->plan->num_objects; i++) {
    enum mlaas_status status = mlaas_objects_decode(job, read, &read->plan->objects[i], error);
    if (status != MLAAS_OK)
      return fail_field(job, item, status, error);
  }
  mlaas_spread(read->plan->root, job->stop - job->start, read->blocks);
  return MLAAS_OK;
}

static enum mlaas_status run_levels(struct mlaas_fields_job *job, struct mlaas_error *error) {
  int num_levels = 0;
  mlaas_fields_clusters(job);
  job->room = mlaas_budget_ceiling(job->budget) / 4 * 3 - mlaas_budget_held(job->budget);
  for (size_t i = 0; i < job->num_fields; i++) {
    struct mlaas_field_read *read = &job->fields[i];
    read->feeds = mlaas_arena_alloc(&job->arena, read->plan->num_feeds, sizeof *read->feeds, error);
    read->blocks = mlaas_arena_alloc(&job->arena, read->plan->num_buffers, sizeof *read->blocks, error);
    if (!read->feeds || !read->blocks)
      return error->status;
    num_levels = read->plan->num_levels > num_levels ? read->plan->num_levels : num_levels;
  }
  mlaas_fields_job_ahead(job);
  for (int level = 0; level < num_levels; level++)
    MLAAS_TRY(run_level(job, level, error));
  for (int level = 0; level < num_levels; level++)
    MLAAS_TRY(visit_level(job, level, check_lists, error));
  return mlaas_pool_run(job->pool, job->num_fields, finish_field, job, error);
}

enum mlaas_status mlaas_fields_job_run(struct mlaas_fields_job *job, struct mlaas_error *error) {
  enum mlaas_status status = run_levels(job, error);
  if (status != MLAAS_OK)
    mlaas_fields_job_reset(job);
  return status;
}

void mlaas_fields_job_reset(struct mlaas_fields_job *job) {
  for (size_t i = 0; i < job->num_uses; i++)
    mlaas_block_reset(&job->uses[i].values);
  for (size_t i = 0; i < job->num_fields; i++)
    for (size_t k = 0; job->fields[i].blocks && k < job->fields[i].plan->num_buffers; k++)
      mlaas_block_reset(&job->fields[i].blocks[k]);
  mlaas_arena_reset(&job->arena);
  job->num_uses = job->num_fields = 0;
}

void mlaas_kept_pages_reset(struct mlaas_kept_page *kept, size_t count) {
  for (size_t i = 0; kept && i < count; i++) {
    mlaas_block_reset(&kept[i].values);
    kept[i].page = NULL;
  }
}
