/* The back ends of frameworks, each with a small model of tests/data/models. A test skips where its library is missing;
 * sanitizers leave this program out, since the frameworks are not built for them.
 */
#include "model/model.h"

#include "model/backend.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "folders.h"

static const struct example {
  const char *backend, *path, *output; /* output NULL: the only one, under another name in the reference */
} examples[] = {
    {"tensorflow", "tiny27", "output_0"}, {"tensorflow", "tiny27_tf1", NULL},
    {"onnxruntime", "tiny27_onnx", "y"},  {"onnxruntime", "forest27_zipmap_onnx", "output_probability"},
    {"openvino", "tiny27_onnx", "y"},     {"openvino", "tiny27", "output_0"},
    {"openvino", "tiny27_tf1", NULL},     {"xgboost", "xgb27", "score"},
};

enum { NUM_EXAMPLES = sizeof examples / sizeof *examples, ROWS_MOST = 64, WIDTH = 27 };

static const char *data_path(const char *name) {
  static char path[1024];
  snprintf(path, sizeof path, "%s/models/%s", MLAAS_TEST_DATA, name);
  return path;
}

/* Skips the test where the framework is not installed. */
static struct mlaas_model *open_or_skip(const char *backend, const char *path) {
  struct mlaas_model_options options = {.size = sizeof options, .backend = backend};
  struct mlaas_model *model = NULL;
  struct mlaas_error error = {0};
  enum mlaas_status status = mlaas_model_open(path, &options, &model, &error);
  if (status == MLAAS_NOT_FOUND) {
    print_message("skipped: %s\n", error.message);
    skip();
  }
  if (status != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return model;
}

/* ---- a reference: rows and scores ---- */

struct reference {
  int64_t rows, columns;
  float x[ROWS_MOST * WIDTH], scores[ROWS_MOST * 8];
};

static int64_t read_numbers(const json_t *list, float *to, int64_t *columns) {
  for (size_t row = 0; row < json_array_size(list); row++) {
    const json_t *values = json_array_get(list, row);
    size_t width = json_is_array(values) ? json_array_size(values) : 1;
    for (size_t k = 0; k < width; k++) {
      const json_t *value = json_is_array(values) ? json_array_get(values, k) : values;
      to[row * width + k] = json_is_string(value) ? NAN : (float)json_number_value(value);
    }
    *columns = (int64_t)width;
  }
  return (int64_t)json_array_size(list);
}

static void read_reference(const struct example *example, struct reference *reference) {
  char name[256];
  json_error_t where;
  int64_t width;
  snprintf(name, sizeof name, "%s/reference.json", example->path);
  json_t *content = json_load_file(data_path(name), 0, &where);
  assert_non_null(content);
  json_t *inputs = json_object_get(content, "inputs"), *outputs = json_object_get(content, "outputs");
  const char *output = example->output ? example->output : json_object_iter_key(json_object_iter(outputs));
  reference->rows = read_numbers(json_object_iter_value(json_object_iter(inputs)), reference->x, &width);
  assert_int_equal(width, WIDTH);
  read_numbers(json_object_get(outputs, output), reference->scores, &reference->columns);
  json_decref(content);
}

static struct mlaas_tensor floats(const float *x, int64_t rows, int64_t width) {
  void *data;
  memcpy(&data, &x, sizeof data);
  return (struct mlaas_tensor){MLAAS_DTYPE_FLOAT32, 2, {rows, width}, data, (size_t)(rows * width) * sizeof *x};
}

/* Which output of the model the example's is. */
static size_t output_of(const struct mlaas_model *model, const struct example *example) {
  size_t count, found = 0;
  const struct mlaas_tensor_info *outputs = mlaas_model_outputs(model, &count);
  for (size_t i = 0; i < count; i++)
    if (example->output && strcmp(outputs[i].name, example->output) == 0)
      found = i;
  return found;
}

static bool close_to(const float *found, const float *expected, int64_t count) {
  for (int64_t i = 0; i < count; i++)
    if (!(fabsf(found[i] - expected[i]) <= 1e-6F))
      return false;
  return true;
}

static enum mlaas_status run_rows(struct mlaas_model *model, const float *x, int64_t rows, struct mlaas_tensor *outputs,
                                  void **held) {
  struct mlaas_tensor in = floats(x, rows, WIDTH);
  struct mlaas_error error;
  return mlaas_model_run(model, &in, outputs, held, &error);
}

/* ---- the tests ---- */

/* Before any other: afterwards the library is loaded. */
static void a_missing_library_is_named(void **state) {
  const char *name = *state;
  const struct mlaas_backend *backend;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_backend_find(name, NULL, &backend, &error), MLAAS_OK);
  assert_string_equal(backend->name, name);
  assert_string_equal(backend->library_version(), "");
  struct mlaas_backend_config config = {
      .size = sizeof config, .path = data_path("tiny27_onnx/model.onnx"), .library = "/nonexistent", .threads = 1};
  void *model = NULL;
  enum mlaas_status status = backend->open(&config, &model, &error);
  if (status == MLAAS_OK)
    backend->close(model);
  if (status != MLAAS_NOT_FOUND)
    skip(); /* the system has the library where the dynamic linker looks */
  assert_non_null(strstr(error.message, "pip install"));
  assert_non_null(strstr(error.message, "MLAAS_LIBRARIES"));
  assert_non_null(strstr(error.message, "/nonexistent"));
}

