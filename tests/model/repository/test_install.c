/* Changing the folder of a repository: installed whole or not at all, whatever happens meanwhile. */
#include "model/repository/install.h"

#include <dirent.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "../root.h"
#include "../waiting.h"

static struct waiting_loop waiting;
static bool has_loop;
static struct mlaas_repository *repository;

static int begin(void **state) {
  (void)state;
  make_temporary(root);
  has_loop = false;
  return 0;
}

static int end(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  mlaas_install_step = NULL;
  mlaas_install_exchanges = true;
  mlaas_repository_close(repository);
  repository = NULL;
  if (has_loop)
    waiting_end(&waiting);
  remove_tree(root);
  return 0;
}

static void open_with(struct mlaas_repository_options options) {
  struct mlaas_error error = {0};
  options.folder = root;
  options.runners = 1;
  options.most_rows = 1;
  if (mlaas_repository_open(&options, &repository, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
}

static void open_usual(void) {
  waiting_begin(&waiting);
  has_loop = true;
  open_with((struct mlaas_repository_options){0});
}

/* A model that says its number twice, so that half of one and half of another would be seen. */
static void fill(const char *folder, int number) {
  char text[64];
  mkdir(folder, 0755);
  snprintf(text, sizeof text, "{\"outputs\": %d}", number);
  put_text(folder, "echo.json", text);
  snprintf(text, sizeof text, "%d\n", number);
  put_text(folder, "assets/number.txt", text);
}

static enum mlaas_status install(const char *name, int64_t version, int number, struct mlaas_error *error) {
  char *staged = NULL;
  enum mlaas_status status = mlaas_repository_stage(repository, &staged, error);
  if (status != MLAAS_OK)
    return status;
  fill(staged, number);
  status = mlaas_repository_install(repository, staged, mlaas_slice_of(name), version, error);
  mlaas_free(staged);
  return status;
}

static void install_good(const char *name, int64_t version, int number) {
  struct mlaas_error error = {0};
  if (install(name, version, number, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
}

static int number_in(const char *name) {
  char path[2 * TEST_PATH];
  int number = -1;
  snprintf(path, sizeof path, "%s/%s/assets/number.txt", root, name);
  FILE *file = fopen(path, "r");
  if (!file)
    return -1;
  assert_int_equal(fscanf(file, "%d", &number), 1);
  fclose(file);
  return number;
}

static int number_served(const char *name, int64_t version) {
  struct mlaas_instance *instance = NULL;
  struct mlaas_error error = {0};
  if (waiting_load(&waiting, repository, name, version, false, &error) != MLAAS_OK ||
      mlaas_repository_get(repository, mlaas_slice_of(name), version, &instance, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  int number = (int)instance->model->outputs[0].shape[1];
  mlaas_instance_put(instance);
  return number;
}

static int hidden_folders(void) {
  DIR *dir = opendir(root);
  struct dirent *entry;
  int count = 0;
  assert_non_null(dir);
  while ((entry = readdir(dir)))
    count += entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
  closedir(dir);
  return count;
}

/* ---- installing ---- */

static void an_installed_model_serves_at_once(void **state) {
  (void)state;
  open_usual();
  install_good("m", 0, 1);
  assert_int_equal(number_served("m", 0), 1);
  assert_int_equal(hidden_folders(), 0);
  struct stat about;
  char path[2 * TEST_PATH];
  snprintf(path, sizeof path, "%s/m", root);
  assert_int_equal(stat(path, &about), 0);
  assert_int_equal(about.st_mode & 07777, 0755);
  snprintf(path, sizeof path, "%s/m/echo.json", root);
  assert_int_equal(stat(path, &about), 0);
  assert_int_equal(about.st_mode & 07777, 0644);
}

static void a_replaced_model_serves_at_once(void **state) {
  (void)state;
  open_usual();
  for (int exchanges = 0; exchanges < 2; exchanges++) {
    mlaas_install_exchanges = exchanges == 1;
    install_good("m", 0, 1);
    assert_int_equal(number_served("m", 0), 1);
    struct mlaas_instance *used = NULL;
    assert_int_equal(mlaas_repository_get(repository, mlaas_slice_of("m"), 0, &used, NULL), MLAAS_OK);
    install_good("m", 0, 2);
    assert_int_equal(number_served("m", 0), 2);
    assert_int_equal(used->model->outputs[0].shape[1], 1);
    mlaas_instance_put(used);
    assert_int_equal(number_in("m"), 2);
    assert_int_equal(hidden_folders(), 0);
  }
}

static void versions_are_installed_beside_each_other(void **state) {
  (void)state;
  open_usual();
  install_good("m", 3, 3);
  assert_int_equal(number_served("m", 0), 3);
  install_good("m", 4, 4);
  assert_int_equal(number_served("m", 4), 4);
  assert_int_equal(number_served("m", 0), 4);
  assert_int_equal(number_served("m", 3), 3);
  install_good("m", 3, 5);
  assert_int_equal(number_served("m", 3), 5);
  assert_int_equal(number_in("m/3"), 5);
  assert_int_equal(hidden_folders(), 0);
}

static void refused(const char *staged, const char *name, int64_t version, enum mlaas_status status,
                    const char *words) {
  struct mlaas_error error = {0};
  struct stat about;
  assert_int_equal(mlaas_repository_install(repository, staged, mlaas_slice_of(name), version, &error), status);
  assert_null(strstr(error.message, staged));
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s: %s'", words, error.where, error.message);
  assert_int_equal(stat(staged, &about), -1);
  assert_int_equal(hidden_folders(), 0);
}

static char *stage(void) {
  static char path[2 * TEST_PATH];
  char *staged = NULL;
  assert_int_equal(mlaas_repository_stage(repository, &staged, NULL), MLAAS_OK);
  snprintf(path, sizeof path, "%s", staged);
  mlaas_free(staged);
  return path;
}

static void what_is_refused_changes_nothing(void **state) {
  (void)state;
  open_usual();
  install_good("m", 0, 1);
  char *staged = stage();
  put_text(staged, "params.json", "{\"name\": \"other\", \"model\": \"echo.json\"}");
  put_text(staged, "echo.json", "{}");
  refused(staged, "m", 0, MLAAS_STALE, "params.json says 'other'");
  staged = stage();
  put_text(staged, "params.json", "{\"name\"");
  refused(staged, "m", 0, MLAAS_FORMAT, "no JSON");
  refused(stage(), "m", 0, MLAAS_UNSUPPORTED, "holds no model");
  static const char *const names[] = {"../m", "", ".m", "a/b", "-m"};
  for (size_t i = 0; i < 5; i++) {
    staged = stage();
    put_text(staged, "echo.json", "{}");
    refused(staged, names[i], 0, MLAAS_ARGUMENT, "a model's name is");
  }
  staged = stage();
  put_text(staged, "echo.json", "{}");
  refused(staged, "m", -1, MLAAS_ARGUMENT, "a version is");
  staged = stage();
  put_text(staged, "echo.json", "{}");
  char link[3 * TEST_PATH];
  snprintf(link, sizeof link, "%s/link", staged);
  assert_int_equal(symlink("/etc/passwd", link), 0);
  refused(staged, "m", 0, MLAAS_FORMAT, "neither a file nor a folder");
  assert_int_equal(number_in("m"), 1);
  assert_int_equal(number_served("m", 0), 1);
}

/* A bundle may be called as one likes. */
static void a_bundle_takes_the_name_it_is_given(void **state) {
  (void)state;
  open_usual();
  char *staged = stage();
  put_text(staged, "model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"n\", \"model_version\": 7, \"back_end\": "
           "\"echo\", \"file\": \"echo.json\"}");
  put_text(staged, "params.json", "{\"name\": \"n\"}");
  put_text(staged, "echo.json", "{\"outputs\": 3}");
  struct mlaas_error error;
  assert_int_equal(mlaas_repository_install(repository, staged, mlaas_slice_of("m"), 0, &error), MLAAS_OK);
  assert_int_equal(number_served("m", 7), 3);
  install_good("m", 0, 4); /* now of version 1 */
  assert_int_equal(number_served("m", 0), 4);
  struct mlaas_instance *instance = NULL;
  assert_int_equal(mlaas_repository_get(repository, mlaas_slice_of("m"), 7, &instance, &error), MLAAS_NOT_FOUND);
}

static void a_read_only_repository_refuses_changes(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{}");
  open_with((struct mlaas_repository_options){.read_only = true});
  char *staged = NULL;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_stage(repository, &staged, &error), MLAAS_UNSUPPORTED);
  assert_null(staged);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("m"), 0, &error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(error.message, "cannot be changed"));
}

static void a_removed_folder_comes_back_with_an_upload(void **state) {
  (void)state;
  open_usual();
  remove_tree(root);
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("m"), 0, &error), MLAAS_NOT_FOUND);
  install_good("m", 0, 5);
  assert_int_equal(number_served("m", 0), 5);
}

static void a_dropped_upload_leaves_nothing(void **state) {
  (void)state;
  open_usual();
  char *staged = stage();
  fill(staged, 1);
  assert_int_equal(hidden_folders(), 1);
  mlaas_repository_drop(repository, staged);
  assert_int_equal(hidden_folders(), 0);
}

/* ---- deleting ---- */

static void a_deleted_model_is_gone(void **state) {
  (void)state;
  open_usual();
  install_good("m", 0, 1);
  assert_int_equal(number_served("m", 0), 1);
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("m"), 0, &error), MLAAS_OK);
  struct mlaas_instance *instance = NULL;
  assert_int_equal(mlaas_repository_get(repository, mlaas_slice_of("m"), 0, &instance, &error), MLAAS_NOT_FOUND);
  assert_int_equal(number_in("m"), -1);
  assert_int_equal(hidden_folders(), 0);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("m"), 0, &error), MLAAS_NOT_FOUND);
  put_text(root, "file", "x");
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("file"), 0, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of(".."), 0, &error), MLAAS_NOT_FOUND);
  install_good("m", 0, 2);
  assert_int_equal(number_served("m", 0), 2);
}

