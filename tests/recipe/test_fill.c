/* Filling against the plain meaning of a recipe: one value at a time, for every type, kind of list and order of rows.
 */
#include "base/error.h"
#include "base/memory.h"
#include "columns.h"
#include "recipe/kernel.h"
#include "recipe/recipe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MOST_ROWS = 700 };

static const struct test_column columns[] = {
    {"a_b", "", "b", false, 0},   {"b_c", "", "c", false, 0},     {"c_C", "", "C", true, 0},
    {"d_s", "", "s", false, 0},   {"e_S", "", "S", false, 0},     {"f_i", "", "i", false, 0},
    {"g_I", "", "I", false, 0},   {"h_l", "", "l", false, 0},     {"i_L", "", "L", false, 0},
    {"j_f", "", "f", false, 0},   {"k_g", "", "g", false, 0},     {"l_f", "", "f", true, 0},
    {"m_b", "+l", "b", false, 5}, {"n_c", "+l", "c", false, 3},   {"o_f", "+l", "f", false, 14},
    {"p_g", "+L", "g", true, 9},  {"q_i", "+w:3", "i", false, 0}, {"r_f", "+w:9", "f", true, 0},
    {"s_L", "+L", "L", false, 2}, {"t_f", "+l", "f", false, 400}, {"u_S", "+l", "S", true, 30},
};
enum { NUM_COLUMNS = sizeof columns / sizeof *columns };

/* One column of a recipe of the test, as JSON is made of it and as the reference reads it. */
struct choice {
  int64_t child, sort; /* -1: file order */
  int width;           /* 0: flat */
  const char *scaler;
  double a, b;
};

static int write_column(char *to, const struct choice *c, bool padded) {
  int n = sprintf(to, "{\"branch\": \"%s\", \"type\": \"%s\", \"scaler\": \"%s\"", columns[c->child].name,
                  columns[c->child].format, c->scaler);
  if (strcmp(c->scaler, "standard") == 0)
    n += sprintf(to + n, ", \"mean\": %.17g, \"sd\": %.17g", c->a, c->b);
  if (strcmp(c->scaler, "minmax") == 0)
    n += sprintf(to + n, ", \"min\": %.17g, \"max\": %.17g", c->a, c->b);
  if (c->width && !padded)
    n += sprintf(to + n, ", \"width\": %d", c->width);
  if (c->sort >= 0)
    n += sprintf(to + n, ", \"sort_by\": \"%s\"", columns[c->sort].name);
  return n + sprintf(to + n, "}");
}

struct test_input {
  struct choice choices[40];
  size_t count;
  bool padded;
  int slots;
};

struct test_recipe {
  struct test_input inputs[3];
  size_t num_inputs;
  const char *head; /* more keys of the recipe */
  float pad, clip;  /* clip 0: none */
  bool sentinels, compat;
};

