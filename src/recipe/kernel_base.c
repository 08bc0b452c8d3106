/* The kernels for any processor, and the choice between them and faster ones. */
#define KERNEL_TARGET
#define KERNEL_TABLE mlaas_kernels_base
#include "recipe/kernel_body.h"

#include <math.h>

enum mlaas_kernel_type mlaas_kernel_type(const char *format) {
#define X(text, type, name)                                                                                            \
  if (strcmp(format, text) == 0)                                                                                       \
    return MLAAS_KERNEL_##name;
  MLAAS_KERNEL_TYPES(X)
#undef X
  return MLAAS_KERNEL_NUM_TYPES;
}

size_t mlaas_kernel_size(enum mlaas_kernel_type type) {
  static const uint8_t sizes[MLAAS_KERNEL_NUM_TYPES] = {
#define X(text, type, name) sizeof(type),
      MLAAS_KERNEL_TYPES(X)
#undef X
  };
  return sizes[type];
}

bool mlaas_kernel_holds(enum mlaas_kernel_type type, double wanted) {
  static const double low[] = {0, -128, 0, -32768, 0, -2147483648.0, 0, -9223372036854775808.0, 0};
  static const double high[] = {
      1, 127, 255, 32767, 65535, 2147483647.0, 4294967295.0, 9223372036854774784.0, 18446744073709549568.0};
  if (type == MLAAS_KERNEL_g)
    return true;
  if (type == MLAAS_KERNEL_f)
    return fabs(wanted) <= 3.4028234663852886e38;
  return wanted >= low[type] && wanted <= high[type] && wanted == floor(wanted);
}

const struct mlaas_kernels *mlaas_kernels_get(void) {
  const struct mlaas_kernels *fast = mlaas_kernels_avx2();
  return fast ? fast : mlaas_kernels_base();
}
