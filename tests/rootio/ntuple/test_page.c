/* Pages of RNTuple columns against decoders that take one bit at a time. */
#include "base/error.h"
#include "rootio/ntuple/page.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct {
  enum mlaas_ntuple_type type;
  int bits;
} types[] = {{MLAAS_NTUPLE_BIT, 1},           {MLAAS_NTUPLE_BYTE, 8},          {MLAAS_NTUPLE_CHAR, 8},
             {MLAAS_NTUPLE_INT8, 8},          {MLAAS_NTUPLE_UINT8, 8},         {MLAAS_NTUPLE_INT16, 16},
             {MLAAS_NTUPLE_UINT16, 16},       {MLAAS_NTUPLE_INT32, 32},        {MLAAS_NTUPLE_UINT32, 32},
             {MLAAS_NTUPLE_INT64, 64},        {MLAAS_NTUPLE_UINT64, 64},       {MLAAS_NTUPLE_REAL16, 16},
             {MLAAS_NTUPLE_REAL32, 32},       {MLAAS_NTUPLE_REAL64, 64},       {MLAAS_NTUPLE_INDEX32, 32},
             {MLAAS_NTUPLE_INDEX64, 64},      {MLAAS_NTUPLE_SWITCH, 96},       {MLAAS_NTUPLE_SPLIT_INT16, 16},
             {MLAAS_NTUPLE_SPLIT_UINT16, 16}, {MLAAS_NTUPLE_SPLIT_INT32, 32},  {MLAAS_NTUPLE_SPLIT_UINT32, 32},
             {MLAAS_NTUPLE_SPLIT_INT64, 64},  {MLAAS_NTUPLE_SPLIT_UINT64, 64}, {MLAAS_NTUPLE_SPLIT_REAL16, 16},
             {MLAAS_NTUPLE_SPLIT_REAL32, 32}, {MLAAS_NTUPLE_SPLIT_REAL64, 64}, {MLAAS_NTUPLE_SPLIT_INDEX32, 32},
             {MLAAS_NTUPLE_SPLIT_INDEX64, 64}};

static bool is_split(enum mlaas_ntuple_type type) {
  return type >= MLAAS_NTUPLE_SPLIT_INT16 && type <= MLAAS_NTUPLE_SPLIT_INDEX64;
}

/* `bits` bits of element i, from bit `from` of it on, one at a time. */
static uint64_t word_at(const uint8_t *page, enum mlaas_ntuple_type type, int64_t elements, int64_t i, int width,
                        int from, int bits) {
  uint64_t word = 0;
  for (int b = 0; b < bits; b++) {
    int64_t bit = i * width + from + b;
    if (is_split(type))
      bit = 8 * ((from + b) / 8 * elements + i) + (from + b) % 8;
    word |= (uint64_t)(page[bit / 8] >> bit % 8 & 1) << b;
  }
  return word;
}

static uint32_t float_of_half(uint32_t half) {
  int exponent = half >> 10 & 31, mantissa = half & 1023;
  float value = exponent ? ldexpf((float)(1024 + mantissa), exponent - 25) : ldexpf((float)mantissa, -24);
  uint32_t word;
  memcpy(&word, &value, 4);
  if (exponent == 31)
    word = 0x7F800000 | (uint32_t)mantissa << 13;
  return word | (half & 0x8000) << 16;
}

/* The value that `out` is to hold, as its bytes. */
static size_t expect(const struct mlaas_ntuple_column *column, const uint8_t *page, int64_t elements, int64_t i,
                     uint8_t *out) {
  int bits = column->bits;
  uint64_t word = word_at(page, column->type, elements, i, bits, 0, bits < 64 ? bits : 64);
  struct mlaas_ntuple_switch choice = {0};
  switch (column->type) {
  case MLAAS_NTUPLE_SPLIT_INT16:
  case MLAAS_NTUPLE_SPLIT_INT32:
  case MLAAS_NTUPLE_SPLIT_INT64: {
    uint64_t half = word / 2;
    word = word % 2 ? ~half : half;
    memcpy(out, &word, (size_t)bits / 8);
    return (size_t)bits / 8;
  }
  case MLAAS_NTUPLE_SPLIT_INDEX32:
  case MLAAS_NTUPLE_SPLIT_INDEX64:
    for (int64_t before = 0; before < i; before++)
      word += word_at(page, column->type, elements, before, bits, 0, bits);
    memcpy(out, &word, 8);
    return 8;
  case MLAAS_NTUPLE_INDEX32:
    memcpy(out, &word, 8);
    return 8;
  case MLAAS_NTUPLE_REAL16:
  case MLAAS_NTUPLE_SPLIT_REAL16: {
    uint32_t value = float_of_half((uint32_t)word);
    memcpy(out, &value, 4);
    return 4;
  }
  case MLAAS_NTUPLE_SWITCH:
    choice.index = (int64_t)word;
    choice.tag = (uint32_t)word_at(page, column->type, elements, i, bits, 64, 32);
    memcpy(out, &choice, sizeof choice);
    return sizeof choice;
  case MLAAS_NTUPLE_REAL32_TRUNC: {
    uint32_t value = (uint32_t)(word << (32 - bits));
    memcpy(out, &value, 4);
    return 4;
  }
  case MLAAS_NTUPLE_REAL32_QUANT: {
    double scale = (column->maximum - column->minimum) / (double)((1ull << bits) - 1);
    double value = (double)word * scale + column->minimum;
    memcpy(out, &value, 8);
    return 8;
  }
  default: {
    size_t width = bits < 8 ? 1 : (size_t)bits / 8;
    memcpy(out, &word, width);
    return width;
  }
  }
}

