/* The encodings of an RNTuple's pages: byte planes, zigzag, delta, bits. All work through blocks that stay in the first
 * cache, so that combining two of them costs no second trip to memory. Must not know fields or clusters. */
#include "rootio/ntuple/page.h"

#include "base/error.h"
#include "rootio/value/fast.h"

#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pages are little-endian and copied as they are");

enum { BLOCK = 1024 };

/* A stretch of a page. */
struct slice {
  const uint8_t *page;
  int64_t elements;
  int64_t start, stop;
};

/* ---- byte planes: first all first bytes, then all second ones ---- */

static void unsplit_plain(const uint8_t *in, int64_t stride, int64_t count, int width, uint8_t *out) {
  for (int64_t i = 0; i < count; i++)
    for (int k = 0; k < width; k++)
      out[i * width + k] = in[k * stride + i];
}

#ifdef __SSE2__
static __m128i load16(const uint8_t *in) { return _mm_loadu_si128((const __m128i *)in); }
static void store16(uint8_t *out, __m128i value) { _mm_storeu_si128((__m128i *)out, value); }

static void unsplit2(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i low = load16(in + i), high = load16(in + stride + i);
    store16(out + 2 * i, _mm_unpacklo_epi8(low, high));
    store16(out + 2 * i + 16, _mm_unpackhi_epi8(low, high));
  }
  unsplit_plain(in + i, stride, count - i, 2, out + 2 * i);
}

static void unsplit4(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i b0 = load16(in + i), b1 = load16(in + stride + i), b2 = load16(in + 2 * stride + i),
            b3 = load16(in + 3 * stride + i);
    __m128i even[2] = {_mm_unpacklo_epi8(b0, b2), _mm_unpackhi_epi8(b0, b2)};
    __m128i odd[2] = {_mm_unpacklo_epi8(b1, b3), _mm_unpackhi_epi8(b1, b3)};
    for (int half = 0; half < 2; half++) {
      store16(out + 4 * i + 32 * half, _mm_unpacklo_epi8(even[half], odd[half]));
      store16(out + 4 * i + 32 * half + 16, _mm_unpackhi_epi8(even[half], odd[half]));
    }
  }
  unsplit_plain(in + i, stride, count - i, 4, out + 4 * i);
}

/* Eight elements whose planes 0 and 4, 1 and 5, 2 and 6, 3 and 7 have been interleaved. */
static inline void weave8(__m128i b04, __m128i b15, __m128i b26, __m128i b37, uint8_t *out) {
  __m128i even[2] = {_mm_unpacklo_epi8(b04, b26), _mm_unpackhi_epi8(b04, b26)};
  __m128i odd[2] = {_mm_unpacklo_epi8(b15, b37), _mm_unpackhi_epi8(b15, b37)};
  for (int half = 0; half < 2; half++) {
    store16(out + 32 * half, _mm_unpacklo_epi8(even[half], odd[half]));
    store16(out + 32 * half + 16, _mm_unpackhi_epi8(even[half], odd[half]));
  }
}

static void unsplit8(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  int64_t i = 0;
  for (; i + 16 <= count; i += 16) {
    __m128i low[4], high[4];
    for (int k = 0; k < 4; k++) {
      __m128i near = load16(in + k * stride + i), far = load16(in + (k + 4) * stride + i);
      low[k] = _mm_unpacklo_epi8(near, far);
      high[k] = _mm_unpackhi_epi8(near, far);
    }
    weave8(low[0], low[1], low[2], low[3], out + 8 * i);
    weave8(high[0], high[1], high[2], high[3], out + 8 * i + 64);
  }
  unsplit_plain(in + i, stride, count - i, 8, out + 8 * i);
}
#else
static void unsplit2(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  unsplit_plain(in, stride, count, 2, out);
}
static void unsplit4(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  unsplit_plain(in, stride, count, 4, out);
}
static void unsplit8(const uint8_t *in, int64_t stride, int64_t count, uint8_t *out) {
  unsplit_plain(in, stride, count, 8, out);
}
#endif

/* Elements [from, from + count) of a split page. */
static void unsplit(const struct slice *slice, int64_t from, int64_t count, int width, void *out) {
  const uint8_t *in = slice->page + from;
  if (width == 2)
    unsplit2(in, slice->elements, count, out);
  else if (width == 4)
    unsplit4(in, slice->elements, count, out);
  else
    unsplit8(in, slice->elements, count, out);
}

static int64_t block_at(const struct slice *slice, int64_t at) {
  return slice->stop - at < BLOCK ? slice->stop - at : BLOCK;
}

/* ---- zigzag: small negative numbers are small ---- */