static struct mlaas_recipe *parse(const struct test_recipe *recipe) {
  static char json[1 << 16];
  int n = sprintf(json, "{\"format\": \"mlaas-recipe\", \"version\": 1, \"table\": \"t;1\", %s \"inputs\": [",
                  recipe->head);
  for (size_t k = 0; k < recipe->num_inputs; k++) {
    const struct test_input *input = &recipe->inputs[k];
    n += sprintf(json + n, "%s{\"name\": \"in%zu\", \"kind\": \"%s\", ", k ? ", " : "", k,
                 input->padded ? "padded" : "flat");
    if (input->padded)
      n += sprintf(json + n, "\"slots\": %d, ", input->slots);
    n += sprintf(json + n, "\"columns\": [");
    for (size_t i = 0; i < input->count; i++) {
      n += sprintf(json + n, "%s", i ? ", " : "");
      n += write_column(json + n, &input->choices[i], input->padded);
    }
    n += sprintf(json + n, "]}");
  }
  sprintf(json + n, "]}");
  struct mlaas_recipe *made = NULL;
  struct mlaas_error error;
  if (mlaas_recipe_parse(json, strlen(json), &made, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  return made;
}

/* ---- the reference ---- */

static double key_of(const struct test_table *table, int64_t child, int64_t i) {
  double key;
  return test_number(table, child, i, &key) && !isnan(key) ? key : -(double)INFINITY;
}

/* Place in the list of the value that goes to `slot`. */
static int64_t source_of(const struct test_table *table, const struct choice *c, int64_t row, int64_t slot) {
  int64_t begin, length, rank;
  if (c->sort < 0)
    return slot;
  length = test_list(table, c->sort, row, &begin);
  for (int64_t i = 0; i < length; i++) {
    rank = 0;
    for (int64_t k = 0; k < length; k++) {
      double a = key_of(table, c->sort, begin + k), b = key_of(table, c->sort, begin + i);
      rank += a > b || (a == b && k < i);
    }
    if (rank == slot)
      return i;
  }
  fail_msg("no value for slot %lld", (long long)slot);
  return -1;
}

static void reference(const struct test_table *table, const struct test_recipe *recipe, const struct choice *c,
                      int64_t row, int64_t slot, float *x, uint8_t *mask) {
  int64_t begin, length = test_list(table, c->child, row, &begin);
  double number;
  *x = recipe->pad;
  *mask = 1;
  if (slot >= length)
    return;
  bool valid = test_number(table, c->child, begin + source_of(table, c, row, slot), &number);
  float scaled = (float)number;
  bool standard = strcmp(c->scaler, "standard") == 0, minmax = strcmp(c->scaler, "minmax") == 0;
  if (minmax && recipe->compat && columns[c->child].format[0] == 'f' && c->width)
    scaled = ((float)number - (float)c->a) / (float)(c->b - c->a);
  else if (minmax)
    scaled = (float)((number - c->a) / (c->b - c->a));
  else if (standard)
    scaled = (float)((number - c->a) / c->b);
  bool lost = !valid || !isfinite(scaled) || (recipe->sentinels && (number == -999 || number == (double)(float)7.1));
  *mask = lost ? 2 : 0;
  if (lost)
    return;
  if (strcmp(c->scaler, "constant") == 0)
    scaled = 0;
  else if (recipe->clip > 0)
    scaled = scaled < -recipe->clip ? -recipe->clip : scaled > recipe->clip ? recipe->clip : scaled;
  *x = scaled;
}

/* ---- comparing ---- */

static int64_t features_of(const struct test_input *input) {
  int64_t sum = 0;
  for (size_t i = 0; i < input->count; i++)
    sum += input->padded || !input->choices[i].width ? 1 : input->choices[i].width;
  return sum * (input->padded ? input->slots : 1);
}

static void compare_row(const struct test_table *table, const struct test_recipe *recipe,
                        const struct test_input *input, int64_t row, const float *x, const uint8_t *mask) {
  int64_t at = 0;
  for (size_t i = 0; i < input->count; i++) {
    const struct choice *c = &input->choices[i];
    int64_t slots = input->padded ? input->slots : c->width ? c->width : 1;
    for (int64_t slot = 0; slot < slots; slot++) {
      float want;
      uint8_t want_mask;
      int64_t place = input->padded ? slot * (int64_t)input->count + (int64_t)i : at + slot;
      reference(table, recipe, c, row, slot, &want, &want_mask);
      if (memcmp(&want, &x[place], 4) != 0 || want_mask != mask[place])
        fail_msg("%s row %lld slot %lld: %.9g mask %d, not %.9g mask %d", columns[c->child].name, (long long)row,
                 (long long)slot, (double)x[place], mask[place], (double)want, want_mask);
    }
    at += slots;
  }
}

struct places {
  float *x[3 * MOST_ROWS], *values[3];
  uint8_t *mask[3 * MOST_ROWS], *masks[3];
};

/* Rows of an input are dealt out from the end, so that they are not where they came from. */
static void make_places(struct places *p, const struct test_recipe *recipe, size_t count) {
  for (size_t k = 0; k < recipe->num_inputs; k++) {
    size_t width = (size_t)features_of(&recipe->inputs[k]);
    p->values[k] = malloc(count * width * 4 + 1);
    p->masks[k] = malloc(count * width + 1);
    memset(p->values[k], 0x55, count * width * 4);
    memset(p->masks[k], 0x55, count * width);
    for (size_t i = 0; i < count; i++) {
      p->x[k * count + i] = p->values[k] + (count - 1 - i) * width;
      p->mask[k * count + i] = p->masks[k] + (count - 1 - i) * width;
    }
  }
}

static void free_places(struct places *p, const struct test_recipe *recipe) {
  for (size_t k = 0; k < recipe->num_inputs; k++) {
    free(p->values[k]);
    free(p->masks[k]);
  }
}

static void check_rows(const struct test_table *table, const struct test_recipe *recipe,
                       const struct mlaas_filler *filler, const int64_t *rows, size_t count) {
  static struct places places;
  struct mlaas_error error;
  make_places(&places, recipe, count);
  if (mlaas_filler_fill(filler, &table->array, rows, count, places.x, places.mask, NULL, &error) != MLAAS_OK)
    fail_msg("%s", error.message);
  for (size_t k = 0; k < recipe->num_inputs; k++)
    for (size_t i = 0; i < count; i++)
      compare_row(table, recipe, &recipe->inputs[k], rows ? rows[i] : (int64_t)i, places.x[k * count + i],
                  places.mask[k * count + i]);
  free_places(&places, recipe);
}

/* All, some, few, and shuffled rows of a table. */
static void check_recipe(const struct test_recipe *recipe) {
  int64_t rows[MOST_ROWS];
  struct mlaas_recipe *parsed = parse(recipe);
  for (int64_t num_rows = 0; num_rows <= MOST_ROWS; num_rows = num_rows ? num_rows * 7 : 2) {
    struct test_table table;
    struct mlaas_filler *filler = NULL;
    test_table_make(&table, columns, NUM_COLUMNS, num_rows);
    assert_int_equal(mlaas_filler_new(parsed, &table.schema, &filler, NULL), MLAAS_OK);
    check_rows(&table, recipe, filler, NULL, (size_t)num_rows);
    for (unsigned every = 2; every < 20; every *= 3) {
      size_t count = 0;
      for (int64_t i = 0; i < num_rows; i++)
        if (test_random() % every == 0)
          rows[count++] = i;
      check_rows(&table, recipe, filler, rows, count);
      for (size_t i = 0; i < count; i++)
        rows[i] = (int64_t)(test_random() % (uint64_t)num_rows);
      check_rows(&table, recipe, filler, rows, count);
    }
    mlaas_filler_free(filler);
    test_table_free(&table);
  }
  mlaas_recipe_put(parsed);
}

static void add(struct test_input *input, int64_t child, int width, const char *scaler, double a, double b) {
  input->choices[input->count++] = (struct choice){child, -1, width, scaler, a, b};
}

/* Every column: flat ones standard, lists with widths from 1 to wider than any fast path. */
static void add_all(struct test_input *input, int width) {
  for (int64_t c = 0; c < NUM_COLUMNS; c++)
    if (!columns[c].kind[0])
      add(input, c, 0, c % 3 ? "standard" : "minmax", c * 1.5 - 4, c * 2.5 + 7);
  for (int64_t c = 0; c < NUM_COLUMNS; c++)
    if (columns[c].kind[0])
      add(input, c, width, c % 4 == 0 ? "none" : "standard", 0.1 * (double)c, 3.3);
}

static void test_types_and_widths(void **state) {
  static const int widths[] = {1, 2, 3, 7, 8, 9, 10, 16, 21, 64, 300};
  (void)state;
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
    struct test_recipe recipe = {.num_inputs = 1, .head = ""};
    add_all(&recipe.inputs[0], widths[i]);
    check_recipe(&recipe);
  }
}

static void test_sentinels_clip_pad(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 1,
                               .head = "\"missing\": [-999, 7.1, 1e300], \"pad\": -2.5, \"clip\": [-3, 3],",
                               .pad = -2.5F,
                               .clip = 3,
                               .sentinels = true};
  add_all(&recipe.inputs[0], 10);
  check_recipe(&recipe);
}

