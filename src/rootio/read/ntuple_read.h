/* One read of some fields of an ntuple over one range of entries: which pages, how much memory, and the work on them.
 * For reader.c. Lists are read level by level: where the items of one level lie is in the index columns above.
 */
#ifndef MLAAS_ROOTIO_READ_NTUPLE_READ_H
#define MLAAS_ROOTIO_READ_NTUPLE_READ_H

#include "rootio/read/tree_job.h"

/* A decoded page that goes on behind the range, for the next one. */
struct mlaas_kept_page {
  const struct mlaas_ntuple_page *page; /* NULL: none */
  struct mlaas_block values;
};

struct mlaas_field_read {
  const struct mlaas_field_plan *plan;
  const char *name;
  struct mlaas_kept_page *kept; /* the reader's, by feed */
  struct mlaas_feed_read *feeds;
  struct mlaas_block *blocks; /* by buffer */
};

struct mlaas_fields_job {
  const struct mlaas_table *table;
  struct mlaas_budget *budget;
  struct mlaas_pool *pool;
  struct mlaas_read_worker *workers;
  struct mlaas_field_read *fields;
  size_t num_fields;
  int64_t start, stop;
  bool lean;                 /* memory is short: nothing is kept, nothing decoded that is not asked for */
  bool trust;                /* checksums of pages are not compared */
  struct mlaas_ahead *ahead; /* the reader's; NULL where the file is at hand */
  /* ---- its own ---- */
  size_t first_cluster, num_clusters;
  int64_t room;                /* bytes of pages that may still be kept: a ceiling is for what was asked for */
  struct mlaas_page_use *uses; /* of the level at hand */
  size_t num_uses;
  int level;
  struct mlaas_arena arena;
};

/* All of it: blocks[] of each field hold its buffers. The caller has set all but the job's own, for each field plan,
 * name and kept, and has begun the arena. */
enum mlaas_status mlaas_fields_job_run(struct mlaas_fields_job *job, struct mlaas_error *error);
/* Announces the pages that are known to be read: of whole clusters all, of others those of the entries themselves. */
void mlaas_fields_job_ahead(struct mlaas_fields_job *job);
/* Gives back what the job holds. Legal at any point. */
void mlaas_fields_job_reset(struct mlaas_fields_job *job);
void mlaas_kept_pages_reset(struct mlaas_kept_page *kept, size_t count);

#endif
