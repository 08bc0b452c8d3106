/* Tables from elsewhere, made up here: what is copied, what is checked, and that nothing leaks when memory is short. */
#include "base/memory.h"

#include <mlaas/dataset.h>
#include <mlaas/file.h>
#include <mlaas/foreign.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

enum { ENTRIES = 10 };

/* What the made-up format does, and what was done with it. */
struct format {
  int opened, closed; /* handles of all kinds */
  int trimmed;
  bool lists_go_back; /* offsets that fall */
  bool nulls;         /* where the schema has none */
  int64_t claims;     /* bytes that a reader holds from the first read on */
  bool claimed, refused;
};

struct reader {
  struct format *format;
  struct mlaas_foreign_purse *purse;
  size_t columns[4], num_columns;
};

static struct format state_of;

/* ---- the data: entry i has x = i, flag = i % 3 == 0, name = i letters or nothing for odd ones, pt = i % 4 numbers ---
 */

static float xs[ENTRIES + 1];
static uint8_t flags[2], there[2];
static int32_t name_offsets[ENTRIES + 1], list_offsets[ENTRIES + 2];
static char letters[ENTRIES * ENTRIES];
static double items[64];

static void make_data(void) {
  memset(flags, 0, sizeof flags);
  memset(there, 0, sizeof there);
  memset(letters, 'a', sizeof letters);
  xs[0] = -1; /* in front of the array's offset */
  list_offsets[0] = 0;
  list_offsets[1] = 5;
  for (int i = 0; i < ENTRIES; i++) {
    xs[i + 1] = (float)i;
    flags[i / 8] |= (uint8_t)((i % 3 == 0) << (i % 8));
    there[i / 8] |= (uint8_t)((i % 2 == 0) << (i % 8));
    name_offsets[i + 1] = name_offsets[i] + i;
    list_offsets[i + 2] = list_offsets[i + 1] + i % 4;
  }
  for (int i = 0; i < 64; i++)
    items[i] = i;
}

static void release_schema(struct ArrowSchema *schema) { schema->release = NULL; }
static void release_array(struct ArrowArray *array) { array->release = NULL; }

static struct ArrowSchema item_schema = {.format = "g", .name = "item", .release = release_schema};
static struct ArrowSchema *item_list[] = {&item_schema};
static struct ArrowSchema column_schemas[] = {
    {.format = "f", .name = "x", .release = release_schema},
    {.format = "b", .name = "flag", .release = release_schema},
    {.format = "u", .name = "name", .flags = ARROW_FLAG_NULLABLE, .release = release_schema},
    {.format = "+l", .name = "pt", .n_children = 1, .children = item_list, .release = release_schema},
    {.format = "n", .name = "strange", .release = release_schema}};
static struct ArrowSchema *schema_list[] = {&column_schemas[0], &column_schemas[1], &column_schemas[2],
                                            &column_schemas[3], &column_schemas[4]};
static struct ArrowSchema whole_schema = {
    .format = "+s", .name = "", .n_children = 5, .children = schema_list, .release = release_schema};

static const void *x_buffers[] = {NULL, xs}, *flag_buffers[] = {NULL, flags},
                  *name_buffers[] = {there, name_offsets, letters}, *pt_buffers[] = {NULL, list_offsets},
                  *item_buffers[] = {NULL, items}, *null_buffers[] = {there, xs};

/* ---- functions ---- */

static enum mlaas_status open_file(void *context, struct mlaas_context *job, const char *url,
                                   struct mlaas_foreign_file *file, struct mlaas_error *error) {
  static const char *const tables[] = {""};
  struct format *format = context;
  assert_non_null(job);
  if (!strstr(url, ".made"))
    return MLAAS_OK;
  if (strstr(url, "broken")) {
    *error = (struct mlaas_error){.status = MLAAS_FORMAT, .message = "it is broken"};
    return MLAAS_FORMAT;
  }
  *file = (struct mlaas_foreign_file){.handle = format,
                                      .format = "Made",
                                      .head = "head",
                                      .head_size = 4,
                                      .tail = "tail",
                                      .tail_size = 4,
                                      .size = 1000,
                                      .tables = tables,
                                      .num_tables = 1};
  format->opened++;
  return MLAAS_OK;
}

static void close_any(void *handle) { ((struct format *)handle)->closed++; }

