/* What users write, and the files that are meant: on this machine and on a server that is made up. */
#include "base/error.h"
#include "base/memory.h"
#include "source/place.h"
#include "source/wires.h"

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
static struct mlaas_context *context;

/* ---- a server ---- */

/* Folders and what they hold; "/" behind a name: a folder. */
static const struct {
  const char *folder, *names[6];
} tree[] = {
    {"made://h//d/", {"b.root", "a.root", "note.txt", "sub/", ".hidden.root"}},
    {"made://h//d/sub/", {"c.root", "deep/"}},
    {"made://h//d/sub/deep/", {"d.root", "a[1].root"}},
    {"https://h/d/", {"x%20y.root", "x%2Ay.root", "z.root"}},
};
static int num_lists;
static char last_list[200];

static enum mlaas_status list(const char *url, const struct mlaas_remote_options *options,
                              bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *entry_context,
                              struct mlaas_error *why) {
  num_lists++;
  snprintf(last_list, sizeof last_list, "%s", url);
  assert_int_equal(options->retries, 4);
  size_t length = strcspn(url, "?");
  if (strstr(url, "//broken/"))
    return mlaas_fail(why, MLAAS_IO, "the server does not answer");
  for (size_t i = 0; i < sizeof tree / sizeof *tree; i++) {
    if (strlen(tree[i].folder) != length || strncmp(tree[i].folder, url, length) != 0)
      continue;
    for (size_t k = 0; k < 6 && tree[i].names[k]; k++) {
      char whole[200];
      size_t end = (size_t)snprintf(whole, sizeof whole, "%s%s", tree[i].folder, tree[i].names[k]);
      if (!entry(entry_context, &(struct mlaas_wire_entry){whole, -1, whole[end - 1] == '/'}))
        return MLAAS_CANCELLED;
    }
    return MLAAS_OK;
  }
  return mlaas_fail(why, MLAAS_NOT_FOUND, "there is no such folder");
}

static const char *const schemes[] = {"made", "https", NULL};
static const struct mlaas_wire server = {
    .version = MLAAS_WIRE_VERSION, .size = sizeof server, .schemes = schemes, .list = list};

/* ---- the folder ---- */

static void write_file(const char *path, const char *text, size_t length) {
  FILE *out = fopen(path, "wb");
  assert_non_null(out);
  assert_int_equal(fwrite(text, 1, length, out), length);
  fclose(out);
}

static void touch(const char *path) { write_file(path, "x", 1); }

static int set_up(void **state) {
  (void)state;
  if (!mkdtemp(folder) || chdir(folder) != 0 || mkdir("d", 0700) != 0 || mkdir("d/e", 0700) != 0)
    return -1;
  touch("b.root");
  touch("a.root");
  touch("a,b.root");
  touch("[x].root");
  touch(".h.root");
  touch("d/c.root");
  touch("d/e/f.root");
  if (mkdir("z.root", 0700) != 0 || symlink("..", "d/up") != 0)
    return -1;
  mlaas_wire_lend(&server);
  return mlaas_context_new(NULL, &context, NULL) == MLAAS_OK ? 0 : -1;
}

static int tear_down(void **state) {
  (void)state;
  char command[100];
  mlaas_wire_lend(NULL);
  mlaas_context_put(context);
  snprintf(command, sizeof command, "rm -r %s", folder);
  return chdir("/") == 0 && system(command) == 0 ? 0 : -1;
}

/* ---- expecting ---- */

static enum mlaas_status expand(struct mlaas_context *with, const char *text, const char *redirector, bool lists,
                                struct mlaas_places **places) {
  struct mlaas_places_options options = {.size = sizeof options, .redirector = redirector, .lists = lists};
  return mlaas_places_expand(with, &text, 1, &options, places, &error);
}

/* `expected` has the names with blanks between. */
static void assert_places(struct mlaas_context *with, const char *text, const char *redirector, bool lists,
                          const char *expected) {
  struct mlaas_places *places = NULL;
  char all[1000] = "";
  enum mlaas_status status = expand(with, text, redirector, lists, &places);
  if (status != MLAAS_OK)
    fail_msg("%s: %s: %s", text, error.where, error.message);
  for (size_t i = 0; i < mlaas_places_count(places); i++)
    snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? " " : "", mlaas_places_name(places, i));
  assert_string_equal(all, expected);
  mlaas_places_free(places);
}

static void assert_refused(const char *text, const char *redirector, bool lists, enum mlaas_status status,
                           const char *said) {
  struct mlaas_places *places = NULL;
  assert_int_equal(expand(context, text, redirector, lists, &places), status);
  char whole[2000];
  mlaas_error_format(&error, whole, sizeof whole);
  if (!strstr(whole, said))
    fail_msg("'%s' says nothing of '%s'", whole, said);
}

/* ---- tests ---- */

