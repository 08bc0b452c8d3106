/* The table of the page's files, and which files of a folder are given out. */
#include "base/memory.h"
#include "serve/asset.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void test_every_asset_is_found_by_its_name(void **state) {
  (void)state;
  assert_true(mlaas_num_assets >= 8);
  for (size_t i = 0; i < mlaas_num_assets; i++) {
    const struct mlaas_asset *asset = mlaas_asset_find(mlaas_slice_of(mlaas_assets[i].name));
    assert_ptr_equal(asset, &mlaas_assets[i]);
    assert_true(mlaas_asset_name_good(mlaas_slice_of(asset->name)));
    assert_string_equal(asset->type, mlaas_asset_type(mlaas_slice_of(asset->name)));
    assert_int_equal(asset->data[asset->size], 0);
    assert_int_equal(strlen(asset->etag), 18);
    if (i)
      assert_true(strcmp(mlaas_assets[i - 1].name, asset->name) < 0);
  }
}

static void test_names_of_the_original_lead_to_ours(void **state) {
  static const char *const names[] = {"css/main.css", "css/kube.min.css", "js/kube.js", "images/tfaas_logo.png",
                                      "favicon.ico"};
  static const char *const types[] = {"text/css", "text/css", "text/javascript", "image/png", "image/png"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    const struct mlaas_asset *asset = mlaas_asset_find(mlaas_slice_of(names[i]));
    assert_non_null(asset);
    assert_memory_equal(asset->type, types[i], strlen(types[i]));
    assert_true(asset->size > 100);
  }
}

static void test_other_names_are_unknown(void **state) {
  static const char *const names[] = {"",          "css",         "css/",        "css/nothere.css",
                                      "index.htm", "index.html ", "/index.html", "js/../index.html"};
  (void)state;
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    assert_null(mlaas_asset_find(mlaas_slice_of(names[i])));
  assert_null(mlaas_asset_find((struct mlaas_slice){"index.html\0", 11}));
}

static void test_the_page_asks_nobody_else(void **state) {
  static const char *const marks[] = {"http://", "https://", "//cdn", "eval(", "innerHTML", " style=\"", "onclick=\""};
  (void)state;
  for (size_t i = 0; i < mlaas_num_assets; i++) {
    const struct mlaas_asset *asset = &mlaas_assets[i];
    if (strncmp(asset->type, "text/", 5) != 0)
      continue;
    for (size_t k = 0; k < sizeof marks / sizeof *marks; k++)
      assert_null(strstr((const char *)asset->data, marks[k]));
  }
}

static void test_names_that_leave_the_folder_are_refused(void **state) {
  static const char *const good[] = {"a", "a.js", "a/b/c/d.js", "A-9_x.y.json", "a..b"};
  static const char *const bad[] = {"",     "/",      "/a",   "a/",  "a//b",      ".",         "..",
                                    "../a", "a/../b", "a/..", ".a",  "a/.hidden", "a/./b",     "a\\b",
                                    "a b",  "a%2fb",  "a\nb", "a:b", "~",         "a/b/c/d/e", "\xc3\xa9"};
  (void)state;
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
    assert_true(mlaas_asset_name_good(mlaas_slice_of(good[i])));
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    assert_false(mlaas_asset_name_good(mlaas_slice_of(bad[i])));
  assert_false(mlaas_asset_name_good((struct mlaas_slice){"a\0b", 3}));
  char longest[257];
  memset(longest, 'a', sizeof longest);
  assert_true(mlaas_asset_name_good((struct mlaas_slice){longest, 255}));
  assert_false(mlaas_asset_name_good((struct mlaas_slice){longest, 256}));
}

static void test_types_follow_the_extension(void **state) {
  (void)state;
  assert_string_equal(mlaas_asset_type(MLAAS_SLICE("base.js")), "text/javascript; charset=utf-8");
  assert_string_equal(mlaas_asset_type(MLAAS_SLICE("onnx-metadata.json")), "application/json");
  assert_null(mlaas_asset_type(MLAAS_SLICE("server.py")));
  assert_null(mlaas_asset_type(MLAAS_SLICE("js")));
  assert_null(mlaas_asset_type(MLAAS_SLICE(".js")));
  assert_null(mlaas_asset_type(MLAAS_SLICE("a.js~")));
}

/* ---- files of a folder ---- */

static char folder[] = "/tmp/mlaas-page-XXXXXX";

static void path_of(char *path, const char *name) { snprintf(path, 512, "%s/%s", folder, name); }

static void write_file(const char *name, const char *text) {
  char path[512];
  path_of(path, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text, strlen(text)), strlen(text));
  close(fd);
}

