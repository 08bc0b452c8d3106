/* Statistics against sums in long double, their merging, and both JSON forms. */
#include "dataset/specs.h"
#include "dataset/stats_kernel.h"

#include "../recipe/columns.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct test_column columns[] = {
    {"a_b", "", "b", false, 0},    {"b_c", "", "c", false, 0},     {"c_C", "", "C", true, 0},
    {"d_s", "", "s", false, 0},    {"e_S", "", "S", false, 0},     {"f_i", "", "i", false, 0},
    {"g_I", "", "I", false, 0},    {"h_l", "", "l", false, 0},     {"i_L", "", "L", false, 0},
    {"j_f", "", "f", false, 0},    {"k_g", "", "g", true, 0},      {"m_b", "+l", "b", false, 5},
    {"o_f", "+l", "f", false, 14}, {"p_g", "+L", "g", true, 9},    {"q_i", "+w:3", "i", false, 0},
    {"s_L", "+L", "L", false, 2},  {"t_f", "+l", "f", false, 400},
};
enum { NUM_COLUMNS = sizeof columns / sizeof *columns, ROWS = 1500 };
static const double sentinels[] = {-999, 3};

/* A table whose struct has no offset of its own: statistics see its columns one by one. */
static void make_table(struct test_table *table, int64_t rows) {
  test_table_make(table, columns, NUM_COLUMNS, rows);
  table->array.length += table->array.offset;
  table->array.offset = 0;
}

static enum mlaas_status scan(const struct test_table *table, const char *id, struct mlaas_specs **specs) {
  static uint64_t mix[ROWS + 8];
  struct mlaas_error error;
  int64_t rows = table->array.length;
  enum mlaas_status status = mlaas_specs_new("dir/tree;1", &table->schema, specs, &error);
  if (status != MLAAS_OK)
    return status;
  mlaas_row_mix(id, 0, rows, mix);
  for (size_t i = 0; status == MLAAS_OK && i < (*specs)->num_columns; i++)
    status = mlaas_column_stats_add(&(*specs)->columns[i], table->array.children[(*specs)->columns[i].source.child],
                                    mix, sentinels, 2, &error);
  if (status == MLAAS_OK)
    status = mlaas_specs_add_file(*specs, id, id, rows, &error);
  if (status != MLAAS_OK) {
    mlaas_specs_free(*specs);
    *specs = NULL;
  }
  return status;
}

/* ---- the reference ---- */

struct truth {
  int64_t count, nan, inf, missing, at_min, at_max;
  long double sum, squares;
  double min, max, next_min, next_max;
};

static void take(struct truth *t, double value, bool valid) {
  bool missing = !valid || value == sentinels[0] || value == sentinels[1];
  t->missing += missing;
  if (missing || !isfinite(value)) {
    t->nan += !missing && isnan(value);
    t->inf += !missing && isinf(value);
    return;
  }
  t->count++;
  t->sum += (long double)value;
  t->min = fmin(t->min, value);
  t->max = fmax(t->max, value);
}

static void take_again(struct truth *t, double value, bool valid) {
  if (!valid || value == sentinels[0] || value == sentinels[1] || !isfinite(value))
    return;
  long double d = (long double)value - t->sum / (long double)t->count;
  t->squares += d * d;
  t->at_min += value == t->min;
  t->at_max += value == t->max;
  if (value > t->min)
    t->next_min = fmin(t->next_min, value);
  if (value < t->max)
    t->next_max = fmax(t->next_max, value);
}

static void walk(const struct test_table *table, int64_t c, struct truth *t,
                 void (*visit)(struct truth *, double, bool)) {
  for (int64_t row = 0; row < table->array.length; row++) {
    int64_t begin, length = test_list(table, c, row, &begin);
    for (int64_t i = 0; i < length; i++) {
      double value;
      bool valid = test_number(table, c, begin + i, &value);
      visit(t, value, valid);
    }
  }
}

static struct truth truth_of(const struct test_table *table, int64_t c) {
  struct truth t = {.min = INFINITY, .max = -(double)INFINITY, .next_min = INFINITY, .next_max = -(double)INFINITY};
  walk(table, c, &t, take);
  walk(table, c, &t, take_again);
  return t;
}