static void test_constants_are_zero(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 1, .head = ""};
  for (int64_t c = 0; c < NUM_COLUMNS; c++)
    add(&recipe.inputs[0], c, columns[c].kind[0] ? 9 : 0, "constant", 0, 0);
  check_recipe(&recipe);
}

static void test_several_inputs(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 3, .head = ""};
  recipe.inputs[0].padded = true;
  recipe.inputs[0].slots = 12;
  add(&recipe.inputs[0], 14, 12, "standard", 1, 2);
  add(&recipe.inputs[0], 15, 12, "none", 0, 0);
  add(&recipe.inputs[0], 12, 12, "minmax", 0, 1);
  add(&recipe.inputs[1], 3, 0, "standard", 5, 3);
  add(&recipe.inputs[1], 14, 4, "minmax", -1000, 1000);
  add(&recipe.inputs[1], 9, 0, "none", 0, 0);
  recipe.inputs[2].padded = true;
  recipe.inputs[2].slots = 3000;
  add(&recipe.inputs[2], 19, 3000, "standard", 5, 3);
  check_recipe(&recipe);
}

static void test_sorted_slots(void **state) {
  static const int widths[] = {1, 5, 30, 3000};
  (void)state;
  for (size_t i = 0; i < 4; i++) {
    struct test_recipe recipe = {.num_inputs = 1, .head = ""};
    add(&recipe.inputs[0], 14, widths[i], "standard", 5, 3);
    recipe.inputs[0].choices[0].sort = 14;
    add(&recipe.inputs[0], 17, widths[i], "none", 0, 0);
    recipe.inputs[0].choices[1].sort = 16 + 1;
    add(&recipe.inputs[0], 12, widths[i], "none", 0, 0);
    recipe.inputs[0].choices[2].sort = 12;
    check_recipe(&recipe);
  }
}

