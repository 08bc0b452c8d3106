/* Remote files over a made-up wire: what is asked for, what comes of failures, replicas, deadlines, reading ahead. */
#define _GNU_SOURCE
#include "base/cancel.h"

#include "remote_help.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- asking for little ---- */

static void opening_reads_both_ends_in_one_request(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  assert_int_equal(mlaas_source_size(source), SIZE);
  assert_true(mlaas_source_is_remote(source));
  assert_reads(source, 0, 512);
  assert_reads(source, SIZE - 5000, 5000);
  assert_int_equal(file->opens, 1);
  assert_int_equal(file->fetches, 1);
  assert_int_equal(file->ranges, 2);
  assert_true(file->delivered < SIZE / 20);
  struct mlaas_source_counters counters = counters_of(source);
  assert_int_equal(counters.requests, 2); /* opening is one */
  assert_int_equal(counters.ranges, 2);
  assert_int_equal(counters.bytes, 5512);
  assert_int_equal(counters.delivered, file->delivered);
  close_all(context, source);
}

static void small_files_come_whole(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, 40000);
  fake_wire_serve("fake://one/empty", bytes, 0);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  for (int64_t i = 0; i < 40; i++)
    assert_reads(source, i * 1000, 1000);
  assert_int_equal(file->fetches, 1);
  assert_int_equal(file->delivered, 40000);
  assert_int_equal(counters_of(source).hits, 40);
  mlaas_source_put(source);
  source = open_file(context, "fake://one/empty");
  assert_int_equal(mlaas_source_size(source), 0);
  assert_int_equal(read_ranges(source, NULL, 0, NULL), MLAAS_OK);
  close_all(context, source);
}

static void many_ranges_are_one_request(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  int64_t wanted[500][2];
  long before = file->delivered;
  for (int i = 0; i < 500; i++) { /* backwards, 1000 of 5000 bytes each */
    wanted[i][0] = 500000 + (499 - i) * 4000LL;
    wanted[i][1] = 1000;
  }
  assert_int_equal(read_ranges(source, wanted, 500, NULL), MLAAS_OK);
  assert_int_equal(file->fetches, 2);
  assert_int_equal(file->delivered - before, 500000); /* closing gaps would be waste */
  close_all(context, source);
}

static void small_gaps_are_read_in_vain(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  int64_t wanted[][2] = {{600000, 10000}, {610010, 10000}, {615000, 100}, {700000, 300000}};
  long before = file->delivered;
  assert_int_equal(read_ranges(source, wanted, 4, NULL), MLAAS_OK);
  assert_int_equal(file->fetches, 2);
  assert_int_equal(file->ranges, 4);
  assert_int_equal(file->delivered - before, 320010);
  close_all(context, source);
}

static void limits_of_the_server_are_kept(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->limits = (struct mlaas_wire_file){
      .most_ranges = 3, .most_range_bytes = 7000, .most_request_bytes = 15000, .gap = 100, .most_requests = 2};
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  assert_reads(source, 200000, 100000); /* 15 pieces of 6667: 2 in a request */
  int64_t wanted[][2] = {{400000, 10}, {400500, 10}, {401000, 10}, {401500, 10}, {402000, 10}};
  long before = file->fetches;
  assert_int_equal(read_ranges(source, wanted, 5, NULL), MLAAS_OK);
  assert_int_equal(file->fetches - before, 2);
  assert_true(file->most_at_once <= 2);
  close_all(context, source);
}

static void overlapping_ranges_are_right(void **state) {
  (void)state;
  for (int tiny = 0; tiny < 2; tiny++) {
    char name[32];
    snprintf(name, sizeof name, "fake://one/%d", tiny);
    fake_wire_serve(name, bytes, SIZE);
    struct mlaas_context *context = make_context(tiny ? 1000 : 0, 0, 0);
    struct mlaas_source *source = open_file(context, name);
    int64_t wanted[][2] = {{500000, 90000}, {500000, 90000}, {480000, 30000}, {589999, 2}, {500, 0}, {540000, 1}};
    assert_int_equal(read_ranges(source, wanted, 6, NULL), MLAAS_OK);
    close_all(context, source);
  }
}