MLAAS_FAST(int, unzigzag16, (uint16_t * values, int64_t count), (values, count), {
  for (int64_t i = 0; i < count; i++)
    values[i] = (uint16_t)(values[i] >> 1 ^ -(values[i] & 1));
  return 0;
})

MLAAS_FAST(int, unzigzag32, (uint32_t * values, int64_t count), (values, count), {
  for (int64_t i = 0; i < count; i++)
    values[i] = values[i] >> 1 ^ -(values[i] & 1);
  return 0;
})

MLAAS_FAST(int, unzigzag64, (uint64_t * values, int64_t count), (values, count), {
  for (int64_t i = 0; i < count; i++)
    values[i] = values[i] >> 1 ^ -(values[i] & 1);
  return 0;
})

static void decode_zigzag(const struct slice *slice, int width, uint8_t *out) {
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += BLOCK * width) {
    int64_t count = block_at(slice, at);
    unsplit(slice, at, count, width, out);
    if (width == 2)
      unzigzag16((uint16_t *)(void *)out, count);
    else if (width == 4)
      unzigzag32((uint32_t *)(void *)out, count);
    else
      unzigzag64((uint64_t *)(void *)out, count);
  }
}

/* ---- index columns: ends of collections; the split ones as differences ---- */

static void widen(const uint32_t *in, int64_t count, int64_t *out) {
  for (int64_t i = 0; i < count; i++)
    out[i] = in[i];
}

static void decode_index32(const struct slice *slice, int64_t *out) {
  uint32_t values[BLOCK];
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += BLOCK) {
    int64_t count = block_at(slice, at);
    memcpy(values, slice->page + 4 * at, 4 * (size_t)count);
    widen(values, count, out);
  }
}

/* Sums wrap as the writer's did. */
static uint64_t accumulate32(const uint32_t *in, int64_t count, uint64_t sum, int64_t *out) {
  for (int64_t i = 0; i < count; i++)
    out[i] = (int64_t)(sum += in[i]);
  return sum;
}

static uint64_t accumulate64(int64_t *values, int64_t count, uint64_t sum) {
  for (int64_t i = 0; i < count; i++)
    values[i] = (int64_t)(sum += (uint64_t)values[i]);
  return sum;
}

/* What the elements before the slice add up to. */
static uint64_t sum_before(const struct slice *slice, int width) {
  struct slice before = {slice->page, slice->elements, 0, slice->start};
  uint64_t sum = 0;
  for (int64_t at = 0; at < before.stop; at += BLOCK) {
    int64_t count = block_at(&before, at);
    union {
      uint32_t narrow[BLOCK];
      uint64_t wide[BLOCK];
    } values;
    unsplit(&before, at, count, width, &values);
    for (int64_t i = 0; i < count; i++)
      sum += width == 4 ? values.narrow[i] : values.wide[i];
  }
  return sum;
}

static void decode_delta(const struct slice *slice, int width, int64_t *out) {
  uint64_t sum = sum_before(slice, width);
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += BLOCK) {
    int64_t count = block_at(slice, at);
    uint32_t narrow[BLOCK];
    unsplit(slice, at, count, width, width == 4 ? (void *)narrow : (void *)out);
    sum = width == 4 ? accumulate32(narrow, count, sum, out) : accumulate64(out, count, sum);
  }
}

/* ---- bits, from the lowest of each byte on ---- */

/* Spreads eight bits over eight bytes; seven at a time, for the eighth would carry. */
static uint64_t spread(uint8_t byte) {
  return ((byte & 0x7Full) * 0x0002040810204081ull & 0x0101010101010101ull) | (uint64_t)(byte >> 7) << 56;
}

static void decode_bits(const struct slice *slice, uint8_t *out) {
  int64_t at = slice->start;
  for (; at < slice->stop && at % 8; at++)
    *out++ = slice->page[at / 8] >> at % 8 & 1;
  for (; at + 8 <= slice->stop; at += 8, out += 8) {
    uint64_t bytes = spread(slice->page[at / 8]);
    memcpy(out, &bytes, 8);
  }
  for (; at < slice->stop; at++)
    *out++ = slice->page[at / 8] >> at % 8 & 1;
}

/* Words of 1 to 32 bits: eight bytes hold each with its offset. The last ones of a page have no eight bytes. */
static void unpack(const struct slice *slice, int64_t from, int64_t count, int bits, uint32_t *out) {
  const uint64_t mask = ((uint64_t)1 << bits) - 1;
  const int64_t size = (slice->elements * bits + 7) / 8, safe = size < 8 ? 0 : (size - 8) * 8 / bits - from;
  int64_t i = 0;
  for (; i < count && i < safe; i++) {
    uint64_t bit = (uint64_t)(from + i) * (uint64_t)bits, word;
    memcpy(&word, slice->page + bit / 8, 8);
    out[i] = (uint32_t)(word >> bit % 8 & mask);
  }
  for (; i < count; i++) {
    uint64_t bit = (uint64_t)(from + i) * (uint64_t)bits, word = 0;
    int64_t left = size - (int64_t)(bit / 8);
    memcpy(&word, slice->page + bit / 8, left < 8 ? (size_t)left : 8);
    out[i] = (uint32_t)(word >> bit % 8 & mask);
  }
}

