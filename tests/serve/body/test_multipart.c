/* Forms as browsers, curl and old clients write them, and every way in which one can be broken. */
#include "serve/body/multipart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ARENA_BYTES = 1 << 20 };
#include "arena.h"

/* The body is copied to memory of just its size, so that reading beyond it is seen. */
static char *the_body;

static enum mlaas_status parse(const char *type, const char *body, size_t size, struct mlaas_form *form) {
  free(the_body);
  the_body = malloc(size ? size : 1);
  assert_non_null(the_body);
  memcpy(the_body, body, size);
  return mlaas_multipart_parse(mlaas_slice_of(type), (struct mlaas_slice){the_body, size}, &the_arena, form,
                               &the_error);
}

#define FORM "multipart/form-data; boundary=XbX"
#define PART(name) "--XbX\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"
#define END "\r\n--XbX--\r\n"

static void assert_slice(struct mlaas_slice slice, const char *text) {
  assert_int_equal(slice.size, strlen(text));
  assert_memory_equal(slice.data, text, slice.size);
}

static void a_form_is_read(void **state) {
  (void)state;
  struct mlaas_form form;
  const char body[] = PART("name") "new\r\n"
                                   "--XbX\r\nContent-Disposition: form-data; name=\"model\"; filename=\"a/b.pb\"\r\n"
                                   "Content-Type: application/octet-stream\r\n\r\n\0\r\n--Xb\r\n\r\n--XbX \t\r\n"
                                   "content-disposition:form-data;name=labels;filename=l.txt\r\n\r\n\r\n"
                                   "--XbX--\r\nepilogue";
  assert_int_equal(parse(FORM, body, sizeof body - 1, &form), MLAAS_OK);
  assert_int_equal(form.count, 3);
  assert_slice(form.parts[0].content, "new");
  assert_null(form.parts[0].filename.data);
  const struct mlaas_part *model = mlaas_form_find(&form, "model");
  assert_non_null(model);
  assert_slice(model->filename, "a/b.pb");
  assert_slice(mlaas_file_base(model->filename), "b.pb");
  assert_slice(model->type, "application/octet-stream");
  assert_int_equal(model->content.size, 9);
  assert_memory_equal(model->content.data, "\0\r\n--Xb\r\n", 9);
  assert_slice(mlaas_form_find(&form, "labels")->content, "");
  assert_slice(mlaas_form_find(&form, "labels")->filename, "l.txt");
  assert_null(mlaas_form_find(&form, "nam"));
}

static void names_lose_their_backslashes(void **state) {
  (void)state;
  struct mlaas_form form;
  const char body[] =
      "--XbX\r\nContent-Disposition: form-data; name=\"a\\\"b\\\\c\"; filename=\"C:\\dir\\x;y.pb\"\r\n\r\n1" END;
  assert_int_equal(parse(FORM, body, sizeof body - 1, &form), MLAAS_OK);
  assert_slice(form.parts[0].name, "a\"b\\c");
  assert_slice(mlaas_file_base(form.parts[0].filename), "x;y.pb");
}

static void a_part_may_be_empty(void **state) {
  (void)state;
  struct mlaas_form form;
  const char *bodies[] = {PART("a") END, "preamble\r\n" PART("a") END, PART("a") "--XbX--", PART("a") END "--XbX"};
  for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
    assert_int_equal(parse(FORM, bodies[i], strlen(bodies[i]), &form), MLAAS_OK);
    assert_int_equal(form.count, 1);
    assert_int_equal(form.parts[0].content.size, 0);
  }
  assert_int_equal(parse(FORM, "--XbX--\r\n", 9, &form), MLAAS_OK);
  assert_int_equal(form.count, 0);
}

