/* What bounds the server: times, connections, files, memory; and how it stops. */
#include "harness.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HOST "Host: a\r\n"

static char the_body[4 << 20];

static int expect_status(int client) { return hear(client, the_body, sizeof the_body); }

static struct mlaas_server_stats stats(void) {
  struct mlaas_server_stats now;
  mlaas_server_stats(the_server, &now);
  return now;
}

/* ---- times ---- */

static void slow_clients_are_timed_out(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.head_timeout_ms = 150, .body_timeout_ms = 200});
  int head = dial(), body = dial(), chunks = dial(), drip = dial();
  int64_t began = now_ms();
  say(head, "GET / HTTP/1.1\r\nHo");
  say(body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 50000\r\n\r\nabc");
  say(chunks, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n5\r\nab");
  say(drip, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5000\r\n\r\n");
  assert_int_equal(expect_status(head), 408);
  assert_true(is_closed(head, CLOSED_MS));
  assert_true(now_ms() - began >= 150);
  assert_int_equal(expect_status(body), 408);
  assert_int_equal(expect_status(chunks), 408);
  assert_true(now_ms() - began >= 200);
  for (int i = 0; i < 3000 && atomic_load(&the_seen.finished) < 4; i++) { /* a byte now and then is too few */
    say(drip, "x");
    usleep(20000);
  }
  assert_int_equal(expect_status(drip), 408);
  assert_true(stats().timeouts >= 4);
  const int clients[] = {head, body, chunks, drip};
  for (size_t i = 0; i < sizeof clients / sizeof *clients; i++)
    close(clients[i]);
  stop_serving();
}

static void idle_clients_are_closed(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.idle_timeout_ms = 400});
  int64_t began = now_ms();
  int idle = dial(), long_idle = -1, status = -1;
  for (int i = 0; i < 20 && status != 200; i++) { /* unless this thread itself was idle for so long */
    if (long_idle >= 0)
      close(long_idle);
    long_idle = dial();
    say(long_idle, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    status = expect_status(long_idle);
  }
  assert_int_equal(status, 200);
  assert_true(is_closed(idle, CLOSED_MS));
  assert_true(is_closed(long_idle, CLOSED_MS));
  assert_true(now_ms() - began >= 400);
  assert_true(stats().timeouts >= 2);
  close(idle);
  close(long_idle);
  stop_serving();
}

/* With little room for what it does not read. */
static int dial_narrow(void) {
  int client = dial(), small = 4096;
  setsockopt(client, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  return client;
}

/* Longer in all than the timeout, but never long without a byte. False: it was cut; *late: this thread itself was kept
 * from reading for so long that it might be. */
static bool read_slowly(bool *late) {
  int slow = dial();
  char *buffer = malloc(100000);
  say(slow, "GET /big?n=9000000 HTTP/1.1\r\n" HOST "\r\n");
  int64_t total = 0, began = now_ms(), before = began, longest = 0;
  while (total < 9000000) {
    ssize_t count = recv(slow, buffer, 100000, 0);
    int64_t now = now_ms();
    longest = now - before > longest ? now - before : longest;
    before = now;
    if (count <= 0)
      break;
    total += count;
    if (now - began < 1600)
      usleep(20000);
  }
  free(buffer);
  close(slow);
  *late = longest >= 300;
  assert_true(total < 9000000 || now_ms() - began >= 1600);
  return total >= 9000000;
}

static void slow_readers_are_timed_out_but_not_patient_ones(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.write_timeout_ms = 800});
  int dead = dial_narrow(), file = dial_narrow(), attempts = 0;
  say(dead, "GET /big?n=16000000 HTTP/1.1\r\n" HOST "\r\n");
  say(file, "GET /file?n=299000 HTTP/1.1\r\n" HOST "\r\nGET /big?n=16000000 HTTP/1.1\r\n" HOST "\r\n");
  bool late = false;
  while (!read_slowly(&late))
    assert_true(late && ++attempts < 20);
  wait_until(&the_seen.finished, 4 + attempts);
  assert_true(stats().timeouts >= 2);
  close(dead);
  close(file);
  stop_serving();
}

