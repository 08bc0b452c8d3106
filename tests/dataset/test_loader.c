/* The loader as its callers see it: every row once and at its right values, the same for any number of threads,
 * resumable, within its memory, and never stuck. Values are checked against NumPy in tests/python/test_loader.py; here
 * `key`, which holds the entry's number, tells whether a row is what it says it is.
 */
#include "base/memory.h"
#include "job.h"

#include <setjmp.h>
#include <stdarg.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <cmocka.h>

#define FILES_A MLAAS_TEST_DATA "/loader/a.root"
#define FILES_B MLAAS_TEST_DATA "/loader/b.root"
#define BASIC "\"identifier\": [\"run\", \"event\"], \"scaler\": \"none\", \"exclude_branches\": [\"extra\"]"

enum { ENTRIES_A = 3000, ENTRIES_B = 1700 };

static const char *const files[] = {FILES_A, FILES_B};

static struct mlaas_context *new_context(int64_t memory, int threads) {
  struct mlaas_context *context;
  struct mlaas_context_options options = {.size = sizeof options, .memory = memory, .threads = threads};
  OK(mlaas_context_new(&options, &context, &error));
  return context;
}

static struct mlaas_dataset *open_data(struct mlaas_context *context, const char *labels, const char *params) {
  struct mlaas_dataset *dataset;
  OK(mlaas_dataset_open(context, files, 2, labels, params, &dataset, &error));
  OK(mlaas_dataset_scan(dataset, NULL, NULL, &error));
  return dataset;
}

static struct mlaas_loader *open_loader(struct mlaas_dataset *dataset, const char *split, int64_t batch_rows) {
  struct mlaas_loader *loader;
  struct mlaas_loader_options options = {sizeof options, split, -1, 0, 1, batch_rows};
  OK(mlaas_loader_open(dataset, &options, &loader, &error));
  return loader;
}

/* 100 MB and `threads` threads. */
static struct job open_all(const char *params, const char *split, int64_t batch_rows, int threads) {
  struct job f;
  f.context = new_context(100 << 20, threads);
  f.dataset = open_data(f.context, "[1, 0]", params);
  f.loader = open_loader(f.dataset, split, batch_rows);
  return f;
}

/* All bytes that the caller sees of a batch. */
static uint64_t hash_batch(const struct mlaas_batch *batch, uint64_t hash) {
  size_t rows = (size_t)batch->rows;
  for (size_t i = 0; i < batch->num_inputs; i++) {
    size_t values = rows * (size_t)(batch->inputs[i].slots * batch->inputs[i].features);
    hash = XXH3_64bits_withSeed(batch->inputs[i].x, values * sizeof(float), hash);
    hash = XXH3_64bits_withSeed(batch->inputs[i].mask, values, hash);
  }
  hash = XXH3_64bits_withSeed(batch->y, rows * sizeof(float), hash);
  hash = XXH3_64bits_withSeed(batch->w, rows * sizeof(float), hash);
  hash = XXH3_64bits_withSeed(batch->raw_w, rows * sizeof(float), hash);
  hash = XXH3_64bits_withSeed(batch->file, rows * sizeof(int32_t), hash);
  hash = XXH3_64bits_withSeed(batch->entry, rows * sizeof(int64_t), hash);
  return XXH3_64bits_withSeed(batch->part, rows, hash);
}

/* The rest of the epoch, one hash per batch; returns how many. */
static size_t hash_epoch(struct mlaas_loader *loader, uint64_t *hashes, size_t most) {
  size_t count = 0;
  for (;;) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(loader, -1, &batch, &error));
    if (!batch)
      return count;
    assert_true(count < most);
    hashes[count++] = hash_batch(batch, 0);
    mlaas_batch_release(batch);
  }
}

static int64_t feature(const struct mlaas_dataset *dataset, const char *name) {
  struct mlaas_recipe *recipe = mlaas_dataset_recipe(dataset);
  struct mlaas_input_info info;
  mlaas_recipe_input(recipe, 0, &info);
  for (int64_t i = 0; i < info.features; i++)
    if (strcmp(mlaas_recipe_feature(recipe, 0, i), name) == 0)
      return i;
  fail_msg("no feature %s", name);
  return -1;
}

