/* What an RNTuple may say of itself, what of it older readers may not know, and what comes of that. */
#include "../ntuple_spec.h"

/* ---- what is right ---- */

static void a_plain_ntuple_is_read_whole(void **state) {
  (void)state;
  struct spec spec = plain();
  check_plain(&spec);
  spec.group_of[1] = 0;
  check_plain(&spec);
}

static void what_newer_versions_add_is_skipped(void **state) {
  (void)state;
  struct spec spec = plain();
  for (spec.tail = 1; spec.tail < 20; spec.tail++)
    check_plain(&spec);
}

static void clusters_are_put_in_order(void **state) {
  (void)state;
  struct spec spec = plain();
  struct cluster_spec first = spec.clusters[0];
  spec.clusters[0] = spec.clusters[1];
  spec.clusters[1] = first;
  check_plain(&spec);
  spec.group_of[0] = 1;
  spec.group_of[1] = 0;
  check_plain(&spec);
}

static void no_clusters_and_no_fields(void **state) {
  (void)state;
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  spec.num_clusters = 0;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_true(ntuple.entries == 0 && ntuple.num_clusters == 0 && ntuple.num_columns == 5);
  mlaas_ntuple_reset(&ntuple);
  spec = plain();
  spec.parts[0].num_fields = spec.parts[0].num_columns = 0;
  spec.clusters[0].num_ranges = spec.clusters[1].num_ranges = 0;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_true(ntuple.entries == 5 && ntuple.num_clusters == 2 && ntuple.num_fields == 0);
  mlaas_ntuple_reset(&ntuple);
}

static void an_empty_cluster_may_lie_between(void **state) {
  (void)state;
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  spec.num_clusters = 3;
  spec.group_of[2] = 1;
  spec.clusters[2] = spec.clusters[1];
  spec.clusters[1] = (struct cluster_spec){.first = 3, .num_ranges = 5};
  for (int i = 0; i < 5; i++)
    spec.clusters[1].ranges[i].offset = spec.clusters[2].ranges[i].offset;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_true(ntuple.num_clusters == 3 && ntuple.entries == 5 && ntuple.clusters[1].entries == 0);
  assert_int_equal(ntuple.clusters[2].ranges[2].first, 9);
  mlaas_ntuple_reset(&ntuple);
}

static void late_columns_have_zeros_in_front(void **state) {
  (void)state;
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  /* after four entries: a number, an array of two, a vector */
  spec.parts[1] = (struct part_spec){.num_fields = 5,
                                     .num_columns = 3,
                                     .fields = {{"n", "double", 4, 0, 0, 0, 0, 0, 0},
                                                {"a", "std::array<float,2>", 5, 0, 1, 2, 0, 0, 0},
                                                {"_0", "float", 5, 0, 0, 0, 0, 0, 0},
                                                {"w", "std::vector<float>", 7, 1, 0, 0, 0, 0, 0},
                                                {"_0", "float", 7, 0, 0, 0, 0, 0, 0}},
                                     .columns = {{MLAAS_NTUPLE_REAL64, 64, 4, 1, 0, 4, 0, 0},
                                                 {MLAAS_NTUPLE_REAL32, 32, 6, 1, 0, 8, 0, 0},
                                                 {MLAAS_NTUPLE_INDEX32, 32, 7, 1, 0, 4, 0, 0}},
                                     .streamers = "list"};
  struct cluster_spec *second = &spec.clusters[1];
  second->num_ranges = 8;
  second->ranges[5] = (struct range_spec){4, 1, {{1, 8, 3000, 0}}};
  second->ranges[6] = (struct range_spec){8, 1, {{2, 8, 3100, 0}}};
  second->ranges[7] = (struct range_spec){4, 1, {{1, 4, 3200, 0}}};
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_int_equal(ntuple.num_columns, 8);
  const struct mlaas_ntuple_range *before = ntuple.clusters[0].ranges, *after = ntuple.clusters[1].ranges;
  for (int i = 5; i < 8; i++) {
    int64_t each = i == 6 ? 2 : 1;
    assert_int_equal(before[i].first, 0);
    assert_int_equal(before[i].elements, 3 * each);
    assert_int_equal(before[i].num_pages, 0);
    assert_false(before[i].suppressed);
    assert_int_equal(after[i].first, 3 * each);
    assert_int_equal(after[i].elements, 2 * each);
    assert_int_equal(after[i].pages[0].first, each);
  }
  assert_int_equal(ntuple.streamers_size, 4);
  assert_memory_equal(ntuple.streamers, "list", 4);
  mlaas_ntuple_reset(&ntuple);
  second->ranges[5].pages[0].elements = 2; /* more than there may be behind the first element: none is a zero */
  expect_read(&spec);
  second->ranges[5].pages[0].elements = 3;
  expect_refusal(&spec, 4, "elements 3 where 2 is due");
  second->ranges[5].pages[0].elements = 1;
  second->ranges[5].offset = 2; /* does not matter, as long as the elements are as many as they must be */
  expect_read(&spec);
  spec.parts[1].columns[0].first = 3; /* but there are only zeros up to 4 */
  expect_refusal(&spec, 4, "1 where 2 is due");
  spec.parts[1].columns[0].first = INT64_MIN;
  expect_failure(&spec, MLAAS_FORMAT, "begins at element");
}

