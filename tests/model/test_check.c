/* Trials in a child process: what crashes, hangs or talks too much there does the parent no harm. */
#include "model/check.h"

#include "model/repository/repository.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "root.h"
#include "waiting.h"

static int descriptors(void) {
  DIR *dir = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(dir))
    count++;
  closedir(dir);
  return count;
}

static enum mlaas_status try_with(const char *program, const char *name, int64_t limit_ms, struct mlaas_error *error) {
  static const struct mlaas_model_options none = {.size = sizeof none};
  char path[2 * TEST_PATH];
  snprintf(path, sizeof path, "%s/%s", root, name);
  struct mlaas_check check = {
      .program = program, .path = path, .model = &none, .limit_ms = limit_ms, .limit_memory = (int64_t)4 << 30};
  int before = descriptors();
  enum mlaas_status status = mlaas_check_run(&check, error);
  assert_int_equal(descriptors(), before);
  assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
  return status;
}

static void good(const char *text) {
  struct mlaas_error error = {0};
  put_text(root, "m/slow.json", text);
  if (try_with(MLAAS_TEST_PROGRAM, "m", 30000, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
}

static void bad(const char *text, int64_t limit_ms, enum mlaas_status status, const char *words) {
  struct mlaas_error error = {0};
  put_text(root, "m/slow.json", text);
  assert_int_equal(try_with(MLAAS_TEST_PROGRAM, "m", limit_ms, &error), status);
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s: %s'", words, error.where, error.message);
}

static void good_models_pass(void **state) {
  (void)state;
  good("{\"inputs\": 2}");
  good("{\"fail\": \"run\"}"); /* what fails on zeros may like other numbers */
}

static void crashes_are_told(void **state) {
  (void)state;
  bad("{\"crash\": \"open\"}", 30000, MLAAS_FORMAT, "crashed when it was tried (signal 11)");
  bad("{\"crash\": \"run\"}", 30000, MLAAS_FORMAT, "crashed when it was tried (signal 11)");
}

static void hanging_is_ended(void **state) {
  (void)state;
  bad("{\"hang\": \"open\"}", 300, MLAAS_TIMEOUT, "not through with its trial after 0.3 seconds");
  bad("{\"hang\": \"run\"}", 300, MLAAS_TIMEOUT, "not through with its trial after 0.3 seconds");
}

static void failures_keep_their_status_and_words(void **state) {
  (void)state;
  bad("{\"fail\": \"open\"}", 30000, MLAAS_FORMAT, "told to fail");
  bad("{\"what\": 1}", 30000, MLAAS_ARGUMENT, "what");
  bad("no json", 30000, MLAAS_FORMAT, "no JSON");
  struct mlaas_error error = {0};
  assert_int_equal(try_with(MLAAS_TEST_PROGRAM, "nothing", 30000, &error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.where, "nothing"));
}

/* ---- children that are not ours ---- */

static const char *script(const char *text) {
  static char path[2 * TEST_PATH];
  put_text(root, "program", text);
  snprintf(path, sizeof path, "%s/program", root);
  assert_int_equal(chmod(path, 0755), 0);
  return path;
}

static void a_program_that_cannot_be_started_is_told(void **state) {
  (void)state;
  struct mlaas_error error = {0};
  assert_int_equal(try_with("/nowhere/mlaas", "m", 60000, &error), MLAAS_IO);
  assert_non_null(strstr(error.message, "/nowhere/mlaas cannot be started"));
  assert_int_equal(try_with(script("no program\n"), "m", 60000, &error) == MLAAS_OK, false);
}

static void answers_are_bounded_and_read_to_the_end(void **state) {
  (void)state;
  struct mlaas_error error = {0};
  assert_int_equal(
      try_with(script("#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' 'x'\nhead -c 3000000 /dev/zero >&2\n"), "m",
               20000, &error),
      MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "ended the program"));
  assert_int_equal(try_with(script("#!/bin/sh\necho '{\"ok\": true}'\n"), "m", 20000, &error), MLAAS_OK);
  assert_int_equal(try_with(script("#!/bin/sh\necho noise\necho '{\"ok\": true}'\n"), "m", 20000, &error), MLAAS_OK);
  assert_int_equal(try_with(script("#!/bin/sh\nexit 0\n"), "m", 20000, &error), MLAAS_FORMAT);
  assert_int_equal(try_with(script("#!/bin/sh\necho 'terminate called' >&2\nkill -ABRT $$\n"), "m", 20000, &error),
                   MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "(signal 6): terminate called"));
}

/* What it starts keeps its output open, and goes with it. */
static void grandchildren_are_ended_too(void **state) {
  (void)state;
  struct mlaas_error error = {0};
  const char *program = script("#!/bin/sh\nsleep 1000 &\necho $! > \"$(dirname \"$0\")/pid\"\nsleep 1000\n");
  char path[2 * TEST_PATH];
  int pid = 0;
  snprintf(path, sizeof path, "%s/pid", root);
  FILE *file = NULL;
  for (int64_t limit_ms = 300; pid == 0 && limit_ms < 60000; limit_ms *= 4) { /* a busy machine starts it late */
    assert_int_equal(try_with(program, "m", limit_ms, &error), MLAAS_TIMEOUT);
    file = fopen(path, "r");
    if (file && fscanf(file, "%d", &pid) != 1)
      pid = 0;
    if (file)
      fclose(file);
  }
  assert_true(pid > 0);
  bool gone = false;
  for (int i = 0; i < 12000 && !gone; i++) { /* it may stay as a zombie of init for a moment */
    char status[64];
    snprintf(status, sizeof status, "/proc/%d/stat", pid);
    file = fopen(status, "r");
    char letter = 'Z';
    gone = !file || (fscanf(file, "%*d %*s %c", &letter) == 1 && letter == 'Z');
    if (file)
      fclose(file);
    usleep(5000);
  }
  assert_true(gone);
}

