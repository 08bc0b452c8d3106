/* Statistics of a data set: what one pass over the entries learns of each branch. Mergeable; no ROOT in here. */
#ifndef MLAAS_DATASET_SPECS_H
#define MLAAS_DATASET_SPECS_H

#include "base/memory.h"
#include "dataset/params.h"
#include "recipe/filler.h"

#include <mlaas/arrow.h>
#include <mlaas/dataset.h>

enum { MLAAS_LONGEST_LIST = 1 << 20 }; /* ceiling on the length of a multiplicity histogram */

/* One branch. Sums are of finite, not missing values; in double, pairwise, so that merging in any order of workers
 * gives the same to rounding (workers are merged in the order of entries, which makes it exact for any number of
 * threads). */
struct mlaas_column_stats {
  char *name;
  char format[8];             /* Arrow's format of the values: "f", "i", "b" ... */
  bool jagged;                /* lists, fixed-size ones too */
  struct mlaas_source source; /* how the arrays that are added look; not part of the JSON */
  char *counter;              /* counter branch of a counted array, or NULL */
  uint64_t shape; /* sum over entries of length * mix(file, entry), mod 2^64: equal for branches whose lists have
                     the same lengths, whatever the order of merging */
  int64_t count, nan, inf, missing; /* values: finite and used; NaN; infinite; sentinels */
  double min, max, mean, m2;        /* m2: sum of squared deviations */
  int64_t int_min, int_max;         /* exact for integer types (uint64 as its bits) */
  double next_min, next_max;        /* second smallest and largest distinct value; infinite where there is none */
  int64_t at_min, at_max;           /* how many values are there */
  int64_t *lengths;                 /* lengths[n]: entries whose list has n values */
  size_t num_lengths;
};

struct mlaas_specs_file {
  char *url, *id;
  int64_t entries;
};

struct mlaas_specs {
  char *table;
  struct mlaas_specs_file *files;
  size_t num_files;
  struct mlaas_column_stats *columns; /* in the order of the first file */
  size_t num_columns;
};

/* Empty statistics for the readable numeric columns of a struct schema (other columns are left out). */
enum mlaas_status mlaas_specs_new(const char *table, const struct ArrowSchema *schema, struct mlaas_specs **specs,
                                  struct mlaas_error *error);
/* Empty statistics of the same column, without names, to be merged into `like` later: for a worker. */
struct mlaas_column_stats mlaas_column_stats_like(const struct mlaas_column_stats *like);
/* Adds rows of one column (a child of the struct array). `mix` has one random-looking number per row of the array: see
 * mlaas_row_mix. */
enum mlaas_status mlaas_column_stats_add(struct mlaas_column_stats *stats, const struct ArrowArray *array,
                                         const uint64_t *mix, const double *missing, size_t num_missing,
                                         struct mlaas_error *error);
enum mlaas_status mlaas_column_stats_merge(struct mlaas_column_stats *stats, const struct mlaas_column_stats *other,
                                           struct mlaas_error *error);
void mlaas_column_stats_reset(struct mlaas_column_stats *stats);
const struct mlaas_column_stats *mlaas_specs_find(const struct mlaas_specs *specs, const char *name); /* or NULL */
struct mlaas_specs *mlaas_specs_copy(const struct mlaas_specs *specs, struct mlaas_error *error);     /* NULL: MEMORY */
enum mlaas_status mlaas_specs_add_file(struct mlaas_specs *specs, const char *url, const char *id, int64_t entries,
                                       struct mlaas_error *error);
/* mix[i] of entry first + i of a file: XXH3-64 of (id, entry). */
void mlaas_row_mix(const char *file_id, int64_t first, int64_t rows, uint64_t *mix);

/* The recipe that params and specs make: order, collections, widths, scalers. `warnings` receives JSON strings
 * (constants, sentinels, cut entries). `split` describes the split to store in it (taken over). */
enum mlaas_status mlaas_specs_recipe(const struct mlaas_specs *specs, const struct mlaas_params *params, json_t *split,
                                     json_t *warnings, struct mlaas_recipe **recipe, struct mlaas_error *error);

#endif
