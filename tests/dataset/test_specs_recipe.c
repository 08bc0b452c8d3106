/* From statistics and parameters to a recipe: which branches, which order, which widths, which warnings. */
#include "dataset/specs.h"
#include "recipe/recipe.h"

#include "base/error.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A jagged branch: one list length per entry; the same text means the same lists. */
static void add_column(struct mlaas_specs *specs, const char *name, const char *format, const char *lengths,
                       const char *counter, double min, double max) {
  struct mlaas_column_stats *s = &specs->columns[specs->num_columns++];
  *s = (struct mlaas_column_stats){.jagged = lengths != NULL, .count = 1000, .min = min, .max = max};
  memcpy(s->format, format, strlen(format) + 1);
  s->name = mlaas_strdup(name);
  s->counter = counter ? mlaas_strdup(counter) : NULL;
  s->mean = (min + max) / 2;
  s->m2 = 1000 * (max - min) * (max - min) / 12;
  s->next_min = min + (max - min) / 100;
  s->next_max = max - (max - min) / 100;
  s->at_min = s->at_max = 1;
  for (size_t i = 0; lengths && lengths[i]; i++) {
    size_t length = (size_t)(lengths[i] - '0');
    if (length >= s->num_lengths) {
      s->lengths = mlaas_realloc(s->lengths, (length + 1) * sizeof *s->lengths);
      memset(s->lengths + s->num_lengths, 0, (length + 1 - s->num_lengths) * sizeof *s->lengths);
      s->num_lengths = length + 1;
    }
    s->lengths[length]++;
    s->shape += length * (i * 977 + 13);
  }
}

static struct mlaas_specs *make_specs(void) {
  struct mlaas_specs *specs = mlaas_alloc(sizeof *specs);
  specs->table = mlaas_strdup("events;1");
  specs->columns = mlaas_alloc(20 * sizeof *specs->columns);
  add_column(specs, "run", "i", NULL, NULL, 1, 2);
  add_column(specs, "met", "f", NULL, NULL, 0, 100);
  add_column(specs, "jetPt", "f", "3211015000", NULL, 20, 500);
  add_column(specs, "jetEta", "f", "3211015000", NULL, -5, 5);
  add_column(specs, "Lep_pt", "f", "1102010001", "nLep", 5, 90);
  add_column(specs, "Apla", "f", NULL, NULL, 0, 1);
  add_column(specs, "genWeight", "f", NULL, NULL, -1, 1);
  add_column(specs, "nLep", "i", NULL, NULL, 0, 2);
  add_column(specs, "Lep_eta", "f", "1102010001", "nLep", -2, 2);
  assert_int_equal(mlaas_specs_add_file(specs, "a.root", "A:1", 10, NULL), MLAAS_OK);
  return specs;
}

static enum mlaas_status make(const struct mlaas_specs *specs, const char *json, json_t *warnings,
                              struct mlaas_recipe **recipe, struct mlaas_error *error) {
  struct mlaas_params params;
  if (mlaas_params_init(&params, json, error) != MLAAS_OK)
    fail_msg("%s", error->message);
  enum mlaas_status status = mlaas_specs_recipe(specs, &params, NULL, warnings, recipe, error);
  mlaas_params_reset(&params);
  return status;
}

