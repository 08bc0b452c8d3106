/* The order of one epoch for one shard: in which order the pieces of the plan are read, and how many rows of each file
 * a window gets. Depends on seed, epoch, rank and world alone. Pure numbers, as the plan.
 */
#ifndef MLAAS_DATASET_ORDER_H
#define MLAAS_DATASET_ORDER_H

#include "dataset/plan.h"

struct mlaas_order_options {
  unsigned set; /* parts that are delivered */
  bool shuffle; /* false: file order, entry order */
  uint64_t seed, epoch;
  int64_t rank, world;
};

struct mlaas_order {
  const struct mlaas_plan *plan;
  struct mlaas_order_options options;
  int64_t rows;             /* this shard delivers, the same for all ranks: floor(all / world) */
  int64_t *sizes, *offsets; /* per file: rows of this shard, and where they start in the file's order */
  int64_t *before, *after;  /* scratch for windows */
  size_t *pieces;           /* the pieces of each file in the order of this epoch */
  int64_t *ends;            /* cumulative rows of the file after each of them */
};

/* Rows of one piece in a row: of those in the set, `take` after the first `skip`. */
struct mlaas_run {
  size_t file, piece;
  int64_t skip, take;
};

/* Rows each rank delivers. Ranks share the epoch's stream evenly; the (all mod world) rows at its end are left out. */
int64_t mlaas_order_num_rows(const struct mlaas_plan *plan, unsigned set, int64_t world);
/* `arena` holds the order's arrays and may be reset for the next epoch. */
enum mlaas_status mlaas_order_init(struct mlaas_order *order, const struct mlaas_plan *plan,
                                   const struct mlaas_order_options *options, struct mlaas_arena *arena,
                                   struct mlaas_error *error);
/* The window of rows [first, first + rows) of the shard: taken[i] rows of file i follow its first from[i]. The arrays
 * are the order's own, until the next call. */
void mlaas_order_window(struct mlaas_order *order, int64_t first, int64_t rows, const int64_t **from,
                        const int64_t **taken);
/* The run that starts at row `from` of the file's share and takes at most `rows`. */
struct mlaas_run mlaas_order_run(const struct mlaas_order *order, size_t file, int64_t from, int64_t rows);

#endif