/* Adds one to seen[file][entry] for every row of the epoch, and looks whether rows are what they say. */
static void see_rows(struct mlaas_dataset *dataset, struct mlaas_loader *loader, uint8_t *seen[2]) {
  int64_t key = feature(dataset, "key"), rows = 0, index = 0;
  for (;;) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(loader, -1, &batch, &error));
    if (!batch)
      break;
    assert_int_equal(batch->index, index++);
    assert_int_equal((uintptr_t)batch->inputs[0].x % 64, 0);
    assert_int_equal((uintptr_t)batch->inputs[0].mask % 64, 0);
    assert_int_equal((uintptr_t)batch->entry % 64, 0);
    for (int64_t i = 0; i < batch->rows; i++) {
      assert_in_range(batch->file[i], 0, 1);
      float expected = (float)(batch->entry[i] + 1000000 * batch->file[i]);
      assert_true(batch->inputs[0].x[i * batch->inputs[0].features + key] == expected);
      assert_true(batch->y[i] == (batch->file[i] == 0 ? 1.0F : 0.0F));
      seen[batch->file[i]][batch->entry[i]]++;
    }
    rows += batch->rows;
    mlaas_batch_release(batch);
  }
  assert_int_equal(rows, mlaas_loader_num_rows(loader));
  assert_int_equal(index, mlaas_loader_num_batches(loader));
}

static void new_seen(uint8_t *seen[2]) {
  seen[0] = calloc(ENTRIES_A, 1);
  seen[1] = calloc(ENTRIES_B, 1);
}

static void check_seen(uint8_t *seen[2], uint8_t times) {
  for (int i = 0; i < ENTRIES_A; i++)
    assert_int_equal(seen[0][i], times);
  for (int i = 0; i < ENTRIES_B; i++)
    assert_int_equal(seen[1][i], times);
  free(seen[0]);
  free(seen[1]);
}

/* ---- rows ---- */

static void test_splits_are_disjoint_and_complete(void **state) {
  (void)state;
  static const char *const splits[] = {"train", "validation", "test"};
  uint8_t *seen[2];
  new_seen(seen);
  struct job f = open_all("{" BASIC "}", "train", 0, 2);
  see_rows(f.dataset, f.loader, seen);
  for (int i = 1; i < 3; i++) {
    struct mlaas_loader *other = open_loader(f.dataset, splits[i], 0);
    see_rows(f.dataset, other, seen);
    mlaas_loader_close(other);
  }
  close_all(&f);
  check_seen(seen, 1);
}

static void test_every_epoch_has_every_row(void **state) {
  (void)state;
  uint8_t *seen[2];
  new_seen(seen);
  struct job f = open_all("{" BASIC ", \"split\": [1, 0, 0], \"shuffle_buffer\": 500}", "train", 37, 2);
  for (int epoch = 0; epoch < 3; epoch++)
    see_rows(f.dataset, f.loader, seen);
  close_all(&f);
  check_seen(seen, 3);
}

static void test_ordered_batches_follow_the_files(void **state) {
  (void)state;
  struct job f = open_all("{" BASIC "}", "all", 100, 2);
  int64_t row = 0;
  for (;;) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(f.loader, -1, &batch, &error));
    if (!batch)
      break;
    for (int64_t i = 0; i < batch->rows; i++, row++) {
      assert_int_equal(batch->file[i], row >= ENTRIES_A);
      assert_int_equal(batch->entry[i], row >= ENTRIES_A ? row - ENTRIES_A : row);
    }
    mlaas_batch_release(batch);
  }
  assert_int_equal(row, ENTRIES_A + ENTRIES_B);
  close_all(&f);
}