static void expect(const struct mlaas_specs *specs, const char *json, size_t input, const char *features) {
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  struct mlaas_input_info info;
  char found[2000] = "";
  if (make(specs, json, NULL, &recipe, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  mlaas_recipe_input(recipe, input, &info);
  for (int64_t i = 0; i < info.features; i++)
    snprintf(found + strlen(found), sizeof found - strlen(found), "%s%s", i ? " " : "",
             mlaas_recipe_feature(recipe, input, i));
  assert_string_equal(found, features);
  mlaas_recipe_put(recipe);
}

static void refuse(const char *json, enum mlaas_status status, const char *message) {
  struct mlaas_specs *specs = make_specs();
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  assert_int_equal(make(specs, json, NULL, &recipe, &error), status);
  assert_string_equal(error.message, message);
  mlaas_specs_free(specs);
}

static void order_and_choice(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  expect(specs, "{\"width\": 1, \"weight\": \"genWeight\"}", 0, "Apla met nLep Lep_eta_0 Lep_pt_0 jetEta_0 jetPt_0");
  expect(specs, "{\"exclude_branches\": [\"Lep_*\", \"jetEta\"], \"weight\": \"genWeight\", \"width\": 2}", 0,
         "Apla met nLep jetPt_0 jetPt_1");
  expect(specs, "{\"selected_branches\": \"met,genWeight,run\", \"exclude_branches\": \"met\"}", 0, "genWeight met");
  expect(specs, "{\"identifier\": \"met\", \"selected_branches\": [\"run\", \"met\"]}", 0, "run");
  expect(specs, "{\"split_by\": \"met\", \"selected_branches\": [\"Apla\", \"met\"]}", 0, "Apla");
  mlaas_specs_free(specs);
}

static void widths(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  static const char jets[] = "jetPt_0 jetPt_1 jetPt_2 jetPt_3 jetPt_4", leps[] = "Lep_pt_0 Lep_pt_1";
  expect(specs, "{\"selected_branches\": \"jetPt\", \"width\": \"max\"}", 0, jets);
  expect(specs, "{\"selected_branches\": \"jetPt\"}", 0, jets);
  expect(specs, "{\"selected_branches\": \"jetPt\", \"width\": 0.9}", 0, "jetPt_0 jetPt_1 jetPt_2");
  expect(specs, "{\"selected_branches\": \"jetPt\", \"width\": 0.1}", 0, "jetPt_0");
  expect(specs, "{\"selected_branches\": \"Lep_pt\", \"width\": {\"nLep\": \"max\", \"jetEta\": 1}}", 0, leps);
  expect(specs, "{\"selected_branches\": \"jetPt\", \"width\": {\"nLep\": \"max\", \"jetEta\": 1}}", 0, "jetPt_0");
  expect(specs, "{\"selected_branches\": \"jetPt\", \"width\": {\"jet\": 2}}", 0, "jetPt_0 jetPt_1");
  mlaas_specs_free(specs);
}

static void several_inputs(void **state) {
  (void)state;
  static const char json[] =
      "{\"weight\": \"genWeight\", \"inputs\": [{\"name\": \"event\"}, {\"name\": \"jets\", \"kind\": "
      "\"padded\", \"collection\": \"jet\", \"width\": 4}, {\"name\": \"leps\", \"kind\": "
      "\"padded\", \"branches\": [\"Lep_pt\", \"Lep_eta\"]}]}";
  struct mlaas_specs *specs = make_specs();
  expect(specs, json, 0, "Apla met nLep");
  expect(specs, json, 1, "jetEta jetPt");
  expect(specs, json, 2, "Lep_eta Lep_pt");
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_input_info info;
  assert_int_equal(make(specs, json, NULL, &recipe, NULL), MLAAS_OK);
  mlaas_recipe_input(recipe, 1, &info);
  assert_true(info.padded && info.slots == 4);
  mlaas_recipe_input(recipe, 2, &info);
  assert_true(info.padded && info.slots == 2);
  mlaas_recipe_put(recipe);
  mlaas_specs_free(specs);
}

static void names_that_are_not_there(void **state) {
  (void)state;
  refuse("{\"selected_branches\": [\"jetPT\"]}", MLAAS_NOT_FOUND,
         "parameter \"selected_branches\" names \"jetPT\", which is no branch of numbers in the data; did you mean "
         "\"jetPt\"?");
  refuse("{\"width\": {\"jetts\": 3}}", MLAAS_ARGUMENT,
         "parameter \"width\": \"jetts\" is no collection and no jagged branch; the nearest is \"jetPt\"");
  refuse("{\"sort_by\": {\"jet\": \"Lep_pt\"}}", MLAAS_ARGUMENT,
         "parameter \"sort_by\": branch \"Lep_pt\" is not of the collection \"jet\"");
  refuse("{\"exclude_branches\": \"*\"}", MLAAS_ARGUMENT,
         "no branch is left to make features of: all are excluded, identifiers, weight or label");
  refuse("{\"inputs\": [{\"name\": \"x\", \"kind\": \"padded\", \"branches\": [\"jetPt\", \"Lep_pt\"]}]}",
         MLAAS_ARGUMENT,
         "parameter \"inputs\": the branches of \"x\" are of different collections, \"jet\" and \"nLep\"");
  refuse("{\"inputs\": [{\"name\": \"x\", \"kind\": \"padded\", \"branches\": [\"met\"]}]}", MLAAS_ARGUMENT,
         "parameter \"inputs\": branch \"met\" of the padded input \"x\" is flat");
  refuse("{\"inputs\": [{\"name\": \"x\", \"kind\": \"flat\", \"branches\": [\"run\"]}]}", MLAAS_ARGUMENT,
         "parameter \"inputs\": branch \"run\" is excluded, an identifier, the weight or the label");
}

/* ---- warnings ---- */

static bool warned(const json_t *warnings, const char *text) {
  for (size_t i = 0; i < json_array_size(warnings); i++)
    if (strstr(json_string_value(json_array_get(warnings, i)), text))
      return true;
  return false;
}

static void the_user_is_warned(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  struct mlaas_column_stats *met = &specs->columns[1], *apla = &specs->columns[5], *eta = &specs->columns[3];
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  json_t *warnings = json_array();
  met->min = -999; /* 5 % at -999, the others in 0 ... 100 */
  met->at_min = 50;
  met->next_min = 0;
  met->mean = 0.05 * -999 + 0.95 * 50;
  met->m2 = 950 * 833.0 + 1000 * 0.05 * 0.95 * 1049.0 * 1049.0;
  apla->min = apla->max = 0.5;
  eta->nan = 7;
  assert_int_equal(make(specs, "{\"width\": 3}", warnings, &recipe, &error), MLAAS_OK);
  assert_true(warned(warnings, "branch \"met\": 5.0 % of its values are -999.0, far from all others"));
  assert_true(warned(warnings, "branch \"Apla\" is constant (0.5): it becomes 0"));
  assert_true(warned(warnings, "branch \"jetEta\": 7 of 1007 values are NaN or infinite and count as missing"));
  assert_true(warned(
      warnings, "collection \"jet\": 1 of 10 entries have more than 3 values and are cut; the longest list has 5"));
  assert_int_equal(json_array_size(warnings), 4);
  mlaas_recipe_put(recipe);
  json_decref(warnings);
  mlaas_specs_free(specs);
}

static void all_missing_is_an_error(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  for (size_t i = 0; i < specs->num_columns; i++)
    specs->columns[i].count = 0;
  assert_int_equal(make(specs, "{}", NULL, &recipe, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "none of the branches has a single finite value: there is nothing to learn from");
  mlaas_specs_free(specs);
}

static void scalers(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  struct mlaas_recipe *recipe = NULL;
  specs->columns[7].min = specs->columns[7].max = 3;
  assert_int_equal(make(specs, "{\"scaler\": \"minmax\"}", NULL, &recipe, NULL), MLAAS_OK);
  const struct mlaas_recipe_column *columns = recipe->inputs[0].columns; /* Apla genWeight met nLep ... */
  assert_true(columns[2].center == 0 && columns[2].scale == 100 && columns[3].constant);
  mlaas_recipe_put(recipe);
  assert_int_equal(make(specs, "{\"sort_by\": \"jetPt\"}", NULL, &recipe, NULL), MLAAS_OK);
  columns = recipe->inputs[0].columns;
  assert_true(columns[2].center == 50 && fabs(columns[2].scale - 100 / sqrt(12)) < 1e-12 && columns[3].constant);
  assert_string_equal(recipe->branches[columns[6].branch], "jetEta");
  assert_string_equal(recipe->branches[columns[6].sort], "jetPt");
  assert_true(columns[4].sort == SIZE_MAX);
  mlaas_recipe_put(recipe);
  assert_int_equal(make(specs, "{\"compat\": true}", NULL, &recipe, NULL), MLAAS_OK);
  columns = recipe->inputs[0].columns;
  assert_true(recipe->arithmetic == MLAAS_ARITHMETIC_COMPAT && columns[2].scale == 100);
  assert_true(!columns[3].constant && columns[3].center == 0 && columns[3].scale == 1);
  mlaas_recipe_put(recipe);
  mlaas_specs_free(specs);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  struct mlaas_specs *specs = make_specs();
  struct mlaas_params params;
  enum mlaas_status status = MLAAS_MEMORY;
  json_set_alloc_funcs(mlaas_alloc, mlaas_free);
  assert_int_equal(mlaas_params_init(&params, "{\"sort_by\": \"jetPt\"}", NULL), MLAAS_OK);
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_recipe *recipe = NULL;
    assert_true(n < 5000);
    mlaas_memory_fail(n, n % 2);
    status = mlaas_specs_recipe(specs, &params, NULL, NULL, &recipe, NULL);
    mlaas_memory_fail(0, false);
    mlaas_recipe_put(recipe);
  }
  mlaas_params_reset(&params);
  mlaas_specs_free(specs);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(order_and_choice),
      cmocka_unit_test(widths),
      cmocka_unit_test(several_inputs),
      cmocka_unit_test(names_that_are_not_there),
      cmocka_unit_test(the_user_is_warned),
      cmocka_unit_test(all_missing_is_an_error),
      cmocka_unit_test(scalers),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