/* The upper bits of a float; those cut off are zeros. */
static void decode_trunc(const struct slice *slice, int bits, uint8_t *out) {
  uint32_t values[BLOCK];
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += 4 * BLOCK) {
    int64_t count = block_at(slice, at);
    unpack(slice, at, count, bits, values);
    for (int64_t i = 0; i < count; i++)
      values[i] <<= 32 - bits;
    memcpy(out, values, 4 * (size_t)count);
  }
}

/* In the writer's steps, so that the last bits agree. Numbers below 2^31 become double in fewer instructions. */
static void scale_up(const uint32_t *values, int64_t count, const struct mlaas_ntuple_column *column, double *out) {
  const double least = column->minimum;
  const double scale = (column->maximum - least) / (double)(((uint64_t)1 << column->bits) - 1);
  if (column->bits < 32)
    for (int64_t i = 0; i < count; i++)
      out[i] = (int32_t)values[i] * scale + least;
  else
    for (int64_t i = 0; i < count; i++)
      out[i] = values[i] * scale + least;
}

static void decode_quant(const struct slice *slice, const struct mlaas_ntuple_column *column, double *out) {
  uint32_t values[BLOCK];
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += BLOCK) {
    int64_t count = block_at(slice, at);
    unpack(slice, at, count, column->bits, values);
    scale_up(values, count, column, out);
  }
}

/* ---- half precision ---- */

/* By bits, but for the tiny numbers: they are counted in units of 2^-24. No step meets a denormal float, which a caller
 * may have switched off. */
MLAAS_FAST(int, widen_halves, (const uint16_t *in, int64_t count, uint32_t *out), (in, count, out), {
  for (int64_t i = 0; i < count; i++) {
    uint32_t half = in[i], rest = (half & 0x7FFF) << 13, sign = (half & 0x8000) << 16;
    union {
      float value;
      uint32_t word;
    } tiny = {(float)(int32_t)(half & 0x3FF) * 0x1p-24f};
    uint32_t is_tiny = -(uint32_t)((half & 0x7C00) == 0), is_special = -(uint32_t)((half & 0x7C00) == 0x7C00);
    uint32_t usual = rest + (112u << 23) + (is_special & 112u << 23);
    out[i] = (is_tiny & tiny.word) | (~is_tiny & usual) | sign;
  }
  return 0;
})

static void decode_halves(const struct slice *slice, bool is_split, uint8_t *out) {
  uint16_t halves[BLOCK];
  uint32_t values[BLOCK];
  for (int64_t at = slice->start; at < slice->stop; at += BLOCK, out += 4 * BLOCK) {
    int64_t count = block_at(slice, at);
    if (is_split)
      unsplit(slice, at, count, 2, halves);
    else
      memcpy(halves, slice->page + 2 * at, 2 * (size_t)count);
    widen_halves(halves, count, values);
    memcpy(out, values, 4 * (size_t)count);
  }
}

/* ---- the rest ---- */

static void decode_switches(const struct slice *slice, struct mlaas_ntuple_switch *out) {
  enum { STORED = 12, TAG = 8 };
  for (int64_t i = slice->start; i < slice->stop; i++, out++) {
    memcpy(&out->index, slice->page + STORED * i, 8);
    memcpy(&out->tag, slice->page + STORED * i + TAG, 4);
  }
}

static void copy(const struct slice *slice, int width, void *out) {
  if (slice->stop > slice->start)
    memcpy(out, slice->page + width * slice->start, (size_t)((slice->stop - slice->start) * width));
}

static void decode_split(const struct slice *slice, int width, void *out) {
  unsplit(slice, slice->start, slice->stop - slice->start, width, out);
}

