/* PNG and JPEG to the numbers that a model takes. Knows no request and no model. */
#ifndef MLAAS_SERVE_BODY_IMAGE_H
#define MLAAS_SERVE_BODY_IMAGE_H

#include "base/memory.h"
#include "base/slice.h"

#include <mlaas/tensor.h>

struct mlaas_image_size {
  int64_t height, width;
};

/* Reads the head only. ARGUMENT: neither PNG nor JPEG (by its first bytes, not by a name), or damaged; LIMIT: more than
 * `pixels_most`. */
enum mlaas_status mlaas_image_measure(struct mlaas_slice file, int64_t pixels_most, struct mlaas_image_size *size,
                                      struct mlaas_error *error);

/* Height x width x channels of 0..255, as float or bytes, in the arena, as TensorFlow decodes to that many channels (1,
 * 3 or 4; JPEG 1 or 3): gray from colours, colours from gray, 16 bits to 8, palettes resolved. Sets shape and dims to a
 * batch of one picture. ARGUMENT: damaged or cut short, UNSUPPORTED: dtype or channels, LIMIT as above. */
enum mlaas_status mlaas_image_decode(struct mlaas_slice file, int channels, enum mlaas_dtype dtype, int64_t pixels_most,
                                     struct mlaas_arena *arena, struct mlaas_tensor *tensor, struct mlaas_error *error);

#endif
