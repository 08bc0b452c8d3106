/* Numbers and texts of JSON: as few digits as read back the same, spelled as Python spells them. */
#include "recipe/json.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <mlaas/recipe.h>

static void numbers_are_pythons(void **state) {
  (void)state;
  static const struct {
    double value;
    const char *text;
  } cases[] = {
      {0, "0.0"},
      {-0.0, "-0.0"},
      {1, "1.0"},
      {-17.25, "-17.25"},
      {0.1, "0.1"},
      {0.64, "0.64"},
      {1 / 3.0, "0.3333333333333333"},
      {1e15, "1000000000000000.0"},
      {1e16, "1e+16"},
      {123456789012345678.0, "1.2345678901234568e+17"},
      {1e-4, "0.0001"},
      {1e-5, "1e-05"},
      {2.5e-7, "2.5e-07"},
      {5e-324, "5e-324"},
      {1e300, "1e+300"},
      {9007199254740993.0, "9007199254740992.0"},
      {1234567890123456.7, "1234567890123456.8"},
      {NAN, "nan"},
      {-(double)INFINITY, "-inf"},
  };
  char text[MLAAS_NUMBER_TEXT];
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    mlaas_number_format(cases[i].value, text);
    assert_string_equal(text, cases[i].text);
  }
}

static void numbers_read_back(void **state) {
  (void)state;
  uint64_t bits = 88172645463325252u;
  for (int i = 0; i < 20000; i++) {
    double value;
    char text[MLAAS_NUMBER_TEXT];
    bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value))
      continue;
    mlaas_number_format(value, text);
    assert_true(strtod(text, NULL) == value);
  }
}

static void texts_read_back(void **state) {
  (void)state;
  static const char json[] = "{\n \"a\": [1, 2.5, null, true],\n \"b\": {},\n \"c\": [\n  {\"d\": "
                             "\"x\\\"y\\\\\\u0001\xc3\xa9\"},\n  []\n ]\n}";
  json_t *value = json_loads(json, 0, NULL);
  char *text = NULL;
  assert_non_null(value);
  assert_int_equal(mlaas_json_format(value, &text, NULL), MLAAS_OK);
  assert_string_equal(text, json);
  mlaas_text_free(text);
  json_decref(value);
}

static void odd_numbers_are_texts(void **state) {
  (void)state;
  static const double values[] = {NAN, INFINITY, 1.5};
  for (size_t i = 0; i < 3; i++) {
    json_t *json = mlaas_json_number(values[i]);
    double back = mlaas_json_value(json);
    assert_true(mlaas_json_is_number(json));
    assert_true(back == values[i] || (isnan(back) && i == 0));
    json_decref(json);
  }
  json_t *other = json_string("12");
  assert_false(mlaas_json_is_number(other));
  json_decref(other);
}

static void running_out_of_memory_is_reported(void **state) {
  (void)state;
  struct mlaas_text text = {0};
  char *data = NULL;
  mlaas_text_add(&text, "abc");
  mlaas_memory_fail(1, false);
  for (int i = 0; i < 100; i++)
    mlaas_text_add(&text, "%d", i);
  mlaas_memory_fail(0, false);
  assert_int_equal(mlaas_text_take(&text, &data, NULL), MLAAS_MEMORY);
  assert_null(data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_pythons),
      cmocka_unit_test(numbers_read_back),
      cmocka_unit_test(texts_read_back),
      cmocka_unit_test(odd_numbers_are_texts),
      cmocka_unit_test(running_out_of_memory_is_reported),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
