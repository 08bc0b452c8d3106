/* The client against a server that says what it is told to: good replies, bad ones, late ones and none. */
#include "fake_server.h"
#include "internal.h"

#include <locale.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define OK_HEAD "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
#define REPLY(body) OK_HEAD "Content-Length: ?\r\n\r\n" body

static struct fake_server server;
static struct mlaas_client *client;
static struct mlaas_client_result result;
static struct mlaas_client_error error;
static const float three[] = {2, 0.92f, -1e-7f};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void start(const struct fake_reply *script, size_t length, const struct mlaas_client_options *options) {
  server = (struct fake_server){.script = script, .script_length = length};
  assert_true(fake_server_start(&server));
  assert_int_equal(mlaas_client_open(server.url, options, &client, &error), MLAAS_CLIENT_OK);
}

static int stop(void **state) {
  (void)state;
  mlaas_client_memory_fail(0);
  mlaas_client_result_reset(&result);
  mlaas_client_close(client);
  client = NULL;
  fake_server_stop(&server);
  return 0;
}

static enum mlaas_client_status ask(void) {
  return mlaas_client_predict_row(client, NULL, NULL, three, 3, false, &result, &error);
}

/* What the server has seen. */
static const struct fake_server *look(void) {
  fake_server_settle(&server);
  return &server;
}

/* What one reply leads to: the status, and words of the message. */
static void refused(const char *reply, bool hang_up, enum mlaas_client_status status, const char *words) {
  struct mlaas_client_options options = {.size = sizeof options, .retries = -1, .largest_reply = 4000, .timeout = 120};
  start(&(struct fake_reply){reply, 0, hang_up}, 1, &options);
  assert_int_equal(ask(), status);
  assert_int_equal(error.status, status);
  if (!strstr(error.message, words))
    fail_msg("'%s' does not say '%s'", error.message, words);
  assert_null(result.outputs);
  stop(NULL);
}

static const char *body_of(const char *request) {
  const char *end = strstr(request, "\r\n\r\n");
  return end ? end + 4 : "";
}

/* ---- what is sent, what comes back ---- */

static void a_row_goes_as_tfaas_takes_it(void **state) {
  (void)state;
  static const struct fake_reply reply = {REPLY("[0.6046947, null, 1e-3]"), 0, false};
  static const char *const names[] = {"nJets", "jet\"Eta", "\xce\xb7\xff"};
  struct mlaas_client_query query = {.size = sizeof query, .model = "tth"};
  start(&reply, 1, NULL);
  assert_int_equal(mlaas_client_predict_row(client, &query, names, three, 3, false, &result, &error), MLAAS_CLIENT_OK);
  assert_string_equal(body_of(look()->last), "{\"model\":\"tth\",\"keys\":[\"nJets\",\"jet\\u0022Eta\",\"\xce\xb7"
                                             "\xef\xbf\xbd\"],\"values\":[2,0.920000017,-1.00000001e-07]}");
  assert_non_null(strstr(look()->last, "POST /base/json HTTP/1.1\r\n"));
  assert_non_null(strstr(look()->last, "\r\nContent-Type: application/json\r\n"));
  assert_non_null(strstr(look()->last, "\r\nUser-Agent: mlaas-client/"));
  assert_null(strstr(look()->last, "Expect"));
  assert_int_equal(result.num_outputs, 1);
  assert_int_equal(result.outputs[0].rows, 1);
  assert_int_equal(result.outputs[0].width, 3);
  assert_true(result.outputs[0].values[0] == 0.6046947f && isnan(result.outputs[0].values[1]));
  assert_string_equal(result.outputs[0].name, "");
}

