/* One read of some columns over one range of entries: which baskets, how much memory, and the work on them. For
 * reader.c. The order of steps is that of the functions here.
 */
#ifndef MLAAS_ROOTIO_READ_TREE_JOB_H
#define MLAAS_ROOTIO_READ_TREE_JOB_H

#include "rootio/read/ahead.h"
#include "rootio/value/decode.h"
#include "rootio/table/table.h"

/* What one thread needs; lives as long as the reader. */
struct mlaas_read_worker {
  struct mlaas_codec codec;
  struct mlaas_block stored; /* bytes as in the file */
  struct mlaas_block object; /* inflated */
  struct mlaas_block scratch;
  struct mlaas_range *ranges;
};

/* Gives each of `count` workers what it lacks: room to list `ranges` ranges (the same number at every call), blocks
 * that can grow. */
enum mlaas_status mlaas_read_workers_ready(struct mlaas_read_worker *workers, int count, size_t ranges,
                                           struct mlaas_budget *budget, struct mlaas_error *error);

/* A decoded basket that the next range may need again. */
struct mlaas_kept_basket {
  bool there;
  size_t basket;
  struct mlaas_piece piece;
};

/* One basket of one column. */
struct mlaas_read_part {
  size_t column, basket;
  int64_t entry; /* its first */
  int32_t entries;
  int32_t start, stop; /* the rows that are wanted */
  int64_t items;       /* of a list layout, all of them; -1 before the header has been read */
  bool uncounted;      /* needs `counts`: a list without offsets, or one whose lengths another branch has */
  bool whole;          /* decoded straight into the column */
  const struct mlaas_counts *counts; /* NULL where none are needed */
  struct mlaas_piece piece;          /* where not `whole` */
  int64_t *rows;                     /* by buffer: elements of the wanted rows, where not `whole` */
  int64_t *bases;                    /* by buffer: where its elements begin in the column */
};

struct mlaas_read_column {
  const struct mlaas_branch_plan *plan;
  struct mlaas_kept_basket *kept; /* the reader's, or NULL */
  int64_t start, stop;
  size_t first_part, num_parts;
  int64_t *totals;            /* elements by buffer */
  struct mlaas_block *blocks; /* by buffer */
};

struct mlaas_read_job {
  const struct mlaas_table *table;
  struct mlaas_budget *budget;
  struct mlaas_pool *pool;
  struct mlaas_read_worker *workers;
  struct mlaas_read_column *columns;
  size_t num_columns;
  struct mlaas_read_part *parts;
  size_t num_parts;
  struct mlaas_arena arena; /* all lists of this job */
  int depth;                /* 1 for the branches that count, 2 for those that count in these */
  bool lean; /* memory is short: cut baskets are decoded twice, for their sizes and for good, and not held between */
  struct mlaas_read_job *counters; /* the branches that count lists without offsets */
  struct mlaas_ahead *ahead;       /* the reader's; NULL where the files are at hand */
};

/* All of it: blocks[] of each column hold its buffers. The caller has set table, budget, pool, workers and, for each
 * column, plan, kept, start and stop, and has begun the arena. On failure nothing but the job's own lists is left. */
enum mlaas_status mlaas_read_job_run(struct mlaas_read_job *job, struct mlaas_error *error);
/* Gives back what the job holds; pieces that the next range needs go to `kept`. Legal at any point. */
void mlaas_read_job_reset(struct mlaas_read_job *job);

/* Announces all that reading these columns will take. Only table, ahead and columns need be set. */
void mlaas_read_job_ahead(const struct mlaas_read_job *job);

/* ---- steps, for tree_job.c ---- */

/* The last basket that begins at or before `entry`, and where one ends. */
size_t mlaas_basket_at(const struct mlaas_branch *branch, int64_t entry);
int64_t mlaas_basket_end(const struct mlaas_branch *branch, size_t basket);
/* The front of a basket that is read for its header. */
int64_t mlaas_head_bytes(const struct mlaas_basket_ref *ref);
/* Whether the number of a part's items is to be learnt from its header. */
bool mlaas_needs_head(const struct mlaas_read_job *job, const struct mlaas_read_part *part);
/* Announces the parts, so that all of them are on their way before the first is waited for. */
void mlaas_read_announce(struct mlaas_read_job *job);
/* Takes back what was announced for counting and turned out not to be needed. */
void mlaas_read_uncount(struct mlaas_read_job *job);
/* The plan of the branch that counts in the lists of `plan`, or NULL. */
const struct mlaas_branch_plan *mlaas_read_counter(const struct mlaas_read_job *job,
                                                   const struct mlaas_branch_plan *plan);

/* Lists the baskets of every column. */
enum mlaas_status mlaas_read_parts(struct mlaas_read_job *job, struct mlaas_error *error);
/* Reads the headers of list baskets, for the number of their items. */
enum mlaas_status mlaas_read_heads(struct mlaas_read_job *job, struct mlaas_error *error);
/* Reads the branches that count for parts that need it. */
enum mlaas_status mlaas_read_counts(struct mlaas_read_job *job, struct mlaas_error *error);
/* Decodes baskets on all threads. */
enum mlaas_read_step {
  MLAAS_READ_PIECES, /* those not `whole`, for the sizes of their rows; a lean job forgets the rest */
  MLAAS_READ_WHOLE,  /* into their columns */
  MLAAS_READ_AGAIN   /* what was forgotten, into the columns */
};
enum mlaas_status mlaas_read_baskets(struct mlaas_read_job *job, enum mlaas_read_step step, struct mlaas_error *error);
/* Puts file, table, branch and basket in front of an error. */
enum mlaas_status mlaas_read_where(const struct mlaas_read_job *job, const struct mlaas_read_part *part,
                                   enum mlaas_status status, struct mlaas_error *error);

#endif
