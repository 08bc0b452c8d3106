/* Replicas over a made-up wire: which is opened, what follows when one fails in mid-file, what is another file. */
#include "remote_help.h"

#include <unistd.h>

static const char *const both = "fake://a/x.root|fake://b/x.root";

static void the_next_one_serves_when_one_cannot_be_opened(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://a/x.root", bytes, SIZE);
  fake_wire_serve("fake://b/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  a->open_fault = FAKE_FINAL;
  a->bad_opens = 1000;
  struct mlaas_source *source = open_file(context, both);
  assert_reads(source, 500000, 100000);
  assert_int_equal(a->opens, 1); /* refused for good: not tried again */
  mlaas_source_put(source);
  source = open_file(context, "fake://nowhere/x.root|fake://b/x.root");
  assert_reads(source, 500000, 100000);
  close_all(context, source);
}

static void it_changes_in_mid_file(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://c/x.root", bytes, SIZE);
  struct fake_file *b = fake_wire_serve("fake://d/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://c/x.root|fake://d/x.root");
  struct fake_file *first = a->opens ? a : b, *second = a->opens ? b : a;
  assert_int_equal(second->opens, 0); /* lazily */
  assert_reads(source, 500000, 100000);
  first->fetch_fault = first->open_fault = FAKE_TRANSIENT; /* the server dies */
  first->bad_fetches = first->bad_opens = 1000;
  for (int i = 0; i < 10; i++)
    assert_reads(source, 700000 + i * 100000, 100000);
  struct mlaas_source_counters counters = counters_of(source);
  assert_int_equal(counters.failovers, 1);
  assert_int_equal(second->opens, 1);
  assert_int_equal(first->fetches, 4); /* ends, one read, and two attempts at the next */
  close_all(context, source);
}

static void and_back_when_the_other_fails(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://e/x.root", bytes, SIZE);
  struct fake_file *b = fake_wire_serve("fake://f/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://e/x.root|fake://f/x.root");
  struct fake_file *now = a->opens ? a : b, *other = a->opens ? b : a;
  for (int i = 0; i < 6; i++) {
    now->fetch_fault = FAKE_TRANSIENT;
    now->bad_fetches = 2;
    assert_reads(source, 700000 + i * 100000, 100000);
    assert_int_equal(counters_of(source).failovers, i + 1);
    struct fake_file *next = other;
    other = now;
    now = next;
  }
  close_all(context, source);
}

static void another_file_is_never_mixed_in(void **state) {
  (void)state;
  static unsigned char others[SIZE];
  memcpy(others, bytes, SIZE);
  others[100] ^= 1;
  for (int i = 0; i < 2; i++) { /* another length, another beginning */
    char names[2][64], list[160];
    snprintf(names[0], 64, "fake://g%d/x.root", i);
    snprintf(names[1], 64, "fake://h%d/x.root", i);
    snprintf(list, sizeof list, "%s|%s", names[0], names[1]);
    struct fake_file *a = fake_wire_serve(names[0], bytes, SIZE);
    struct fake_file *b = fake_wire_serve(names[1], i ? others : bytes, i ? SIZE : SIZE - 1);
    struct mlaas_context *context = make_context(0, 0, 1);
    struct mlaas_source *source = open_file(context, list);
    struct mlaas_error error = {0};
    int64_t wanted[][2] = {{500000, 100000}};
    assert_int_equal(a->opens, 1); /* the first of those that nobody measured */
    a->fetch_fault = a->open_fault = FAKE_TRANSIENT;
    a->bad_fetches = a->bad_opens = 1000;
    assert_int_not_equal(read_ranges(source, wanted, 1, &error), MLAAS_OK);
    assert_non_null(strstr(error.message, names[0]));
    assert_non_null(strstr(error.message, names[1]));
    assert_non_null(strstr(error.message, "another file"));
    assert_int_equal(b->opens, 1);
    a->bad_fetches = a->bad_opens = 0;
    assert_reads(source, 500000, 100000);
    assert_int_equal(b->opens, 1); /* known to be another */
    close_all(context, source);
  }
}

static void the_error_names_all_that_were_tried(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://i/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 1);
  struct mlaas_source *source = NULL;
  struct mlaas_error error = {0};
  a->open_fault = FAKE_FINAL;
  a->bad_opens = 1;
  assert_int_not_equal(mlaas_source_open(context, "fake://i/x.root|fake://j/x.root", &source, &error), MLAAS_OK);
  assert_non_null(strstr(error.message, "'fake://i/x.root': permission denied"));
  assert_non_null(strstr(error.message, "'fake://j/x.root': no such file"));
  assert_null(strstr(error.message, "attempts")); /* one each: what is final is not tried again */
  assert_int_equal(mlaas_source_open(context, "fake://k/x.root|fake://j/x.root", &source, &error), MLAAS_NOT_FOUND);
  assert_null(source);
  mlaas_context_put(context);
}

static void a_deadline_does_not_hide_what_failed_before_it(void **state) {
  (void)state;
  struct fake_file *file = fake_wire_serve("fake://z/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 200, 9);
  struct mlaas_error error = {0};
  file->fetch_fault = FAKE_TRANSIENT;
  file->open_fault = FAKE_STALL; /* after two failures it is opened again */
  bool failed_before = false;
  for (int i = 0; i < 20 && !failed_before; i++) { /* a busy machine may spend a deadline before anything has failed */
    struct mlaas_source *source = open_in_the_end(context, "fake://z/x.root");
    file->bad_fetches = 100;
    file->bad_opens = 1;
    assert_int_equal(read_ranges(source, (int64_t[][2]){{500000, 100}}, 1, &error), MLAAS_TIMEOUT);
    failed_before = strstr(error.message, "in time; before that: ") && strstr(error.message, "the connection was lost");
    file->bad_fetches = file->bad_opens = 0;
    mlaas_source_put(source);
    assert_int_equal(mlaas_context_memory_held(context), 0);
  }
  if (!failed_before)
    fail_msg("%s", error.message);
  mlaas_context_put(context);
}

static void a_busy_server_is_left_for_another(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://l/x.root", bytes, SIZE);
  fake_wire_serve("fake://m/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://l/x.root|fake://m/x.root");
  assert_int_equal(a->opens, 1);
  a->fetch_fault = FAKE_BUSY;
  a->retry_after_ms = 3600000;
  a->bad_fetches = 1;
  assert_reads(source, 500000, 100000);
  assert_int_equal(counters_of(source).failovers, 1);
  close_all(context, source);
}

static void the_faster_one_is_opened_first(void **state) {
  (void)state;
  struct fake_file *slow = fake_wire_serve("fake://slow/x.root", bytes, SIZE);
  struct fake_file *fast = fake_wire_serve("fake://fast/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(0, 0, 0);
  slow->delay_us = 60000;
  struct mlaas_source *source = open_file(context, "fake://slow/x.root");
  mlaas_source_put(source);
  source = open_file(context, "fake://fast/x.root");
  mlaas_source_put(source);
  long opens = slow->opens;
  source = open_file(context, "fake://slow/x.root|fake://fast/x.root");
  assert_int_equal(slow->opens, opens);
  assert_int_equal(fast->opens, 2);
  close_all(context, source);
}

static void lists_are_parsed(void **state) {
  (void)state;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_error error;
  struct mlaas_source *source = NULL;
  char list[800] = "";
  fake_wire_serve("fake://n/x|y.root", bytes, SIZE);
  source = open_file(context, "fake://n/x|y.root"); /* "|" in a name is none of ours */
  mlaas_source_put(source);
  assert_int_equal(mlaas_source_open(context, "fake://n/x.root|gopher://n/x.root", &source, &error), MLAAS_UNSUPPORTED);
  for (int i = 0; i < 17; i++)
    snprintf(list + strlen(list), sizeof list - strlen(list), "%sfake://n/x.root", i ? "|" : "");
  assert_int_equal(mlaas_source_open(context, list, &source, &error), MLAAS_LIMIT);
  mlaas_context_put(context);
}

/* Also what was read ahead comes from the other one. */
static void reading_ahead_goes_on_elsewhere(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://o/x.root", bytes, SIZE);
  fake_wire_serve("fake://p/x.root", bytes, SIZE);
  struct mlaas_context *context = make_context(300000, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://o/x.root|fake://p/x.root");
  int64_t ranges[100][2];
  for (int i = 0; i < 100; i++) {
    ranges[i][0] = 300000 + i * 20000;
    ranges[i][1] = 19000;
  }
  a->fetch_fault = a->open_fault = FAKE_TRANSIENT;
  a->good_fetches = 5;
  a->bad_fetches = a->bad_opens = 1000;
  announce(source, ranges, 100);
  for (int i = 0; i < 100; i++)
    assert_reads(source, ranges[i][0], ranges[i][1]);
  assert_int_equal(counters_of(source).failovers, 1);
  assert_true(counters_of(source).hits > 80);
  close_all(context, source);
}

/* What was planned for one server is planned anew for another with other limits, not asked for bit by bit. */
static void limits_may_be_narrower_elsewhere(void **state) {
  (void)state;
  struct fake_file *a = fake_wire_serve("fake://q/x.root", bytes, SIZE);
  struct fake_file *b = fake_wire_serve("fake://r/x.root", bytes, SIZE);
  a->limits.most_range_bytes = 1 << 30;
  a->limits.most_requests = 1;
  b->limits.most_range_bytes = 5000;
  b->limits.most_ranges = 100;
  b->limits.most_request_bytes = 300000;
  struct mlaas_context *context = make_context(0, 0, 0);
  struct mlaas_source *source = open_file(context, "fake://q/x.root|fake://r/x.root");
  assert_int_equal(b->opens, 0);
  int64_t ranges[80][2];
  a->fetch_fault = a->open_fault = FAKE_TRANSIENT;
  a->bad_fetches = a->bad_opens = 1000;
  for (int i = 0; i < 80; i++) {
    ranges[i][0] = 300000 + i * 20000;
    ranges[i][1] = 20000;
  }
  announce(source, ranges, 40);
  announce(source, ranges + 40, 40);
  for (int i = 0; i < 80; i++)
    assert_reads(source, ranges[i][0], ranges[i][1]);
  assert_int_equal(counters_of(source).failovers, 1);
  assert_true(b->fetches <= 10); /* 1.6 MB in requests of 300 kB, and the beginning */
  close_all(context, source);
}

static void files_at_hand_may_be_replicas(void **state) {
  (void)state;
  char path[] = "/tmp/mlaas-replica-XXXXXX", list[200];
  int descriptor = mkstemp(path);
  assert_int_equal(write(descriptor, bytes, SIZE), SIZE);
  close(descriptor);
  struct fake_file *a = fake_wire_serve("fake://s/x.root", bytes, SIZE);
  a->open_fault = FAKE_FINAL;
  a->bad_opens = 1;
  struct mlaas_context *context = make_context(0, 0, 0);
  snprintf(list, sizeof list, "fake://s/x.root|file://%s", path);
  struct mlaas_source *source = open_file(context, list);
  int64_t ranges[][2] = {{300000, 100000}, {500000, 1000000}, {1600000, 10}};
  announce(source, ranges, 2);
  assert_int_equal(read_ranges(source, ranges, 3, NULL), MLAAS_OK);
  mlaas_source_put(source);
  source = NULL;
  unlink(path);
  struct mlaas_error error;
  a->bad_opens = 1;
  assert_int_not_equal(mlaas_source_open(context, list, &source, &error), MLAAS_OK);
  assert_non_null(strstr(error.message, path));
  mlaas_context_put(context);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(the_next_one_serves_when_one_cannot_be_opened),
      TEST(it_changes_in_mid_file),
      TEST(and_back_when_the_other_fails),
      TEST(another_file_is_never_mixed_in),
      TEST(the_error_names_all_that_were_tried),
      TEST(a_deadline_does_not_hide_what_failed_before_it),
      TEST(a_busy_server_is_left_for_another),
      TEST(the_faster_one_is_opened_first),
      TEST(lists_are_parsed),
      TEST(reading_ahead_goes_on_elsewhere),
      TEST(limits_may_be_narrower_elsewhere),
      TEST(files_at_hand_may_be_replicas),
  };
#undef TEST
  return cmocka_run_group_tests(tests, NULL, NULL);
}