static uint32_t dice(void) {
  static uint64_t state = 88172645463325252ull;
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32);
}

/* The page has not a byte more than it needs, so that a sanitizer sees every step beyond it. */
static void check_range(const struct mlaas_ntuple_column *column, const uint8_t *page, int32_t elements, int32_t start,
                        int32_t stop) {
  size_t width = mlaas_ntuple_page_width(column), count = (size_t)(stop - start);
  uint8_t *out = calloc(count + 1, width), value[32];
  memset(out + count * width, 0xA5, width);
  assert_int_equal(mlaas_ntuple_page_decode(column, page, elements, start, stop, out, NULL), MLAAS_OK);
  for (int32_t i = start; i < stop; i++) {
    assert_int_equal(expect(column, page, elements, i, value), width);
    if (column->type == MLAAS_NTUPLE_SWITCH) {
      struct mlaas_ntuple_switch found, due;
      memcpy(&found, out + (size_t)(i - start) * width, width);
      memcpy(&due, value, width);
      assert_true(found.index == due.index && found.tag == due.tag);
    } else {
      assert_memory_equal(out + (size_t)(i - start) * width, value, width);
    }
  }
  for (size_t k = 0; k < width; k++)
    assert_int_equal(out[count * width + k], 0xA5);
  free(out);
}

static void check_page(const struct mlaas_ntuple_column *column, int32_t elements) {
  size_t size = ((size_t)elements * column->bits + 7) / 8;
  uint8_t *page = malloc(size);
  for (size_t i = 0; i < size; i++)
    page[i] = (uint8_t)dice();
  check_range(column, page, elements, 0, elements);
  for (int k = 0; k < 4; k++) {
    int32_t a = (int32_t)(dice() % (uint32_t)(elements + 1)), b = (int32_t)(dice() % (uint32_t)(elements + 1));
    check_range(column, page, elements, a < b ? a : b, a < b ? b : a);
  }
  free(page);
}

static const int32_t counts[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 200, 1023, 1024, 1025, 2100};
enum { NUM_COUNTS = sizeof counts / sizeof *counts };

static void every_type_equals_one_bit_at_a_time(void **state) {
  (void)state;
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    struct mlaas_ntuple_column column = {.type = types[t].type, .bits = (uint16_t)types[t].bits};
    for (size_t i = 0; i < NUM_COUNTS; i++)
      if (counts[i] < 1000 || types[t].type < MLAAS_NTUPLE_SPLIT_INDEX32) /* the reference is quadratic there */
        check_page(&column, counts[i]);
  }
}

static void every_width_of_packed_numbers(void **state) {
  (void)state;
  for (int bits = 1; bits <= 32; bits++)
    for (size_t i = 0; i < NUM_COUNTS; i++) {
      struct mlaas_ntuple_column column = {.bits = (uint16_t)bits, .minimum = -3.7, .maximum = 11.1};
      column.type = MLAAS_NTUPLE_REAL32_QUANT;
      check_page(&column, counts[i]);
      column.type = MLAAS_NTUPLE_REAL32_TRUNC;
      if (bits >= 10 && bits < 32)
        check_page(&column, counts[i]);
    }
}

/* Ends of long pages: differences run on over the decoder's blocks. */
static void deltas_run_on_through_a_page(void **state) {
  (void)state;
  enum { COUNT = 5000 };
  for (int width = 4; width <= 8; width += 4) {
    struct mlaas_ntuple_column column = {.type = width == 4 ? MLAAS_NTUPLE_SPLIT_INDEX32 : MLAAS_NTUPLE_SPLIT_INDEX64,
                                         .bits = (uint16_t)(8 * width)};
    uint8_t *page = calloc(COUNT, (size_t)width);
    int64_t *ends = calloc(COUNT, 8), *out = calloc(COUNT, 8), end = 0;
    for (int i = 0; i < COUNT; i++) {
      uint32_t step = dice() % 100000;
      ends[i] = end += step;
      for (int k = 0; k < 4; k++)
        page[k * COUNT + i] = (uint8_t)(step >> 8 * k);
    }
    for (int start = 0; start < COUNT; start += 617) {
      assert_int_equal(mlaas_ntuple_page_decode(&column, page, COUNT, start, COUNT, out, NULL), MLAAS_OK);
      assert_memory_equal(out, ends + start, 8 * (size_t)(COUNT - start));
    }
    free(page);
    free(ends);
    free(out);
  }
}