static int set_up(void **state) {
  char path[512], other[512];
  (void)state;
  assert_non_null(mkdtemp(folder));
  path_of(path, "static");
  assert_int_equal(mkdir(path, 0755), 0);
  path_of(path, "static/css");
  assert_int_equal(mkdir(path, 0755), 0);
  path_of(path, "static/folder.js");
  assert_int_equal(mkdir(path, 0755), 0);
  write_file("secret.js", "secret");
  write_file("static/a.js", "one");
  write_file("static/css/b.css", "two!");
  write_file("static/c.py", "three");
  path_of(path, "secret.js");
  path_of(other, "static/link.js");
  assert_int_equal(symlink(path, other), 0);
  path_of(other, "static/up");
  assert_int_equal(symlink("..", other), 0);
  path_of(path, "static/pipe.js");
  return mkfifo(path, 0644);
}

static int tear_down(void **state) {
  static const char *const files[] = {"secret.js",      "static/a.js", "static/css/b.css", "static/c.py",
                                      "static/link.js", "static/up",   "static/pipe.js"};
  static const char *const folders[] = {"static/css", "static/folder.js", "static"};
  char path[512];
  (void)state;
  for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
    path_of(path, files[i]);
    unlink(path);
  }
  for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
    path_of(path, folders[i]);
    rmdir(path);
  }
  return rmdir(folder);
}

static void test_files_of_a_folder(void **state) {
  struct mlaas_error error;
  struct mlaas_asset_file file, again;
  char path[512], text[8];
  (void)state;
  path_of(path, "static");
  assert_int_equal(mlaas_asset_open(path, MLAAS_SLICE("css/b.css"), false, &file, &error), MLAAS_OK);
  assert_int_equal(file.size, 4);
  assert_int_equal(read(file.fd, text, sizeof text), 4);
  assert_memory_equal(text, "two!", 4);
  close(file.fd);
  write_file("static/a.js", "longer");
  assert_int_equal(mlaas_asset_open(path, MLAAS_SLICE("a.js"), false, &again, &error), MLAAS_OK);
  assert_string_not_equal(file.etag, again.etag);
  close(again.fd);
}

static void test_files_that_are_not_given_out(void **state) {
  static const char *const names[] = {"none.js", "c.py", "link.js",   "up/secret.js", "../secret.js", "folder.js",
                                      "pipe.js", "css",  "a.js/b.js", "css/../a.js",  "/a.js",        ""};
  struct mlaas_error error;
  struct mlaas_asset_file file;
  char path[512];
  (void)state;
  path_of(path, "static");
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    assert_int_equal(mlaas_asset_open(path, mlaas_slice_of(names[i]), false, &file, &error), MLAAS_NOT_FOUND);
    assert_int_equal(file.fd, -1);
  }
  assert_int_equal(mlaas_asset_open(path, MLAAS_SLICE("link.js"), true, &file, &error), MLAAS_OK);
  close(file.fd);
  path_of(path, "nothere");
  assert_int_equal(mlaas_asset_open(path, MLAAS_SLICE("a.js"), false, &file, &error), MLAAS_NOT_FOUND);
}

/* ---- Netron's first page ---- */

static void test_netron_neither_ages_nor_reports(void **state) {
  static const char html[] =
      "<meta name=\"version\" content=\"9.3.3\">\n<meta name=\"date\" content=\"2026-10-23 19:50:08\">\nrest";
  struct mlaas_error error;
  struct mlaas_arena arena;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  (void)state;
  mlaas_arena_init(&arena, budget);
  const char *page = mlaas_netron_page(&arena, mlaas_slice_of(html), &error);
  assert_string_equal(page, "<meta name=\"version\" content=\"0.0.0\">\n<meta name=\"date\" content=\"\">\nrest");
  page = mlaas_netron_page(&arena, MLAAS_SLICE("<meta name=\"version\" content=\"9"), &error);
  assert_string_equal(page, "<meta name=\"version\" content=\"9");
  assert_string_equal(mlaas_netron_page(&arena, MLAAS_SLICE(""), &error), "");
  mlaas_arena_reset(&arena);
  mlaas_memory_fail(1, true);
  assert_null(mlaas_netron_page(&arena, mlaas_slice_of(html), &error));
  mlaas_memory_fail(0, false);
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_every_asset_is_found_by_its_name),
      cmocka_unit_test(test_names_of_the_original_lead_to_ours),
      cmocka_unit_test(test_other_names_are_unknown),
      cmocka_unit_test(test_the_page_asks_nobody_else),
      cmocka_unit_test(test_names_that_leave_the_folder_are_refused),
      cmocka_unit_test(test_types_follow_the_extension),
      cmocka_unit_test(test_files_of_a_folder),
      cmocka_unit_test(test_files_that_are_not_given_out),
      cmocka_unit_test(test_netron_neither_ages_nor_reports),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