static void patterns_of_paths(void **state) {
  (void)state;
  assert_places(NULL, "*.root", NULL, false, "[x].root a,b.root a.root b.root"); /* no folder, nothing hidden */
  assert_places(NULL, "?.root", NULL, false, "a.root b.root");
  assert_places(NULL, "[ac].root", NULL, false, "a.root");
  assert_places(NULL, ".*.root", NULL, false, ".h.root");
  assert_places(NULL, "[x].root", NULL, false, "[x].root"); /* it is there by that name */
  assert_places(NULL, "*/c.root", NULL, false, "d/c.root");
  assert_places(NULL, "d/*/*.root", NULL, false, "d/e/f.root d/up/[x].root d/up/a,b.root d/up/a.root d/up/b.root");
  assert_places(NULL, "**/*.root", NULL, false,
                "[x].root a,b.root a.root b.root d/c.root d/e/f.root"); /* no links followed */
  assert_places(NULL, "d/**", NULL, false, "d/c.root d/e/f.root");
  assert_places(NULL, "./d//*.root", NULL, false, "./d//c.root");
  char url[100], expected[200];
  snprintf(url, sizeof url, "file://%s/d/*.root", folder);
  snprintf(expected, sizeof expected, "file://%s/d/c.root", folder);
  assert_places(NULL, url, NULL, false, expected);
  assert_places(NULL, "missing.root", NULL, false, "missing.root"); /* opening it says what is wrong */
  assert_refused("*.parquet", NULL, false, MLAAS_NOT_FOUND, "*.parquet: no file has such a name");
  assert_refused("nowhere/*.root", NULL, false, MLAAS_NOT_FOUND, "no file has such a name");
}

static void patterns_of_urls(void **state) {
  (void)state;
  assert_places(context, "made://h//d/*.root", NULL, false, "made://h//d/a.root made://h//d/b.root");
  assert_places(context, "made://h//d/*/[c-d].root", NULL, false, "made://h//d/sub/c.root");
  assert_places(context, "made://h//d/**/[c-d].root", NULL, false,
                "made://h//d/sub/c.root made://h//d/sub/deep/d.root");
  assert_places(context, "made://h//d/*/deep/d.root", NULL, false, "made://h//d/sub/deep/d.root");
  assert_places(context, "made://h//d/sub/deep/a[1].root", NULL, false, "made://h//d/sub/deep/a[1].root");
  assert_places(context, "made://h//d/a.root", NULL, false, "made://h//d/a.root"); /* nobody is asked */
  assert_places(context, "made://u:p@h//d/a.root?x=*", NULL, false, "made://u:p@h//d/a.root?x=*");
  assert_places(NULL, "made://h//d/*.root", NULL, false, "made://h//d/*.root");
  num_lists = 0;
  assert_refused("made://h//broken/*.root", NULL, false, MLAAS_IO,
                 "made://h//broken/*.root: the server does not answer");
  assert_refused("made://h//gone/*.root?token=1", NULL, false, MLAAS_NOT_FOUND,
                 "made://h//gone/*.root?token=***: there is no");
  assert_string_equal(last_list, "made://h//gone/?token=1");
  assert_int_equal(num_lists, 2);
  assert_refused("made://h//?/*.root", NULL, false, MLAAS_ARGUMENT, "'made://h//?/*.root': in a URL ? begins a query");
  assert_refused("made://h//d/q*", NULL, false, MLAAS_NOT_FOUND, "no file has such a name (among 5 names in 1 folder)");
  assert_refused("other://h//d/q*", NULL, false, MLAAS_UNSUPPORTED, "other://");
}

static void encoded_names_match_decoded(void **state) {
  (void)state;
  assert_places(context, "https://h/d/x[ ]*?t=1", NULL, false, "https://h/d/x%20y.root?t=1");
  assert_places(context, "https://h/d/x%2A*", NULL, false, "https://h/d/x%2Ay.root");
  assert_places(context, "https://h/d/*.root", NULL, false,
                "https://h/d/x%20y.root https://h/d/x%2Ay.root https://h/d/z.root");
}

static void replicas_need_schemes(void **state) {
  (void)state;
  assert_places(context, "made://h//d/a*|https://h/d/x", NULL, true, "made://h//d/a*|https://h/d/x");
  assert_refused("made://h//x|/y", NULL, false, MLAAS_ARGUMENT, "replica '/y'");
  assert_places(context, "no|replicas.root", NULL, false, "no|replicas.root");
}