static void test_compat_steps_in_float(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 1, .head = "\"arithmetic\": \"compat\",", .compat = true};
  add(&recipe.inputs[0], 9, 0, "minmax", -857.3, 1234.567);
  add(&recipe.inputs[0], 14, 10, "minmax", -857.3, 1234.567);
  add(&recipe.inputs[0], 15, 10, "minmax", -857.3, 1234.567);
  check_recipe(&recipe);
}

/* Both compilations of the kernels give the same bits. */
static void test_kernels_agree(void **state) {
  enum { N = 1003 };
  static double values[N];
  static float a[N], b[N];
  const struct mlaas_kernels *base = mlaas_kernels_base(), *fast = mlaas_kernels_get();
  (void)state;
  for (int type = 0; type < MLAAS_KERNEL_NUM_TYPES; type++) {
    for (size_t i = 0; i < N; i++)
      test_value("bcCsSiIlLfg"[type], (char *)values + i * mlaas_kernel_size((enum mlaas_kernel_type)type));
    bool one = base->scale[type](values, N, 1.7, 0.3, a), other = fast->scale[type](values, N, 1.7, 0.3, b);
    assert_int_equal(one, other);
    assert_memory_equal(a, b, sizeof a);
  }
}

static void test_truncation_is_counted(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 2, .head = ""};
  add(&recipe.inputs[0], 14, 5, "none", 0, 0);
  add(&recipe.inputs[0], 9, 0, "none", 0, 0);
  add(&recipe.inputs[1], 14, 5, "none", 0, 0);
  struct test_table table;
  struct mlaas_filler *filler = NULL;
  static struct places places;
  int64_t truncated[2] = {0, 0}, want = 0, begin;
  struct mlaas_recipe *parsed = parse(&recipe);
  test_table_make(&table, columns, NUM_COLUMNS, 333);
  make_places(&places, &recipe, 333);
  assert_int_equal(mlaas_filler_new(parsed, &table.schema, &filler, NULL), MLAAS_OK);
  for (int i = 0; i < 2; i++)
    assert_int_equal(mlaas_filler_fill(filler, &table.array, NULL, 333, places.x, places.mask, truncated, NULL), 0);
  for (int64_t i = 0; i < 333; i++)
    want += test_list(&table, 14, i, &begin) > 5;
  assert_string_equal(mlaas_recipe_branch(parsed, 1), "o_f");
  assert_int_equal(truncated[0], 0);
  assert_int_equal(truncated[1], 2 * want);
  free_places(&places, &recipe);
  mlaas_filler_free(filler);
  test_table_free(&table);
  mlaas_recipe_put(parsed);
}

/* ---- what must not fit ---- */

static enum mlaas_status bind(const struct test_recipe *recipe, const struct test_column *others, size_t count,
                              struct mlaas_error *error) {
  struct test_table table;
  struct mlaas_filler *filler = NULL;
  struct mlaas_recipe *parsed = parse(recipe);
  test_table_make(&table, others, count, 3);
  enum mlaas_status status = mlaas_filler_new(parsed, &table.schema, &filler, error);
  mlaas_filler_free(filler);
  test_table_free(&table);
  mlaas_recipe_put(parsed);
  return status;
}

