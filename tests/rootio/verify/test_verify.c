/* Verification: what is sound is called so, each damage is found where it is, and nothing stops the rest. */
#include "base/memory.h"

#include <mlaas/verify.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA TESTS_ROOT "/tests/data/"

enum { MOST = 64 };

struct findings {
  int count;
  struct mlaas_finding list[MOST];
  char columns[MOST][64], messages[MOST][256];
};

static void on_finding(void *context, const struct mlaas_finding *finding) {
  struct findings *all = context;
  assert_in_range(all->count, 0, MOST - 1);
  snprintf(all->columns[all->count], sizeof all->columns[0], "%s", finding->column);
  snprintf(all->messages[all->count], sizeof all->messages[0], "%s", finding->message);
  all->list[all->count] = *finding;
  all->list[all->count].column = all->columns[all->count];
  all->list[all->count].message = all->messages[all->count];
  all->count++;
}

/* Verifies with `threads` threads; checks that all memory was given back. */
static enum mlaas_status verify(const char *path, int threads, struct findings *all, struct mlaas_verify_report *report,
                                struct mlaas_error *error) {
  struct mlaas_context_options context_options = {.size = sizeof context_options, .threads = threads};
  struct mlaas_context *context;
  assert_int_equal(mlaas_context_new(&context_options, &context, NULL), MLAAS_OK);
  *all = (struct findings){0};
  struct mlaas_verify_options options = {.size = sizeof options, .finding = on_finding, .context = all};
  report->size = sizeof *report;
  enum mlaas_status status = mlaas_verify(context, path, &options, report, error);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
  return status;
}

struct damage {
  long offset;
  unsigned char change;
};

/* A copy of a fixture with bytes changed, cut to `size` if that is not 0; the caller removes and frees its name. */
static char *damaged(const char *name, const struct damage *damages, size_t count, long size) {
  char from[512];
  snprintf(from, sizeof from, DATA "%s", name);
  FILE *in = fopen(from, "rb");
  assert_non_null(in);
  fseek(in, 0, SEEK_END);
  long all = ftell(in);
  unsigned char *bytes = malloc((size_t)all);
  rewind(in);
  assert_int_equal(fread(bytes, 1, (size_t)all, in), (size_t)all);
  fclose(in);
  for (size_t i = 0; i < count; i++)
    bytes[damages[i].offset] ^= damages[i].change;
  char *path = strdup("/tmp/mlaas-verify-XXXXXX");
  int file = mkstemp(path);
  assert_true(file >= 0);
  long kept = size ? size : all;
  assert_int_equal(write(file, bytes, (size_t)kept), kept);
  close(file);
  free(bytes);
  return path;
}

static void drop(char *path) {
  unlink(path);
  free(path);
}

static void sound_files_are_sound(void **state) {
  (void)state;
  static const char *const names[] = {"autoflush",  "clusters-merged", "cycles",           "empty",
                                      "leaf-lists", "names",           "ntuple-late",      "strings-split0",
                                      "tntuple",    "vectors-nested",  "old-branch-split1"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    char path[512];
    struct findings all;
    struct mlaas_verify_report report;
    struct mlaas_error error;
    snprintf(path, sizeof path, DATA "%s.root", names[i]);
    assert_int_equal(verify(path, 2, &all, &report, &error), MLAAS_OK);
    if (all.count)
      print_message("%s: %s %s\n", path, all.columns[0], all.messages[0]);
    assert_int_equal(report.status, MLAAS_OK);
    assert_int_equal(all.count, 0);
    assert_true(report.keys > 0 && report.tables > 0);
    assert_true(report.baskets > 0 || report.pages > 0 || strcmp(names[i], "empty") == 0);
  }
}

/* Where branch `name` has its basket `i` is found by its key: class "TBasket", then the branch's name. */
static long basket_at(const char *file, const char *name, int i, long *size) {
  char path[512], wanted[80];
  static unsigned char bytes[1 << 20];
  snprintf(path, sizeof path, DATA "%s", file);
  FILE *in = fopen(path, "rb");
  assert_non_null(in);
  long all = (long)fread(bytes, 1, sizeof bytes, in);
  fclose(in);
  int length = snprintf(wanted, sizeof wanted, "\7TBasket%c%s", (int)strlen(name), name);
  for (long at = 34; at < all - length; at++)
    if (memcmp(bytes + at, wanted, (size_t)length) == 0 && i-- == 0) {
      const unsigned char *key = bytes + at - 34;
      *size = (long)key[0] << 24 | key[1] << 16 | key[2] << 8 | key[3];
      return at - 34;
    }
  fail_msg("%s has no such basket", file);
  return 0;
}

static void each_damaged_basket_is_told(void **state) {
  (void)state;
  long size[3];
  long first = basket_at("clusters-merged.root", "i", 1, &size[0]),
       second = basket_at("clusters-merged.root", "i", 4, &size[1]),
       third = basket_at("clusters-merged.root", "v", 2, &size[2]);
  const struct damage damages[] = {{first + 15, 1}, {second + 6, 0x40}, {third + 9, 0x10}};
  char *path = damaged("clusters-merged.root", damages, 3, 0);
  for (int threads = 1; threads <= 4; threads += 3) {
    struct findings all;
    struct mlaas_verify_report report;
    struct mlaas_error error;
    assert_int_equal(verify(path, threads, &all, &report, &error), MLAAS_OK);
    assert_int_equal(report.findings, all.count);
    assert_int_equal(all.count, 3);
    assert_int_equal(report.status, MLAAS_FORMAT);
    for (int i = 0; i < 3; i++) {
      static const char *const columns[] = {"i", "i", "v"};
      static const int numbers[] = {1, 4, 2};
      long at[] = {first, second, third};
      assert_string_equal(all.list[i].part, "basket");
      assert_string_equal(all.columns[i], columns[i]);
      assert_int_equal(all.list[i].number, numbers[i]);
      assert_in_range(all.list[i].offset, at[i], at[i] + size[i]);
    }
  }
  drop(path);
}