static void versions_are_deleted_one_by_one(void **state) {
  (void)state;
  open_usual();
  install_good("m", 1, 1);
  install_good("m", 2, 2);
  struct mlaas_error error = {0};
  struct mlaas_slice m = MLAAS_SLICE("m");
  assert_int_equal(mlaas_repository_delete(repository, m, 5, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_repository_delete(repository, m, 2, &error), MLAAS_OK);
  assert_int_equal(number_served("m", 0), 1);
  assert_int_equal(mlaas_repository_delete(repository, m, 1, &error), MLAAS_OK);
  assert_int_equal(mlaas_repository_delete(repository, m, 0, &error), MLAAS_NOT_FOUND); /* its folder went too */
  install_good("flat", 0, 3);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("flat"), 2, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("flat"), 1, &error), MLAAS_OK);
  assert_int_equal(number_in("flat"), -1);
}

/* A link to a folder elsewhere goes, what it points to stays. */
static void a_linked_model_is_deleted_without_what_it_points_to(void **state) {
  (void)state;
  char link[2 * TEST_PATH], elsewhere[TEST_PATH];
  make_temporary(elsewhere);
  fill(elsewhere, 6);
  open_usual();
  snprintf(link, sizeof link, "%s/m", root);
  assert_int_equal(symlink(elsewhere, link), 0);
  assert_int_equal(number_served("m", 0), 6);
  assert_int_equal(mlaas_repository_delete(repository, mlaas_slice_of("m"), 0, NULL), MLAAS_OK);
  assert_int_equal(number_in("m"), -1);
  snprintf(link, sizeof link, "%s/echo.json", elsewhere);
  assert_int_equal(access(link, F_OK), 0);
  remove_tree(elsewhere);
}