static void assert_near(double value, long double truth, double scale) {
  if (!(fabsl((long double)value - truth) <= (long double)scale * 1e-12L))
    fail_msg("%.17g is not %.17Lg", value, truth);
}

static void check_column(const struct test_table *table, const struct mlaas_column_stats *s) {
  struct truth t = truth_of(table, s->source.child);
  double size = fmax(fabs(t.min), fabs(t.max));
  assert_int_equal(s->count, t.count);
  assert_int_equal(s->nan, t.nan);
  assert_int_equal(s->inf, t.inf);
  assert_int_equal(s->missing, t.missing);
  assert_true(s->min == t.min && s->max == t.max);
  assert_true(s->next_min == t.next_min && s->next_max == t.next_max);
  assert_int_equal(s->at_min, t.at_min);
  assert_int_equal(s->at_max, t.at_max);
  assert_near(s->mean, t.sum / (long double)t.count, size);
  assert_near(s->m2, t.squares, size * size * (double)t.count);
  for (size_t n = 0; n < s->num_lengths; n++) {
    int64_t want = 0, begin;
    for (int64_t row = 0; row < table->array.length; row++)
      want += test_list(table, s->source.child, row, &begin) == (int64_t)n;
    assert_int_equal(s->lengths[n], want);
  }
}

static void statistics_are_the_plain_sums(void **state) {
  (void)state;
  for (int64_t rows = 100; rows <= ROWS; rows += 700) {
    struct test_table table;
    struct mlaas_specs *specs = NULL;
    make_table(&table, rows);
    assert_int_equal(scan(&table, "file", &specs), MLAAS_OK);
    assert_int_equal(specs->num_columns, NUM_COLUMNS);
    for (size_t i = 0; i < specs->num_columns; i++)
      check_column(&table, &specs->columns[i]);
    mlaas_specs_free(specs);
    test_table_free(&table);
  }
}

static void integers_of_64_bits_are_exact(void **state) {
  (void)state;
  struct test_table table;
  struct mlaas_specs *specs = NULL;
  uint64_t low = UINT64_MAX, high = 0;
  make_table(&table, 400);
  assert_int_equal(scan(&table, "file", &specs), MLAAS_OK);
  const struct ArrowArray *array = table.array.children[8];
  const uint64_t *values = (const uint64_t *)array->buffers[1] + array->offset;
  for (int64_t i = 0; i < array->length; i++) {
    low = values[i] != 3 && values[i] < low ? values[i] : low;
    high = values[i] > high ? values[i] : high;
  }
  assert_true((uint64_t)specs->columns[8].int_min == low);
  assert_true((uint64_t)specs->columns[8].int_max == high);
  mlaas_specs_free(specs);
  test_table_free(&table);
}

/* Both compilations of the kernels give the same bits. */
static void kernels_agree(void **state) {
  (void)state;
  const struct mlaas_stats_kernels *base = mlaas_stats_kernels_base(), *fast = mlaas_stats_kernels_get();
  for (size_t count = 1; count < MLAAS_BLOCK; count += 37) {
    struct mlaas_stats_block block = {.count = count};
    double min, max, low, high;
    for (size_t i = 0; i < count; i++)
      block.values[i] = (double)(test_random() % 1000) / 7 - 30;
    assert_true(base->sum(&block, &min, &max) == fast->sum(&block, &low, &high) && min == low && max == high);
    assert_true(base->squares(&block, 1.5) == fast->squares(&block, 1.5));
    struct mlaas_extreme a = base->count_extreme(&block, min, 1), b = fast->count_extreme(&block, min, 1);
    assert_true(a.at == b.at && a.next == b.next);
  }
}

/* ---- merging ---- */

static void assert_same(const struct mlaas_column_stats *a, const struct mlaas_column_stats *b) {
  double size = fmax(fabs(a->min), fabs(a->max));
  assert_string_equal(a->name, b->name);
  assert_true(a->count == b->count && a->nan == b->nan && a->inf == b->inf && a->missing == b->missing);
  assert_true(a->min == b->min && a->max == b->max && a->at_min == b->at_min && a->at_max == b->at_max);
  assert_true(a->next_min == b->next_min && a->next_max == b->next_max);
  assert_true(a->int_min == b->int_min && a->int_max == b->int_max && a->shape == b->shape);
  assert_near(a->mean, (long double)b->mean, size);
  assert_near(a->m2, (long double)b->m2, size * size * (double)a->count);
  assert_int_equal(a->num_lengths, b->num_lengths);
  for (size_t i = 0; i < a->num_lengths; i++)
    assert_int_equal(a->lengths[i], b->lengths[i]);
}

