/* "Did you mean". */
#include "base/error.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const char *const names[] = {"nevents", "batch_size", "shuffle", "branch", "epochs"};

static const char *nearest(const char *name) { return mlaas_nearest(name, names, sizeof names / sizeof *names); }

static void typing_errors_are_found(void **state) {
  (void)state;
  assert_string_equal(nearest("nevent"), "nevents");
  assert_string_equal(nearest("NEVENTS"), "nevents");
  assert_string_equal(nearest("batchsize"), "batch_size");
  assert_string_equal(nearest("shufle"), "shuffle");
  assert_string_equal(nearest("brnach"), "branch");
  assert_string_equal(nearest("epochs"), "epochs");
}

static void other_words_are_not(void **state) {
  (void)state;
  assert_null(nearest("redirector"));
  assert_null(nearest("xyz"));
  assert_null(mlaas_nearest("x", names, 0));
}

static void long_names_are_cut_not_overrun(void **state) {
  (void)state;
  char longer[500];
  for (size_t i = 0; i < sizeof longer - 1; i++)
    longer[i] = 'a';
  longer[sizeof longer - 1] = 0;
  const char *const one[] = {longer};
  assert_ptr_equal(mlaas_nearest(longer, one, 1), longer);
  nearest(longer);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(typing_errors_are_found),
      cmocka_unit_test(other_words_are_not),
      cmocka_unit_test(long_names_are_cut_not_overrun),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
