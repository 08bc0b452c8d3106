/* Bytes of files for those who decode them elsewhere. */
#include <mlaas/bytes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void bytes_are_read_where_they_lie(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_bytes *bytes = NULL;
  struct mlaas_error error;
  char text[4];
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_bytes_open(context, TESTS_ROOT "/tests/data/names.root", &bytes, &error), MLAAS_OK);
  mlaas_context_put(context); /* the bytes hold it */
  assert_true(mlaas_bytes_size(bytes) > 100);
  assert_int_equal(mlaas_bytes_read(bytes, 0, 4, text, &error), MLAAS_OK);
  assert_memory_equal(text, "root", 4);
  assert_int_equal(mlaas_bytes_read(bytes, mlaas_bytes_size(bytes) - 2, 4, text, &error), MLAAS_FORMAT);
  assert_int_equal(mlaas_bytes_read(bytes, -1, 1, text, &error), MLAAS_FORMAT);
  mlaas_bytes_close(bytes);
}

static void what_cannot_be_opened_says_so(void **state) {
  (void)state;
  struct mlaas_context *context = NULL;
  struct mlaas_bytes *bytes = NULL;
  struct mlaas_error error;
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_bytes_open(context, TESTS_ROOT "/nosuch", &bytes, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_bytes_open(context, "nosuch://a/b", &bytes, &error), MLAAS_UNSUPPORTED);
  assert_null(bytes);
  mlaas_bytes_close(NULL);
  mlaas_context_put(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(bytes_are_read_where_they_lie),
      cmocka_unit_test(what_cannot_be_opened_says_so),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
