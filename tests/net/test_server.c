/* The server over real sockets: framing, order, limits of what is sent, and what handlers see. */
#include "harness.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define HOST "Host: a\r\n"

static int start(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.header_limit = 20000, .body_limit = 1 << 20});
  return 0;
}

static int stop(void **state) {
  (void)state;
  stop_serving();
  return 0;
}

static char the_body[4 << 20], the_reply_head[8192];

static void assert_next(int client, int status, const char *body) {
  int got = hear(client, the_body, sizeof the_body);
  if (got != status || (body && strcmp(the_body, body) != 0))
    fail_msg("%d %.200s instead of %d %s", got, got > 0 ? the_body : "", status, body ? body : "");
}

/* ---- framing ---- */

static void a_connection_is_kept(void **state) {
  (void)state;
  int client = dial();
  for (int i = 0; i < 100; i++) {
    char text[200], body[20];
    snprintf(body, sizeof body, "number %d", i);
    snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    say(client, text);
    assert_next(client, 200, body);
  }
  say(client, "POST /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: 4\r\n\r\nlast");
  assert_next(client, 200, "last");
  assert_true(is_closed(client, CLOSED_MS));
  close(client);
}

static void requests_may_come_ahead(void **state) {
  (void)state;
  int client = dial();
  char *all = calloc(1, 400000);
  size_t size = 0;
  for (int i = 0; i < 500; i++)
    size += (size_t)sprintf(all + size,
                            i % 3 == 0   ? "GET /later?ms=%d HTTP/1.1\r\n" HOST "\r\n"
                            : i % 3 == 1 ? "POST /echo?%d HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nab\ncd"
                                         : "POST /work?%d HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
                                           "3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n",
                            i % 2);
  say_bytes(client, all, size);
  for (int i = 0; i < 500; i++) {
    char expected[64];
    snprintf(expected, sizeof expected, "/later?ms=%d", i % 2);
    assert_next(client, 200, i % 3 == 0 ? expected : i % 3 == 1 ? "ab\ncd" : "4 bytes");
  }
  free(all);
  close(client);
}

/* Everything in steps of some bytes: each part of the machine sees the end of what came. */
static void bytes_come_as_they_like(void **state) {
  (void)state;
  const char *text =
      "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n4;x=y\r\nabcd\r\n2\r\nef\r\n0\r\nT: t"
      "\r\n\r\nPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 6\r\n\r\nuvwxyzGET /request HTTP/1.1\r\n" HOST "\r\n";
  for (size_t step = 1; step < 60; step += step < 8 ? 1 : 13) {
    int client = dial();
    for (size_t i = 0; i < strlen(text); i += step) {
      say_bytes(client, text + i, strlen(text) - i < step ? strlen(text) - i : step);
      usleep(200);
    }
    assert_next(client, 200, "abcdef");
    assert_next(client, 200, "uvwxyz");
    assert_next(client, 200, NULL);
    close(client);
  }
}

static char *make_body(size_t size) {
  char *body = malloc(size + 1);
  for (size_t i = 0; i < size; i++)
    body[i] = (char)('a' + (i * 7 + i / 251) % 26);
  body[size] = 0;
  return body;
}