static void merging_does_not_depend_on_the_order(void **state) {
  (void)state;
  struct test_table tables[3];
  struct mlaas_specs *specs[3], *left, *right;
  for (size_t i = 0; i < 3; i++) {
    make_table(&tables[i], 200 + 150 * (int64_t)i);
    assert_int_equal(scan(&tables[i], (const char *const[]){"a", "b", "c"}[i], &specs[i]), MLAAS_OK);
  }
  left = mlaas_specs_copy(specs[0], NULL);
  right = mlaas_specs_copy(specs[2], NULL);
  assert_int_equal(mlaas_specs_merge(left, specs[1], NULL), MLAAS_OK);
  assert_int_equal(mlaas_specs_merge(left, specs[2], NULL), MLAAS_OK);
  assert_int_equal(mlaas_specs_merge(right, specs[1], NULL), MLAAS_OK);
  assert_int_equal(mlaas_specs_merge(right, specs[0], NULL), MLAAS_OK);
  assert_int_equal(left->num_files, 3);
  for (size_t i = 0; i < NUM_COLUMNS; i++)
    assert_same(&left->columns[i], &right->columns[i]);
  mlaas_specs_free(left);
  mlaas_specs_free(right);
  for (size_t i = 0; i < 3; i++) {
    mlaas_specs_free(specs[i]);
    test_table_free(&tables[i]);
  }
}

static void what_does_not_merge(void **state) {
  (void)state;
  struct test_table table;
  struct mlaas_specs *specs, *other;
  struct mlaas_error error;
  make_table(&table, 50);
  assert_int_equal(scan(&table, "a", &specs), MLAAS_OK);
  other = mlaas_specs_copy(specs, NULL);
  assert_int_equal(mlaas_specs_merge(specs, other, &error), MLAAS_ARGUMENT);
  assert_string_equal(error.message, "file \"a\" is in both statistics");
  other->files[0].id[0] = 'b';
  other->columns[3].format[0] = 'f';
  assert_int_equal(mlaas_specs_merge(specs, other, &error), MLAAS_SCHEMA);
  assert_string_equal(error.message,
                      "branch \"d_s\" holds numbers of type \"s\" in one file and numbers of \"f\" in another");
  assert_int_equal(specs->num_files, 1); /* unchanged */
  other->columns[3].format[0] = 's';
  other->columns[4].name[0] = 'Z'; /* a branch that only one of them has */
  assert_int_equal(mlaas_specs_merge(specs, other, &error), MLAAS_OK);
  assert_int_equal(specs->num_columns, NUM_COLUMNS - 1);
  assert_null(mlaas_specs_find(specs, "e_S"));
  other->table[0] = 'x';
  other->files[0].id[0] = 'c';
  assert_int_equal(mlaas_specs_merge(specs, other, &error), MLAAS_SCHEMA);
  assert_non_null(strstr(error.message, "do not add to those of \"dir/tree;1\""));
  mlaas_specs_free(other);
  mlaas_specs_free(specs);
  test_table_free(&table);
}

/* ---- JSON ---- */

