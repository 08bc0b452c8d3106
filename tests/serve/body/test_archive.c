/* Archives made here byte by byte: what is unpacked, what is refused, and that nothing is written outside. */
#include "serve/body/archive.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

static struct mlaas_budget *the_budget;
static struct mlaas_arena the_arena;
static struct mlaas_error the_error;
static char the_folder[64];
static const struct mlaas_archive_limits the_limits = {1 << 20, 100};

/* ---- a tar in memory ---- */

static unsigned char *the_tar;
static size_t the_size;

static void add_record(const char *name, char kind, const char *link, const char *data, size_t size, int mode) {
  size_t padded = (size + 511) / 512 * 512;
  the_tar = realloc(the_tar, the_size + 512 + padded);
  assert_non_null(the_tar);
  char *head = (char *)the_tar + the_size;
  memset(head, 0, 512 + padded);
  memcpy(head, name, strlen(name) > 100 ? 100 : strlen(name));
  snprintf(head + 100, 8, "%07o", (unsigned)mode);
  snprintf(head + 108, 8, "%07o", 0);
  snprintf(head + 116, 8, "%07o", 0);
  snprintf(head + 124, 12, "%011o", (unsigned)size);
  snprintf(head + 136, 12, "%011o", 0);
  head[156] = kind;
  memcpy(head + 157, link, strlen(link));
  memcpy(head + 257,
         "ustar\0"
         "00",
         8);
  memset(head + 148, ' ', 8);
  unsigned sum = 0;
  for (int i = 0; i < 512; i++)
    sum += (unsigned char)head[i];
  snprintf(head + 148, 8, "%06o", sum);
  if (size > 0)
    memcpy(head + 512, data, size);
  the_size += 512 + padded;
}

static void add_file(const char *name, const char *text) { add_record(name, '0', "", text, strlen(text), 0644); }
static void add_folder(const char *name) { add_record(name, '5', "", NULL, 0, 0755); }

static void end_tar(void) {
  the_tar = realloc(the_tar, the_size + 1024);
  assert_non_null(the_tar);
  memset(the_tar + the_size, 0, 1024);
  the_size += 1024;
}

static void start_tar(void) {
  free(the_tar);
  the_tar = NULL;
  the_size = 0;
}

static void gzip_tar(void) {
  z_stream stream = {0};
  uLong room = compressBound(the_size) + 100;
  unsigned char *out = malloc(room);
  assert_non_null(out);
  assert_int_equal(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = the_tar, stream.avail_in = (uInt)the_size;
  stream.next_out = out, stream.avail_out = (uInt)room;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  free(the_tar);
  the_tar = out;
  the_size = stream.total_out;
  deflateEnd(&stream);
}

/* ---- a folder to unpack into: OUTER/in; OUTER/secret must stay as it is ---- */

static void run(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void run(const char *format, ...) {
  char command[512];
  va_list list;
  va_start(list, format);
  vsnprintf(command, sizeof command, format, list);
  va_end(list);
  assert_int_equal(system(command), 0);
}

static int setup(void **state) {
  (void)state;
  the_budget = mlaas_budget_new(1 << 20);
  mlaas_arena_init(&the_arena, the_budget);
  snprintf(the_folder, sizeof the_folder, "/tmp/mlaas-archive-XXXXXX");
  assert_non_null(mkdtemp(the_folder));
  run("mkdir %s/in && echo kept >%s/secret", the_folder, the_folder);
  start_tar();
  return 0;
}

static int teardown(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  mlaas_arena_reset(&the_arena);
  mlaas_budget_put(the_budget);
  run("[ \"$(cat %s/secret)\" = kept ] && [ $(ls -A %s | wc -l) = 2 ]", the_folder, the_folder);
  run("rm -r %s", the_folder);
  start_tar();
  return 0;
}

static enum mlaas_status unpack(const struct mlaas_archive_limits *limits, struct mlaas_archive_top *top) {
  char folder[80];
  snprintf(folder, sizeof folder, "%s/in", the_folder);
  return mlaas_archive_unpack((struct mlaas_slice){(char *)the_tar, the_size}, folder, limits, &the_arena, top,
                              &the_error);
}

static void assert_file(const char *name, const char *text) {
  char path[256], found[256];
  struct stat info;
  snprintf(path, sizeof path, "%s/in/%s", the_folder, name);
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  size_t size = fread(found, 1, sizeof found, file);
  assert_int_equal(size, strlen(text));
  assert_memory_equal(found, text, size);
  fclose(file);
  assert_int_equal(stat(path, &info), 0);
  assert_int_equal(info.st_mode & 07777, 0644);
}

static void refused(enum mlaas_status status, const char *word) {
  struct mlaas_archive_top top;
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), status);
  if (!strstr(the_error.message, word))
    fail_msg("'%s' is not in: %s", word, the_error.message);
  run("[ $(ls -A %s/in | wc -l) = 0 ]", the_folder);
  start_tar();
}

