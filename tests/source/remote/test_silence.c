/* Servers that do not answer: whoever comes to one learns from whoever came before, until it answers. Connections are
 * counted, not seconds.
 */
#include "remote_help.h"

enum { FILES = 10, ATTEMPTS = 5, OF_SILENT = 2 };

/* Files on one server, which all fall silent together. */
static void serve_many(const char *host, struct fake_file **files, char (*names)[64]) {
  for (int i = 0; i < FILES; i++) {
    snprintf(names[i], sizeof names[i], "fake://%s/%d.root", host, i);
    files[i] = fake_wire_serve(names[i], bytes, SIZE);
    files[i]->open_fault = files[i]->fetch_fault = FAKE_SILENT;
  }
}

static void set_silent(struct fake_file **files, bool silent) {
  for (int i = 0; i < FILES; i++)
    files[i]->bad_opens = files[i]->bad_fetches = silent ? 1000 : 0;
}

static enum mlaas_status open_one(struct mlaas_context *context, const char *name, struct mlaas_error *error) {
  struct mlaas_source *source = NULL;
  enum mlaas_status status = mlaas_source_open(context, name, &source, error);
  mlaas_source_put(source);
  return status;
}

static void the_second_file_learns_from_the_first(void **state) {
  (void)state;
  struct fake_file *files[FILES];
  char names[FILES][64];
  struct mlaas_error error = {0};
  struct mlaas_context *context = make_context(0, 0, ATTEMPTS - 1);
  serve_many("silent", files, names);
  set_silent(files, true);
  for (int i = 0; i < FILES; i++) {
    assert_int_equal(open_one(context, names[i], &error), MLAAS_TIMEOUT);
    assert_int_equal(files[i]->opens, i ? OF_SILENT : ATTEMPTS);
    assert_int_equal(strstr(error.message, "does not answer others either") != NULL, i > 0);
    assert_int_equal(strstr(error.message, "(5 attempts)") != NULL, i == 0);
  }
  set_silent(files, false);
  assert_int_equal(open_one(context, names[1], &error), MLAAS_OK); /* asked, and it is there again */
  set_silent(files, true);
  assert_int_equal(open_one(context, names[2], &error), MLAAS_TIMEOUT);
  assert_int_equal(files[2]->opens, OF_SILENT + ATTEMPTS);
  mlaas_context_put(context);
}

/* One file that hangs is not its server. */
static void a_server_that_answers_others_is_not_silent(void **state) {
  (void)state;
  struct fake_file *files[FILES];
  char names[FILES][64];
  struct mlaas_error error = {0};
  struct mlaas_context *context = make_context(0, 0, ATTEMPTS - 1);
  serve_many("one-hangs", files, names);
  for (int i = 0; i < 2; i++) {
    files[i]->bad_opens = 1000;
    files[i]->open_fault = i ? FAKE_SILENT : FAKE_TRANSIENT;
    assert_int_equal(open_one(context, names[i], &error), i ? MLAAS_TIMEOUT : MLAAS_IO);
    assert_int_equal(files[i]->opens, ATTEMPTS);
  }
  files[2]->open_fault = FAKE_TRANSIENT;
  files[2]->bad_opens = 1; /* refused, which is an answer */
  assert_int_equal(open_one(context, names[2], &error), MLAAS_OK);
  assert_int_equal(files[2]->opens, 2);
  assert_int_equal(open_one(context, names[1], &error), MLAAS_TIMEOUT);
  assert_int_equal(files[1]->opens, 2 * ATTEMPTS);
  mlaas_context_put(context);
}

static void files_that_are_open_learn_too(void **state) {
  (void)state;
  struct fake_file *files[FILES];
  char names[FILES][64];
  struct mlaas_error error = {0};
  struct mlaas_context *context = make_context(0, 0, ATTEMPTS - 1);
  struct mlaas_source *sources[2];
  int64_t wanted[][2] = {{700000, 100000}};
  serve_many("falls-silent", files, names);
  for (int i = 0; i < 2; i++)
    sources[i] = open_file(context, names[i]);
  long fetches[2] = {files[0]->fetches, files[1]->fetches};
  set_silent(files, true);
  for (int i = 0; i < 2; i++)
    assert_int_equal(read_ranges(sources[i], wanted, 1, &error), MLAAS_TIMEOUT);
  assert_int_equal(files[0]->fetches - fetches[0] + files[0]->opens - 1, ATTEMPTS);
  assert_int_equal(files[1]->fetches - fetches[1] + files[1]->opens - 1, OF_SILENT);
  set_silent(files, false);
  assert_reads(sources[1], 700000, 100000);
  mlaas_source_put(sources[0]);
  close_all(context, sources[1]);
}

static void a_replica_elsewhere_is_read_as_ever(void **state) {
  (void)state;
  struct fake_file *files[FILES];
  char names[FILES][64], both[160];
  struct mlaas_error error = {0};
  struct mlaas_context *context = make_context(0, 0, ATTEMPTS - 1);
  serve_many("silent-one", files, names);
  set_silent(files, true);
  assert_int_equal(open_one(context, names[0], &error), MLAAS_TIMEOUT);
  struct fake_file *other = fake_wire_serve("fake://fails-once/x.root", bytes, SIZE);
  other->open_fault = FAKE_TRANSIENT;
  other->bad_opens = 1;
  snprintf(both, sizeof both, "%s|fake://fails-once/x.root", names[1]);
  assert_int_equal(open_one(context, both, &error), MLAAS_OK);
  assert_true(files[1]->opens <= OF_SILENT);
  assert_int_equal(other->opens, 2);
  mlaas_context_put(context);
}

/* A wrong setting ends the call: no other replica is asked, and nothing again. */
static void settings_that_are_wrong_end_it(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://wrong/x.root", bytes, SIZE);
  struct fake_file *b = fake_wire_serve("fake://wrong-too/x.root", bytes, SIZE);
  struct mlaas_error error = {0};
  struct mlaas_context *context = make_context(0, 0, ATTEMPTS - 1);
  a->open_fault = b->open_fault = FAKE_MISTAKE;
  a->bad_opens = b->bad_opens = 1000;
  assert_int_equal(open_one(context, "fake://wrong/x.root|fake://wrong-too/x.root", &error), MLAAS_ARGUMENT);
  assert_int_equal(a->opens + b->opens, 1);
  mlaas_context_put(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(the_second_file_learns_from_the_first, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_server_that_answers_others_is_not_silent, set_up, tear_down),
      cmocka_unit_test_setup_teardown(files_that_are_open_learn_too, set_up, tear_down),
      cmocka_unit_test_setup_teardown(a_replica_elsewhere_is_read_as_ever, set_up, tear_down),
      cmocka_unit_test_setup_teardown(settings_that_are_wrong_end_it, set_up, tear_down)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
