/* Loaders over a wire that answers late: the batches are those of files at hand, in few requests, with hardly a byte
 * more than is needed, and a server that hiccups is not noticed.
 */
#include "base/memory.h"
#include "dataset/dataset.h"
#include "dataset/handles.h"
#include "fake_wire.h"
#include "source/remote/retry.h"
#include "source/wires.h"

#include "job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xxhash.h>

#include <cmocka.h>

#define TTH MLAAS_TEST_DATA "/../../examples/tth/"

enum { FILES = 4, CLUSTERS = 9, MOST_BATCHES = 1000 };

static const char *const paths[FILES] = {TTH "flatTree_ttH_noDRmatch.root", TTH "flatTree_TT_13TeV.root",
                                         TTH "flatTree_QCD_HT300to500.root", TTH "flatTree_QCD_HT500to700.root"};
static struct fake_file *served[FILES];
static unsigned char *bytes[FILES];

/* From now on the file at `path` is fake://host/I.root. */
static void serve(int i, const char *path) {
  char url[64];
  FILE *file = fopen(path, "rb");
  assert_non_null(file);
  fseek(file, 0, SEEK_END);
  long size = ftell(file);
  rewind(file);
  bytes[i] = malloc((size_t)size);
  assert_int_equal(fread(bytes[i], 1, (size_t)size, file), size);
  fclose(file);
  snprintf(url, sizeof url, "fake://host/%d.root", i);
  served[i] = fake_wire_serve(url, bytes[i], size);
}

static int start(void **state) {
  (void)state;
  fake_wire_start(1);
  mlaas_wire_lend(&fake_wire);
  for (int i = 0; i < FILES; i++) {
    serve(i, paths[i]);
    served[i]->delay_us = 1000;
  }
  return 0;
}

/* Small files, answered at once: allocations are in the same order each time, as far as threads allow. */
static int start_small(void **state) {
  (void)state;
  fake_wire_start(1);
  mlaas_wire_lend(&fake_wire);
  for (int i = 0; i < 2; i++) {
    serve(i, i ? MLAAS_TEST_DATA "/loader/b.root" : MLAAS_TEST_DATA "/loader/a.root");
    served[i]->at_once = true;
  }
  return 0;
}

static int stop(void **state) {
  (void)state;
  mlaas_memory_fail(0, false);
  fake_wire_stop();
  for (int i = 0; i < FILES; i++) {
    free(bytes[i]);
    bytes[i] = NULL;
  }
  return 0;
}

static void open_all(struct job *job, bool remote, size_t count, int64_t cache, const char *split) {
  char urls[FILES][64];
  const char *files[FILES];
  struct mlaas_remote_options away = {.size = sizeof away, .cache = cache};
  struct mlaas_context_options options = {.size = sizeof options, .threads = 2, .remote = &away};
  for (size_t i = 0; i < count; i++) {
    snprintf(urls[i], sizeof urls[i], "fake://host/%zu.root", i);
    files[i] = remote ? urls[i] : paths[i];
  }
  OK(mlaas_context_new(&options, &job->context, &error));
  OK(mlaas_dataset_open(job->context, files, count, count == 2 ? "[1, 0]" : "[1, 1, 0, 0]", NULL, &job->dataset,
                        &error));
  OK(mlaas_dataset_scan(job->dataset, NULL, NULL, &error));
  struct mlaas_loader_options wanted = {sizeof wanted, split, -1, 0, 1, 128};
  OK(mlaas_loader_open(job->dataset, &wanted, &job->loader, &error));
}

static size_t hash_epoch(struct mlaas_loader *loader, uint64_t *hashes) {
  for (size_t count = 0;; count++) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(loader, -1, &batch, &error));
    if (!batch)
      return count;
    assert_true(count < MOST_BATCHES);
    size_t rows = (size_t)batch->rows;
    uint64_t hash = XXH3_64bits(batch->entry, rows * sizeof(int64_t));
    for (size_t i = 0; i < batch->num_inputs; i++)
      hash = XXH3_64bits_withSeed(batch->inputs[i].x,
                                  rows * (size_t)(batch->inputs[i].slots * batch->inputs[i].features) * sizeof(float),
                                  hash);
    hashes[count] = hash;
    mlaas_batch_release(batch);
  }
}

static int64_t number(const char *json, const char *key) {
  char quoted[64];
  const char *at = strstr(json, "\"source\"");
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  at = at ? strstr(at, quoted) : NULL;
  assert_non_null(at);
  return strtoll(at + strlen(quoted), NULL, 10);
}

static void assert_same_batches(size_t files, int64_t cache, const char *split) {
  static uint64_t local[MOST_BATCHES], remote[MOST_BATCHES];
  struct job at_hand, away;
  open_all(&at_hand, false, files, 0, split);
  open_all(&away, true, files, cache, split);
  for (int epoch = 0; epoch < 2; epoch++) {
    size_t count = hash_epoch(at_hand.loader, local);
    assert_int_equal(hash_epoch(away.loader, remote), count);
    assert_memory_equal(local, remote, count * sizeof *local);
  }
  close_all(&at_hand);
  close_all(&away);
}