static void test_shards_are_disjoint_and_as_long(void **state) {
  (void)state;
  uint8_t *seen[2];
  new_seen(seen);
  struct job f = open_all("{" BASIC ", \"split\": [1, 0, 0]}", "train", 50, 2);
  int64_t rows = 0;
  for (int rank = 0; rank < 3; rank++) {
    struct mlaas_loader *loader;
    struct mlaas_loader_options options = {sizeof options, "train", 1, rank, 3, 50};
    OK(mlaas_loader_open(f.dataset, &options, &loader, &error));
    assert_int_equal(mlaas_loader_num_rows(loader), (ENTRIES_A + ENTRIES_B) / 3);
    rows += mlaas_loader_num_rows(loader);
    see_rows(f.dataset, loader, seen);
    mlaas_loader_close(loader);
  }
  int64_t once = 0;
  for (int i = 0; i < ENTRIES_A; i++)
    once += seen[0][i] == 1;
  for (int i = 0; i < ENTRIES_B; i++)
    once += seen[1][i] == 1;
  assert_int_equal(once, rows);
  free(seen[0]);
  free(seen[1]);
  close_all(&f);
}

/* ---- determinism ---- */

enum { MOST = 4096 };

static void test_threads_and_memory_change_nothing(void **state) {
  (void)state;
  static uint64_t hashes[3][MOST];
  static const int threads[] = {1, 8, 2};
  static const int64_t memory[] = {200 << 20, 200 << 20, 4 << 20}; /* the last: windows in parts */
  size_t count = 0;
  for (int i = 0; i < 3; i++) {
    struct job f;
    f.context = new_context(memory[i], threads[i]);
    f.dataset = open_data(f.context, "[1, 0]", "{" BASIC ", \"shuffle_buffer\": 100000, \"weight\": [2, 3]}");
    f.loader = open_loader(f.dataset, "train", 64);
    OK(mlaas_loader_set_epoch(f.loader, 5, &error));
    count = hash_epoch(f.loader, hashes[i], MOST);
    assert_true(mlaas_context_memory_peak(f.context) <= memory[i]);
    close_all(&f);
  }
  assert_memory_equal(hashes[0], hashes[1], count * sizeof hashes[0][0]);
  assert_memory_equal(hashes[0], hashes[2], count * sizeof hashes[0][0]);
}

static void test_epochs_are_shuffled_anew(void **state) {
  (void)state;
  static uint64_t hashes[3][MOST];
  struct job f = open_all("{" BASIC "}", "train", 64, 2);
  size_t count = hash_epoch(f.loader, hashes[0], MOST);
  hash_epoch(f.loader, hashes[1], MOST);
  OK(mlaas_loader_set_epoch(f.loader, 0, &error));
  hash_epoch(f.loader, hashes[2], MOST);
  assert_memory_equal(hashes[0], hashes[2], count * sizeof hashes[0][0]);
  for (size_t i = 0; i < count; i++)
    assert_int_not_equal(hashes[0][i], hashes[1][i]);
  close_all(&f);
}

static void take_some(struct mlaas_loader *loader, int count) {
  for (int i = 0; i < count; i++) {
    struct mlaas_batch *batch;
    OK(mlaas_loader_next(loader, -1, &batch, &error));
    assert_non_null(batch);
    mlaas_batch_release(batch);
  }
}

static void test_a_restored_loader_goes_on(void **state) {
  (void)state;
  static uint64_t hashes[2][MOST];
  static const char params[] = "{" BASIC ", \"shuffle_buffer\": 700}";
  struct job f = open_all(params, "train", 50, 2), g = open_all(params, "train", 50, 1);
  char *json;
  OK(mlaas_loader_set_epoch(f.loader, 2, &error));
  take_some(f.loader, 17); /* in the middle of a window */
  OK(mlaas_loader_state(f.loader, &json, &error));
  OK(mlaas_loader_restore(g.loader, json, &error));
  size_t count = hash_epoch(f.loader, hashes[0], MOST);
  assert_int_equal(hash_epoch(g.loader, hashes[1], MOST), count);
  assert_memory_equal(hashes[0], hashes[1], count * sizeof hashes[0][0]);
  hash_epoch(f.loader, hashes[0], MOST); /* and so does the next epoch */
  hash_epoch(g.loader, hashes[1], MOST);
  assert_memory_equal(hashes[0], hashes[1], count * sizeof hashes[0][0]);
  mlaas_text_free(json);
  close_all(&f);
  close_all(&g);
}

