/* Lists of names, and texts that appear whole or not at all. */
#include "base/memory.h"
#include "cli/files.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[] = "/tmp/mlaas-test-XXXXXX";
static struct mlaas_error error;

static int make_folder(void **state) {
  (void)state;
  return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
  (void)state;
  unlink("files.txt");
  unlink("events");
  unlink("out.json");
  return chdir("/") == 0 && rmdir(folder) == 0 ? 0 : -1;
}

static void write_file(const char *path, const char *text) {
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  fputs(text, out);
  fclose(out);
}

static void assert_list(const char *text, size_t count, const char *const *names) {
  struct mlaas_list list = {0};
  assert_int_equal(mlaas_list_add(&list, text, &error), MLAAS_OK);
  assert_int_equal(list.count, count);
  for (size_t i = 0; i < count; i++)
    assert_string_equal(list.names[i], names[i]);
  mlaas_list_reset(&list);
}

static void lists_come_in_three_forms(void **state) {
  (void)state;
  static const char *const names[] = {"a.root", "b c.root"};
  write_file("files.txt", "# signal\n a.root \r\n\n#background\nb c.root");
  assert_list("files.txt", 2, names);
  assert_list("a.root, b c.root,", 2, names);
  assert_list("a.root", 1, names);
  write_file("events", "root\x01\x02");
  static const char *const events[] = {"events"};
  assert_list("events", 1, events);
}

static void empty_and_missing_lists_are_said(void **state) {
  (void)state;
  struct mlaas_list list = {0};
  write_file("files.txt", "# nothing\n\n");
  assert_int_equal(mlaas_list_add(&list, "files.txt", &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "files.txt names no files"));
  assert_int_equal(mlaas_list_add(&list, "no.txt", &error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.message, "no.txt"));
  assert_int_equal(mlaas_list_add(&list, ".", &error), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "is a folder"));
  mlaas_list_reset(&list);
}

static void texts_come_back(void **state) {
  (void)state;
  char *text = NULL, longer[20001];
  memset(longer, 'x', sizeof longer - 1);
  longer[sizeof longer - 1] = 0;
  assert_int_equal(mlaas_text_write("out.json", longer, &error), MLAAS_OK);
  assert_int_equal(mlaas_text_read("out.json", &text, &error), MLAAS_OK);
  assert_string_equal(text, longer);
  mlaas_free(text);
  assert_int_equal(mlaas_text_write("out.json", "{}", &error), MLAAS_OK);
  assert_int_equal(mlaas_text_read("out.json", &text, &error), MLAAS_OK);
  assert_string_equal(text, "{}");
  mlaas_free(text);
}

static void a_failed_write_leaves_nothing(void **state) {
  (void)state;
  assert_int_equal(mlaas_text_write("no/such/out.json", "{}", &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_text_write(".", "{}", &error), MLAAS_IO);
}

static void a_pipe_stays_a_pipe(void **state) {
  (void)state;
  char text[8] = "";
  struct stat about;
  assert_int_equal(mkfifo("pipe", 0600), 0);
  int fd = open("pipe", O_RDWR | O_NONBLOCK);
  assert_true(fd >= 0);
  assert_int_equal(mlaas_text_write("pipe", "{}", &error), MLAAS_OK);
  assert_int_equal(read(fd, text, sizeof text), 2);
  assert_string_equal(text, "{}");
  assert_int_equal(stat("pipe", &about), 0);
  assert_true(S_ISFIFO(about.st_mode));
  close(fd);
  unlink("pipe");
}

static void failing_memory_is_an_error(void **state) {
  (void)state;
  write_file("files.txt", "a.root\nb.root\n");
  for (long n = 1; n < 6; n++) {
    struct mlaas_list list = {0};
    mlaas_memory_fail(n, false);
    enum mlaas_status status = mlaas_list_add(&list, "files.txt", &error);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_MEMORY || status == MLAAS_LIMIT);
    mlaas_list_reset(&list);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_come_in_three_forms), cmocka_unit_test(empty_and_missing_lists_are_said),
      cmocka_unit_test(texts_come_back),           cmocka_unit_test(a_failed_write_leaves_nothing),
      cmocka_unit_test(a_pipe_stays_a_pipe),       cmocka_unit_test(failing_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
