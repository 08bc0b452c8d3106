/* Numbers: shortest floats against the C library, parsing against strtod. */
#include "serve/body/number.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint64_t state = 88172645463325252u;

static uint64_t random_bits(void) {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}

static const char *format(float value) {
  static char text[MLAAS_FLOAT_TEXT + 1];
  text[mlaas_float_format(value, text)] = 0;
  return text;
}

static void floats_are_written_as_go_does(void **unused) {
  (void)unused;
  assert_string_equal(format(0.0f), "0");
  assert_string_equal(format(-0.0f), "-0");
  assert_string_equal(format(1.0f), "1");
  assert_string_equal(format(0.1f), "0.1");
  assert_string_equal(format(0.48494965f), "0.48494965");
  assert_string_equal(format(1.1920928e-7f), "1.1920928e-7");
  assert_string_equal(format(0.0000018434135f), "0.0000018434135");
  assert_string_equal(format(1e-6f), "0.000001");
  assert_string_equal(format(9.9e-7f), "9.9e-7");
  assert_string_equal(format(138.1551f), "138.1551");
  assert_string_equal(format(1e20f), "100000000000000000000");
  assert_string_equal(format(1e21f), "1e+21");
  assert_string_equal(format(3.4028235e38f), "3.4028235e+38");
  assert_string_equal(format(1e-45f), "1e-45");
  assert_string_equal(format(16777216.0f), "16777216");
  assert_int_equal(mlaas_float_format(NAN, (char[MLAAS_FLOAT_TEXT]){0}), 0);
  assert_int_equal(mlaas_float_format(-INFINITY, (char[MLAAS_FLOAT_TEXT]){0}), 0);
}

/* Significant digits of a text. */
static int digits_of(const char *text) {
  int digits = 0, zeros = 0;
  for (; *text && *text != 'e'; text++) {
    if (*text < '0' || *text > '9' || (*text == '0' && digits == 0))
      continue;
    digits++;
    zeros = *text == '0' ? zeros + 1 : 0;
  }
  return digits - zeros;
}

static void check_float(uint32_t bits) {
  float value, again;
  char shortest[64];
  memcpy(&value, &bits, sizeof value);
  if (!isfinite(value) || value == 0)
    return;
  const char *text = format(value);
  again = strtof(text, NULL);
  assert_memory_equal(&value, &again, sizeof value);
  if (bits % 8) /* the search below is slow */
    return;
  for (int precision = 0; precision < 9; precision++) {
    snprintf(shortest, sizeof shortest, "%.*e", precision, (double)value);
    if (strtof(shortest, NULL) == value)
      break;
  }
  assert_true(digits_of(text) <= digits_of(shortest)); /* at powers of two one less may fit than rounding finds */
  if (digits_of(text) == digits_of(shortest))
    assert_true(fabs(strtod(text, NULL) - (double)value) <= fabs(strtod(shortest, NULL) - (double)value));
}

static void floats_are_shortest_and_come_back(void **unused) {
  (void)unused;
  for (uint32_t exponent = 0; exponent < 255; exponent++)
    for (uint32_t near = 0; near < 8; near++)
      check_float((exponent << 23) + near - 4);
  for (int i = 0; i < 1000000; i++)
    check_float((uint32_t)random_bits());
}

static void check_number(const char *text) {
  struct mlaas_number number;
  double expected = strtod(text, NULL);
  size_t length = mlaas_number_parse(text, strlen(text), &number);
  if (isinf(expected)) {
    assert_int_equal(length, 0);
    return;
  }
  assert_int_equal(length, strlen(text));
  assert_memory_equal(&number.value, &expected, sizeof expected);
}

static void numbers_are_the_nearest_doubles(void **unused) {
  (void)unused;
  char text[80];
  for (int i = 0; i < 500000; i++) {
    union {
      uint64_t bits;
      double value;
    } any = {random_bits()};
    if (isfinite(any.value)) {
      snprintf(text, sizeof text, "%.17g", any.value);
      check_number(text);
    }
    snprintf(text, sizeof text, "%.*g", (int)(random_bits() % 17 + 1), (double)(random_bits() >> 11) / 9e15);
    check_number(text);
    snprintf(text, sizeof text, "%llu.%llue%d", (unsigned long long)(random_bits() >> random_bits() % 60),
             (unsigned long long)(random_bits() >> random_bits() % 60), (int)(random_bits() % 60) - 30);
    check_number(text);
    snprintf(text, sizeof text, "-%llue%d", (unsigned long long)random_bits(), (int)(random_bits() % 700) - 350);
    check_number(text);
  }
}

static void hard_numbers_are_right(void **unused) {
  (void)unused;
  static const char *const texts[] = {"0",
                                      "-0",
                                      "0.0",
                                      "0e5",
                                      "1e308",
                                      "1.7976931348623157e308",
                                      "1.7976931348623159e308",
                                      "1e400",
                                      "5e-324",
                                      "2.4703282292062327208e-324",
                                      "1e-400",
                                      "9007199254740993",
                                      "9007199254740992.5",
                                      "18446744073709551615",
                                      "18446744073709551616",
                                      "123456789012345678901234567890",
                                      "0.1e1",
                                      "1E+2",
                                      "1e-2",
                                      "0.000000000000000000000000000000000000000000000000000000000000000000000001",
                                      "100000000000000000000000000000000000000000000000000000000000000000000000"};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    check_number(texts[i]);
}

static void what_is_no_number_is_refused(void **unused) {
  (void)unused;
  static const char *const texts[] = {"",   "-",   "+1",  ".5",       "1.", "01", "-01",
                                      "1e", "1e+", "NaN", "Infinity", "x",  "- 1"};
  struct mlaas_number number;
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    assert_int_equal(mlaas_number_parse(texts[i], strlen(texts[i]), &number), 0);
  assert_int_equal(mlaas_number_parse("0x1", 3, &number), 1); /* the rest is the caller's */
}

static void whole_numbers_are_exact(void **unused) {
  (void)unused;
  struct mlaas_number number;
  assert_int_equal(mlaas_number_parse("9007199254740993", 16, &number), 16);
  assert_true(number.is_whole);
  assert_true(number.whole == 9007199254740993);
  assert_int_equal(mlaas_number_parse("-9223372036854775807", 20, &number), 20);
  assert_true(number.is_whole && number.whole == -9223372036854775807);
  assert_int_equal(mlaas_number_parse("9223372036854775808", 19, &number), 19);
  assert_false(number.is_whole);
  assert_int_equal(mlaas_number_parse("1.0", 3, &number), 3);
  assert_false(number.is_whole);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(floats_are_written_as_go_does),   cmocka_unit_test(floats_are_shortest_and_come_back),
      cmocka_unit_test(numbers_are_the_nearest_doubles), cmocka_unit_test(hard_numbers_are_right),
      cmocka_unit_test(what_is_no_number_is_refused),    cmocka_unit_test(whole_numbers_are_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
