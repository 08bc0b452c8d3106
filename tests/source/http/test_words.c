/* What HTTP needs without a network: URLs, heads of answers, tokens, keys, what errors become, pages with names. */
#include "source/http/request.h"
#include "source/http/index.h"
#include "source/http/url.h"
#include "source/http/s3.h"
#include "source/http/token.h"

#include "base/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mlaas-http-XXXXXX";

static char *write_text(const char *name, const char *text) {
  static char path[256];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "w");
  assert_non_null(file);
  fputs(text, file);
  fclose(file);
  return path;
}

/* ---- URLs ---- */

static void urls_are_made_fit(void **state) {
  (void)state;
  static const struct {
    const char *typed, *url, *user;
  } cases[] = {
      {"http://h/a b/\xc3\xbc.root", "http://h/a%20b/%C3%BC.root", NULL},
      {"davs://h:8443/x", "https://h:8443/x", NULL},
      {"dav://h/x?q=1#part", "http://h/x?q=1", NULL},
      {"https://us%3Aer:pa%40ss@h/x", "https://h/x", "us:er:pa@ss"},
      {"https://user@h/x%20y", "https://h/x%20y", "user:"},
      {"https://h//a/../b", "https://h//a/../b", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    char *url, *user;
    assert_int_equal(mlaas_http_url_make(cases[i].typed, &url, &user, NULL), MLAAS_OK);
    assert_string_equal(url, cases[i].url);
    if (cases[i].user)
      assert_string_equal(user, cases[i].user);
    else
      assert_null(user);
    mlaas_free(url);
    mlaas_free(user);
  }
  static const char *const bad[] = {"http://", "http://h:99999/", "http://h/\n", "ftp://h/", "http://[::1/", "x"};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char *url, *user;
    assert_int_equal(mlaas_http_url_make(bad[i], &url, &user, NULL), MLAAS_ARGUMENT);
    assert_true(!url && !user);
  }
}

static void origins_are_compared_in_one_form(void **state) {
  (void)state;
  struct mlaas_http_origin origin;
  assert_int_equal(mlaas_http_origin_of("https://HOST.Example/x", &origin, NULL), MLAAS_OK);
  assert_string_equal(origin.text, "https://host.example:443");
  assert_true(origin.secure && !origin.local);
  assert_int_equal(mlaas_http_origin_of("http://[::1]:8080/x", &origin, NULL), MLAAS_OK);
  assert_string_equal(origin.text, "http://[::1]:8080");
  assert_true(!origin.secure && origin.local);
  assert_int_equal(mlaas_http_origin_of("http://localhost.evil.example/", &origin, NULL), MLAAS_OK);
  assert_false(origin.local);
}

static void names_are_escaped_and_back(void **state) {
  (void)state;
  char out[64];
  assert_true(mlaas_http_escape("a/b c+%~\xc3\xbc", true, out, sizeof out));
  assert_string_equal(out, "a/b%20c%2B%25~%C3%BC");
  assert_true(mlaas_http_unescape(out));
  assert_string_equal(out, "a/b c+%~\xc3\xbc");
  assert_true(mlaas_http_escape("a/b", false, out, sizeof out));
  assert_string_equal(out, "a%2Fb");
  assert_false(mlaas_http_escape("abc", false, out, 3));
  assert_false(mlaas_http_escape("a ", false, out, 4));
  char bad[] = "a%00b", cut[] = "a%4";
  assert_false(mlaas_http_unescape(bad));
  assert_false(mlaas_http_unescape(cut));
}

/* ---- heads ---- */