static void a_wrong_checksum_is_told_as_such(void **state) {
  (void)state;
  struct findings all;
  struct mlaas_verify_report report;
  struct mlaas_error error;
  long size, at = basket_at("strings-split0.root", "std", 0, &size);
  const struct damage damages[] = {{at + size - 1, 1}};
  char *path = damaged("strings-split0.root", damages, 1, 0);
  assert_int_equal(verify(path, 2, &all, &report, &error), MLAAS_OK);
  assert_int_equal(all.count, 1);
  assert_int_equal(report.status, MLAAS_CHECKSUM);
  assert_in_range(all.list[0].offset, at, at + size);
  drop(path);
}

static void pages_are_told_by_field_and_number(void **state) {
  (void)state;
  struct findings all, same;
  struct mlaas_verify_report report;
  struct mlaas_error error;
  const struct damage damages[] = {{650, 1}}; /* the first page */
  char *path = damaged("ntuple-late.root", damages, 1, 0);
  assert_int_equal(verify(path, 1, &all, &report, &error), MLAAS_OK);
  assert_int_equal(report.status, MLAAS_CHECKSUM);
  assert_true(all.count >= 1);
  assert_string_equal(all.list[0].part, "page");
  assert_true(all.columns[0][0] != 0);
  assert_int_equal(verify(path, 3, &same, &report, &error), MLAAS_OK);
  assert_int_equal(same.count, all.count);
  assert_string_equal(same.columns[0], all.columns[0]);
  drop(path);
}

static void what_cannot_be_opened_is_a_finding(void **state) {
  (void)state;
  struct findings all;
  struct mlaas_verify_report report;
  struct mlaas_error error;
  const struct damage damages[] = {{0, 1}};
  char *path = damaged("cycles.root", damages, 1, 0);
  assert_int_equal(verify(path, 1, &all, &report, &error), MLAAS_OK);
  assert_int_equal(report.status, MLAAS_FORMAT);
  assert_int_equal(all.count, 1);
  assert_string_equal(all.list[0].part, "file");
  drop(path);
  path = damaged("cycles.root", NULL, 0, 3000);
  assert_int_equal(verify(path, 1, &all, &report, &error), MLAAS_OK);
  assert_int_equal(report.status, MLAAS_FORMAT);
  drop(path);
  assert_int_equal(verify("/nowhere/at.all", 1, &all, &report, &error), MLAAS_NOT_FOUND);
}

static bool stop(void *context, int64_t done, int64_t total) {
  (void)context;
  assert_in_range(done, 0, total);
  return false;
}

static void it_can_be_stopped_and_limited_to_a_table(void **state) {
  (void)state;
  struct mlaas_context *context;
  struct mlaas_error error;
  struct mlaas_verify_report report = {.size = sizeof report};
  struct mlaas_verify_options options = {.size = sizeof options, .progress = stop};
  assert_int_equal(mlaas_context_new(NULL, &context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_verify(context, DATA "names.root", &options, &report, &error), MLAAS_CANCELLED);
  options = (struct mlaas_verify_options){.size = sizeof options, .table = "one/two/t"};
  assert_int_equal(mlaas_verify(context, DATA "names.root", &options, &report, &error), MLAAS_OK);
  assert_int_equal(report.tables, 1);
  assert_int_equal(report.keys, 0);
  options.table = "one/two/u";
  assert_int_equal(mlaas_verify(context, DATA "names.root", &options, &report, &error), MLAAS_NOT_FOUND);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  static const char *const names[] = {"cycles.root", "ntuple-late.root"};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    struct mlaas_context_options context_options = {.size = sizeof context_options, .threads = 1};
    char path[512];
    snprintf(path, sizeof path, DATA "%s", names[k]);
    enum mlaas_status status = MLAAS_MEMORY;
    for (long n = 1; status != MLAAS_OK; n++) {
      struct mlaas_context *context;
      struct mlaas_error error;
      struct mlaas_verify_report report = {.size = sizeof report};
      assert_int_equal(mlaas_context_new(&context_options, &context, NULL), MLAAS_OK);
      mlaas_memory_fail(n, false);
      status = mlaas_verify(context, path, NULL, &report, &error);
      mlaas_memory_fail(0, false);
      if (status != MLAAS_OK)
        assert_int_equal(status, MLAAS_MEMORY);
      else
        assert_int_equal(report.findings, 0);
      assert_int_equal(mlaas_context_memory_held(context), 0);
      mlaas_context_put(context);
      assert_in_range(n, 1, 100000);
    }
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(sound_files_are_sound),
      cmocka_unit_test(each_damaged_basket_is_told),
      cmocka_unit_test(a_wrong_checksum_is_told_as_such),
      cmocka_unit_test(pages_are_told_by_field_and_number),
      cmocka_unit_test(what_cannot_be_opened_is_a_finding),
      cmocka_unit_test(it_can_be_stopped_and_limited_to_a_table),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
