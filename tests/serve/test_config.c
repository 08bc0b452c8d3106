/* Settings: our keys, TFaaS's config.json, and what is wrong with them. */
#include "serve/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct mlaas_config config;
static struct mlaas_error error;

static int make(void **state) {
  (void)state;
  error = (struct mlaas_error){0};
  return mlaas_config_init(&config, &error) != MLAAS_OK;
}

static int drop(void **state) {
  (void)state;
  mlaas_config_reset(&config);
  return 0;
}

static enum mlaas_status read_text(const char *text) {
  char path[] = "/tmp/mlaas-config-XXXXXX";
  int fd = mkstemp(path);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
  close(fd);
  enum mlaas_status status = mlaas_config_read(&config, path, &error);
  unlink(path);
  return status;
}

static void defaults_are_safe(void **state) {
  (void)state;
  assert_string_equal(config.server.host, "127.0.0.1");
  assert_int_equal(config.server.port, 8083);
  assert_string_equal(config.base, "");
  assert_int_equal(config.rate_requests, 0);
  assert_null(config.repository.folder);
}

static void tfaas_keys_mean_what_they_mean_there(void **state) {
  (void)state;
  assert_int_equal(
      read_text("{\"port\":8181,\"modelDir\":\"m\",\"staticDir\":\"s\",\"configProto\":\"c\",\"base\":\"tf/\","
                "\"logFile\":\"l\",\"verbose\":1,\"serverKey\":\"k\",\"serverCrt\":\"t\",\"cacheLimit\":0,"
                "\"rate\":\"7-M\",\"monitRecord\":true}"),
      MLAAS_OK);
  assert_int_equal(config.server.port, 8181);
  assert_string_equal(config.repository.folder, "m");
  assert_string_equal(config.static_dir, "s");
  assert_string_equal(config.config_proto, "c");
  assert_string_equal(config.base, "/tf");
  assert_string_equal(config.log_file, "l");
  assert_true(config.log_dated);
  assert_int_equal(config.log_level, 3);
  assert_string_equal(config.server.tls.key, "k");
  assert_string_equal(config.server.tls.certificate, "t");
  assert_int_equal(config.repository.most_loaded, 10);
  assert_int_equal(config.rate_requests, 7);
  assert_true(config.rate_ns == 60 * (int64_t)1000000000);
  assert_int_equal(config.log_format, MLAAS_LOG_MONIT);
}

static void without_a_rate_a_file_means_tfaas_default(void **state) {
  (void)state;
  assert_int_equal(read_text("{\"MODELDIR\":\"m\",\"base\":\"\",\"logFile\":\"\",\"rate\":\"\"}"), MLAAS_OK);
  assert_int_equal(config.rate_requests, 100);
  assert_true(config.rate_ns == 1000000000);
  assert_string_equal(config.base, "");
  assert_null(config.log_file);
}

static void our_keys_with_dashes_or_underscores(void **state) {
  (void)state;
  assert_int_equal(read_text("{\"models\":\"m\",\"body_limit\":\"2MiB\",\"read-only\":true,\"most_rows\":16}"),
                   MLAAS_OK);
  assert_int_equal(config.server.body_limit, 2 << 20);
  assert_true(config.repository.read_only);
  assert_int_equal(config.repository.most_rows, 16);
  assert_int_equal(mlaas_config_set(&config, "log-format", "json", &error), MLAAS_OK);
  assert_int_equal(config.log_format, MLAAS_LOG_JSON);
  assert_int_equal(mlaas_config_set(&config, "memory", "1.5GiB", &error), MLAAS_ARGUMENT);
}

static void unknown_keys_and_bad_values_are_named(void **state) {
  (void)state;
  assert_int_equal(read_text("{\"modlDir\":\"m\"}"), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "modelDir"));
  static const struct {
    const char *key, *value;
  } bad[] = {{"port", "70000"},       {"port", "-1"},      {"port", "x"},
             {"rate", "5"},           {"rate", "5-Y"},     {"rate", "-S"},
             {"base", "/a//b"},       {"base", "/../x"},   {"base", "/a b"},
             {"log-format", "xml"},   {"log-level", "9"},  {"read-only", "maybe"},
             {"body-limit", "2 XiB"}, {"loops", "100000"}, {"body-limit", "99999999999999GiB"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
    assert_int_equal(mlaas_config_set(&config, bad[i].key, bad[i].value, &error), MLAAS_ARGUMENT);
    assert_non_null(strstr(error.message, bad[i].key));
  }
  assert_int_equal(read_text("{\"port\":[1]}"), MLAAS_FORMAT);
  assert_int_equal(read_text("{\"port\":1,\"port\":2}"), MLAAS_FORMAT);
  assert_int_equal(read_text("[1]"), MLAAS_FORMAT);
  assert_int_equal(read_text("{\n\"port\":,}"), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "line 2"));
  assert_int_equal(mlaas_config_read(&config, "/nonexistent/c.json", &error), MLAAS_NOT_FOUND);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, make, drop)
  const struct CMUnitTest tests[] = {
      TEST(defaults_are_safe),
      TEST(tfaas_keys_mean_what_they_mean_there),
      TEST(without_a_rate_a_file_means_tfaas_default),
      TEST(our_keys_with_dashes_or_underscores),
      TEST(unknown_keys_and_bad_values_are_named),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
