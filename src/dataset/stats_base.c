/* The kernels of statistics for any processor, and the choice between them and faster ones. */
#define KERNEL_TARGET
#define KERNEL_TABLE mlaas_stats_kernels_base
#include "dataset/stats_body.h"

const struct mlaas_stats_kernels *mlaas_stats_kernels_get(void) {
  const struct mlaas_stats_kernels *fast = mlaas_stats_kernels_avx2();
  return fast ? fast : mlaas_stats_kernels_base();
}
