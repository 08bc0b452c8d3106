/* recipe.json: what it becomes, what is refused, and the split that it describes. */
#include "recipe/recipe.h"
#include "recipe/split.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char good[] =
    "{\"format\": \"mlaas-recipe\", \"version\": 1, \"table\": \"events;1\", \"pad\": -1, \"missing\": [-999], "
    "\"inputs\": ["
    "{\"name\": \"x\", \"kind\": \"flat\", \"columns\": ["
    "{\"branch\": \"nJets\", \"type\": \"i\", \"scaler\": \"standard\", \"mean\": 3, \"sd\": 2},"
    "{\"branch\": \"jetPt\", \"type\": \"f\", \"width\": 2, \"sort_by\": \"jetBtag\", \"scaler\": \"none\"}]},"
    "{\"name\": \"jets\", \"kind\": \"padded\", \"slots\": 4, \"columns\": ["
    "{\"branch\": \"jetPt\", \"type\": \"f\", \"scaler\": \"minmax\", \"min\": 0, \"max\": 500},"
    "{\"branch\": \"jetEta\", \"type\": \"f\", \"scaler\": \"constant\"}]}],"
    "\"split\": {\"method\": \"xxh3-64\", \"seed\": 7, \"shares\": [0.64, 0.16, 0.2], \"split_by\": [], \"files\": ["
    "{\"id\": \"A:10\", \"entries\": 100, \"ranges\": [[10, 20], [50, 100]]}, {\"id\": \"B:20\", \"entries\": 5}]}}";

