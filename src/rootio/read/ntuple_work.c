/* The work of one thread on pages: read, verify, inflate, decode. Each distinct page once, also where columns share it.
 * Must not know which range is being read.
 */
#include "rootio/read/ntuple_job.h"

#include "base/error.h"
#include "rootio/ntuple/page.h"

#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

enum { GROUP_BYTES = 256 << 10, GROUP_PAGES = 64 }; /* read at once by one thread */

/* Neighbouring pages, each with all that want it. */
struct group {
  size_t first, count; /* in `order` */
};

struct work {
  struct mlaas_fields_job *job;
  struct mlaas_page_use **order; /* by place in the file */
  size_t num_uses;
  struct group *groups;
  size_t num_groups;
};

static bool same_page(const struct mlaas_ntuple_page *a, const struct mlaas_ntuple_page *b) {
  return a->seek == b->seek && a->stored == b->stored && a->size == b->size && a->checksum == b->checksum;
}

/* ---- bytes to a page ---- */

static enum mlaas_status verify(const struct mlaas_fields_job *job, const struct mlaas_ntuple_page *page,
                                const uint8_t *stored, struct mlaas_error *error) {
  uint64_t wanted;
  if (!page->checksum || job->trust)
    return MLAAS_OK;
  memcpy(&wanted, stored + page->stored, sizeof wanted);
  if (XXH3_64bits(stored, (size_t)page->stored) == wanted)
    return MLAAS_OK;
  return mlaas_fail_at(error, MLAAS_CHECKSUM, page->seek, "the XXH3 of a page does not match its %d bytes",
                       page->stored);
}

static enum mlaas_status inflate(struct mlaas_read_worker *worker, const struct mlaas_ntuple_page *page,
                                 const uint8_t *stored, void *out, struct mlaas_error *error) {
  worker->codec.verified = page->checksum && !mlaas_budget_trusts_pages(worker->codec.budget);
  if (page->stored > page->size)
    return mlaas_fail(error, MLAAS_FORMAT, "a page of %d bytes is stored in %d", page->size, page->stored);
  return mlaas_codec_decode(&worker->codec, stored, page->stored, out, page->size, page->seek, error);
}

/* The page behind `stored`, in the worker's memory or where it is. */
static enum mlaas_status open_page(struct mlaas_read_worker *worker, const struct mlaas_ntuple_page *page,
                                   const uint8_t *stored, const uint8_t **bytes, struct mlaas_error *error) {
  *bytes = stored;
  if (page->stored == page->size)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_block_grow(&worker->object, page->size, error));
  *bytes = worker->object.data;
  return inflate(worker, page, stored, worker->object.data, error);
}

/* ---- a page to values ---- */

/* Decodes all of the page into memory of its own, and takes the elements out of it that are wanted now. */
static enum mlaas_status decode_kept(const struct mlaas_fields_job *job, struct mlaas_page_use *use,
                                     const uint8_t *bytes, struct mlaas_error *error) {
  const struct mlaas_ntuple_page *page = use->page;
  int64_t width = (int64_t)mlaas_ntuple_page_width(use->column);
  if (!use->kept) {
    MLAAS_TRY(mlaas_block_new(job->budget, page->elements * width, &use->values, error));
    MLAAS_TRY(mlaas_ntuple_page_decode(use->column, bytes, page->elements, 0, page->elements, use->values.data, error));
  }
  return mlaas_take(job, use, (const uint8_t *)use->values.data + (use->start - page->first) * width, error);
}

