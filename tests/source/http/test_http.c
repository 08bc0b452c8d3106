/* The wire of HTTP against a server in this process that answers as a test says: right, wrong in many ways, or not at
 * all. Real servers are in tests/python. */
#include "source/wires.h"

#include "base/memory.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { SIZE = 300000, MOST_CONNECTIONS = 4096 };

enum way {
  RIGHT,
  WHOLE,        /* 200 to whatever is asked */
  FIRST_ONLY,   /* of several ranges the first */
  MALFORMED,    /* several ranges with a wrong boundary; single ones right */
  TOO_MANY,     /* 431 to several ranges */
  SHORT,        /* fewer bytes than announced, then the end */
  LONG,         /* more bytes than Content-Range says */
  SHIFTED,      /* other bytes than asked for, and says so */
  NO_RANGE,     /* 206 without Content-Range */
  LARGER,       /* the file has grown */
  RETAGGED,     /* another ETag */
  ENCODED,      /* Content-Encoding: gzip */
  SILENT,       /* never answers */
  STALLING,     /* half of it, then silence */
  DRIPPING,     /* a listing that comes byte by byte, for ever */
  ENDLESS_HEAD, /* lines and lines */
  GARBAGE,      /* no HTTP */
  NO_HEAD,      /* 405 to HEAD */
  GONE,         /* 404 */
  BUSY,         /* 503 with Retry-After */
};

static struct {
  int listener, port;
  pthread_t thread, connections[MOST_CONNECTIONS];
  int sockets[MOST_CONNECTIONS];
  atomic_int count, way, requests, several;
  atomic_bool ends;
} server;

static char content[SIZE];

static void send_all(int to, const char *data, size_t size) {
  while (size) {
    ssize_t n = send(to, data, size, MSG_NOSIGNAL);
    if (n <= 0)
      return;
    data += n;
    size -= (size_t)n;
  }
}

static void send_text(int to, const char *text) { send_all(to, text, strlen(text)); }

static void send_head(int to, const char *status, long length, const char *more) {
  char head[1024];
  enum way way = atomic_load(&server.way);
  snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %ld\r\nETag: \"%s\"\r\n%s%s\r\n", status, length,
           way == RETAGGED ? "new" : "old", way == ENCODED ? "Content-Encoding: gzip\r\n" : "", more);
  send_text(to, head);
}

static void send_single(int to, long first, long last) {
  enum way way = atomic_load(&server.way);
  char range[128];
  if (way == SHIFTED)
    first++, last++;
  snprintf(range, sizeof range, "Content-Range: bytes %ld-%ld/%d\r\n", first, last, way == LARGER ? SIZE + 1 : SIZE);
  long length = last - first + 1, sent = way == SHORT || way == STALLING ? length / 2 : length;
  send_head(to, "206 Partial Content", way == LONG ? length + 5 : length, way == NO_RANGE ? "" : range);
  send_all(to, content + first, (size_t)sent);
  if (way == LONG)
    send_text(to, "extra");
}

static void send_several(int to, const char *ranges) {
  static const char end[] = "\r\n--XX--\r\n";
  enum way way = atomic_load(&server.way);
  char *body = malloc(SIZE * 2);
  size_t used = 0;
  for (const char *at = ranges; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
    long first = 0, last = 0;
    sscanf(at, "%ld-%ld", &first, &last);
    used += (size_t)snprintf(body + used, SIZE, "\r\n--%s\r\nContent-Range: bytes %ld-%ld/%d\r\n\r\n",
                             way == MALFORMED && used ? "YY" : "XX", first, last, SIZE);
    memcpy(body + used, content + first, (size_t)(last - first + 1));
    used += (size_t)(last - first + 1);
  }
  memcpy(body + used, end, sizeof end - 1);
  used += sizeof end - 1;
  send_head(to, "206 Partial Content", (long)used, "Content-Type: multipart/byteranges; boundary=XX\r\n");
  send_all(to, body, way == SHORT || way == STALLING ? used / 2 : used);
  free(body);
}