static void scores_are_the_references(void **state) {
  const struct example *example = *state;
  struct reference reference;
  struct mlaas_model *model = open_or_skip(example->backend, data_path(example->path));
  size_t count, output = output_of(model, example);
  read_reference(example, &reference);
  assert_true(model->batchable);
  assert_int_equal(mlaas_model_inputs(model, &count)[0].shape[1], WIDTH);
  assert_true(model->backend->library_version()[0] != 0);
  struct mlaas_tensor outputs[4];
  void *held;
  assert_int_equal(run_rows(model, reference.x, reference.rows, outputs, &held), MLAAS_OK);
  assert_int_equal(outputs[output].shape[0], reference.rows);
  assert_int_equal(outputs[output].size, (size_t)(reference.rows * reference.columns) * sizeof(float));
  assert_true(close_to(outputs[output].data, reference.scores, reference.rows * reference.columns));
  mlaas_model_release(model, held);
  mlaas_model_close(model);
}

/* What a run gave lives until it is released, whatever runs in between, in whatever order they are released. */
static void results_live_until_they_are_released(void **state) {
  const struct example *example = *state;
  struct reference reference;
  struct mlaas_model *model = open_or_skip(example->backend, data_path(example->path));
  size_t output = output_of(model, example);
  read_reference(example, &reference);
  struct mlaas_tensor outputs[8][4];
  void *held[8];
  for (int round = 0; round < 3; round++) {
    for (int64_t i = 0; i < reference.rows; i++)
      assert_int_equal(run_rows(model, reference.x + i * WIDTH, 1, outputs[i], &held[i]), MLAAS_OK);
    for (int64_t i = 0; i < reference.rows; i++)
      assert_true(close_to(outputs[i][output].data, reference.scores + i * reference.columns, reference.columns));
    for (int64_t i = 0; i < reference.rows; i++)
      mlaas_model_release(model, held[round % 2 ? i : reference.rows - 1 - i]);
  }
  mlaas_model_close(model);
}

struct worker {
  struct mlaas_model *model;
  const struct reference *reference;
  size_t output;
  int seed, wrong;
};

static void *work(void *given) {
  struct worker *worker = given;
  const struct reference *reference = worker->reference;
  for (int i = 0; i < 50; i++) {
    int64_t rows = 1 + (i * 7 + worker->seed) % reference->rows;
    struct mlaas_tensor outputs[4];
    void *held;
    if (run_rows(worker->model, reference->x, rows, outputs, &held) != MLAAS_OK) {
      worker->wrong++;
      continue;
    }
    worker->wrong += !close_to(outputs[worker->output].data, reference->scores, rows * reference->columns);
    mlaas_model_release(worker->model, held);
  }
  return NULL;
}

static void two_threads_run_one_model(void **state) {
  const struct example *example = *state;
  struct reference reference;
  struct mlaas_model *model = open_or_skip(example->backend, data_path(example->path));
  read_reference(example, &reference);
  struct worker workers[2];
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) {
    workers[i] = (struct worker){model, &reference, output_of(model, example), 3 * i, 0};
    assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
  }
  for (int i = 0; i < 2; i++) {
    pthread_join(threads[i], NULL);
    assert_int_equal(workers[i].wrong, 0);
  }
  mlaas_model_close(model);
}

/* Frameworks may give an input's memory back as output: it must not be the caller's. */
static void outputs_outlive_inputs(void **state) {
  struct mlaas_model *model = open_or_skip(*state, data_path("identity"));
  float *x = aligned_alloc(64, 64 * sizeof *x);
  assert_non_null(x);
  for (int i = 0; i < 64; i++)
    x[i] = (float)i;
  struct mlaas_tensor in = floats(x, 8, 8), out;
  struct mlaas_error error;
  void *held;
  assert_int_equal(mlaas_model_run(model, &in, &out, &held, &error), MLAAS_OK);
  memset(x, 0xff, 64 * sizeof *x);
  free(x);
  for (int i = 0; i < 64; i++)
    assert_true(((const float *)out.data)[i] == (float)i);
  mlaas_model_release(model, held);
  mlaas_model_close(model);
}