static void test_states_of_other_loaders_are_stale(void **state) {
  (void)state;
  struct job f = open_all("{" BASIC "}", "train", 50, 1);
  struct job seed = open_all("{" BASIC ", \"seed\": 1}", "train", 50, 1);
  struct job rows = open_all("{" BASIC "}", "train", 51, 1);
  struct job data = open_all("{" BASIC ", \"nevts\": 4000}", "train", 50, 1);
  char *json;
  OK(mlaas_loader_state(f.loader, &json, &error));
  assert_int_equal(mlaas_loader_restore(seed.loader, json, &error), MLAAS_STALE);
  assert_int_equal(mlaas_loader_restore(rows.loader, json, &error), MLAAS_STALE);
  assert_non_null(strstr(error.message, "batch_rows was 50, now it is 51"));
  assert_int_equal(mlaas_loader_restore(data.loader, json, &error), MLAAS_STALE);
  assert_int_equal(mlaas_loader_restore(f.loader, "{\"format\": \"mlaas-specs\"}", &error), MLAAS_FORMAT);
  assert_int_equal(mlaas_loader_restore(f.loader, "{", &error), MLAAS_FORMAT);
  mlaas_text_free(json);
  close_all(&f);
  close_all(&seed);
  close_all(&rows);
  close_all(&data);
}

/* ---- memory ---- */

static void test_batches_outlive_their_loader(void **state) {
  (void)state;
  struct job f = open_all("{" BASIC "}", "train", 50, 2);
  struct mlaas_batch *batch;
  OK(mlaas_loader_next(f.loader, -1, &batch, &error));
  uint64_t before = hash_batch(batch, 0);
  mlaas_loader_close(f.loader);
  mlaas_dataset_close(f.dataset);
  assert_int_equal(hash_batch(batch, 0), before);
  assert_true(mlaas_context_memory_held(f.context) > 0);
  mlaas_batch_release(batch);
  assert_int_equal(mlaas_context_memory_held(f.context), 0);
  mlaas_context_put(f.context);
}

enum { KEPT = 1000 };
static struct mlaas_batch *kept[KEPT];
static size_t num_kept;

/* Gives back all but *left of them. */
static void *release_later(void *left) {
  usleep(200000);
  for (; num_kept > *(const size_t *)left; num_kept--)
    mlaas_batch_release(kept[num_kept - 1]);
  return NULL;
}

static void keep_batches(struct mlaas_loader *loader) {
  enum mlaas_status status = MLAAS_OK;
  while (status == MLAAS_OK && num_kept < KEPT) {
    status = mlaas_loader_next(loader, -1, &kept[num_kept], &error);
    num_kept += status == MLAAS_OK && kept[num_kept];
  }
  assert_int_equal(status, MLAAS_LIMIT);
  assert_true(num_kept > 1);
  assert_non_null(strstr(error.message, "release some"));
}

/* Takes batches and keeps them until the ceiling is reached: an error, not a deadlock. */
static void test_a_caller_who_keeps_all_batches_is_told(void **state) {
  (void)state;
  struct job f;
  f.context = new_context(3 << 20, 2);
  f.dataset = open_data(f.context, "[1, 0]", "{" BASIC "}");
  f.loader = open_loader(f.dataset, "all", 256);
  struct mlaas_batch *batch = NULL;
  enum mlaas_status status = MLAAS_LIMIT;
  for (int i = 0; i < 20 && status == MLAAS_LIMIT; i++) { /* on a busy machine it may come back too late */
    keep_batches(f.loader);
    assert_int_equal(mlaas_loader_next(f.loader, -1, &batch, &error), MLAAS_LIMIT); /* finished */
    OK(mlaas_loader_set_epoch(f.loader, 0, &error));
    pthread_t thread; /* what comes back while the caller waits lets it go on */
    size_t left = num_kept / 2;
    pthread_create(&thread, NULL, release_later, &left);
    status = mlaas_loader_next(f.loader, -1, &batch, &error);
    pthread_join(thread, NULL);
    if (status == MLAAS_LIMIT)
      OK(mlaas_loader_set_epoch(f.loader, 0, &error));
  }
  OK(status);
  mlaas_batch_release(batch);
  while (num_kept > 0)
    mlaas_batch_release(kept[--num_kept]);
  close_all(&f);
}

