/* What the files share that read an ntuple: ntuple_where.c (where pages lie), ntuple_level.c (which of them),
 * ntuple_work.c (their bytes), ntuple_take.c (their values), ntuple_objects.c (streamed ones), ntuple_spread.c (what is
 * missing).
 */
#ifndef MLAAS_ROOTIO_READ_NTUPLE_JOB_H
#define MLAAS_ROOTIO_READ_NTUPLE_JOB_H

#include "rootio/read/ntuple_read.h"

/* Elements of one feed in one cluster. */
struct mlaas_segment {
  int64_t start, stop; /* counted from the cluster's first */
  int64_t base;        /* where they go in the feed's buffer */
  size_t first_use, num_uses;
};

/* Rows below a feed in one cluster: of the items, or of an alternative. */
struct mlaas_span {
  int64_t start, stop;
};

struct mlaas_feed_read {
  struct mlaas_segment *segments; /* by cluster */
  struct mlaas_span *spans;       /* by cluster and alternative */
  int64_t found;                  /* elements in the file */
  int64_t rows;                   /* those and the missing ones in between: what there is room for */
};

/* Elements of one page, or zeros that are not in the file, for one feed. */
struct mlaas_page_use {
  size_t field, feed, cluster;
  const struct mlaas_ntuple_column *column;
  const struct mlaas_ntuple_page *page; /* NULL: zeros */
  int64_t start;                        /* counted from the cluster's first element */
  int64_t count;
  int64_t out; /* where the first goes; -1: it is wanted for its value only */
  bool keep;   /* the page is decoded whole, into `values` */
  bool kept;   /* it had been: nothing to read */
  struct mlaas_block values;
  int64_t first, last;     /* index columns: the first and the last value */
  struct mlaas_span *runs; /* switch columns: by alternative */
};

static inline const struct mlaas_field_feed *mlaas_use_feed(const struct mlaas_fields_job *job,
                                                            const struct mlaas_page_use *use) {
  return &job->fields[use->field].plan->feeds[use->feed];
}

static inline uint8_t *mlaas_use_block(const struct mlaas_fields_job *job, const struct mlaas_page_use *use) {
  return job->fields[use->field].blocks[mlaas_use_feed(job, use)->buffer].data;
}

static inline bool mlaas_feed_is_index(const struct mlaas_field_feed *feed) {
  return feed->kind == MLAAS_FEED_ENDS || feed->kind == MLAAS_FEED_COUNTS || feed->kind == MLAAS_FEED_THERE;
}

/* Cluster `i` of the job. */
const struct mlaas_ntuple_cluster *mlaas_fields_cluster(const struct mlaas_fields_job *job, size_t i);
/* Finds job->first_cluster and job->num_clusters. */
void mlaas_fields_clusters(struct mlaas_fields_job *job);
/* The column of a feed in the representation that cluster `i` of the job has, or NULL. */
const struct mlaas_ntuple_column *mlaas_fields_column(const struct mlaas_fields_job *job,
                                                      const struct mlaas_field_feed *feed, size_t i);
const struct mlaas_ntuple_range *mlaas_fields_range(const struct mlaas_fields_job *job,
                                                    const struct mlaas_ntuple_column *column, size_t i);
/* The last page that begins at or before `element`. */
size_t mlaas_page_at(const struct mlaas_ntuple_range *range, int64_t element);
/* What is read of a page: its checksum too. */
int64_t mlaas_page_bytes(const struct mlaas_ntuple_page *page);
/* Announces a page that is read next, once for all that want it. */
void mlaas_page_announce(struct mlaas_fields_job *job, const struct mlaas_ntuple_page *page);

/* Reads, verifies, inflates and decodes the pages of job->uses, on all threads. */
enum mlaas_status mlaas_ntuple_work(struct mlaas_fields_job *job, struct mlaas_error *error);
/* Puts file, table, field and page in front of an error. */
enum mlaas_status mlaas_use_where(const struct mlaas_fields_job *job, const struct mlaas_page_use *use,
                                  enum mlaas_status status, struct mlaas_error *error);

/* True where a decoded page has what the feed's buffer wants, byte for byte; *bytes of one value. */
bool mlaas_take_is_copy(const struct mlaas_field_feed *feed, const struct mlaas_ntuple_column *column, size_t *bytes);
/* Puts decoded elements where they belong: all of the use, from its first. Errors: FORMAT. */
enum mlaas_status mlaas_take(const struct mlaas_fields_job *job, struct mlaas_page_use *use, const void *values,
                             struct mlaas_error *error);
/* The same for elements that are zeros. */
void mlaas_take_zeros(const struct mlaas_fields_job *job, struct mlaas_page_use *use);
/* Joins what the uses of a feed with rows below it say, and finds its spans. Errors: FORMAT. */
enum mlaas_status mlaas_take_finish(struct mlaas_fields_job *job, size_t field, size_t feed, struct mlaas_error *error);

/* Streamed objects, whose bytes have been read, into the buffers of their nodes. Errors: FORMAT, UNSUPPORTED. */
enum mlaas_status mlaas_objects_decode(const struct mlaas_fields_job *job, const struct mlaas_field_read *read,
                                       const struct mlaas_field_object *object, struct mlaas_error *error);

/* Gives missing rows their place, below `rows` rows of `node`. */
void mlaas_spread(const struct mlaas_node *node, int64_t rows, struct mlaas_block *blocks);

#endif
