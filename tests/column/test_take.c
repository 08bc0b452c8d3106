/* Picking rows: every type, runs out of several arrays, missing rows, and allocations that fail. */
#include "column/arrow.h"
#include "column/take.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ROWS = 4 };

static void fill_block(struct mlaas_budget *budget, const void *data, int64_t size, struct mlaas_block *block) {
  assert_int_equal(mlaas_block_new(budget, size, block, NULL), MLAAS_OK);
  memcpy(block->data, data, (size_t)size);
}

/* struct {i: int32, b: bool, s: text, l: list<int16>, w: fixed 2 of uint8} */
static void make_schema(struct ArrowSchema *schema) {
  static const char *const formats[] = {"i", "b", "u", "+l", "+w:2"}, *const names[] = {"i", "b", "s", "l", "w"};
  assert_int_equal(mlaas_schema_init(schema, "+s", "", 5, NULL), MLAAS_OK);
  for (int i = 0; i < 5; i++)
    assert_int_equal(mlaas_schema_init(schema->children[i], formats[i], names[i], i > 2, NULL), MLAAS_OK);
  assert_int_equal(mlaas_schema_init(schema->children[3]->children[0], "s", "item", 0, NULL), MLAAS_OK);
  assert_int_equal(mlaas_schema_init(schema->children[4]->children[0], "C", "item", 0, NULL), MLAAS_OK);
}

/* Row k of array n has i = 10 n + k, b = k odd, s = k letters, l = k values of n, w = (k, n). */
static void make_array(struct mlaas_budget *budget, int n, struct ArrowArray *array) {
  struct mlaas_block blocks[2];
  const int32_t i[ROWS] = {10 * n, 10 * n + 1, 10 * n + 2, 10 * n + 3}, ends[ROWS + 1] = {0, 0, 1, 3, 6};
  const uint8_t bits = 0xa, w[] = {0, (uint8_t)n, 1, (uint8_t)n, 2, (uint8_t)n, 3, (uint8_t)n};
  const int16_t l[] = {(int16_t)n, (int16_t)n, (int16_t)n, (int16_t)n, (int16_t)n, (int16_t)n};
  assert_int_equal(mlaas_array_init(array, ROWS, NULL, 0, 5, NULL), MLAAS_OK);
  fill_block(budget, i, sizeof i, blocks);
  assert_int_equal(mlaas_array_init(array->children[0], ROWS, blocks, 1, 0, NULL), MLAAS_OK);
  fill_block(budget, &bits, 1, blocks);
  assert_int_equal(mlaas_array_init(array->children[1], ROWS, blocks, 1, 0, NULL), MLAAS_OK);
  fill_block(budget, ends, sizeof ends, blocks);
  fill_block(budget, "abbccc", 6, blocks + 1);
  assert_int_equal(mlaas_array_init(array->children[2], ROWS, blocks, 2, 0, NULL), MLAAS_OK);
  fill_block(budget, ends, sizeof ends, blocks);
  assert_int_equal(mlaas_array_init(array->children[3], ROWS, blocks, 1, 1, NULL), MLAAS_OK);
  fill_block(budget, l, sizeof l, blocks);
  assert_int_equal(mlaas_array_init(array->children[3]->children[0], 6, blocks, 1, 0, NULL), MLAAS_OK);
  assert_int_equal(mlaas_array_init(array->children[4], ROWS, NULL, 0, 1, NULL), MLAAS_OK);
  fill_block(budget, w, sizeof w, blocks);
  assert_int_equal(mlaas_array_init(array->children[4]->children[0], 2 * ROWS, blocks, 1, 0, NULL), MLAAS_OK);
}

struct scene {
  struct mlaas_budget *budget;
  struct ArrowSchema schema;
  struct ArrowArray arrays[2];
  const struct ArrowArray *chunks[2];
};

static int set_up(void **state) {
  static struct scene scene;
  scene.budget = mlaas_budget_new(1 << 20);
  make_schema(&scene.schema);
  for (int n = 0; n < 2; n++) {
    make_array(scene.budget, n + 1, &scene.arrays[n]);
    scene.chunks[n] = &scene.arrays[n];
  }
  *state = &scene;
  return 0;
}

static int tear_down(void **state) {
  struct scene *scene = *state;
  mlaas_schema_release(&scene->schema);
  mlaas_array_release(&scene->arrays[0]);
  mlaas_array_release(&scene->arrays[1]);
  assert_int_equal(mlaas_budget_held(scene->budget), 0);
  mlaas_budget_put(scene->budget);
  return 0;
}

/* 21 22, missing, 13, 20 */
static const struct mlaas_run runs[] = {{1, 1, 2}, {-1, 0, 1}, {0, 3, 1}, {1, 0, 1}};

