/* Data sets of remote files: the batches are those of files at hand, bit by bit; files are open and bytes announced
 * before a batch needs them, each once; what waits for a server can be cancelled.
 */
#include "../rootio/counted.h"
#include "job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <xxhash.h>

#include <cmocka.h>

#define TTH MLAAS_TEST_DATA "/../../examples/tth/"

static const char *const names[] = {TTH "flatTree_ttH_noDRmatch.root", TTH "flatTree_QCD_HT300to500.root",
                                    MLAAS_TEST_DATA "/loader/a.root", MLAAS_TEST_DATA "/loader/b.root"};
enum { MOST_FILES = 60, MOST_BATCHES = 4000 };

/* `count` files, the two from `first` on in turns. */
static enum mlaas_status open_data(struct job *job, bool remote, size_t first, size_t count, const char *params,
                                   int64_t memory) {
  static char urls[MOST_FILES][512];
  const char *files[MOST_FILES];
  char labels[4 * MOST_FILES] = "[";
  struct mlaas_context_options options = {.size = sizeof options, .memory = memory, .threads = 3};
  *job = (struct job){0};
  mlaas_source_use(&counted_scheme);
  for (size_t i = 0; i < count; i++) {
    snprintf(urls[i], sizeof urls[i], "%s%s", remote ? COUNTED : "", names[first + i % 2]);
    files[i] = urls[i];
    strcat(labels, i % 2 ? "1," : "0,");
  }
  labels[strlen(labels) - 1] = ']';
  OK(mlaas_context_new(&options, &job->context, &error));
  enum mlaas_status status = mlaas_dataset_open(job->context, files, count, labels, params, &job->dataset, &error);
  return status == MLAAS_OK ? mlaas_dataset_scan(job->dataset, NULL, NULL, &error) : status;
}

static void open_loader(struct job *job, const char *split, int shuffle, int64_t batch_rows) {
  struct mlaas_loader_options options = {sizeof options, split, shuffle, 0, 1, batch_rows};
  OK(mlaas_loader_open(job->dataset, &options, &job->loader, &error));
}

static uint64_t hash_batch(const struct mlaas_batch *batch) {
  size_t rows = (size_t)batch->rows;
  uint64_t hash = 0;
  for (size_t i = 0; i < batch->num_inputs; i++) {
    size_t values = rows * (size_t)(batch->inputs[i].slots * batch->inputs[i].features);
    hash = XXH3_64bits_withSeed(batch->inputs[i].x, values * sizeof(float), hash);
    hash = XXH3_64bits_withSeed(batch->inputs[i].mask, values, hash);
  }
  hash = XXH3_64bits_withSeed(batch->y, rows * sizeof(float), hash);
  hash = XXH3_64bits_withSeed(batch->file, rows * sizeof(int32_t), hash);
  return XXH3_64bits_withSeed(batch->entry, rows * sizeof(int64_t), hash);
}

static size_t hash_epoch(struct mlaas_loader *loader, uint64_t *hashes) {
  size_t count = 0;
  for (;;) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(loader, -1, &batch, &error));
    if (!batch)
      return count;
    assert_true(count < MOST_BATCHES);
    hashes[count++] = hash_batch(batch);
    mlaas_batch_release(batch);
  }
}

/* Number of `key` in the first object behind `before` that has it. */
static int64_t number(const char *json, const char *before, const char *key) {
  char quoted[64];
  const char *at = strstr(json, before);
  snprintf(quoted, sizeof quoted, "\"%s\":", key);
  at = at ? strstr(at, quoted) : NULL;
  assert_non_null(at);
  return strtoll(at + strlen(quoted), NULL, 10);
}

static int64_t bytes_of_loader(const struct mlaas_loader *loader) {
  char *json;
  OK(mlaas_loader_stats(loader, &json, &error));
  int64_t bytes = number(json, "\"source\"", "bytes");
  assert_int_equal(bytes, number(json, "", "bytes_read"));
  mlaas_text_free(json);
  return bytes;
}

struct scene {
  size_t first, files;
  const char *split, *params;
  int shuffle;
  int64_t batch_rows;
};