static void failed_runs_leave_the_model_usable(void **state) {
  const struct example *example = *state;
  struct reference reference;
  struct mlaas_model *model = open_or_skip(example->backend, data_path(example->path));
  read_reference(example, &reference);
  struct mlaas_tensor in = floats(reference.x, 2, WIDTH + 1), outputs[4];
  struct mlaas_error error = {0};
  void *held = NULL;
  assert_int_equal(mlaas_model_run(model, &in, outputs, &held, &error), MLAAS_SCHEMA); /* the host's own check */
  if (strcmp(example->backend, "xgboost") != 0) { /* has no check of its own: rows are as wide as was said */
    enum mlaas_status status = model->backend->run(model->opened, &in, outputs, &held, &error);
    assert_true(status == MLAAS_ARGUMENT || status == MLAAS_INTERNAL);
    assert_true(strlen(error.message) > 20);
  }
  assert_int_equal(run_rows(model, reference.x, 1, outputs, &held), MLAAS_OK);
  mlaas_model_release(model, held);
  mlaas_model_close(model);
}

/* ---- damaged files ---- */

static const struct damage {
  const char *backend, *folder, *file, *rest; /* rest: a file that goes along unharmed */
} damages[] = {
    {"tensorflow", "tiny27", "saved_model.pb", "variables/variables.index"},
    {"tensorflow", "tiny27", "variables/variables.index", "saved_model.pb"},
    {"tensorflow", "tiny27_tf1", "model.pb", NULL},
    {"onnxruntime", "tiny27_onnx", "model.onnx", NULL},
    {"openvino", "tiny27_onnx", "model.onnx", NULL},
    {"xgboost", "xgb27", "model.ubj", NULL},
};

static char *read_all(const char *path, size_t *size) {
  FILE *file = fopen(path, "rb");
  char *bytes = malloc(1 << 20);
  assert_non_null(file);
  assert_non_null(bytes);
  *size = fread(bytes, 1, 1 << 20, file);
  fclose(file);
  return bytes;
}

static void open_damaged(const char *root, const struct damage *damage, const char *bytes, size_t size) {
  struct mlaas_model_options options = {.size = sizeof options, .backend = damage->backend};
  struct mlaas_model *model = NULL;
  struct mlaas_error error = {0};
  put_bytes(root, damage->file, bytes, size);
  enum mlaas_status status = mlaas_model_open(root, &options, &model, &error);
  if (status == MLAAS_OK)
    fail_msg("%s took %s of %zu bytes", damage->backend, damage->file, size);
  assert_true(status == MLAAS_FORMAT || status == MLAAS_UNSUPPORTED);
  assert_true(strlen(error.message) > 10);
  assert_null(strchr(error.message, '\n'));
}

static void damaged_files_are_errors(void **state) {
  const struct damage *damage = *state;
  char root[TEST_PATH], name[256];
  size_t size, rest_size;
  mlaas_model_close(open_or_skip(damage->backend, data_path(damage->folder)));
  make_temporary(root);
  if (damage->rest) {
    snprintf(name, sizeof name, "%s/%s", damage->folder, damage->rest);
    char *rest = read_all(data_path(name), &rest_size);
    put_bytes(root, damage->rest, rest, rest_size);
    free(rest);
  }
  snprintf(name, sizeof name, "%s/%s", damage->folder, damage->file);
  char *bytes = read_all(data_path(name), &size);
  const size_t cuts[] = {0, 1, 7, 64, size / 4, size / 2, size - 40};
  for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
    open_damaged(root, damage, bytes, cuts[i]);
  memset(bytes, 0x93, size);
  open_damaged(root, damage, bytes, size);
  free(bytes);
  remove_tree(root);
}

/* ---- all of them ---- */

static struct CMUnitTest tests[100];
static size_t num_tests;

static void add(const char *what, CMUnitTestFunction function, const char *name, const void *state) {
  char *label = calloc(1, 200);
  snprintf(label, 200, "%s: %s", what, name);
  tests[num_tests] = (struct CMUnitTest){label, function, NULL, NULL, NULL};
  memcpy(&tests[num_tests++].initial_state, &state, sizeof state);
}

int main(void) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  print_message("skipped: the frameworks are not built for sanitizers\n");
  return 77;
#endif
  static const char *const names[] = {"tensorflow", "onnxruntime", "openvino", "xgboost"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    add("a missing library is named", a_missing_library_is_named, names[i], names[i]);
  for (size_t i = 0; i < NUM_EXAMPLES; i++) {
    char name[100];
    snprintf(name, sizeof name, "%s %s", examples[i].backend, examples[i].path);
    add("scores are the reference's", scores_are_the_references, name, &examples[i]);
    add("results live until released", results_live_until_they_are_released, name, &examples[i]);
    add("two threads run one model", two_threads_run_one_model, name, &examples[i]);
    add("failed runs", failed_runs_leave_the_model_usable, name, &examples[i]);
  }
  add("outputs outlive inputs", outputs_outlive_inputs, names[1], names[1]);
  add("outputs outlive inputs", outputs_outlive_inputs, names[2], names[2]);
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++)
    add("damaged files are errors", damaged_files_are_errors, damages[i].file, &damages[i]);
  return _cmocka_run_group_tests("backends", tests, num_tests, NULL, NULL);
}
