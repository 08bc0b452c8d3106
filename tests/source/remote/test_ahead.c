/* Reading ahead over a made-up wire: what is fetched when, what is kept, and how little memory may stop it. */
#include "remote_help.h"

#include <pthread.h>

static const int64_t first = 500000; /* behind what opening reads */

static void fill_ranges(int64_t (*ranges)[2], size_t count, int64_t start, int64_t step, int64_t length) {
  for (size_t i = 0; i < count; i++) {
    ranges[i][0] = start + (int64_t)i * step;
    ranges[i][1] = length;
  }
}

/* The file's ends are there. */
static struct mlaas_source *open_quietly(struct mlaas_context *of, const char *name) {
  struct mlaas_source *opened = open_file(of, name);
  fake_wire_await_quiet();
  return opened;
}

/* What most tests read, and close. */
static struct fake_file *file;
static struct mlaas_context *context;
static struct mlaas_source *source;

static void open_served(int64_t cache) {
  file = fake_wire_serve(url, bytes, SIZE);
  context = make_context(cache, 0, 0);
  source = open_quietly(context, url);
}

static void what_was_announced_comes_once(void **state) {
  (void)state;
  open_served(0);
  int64_t held = mlaas_context_memory_held(context);
  int64_t ranges[100][2];
  long before = file->delivered, fetches = file->fetches;
  fill_ranges(ranges, 100, first, 10000, 9000); /* the gaps together are more than a tenth */
  announce(source, ranges, 100);
  fake_wire_await_quiet();
  assert_int_equal(file->delivered - before, 900000);
  assert_true(file->fetches - fetches <= 2);
  fetches = file->fetches;
  int64_t hits = counters_of(source).hits;
  assert_true(mlaas_context_memory_held(context) > held + 900000);
  assert_int_equal(read_ranges(source, ranges, 50, NULL), MLAAS_OK);
  for (int i = 50; i < 100; i++)
    assert_reads(source, ranges[i][0], ranges[i][1]);
  assert_int_equal(file->fetches, fetches);
  assert_int_equal(counters_of(source).hits, hits + 100);
  assert_int_equal(mlaas_context_memory_held(context), held); /* read once: given up */
  assert_reads(source, ranges[7][0], ranges[7][1]);
  assert_true(file->delivered - before >= 909000); /* gone */
  close_all(context, source);
}

static void what_was_announced_twice_stays_until_read_twice(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[][2] = {{first, 30000}, {first, 30000}, {first + 30000, 1000}};
  long before = file->delivered;
  announce(source, ranges, 3);
  announce(source, ranges, 1);
  for (int i = 0; i < 3; i++)
    assert_reads(source, first, 30000);
  assert_reads(source, first + 30000, 1000);
  assert_int_equal(file->delivered - before, 31000);
  assert_reads(source, first, 20000);
  assert_true(file->delivered - before > 31000);
  close_all(context, source);
}

/* A basket is read in pieces: its head first. */
static void a_range_is_read_when_its_last_byte_is(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[][2] = {{first, 100000}, {first + 100000, 100000}};
  long before = file->delivered;
  announce(source, ranges, 2);
  assert_reads(source, first, 512);
  assert_reads(source, first + 100000, 512);
  assert_reads(source, first + 100000, 100000);
  assert_reads(source, first, 60000);
  assert_reads(source, first + 60000, 40000);
  assert_int_equal(file->delivered - before, 200000);
  close_all(context, source);
}

static void a_reader_does_not_wait_for_room(void **state) {
  (void)state;
  open_served(1); /* one byte of cache: nothing fits */
  int64_t ranges[40][2];
  fill_ranges(ranges, 40, first, 20000, 20000);
  announce(source, ranges, 40);
  long before = file->delivered;
  assert_int_equal(read_ranges(source, ranges, 40, NULL), MLAAS_OK);
  assert_int_equal(file->delivered - before, 800000);
  for (int i = 39; i >= 0; i--)
    assert_reads(source, ranges[i][0], ranges[i][1]);
  close_all(context, source);
}

