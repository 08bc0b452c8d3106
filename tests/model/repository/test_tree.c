/* Folders as wholes: removing, syncing and telling them apart, never through a link. */
#include "model/repository/tree.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../root.h"

static uint64_t fingerprint(const char *name, bool no_versions) {
  uint64_t value = 0;
  assert_int_equal(mlaas_tree_fingerprint(below(name), no_versions, &value, NULL), MLAAS_OK);
  assert_true(value != 0);
  return value;
}

static void a_fingerprint_moves_with_the_folder_and_changes_with_its_files(void **state) {
  (void)state;
  put_text(root, "a/model.pb", "x");
  put_text(root, "a/variables/index", "y");
  uint64_t first = fingerprint("a", false);
  assert_int_equal(fingerprint("a", false), first);
  assert_int_equal(rename(below("a"), below("b")), 0);
  assert_int_equal(fingerprint("b", false), first);
  put_text(root, "b/variables/index", "yy");
  uint64_t larger = fingerprint("b", false);
  assert_int_not_equal(larger, first);
  assert_int_equal(rename(below("b/model.pb"), below("b/other.pb")), 0);
  uint64_t renamed = fingerprint("b", false);
  assert_int_not_equal(renamed, larger);
  assert_int_equal(unlink(below("b/other.pb")), 0);
  assert_int_not_equal(fingerprint("b", false), renamed);
  uint64_t value;
  assert_int_equal(mlaas_tree_fingerprint(below("nothing"), false, &value, NULL), MLAAS_NOT_FOUND);
}

static void versions_at_the_top_may_be_left_out(void **state) {
  (void)state;
  put_text(root, "a/model.pb", "x");
  uint64_t flat = fingerprint("a", true);
  put_text(root, "a/2/model.pb", "x");
  assert_int_equal(fingerprint("a", true), flat);
  assert_int_not_equal(fingerprint("a", false), flat);
  put_text(root, "a/variables/2/x", "x");
  assert_int_not_equal(fingerprint("a", true), flat);
}

static void numbers_of_versions_are_plain(void **state) {
  (void)state;
  assert_int_equal(mlaas_version_of("1"), 1);
  assert_int_equal(mlaas_version_of("20260101"), 20260101);
  assert_int_equal(mlaas_version_of("999999999999999999"), 999999999999999999);
  static const char *const others[] = {"", "0", "01", "-1", "+1", "1.0", "1a", " 1", "9999999999999999999"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    assert_int_equal(mlaas_version_of(others[i]), 0);
}

static void removing_stays_inside(void **state) {
  (void)state;
  put_text(root, "outside/kept", "x");
  put_text(root, "a/b/c/file", "x");
  assert_int_equal(symlink(below("outside"), below("a/link")), 0);
  assert_int_equal(symlink("/nowhere", below("a/b/dangling")), 0);
  assert_int_equal(mkfifo(below("a/pipe"), 0600), 0);
  assert_int_equal(mlaas_tree_remove(below("a"), NULL), MLAAS_OK);
  assert_int_equal(access(below("a"), F_OK), -1);
  assert_int_equal(access(below("outside/kept"), F_OK), 0);
  assert_int_equal(mlaas_tree_remove(below("a"), NULL), MLAAS_OK);
  assert_int_equal(symlink(below("outside"), below("link")), 0);
  assert_int_equal(mlaas_tree_remove(below("link"), NULL), MLAAS_OK);
  assert_int_equal(access(below("outside/kept"), F_OK), 0);
  assert_int_equal(mlaas_tree_remove(below("outside/kept"), NULL), MLAAS_OK);
  assert_int_equal(access(below("outside/kept"), F_OK), -1);
}

static void syncing_sets_modes_and_refuses_links(void **state) {
  (void)state;
  struct stat about;
  put_text(root, "a/b/file", "x");
  assert_int_equal(chmod(below("a/b/file"), 04755), 0);
  assert_int_equal(chmod(below("a/b"), 0700), 0);
  assert_int_equal(mlaas_tree_sync(below("a"), NULL), MLAAS_OK);
  assert_int_equal(stat(below("a/b/file"), &about), 0);
  assert_int_equal(about.st_mode & 07777, 0644);
  assert_int_equal(stat(below("a/b"), &about), 0);
  assert_int_equal(about.st_mode & 07777, 0755);
  assert_int_equal(mlaas_folder_sync(below("a"), NULL), MLAAS_OK);
  struct mlaas_error error;
  assert_int_equal(symlink("file", below("a/b/link")), 0);
  assert_int_equal(mlaas_tree_sync(below("a"), &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "link is neither a file nor a folder"));
}

static void folders_that_are_too_deep_are_refused(void **state) {
  (void)state;
  char name[TEST_PATH] = "a";
  for (int i = 0; i < MLAAS_TREE_DEPTH + 2; i++) {
    assert_int_equal(mkdir(below(name), 0755), 0);
    strncat(name, "/d", sizeof name - strlen(name) - 1);
  }
  uint64_t value;
  struct mlaas_error error;
  assert_int_equal(mlaas_tree_fingerprint(below("a"), false, &value, &error), MLAAS_LIMIT);
  assert_non_null(strstr(error.message, "deep"));
  assert_int_equal(mlaas_tree_remove(below("a"), NULL), MLAAS_OK);
  assert_int_equal(access(below("a"), F_OK), -1);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(a_fingerprint_moves_with_the_folder_and_changes_with_its_files),
      IN_FOLDER(versions_at_the_top_may_be_left_out),
      cmocka_unit_test(numbers_of_versions_are_plain),
      IN_FOLDER(removing_stays_inside),
      IN_FOLDER(syncing_sets_modes_and_refuses_links),
      IN_FOLDER(folders_that_are_too_deep_are_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
