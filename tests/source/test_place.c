/* Names taken apart, put together, and shown without what is secret in them. */
#include "base/error.h"
#include "base/memory.h"
#include "source/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct mlaas_error error;

static void assert_shown(const char *name, const char *expected) {
  char text[300], small[8];
  assert_int_equal(mlaas_place_show(name, text, sizeof text), strlen(expected));
  assert_string_equal(text, expected);
  mlaas_place_show(name, small, sizeof small);
  assert_int_equal(strlen(small), strlen(expected) < 7 ? strlen(expected) : 7);
  assert_memory_equal(small, expected, strlen(small));
  assert_int_equal(mlaas_place_show(name, NULL, 0), strlen(expected));
}

static void secrets_are_not_shown(void **state) {
  (void)state;
  assert_shown("data/a?token=b.root", "data/a?token=b.root"); /* a path has no query */
  assert_shown("https://h/p.root", "https://h/p.root");
  assert_shown("https://me:pw@h:8443/p.root", "https://***@h:8443/p.root");
  assert_shown("https://tok@h/p@q.root", "https://***@h/p@q.root");
  assert_shown("https://a@b@h/p", "https://***@h/p");
  assert_shown("root://me@h//p.root", "root://me@h//p.root"); /* a name, as XRootD has them */
  assert_shown("root://me:pw@h//p.root", "root://***@h//p.root");
  assert_shown("root://h//p?authz=Bearer%20x&xrd.wantprot=ztn", "root://h//p?authz=***&xrd.wantprot=ztn");
  assert_shown("https://h/p?X-Amz-Signature=1&a=2;ACCESS_TOKEN=3",
               "https://h/p?X-Amz-Signature=***&a=2;ACCESS_TOKEN=***");
  assert_shown("https://h/p?AWSAccessKeyId=1&=&&x", "https://h/p?AWSAccessKeyId=***&=&&x");
  assert_shown("root://u:p@a//x|https://h/x?sig=1", "root://***@a//x|https://h/x?sig=***");
  assert_shown("https://user:pw@", "https://***@");
  assert_shown("", "");
}

static void assert_redirected(const char *redirector, const char *name, const char *expected) {
  char *place = NULL;
  assert_int_equal(mlaas_place_redirect(redirector, name, &place, &error), MLAAS_OK);
  assert_string_equal(place, expected);
  mlaas_free(place);
}

static void a_redirector_stands_in_front_once(void **state) {
  (void)state;
  static const char *const spelled[] = {"root://h", "root://h/", "root://h//", "root://h///"};
  static const char *const names[] = {"store/x.root", "/store/x.root", "//store/x.root", "h//store/x.root",
                                      "h/store/x.root"};
  for (size_t i = 0; i < sizeof spelled / sizeof *spelled; i++)
    for (size_t k = 0; k < sizeof names / sizeof *names; k++)
      assert_redirected(spelled[i], names[k], "root://h//store/x.root");
  assert_redirected("root://h:1094", "h:1094//x", "root://h:1094//x");
  assert_redirected("root://h", "host/x", "root://h//host/x");
  assert_redirected("root://h//store/user/", "x.root", "root://h//store/user/x.root");
  assert_redirected("root://h/store", "/x.root", "root://h//store/x.root");
  assert_redirected("root://h//store", "h//other/x.root", "root://h//other/x.root");
  assert_redirected("root://h?a=b", "x.root", "root://h//x.root?a=b");
  assert_redirected("xroot://h", "x", "xroot://h//x");
  assert_redirected("https://h", "x", "https://h/x");
  assert_redirected("https://h/d//", "/x", "https://h/d/x");
  assert_redirected("davs://h:443/d?x=1", "a/b", "davs://h:443/d/a/b?x=1");
  assert_redirected("s3://bucket", "key/x", "s3://bucket/key/x");
  assert_redirected("/data", "x", "/data/x");
  assert_redirected("/data/", "a/x", "/data/a/x");
  assert_redirected("/", "x", "/x");
  assert_redirected("./d", "x", "./d/x");
  assert_redirected("file:///data", "x", "file:///data/x");
}

static void a_wrong_redirector_is_refused(void **state) {
  (void)state;
  static const char *const wrong[] = {
      "cms-xrd-global.cern.ch", "data", "root://", "root:///x", "https://?a", "root:/h"};
  for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
    char *place = NULL;
    assert_int_equal(mlaas_place_redirect(wrong[i], "x", &place, &error), MLAAS_ARGUMENT);
    mlaas_free(place);
  }
  char *place = NULL;
  assert_int_equal(mlaas_place_redirect("h.org", "x", &place, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "write root://h.org"));
}

static void kinds_of_names(void **state) {
  (void)state;
  static const struct {
    const char *name;
    bool remote, pattern, replicas, data, list;
  } kinds[] = {
      {"a.root", 0, 0, 0, 1, 0},
      {"a?.root", 0, 1, 0, 1, 0},
      {"a[1].root", 0, 1, 0, 1, 0},
      {"a[1.root", 0, 0, 0, 1, 0},
      {"file:///d/*.root", 0, 1, 0, 1, 0},
      {"root://h//d/*.root", 1, 1, 0, 1, 0},
      {"https://h/d/a.root?x=*", 1, 0, 0, 1, 0},
      {"https://[::1]:80/a.root", 1, 0, 0, 1, 0},
      {"https://h/files.txt?x=.root", 1, 0, 0, 0, 1},
      {"root://a//x|https://b/x", 1, 0, 1, 0, 0},
      {"a|b", 0, 0, 0, 0, 0},
      {"x.csv.gz", 0, 0, 0, 1, 0},
      {"x.TXT", 0, 0, 0, 0, 1},
      {"gz", 0, 0, 0, 0, 0},
      {"1://x", 0, 0, 0, 0, 0},
  };
  for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
    const char *name = kinds[i].name;
    assert_int_equal(mlaas_place_is_remote(name), kinds[i].remote);
    assert_int_equal(mlaas_place_is_pattern(name), kinds[i].pattern);
    assert_int_equal(mlaas_place_is_replicas(name), kinds[i].replicas);
    assert_int_equal(mlaas_place_is_data(name), kinds[i].data);
    assert_int_equal(mlaas_place_is_list(name), kinds[i].list);
  }
}

static void a_file_has_others_beside_it(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, budget);
  assert_string_equal(mlaas_place_beside("d/a.root", "b.root", &arena, &error), "d/b.root");
  assert_string_equal(mlaas_place_beside("a.root", "s/b.root", &arena, &error), "s/b.root");
  assert_string_equal(mlaas_place_beside("https://h/d/a.root?t=x/y", "b.root", &arena, &error),
                      "https://h/d/b.root?t=x/y");
  assert_string_equal(mlaas_place_beside("root://a//d/x|https://b/e/x", "f/y", &arena, &error),
                      "root://a//d/f/y|https://b/e/f/y");
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(secrets_are_not_shown),         cmocka_unit_test(a_redirector_stands_in_front_once),
      cmocka_unit_test(a_wrong_redirector_is_refused), cmocka_unit_test(kinds_of_names),
      cmocka_unit_test(a_file_has_others_beside_it),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