static void test_schemas_that_do_not_fit(void **state) {
  struct mlaas_error error;
  struct test_recipe recipe = {.num_inputs = 1, .head = ""};
  struct test_column others[] = {{"o_ff", "+l", "f", false, 3}};
  (void)state;
  add(&recipe.inputs[0], 14, 5, "none", 0, 0);
  assert_int_equal(bind(&recipe, others, 1, &error), MLAAS_NOT_FOUND);
  assert_string_equal(error.message,
                      "the recipe needs the branch \"o_f\", which is not there; the nearest is \"o_ff\"");
  others[0] = (struct test_column){"o_f", "", "f", false, 0};
  assert_int_equal(bind(&recipe, others, 1, &error), MLAAS_SCHEMA);
  assert_string_equal(error.message, "branch \"o_f\" is a number here, but a list in the recipe");
  others[0] = (struct test_column){"o_f", "+l", "u", false, 0};
  assert_int_equal(bind(&recipe, others, 1, &error), MLAAS_SCHEMA);
  assert_non_null(strstr(error.message, "neither numbers nor lists of numbers"));
}

static void test_bad_calls(void **state) {
  struct mlaas_error error;
  struct test_recipe recipe = {.num_inputs = 1, .head = ""};
  struct test_table table;
  struct mlaas_filler *filler = NULL;
  float values[64], *x = values;
  uint8_t masks[64], *mask = masks;
  (void)state;
  add(&recipe.inputs[0], 14, 5, "none", 0, 0);
  recipe.inputs[0].choices[0].sort = 20;
  struct mlaas_recipe *parsed = parse(&recipe);
  test_table_make(&table, columns, NUM_COLUMNS, 3);
  assert_int_equal(mlaas_filler_new(parsed, &table.schema, &filler, NULL), MLAAS_OK);
  assert_int_equal(mlaas_filler_fill(filler, &table.array, &(int64_t){3}, 1, &x, &mask, NULL, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "row 3 is not among the 3 rows of the array");
  int64_t begin, row = 0;
  while (row < 2 && test_list(&table, 14, row, &begin) == test_list(&table, 20, row, &begin))
    row++;
  assert_int_equal(mlaas_filler_fill(filler, &table.array, &row, 1, &x, &mask, NULL, &error), MLAAS_SCHEMA);
  assert_non_null(strstr(error.message, "have lists of different length"));
  table.array.n_children--;
  assert_int_equal(mlaas_filler_fill(filler, &table.array, NULL, 1, &x, &mask, NULL, &error), MLAAS_SCHEMA);
  table.array.n_children++;
  mlaas_filler_free(filler);
  test_table_free(&table);
  mlaas_recipe_put(parsed);
}

static void test_every_allocation_may_fail(void **state) {
  (void)state;
  struct test_recipe recipe = {.num_inputs = 1, .head = ""};
  struct test_table table;
  static struct places places;
  add(&recipe.inputs[0], 14, 5, "none", 0, 0);
  recipe.inputs[0].choices[0].sort = 14;
  struct mlaas_recipe *parsed = parse(&recipe);
  test_table_make(&table, columns, NUM_COLUMNS, 40);
  make_places(&places, &recipe, 40);
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status == MLAAS_MEMORY; n++) {
    struct mlaas_filler *filler = NULL;
    assert_true(n < 20);
    mlaas_memory_fail(n, false);
    status = mlaas_filler_new(parsed, &table.schema, &filler, NULL);
    if (status == MLAAS_OK)
      status = mlaas_filler_fill(filler, &table.array, NULL, 40, places.x, places.mask, NULL, NULL);
    mlaas_memory_fail(0, false);
    mlaas_filler_free(filler);
  }
  assert_int_equal(status, MLAAS_OK);
  free_places(&places, &recipe);
  test_table_free(&table);
  mlaas_recipe_put(parsed);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(test_types_and_widths),
      cmocka_unit_test(test_sentinels_clip_pad),
      cmocka_unit_test(test_constants_are_zero),
      cmocka_unit_test(test_several_inputs),
      cmocka_unit_test(test_sorted_slots),
      cmocka_unit_test(test_compat_steps_in_float),
      cmocka_unit_test(test_kernels_agree),
      cmocka_unit_test(test_truncation_is_counted),
      cmocka_unit_test(test_schemas_that_do_not_fit),
      cmocka_unit_test(test_bad_calls),
      cmocka_unit_test(test_every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