/* ---- tests ---- */

static void one_folder_at_the_top_is_the_name(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  for (int packed = 0; packed < 2; packed++) {
    start_tar();
    add_folder("./");
    add_folder("./m/");
    add_record("./m/set-uid", '0', "", "s", 1, 04777);
    add_record("./m/none", '0', "", "n", 1, 0);
    add_file("./m/variables/data", "bytes");
    add_folder("./m/variables/");
    add_folder("./m/empty/");
    add_file("./._m", "what a Mac leaves");
    end_tar();
    if (packed)
      gzip_tar();
    assert_int_equal(unpack(&the_limits, &top), MLAAS_OK);
    assert_true(mlaas_slice_is(top.name, "m"));
    assert_int_equal(top.version, 0);
    assert_file("set-uid", "s");
    assert_file("none", "n");
    assert_file("variables/data", "bytes");
    run("[ -d %s/in/empty ] && [ $(stat -c %%a %s/in/empty) = 755 ]", the_folder, the_folder);
    run("[ $(find %s/in | wc -l) = 6 ]", the_folder);
    run("rm -r %s/in/*", the_folder);
  }
}

static void a_number_below_it_is_the_version(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  add_folder("m");
  add_folder("m/12");
  add_file("m/12/params.json", "{}");
  add_file("m/12/1/x", "y");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_OK);
  assert_true(mlaas_slice_is(top.name, "m"));
  assert_int_equal(top.version, 12);
  assert_file("params.json", "{}");
  assert_file("1/x", "y");
}

static void two_versions_are_a_folder(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  add_file("m/1/a", "1");
  add_file("m/2/a", "2");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_OK);
  assert_int_equal(top.version, 0);
  assert_file("1/a", "1");
  assert_file("2/a", "2");
}

static void flat_files_have_no_name(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  add_file("params.json", "{}");
  add_file("variables/data", "d");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_OK);
  assert_int_equal(top.name.size, 0);
  assert_file("params.json", "{}");
  assert_file("variables/data", "d");
}

static void names_stay_inside(void **state) {
  (void)state;
  const char *names[] = {"../x", "../../x", "m/../../x", "m/..", "..", "./../x", "m/a/../../../x"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    add_file("m/good", "g");
    add_file(names[i], "x");
    refused(MLAAS_ARGUMENT, "'..'");
    add_folder(names[i]);
    refused(MLAAS_ARGUMENT, "'..'");
  }
  add_file("/tmp/x", "x");
  refused(MLAAS_ARGUMENT, "absolute");
  add_file("m/a\nb", "x");
  refused(MLAAS_ARGUMENT, "control character");
}

static void links_and_devices_are_refused(void **state) {
  (void)state;
  add_file("m/good", "g");
  add_record("m/link", '2', "../../secret", NULL, 0, 0777);
  refused(MLAAS_ARGUMENT, "link");
  add_record("m/hard", '1', "../secret", NULL, 0, 0644);
  refused(MLAAS_ARGUMENT, "link");
  add_record("m/d", '2', "..", NULL, 0, 0777);
  add_file("m/d/secret", "overwritten");
  refused(MLAAS_ARGUMENT, "link");
  for (const char *kind = "346"; *kind; kind++) {
    add_record("m/odd", *kind, "", NULL, 0, 0644);
    refused(MLAAS_ARGUMENT, "neither a file nor a folder");
  }
}