/* ---- connections and files ---- */

static void many_idle_connections_cost_nobody_anything(void **state) {
  (void)state;
  enum { COUNT = 1000 };
  static int clients[COUNT];
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
  setrlimit(RLIMIT_NOFILE, &limit);
  serve(&(struct mlaas_server_options){.loops = 2, .head_timeout_ms = 600000});
  for (int i = 0; i < COUNT; i++) {
    clients[i] = dial();
    if (i % 3 == 0)
      say(clients[i], "GET /ec");
  }
  for (int i = 0; i < 50; i++)
    assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  assert_true(stats().open >= COUNT);
  for (int i = 0; i < COUNT; i += 3) {
    say(clients[i], "ho HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(expect_status(clients[i]), 200);
  }
  for (int i = 0; i < COUNT; i++)
    close(clients[i]);
  stop_serving();
}

static void beyond_the_ceiling_the_idle_leave_and_then_the_new(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.connections = 3});
  int first = dial(), second = dial(), third = dial();
  const int three[] = {first, second, third};
  for (int i = 0; i < 3; i++) {
    say(three[i], "GET /echo HTTP/1.1\r\n" HOST "\r\n");
    assert_int_equal(expect_status(three[i]), 200);
  }
  say(first, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
  wait_until(&the_seen.handled, 4);
  int fourth = dial(); /* the second is the oldest that is idle */
  say(fourth, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
  wait_until(&the_seen.handled, 5);
  assert_true(is_closed(second, CLOSED_MS));
  say(third, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
  wait_until(&the_seen.handled, 6);
  int fifth = dial(); /* and now none is idle */
  assert_int_equal(expect_status(fifth), 503);
  assert_true(is_closed(fifth, CLOSED_MS));
  assert_int_equal(stats().refused, 1);
  close(first);
  wait_until(&the_seen.finished, 4);
  assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  close(second);
  close(third);
  close(fourth);
  close(fifth);
  stop_serving();
}

static void without_files_it_goes_on(void **state) {
  (void)state;
  enum { COUNT = 64 };
  int clients[COUNT], spares[COUNT];
  struct rlimit before, tight;
  serve(&(struct mlaas_server_options){0});
  assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  for (int i = 0; i < COUNT; i++)
    spares[i] = socket(AF_INET, SOCK_STREAM, 0); /* descriptors that the clients will use */
  getrlimit(RLIMIT_NOFILE, &before);
  tight = before;
  tight.rlim_cur = (rlim_t)spares[COUNT - 1] + 1; /* this process has no more from here on */
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  int probe = dial();
  getpeername(probe, (struct sockaddr *)&address, &size);
  close(probe);
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
  clock_t cpu = clock();
  for (int i = 0; i < COUNT; i++)
    clients[i] = connect(spares[i], (struct sockaddr *)&address, size); /* the kernel takes them, the server cannot */
  usleep(300000);
  assert_true(clock() - cpu < CLOCKS_PER_SEC / 4); /* it does not spin */
  assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
  for (int i = 0; i < COUNT; i++) {
    assert_int_equal(clients[i], 0);
    close(spares[i]);
  }
  for (int i = 0; i < 10; i++)
    assert_int_equal(ask("GET /echo HTTP/1.1\r\n" HOST "\r\n", the_body, sizeof the_body), 200);
  stop_serving();
}

/* ---- memory ---- */

static void bodies_share_a_ceiling(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.memory = 3 << 20});
  int first = dial(), second = dial(), chunked = dial();
  char *zeros = calloc(1, 2 << 20);
  say(first, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2097152\r\n\r\n");
  say_bytes(first, zeros, 100000);
  wait_until(&the_seen.begun, 1);
  say(second, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2097152\r\n\r\n");
  assert_int_equal(expect_status(second), 503);
  say(chunked, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n200000\r\n");
  say_bytes(chunked, zeros, 2 << 20);
  assert_int_equal(expect_status(chunked), 503);
  say_bytes(first, zeros + 100000, (2 << 20) - 100000);
  assert_int_equal(expect_status(first), 200); /* the one that was first is not harmed */
  close(first);
  close(second);
  close(chunked);
  for (int i = 0; i < 5; i++) { /* and all of it came back */
    int client = dial();
    say(client, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 2097152\r\n\r\n");
    say_bytes(client, zeros, 2 << 20);
    assert_int_equal(expect_status(client), 200);
    close(client);
  }
  free(zeros);
  stop_serving();
}

/* Every allocation fails once, in turn: the request is refused or the connection lost, and the next one is served. */
static void allocations_may_fail(void **state) {
  (void)state;
  const char *cases[] = {
      "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello",
      "GET /headers?x=%20 HTTP/1.1\r\n" HOST "X-Test: y\r\n\r\n",
      "GET /%65cho HTTP/1.1\r\n" HOST "\r\n",
      "GET /file?n=200000 HTTP/1.1\r\n" HOST "\r\n",
      "GET /work HTTP/1.1\r\n" HOST "\r\n",
      "GET /error HTTP/1.1\r\n" HOST "\r\n",
  };
  serve(&(struct mlaas_server_options){.loops = 1});
  char *long_body = calloc(1, 100100), *chunked = calloc(1, 100100);
  size_t head = (size_t)sprintf(long_body, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 99000\r\n\r\n");
  memset(long_body + head, 'x', 99000);
  head = (size_t)sprintf(chunked, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n182b8\r\n");
  memset(chunked + head, 'x', 99000);
  memcpy(chunked + head + 99000, "\r\n0\r\n\r\n", 8);
  size_t count = sizeof cases / sizeof *cases, failures = 0;
  char head_text[8192];
  for (size_t i = 0; i < count + 2; i++)
    for (long nth = 1; nth <= 12; nth++) {
      mlaas_memory_fail(nth, false);
      int client = dial();
      say(client, i < count ? cases[i] : i == count ? long_body : chunked);
      int status = hear_within(client, head_text, sizeof head_text, the_body, sizeof the_body, PATIENCE_MS);
      assert_true(status == -1 || status == 200 || status == 404 || status == 500 || status == 503);
      failures += status == -1 || status == 503;
      close(client);
      mlaas_memory_fail(0, false);
      assert_int_equal(ask(cases[0], the_body, sizeof the_body), 200);
      assert_string_equal(the_body, "hello");
    }
  assert_true(failures >= 4);
  free(long_body);
  free(chunked);
  stop_serving();
}

static void begin_nothing(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  (void)exchange;
}

static void a_server_that_cannot_be_made_says_so(void **state) {
  (void)state;
  for (long nth = 1; nth < 12; nth++) {
    struct mlaas_server *server = NULL;
    struct mlaas_error error;
    struct mlaas_server_options options = {.loops = 2};
    assert_int_equal(mlaas_server_open(&options, &server, &error), MLAAS_ARGUMENT); /* no handler */
    options.handler.begin = options.handler.handle = begin_nothing;
    mlaas_memory_fail(nth, false);
    enum mlaas_status status = mlaas_server_open(&options, &server, &error);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    if (status == MLAAS_OK)
      mlaas_server_close(server);
  }
}

static atomic_int the_setups, the_teardowns;

static enum mlaas_status set_up_twice(void *context, struct mlaas_loop *loop, struct mlaas_error *error) {
  (void)context;
  if (mlaas_loop_index(loop) == 2) {
    error->status = MLAAS_STATE;
    return MLAAS_STATE;
  }
  atomic_fetch_add(&the_setups, 1);
  return MLAAS_OK;
}

static void tear_down(void *context, struct mlaas_loop *loop) {
  (void)context;
  (void)loop;
  atomic_fetch_add(&the_teardowns, 1);
}

static void what_was_set_up_is_torn_down_when_the_run_fails(void **state) {
  (void)state;
  struct mlaas_server *server = NULL;
  struct mlaas_error error;
  struct mlaas_server_options options = {.loops = 4,
                                         .setup = set_up_twice,
                                         .teardown = tear_down,
                                         .handler = {.begin = begin_nothing, .handle = begin_nothing}};
  assert_int_equal(mlaas_server_open(&options, &server, &error), MLAAS_OK);
  assert_int_equal(mlaas_server_run(server, &error), MLAAS_STATE);
  assert_int_equal(atomic_load(&the_setups), 2);
  assert_int_equal(atomic_load(&the_teardowns), 2);
  mlaas_server_close(server);
}

/* ---- the end ---- */

static void stopping_finishes_what_runs(void **state) {
  (void)state;
  serve(&(struct mlaas_server_options){.loops = 2, .drain_ms = 600000});
  int running = dial(), idle = dial(), kept = dial(), half = dial();
  char head[4096];
  say(idle, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
  assert_int_equal(expect_status(idle), 200);
  say(half, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 4\r\n\r\nab");
  say(running, "GET /held HTTP/1.1\r\n" HOST "\r\n");
  wait_until(&the_seen.handled, 2);
  wait_until(&the_seen.begun, 3);
  mlaas_server_stop(the_server);
  assert_true(is_closed(idle, CLOSED_MS));
  assert_true(is_closed(kept, CLOSED_MS));
  say(half, "cd");
  assert_int_equal(hear_within(half, head, sizeof head, the_body, sizeof the_body, PATIENCE_MS), 200);
  assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
  assert_int_equal(hear_within(running, head, sizeof head, the_body, sizeof the_body, 100), -2); /* not cut */
  atomic_store(&the_seen.let_go, true);
  assert_int_equal(hear_within(running, head, sizeof head, the_body, sizeof the_body, PATIENCE_MS), 200);
  assert_non_null(strstr(head, "\r\nConnection: close\r\n"));
  close(running);
  close(idle);
  close(kept);
  close(half);
  stop_serving(); /* a second stop, and the third in no time */
}

static void a_second_stop_hurries_and_so_does_time(void **state) {
  (void)state;
  for (int by_time = 0; by_time < 2; by_time++) {
    serve(&(struct mlaas_server_options){.drain_ms = by_time ? 100 : 60000});
    int client = dial();
    say(client, "GET /hang HTTP/1.1\r\n" HOST "\r\n");
    wait_until(&the_seen.handled, 1);
    int64_t began = now_ms();
    mlaas_server_stop(the_server);
    usleep(20000);
    if (by_time) {
      wait_until(&the_seen.gone, 1);
      assert_true(now_ms() - began >= 90);
    }
    stop_serving();
    assert_int_equal(atomic_load(&the_seen.gone), 1);
    assert_true(now_ms() - began < 30000);
    close(client);
  }
}

static void a_stop_may_come_before_the_run(void **state) {
  (void)state;
  for (int i = 0; i < 20; i++) {
    serve(&(struct mlaas_server_options){.loops = 2});
    stop_serving();
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(slow_clients_are_timed_out),
      cmocka_unit_test(idle_clients_are_closed),
      cmocka_unit_test(slow_readers_are_timed_out_but_not_patient_ones),
      cmocka_unit_test(many_idle_connections_cost_nobody_anything),
      cmocka_unit_test(beyond_the_ceiling_the_idle_leave_and_then_the_new),
      cmocka_unit_test(without_files_it_goes_on),
      cmocka_unit_test(bodies_share_a_ceiling),
      cmocka_unit_test(allocations_may_fail),
      cmocka_unit_test(a_server_that_cannot_be_made_says_so),
      cmocka_unit_test(what_was_set_up_is_torn_down_when_the_run_fails),
      cmocka_unit_test(stopping_finishes_what_runs),
      cmocka_unit_test(a_second_stop_hurries_and_so_does_time),
      cmocka_unit_test(a_stop_may_come_before_the_run),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
