/* The handler and the client of the tests of net. */
#include "harness.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

struct seen the_seen;
struct mlaas_server *the_server;
int the_port;

static pthread_t the_thread;

int64_t now_ms(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- the handler ---- */

struct later {
  uv_timer_t timer;
  struct mlaas_exchange *exchange;
};

static int64_t parameter(struct mlaas_exchange *exchange, const char *name) {
  struct mlaas_slice value = mlaas_request_parameter(exchange, name);
  return value.data ? strtoll(value.data, NULL, 10) : 0;
}

static void free_later(uv_handle_t *handle) { free(handle); }

static void on_later(uv_timer_t *timer) {
  struct later *later = (struct later *)timer;
  struct mlaas_exchange *exchange = later->exchange;
  uv_close((uv_handle_t *)timer, free_later);
  mlaas_exchange_reply(exchange, 200, "text/plain", exchange->request.target);
}

static void count_gone(struct mlaas_exchange *exchange) {
  (void)exchange;
  atomic_fetch_add(&the_seen.gone, 1);
}

static void reply_when_gone(struct mlaas_exchange *exchange) {
  atomic_fetch_add(&the_seen.gone, 1);
  mlaas_exchange_refuse(exchange, 499, "nobody waits");
}

static void reply_later(struct mlaas_exchange *exchange) {
  struct later *later = calloc(1, sizeof *later);
  later->exchange = exchange;
  exchange->gone = count_gone;
  uv_timer_init(mlaas_loop_uv(exchange->loop), &later->timer);
  uv_timer_start(&later->timer, on_later, (uint64_t)parameter(exchange, "ms"), 0);
}

static void look_whether_let_go(uv_timer_t *timer) {
  if (atomic_load(&the_seen.let_go)) {
    uv_timer_stop(timer);
    on_later(timer);
  }
}

static void reply_when_let_go(struct mlaas_exchange *exchange) {
  struct later *later = calloc(1, sizeof *later);
  later->exchange = exchange;
  exchange->gone = count_gone;
  uv_timer_init(mlaas_loop_uv(exchange->loop), &later->timer);
  uv_timer_start(&later->timer, look_whether_let_go, 1, 1);
}

static void work(void *context) {
  struct mlaas_exchange *exchange = context;
  exchange->user = mlaas_arena_format(&exchange->arena, NULL, "%zu bytes", exchange->request.body.size);
}

static void end_work(void *context) {
  struct mlaas_exchange *exchange = context;
  mlaas_exchange_reply(exchange, 200, "text/plain", mlaas_slice_of(exchange->user));
}

static void reply_big(struct mlaas_exchange *exchange) {
  size_t size = (size_t)parameter(exchange, "n");
  char *body = mlaas_arena_alloc(&exchange->arena, size, 1, NULL);
  if (!body) {
    mlaas_exchange_refuse(exchange, 503, "no memory");
    return;
  }
  memset(body, 'x', size);
  mlaas_exchange_reply(exchange, 200, "text/plain", (struct mlaas_slice){body, size});
}

/* A file of 300,000 bytes that is known to be so long, or said to be. */
static void reply_file(struct mlaas_exchange *exchange) {
  char name[] = "/tmp/mlaas-net-XXXXXX";
  int file = mkstemp(name);
  unlink(name);
  for (int i = 0; i < 3000; i++) {
    char line[101];
    snprintf(line, sizeof line, "%099d\n", i);
    if (write(file, line, 100) != 100)
      break;
  }
  mlaas_exchange_reply_file(exchange, 200, "text/plain", file, 100, parameter(exchange, "n"));
}

static void reply_request(struct mlaas_exchange *exchange) {
  const struct mlaas_request *request = &exchange->request;
  const char *text =
      mlaas_arena_format(&exchange->arena, NULL, "%.*s %.*s %.*s %.*s %d %s %s %d %s", (int)request->method.size,
                         request->method.data, (int)request->path.size, request->path.data, (int)request->query.size,
                         request->query.data, (int)request->host.size, request->host.data, request->version,
                         request->peer, request->subject ? request->subject : "-", request->tls, request->id);
  mlaas_exchange_reply(exchange, 200, "text/plain", mlaas_slice_of(text));
}

static void reply_headers(struct mlaas_exchange *exchange) {
  struct mlaas_slice test = mlaas_request_header(&exchange->request, "x-test");
  char *longer = mlaas_arena_alloc(&exchange->arena, 3001, 1, NULL);
  if (!longer) {
    mlaas_exchange_refuse(exchange, 503, "no memory");
    return;
  }
  memset(longer, 'y', 3000);
  mlaas_exchange_header(exchange, "X-Test", mlaas_arena_strndup(&exchange->arena, test.data, test.size, NULL));
  mlaas_exchange_header(exchange, "X-Long", longer);
  mlaas_exchange_reply(exchange, 200, NULL, test.data ? test : MLAAS_SLICE("none"));
}

static bool is_at(struct mlaas_exchange *exchange, const char *path) {
  return mlaas_slice_is(exchange->request.path, path);
}

static void begin(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  atomic_fetch_add(&the_seen.begun, 1);
  if (is_at(exchange, "/early"))
    mlaas_exchange_refuse(exchange, 404, "nothing is here");
  if (is_at(exchange, "/small"))
    exchange->body_limit = 10;
}

static void handle(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  atomic_fetch_add(&the_seen.handled, 1);
  struct mlaas_error error;
  if (is_at(exchange, "/later")) {
    reply_later(exchange);
  } else if (is_at(exchange, "/held")) {
    reply_when_let_go(exchange);
  } else if (is_at(exchange, "/hang")) {
    exchange->gone = reply_when_gone;
  } else if (is_at(exchange, "/work")) {
    if (mlaas_loop_work(exchange->loop, work, end_work, exchange, &error) != MLAAS_OK)
      mlaas_exchange_fail(exchange, &error);
  } else if (is_at(exchange, "/big")) {
    reply_big(exchange);
  } else if (is_at(exchange, "/file")) {
    reply_file(exchange);
  } else if (is_at(exchange, "/headers")) {
    reply_headers(exchange);
  } else if (is_at(exchange, "/bad-header")) {
    mlaas_exchange_header(exchange, "X-Test", "a\r\nX-Other: b");
    mlaas_exchange_reply(exchange, 200, NULL, MLAAS_SLICE("fine"));
  } else if (is_at(exchange, "/error")) {
    mlaas_fail(&error, MLAAS_NOT_FOUND, "no model is called \"%s\"", "a\nb\xff\xc3\xa9");
    mlaas_exchange_fail(exchange, &error);
  } else if (is_at(exchange, "/request")) {
    reply_request(exchange);
  } else if (is_at(exchange, "/none")) {
    mlaas_exchange_reply(exchange, 204, NULL, MLAAS_SLICE("not sent"));
  } else {
    mlaas_exchange_reply(exchange, 200, "text/plain", exchange->request.body);
  }
}

static void finished(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  atomic_store(&the_seen.last_status, exchange->status);
  atomic_fetch_add(&the_seen.bytes_in, exchange->bytes_in);
  atomic_fetch_add(&the_seen.bytes_out, exchange->bytes_out);
  atomic_fetch_add(&the_seen.finished, 1);
}

static enum mlaas_status setup(void *context, struct mlaas_loop *loop, struct mlaas_error *error) {
  (void)context;
  (void)loop;
  (void)error;
  atomic_fetch_add(&the_seen.setups, 1);
  return MLAAS_OK;
}

static void teardown(void *context, struct mlaas_loop *loop) {
  (void)context;
  assert_true(mlaas_loop_here(loop));
  atomic_fetch_add(&the_seen.teardowns, 1);
}

/* ---- the server ---- */

static void *run(void *context) {
  struct mlaas_error error;
  enum mlaas_status status = mlaas_server_run(context, &error);
  assert_int_equal(status, MLAAS_OK);
  return NULL;
}

void serve(const struct mlaas_server_options *given) {
  struct mlaas_server_options options = *given;
  struct mlaas_error error = {0};
  memset(&the_seen, 0, sizeof the_seen);
  options.loops = options.loops ? options.loops : 1;
  options.handler = (struct mlaas_handler){.begin = begin, .handle = handle, .finished = finished};
  options.setup = setup;
  options.teardown = teardown;
  if (mlaas_server_open(&options, &the_server, &error) != MLAAS_OK)
    fail_msg("the server does not open: %s", error.message);
  the_port = mlaas_server_port(the_server);
  assert_int_equal(pthread_create(&the_thread, NULL, run, the_server), 0);
}

void stop_serving(void) {
  mlaas_server_stop(the_server);
  pthread_join(the_thread, NULL);
  struct mlaas_server_stats stats;
  mlaas_server_stats(the_server, &stats);
  assert_int_equal(stats.open, 0);
  assert_int_equal(stats.requests, atomic_load(&the_seen.finished));
  assert_true(atomic_load(&the_seen.finished) >= atomic_load(&the_seen.begun));
  assert_int_equal(atomic_load(&the_seen.setups), mlaas_server_num_loops(the_server));
  assert_int_equal(atomic_load(&the_seen.teardowns), mlaas_server_num_loops(the_server));
  mlaas_server_close(the_server);
  the_server = NULL;
}

void wait_until(const atomic_int *value, int least) {
  for (int64_t end = now_ms() + 60000; atomic_load(value) < least;) {
    if (now_ms() > end)
      fail_msg("waited in vain: %d of %d", atomic_load(value), least);
    usleep(2000);
  }
}

/* ---- the client ---- */

int dial_port(int port) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  assert_true(client >= 0);
  assert_int_equal(connect(client, (struct sockaddr *)&address, sizeof address), 0);
  return client;
}