static void batches_are_those_of_files_at_hand(void **state) {
  (void)state;
  static const struct scene scenes[] = {{0, 2, "train", "{}", 1, 64},
                                        {2, 2, "all", "{}", 0, 100},
                                        {2, 2, "validation", "{\"nevents\": 3000}", 1, 32},
                                        {2, 2, "train", "{\"identifier\": [\"run\", \"event\"]}", 1, 50},
                                        {0, 40, "train", "{}", 1, 256},
                                        {0, 40, "all", "{}", 0, 256}};
  uint64_t *local = malloc(MOST_BATCHES * sizeof *local), *remote = malloc(MOST_BATCHES * sizeof *remote);
  for (size_t s = 0; s < sizeof scenes / sizeof *scenes; s++) {
    const struct scene *scene = &scenes[s];
    struct job at_hand, away;
    OK(open_data(&at_hand, false, scene->first, scene->files, scene->params, 0));
    OK(open_data(&away, true, scene->first, scene->files, scene->params, 0));
    open_loader(&at_hand, scene->split, scene->shuffle, scene->batch_rows);
    open_loader(&away, scene->split, scene->shuffle, scene->batch_rows);
    for (int epoch = 0; epoch < 2; epoch++) {
      size_t count = hash_epoch(at_hand.loader, local);
      assert_true(count > 1);
      assert_int_equal(hash_epoch(away.loader, remote), count);
      assert_memory_equal(local, remote, count * sizeof *local);
    }
    close_all(&at_hand);
    close_all(&away);
  }
  free(local);
  free(remote);
}

/* Every range once, whole clusters, before it is read; hardly more than what a loader of files at hand reads. */
static void an_epoch_is_announced_once(void **state) {
  (void)state;
  uint64_t *hashes = malloc(MOST_BATCHES * sizeof *hashes);
  for (int shuffle = 0; shuffle < 2; shuffle++) {
    struct job at_hand, away;
    OK(open_data(&at_hand, false, 0, 2, "{}", 0));
    OK(open_data(&away, true, 0, 2, "{}", 0));
    open_loader(&at_hand, "all", shuffle, 64);
    open_loader(&away, "all", shuffle, 64);
    counted_forget();
    int64_t before = bytes_of_loader(at_hand.loader);
    hash_epoch(at_hand.loader, hashes);
    hash_epoch(away.loader, hashes);
    int64_t needed = bytes_of_loader(at_hand.loader) - before, announced = 0;
    assert_int_equal(counted.trips, 0);
    assert_int_equal(counted.opened, 0); /* they had stayed open */
    sort_noted(&counted.announced);
    for (size_t i = 0; i < counted.announced.count; i++)
      announced += counted.announced.ranges[i].length;
    assert_true(announced >= needed * 9 / 10);
    assert_true(announced <= needed * 11 / 10);
    assert_true(counted.announcements <= 40);
    close_all(&at_hand);
    close_all(&away);
  }
  free(hashes);
}

static void a_resumed_epoch_goes_on_with_the_next_batch(void **state) {
  (void)state;
  uint64_t *whole = malloc(MOST_BATCHES * sizeof *whole), *rest = malloc(MOST_BATCHES * sizeof *rest);
  struct job job;
  OK(open_data(&job, true, 0, 2, "{}", 0));
  open_loader(&job, "train", 1, 32);
  size_t count = hash_epoch(job.loader, whole);
  for (size_t stop = 1; stop < count; stop = stop * 3 + 1) {
    char *json;
    OK(mlaas_loader_set_epoch(job.loader, 0, &error));
    for (size_t i = 0; i < stop; i++) {
      struct mlaas_batch *batch;
      OK(mlaas_loader_next(job.loader, -1, &batch, &error));
      mlaas_batch_release(batch);
    }
    OK(mlaas_loader_state(job.loader, &json, &error));
    mlaas_loader_close(job.loader);
    open_loader(&job, "train", 1, 32);
    OK(mlaas_loader_restore(job.loader, json, &error));
    mlaas_text_free(json);
    assert_int_equal(hash_epoch(job.loader, rest), count - stop);
    assert_memory_equal(rest, whole + stop, (count - stop) * sizeof *rest);
  }
  close_all(&job);
  free(whole);
  free(rest);
}