/* False: the connection ends. */
static bool answer(int to, const char *request) {
  enum way way = atomic_load(&server.way);
  bool head = strncmp(request, "HEAD ", 5) == 0;
  const char *range = strstr(request, "Range: bytes=");
  long first = 0, last = 0;
  atomic_fetch_add(&server.requests, 1);
  if (way == SILENT)
    return true;
  if (way == GARBAGE) {
    send_text(to, "SSH-2.0-something\r\n\r\n");
    return false;
  }
  if (way == ENDLESS_HEAD) {
    send_text(to, "HTTP/1.1 200 OK\r\n");
    for (int i = 0; i < 20000; i++)
      send_text(to, "X-Nothing: nothing at all, again and again\r\n");
    return false;
  }
  if (way == GONE || way == BUSY || (way == NO_HEAD && head)) {
    send_head(to, way == GONE ? "404 No" : way == BUSY ? "503 Busy" : "405 No", 0, "Retry-After: 7\r\n");
    return true;
  }
  if (way == DRIPPING && !head && !range) {
    send_text(to, "HTTP/1.1 207 Multi\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (send(to, "1\r\n \r\n", 6, MSG_NOSIGNAL) == 6)
      usleep(20000);
    return false;
  }
  if (head || !range || way == WHOLE) {
    send_head(to, "200 OK", way == LARGER ? SIZE + 1 : SIZE, "");
    if (!head)
      send_all(to, content, SIZE);
    return true;
  }
  range += strlen("Range: bytes=");
  sscanf(range, "%ld-%ld", &first, &last);
  bool several = memchr(range, ',', strcspn(range, "\r"));
  if (several)
    atomic_fetch_add(&server.several, 1);
  if (several && way == TOO_MANY)
    send_head(to, "431 Too Large", 0, "");
  else if (several && way != FIRST_ONLY)
    send_several(to, range);
  else
    send_single(to, first, last);
  return way != SHORT;
}

static void *serve_connection(void *context) {
  int from = *(int *)context;
  char request[16384];
  size_t used = 0;
  for (;;) {
    ssize_t n = recv(from, request + used, sizeof request - 1 - used, 0);
    if (n <= 0)
      break;
    used += (size_t)n;
    request[used] = 0;
    if (!strstr(request, "\r\n\r\n"))
      continue;
    used = 0;
    if (!answer(from, request))
      break;
  }
  shutdown(from, SHUT_RDWR);
  return NULL;
}

static void *serve(void *context) {
  (void)context;
  while (!atomic_load(&server.ends) && server.count < MOST_CONNECTIONS) {
    int from = accept(server.listener, NULL, NULL);
    if (from < 0 || atomic_load(&server.ends)) {
      if (from >= 0)
        close(from);
      break;
    }
    server.sockets[server.count] = from;
    pthread_create(&server.connections[server.count], NULL, serve_connection, &server.sockets[server.count]);
    server.count++;
  }
  return NULL;
}

static int start_server(void **state) {
  (void)state;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
  socklen_t size = sizeof address;
  for (int i = 0; i < SIZE; i++)
    content[i] = (char)(i * 31 + i / 251);
  server.listener = socket(AF_INET, SOCK_STREAM, 0);
  if (bind(server.listener, (struct sockaddr *)&address, size) != 0 || listen(server.listener, 64) != 0 ||
      getsockname(server.listener, (struct sockaddr *)&address, &size) != 0)
    return -1;
  server.port = ntohs(address.sin_port);
  return pthread_create(&server.thread, NULL, serve, NULL);
}

static int stop_server(void **state) {
  (void)state;
  atomic_store(&server.ends, true);
  shutdown(server.listener, SHUT_RDWR);
  pthread_join(server.thread, NULL);
  for (int i = 0; i < server.count; i++) {
    shutdown(server.sockets[i], SHUT_RDWR);
    pthread_join(server.connections[i], NULL);
    close(server.sockets[i]);
  }
  close(server.listener);
  return 0;
}

/* ---- asking it ---- */

static const struct mlaas_remote_options patient = {.size = sizeof patient, .connect_ms = 60000, .timeout_ms = 60000};
/* Where the server says nothing on purpose. */
static const struct mlaas_remote_options quick = {.size = sizeof quick, .connect_ms = 60000, .timeout_ms = 300};

static const char *url(void) {
  /* Another name of this machine for each test: what one found out about a server is not the next one's. */
  static char text[64];
  static int number;
  snprintf(text, sizeof text, "http://127.0.%d.1:%d/f", number++ % 200, server.port);
  return text;
}

static struct mlaas_wire_file open_it(enum way way) {
  struct mlaas_wire_file file;
  struct mlaas_error error;
  bool transient;
  bool silent = way == SILENT || way == STALLING;
  enum mlaas_status status = MLAAS_TIMEOUT;
  atomic_store(&server.way, RIGHT);
  for (int i = 0; i < 100 && status == MLAAS_TIMEOUT; i++) /* a busy machine may miss the short time */
    status = mlaas_wire_http.open(url(), silent ? &quick : &patient, &file, &transient, &error);
  assert_int_equal(status, MLAAS_OK);
  assert_int_equal(file.size, SIZE);
  assert_string_equal(file.tag, "\"old\"");
  atomic_store(&server.way, way);
  atomic_store(&server.requests, 0);
  atomic_store(&server.several, 0);
  return file;
}

struct asked {
  struct mlaas_fetch fetch;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int done;
};

static void on_done(struct mlaas_fetch *fetch) {
  struct asked *asked = (struct asked *)fetch;
  pthread_mutex_lock(&asked->mutex);
  asked->done++;
  pthread_cond_signal(&asked->changed);
  pthread_mutex_unlock(&asked->mutex);
}

static char bytes[4][20000];
static const struct mlaas_range ranges[] = {
    {0, 100, bytes[0]}, {1000, 20000, bytes[1]}, {150000, 1, bytes[2]}, {SIZE - 10, 10, bytes[3]}};

static void begin_with(struct mlaas_wire_file *file, struct asked *asked, const struct mlaas_range *own, size_t count) {
  *asked = (struct asked){.fetch = {.ranges = own, .num_ranges = count, .done = on_done}};
  pthread_mutex_init(&asked->mutex, NULL);
  pthread_cond_init(&asked->changed, NULL);
  mlaas_wire_http.start(file->handle, &asked->fetch);
}

static void begin(struct mlaas_wire_file *file, struct asked *asked, size_t count) {
  memset(bytes, 0, sizeof bytes);
  begin_with(file, asked, ranges, count);
}

static enum mlaas_status end(struct asked *asked) {
  pthread_mutex_lock(&asked->mutex);
  while (!asked->done)
    pthread_cond_wait(&asked->changed, &asked->mutex);
  pthread_mutex_unlock(&asked->mutex);
  assert_int_equal(asked->done, 1);
  const struct mlaas_range *range = asked->fetch.ranges;
  for (size_t i = 0; asked->fetch.status == MLAAS_OK && i < asked->fetch.num_ranges; i++, range++)
    assert_memory_equal(range->data, content + range->offset, (size_t)range->length);
  pthread_cond_destroy(&asked->changed);
  pthread_mutex_destroy(&asked->mutex);
  return asked->fetch.status;
}

static enum mlaas_status read_it(struct mlaas_wire_file *file, struct asked *asked, size_t count) {
  begin(file, asked, count);
  return end(asked);
}

static void several_ranges_are_one_request(void **state) {
  (void)state;
  struct asked asked;
  struct mlaas_wire_file file = open_it(RIGHT);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
  assert_int_equal(asked.fetch.requests, 1);
  assert_int_equal(atomic_load(&server.requests), 1);
  assert_in_range(asked.fetch.delivered, 20111, 21000);
  mlaas_wire_http.close(file.handle);
}

/* What cannot do several is asked for them once, and never again. */
static void servers_that_cannot_are_asked_for_single_ranges(void **state) {
  (void)state;
  static const enum way ways[] = {FIRST_ONLY, MALFORMED};
  for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
    struct asked asked;
    struct mlaas_wire_file file = open_it(ways[i]);
    for (int times = 0; times < 3; times++)
      assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
    assert_int_equal(atomic_load(&server.several), 1);
    assert_int_equal(asked.fetch.requests, 3); /* two of them are near each other */
    mlaas_wire_http.close(file.handle);
  }
  struct asked asked;
  struct mlaas_wire_file file = open_it(TOO_MANY);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK); /* fewer, and fewer */
  assert_in_range(atomic_load(&server.several), 1, 4);
  mlaas_wire_http.close(file.handle);
}