static void batches_are_those_of_files_at_hand(void **state) {
  (void)state;
  assert_same_batches(FILES, 0, "train");
  assert_same_batches(2, 0, "all");
  assert_same_batches(FILES, 300000, "train"); /* not one cluster fits */
  assert_same_batches(2, 1, "validation");
}

static void a_cluster_takes_at_most_two_requests(void **state) {
  (void)state;
  static uint64_t hashes[MOST_BATCHES];
  struct job job;
  char *json;
  open_all(&job, true, FILES, 0, "all");
  hash_epoch(job.loader, hashes);
  OK(mlaas_loader_stats(job.loader, &json, &error));
  int64_t requests = number(json, "requests"), asked = number(json, "bytes"), delivered = number(json, "delivered");
  print_message("%lld requests, %lld bytes asked for, %lld delivered, %lld of %lld ranges there\n", (long long)requests,
                (long long)asked, (long long)delivered, (long long)number(json, "hits"),
                (long long)number(json, "ranges"));
  mlaas_text_free(json);
  assert_true(requests <= 2 * CLUSTERS);
  assert_true(delivered <= asked * 11 / 10);
  assert_true(delivered >= asked / 2);
  close_all(&job);
}

static void hiccups_change_nothing(void **state) {
  (void)state;
  for (int i = 0; i < FILES; i++)
    atomic_store(&served[i]->bad_one_in, 0);
  for (int fault = FAKE_TRANSIENT; fault <= FAKE_BUSY; fault++) {
    for (int i = 0; i < FILES; i++) {
      atomic_store(&served[i]->fetch_fault, fault);
      atomic_store(&served[i]->good_fetches, 2);
      atomic_store(&served[i]->bad_fetches, 2);
    }
    assert_same_batches(2, 0, "train");
  }
}

/* ---- what comes first ---- */

/* The files are open, and nothing of them is here but what describes them. */
static void open_afresh(struct job *job) {
  struct mlaas_loader_options wanted = {sizeof wanted, "all", 1, 0, 1, 128};
  open_all(job, true, FILES, 0, "all");
  mlaas_loader_close(job->loader);
  mlaas_handles_drop(job->dataset);
  for (size_t i = 0; i < FILES; i++) {
    struct mlaas_handle *handle;
    bool fresh;
    OK(mlaas_handle_open(job->dataset, i, &handle, &fresh, &error));
    mlaas_handle_close(job->dataset, handle);
  }
  OK(mlaas_loader_open(job->dataset, &wanted, &job->loader, &error));
}

/* Nobody waits for the first cluster of one file before that of the next is asked for. */
static void all_files_of_a_window_are_asked_at_once(void **state) {
  (void)state;
  struct mlaas_batch *batch;
  struct job job;
  open_afresh(&job);
  for (int i = 0; i < FILES; i++) {
    atomic_store(&served[i]->fetch_fault, FAKE_STALL);
    atomic_store(&served[i]->bad_fetches, 1000);
  }
  assert_int_equal(mlaas_loader_next(job.loader, 0, &batch, &error), MLAAS_TIMEOUT);
  for (int i = 0, all = 0; i < 30000 && all < FILES; i++) {
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    for (int k = all = 0; k < FILES; k++)
      all += atomic_load(&served[k]->at_once_now) > 0;
  }
  long asked[FILES];
  for (int i = 0; i < FILES; i++)
    asked[i] = atomic_load(&served[i]->at_once_now);
  mlaas_loader_cancel(job.loader);
  close_all(&job);
  for (int i = 0; i < FILES; i++)
    assert_true(asked[i] > 0);
}

/* ---- silence ---- */

static enum mlaas_status read_epoch(struct mlaas_loader *loader, int64_t *rows) {
  struct mlaas_batch *batch = NULL;
  enum mlaas_status status = MLAAS_OK;
  for (*rows = 0; (status = mlaas_loader_next(loader, -1, &batch, &error)) == MLAAS_OK && batch;) {
    *rows += batch->rows;
    mlaas_batch_release(batch);
  }
  return status;
}

static long asked_of(int file) { return served[file]->opens + served[file]->fetches; }

static struct mlaas_loader *open_loader(struct mlaas_dataset *dataset, const char *split) {
  struct mlaas_loader *loader = NULL;
  struct mlaas_loader_options wanted = {sizeof wanted, split, 1, 0, 1, 128};
  OK(mlaas_loader_open(dataset, &wanted, &loader, &error));
  return loader;
}

static void assert_lost(const struct mlaas_loader *loader, int64_t rows) {
  char *json, expected[80];
  snprintf(expected, sizeof expected, "\"rows\":%lld,\"reason\":\"fake://host/1.root: ", (long long)rows);
  OK(mlaas_loader_stats(loader, &json, &error));
  if (!strstr(json, expected))
    fail_msg("%s is not in %s", expected, json);
  mlaas_text_free(json);
}

