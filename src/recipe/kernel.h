/* The inner loops of filling, compiled once for every processor and once for AVX2 (kernel_body.h): both give the same
 * bits. Knows values and pointers only.
 */
#ifndef MLAAS_RECIPE_KERNEL_H
#define MLAAS_RECIPE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(Arrow format, type in C, name). Bool comes as bytes. */
#define MLAAS_KERNEL_TYPES(X)                                                                                          \
  X("b", uint8_t, b)                                                                                                   \
  X("c", int8_t, c)                                                                                                    \
  X("C", uint8_t, C)                                                                                                   \
  X("s", int16_t, s)                                                                                                   \
  X("S", uint16_t, S)                                                                                                  \
  X("i", int32_t, i)                                                                                                   \
  X("I", uint32_t, I)                                                                                                  \
  X("l", int64_t, l)                                                                                                   \
  X("L", uint64_t, L)                                                                                                  \
  X("f", float, f)                                                                                                     \
  X("g", double, g)

enum mlaas_kernel_type {
#define X(format, type, name) MLAAS_KERNEL_##name,
  MLAAS_KERNEL_TYPES(X)
#undef X
      MLAAS_KERNEL_NUM_TYPES
};

enum {
  MLAAS_SPREAD_WIDEST = 256,                    /* lists wider than that do not go through `spread` */
  MLAAS_SPREAD_SLACK = MLAAS_SPREAD_WIDEST + 8, /* readable values behind the last one of `spread` */
};

/* Where the lists of some rows go. */
struct mlaas_spread {
  size_t rows;
  const int32_t *start, *count; /* of row i in the scratch; count <= width */
  int64_t first;                /* first feature of the list in the row */
  int32_t width;                /* slots */
  float pad;
  float *const *x;
  uint8_t *const *mask;
  const uint8_t *pads; /* MLAAS_SPREAD_WIDEST bytes of 0, then as many of 1, then 8 spare */
};

struct mlaas_kernels {
  /* out[i] = (float)(((double)values[i] - center) / scale); true if a result is not finite. */
  bool (*scale[MLAAS_KERNEL_NUM_TYPES])(const void *values, size_t n, double center, double scale, float *out);
  /* The same in steps of float, for compat. */
  bool (*scale_float)(const void *values, size_t n, double center, double scale, float *out);
  /* Whether a value equals `wanted`. */
  bool (*contains[MLAAS_KERNEL_NUM_TYPES])(const void *values, size_t n, double wanted);
  /* mask[i] = 2 where a value equals `wanted`. */
  void (*mark[MLAAS_KERNEL_NUM_TYPES])(const void *values, size_t n, double wanted, uint8_t *mask);
  void (*clip)(float *values, size_t n, float low, float high);
  /* Lists behind each other in scratch become padded lists in rows; `missing` is the scratch's mask, NULL: all valid.
   */
  void (*spread)(const struct mlaas_spread *spread, const float *values, const uint8_t *missing);
  /* 8 flat columns, `stride` values each, row i at index[i]: features first .. first + 7 of row i, mask 0. */
  void (*spread_flat)(const struct mlaas_spread *spread, const float *values, size_t stride);
};

/* The ones for this processor. */
const struct mlaas_kernels *mlaas_kernels_get(void);
const struct mlaas_kernels *mlaas_kernels_base(void);
const struct mlaas_kernels *mlaas_kernels_avx2(void); /* NULL where there is none */

/* The type of an Arrow format, or MLAAS_KERNEL_NUM_TYPES. */
enum mlaas_kernel_type mlaas_kernel_type(const char *format);
size_t mlaas_kernel_size(enum mlaas_kernel_type type);
/* Whether a column of that type can hold `wanted` (float: once it is rounded to float). */
bool mlaas_kernel_holds(enum mlaas_kernel_type type, double wanted);

#endif
