/* Tables: found by path, cycles, columns by name, schemas, and what is said of what is not there. */
#include <mlaas/file.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define DATA TESTS_ROOT "/tests/data/"

struct opened {
  struct mlaas_context *context;
  struct mlaas_file *file;
  struct mlaas_error error;
};

static void open_file(struct opened *opened, const char *path) {
  assert_int_equal(mlaas_context_new(NULL, &opened->context, NULL), MLAAS_OK);
  assert_int_equal(mlaas_file_open(opened->context, path, &opened->file, &opened->error), MLAAS_OK);
}

static void close_file(struct opened *opened) {
  mlaas_file_close(opened->file);
  assert_int_equal(mlaas_context_memory_held(opened->context), 0);
  mlaas_context_put(opened->context);
}

static void the_highest_cycle_is_taken(void **state) {
  (void)state;
  struct opened opened;
  struct mlaas_table *table;
  open_file(&opened, DATA "cycles.root");
  assert_true(mlaas_file_num_tables(opened.file) >= 2);
  assert_int_equal(mlaas_table_open(opened.file, NULL, &table, &opened.error), MLAAS_OK);
  const char *cycle = strchr(mlaas_table_path(table), ';');
  assert_non_null(cycle);
  assert_true(cycle[1] > '1');
  mlaas_table_close(table);
  struct mlaas_table_info info;
  for (size_t i = 0; i < mlaas_file_num_tables(opened.file); i++) {
    mlaas_file_table(opened.file, i, &info);
    assert_int_equal(mlaas_table_open(opened.file, info.path, &table, &opened.error), MLAAS_OK);
    assert_string_equal(mlaas_table_path(table), info.path);
    mlaas_table_close(table);
  }
  close_file(&opened);
}

static void what_is_not_there_is_suggested(void **state) {
  (void)state;
  struct opened opened;
  struct mlaas_table *table;
  size_t column;
  open_file(&opened, DATA "names.root");
  assert_int_equal(mlaas_table_open(opened.file, NULL, &table, &opened.error), MLAAS_ARGUMENT);
  assert_non_null(strstr(opened.error.message, "several tables"));
  assert_int_equal(mlaas_table_open(opened.file, "one/twoo/t", &table, &opened.error), MLAAS_NOT_FOUND);
  assert_non_null(strstr(opened.error.message, "one/two/t"));
  assert_non_null(strstr(opened.error.where, "names.root"));
  assert_int_equal(mlaas_table_open(opened.file, "one/two/t;77", &table, &opened.error), MLAAS_NOT_FOUND);
  close_file(&opened);
  open_file(&opened, DATA "strings-split0.root");
  assert_int_equal(mlaas_table_open(opened.file, NULL, &table, &opened.error), MLAAS_OK);
  struct mlaas_column_info info;
  for (size_t i = 0; i < mlaas_table_num_columns(table); i++) {
    mlaas_table_column(table, i, &info);
    assert_int_equal(mlaas_table_find(table, info.name, &column, &opened.error), MLAAS_OK);
    assert_int_equal(column, i);
  }
  assert_int_equal(mlaas_table_find(table, "no such column at all", &column, &opened.error), MLAAS_NOT_FOUND);
  mlaas_table_close(table);
  close_file(&opened);
}

static void a_counted_column_names_its_counter(void **state) {
  (void)state;
  struct opened opened;
  struct mlaas_table *table;
  struct ArrowSchema schema;
  size_t column;
  open_file(&opened, DATA "old-branch-split1.root");
  assert_int_equal(mlaas_table_open(opened.file, NULL, &table, &opened.error), MLAAS_OK);
  assert_int_equal(mlaas_table_find(table, "obj/trk/trk.px", &column, &opened.error), MLAAS_OK);
  assert_int_equal(mlaas_table_schema(table, &column, 1, &schema, &opened.error), MLAAS_OK);
  assert_string_equal(schema.format, "+s");
  assert_int_equal(schema.n_children, 1);
  assert_string_equal(schema.children[0]->name, "obj/trk/trk.px");
  assert_string_equal(schema.children[0]->format, "+l");
  assert_string_equal(schema.children[0]->children[0]->format, "f");
  schema.release(&schema);
  column = mlaas_table_num_columns(table);
  assert_int_equal(mlaas_table_schema(table, &column, 1, &schema, &opened.error), MLAAS_ARGUMENT);
  mlaas_table_close(table);
  close_file(&opened);
}

static void an_ntuple_lists_its_fields_and_clusters(void **state) {
  (void)state;
  struct opened opened;
  struct mlaas_table *table;
  struct mlaas_column_info info;
  size_t count, column;
  open_file(&opened, DATA "ntuple-clusters.root");
  assert_int_equal(mlaas_table_open(opened.file, NULL, &table, &opened.error), MLAAS_OK);
  assert_int_equal(mlaas_table_num_entries(table), 60);
  assert_int_equal(mlaas_table_num_columns(table), 4);
  const int64_t *clusters = mlaas_table_clusters(table, &count);
  assert_int_equal(count, 9);
  for (size_t i = 0; i < count; i++)
    assert_int_equal(clusters[i], 7 * i);
  assert_int_equal(mlaas_table_find(table, "v", &column, &opened.error), MLAAS_OK);
  mlaas_table_column(table, column, &info);
  assert_string_equal(info.type_name, "std::vector<float>");
  assert_null(info.unsupported);
  assert_int_equal(info.num_baskets, 2 * 9);
  assert_true(info.stored_bytes > 0 && info.raw_bytes >= info.stored_bytes);
  assert_int_equal(info.compression, 505);
  mlaas_table_close(table);
  close_file(&opened);
}

static void an_empty_tree_has_no_rows_and_no_clusters(void **state) {
  (void)state;
  struct opened opened;
  struct mlaas_table *table;
  struct mlaas_reader *reader;
  struct ArrowArray array;
  struct mlaas_table_info info;
  open_file(&opened, DATA "empty.root");
  for (size_t i = 0; i < mlaas_file_num_tables(opened.file); i++) {
    mlaas_file_table(opened.file, i, &info);
    assert_int_equal(mlaas_table_open(opened.file, info.path, &table, &opened.error), MLAAS_OK);
    if (mlaas_table_num_entries(table) == 0) {
      size_t count;
      assert_non_null(mlaas_table_clusters(table, &count));
      assert_int_equal(count, 0);
      assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &opened.error), MLAAS_OK);
      assert_int_equal(mlaas_reader_read(reader, 0, 0, &array, &opened.error), MLAAS_OK);
      assert_int_equal(array.length, 0);
      array.release(&array);
      mlaas_reader_close(reader);
    }
    mlaas_table_close(table);
  }
  close_file(&opened);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(the_highest_cycle_is_taken),
      cmocka_unit_test(what_is_not_there_is_suggested),
      cmocka_unit_test(a_counted_column_names_its_counter),
      cmocka_unit_test(an_ntuple_lists_its_fields_and_clusters),
      cmocka_unit_test(an_empty_tree_has_no_rows_and_no_clusters),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