/* ---- bad days ---- */

static int steps_left;

static void die_at_step(const char *step) {
  (void)step;
  if (--steps_left == 0)
    _exit(9);
}

/* True: it died at that step. */
static bool die_in_child(int step, void (*work)(void)) {
  int how = 0;
  pid_t pid = fork();
  assert_true(pid >= 0);
  if (pid == 0) {
    steps_left = step;
    open_with((struct mlaas_repository_options){0});
    mlaas_install_step = die_at_step;
    work();
    mlaas_repository_close(repository);
    _exit(0);
  }
  assert_int_equal(waitpid(pid, &how, 0), pid);
  assert_true(WIFEXITED(how));
  assert_true(WEXITSTATUS(how) == 9 || WEXITSTATUS(how) == 0);
  return WEXITSTATUS(how) == 9;
}

static void replace_m(void) { (void)install("m", 0, 2, NULL); }
static void install_first_version(void) { (void)install("v", 1, 2, NULL); }
static void delete_m(void) { (void)mlaas_repository_delete(repository, MLAAS_SLICE("m"), 0, NULL); }

static void reopen(void) {
  open_with((struct mlaas_repository_options){0});
  assert_int_equal(hidden_folders(), 0);
}

static void close_again(void) {
  mlaas_repository_close(repository);
  repository = NULL;
}

