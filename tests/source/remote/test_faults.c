/* Remote files in bad weather: many threads, random ranges and announcements, failures of every kind, allocations that
 * fail. Bytes are right or there is an error, and in the end nothing is held. */
#include "remote_help.h"

#include "base/memory.h"

#include <pthread.h>
#include <sched.h>

enum { THREADS = 4, FILES = 3 };

struct worker {
  struct mlaas_source **sources;
  unsigned seed;
  int reads, wrong, failed;
};

static unsigned draw(unsigned *seed) { return (*seed = *seed * 1103515245U + 12345U) >> 8; }

/* Assertions belong to the main thread. */
static void read_some(struct worker *worker) {
  struct mlaas_source *source = worker->sources[draw(&worker->seed) % FILES];
  struct mlaas_range ranges[8];
  struct mlaas_error error;
  size_t count = 1 + draw(&worker->seed) % 8;
  int64_t base = draw(&worker->seed) % (SIZE - 200000);
  for (size_t i = 0; i < count; i++) {
    int64_t length = 1 + draw(&worker->seed) % (draw(&worker->seed) % 4 ? 2000 : 60000);
    ranges[i] = (struct mlaas_range){base + draw(&worker->seed) % 100000, length, malloc((size_t)length)};
  }
  if (draw(&worker->seed) % 2)
    mlaas_source_ahead(source, ranges, count);
  if (draw(&worker->seed) % 8 == 0) { /* sometimes what is announced is never read */
    struct mlaas_range more = {draw(&worker->seed) % (SIZE - 100000), 100000, NULL};
    mlaas_source_ahead(source, &more, 1);
  }
  enum mlaas_status status = mlaas_source_read_many(source, ranges, count, &error);
  worker->reads++;
  worker->failed += status != MLAAS_OK;
  for (size_t i = 0; i < count; i++) {
    if (status == MLAAS_OK && memcmp(ranges[i].data, bytes + ranges[i].offset, (size_t)ranges[i].length) != 0)
      worker->wrong++;
    free(ranges[i].data);
  }
}

static void *work(void *argument) {
  struct worker *worker = argument;
  while (worker->reads < 150)
    read_some(worker);
  return NULL;
}

static struct fake_file *serve(const char *host, int i) {
  char name[64];
  snprintf(name, sizeof name, "fake://%s/%d", host, i);
  struct fake_file *file = fake_wire_serve(name, bytes, SIZE);
  file->limits.most_ranges = i == 0 ? 1 : 50;
  file->limits.most_range_bytes = i == 1 ? 3000 : 1 << 20;
  file->limits.most_requests = 1 + i * 3;
  file->at_once = i == 2;
  return file;
}

static void run_threads(int64_t cache, int one_in, unsigned seed) {
  struct mlaas_context *context = make_context(cache, 0, 40);
  struct mlaas_source *sources[FILES];
  struct fake_file *files[2][FILES];
  struct worker workers[THREADS];
  pthread_t threads[THREADS];
  for (int i = 0; i < FILES; i++) {
    char list[160];
    files[0][i] = serve("u", i);
    files[1][i] = serve("v", i);
    snprintf(list, sizeof list, i == 1 ? "fake://u/%d" : "fake://u/%d|fake://v/%d", i, i);
    sources[i] = open_file(context, list);
  }
  for (int i = 0; i < 2 * FILES; i++)
    files[i / FILES][i % FILES]->bad_one_in = one_in;
  for (unsigned i = 0; i < THREADS; i++) {
    workers[i] = (struct worker){.sources = sources, .seed = seed * 100 + i};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].wrong, 0);
    assert_int_equal(workers[i].failed, 0);
  }
  for (int i = 0; i < 2 * FILES; i++)
    files[i / FILES][i % FILES]->bad_one_in = 0;
  for (int i = 0; i < FILES; i++)
    mlaas_source_put(sources[i]);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  assert_true(mlaas_context_memory_peak(context) <= mlaas_context_memory_ceiling(context));
  mlaas_context_put(context);
}

static void threads_read_right_in_good_weather(void **state) {
  (void)state;
  run_threads(0, 0, 1);
}

static void threads_read_right_in_bad_weather(void **state) {
  (void)state;
  run_threads(0, 5, 2);
}