static void heads_are_read(void **state) {
  (void)state;
  struct mlaas_http_reply reply = {0};
  static const char *const lines[] = {"HTTP/1.1 100 Continue\r\n",
                                      "\r\n",
                                      "HTTP/1.1 206 Partial\r\n",
                                      "content-range: bytes 0-9/100\r\n",
                                      "ETag: \"x\"\r\n",
                                      "Content-Length: 10\r\n",
                                      "Last-Modified:  Fri, 01 Jan 2027 00:00:00 GMT \r\n"};
  for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
    assert_int_equal(mlaas_http_reply_line(&reply, lines[i], strlen(lines[i])), MLAAS_HTTP_LINE_MORE);
  assert_int_equal(mlaas_http_reply_line(&reply, "\r\n", 2), MLAAS_HTTP_LINE_END);
  assert_true(reply.status == 206 && reply.length == 10 && reply.has_range && reply.total == 100 && !reply.encoded);
  assert_string_equal(mlaas_http_reply_tag(&reply), "\"x\"");
  assert_false(mlaas_http_reply_differs(&reply, "\"x\""));
  assert_true(mlaas_http_reply_differs(&reply, "\"y\""));
  assert_false(mlaas_http_reply_differs(&reply, ""));
  assert_true(mlaas_http_reply_differs(&reply, "Fri, 01 Jan 2027 00:00:01 GMT"));
  assert_false(mlaas_http_reply_differs(&reply, "Fri, 01 Jan 2027 00:00:00 GMT"));
  snprintf(reply.etag, sizeof reply.etag, "W/\"x\"");
  assert_string_equal(mlaas_http_reply_tag(&reply), "Fri, 01 Jan 2027 00:00:00 GMT");
  mlaas_http_reply_line(&reply, "Content-Range: bytes 0-9/100\r\n", 30); /* which of the two is meant? */
  assert_true(reply.bad_range);
}

static void heads_have_a_ceiling(void **state) {
  (void)state;
  struct mlaas_http_reply reply = {0};
  char line[1024];
  memset(line, 'x', sizeof line);
  int lines = 0;
  while (lines < 1000 && mlaas_http_reply_line(&reply, line, sizeof line) == MLAAS_HTTP_LINE_MORE)
    lines++;
  assert_in_range(lines, 32, 100);
  assert_int_equal(mlaas_http_reply_line(&reply, "HTTP/1.1 what\r\n", 15), MLAAS_HTTP_LINE_BAD);
}

/* ---- credentials ---- */