static void killed_while_replacing_leaves_the_old_or_the_new(void **state) {
  (void)state;
  int died = 0, old = 0, new = 0;
  for (int exchanges = 0; exchanges < 2; exchanges++) {
    bool alive = false;
    for (int step = 1; !alive && step < 20; step++) {
      char m[2 * TEST_PATH];
      snprintf(m, sizeof m, "%s/m", root);
      remove_tree(m);
      fill(m, 1);
      mlaas_install_exchanges = exchanges == 1;
      alive = !die_in_child(step, replace_m);
      reopen();
      int number = number_in("m");
      assert_true(number == 1 || number == 2);
      died += !alive;
      old += number == 1;
      new += number == 2;
      close_again();
    }
    assert_true(alive);
  }
  assert_true(died >= 6 && old >= 3 && new >= 3);
}

static void killed_while_installing_a_version_leaves_all_or_nothing(void **state) {
  (void)state;
  bool alive = false;
  for (int step = 1; !alive && step < 20; step++) {
    char v[2 * TEST_PATH];
    snprintf(v, sizeof v, "%s/v", root);
    remove_tree(v);
    alive = !die_in_child(step, install_first_version);
    reopen();
    struct stat about;
    assert_int_equal(stat(v, &about), number_in("v/1") == 2 ? 0 : -1);
    close_again();
  }
  assert_int_equal(number_in("v/1"), 2);
}

static void killed_while_deleting_leaves_all_or_nothing(void **state) {
  (void)state;
  bool alive = false;
  for (int step = 1; !alive && step < 20; step++) {
    char m[2 * TEST_PATH];
    snprintf(m, sizeof m, "%s/m", root);
    fill(m, 1);
    alive = !die_in_child(step, delete_m);
    reopen();
    struct stat about;
    assert_int_equal(stat(m, &about), number_in("m") == 1 ? 0 : -1);
    close_again();
  }
  assert_int_equal(number_in("m"), -1);
}

static void another_server_leaves_what_is_being_uploaded(void **state) {
  (void)state;
  open_usual();
  char *staged = stage();
  fill(staged, 1);
  struct mlaas_repository_options options = {.folder = root, .runners = 1};
  struct mlaas_repository *other = NULL;
  assert_int_equal(mlaas_repository_open(&options, &other, NULL), MLAAS_OK);
  mlaas_repository_close(other);
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_repository_install(repository, staged, MLAAS_SLICE("m"), 0, &error), MLAAS_OK);
}

static void *failure(const char *words) { return (void *)(uintptr_t)words; }

struct uploader {
  pthread_t thread;
  int first;
};

static void *upload_often(void *context) {
  struct uploader *uploader = context;
  for (int i = 0; i < 12; i++) {
    struct mlaas_error error = {0};
    if (install("m", 0, uploader->first + 2 * i, &error) != MLAAS_OK)
      return failure("an upload failed");
  }
  return NULL;
}

static void *use_often(void *context) {
  int *stop = context;
  while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
    struct mlaas_instance *instance = NULL;
    struct mlaas_error error;
    enum mlaas_status status = mlaas_repository_get(repository, MLAAS_SLICE("m"), 0, &instance, &error);
    if (status == MLAAS_STATE) {
      (void)waiting_load(&waiting, repository, "m", 0, false, &error);
    } else if (status == MLAAS_OK) {
      float x = 1;
      struct mlaas_tensor in = {MLAAS_DTYPE_FLOAT32, 2, {1, 1}, &x, sizeof x}, out;
      void *held = NULL;
      bool ran = mlaas_model_run(instance->model, &in, &out, &held, NULL) == MLAAS_OK;
      if (ran)
        mlaas_model_release(instance->model, held);
      mlaas_instance_put(instance);
      if (!ran)
        return failure("a run failed");
    } else if (status != MLAAS_NOT_FOUND) {
      print_error("a model failed: %s\n", error.message);
      return failure("a model failed");
    }
  }
  return NULL;
}