/* x is stored as Real32 in the first cluster and as Real64 in the second. */
static struct spec two_representations(void) {
  struct spec spec = plain();
  spec.parts[0].num_columns = 6;
  spec.parts[0].columns[5] = (struct column_spec){MLAAS_NTUPLE_REAL64, 64, 0, 0, 1, 0, 0, 0};
  for (int i = 0; i < 2; i++)
    spec.clusters[i].num_ranges = 6;
  spec.clusters[0].ranges[5].offset = INT64_MIN;
  spec.clusters[1].ranges[5] = (struct range_spec){3, 1, {{2, 16, 2000, 0}}};
  spec.clusters[1].ranges[0] = (struct range_spec){INT64_MIN, 0, {{0}}};
  return spec;
}

static void one_representation_is_chosen_in_each_cluster(void **state) {
  (void)state;
  struct spec spec = two_representations();
  struct mlaas_ntuple ntuple;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  const struct mlaas_ntuple_field *x = &ntuple.fields[0];
  assert_int_equal(x->num_columns, 2);
  assert_int_equal(x->columns_each, 1);
  assert_int_equal(x->columns[1], 5);
  for (int i = 0; i < 2; i++) {
    const struct mlaas_ntuple_range *ranges = ntuple.clusters[i].ranges;
    assert_int_equal(ranges[0].suppressed, i == 1);
    assert_int_equal(ranges[5].suppressed, i == 0);
    assert_int_equal(ranges[0].first, i ? 3 : 0);
    assert_int_equal(ranges[5].first, i ? 3 : 0);
    assert_int_equal(ranges[0].elements + ranges[5].elements, i ? 2 : 3);
  }
  mlaas_ntuple_reset(&ntuple);
  spec.clusters[0].ranges[0] = spec.clusters[0].ranges[5];
  expect_refusal(&spec, 0, "not exactly one representation of field x");
  spec = two_representations();
  spec.clusters[1].ranges[0] = spec.clusters[1].ranges[5];
  spec.clusters[1].ranges[0].pages[0].stored = 8;
  expect_refusal(&spec, 0, "not exactly one representation of field x");
  spec = two_representations();
  spec.parts[0].columns[5].representation = 2;
  expect_refusal(&spec, 0, "representations that do not match");
  spec = two_representations();
  spec.clusters[0].ranges[5].num_pages = 1;
  spec.clusters[0].ranges[5].pages[0] = spec.clusters[0].ranges[0].pages[0];
  expect_failure(&spec, MLAAS_FORMAT, "is suppressed but has 1 pages");
}