static void what_is_wrong_is_told_apart(void **state) {
  (void)state;
  static const struct {
    enum way way;
    enum mlaas_status status;
    bool transient;
  } cases[] = {{SHORT, MLAAS_IO, true},
               {LONG, MLAAS_IO, true},
               {SHIFTED, MLAAS_IO, true},
               {NO_RANGE, MLAAS_IO, true},
               {LARGER, MLAAS_STALE, false},
               {RETAGGED, MLAAS_STALE, false},
               {ENCODED, MLAAS_UNSUPPORTED, false},
               {WHOLE, MLAAS_UNSUPPORTED, false},
               {SILENT, MLAAS_TIMEOUT, true},
               {STALLING, MLAAS_TIMEOUT, true},
               {ENDLESS_HEAD, MLAAS_IO, true},
               {GARBAGE, MLAAS_IO, true},
               {GONE, MLAAS_NOT_FOUND, false},
               {BUSY, MLAAS_IO, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_wire_file file = open_it(cases[i].way);
    struct asked asked;
    enum mlaas_status status = read_it(&file, &asked, 1);
    if (status != cases[i].status || asked.fetch.transient != cases[i].transient)
      fail_msg("way %d: %s, %d: %s", cases[i].way, mlaas_status_name(status), asked.fetch.transient,
               asked.fetch.error.message);
    if (cases[i].way == BUSY)
      assert_int_equal(asked.fetch.retry_after_ms, 7000);
    atomic_store(&server.way, RIGHT);
    if (cases[i].way != SILENT && cases[i].way != STALLING) /* the handle goes on where the server does */
      assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
    mlaas_wire_http.close(file.handle);
  }
}

/* What was asked and what was answered stands in the message. */
static void a_server_that_gave_parts_may_have_a_hiccup(void **state) {
  (void)state;
  struct asked asked;
  struct mlaas_wire_file file = open_it(WHOLE);
  assert_int_equal(read_it(&file, &asked, 1), MLAAS_UNSUPPORTED);
  assert_false(asked.fetch.transient);
  assert_int_equal(asked.fetch.delivered, 0);
  assert_non_null(strstr(asked.fetch.error.message, "answers 200 with the whole file where bytes 0-99 were asked for"));
  assert_non_null(strstr(asked.fetch.error.message, "whole files only"));
  atomic_store(&server.way, RIGHT);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
  atomic_store(&server.way, WHOLE);
  assert_int_equal(read_it(&file, &asked, 1), MLAAS_UNSUPPORTED);
  assert_true(asked.fetch.transient);
  assert_non_null(strstr(asked.fetch.error.message, "though it gave parts before"));
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_UNSUPPORTED); /* several, then single ones */
  assert_true(asked.fetch.transient);
  atomic_store(&server.way, SHIFTED);
  assert_int_equal(read_it(&file, &asked, 1), MLAAS_IO);
  assert_non_null(strstr(asked.fetch.error.message, "answers 206 with bytes 1-100 where bytes 0-99 were asked for"));
  atomic_store(&server.way, RIGHT);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
  assert_int_equal(asked.fetch.requests, 1); /* it is still asked for several */
  mlaas_wire_http.close(file.handle);
}

