/* The kernels of statistics compiled for AVX2, without FMA: see recipe/kernel_avx2.c. */
#include "dataset/stats_kernel.h"

#if defined(__x86_64__)

#define KERNEL_TARGET __attribute__((target("avx2")))
#define KERNEL_TABLE table_avx2
static const struct mlaas_stats_kernels *table_avx2(void);
#include "dataset/stats_body.h"

const struct mlaas_stats_kernels *mlaas_stats_kernels_avx2(void) {
  return __builtin_cpu_supports("avx2") ? table_avx2() : NULL;
}

#else

const struct mlaas_stats_kernels *mlaas_stats_kernels_avx2(void) { return NULL; }

#endif