/* A representation that came with the extension: no page list before it has its columns. */
static void a_late_representation_is_suppressed_before(void **state) {
  (void)state;
  for (int first = -3; first <= 0; first += 3) {
    struct spec spec = two_representations();
    struct mlaas_ntuple ntuple;
    spec.parts[0].num_columns = 5;
    spec.parts[1].num_columns = 1;
    spec.parts[1].columns[0] = (struct column_spec){MLAAS_NTUPLE_REAL64, 64, 0, first ? 1 : 0, 1, first, 0, 0};
    spec.clusters[0].num_ranges = 5;
    assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
    assert_true(ntuple.clusters[0].ranges[5].suppressed && !ntuple.clusters[0].ranges[0].suppressed);
    assert_int_equal(ntuple.clusters[0].ranges[0].elements, 3);
    assert_true(!ntuple.clusters[1].ranges[5].suppressed && ntuple.clusters[1].ranges[0].suppressed);
    assert_int_equal(ntuple.clusters[1].ranges[5].elements, 2);
    mlaas_ntuple_reset(&ntuple);
  }
}

static void projections_show_columns_of_others(void **state) {
  (void)state;
  struct spec spec = projected();
  struct mlaas_ntuple ntuple;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_int_equal(ntuple.num_columns, 5);
  assert_int_equal(ntuple.fields[4].source, 1);
  assert_int_equal(ntuple.fields[4].num_columns, 1);
  assert_int_equal(ntuple.fields[4].columns[0], 1);
  assert_int_equal(ntuple.fields[5].type_checksum, 99);
  assert_int_equal(ntuple.fields[6].columns[0], 2);
  mlaas_ntuple_reset(&ntuple);
  spec.parts[0].aliases[2][0] = 9;
  expect_failure(&spec, MLAAS_FORMAT, "shows column 9 of 5");
  spec.parts[0].aliases[2][0] = 0;
  expect_failure(&spec, MLAAS_FORMAT, "a column of field 0 in field 6, which shows 2");
  spec = projected();
  spec.parts[0].fields[4].source = 70;
  expect_failure(&spec, MLAAS_FORMAT, "show field 70 of 7");
  spec = projected();
  spec.parts[0].columns[0].field = 4;
  expect_failure(&spec, MLAAS_FORMAT, "has column 0 of its own");
}

/* ---- what only some readers know ---- */

static void what_is_unknown_spoils_its_field_only(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.parts[0].fields[0].version = 1;
  expect_refusal(&spec, 0, "newer version");
  spec = plain();
  spec.parts[0].fields[0].role = 9;
  expect_refusal(&spec, 0, "structure");
  spec = plain();
  spec.parts[0].fields[2].role = 5;
  expect_refusal(&spec, 1, "field _0 in it: its structure");
  spec = plain();
  spec.parts[0].fields[0].flags = 1;
  expect_refusal(&spec, 0, "no elements");
  spec = plain();
  spec.parts[0].columns[0].type = 0x1E;
  expect_refusal(&spec, 0, "type 0x1e");
  spec = plain();
  spec.parts[0].columns[2].bits = 33;
  expect_refusal(&spec, 1, "33 bits");
  spec = plain();
  spec.clusters[1].ranges[2].pages[0].locator = UNKNOWN_LOCATOR;
  expect_refusal(&spec, 1, "locator of an unknown kind");
  spec = plain();
  spec.parts[0].columns[2].flags = 1;
  spec.parts[0].columns[2].first = 2;
  expect_refusal(&spec, 1, "deferred column within a collection");
  spec = plain();
  spec.clusters[1].ranges[2].pages[0].elements = INT32_MAX;
  expect_refusal(&spec, 1, "a page of 8589934588 bytes");
}

