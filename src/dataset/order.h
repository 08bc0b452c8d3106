/* The order of one epoch for one shard: in which order the pieces of the plan are read, and how many rows of each lane
 * a window gets. Depends on seed, epoch, rank and world alone. Pure numbers, as the plan.
 *
 * A lane is a stream of pieces of its own: one per file while there are few files, so that every window has of each
 * file exactly its share. Of many files those of one group take turns in a lane: a window that reads from a thousand
 * files would decompress a thousand baskets for each branch, again for every window unless memory holds the cluster
 * that each lane is in: that bounds `lanes`. Without shuffling all files are one lane.
 */
#ifndef MLAAS_DATASET_ORDER_H
#define MLAAS_DATASET_ORDER_H

#include "dataset/plan.h"

enum { MLAAS_LANES = 32 };

struct mlaas_order_options {
  unsigned set; /* parts that are delivered */
  bool shuffle; /* false: file order, entry order */
  uint64_t seed, epoch;
  int64_t rank, world;
  size_t lanes; /* at most, where there are not more groups; 0: MLAAS_LANES */
};

struct mlaas_order {
  const struct mlaas_plan *plan;
  struct mlaas_order_options options;
  int64_t rows; /* this shard delivers, the same for all ranks: floor(all / world) */
  size_t num_lanes;
  struct mlaas_lane *lanes;
  int64_t *sizes, *offsets; /* per lane: rows of this shard, and where they start in the lane */
  int64_t *before, *after;  /* scratch for windows */
  size_t *pieces;           /* the pieces of each lane in the order of this epoch */
  int64_t *ends;            /* cumulative rows of the lane after each of them */
};

/* Pieces [first, first + count) of the order. */
struct mlaas_lane {
  size_t first, count;
};

/* Rows of one piece in a row: of those in the set, `take` after the first `skip`. */
struct mlaas_run {
  size_t piece;
  int64_t skip, take;
};

/* Rows each rank delivers. Ranks share the epoch's stream evenly; the (all mod world) rows at its end are left out. */
int64_t mlaas_order_num_rows(const struct mlaas_plan *plan, unsigned set, int64_t world);
/* `arena` holds the order's arrays and may be reset for the next epoch. Errors: LIMIT, MEMORY. */
enum mlaas_status mlaas_order_init(struct mlaas_order *order, const struct mlaas_plan *plan,
                                   const struct mlaas_order_options *options, struct mlaas_arena *arena,
                                   struct mlaas_error *error);
/* The window of rows [first, first + rows) of the shard: taken[i] rows of lane i follow its first from[i]. The arrays
 * are the order's own, until the next call. */
void mlaas_order_window(struct mlaas_order *order, int64_t first, int64_t rows, const int64_t **from,
                        const int64_t **taken);
/* The run that starts at row `from` of the lane's share and takes at most `rows`. */
struct mlaas_run mlaas_order_run(const struct mlaas_order *order, size_t lane, int64_t from, int64_t rows);

#endif
