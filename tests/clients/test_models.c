/* Managing models: archives and forms as they arrive, listings that lie, memory that ends at any point. */
#include "fake_server.h"
#include "internal.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: ?\r\n\r\n"

static struct fake_server server;
static struct mlaas_client *client;
static struct mlaas_client_error error;
static char folder[] = "/tmp/mlaas-client-XXXXXX";

static void start(const struct fake_reply *script, size_t length) {
  struct mlaas_client_options options = {.size = sizeof options, .retries = -1, .timeout = 120};
  server = (struct fake_server){.script = script, .script_length = length};
  assert_true(fake_server_start(&server));
  assert_int_equal(mlaas_client_open(server.url, &options, &client, &error), MLAAS_CLIENT_OK);
}

static int stop(void **state) {
  (void)state;
  mlaas_client_memory_fail(0);
  mlaas_client_close(client);
  client = NULL;
  fake_server_stop(&server);
  return 0;
}

static void write_file(const char *name, const char *text) {
  FILE *out = fopen(name, "wb");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

static int make_folder(void **state) {
  (void)state;
  if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("model", 0755) != 0 || mkdir("model/deep", 0755) != 0)
    return -1;
  write_file("model/model.onnx", "onnx!");
  write_file("model/deep/empty", "");
  write_file("model/.hidden", "no");
  write_file("params.json", "{}");
  return 0;
}