static enum mlaas_status decode_use(const struct mlaas_fields_job *job, struct mlaas_read_worker *worker,
                                    struct mlaas_page_use *use, const uint8_t *bytes, struct mlaas_error *error) {
  const struct mlaas_ntuple_page *page = use->page;
  int32_t start = (int32_t)(use->start - page->first), stop = start + (int32_t)use->count;
  size_t width;
  if (use->keep)
    return decode_kept(job, use, bytes, error);
  if (mlaas_take_is_copy(mlaas_use_feed(job, use), use->column, &width))
    return mlaas_ntuple_page_decode(use->column, bytes, page->elements, start, stop,
                                    mlaas_use_block(job, use) + use->out * (int64_t)width, error);
  width = mlaas_ntuple_page_width(use->column);
  MLAAS_TRY(mlaas_block_grow(&worker->scratch, use->count * (int64_t)width, error));
  MLAAS_TRY(mlaas_ntuple_page_decode(use->column, bytes, page->elements, start, stop, worker->scratch.data, error));
  return mlaas_take(job, use, worker->scratch.data, error);
}

/* Where a page can be inflated at once: it is wanted whole, by one feed, as it is. NULL where it cannot. */
static uint8_t *final_place(const struct mlaas_fields_job *job, const struct mlaas_page_use *use) {
  size_t width;
  if (use->keep || use->count != use->page->elements || !mlaas_ntuple_page_is_plain(use->column) ||
      !mlaas_take_is_copy(mlaas_use_feed(job, use), use->column, &width))
    return NULL;
  return mlaas_use_block(job, use) + use->out * (int64_t)width;
}

/* One page for the `count` uses that want it. */
static enum mlaas_status work_on_page(struct mlaas_fields_job *job, struct mlaas_read_worker *worker,
                                      struct mlaas_page_use **uses, size_t count, const uint8_t *stored,
                                      struct mlaas_error *error) {
  const struct mlaas_ntuple_page *page = uses[0]->page;
  const uint8_t *bytes;
  enum mlaas_status status = mlaas_budget_check(job->budget, MLAAS_CEILING_PAGE, page->size, error);
  if (status == MLAAS_OK)
    status = verify(job, page, stored, error);
  uint8_t *place = count == 1 && status == MLAAS_OK ? final_place(job, uses[0]) : NULL;
  if (place)
    status = inflate(worker, page, stored, place, error);
  else if (status == MLAAS_OK)
    status = open_page(worker, page, stored, &bytes, error);
  if (status != MLAAS_OK)
    return mlaas_use_where(job, uses[0], status, error);
  for (size_t i = 0; !place && i < count; i++) {
    status = decode_use(job, worker, uses[i], bytes, error);
    if (status != MLAAS_OK)
      return mlaas_use_where(job, uses[i], status, error);
  }
  return MLAAS_OK;
}

/* ---- groups ---- */

/* How many of the uses from `i` on want the same page. */
static size_t count_same(const struct work *work, size_t i, size_t stop) {
  size_t next = i + 1;
  while (next < stop && same_page(work->order[next]->page, work->order[i]->page))
    next++;
  return next - i;
}

static enum mlaas_status read_group(const struct work *work, const struct group *group,
                                    struct mlaas_read_worker *worker, struct mlaas_error *error) {
  size_t stop = group->first + group->count, count = 0;
  int64_t bytes = 0;
  for (size_t i = group->first; i < stop; i += count_same(work, i, stop))
    bytes += mlaas_page_bytes(work->order[i]->page);
  MLAAS_TRY(mlaas_block_grow(&worker->stored, bytes, error));
  uint8_t *at = worker->stored.data;
  for (size_t i = group->first; i < stop; i += count_same(work, i, stop)) {
    const struct mlaas_ntuple_page *page = work->order[i]->page;
    worker->ranges[count++] = (struct mlaas_range){page->seek, mlaas_page_bytes(page), at};
    at += mlaas_page_bytes(page);
  }
  return mlaas_source_read_many(work->job->table->file->container.source, worker->ranges, count, error);
}