/* Ten times the cache: what does not fit waits, and follows as the reader goes on. */
static void announcements_wait_for_room(void **state) {
  (void)state;
  enum { CACHE = 200000 };
  open_served(CACHE);
  int64_t ranges[200][2];
  fill_ranges(ranges, 200, first, 10000, 10000);
  long before = file->delivered;
  announce(source, ranges, 200);
  fake_wire_await_quiet();
  assert_true(file->delivered - before <= CACHE);
  assert_true(file->delivered - before > CACHE / 4);
  for (int i = 0; i < 200; i++) {
    assert_reads(source, ranges[i][0], ranges[i][1]);
    assert_true(mlaas_context_memory_held(context) <= CACHE);
  }
  assert_int_equal(file->delivered - before, 2000000);
  assert_true(counters_of(source).hits > 150);
  close_all(context, source);
}

static void a_reader_starts_what_still_waits(void **state) {
  (void)state;
  open_served(200000);
  int64_t ranges[200][2];
  fill_ranges(ranges, 200, first, 10000, 10000);
  announce(source, ranges, 200);
  fake_wire_await_quiet();
  assert_reads(source, ranges[199][0], ranges[199][1]);
  assert_reads(source, ranges[150][0], 60000); /* several together */
  close_all(context, source);
}

static void a_hiccup_does_not_lose_what_was_announced(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[10][2];
  fill_ranges(ranges, 10, first, 100000, 90000);
  file->fetch_fault = FAKE_TRANSIENT;
  file->bad_fetches = 1;
  long before = file->delivered;
  announce(source, ranges, 10);
  fake_wire_await_quiet();
  for (int i = 0; i < 10; i++)
    assert_reads(source, ranges[i][0], ranges[i][1]);
  assert_int_equal(file->delivered - before, 900000);
  assert_true(counters_of(source).retries >= 1);
  close_all(context, source);
}

/* Errors come when bytes are read, and not before. */
static void failures_ahead_are_the_readers(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[][2] = {{first, 100000}};
  file->fetch_fault = FAKE_FINAL;
  file->bad_fetches = 2;
  announce(source, ranges, 1);
  fake_wire_await_quiet();
  assert_int_equal(read_ranges(source, ranges, 1, NULL), MLAAS_IO);
  assert_reads(source, first, 100000);
  close_all(context, source);
}

static void closing_ends_what_is_on_its_way(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[40][2];
  fill_ranges(ranges, 40, first, 50000, 40000);
  file->limits.most_ranges = 1; /* known from the next opening on */
  mlaas_source_put(source);
  source = open_quietly(context, url);
  file->fetch_fault = FAKE_STALL;
  file->bad_fetches = 100;
  announce(source, ranges, 40);
  assert_true(fake_wire_in_flight() > 0);
  close_all(context, source);
  assert_int_equal(fake_wire_in_flight(), 0);
}

static void nonsense_is_left_out(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[][2] = {{-1, 5}, {SIZE, 1}, {SIZE - 1, 2}, {5, -1}, {5, 0}, {INT64_MAX, INT64_MAX}, {0, SIZE + 1LL}};
  announce(source, ranges, 7);
  announce(source, ranges, 0);
  assert_int_equal(fake_wire_in_flight(), 0);
  close_all(context, source);
}

/* Two files of a context share its room; what one does not read any more goes for the other. */
static void files_share_the_cache(void **state) {
  (void)state;
  struct fake_file *other = fake_wire_serve("fake://two/y.root", bytes, SIZE);
  enum { CACHE = 400000 };
  open_served(CACHE);
  struct mlaas_source *second = open_quietly(context, "fake://two/y.root");
  int64_t ranges[60][2];
  fill_ranges(ranges, 60, first, 10000, 10000);
  announce(source, ranges, 60);
  announce(second, ranges, 60);
  for (int i = 0; i < 60; i++) {
    assert_reads(source, ranges[i][0], ranges[i][1]);
    assert_reads(second, ranges[i][0], ranges[i][1]);
    assert_true(mlaas_context_memory_held(context) <= CACHE);
  }
  announce(source, ranges, 60); /* never read */
  announce(second, ranges, 60);
  fake_wire_await_quiet();
  mlaas_source_put(source);
  fake_wire_await_quiet();
  long before = other->fetches;
  for (int i = 0; i < 30; i++)
    assert_reads(second, ranges[i][0], ranges[i][1]);
  assert_true(other->fetches - before <= 6); /* read ahead since there was room again */
  close_all(context, second);
}

