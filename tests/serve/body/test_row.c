/* TFaaS's protobuf messages, written by hand as the protocol says. */
#include "serve/body/row.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { ARENA_BYTES = 16 << 20 };
#include "arena.h"

static struct mlaas_row row;

#define DECODE(bytes) mlaas_row_decode(MLAAS_SLICE(bytes), &the_arena, &row, &the_error)
#define ONE "\x00\x00\x80\x3f"
#define TWO "\x00\x00\x00\x40"

static void packed_and_unpacked_values(void **state) {
  (void)state;
  assert_int_equal(DECODE("\x0a\x02"
                          "f0"
                          "\x0a\x02"
                          "f1"
                          "\x12\x08" ONE TWO "\x1a\x01m"),
                   MLAAS_OK);
  assert_int_equal(row.num_keys, 2);
  assert_true(mlaas_slice_is(row.keys[1], "f1"));
  assert_int_equal(row.num_values, 2);
  assert_true(row.values[0] == 1 && row.values[1] == 2);
  assert_true(mlaas_slice_is(row.model, "m"));
  assert_int_equal(DECODE("\x15" ONE "\x12\x00\x15" TWO "\x12\x04" ONE), MLAAS_OK);
  assert_int_equal(row.num_values, 3);
  assert_true(row.values[0] == 1 && row.values[1] == 2 && row.values[2] == 1);
}

static void the_last_model_counts_and_unknown_fields_are_skipped(void **state) {
  (void)state;
  assert_int_equal(DECODE("\x1a\x01"
                          "a"
                          "\x1a\x01"
                          "b"),
                   MLAAS_OK);
  assert_true(mlaas_slice_is(row.model, "b"));
  assert_int_equal(DECODE("\xa2\x06\x03"
                          "abc"
                          "A"
                          "12345678"
                          "\x48\x96\x01"
                          "\x4d"
                          "1234"
                          "\x1a\x01m"),
                   MLAAS_OK);
  assert_true(mlaas_slice_is(row.model, "m"));
  assert_int_equal(DECODE(";\x08\x01"
                          "C\x08\x02"
                          "D"
                          "<"
                          "\x1a\x01m"),
                   MLAAS_OK); /* groups in groups */
  assert_true(mlaas_slice_is(row.model, "m"));
  assert_int_equal(DECODE("\x10\x05\x15" ONE), MLAAS_OK); /* values as a number: unknown */
  assert_int_equal(row.num_values, 1);
  assert_int_equal(DECODE("\x1a\x86\x80\x00"
                          "class3"),
                   MLAAS_OK);
  assert_true(mlaas_slice_is(row.model, "class3"));
  assert_int_equal(DECODE(""), MLAAS_OK);
  assert_int_equal(row.num_values, 0);
}

static void what_is_damaged_is_refused(void **state) {
  (void)state;
  assert_int_equal(DECODE("\x1a\x06"
                          "class"),
                   MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x12\x10" ONE), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x12\x05" ONE "x"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x15"
                          "123"),
                   MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x0f"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x0e"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x02\x01"
                          "a"),
                   MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x1a\xff\xff\xff\xff\x07"
                          "abc"),
                   MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x1a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
                          "abc"),
                   MLAAS_ARGUMENT);
  assert_int_equal(DECODE("H\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("H\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE(";"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("<"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE(";D"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("\x1a\x01\xff"), MLAAS_ARGUMENT);
  assert_int_equal(DECODE("{\"keys\": [\"f0\"]}"), MLAAS_ARGUMENT);
  char deep[200];
  memset(deep, ';', sizeof deep);
  assert_int_equal(mlaas_row_decode((struct mlaas_slice){deep, sizeof deep}, &the_arena, &row, &the_error),
                   MLAAS_ARGUMENT);
  assert_true(the_error.offset > 0);
}

static void every_cut_is_refused_or_shorter(void **state) {
  (void)state;
  static const char whole[] = "\x0a\x02"
                              "f0"
                              "\x12\x08" ONE TWO "\x15" ONE "\x1a\x01m";
  for (size_t size = 0; size < sizeof whole - 1; size++) {
    enum mlaas_status status = mlaas_row_decode((struct mlaas_slice){whole, size}, &the_arena, &row, &the_error);
    bool between = size == 0 || size == 4 || size == 14 || size == 19;
    assert_int_equal(status, between ? MLAAS_OK : MLAAS_ARGUMENT);
  }
}

static void predictions_are_written(void **state) {
  (void)state;
  static const char *const labels[] = {"qcd", ""};
  static const float scores[] = {1, 0, -0.0f};
  struct mlaas_slice body = mlaas_predictions_encode(scores, 1, NULL, 0, &the_arena);
  assert_int_equal(body.size, 7);
  assert_memory_equal(body.data, "\x0a\x05\x15" ONE, 7);
  body = mlaas_predictions_encode(scores, 3, NULL, 0, &the_arena);
  assert_int_equal(body.size, 7 + 2 + 7); /* nothing of 0 but the class itself */
  assert_memory_equal(body.data + 7, "\x0a\x00\x0a\x05\x15\x00\x00\x00\x80", 9);
  body = mlaas_predictions_encode(scores, 3, labels, 2, &the_arena);
  assert_int_equal(body.size, 12 + 2 + 7);
  assert_memory_equal(body.data, "\x0a\x0a\x0a\x03qcd\x15" ONE, 12);
  assert_non_null(mlaas_predictions_encode(scores, 0, NULL, 0, &the_arena).data);
}

static void failing_memory_is_an_error(void **state) {
  (void)state;
  mlaas_arena_reset(&the_arena);
  mlaas_memory_fail(1, true);
  assert_int_equal(DECODE("\x1a\x01m"), MLAAS_MEMORY);
  assert_null(mlaas_predictions_encode((const float[]){1}, 1, NULL, 0, &the_arena).data);
  mlaas_memory_fail(0, false);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(packed_and_unpacked_values),
      cmocka_unit_test(the_last_model_counts_and_unknown_fields_are_skipped),
      cmocka_unit_test(what_is_damaged_is_refused),
      cmocka_unit_test(every_cut_is_refused_or_shorter),
      cmocka_unit_test(predictions_are_written),
      cmocka_unit_test(failing_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, make_arena, free_arena);
}