static void events_go_in_one_request(void **state) {
  (void)state;
  static const struct fake_reply reply = {
      OK_HEAD "X-Mlaas-Input: raw\r\nContent-Length: ?\r\n\r\n"
              "{\"model\": \"tth\", \"x\": [{}, true], \"outputs\": {\"score\": [[0.5], [1]],"
              " \"name\": [[\"q\"], [null]], \"\\u00e9\": [1,2]}}\n",
      0, false};
  static const double etas[] = {0.1, NAN};
  static const int64_t flags[] = {INT64_MIN, 7};
  struct mlaas_client_query query = {
      .size = sizeof query, .model = "tth", .version = 3, .input = "raw", .timeout = 200};
  struct mlaas_client_batch *batch = mlaas_client_batch_new();
  start(&reply, 1, NULL);
  mlaas_client_batch_event(batch);
  mlaas_client_batch_integer(batch, "nJets", 3);
  mlaas_client_batch_floats(batch, "jetPt", three, 3);
  mlaas_client_batch_number(batch, "met", 0.1);
  mlaas_client_batch_event(batch);
  mlaas_client_batch_doubles(batch, "jetEta", etas, 2);
  mlaas_client_batch_integers(batch, "flags", flags, 2);
  mlaas_client_batch_floats(batch, "none", NULL, 0);
  assert_int_equal(mlaas_client_batch_count(batch), 2);
  assert_int_equal(mlaas_client_predict(client, &query, batch, &result, &error), MLAAS_CLIENT_OK);
  assert_string_equal(body_of(look()->last),
                      "{\"model\":\"tth\",\"model_version\":3,\"input\":\"raw\",\"events\":["
                      "{\"nJets\":3,\"jetPt\":[2,0.920000017,-1.00000001e-07],\"met\":0.10000000000000001},"
                      "{\"jetEta\":[0.10000000000000001,null],\"flags\":[-9223372036854775808,7],\"none\":[]}]}");
  assert_non_null(strstr(look()->last, "\r\nX-Request-Timeout-Ms: 2"));
  assert_int_equal(result.num_outputs, 2);
  assert_string_equal(result.outputs[0].name, "score");
  assert_string_equal(result.outputs[1].name, "\xc3\xa9");
  assert_true(result.outputs[1].rows == 2 && result.outputs[1].width == 1 && result.outputs[1].values[1] == 2);
  assert_string_equal(result.input, "raw");
  mlaas_client_batch_clear(batch);
  mlaas_client_batch_row(batch, three, 3);
  mlaas_client_batch_row(batch, three, 1);
  assert_int_equal(mlaas_client_predict(client, NULL, batch, &result, &error), MLAAS_CLIENT_OK);
  assert_string_equal(body_of(look()->last), "{\"events\":[[2,0.920000017,-1.00000001e-07],[2]]}");
  mlaas_client_batch_free(batch);
}

static void rows_go_as_protobuf(void **state) {
  (void)state;
  static const char *const names[] = {"a"};
  static const float one = 1;
  struct mlaas_client_buffer body = {0}, reply = {0};
  mlaas_client_proto_encode(&body, "m", names, &one, 1);
  static const char expected[] = "\x0a\x01"
                                 "a\x12\x04\x00\x00\x80\x3f\x1a\x01m";
  assert_int_equal(body.size, sizeof expected - 1);
  assert_memory_equal(body.data, expected, sizeof expected - 1);
  mlaas_client_buffer_reset(&body);
  /* a class of 0.5 with label, one of 0 without a field, an unknown field */
  static const char good[] = "\x0a\x09\x0a\x02qq\x15\x00\x00\x00\x3f\x0a\x00\x78\x05";
  mlaas_client_buffer_add(&reply, good, sizeof good - 1);
  assert_int_equal(mlaas_client_proto_decode(&reply, &result, &error), MLAAS_CLIENT_OK);
  assert_int_equal(result.outputs[0].width, 2);
  assert_true(result.outputs[0].values[0] == 0.5f && result.outputs[0].values[1] == 0);
  assert_string_equal(result.outputs[0].labels[0], "qq");
  assert_string_equal(result.outputs[0].labels[1], "");
  mlaas_client_result_reset(&result);
  size_t bad = 0;
  for (size_t cut = 1; cut < sizeof good - 1; cut++) { /* where a field ends is a message too */
    reply.size = cut;
    bad += mlaas_client_proto_decode(&reply, &result, &error) == MLAAS_CLIENT_REPLY;
    mlaas_client_result_reset(&result);
  }
  assert_int_equal(bad, sizeof good - 2 - 2);
  reply.size = 0;
  static const char huge[] = "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
  mlaas_client_buffer_add(&reply, huge, sizeof huge - 1);
  assert_int_equal(mlaas_client_proto_decode(&reply, &result, &error), MLAAS_CLIENT_REPLY);
  mlaas_client_buffer_reset(&reply);
}

