/* Memory is given back: a model of a real framework is loaded and unloaded two hundred times (TensorFlow's, which
 * takes long, fifty), and the process is not larger than after a few. The allocator keeps more or less of what many
 * threads freed, as they happen to meet: where it was much, the same is done again. Skipped where the framework's
 * library is absent, and under sanitizers, which keep what is freed.
 */
#include "model/repository/repository.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"
#include "waiting.h"

enum { MOST_GROWTH = 4 << 20 };

static int64_t resident(void) {
  long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  assert_non_null(file);
  assert_int_equal(fscanf(file, "%*d %lld", &pages), 1);
  fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static void cycle(struct waiting_loop *waiting, struct mlaas_repository *repository, const char *name) {
  struct mlaas_error error = {0};
  if (waiting_load(waiting, repository, name, 0, false, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  assert_int_equal(mlaas_repository_unload(repository, mlaas_slice_of(name), 0, &error), MLAAS_OK);
}

static bool is_sanitized(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return true;
#else
  return false;
#endif
}

static void run_cycles(const char *name, int cycles) {
  struct mlaas_repository_options options = {.folder = MLAAS_TEST_DATA "/models", .runners = 1, .read_only = true};
  struct mlaas_repository *repository = NULL;
  struct waiting_loop waiting;
  struct mlaas_error error = {0};
  if (is_sanitized())
    skip();
  waiting_begin(&waiting);
  assert_int_equal(mlaas_repository_open(&options, &repository, NULL), MLAAS_OK);
  enum mlaas_status status = waiting_load(&waiting, repository, name, 0, false, &error);
  if (status == MLAAS_OK) {
    for (int i = 0; i < cycles / 5; i++)
      cycle(&waiting, repository, name);
    int64_t growth = MOST_GROWTH;
    for (int round = 0; round < 6 && growth >= MOST_GROWTH; round++) { /* what leaks does so each time */
      int64_t before = resident();
      for (int i = 0; i < cycles; i++)
        cycle(&waiting, repository, name);
      growth = resident() - before;
      print_message("%s: %lld KiB more after %d cycles\n", name, (long long)growth / 1024, cycles);
    }
    assert_true(growth < MOST_GROWTH);
  }
  mlaas_repository_close(repository);
  waiting_end(&waiting);
  if (status == MLAAS_NOT_FOUND) {
    print_message("skipped: %s\n", error.message);
    skip();
  }
  assert_int_equal(status, MLAAS_OK);
}

static void models_of_onnx_runtime_give_their_memory_back(void **state) {
  (void)state;
  run_cycles("tiny27_onnx", 200);
}

static void models_of_tensorflow_give_their_memory_back(void **state) {
  (void)state;
  run_cycles("tiny27", 50);
}

static void models_of_xgboost_give_their_memory_back(void **state) {
  (void)state;
  run_cycles("xgb27", 200);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(models_of_onnx_runtime_give_their_memory_back),
      cmocka_unit_test(models_of_xgboost_give_their_memory_back),
      cmocka_unit_test(models_of_tensorflow_give_their_memory_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
