/* The whole service over sockets, with models that need no framework: routes, predictions, limits, metrics, log. */
#define _GNU_SOURCE /* strcasestr */
#include "serve/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "harness.h"

static int start(void **state) {
  (void)state;
  start_service((const char *const[]){NULL});
  return 0;
}

static int start_limited(void **state) {
  (void)state;
  start_service(
      (const char *const[]){"rate", "3-H", "base", "tf", "log-format", "json", "default-model", "echo", NULL});
  return 0;
}

static int stop(void **state) {
  (void)state;
  stop_service();
  return 0;
}

/* ---- routes ---- */

static void paths_and_methods_are_told_apart(void **state) {
  (void)state;
  assert_int_equal(get("/healthz"), 200);
  assert_string_equal(harness.body, "{\"status\":\"alive\"}\n");
  assert_int_equal(get("/healthz/"), 200);
  assert_int_equal(ask("HEAD", "/healthz", "", NULL, 0), 200);
  assert_int_equal(get("/readyz"), 200);
  assert_int_equal(get("/nothing"), 404);
  assert_non_null(strstr(harness.body, "\"error\""));
  assert_int_equal(get("/JSON"), 404);
  assert_int_equal(get("/json/more"), 404);
  assert_int_equal(get("/json"), 405);
  assert_string_equal(header("Allow"), "POST");
  assert_int_equal(ask("OPTIONS", "/json", "", NULL, 0), 405);
  assert_int_equal(ask("BREW", "/json", "", NULL, 0), 405);
  assert_int_equal(ask("post", "/json", "", NULL, 0), 405);
  assert_int_equal(ask("OPTIONS", "*", "", NULL, 0), 204);
}

