/* Which entries of which file are taken, and which split each belongs to. Pure numbers: knows no reader, recipe or
 * thread.
 *
 * A file is cut into units (whole clusters, the grain of the shuffled order: cutting them would decompress some baskets
 * twice), a unit into pieces (the grain of sampling and of counting). `nevents` takes the head of evenly spaced pieces.
 * The part of every taken row is kept in two bits.
 */
#ifndef MLAAS_DATASET_PLAN_H
#define MLAAS_DATASET_PLAN_H

#include "base/memory.h"

enum { MLAAS_PIECE_ROWS = 16384 };

/* Sets of parts, as bits: 1 << part for train, validation and test, bit 3 for rows of none. */
enum { MLAAS_PARTS_TRAIN = 1, MLAAS_PARTS_VALIDATION = 2, MLAAS_PARTS_TEST = 4, MLAAS_PARTS_ALL = 15 };

/* Entries [start, stop) of its file, taken in whole. */
struct mlaas_piece {
  int64_t start, stop;
  int64_t row;     /* of its first entry in the plan's table of parts; a multiple of 4 */
  int64_t rows[4]; /* of train, validation, test, none */
  size_t file;
};

/* Pieces that are read one after the other. */
struct mlaas_unit {
  size_t first, count;
};

struct mlaas_plan_file {
  int64_t entries, quota;
  size_t group;
  size_t first_unit, num_units, first_piece, num_pieces;
};

struct mlaas_plan {
  struct mlaas_arena arena;
  struct mlaas_plan_file *files;
  struct mlaas_unit *units;
  struct mlaas_piece *pieces;
  size_t num_files, num_units, num_pieces;
  uint8_t *parts; /* four rows a byte */
};

/* What is known of one file. Files of one group (a class) may be read one after the other, see order.h. */
struct mlaas_plan_source {
  int64_t entries;
  const int64_t *clusters; /* first entries, ascending from 0 */
  size_t num_clusters;
  size_t group;
  bool fixed; /* take `quota` of it; all sources or none */
  int64_t quota;
};

/* Largest remainder: shares[i] is total * sizes[i] / sum, rounded so that the shares add up to min(total, sum); never
 * more than sizes[i]. Ties go to the lower index. Errors: MEMORY. */
enum mlaas_status mlaas_plan_apportion(const int64_t *sizes, size_t count, int64_t total, int64_t *shares,
                                       struct mlaas_error *error);
/* How many of the first `rows` rows of an even interleave are of each file: row j of file i comes at (2j + 1) / (2
 * sizes[i]), ties by file. Adds up to `rows`, grows with it, and stays within one row of the exact proportion for two
 * files (nearly always for more). rows <= sum of sizes. */
void mlaas_plan_interleave(const int64_t *sizes, size_t count, int64_t rows, int64_t *taken);

/* nevents < 0: all. Every part is 0 (train) until set. Errors: LIMIT, MEMORY. reset is legal on a zeroed plan. */
enum mlaas_status mlaas_plan_init(struct mlaas_plan *plan, struct mlaas_budget *budget,
                                  const struct mlaas_plan_source *sources, size_t num_files, int64_t nevents,
                                  struct mlaas_error *error);
void mlaas_plan_reset(struct mlaas_plan *plan);
/* Stores the parts (0, 1, 2, -1) of all rows of one piece. Different pieces may be set by different threads. */
void mlaas_plan_set_parts(struct mlaas_plan *plan, size_t piece, const int8_t *parts);
int8_t mlaas_plan_part(const struct mlaas_plan *plan, int64_t row);
/* Of the rows of one piece whose part is in `set`, the `take` after the first `skip`: rows[i] counts from the piece's
 * start. There have to be that many. */
void mlaas_plan_select(const struct mlaas_plan *plan, size_t piece, unsigned set, int64_t skip, int64_t take,
                       int32_t *rows);
/* Entries taken of the largest unit. */
int64_t mlaas_plan_longest_unit(const struct mlaas_plan *plan);
/* Rows of a file whose part is in `set`. */
int64_t mlaas_plan_rows(const struct mlaas_plan *plan, size_t file, unsigned set);

#endif