static void json_keeps_everything(void **state) {
  (void)state;
  struct test_table table;
  struct mlaas_specs *specs = NULL, *read = NULL;
  struct mlaas_error error;
  char *first = NULL, *second = NULL;
  make_table(&table, 300);
  assert_int_equal(scan(&table, "UUID:77", &specs), MLAAS_OK);
  assert_int_equal(mlaas_specs_format(specs, &first, NULL), MLAAS_OK);
  if (mlaas_specs_parse(first, strlen(first), &read, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  assert_int_equal(mlaas_specs_format(read, &second, NULL), MLAAS_OK);
  assert_string_equal(first, second);
  for (size_t i = 0; i < NUM_COLUMNS; i++) {
    assert_same(&specs->columns[i], &read->columns[i]);
    assert_true(specs->columns[i].mean == read->columns[i].mean && specs->columns[i].m2 == read->columns[i].m2);
  }
  mlaas_text_free(first);
  mlaas_text_free(second);
  mlaas_specs_free(read);
  mlaas_specs_free(specs);
  test_table_free(&table);
}

static enum mlaas_status parse(const char *json, struct mlaas_error *error) {
  struct mlaas_specs *specs = NULL;
  enum mlaas_status status = mlaas_specs_parse(json, strlen(json), &specs, error);
  mlaas_specs_free(specs);
  return status;
}

static void bad_json_is_refused(void **state) {
  (void)state;
  struct mlaas_error error;
  assert_int_equal(parse("{", &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "line 1"));
  assert_int_equal(parse("[]", &error), MLAAS_FORMAT);
  assert_int_equal(parse("{\"format\": \"mlaas-specs\", \"version\": 2}", &error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(error.message, "version 2 is newer"));
  assert_int_equal(parse("{\"format\": \"mlaas-specs\", \"version\": 1, \"table\": \"t\", \"files\": [], "
                         "\"columns\": [{\"name\": \"a\", \"type\": \"q\"}]}",
                         &error),
                   MLAAS_FORMAT);
  assert_string_equal(error.where, "specs: columns[0]");
  assert_string_equal(error.message, "\"type\" has to be one of Arrow's b c C s S i I l L f g");
}

static void global_specs_are_the_originals(void **state) {
  (void)state;
  static const char text[] =
      "{\"jdim\": {\"jetPt\": 3}, \"minv\": {\"runNo\": 1.0, \"jetPt\": -0.25, \"w\": 1e-05}, \"maxv\": {\"runNo\": "
      "1.0, "
      "\"jetPt\": 0.75, \"w\": 2.0}, \"fkeys\": [\"runNo\", \"w\"], \"jkeys\": [\"jetPt\"], \"nans\": {\"runNo\": 1.0, "
      "\"jetPt\": 0.25, \"w\": -5.000025000125001e-06}, \"events\": {\"total\": 30, \"a.root\": 10, \"b.root\": 20}}";
  struct mlaas_specs *specs = NULL;
  struct mlaas_error error;
  char *again = NULL;
  if (mlaas_specs_parse(text, strlen(text), &specs, &error) != MLAAS_OK)
    fail_msg("%s: %s", error.where, error.message);
  assert_int_equal(specs->num_files, 2);
  assert_true(specs->columns[1].jagged && specs->columns[1].num_lengths == 4);
  assert_int_equal(mlaas_specs_format_global(specs, &again, NULL), MLAAS_OK);
  assert_string_equal(again, text);
  mlaas_text_free(again);
  mlaas_specs_free(specs);
}

/* ---- memory ---- */

static void every_allocation_may_fail(void **state) {
  (void)state;
  struct test_table table;
  make_table(&table, 60);
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status == MLAAS_MEMORY; n++) {
    struct mlaas_specs *specs = NULL, *read = NULL;
    char *json = NULL;
    assert_true(n < 1000);
    mlaas_memory_fail(n, n % 2);
    status = scan(&table, "a", &specs);
    if (status == MLAAS_OK)
      status = mlaas_specs_format(specs, &json, NULL);
    if (status == MLAAS_OK)
      status = mlaas_specs_parse(json, strlen(json), &read, NULL);
    if (status == MLAAS_OK) {
      read->files[0].id[0] = 'b';
      status = mlaas_specs_merge(specs, read, NULL);
    }
    mlaas_memory_fail(0, false);
    mlaas_specs_free(read);
    mlaas_specs_free(specs);
    mlaas_text_free(json);
  }
  assert_int_equal(status, MLAAS_OK);
  test_table_free(&table);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(statistics_are_the_plain_sums),
      cmocka_unit_test(integers_of_64_bits_are_exact),
      cmocka_unit_test(kernels_agree),
      cmocka_unit_test(merging_does_not_depend_on_the_order),
      cmocka_unit_test(what_does_not_merge),
      cmocka_unit_test(json_keeps_everything),
      cmocka_unit_test(bad_json_is_refused),
      cmocka_unit_test(global_specs_are_the_originals),
      cmocka_unit_test(every_allocation_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