static void files_are_opened_several_at_a_time(void **state) {
  (void)state;
  struct job job;
  atomic_store(&counted.slow_us, 20000);
  atomic_store(&counted.most_opening, 0);
  OK(open_data(&job, true, 2, 24, "{}", 0));
  assert_true(atomic_load(&counted.most_opening) > 2);
  assert_true(atomic_load(&counted.most_opening) <= 8 + 1);
  atomic_store(&counted.slow_us, 0);
  char *json;
  OK(mlaas_dataset_describe(job.dataset, &json, &error));
  int64_t sum = 0;
  const char *at = strstr(json, "\"sources\"");
  for (int i = 0; i < 24; i++) {
    sum += number(at, "\"requests\"", "bytes");
    at = strstr(at, "\"bytes\"") + 1;
  }
  assert_true(sum > 0);
  assert_int_equal(number(json, "\"source\"", "bytes"), sum);
  mlaas_text_free(json);
  open_loader(&job, "all", 0, 100);
  close_all(&job);
}

static void the_first_file_that_cannot_be_opened_is_told(void **state) {
  (void)state;
  const char *files[12];
  struct mlaas_context *context;
  struct mlaas_dataset *dataset;
  mlaas_source_use(&counted_scheme);
  for (int i = 0; i < 12; i++)
    files[i] = COUNTED MLAAS_TEST_DATA "/loader/a.root";
  files[4] = COUNTED "/nowhere/four.root";
  files[7] = COUNTED "/nowhere/seven.root";
  OK(mlaas_context_new(NULL, &context, &error));
  for (int round = 0; round < 10; round++) {
    assert_int_equal(mlaas_dataset_open(context, files, 12, NULL, NULL, &dataset, &error), MLAAS_NOT_FOUND);
    assert_true(strstr(error.message, "four") || strstr(error.where, "four"));
  }
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

static void *cancel_soon(void *argument) {
  while (atomic_load(&counted.waiting) == 0)
    usleep(1000);
  mlaas_loader_cancel(argument);
  return NULL;
}

static void what_waits_for_a_server_is_cancelled(void **state) {
  (void)state;
  struct job job;
  pthread_t thread;
  struct mlaas_batch *batch;
  OK(open_data(&job, true, 2, 2, "{}", 0));
  open_loader(&job, "train", 1, 100);
  atomic_store(&counted.stalled, true);
  assert_int_equal(pthread_create(&thread, NULL, cancel_soon, job.loader), 0);
  assert_int_equal(mlaas_loader_next(job.loader, -1, &batch, &error), MLAAS_CANCELLED);
  pthread_join(thread, NULL);
  mlaas_loader_close(job.loader); /* and does not wait for ever */
  atomic_store(&counted.stalled, false);
  open_loader(&job, "train", 1, 100);
  uint64_t *hashes = malloc(MOST_BATCHES * sizeof *hashes);
  assert_true(hash_epoch(job.loader, hashes) > 0);
  free(hashes);
  close_all(&job);
}

/* Also where little more fits than what is read: files that wait open make room. */
static void under_a_low_ceiling_the_batches_are_the_same(void **state) {
  (void)state;
  uint64_t *local = malloc(MOST_BATCHES * sizeof *local), *remote = malloc(MOST_BATCHES * sizeof *remote);
  for (int64_t memory = 4 << 20; memory <= 32 << 20; memory *= 2) {
    struct job at_hand, away;
    enum mlaas_status status = open_data(&at_hand, false, 2, 12, "{}", memory);
    if (status == MLAAS_LIMIT) {
      close_all(&at_hand);
      continue;
    }
    OK(status);
    OK(open_data(&away, true, 2, 12, "{}", memory));
    open_loader(&at_hand, "train", 1, 100);
    open_loader(&away, "train", 1, 100);
    size_t count = hash_epoch(at_hand.loader, local);
    assert_int_equal(hash_epoch(away.loader, remote), count);
    assert_memory_equal(local, remote, count * sizeof *local);
    assert_true(mlaas_context_memory_peak(away.context) <= memory);
    close_all(&at_hand);
    close_all(&away);
  }
  free(local);
  free(remote);
}

int main(void) {
  const struct CMUnitTest tests[] = {cmocka_unit_test(batches_are_those_of_files_at_hand),
                                     cmocka_unit_test(an_epoch_is_announced_once),
                                     cmocka_unit_test(a_resumed_epoch_goes_on_with_the_next_batch),
                                     cmocka_unit_test(files_are_opened_several_at_a_time),
                                     cmocka_unit_test(the_first_file_that_cannot_be_opened_is_told),
                                     cmocka_unit_test(what_waits_for_a_server_is_cancelled),
                                     cmocka_unit_test(under_a_low_ceiling_the_batches_are_the_same)};
  int failed = cmocka_run_group_tests(tests, NULL, NULL);
  counted_forget();
  return failed;
}
