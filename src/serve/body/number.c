/* Numbers to text: Schubfach (R. Giulietti, "The Schubfach way to render doubles", 2020) for floats. Text to numbers:
 * exact arithmetic where the digits fit a register, else the C library.
 */
#include "serve/body/number.h"

#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- to text ---- */

enum { POWER_LEAST = -31 };

/* 10^k for k = -31 .. 45, its first 64 bits rounded up. */
static const uint64_t powers[] = {
    UINT64_C(0x81CEB32C4B43FCF5), UINT64_C(0xA2425FF75E14FC32), UINT64_C(0xCAD2F7F5359A3B3F),
    UINT64_C(0xFD87B5F28300CA0E), UINT64_C(0x9E74D1B791E07E49), UINT64_C(0xC612062576589DDB),
    UINT64_C(0xF79687AED3EEC552), UINT64_C(0x9ABE14CD44753B53), UINT64_C(0xC16D9A0095928A28),
    UINT64_C(0xF1C90080BAF72CB2), UINT64_C(0x971DA05074DA7BEF), UINT64_C(0xBCE5086492111AEB),
    UINT64_C(0xEC1E4A7DB69561A6), UINT64_C(0x9392EE8E921D5D08), UINT64_C(0xB877AA3236A4B44A),
    UINT64_C(0xE69594BEC44DE15C), UINT64_C(0x901D7CF73AB0ACDA), UINT64_C(0xB424DC35095CD810),
    UINT64_C(0xE12E13424BB40E14), UINT64_C(0x8CBCCC096F5088CC), UINT64_C(0xAFEBFF0BCB24AAFF),
    UINT64_C(0xDBE6FECEBDEDD5BF), UINT64_C(0x89705F4136B4A598), UINT64_C(0xABCC77118461CEFD),
    UINT64_C(0xD6BF94D5E57A42BD), UINT64_C(0x8637BD05AF6C69B6), UINT64_C(0xA7C5AC471B478424),
    UINT64_C(0xD1B71758E219652C), UINT64_C(0x83126E978D4FDF3C), UINT64_C(0xA3D70A3D70A3D70B),
    UINT64_C(0xCCCCCCCCCCCCCCCD), UINT64_C(0x8000000000000000), UINT64_C(0xA000000000000000),
    UINT64_C(0xC800000000000000), UINT64_C(0xFA00000000000000), UINT64_C(0x9C40000000000000),
    UINT64_C(0xC350000000000000), UINT64_C(0xF424000000000000), UINT64_C(0x9896800000000000),
    UINT64_C(0xBEBC200000000000), UINT64_C(0xEE6B280000000000), UINT64_C(0x9502F90000000000),
    UINT64_C(0xBA43B74000000000), UINT64_C(0xE8D4A51000000000), UINT64_C(0x9184E72A00000000),
    UINT64_C(0xB5E620F480000000), UINT64_C(0xE35FA931A0000000), UINT64_C(0x8E1BC9BF04000000),
    UINT64_C(0xB1A2BC2EC5000000), UINT64_C(0xDE0B6B3A76400000), UINT64_C(0x8AC7230489E80000),
    UINT64_C(0xAD78EBC5AC620000), UINT64_C(0xD8D726B7177A8000), UINT64_C(0x878678326EAC9000),
    UINT64_C(0xA968163F0A57B400), UINT64_C(0xD3C21BCECCEDA100), UINT64_C(0x84595161401484A0),
    UINT64_C(0xA56FA5B99019A5C8), UINT64_C(0xCECB8F27F4200F3A), UINT64_C(0x813F3978F8940985),
    UINT64_C(0xA18F07D736B90BE6), UINT64_C(0xC9F2C9CD04674EDF), UINT64_C(0xFC6F7C4045812297),
    UINT64_C(0x9DC5ADA82B70B59E), UINT64_C(0xC5371912364CE306), UINT64_C(0xF684DF56C3E01BC7),
    UINT64_C(0x9A130B963A6C115D), UINT64_C(0xC097CE7BC90715B4), UINT64_C(0xF0BDC21ABB48DB21),
    UINT64_C(0x96769950B50D88F5), UINT64_C(0xBC143FA4E250EB32), UINT64_C(0xEB194F8E1AE525FE),
    UINT64_C(0x92EFD1B8D0CF37BF), UINT64_C(0xB7ABC627050305AE), UINT64_C(0xE596B7B0C643C71A),
    UINT64_C(0x8F7E32CE7BEA5C70), UINT64_C(0xB35DBF821AE4F38C),
};

struct decimal {
  uint32_t digits;
  int exponent; /* value = digits * 10^exponent */
};

/* The high part of power * factor; its last bit is set if anything is below. */
static uint32_t round_to_odd(uint64_t power, uint32_t factor) {
  __extension__ unsigned __int128 product = (unsigned __int128)power * factor;
  uint32_t high = (uint32_t)(product >> 64), low = (uint32_t)(product >> 32);
  return high | (low > 1);
}

