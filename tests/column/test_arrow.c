/* Arrow structs: ownership, moving, metadata, failing memory. */
#include "column/arrow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void schema_copies_what_it_is_given(void **state) {
  (void)state;
  char format[] = "+s", name[] = "rows";
  struct ArrowSchema schema;
  assert_int_equal(mlaas_schema_init(&schema, format, name, 2, NULL), MLAAS_OK);
  format[1] = name[0] = 'x';
  assert_string_equal(schema.format, "+s");
  assert_string_equal(schema.name, "rows");
  assert_int_equal(schema.n_children, 2);
  assert_null(schema.children[0]->release);
  assert_int_equal(mlaas_schema_init(schema.children[0], "f", "pt", 0, NULL), MLAAS_OK);
  mlaas_schema_release(&schema);
  assert_null(schema.release);
  mlaas_schema_release(&schema); /* legal once more */
}

static void metadata_is_arrows_binary_form(void **state) {
  (void)state;
  struct ArrowSchema schema;
  size_t length;
  assert_int_equal(mlaas_schema_init(&schema, "i", "x", 0, NULL), MLAAS_OK);
  assert_null(mlaas_schema_metadata(&schema, "a", &length));
  assert_int_equal(mlaas_schema_annotate(&schema, "mlaas.counter", "nJet", NULL), MLAAS_OK);
  assert_int_equal(mlaas_schema_annotate(&schema, "b", "", NULL), MLAAS_OK);
  static const char expected[] = "\2\0\0\0\15\0\0\0mlaas.counter\4\0\0\0nJet\1\0\0\0b\0\0\0";
  assert_memory_equal(schema.metadata, expected, sizeof expected);
  const char *value = mlaas_schema_metadata(&schema, "mlaas.counter", &length);
  assert_int_equal(length, 4);
  assert_memory_equal(value, "nJet", 4);
  assert_non_null(mlaas_schema_metadata(&schema, "b", &length));
  assert_int_equal(length, 0);
  mlaas_schema_release(&schema);
}

static void array_gives_its_blocks_back(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_block blocks[2];
  struct ArrowArray array;
  for (int i = 0; i < 2; i++)
    assert_int_equal(mlaas_block_new(budget, 100, &blocks[i], NULL), MLAAS_OK);
  void *first = blocks[0].data;
  assert_int_equal(mlaas_array_init(&array, 7, blocks, 2, 1, NULL), MLAAS_OK);
  assert_null(blocks[0].data);
  assert_int_equal(array.n_buffers, 3);
  assert_null(array.buffers[0]);
  assert_ptr_equal(array.buffers[1], first);
  assert_int_equal(array.length, 7);
  assert_int_equal(mlaas_array_init(array.children[0], 7, NULL, 0, 0, NULL), MLAAS_OK);
  assert_true(mlaas_budget_held(budget) >= 200);
  mlaas_array_release(&array);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_array_release(&array);
  mlaas_budget_put(budget);
}

static void a_child_may_be_moved_out(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct mlaas_block block;
  struct ArrowArray parent, moved;
  assert_int_equal(mlaas_array_init(&parent, 1, NULL, 0, 1, NULL), MLAAS_OK);
  assert_int_equal(mlaas_block_new(budget, 64, &block, NULL), MLAAS_OK);
  assert_int_equal(mlaas_array_init(parent.children[0], 1, &block, 1, 0, NULL), MLAAS_OK);
  moved = *parent.children[0];
  parent.children[0]->release = NULL;
  mlaas_array_release(&parent);
  assert_int_equal(mlaas_budget_held(budget), 64);
  mlaas_array_release(&moved);
  assert_int_equal(mlaas_budget_held(budget), 0);
  mlaas_budget_put(budget);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  struct mlaas_error error;
  for (long n = 1;; n++) {
    struct ArrowSchema schema;
    struct ArrowArray array = {0};
    mlaas_memory_fail(n, false);
    enum mlaas_status status = mlaas_schema_init(&schema, "+s", "x", 3, &error);
    if (status == MLAAS_OK)
      status = mlaas_schema_annotate(&schema, "k", "v", &error);
    if (status == MLAAS_OK)
      status = mlaas_array_init(&array, 0, NULL, 0, 3, &error);
    mlaas_memory_fail(0, false);
    mlaas_schema_release(&schema);
    mlaas_array_release(&array);
    if (status == MLAAS_OK) {
      assert_true(n > 5);
      return;
    }
    assert_int_equal(status, MLAAS_MEMORY);
    assert_int_equal(error.status, MLAAS_MEMORY);
  }
}

static void widths_are_arrows(void **state) {
  (void)state;
  assert_int_equal(mlaas_format_width("c"), 1);
  assert_int_equal(mlaas_format_width("S"), 2);
  assert_int_equal(mlaas_format_width("f"), 4);
  assert_int_equal(mlaas_format_width("L"), 8);
  assert_int_equal(mlaas_format_width("b"), 0);
  assert_int_equal(mlaas_format_width("+l"), 0);
  assert_int_equal(mlaas_format_width(""), 0);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(schema_copies_what_it_is_given), cmocka_unit_test(metadata_is_arrows_binary_form),
      cmocka_unit_test(array_gives_its_blocks_back),    cmocka_unit_test(a_child_may_be_moved_out),
      cmocka_unit_test(every_allocation_may_fail),      cmocka_unit_test(widths_are_arrows),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
