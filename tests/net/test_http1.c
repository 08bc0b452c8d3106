/* The grammar of HTTP/1.1: what is taken, what is refused and how, whole and in every split. */
#include "net/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HOST "Host: a\r\n"

/* Parses with the bytes coming in pieces of `step`; a copy without room behind finds reads beyond the end. */
static enum mlaas_http_result feed(struct mlaas_http_head *head, const char *text, size_t size, size_t step) {
  struct mlaas_http_scan scan = {0};
  enum mlaas_http_result result = MLAAS_HTTP_MORE;
  memset(head, 0x5a, sizeof *head);
  for (size_t came = step; result == MLAAS_HTTP_MORE; came += step) {
    size_t now = came < size ? came : size;
    char *copy = malloc(now ? now : 1);
    memcpy(copy, text, now);
    result = mlaas_http_head_parse(head, &scan, copy, now);
    free(copy);
    if (now == size)
      break;
  }
  return result;
}

static struct mlaas_http_head the_head;

/* The head of `text` at its last place, so that its slices can be looked at. */
static enum mlaas_http_result parse(const char *text) {
  struct mlaas_http_scan scan = {0};
  memset(&the_head, 0x5a, sizeof the_head);
  return mlaas_http_head_parse(&the_head, &scan, text, strlen(text));
}

static void assert_slice(struct mlaas_slice slice, const char *text) {
  assert_int_equal(slice.size, strlen(text));
  assert_memory_equal(slice.size ? slice.data : "", text, slice.size);
}

/* ---- refusals ---- */

