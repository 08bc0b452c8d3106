/* A repository: what is found, loaded, replaced, deleted, while others use it. With the plug-ins echo and slow. */
#include "model/repository/repository.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../root.h"
#include "../waiting.h"

static struct waiting_loop waiting;
static struct mlaas_repository *repository;

static int begin(void **state) {
  (void)state;
  make_temporary(root);
  waiting_begin(&waiting);
  return 0;
}

static int end(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  mlaas_repository_close(repository);
  repository = NULL;
  waiting_end(&waiting);
  remove_tree(root);
  return 0;
}

static struct mlaas_repository_options usual(void) {
  return (struct mlaas_repository_options){.folder = root, .runners = 1, .most_rows = 2};
}

static void open_with(const struct mlaas_repository_options *options) {
  struct mlaas_error error = {0};
  if (mlaas_repository_open(options, &repository, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
}

static void open_usual(void) {
  struct mlaas_repository_options options = usual();
  open_with(&options);
}

static void put_model(const char *name, int outputs) {
  char path[TEST_PATH], text[64];
  snprintf(path, sizeof path, "%s/echo.json", name);
  snprintf(text, sizeof text, "{\"inputs\": 2, \"outputs\": %d}", outputs);
  put_text(root, path, text);
}

static void load(const char *name, int64_t version) {
  struct mlaas_error error = {0};
  if (waiting_load(&waiting, repository, name, version, false, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
}

static void load_fails(const char *name, int64_t version, enum mlaas_status status, const char *words) {
  struct mlaas_error error = {0};
  assert_int_equal(waiting_load(&waiting, repository, name, version, false, &error), status);
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s: %s'", words, error.where, error.message);
}

static struct mlaas_instance *get(const char *name, int64_t version) {
  struct mlaas_instance *instance = NULL;
  struct mlaas_error error = {0};
  if (mlaas_repository_get(repository, mlaas_slice_of(name), version, &instance, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return instance;
}

static void get_fails(const char *name, int64_t version, enum mlaas_status status) {
  struct mlaas_instance *instance = NULL;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_get(repository, mlaas_slice_of(name), version, &instance, &error), status);
  assert_int_equal(error.status, status);
  assert_true(error.message[0] != 0);
  assert_null(strstr(error.where, root));
  assert_null(strstr(error.message, root));
  assert_null(instance);
}

/* Width of what the loaded model gives. */
static int64_t outputs_of(const char *name, int64_t version) {
  struct mlaas_instance *instance = get(name, version);
  int64_t width = instance->model->outputs[0].shape[1];
  mlaas_instance_put(instance);
  return width;
}

/* ---- finding and loading ---- */

static void a_model_is_loaded_when_it_is_asked_for(void **state) {
  (void)state;
  put_model("jets", 1);
  open_usual();
  assert_true(mlaas_repository_ready(repository));
  get_fails("jets", 0, MLAAS_STATE);
  load("jets", 0);
  struct mlaas_instance *instance = get("jets", 0);
  assert_string_equal(instance->name, "jets");
  assert_int_equal(instance->version, 1);
  assert_int_equal(instance->queue_limit, 1024);
  assert_true(instance->timing.on_loop);
  assert_null(instance->executor);
  assert_true(instance->load_ns > 0 && instance->loaded_at > 0);
  struct mlaas_instance *again = get("jets", 1);
  assert_ptr_equal(instance, again);
  mlaas_instance_put(again);
  mlaas_instance_put(instance);
  load("jets", 1);
  get_fails("jets", 2, MLAAS_NOT_FOUND);
  get_fails("other", 0, MLAAS_NOT_FOUND);
  load_fails("other", 0, MLAAS_NOT_FOUND, "no model 'other'");
  load_fails("jets", 7, MLAAS_NOT_FOUND, "jets");
}

static void names_that_leave_the_folder_are_unknown(void **state) {
  (void)state;
  put_model("jets", 1);
  open_usual();
  static const char *const names[] = {"",     ".",     "..",      "../jets", "jets/", "jets/../jets",
                                      "/etc", "-jets", ".hidden", "je ts"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    get_fails(names[i], 0, MLAAS_NOT_FOUND);
    load_fails(names[i], 0, MLAAS_NOT_FOUND, "there is no model");
    assert_int_equal(mlaas_model_name_check(mlaas_slice_of(names[i]), NULL), MLAAS_ARGUMENT);
  }
  struct mlaas_instance *instance = NULL;
  struct mlaas_slice with_zero = {"jets\0x", 6};
  assert_int_equal(mlaas_repository_get(repository, with_zero, 0, &instance, NULL), MLAAS_NOT_FOUND);
  char long_name[300];
  memset(long_name, 'a', sizeof long_name);
  struct mlaas_slice slice = {long_name, sizeof long_name};
  assert_int_equal(mlaas_repository_get(repository, slice, 0, &instance, NULL), MLAAS_NOT_FOUND);
  slice.size = 128;
  assert_int_equal(mlaas_model_name_check(slice, NULL), MLAAS_OK);
  slice.size = 129;
  assert_int_equal(mlaas_model_name_check(slice, NULL), MLAAS_ARGUMENT);
}

static void versions_are_folders_of_numbers(void **state) {
  (void)state;
  put_model("jets/1", 1);
  put_model("jets/2", 2);
  put_model("jets/10", 10);
  put_model("jets/010", 3);
  put_text(root, "jets/config.pbtxt", "x");
  open_usual();
  load("jets", 0);
  assert_int_equal(outputs_of("jets", 0), 10);
  get_fails("jets", 2, MLAAS_STATE);
  load("jets", 2);
  assert_int_equal(outputs_of("jets", 2), 2);
  assert_int_equal(outputs_of("jets", 0), 10);
  struct mlaas_listing listing;
  assert_int_equal(mlaas_repository_list(repository, &listing, NULL), MLAAS_OK);
  assert_int_equal(listing.count, 3);
  assert_int_equal(listing.entries[0].version, 1);
  assert_int_equal(listing.entries[0].state, MLAAS_MODEL_UNLOADED);
  assert_int_equal(listing.entries[2].version, 10);
  assert_int_equal(listing.entries[2].state, MLAAS_MODEL_READY);
  assert_non_null(listing.entries[2].instance);
  assert_non_null(strstr(listing.entries[2].path, "/jets/10"));
  mlaas_listing_reset(&listing);
}

static void a_bundle_says_its_version(void **state) {
  (void)state;
  put_text(root, "b/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"n\", \"model_version\": 7, \"back_end\": "
           "\"echo\", \"file\": \"echo.json\"}");
  put_text(root, "b/echo.json", "{}");
  put_model("b/9", 9);
  open_usual();
  load("b", 7);
  assert_int_equal(outputs_of("b", 7), 1);
  load("b", 0);
  assert_int_equal(outputs_of("b", 0), 9);
}

static void stray_files_and_broken_folders_do_no_harm(void **state) {
  (void)state;
  put_model("good", 1);
  put_text(root, "README.txt", "x");
  put_text(root, "empty/readme.txt", "x");
  put_text(root, "broken/params.json", "{not json");
  put_text(root, "fails/slow.json", "{\"fail\": \"open\"}");
  put_text(root, ".hidden/echo.json", "{}");
  put_text(root, "a b/echo.json", "{}");
  open_usual();
  struct mlaas_listing listing;
  assert_int_equal(mlaas_repository_list(repository, &listing, NULL), MLAAS_OK);
  assert_int_equal(listing.count, 4);
  assert_string_equal(listing.entries[0].name, "broken");
  assert_int_equal(listing.entries[0].state, MLAAS_MODEL_FAILED);
  assert_non_null(strstr(listing.entries[0].reason, "no JSON"));
  assert_string_equal(listing.entries[1].name, "empty");
  assert_int_equal(listing.entries[1].state, MLAAS_MODEL_FAILED);
  assert_string_equal(listing.entries[2].name, "fails");
  assert_string_equal(listing.entries[3].name, "good");
  assert_string_equal(listing.entries[3].reason, "");
  mlaas_listing_reset(&listing);
  mlaas_listing_reset(&listing);
  load("good", 0);
  get_fails("broken", 0, MLAAS_FORMAT);
  get_fails("empty", 0, MLAAS_UNSUPPORTED);
  put_text(root, "fails/slow.json", "no json"); /* whose path the message would have */
  load_fails("fails", 0, MLAAS_FORMAT, "no JSON");
  get_fails("fails", 0, MLAAS_FORMAT);
  assert_int_equal(outputs_of("good", 0), 1);
}

static void a_failed_model_is_tried_again_when_its_files_change(void **state) {
  (void)state;
  put_text(root, "m/slow.json", "{\"fail\": \"open\"}");
  open_usual();
  load_fails("m", 0, MLAAS_FORMAT, "told to fail");
  load_fails("m", 0, MLAAS_FORMAT, "told to fail");
  put_text(root, "m/slow.json", "{\"outputs\": 2}");
  load("m", 0);
  assert_int_equal(outputs_of("m", 0), 2);
}

static void what_is_put_there_by_hand_is_found(void **state) {
  (void)state;
  open_usual();
  get_fails("late", 0, MLAAS_NOT_FOUND);
  put_model("late", 3);
  get_fails("late", 0, MLAAS_STATE);
  load("late", 0);
  assert_int_equal(outputs_of("late", 0), 3);
}

/* ---- changes ---- */

static void wait_for_outputs(const char *name, int64_t width) {
  for (int i = 0; i < 12000 && outputs_of(name, 0) != width; i++)
    usleep(5000);
  assert_int_equal(outputs_of(name, 0), width);
}

static void a_changed_folder_is_loaded_anew_while_the_old_one_serves(void **state) {
  (void)state;
  put_model("m", 1);
  open_usual();
  load("m", 0);
  struct mlaas_instance *old = get("m", 0);
  put_model("m", 12); /* another size */
  assert_int_equal(mlaas_repository_refresh(repository, NULL), MLAAS_OK);
  wait_for_outputs("m", 12);
  assert_int_equal(old->model->outputs[0].shape[1], 1); /* in use, so still there */
  mlaas_instance_put(old);
  put_text(root, "m/echo.json", "broken");
  assert_int_equal(mlaas_repository_refresh(repository, NULL), MLAAS_OK);
  struct mlaas_error error;
  assert_int_equal(waiting_load(&waiting, repository, "m", 0, true, &error), MLAAS_FORMAT);
  assert_int_equal(outputs_of("m", 0), 12); /* better than nothing */
}

static void a_new_version_takes_over_when_it_is_loaded(void **state) {
  (void)state;
  put_model("m/1", 1);
  open_usual();
  load("m", 0);
  put_model("m/2", 2);
  assert_int_equal(mlaas_repository_refresh(repository, NULL), MLAAS_OK);
  wait_for_outputs("m", 2);
  put_text(root, "m/3/slow.json", "{\"fail\": \"open\"}");
  assert_int_equal(mlaas_repository_refresh(repository, NULL), MLAAS_OK);
  load_fails("m", 3, MLAAS_FORMAT, "told to fail");
  assert_int_equal(outputs_of("m", 0), 2);
}

static void polling_finds_changes(void **state) {
  (void)state;
  put_model("m", 1);
  struct mlaas_repository_options options = usual();
  options.poll_ms = 20;
  open_with(&options);
  load("m", 0);
  put_model("m", 12);
  wait_for_outputs("m", 12);
  char path[2 * TEST_PATH];
  snprintf(path, sizeof path, "%s/m", root);
  remove_tree(path);
  struct mlaas_instance *instance = NULL;
  enum mlaas_status status = MLAAS_OK;
  for (int i = 0; i < 12000 && status == MLAAS_OK; i++) {
    status = mlaas_repository_get(repository, mlaas_slice_of("m"), 0, &instance, NULL);
    if (status == MLAAS_OK)
      mlaas_instance_put(instance);
    usleep(5000);
  }
  assert_int_equal(status, MLAAS_NOT_FOUND);
}

static void a_folder_that_goes_away_and_comes_back(void **state) {
  (void)state;
  char aside[2 * TEST_PATH];
  snprintf(aside, sizeof aside, "%s.aside", root);
  put_model("m", 1);
  put_model("n", 1);
  open_usual();
  load("m", 0);
  assert_int_equal(rename(root, aside), 0);
  struct mlaas_error error = {0};
  struct mlaas_listing listing;
  assert_int_equal(mlaas_repository_list(repository, &listing, &error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.message, "the folder of models"));
  mlaas_listing_reset(&listing);
  assert_int_equal(outputs_of("m", 0), 1);
  load_fails("n", 0, MLAAS_NOT_FOUND, "");
  assert_int_equal(rename(aside, root), 0);
  load("n", 0);
  assert_int_equal(mlaas_repository_list(repository, &listing, &error), MLAAS_OK);
  assert_int_equal(listing.count, 2);
  mlaas_listing_reset(&listing);
}

/* ---- unloading ---- */

static void unloading_lets_those_who_use_it_finish(void **state) {
  (void)state;
  put_model("m/1", 1);
  put_model("m/2", 2);
  open_usual();
  load("m", 1);
  load("m", 2);
  struct mlaas_instance *used = get("m", 1);
  assert_int_equal(mlaas_repository_unload(repository, mlaas_slice_of("m"), 1, NULL), MLAAS_OK);
  get_fails("m", 1, MLAAS_STATE);
  assert_int_equal(outputs_of("m", 2), 2);
  assert_int_equal(used->model->outputs[0].shape[1], 1);
  mlaas_instance_put(used);
  assert_int_equal(mlaas_repository_unload(repository, mlaas_slice_of("m"), 0, NULL), MLAAS_OK);
  get_fails("m", 0, MLAAS_STATE);
  assert_int_equal(mlaas_repository_unload(repository, mlaas_slice_of("m"), 3, NULL), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_repository_unload(repository, mlaas_slice_of("x"), 0, NULL), MLAAS_NOT_FOUND);
  load("m", 0);
  assert_int_equal(outputs_of("m", 0), 2);
}

static void the_least_recently_used_goes_first(void **state) {
  (void)state;
  static const char *const names[] = {"a", "b", "c", "d"};
  for (size_t i = 0; i < 4; i++)
    put_model(names[i], 1);
  struct mlaas_repository_options options = usual();
  options.most_loaded = 2;
  open_with(&options);
  load("a", 0);
  load("b", 0);
  mlaas_instance_put(get("a", 0));
  load("c", 0);
  get_fails("b", 0, MLAAS_STATE);
  mlaas_instance_put(get("a", 0));
  load("d", 0);
  get_fails("c", 0, MLAAS_STATE);
  mlaas_instance_put(get("a", 0));
  mlaas_instance_put(get("d", 0));
}

static void everything_is_loaded_at_start_if_wanted(void **state) {
  (void)state;
  put_model("a", 1);
  put_model("b/1", 1);
  put_text(root, "c/slow.json", "{\"fail\": \"open\"}");
  struct mlaas_repository_options options = usual();
  options.load_all = true;
  open_with(&options);
  for (int i = 0; i < 12000 && !mlaas_repository_ready(repository); i++)
    usleep(5000);
  assert_true(mlaas_repository_ready(repository));
  mlaas_instance_put(get("a", 0));
  mlaas_instance_put(get("b", 1));
  get_fails("c", 0, MLAAS_FORMAT);
}

static void a_slow_model_gets_an_executor(void **state) {
  (void)state;
  put_text(root, "m/slow.json", "{\"delay_us\": 20000}");
  open_usual();
  load("m", 0);
  struct mlaas_instance *instance = get("m", 0);
  assert_false(instance->timing.on_loop);
  assert_non_null(instance->executor);
  mlaas_instance_put(instance);
}

/* ---- extras ---- */

static int extras;

static enum mlaas_status make_extra(struct mlaas_instance *instance, void **extra, struct mlaas_error *error) {
  if (strcmp(instance->name, "bad") == 0) {
    error->status = MLAAS_SCHEMA;
    snprintf(error->message, sizeof error->message, "no extra");
    return MLAAS_SCHEMA;
  }
  __atomic_add_fetch(&extras, 1, __ATOMIC_RELAXED);
  *extra = strdup(instance->name);
  return MLAAS_OK;
}

static void free_extra(void *extra) {
  __atomic_sub_fetch(&extras, 1, __ATOMIC_RELAXED);
  free(extra);
}

static void the_floor_above_adds_to_instances(void **state) {
  (void)state;
  put_model("m", 1);
  put_model("bad", 1);
  struct mlaas_repository_options options = usual();
  options.make_extra = make_extra;
  options.free_extra = free_extra;
  open_with(&options);
  load("m", 0);
  struct mlaas_instance *instance = get("m", 0);
  assert_string_equal(instance->extra, "m");
  mlaas_instance_put(instance);
  load_fails("bad", 0, MLAAS_SCHEMA, "no extra");
  mlaas_repository_close(repository);
  repository = NULL;
  assert_int_equal(extras, 0);
}

static void opening_says_what_is_wrong(void **state) {
  (void)state;
  char missing[2 * TEST_PATH];
  struct mlaas_repository_options options = usual();
  struct mlaas_error error = {0};
  snprintf(missing, sizeof missing, "%s/missing", root);
  options.folder = missing;
  assert_int_equal(mlaas_repository_open(&options, &repository, &error), MLAAS_NOT_FOUND);
  put_text(root, "missing", "a file");
  assert_int_equal(mlaas_repository_open(&options, &repository, &error), MLAAS_NOT_FOUND);
  assert_null(repository);
}

static void an_instance_may_outlive_the_repository(void **state) {
  (void)state;
  put_model("m", 1);
  open_usual();
  load("m", 0);
  struct mlaas_instance *instance = get("m", 0);
  mlaas_instance_get(instance);
  mlaas_instance_put(instance);
  struct put_later later = {.instance = instance};
  put_later_start(&later);
  mlaas_repository_close(repository);
  repository = NULL;
  put_later_join(&later);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  put_model("a", 1);
  put_model("b/1", 1);
  struct mlaas_repository_options options = usual();
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    mlaas_memory_fail(n, false);
    status = mlaas_repository_open(&options, &repository, NULL);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    assert_true(n < 200);
  }
  status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_error error = {0};
    mlaas_memory_fail(n, false);
    status = waiting_load(&waiting, repository, "a", 0, false, &error);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    assert_true(n < 300);
  }
  assert_int_equal(outputs_of("a", 0), 1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(a_model_is_loaded_when_it_is_asked_for),
      IN_FOLDER(names_that_leave_the_folder_are_unknown),
      IN_FOLDER(versions_are_folders_of_numbers),
      IN_FOLDER(a_bundle_says_its_version),
      IN_FOLDER(stray_files_and_broken_folders_do_no_harm),
      IN_FOLDER(a_failed_model_is_tried_again_when_its_files_change),
      IN_FOLDER(what_is_put_there_by_hand_is_found),
      IN_FOLDER(a_changed_folder_is_loaded_anew_while_the_old_one_serves),
      IN_FOLDER(a_new_version_takes_over_when_it_is_loaded),
      IN_FOLDER(polling_finds_changes),
      IN_FOLDER(a_folder_that_goes_away_and_comes_back),
      IN_FOLDER(unloading_lets_those_who_use_it_finish),
      IN_FOLDER(the_least_recently_used_goes_first),
      IN_FOLDER(everything_is_loaded_at_start_if_wanted),
      IN_FOLDER(a_slow_model_gets_an_executor),
      IN_FOLDER(the_floor_above_adds_to_instances),
      IN_FOLDER(opening_says_what_is_wrong),
      IN_FOLDER(an_instance_may_outlive_the_repository),
      IN_FOLDER(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