static void numbers_survive_any_locale(void **state) {
  (void)state;
  struct mlaas_client_buffer text = {0}, reply = {0};
  if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
    print_message("no German locale here: only the C locale is tried\n");
  srand(1);
  for (int i = 0; i < 20000; i++) {
    uint32_t bits = (uint32_t)rand() << 16 ^ (uint32_t)rand();
    float value;
    memcpy(&value, &bits, 4);
    if (!isfinite(value))
      continue;
    reply.size = 0;
    mlaas_client_buffer_text(&reply, "[");
    mlaas_client_buffer_number(&reply, (double)value, 9);
    mlaas_client_buffer_text(&reply, "]");
    assert_int_equal(mlaas_client_reply_decode(&reply, 1, &result, &error), MLAAS_CLIENT_OK);
    assert_memory_equal(result.outputs[0].values, &value, 4);
    mlaas_client_result_reset(&result);
  }
  setlocale(LC_NUMERIC, "C");
  mlaas_client_buffer_reset(&text);
  mlaas_client_buffer_reset(&reply);
}

static void images_come_back_with_labels(void **state) {
  (void)state;
  static const struct fake_reply reply = {
      REPLY("{\"filename\":\"a.png\",\"labels\":[{\"label\":\"cat\",\"probability\":0.75},"
            "{\"probability\":0.25,\"label\":\"dog\"}]}     "),
      0, false};
  struct mlaas_client_query query = {.size = sizeof query, .model = "pets"};
  start(&reply, 1, NULL);
  assert_int_equal(mlaas_client_predict_image(client, &query, "\x89PNG....", 8, &result, &error), MLAAS_CLIENT_OK);
  assert_non_null(strstr(look()->last, "POST /base/image "));
  assert_non_null(strstr(look()->last, "name=\"model\"\r\n\r\npets\r\n"));
  assert_non_null(strstr(look()->last, "filename=\"image.png\""));
  assert_int_equal(result.outputs[0].width, 2);
  assert_string_equal(result.outputs[0].labels[1], "dog");
  assert_true(result.outputs[0].values[1] == 0.25f);
}

/* ---- bad replies ---- */

