/* Looking into requests: headers in any case, parameters of a query; and the words beside the numbers. */
#include "net/exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void assert_slice(struct mlaas_slice slice, const char *text) {
  if (!text) {
    assert_null(slice.data);
    return;
  }
  assert_non_null(slice.data);
  assert_int_equal(slice.size, strlen(text));
  assert_memory_equal(slice.data, text, slice.size);
}

static void the_first_header_of_a_name_is_found(void **state) {
  (void)state;
  const struct mlaas_header headers[] = {
      {MLAAS_SLICE("X-A"), MLAAS_SLICE("1")},
      {MLAAS_SLICE("Content-Type"), MLAAS_SLICE("text/plain")},
      {MLAAS_SLICE("x-a"), MLAAS_SLICE("2")},
      {MLAAS_SLICE("Empty"), {NULL, 0}},
  };
  struct mlaas_request request = {.headers = headers, .num_headers = 4};
  assert_slice(mlaas_request_header(&request, "x-a"), "1");
  assert_slice(mlaas_request_header(&request, "CONTENT-TYPE"), "text/plain");
  assert_slice(mlaas_request_header(&request, "empty"), ""); /* there, unlike the next */
  assert_slice(mlaas_request_header(&request, "Content-Typ"), NULL);
  assert_slice(mlaas_request_header(&request, ""), NULL);
}

static void parameters_are_decoded(void **state) {
  (void)state;
  const struct {
    const char *query, *name, *value;
  } cases[] = {
      {"model=class3&x=1", "model", "class3"},
      {"model=class3&x=1", "x", "1"},
      {"model=class3&x=1", "mode", NULL},
      {"model=a+b%20c%26&model=z", "model", "a b c&"},
      {"m%6fdel=x", "model", "x"},
      {"model", "model", ""},
      {"model=", "model", ""},
      {"&&model==&", "model", "="},
      {"model=%zz", "model", NULL},
      {"model=%00", "model", NULL},
      {"%zz=1&model=2", "model", "2"},
      {"", "model", NULL},
      {"=5", "", "5"},
  };
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_exchange exchange = {0};
  mlaas_arena_init(&exchange.arena, budget);
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    exchange.request.query = mlaas_slice_of(cases[i].query);
    struct mlaas_slice value = mlaas_request_parameter(&exchange, cases[i].name);
    assert_slice(value, cases[i].value);
    if (value.data)
      assert_int_equal(value.data[value.size], 0);
  }
  exchange.request.query = MLAAS_SLICE("a=b");
  mlaas_arena_reset(&exchange.arena);
  mlaas_memory_fail(1, false);
  assert_slice(mlaas_request_parameter(&exchange, "a"), NULL);
  mlaas_memory_fail(0, false);
  mlaas_arena_reset(&exchange.arena);
  mlaas_budget_put(budget);
}

static void every_status_has_words(void **state) {
  (void)state;
  for (int status = -1; status < 700; status++)
    assert_true(strlen(mlaas_http_reason(status)) >= 2);
  assert_string_equal(mlaas_http_reason(404), "Not Found");
  for (int status = 0; status < MLAAS_STATUS_COUNT; status++) /* all that errors become have words of their own */
    assert_true(status == MLAAS_ARGUMENT || mlaas_status_http((enum mlaas_status)status) == 400 ||
                strcmp(mlaas_http_reason(mlaas_status_http((enum mlaas_status)status)), "Bad Request") != 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_first_header_of_a_name_is_found),
      cmocka_unit_test(parameters_are_decoded),
      cmocka_unit_test(every_status_has_words),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