static void answers_within_start_are_taken(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->at_once = true;
  file->limits.most_ranges = 1;
  file->limits.most_requests = 1;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, url);
  int64_t wanted[200][2];
  for (int i = 0; i < 200; i++) {
    wanted[i][0] = 100000 + i * 10000LL;
    wanted[i][1] = 200;
  }
  assert_int_equal(read_ranges(source, wanted, 200, NULL), MLAAS_OK);
  close_all(context, source);
}

/* ---- failures ---- */

static void what_passes_is_tried_again(void **state) {
  (void)state;
  static const enum fake_fault faults[] = {FAKE_TRANSIENT, FAKE_BUSY, FAKE_SHORT, FAKE_CANCELLED};
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->retry_after_ms = 3;
  struct mlaas_source *source = open_file(context, url);
  for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
    int64_t before = counters_of(source).retries;
    file->fetch_fault = (int)faults[i];
    file->bad_fetches = 4;
    assert_reads(source, 500000 + (int64_t)i * 300000, 150000);
    assert_true(counters_of(source).retries >= before + 4);
  }
  assert_true(file->opens > 1); /* handles that failed twice are opened again */
  close_all(context, source);
}

static void opening_is_tried_again(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->open_fault = FAKE_TRANSIENT;
  file->bad_opens = 4;
  struct mlaas_source *source = open_file(context, url);
  assert_int_equal(file->opens, 5);
  assert_int_equal(counters_of(source).retries, 4);
  close_all(context, source);
}

static void too_many_failures_say_what_was_tried(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 2);
  struct fake_file *file = fake_wire_serve("fake://me:secret@one/x.root", bytes, SIZE);
  struct mlaas_source *source = open_file(context, "fake://me:secret@one/x.root");
  struct mlaas_error error = {0};
  int64_t wanted[][2] = {{700000, 100000}};
  file->fetch_fault = FAKE_TRANSIENT;
  file->bad_fetches = 1000;
  assert_int_equal(read_ranges(source, wanted, 1, &error), MLAAS_IO);
  assert_int_equal(error.offset, 700000);
  assert_non_null(strstr(error.message, "the connection was lost"));
  assert_null(strstr(error.message, "x.root")); /* the layers above say which file it is */
  assert_non_null(strstr(error.message, "3 attempts"));
  assert_null(strstr(error.message, "secret"));
  file->bad_fetches = 0;
  assert_reads(source, 700000, 100000); /* the next read starts afresh */
  close_all(context, source);
}

static void what_is_final_is_not_tried_again(void **state) {
  (void)state;
  static const struct {
    enum fake_fault fault;
    enum mlaas_status status;
  } cases[] = {{FAKE_FINAL, MLAAS_IO}, {FAKE_MISSING, MLAAS_NOT_FOUND}, {FAKE_STALE, MLAAS_STALE}};
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  for (size_t i = 0; i < 3; i++) {
    struct mlaas_source *source = open_file(context, url);
    int64_t wanted[][2] = {{700000, 100000}};
    file->fetch_fault = (int)cases[i].fault;
    file->bad_fetches = 1;
    long before = file->fetches;
    assert_int_equal(read_ranges(source, wanted, 1, NULL), cases[i].status);
    assert_int_equal(file->fetches, before + 1);
    mlaas_source_put(source);
  }
  struct mlaas_source *source = NULL;
  struct mlaas_error error;
  file->open_fault = FAKE_FINAL;
  file->bad_opens = 1;
  assert_int_equal(mlaas_source_open(context, url, &source, &error), MLAAS_IO);
  assert_non_null(strstr(error.message, "permission denied"));
  assert_int_equal(mlaas_source_open(context, "fake://one/y.root", &source, &error), MLAAS_NOT_FOUND);
  assert_null(source);
  mlaas_context_put(context);
}

static void no_retries_means_one_attempt(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, -1);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_file(context, url);
  int64_t wanted[][2] = {{700000, 100000}};
  long before = file->fetches;
  file->fetch_fault = FAKE_TRANSIENT;
  file->bad_fetches = 1;
  assert_int_equal(read_ranges(source, wanted, 1, NULL), MLAAS_IO);
  assert_int_equal(file->fetches, before + 1);
  close_all(context, source);
}