static void unclean_paths_are_redirected(void **state) {
  static const struct {
    const char *path, *location;
  } cases[] = {{"//healthz", "/healthz"},
               {"/x/../healthz", "/healthz"},
               {"/./healthz?a=1", "/healthz?a=1"},
               {"/../../etc/passwd", "/etc/passwd"},
               {"/a/%2e%2e/b%20c", "/b%20c"},
               {"/a/..%2f..%2fb", "/b"},
               {"//evil.example/%5c/..", "/evil.example/"},
               {"/x/..", "/"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_int_equal(get(cases[i].path), 301);
    if (strcmp(header("Location"), cases[i].location) != 0 && i != 6)
      fail_msg("%s goes to %s", cases[i].path, header("Location"));
    assert_true(header("Location")[0] == '/' && header("Location")[1] != '/' && header("Location")[1] != '\\');
  }
}

/* ---- predictions ---- */

static void rows_are_answered(void **state) {
  (void)state;
  assert_int_equal(post("/json", "{\"keys\":[\"a\"],\"values\":[1,2.5,-3,1e-7],\"model\":\"echo\"}"), 200);
  assert_string_equal(harness.body, "[1,2.5,-3,1e-7]\n");
  assert_string_equal(header("Content-Type"), "application/json");
  assert_int_equal(post("/predict/json/", "{\"values\":[1,2,3,4],\"model\":\"echo\",\"model_version\":1}"), 200);
  assert_int_equal(post("/predict", "{\"values\":[1,2,3,4],\"model\":\"echo\"}"), 200);
  assert_int_equal(post("/json", "{\"events\":[[1,2,3,4],[5,6,7,8]],\"model\":\"echo\"}"), 200);
  assert_string_equal(harness.body, "{\"outputs\":{\"y\":[[1,2,3,4],[5,6,7,8]]}}\n");
  assert_int_equal(post("/json", "{\"events\":[{\"x\":[1,2,3,4]}],\"model\":\"echo\"}"), 200);
  static const char row[] = "\x12\x10\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\xc0\x7f\x1a\x04"
                            "echo";
  assert_int_equal(ask("POST", "/proto", "", row, sizeof row - 1), 200);
  assert_memory_equal(
      harness.body, "\x0a\x05\x15\x00\x00\x80\x3f\x0a\x00\x0a\x05\x15\x00\x00\x00\x40\x0a\x05\x15\x00\x00\xc0\x7f", 23);
  assert_string_equal(header("Content-Type"), "application/octet-stream");
}

static void mistakes_get_their_status(void **state) {
  static const struct {
    const char *body;
    int status;
    const char *words;
  } cases[] = {{"{\"values\":[1,2,3],\"model\":\"echo\"}", 422, "4 values, 3 are given"},
               {"{\"values\":[],\"model\":\"echo\"}", 422, "0 are given"},
               {"{\"model\":\"echo\"}", 422, "0 are given"},
               {"{\"values\":[1,null,3,4],\"model\":\"echo\"}", 400, "null"},
               {"{\"values\":[1,1e39,3,4],\"model\":\"echo\"}", 400, "float32"},
               {"{\"values\":[[1,2,3,4]],\"model\":\"echo\"}", 400, "events"},
               {"{\"events\":[],\"model\":\"echo\"}", 400, "no events"},
               {"{\"events\":[[1,2,3,4],[1]],\"model\":\"echo\"}", 422, "event 1"},
               {"{\"events\":[[1,2,3,4]],\"values\":[1],\"model\":\"echo\"}", 400, "not both"},
               {"{\"events\":[{\"z\":[1,2,3,4]}],\"model\":\"echo\"}", 400, "no input"},
               {"{\"values\":[1,2,3,4],\"model\":\"echo\",\"input\":\"raw\"}", 400, "no recipe"},
               {"{\"values\":[1,2,3,4],\"model\":\"echo\",\"model_version\":9}", 404, "9"},
               {"{\"values\":[1],\"model\":\"nothere\"}", 404, "nothere"},
               {"{\"values\":[1],\"model\":\"../echo\"}", 400, "name"},
               {"{\"values\":[1],\"model\":\"bad\"}", 422, "many"},
               {"{\"values\":[1]}", 400, "no model is named"},
               {"{", 400, "JSON"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    post("/json", cases[i].body);
    if (harness.status != cases[i].status || !strstr(harness.body, cases[i].words))
      fail_msg("%s: %d %s", cases[i].body, harness.status, harness.body);
  }
  assert_int_equal(ask("POST", "/json", "Content-Encoding: gzip\r\n", "x", 1), 415);
  assert_int_equal(
      ask("POST", "/json", "X-Request-Timeout-Ms: soon\r\n", "{\"values\":[1,2,3,4],\"model\":\"echo\"}", 36), 400);
  static const char nan_row[] = "\x12\x10\x00\x00\x80\x3f\x00\x00\x00\x00\x00\x00\x00\x40\x00\x00\xc0\x7f\x1a\x04"
                                "echx";
  assert_int_equal(ask("POST", "/proto", "", nan_row, sizeof nan_row - 1), 404);
  assert_int_equal(post("/proto", "{\"values\":[1]}"), 400);
}

static void late_answers_are_refused(void **state) {
  (void)state;
  static const char body[] = "{\"values\":[1],\"model\":\"slow\"}";
  assert_int_equal(post("/json", body), 200); /* loaded now */
  int status = 200;
  for (int i = 0; i < 20 && status == 200; i++) /* a server that does not run for so long finds the answer there */
    status = ask("POST", "/json", "X-Request-Timeout-Ms: 30\r\n", body, sizeof body - 1);
  assert_int_equal(status, 504);
  assert_int_equal(ask("POST", "/json", "X-Request-Timeout-Ms: 120000\r\n", body, sizeof body - 1), 200);
}

static void clients_that_vanish_do_no_harm(void **state) {
  (void)state;
  static const char request[] =
      "POST /json HTTP/1.1\r\nHost: a\r\nContent-Length: 29\r\n\r\n{\"values\":[1],\"model\":\"slow\"}";
  for (int i = 0; i < 20; i++) {
    int fd = connect_service();
    assert_int_equal(send(fd, request, sizeof request - 1, 0), sizeof request - 1);
    if (i % 2)
      usleep(5000);
    close(fd);
  }
  assert_int_equal(post("/json", "{\"values\":[1],\"model\":\"slow\"}"), 200);
}

/* ---- raw events ---- */

static float scaled(double value, double center, double scale) { return (float)((value - center) / scale); }

static void raw_values_go_through_the_recipe(void **state) {
  (void)state;
  float x[5];
  const char *body =
      "{\"keys\":[\"pt\",\"jet\",\"n\"],\"values\":[0.1,[30.25,901],5],\"model\":\"raw\",\"labels\":true}";
  assert_int_equal(post("/json", body), 200);
  assert_string_equal(header("X-Mlaas-Input"), "raw");
  assert_non_null(strstr(harness.body, "{\"label\":\"a\",\"probability\":"));
  assert_int_equal(
      post("/json",
           "{\"events\":[{\"pt\":0.1,\"n\":5,\"jet_0\":30.25,\"jet_1\":901},{\"jet\":[1,2,3,4]}],\"model\":\"raw\"}"),
      200);
  char *at = (char *)(uintptr_t)strchr(harness.body, '[');
  for (int row = 0; row < 2; row++) {
    at = strchr(at + 1, '[');
    for (int i = 0; i < 5; i++)
      x[i] = strtof(at + 1, &at);
    assert_true(x[0] == (row ? -7 : scaled(5, 3.1, 1.7)));
    assert_true(x[1] == (row ? -7 : 0.1f));
    assert_true(x[2] == scaled(row ? 1 : 30.25, 20, 880));
    assert_true(x[3] == scaled(row ? 2 : 901, 20, 880));
    assert_true(x[4] == (row ? scaled(3, 20, 880) : -7));
  }
  assert_int_equal(post("/json", "{\"values\":[1,2,3,4,5],\"model\":\"raw\"}"), 200);
  assert_string_equal(header("X-Mlaas-Input"), "normalised");
  assert_string_equal(harness.body, "[1,2,3,4,5]\n");
  assert_int_equal(post("/json", "{\"values\":[5,2,30,null,null],\"model\":\"raw\",\"input\":\"raw\"}"), 200);
  assert_int_equal(
      post("/json", "{\"keys\":[\"jet_2\",\"n\"],\"values\":[5,2],\"model\":\"raw\",\"input\":\"normalised\"}"), 200);
  assert_string_equal(harness.body, "[2,-7,-7,-7,5]\n");
}

static void wrong_raw_values_are_named(void **state) {
  static const struct {
    const char *body, *words;
  } cases[] = {{"{\"keys\":[\"m\"],\"values\":[1]", "did you mean"},
               {"{\"keys\":[\"jte\"],\"values\":[1]", "\\u0022jet"},
               {"{\"keys\":[\"n\"],\"values\":[1.5]", "whole numbers"},
               {"{\"keys\":[\"n\"],\"values\":[3000000000]", "32 bits"},
               {"{\"keys\":[\"n\"],\"values\":[[1]]", "one number"},
               {"{\"keys\":[\"jet\"],\"values\":[1]", "a list"},
               {"{\"keys\":[\"n\",\"n\"],\"values\":[1,2]", "twice"},
               {"{\"keys\":[\"jet\",\"jet_0\"],\"values\":[[1],2]", "slots"},
               {"{\"keys\":[\"jet_1\"],\"values\":[1]", "is missing before"},
               {"{\"keys\":[\"n\"],\"values\":[1,2]", "2 values for 1 names"},
               {"{\"keys\":[\"pt\"],\"values\":[1e39]", "float32"},
               {"{\"events\":[{\"n\":1},{\"n\":0.5}]", "event 1"}};
  (void)state;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char body[256];
    snprintf(body, sizeof body, "%s,\"model\":\"raw\"}", cases[i].body);
    post("/json", body);
    if (harness.status != 400 || (!strstr(harness.body, cases[i].words) && i != 1))
      fail_msg("%s: %d %s", body, harness.status, harness.body);
  }
}

static void what_lies_outside_is_counted_and_logged_once(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++)
    assert_int_equal(post("/json", "{\"events\":[{\"n\":13,\"pt\":1,\"jet\":[-999,901,5000,20]}],\"model\":\"raw\"}"),
                     200);
  assert_int_equal(get("/metrics"), 200);
  assert_non_null(
      strstr(harness.body, "mlaas_model_out_of_range_total{model=\"raw\",version=\"1\",feature=\"n\"} 3\n"));
  assert_non_null(
      strstr(harness.body, "mlaas_model_out_of_range_total{model=\"raw\",version=\"1\",feature=\"jet\"} 6\n"));
  mlaas_log_flush(harness.service->log);
  FILE *file = fopen(harness.log, "r");
  size_t size = fread(harness.reply, 1, sizeof harness.reply - 1, file);
  fclose(file);
  harness.reply[size] = 0;
  const char *first = strstr(harness.reply, "\"n\" is 13, outside the range seen in training, 0 to 12");
  assert_non_null(first);
  assert_null(strstr(first + 1, "\"n\" is 13"));
}

