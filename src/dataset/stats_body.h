/* Body of the statistics' kernels: included by stats_base.c and stats_avx2.c, which define KERNEL_TARGET and
 * KERNEL_TABLE, as in recipe/kernel_body.h.
 */
#include "dataset/stats_kernel.h"

#include <math.h>
#include <string.h>

enum { LANES = 8 };

#define X(format, type, name)                                                                                          \
  static KERNEL_TARGET void to_double_##name(const void *values, size_t n, double *restrict out) {                     \
    const type *restrict v = values;                                                                                   \
    for (size_t i = 0; i < n; i++)                                                                                     \
      out[i] = (double)v[i];                                                                                           \
  }
MLAAS_KERNEL_TYPES(X)
#undef X

/* Adding one to an exponent of all ones, that of NaN and infinity, carries into the sign. */
static KERNEL_TARGET bool all_finite(const double *values, size_t n) {
  uint64_t overflow = 0;
  for (size_t i = 0; i < n; i++) {
    uint64_t bits;
    memcpy(&bits, &values[i], sizeof bits);
    overflow |= (bits & 0x7ff0000000000000u) + 0x0010000000000000u;
  }
  return !(overflow >> 63);
}

static KERNEL_TARGET bool contains(const double *values, size_t n, double wanted) {
  unsigned found = 0;
  for (size_t i = 0; i < n; i++)
    found |= values[i] == wanted;
  return found;
}

/* Eight sums at a time, in an order that no compiler may change; all loops over LANES become vectors. */
static KERNEL_TARGET double sum_lanes(const double *sum) {
  return ((sum[0] + sum[4]) + (sum[2] + sum[6])) + ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

static inline __attribute__((always_inline)) KERNEL_TARGET double lower(double a, double b) { return a < b ? a : b; }
static inline __attribute__((always_inline)) KERNEL_TARGET double higher(double a, double b) { return a > b ? a : b; }

static KERNEL_TARGET double sum_block(const struct mlaas_stats_block *block, double *min, double *max) {
  const double *v = block->values;
  size_t i = 0;
  double sum[LANES] = {0}, low[LANES], high[LANES];
  for (size_t k = 0; k < LANES; k++)
    low[k] = high[k] = v[0];
  for (; i + LANES <= block->count; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      sum[k] += v[i + k];
      low[k] = lower(v[i + k], low[k]);
      high[k] = higher(v[i + k], high[k]);
    }
  double total = sum_lanes(sum);
  *min = *max = v[0];
  for (size_t k = 0; k < LANES; k++) {
    *min = lower(low[k], *min);
    *max = higher(high[k], *max);
  }
  for (; i < block->count; i++) {
    total += v[i];
    *min = lower(v[i], *min);
    *max = higher(v[i], *max);
  }
  return total;
}

static KERNEL_TARGET double squares(const struct mlaas_stats_block *block, double mean) {
  const double *v = block->values;
  size_t i = 0;
  double sum[LANES] = {0};
  for (; i + LANES <= block->count; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      double d = v[i + k] - mean;
      sum[k] += d * d;
    }
  double total = sum_lanes(sum);
  for (; i < block->count; i++)
    total += (v[i] - mean) * (v[i] - mean);
  return total;
}

static KERNEL_TARGET struct mlaas_extreme count_extreme(const struct mlaas_stats_block *block, double least,
                                                        double sign) {
  const double *v = block->values;
  struct mlaas_extreme extreme = {least, INFINITY, 0};
  double next[LANES], at[LANES] = {0}; /* counts below 2^53: exact */
  size_t i = 0;
  for (size_t k = 0; k < LANES; k++)
    next[k] = INFINITY;
  for (; i + LANES <= block->count; i += LANES)
    for (size_t k = 0; k < LANES; k++) {
      double value = sign * v[i + k], above = value > least ? value : (double)INFINITY;
      at[k] += value == least ? 1.0 : 0.0;
      next[k] = lower(above, next[k]);
    }
  for (size_t k = 0; k < LANES; k++) {
    extreme.at += (int64_t)at[k];
    extreme.next = lower(next[k], extreme.next);
  }
  for (; i < block->count; i++) {
    double value = sign * v[i];
    extreme.at += value == least;
    extreme.next = lower(value > least ? value : (double)INFINITY, extreme.next);
  }
  return extreme;
}

const struct mlaas_stats_kernels *KERNEL_TABLE(void) {
  static const struct mlaas_stats_kernels table = {
#define X(format, type, name) .to_double[MLAAS_KERNEL_##name] = to_double_##name,
      MLAAS_KERNEL_TYPES(X)
#undef X
          .all_finite = all_finite,
      .contains = contains,
      .sum = sum_block,
      .squares = squares,
      .count_extreme = count_extreme,
  };
  return &table;
}