static void a_file_that_changes_is_stale(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  int64_t wanted[][2] = {{700000, 100000}};
  for (int i = 0; i < 3; i++) { /* another length, another tag, another beginning */
    unsigned char first = bytes[5];
    struct mlaas_error error;
    snprintf(file->tag, sizeof file->tag, "%s", i == 1 ? "\"a\"" : "");
    struct mlaas_source *source = open_file(context, url);
    if (i == 0)
      file->size = SIZE - 1;
    else if (i == 1)
      snprintf(file->tag, sizeof file->tag, "\"b\"");
    else
      bytes[5] ^= 1;
    file->fetch_fault = FAKE_TRANSIENT;
    file->bad_fetches = 2; /* so that it is opened again */
    assert_int_equal(read_ranges(source, wanted, 1, &error), MLAAS_STALE);
    file->size = SIZE;
    bytes[5] = first;
    mlaas_source_put(source);
  }
  mlaas_context_put(context);
}

static void a_deadline_ends_waiting(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 150, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_in_the_end(context, url);
  struct mlaas_error error = {0};
  int64_t direct[][2] = {{700000, 100000}}, gaps[][2] = {{900000, 50000}, {950010, 50000}};
  file->fetch_fault = FAKE_STALL;
  file->bad_fetches = 1;
  assert_int_equal(read_ranges(source, direct, 1, &error), MLAAS_TIMEOUT);
  assert_int_equal(error.offset, 700000);
  assert_non_null(strstr(error.message, "deadline of 0.15 s"));
  assert_int_equal(fake_wire_in_flight(), 0); /* the caller's memory is its own again */
  file->bad_fetches = 1;
  assert_int_equal(read_ranges(source, gaps, 2, &error), MLAAS_TIMEOUT);
  mlaas_source_put(source);
  assert_int_equal(fake_wire_in_flight(), 0);
  file->open_fault = FAKE_STALL;
  file->bad_opens = 1;
  assert_int_equal(mlaas_source_open(context, url, &source, &error), MLAAS_TIMEOUT);
  mlaas_context_put(context);
}

static void a_long_wait_that_a_server_asks_for_is_refused_early(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 60000, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_file(context, url);
  struct mlaas_error error = {0};
  int64_t wanted[][2] = {{700000, 100000}};
  file->fetch_fault = FAKE_BUSY;
  file->retry_after_ms = 3600000;
  file->bad_fetches = 1;
  assert_int_equal(read_ranges(source, wanted, 1, &error), MLAAS_TIMEOUT);
  assert_non_null(strstr(error.message, "wait 3600 s"));
  close_all(context, source);
}

struct canceller {
  atomic_bool flag;
  long fetches;
  struct fake_file *file;
};

static void *cancel_when_it_stalls(void *argument) {
  struct canceller *canceller = argument;
  while (atomic_load(&canceller->file->bad_fetches) > 0)
    usleep(1000);
  atomic_store(&canceller->flag, true);
  return NULL;
}

static void cancelling_ends_waiting(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_file(context, url);
  struct mlaas_error error = {0};
  int64_t wanted[][2] = {{700000, 100000}};
  struct canceller canceller = {.file = file};
  pthread_t thread;
  file->fetch_fault = FAKE_STALL;
  file->bad_fetches = 1;
  assert_int_equal(pthread_create(&thread, NULL, cancel_when_it_stalls, &canceller), 0);
  const atomic_bool *before = mlaas_cancel_watch(&canceller.flag);
  assert_int_equal(read_ranges(source, wanted, 1, &error), MLAAS_CANCELLED);
  mlaas_cancel_watch(before);
  pthread_join(thread, NULL);
  assert_int_equal(fake_wire_in_flight(), 0);
  assert_reads(source, 700000, 100000);
  close_all(context, source);
}