size_t mlaas_ntuple_page_width(const struct mlaas_ntuple_column *column) {
  static const uint8_t widths[MLAAS_NTUPLE_NUM_TYPES] = {
      [MLAAS_NTUPLE_BIT] = 1,           [MLAAS_NTUPLE_BYTE] = 1,
      [MLAAS_NTUPLE_CHAR] = 1,          [MLAAS_NTUPLE_INT8] = 1,
      [MLAAS_NTUPLE_UINT8] = 1,         [MLAAS_NTUPLE_INT16] = 2,
      [MLAAS_NTUPLE_UINT16] = 2,        [MLAAS_NTUPLE_INT32] = 4,
      [MLAAS_NTUPLE_UINT32] = 4,        [MLAAS_NTUPLE_INT64] = 8,
      [MLAAS_NTUPLE_UINT64] = 8,        [MLAAS_NTUPLE_REAL16] = 4,
      [MLAAS_NTUPLE_REAL32] = 4,        [MLAAS_NTUPLE_REAL64] = 8,
      [MLAAS_NTUPLE_INDEX32] = 8,       [MLAAS_NTUPLE_INDEX64] = 8,
      [MLAAS_NTUPLE_SPLIT_INT16] = 2,   [MLAAS_NTUPLE_SPLIT_UINT16] = 2,
      [MLAAS_NTUPLE_SPLIT_INT32] = 4,   [MLAAS_NTUPLE_SPLIT_UINT32] = 4,
      [MLAAS_NTUPLE_SPLIT_INT64] = 8,   [MLAAS_NTUPLE_SPLIT_UINT64] = 8,
      [MLAAS_NTUPLE_SPLIT_REAL16] = 4,  [MLAAS_NTUPLE_SPLIT_REAL32] = 4,
      [MLAAS_NTUPLE_SPLIT_REAL64] = 8,  [MLAAS_NTUPLE_SPLIT_INDEX32] = 8,
      [MLAAS_NTUPLE_SPLIT_INDEX64] = 8, [MLAAS_NTUPLE_REAL32_TRUNC] = 4,
      [MLAAS_NTUPLE_REAL32_QUANT] = 8,  [MLAAS_NTUPLE_SWITCH] = sizeof(struct mlaas_ntuple_switch)};
  return (unsigned)column->type < MLAAS_NTUPLE_NUM_TYPES ? widths[column->type] : 0;
}

bool mlaas_ntuple_page_is_plain(const struct mlaas_ntuple_column *column) {
  switch (column->type) {
  case MLAAS_NTUPLE_BYTE:
  case MLAAS_NTUPLE_CHAR:
  case MLAAS_NTUPLE_INT8:
  case MLAAS_NTUPLE_UINT8:
  case MLAAS_NTUPLE_INT16:
  case MLAAS_NTUPLE_UINT16:
  case MLAAS_NTUPLE_INT32:
  case MLAAS_NTUPLE_UINT32:
  case MLAAS_NTUPLE_INT64:
  case MLAAS_NTUPLE_UINT64:
  case MLAAS_NTUPLE_REAL32:
  case MLAAS_NTUPLE_REAL64:
  case MLAAS_NTUPLE_INDEX64:
    return true;
  default:
    return false;
  }
}

enum mlaas_status mlaas_ntuple_page_decode(const struct mlaas_ntuple_column *column, const uint8_t *page,
                                           int32_t elements, int32_t start, int32_t stop, void *out,
                                           struct mlaas_error *error) {
  const struct slice slice = {page, elements, start, stop};
  const int width = (int)mlaas_ntuple_page_width(column);
  if (start < 0 || start > stop || stop > elements)
    return mlaas_fail(error, MLAAS_INTERNAL, "elements %d to %d of a page of %d were asked for", start, stop, elements);
  if (mlaas_ntuple_page_is_plain(column)) {
    copy(&slice, width, out);
    return MLAAS_OK;
  }
  switch (column->type) {
  case MLAAS_NTUPLE_BIT:
    decode_bits(&slice, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_SPLIT_UINT16:
  case MLAAS_NTUPLE_SPLIT_UINT32:
  case MLAAS_NTUPLE_SPLIT_UINT64:
  case MLAAS_NTUPLE_SPLIT_REAL32:
  case MLAAS_NTUPLE_SPLIT_REAL64:
    decode_split(&slice, width, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_SPLIT_INT16:
  case MLAAS_NTUPLE_SPLIT_INT32:
  case MLAAS_NTUPLE_SPLIT_INT64:
    decode_zigzag(&slice, width, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_REAL16:
  case MLAAS_NTUPLE_SPLIT_REAL16:
    decode_halves(&slice, column->type == MLAAS_NTUPLE_SPLIT_REAL16, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_INDEX32:
    decode_index32(&slice, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_SPLIT_INDEX32:
  case MLAAS_NTUPLE_SPLIT_INDEX64:
    decode_delta(&slice, column->type == MLAAS_NTUPLE_SPLIT_INDEX32 ? 4 : 8, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_SWITCH:
    decode_switches(&slice, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_REAL32_TRUNC:
    decode_trunc(&slice, column->bits, out);
    return MLAAS_OK;
  case MLAAS_NTUPLE_REAL32_QUANT:
    decode_quant(&slice, column, out);
    return MLAAS_OK;
  default:
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "a column of type 0x%02x is not known", (unsigned)column->type);
  }
}
