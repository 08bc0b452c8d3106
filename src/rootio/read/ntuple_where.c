/* Where the elements of an ntuple's fields lie: clusters, columns, pages, and how errors say it. Must not know how any
 * of it is read.
 */
#include "base/error.h"
#include "rootio/read/ntuple_job.h"

/* The first cluster that ends behind `entry`. */
static size_t cluster_at(const struct mlaas_ntuple *ntuple, int64_t entry) {
  size_t low = 0, high = ntuple->num_clusters;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (ntuple->clusters[middle].first_entry + ntuple->clusters[middle].entries <= entry)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const struct mlaas_ntuple_cluster *mlaas_fields_cluster(const struct mlaas_fields_job *job, size_t i) {
  return &job->table->ntuple.clusters[job->first_cluster + i];
}

void mlaas_fields_clusters(struct mlaas_fields_job *job) {
  if (job->start == job->stop)
    return;
  job->first_cluster = cluster_at(&job->table->ntuple, job->start);
  job->num_clusters = cluster_at(&job->table->ntuple, job->stop - 1) + 1 - job->first_cluster;
}

/* The representation that a cluster has of the field. */
const struct mlaas_ntuple_column *mlaas_fields_column(const struct mlaas_fields_job *job,
                                                      const struct mlaas_field_feed *feed, size_t i) {
  const struct mlaas_ntuple *ntuple = &job->table->ntuple;
  const struct mlaas_ntuple_field *field = &ntuple->fields[feed->field];
  const struct mlaas_ntuple_cluster *cluster = mlaas_fields_cluster(job, i);
  for (size_t k = feed->part; k < field->num_columns; k += field->columns_each)
    if (!cluster->ranges[field->columns[k]].suppressed)
      return &ntuple->columns[field->columns[k]];
  return NULL;
}

const struct mlaas_ntuple_range *mlaas_fields_range(const struct mlaas_fields_job *job,
                                                    const struct mlaas_ntuple_column *column, size_t i) {
  return &mlaas_fields_cluster(job, i)->ranges[column - job->table->ntuple.columns];
}

size_t mlaas_page_at(const struct mlaas_ntuple_range *range, int64_t element) {
  size_t low = 0, high = range->num_pages;
  while (high - low > 1) {
    size_t middle = low + (high - low) / 2;
    if (range->pages[middle].first <= element)
      low = middle;
    else
      high = middle;
  }
  return low;
}

enum mlaas_status mlaas_use_where(const struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                  enum mlaas_status status, struct mlaas_error *error) {
  const struct mlaas_ntuple *ntuple = &job->table->ntuple;
  size_t cluster = job->first_cluster + use->cluster;
  if (error && error->offset < 0 && use->page)
    error->offset = use->page->seek;
  if (use->page) {
    size_t column = (size_t)(use->column - ntuple->columns);
    mlaas_fail_in(error, status, "page %zu", (size_t)(use->page - ntuple->clusters[cluster].ranges[column].pages));
  }
  mlaas_fail_in(error, status, "cluster %zu", cluster);
  mlaas_fail_in(error, status, "field %s", job->fields[use->field].name);
  mlaas_fail_in(error, status, "%s", job->table->entry->path);
  return mlaas_fail_in(error, status, "%s", mlaas_source_url(job->table->file->container.source));
}
