/* A service on a thread, with a folder of models that need no framework, and a client that speaks plain HTTP. Include
 * after cmocka.h.
 */
#ifndef MLAAS_TESTS_SERVE_HARNESS_H
#define MLAAS_TESTS_SERVE_HARNESS_H

#include "../model/folders.h"
#include "serve/service.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

struct harness {
  char root[TEST_PATH], log[TEST_PATH + 8];
  struct mlaas_service *service;
  pthread_t thread;
  int fd;
  char reply[1 << 20]; /* head and body of the last reply */
  const char *body;
  int status;
};

static struct harness harness;

static const char bundle_json[] =
    "{\"format\":\"mlaas-model\",\"version\":1,\"name\":\"raw\",\"back_end\":\"echo\",\"file\":\"echo.json\","
    "\"inputs\":[{\"name\":\"x\",\"recipe_input\":\"x\",\"mask\":\"none\"}],\"outputs\":[{\"name\":\"y\"}],"
    "\"labels\":[\"a\",\"b\"],\"training\":{}}";
static const char recipe_json[] =
    "{\"format\":\"mlaas-recipe\",\"version\":1,\"table\":\"t\",\"pad\":-7,\"missing\":[-999.0],\"inputs\":[{\"name\":"
    "\"x\","
    "\"kind\":\"flat\",\"columns\":["
    "{\"branch\":\"n\",\"type\":\"i\",\"scaler\":\"standard\",\"mean\":3.1,\"sd\":1.7,\"range\":[0,12]},"
    "{\"branch\":\"pt\",\"type\":\"f\",\"scaler\":\"none\"},"
    "{\"branch\":\"jet\",\"type\":\"f\",\"width\":3,\"scaler\":\"minmax\",\"min\":20.0,\"max\":900.0}]}]}";

__attribute__((unused)) static void make_models(const char *root) {
  put_text(root, "models/echo/echo.json", "{\"inputs\": 4, \"outputs\": 4}");
  put_text(root, "models/slow/slow.json", "{\"inputs\": 1, \"outputs\": 1, \"delay_us\": 300000}");
  put_text(root, "models/raw/echo.json", "{\"inputs\": 5, \"outputs\": 5}");
  put_text(root, "models/raw/model.json", bundle_json);
  put_text(root, "models/raw/recipe.json", recipe_json);
  put_text(root, "models/bad/echo.json", "{\"inputs\": \"many\"}");
}

static void *run_service(void *context) {
  struct mlaas_error error;
  assert_int_equal(mlaas_service_run(((struct harness *)context)->service, &error), MLAAS_OK);
  return NULL;
}

/* `settings`: pairs of key and value, ended by NULL. */
__attribute__((unused)) static void start_service(const char *const *settings) {
  struct mlaas_config config;
  struct mlaas_error error = {0};
  char models[TEST_PATH + 16];
  make_temporary(harness.root);
  make_models(harness.root);
  snprintf(models, sizeof models, "%s/models", harness.root);
  snprintf(harness.log, sizeof harness.log, "%s/log", harness.root);
  assert_int_equal(mlaas_config_init(&config, &error), MLAAS_OK);
  const char *const own[] = {"models",   models, "port",     "0",         "loops", "1",
                             "no-check", "true", "log-file", harness.log, NULL};
  for (const char *const *pair = own; *pair; pair += 2)
    assert_int_equal(mlaas_config_set(&config, pair[0], pair[1], &error), MLAAS_OK);
  for (const char *const *pair = settings; *pair; pair += 2)
    assert_int_equal(mlaas_config_set(&config, pair[0], pair[1], &error), MLAAS_OK);
  if (mlaas_service_open(&config, &harness.service, &error) != MLAAS_OK)
    fail_msg("%s", error.message);
  mlaas_config_reset(&config);
  harness.fd = -1;
  assert_int_equal(pthread_create(&harness.thread, NULL, run_service, &harness), 0);
}

__attribute__((unused)) static void stop_service(void) {
  if (harness.fd >= 0)
    close(harness.fd);
  mlaas_service_stop(harness.service);
  pthread_join(harness.thread, NULL);
  mlaas_service_close(harness.service);
  remove_tree(harness.root);
}

static int connect_service(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
  struct sockaddr_in address = {.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)mlaas_server_port(harness.service->server))};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  return fd;
}

/* Reads one reply with Content-Length; `head`: to HEAD, without body. */
static void read_reply(bool head) {
  size_t used = 0, want = 0;
  for (;;) {
    ssize_t got = recv(harness.fd, harness.reply + used, sizeof harness.reply - 1 - used, 0);
    if (got <= 0)
      fail_msg("the connection ended after %zu bytes", used);
    harness.reply[used += (size_t)got] = 0;
    char *end = strstr(harness.reply, "\r\n\r\n");
    if (!end)
      continue;
    char *length = strcasestr(harness.reply, "\r\nContent-Length: ");
    want = (size_t)(end + 4 - harness.reply) + (length && length < end && !head ? strtoul(length + 18, NULL, 10) : 0);
    if (used < want)
      continue;
    assert_int_equal(used, want);
    harness.body = end + 4;
    harness.status = (int)strtol(harness.reply + 9, NULL, 10);
    return;
  }
}

/* One request on a connection that is kept; `headers` may be "". */
__attribute__((unused)) static int ask(const char *method, const char *path, const char *headers, const char *body,
                                       size_t size) {
  char head[2048];
  if (harness.fd < 0)
    harness.fd = connect_service();
  int length = snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: test\r\nContent-Length: %zu\r\n%s\r\n", method,
                        path, size, headers);
  assert_int_equal(send(harness.fd, head, (size_t)length, MSG_NOSIGNAL), length);
  if (size)
    assert_int_equal(send(harness.fd, body, size, MSG_NOSIGNAL), (ssize_t)size);
  read_reply(strcmp(method, "HEAD") == 0);
  if (strcasestr(harness.reply, "\r\nConnection: close")) {
    close(harness.fd);
    harness.fd = -1;
  }
  return harness.status;
}

__attribute__((unused)) static int get(const char *path) { return ask("GET", path, "", NULL, 0); }
__attribute__((unused)) static int post(const char *path, const char *body) {
  return ask("POST", path, "", body, strlen(body));
}

/* The value of a header of the last reply, or NULL. */
__attribute__((unused)) static const char *header(const char *name) {
  static char value[512];
  char line[128];
  snprintf(line, sizeof line, "\r\n%s: ", name);
  const char *found = strcasestr(harness.reply, line);
  if (!found || found > harness.body)
    return NULL;
  found += strlen(line);
  snprintf(value, sizeof value, "%.*s", (int)strcspn(found, "\r"), found);
  return value;
}

#endif