static struct decimal shortest(uint32_t fraction, uint32_t biased) {
  uint32_t c = biased ? (1u << 23) | fraction : fraction;
  int q = biased ? (int)biased - 150 : -149;
  if (q <= 0 && q > -24 && (c & ((1u << -q) - 1)) == 0)
    return (struct decimal){c >> -q, 0};
  bool odd = c & 1, closer = fraction == 0 && biased > 1; /* the neighbour below is nearer */
  uint32_t left = 4 * c - 2 + closer, middle = 4 * c, right = 4 * c + 2;
  int k = (q * 1262611 - (closer ? 524031 : 0)) >> 22;
  int h = q + ((-k * 1741647) >> 19) + 1;
  uint64_t power = powers[-k - POWER_LEAST];
  uint32_t lower = round_to_odd(power, left << h) + odd, value = round_to_odd(power, middle << h);
  uint32_t upper = round_to_odd(power, right << h) - odd, s = value / 4;
  if (s >= 10) { /* one digit less, if only one of the two neighbours is inside */
    uint32_t tens = s / 10;
    bool low = lower <= 40 * tens, high = 40 * tens + 40 <= upper;
    if (low != high)
      return (struct decimal){tens + high, k + 1};
  }
  bool low = lower <= 4 * s, high = 4 * s + 4 <= upper;
  if (low != high)
    return (struct decimal){s + high, k};
  uint32_t half = 4 * s + 2;
  return (struct decimal){s + (value > half || (value == half && (s & 1))), k};
}

/* `digits` has `count` digits, the first of which is worth 10^(point - 1). */
static size_t put_plain(char *text, const char *digits, int count, int point) {
  char *at = text;
  if (point <= 0) {
    *at++ = '0';
    *at++ = '.';
    memset(at, '0', (size_t)-point);
    at += -point;
    memcpy(at, digits, (size_t)count);
    return (size_t)(at + count - text);
  }
  int before = count < point ? count : point;
  memcpy(at, digits, (size_t)before);
  at += before;
  if (count <= point) {
    memset(at, '0', (size_t)(point - count));
    return (size_t)(at + (point - count) - text);
  }
  *at++ = '.';
  memcpy(at, digits + before, (size_t)(count - before));
  return (size_t)(at + (count - before) - text);
}

static size_t put_exponent(char *text, const char *digits, int count, int exponent) {
  char *at = text;
  *at++ = digits[0];
  if (count > 1) {
    *at++ = '.';
    memcpy(at, digits + 1, (size_t)count - 1);
    at += count - 1;
  }
  *at++ = 'e';
  *at++ = exponent < 0 ? '-' : '+';
  unsigned left = (unsigned)abs(exponent);
  if (left >= 10)
    *at++ = (char)('0' + left / 10);
  *at++ = (char)('0' + left % 10);
  return (size_t)(at - text);
}

size_t mlaas_float_format(float value, char text[MLAAS_FLOAT_TEXT]) {
  uint32_t bits;
  char digits[12], *end = digits + sizeof digits, *at = end;
  memcpy(&bits, &value, sizeof bits);
  uint32_t biased = bits >> 23 & 255, fraction = bits & 0x7FFFFF;
  size_t sign = bits >> 31;
  if (biased == 255)
    return 0;
  text[0] = '-';
  if (biased == 0 && fraction == 0) {
    text[sign] = '0';
    return sign + 1;
  }
  struct decimal decimal = shortest(fraction, biased);
  while (decimal.digits % 10 == 0) {
    decimal.digits /= 10;
    decimal.exponent++;
  }
  for (uint32_t left = decimal.digits; left; left /= 10)
    *--at = (char)('0' + left % 10);
  int count = (int)(end - at), point = count + decimal.exponent;
  float size = fabsf(value);
  if (size < 1e-6f || size >= 1e21f)
    return sign + put_exponent(text + sign, at, count, point - 1);
  return sign + put_plain(text + sign, at, count, point);
}

size_t mlaas_double_format(double value, char text[MLAAS_FLOAT_TEXT]) {
  if (!isfinite(value))
    return 0;
  int size = snprintf(text, MLAAS_FLOAT_TEXT, "%.15g", value);
  if (strtod(text, NULL) != value)
    size = snprintf(text, MLAAS_FLOAT_TEXT, "%.17g", value);
  return (size_t)size;
}

/* ---- from text ---- */