static void forget_environment(void) {
  static const char *const names[] = {"BEARER_TOKEN",
                                      "BEARER_TOKEN_FILE",
                                      "XDG_RUNTIME_DIR",
                                      "AWS_ACCESS_KEY_ID",
                                      "AWS_SECRET_ACCESS_KEY",
                                      "AWS_SESSION_TOKEN",
                                      "AWS_PROFILE",
                                      "AWS_SHARED_CREDENTIALS_FILE",
                                      "AWS_REGION",
                                      "AWS_DEFAULT_REGION",
                                      "AWS_ENDPOINT_URL",
                                      "AWS_ENDPOINT_URL_S3"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    unsetenv(names[i]);
  setenv("HOME", folder, 1);
}

static void token_is(const char *file, const char *text, const char *source) {
  struct mlaas_token token;
  assert_int_equal(mlaas_token_find(file, &token, NULL), MLAAS_OK);
  if (text)
    assert_string_equal(token.text, text);
  else
    assert_null(token.text);
  assert_non_null(strstr(token.source, source));
  mlaas_token_reset(&token);
  assert_null(token.text);
}

static void tokens_are_found_in_order(void **state) {
  (void)state;
  forget_environment();
  char name[64], again[256];
  setenv("XDG_RUNTIME_DIR", folder, 1);
  snprintf(name, sizeof name, "bt_u%u", geteuid());
  write_text(name, " of-xdg\n\n");
  token_is(NULL, "of-xdg", name);
  setenv("BEARER_TOKEN_FILE", write_text("file", "of-file"), 1);
  token_is(NULL, "of-file", "/file");
  setenv("BEARER_TOKEN", "of-variable ", 1);
  token_is(NULL, "of-variable", "BEARER_TOKEN");
  snprintf(again, sizeof again, "%s", write_text("option", "of-option\r\n"));
  token_is(again, "of-option", "/option");
  write_text("option", "renewed");
  token_is(again, "renewed", "/option");
  unsetenv("BEARER_TOKEN");
  unsetenv("BEARER_TOKEN_FILE");
  write_text(name, "a b"); /* nobody named it */
  token_is(NULL, NULL, "none");
}

static void tokens_may_say_when_they_end(void **state) {
  (void)state;
  static const struct {
    const char *text;
    int64_t ends;
  } cases[] = {{"eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSIsImV4cCI6MTcwMDAwMDAwMCwiaWF0IjoxfQ.c2ln", 1700000000}, /* exp */
               {"eyJhbGciOiJub25lIn0.eyJleHAiIDogMTJ9.", 12},
               {"eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.c2ln", -1}, /* without */
               {"of-the-test", -1},
               {".", -1},
               {"a.eyJleHAi", -1},
               {"a.\xff\xfe.b", -1}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    assert_int_equal(mlaas_token_ends(cases[i].text), cases[i].ends);
}

/* Settings are wrong then, and no file is: nobody may leave files out for it. */
static void tokens_that_are_none_are_mistakes(void **state) {
  (void)state;
  struct mlaas_token token;
  struct mlaas_error error;
  forget_environment();
  assert_int_equal(mlaas_token_find("/nowhere/at/all", &token, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "the option for a token file"));
  assert_int_equal(mlaas_token_find(write_text("bad", "a\r\nInjected: header"), &token, &error), MLAAS_ARGUMENT);
  assert_null(strstr(error.message, "Injected"));
  assert_int_equal(mlaas_token_find(write_text("bad", "  \n"), &token, &error), MLAAS_ARGUMENT);
  assert_int_equal(mlaas_token_find(folder, &token, &error), MLAAS_ARGUMENT);
  setenv("BEARER_TOKEN_FILE", "/nowhere/at/all", 1);
  assert_int_equal(mlaas_token_find(NULL, &token, &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "the variable BEARER_TOKEN_FILE"));
  assert_non_null(strstr(error.message, "'/nowhere/at/all'"));
  setenv("BEARER_TOKEN", "a\nb", 1);
  assert_int_equal(mlaas_token_find(NULL, &token, &error), MLAAS_ARGUMENT);
  forget_environment();
}

static void buckets_have_urls(void **state) {
  (void)state;
  forget_environment();
  static const struct {
    const char *url, *endpoint, *http;
  } cases[] = {
      {"s3://bucket/a b/%.root", NULL, "https://bucket.s3.eu-west-1.amazonaws.com/a%20b/%25.root"},
      {"s3://dotted.bucket/k", NULL, "https://s3.eu-west-1.amazonaws.com/dotted.bucket/k"},
      {"s3://bucket/k?x#y", "http://localhost:9000/", "http://localhost:9000/bucket/k%3Fx%23y"},
      {"s3://bucket", "https://s3.example.org", "https://s3.example.org/bucket/"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_remote_options options = {
        .size = sizeof options, .s3_region = "eu-west-1", .s3_endpoint = cases[i].endpoint};
    char *http = NULL;
    assert_int_equal(mlaas_s3_url(cases[i].url, &options, &http, NULL), MLAAS_OK);
    assert_string_equal(http, cases[i].http);
    mlaas_free(http);
  }
  static const char *const bad[] = {"s3://", "s3:///key", "s3://a@b/k", "s3://a:80/k"};
  const struct mlaas_remote_options options = {.size = sizeof options};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    char *http = NULL;
    assert_int_equal(mlaas_s3_url(bad[i], &options, &http, NULL), MLAAS_ARGUMENT);
    assert_null(http);
  }
  const struct mlaas_remote_options odd = {.size = sizeof odd, .s3_region = "x.evil.example/"};
  char *http = NULL;
  assert_int_equal(mlaas_s3_url("s3://b/k", &odd, &http, NULL), MLAAS_ARGUMENT);
}

static void keys_are_found_in_order(void **state) {
  (void)state;
  forget_environment();
  const struct mlaas_remote_options options = {.size = sizeof options};
  struct mlaas_s3_keys keys;
  assert_int_equal(mlaas_s3_keys_find(&options, &keys, NULL), MLAAS_OK);
  assert_string_equal(keys.access, "");
  setenv("AWS_SHARED_CREDENTIALS_FILE",
         write_text("credentials", "# mine\n[default]\naws_access_key_id=A\naws_secret_access_key = S=\n\n[ other ]\n"
                                   "aws_access_key_id = B\naws_secret_access_key = T\naws_session_token = U\n"),
         1);
  assert_int_equal(mlaas_s3_keys_find(&options, &keys, NULL), MLAAS_OK);
  assert_string_equal(keys.access, "A");
  assert_string_equal(keys.secret, "S=");
  assert_string_equal(keys.signature, "aws:amz:us-east-1:s3");
  mlaas_s3_keys_reset(&keys);
  setenv("AWS_PROFILE", "other", 1);
  assert_int_equal(mlaas_s3_keys_find(&options, &keys, NULL), MLAAS_OK);
  assert_string_equal(keys.session, "U");
  mlaas_s3_keys_reset(&keys);
  setenv("AWS_ACCESS_KEY_ID", "C", 1);
  assert_int_equal(mlaas_s3_keys_find(&options, &keys, NULL), MLAAS_ARGUMENT); /* half a pair */
  setenv("AWS_SECRET_ACCESS_KEY", "V", 1);
  assert_int_equal(mlaas_s3_keys_find(&options, &keys, NULL), MLAAS_OK);
  assert_string_equal(keys.secret, "V");
  assert_null(keys.session);
  mlaas_s3_keys_reset(&keys);
  forget_environment();
}

/* ---- errors ---- */

static void answers_become_statuses(void **state) {
  (void)state;
  static const struct mlaas_http_site site = {0};
  static const struct {
    int answer;
    enum mlaas_status status;
    bool transient;
  } cases[] = {{401, MLAAS_IO, false},        {403, MLAAS_IO, false},          {404, MLAAS_NOT_FOUND, false},
               {410, MLAAS_NOT_FOUND, false}, {416, MLAAS_STALE, false},       {429, MLAAS_IO, true},
               {500, MLAAS_IO, true},         {501, MLAAS_UNSUPPORTED, false}, {502, MLAAS_IO, true},
               {503, MLAAS_IO, true},         {504, MLAAS_IO, true},           {418, MLAAS_IO, false},
               {599, MLAAS_IO, true}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_http_request request = {.site = &site, .credentials = "the token of BEARER_TOKEN"};
    request.reply.status = cases[i].answer;
    mlaas_http_reply_words(&request.reply, "no\nway", 6);
    mlaas_http_fail_reply(&request);
    assert_int_equal(request.status, cases[i].status);
    assert_int_equal(request.transient, cases[i].transient);
    assert_non_null(strstr(request.error.message, "no way"));
    assert_int_equal(strstr(request.error.message, "BEARER_TOKEN") != NULL,
                     cases[i].answer == 401 || cases[i].answer == 403);
  }
  static const struct {
    CURLcode code;
    enum mlaas_status status;
    bool transient;
  } codes[] = {{CURLE_COULDNT_CONNECT, MLAAS_IO, true},         {CURLE_PARTIAL_FILE, MLAAS_IO, true},
               {CURLE_OPERATION_TIMEDOUT, MLAAS_TIMEOUT, true}, {CURLE_PEER_FAILED_VERIFICATION, MLAAS_IO, false},
               {CURLE_OUT_OF_MEMORY, MLAAS_MEMORY, false},      {CURLE_FTP_WEIRD_227_FORMAT, MLAAS_IO, false}};
  for (size_t i = 0; i < sizeof codes / sizeof *codes; i++) {
    struct mlaas_http_request request = {.site = &site};
    mlaas_http_fail_code(&request, codes[i].code);
    assert_int_equal(request.status, codes[i].status);
    assert_int_equal(request.transient, codes[i].transient);
  }
}

/* ---- pages ---- */

static char told[512];

static bool tell(void *context, const char *name, int64_t size, bool is_directory) {
  (void)context;
  size_t used = strlen(told);
  snprintf(told + used, sizeof told - used, "%s%s:%lld ", name, is_directory ? "/" : "", (long long)size);
  return true;
}

static enum mlaas_status read_page(char kind, const char *text) {
  struct mlaas_http_index index = {.url = "https://h/a%20b/c/", .child = tell};
  told[0] = 0;
  return kind == 'd'   ? mlaas_http_index_dav(&index, text, strlen(text), NULL)
         : kind == 'j' ? mlaas_http_index_json(&index, text, strlen(text), NULL)
                       : mlaas_http_index_html(&index, text, strlen(text), NULL);
}

#define RESPONSE(href, more) "<d:response><d:href>" href "</d:href>" more "</d:response>"
#define DAV(responses) "<d:multistatus xmlns:d='DAV:'>" responses "</d:multistatus>"

static void pages_name_children_only(void **state) {
  (void)state;
  assert_int_equal(read_page('d', DAV(RESPONSE("/a%20b/c/", "<d:collection/>") RESPONSE(
                                      "/a b/c/x%25", "<d:getcontentlength>7</d:getcontentlength>")
                                          RESPONSE("https://h/a%20b//c/d/", "<d:collection/>") RESPONSE("/etc/x", "")
                                              RESPONSE("/a%20b/c/d/deeper", "") RESPONSE("/a%20b/c/e%2Ff", ""))),
                   MLAAS_OK);
  assert_string_equal(told, "x%:7 d/:-1 ");
  assert_int_equal(read_page('j',
                             "[{\"name\":\"x y\",\"type\":\"file\",\"size\":3},{\"name\":\"../z\"},{\"name\":\"d\","
                             "\"type\":\"directory\"},{\"name\":\"..\"},5]"),
                   MLAAS_OK);
  assert_string_equal(told, "x y:3 d/:-1 ");
  assert_int_equal(read_page('h',
                             "<a href=\"?C=N\">N</a> <A HREF='../'>up</A><a class=a href=x.root>x</a>"
                             "<a href=\"x.root\">again</a><a href='d&amp;e/'>d</a><a href=\"http://h/q\">"
                             "<img href=\"no\"> href=\"no\" <a href=\"#top\"><a href=\"mailto:x@y\"><a href=\"cut"),
                   MLAAS_OK);
  assert_string_equal(told, "x.root:-1 d&e/:-1 cut:-1 ");
}

static void pages_that_are_none_are_refused(void **state) {
  (void)state;
  assert_int_equal(read_page('d', ""), MLAAS_FORMAT);
  assert_int_equal(read_page('d', "<html></html>"), MLAAS_FORMAT);
  assert_int_equal(read_page('d', DAV(RESPONSE("/a%20b/c/x", "")) "<more>"), MLAAS_FORMAT);
  assert_int_equal(read_page('d', "<!DOCTYPE x [<!ENTITY a \"b\">]>" DAV("")), MLAAS_FORMAT);
  assert_int_equal(read_page('j', "{\"name\":1}"), MLAAS_FORMAT);
  assert_int_equal(read_page('j', "[{\"name\":"), MLAAS_FORMAT);
  char deep[2000] = "";
  for (int i = 0; i < 100; i++)
    memcpy(deep + 3 * i, "<a>", 4);
  assert_int_equal(read_page('d', deep), MLAAS_FORMAT);
}

static void pages_survive_each_failed_allocation(void **state) {
  (void)state;
  static const char page[] = DAV(RESPONSE("/a%20b/c/x", "<d:getcontentlength>7</d:getcontentlength>"));
  enum mlaas_status status;
  long n = 0;
  do {
    mlaas_memory_fail(++n, false);
    status = read_page('d', page);
    /* A name that could not be made for want of memory is not left out in silence. */
    assert_true(status == MLAAS_MEMORY || (status == MLAAS_OK && strcmp(told, "x:7 ") == 0));
  } while (status != MLAAS_OK);
  mlaas_memory_fail(0, false);
  assert_true(n > 5);
}

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  char command[128];
  snprintf(command, sizeof command, "rm -rf %s", folder);
  return system(command);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(urls_are_made_fit),
      cmocka_unit_test(origins_are_compared_in_one_form),
      cmocka_unit_test(names_are_escaped_and_back),
      cmocka_unit_test(heads_are_read),
      cmocka_unit_test(heads_have_a_ceiling),
      cmocka_unit_test(tokens_are_found_in_order),
      cmocka_unit_test(tokens_may_say_when_they_end),
      cmocka_unit_test(tokens_that_are_none_are_mistakes),
      cmocka_unit_test(buckets_have_urls),
      cmocka_unit_test(keys_are_found_in_order),
      cmocka_unit_test(answers_become_statuses),
      cmocka_unit_test(pages_name_children_only),
      cmocka_unit_test(pages_that_are_none_are_refused),
      cmocka_unit_test(pages_survive_each_failed_allocation),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