static void all_halves(void **state) {
  (void)state;
  enum { COUNT = 65536 };
  struct mlaas_ntuple_column column = {.type = MLAAS_NTUPLE_REAL16, .bits = 16};
  uint16_t *page = calloc(COUNT, 2);
  uint32_t *out = calloc(COUNT, 4);
  for (int i = 0; i < COUNT; i++)
    page[i] = (uint16_t)i;
  assert_int_equal(mlaas_ntuple_page_decode(&column, (uint8_t *)page, COUNT, 0, COUNT, out, NULL), MLAAS_OK);
  for (uint32_t i = 0; i < COUNT; i++)
    assert_int_equal(out[i], float_of_half(i));
  free(page);
  free(out);
}

/* Bytes written down from the format's text. */
static void a_page_by_hand(void **state) {
  (void)state;
  const struct mlaas_ntuple_column zigzag = {.type = MLAAS_NTUPLE_SPLIT_INT16, .bits = 16},
                                   delta = {.type = MLAAS_NTUPLE_SPLIT_INDEX32, .bits = 32},
                                   bit = {.type = MLAAS_NTUPLE_BIT, .bits = 1},
                                   choice = {.type = MLAAS_NTUPLE_SWITCH, .bits = 96},
                                   quant = {.type = MLAAS_NTUPLE_REAL32_QUANT, .bits = 2, .minimum = 10, .maximum = 13};
  int16_t numbers[3];
  const uint8_t zigzag_page[] = {1, 4, 0xFF, 0, 0, 0xFF}; /* 1, 4, 0xFFFF */
  assert_int_equal(mlaas_ntuple_page_decode(&zigzag, zigzag_page, 3, 0, 3, numbers, NULL), MLAAS_OK);
  assert_true(numbers[0] == -1 && numbers[1] == 2 && numbers[2] == INT16_MIN);
  int64_t ends[3];
  const uint8_t delta_page[] = {2, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}; /* 2, 0, 257 */
  assert_int_equal(mlaas_ntuple_page_decode(&delta, delta_page, 3, 0, 3, ends, NULL), MLAAS_OK);
  assert_true(ends[0] == 2 && ends[1] == 2 && ends[2] == 259);
  uint8_t truths[10];
  const uint8_t bit_page[] = {0x81, 0x02};
  assert_int_equal(mlaas_ntuple_page_decode(&bit, bit_page, 10, 0, 10, truths, NULL), MLAAS_OK);
  assert_memory_equal(truths, "\1\0\0\0\0\0\0\1\0\1", 10);
  struct mlaas_ntuple_switch chosen;
  const uint8_t switch_page[12] = {5, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0};
  assert_int_equal(mlaas_ntuple_page_decode(&choice, switch_page, 1, 0, 1, &chosen, NULL), MLAAS_OK);
  assert_true(chosen.index == 5 && chosen.tag == 2);
  double values[4];
  const uint8_t quant_page[] = {0xE4}; /* 0, 1, 2, 3 */
  assert_int_equal(mlaas_ntuple_page_decode(&quant, quant_page, 4, 0, 4, values, NULL), MLAAS_OK);
  assert_true(values[0] == 10 && values[1] == 11 && values[2] == 12 && values[3] == 13);
}

static void what_cannot_be_decoded_is_refused(void **state) {
  (void)state;
  struct mlaas_error error;
  struct mlaas_ntuple_column column = {.type = MLAAS_NTUPLE_INT8, .bits = 8};
  uint8_t page[4] = {0}, out[4];
  assert_int_equal(mlaas_ntuple_page_decode(&column, page, 4, 2, 5, out, &error), MLAAS_INTERNAL);
  assert_int_equal(mlaas_ntuple_page_decode(&column, page, 4, -1, 2, out, &error), MLAAS_INTERNAL);
  assert_int_equal(mlaas_ntuple_page_decode(&column, page, 4, 3, 2, out, &error), MLAAS_INTERNAL);
  column.type = (enum mlaas_ntuple_type)0x99;
  assert_int_equal(mlaas_ntuple_page_decode(&column, page, 4, 0, 4, out, &error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(error.message, "0x99"));
  assert_int_equal(mlaas_ntuple_page_width(&column), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_type_equals_one_bit_at_a_time),
      cmocka_unit_test(every_width_of_packed_numbers),
      cmocka_unit_test(deltas_run_on_through_a_page),
      cmocka_unit_test(all_halves),
      cmocka_unit_test(a_page_by_hand),
      cmocka_unit_test(what_cannot_be_decoded_is_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