static enum mlaas_status work_on_group(void *context, size_t item, int thread, struct mlaas_error *error) {
  const struct work *work = context;
  const struct group *group = &work->groups[item];
  struct mlaas_read_worker *worker = &work->job->workers[thread];
  enum mlaas_status status = read_group(work, group, worker, error);
  if (status != MLAAS_OK)
    return mlaas_use_where(work->job, work->order[group->first], status, error);
  const uint8_t *stored = worker->stored.data;
  size_t stop = group->first + group->count;
  for (size_t i = group->first, same; i < stop; i += same) {
    same = count_same(work, i, stop);
    MLAAS_TRY(work_on_page(work->job, worker, &work->order[i], same, stored, error));
    stored += mlaas_page_bytes(work->order[i]->page);
  }
  return MLAAS_OK;
}

static int compare_places(const void *left, const void *right) {
  const struct mlaas_page_use *a = *(struct mlaas_page_use *const *)left, *b = *(struct mlaas_page_use *const *)right;
  if (a->page->seek != b->page->seek)
    return a->page->seek < b->page->seek ? -1 : 1;
  if (a->page->stored != b->page->stored)
    return a->page->stored < b->page->stored ? -1 : 1;
  if (a->page->size != b->page->size)
    return a->page->size < b->page->size ? -1 : 1;
  if (a->page->checksum != b->page->checksum)
    return a->page->checksum ? 1 : -1;
  return a < b ? -1 : a > b;
}

static enum mlaas_status order_uses(struct work *work, struct mlaas_error *error) {
  struct mlaas_fields_job *job = work->job;
  work->order = mlaas_arena_alloc(&job->arena, job->num_uses, sizeof(void *), error);
  work->groups = mlaas_arena_alloc(&job->arena, job->num_uses, sizeof *work->groups, error);
  if (!work->order || !work->groups)
    return error->status;
  for (size_t i = 0; i < job->num_uses; i++)
    if (job->uses[i].page && !job->uses[i].kept)
      work->order[work->num_uses++] = &job->uses[i];
  qsort(work->order, work->num_uses, sizeof(void *), compare_places);
  return MLAAS_OK;
}

static void group_uses(struct work *work) {
  int64_t bytes = 0;
  size_t pages = 0;
  for (size_t i = 0, same; i < work->num_uses; i += same) {
    int64_t more = mlaas_page_bytes(work->order[i]->page);
    same = count_same(work, i, work->num_uses);
    if (work->num_groups == 0 || bytes + more > GROUP_BYTES || pages == GROUP_PAGES) {
      work->groups[work->num_groups++] = (struct group){i, same};
      bytes = more;
      pages = 1;
    } else {
      work->groups[work->num_groups - 1].count += same;
      bytes += more;
      pages++;
    }
  }
}

/* All pages of this level are on their way before the first is waited for. */
static void announce(const struct work *work) {
  if (!work->job->ahead)
    return;
  for (size_t i = 0; i < work->num_uses; i += count_same(work, i, work->num_uses))
    mlaas_page_announce(work->job, work->order[i]->page);
  mlaas_ahead_send(work->job->ahead);
}

/* What needs no reading: zeros, and pages that are here from the range before. */
static enum mlaas_status take_the_rest(struct mlaas_fields_job *job, struct mlaas_error *error) {
  for (size_t i = 0; i < job->num_uses; i++) {
    struct mlaas_page_use *use = &job->uses[i];
    enum mlaas_status status = MLAAS_OK;
    if (!use->page)
      mlaas_take_zeros(job, use);
    else if (use->kept)
      status = decode_kept(job, use, NULL, error);
    if (status != MLAAS_OK)
      return mlaas_use_where(job, use, status, error);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_ntuple_work(struct mlaas_fields_job *job, struct mlaas_error *error) {
  struct work work = {.job = job};
  MLAAS_TRY(order_uses(&work, error));
  announce(&work);
  MLAAS_TRY(take_the_rest(job, error));
  if (work.num_uses == 0)
    return MLAAS_OK;
  group_uses(&work);
  MLAAS_TRY(mlaas_read_workers_ready(job->workers, mlaas_pool_threads(job->pool), GROUP_PAGES, job->budget, error));
  return mlaas_pool_run(job->pool, work.num_groups, work_on_group, &work, error);
}