static void boundaries_are_as_the_type_says(void **state) {
  (void)state;
  struct mlaas_form form;
  const char body[] = "--a b'c\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\nv\r\n--a b'c--";
  const char *good[] = {"multipart/form-data; boundary=\"a b'c\"",
                        "Multipart/Form-Data;charset=utf-8; Boundary=\"a b'c\" ;"};
  for (size_t i = 0; i < 2; i++)
    assert_int_equal(parse(good[i], body, sizeof body - 1, &form), MLAAS_OK);
  const char *bad[] = {
      "",
      "text/plain; boundary=x",
      "multipart/form-data",
      "multipart/form-data; boundary=",
      "multipart/form-data; boundary=\"\"",
      "multipart/form-data; boundary=\"a b'c",
      "multipart/form-data; boundary=\"a \"",
      "multipart/form-data; boundary=a; boundary=b",
      "multipart/form-data boundary=a",
      "multipart/form-data; =a; boundary=a",
      "multipart/form-data; boundary=\"a\r\n\"",
      "multipart/form-data; boundary=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(bad[i], body, sizeof body - 1, &form) != MLAAS_ARGUMENT)
      fail_msg("'%s' is taken", bad[i]);
  assert_true(mlaas_multipart_is(mlaas_slice_of("multipart/form-data")));
  assert_false(mlaas_multipart_is(mlaas_slice_of("application/x-tar")));
  assert_false(mlaas_multipart_is((struct mlaas_slice){0}));
}

static void broken_forms_are_refused(void **state) {
  (void)state;
  struct mlaas_form form;
  const char *bad[] = {
      "",
      "--XbX",
      "--XbX\r\n",
      "--XbX\r\n\r\nvalue" END,
      "--XbX\r\nContent-Disposition: form-data\r\n\r\nvalue" END,
      "--XbX\r\nContent-Disposition: form-data; name=\"a\r\n\r\nvalue" END,
      "--XbX\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\nvalue" END,
      "--XbX\r\nContent-Disposition: inline; name=a\r\n\r\nvalue" END,
      "--XbX\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=b\r\n\r\nv" END,
      "--XbX\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\nvalue" END,
      "--XbX\r\nno header\r\n\r\nvalue" END,
      "--XbX\r\nContent-Transfer-Encoding: base64\r\nContent-Disposition: form-data; name=a\r\n\r\nvalue" END,
      "--XbX\nContent-Disposition: form-data; name=a\n\nvalue\n--XbX--\n",
      PART("a") "value",
      PART("a") "value\r\n--XbX-",
      PART("a") "value\r\n--XbXX--\r\n",
      PART("a") "value\n--XbX--\r\n",
      "--XbX\r\nContent-Disposition: form-data; name=\"a\"",
  };
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (parse(FORM, bad[i], strlen(bad[i]), &form) != MLAAS_ARGUMENT)
      fail_msg("form %zu is taken: %s", i, bad[i]);
  const char nul[] = "--XbX\r\nContent-Disposition: form-data; name=\"a\0b\"\r\n\r\nvalue" END;
  assert_int_equal(parse(FORM, nul, sizeof nul - 1, &form), MLAAS_ARGUMENT);
}

static void every_cut_is_seen(void **state) {
  (void)state;
  struct mlaas_form form;
  const char body[] = PART("a") "one\r\n" PART("b") "two\r\n--XbX--";
  for (size_t size = 0; size < sizeof body - 1; size++)
    assert_int_equal(parse(FORM, body, size, &form), MLAAS_ARGUMENT);
  assert_int_equal(parse(FORM, body, sizeof body - 1, &form), MLAAS_OK);
}

static void too_much_is_refused(void **state) {
  (void)state;
  struct mlaas_form form;
  char *body = malloc(200000);
  assert_non_null(body);
  size_t size = 0;
  for (int i = 0; i <= MLAAS_MULTIPART_MOST; i++)
    size += (size_t)snprintf(body + size, 200000 - size, PART("p%d") "v\r\n", i);
  size_t whole = size + (size_t)snprintf(body + size, 200000 - size, "--XbX--");
  assert_int_equal(parse(FORM, body, whole, &form), MLAAS_LIMIT);
  size = (size_t)snprintf(body, 200000, "--XbX\r\nContent-Disposition: form-data; name=\"");
  memset(body + size, 'n', 100000);
  whole = size + 100000 + (size_t)snprintf(body + size + 100000, 1000, "\"\r\n\r\nv" END);
  assert_int_equal(parse(FORM, body, whole, &form), MLAAS_LIMIT);
  size = (size_t)snprintf(body, 200000, "--XbX\r\n");
  for (int i = 0; i < 40; i++)
    size += (size_t)snprintf(body + size, 200000 - size, "X-%d: y\r\n", i);
  whole = size + (size_t)snprintf(body + size, 1000, "Content-Disposition: form-data; name=a\r\n\r\nv" END);
  assert_int_equal(parse(FORM, body, whole, &form), MLAAS_LIMIT);
  free(body);
}

static void memory_may_be_short(void **state) {
  (void)state;
  struct mlaas_form form;
  const char body[] = "--XbX\r\nContent-Disposition: form-data; name=\"a\\\"\"\r\n\r\nv" END;
  mlaas_memory_fail(1, false);
  assert_int_equal(parse(FORM, body, sizeof body - 1, &form), MLAAS_MEMORY);
}

static void base64_is_decoded(void **state) {
  (void)state;
  const struct {
    const char *text, *bytes;
  } good[] = {
      {"", ""},           {"Zg==", "f"},           {"Zm8=", "fo"}, {"Zm9v", "foo"}, {"Zm9v\r\nYmFy\n", "foobar"},
      {" Zg\t=\n=", "f"}, {"+/+/", "\xfb\xff\xbf"}};
  unsigned char out[64];
  size_t size;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
    assert_int_equal(mlaas_base64_decode(mlaas_slice_of(good[i].text), out, &size, &the_error), MLAAS_OK);
    assert_int_equal(size, strlen(good[i].bytes));
    assert_memory_equal(out, good[i].bytes, size);
  }
  const char *bad[] = {"Z",    "Zg",   "Zg=",  "Zg==Zg==", "Zm9v=",   "=Zm9",
                       "Z===", "Zh==", "Zm9=", "Zm9_",     "Zm\x80v", "Zg=a"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    if (mlaas_base64_decode(mlaas_slice_of(bad[i]), out, &size, &the_error) != MLAAS_ARGUMENT)
      fail_msg("'%s' is taken", bad[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_form_is_read, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(names_lose_their_backslashes, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(a_part_may_be_empty, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(boundaries_are_as_the_type_says, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(broken_forms_are_refused, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(every_cut_is_seen, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(too_much_is_refused, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(memory_may_be_short, make_arena, free_arena),
      cmocka_unit_test_setup_teardown(base64_is_decoded, make_arena, free_arena),
  };
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  free(the_body);
  return failed;
}
