/* Hashes of rows of Arrow arrays, so that one way of reading can be compared with another. */
#ifndef MLAAS_TESTS_ROOTIO_ROWS_H
#define MLAAS_TESTS_ROOTIO_ROWS_H

#include <mlaas/arrow.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t size) {
  const uint8_t *at = bytes;
  for (size_t i = 0; i < size; i++)
    hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
  return hash;
}

static inline size_t width_of(char format) {
  return strchr("cC", format) ? 1 : strchr("sS", format) ? 2 : strchr("iIf", format) ? 4 : 8;
}

static inline uint64_t hash_row(const struct ArrowSchema *schema, const struct ArrowArray *array, int64_t row,
                                uint64_t hash) {
  const char *format = schema->format;
  const void *buffer = array->n_buffers > 1 ? array->buffers[1] : NULL;
  if (schema->flags & ARROW_FLAG_NULLABLE) {
    uint8_t there = !array->buffers[0] || ((const uint8_t *)array->buffers[0])[row / 8] >> row % 8 & 1;
    hash = hash_bytes(hash, &there, 1);
  }
  if (strcmp(format, "+s") == 0) {
    for (int64_t i = 0; i < array->n_children; i++)
      hash = hash_row(schema->children[i], array->children[i], row, hash);
  } else if (strcmp(format, "+l") == 0 || strcmp(format, "+m") == 0) {
    const int32_t *offsets = buffer;
    int32_t length = offsets[row + 1] - offsets[row];
    hash = hash_bytes(hash, &length, 4);
    for (int32_t i = offsets[row]; i < offsets[row + 1]; i++)
      hash = hash_row(schema->children[0], array->children[0], i, hash);
  } else if (strncmp(format, "+w:", 3) == 0) {
    int64_t size = atoi(format + 3);
    for (int64_t i = row * size; i < (row + 1) * size; i++)
      hash = hash_row(schema->children[0], array->children[0], i, hash);
  } else if (strcmp(format, "u") == 0) {
    const int32_t *offsets = buffer;
    int32_t length = offsets[row + 1] - offsets[row];
    hash = hash_bytes(hash, &length, 4);
    hash = hash_bytes(hash, (const char *)array->buffers[2] + offsets[row], (size_t)length);
  } else if (strcmp(format, "b") == 0) {
    uint8_t bit = ((const uint8_t *)buffer)[row / 8] >> row % 8 & 1;
    hash = hash_bytes(hash, &bit, 1);
  } else {
    size_t width = width_of(format[0]);
    hash = hash_bytes(hash, (const char *)buffer + (size_t)row * width, width);
  }
  return hash;
}

#endif