static void several_ranges_that_are_cut_are_transient(void **state) {
  (void)state;
  struct asked asked;
  struct mlaas_wire_file file = open_it(SHORT);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_IO);
  assert_true(asked.fetch.transient);
  atomic_store(&server.way, RIGHT);
  assert_int_equal(read_it(&file, &asked, 4), MLAAS_OK);
  assert_int_equal(asked.fetch.requests, 1); /* one cut says nothing about what the server can do */
  mlaas_wire_http.close(file.handle);
}

static void opening_says_why_not(void **state) {
  (void)state;
  static const struct {
    enum way way;
    enum mlaas_status status;
    bool transient;
  } cases[] = {{GONE, MLAAS_NOT_FOUND, false},
               {BUSY, MLAAS_IO, true},
               {SILENT, MLAAS_TIMEOUT, true},
               {GARBAGE, MLAAS_IO, true},
               {NO_HEAD, MLAAS_OK, false}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_wire_file file;
    struct mlaas_error error;
    bool transient = !cases[i].transient;
    atomic_store(&server.way, cases[i].way);
    const struct mlaas_remote_options *options = cases[i].way == SILENT ? &quick : &patient;
    assert_int_equal(mlaas_wire_http.open(url(), options, &file, &transient, &error), cases[i].status);
    assert_int_equal(transient, cases[i].transient);
    if (cases[i].status == MLAAS_OK) {
      assert_true(file.size == SIZE && file.requests == 2);
      mlaas_wire_http.close(file.handle);
    }
  }
}

