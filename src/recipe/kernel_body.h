/* Body of the kernels: included by kernel_base.c and kernel_avx2.c, which define KERNEL_TARGET (attributes of every
 * function) and KERNEL_TABLE (name of the function that hands the table out). No other file includes it.
 */
#include "recipe/kernel.h"

#include <string.h>

typedef float v8f __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t v8i __attribute__((vector_size(32), aligned(4), may_alias));

#define KERNEL static KERNEL_TARGET
#define KERNEL_INLINE static inline __attribute__((always_inline)) KERNEL_TARGET

/* Adding one to an exponent of all ones carries into the sign: the sum of such sums tells whether one was there. */
KERNEL_INLINE uint32_t overflow_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7f800000u) + 0x00800000u;
}

#define X(format, type, name)                                                                                          \
  KERNEL bool scale_##name(const void *values, size_t n, double center, double scale, float *restrict out) {           \
    const type *restrict v = values;                                                                                   \
    uint32_t overflow = 0;                                                                                             \
    for (size_t i = 0; i < n; i++) {                                                                                   \
      float x = (float)(((double)v[i] - center) / scale);                                                              \
      overflow |= overflow_of(x);                                                                                      \
      out[i] = x;                                                                                                      \
    }                                                                                                                  \
    return overflow >> 31;                                                                                             \
  }                                                                                                                    \
  KERNEL bool contains_##name(const void *values, size_t n, double wanted) {                                           \
    const type *v = values, w = (type)wanted;                                                                          \
    unsigned found = 0;                                                                                                \
    for (size_t i = 0; i < n; i++)                                                                                     \
      found |= v[i] == w;                                                                                              \
    return found;                                                                                                      \
  }                                                                                                                    \
  KERNEL void mark_##name(const void *values, size_t n, double wanted, uint8_t *mask) {                                \
    const type *v = values, w = (type)wanted;                                                                          \
    for (size_t i = 0; i < n; i++)                                                                                     \
      mask[i] = v[i] == w ? 2 : mask[i];                                                                               \
  }
MLAAS_KERNEL_TYPES(X)
#undef X

KERNEL bool scale_float(const void *values, size_t n, double center, double scale, float *restrict out) {
  const float *restrict v = values;
  float c = (float)center, s = (float)scale;
  uint32_t overflow = 0;
  for (size_t i = 0; i < n; i++) {
    float difference = v[i] - c;
    float x = difference / s;
    overflow |= overflow_of(x);
    out[i] = x;
  }
  return overflow >> 31;
}

KERNEL void clip(float *values, size_t n, float low, float high) {
  for (size_t i = 0; i < n; i++) {
    float x = values[i] < low ? low : values[i];
    values[i] = x > high ? high : x;
  }
}

/* ---- rows ---- */

/* Values [k, k + 8) of a list whose first `count` are there. */
KERNEL_INLINE void put8(float *to, const float *from, int32_t k, int32_t count, const v8i *pad) {
  const v8i iota = {0, 1, 2, 3, 4, 5, 6, 7};
  v8i keep = iota < (v8i){0} + (count - k);
  v8i value;
  memcpy(&value, from + k, sizeof value);
  value = (value & keep) | (*pad & ~keep);
  memcpy(to + k, &value, sizeof value);
}

/* Mask bytes [k, k + 8): the pattern has 0 where a value is and 1 where padding is. */
KERNEL_INLINE void put8_mask(uint8_t *to, const uint8_t *missing, const uint8_t *pattern, int32_t k) {
  uint64_t pads, found = 0;
  memcpy(&pads, pattern + k, sizeof pads);
  if (missing) {
    memcpy(&found, missing + k, sizeof found);
    found &= (pads ^ 0x0101010101010101u) * 255;
  }
  found |= pads;
  memcpy(to + k, &found, sizeof found);
}

/* Lists of 8 slots and more: whole vectors, the last of which ends with the list and overlaps the one before. */
KERNEL_INLINE void spread_wide(const struct mlaas_spread *spread, const float *values, const uint8_t *missing, bool has,
                               int32_t width) {
  const struct mlaas_spread s = *spread; /* stores to rows must not make the compiler read it again */
  const int32_t last = width - 8;
  int32_t bits;
  memcpy(&bits, &s.pad, sizeof bits);
  v8i pad = (v8i){0} + bits;
  for (size_t i = 0; i < s.rows; i++) {
    int32_t count = s.count[i];
    float *x = s.x[i] + s.first;
    uint8_t *mask = s.mask[i] + s.first;
    const float *from = values + s.start[i];
    const uint8_t *pattern = s.pads + MLAAS_SPREAD_WIDEST - count, *lost = has ? missing + s.start[i] : NULL;
    for (int32_t k = 0; k < last; k += 8) {
      put8(x, from, k, count, &pad);
      put8_mask(mask, lost, pattern, k);
    }
    put8(x, from, last, count, &pad);
    put8_mask(mask, lost, pattern, last);
  }
}

KERNEL_INLINE void spread_narrow(const struct mlaas_spread *s, const float *values, const uint8_t *missing, bool has,
                                 int32_t width) {
  for (size_t i = 0; i < s->rows; i++) {
    int32_t count = s->count[i];
    float *x = s->x[i] + s->first;
    uint8_t *mask = s->mask[i] + s->first;
    const float *from = values + s->start[i];
    const uint8_t *pattern = s->pads + MLAAS_SPREAD_WIDEST - count, *lost = missing + (has ? s->start[i] : 0);
    for (int32_t k = 0; k < width; k++) {
      x[k] = k < count ? from[k] : s->pad;
      mask[k] = has && k < count ? lost[k] : pattern[k];
    }
  }
}

KERNEL void spread(const struct mlaas_spread *s, const float *values, const uint8_t *missing) {
  static const uint8_t none[1];
  if (s->width >= 8 && missing)
    spread_wide(s, values, missing, true, s->width);
  else if (s->width >= 8)
    spread_wide(s, values, NULL, false, s->width);
  else if (missing)
    spread_narrow(s, values, missing, true, s->width);
  else
    spread_narrow(s, values, none, false, s->width);
}

KERNEL void spread_flat(const struct mlaas_spread *s, const float *values, size_t stride) {
  for (size_t i = 0; i < s->rows; i++) {
    const float *v = values + s->start[i];
    v8f row = {v[0],          v[stride],     v[2 * stride], v[3 * stride],
               v[4 * stride], v[5 * stride], v[6 * stride], v[7 * stride]};
    memcpy(s->x[i] + s->first, &row, sizeof row);
    memset(s->mask[i] + s->first, 0, 8);
  }
}

const struct mlaas_kernels *KERNEL_TABLE(void) {
  static const struct mlaas_kernels table = {
#define X(format, type, name) .scale[MLAAS_KERNEL_##name] = scale_##name,
      MLAAS_KERNEL_TYPES(X)
#undef X
#define X(format, type, name) .contains[MLAAS_KERNEL_##name] = contains_##name,
          MLAAS_KERNEL_TYPES(X)
#undef X
#define X(format, type, name) .mark[MLAAS_KERNEL_##name] = mark_##name,
              MLAAS_KERNEL_TYPES(X)
#undef X
                  .scale_float = scale_float,
      .clip = clip,
      .spread = spread,
      .spread_flat = spread_flat,
  };
  return &table;
}
