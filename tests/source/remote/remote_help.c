/* What the tests of remote files share. Must not know what they test. */
#include "remote_help.h"

#include "source/remote/retry.h"

unsigned char bytes[SIZE];
const char *const url = "fake://one/x.root";

int set_up(void **state) {
  (void)state;
  unsigned x = 1;
  for (size_t i = 0; i < SIZE; i++)
    bytes[i] = (unsigned char)((x = x * 1664525 + 1013904223) >> 24);
  mlaas_retry_base(1);
  fake_wire_start(1);
  return 0;
}

int tear_down(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  fake_wire_stop();
  mlaas_retry_base(0);
  return 0;
}

struct mlaas_context *make_context(int64_t cache, int64_t deadline_ms, int retries) {
  struct mlaas_context *context = NULL;
  struct mlaas_remote_options remote = {
      .size = sizeof remote, .cache = cache, .deadline_ms = deadline_ms, .retries = retries};
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 * MIB, .threads = 1, .remote = &remote};
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  return context;
}

struct mlaas_source *open_file(struct mlaas_context *context, const char *name) {
  struct mlaas_source *source = NULL;
  struct mlaas_error error = {0};
  enum mlaas_status status = mlaas_source_open(context, name, &source, &error);
  if (status != MLAAS_OK)
    print_error("%s\n", error.message);
  assert_int_equal(status, MLAAS_OK);
  return source;
}

struct mlaas_source *open_in_the_end(struct mlaas_context *context, const char *name) {
  struct mlaas_source *source = NULL;
  struct mlaas_error error = {0};
  enum mlaas_status status = MLAAS_TIMEOUT;
  for (int i = 0; i < 1000 && status == MLAAS_TIMEOUT; i++)
    status = mlaas_source_open(context, name, &source, &error);
  if (status != MLAAS_OK)
    print_error("%s\n", error.message);
  assert_int_equal(status, MLAAS_OK);
  fake_wire_await_quiet();
  return source;
}

void close_all(struct mlaas_context *context, struct mlaas_source *source) {
  mlaas_source_put(source);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

struct mlaas_source_counters counters_of(const struct mlaas_source *source) {
  struct mlaas_source_counters counters;
  mlaas_source_counters(source, &counters);
  return counters;
}

/* Each range into its own part of a buffer, compared. */
enum mlaas_status read_ranges(struct mlaas_source *source, int64_t (*wanted)[2], size_t count,
                              struct mlaas_error *error) {
  struct mlaas_range *ranges = calloc(count, sizeof *ranges);
  for (size_t i = 0; i < count; i++)
    ranges[i] = (struct mlaas_range){wanted[i][0], wanted[i][1], malloc((size_t)wanted[i][1])};
  enum mlaas_status status = mlaas_source_read_many(source, ranges, count, error);
  for (size_t i = 0; i < count; i++) {
    if (status == MLAAS_OK)
      assert_memory_equal(ranges[i].data, bytes + ranges[i].offset, (size_t)ranges[i].length);
    free(ranges[i].data);
  }
  free(ranges);
  return status;
}

void assert_reads(struct mlaas_source *source, int64_t offset, int64_t length) {
  struct mlaas_error error = {0};
  int64_t wanted[][2] = {{offset, length}};
  enum mlaas_status status = read_ranges(source, wanted, 1, &error);
  if (status != MLAAS_OK)
    print_error("%s\n", error.message);
  assert_int_equal(status, MLAAS_OK);
}

void announce(struct mlaas_source *source, int64_t (*wanted)[2], size_t count) {
  struct mlaas_range *ranges = calloc(count, sizeof *ranges);
  for (size_t i = 0; i < count; i++)
    ranges[i] = (struct mlaas_range){wanted[i][0], wanted[i][1], NULL};
  mlaas_source_ahead(source, ranges, count);
  free(ranges);
}