static void uploads_at_once_are_never_mixed(void **state) {
  (void)state;
  open_usual();
  install_good("m", 0, 1);
  struct uploader uploaders[2] = {{.first = 1}, {.first = 2}};
  pthread_t users[2];
  int stop = 0;
  for (int i = 0; i < 2; i++) {
    pthread_create(&uploaders[i].thread, NULL, upload_often, &uploaders[i]);
    pthread_create(&users[i], NULL, use_often, &stop);
  }
  for (int i = 0; i < 30; i++) {
    struct mlaas_listing listing;
    assert_int_equal(mlaas_repository_list(repository, &listing, NULL), MLAAS_OK);
    mlaas_listing_reset(&listing);
    (void)mlaas_repository_unload(repository, MLAAS_SLICE("m"), 0, NULL);
    usleep(2000);
  }
  void *why = NULL;
  for (int i = 0; i < 2; i++) {
    pthread_join(uploaders[i].thread, &why);
    if (why)
      fail_msg("%s", (char *)why);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  for (int i = 0; i < 2; i++) {
    pthread_join(users[i], &why);
    if (why)
      fail_msg("%s", (char *)why);
  }
  int number = number_in("m");
  assert_true(number == 23 || number == 24); /* the last of one of them */
  assert_int_equal(number_served("m", 0), number);
  assert_int_equal(hidden_folders(), 0);
}

static void deletes_and_uploads_at_once_do_no_harm(void **state) {
  (void)state;
  open_usual();
  struct uploader uploader = {.first = 1};
  pthread_t user;
  int stop = 0;
  pthread_create(&uploader.thread, NULL, upload_often, &uploader);
  pthread_create(&user, NULL, use_often, &stop);
  for (int i = 0; i < 20; i++) {
    enum mlaas_status status = mlaas_repository_delete(repository, MLAAS_SLICE("m"), 0, NULL);
    assert_true(status == MLAAS_OK || status == MLAAS_NOT_FOUND);
    usleep(1000);
  }
  void *why = NULL;
  pthread_join(uploader.thread, &why);
  if (why)
    fail_msg("%s", (char *)why);
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  pthread_join(user, &why);
  if (why)
    fail_msg("%s", (char *)why);
  assert_int_equal(hidden_folders(), 0);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  open_usual();
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_error error = {0};
    char *staged = NULL;
    mlaas_memory_fail(n, false);
    status = mlaas_repository_stage(repository, &staged, &error);
    if (status == MLAAS_OK) {
      mlaas_memory_fail(0, false);
      fill(staged, 3);
      mlaas_memory_fail(n > 2 ? n - 2 : 1, false);
      status = mlaas_repository_install(repository, staged, MLAAS_SLICE("m"), 0, &error);
    }
    mlaas_memory_fail(0, false);
    mlaas_free(staged);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    assert_int_equal(hidden_folders(), 0);
    assert_true(n < 200);
  }
  assert_int_equal(number_served("m", 0), 3);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(killed_while_replacing_leaves_the_old_or_the_new), /* those that fork go first: no threads yet */
      IN_FOLDER(killed_while_installing_a_version_leaves_all_or_nothing),
      IN_FOLDER(killed_while_deleting_leaves_all_or_nothing),
      IN_FOLDER(an_installed_model_serves_at_once),
      IN_FOLDER(a_replaced_model_serves_at_once),
      IN_FOLDER(versions_are_installed_beside_each_other),
      IN_FOLDER(what_is_refused_changes_nothing),
      IN_FOLDER(a_bundle_takes_the_name_it_is_given),
      IN_FOLDER(a_read_only_repository_refuses_changes),
      IN_FOLDER(a_removed_folder_comes_back_with_an_upload),
      IN_FOLDER(a_dropped_upload_leaves_nothing),
      IN_FOLDER(a_deleted_model_is_gone),
      IN_FOLDER(versions_are_deleted_one_by_one),
      IN_FOLDER(a_linked_model_is_deleted_without_what_it_points_to),
      IN_FOLDER(another_server_leaves_what_is_being_uploaded),
      IN_FOLDER(uploads_at_once_are_never_mixed),
      IN_FOLDER(deletes_and_uploads_at_once_do_no_harm),
      IN_FOLDER(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