static const double double_powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#if LDBL_MANT_DIG == 64 && defined(__x86_64__)
static const long double long_powers[] = {1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,
                                          1e10L, 1e11L, 1e12L, 1e13L, 1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L,
                                          1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/* All 64 bits of the digits, and a power that 64 bits hold: one rounding to 64 bits. The second one, to 53, gives what
 * one rounding would, unless the first landed exactly between two doubles. */
static bool scale_long(uint64_t digits, int exponent, double *value) {
  if (exponent < -27 || exponent > 27)
    return false;
  long double exact = (long double)digits;
  exact = exponent < 0 ? exact / long_powers[-exponent] : exact * long_powers[exponent];
  uint64_t mantissa;
  memcpy(&mantissa, &exact, sizeof mantissa);
  if ((mantissa & 0x7FF) == 0x400)
    return false;
  *value = (double)exact;
  return true;
}
#else
static bool scale_long(uint64_t digits, int exponent, double *value) {
  (void)digits;
  (void)exponent;
  (void)value;
  return false;
}
#endif

/* Any number, slowly. */
static bool parse_slow(const char *text, size_t size, double *value) {
  char stack[512], *copy = size < sizeof stack ? stack : malloc(size + 1);
  if (!copy)
    return false;
  memcpy(copy, text, size);
  copy[size] = 0;
  *value = strtod(copy, NULL); /* the program keeps the C locale for numbers */
  if (copy != stack)
    free(copy);
  return isfinite(*value);
}

/* digits * 10^exponent, if that can be had with one rounding. */
static inline bool scale(uint64_t digits, int exponent, double *value) {
  if (digits < (uint64_t)1 << 53 && exponent >= -22 && exponent <= 22) {
    *value = exponent < 0 ? (double)digits / double_powers[-exponent] : (double)digits * double_powers[exponent];
    return true;
  }
  if (digits == 0) {
    *value = 0;
    return true;
  }
  return scale_long(digits, exponent, value);
}

static inline void finish(struct mlaas_number *number, uint64_t digits, double value, bool negative, bool whole) {
  number->value = negative ? -value : value;
  number->is_whole = whole && digits <= (uint64_t)INT64_MAX;
  number->whole = !number->is_whole ? 0 : negative ? -(long long)digits : (long long)digits;
}

struct scan {
  const char *at, *end;
  uint64_t digits; /* the first 19 significant ones */
  int significant, exponent;
};

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static void take_digits(struct scan *scan, bool fraction) {
  for (; scan->at < scan->end && is_digit(*scan->at); scan->at++) {
    if (scan->significant < 19) {
      scan->digits = scan->digits * 10 + (uint64_t)(*scan->at - '0');
      scan->significant += scan->digits != 0;
      scan->exponent -= fraction;
    } else {
      scan->significant = 20; /* more than fit: not exact */
      scan->exponent += !fraction;
    }
  }
}

/* The part behind 'e'; false: it has no digits. */
static bool take_exponent(struct scan *scan) {
  int exponent = 0;
  bool negative = false;
  scan->at++;
  if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
    negative = *scan->at++ == '-';
  if (scan->at == scan->end || !is_digit(*scan->at))
    return false;
  for (; scan->at < scan->end && is_digit(*scan->at); scan->at++)
    if (exponent < 100000)
      exponent = exponent * 10 + (*scan->at - '0');
  scan->exponent += negative ? -exponent : exponent;
  return true;
}

/* Numbers of more than 19 digits. */
static size_t parse_long(const char *text, size_t size, bool negative, bool whole, struct mlaas_number *number) {
  struct scan scan = {.at = text + negative, .end = text + size};
  double value = 0;
  take_digits(&scan, false);
  if (scan.at < scan.end && *scan.at == '.') {
    scan.at++;
    take_digits(&scan, true);
  }
  if (scan.at < scan.end && (*scan.at | 32) == 'e' && !take_exponent(&scan))
    return 0;
  size_t length = (size_t)(scan.at - text);
  if (scan.digits != 0 && (scan.significant > 19 || !scale(scan.digits, scan.exponent, &value)) &&
      !parse_slow(text + negative, length - negative, &value))
    return 0;
  finish(number, scan.digits, value, negative, whole && scan.significant <= 19);
  return length;
}

size_t mlaas_number_parse(const char *text, size_t size, struct mlaas_number *number) {
  const char *at = text, *end = text + size;
  bool negative = size && *text == '-', whole = true;
  uint64_t digits = 0;
  double value;
  at += negative;
  const char *first = at;
  for (unsigned digit; at < end && (digit = (unsigned)(*at - '0')) < 10; at++)
    digits = digits * 10 + digit;
  ptrdiff_t count = at - first, fraction = 0;
  if (count == 0 || (count > 1 && *first == '0'))
    return 0;
  if (at < end && *at == '.') {
    const char *point = at++;
    for (unsigned digit; at < end && (digit = (unsigned)(*at - '0')) < 10; at++)
      digits = digits * 10 + digit;
    fraction = at - point - 1;
    whole = false;
    if (fraction == 0)
      return 0;
  }
  bool exponent = at < end && (*at | 32) == 'e';
  if (count + fraction > 19 || exponent) {
    struct scan scan = {.at = at, .end = end, .exponent = (int)-fraction};
    if (count + fraction > 19 || fraction > 1000)
      return parse_long(text, size, negative, whole && !exponent, number);
    if (!take_exponent(&scan))
      return 0;
    if (!scale(digits, scan.exponent, &value) &&
        !parse_slow(text + negative, (size_t)(scan.at - text) - negative, &value))
      return 0;
    finish(number, digits, value, negative, false);
    return (size_t)(scan.at - text);
  }
  if (!scale(digits, (int)-fraction, &value) && !parse_slow(text + negative, (size_t)(at - text) - negative, &value))
    return 0;
  finish(number, digits, value, negative, whole);
  return (size_t)(at - text);
}