/* These are seen when writing: what is there before is dropped with the staged folder. */
static void doubles_are_refused(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  add_file("m/a", "1");
  add_file("m/a", "2");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  assert_non_null(strstr(the_error.message, "twice"));
  run("rm %s/in/a", the_folder);
  start_tar();
  add_file("m/a", "1");
  add_file("m/a/b", "2");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  run("rm %s/in/a", the_folder);
  start_tar();
  add_file("m/a/b", "2");
  add_file("m/a", "1");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
}

static void there_are_limits(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  char *big = calloc(1, 2 << 20), name[64 * 3];
  for (int i = 0; i < 101; i++) {
    snprintf(name, sizeof name, "m/%d", i);
    add_file(name, "x");
  }
  refused(MLAAS_LIMIT, "100 entries");
  add_record("m/big", '0', "", big, (1 << 20) + 1, 0644);
  refused(MLAAS_LIMIT, "bytes");
  add_record("m/half", '0', "", big, 1 << 19, 0644);
  add_record("m/half2", '0', "", big, 1 << 19, 0644);
  add_record("m/more", '0', "", big, 1, 0644);
  refused(MLAAS_LIMIT, "bytes");
  name[0] = 0;
  for (int i = 0; i < 17; i++)
    snprintf(name + strlen(name), sizeof name - strlen(name), "d/");
  add_folder(name);
  refused(MLAAS_LIMIT, "16 folders");
  add_record("m/says-so", '0', "", big, 0, 0644);
  memcpy(the_tar + 124, "77777777777", 11); /* the check sum is wrong now, too */
  end_tar();
  assert_int_not_equal(unpack(&the_limits, &top), MLAAS_OK);
  free(big);
}

static void a_bomb_is_refused(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  struct mlaas_archive_limits wide = {INT64_MAX, 100};
  size_t size = 80 << 20;
  char *zeros = calloc(1, size);
  assert_non_null(zeros);
  add_record("m/zeros", '0', "", zeros, size, 0644);
  free(zeros);
  end_tar();
  gzip_tar();
  assert_true(the_size < 200000);
  assert_int_equal(unpack(&wide, &top), MLAAS_LIMIT);
  gzip_tar(); /* packed twice */
  assert_int_equal(unpack(&wide, &top), MLAAS_ARGUMENT);
  assert_non_null(strstr(the_error.message, "more than once"));
  run("[ $(ls -A %s/in | wc -l) = 0 ]", the_folder);
}

static void what_is_no_archive_is_refused(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  add_folder("m/");
  refused(MLAAS_ARGUMENT, "no file");
  end_tar();
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  memset(the_tar, 'x', the_size);
  assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  start_tar();
  add_file("m/a", "text that is cut");
  end_tar();
  size_t whole = the_size;
  for (the_size = 1; the_size < 512 + 16; the_size += 37)
    assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
  the_size = whole;
  gzip_tar();
  for (whole = the_size, the_size = 1; the_size < whole - 8; the_size += 7)
    assert_int_equal(unpack(&the_limits, &top), MLAAS_ARGUMENT);
}

static void memory_may_be_short(void **state) {
  (void)state;
  struct mlaas_archive_top top;
  add_file("m/a", "1");
  end_tar();
  for (long n = 1; n < 4; n++) {
    mlaas_memory_fail(n, false);
    assert_int_equal(unpack(&the_limits, &top), MLAAS_MEMORY);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(one_folder_at_the_top_is_the_name, setup, teardown),
      cmocka_unit_test_setup_teardown(a_number_below_it_is_the_version, setup, teardown),
      cmocka_unit_test_setup_teardown(two_versions_are_a_folder, setup, teardown),
      cmocka_unit_test_setup_teardown(flat_files_have_no_name, setup, teardown),
      cmocka_unit_test_setup_teardown(names_stay_inside, setup, teardown),
      cmocka_unit_test_setup_teardown(links_and_devices_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(doubles_are_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(there_are_limits, setup, teardown),
      cmocka_unit_test_setup_teardown(a_bomb_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(what_is_no_archive_is_refused, setup, teardown),
      cmocka_unit_test_setup_teardown(memory_may_be_short, setup, teardown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