static void lists_are_read(void **state) {
  (void)state;
  static const char lines[] =
      "\xEF\xBB\xBF# signal\n a.root \r\n\n*/c.root\nroot://h//x.root|https://h/x.root\nb c.root";
  write_file("files.txt", lines, sizeof lines - 1);
  assert_places(NULL, "files.txt", NULL, true, "a.root d/c.root root://h//x.root|https://h/x.root b c.root");
  assert_places(NULL, "a.root,*/c.root, b.root,", NULL, true, "a.root d/c.root b.root");
  assert_places(NULL, "a,b.root", NULL, true, "a,b.root"); /* a file of that name */
  write_file("binary", "root\0\0\xf3\xb4", 8);
  assert_places(NULL, "binary", NULL, true, "binary");
  write_file("text.csv", "a,b\n1,2\n", 8);
  assert_places(NULL, "text.csv", NULL, true, "text.csv");
  assert_places(NULL, "files.txt", NULL, false, "files.txt");
  char cut[600] = "a.root\n";
  memset(cut + 7, '\n', 593);
  memcpy(cut + 560, "\0b.root", 7);
  write_file("files.txt", cut, sizeof cut); /* behind what is looked at to tell a list from data */
  assert_refused("files.txt", NULL, true, MLAAS_FORMAT, "byte 560 is zero");
  write_file("files.txt", "# nothing\n", 10);
  assert_refused("files.txt", NULL, true, MLAAS_ARGUMENT, "files.txt names no files");
  assert_refused("no.txt", "root://h", true, MLAAS_NOT_FOUND, "no.txt");
  assert_refused("no", NULL, true, MLAAS_NOT_FOUND, "the file no cannot be read");
  assert_refused("d", NULL, true, MLAAS_ARGUMENT, "d is a folder");
  assert_refused("", NULL, true, MLAAS_ARGUMENT, "empty");
  char line[5000];
  memset(line, 'x', sizeof line - 1);
  memcpy(line + sizeof line - 7, ".root", 6);
  write_file("long.txt", line, strlen(line));
  assert_places(NULL, "d/c.root", NULL, true, "d/c.root");
  struct mlaas_places *places = NULL;
  assert_int_equal(expand(NULL, "long.txt", NULL, true, &places), MLAAS_OK);
  assert_string_equal(mlaas_places_name(places, 0), line);
  mlaas_places_free(places);
}

static void origins_say_which_name_it_was(void **state) {
  (void)state;
  struct mlaas_places *places = NULL;
  assert_int_equal(expand(NULL, "d/c.root,?.root,b.root", NULL, true, &places), MLAAS_OK);
  assert_int_equal(mlaas_places_count(places), 4);
  assert_int_equal(mlaas_places_num_written(places), 3);
  static const size_t origins[] = {0, 1, 1, 2};
  for (size_t i = 0; i < 4; i++)
    assert_int_equal(mlaas_places_origin(places, i), origins[i]);
  mlaas_places_free(places);
}

static void names_that_are_not_here_are_redirected(void **state) {
  (void)state;
  assert_places(context, "a.root", "made://h", true, "a.root");
  assert_places(context, "store/x.root", "root://h/", true, "root://h//store/x.root");
  assert_places(context, "/store/x", "root://h", true, "root://h//store/x");
  assert_places(context, "root://other//x.root", "root://h", true, "root://other//x.root");
  assert_places(context, "file:///x.root", "root://h", true, "file:///x.root");
  assert_places(context, "?.root", "made://h", true, "a.root b.root");        /* here there are some */
  assert_places(NULL, "d/a*.root", "https://h", true, "https://h/d/a*.root"); /* nobody may be asked */
}

static void redirected_patterns_ask_the_server(void **state) {
  (void)state;
  assert_refused("d/?.parquet", "https://h", true, MLAAS_ARGUMENT, "use * or [...]");
  assert_places(context, "d/z*", "https://h", true, "https://h/d/z.root");
  assert_refused("d/q*", "https://h", true, MLAAS_NOT_FOUND, "https://h/d/q*");
  assert_places(context, "c.root", "./d", true, "./d/c.root");
  assert_places(context, "e/*.root", "./d", true, "./d/e/f.root");
  assert_refused("a.root", "wrong.host", true, MLAAS_ARGUMENT, "neither a URL nor a folder");
}

static void failing_memory_is_an_error(void **state) {
  (void)state;
  write_file("files.txt", "?.root\nmade://h//d/**\nx|made://y\nq.root", 43 - 4);
  for (int pass = 0; pass < 2; pass++) {
    enum mlaas_status status = MLAAS_MEMORY;
    long n = 1;
    for (; n < 500 && status != MLAAS_OK && status != MLAAS_ARGUMENT; n++) {
      struct mlaas_places *places = NULL;
      mlaas_memory_fail(n, pass);
      status = expand(context, "files.txt", "root://h", true, &places);
      mlaas_memory_fail(0, false);
      assert_true(status == MLAAS_MEMORY || status == MLAAS_ARGUMENT);
    }
    assert_int_equal(status, MLAAS_ARGUMENT); /* the replica without a scheme, once memory is enough */
    assert_true(n > 20);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(patterns_of_paths),
      cmocka_unit_test(patterns_of_urls),
      cmocka_unit_test(encoded_names_match_decoded),
      cmocka_unit_test(replicas_need_schemes),
      cmocka_unit_test(lists_are_read),
      cmocka_unit_test(origins_say_which_name_it_was),
      cmocka_unit_test(names_that_are_not_here_are_redirected),
      cmocka_unit_test(redirected_patterns_ask_the_server),
      cmocka_unit_test(failing_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
