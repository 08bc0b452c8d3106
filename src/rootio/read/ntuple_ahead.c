/* Which pages a read of fields takes, told to a remote source before they are asked for. Where the items of lists lie
 * is in the columns above, which have to be read first; but of a whole cluster all pages are needed. Decodes nothing.
 */
#include "rootio/read/ntuple_job.h"

enum { HASH_BYTES = 8 };

int64_t mlaas_page_bytes(const struct mlaas_ntuple_page *page) {
  return (int64_t)page->stored + (page->checksum ? HASH_BYTES : 0);
}

/* A page that no reader would take is left to the reader to refuse. */
static bool is_sane(const struct mlaas_fields_job *job, const struct mlaas_ntuple_page *page) {
  return mlaas_page_bytes(page) <= mlaas_budget_limit(job->budget, MLAAS_CEILING_PAGE);
}

void mlaas_page_announce(struct mlaas_fields_job *job, const struct mlaas_ntuple_page *page) {
  if (is_sane(job, page))
    mlaas_ahead_read(job->ahead, job->table->file->container.source, job->level, page->seek, mlaas_page_bytes(page));
}

/* Pages with elements [start, stop) of one column in one cluster. */
static void want_pages(struct mlaas_fields_job *job, const struct mlaas_ntuple_range *range, int64_t start,
                       int64_t stop, int level, const struct mlaas_kept_page *kept) {
  if (start >= stop || range->num_pages == 0 || stop <= range->pages[0].first)
    return;
  size_t last = mlaas_page_at(range, stop - 1);
  for (size_t i = mlaas_page_at(range, start); i <= last; i++) {
    const struct mlaas_ntuple_page *page = &range->pages[i];
    if (page != kept->page && is_sane(job, page))
      mlaas_ahead_want(job->ahead, job->table->file->container.source, level, page->seek, mlaas_page_bytes(page));
  }
}

static void want_cluster(struct mlaas_fields_job *job, size_t i) {
  const struct mlaas_ntuple_cluster *cluster = &job->table->ntuple.clusters[job->first_cluster + i];
  int64_t start = job->start - cluster->first_entry, stop = job->stop - cluster->first_entry;
  bool whole = start <= 0 && stop >= cluster->entries;
  start = start > 0 ? start : 0;
  stop = stop < cluster->entries ? stop : cluster->entries;
  for (size_t f = 0; f < job->num_fields; f++) {
    const struct mlaas_field_read *read = &job->fields[f];
    for (size_t k = 0; k < read->plan->num_feeds; k++) {
      const struct mlaas_field_feed *feed = &read->plan->feeds[k];
      const struct mlaas_ntuple_column *column = mlaas_fields_column(job, feed, i);
      int64_t from, to;
      if (!column || (!whole && feed->parent != MLAAS_FEED_ENTRIES))
        continue;
      const struct mlaas_ntuple_range *range = mlaas_fields_range(job, column, i);
      if (__builtin_mul_overflow(start, feed->per, &from) || __builtin_mul_overflow(stop, feed->per, &to))
        continue;
      from -= mlaas_feed_is_index(feed) && from > 0; /* a list begins where the one before ends */
      to = whole || to > range->elements ? range->elements : to;
      want_pages(job, range, whole ? 0 : from, to, feed->level, &read->kept[k]);
    }
  }
}

void mlaas_fields_job_ahead(struct mlaas_fields_job *job) {
  if (!job->ahead)
    return;
  mlaas_fields_clusters(job);
  for (size_t i = 0; i < job->num_clusters; i++)
    want_cluster(job, i);
}
