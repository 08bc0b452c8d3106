/* Counters of one version of a model; every field may be added to by any thread. */
#ifndef MLAAS_MODEL_RUN_STATS_H
#define MLAAS_MODEL_RUN_STATS_H

#include <stdatomic.h>
#include <stdint.h>

enum {
  MLAAS_LATENCY_BUCKETS = 26, /* bucket i: up to 2^i microseconds; the last one: all that is longer */
  MLAAS_ROWS_BUCKETS = 12,    /* bucket i: up to 2^i rows a run */
};

struct mlaas_histogram {
  atomic_uint_fast64_t bucket[MLAAS_LATENCY_BUCKETS + 1], count, sum; /* sum in the unit of what is counted */
};

struct mlaas_model_stats {
  atomic_uint_fast64_t succeeded, failed, rejected, cancelled, timed_out; /* requests */
  atomic_uint_fast64_t rows, runs;                                        /* rows inferred, runs of the back end */
  atomic_int_fast64_t waiting;                                            /* requests in the queue now */
  struct mlaas_histogram request, queue, compute;                         /* ns */
  struct mlaas_histogram batch;                                           /* rows a run */
};

/* `value` into the bucket of `value / unit`, unit 1000 for ns, 1 for rows. */
static inline void mlaas_histogram_add(struct mlaas_histogram *histogram, uint64_t value, uint64_t unit) {
  uint64_t scaled = value / unit;
  int i = scaled <= 1 ? 0 : 64 - __builtin_clzll(scaled - 1);
  if (i > MLAAS_LATENCY_BUCKETS)
    i = MLAAS_LATENCY_BUCKETS;
  atomic_fetch_add_explicit(&histogram->bucket[i], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->count, 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->sum, value, memory_order_relaxed);
}

#endif