/* What may go: the one that was not used for longest. */
static void small_reads_are_kept_as_long_as_there_is_room(void **state) {
  (void)state;
  open_served(120000);
  assert_reads(source, first, 2000);
  long before = file->fetches;
  assert_reads(source, first + 2000, 2000); /* a bit more was read at once */
  assert_reads(source, first, 100);
  assert_int_equal(file->fetches, before);
  for (int i = 0; i < 20; i++)
    assert_reads(source, 800000 + i * 100000, 2000);
  assert_true(mlaas_context_memory_held(context) <= 120000);
  before = file->fetches;
  assert_reads(source, 800000 + 19 * 100000, 2000);
  assert_int_equal(file->fetches, before);
  assert_reads(source, first, 100);
  assert_int_equal(file->fetches, before + 1);
  close_all(context, source);
}

/* Bytes that small reads bring beside what was asked for have an end. */
static void waste_around_small_reads_is_bounded(void **state) {
  (void)state;
  open_served(0);
  long before = file->delivered;
  for (int i = 0; i < 50; i++)
    assert_reads(source, 100000 + i * 50000, 1000);
  assert_true(file->delivered - before <= 50000 + SIZE / 50 + (64 << 10));
  close_all(context, source);
}

static void work_has_room_before_the_cache(void **state) {
  (void)state;
  open_served(0);
  int64_t ranges[][2] = {{first, 1000000}};
  struct mlaas_block block;
  announce(source, ranges, 1);
  fake_wire_await_quiet();
  struct mlaas_budget *budget = mlaas_context_budget(context);
  int64_t ceiling = mlaas_budget_ceiling(budget);
  assert_true(mlaas_budget_held(budget) > 1000000);
  assert_int_equal(mlaas_block_try(budget, ceiling - 500000, &block, NULL), MLAAS_LIMIT);
  assert_int_equal(mlaas_block_new(budget, ceiling - 500000, &block, NULL), MLAAS_OK);
  assert_reads(source, first, 300000); /* straight into the caller's memory */
  mlaas_block_reset(&block);
  assert_int_equal(mlaas_block_new(budget, ceiling + 1, &block, NULL), MLAAS_LIMIT);
  announce(source, ranges, 1);
  assert_reads(source, first, 1000000);
  close_all(context, source);
}

/* The first of them come first, not all of them late; small ones go on as ever. */
static void not_all_is_asked_for_at_once(void **state) {
  (void)state;
  enum { EACH = 16 << 20, COUNT = 7 };
  int64_t size = (int64_t)EACH * (COUNT + 1);
  unsigned char *large = calloc((size_t)size, 1);
  file = fake_wire_serve(url, large, size);
  struct mlaas_context_options options = {.size = sizeof options, .memory = 1024LL * MIB, .threads = 1};
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  source = open_quietly(context, url);
  file->delay_us = 100000;
  for (int64_t i = 0; i < COUNT; i++) {
    int64_t range[][2] = {{first + i * EACH, EACH}};
    announce(source, range, 1);
  }
  assert_true(fake_wire_in_flight() <= 4);
  char byte;
  struct mlaas_error error;
  assert_int_equal(mlaas_source_read_at(source, first + COUNT * (int64_t)EACH - 1, 1, &byte, &error), MLAAS_OK);
  fake_wire_await_quiet();
  assert_true(file->most_at_once <= 5); /* one of somebody who waits */
  file->delay_us = 0;
  for (int64_t i = 0; i < COUNT - 1; i++)
    assert_int_equal(mlaas_source_read_at(source, first + (i + 1) * EACH - 1, 1, &byte, &error), MLAAS_OK);
  fake_wire_await_quiet();
  assert_in_range(file->delivered, COUNT * (int64_t)EACH, COUNT * (int64_t)EACH + MIB);
  close_all(context, source);
  free(large);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(what_was_announced_comes_once),
      TEST(what_was_announced_twice_stays_until_read_twice),
      TEST(a_range_is_read_when_its_last_byte_is),
      TEST(a_reader_does_not_wait_for_room),
      TEST(announcements_wait_for_room),
      TEST(a_reader_starts_what_still_waits),
      TEST(a_hiccup_does_not_lose_what_was_announced),
      TEST(failures_ahead_are_the_readers),
      TEST(closing_ends_what_is_on_its_way),
      TEST(nonsense_is_left_out),
      TEST(files_share_the_cache),
      TEST(small_reads_are_kept_as_long_as_there_is_room),
      TEST(waste_around_small_reads_is_bounded),
      TEST(work_has_room_before_the_cache),
      TEST(not_all_is_asked_for_at_once),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