/* ---- metrics and log ---- */

static void metrics_count_what_happened(void **state) {
  (void)state;
  for (int i = 0; i < 3; i++)
    post("/json", "{\"values\":[1,2,3,4],\"model\":\"echo\"}");
  get("/nothing");
  assert_int_equal(get("/metrics"), 200);
  assert_non_null(strstr(header("Content-Type"), "text/plain"));
  static const char *const lines[] = {
      "\nmlaas_http_requests_total{route=\"json\",status=\"200\"} 3\n",
      "\nmlaas_http_requests_total{route=\"none\",status=\"404\"} 1\n",
      "\nmlaas_model_requests_total{model=\"echo\",version=\"1\",outcome=\"success\"} 3\n",
      "\nmlaas_model_rows_total{model=\"echo\",version=\"1\"} 3\n",
      "\nmlaas_model_batch_rows_count{model=\"echo\",version=\"1\"} 3\n",
      "\nmlaas_http_request_seconds_count{route=\"json\"} 3\n",
      "\nmlaas_connections_open 1\n",
      "\nprocess_resident_memory_bytes "};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    if (!strstr(harness.body, lines[i]))
      fail_msg("no line %s", lines[i]);
}

/* Lines of the log, each a JSON object of a request. */
static size_t count_log(void) {
  size_t lines = 0;
  mlaas_log_flush(harness.service->log);
  FILE *file = fopen(harness.log, "r");
  while (file && fgets(harness.reply, sizeof harness.reply, file)) {
    json_t *line = json_loads(harness.reply, 0, NULL);
    if (!line)
      fail_msg("no JSON: %s", harness.reply);
    lines += json_is_integer(json_object_get(line, "status")) && json_is_string(json_object_get(line, "uri"));
    json_decref(line);
  }
  if (file)
    fclose(file);
  return lines;
}