static void bad_replies_are_refused(void **state) {
  (void)state;
  refused(REPLY("[NaN]"), false, MLAAS_CLIENT_REPLY, "at byte 1: 'NaN]'");
  refused(REPLY(""), false, MLAAS_CLIENT_REPLY, "may not be a finite number");
  refused(REPLY("[1,"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("[1,2] x"), false, MLAAS_CLIENT_REPLY, "more follows");
  refused(REPLY("[01]"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("[0x10]"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("[[1,2],[3]]"), false, MLAAS_CLIENT_REPLY, "equal length");
  refused(REPLY("[[1],[2]]"), false, MLAAS_CLIENT_REPLY, "1 events were sent, and output '' came back for 2");
  refused(REPLY("[\"a\"]"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("{\"outputs\":{\"a\":[[\"x\"]]}}"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("{}"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused(REPLY("[[[[[[[[[[1]]]]]]]]]]"), false, MLAAS_CLIENT_REPLY, "not what was expected");
  refused("<html>no HTTP</html>\r\n\r\n", true, MLAAS_CLIENT_REPLY, "HTTP/0.9");
}

static void cut_replies_are_refused(void **state) {
  (void)state;
  refused(OK_HEAD "Content-Length: 100\r\n\r\n[1,2]", true, MLAAS_CLIENT_REPLY, "transfer closed");
  refused(OK_HEAD "Transfer-Encoding: chunked\r\n\r\n5\r\n[1,2]\r\n", true, MLAAS_CLIENT_REPLY, "transfer closed");
  refused("", true, MLAAS_CLIENT_CONNECT, "cannot be reached");
  refused("HTTP/1.1 200 OK\r\nContent-Le", true, MLAAS_CLIENT_REPLY, "empty");
}

static void large_replies_are_refused(void **state) {
  (void)state;
  refused(OK_HEAD "Content-Length: 99999999999999\r\n\r\n[1", false, MLAAS_CLIENT_REPLY,
          "larger than the client takes");
  static char endless[6000] = OK_HEAD "Connection: close\r\n\r\n[";
  memset(endless + strlen(endless), '1', sizeof endless - strlen(endless) - 1);
  refused(endless, true, MLAAS_CLIENT_REPLY, "larger than the client takes");
}

static void refusals_say_what_the_server_says(void **state) {
  (void)state;
  refused(
      "HTTP/1.1 400 Bad Request\r\nContent-Length: ?\r\n\r\n{\"x\": [1], \"error\": \"no \\\"jetPt\\\"\\u000ahere\"}",
      false, MLAAS_CLIENT_REFUSED, "the server answers 400: no \"jetPt\" here");
  refused("HTTP/1.1 404 Not Found\r\nContent-Length: 19\r\n\r\n404 page not found\n", false, MLAAS_CLIENT_NOT_FOUND,
          "the server answers 404: 404 page not found");
  refused("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n", false, MLAAS_CLIENT_REFUSED, "the server answers 500");
  refused("HTTP/1.1 302 Found\r\nLocation: http://other/\r\nContent-Length: 0\r\n\r\n", false, MLAAS_CLIENT_REFUSED,
          "http://other/");
  refused("HTTP/1.1 429 Too Many\r\nContent-Length: 14\r\n\r\nLimit exceeded", false, MLAAS_CLIENT_BUSY,
          "429: Limit exceeded");
  assert_int_equal(error.http_status, 429);
}

/* ---- retries and time ---- */

#define BUSY(after) "HTTP/1.1 429 Too Many\r\nRetry-After: " after "\r\nContent-Length: 0\r\n\r\n"

static void the_busy_are_asked_again(void **state) {
  (void)state;
  static const struct fake_reply script[] = {{"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 0, false},
                                             {"", 0, true},
                                             {BUSY("1"), 0, false},
                                             {REPLY("[7]"), 0, false}};
  struct mlaas_client_options options = {.size = sizeof options, .backoff = 0.001};
  start(script, 4, &options);
  double begin = now();
  assert_int_equal(ask(), MLAAS_CLIENT_OK);
  assert_true(now() - begin >= 1); /* what Retry-After asks for */
  assert_true(result.outputs[0].values[0] == 7);
  assert_int_equal(look()->requests, 4);
}

static void a_wait_beyond_the_timeout_is_not_begun(void **state) {
  (void)state;
  static const struct fake_reply script = {BUSY("100"), 0, false};
  struct mlaas_client_options options = {.size = sizeof options, .timeout = 90};
  start(&script, 1, &options);
  double begin = now();
  assert_int_equal(ask(), MLAAS_CLIENT_BUSY);
  assert_true(now() - begin < 60);
  assert_true(error.retry_after == 100);
  assert_int_equal(look()->requests, 1);
}

static void the_retries_have_an_end(void **state) {
  (void)state;
  static const struct fake_reply script = {"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", 0, false};
  struct mlaas_client_options options = {.size = sizeof options, .backoff = 0.001, .retries = 2};
  start(&script, 1, &options);
  assert_int_equal(ask(), MLAAS_CLIENT_BUSY);
  assert_int_equal(look()->requests, 3);
}

static void the_slow_are_given_up(void **state) {
  (void)state;
  static const struct fake_reply script = {"", 0, false}; /* nothing */
  struct mlaas_client_options options = {.size = sizeof options, .timeout = 0.2};
  start(&script, 1, &options);
  assert_int_equal(ask(), MLAAS_CLIENT_TIMEOUT);
  assert_true(look()->requests <= 1);
}

static void nobody_there_is_said(void **state) {
  (void)state;
  struct mlaas_client_options options = {.size = sizeof options, .backoff = 0.001};
  static const struct fake_reply script = {"", 0, true};
  start(&script, 1, &options);
  mlaas_client_close(client);
  assert_int_equal(mlaas_client_open("http://127.0.0.1:1", &options, &client, &error), MLAAS_CLIENT_OK);
  assert_int_equal(ask(), MLAAS_CLIENT_CONNECT);
  assert_non_null(strstr(error.message, "127.0.0.1"));
}

static void connections_are_kept(void **state) {
  (void)state;
  static const struct fake_reply script = {REPLY("[7]"), 0, false};
  start(&script, 1, NULL);
  for (int i = 0; i < 20; i++)
    assert_int_equal(ask(), MLAAS_CLIENT_OK);
  assert_int_equal(look()->requests, 20);
  assert_int_equal(look()->connections, 1);
}

static void what_makes_no_sense_is_not_sent(void **state) {
  (void)state;
  static const struct fake_reply script = {REPLY("[7]"), 0, false};
  static const float infinite = INFINITY;
  struct mlaas_client *other = NULL;
  struct mlaas_client_query query = {.size = sizeof query, .input = "cooked"};
  struct mlaas_client_options options = {.size = 3};
  struct mlaas_client_batch *batch = mlaas_client_batch_new();
  start(&script, 1, NULL);
  static const char *const urls[] = {"",           "localhost:80", "ftp://a",     "http://",
                                     "http://a b", "http://a/?q",  "http://a/#f", "http://a\n"};
  for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
    if (mlaas_client_open(urls[i], NULL, &other, &error) != MLAAS_CLIENT_ARGUMENT)
      fail_msg("%s was taken for a server", urls[i]);
    assert_null(other);
  }
  assert_int_equal(mlaas_client_open("http://a", &options, &other, &error), MLAAS_CLIENT_ARGUMENT);
  assert_int_equal(mlaas_client_predict(client, NULL, batch, &result, &error), MLAAS_CLIENT_ARGUMENT);
  mlaas_client_batch_number(batch, "met", 1);
  assert_int_equal(mlaas_client_predict(client, NULL, batch, &result, &error), MLAAS_CLIENT_ARGUMENT);
  assert_non_null(strstr(error.message, "met comes before the first event"));
  mlaas_client_batch_clear(batch);
  mlaas_client_batch_event(batch);
  mlaas_client_batch_floats(batch, "met", &infinite, 1);
  assert_int_equal(mlaas_client_predict(client, NULL, batch, &result, &error), MLAAS_CLIENT_ARGUMENT);
  assert_non_null(strstr(error.message, "event 0: met is infinite"));
  mlaas_client_batch_clear(batch);
  mlaas_client_batch_event(batch);
  mlaas_client_batch_row(batch, three, 3);
  assert_int_equal(mlaas_client_predict(client, NULL, batch, &result, &error), MLAAS_CLIENT_ARGUMENT);
  assert_int_equal(mlaas_client_predict_row(client, &query, NULL, three, 3, false, &result, &error),
                   MLAAS_CLIENT_ARGUMENT);
  assert_int_equal(mlaas_client_predict_row(client, NULL, NULL, &infinite, 1, false, &result, &error),
                   MLAAS_CLIENT_ARGUMENT);
  static const char *const bad[] = {"", "..", ".a", "a/b", "a b", "-a"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_int_equal(mlaas_client_delete(client, bad[i], &error), MLAAS_CLIENT_ARGUMENT);
  mlaas_client_batch_free(batch);
  assert_int_equal(look()->requests, 0);
}

/* ---- asynchronous ---- */

/* Answers {"events":[{"x":N},...]} with the outputs N + 0.5; a 503 now and then. */
static size_t answer_x(const char *request, size_t size, char *reply, size_t room) {
  static int calls;
  char body[20000];
  size_t length = 0;
  (void)size;
  if (++calls % 7 == 0)
    return (size_t)snprintf(reply, room, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
  length += (size_t)snprintf(body, sizeof body, "{\"outputs\":{\"y\":");
  for (const char *x = strstr(request, "\"x\":"); x; x = strstr(x + 1, "\"x\":"))
    length += (size_t)snprintf(body + length, sizeof body - length, "%s[%ld.5]", body[length - 1] == ':' ? "[" : ",",
                               strtol(x + 4, NULL, 10));
  length += (size_t)snprintf(body + length, sizeof body - length, "]}}");
  return (size_t)snprintf(reply, room, OK_HEAD "Content-Length: %zu\r\n\r\n%s", length, body);
}

struct answer {
  long first;
  size_t rows;
  int done, failed, cancelled, resubmit;
};

static void keep_answer(void *user, struct mlaas_client_result *outputs, const struct mlaas_client_error *problem) {
  struct answer *answer = user;
  answer->done++;
  answer->cancelled += problem && problem->status == MLAAS_CLIENT_CANCELLED;
  if (problem || outputs->outputs[0].rows != answer->rows) {
    answer->failed++;
    return;
  }
  for (size_t i = 0; i < answer->rows; i++)
    answer->failed += outputs->outputs[0].values[i] != (float)answer->first + (float)i + 0.5f;
  if (answer->resubmit-- > 0) {
    struct mlaas_client_batch *batch = mlaas_client_batch_new();
    for (size_t i = 0; i < answer->rows; i++) {
      mlaas_client_batch_event(batch);
      mlaas_client_batch_integer(batch, "x", answer->first + (long)i);
    }
    if (mlaas_client_submit(client, NULL, batch, keep_answer, answer, NULL) != MLAAS_CLIENT_OK)
      answer->failed++;
    if (mlaas_client_wait(client, NULL) != MLAAS_CLIENT_ARGUMENT) /* not from here */
      answer->failed++;
    mlaas_client_batch_free(batch);
  }
}

static void start_answering(const struct mlaas_client_options *options) {
  server = (struct fake_server){.answer = answer_x};
  assert_true(fake_server_start(&server));
  assert_int_equal(mlaas_client_open(server.url, options, &client, &error), MLAAS_CLIENT_OK);
}

static void many_calls_are_under_way_at_once(void **state) {
  (void)state;
  enum { CALLS = 300 };
  static struct answer answers[CALLS];
  struct mlaas_client_options options = {
      .size = sizeof options, .connections = 5, .most_pending = 40, .backoff = 0.001};
  struct mlaas_client_batch *batch = mlaas_client_batch_new();
  start_answering(&options);
  for (size_t i = 0; i < CALLS; i++) {
    answers[i] = (struct answer){.first = (long)i * 10, .rows = 1 + i % 10, .resubmit = i % 50 == 0 ? 2 : 0};
    mlaas_client_batch_clear(batch);
    for (size_t k = 0; k < answers[i].rows; k++) {
      mlaas_client_batch_event(batch);
      mlaas_client_batch_integer(batch, "x", answers[i].first + (long)k);
    }
    assert_int_equal(mlaas_client_submit(client, NULL, batch, keep_answer, &answers[i], &error), MLAAS_CLIENT_OK);
    assert_true(mlaas_client_pending(client) <= 40 + 6);
  }
  assert_int_equal(mlaas_client_wait(client, &error), MLAAS_CLIENT_OK);
  assert_int_equal(mlaas_client_pending(client), 0);
  for (size_t i = 0; i < CALLS; i++) {
    assert_int_equal(answers[i].done, i % 50 == 0 ? 3 : 1);
    assert_int_equal(answers[i].failed, 0);
  }
  assert_true(look()->connections <= 5 + 2);
  mlaas_client_batch_free(batch);
}

static void closing_cancels(void **state) {
  (void)state;
  static const struct fake_reply slow = {REPLY("[7]"), 300, false};
  struct answer answers[3] = {{.rows = 1}, {.rows = 1}, {.rows = 1}};
  struct mlaas_client_batch *batch = mlaas_client_batch_new();
  struct mlaas_client_options options = {.size = sizeof options, .connections = 1};
  start(&slow, 1, &options);
  mlaas_client_batch_row(batch, three, 3);
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(mlaas_client_submit(client, NULL, batch, keep_answer, &answers[i], &error), MLAAS_CLIENT_OK);
  assert_int_equal(mlaas_client_poll(client, 0.01, &error), MLAAS_CLIENT_OK);
  mlaas_client_close(client);
  client = NULL;
  for (size_t i = 0; i < 3; i++)
    assert_true(answers[i].done == 1 && answers[i].cancelled == 1);
  mlaas_client_batch_free(batch);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state) {
  (void)state;
  static const struct fake_reply reply = {
      REPLY("{\"model\":\"tth\",\"outputs\":{\"a\":[[1,2],[3,4]],\"b\":[[5],[6]]}}"), 0, false};
  struct mlaas_client_query query = {.size = sizeof query, .model = "tth"};
  start(&reply, 1, NULL);
  long failures = 0;
  for (;; failures++) {
    mlaas_client_memory_fail(failures + 1);
    struct mlaas_client_batch *batch = mlaas_client_batch_new();
    enum mlaas_client_status status = MLAAS_CLIENT_MEMORY;
    if (batch) {
      mlaas_client_batch_event(batch);
      mlaas_client_batch_floats(batch, "jetPt", three, 3);
      mlaas_client_batch_event(batch);
      status = mlaas_client_predict(client, &query, batch, &result, &error);
    }
    mlaas_client_memory_fail(0);
    mlaas_client_batch_free(batch);
    if (status == MLAAS_CLIENT_OK)
      break;
    assert_int_equal(status, MLAAS_CLIENT_MEMORY);
    assert_null(result.outputs);
    assert_true(failures < 200);
  }
  assert_true(failures > 12);
  assert_true(result.outputs[1].values[1] == 6);
}

static void opening_survives_failing_memory(void **state) {
  (void)state;
  struct mlaas_client_options options = {.size = sizeof options, .token = "t", .ca_file = "c", .user_agent = "u"};
  struct mlaas_client *opened = NULL;
  long failures = 0;
  while (mlaas_client_memory_fail(failures + 1),
         mlaas_client_open("http://localhost", &options, &opened, &error) != MLAAS_CLIENT_OK) {
    assert_int_equal(error.status, MLAAS_CLIENT_MEMORY);
    assert_null(opened);
    assert_true(++failures < 20);
  }
  mlaas_client_memory_fail(0);
  assert_int_equal(failures, 5);
  mlaas_client_close(opened);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_row_goes_as_tfaas_takes_it, stop),
      cmocka_unit_test_teardown(events_go_in_one_request, stop),
      cmocka_unit_test(rows_go_as_protobuf),
      cmocka_unit_test(numbers_survive_any_locale),
      cmocka_unit_test_teardown(images_come_back_with_labels, stop),
      cmocka_unit_test(bad_replies_are_refused),
      cmocka_unit_test(cut_replies_are_refused),
      cmocka_unit_test(large_replies_are_refused),
      cmocka_unit_test(refusals_say_what_the_server_says),
      cmocka_unit_test_teardown(the_busy_are_asked_again, stop),
      cmocka_unit_test_teardown(a_wait_beyond_the_timeout_is_not_begun, stop),
      cmocka_unit_test_teardown(the_retries_have_an_end, stop),
      cmocka_unit_test_teardown(the_slow_are_given_up, stop),
      cmocka_unit_test_teardown(nobody_there_is_said, stop),
      cmocka_unit_test_teardown(connections_are_kept, stop),
      cmocka_unit_test_teardown(what_makes_no_sense_is_not_sent, stop),
      cmocka_unit_test_teardown(many_calls_are_under_way_at_once, stop),
      cmocka_unit_test_teardown(closing_cancels, stop),
      cmocka_unit_test_teardown(every_allocation_may_fail, stop),
      cmocka_unit_test(opening_survives_failing_memory),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