static int remove_folder(void **state) {
  (void)state;
  unlink("model/model.onnx");
  unlink("model/deep/empty");
  unlink("model/.hidden");
  unlink("params.json");
  rmdir("model/deep");
  rmdir("model");
  return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

/* Entries of the working folder but the two that belong there. */
static int strangers(void) {
  int count = 0;
  DIR *all = opendir(".");
  for (struct dirent *entry; (entry = readdir(all)) != NULL;)
    count +=
        entry->d_name[0] != '.' && strcmp(entry->d_name, "model") != 0 && strcmp(entry->d_name, "params.json") != 0;
  closedir(all);
  return count;
}

static const char *body(void) {
  fake_server_settle(&server);
  return strstr(server.last, "\r\n\r\n") + 4;
}

static void a_folder_travels_as_an_archive(void **state) {
  (void)state;
  static const struct fake_reply good = {HEAD, 0, false};
  start(&good, 1);
  assert_int_equal(mlaas_client_upload(client, "tth", "model", &error), MLAAS_CLIENT_OK);
  const char *archive = body();
  assert_non_null(strstr(server.last, "POST /base/upload "));
  assert_non_null(strstr(server.last, "\r\nContent-Length: 3584\r\n"));
  assert_null(strstr(server.last, "Expect"));
  assert_string_equal(archive, "tth/");
  assert_string_equal(archive + 512, "tth/deep/");
  assert_string_equal(archive + 1024, "tth/deep/empty");
  assert_string_equal(archive + 1536, "tth/model.onnx");
  assert_string_equal(archive + 1536 + 124, "00000000005");
  assert_memory_equal(archive + 1536 + 257,
                      "ustar\0"
                      "00",
                      8);
  assert_memory_equal(archive + 2048, "onnx!\0", 6);
  assert_int_equal(server.last_size - (size_t)(archive - server.last), 3584);
}

static void what_cannot_travel_is_said(void **state) {
  (void)state;
  static const struct fake_reply good = {HEAD, 0, false};
  start(&good, 1);
  assert_int_equal(mlaas_client_upload(client, "tth", "nothere", &error), MLAAS_CLIENT_FILE);
  assert_non_null(strstr(error.message, "nothere"));
  assert_int_equal(mlaas_client_upload(client, "tth", "params.json", &error), MLAAS_CLIENT_FILE);
  assert_int_equal(mlaas_client_upload_form(client, "tth", "params.json", "nothere", NULL, &error), MLAAS_CLIENT_FILE);
  assert_int_equal(mlaas_client_upload_form(client, "tth", "params.json", "model", NULL, &error), MLAAS_CLIENT_FILE);
  assert_int_equal(server.requests, 0);
}

static void a_form_travels_with_its_files(void **state) {
  (void)state;
  static const struct fake_reply good = {HEAD, 0, false};
  start(&good, 1);
  assert_int_equal(
      mlaas_client_upload_form(client, "tth", "params.json", "model/model.onnx", "model/deep/empty", &error),
      MLAAS_CLIENT_OK);
  assert_non_null(strstr(body(), "name=\"name\"\r\n\r\ntth\r\n"));
  assert_non_null(strstr(body(), "name=\"params\"; filename=\"params.json\"\r\nContent-Type: application/octet-stream"
                                 "\r\n\r\n{}\r\n--"));
  assert_non_null(strstr(body(), "name=\"model\"; filename=\"model.onnx\""));
  assert_non_null(strstr(body(), "name=\"labels\"; filename=\"empty\""));
  assert_string_equal(server.last + server.last_size - 4, "--\r\n");
}

static void one_model_is_found_in_the_list(void **state) {
  (void)state;
  static const struct fake_reply script[] = {
      {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0, false},
      {HEAD "[ {\"name\": \"tt\", \"x\": {\"name\": \"tth\"}} , {\"y\": [1], \"name\": \"tth\"} , {}]\n", 0, false},
      {"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", 0, false},
      {HEAD "null", 0, false},
      {HEAD "{}", 0, false}};
  char *json = NULL;
  start(script, 5);
  assert_int_equal(mlaas_client_model(client, "tth", &json, &error), MLAAS_CLIENT_OK);
  assert_string_equal(json, "{\"y\": [1], \"name\": \"tth\"}");
  mlaas_client_free(json);
  assert_int_equal(mlaas_client_model(client, "tth", &json, &error), MLAAS_CLIENT_NOT_FOUND);
  assert_int_equal(mlaas_client_models(client, &json, &error), MLAAS_CLIENT_REPLY);
}

static void a_listing_is_not_believed(void **state) {
  (void)state;
  static const char *const links[] = {"../x", "/x", "a/b", "..", "%2e%2e/", "a%2fb", "a%00b", "a%", "a%zz", "a%+1", ""};
  for (size_t i = 0; i < sizeof links / sizeof *links; i++) {
    char text[200];
    snprintf(text, sizeof text, HEAD "<a href=\"%s\">x</a>", links[i]);
    start(&(struct fake_reply){text, 0, false}, 1);
    enum mlaas_client_status status = mlaas_client_download(client, "m", "copy", &error);
    if (status != MLAAS_CLIENT_REPLY)
      fail_msg("%s was believed", links[i]);
    assert_int_equal(strangers(), 0);
    stop(NULL);
  }
}

static void endless_folders_come_to_an_end(void **state) {
  (void)state;
  static const struct fake_reply again = {HEAD "<a href=\"a/\">a/</a>", 0, false};
  start(&again, 1);
  assert_int_equal(mlaas_client_download(client, "m", "copy", &error), MLAAS_CLIENT_REPLY);
  assert_non_null(strstr(error.message, "deep"));
  assert_int_equal(strangers(), 0);
}

static void a_file_that_is_cut_off_leaves_nothing(void **state) {
  (void)state;
  static const struct fake_reply script[] = {{HEAD "<a href=\"a\">a</a><a href=\".hid\">x</a>", 0, false},
                                             {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", 0, true}};
  start(script, 2);
  assert_int_equal(mlaas_client_download(client, "m", "copy", &error), MLAAS_CLIENT_REPLY);
  assert_int_equal(strangers(), 0);
}

/* ---- memory ---- */

static enum mlaas_client_status upload(void) { return mlaas_client_upload(client, "tth", "model", &error); }

static enum mlaas_client_status upload_form(void) {
  return mlaas_client_upload_form(client, "tth", "params.json", "model/model.onnx", NULL, &error);
}

static enum mlaas_client_status delete (void) { return mlaas_client_delete(client, "tth", &error); }

static enum mlaas_client_status download(void) {
  enum mlaas_client_status status = mlaas_client_download(client, "m", "copy", &error);
  mlaas_client_memory_fail(0);
  if (status == MLAAS_CLIENT_OK) {
    assert_int_equal(unlink("copy/a b"), 0);
    assert_int_equal(rmdir("copy"), 0);
  }
  assert_int_equal(strangers(), 0);
  return status;
}

static void fails_in_turn(enum mlaas_client_status (*act)(void), long least) {
  long failures = 0;
  for (;; failures++) {
    mlaas_client_memory_fail(failures + 1);
    enum mlaas_client_status status = act();
    mlaas_client_memory_fail(0);
    if (status == MLAAS_CLIENT_OK)
      break;
    assert_int_equal(status, MLAAS_CLIENT_MEMORY);
    assert_true(failures < 500);
  }
  assert_true(failures >= least);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static const struct fake_reply listing = {HEAD "<a href=\"a%20b\">a b</a>", 0, false};
  start(&listing, 1); /* which is also the content of the file */
  fails_in_turn(upload, 20);
  fails_in_turn(upload_form, 8);
  fails_in_turn(delete, 4);
  fails_in_turn(download, 10);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_teardown(a_folder_travels_as_an_archive, stop),
      cmocka_unit_test_teardown(what_cannot_travel_is_said, stop),
      cmocka_unit_test_teardown(a_form_travels_with_its_files, stop),
      cmocka_unit_test_teardown(one_model_is_found_in_the_list, stop),
      cmocka_unit_test(a_listing_is_not_believed),
      cmocka_unit_test_teardown(endless_folders_come_to_an_end, stop),
      cmocka_unit_test_teardown(a_file_that_is_cut_off_leaves_nothing, stop),
      cmocka_unit_test_teardown(every_allocation_may_fail, stop),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