static enum mlaas_status open_table(void *file, size_t i, struct mlaas_foreign_table *table,
                                    struct mlaas_error *error) {
  static const int64_t clusters[] = {0, 4};
  static const struct mlaas_foreign_column columns[] = {{"x", "float", NULL, 10, 40},
                                                        {"flag", "bool", NULL, 10, 10},
                                                        {"name", "string", NULL, 10, 100},
                                                        {"pt", "list<double>", NULL, 10, 100},
                                                        {"strange", "map", "it is a map", 0, 0}};
  (void)error;
  assert_int_equal(i, 0);
  *table = (struct mlaas_foreign_table){.handle = file,
                                        .num_entries = ENTRIES,
                                        .clusters = clusters,
                                        .num_clusters = 2,
                                        .columns = columns,
                                        .num_columns = 5,
                                        .schema = &whole_schema};
  ((struct format *)file)->opened++;
  return MLAAS_OK;
}

static enum mlaas_status open_reader(void *table, const size_t *columns, size_t num_columns,
                                     struct mlaas_foreign_purse *purse, void **reader, struct mlaas_error *error) {
  static struct reader only;
  (void)error;
  only = (struct reader){.format = table, .purse = purse, .num_columns = num_columns};
  assert_true(num_columns <= 4);
  memcpy(only.columns, columns, num_columns * sizeof *columns);
  only.format->opened++;
  *reader = &only;
  return MLAAS_OK;
}

static void close_reader(void *reader) { ((struct reader *)reader)->format->closed++; }

static void trim(void *handle) {
  struct reader *reader = handle;
  reader->format->trimmed++;
  assert_false(reader->purse->claim(reader->purse, INT64_MIN));
  assert_true(reader->purse->claim(reader->purse, -reader->format->claims));
  reader->format->claimed = false;
  reader->format->claims = 0;
}

static struct ArrowArray column_of(size_t i, int64_t start, int64_t length) {
  static struct ArrowArray child, *children[] = {&child};
  struct ArrowArray array = {.length = length, .offset = start, .n_buffers = 2, .release = release_array};
  child = (struct ArrowArray){.length = 64, .n_buffers = 2, .buffers = item_buffers, .release = release_array};
  if (i == 0) {
    array.buffers = state_of.nulls ? null_buffers : x_buffers;
    array.null_count = state_of.nulls ? -1 : 0;
    array.offset = state_of.nulls ? start : start + 1;
  }
  if (i == 1)
    array.buffers = flag_buffers;
  if (i == 2) {
    array.buffers = name_buffers;
    array.n_buffers = 3;
    array.null_count = -1;
  }
  if (i == 3) {
    array.buffers = pt_buffers;
    array.offset = start + 1;
    array.n_children = 1;
    array.children = children;
    list_offsets[5] = state_of.lists_go_back ? 3 : list_offsets[4] + 3;
  }
  return array;
}

static enum mlaas_status read_rows(void *handle, int64_t start, int64_t stop, struct ArrowArray *array,
                                   struct mlaas_error *error) {
  static struct ArrowArray columns[4], *list[] = {&columns[0], &columns[1], &columns[2], &columns[3]};
  static const void *buffers[] = {NULL};
  struct reader *reader = handle;
  struct format *format = reader->format;
  if (format->claims && !format->claimed) {
    format->refused = !reader->purse->claim(reader->purse, format->claims);
    format->claimed = !format->refused;
  }
  if (format->refused) {
    *error = (struct mlaas_error){.status = MLAAS_LIMIT, .message = "it does not fit"};
    return MLAAS_LIMIT;
  }
  for (size_t i = 0; i < reader->num_columns; i++)
    columns[i] = column_of(reader->columns[i], start, stop - start);
  *array = (struct ArrowArray){.length = stop - start,
                               .n_buffers = 1,
                               .buffers = buffers,
                               .n_children = (int64_t)reader->num_columns,
                               .children = list,
                               .release = release_array};
  return MLAAS_OK;
}

static struct mlaas_foreign functions = {.size = sizeof functions,
                                         .context = &state_of,
                                         .open = open_file,
                                         .close = close_any,
                                         .open_table = open_table,
                                         .close_table = close_any,
                                         .open_reader = open_reader,
                                         .close_reader = close_reader,
                                         .read = read_rows,
                                         .trim = trim};

static struct mlaas_context *new_context(int64_t memory) {
  struct mlaas_context_options options = {.size = sizeof options, .memory = memory, .foreign = &functions};
  struct mlaas_context *context = NULL;
  memset(&state_of, 0, sizeof state_of);
  make_data();
  assert_int_equal(mlaas_context_new(&options, &context, NULL), MLAAS_OK);
  return context;
}

