/* Opening a model, checking what goes in, running it: with the plug-ins echo and slow. */
#include "model/backend.h"
#include "model/model.h"

#include "base/memory.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "root.h"

static struct mlaas_model *open_good(const char *name, const struct mlaas_model_options *options) {
  struct mlaas_model *model = NULL;
  struct mlaas_error error = {0};
  if (mlaas_model_open(below(name), options, &model, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return model;
}

static struct mlaas_tensor floats(float *x, int64_t rows, int64_t width) {
  return (struct mlaas_tensor){
      MLAAS_DTYPE_FLOAT32, 2, {rows, width}, x, (rows > 0 ? (size_t)rows * (size_t)width : 0) * sizeof *x};
}

static void a_model_is_opened_and_run(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{\"inputs\": 3, \"outputs\": 2}");
  struct mlaas_model *model = open_good("m", NULL);
  size_t count = 0;
  const struct mlaas_tensor_info *inputs = mlaas_model_inputs(model, &count);
  assert_int_equal(count, 1);
  assert_string_equal(inputs[0].name, "x");
  assert_int_equal(inputs[0].shape[0], -1);
  assert_int_equal(inputs[0].shape[1], 3);
  assert_string_equal(mlaas_model_outputs(model, &count)[0].name, "y");
  assert_true(model->batchable);
  assert_null(mlaas_model_recipe(model));
  float x[] = {1, 2, 3, 4, 5, 6};
  struct mlaas_tensor in = floats(x, 2, 3), out;
  struct mlaas_error error;
  void *held = NULL;
  assert_int_equal(mlaas_model_run(model, &in, &out, &held, &error), MLAAS_OK);
  assert_int_equal(out.shape[0], 2);
  assert_int_equal(out.shape[1], 2);
  const float *y = out.data;
  assert_true(y[0] == 1 && y[1] == 2 && y[2] == 4 && y[3] == 5);
  mlaas_model_release(model, held);
  mlaas_model_close(model);
  mlaas_model_close(NULL);
}

static void misfits(struct mlaas_model *model, const struct mlaas_tensor *tensor, const char *words) {
  struct mlaas_tensor out;
  struct mlaas_error error = {0};
  void *held = NULL;
  assert_int_equal(mlaas_model_run(model, tensor, &out, &held, &error), MLAAS_SCHEMA);
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s'", words, error.message);
}

static void inputs_that_do_not_fit_are_refused(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{\"inputs\": 3}");
  struct mlaas_model *model = open_good("m", NULL);
  float x[8] = {0};
  struct mlaas_tensor in = floats(x, 2, 4);
  misfits(model, &in, "input \"x\": expected FP32 [-1,3], found FP32 [2,4]");
  in = floats(x, 2, 3);
  in.dtype = MLAAS_DTYPE_FLOAT64;
  misfits(model, &in, "found FP64 [2,3]");
  in = floats(x, 2, 3);
  in.num_dims = 1;
  misfits(model, &in, "found FP32 [2]");
  in.num_dims = 9;
  misfits(model, &in, "expected FP32 [-1,3]");
  in.num_dims = -1;
  misfits(model, &in, "of any shape");
  in = floats(x, 2, 3);
  in.size--;
  misfits(model, &in, "its shape makes 24 bytes, found 23");
  in = floats(x, -1, 3);
  misfits(model, &in, "found FP32 [-1,3]");
  in = floats(x, INT64_MAX / 2, 3);
  misfits(model, &in, "found FP32 [");
  in = floats(x, 2, 3);
  in.data = NULL;
  misfits(model, &in, "bytes");
  in = floats(x, 2, 3);
  in.dtype = (enum mlaas_dtype)99;
  misfits(model, &in, "no type");
  mlaas_model_close(model);
}

static void options_go_over_those_of_the_model(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{\"inputs\": 3}");
  struct mlaas_model_options options = {.size = sizeof options, .options = "{\"inputs\": 5, \"outputs\": \"4\"}"};
  struct mlaas_model *model = open_good("m", &options);
  assert_int_equal(model->inputs[0].shape[1], 5);
  assert_int_equal(model->outputs[0].shape[1], 4);
  mlaas_model_close(model);
  options.backend = "slow";
  model = open_good("m", &options);
  assert_string_equal(model->backend->name, "slow");
  mlaas_model_close(model);
}

static void open_bad(const char *name, const struct mlaas_model_options *options, enum mlaas_status status,
                     const char *words) {
  struct mlaas_model *model = NULL;
  struct mlaas_error error = {0};
  assert_int_equal(mlaas_model_open(below(name), options, &model, &error), status);
  assert_null(model);
  if (!strstr(error.message, words))
    fail_msg("'%s' is not in '%s: %s'", words, error.where, error.message);
}

static void bad_options_are_refused(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{\"inputs\": 3}");
  struct mlaas_model_options options = {.size = sizeof options, .options = "[1]"};
  open_bad("m", &options, MLAAS_ARGUMENT, "no JSON object");
  options.options = "{";
  open_bad("m", &options, MLAAS_ARGUMENT, "no JSON object");
  options.options = "{\"inputs\": [3]}";
  open_bad("m", &options, MLAAS_FORMAT, "\"inputs\"");
  options.options = "{\"what\": 3}";
  open_bad("m", &options, MLAAS_ARGUMENT, "what");
}

static void a_missing_back_end_says_where_it_was_looked_for(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{}");
  struct mlaas_model_options options = {.size = sizeof options, .backend = "nowhere", .backends = root};
  open_bad("m", &options, MLAAS_NOT_FOUND, "there is no back end 'nowhere': mlaas-backend-nowhere.so is not in ");
  open_bad("m", &options, MLAAS_NOT_FOUND, root);
  options.backend = "../nowhere";
  open_bad("m", &options, MLAAS_NOT_FOUND, "is no name of a back end");
  put_text(root, "mlaas-backend-nowhere.so", "no library");
  options.backend = "nowhere";
  open_bad("m", &options, MLAAS_UNSUPPORTED, "cannot be loaded");
}

static void a_back_end_is_loaded_once(void **state) {
  (void)state;
  const struct mlaas_backend *first = NULL, *second = NULL;
  assert_int_equal(mlaas_backend_find("echo", NULL, &first, NULL), MLAAS_OK);
  assert_int_equal(mlaas_backend_find("echo", "", &second, NULL), MLAAS_OK);
  assert_ptr_equal(first, second);
  assert_string_equal(first->name, "echo");
}

static void a_failing_run_has_the_words_of_the_back_end(void **state) {
  (void)state;
  put_text(root, "m/slow.json", "{\"fail\": \"run\"}");
  put_text(root, "o/slow.json", "{\"fail\": \"open\"}");
  struct mlaas_model *model = open_good("m", NULL);
  float x = 1;
  struct mlaas_tensor in = floats(&x, 1, 1), out;
  struct mlaas_error error;
  void *held = NULL;
  assert_int_equal(mlaas_model_run(model, &in, &out, &held, &error), MLAAS_INTERNAL);
  assert_non_null(strstr(error.message, "told to fail"));
  mlaas_model_close(model);
  open_bad("o", NULL, MLAAS_FORMAT, "told to fail");
}

static void a_model_describes_itself(void **state) {
  (void)state;
  put_text(root, "b/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"higgs\", \"model_version\": 7, \"back_end\": "
           "\"echo\", \"file\": \"echo.json\", \"labels\": [\"a\", \"b\"], \"metrics\": {\"auc\": 0.5}}");
  put_text(root, "b/echo.json", "{\"inputs\": 3}");
  struct mlaas_model *model = open_good("b", NULL);
  char *text = NULL;
  assert_int_equal(mlaas_model_describe(model, &text, NULL), MLAAS_OK);
  json_t *about = json_loads(text, 0, NULL);
  assert_string_equal(json_string_value(json_object_get(about, "name")), "higgs");
  assert_int_equal(json_integer_value(json_object_get(about, "version")), 7);
  assert_string_equal(json_string_value(json_object_get(about, "back_end")), "echo");
  assert_string_equal(json_string_value(json_object_get(about, "file")), "echo.json");
  json_t *input = json_array_get(json_object_get(about, "inputs"), 0);
  assert_string_equal(json_string_value(json_object_get(input, "dtype")), "FP32");
  assert_int_equal(json_integer_value(json_array_get(json_object_get(input, "shape"), 1)), 3);
  assert_int_equal(json_array_size(json_object_get(about, "labels")), 2);
  assert_true(json_real_value(json_object_get(json_object_get(about, "metrics"), "auc")) == 0.5);
  json_decref(about);
  mlaas_text_free(text);
  mlaas_model_close(model);
}

static void masked_places_become_nan_where_the_model_wants_it(void **state) {
  (void)state;
  put_text(root, "b/model.json",
           "{\"format\": \"mlaas-model\", \"version\": 1, \"name\": \"b\", \"back_end\": \"echo\", \"file\": "
           "\"echo.json\", \"inputs\": [{\"name\": \"x\", \"mask\": \"nan\"}]}");
  put_text(root, "b/echo.json", "{}");
  put_text(root, "m/echo.json", "{}");
  const uint8_t mask[] = {0, 1, 2, 0};
  float x[] = {1, 2, 3, 4};
  struct mlaas_model *plain = open_good("m", NULL), *bundle = open_good("b", NULL);
  mlaas_model_apply_mask(plain, x, mask, 4);
  assert_true(x[1] == 2 && x[2] == 3);
  mlaas_model_apply_mask(bundle, x, mask, 4);
  assert_true(x[0] == 1 && isnan(x[1]) && isnan(x[2]) && x[3] == 4);
  mlaas_model_close(plain);
  mlaas_model_close(bundle);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  put_text(root, "m/echo.json", "{\"inputs\": 3}");
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_model *model = NULL;
    mlaas_memory_fail(n, false);
    status = mlaas_model_open(below("m"), NULL, &model, NULL);
    mlaas_memory_fail(0, false);
    if (status != MLAAS_OK)
      assert_int_equal(status, MLAAS_MEMORY);
    mlaas_model_close(model);
    assert_true(n < 100);
  }
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_root, remove_root)

int main(void) {
  const struct CMUnitTest tests[] = {
      IN_FOLDER(a_model_is_opened_and_run),
      IN_FOLDER(inputs_that_do_not_fit_are_refused),
      IN_FOLDER(options_go_over_those_of_the_model),
      IN_FOLDER(bad_options_are_refused),
      IN_FOLDER(a_missing_back_end_says_where_it_was_looked_for),
      cmocka_unit_test(a_back_end_is_loaded_once),
      IN_FOLDER(a_failing_run_has_the_words_of_the_back_end),
      IN_FOLDER(a_model_describes_itself),
      IN_FOLDER(masked_places_become_nan_where_the_model_wants_it),
      IN_FOLDER(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
