/* The status table and the writing of errors. */
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void every_status_has_its_row(void **state) {
  (void)state;
  for (int i = 0; i < MLAAS_STATUS_COUNT; i++) {
    assert_true(strlen(mlaas_status_text((enum mlaas_status)i)) > 0);
    assert_true(strlen(mlaas_status_name((enum mlaas_status)i)) > 0);
    int http = mlaas_status_http((enum mlaas_status)i), code = mlaas_status_exit_code((enum mlaas_status)i);
    assert_true(http >= 200 && http < 600);
    assert_true(code >= 0 && code <= 130);
    for (int j = 0; j < i; j++) {
      assert_int_not_equal(code, mlaas_status_exit_code((enum mlaas_status)j));
      assert_string_not_equal(mlaas_status_python((enum mlaas_status)i), mlaas_status_python((enum mlaas_status)j));
    }
  }
}

static void the_stable_codes_stay(void **state) {
  (void)state;
  assert_int_equal(mlaas_status_exit_code(MLAAS_OK), 0);
  assert_int_equal(mlaas_status_exit_code(MLAAS_ARGUMENT), 2);
  assert_int_equal(mlaas_status_exit_code(MLAAS_NOT_FOUND), 3);
  assert_int_equal(mlaas_status_exit_code(MLAAS_CANCELLED), 130);
  assert_string_equal(mlaas_status_name(MLAAS_NOT_FOUND), "NOT_FOUND");
  assert_string_equal(mlaas_status_python(MLAAS_CHECKSUM), "ChecksumError");
  assert_string_equal(mlaas_status_python(MLAAS_OK), "");
  assert_int_equal(mlaas_status_grpc(MLAAS_NOT_FOUND), 5);
}

static void an_unknown_status_is_internal(void **state) {
  (void)state;
  assert_string_equal(mlaas_status_name((enum mlaas_status)999), "INTERNAL");
  assert_string_equal(mlaas_status_name((enum mlaas_status) - 1), "INTERNAL");
}

static void fail_writes_the_whole_struct(void **state) {
  (void)state;
  struct mlaas_error error;
  memset(&error, 0xa5, sizeof error);
  assert_int_equal(mlaas_fail(&error, MLAAS_SCHEMA, "branch %s is %d", "x", 7), MLAAS_SCHEMA);
  assert_int_equal(error.status, MLAAS_SCHEMA);
  assert_int_equal(error.sys_errno, 0);
  assert_int_equal(error.offset, -1);
  assert_string_equal(error.where, "");
  assert_string_equal(error.message, "branch x is 7");
  assert_int_equal(mlaas_fail(NULL, MLAAS_IO, "nobody listens"), MLAAS_IO);
}

static void errno_chooses_the_status(void **state) {
  (void)state;
  struct mlaas_error error;
  assert_int_equal(mlaas_fail_errno(&error, ENOENT, "cannot open %s", "a"), MLAAS_NOT_FOUND);
  assert_string_equal(error.message, "cannot open a: No such file or directory");
  assert_int_equal(error.sys_errno, ENOENT);
  assert_int_equal(mlaas_fail_errno(&error, ENOMEM, "x"), MLAAS_MEMORY);
  assert_int_equal(mlaas_fail_errno(&error, EACCES, "x"), MLAAS_IO);
}

static void the_layers_above_say_where(void **state) {
  (void)state;
  struct mlaas_error error;
  mlaas_fail_at(&error, MLAAS_FORMAT, 1234, "expected %d bytes", 4);
  assert_int_equal(mlaas_fail_in(&error, MLAAS_FORMAT, "branch %s", "pt"), MLAAS_FORMAT);
  mlaas_fail_in(&error, MLAAS_FORMAT, "a.root");
  char text[256];
  size_t length = mlaas_error_format(&error, text, sizeof text);
  assert_string_equal(text, "a.root: branch pt: expected 4 bytes (byte 1234)");
  assert_int_equal(length, strlen(text));
}

static void success_gets_no_where(void **state) {
  (void)state;
  struct mlaas_error error = {.where = "kept"};
  assert_int_equal(mlaas_fail_in(&error, MLAAS_OK, "a.root"), MLAAS_OK);
  assert_string_equal(error.where, "kept");
}

static void long_texts_are_cut_and_terminated(void **state) {
  (void)state;
  struct mlaas_error error;
  char longer[3000];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  mlaas_fail(&error, MLAAS_IO, "%s", longer);
  assert_int_equal(strlen(error.message), sizeof error.message - 1);
  mlaas_fail_in(&error, MLAAS_IO, "%s", longer);
  mlaas_fail_in(&error, MLAAS_IO, "outermost");
  assert_int_equal(strncmp(error.where, "outermost: xxx", 14), 0);
  assert_int_equal(strlen(error.where), sizeof error.where - 1);
  char text[16];
  size_t length = mlaas_error_format(&error, text, sizeof text);
  assert_string_equal(text, "outermost: xxxx");
  assert_true(length > 1000);
}

static void messages_do_not_steer_terminals(void **state) {
  (void)state;
  struct mlaas_error error;
  mlaas_fail(&error, MLAAS_IO, "the server says %s", "\x1b[2Jgone\x7f\r\n\tGr\xc3\xbc\xc3\x9f");
  assert_string_equal(error.message, "the server says ?[2Jgone??\n\tGr\xc3\xbc\xc3\x9f");
  mlaas_fail_in(&error, MLAAS_IO, "tree %s", "\x1b]0;x\a");
  assert_string_equal(error.where, "tree ?]0;x?");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(every_status_has_its_row),          cmocka_unit_test(the_stable_codes_stay),
      cmocka_unit_test(an_unknown_status_is_internal),     cmocka_unit_test(fail_writes_the_whole_struct),
      cmocka_unit_test(errno_chooses_the_status),          cmocka_unit_test(the_layers_above_say_where),
      cmocka_unit_test(messages_do_not_steer_terminals),   cmocka_unit_test(success_gets_no_where),
      cmocka_unit_test(long_texts_are_cut_and_terminated),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