static void end(struct mlaas_context *context) {
  assert_int_equal(state_of.opened, state_of.closed);
  assert_int_equal(mlaas_context_memory_held(context), 0);
  mlaas_context_put(context);
}

static enum mlaas_status open_made(struct mlaas_context *context, struct mlaas_table **table,
                                   struct mlaas_error *error) {
  struct mlaas_file *file = NULL;
  enum mlaas_status status = mlaas_file_open(context, "some.made", &file, error);
  if (status == MLAAS_OK)
    status = mlaas_table_open(file, "any name", table, error);
  mlaas_file_close(file);
  return status;
}

/* ---- tests ---- */

static void a_file_says_what_it_is(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(0);
  struct mlaas_error error;
  struct mlaas_file *file = NULL;
  struct mlaas_file_info info;
  struct mlaas_table_info table;
  assert_int_equal(mlaas_file_open(context, "some.made", &file, &error), MLAAS_OK);
  mlaas_file_info(file, &info);
  assert_string_equal(info.url, "some.made");
  assert_int_equal(strncmp(info.id, "xxh3-", 5), 0);
  assert_string_equal(strchr(info.id, ':'), ":1000");
  assert_int_equal(mlaas_file_num_tables(file), 1);
  mlaas_file_table(file, 0, &table);
  assert_string_equal(table.class_name, "Made");
  mlaas_file_close(file);
  end(context);
}

static void others_are_left_to_the_root_reader(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(0);
  struct mlaas_error error;
  struct mlaas_file *file = NULL;
  assert_int_equal(mlaas_file_open(context, TESTS_ROOT "/tests/data/names.root", &file, &error), MLAAS_OK);
  mlaas_file_close(file);
  assert_int_equal(mlaas_file_open(context, "broken.made", &file, &error), MLAAS_FORMAT);
  assert_string_equal(error.where, "broken.made");
  assert_string_equal(error.message, "it is broken");
  end(context);
}

static void columns_are_copied_into_the_form_of_this_library(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(0);
  struct mlaas_error error;
  struct mlaas_table *table = NULL;
  struct mlaas_reader *reader = NULL;
  struct ArrowArray array;
  assert_int_equal(open_made(context, &table, &error), MLAAS_OK);
  assert_int_equal(mlaas_table_num_columns(table), 5);
  assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_read(reader, 3, 9, &array, &error), MLAAS_OK);
  assert_int_equal(array.n_children, 4);
  for (int64_t i = 0; i < 6; i++) {
    const struct ArrowArray *x = array.children[0], *flag = array.children[1], *name = array.children[2],
                            *pt = array.children[3];
    int64_t entry = i + 3;
    assert_true(((const float *)x->buffers[1])[i] == (float)entry);
    assert_int_equal(((const uint8_t *)flag->buffers[1])[0] >> i & 1, entry % 3 == 0);
    assert_int_equal(((const uint8_t *)name->buffers[0])[0] >> i & 1, entry % 2 == 0);
    const int32_t *texts = name->buffers[1], *lists = pt->buffers[1];
    assert_int_equal(texts[0], 0);
    assert_int_equal(texts[i + 1] - texts[i], entry);
    assert_int_equal(lists[0], 0);
    assert_int_equal(lists[i + 1] - lists[i], entry % 4);
    if (entry % 4)
      assert_true(((const double *)pt->children[0]->buffers[1])[lists[i]] == (double)list_offsets[entry + 1]);
  }
  assert_int_equal(array.children[2]->null_count, 3);
  array.release(&array);
  mlaas_reader_close(reader);
  mlaas_table_close(table);
  end(context);
}