int dial(void) { return dial_port(the_port); }

void say_bytes(int client, const void *data, size_t size) {
  for (size_t done = 0; done < size;) {
    ssize_t count = send(client, (const char *)data + done, size - done, MSG_NOSIGNAL);
    if (count < 0 && (errno == EPIPE || errno == ECONNRESET))
      return; /* the test will see what was said before */
    assert_true(count > 0);
    done += (size_t)count;
  }
}

void say(int client, const char *text) { say_bytes(client, text, strlen(text)); }

/* One byte: 1, 0: the end, -1: none came. */
static int byte_within(int client, char *byte, int ms) {
  struct pollfd wait = {.fd = client, .events = POLLIN};
  if (poll(&wait, 1, ms) <= 0)
    return -1;
  return recv(client, byte, 1, 0) == 1 ? 1 : 0;
}

/* Up to the empty line, and no byte more. 1, 0: the end, -1: nothing for `ms`. */
static int hear_head(int client, char *head, size_t room, int ms) {
  for (size_t size = 0;;) {
    struct pollfd wait = {.fd = client, .events = POLLIN};
    if (poll(&wait, 1, ms) <= 0)
      return -1;
    ssize_t count = recv(client, head + size, room - size - 1, MSG_PEEK);
    if (count <= 0)
      return 0;
    head[size + (size_t)count] = 0;
    char *end = strstr(size < 3 ? head : head + size - 3, "\r\n\r\n");
    size_t taken = end ? (size_t)(end + 4 - head) - size : (size_t)count;
    assert_int_equal(recv(client, head + size, taken, 0), taken);
    size += taken;
    head[size] = 0;
    if (end)
      return 1;
    assert_true(size + 1 < room);
  }
}

int hear_within(int client, char *head, size_t head_room, char *body, size_t body_room, int ms) {
  int got = hear_head(client, head, head_room, ms);
  if (got <= 0)
    return got == 0 ? -1 : -2;
  int status = (int)strtol(head + 9, NULL, 10);
  const char *length_line = strstr(head, "Content-Length: ");
  size_t length = length_line ? strtoul(length_line + 16, NULL, 10) : 0, have = 0;
  assert_true(length < body_room);
  while (have < length) {
    ssize_t count = recv(client, body + have, length - have, 0);
    if (count <= 0)
      return -1;
    have += (size_t)count;
  }
  body[length] = 0;
  return status;
}

int hear(int client, char *body, size_t room) {
  char head[8192];
  return hear_within(client, head, sizeof head, body, room, PATIENCE_MS);
}

int ask(const char *text, char *body, size_t room) {
  int client = dial();
  say(client, text);
  int status = hear(client, body, room);
  close(client);
  return status;
}

bool is_closed(int client, int ms) {
  char byte;
  for (;;) {
    int got = byte_within(client, &byte, ms);
    if (got <= 0)
      return got == 0;
  }
}
