/* Fields of ntuples out of pages made by hand: what becomes of each kind of field, however the range is cut, and what
 * is refused because indices, switches or types do not fit.
 */
#include "../made_fields.h"

/* ---- what is read ---- */

static const int64_t ends3[] = {2, 2, 5};
static const int32_t five[] = {1, 2, 3, 4, 5};

/* A vector of int32 with the ends above; two clusters, the second one of it reversed in pages of two and one. */
static struct made *made_vector(void) {
  struct made *made = begin();
  uint32_t list = add_field(made, -1, "v", "std::vector<std::int32_t>", MLAAS_NTUPLE_COLLECTION);
  uint32_t item = add_field(made, (int)list, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t ends = add_column(made, list, MLAAS_NTUPLE_INDEX64, 64);
  uint32_t values = add_column(made, item, MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 3);
  add_page(made, ends, 3, ends3);
  add_page(made, values, 5, five);
  add_cluster(made, 3);
  add_page(made, ends, 2, (int64_t[]){1, 1});
  add_page(made, ends, 1, (int64_t[]){3});
  add_page(made, values, 2, (int32_t[]){7, 8});
  add_page(made, values, 1, (int32_t[]){9});
  return made;
}

static void lists_are_cut_anywhere(void **state) {
  (void)state;
  struct made *made = made_vector();
  assert_rows(made, "[1 2 ];[];[3 4 5 ];[7 ];[];[8 9 ];");
  end(made);
}

/* A reader of a file that was read to its end may stay open for long. */
static void a_page_is_let_go_with_its_last_element(void **state) {
  (void)state;
  for (int64_t cut = 1; cut < 6; cut++) {
    struct made *made = made_vector();
    struct ArrowArray array;
    size_t kept = 0;
    assert_int_equal(read_range(made, 0, cut, &array), MLAAS_OK);
    mlaas_array_release(&array);
    for (size_t i = 0; i < MOST; i++)
      kept += made->kept[i].page != NULL;
    assert_true(kept > 0 || cut == 3); /* where the first cluster ends */
    assert_int_equal(read_range(made, cut, 6, &array), MLAAS_OK);
    mlaas_array_release(&array);
    for (size_t i = 0; i < MOST; i++)
      assert_null(made->kept[i].page);
    end(made);
  }
}

static void empty_clusters_and_pages_of_one_are_harmless(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t number = add_field(made, -1, "x", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t column = add_column(made, number, MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 0);
  add_cluster(made, 3);
  for (int i = 0; i < 3; i++)
    add_page(made, column, 1, &five[i]);
  add_cluster(made, 0);
  add_cluster(made, 1);
  add_page(made, column, 1, &five[3]);
  assert_rows(made, "1;2;3;4;");
  end(made);
}

static void shared_pages_are_read_for_everyone(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t number = add_field(made, -1, "x", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t column = add_column(made, number, MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 5);
  add_page(made, column, 5, five);
  add_cluster(made, 5);
  add_page(made, column, 5, five);
  made->pages[1][column][0].seek = made->pages[0][column][0].seek; /* one page for both */
  assert_rows(made, "1;2;3;4;5;1;2;3;4;5;");
  end(made);
}

static void the_type_of_the_field_decides(void **state) {
  (void)state;
  static const struct {
    const char *type;
    enum mlaas_ntuple_type column;
    int bits;
    const char *wanted;
  } cases[] = {
      {"std::int64_t", MLAAS_NTUPLE_INT16, 16, "1;-2;3;"},
      {"std::int32_t", MLAAS_NTUPLE_INT16, 16, "1;-2;3;"},
      {"std::int8_t", MLAAS_NTUPLE_INT16, 16, "1;-2;3;"},
      {"bool", MLAAS_NTUPLE_INT16, 16, "1;1;1;"},
      {"Unheard", MLAAS_NTUPLE_INT8, 8, "1;0;-2;"},
      {"char", MLAAS_NTUPLE_CHAR, 8, "1;0;254;"},
      {"double", MLAAS_NTUPLE_REAL16, 16, "5.96046447754e-08;-nan;1.78813934326e-07;"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    struct made *made = begin();
    uint32_t column =
        add_column(made, add_field(made, -1, "x", cases[i].type, MLAAS_NTUPLE_PLAIN), cases[i].column, cases[i].bits);
    add_cluster(made, 3);
    add_page(made, column, 3, (int16_t[]){1, -2, 3});
    assert_rows(made, cases[i].wanted);
    end(made);
  }
}

static void values_that_do_not_fit_are_errors(void **state) {
  (void)state;
  static const char *const types[] = {"std::int8_t", "std::uint8_t", "std::int16_t", "std::uint32_t", "std::uint64_t"};
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    struct made *made = begin();
    uint32_t column = add_column(made, add_field(made, -1, "x", types[i], MLAAS_NTUPLE_PLAIN), MLAAS_NTUPLE_INT32, 32);
    add_cluster(made, 2);
    add_page(made, column, 2, (int32_t[]){1, -70000});
    assert_fails(made, MLAAS_FORMAT, "-70000 does not fit");
    end(made);
  }
  struct made *made = begin();
  uint32_t column =
      add_column(made, add_field(made, -1, "x", "std::int64_t", MLAAS_NTUPLE_PLAIN), MLAAS_NTUPLE_UINT64, 64);
  add_cluster(made, 1);
  add_page(made, column, 1, (uint64_t[]){UINT64_MAX});
  assert_fails(made, MLAAS_FORMAT, "18446744073709551615 does not fit");
  end(made);
}

static void options_leave_room_for_what_is_missing(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t option = add_field(made, -1, "o", "std::optional<S>", MLAAS_NTUPLE_COLLECTION);
  uint32_t record = add_field(made, (int)option, "_0", "S", MLAAS_NTUPLE_RECORD);
  uint32_t number = add_field(made, (int)record, "x", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t text = add_field(made, (int)record, "s", "std::string", MLAAS_NTUPLE_PLAIN);
  uint32_t array = add_field(made, (int)record, "a", "std::array<float,2>", MLAAS_NTUPLE_PLAIN);
  uint32_t item = add_field(made, (int)array, "_0", "float", MLAAS_NTUPLE_PLAIN);
  made->fields[array].array_size = 2;
  uint32_t there = add_column(made, option, MLAAS_NTUPLE_INDEX32, 32);
  uint32_t xs = add_column(made, number, MLAAS_NTUPLE_INT32, 32);
  uint32_t ends = add_column(made, text, MLAAS_NTUPLE_INDEX32, 32),
           chars = add_column(made, text, MLAAS_NTUPLE_CHAR, 8);
  uint32_t floats = add_column(made, item, MLAAS_NTUPLE_REAL32, 32);
  add_cluster(made, 4);
  add_page(made, there, 3, (uint32_t[]){0, 1, 1});
  add_page(made, there, 1, (uint32_t[]){2});
  add_page(made, xs, 2, (int32_t[]){10, 20});
  add_page(made, ends, 2, (uint32_t[]){2, 5});
  add_page(made, chars, 5, "abcde");
  add_page(made, floats, 4, (float[]){1, 2, 3, 4});
  add_cluster(made, 2);
  add_page(made, there, 2, (uint32_t[]){1, 1});
  add_page(made, xs, 1, (int32_t[]){30});
  add_page(made, ends, 1, (uint32_t[]){1});
  add_page(made, chars, 1, "f");
  add_page(made, floats, 2, (float[]){5, 6});
  assert_rows(made, "-;{x=10 s='ab' a=(1 2 ) };-;{x=20 s='cde' a=(3 4 ) };{x=30 s='f' a=(5 6 ) };-;");
  end(made);
}

static void an_option_in_an_option_is_wrapped(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t outer = add_field(made, -1, "o", "std::optional<std::optional<std::int32_t>>", MLAAS_NTUPLE_COLLECTION);
  uint32_t inner = add_field(made, (int)outer, "_0", "std::optional<std::int32_t>", MLAAS_NTUPLE_COLLECTION);
  uint32_t number = add_field(made, (int)inner, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t first = add_column(made, outer, MLAAS_NTUPLE_INDEX64, 64);
  uint32_t second = add_column(made, inner, MLAAS_NTUPLE_INDEX64, 64);
  uint32_t values = add_column(made, number, MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 4);
  add_page(made, first, 4, (int64_t[]){1, 1, 2, 3});
  add_page(made, second, 3, (int64_t[]){0, 1, 2});
  add_page(made, values, 2, (int32_t[]){5, 6});
  assert_rows(made, "{0=- };-;{0=5 };{0=6 };");
  end(made);
}

/* A variant of int32 and vector<int32>. */
static struct made *made_variant(void) {
  struct made *made = begin();
  uint32_t variant = add_field(made, -1, "w", "std::variant<...>", MLAAS_NTUPLE_VARIANT);
  uint32_t number = add_field(made, (int)variant, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t list = add_field(made, (int)variant, "_1", "std::vector<std::int32_t>", MLAAS_NTUPLE_COLLECTION);
  uint32_t item = add_field(made, (int)list, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  add_column(made, variant, MLAAS_NTUPLE_SWITCH, 96);
  add_column(made, number, MLAAS_NTUPLE_INT32, 32);
  add_column(made, list, MLAAS_NTUPLE_INDEX64, 64);
  add_column(made, item, MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 6);
  return made;
}

/* Element of a switch: 12 bytes. */
static void put_switch(uint8_t *bytes, int i, int64_t index, uint32_t tag) {
  memcpy(bytes + 12 * i, &index, 8);
  memcpy(bytes + 12 * i + 8, &tag, 4);
}

static void variants_have_a_column_for_each_alternative(void **state) {
  (void)state;
  struct made *made = made_variant();
  uint8_t bytes[12 * 6];
  put_switch(bytes, 0, 0, 2);
  put_switch(bytes, 1, 0, 1);
  put_switch(bytes, 2, 0, 0);
  put_switch(bytes, 3, 1, 2);
  put_switch(bytes, 4, 1, 1);
  put_switch(bytes, 5, 2, 2);
  add_page(made, 0, 4, bytes);
  add_page(made, 0, 2, bytes + 12 * 4);
  add_page(made, 1, 2, five);
  add_page(made, 2, 3, ends3);
  add_page(made, 3, 5, five);
  assert_rows(made, "{0=- 1=[1 2 ] };{0=1 1=- };{0=- 1=- };{0=- 1=[] };{0=2 1=- };{0=- 1=[3 4 5 ] };");
  end(made);
}

static void switches_out_of_order_or_range_are_errors(void **state) {
  (void)state;
  static const struct {
    int64_t index;
    uint32_t tag;
    const char *word;
  } bad[] = {{0, 3, "has number 3"}, {2, 1, "is at 2 where 1"}, {0, 1, "is at 0 where 1"}, {-1, 1, "is at -1"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (int split = 1; split < 6; split += 4) { /* in one page with the element before, or not */
      struct made *made = made_variant();
      uint8_t bytes[12 * 6] = {0};
      put_switch(bytes, 0, 0, 1);
      put_switch(bytes, 1, bad[i].index, bad[i].tag);
      add_page(made, 0, split, bytes);
      add_page(made, 0, 6 - split, bytes + 12 * split);
      add_page(made, 1, 2, five);
      assert_fails(made, MLAAS_FORMAT, bad[i].word);
      end(made);
    }
}

static void counts_come_from_the_index(void **state) {
  (void)state;
  struct made *made = made_vector();
  made->fields[0] = (struct mlaas_ntuple_field){.name = "n",
                                                .type_name = "ROOT::RNTupleCardinality<std::uint32_t>",
                                                .columns = made->columns_of[0],
                                                .num_columns = 1,
                                                .columns_each = 1};
  assert_rows(made, "2;0;3;1;0;2;");
  end(made);
}

static void zeros_stand_for_what_was_not_yet_written(void **state) {
  (void)state;
  struct made *made = made_vector();
  for (int column = 0; column < 2; column++) { /* as of a field that was added with the second cluster */
    made->columns[column].first_element = 3;
    made->ranges[0][column].num_pages = 0;
  }
  made->ranges[0][1].elements = 0;
  assert_rows(made, "[];[];[];[7 ];[];[8 9 ];");
  end(made);
  made = begin(); /* and in the middle of a cluster */
  uint32_t column =
      add_column(made, add_field(made, -1, "x", "std::int64_t", MLAAS_NTUPLE_PLAIN), MLAAS_NTUPLE_INT32, 32);
  add_cluster(made, 5);
  made->ranges[0][column].elements = 3;
  add_page(made, column, 2, five);
  assert_rows(made, "0;0;0;1;2;");
  end(made);
}

static void each_cluster_has_its_representation(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t number = add_field(made, -1, "x", "float", MLAAS_NTUPLE_PLAIN);
  uint32_t wide = add_column(made, number, MLAAS_NTUPLE_REAL64, 64);
  uint32_t narrow = add_representation(made, number, MLAAS_NTUPLE_REAL32, 32);
  add_cluster(made, 2);
  add_page(made, wide, 2, (double[]){1.5, 2.5});
  made->ranges[0][narrow].suppressed = true;
  add_cluster(made, 2);
  add_page(made, narrow, 2, (float[]){3.5F, 4.5F});
  made->ranges[1][wide].suppressed = true;
  assert_rows(made, "1.5;2.5;3.5;4.5;");
  made->ranges[1][narrow].suppressed = true;
  assert_fails(made, MLAAS_FORMAT, "");
  end(made);
}

static void a_record_without_members_has_rows(void **state) {
  (void)state;
  struct made *made = made_vector();
  made->fields[1] = (struct mlaas_ntuple_field){.name = "_0", .type_name = "Empty", .role = MLAAS_NTUPLE_RECORD};
  assert_rows(made, "[{} {} ];[];[{} {} {} ];[{} ];[];[{} {} ];");
  end(made);
}

static void bases_are_members_and_told_apart(void **state) {
  (void)state;
  struct made *made = begin();
  uint32_t top = add_field(made, -1, "d", "D", MLAAS_NTUPLE_RECORD), base[3];
  static const char *const types[] = {"A", "B", "A"};
  base[0] = add_field(made, (int)top, ":_0", "B1", MLAAS_NTUPLE_RECORD);
  base[1] = add_field(made, (int)top, ":_1", "B2", MLAAS_NTUPLE_RECORD);
  uint32_t own = add_field(made, (int)top, "y", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  uint32_t column = add_column(made, own, MLAAS_NTUPLE_INT32, 32);
  for (int i = 0; i < 2; i++) {
    uint32_t deep = add_field(made, (int)base[i], ":_0", types[i], MLAAS_NTUPLE_RECORD);
    uint32_t x = add_field(made, (int)deep, "x", "std::int32_t", MLAAS_NTUPLE_PLAIN);
    made->columns_of[x][0] = column;
    made->fields[x].num_columns = made->fields[x].columns_each = 1;
  }
  uint32_t y = add_field(made, (int)base[1], "y", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  made->columns_of[y][0] = column;
  made->fields[y].num_columns = made->fields[y].columns_each = 1;
  add_cluster(made, 1);
  add_page(made, column, 1, five);
  assert_rows(made, "{B1::x=1 B2::x=1 B2::y=1 y=1 };");
  end(made);
}

/* ---- what is refused ---- */

static void indices_that_fall_or_leave_their_column_are_errors(void **state) {
  (void)state;
  static const struct {
    int64_t ends[3];
    const char *word;
  } bad[] = {{{2, 1, 5}, "falls from 2 to 1"},
             {{-1, 2, 5}, "falls from 0 to -1"},
             {{2, 2, 6}, "has 5 elements"},
             {{2, 2, INT64_MAX}, "has 5 elements"}};
  for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
    for (int split = 1; split < 4; split++) {
      struct made *made = made_vector();
      made->ranges[0][0] = (struct mlaas_ntuple_range){.pages = made->pages[0][0]};
      made->table.ntuple.num_clusters = 1;
      made->table.num_entries = 3;
      add_page(made, 0, split, bad[i].ends);
      if (split < 3)
        add_page(made, 0, 3 - split, bad[i].ends + split);
      assert_fails(made, MLAAS_FORMAT, bad[i].word);
      end(made);
    }
}

static void an_option_of_two_is_an_error(void **state) {
  (void)state;
  for (int split = 1; split < 4; split++) {
    struct made *made = made_vector();
    made->fields[0].type_name = "std::unique_ptr<std::int32_t>";
    made->ranges[0][0] = (struct mlaas_ntuple_range){.pages = made->pages[0][0]};
    made->table.ntuple.num_clusters = 1;
    made->table.num_entries = 3;
    add_page(made, 0, split, (int64_t[]){1, 3, 4});
    if (split < 3)
      add_page(made, 0, 3 - split, &((int64_t[]){1, 3, 4})[split]);
    assert_fails(made, MLAAS_FORMAT, "an option holds 2 values");
    end(made);
  }
}

static void a_damaged_page_is_named(void **state) {
  (void)state;
  struct made *made = made_vector();
  made->bytes[made->pages[1][1][1].seek] ^= 1;
  assert_fails(made, MLAAS_CHECKSUM, "XXH3");
  assert_non_null(strstr(made->error.where, "cluster 1: page 1"));
  assert_int_equal(made->error.offset, made->pages[1][1][1].seek);
  made->pages[1][1][1].checksum = false; /* nobody can notice */
  struct ArrowArray array;
  assert_int_equal(read_range(made, 0, 6, &array), MLAAS_OK);
  mlaas_array_release(&array);
  end(made);
}

static void fields_that_make_no_sense_are_refused(void **state) {
  (void)state;
  struct made *made = made_vector();
  made->columns[0].type = MLAAS_NTUPLE_INT64;
  assert_refused(made, "without an index column");
  made->columns[0].type = MLAAS_NTUPLE_INDEX64;
  made->columns[1].type = MLAAS_NTUPLE_REAL32;
  assert_refused(made, "do not go together");
  made->columns[1].type = MLAAS_NTUPLE_SWITCH;
  assert_refused(made, "do not go together");
  made->columns[1].type = MLAAS_NTUPLE_INDEX32;
  made->fields[1].type_name = "Unheard";
  assert_refused(made, "do not make up a number");
  made->columns[1].type = MLAAS_NTUPLE_INT32;
  made->fields[1].type_name = "ROOT::RNTupleCardinality<std::uint32_t>";
  assert_refused(made, "does not come from an index");
  made->fields[1].type_name = "std::string";
  assert_refused(made, "an index and characters");
  made->fields[1].num_columns = made->fields[1].columns_each = 0;
  assert_refused(made, "neither one column");
  made->fields[0].num_children = 0;
  assert_refused(made, "hold one field");
  made->fields[0].role = MLAAS_NTUPLE_VARIANT;
  assert_refused(made, "a switch and alternatives");
  made->fields[0].unsupported = "a column of a type from the future";
  assert_refused(made, "from the future");
  end(made);
}

static void arrays_of_arrays_have_an_end(void **state) {
  (void)state;
  struct made *made = begin();
  int parent = -1;
  for (int i = 0; i < 3; i++) {
    parent = (int)add_field(made, parent, "a", "std::array", MLAAS_NTUPLE_PLAIN);
    made->fields[parent].array_size = 100000;
  }
  add_column(made, add_field(made, parent, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN), MLAAS_NTUPLE_INT32, 32);
  assert_refused(made, "2,147,483,647");
  made->fields[0].array_size = UINT64_MAX;
  assert_refused(made, "2,147,483,647");
  end(made);
}

static void nesting_has_a_limit(void **state) {
  (void)state;
  struct made *made = made_vector();
  mlaas_budget_set_limit(mlaas_context_budget(made->context), MLAAS_CEILING_NESTING, 1);
  made->fields[1] = (struct mlaas_ntuple_field){.name = "_0",
                                                .type_name = "std::vector<std::int32_t>",
                                                .role = MLAAS_NTUPLE_COLLECTION,
                                                .children = (uint32_t[]){2},
                                                .num_children = 1,
                                                .columns = (uint32_t[]){0},
                                                .num_columns = 1,
                                                .columns_each = 1};
  uint32_t item = add_field(made, -1, "_0", "std::int32_t", MLAAS_NTUPLE_PLAIN);
  add_column(made, item, MLAAS_NTUPLE_INT32, 32);
  assert_refused(made, "nested too deeply");
  end(made);
}

static void what_fails_gives_everything_back(void **state) {
  (void)state;
  enum mlaas_status status = MLAAS_MEMORY;
  long n = 0;
  while (status != MLAAS_OK) {
    struct made *made = made_vector();
    struct ArrowArray array;
    assert_int_equal(read_range(made, 1, 2, &array), MLAAS_OK); /* leaves pages behind */
    mlaas_array_release(&array);
    mlaas_memory_fail(++n, false);
    struct mlaas_fields_job job = {.table = &made->table,
                                   .budget = mlaas_context_budget(made->context),
                                   .pool = mlaas_context_pool(made->context),
                                   .workers = &made->worker,
                                   .start = 2,
                                   .stop = 5};
    struct mlaas_field_read field = {.plan = &made->plan, .name = "v", .kept = made->kept};
    mlaas_arena_init(&job.arena, job.budget);
    job.fields = &field;
    job.num_fields = 1;
    status = mlaas_fields_job_run(&job, &made->error);
    mlaas_memory_fail(0, false);
    mlaas_fields_job_reset(&job);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    made->lean = false;
    assert_rows(made, "[1 2 ];[];[3 4 5 ];[7 ];[];[8 9 ];");
    end(made);
  }
  assert_true(n > 5);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(lists_are_cut_anywhere),
      cmocka_unit_test(a_page_is_let_go_with_its_last_element),
      cmocka_unit_test(empty_clusters_and_pages_of_one_are_harmless),
      cmocka_unit_test(shared_pages_are_read_for_everyone),
      cmocka_unit_test(the_type_of_the_field_decides),
      cmocka_unit_test(values_that_do_not_fit_are_errors),
      cmocka_unit_test(options_leave_room_for_what_is_missing),
      cmocka_unit_test(an_option_in_an_option_is_wrapped),
      cmocka_unit_test(variants_have_a_column_for_each_alternative),
      cmocka_unit_test(switches_out_of_order_or_range_are_errors),
      cmocka_unit_test(counts_come_from_the_index),
      cmocka_unit_test(zeros_stand_for_what_was_not_yet_written),
      cmocka_unit_test(each_cluster_has_its_representation),
      cmocka_unit_test(a_record_without_members_has_rows),
      cmocka_unit_test(bases_are_members_and_told_apart),
      cmocka_unit_test(indices_that_fall_or_leave_their_column_are_errors),
      cmocka_unit_test(an_option_of_two_is_an_error),
      cmocka_unit_test(a_damaged_page_is_named),
      cmocka_unit_test(fields_that_make_no_sense_are_refused),
      cmocka_unit_test(arrays_of_arrays_have_an_end),
      cmocka_unit_test(nesting_has_a_limit),
      cmocka_unit_test(what_fails_gives_everything_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