static void read_fails(const char *words) {
  struct mlaas_error error;
  struct mlaas_table *table = NULL;
  struct mlaas_reader *reader = NULL;
  struct ArrowArray array;
  struct mlaas_context *context = new_context(0);
  if (strstr(words, "begins"))
    state_of.lists_go_back = true;
  else
    state_of.nulls = true;
  assert_int_equal(open_made(context, &table, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_read(reader, 0, ENTRIES, &array, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, words));
  assert_non_null(strstr(error.where, "some.made"));
  assert_non_null(strstr(error.where, "column "));
  mlaas_reader_close(reader);
  mlaas_table_close(table);
  end(context);
}

static void what_contradicts_itself_is_refused(void **state) {
  (void)state;
  read_fails("ends before it begins");
  read_fails("is missing");
}

static void values_with_a_dictionary_are_refused(void **state) {
  (void)state;
  struct mlaas_error error;
  struct mlaas_table *table = NULL;
  struct mlaas_context *context = new_context(0);
  for (size_t i = 0; i < 2; i++) { /* of a column, of the items of lists */
    struct ArrowSchema *of = i ? &item_schema : &column_schemas[0];
    of->dictionary = &column_schemas[2];
    assert_int_equal(open_made(context, &table, &error), MLAAS_INTERNAL);
    assert_non_null(strstr(error.message, "dictionary"));
    of->dictionary = NULL;
  }
  end(context);
}

static void what_a_reader_holds_is_counted_and_let_go(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(1 << 20);
  struct mlaas_error error;
  struct mlaas_table *table = NULL;
  struct mlaas_reader *reader = NULL;
  struct ArrowArray array;
  state_of.claims = 500000;
  assert_int_equal(open_made(context, &table, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_read(reader, 0, 2, &array, &error), MLAAS_OK);
  array.release(&array);
  assert_true(mlaas_context_memory_held(context) >= 500000);
  mlaas_reader_close(reader); /* gives back what the format forgot */
  assert_true(mlaas_context_memory_held(context) < 500000);
  state_of.claims = 2 << 20;
  state_of.claimed = false;
  assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &error), MLAAS_OK);
  assert_int_equal(mlaas_reader_read(reader, 0, 2, &array, &error), MLAAS_LIMIT);
  mlaas_reader_close(reader);
  state_of.refused = false;
  assert_int_equal(mlaas_reader_open(table, NULL, 0, &reader, &error), MLAAS_OK);
  state_of.claims = (1 << 20) - mlaas_context_memory_held(context) - 64; /* the result does not fit beside it */
  assert_int_equal(mlaas_reader_read(reader, 0, ENTRIES, &array, &error), MLAAS_OK);
  assert_int_equal(state_of.trimmed, 1);
  array.release(&array);
  mlaas_reader_close(reader);
  mlaas_table_close(table);
  end(context);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  enum mlaas_status status = MLAAS_MEMORY;
  long n = 1;
  for (; status != MLAAS_OK && n < 500; n++) {
    struct mlaas_context *context = new_context(0);
    struct mlaas_error error;
    struct mlaas_table *table = NULL;
    struct mlaas_reader *reader = NULL;
    struct ArrowArray array = {0};
    mlaas_memory_fail(n, false);
    status = open_made(context, &table, &error);
    if (status == MLAAS_OK)
      status = mlaas_reader_open(table, NULL, 0, &reader, &error);
    if (status == MLAAS_OK)
      status = mlaas_reader_read(reader, 0, ENTRIES, &array, &error);
    mlaas_memory_fail(0, false);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    if (array.release)
      array.release(&array);
    mlaas_reader_close(reader);
    mlaas_table_close(table);
    end(context);
  }
  assert_true(n > 10 && n < 500);
}

static void a_data_set_takes_them(void **state) {
  (void)state;
  struct mlaas_context *context = new_context(0);
  struct mlaas_error error = {0};
  struct mlaas_dataset *dataset = NULL;
  struct mlaas_loader *loader = NULL;
  struct mlaas_batch *batch = NULL;
  const char *files[] = {"one.made", "two.made"};
  assert_int_equal(mlaas_dataset_open(context, files, 2, "[0, 1]", "{\"batch_size\": 8}", &dataset, &error), MLAAS_OK);
  assert_int_equal(mlaas_dataset_scan(dataset, NULL, NULL, &error), MLAAS_OK);
  struct mlaas_loader_options options = {.size = sizeof options, .split = "all", .shuffle = 0, .world = 1};
  assert_int_equal(mlaas_loader_open(dataset, &options, &loader, &error), MLAAS_OK);
  assert_int_equal(mlaas_loader_num_rows(loader), 2 * ENTRIES);
  int64_t rows = 0;
  while (mlaas_loader_next(loader, -1, &batch, &error) == MLAAS_OK && batch) {
    for (int64_t i = 0; i < batch->rows; i++)
      assert_true(batch->y[i] == (float)batch->file[i]);
    rows += batch->rows;
    mlaas_batch_release(batch);
  }
  assert_int_equal(rows, 2 * ENTRIES);
  mlaas_loader_close(loader);
  mlaas_dataset_close(dataset);
  end(context);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_file_says_what_it_is),
      cmocka_unit_test(others_are_left_to_the_root_reader),
      cmocka_unit_test(columns_are_copied_into_the_form_of_this_library),
      cmocka_unit_test(what_contradicts_itself_is_refused),
      cmocka_unit_test(values_with_a_dictionary_are_refused),
      cmocka_unit_test(what_a_reader_holds_is_counted_and_let_go),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(a_data_set_takes_them),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