static void bodies_of_all_sizes_come_back(void **state) {
  (void)state;
  const size_t sizes[] = {0, 1, 1000, 16000, 16250, 16383, 16384, 16385, 40000, 65536, 1000000, 1 << 20};
  int client = dial();
  for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
    for (size_t chunk = 0; chunk < 3; chunk++) {
      char text[128], *body = make_body(sizes[i]);
      size_t most = chunk == 1 ? 5000 : 100000;
      if (chunk == 0) {
        snprintf(text, sizeof text, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", sizes[i]);
        say(client, text);
        say_bytes(client, body, sizes[i]);
      } else {
        say(client, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < sizes[i]; at += most) {
          size_t size = sizes[i] - at < most ? sizes[i] - at : most;
          snprintf(text, sizeof text, "%zX\r\n", size);
          say(client, text);
          say_bytes(client, body + at, size);
          say(client, "\r\n");
        }
        say(client, "0\r\n\r\n");
      }
      assert_next(client, 200, body);
      free(body);
    }
  close(client);
}

static void heads_may_be_long(void **state) {
  (void)state;
  char *text = calloc(1, 40000);
  int client = dial();
  for (size_t size = 15000; size <= 19800; size += 96) { /* around the buffer's end: it has to grow */
    size_t used = (size_t)sprintf(text, "POST /headers HTTP/1.1\r\n" HOST "X-Test: yes\r\nX-Pad: ");
    memset(text + used, 'p', size - used);
    sprintf(text + size, "\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    say(client, text);
    int status = hear_within(client, the_reply_head, sizeof the_reply_head, the_body, sizeof the_body, PATIENCE_MS);
    assert_int_equal(status, 200);
    assert_string_equal(the_body, "yes");
    assert_non_null(strstr(the_reply_head, "\r\nX-Test: yes\r\n"));
    assert_non_null(strstr(the_reply_head, "yyyyyyyy\r\n"));
  }
  close(client);
  free(text);
}

static void continue_is_sent_when_it_is_wanted(void **state) {
  (void)state;
  int client = dial();
  say(client, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  assert_next(client, 100, NULL);
  say(client, "abc");
  assert_next(client, 200, "abc");
  say(client, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc");
  assert_next(client, 200, "abc"); /* it did not wait */
  say(client, "POST /early HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n");
  assert_next(client, 404, NULL); /* the body will not come, or may: nobody knows */
  assert_true(is_closed(client, CLOSED_MS));
  close(client);
  assert_int_equal(ask("POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n",
                       the_body, sizeof the_body),
                   413);
}

/* ---- replies ---- */

static void replies_have_the_headers_they_need(void **state) {
  (void)state;
  int client = dial();
  say(client,
      "HEAD /big?n=5000 HTTP/1.1\r\n" HOST "X-Request-Id: a-b_c.1\r\n\r\nGET /none HTTP/1.1\r\n" HOST
      "X-Request-Id: a b\r\n\r\nGET /big?n=0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /big?n=1 HTTP/1.0\r\n\r\n");
  char head[4][1024];
  size_t size = 0;
  for (int i = 0; i < 2; i++) /* without bodies */
    for (size = 0; size < 4 || memcmp(head[i] + size - 4, "\r\n\r\n", 4) != 0; head[i][size] = 0)
      assert_int_equal(recv(client, head[i] + size++, 1, 0), 1);
  for (int i = 2; i < 4; i++)
    assert_int_equal(hear_within(client, head[i], sizeof head[i], the_body, sizeof the_body, PATIENCE_MS), 200);
  assert_non_null(strstr(head[0], "HTTP/1.1 200 OK\r\n"));
  assert_non_null(strstr(head[0], "\r\nContent-Length: 5000\r\n"));
  assert_non_null(strstr(head[0], "\r\nContent-Type: text/plain\r\n"));
  assert_non_null(strstr(head[0], "\r\nX-Request-Id: a-b_c.1\r\n"));
  assert_non_null(strstr(head[0], "\r\nDate: "));
  assert_non_null(strstr(head[0], " GMT\r\n"));
  assert_null(strstr(head[0], "Connection:"));
  assert_non_null(strstr(head[1], "HTTP/1.1 204 No Content\r\n"));
  assert_null(strstr(head[1], "Content-Length"));
  assert_null(strstr(head[1], "a b"));
  assert_non_null(strstr(head[2], "\r\nConnection: keep-alive\r\n"));
  assert_non_null(strstr(head[2], "\r\nContent-Length: 0\r\n"));
  assert_non_null(strstr(head[3], "\r\nConnection: close\r\n"));
  assert_string_equal(the_body, "x");
  assert_true(is_closed(client, CLOSED_MS));
  close(client);
}

static void files_are_sent_in_pieces(void **state) {
  (void)state;
  int client = dial();
  say(client, "GET /file?n=299900 HTTP/1.1\r\n" HOST "\r\nHEAD /file?n=10 HTTP/1.1\r\n" HOST "\r\n");
  assert_next(client, 200, NULL);
  assert_int_equal(strlen(the_body), 299900);
  for (int i = 1; i < 3000; i++)
    assert_int_equal(strtol(the_body + (i - 1) * 100, NULL, 10), i);
  close(client);
  client = dial();
  say(client, "GET /file?n=0 HTTP/1.1\r\n" HOST "\r\nGET /file?n=400000 HTTP/1.1\r\n" HOST "\r\n"); /* too few */
  assert_next(client, 200, "");
  assert_next(client, -1, NULL);
  close(client);
}

static void handlers_see_the_request(void **state) {
  (void)state;
  assert_int_equal(ask("OPTIONS http://other:1/%72equest?a%20b HTTP/1.1\r\n" HOST "X-Request-Id: "
                       "0123456789012345678901234567890123456789012345678901234567890123\r\n\r\n",
                       the_body, sizeof the_body),
                   200);
  assert_string_equal(the_body, "OPTIONS /request a%20b other:1 11 127.0.0.1 - 0 "
                                "0123456789012345678901234567890123456789012345678901234567890123");
  char first[256];
  assert_int_equal(ask("GET /request HTTP/1.1\r\n" HOST "\r\n", first, sizeof first), 200);
  assert_int_equal(ask("GET /request HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  assert_string_not_equal(first, the_body); /* ids differ */
}

static void errors_are_json(void **state) {
  (void)state;
  assert_int_equal(ask("GET /error HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 404);
  assert_string_equal(the_body, "{\"error\": \"no model is called \\u0022a\\u000ab\\ufffd\xc3\xa9\\u0022\"}\n");
  assert_int_equal(ask("GET /bad-header HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 500);
  assert_null(strstr(the_body, "X-Other"));
  assert_int_equal(ask("GET /echo HTTP/1.1\r\n\r\n", the_body, sizeof the_body), 400);
  assert_memory_equal(the_body, "{\"error\": \"", 11);
}

/* ---- what is refused ---- */

static void refusals_close_the_connection(void **state) {
  (void)state;
  char *long_line = malloc(30000), *long_header = malloc(30000);
  memset(long_line, 'a', 29999);
  memset(long_header, 'a', 29999);
  long_line[29999] = long_header[29999] = 0;
  memcpy(long_line, "GET /", 5);
  memcpy(long_header, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
  const struct {
    const char *text;
    int status;
  } cases[] = {
      {"\x16\x03\x01\x02", 400},
      {"GET / HTTP/1.1\nHost: a\n\n", 400},
      {"GET /%zz HTTP/1.1\r\n" HOST "\r\n", 400},
      {"GET /%00 HTTP/1.1\r\n" HOST "\r\n", 400},
      {"POST / HTTP/1.1\r\n" HOST "Content-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: zip\r\n\r\n", 501},
      {"POST / HTTP/1.1\r\n" HOST "Expect: x\r\nContent-Length: 1\r\n\r\n", 417},
      {"POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST /small HTTP/1.1\r\n" HOST "Content-Length: 11\r\n\r\n", 413},
      {"POST /small HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n9\r\n123456789\r\n2\r\nab\r\n", 413},
      {"GET / HTTP/3.0\r\n" HOST "\r\n", 505},
      {long_line, 414},
      {long_header, 431},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int before = atomic_load(&the_seen.finished), client = dial();
    say(client, cases[i].text);
    int status = hear(client, the_body, sizeof the_body);
    if (status != cases[i].status)
      fail_msg("case %zu: %d instead of %d", i, status, cases[i].status);
    say(client, "GET /echo HTTP/1.1\r\n" HOST "\r\n"); /* is not answered */
    assert_true(is_closed(client, CLOSED_MS));
    wait_until(&the_seen.finished, before + 1);
    assert_int_equal(atomic_load(&the_seen.last_status), cases[i].status);
    close(client);
  }
  free(long_line);
  free(long_header);
}

static void a_long_body_is_refused_so_that_its_sender_hears_it(void **state) {
  (void)state;
  char *body = make_body(8 << 20);
  int status = -1;
  for (int i = 0; i < 10 && status == -1; i++) { /* who stops sending for seconds in the middle may not hear it */
    int client = dial();
    say(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 8388608\r\n\r\n");
    say_bytes(client, body, 8 << 20); /* all of it, before listening */
    status = hear(client, the_body, sizeof the_body);
    close(client);
  }
  assert_int_equal(status, 413);
  free(body);
}

static void a_request_refused_by_its_head_keeps_the_connection(void **state) {
  (void)state;
  int client = dial();
  char *body = make_body(100000);
  say(client, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
  assert_next(client, 404, NULL);
  say_bytes(client, body, 100000);
  say(client, "POST /early HTTP/1.1\r\n" HOST
              "Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\nGET /early HTTP/1.1\r\n" HOST
              "\r\nPOST /echo HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nok");
  assert_next(client, 404, NULL);
  assert_next(client, 404, NULL);
  assert_next(client, 200, "ok");
  say(client, "POST /early HTTP/1.1\r\n" HOST "Content-Length: 100000000\r\n\r\nabc");
  assert_next(client, 404, NULL); /* too much to skip */
  assert_true(is_closed(client, CLOSED_MS));
  close(client);
  free(body);
}

/* ---- clients that leave ---- */

static void a_body_that_ends_early_is_refused(void **state) {
  (void)state;
  const char *cases[] = {"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\nabc",
                         "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100\r\n\r\nabc",
                         "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", "GET / HT"};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    int client = dial();
    say(client, cases[i]);
    shutdown(client, SHUT_WR);
    assert_next(client, 400, NULL);
    close(client);
  }
}

static void a_client_may_end_its_side_first(void **state) {
  (void)state;
  int client = dial();
  say(client, "POST /work HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nabPOST /echo HTTP/1.1\r\n" HOST
              "Content-Length: 2\r\n\r\ncd");
  shutdown(client, SHUT_WR);
  assert_next(client, 200, "2 bytes");
  assert_next(client, 200, "cd");
  assert_true(is_closed(client, CLOSED_MS));
  close(client);
}

static void handlers_hear_that_a_client_has_gone(void **state) {
  (void)state;
  for (int hard = 0; hard < 2; hard++) {
    int gone = atomic_load(&the_seen.gone), finished = atomic_load(&the_seen.finished), client = dial();
    say(client, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
    wait_until(&the_seen.handled, finished + 1);
    struct linger linger = {.l_onoff = hard, .l_linger = 0};
    setsockopt(client, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(client);
    wait_until(&the_seen.gone, gone + 1);
    wait_until(&the_seen.finished, finished + 1);
    assert_int_equal(atomic_load(&the_seen.last_status), 499);
  }
  int client = dial(); /* and one who replies although nobody waits */
  int gone = atomic_load(&the_seen.gone), finished = atomic_load(&the_seen.finished);
  say(client, "GET /held HTTP/1.1\r\n" HOST "\r\n");
  wait_until(&the_seen.handled, finished + 1);
  close(client);
  wait_until(&the_seen.gone, gone + 1);
  atomic_store(&the_seen.let_go, true);
  wait_until(&the_seen.finished, finished + 1);
}

/* ---- other doors ---- */

static void unix_sockets_and_handed_over_ones_serve(void **state) {
  (void)state;
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  snprintf(address.sun_path, sizeof address.sun_path, "/tmp/mlaas-net-%d.sock", (int)getpid());
  for (int round = 0; round < 2; round++) {
    serve(&(struct mlaas_server_options){.unix_path = address.sun_path, .loops = 2});
    assert_int_equal(the_port, 0);
    struct mlaas_server *second = NULL;
    struct mlaas_server_options options = {.unix_path = address.sun_path, .loops = 1};
    assert_int_not_equal(mlaas_server_open(&options, &second, NULL), MLAAS_OK); /* no handler */
    int client = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
    say(client, "GET /request HTTP/1.1\r\n" HOST "\r\n");
    assert_next(client, 200, NULL);
    assert_non_null(strstr(the_body, " unix - 0 "));
    close(client);
    stop_serving();
    assert_int_not_equal(access(address.sun_path, F_OK), 0);
    int stale = socket(AF_UNIX, SOCK_STREAM, 0); /* left by a server that died */
    assert_int_equal(bind(stale, (struct sockaddr *)&address, sizeof address), 0);
    close(stale);
  }
  unlink(address.sun_path);
}

static void begin_nothing(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  (void)exchange;
}

static void a_port_in_use_is_refused(void **state) {
  (void)state;
  struct mlaas_server *second = NULL;
  struct mlaas_error error;
  struct mlaas_server_options options = {
      .port = the_port, .loops = 2, .handler = {.begin = begin_nothing, .handle = begin_nothing}};
  assert_int_equal(mlaas_server_open(&options, &second, &error), MLAAS_IO);
  assert_non_null(strstr(error.message, "is in use"));
  options.port = 70000;
  assert_int_equal(mlaas_server_open(&options, &second, &error), MLAAS_ARGUMENT);
  options.port = 0;
  options.host = "no such host";
  assert_int_equal(mlaas_server_open(&options, &second, &error), MLAAS_ARGUMENT);
  options.host = "192.0.2.1"; /* nobody's */
  assert_int_equal(mlaas_server_open(&options, &second, &error), MLAAS_IO);
  options.host = "::1";
  enum mlaas_status status = mlaas_server_open(&options, &second, &error);
  if (status == MLAAS_OK) /* where there is IPv6 */
    mlaas_server_close(second);
  assert_null(status == MLAAS_OK ? NULL : second);
}

static void sockets_may_be_handed_over(void **state) {
  (void)state;
  struct mlaas_server *opened = NULL;
  struct mlaas_server_options options = {.loops = 1, .handler = {.begin = begin_nothing, .handle = begin_nothing}};
  assert_int_equal(mlaas_server_open(&options, &opened, NULL), MLAAS_OK); /* only for its socket */
  int inherited = -1, port = mlaas_server_port(opened);
  for (int fd = 3; fd < 200 && inherited < 0; fd++) {
    int listening = 0;
    socklen_t size = sizeof listening;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &size) == 0 && listening)
      inherited = dup(fd);
  }
  mlaas_server_close(opened);
  assert_true(inherited >= 0);
  serve(&(struct mlaas_server_options){.inherited = &inherited, .num_inherited = 1, .loops = 2});
  assert_int_equal(the_port, port);
  for (int i = 0; i < 10; i++)
    assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  stop_serving();
  close(inherited);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(a_connection_is_kept, start, stop),
      cmocka_unit_test_setup_teardown(requests_may_come_ahead, start, stop),
      cmocka_unit_test_setup_teardown(bytes_come_as_they_like, start, stop),
      cmocka_unit_test_setup_teardown(bodies_of_all_sizes_come_back, start, stop),
      cmocka_unit_test_setup_teardown(heads_may_be_long, start, stop),
      cmocka_unit_test_setup_teardown(continue_is_sent_when_it_is_wanted, start, stop),
      cmocka_unit_test_setup_teardown(replies_have_the_headers_they_need, start, stop),
      cmocka_unit_test_setup_teardown(files_are_sent_in_pieces, start, stop),
      cmocka_unit_test_setup_teardown(handlers_see_the_request, start, stop),
      cmocka_unit_test_setup_teardown(errors_are_json, start, stop),
      cmocka_unit_test_setup_teardown(refusals_close_the_connection, start, stop),
      cmocka_unit_test_setup_teardown(a_long_body_is_refused_so_that_its_sender_hears_it, start, stop),
      cmocka_unit_test_setup_teardown(a_request_refused_by_its_head_keeps_the_connection, start, stop),
      cmocka_unit_test_setup_teardown(a_body_that_ends_early_is_refused, start, stop),
      cmocka_unit_test_setup_teardown(a_client_may_end_its_side_first, start, stop),
      cmocka_unit_test_setup_teardown(handlers_hear_that_a_client_has_gone, start, stop),
      cmocka_unit_test(unix_sockets_and_handed_over_ones_serve),
      cmocka_unit_test_setup_teardown(a_port_in_use_is_refused, start, stop),
      cmocka_unit_test(sockets_may_be_handed_over),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