static void threads_read_right_with_a_tiny_cache(void **state) {
  (void)state;
  run_threads(100000, 0, 3);
}

static void and_with_both(void **state) {
  (void)state;
  run_threads(100000, 5, 4);
}

/* ---- done before start returns ---- */

static void *announce_first(void *argument) {
  int64_t range[][2] = {{1000000, 20000}};
  announce(argument, range, 1);
  return NULL;
}

/* The thread that starts requests of one file starts those of another too, which may be read and closed meanwhile. */
static void a_file_is_not_closed_while_a_request_of_it_is_started(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *sources[2];
  struct fake_file *files[2];
  pthread_t thread;
  int64_t range[][2] = {{1000000, 20000}};
  for (int i = 0; i < 2; i++) {
    const char *name = i ? "fake://x/1" : "fake://x/0";
    files[i] = fake_wire_serve(name, bytes, SIZE);
    files[i]->at_once = true;
    sources[i] = open_file(context, name);
    files[i]->linger_us = 40000;
  }
  long before[] = {atomic_load(&files[0]->fetches), atomic_load(&files[1]->fetches)};
  assert_int_equal(pthread_create(&thread, NULL, announce_first, sources[0]), 0);
  while (atomic_load(&files[0]->fetches) == before[0])
    sched_yield();
  announce(sources[1], range, 1);
  while (atomic_load(&files[1]->fetches) == before[1])
    sched_yield();
  assert_reads(sources[1], 1000000, 20000);
  mlaas_source_put(sources[1]); /* the made-up wire counts what is closed too early */
  pthread_join(thread, NULL);
  close_all(context, sources[0]);
}

/* Its near end is there, its far end about to be asked for by another thread: the server's limits replace the early
 * ones beside that. TSan looks on. */
static void a_file_gets_its_limits_while_a_request_of_it_is_started(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *busy = fake_wire_serve("fake://y/busy", bytes, SIZE);
  struct fake_file *file = fake_wire_serve("fake://y/file", bytes, SIZE);
  pthread_t thread;
  busy->at_once = file->at_once = true;
  struct mlaas_source *first = open_file(context, "fake://y/busy");
  busy->linger_us = 40000;
  file->hesitate_us = 20000;
  file->early = file->limits;
  file->early.most_ranges = 1; /* a request for each end */
  long before = atomic_load(&busy->fetches);
  assert_int_equal(pthread_create(&thread, NULL, announce_first, first), 0);
  while (atomic_load(&busy->fetches) == before)
    sched_yield();
  struct mlaas_source *source = open_file(context, "fake://y/file");
  assert_reads(source, SIZE - 100, 100);
  pthread_join(thread, NULL);
  mlaas_source_put(first);
  close_all(context, source);
}

/* ---- memory ---- */

static enum mlaas_status read_and_announce(struct mlaas_source *source) {
  int64_t ranges[20][2], gaps[][2] = {{1500000, 20000}, {1520100, 20000}, {1800000, 100}};
  for (int i = 0; i < 20; i++) {
    ranges[i][0] = 400000 + i * 30000;
    ranges[i][1] = 20000;
  }
  announce(source, ranges, 20);
  enum mlaas_status status = read_ranges(source, ranges, 20, NULL);
  if (status == MLAAS_OK)
    status = read_ranges(source, gaps, 3, NULL);
  return status == MLAAS_OK ? read_ranges(source, &gaps[2], 1, NULL) : status;
}

static void opening_survives_each_failed_allocation(void **state) {
  (void)state;
  fake_wire_serve("fake://w/x.root", bytes, SIZE)->at_once = true;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = NULL;
  enum mlaas_status status;
  long n = 0;
  do {
    mlaas_memory_fail(++n, false);
    status = mlaas_source_open(context, "fake://w/x.root|fake://w/y.root", &source, NULL);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || (status == MLAAS_MEMORY && !source));
    mlaas_source_put(source);
    source = NULL;
    assert_int_equal(mlaas_context_memory_held(context), 0);
  } while (n < 60);
  assert_int_equal(status, MLAAS_OK);
  mlaas_context_put(context);
}

