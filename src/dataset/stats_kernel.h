/* The inner loops of statistics, compiled once for every processor and once for AVX2 (stats_body.h): both give the same
 * bits, because the order of additions is written out. Knows values only.
 */
#ifndef MLAAS_DATASET_STATS_KERNEL_H
#define MLAAS_DATASET_STATS_KERNEL_H

#include "recipe/kernel.h"

enum { MLAAS_BLOCK = 1024 };

/* Finite, not missing values of a run. */
struct mlaas_stats_block {
  double values[MLAAS_BLOCK] __attribute__((aligned(64)));
  size_t count;
};

/* The extreme values of a run; max is that of the negated values. */
struct mlaas_extreme {
  double least, next;
  int64_t at;
};

struct mlaas_stats_kernels {
  void (*to_double[MLAAS_KERNEL_NUM_TYPES])(const void *values, size_t n, double *out);
  bool (*all_finite)(const double *values, size_t n);
  bool (*contains)(const double *values, size_t n, double wanted);
  double (*sum)(const struct mlaas_stats_block *block, double *min, double *max); /* count > 0 */
  double (*squares)(const struct mlaas_stats_block *block, double mean);
  /* How many values equal `least`, and the smallest above it; with sign -1 of the negated values. */
  struct mlaas_extreme (*count_extreme)(const struct mlaas_stats_block *block, double least, double sign);
};

/* The ones for this processor. */
const struct mlaas_stats_kernels *mlaas_stats_kernels_get(void);
const struct mlaas_stats_kernels *mlaas_stats_kernels_base(void);
const struct mlaas_stats_kernels *mlaas_stats_kernels_avx2(void); /* NULL where there is none */

#endif