static void test_a_ceiling_too_low_for_one_batch_names_the_lowest(void **state) {
  (void)state;
  struct job f;
  struct mlaas_loader *loader;
  struct mlaas_loader_options options = {sizeof options, "train", -1, 0, 1, 1 << 20};
  f.context = new_context(20 << 20, 1);
  f.dataset = open_data(f.context, "[1, 0]", "{" BASIC "}");
  assert_int_equal(mlaas_loader_open(f.dataset, &options, &loader, &error), MLAAS_LIMIT);
  assert_non_null(strstr(error.message, "the smallest that would do is "));
  mlaas_dataset_close(f.dataset);
  assert_int_equal(mlaas_context_memory_held(f.context), 0);
  mlaas_context_put(f.context);
}

/* Every allocation of "make a batch" fails once. */
static void test_failing_allocations(void **state) {
  (void)state;
  struct job f;
  f.context = new_context(100 << 20, 1);
  f.dataset = open_data(f.context, "[1, 0]", "{" BASIC "}");
  int64_t held = mlaas_context_memory_held(f.context);
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_loader *loader = NULL;
    struct mlaas_batch *batch = NULL;
    struct mlaas_loader_options options = {sizeof options, "train", -1, 0, 1, 256};
    mlaas_memory_fail(n, false);
    status = mlaas_loader_open(f.dataset, &options, &loader, &error);
    if (status == MLAAS_OK)
      status = mlaas_loader_next(loader, -1, &batch, &error);
    mlaas_memory_fail(0, false);
    if (status != MLAAS_OK)
      assert_int_equal(status, MLAAS_MEMORY);
    mlaas_batch_release(batch);
    mlaas_loader_close(loader);
    assert_int_equal(mlaas_context_memory_held(f.context), held);
    assert_true(n < 20000);
  }
  mlaas_dataset_close(f.dataset);
  mlaas_context_put(f.context);
}

/* ---- stopping ---- */

static void *cancel_later(void *loader) {
  usleep(50000);
  mlaas_loader_cancel(loader);
  return NULL;
}

static void test_cancel_from_another_thread(void **state) {
  (void)state;
  struct job f = open_all("{" BASIC "}", "train", 8, 2);
  pthread_t thread;
  pthread_create(&thread, NULL, cancel_later, f.loader);
  enum mlaas_status status = MLAAS_OK;
  while (status == MLAAS_OK) {
    struct mlaas_batch *batch;
    status = mlaas_loader_next(f.loader, 10, &batch, &error);
    if (status == MLAAS_TIMEOUT)
      status = MLAAS_OK;
    mlaas_batch_release(batch);
  }
  assert_int_equal(status, MLAAS_CANCELLED);
  pthread_join(thread, NULL);
  OK(mlaas_loader_set_epoch(f.loader, 0, &error)); /* it may be used again */
  take_some(f.loader, 3);
  close_all(&f);
}

static void test_a_forked_child_gets_an_error(void **state) {
  (void)state;
  struct job f = open_all("{" BASIC "}", "train", 50, 2);
  struct mlaas_batch *batch;
  OK(mlaas_loader_next(f.loader, -1, &batch, &error));
  pid_t child = fork();
  if (child == 0) {
    struct mlaas_batch *other;
    bool right = mlaas_loader_next(f.loader, -1, &other, &error) == MLAAS_STATE &&
                 mlaas_loader_set_epoch(f.loader, 0, &error) == MLAAS_STATE;
    mlaas_batch_release(batch); /* must neither hang nor crash */
    mlaas_loader_cancel(f.loader);
    mlaas_loader_close(f.loader);
    mlaas_dataset_close(f.dataset);
    _exit(right ? 0 : 1);
  }
  int result;
  assert_int_equal(waitpid(child, &result, 0), child);
  assert_int_equal(result, 0);
  mlaas_batch_release(batch);
  close_all(&f);
}

/* ---- mistakes ---- */

