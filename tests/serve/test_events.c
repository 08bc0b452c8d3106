/* Raw events to inputs: padded inputs and their masks, exact integers, strictness, failing memory. The flat ones are
 * compared with training in tests/python/test_serve.py.
 */
#include "serve/config.h"
#include "serve/events.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char recipe_json[] =
    "{\"format\":\"mlaas-recipe\",\"version\":1,\"table\":\"t\",\"pad\":-1,\"missing\":[-999.0],\"inputs\":["
    "{\"name\":\"flat\",\"kind\":\"flat\",\"columns\":[{\"branch\":\"id\",\"type\":\"l\",\"scaler\":\"minmax\",\"min\":"
    "9007199254740992,\"max\":9007199254740996},{\"branch\":\"ok\",\"type\":\"b\",\"scaler\":\"none\"}]},"
    "{\"name\":\"jets\",\"kind\":\"padded\",\"slots\":3,\"columns\":["
    "{\"branch\":\"eta\",\"type\":\"f\",\"scaler\":\"none\",\"sort_by\":\"pt\"},"
    "{\"branch\":\"pt\",\"type\":\"f\",\"scaler\":\"none\",\"sort_by\":\"pt\"}]}]}";
static const char model_json[] = "{\"inputs\":[{\"name\":\"a\",\"recipe_input\":\"jets\",\"mask\":\"none\"},{\"name\":"
                                 "\"b\",\"recipe_input\":\"jets\","
                                 "\"mask\":\"valid\"},{\"name\":\"c\",\"recipe_input\":\"flat\",\"mask\":\"none\"},{"
                                 "\"name\":\"d\",\"recipe_input\":\"jets\","
                                 "\"mask\":\"padding\"}]}";
static const struct mlaas_tensor_info infos[] = {
    {"a", MLAAS_DTYPE_FLOAT32, 3, {-1, 3, 2}},
    {"b", MLAAS_DTYPE_FLOAT32, 2, {-1, 3}},
    {"c", MLAAS_DTYPE_FLOAT32, 2, {-1, 2}},
    {"d", MLAAS_DTYPE_BOOL, 2, {-1, 3}},
};

static struct mlaas_model model;
static struct mlaas_instance instance;
static struct mlaas_event_plan *plan;
static struct mlaas_arena arena;
static struct mlaas_error error;
static struct mlaas_tensor *inputs;

static int set_up(void **state) {
  (void)state;
  model = (struct mlaas_model){.inputs = infos, .num_inputs = 4};
  model.manifest.model = json_loads(model_json, 0, NULL);
  model.manifest.params = json_object();
  assert_int_equal(mlaas_recipe_parse(recipe_json, sizeof recipe_json - 1, &model.manifest.recipe, &error), MLAAS_OK);
  instance = (struct mlaas_instance){.name = "m", .version = 1, .model = &model};
  mlaas_arena_init(&arena, mlaas_budget_new(16 << 20));
  assert_int_equal(mlaas_event_plan_new(&instance, NULL, &plan, &error), MLAAS_OK);
  return 0;
}

static int tear_down(void **state) {
  (void)state;
  struct mlaas_budget *budget = arena.budget;
  mlaas_event_plan_free(plan);
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  mlaas_recipe_put(model.manifest.recipe);
  json_decref(model.manifest.model);
  json_decref(model.manifest.params);
  return 0;
}

#define NUMBER(name, value)                                                                                            \
  { MLAAS_SLICE(name), (const double[]){value}, NULL, -1 }
#define LIST(name, ...)                                                                                                \
  { MLAAS_SLICE(name), (const double[]){__VA_ARGS__}, NULL, sizeof((const double[]){__VA_ARGS__}) / sizeof(double) }

static enum mlaas_status fill(const struct mlaas_event *events, size_t count) {
  error = (struct mlaas_error){0};
  return mlaas_event_plan_fill(plan, events, count, &arena, &inputs, &error);
}