static void rows_come_in_the_order_of_the_runs(void **state) {
  struct scene *scene = *state;
  struct ArrowArray made;
  assert_int_equal(mlaas_array_take(&scene->schema, scene->chunks, 2, runs, 4, scene->budget, &made, NULL), MLAAS_OK);
  assert_int_equal(made.length, 5);
  assert_int_equal(made.null_count, 1);
  assert_int_equal(((const uint8_t *)made.buffers[0])[0], 0x1b);
  const int32_t i[] = {21, 22, 0, 13, 20}, ends[] = {0, 1, 3, 3, 6, 6};
  assert_memory_equal(made.children[0]->buffers[1], i, sizeof i);
  assert_int_equal(made.children[0]->null_count, 0);
  assert_int_equal(((const uint8_t *)made.children[1]->buffers[1])[0], 0x9);
  assert_memory_equal(made.children[2]->buffers[1], ends, sizeof ends);
  assert_memory_equal(made.children[2]->buffers[2], "abbccc", 6);
  assert_memory_equal(made.children[3]->buffers[1], ends, sizeof ends);
  const int16_t l[] = {2, 2, 2, 1, 1, 1};
  assert_int_equal(made.children[3]->children[0]->length, 6);
  assert_memory_equal(made.children[3]->children[0]->buffers[1], l, sizeof l);
  const uint8_t w[] = {1, 2, 2, 2, 0, 0, 3, 1, 0, 2};
  assert_memory_equal(made.children[4]->children[0]->buffers[1], w, sizeof w);
  mlaas_array_release(&made);
}

static void missing_rows_stay_missing_when_taken_again(void **state) {
  struct scene *scene = *state;
  struct ArrowArray made, again;
  const struct mlaas_run back[] = {{0, 2, 2}, {0, 0, 1}};
  assert_int_equal(mlaas_array_take(&scene->schema, scene->chunks, 2, runs, 4, scene->budget, &made, NULL), MLAAS_OK);
  const struct ArrowArray *chunk = &made;
  assert_int_equal(mlaas_array_take(&scene->schema, &chunk, 1, back, 2, scene->budget, &again, NULL), MLAAS_OK);
  assert_int_equal(again.null_count, 1);
  assert_int_equal(((const uint8_t *)again.buffers[0])[0], 0x6);
  mlaas_array_release(&made);
  mlaas_array_release(&again);
}

static void nothing_and_only_missing_rows(void **state) {
  struct scene *scene = *state;
  struct ArrowArray made;
  const struct mlaas_run missing = {-1, 0, 3};
  assert_int_equal(mlaas_array_take(&scene->schema, NULL, 0, NULL, 0, scene->budget, &made, NULL), MLAAS_OK);
  assert_int_equal(made.length, 0);
  assert_int_equal(((const int32_t *)made.children[2]->buffers[1])[0], 0);
  mlaas_array_release(&made);
  assert_int_equal(mlaas_array_take(&scene->schema, NULL, 0, &missing, 1, scene->budget, &made, NULL), MLAAS_OK);
  assert_int_equal(made.null_count, 3);
  mlaas_array_release(&made);
}

static void other_types_are_refused(void **state) {
  struct scene *scene = *state;
  struct ArrowSchema schema;
  struct ArrowArray made;
  struct mlaas_error error;
  assert_int_equal(mlaas_schema_init(&schema, "U", "", 0, NULL), MLAAS_OK);
  assert_int_equal(mlaas_array_take(&schema, NULL, 0, NULL, 0, scene->budget, &made, &error), MLAAS_UNSUPPORTED);
  assert_string_equal(error.message, "rows of type 'U' cannot be picked");
  mlaas_schema_release(&schema);
}

static void every_allocation_may_fail(void **state) {
  struct scene *scene = *state;
  int64_t held = mlaas_budget_held(scene->budget);
  enum mlaas_status status = MLAAS_MEMORY;
  for (long n = 1; status != MLAAS_OK; n++) {
    struct ArrowArray made;
    mlaas_memory_fail(n, false);
    status = mlaas_array_take(&scene->schema, scene->chunks, 2, runs, 4, scene->budget, &made, NULL);
    mlaas_memory_fail(0, false);
    if (status == MLAAS_OK)
      mlaas_array_release(&made);
    assert_int_equal(mlaas_budget_held(scene->budget), held);
    assert_in_range(n, 1, 1000);
  }
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test_setup_teardown(rows_come_in_the_order_of_the_runs, set_up, tear_down),
      cmocka_unit_test_setup_teardown(missing_rows_stay_missing_when_taken_again, set_up, tear_down),
      cmocka_unit_test_setup_teardown(nothing_and_only_missing_rows, set_up, tear_down),
      cmocka_unit_test_setup_teardown(other_types_are_refused, set_up, tear_down),
      cmocka_unit_test_setup_teardown(every_allocation_may_fail, set_up, tear_down),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
