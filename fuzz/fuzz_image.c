/* PNG and JPEG: the first byte chooses channels and type. */
#include "serve/body/image.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_image_size measured;
  struct mlaas_tensor tensor;
  struct mlaas_arena arena;
  if (size < 1)
    return 0;
  struct mlaas_slice file = {(const char *)data + 1, size - 1};
  int channels = 1 + (data[0] & 3);
  enum mlaas_dtype dtype = data[0] & 4 ? MLAAS_DTYPE_FLOAT32 : MLAAS_DTYPE_UINT8;
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  mlaas_arena_init(&arena, budget);
  enum mlaas_status status = mlaas_image_measure(file, 100000, &measured, NULL);
  if (mlaas_image_decode(file, channels, dtype, 100000, &arena, &tensor, NULL) == MLAAS_OK &&
      (status != MLAAS_OK || tensor.shape[1] != measured.height || tensor.shape[2] != measured.width))
    abort();
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  return 0;
}