static void reading_survives_each_failed_allocation(void **state) {
  (void)state;
  fake_wire_serve(url, bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  int refused = 0;
  for (long n = 1; n < 200; n++) {
    struct mlaas_source *source = open_file(context, url);
    mlaas_memory_fail(n, n % 3 == 0);
    enum mlaas_status status = read_and_announce(source);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    refused += status != MLAAS_OK;
    assert_int_equal(read_and_announce(source), MLAAS_OK);
    mlaas_source_put(source);
    assert_int_equal(mlaas_context_memory_held(context), 0);
  }
  assert_true(refused > 3);
  mlaas_context_put(context);
}

/* The server of the first half of a read is lost, another one is opened and compared, with too little memory for it. */
static void changing_servers_survives_each_failed_allocation(void **state) {
  (void)state;
  struct fake_file *first = fake_wire_serve("fake://first/x.root", bytes, SIZE);
  struct fake_file *other = fake_wire_serve("fake://other/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  int refused = 0;
  first->at_once = other->at_once = true;
  for (long n = 1; n < 150; n++) {
    first->fetches = other->fetches = 0;
    struct mlaas_source *source = open_file(context, "fake://first/x.root|fake://other/x.root");
    struct mlaas_error error = {0};
    int64_t far[][2] = {{700000, 1000}, {1400000, 300000}};
    for (int i = 0; i < 2; i++) { /* whichever is in use */
      struct fake_file *file = i ? other : first;
      file->fetch_fault = FAKE_FINAL;
      file->good_fetches = 0;
      file->bad_fetches = file->fetches > 0;
    }
    mlaas_memory_fail(n, n % 2 == 0);
    enum mlaas_status status = read_ranges(source, far, 2, &error);
    mlaas_memory_fail(0, false);
    if (status != MLAAS_OK && status != MLAAS_MEMORY)
      fail_msg("allocation %ld: %s", n, error.message);
    refused += status != MLAAS_OK;
    first->bad_fetches = other->bad_fetches = 0;
    assert_int_equal(mlaas_source_checksum(source, (char[64]){0}, 64, &error), MLAAS_OK);
    assert_int_equal(read_ranges(source, far, 2, &error), MLAAS_OK);
    mlaas_source_put(source);
    assert_int_equal(mlaas_context_memory_held(context), 0);
  }
  assert_true(refused > 3);
  mlaas_context_put(context);
}

/* Each request fails once in each way, with no retries and with some. */
static void reading_survives_each_failed_request(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->limits.most_ranges = 5;
  for (int retries = -1; retries <= 2; retries += 3) {
    struct mlaas_context *context = make_context(0, 0, retries);
    for (int fault = FAKE_TRANSIENT; fault < FAKE_FAULTS; fault++)
      for (int n = 1; n < 8 && fault != FAKE_STALL; n++) {
        struct mlaas_source *source = open_file(context, url);
        file->fetch_fault = fault;
        file->good_fetches = n;
        file->bad_fetches = 1;
        enum mlaas_status status = read_and_announce(source);
        bool passes = fault == FAKE_TRANSIENT || fault == FAKE_BUSY || fault == FAKE_SHORT || fault == FAKE_CANCELLED ||
                      fault == FAKE_SILENT;
        assert_true(status == MLAAS_OK || status == MLAAS_IO || status == MLAAS_STALE || status == MLAAS_NOT_FOUND ||
                    status == MLAAS_TIMEOUT || status == MLAAS_ARGUMENT);
        assert_true(status == MLAAS_OK || !passes || retries < 0);
        file->good_fetches = file->bad_fetches = 0;
        assert_true(fault == FAKE_STALE || read_and_announce(source) == MLAAS_OK);
        mlaas_source_put(source);
        assert_int_equal(mlaas_context_memory_held(context), 0);
      }
    mlaas_context_put(context);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(threads_read_right_in_good_weather),
      TEST(threads_read_right_in_bad_weather),
      TEST(threads_read_right_with_a_tiny_cache),
      TEST(and_with_both),
      TEST(opening_survives_each_failed_allocation),
      TEST(reading_survives_each_failed_allocation),
      TEST(changing_servers_survives_each_failed_allocation),
      TEST(reading_survives_each_failed_request),
      TEST(a_file_is_not_closed_while_a_request_of_it_is_started),
      TEST(a_file_gets_its_limits_while_a_request_of_it_is_started),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