static struct mlaas_recipe *parse_good(void) {
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  if (mlaas_recipe_parse(good, strlen(good), &recipe, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return recipe;
}

static void questions_are_answered(void **state) {
  (void)state;
  struct mlaas_recipe *recipe = parse_good();
  struct mlaas_input_info flat, padded;
  assert_int_equal(mlaas_recipe_num_inputs(recipe), 2);
  mlaas_recipe_input(recipe, 0, &flat);
  mlaas_recipe_input(recipe, 1, &padded);
  assert_true(!flat.padded && flat.slots == 1 && flat.features == 3);
  assert_true(padded.padded && padded.slots == 4 && padded.features == 2);
  assert_string_equal(padded.name, "jets");
  assert_string_equal(mlaas_recipe_feature(recipe, 0, 0), "nJets");
  assert_string_equal(mlaas_recipe_feature(recipe, 0, 1), "jetPt_0");
  assert_string_equal(mlaas_recipe_feature(recipe, 0, 2), "jetPt_1");
  assert_string_equal(mlaas_recipe_feature(recipe, 1, 1), "jetEta");
  assert_int_equal(mlaas_recipe_num_branches(recipe), 4);
  assert_string_equal(mlaas_recipe_branch(recipe, 0), "jetBtag");
  assert_string_equal(mlaas_recipe_branch(recipe, 3), "nJets");
  assert_string_equal(mlaas_recipe_table(recipe), "events;1");
  assert_ptr_equal(mlaas_recipe_get(recipe), recipe);
  mlaas_recipe_put(recipe);
  mlaas_recipe_put(recipe);
}

static void writing_is_the_inverse_of_reading(void **state) {
  (void)state;
  struct mlaas_recipe *recipe = parse_good(), *again = NULL;
  char *first = NULL, *second = NULL;
  assert_int_equal(mlaas_recipe_format(recipe, &first, NULL), MLAAS_OK);
  assert_int_equal(mlaas_recipe_parse(first, strlen(first), &again, NULL), MLAAS_OK);
  assert_int_equal(mlaas_recipe_format(again, &second, NULL), MLAAS_OK);
  assert_string_equal(first, second);
  mlaas_text_free(first);
  mlaas_text_free(second);
  mlaas_recipe_put(recipe);
  mlaas_recipe_put(again);
}

/* The good recipe with `from` replaced by `to`. */
static enum mlaas_status parse_changed(const char *from, const char *to, struct mlaas_error *error) {
  char json[2 * sizeof good];
  struct mlaas_recipe *recipe = NULL;
  const char *at = strstr(good, from);
  assert_non_null(at);
  int n = snprintf(json, sizeof json, "%.*s%s%s", (int)(at - good), good, to, at + strlen(from));
  enum mlaas_status status = mlaas_recipe_parse(json, (size_t)n, &recipe, error);
  mlaas_recipe_put(recipe);
  return status;
}

static void bad_recipes_are_refused(void **state) {
  (void)state;
  static const struct {
    const char *from, *to, *where, *message;
  } cases[] = {
      {"mlaas-recipe", "mlaas-specs", "recipe", "no \"format\": \"mlaas-recipe\": this is no recipe"},
      {"\"table\"", "\"tabel\"", "recipe", "the key \"tabel\" is unknown; a newer version may have written it"},
      {"\"sd\": 2", "\"sd\": 0", "recipe: inputs[0]: columns[0]", "\"sd\" has to be above 0"},
      {"\"sd\": 2", "\"sd\": \"NaN\"", "recipe: inputs[0]: columns[0]", "\"sd\" has to be a number"},
      {"\"max\": 500", "\"max\": 0", "recipe: inputs[1]: columns[0]", "\"max\" has to be above min"},
      {"\"width\": 2", "\"width\": 0", "recipe: inputs[0]: columns[1]",
       "\"width\" has to be an integer between 1 and 1048576"},
      {"\"width\": 2", "\"width\": 2000000", "recipe: inputs[0]: columns[1]",
       "\"width\" has to be an integer between 1 and 1048576"},
      {"\"type\": \"i\"", "\"type\": \"u\"", "recipe: inputs[0]: columns[0]",
       "\"type\" has to be one of Arrow's b c C s S i I l L f g"},
      {"\"name\": \"jets\"", "\"name\": \"x\"", "recipe", "two inputs are called \"x\""},
      {"\"kind\": \"flat\"", "\"kind\": \"ragged\"", "recipe: inputs[0]", "\"kind\" has to be flat or padded"},
      {"0.64", "0.7", "recipe", "\"shares\" has to be three numbers that sum to 1"},
      {"[10, 20]", "[20, 10]", "recipe: files[0]",
       "\"ranges\" has to be a list of ascending [start, stop] within the entries of the file"},
      {"[50, 100]", "[15, 100]", "recipe: files[0]",
       "\"ranges\" has to be a list of ascending [start, stop] within the entries of the file"},
      {"\"version\": 1", "\"version\": 1.5", "recipe",
       "\"version\" has to be an integer between 1 and 9223372036854775807"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct mlaas_error error;
    assert_int_equal(parse_changed(cases[i].from, cases[i].to, &error), MLAAS_FORMAT);
    assert_string_equal(error.where, cases[i].where);
    assert_string_equal(error.message, cases[i].message);
  }
  struct mlaas_error error;
  assert_int_equal(parse_changed("\"version\": 1", "\"version\": 2", &error), MLAAS_UNSUPPORTED);
  assert_string_equal(error.message, "mlaas-recipe version 2 is newer than this program, which reads 1");
  assert_int_equal(parse_changed("}}", "}", &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "(line 1, column "));
}

static void no_row_is_wider_than_the_ceiling(void **state) {
  (void)state;
  static char json[1 << 16];
  struct mlaas_recipe *recipe = NULL;
  struct mlaas_error error;
  int n =
      sprintf(json, "{\"format\": \"mlaas-recipe\", \"version\": 1, \"table\": \"\", \"inputs\": [{\"name\": \"x\", "
                    "\"kind\": \"flat\", \"columns\": [");
  for (int i = 0; i < 17; i++)
    n += sprintf(json + n, "%s{\"branch\": \"b%d\", \"type\": \"f\", \"width\": 1048576, \"scaler\": \"none\"}",
                 i ? ", " : "", i);
  n += sprintf(json + n, "]}]}");
  assert_int_equal(mlaas_recipe_parse(json, (size_t)n, &recipe, &error), MLAAS_FORMAT);
  assert_string_equal(error.message, "at branch \"b16\" a row has more than 16777216 values");
}

/* ---- split ---- */

/* From docs/split.md, computed by the xxhash package of Python and NumPy. */
static void the_split_is_the_documented_formula(void **state) {
  (void)state;
  static const char want_entries[] = "1002002012000200000020000010120200002100";
  static const char want_values[] = "0100000202202101000200000101020000020000";
  static const double shares[3] = {0.64, 0.16, 0.2};
  int8_t part[40];
  int64_t values[80];
  mlaas_split_entries(shares, 7, "5f1c-uuid:1234", 1000, 40, part);
  for (size_t i = 0; i < 40; i++)
    assert_int_equal(part[i], want_entries[i] - '0');
  for (int64_t i = 0; i < 80; i++)
    values[i] = i * i - 100;
  mlaas_split_values(shares, 7, values, 2, 40, part);
  for (size_t i = 0; i < 40; i++)
    assert_int_equal(part[i], want_values[i] - '0');
  assert_true(mlaas_hash_file("5f1c-uuid:1234", 7) == 4174828562926265539u);
}

static void parts_without_a_share_are_empty(void **state) {
  (void)state;
  static const uint64_t hashes[] = {0, UINT64_MAX / 2, UINT64_MAX};
  int8_t part[3];
  mlaas_split_hashes((const double[]){1, 0, 0}, hashes, 3, part);
  assert_true(part[0] == 0 && part[1] == 0 && part[2] == 0);
  mlaas_split_hashes((const double[]){0.1, 0.9, 0}, hashes, 3, part);
  assert_true(part[0] == 0 && part[1] == 1 && part[2] == 1);
  mlaas_split_hashes((const double[]){0, 0, 1}, hashes, 3, part);
  assert_true(part[0] == 2 && part[1] == 2 && part[2] == 2);
}

static void shares_come_out_as_asked(void **state) {
  (void)state;
  enum { N = 100000 };
  static int8_t part[N];
  int64_t counts[3] = {0};
  mlaas_split_entries((const double[]){0.64, 0.16, 0.2}, 0, "some:1", 0, N, part);
  for (size_t i = 0; i < N; i++)
    counts[part[i]]++;
  assert_in_range(counts[0], 64000 - 800, 64000 + 800); /* five standard deviations */
  assert_in_range(counts[1], 16000 - 600, 16000 + 600);
}

static void unseen_rows_have_no_part(void **state) {
  (void)state;
  struct mlaas_recipe *recipe = parse_good();
  int8_t part[120], inside[120];
  assert_int_equal(mlaas_recipe_split(recipe, "A:10", 5, 120, NULL, part, NULL), MLAAS_OK);
  mlaas_split_entries((const double[]){0.64, 0.16, 0.2}, 7, "A:10", 5, 120, inside);
  for (int64_t i = 0; i < 120; i++) {
    bool seen = (i + 5 >= 10 && i + 5 < 20) || (i + 5 >= 50 && i + 5 < 100);
    assert_int_equal(part[i], seen ? inside[i] : -1);
  }
  assert_int_equal(mlaas_recipe_split(recipe, "B:20", 0, 6, NULL, part, NULL), MLAAS_OK);
  assert_true(part[4] >= 0 && part[5] == -1);
  assert_int_equal(mlaas_recipe_split(recipe, "C:30", 0, 6, NULL, part, NULL), MLAAS_OK);
  assert_int_equal(part[0], -1);
  assert_int_equal(mlaas_recipe_split(recipe, "A:10", -1, 6, NULL, part, NULL), MLAAS_ARGUMENT);
  mlaas_recipe_put(recipe);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  enum mlaas_status status = MLAAS_MEMORY;
  json_set_alloc_funcs(mlaas_alloc, mlaas_free);
  for (long n = 1; status != MLAAS_OK; n++) {
    struct mlaas_recipe *recipe = NULL;
    char *json = NULL;
    assert_true(n < 5000);
    mlaas_memory_fail(n, n % 2);
    status = mlaas_recipe_parse(good, strlen(good), &recipe, NULL);
    if (status == MLAAS_OK)
      status = mlaas_recipe_format(recipe, &json, NULL);
    mlaas_memory_fail(0, false);
    mlaas_text_free(json);
    mlaas_recipe_put(recipe);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(questions_are_answered),
      cmocka_unit_test(writing_is_the_inverse_of_reading),
      cmocka_unit_test(bad_recipes_are_refused),
      cmocka_unit_test(no_row_is_wider_than_the_ceiling),
      cmocka_unit_test(the_split_is_the_documented_formula),
      cmocka_unit_test(parts_without_a_share_are_empty),
      cmocka_unit_test(shares_come_out_as_asked),
      cmocka_unit_test(unseen_rows_have_no_part),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