static void the_range_of_numbers_is_checked(void **state) {
  (void)state;
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  spec.clusters[0].ranges[0].pages[0].stored = spec.clusters[1].ranges[0].pages[0].stored = 3;
  spec.clusters[0].ranges[0].pages[1].stored = 2;
  spec.parts[0].columns[0] = (struct column_spec){MLAAS_NTUPLE_REAL32_QUANT, 20, 0, 2, 0, 0, -1, 1};
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_true(ntuple.columns[0].minimum == -1 && ntuple.columns[0].maximum == 1 && ntuple.columns[0].bits == 20);
  assert_int_equal(ntuple.clusters[0].ranges[0].pages[0].size, 5);
  mlaas_ntuple_reset(&ntuple);
  spec.parts[0].columns[0].minimum = 1;
  expect_refusal(&spec, 0, "between 1 and 1");
  spec.parts[0].columns[0].maximum = 1.0 / 0.0;
  expect_refusal(&spec, 0, "between 1 and inf");
  spec.parts[0].columns[0].flags = 0;
  expect_refusal(&spec, 0, "between 0 and 0");
  for (uint16_t bits = 9; bits <= 32; bits += 23) { /* 10 to 31 */
    spec.parts[0].columns[0] = (struct column_spec){MLAAS_NTUPLE_REAL32_TRUNC, bits, 0, 0, 0, 0, 0, 0};
    expect_refusal(&spec, 0, "bits an element");
  }
}

static void projections_of_what_is_refused_are_refused(void **state) {
  (void)state;
  struct spec spec = projected();
  struct mlaas_ntuple ntuple;
  spec.parts[0].columns[2].type = 0x77;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_non_null(strstr(ntuple.fields[1].unsupported, "0x77"));
  assert_non_null(strstr(ntuple.fields[4].unsupported, "it shows field v"));
  assert_non_null(strstr(ntuple.fields[5].unsupported, "it shows field v"));
  assert_null(ntuple.fields[0].unsupported);
  assert_null(ntuple.fields[3].unsupported);
  mlaas_ntuple_reset(&ntuple);
  spec = projected();
  spec.parts[0].fields[4].source = 5;
  spec.parts[0].num_aliases = 0;
  expect_refusal(&spec, 4, "which shows another one itself");
}

static void unknown_features_are_refused_as_a_whole(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.features[0] = 4;
  expect_failure(&spec, MLAAS_UNSUPPORTED, "feature 2,");
  spec.num_features = 3;
  spec.features[0] = spec.features[1] = 1ull << 63;
  spec.features[2] = 2;
  expect_failure(&spec, MLAAS_UNSUPPORTED, "feature 127,");
  spec.features[2] = 0;
  check_plain(&spec);
  spec = plain();
  spec.footer_features = 1;
  expect_failure(&spec, MLAAS_UNSUPPORTED, "feature 0,");
  spec = plain();
  spec.clusters[1].flags = 1;
  expect_failure(&spec, MLAAS_UNSUPPORTED, "sharded");
  spec.clusters[1].flags = 0x82;
  check_plain(&spec);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(a_plain_ntuple_is_read_whole),
      cmocka_unit_test(what_newer_versions_add_is_skipped),
      cmocka_unit_test(clusters_are_put_in_order),
      cmocka_unit_test(no_clusters_and_no_fields),
      cmocka_unit_test(an_empty_cluster_may_lie_between),
      cmocka_unit_test(late_columns_have_zeros_in_front),
      cmocka_unit_test(one_representation_is_chosen_in_each_cluster),
      cmocka_unit_test(a_late_representation_is_suppressed_before),
      cmocka_unit_test(projections_show_columns_of_others),
      cmocka_unit_test(what_is_unknown_spoils_its_field_only),
      cmocka_unit_test(the_range_of_numbers_is_checked),
      cmocka_unit_test(projections_of_what_is_refused_are_refused),
      cmocka_unit_test(unknown_features_are_refused_as_a_whole),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
