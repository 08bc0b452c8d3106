/* Kernels over runs of values: byte order, truth values, Float16_t and Double32_t. Must not know of entries. */
#include "rootio/value/decode.h"

#include "rootio/value/fast.h"

#include <string.h>

MLAAS_FAST(int, swap16, (const uint8_t *in, int64_t count, uint8_t *out), (in, count, out), {
  for (int64_t i = 0; i < count; i++) {
    uint16_t word;
    memcpy(&word, in + 2 * i, 2);
    word = __builtin_bswap16(word);
    memcpy(out + 2 * i, &word, 2);
  }
  return 0;
})

MLAAS_FAST(int, swap32, (const uint8_t *in, int64_t count, uint8_t *out), (in, count, out), {
  for (int64_t i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, in + 4 * i, 4);
    word = __builtin_bswap32(word);
    memcpy(out + 4 * i, &word, 4);
  }
  return 0;
})

MLAAS_FAST(int, swap64, (const uint8_t *in, int64_t count, uint8_t *out), (in, count, out), {
  for (int64_t i = 0; i < count; i++) {
    uint64_t word;
    memcpy(&word, in + 8 * i, 8);
    word = __builtin_bswap64(word);
    memcpy(out + 8 * i, &word, 8);
  }
  return 0;
})

/* With one pointer the compiler sees that nothing else moves. */
MLAAS_FAST(int, swap16_in_place, (uint8_t * data, int64_t count), (data, count), {
  for (int64_t i = 0; i < count; i++) {
    uint16_t word;
    memcpy(&word, data + 2 * i, 2);
    word = __builtin_bswap16(word);
    memcpy(data + 2 * i, &word, 2);
  }
  return 0;
})

MLAAS_FAST(int, swap32_in_place, (uint8_t * data, int64_t count), (data, count), {
  for (int64_t i = 0; i < count; i++) {
    uint32_t word;
    memcpy(&word, data + 4 * i, 4);
    word = __builtin_bswap32(word);
    memcpy(data + 4 * i, &word, 4);
  }
  return 0;
})

MLAAS_FAST(int, swap64_in_place, (uint8_t * data, int64_t count), (data, count), {
  for (int64_t i = 0; i < count; i++) {
    uint64_t word;
    memcpy(&word, data + 8 * i, 8);
    word = __builtin_bswap64(word);
    memcpy(data + 8 * i, &word, 8);
  }
  return 0;
})

static void normalise_bools(const uint8_t *in, int64_t count, uint8_t *out) {
  for (int64_t i = 0; i < count; i++)
    out[i] = in[i] != 0;
}

static uint32_t load32(const uint8_t *in) {
  uint32_t word;
  memcpy(&word, in, 4);
  return __builtin_bswap32(word);
}

static float load_float(const uint8_t *in) {
  uint32_t word = load32(in);
  float value;
  memcpy(&value, &word, 4);
  return value;
}

/* ROOT divides by the factor, in double, and rounds once for Float16_t. */
static void unpack_range(const struct mlaas_scalar *value, const uint8_t *in, int64_t count, void *out) {
  float *floats = out;
  double *doubles = out;
  for (int64_t i = 0; i < count; i++) {
    double real = load32(in + 4 * i) / value->factor + value->minimum;
    if (value->width == 4)
      floats[i] = (float)real;
    else
      doubles[i] = real;
  }
}

static float unpack_mantissa_one(const uint8_t *in, int32_t nbits) {
  uint32_t mantissa = (uint32_t)in[1] << 8 | in[2];
  uint32_t word = (uint32_t)in[0] << 23 | (mantissa & ((2U << nbits) - 1)) << (23 - nbits);
  float real;
  memcpy(&real, &word, 4);
  return mantissa & 2U << nbits ? -real : real;
}

static void unpack_mantissa(const struct mlaas_scalar *value, const uint8_t *in, int64_t count, void *out) {
  float *floats = out;
  double *doubles = out;
  for (int64_t i = 0; i < count; i++) {
    float real = unpack_mantissa_one(in + 3 * i, value->nbits);
    if (value->width == 4)
      floats[i] = real;
    else
      doubles[i] = real;
  }
}

static void widen(const uint8_t *in, int64_t count, double *out) {
  for (int64_t i = 0; i < count; i++)
    out[i] = load_float(in + 4 * i);
}

static void swap(int32_t width, const uint8_t *in, int64_t count, uint8_t *out) {
  if (width == 4)
    swap32(in, count, out);
  else if (width == 8)
    swap64(in, count, out);
  else if (width == 2)
    swap16(in, count, out);
  else
    memcpy(out, in, (size_t)count);
}

void mlaas_values_decode(const struct mlaas_scalar *value, const uint8_t *in, int64_t count, void *out) {
  if (count <= 0)
    return;
  switch (value->packing) {
  case MLAAS_PACKED_BOOL:
    normalise_bools(in, count, out);
    break;
  case MLAAS_PACKED_DOUBLE32:
    widen(in, count, out);
    break;
  case MLAAS_PACKED_RANGE:
    unpack_range(value, in, count, out);
    break;
  case MLAAS_PACKED_MANTISSA:
    unpack_mantissa(value, in, count, out);
    break;
  case MLAAS_PACKED_PLAIN:
  case MLAAS_PACKED_FLAGS:
    swap(value->width, in, count, out);
    break;
  }
}

bool mlaas_values_keep_width(const struct mlaas_scalar *value) {
  return value->packing == MLAAS_PACKED_BOOL || value->packing == MLAAS_PACKED_PLAIN;
}

void mlaas_values_decode_in_place(const struct mlaas_scalar *value, void *data, int64_t count) {
  uint8_t *bytes = data;
  if (value->packing == MLAAS_PACKED_BOOL)
    for (int64_t i = 0; i < count; i++)
      bytes[i] = bytes[i] != 0;
  else if (value->width == 4)
    swap32_in_place(data, count);
  else if (value->width == 8)
    swap64_in_place(data, count);
  else if (value->width == 2)
    swap16_in_place(data, count);
}
