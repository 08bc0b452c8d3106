/* The cursor: values, strings, frames, and that nothing is read beyond the end. */
#include "rootio/container/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct mlaas_cursor over(const void *data, size_t size, struct mlaas_error *error) {
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, data, (int64_t)size, 1000, error);
  return cursor;
}

static void numbers_are_big_endian(void **state) {
  (void)state;
  static const uint8_t data[] = {0xFF, 0x80, 0x01, 0xFF, 0xFE, 0x80, 0, 0, 1, 0x3F, 0xC0,
                                 0,    0,    0xC0, 0,    0,    0,    0, 0, 0, 0};
  struct mlaas_cursor cursor = over(data, sizeof data, NULL);
  assert_int_equal(mlaas_cursor_u8(&cursor), 255);
  assert_int_equal(mlaas_cursor_u16(&cursor), 0x8001);
  assert_int_equal(mlaas_cursor_i16(&cursor), -2);
  assert_int_equal(mlaas_cursor_i32(&cursor), INT32_MIN + 1);
  assert_true(mlaas_cursor_f32(&cursor) == 1.5f);
  assert_true(mlaas_cursor_f64(&cursor) == -2.0);
  assert_int_equal(mlaas_cursor_left(&cursor), 0);
  mlaas_cursor_seek(&cursor, 1);
  assert_true(mlaas_cursor_u64(&cursor) == 0x8001FFFE80000001u);
  mlaas_cursor_seek(&cursor, 1);
  assert_true(mlaas_cursor_i64(&cursor) == (int64_t)0x8001FFFE80000001u);
  mlaas_cursor_seek(&cursor, 5);
  assert_true(mlaas_cursor_u32(&cursor) == 0x80000001u);
}

static void the_first_failure_sticks(void **state) {
  (void)state;
  struct mlaas_error error;
  struct mlaas_cursor cursor = over("abc", 3, &error);
  mlaas_cursor_skip(&cursor, 2);
  assert_int_equal(mlaas_cursor_u32(&cursor), 0);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
  assert_int_equal(error.offset, 1002);
  assert_string_equal(error.message, "4 bytes are needed but 1 are left");
  assert_int_equal(mlaas_cursor_u8(&cursor), 0); /* there is one left, but it is too late */
  assert_int_equal(cursor.position, 2);
  assert_int_equal(mlaas_cursor_fail(&cursor, MLAAS_CHECKSUM, "later"), MLAAS_FORMAT);
  assert_null(mlaas_cursor_bytes(&cursor, 0));
}

static void counts_and_positions_are_checked(void **state) {
  (void)state;
  struct mlaas_cursor cursor = over("abc", 3, NULL);
  assert_null(mlaas_cursor_bytes(&cursor, -1));
  cursor = over("abc", 3, NULL);
  mlaas_cursor_seek(&cursor, 4);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
  cursor = over("abc", 3, NULL);
  mlaas_cursor_skip(&cursor, INT64_MAX);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
}

static void decompressed_bytes_have_no_file_offset(void **state) {
  (void)state;
  struct mlaas_error error;
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, "abc", 3, -1, &error);
  mlaas_cursor_skip(&cursor, 9);
  assert_int_equal(error.offset, -1);
  assert_non_null(strstr(error.message, "at byte 0 of the 3 of a record"));
}

static void strings_have_one_or_five_bytes_of_length(void **state) {
  (void)state;
  static uint8_t data[400] = {2, 'h', 'i', 0, 255, 0, 0, 1, 0};
  int64_t length;
  struct mlaas_cursor cursor = over(data, 4 + 5 + 256, NULL);
  assert_memory_equal(mlaas_cursor_string(&cursor, &length), "hi", 2);
  assert_int_equal(length, 2);
  assert_non_null(mlaas_cursor_string(&cursor, &length));
  assert_int_equal(length, 0);
  assert_non_null(mlaas_cursor_string(&cursor, &length));
  assert_int_equal(length, 256);
  assert_int_equal(mlaas_cursor_left(&cursor), 0);
  cursor = over(data, 4 + 5 + 255, NULL);
  mlaas_cursor_seek(&cursor, 4);
  assert_null(mlaas_cursor_string(&cursor, &length));
  assert_int_equal(length, 0);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
}

static void frames_with_and_without_a_byte_count(void **state) {
  (void)state;
  static const uint8_t counted[] = {0x40, 0, 0, 4, 0x40, 9, 1, 2, 77}, bare[] = {0, 3, 1};
  struct mlaas_cursor cursor = over(counted, sizeof counted, NULL);
  struct mlaas_frame frame = mlaas_cursor_frame(&cursor);
  assert_int_equal(frame.version, 9);
  assert_true(frame.member_wise);
  assert_int_equal(frame.end, 8);
  mlaas_cursor_leave(&cursor, &frame);
  assert_int_equal(mlaas_cursor_u8(&cursor), 77);
  mlaas_cursor_leave(&cursor, &frame); /* beyond it now */
  assert_int_equal(cursor.status, MLAAS_FORMAT);
  cursor = over(bare, sizeof bare, NULL);
  frame = mlaas_cursor_frame(&cursor);
  assert_int_equal(frame.version, 3);
  assert_int_equal(frame.end, -1);
  mlaas_cursor_leave(&cursor, &frame);
  assert_int_equal(cursor.position, 2);
}

static void frames_that_do_not_fit_are_refused(void **state) {
  (void)state;
  static const uint8_t too_long[] = {0x40, 0, 0, 5, 0, 9, 1, 2}, too_short[] = {0x40, 0, 0, 1, 0, 9, 1, 2};
  struct mlaas_error error;
  struct mlaas_cursor cursor = over(too_long, sizeof too_long, &error);
  mlaas_cursor_frame(&cursor);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "5 bytes but 4 are left"));
  cursor = over(too_short, sizeof too_short, &error);
  mlaas_cursor_frame(&cursor);
  assert_int_equal(cursor.status, MLAAS_FORMAT);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(numbers_are_big_endian),
      cmocka_unit_test(the_first_failure_sticks),
      cmocka_unit_test(counts_and_positions_are_checked),
      cmocka_unit_test(decompressed_bytes_have_no_file_offset),
      cmocka_unit_test(strings_have_one_or_five_bytes_of_length),
      cmocka_unit_test(frames_with_and_without_a_byte_count),
      cmocka_unit_test(frames_that_do_not_fit_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