static const struct refusal {
  const char *text;
  int status;
} refusals[] = {
    {"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00\r\n\r\n", 400}, /* TLS on a plain port; a NUL is inside */
    {"\x16", 400},
    {"\n", 400},
    {" GET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"\rGET / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\r\n" HOST "\r\n", 400},
    {"GET /models HTTP/1.1\n" HOST "\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
    {"GET  / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /  HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1 \r\n" HOST "\r\n", 400},
    {"GET /a b HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x01 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /\x7f HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET /#top HTTP/1.1\r\n" HOST "\r\n", 400},
    {"G@T / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG / HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET a HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET * HTTP/1.1\r\n" HOST "\r\n", 400},
    {"CONNECT a:80 HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http:///x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET http://u@a/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET ftp://a/x HTTP/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/11\r\n" HOST "\r\n", 400},
    {"GET / http/1.1\r\n" HOST "\r\n", 400},
    {"GET / HTTP/2.0\r\n" HOST "\r\n", 505},
    {"GET / HTTP/0.9\r\n" HOST "\r\n", 505},
    {"PRI * HTTP/2.0\r\n\r\n", 505},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
    {"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\n b\r\n\r\n", 400}, /* folded */
    {"GET / HTTP/1.1\r\n X: a\r\n" HOST "\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X : a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST ": a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X(: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X\xc3\xa9: a\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\rb\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: a\r\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: \x02\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n" HOST "X: \x7f\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5 5\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 9999999999999999999\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: zip\r\nContent-Length: 443\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n\r\n", 501},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\x0b"
     "chunked\r\n\r\n",
     400},
    {"POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n", 400},
    {"POST / HTTP/1.1\r\n" HOST "Expect: magic\r\nContent-Length: 4\r\n\r\n", 417},
};

static void what_is_doubtful_is_refused(void **state) {
  (void)state;
  for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
    const char *text = refusals[i].text;
    size_t size = i == 0 ? 14 : strlen(text);
    for (size_t step = 1; step <= size; step++) {
      enum mlaas_http_result result = feed(&the_head, text, size, step);
      if (result != MLAAS_HTTP_BAD || the_head.status != refusals[i].status)
        fail_msg("case %zu in steps of %zu: result %d, status %d, expected %d", i, step, (int)result, the_head.status,
                 refusals[i].status);
      assert_true(strlen(the_head.why) > 5);
    }
  }
}

static void what_is_incomplete_waits(void **state) {
  (void)state;
  const char *text = "\r\nPOST /a?b HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nContent-Length: 3\r\n\r\nabc";
  size_t size = strlen(text);
  for (size_t end = 0; end < size - 3; end++)
    for (size_t step = 1; step <= 7; step++)
      assert_int_equal(feed(&the_head, text, end, step), MLAAS_HTTP_MORE);
  for (size_t end = size - 3; end <= size; end++)
    for (size_t step = 1; step <= end; step++) {
      assert_int_equal(feed(&the_head, text, end, step), MLAAS_HTTP_DONE);
      assert_int_equal(the_head.size, size - 3);
    }
}

/* ---- what is taken ---- */

static void a_head_is_taken_apart(void **state) {
  (void)state;
  const char *text =
      "POST /predict/json?model=m&x HTTP/1.1\r\nhOsT:  server.test:8083 \r\nX-Empty:\r\n"
      "content-length:\t12\t\r\nX-Request-ID: abc-1\r\nExpect: 100-Continue\r\nX-Name: caf\xc3\xa9 \r\n\r\nrest";
  assert_int_equal(parse(text), MLAAS_HTTP_DONE);
  assert_slice(the_head.method, "POST");
  assert_slice(the_head.target, "/predict/json?model=m&x");
  assert_slice(the_head.path, "/predict/json");
  assert_slice(the_head.query, "model=m&x");
  assert_slice(the_head.host, "server.test:8083");
  assert_slice(the_head.request_id, "abc-1");
  assert_int_equal(the_head.version, 11);
  assert_int_equal(the_head.length, 12);
  assert_true(the_head.keep_alive);
  assert_true(the_head.expects_continue);
  assert_int_equal(the_head.size, strlen(text) - 4);
  assert_int_equal(the_head.num_headers, 6);
  assert_slice(the_head.headers[1].name, "X-Empty");
  assert_slice(the_head.headers[1].value, "");
  assert_slice(the_head.headers[5].value, "caf\xc3\xa9");
}

static void targets_have_several_forms(void **state) {
  (void)state;
  assert_int_equal(parse("GET http://other:80/a/b?c HTTP/1.1\r\n" HOST "\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.host, "other:80");
  assert_slice(the_head.path, "/a/b");
  assert_slice(the_head.query, "c");
  assert_int_equal(parse("GET https://other HTTP/1.1\r\n" HOST "\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.path, "/");
  assert_int_equal(parse("GET http://[::1]?q HTTP/1.1\r\n" HOST "\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.host, "[::1]");
  assert_slice(the_head.path, "/");
  assert_slice(the_head.query, "q");
  assert_int_equal(parse("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.path, "*");
  assert_int_equal(parse("get //x/../%2e?? HTTP/1.1\r\n" HOST "\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.method, "get");
  assert_slice(the_head.path, "//x/../%2e");
  assert_slice(the_head.query, "?");
  assert_int_equal(parse("GET /caf\xc3\xa9 HTTP/1.1\r\nHost:\r\n\r\n"), MLAAS_HTTP_DONE);
  assert_slice(the_head.host, "");
}

static void connections_are_kept_or_not(void **state) {
  (void)state;
  const struct {
    const char *text;
    bool kept;
  } cases[] = {
      {"GET / HTTP/1.1\r\n" HOST "\r\n", true},
      {"GET / HTTP/1.9\r\n" HOST "\r\n", true},
      {"GET / HTTP/1.0\r\n\r\n", false},
      {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true},
      {"GET / HTTP/1.1\r\n" HOST "Connection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: upgrade, Close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: ,,x;y=\"z\" ,close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: keep-alive\r\nConnection: close\r\n\r\n", false},
      {"GET / HTTP/1.1\r\n" HOST "Connection: closed\r\n\r\n", true},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(parse(cases[i].text), MLAAS_HTTP_DONE);
    assert_int_equal(the_head.keep_alive, cases[i].kept);
    assert_int_equal(the_head.length, 0);
  }
}

static void chunks_are_announced(void **state) {
  (void)state;
  assert_int_equal(parse("POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: Chunked\r\nTE: trailers\r\n\r\n"),
                   MLAAS_HTTP_DONE);
  assert_int_equal(the_head.length, -1);
  assert_int_equal(the_head.num_headers, 2);
  assert_false(the_head.expects_continue);
  assert_int_equal(parse("GET / HTTP/1.1\r\n" HOST "Expect: 100-continue\r\n\r\n"), MLAAS_HTTP_DONE);
  assert_false(the_head.expects_continue); /* nothing comes */
  assert_int_equal(parse("POST / HTTP/1.0\r\nExpect: x\r\nContent-Length: 1\r\n\r\n"), MLAAS_HTTP_DONE);
}

static void headers_are_bounded(void **state) {
  (void)state;
  char text[8192] = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < MLAAS_HTTP_MOST_HEADERS; i++)
    strncat(text, "X: y\r\n", sizeof text - strlen(text) - 1);
  size_t end = strlen(text);
  strncat(text, "\r\n", sizeof text - end - 1);
  assert_int_equal(parse(text), MLAAS_HTTP_DONE);
  assert_int_equal(the_head.num_headers, MLAAS_HTTP_MOST_HEADERS);
  text[end] = 0;
  strncat(text, "X: y\r\n\r\n", sizeof text - end - 1);
  assert_int_equal(parse(text), MLAAS_HTTP_BAD);
  assert_int_equal(the_head.status, 431);
}

/* ---- percent codes ---- */

static void paths_are_decoded_once(void **state) {
  (void)state;
  const struct {
    const char *text, *path, *query; /* NULL: refused */
  } cases[] = {
      {"/a%20b", "/a b", "/a b"},
      {"/%2e%2E/%2f", "/..//", "/..//"},
      {"/%2525", "/%25", "/%25"},
      {"/a+b", "/a+b", "/a b"},
      {"/%c3%a9", "/\xc3\xa9", "/\xc3\xa9"},
      {"/%zz", NULL, NULL},
      {"/%4", NULL, NULL},
      {"/%", NULL, NULL},
      {"/%00", NULL, NULL},
      {"/%0a", NULL, "/\n"},
      {"/%7f", NULL, "/\x7f"},
      {"/%G0", NULL, NULL},
      {"", "", ""},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int query = 0; query < 2; query++) {
      char out[64];
      size_t size = 99;
      struct mlaas_slice text = mlaas_slice_of(cases[i].text);
      const char *expected = query ? cases[i].query : cases[i].path;
      bool taken = query ? mlaas_http_query_decode(text, out, &size) : mlaas_http_path_decode(text, out, &size);
      assert_int_equal(taken, expected != NULL);
      if (taken)
        assert_slice((struct mlaas_slice){out, size}, expected);
    }
}

/* ---- chunks ---- */

/* Decodes with the bytes coming in two pieces, `split` the length of the first; the content follows in `out`. */
static enum mlaas_http_result decode(const char *text, size_t size, size_t split, size_t step, char *out,
                                     size_t *length, size_t *used_all, const char **why) {
  struct mlaas_http_chunks chunks = {0};
  enum mlaas_http_result result = MLAAS_HTTP_MORE;
  size_t at = 0, came = split;
  *length = 0;
  while (result == MLAAS_HTTP_MORE && at < size) {
    size_t used;
    struct mlaas_slice content;
    char *copy = malloc(came - at ? came - at : 1);
    memcpy(copy, text + at, came - at);
    result = mlaas_http_chunks_next(&chunks, copy, came - at, &used, &content);
    memcpy(out + *length, content.size ? content.data : "", content.size);
    *length += content.size;
    free(copy);
    at += used;
    if (at == came)
      came = came + step < size ? came + step : size;
  }
  *used_all = at;
  *why = chunks.why;
  return result;
}

static void chunks_are_joined_in_every_split(void **state) {
  (void)state;
  const struct {
    const char *text, *content;
    size_t behind; /* bytes that belong to the next request */
  } cases[] = {
      {"0\r\n\r\n", "", 0},
      {"5\r\nhello\r\n0\r\n\r\nGET", "hello", 3},
      {"00000a;name=\"v\";x\r\n0123456789\r\nB \r\n", NULL, 0}, /* a blank behind the size */
      {"A\r\n0123456789\r\n1\r\nx\r\n000\r\nTrailer: y\r\nOther:\r\n\r\n", "0123456789x", 0},
      {"3;a=b\r\n\r\n\r\r\n0;last\r\n\r\n", "\r\n\r", 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = strlen(cases[i].text), length, used;
    const char *why;
    char out[128];
    for (size_t split = 0; split <= size; split++)
      for (size_t step = 1; step <= size; step++) {
        enum mlaas_http_result result = decode(cases[i].text, size, split, step, out, &length, &used, &why);
        if (!cases[i].content) {
          assert_int_equal(result, MLAAS_HTTP_BAD);
          continue;
        }
        assert_int_equal(result, MLAAS_HTTP_DONE);
        assert_slice((struct mlaas_slice){out, length}, cases[i].content);
        assert_int_equal(used, size - cases[i].behind);
      }
  }
}

static void bad_chunks_are_refused(void **state) {
  (void)state;
  const char *cases[] = {
      "\r\n",
      "g\r\n",
      "-1\r\n",
      "0x1\r\n",
      " 1\r\n",
      "1 \r\n",
      "1\n",
      "1\rx",
      "1\r\nab",
      "1\r\na\n",
      "1\r\na\rx",
      "1000000000000000\r\n", /* sixteen digits */
      "1;\x01\r\n",
      "1;a\n",
      "0\r\nX\r\n\r\n",
      "0\r\n X: y\r\n\r\n",
      "0\r\n: y\r\n\r\n",
      "0\r\nX: \x01\r\n\r\n",
      "0\r\nX: y\n\r\n",
      "0\r\n\rx",
      "0\r\nX y: z\r\n\r\n",
      ";\r\n",
      "1\r\na\r\n;",
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    size_t size = strlen(cases[i]), length, used;
    char out[64];
    for (size_t step = 1; step <= size; step++) {
      const char *why = NULL;
      if (decode(cases[i], size, step, step, out, &length, &used, &why) != MLAAS_HTTP_BAD)
        fail_msg("case %zu in steps of %zu is taken", i, step);
      assert_non_null(why);
    }
  }
}

static void what_is_dropped_is_bounded(void **state) {
  (void)state;
  struct mlaas_http_chunks chunks = {0};
  struct mlaas_slice content;
  enum mlaas_http_result result = MLAAS_HTTP_MORE;
  size_t used, total = 0;
  while (result == MLAAS_HTTP_MORE && total < 1 << 20) {
    result = mlaas_http_chunks_next(&chunks, "1;abcdefghij\r\nx\r\n", 17, &used, &content);
    if (content.size) {
      size_t more;
      result = mlaas_http_chunks_next(&chunks, "\r\n", 2, &more, &content);
    }
    total += used;
  }
  assert_int_equal(result, MLAAS_HTTP_BAD);
  assert_true(total < 64 << 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(what_is_doubtful_is_refused),
      cmocka_unit_test(what_is_incomplete_waits),
      cmocka_unit_test(a_head_is_taken_apart),
      cmocka_unit_test(targets_have_several_forms),
      cmocka_unit_test(connections_are_kept_or_not),
      cmocka_unit_test(chunks_are_announced),
      cmocka_unit_test(headers_are_bounded),
      cmocka_unit_test(paths_are_decoded_once),
      cmocka_unit_test(chunks_are_joined_in_every_split),
      cmocka_unit_test(bad_chunks_are_refused),
      cmocka_unit_test(what_is_dropped_is_bounded),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
