/* The kernels compiled for AVX2. No FMA: a fused step would round otherwise than the other processors. */
#include "recipe/kernel.h"

#if defined(__x86_64__)

#define KERNEL_TARGET __attribute__((target("avx2")))
#define KERNEL_TABLE table_avx2
static const struct mlaas_kernels *table_avx2(void);
#include "recipe/kernel_body.h"

const struct mlaas_kernels *mlaas_kernels_avx2(void) { return __builtin_cpu_supports("avx2") ? table_avx2() : NULL; }

#else

const struct mlaas_kernels *mlaas_kernels_avx2(void) { return NULL; }

#endif