static void test_mistakes_are_named(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(100 << 20, 1);
  struct mlaas_dataset *dataset;
  struct mlaas_loader *loader;
  struct mlaas_loader_options options = {sizeof options, "tests", -1, 0, 1, 0};
  assert_int_equal(mlaas_dataset_open(context, files, 2, "[1]", "{}", &dataset, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "2 files but 1 labels; one label per file is wanted, or a branch");
  assert_int_equal(mlaas_dataset_open(context, files, 2, "\"targt\"", "{}", &dataset, &error), MLAAS_NOT_FOUND);
  assert_string_equal(error.message, "labels names branch targt, which no file has; did you mean target?");
  assert_int_equal(mlaas_dataset_open(context, files, 2, NULL, "{\"weight\": \"Jet_pt\"}", &dataset, &error),
                   MLAAS_SCHEMA);
  assert_int_equal(mlaas_dataset_open(context, files, 2, NULL, "{\"split_by\": [\"met\"]}", &dataset, &error),
                   MLAAS_SCHEMA);
  assert_int_equal(mlaas_dataset_open(context, files, 2, NULL, "{\"weight\": \"extra\"}", &dataset, &error),
                   MLAAS_NOT_FOUND);
  assert_non_null(strstr(error.message, "a.root has no such branch"));
  assert_int_equal(mlaas_dataset_open(context, files, 0, NULL, "{}", &dataset, &error), MLAAS_ARGUMENT);
  OK(mlaas_dataset_open(context, files, 2, "\"met\"", "{" BASIC "}", &dataset, &error));
  assert_int_equal(mlaas_loader_open(dataset, &options, &loader, &error), MLAAS_STATE);
  assert_int_equal(mlaas_dataset_scan(dataset, NULL, NULL, &error), MLAAS_ARGUMENT); /* met has NaN */
  assert_non_null(strstr(error.message, "the label of entry 0 of "));
  mlaas_dataset_close(dataset);
  dataset = open_data(context, "[1, 0]", "{" BASIC "}");
  assert_int_equal(mlaas_loader_open(dataset, &options, &loader, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "there is no split \"tests\": train, validation, test and all there are");
  assert_int_equal(mlaas_dataset_scan(dataset, NULL, NULL, &error), MLAAS_STATE);
  mlaas_dataset_close(dataset);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

static int cancel_at_once(void *context, int64_t done, int64_t total) {
  assert_true(done > 0 && done <= total && total == ENTRIES_A + ENTRIES_B);
  ++*(int *)context;
  return 1;
}

static void test_a_scan_can_be_cancelled(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(100 << 20, 1);
  struct mlaas_dataset *dataset;
  int calls = 0;
  OK(mlaas_dataset_open(context, files, 2, NULL, "{" BASIC "}", &dataset, &error));
  assert_int_equal(mlaas_dataset_scan(dataset, cancel_at_once, &calls, &error), MLAAS_CANCELLED);
  assert_int_equal(calls, 1);
  OK(mlaas_dataset_scan(dataset, NULL, NULL, &error));
  mlaas_dataset_close(dataset);
  mlaas_context_put(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_splits_are_disjoint_and_complete),
      cmocka_unit_test(test_every_epoch_has_every_row),
      cmocka_unit_test(test_ordered_batches_follow_the_files),
      cmocka_unit_test(test_shards_are_disjoint_and_as_long),
      cmocka_unit_test(test_threads_and_memory_change_nothing),
      cmocka_unit_test(test_epochs_are_shuffled_anew),
      cmocka_unit_test(test_a_restored_loader_goes_on),
      cmocka_unit_test(test_states_of_other_loaders_are_stale),
      cmocka_unit_test(test_batches_outlive_their_loader),
      cmocka_unit_test(test_a_caller_who_keeps_all_batches_is_told),
      cmocka_unit_test(test_a_ceiling_too_low_for_one_batch_names_the_lowest),
      cmocka_unit_test(test_failing_allocations),
      cmocka_unit_test(test_cancel_from_another_thread),
      cmocka_unit_test(test_a_forked_child_gets_an_error),
      cmocka_unit_test(test_mistakes_are_named),
      cmocka_unit_test(test_a_scan_can_be_cancelled),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