static void padded_inputs_and_masks(void **state) {
  (void)state;
  static const int64_t exact[] = {9007199254740994};
  const struct mlaas_event_value first[] = {
      LIST("pt", 10, 30, -999, 20),
      LIST("eta", 1, 3, 4, 2),
      {MLAAS_SLICE("id"), (const double[]){9007199254740992.0}, exact, -1},
      NUMBER("ok", 1),
  };
  const struct mlaas_event_value second[] = {LIST("eta", 0.5), LIST("pt", 7)};
  const struct mlaas_event events[] = {{first, 4}, {second, 2}, {NULL, 0}};
  assert_int_equal(fill(events, 3), MLAAS_OK);
  const float jets[] = {3, 30, 2, 20, 1, 10, 0.5f, 7, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  const float valid[] = {1, 1, 1, 1, 0, 0, 0, 0, 0};
  const float flat[] = {0.5f, 1, -1, -1, -1, -1};
  const bool padding[] = {0, 0, 0, 0, 1, 1, 1, 1, 1};
  assert_int_equal(inputs[0].num_dims, 3);
  assert_int_equal(inputs[0].shape[0], 3);
  assert_int_equal(inputs[0].shape[1], 3);
  assert_int_equal(inputs[0].shape[2], 2);
  assert_int_equal(inputs[0].size, sizeof jets);
  assert_memory_equal(inputs[0].data, jets, sizeof jets);
  assert_int_equal(inputs[1].num_dims, 2);
  assert_int_equal(inputs[1].size, sizeof valid);
  assert_memory_equal(inputs[1].data, valid, sizeof valid);
  assert_int_equal(inputs[2].shape[1], 2);
  assert_memory_equal(inputs[2].data, flat, sizeof flat);
  assert_int_equal(inputs[3].dtype, MLAAS_DTYPE_BOOL);
  assert_memory_equal(inputs[3].data, padding, sizeof padding);
}

static void bad_events_are_refused(void **state) {
  (void)state;
  const struct mlaas_event_value uneven[] = {LIST("pt", 1, 2), LIST("eta", 1)};
  const struct mlaas_event_value flag[] = {NUMBER("ok", 2)};
  const struct mlaas_event_value part[] = {NUMBER("id", 0.5)};
  const struct mlaas_event_value slot[] = {NUMBER("pt_0", 1)}; /* padded inputs have no names of slots */
  const struct mlaas_event_value null[] = {NUMBER("ok", NAN), NUMBER("pt", NAN)};
  const struct {
    const struct mlaas_event_value *values;
    size_t count;
    const char *words;
  } cases[] = {{uneven, 2, "different length"}, {flag, 1, "0 or 1"}, {part, 1, "whole"}, {slot, 1, "did you mean"}};
  for (size_t i = 0; i < 4; i++) {
    assert_int_equal(fill(&(struct mlaas_event){cases[i].values, cases[i].count}, 1), MLAAS_ARGUMENT);
    if (!strstr(error.message, cases[i].words))
      fail_msg("%s", error.message);
  }
  assert_int_equal(fill(&(struct mlaas_event){null, 2}, 1), MLAAS_OK);
  assert_int_equal(fill(NULL, 0), MLAAS_ARGUMENT);
}

static void a_model_may_insist_on_all_branches(void **state) {
  (void)state;
  const struct mlaas_event_value some[] = {LIST("pt", 1), LIST("eta", 1)};
  mlaas_event_plan_free(plan);
  json_object_set_new(model.manifest.params, "missing", json_string("refuse"));
  assert_int_equal(mlaas_event_plan_new(&instance, NULL, &plan, &error), MLAAS_OK);
  assert_int_equal(fill(&(struct mlaas_event){some, 2}, 1), MLAAS_ARGUMENT);
  assert_non_null(strstr(error.message, "\"id\" is missing"));
}

static void outside_values_are_counted(void **state) {
  (void)state;
  const struct mlaas_event_value far[] = {NUMBER("id", 1)};
  char text[512];
  assert_false(mlaas_event_plan_news(plan, text, sizeof text));
  assert_int_equal(fill(&(struct mlaas_event){far, 1}, 1), MLAAS_OK);
  assert_int_equal(fill(&(struct mlaas_event){far, 1}, 1), MLAAS_OK);
  assert_true(mlaas_event_plan_news(plan, text, sizeof text));
  assert_non_null(strstr(text, "\"id\" is 1, outside"));
  assert_false(mlaas_event_plan_news(plan, text, sizeof text));
  for (size_t i = 0; i < mlaas_event_plan_num_features(plan); i++)
    assert_int_equal(mlaas_event_plan_outside(plan, i), strcmp(mlaas_event_plan_feature(plan, i), "id") == 0 ? 2 : 0);
}

static void failing_memory_is_an_error(void **state) {
  (void)state;
  const struct mlaas_event_value values[] = {LIST("pt", 1, 3, 2), LIST("eta", 1, 2, 3)};
  for (long n = 1;; n++) {
    mlaas_arena_reset(&arena);
    mlaas_memory_fail(n, false);
    enum mlaas_status status = fill(&(struct mlaas_event){values, 2}, 1);
    mlaas_memory_fail(0, false);
    if (status == MLAAS_OK)
      break;
    assert_int_equal(status, MLAAS_MEMORY);
    assert_true(n < 100);
  }
  for (long n = 1;; n++) {
    struct mlaas_event_plan *another = NULL;
    mlaas_memory_fail(n, false);
    enum mlaas_status status = mlaas_event_plan_new(&instance, NULL, &another, &error);
    mlaas_memory_fail(0, false);
    mlaas_event_plan_free(another);
    if (status == MLAAS_OK)
      break;
    assert_int_equal(status, MLAAS_MEMORY);
    assert_true(n < 200);
  }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
  const struct CMUnitTest tests[] = {
      TEST(padded_inputs_and_masks),    TEST(bad_events_are_refused),     TEST(a_model_may_insist_on_all_branches),
      TEST(outside_values_are_counted), TEST(failing_memory_is_an_error),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