/* ---- within a repository ---- */

static void a_bad_model_does_not_take_the_repository_along(void **state) {
  (void)state;
  put_text(root, "good/echo.json", "{}");
  put_text(root, "crash/slow.json", "{\"crash\": \"open\"}");
  put_text(root, "hang/slow.json", "{\"hang\": \"run\"}");
  struct mlaas_repository_options options = {
      .folder = root, .runners = 1, .most_rows = 1, .checker = MLAAS_TEST_PROGRAM, .check_ms = 8000};
  struct mlaas_repository *repository = NULL;
  struct waiting_loop waiting;
  struct waiting_load crash, hang, fine;
  struct mlaas_error error = {0};
  waiting_begin(&waiting);
  assert_int_equal(mlaas_repository_open(&options, &repository, NULL), MLAAS_OK);
  waiting_start(&waiting, &hang, repository, "hang", 0, false);
  waiting_start(&waiting, &crash, repository, "crash", 0, false);
  waiting_start(&waiting, &fine, repository, "good", 0, false);
  assert_int_equal(waiting_finish(&fine, &error), MLAAS_OK); /* does not wait for the one that hangs */
  assert_int_equal(waiting_finish(&crash, &error), MLAAS_FORMAT);
  assert_int_equal(waiting_finish(&hang, &error), MLAAS_TIMEOUT);
  struct mlaas_instance *instance = NULL;
  assert_int_equal(mlaas_repository_get(repository, MLAAS_SLICE("crash"), 0, &instance, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "signal 11"));
  char *staged = NULL;
  assert_int_equal(mlaas_repository_stage(repository, &staged, &error), MLAAS_OK);
  put_text(staged, "slow.json", "{\"crash\": \"run\"}");
  assert_int_equal(mlaas_repository_install(repository, staged, MLAAS_SLICE("good"), 0, &error), MLAAS_FORMAT);
  assert_int_equal(mlaas_repository_get(repository, MLAAS_SLICE("good"), 0, &instance, &error), MLAAS_OK);
  mlaas_instance_put(instance);
  mlaas_free(staged);
  mlaas_repository_close(repository);
  waiting_end(&waiting);
}

/* A program that counts how often it is asked. */
static int trials(void) {
  char path[2 * TEST_PATH];
  int count = 0;
  snprintf(path, sizeof path, "%s/count", root);
  FILE *file = fopen(path, "r");
  while (file && fgetc(file) != EOF)
    count++;
  if (file)
    fclose(file);
  return count;
}

static void load_again(const struct mlaas_repository_options *options, struct waiting_loop *waiting) {
  struct mlaas_repository *repository = NULL;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_open(options, &repository, &error), MLAAS_OK);
  for (int i = 0; i < 2; i++) {
    if (waiting_load(waiting, repository, "m", 0, true, &error) != MLAAS_OK)
      fail_msg("%s: %s", error.where, error.message);
  }
  mlaas_repository_close(repository);
}

static void what_was_good_is_not_tried_again(void **state) {
  (void)state;
  struct waiting_loop waiting;
  char models[2 * TEST_PATH];
  const char *program = script("#!/bin/sh\nprintf x >> \"$(dirname \"$0\")/count\"\necho '{\"ok\": true}'\n");
  put_text(root, "models/m/echo.json", "{}");
  snprintf(models, sizeof models, "%s/models", root);
  struct mlaas_repository_options options = {.folder = models, .runners = 1, .most_rows = 1, .checker = program};
  waiting_begin(&waiting);
  load_again(&options, &waiting);
  assert_int_equal(trials(), 1);
  load_again(&options, &waiting); /* nor by the next server */
  assert_int_equal(trials(), 1);
  put_text(root, "models/m/echo.json", "{\"outputs\": 12}");
  load_again(&options, &waiting);
  assert_int_equal(trials(), 2);
  options.model.options = "{\"outputs\": 3}"; /* with other options it is another matter */
  load_again(&options, &waiting);
  assert_int_equal(trials(), 3);
  put_text(root, "models/.mlaas-checked", "mlaas-checked 1 damaged\nxx");
  load_again(&options, &waiting);
  assert_int_equal(trials(), 4);
  waiting_end(&waiting);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(good_models_pass),
      IN_FOLDER(crashes_are_told),
      IN_FOLDER(hanging_is_ended),
      IN_FOLDER(failures_keep_their_status_and_words),
      IN_FOLDER(a_program_that_cannot_be_started_is_told),
      IN_FOLDER(answers_are_bounded_and_read_to_the_end),
      IN_FOLDER(grandchildren_are_ended_too),
      IN_FOLDER(a_bad_model_does_not_take_the_repository_along),
      IN_FOLDER(what_was_good_is_not_tried_again),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