/* It is asked in one epoch; the others, and other loaders, have the same rows without asking. */
static void a_silent_server_costs_once(void **state) {
  (void)state;
  static const char *const urls[] = {"fake://host/0.root", "fake://host/1.root"};
  struct mlaas_remote_options away = {.size = sizeof away, .cache = 1}; /* nothing is kept from before */
  struct mlaas_context_options options = {.size = sizeof options, .threads = 2, .remote = &away};
  struct job job = {0};
  mlaas_retry_base(1);
  OK(mlaas_context_new(&options, &job.context, &error));
  OK(mlaas_dataset_open(job.context, urls, 2, "[1, 0]", "{\"on_bad_file\": \"skip\"}", &job.dataset, &error));
  OK(mlaas_dataset_scan(job.dataset, NULL, NULL, &error));
  job.loader = open_loader(job.dataset, "all");
  int64_t whole, rows, validation;
  OK(read_epoch(job.loader, &whole));
  served[1]->fetch_fault = served[1]->open_fault = FAKE_SILENT;
  served[1]->bad_fetches = served[1]->bad_opens = 1000;
  long before = asked_of(1);
  OK(read_epoch(job.loader, &rows));
  int64_t lost = whole - rows;
  assert_true(rows > 0 && lost > 0 && asked_of(1) > before);
  assert_lost(job.loader, lost);
  before = asked_of(1);
  served[1]->bad_fetches = served[1]->bad_opens = 0; /* nobody will know that it is there again */
  for (int epoch = 2; epoch < 4; epoch++) {
    int64_t again;
    OK(read_epoch(job.loader, &again));
    assert_int_equal(again, rows);
    assert_lost(job.loader, epoch * lost);
  }
  struct mlaas_loader *other = open_loader(job.dataset, "validation");
  OK(read_epoch(other, &validation));
  assert_true(validation > 0 && mlaas_loader_num_rows(other) > validation);
  assert_lost(other, mlaas_loader_num_rows(other) - validation);
  mlaas_loader_close(other);
  assert_int_equal(asked_of(1), before);
  mlaas_retry_base(0);
  close_all(&job);
}

/* ---- memory ---- */

/* Everything that stands on remote files: opening ahead, scanning, reading ahead, an epoch. */
static enum mlaas_status run_all(struct mlaas_context *context, size_t files, const char *params, int64_t *rows) {
  static const char *const urls[] = {"fake://host/0.root", "fake://host/1.root|fake://host/0.root",
                                     "fake://host/none.root"};
  static const char *const labels[] = {"[0, 1]", "[0, 1, 1]"};
  struct mlaas_dataset *dataset = NULL;
  struct mlaas_loader *loader = NULL;
  struct mlaas_loader_options wanted = {sizeof wanted, "all", 1, 0, 1, 128};
  *rows = 0;
  enum mlaas_status status = mlaas_dataset_open(context, urls, files, labels[files - 2], params, &dataset, &error);
  if (status == MLAAS_OK)
    status = mlaas_dataset_scan(dataset, NULL, NULL, &error);
  if (status == MLAAS_OK)
    status = mlaas_loader_open(dataset, &wanted, &loader, &error);
  if (status == MLAAS_OK)
    status = read_epoch(loader, rows);
  mlaas_loader_close(loader);
  mlaas_dataset_close(dataset);
  return status;
}

/* No memory for a moment is no bad file: either there is an error, or not a row is missing. */
static void survive_failing_memory(size_t files, const char *params) {
  struct mlaas_context_options options = {.size = sizeof options, .threads = 2};
  struct mlaas_context *context = NULL;
  int64_t all = 0, rows = 0;
  int refused = 0;
  OK(mlaas_context_new(&options, &context, &error));
  OK(run_all(context, files, params, &all));
  for (long n = 1; n < 1000; n += 1 + n / 30) {
    mlaas_memory_fail(n, false);
    enum mlaas_status status = run_all(context, files, params, &rows);
    mlaas_memory_fail(0, false);
    if (status != MLAAS_MEMORY && (status != MLAAS_OK || rows != all))
      fail_msg("allocation %ld: %lld rows of %lld: %s: %s", n, (long long)rows, (long long)all, error.where,
               error.message);
    refused += status == MLAAS_MEMORY; /* what is only ahead of its time is left out */
    assert_int_equal(mlaas_context_memory_held(context), 0);
  }
  assert_true(refused > 40);
  mlaas_context_put(context);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  survive_failing_memory(2, "{}");
}

static void without_memory_no_file_is_called_bad(void **state) {
  (void)state;
  survive_failing_memory(3, "{\"on_bad_file\": \"skip\"}");
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(every_allocation_may_fail, start_small, stop),
      cmocka_unit_test_setup_teardown(without_memory_no_file_is_called_bad, start_small, stop),
      cmocka_unit_test_setup_teardown(batches_are_those_of_files_at_hand, start, stop),
      cmocka_unit_test_setup_teardown(a_cluster_takes_at_most_two_requests, start, stop),
      cmocka_unit_test_setup_teardown(all_files_of_a_window_are_asked_at_once, start, stop),
      cmocka_unit_test_setup_teardown(hiccups_change_nothing, start, stop),
      cmocka_unit_test_setup_teardown(a_silent_server_costs_once, start_small, stop)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