static bool no_entry(void *context, const struct mlaas_wire_entry *entry) {
  (void)context;
  (void)entry;
  return true;
}

/* Never silent for long, and never done. */
static void a_listing_that_drips_ends_at_the_deadline(void **state) {
  (void)state;
  struct mlaas_remote_options options = patient;
  struct mlaas_error error = {0};
  options.deadline_ms = 700;
  atomic_store(&server.way, DRIPPING);
  assert_int_equal(mlaas_wire_http.list(url(), &options, no_entry, NULL, &error), MLAAS_TIMEOUT);
  assert_non_null(strstr(error.message, "within the deadline of 0.7 s"));
}

static void cancel_ends_what_hangs(void **state) {
  (void)state;
  static const enum way ways[] = {SILENT, STALLING, RIGHT};
  for (int times = 0; times < 30; times++) {
    struct mlaas_wire_file file = open_it(ways[times % 3]);
    struct asked asked;
    begin(&file, &asked, 4);
    mlaas_wire_http.cancel(file.handle, &asked.fetch);
    enum mlaas_status status = end(&asked);
    assert_true(status == MLAAS_CANCELLED || (ways[times % 3] == RIGHT && status == MLAAS_OK));
    mlaas_wire_http.close(file.handle);
  }
}

static void many_at_once_share_few_connections(void **state) {
  (void)state;
  static struct asked many[40];
  static struct mlaas_range own[40];
  static char memory[40][1000];
  struct mlaas_wire_file file = open_it(RIGHT);
  int before = atomic_load(&server.count);
  for (size_t i = 0; i < 40; i++) {
    own[i] = (struct mlaas_range){(int64_t)i * 2000, 1000, memory[i]};
    begin_with(&file, &many[i], &own[i], 1);
  }
  for (size_t i = 0; i < 40; i++)
    assert_int_equal(end(&many[i]), MLAAS_OK);
  assert_in_range(atomic_load(&server.count) - before, 0, 8);
  mlaas_wire_http.close(file.handle);
}

/* libcurl's allocations are among those that fail. */
static void every_allocation_may_fail(void **state) {
  (void)state;
  struct mlaas_wire_file file;
  int good = 0, failed = 0;
  atomic_store(&server.way, RIGHT);
  for (long n = 1; good < 10 && n < 2000; n++) {
    struct mlaas_error error;
    struct asked asked;
    bool transient;
    const char *where = url();
    mlaas_memory_fail(n, false);
    enum mlaas_status status = mlaas_wire_http.open(where, &quick, &file, &transient, &error);
    if (status == MLAAS_OK) {
      status = read_it(&file, &asked, 4);
      mlaas_wire_http.close(file.handle);
    }
    mlaas_memory_fail(0, false);
    if (status == MLAAS_OK)
      good++;
    else
      failed++;
  }
  assert_int_equal(good, 10);
  assert_true(failed > 20);
}

int main(void) {
  curl_global_init_mem(CURL_GLOBAL_DEFAULT, mlaas_alloc, mlaas_free, mlaas_realloc, mlaas_strdup, calloc);
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(several_ranges_are_one_request),
      cmocka_unit_test(servers_that_cannot_are_asked_for_single_ranges),
      cmocka_unit_test(what_is_wrong_is_told_apart),
      cmocka_unit_test(a_server_that_gave_parts_may_have_a_hiccup),
      cmocka_unit_test(several_ranges_that_are_cut_are_transient),
      cmocka_unit_test(opening_says_why_not),
      cmocka_unit_test(a_listing_that_drips_ends_at_the_deadline),
      cmocka_unit_test(cancel_ends_what_hangs),
      cmocka_unit_test(many_at_once_share_few_connections),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, start_server, stop_server);
}