static void handles_of_the_parent_are_refused_after_fork(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_file(context, url);
  pid_t child = fork();
  if (child == 0) {
    char data[10];
    struct mlaas_error error;
    bool refused = mlaas_source_read_at(source, 0, 10, data, &error) == MLAAS_STATE;
    struct mlaas_range range = {700000, 10, NULL};
    mlaas_source_ahead(source, &range, 1);
    mlaas_source_put(source);
    _exit(refused && strstr(error.message, "before fork()") ? 0 : 1);
  }
  int status = 1;
  waitpid(child, &status, 0);
  assert_int_equal(status, 0);
  assert_reads(source, 0, 10);
  close_all(context, source);
}

static void checksums_are_the_servers(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  fake_wire_serve(url, bytes, SIZE);
  struct mlaas_source *source = open_file(context, url);
  char text[64];
  assert_int_equal(mlaas_source_checksum(source, text, sizeof text, NULL), MLAAS_OK);
  assert_string_equal(text, "adler32:002dc6c0");
  close_all(context, source);
}

/* ---- limits that come late ---- */

static const struct mlaas_wire_file narrow = {
    .most_ranges = 4, .most_range_bytes = 50000, .most_request_bytes = 1 << 20, .gap = 4096, .most_requests = 2};

/* The ends of a file are read within what every server takes, and nothing waits for more until they are there. */
static void limits_come_with_the_ends(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, SIZE);
  file->early = narrow;
  struct mlaas_context *context = make_context(0, 60000, 1);
  struct mlaas_source *source = open_file(context, url);
  assert_int_equal(file->fetches, 1); /* both ends, in pieces that these limits allow */
  int64_t wanted[20][2];
  for (int i = 0; i < 20; i++) {
    wanted[i][0] = 400000 + i * 100000;
    wanted[i][1] = 60000;
  }
  struct mlaas_error error;
  assert_int_equal(read_ranges(source, wanted, 20, &error), MLAAS_OK);
  assert_int_equal(file->fetches, 2); /* all together, as the server's own limits allow */
  close_all(context, source);
}

static void a_replica_in_mid_file_has_its_limits_at_once(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://g/x.root", bytes, SIZE);
  struct fake_file *b = fake_wire_serve("fake://h/x.root", bytes, SIZE);
  a->early = b->early = narrow;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://g/x.root|fake://h/x.root");
  struct fake_file *first = a->opens ? a : b, *second = a->opens ? b : a;
  first->fetch_fault = first->open_fault = FAKE_TRANSIENT;
  first->bad_fetches = first->bad_opens = 1000;
  assert_reads(source, 500000, 900000);
  assert_int_equal(second->opens, 1);
  assert_true(second->fetches <= 2); /* its first bytes, which are compared, and the range */
  close_all(context, source);
}

static void who_never_hears_the_limits_gives_up(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve(url, bytes, 0); /* nothing is read of an empty file, so none are said */
  file->early = narrow;
  struct mlaas_context *context = make_context(0, 300, 1);
  struct mlaas_source *source = NULL;
  struct mlaas_error error;
  assert_int_equal(mlaas_source_open(context, url, &source, &error), MLAAS_TIMEOUT);
  mlaas_context_put(context);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(opening_reads_both_ends_in_one_request),
      TEST(small_files_come_whole),
      TEST(many_ranges_are_one_request),
      TEST(small_gaps_are_read_in_vain),
      TEST(limits_of_the_server_are_kept),
      TEST(overlapping_ranges_are_right),
      TEST(answers_within_start_are_taken),
      TEST(what_passes_is_tried_again),
      TEST(opening_is_tried_again),
      TEST(too_many_failures_say_what_was_tried),
      TEST(what_is_final_is_not_tried_again),
      TEST(no_retries_means_one_attempt),
      TEST(a_file_that_changes_is_stale),
      TEST(a_deadline_ends_waiting),
      TEST(a_long_wait_that_a_server_asks_for_is_refused_early),
      TEST(cancelling_ends_waiting),
      TEST(handles_of_the_parent_are_refused_after_fork),
      TEST(checksums_are_the_servers),
      TEST(limits_come_with_the_ends),
      TEST(a_replica_in_mid_file_has_its_limits_at_once),
      TEST(who_never_hears_the_limits_gives_up),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