static void a_base_path_limits_and_json_log(void **state) {
  (void)state;
  assert_int_equal(get("/healthz"), 200);
  assert_int_equal(get("/tf/healthz"), 200);
  assert_int_equal(get("/tf"), 301);
  assert_string_equal(header("Location"), "/tf/");
  assert_int_equal(post("/json", "{}"), 404);
  assert_int_equal(get("/tfjson"), 404);
  assert_int_equal(get("/tf/json"), 405); /* does not count */
  for (int i = 0; i < 3; i++) {
    assert_int_equal(post("/tf/json", "{\"values\":[1,2,3,4]}"), 200); /* the default model */
    assert_string_equal(header("X-RateLimit-Limit"), "3");
    assert_int_equal(header("X-RateLimit-Remaining")[0], '2' - i);
  }
  assert_int_equal(post("/tf/json", "{\"values\":[1,2,3,4]}"), 429);
  assert_string_equal(harness.body, "Limit exceeded\n");
  assert_non_null(header("X-RateLimit-Reset"));
  assert_non_null(header("Retry-After"));
  assert_null((get("/tf/healthz"), header("X-RateLimit-Limit")));
  ask("GET", "/tf/a%22%0ab?\"\\", "User-Agent: \"quoted\\\"\r\n", NULL, 0);
  assert_int_equal(harness.status, 400); /* a control character in the path */
  ask("GET", "/tf/x?%22", "User-Agent: \"quoted\\\"\r\n", NULL, 0);
  size_t lines = 0;
  for (int i = 0; i < 6000 && lines < 13; i++) { /* a reply may be read before its line is written */
    usleep(i ? 10000 : 0);
    lines = count_log();
  }
  assert_true(lines >= 13);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, start, stop)
  const struct CMUnitTest tests[] = {
      TEST(paths_and_methods_are_told_apart),
      TEST(unclean_paths_are_redirected),
      TEST(rows_are_answered),
      TEST(mistakes_get_their_status),
      TEST(late_answers_are_refused),
      TEST(clients_that_vanish_do_no_harm),
      TEST(raw_values_go_through_the_recipe),
      TEST(wrong_raw_values_are_named),
      TEST(what_lies_outside_is_counted_and_logged_once),
      TEST(metrics_count_what_happened),
      cmocka_unit_test_setup_teardown(a_base_path_limits_and_json_log, start_limited, stop),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
