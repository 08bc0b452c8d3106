/* The kernels for any processor, and the choice between them and faster ones. */
#define KERNEL_TARGET
#define KERNEL_TABLE mlaas_kernels_base
#include "recipe/kernel_body.h"

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

const struct mlaas_kernels *mlaas_kernels_get(void) {
  const struct mlaas_kernels *fast = mlaas_kernels_avx2();
  return fast ? fast : mlaas_kernels_base();
}
