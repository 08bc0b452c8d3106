/* RNTuples that contradict themselves: each test changes one thing of one that is right. */
#include "../ntuple_spec.h"

static void parts_of_other_ntuples_are_noticed(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.hash_change = 1;
  expect_failure(&spec, MLAAS_CHECKSUM, "footer belongs to another header");
  spec = plain();
  spec.list_hash_change = 1;
  expect_failure(&spec, MLAAS_CHECKSUM, "page list of the RNTuple belongs to another header");
}

static void fields_have_parents_that_exist(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.parts[0].fields[2].parent = 4;
  expect_failure(&spec, MLAAS_FORMAT, "parent is field 4 of 4");
  spec = plain();
  spec.parts[0].fields[1].parent = 2;
  expect_failure(&spec, MLAAS_FORMAT, "nested in itself");
  spec = plain();
  spec.parts[0].fields[2].parent = 1;
  spec.parts[0].fields[1].parent = 3; /* a parent behind its child is unusual, no more */
  spec.parts[0].fields[3].role = MLAAS_NTUPLE_RECORD;
  struct mlaas_ntuple ntuple;
  assert_int_equal(read_spec(&spec, &ntuple), MLAAS_OK);
  assert_int_equal(ntuple.fields[3].num_children, 1);
  mlaas_ntuple_reset(&ntuple);
  spec = plain();
  spec.parts[0].columns[4].field = 4;
  expect_failure(&spec, MLAAS_FORMAT, "column 4 belongs to field 4 of 4");
}

static void pages_add_up(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.clusters[0].ranges[0].pages[0].elements = 1;
  expect_failure(&spec, MLAAS_FORMAT, "bytes for 1 elements");
  spec.clusters[0].ranges[0].pages[0].stored = 3;
  expect_refusal(&spec, 0, "elements 2 where 3 is due");
  spec = plain();
  spec.clusters[1].ranges[2].offset = 8;
  expect_refusal(&spec, 1, "a first element 8 where 9 is due");
  spec = plain();
  spec.clusters[0].ranges[2].offset = 1;
  expect_refusal(&spec, 1, "a first element 1 where 0 is due");
  spec = plain();
  spec.clusters[0].ranges[3].pages[0].elements = INT32_MIN;
  expect_failure(&spec, MLAAS_FORMAT, "2147483648 elements");
}

static void pages_lie_within_the_file(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.clusters[0].ranges[0].pages[0].seek = FILE_END - 8;
  check_plain(&spec);
  spec.clusters[0].ranges[0].pages[0].elements = -2; /* but its checksum does not */
  expect_failure(&spec, MLAAS_FORMAT, "outside the file");
  spec.clusters[0].ranges[0].pages[0].seek = UINT64_MAX - 3;
  expect_failure(&spec, MLAAS_FORMAT, "outside the file");
  spec = plain();
  spec.clusters[0].ranges[0].pages[0].stored = 9;
  expect_failure(&spec, MLAAS_FORMAT, "9 bytes for 2 elements");
}

static void clusters_run_on(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.clusters[1].first = 4;
  expect_failure(&spec, MLAAS_FORMAT, "cluster 1 begins at entry 4 where 3 is due");
  spec = plain();
  spec.group_shift = 1;
  expect_failure(&spec, MLAAS_FORMAT, "a cluster group has 3 entries from 1 on");
  spec = plain();
  spec.clusters[1].first = UINT64_MAX;
  expect_failure(&spec, MLAAS_FORMAT, "begins at entry");
  spec = plain();
  spec.clusters[0].num_ranges = 4;
  expect_failure(&spec, MLAAS_FORMAT, "4 columns where the header has 5");
  spec.clusters[0].num_ranges = 6;
  expect_failure(&spec, MLAAS_FORMAT, "6 columns where the header has 5 and there are 5");
}

static void huge_arrays_do_not_overflow(void **state) {
  (void)state;
  struct spec spec = plain();
  spec.parts[0].fields[0].flags = 1;
  spec.parts[0].fields[0].array_size = UINT64_MAX;
  expect_refusal(&spec, 0, "more elements in an entry than can be counted");
  spec.parts[0].fields[0].array_size = INT64_MAX;
  expect_refusal(&spec, 0, "entries");
}

static void nesting_and_columns_have_ceilings(void **state) {
  (void)state;
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  spec.parts[0].fields[1].parent = 3;
  struct ntuple_file file = write_spec(&spec);
  mlaas_budget_set_limit(budget, MLAAS_CEILING_NESTING, 1);
  assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_LIMIT);
  mlaas_budget_set_limit(budget, MLAAS_CEILING_NESTING, 2);
  assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_OK);
  mlaas_ntuple_reset(&ntuple);
  for (int64_t limit = 3; limit <= 4; limit++) {
    mlaas_budget_set_limit(budget, MLAAS_CEILING_COLUMNS, limit);
    assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_LIMIT);
  }
  mlaas_budget_set_limit(budget, MLAAS_CEILING_COLUMNS, 5);
  mlaas_budget_set_limit(budget, MLAAS_CEILING_METADATA, 100);
  assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_LIMIT);
  assert_int_equal(mlaas_budget_held(budget), 0);
  free(file.bytes.data);
  mlaas_budget_put(budget);
}

/* ---- envelopes and the anchor ---- */

static uint64_t sign_one(uint8_t *envelope, size_t size) {
  uint64_t hash = XXH3_64bits(envelope, size - 8);
  memcpy(envelope + size - 8, &hash, 8);
  return hash;
}

/* Makes the checksums of changed envelopes right, and the header's in the other two. */
static void sign(const struct ntuple_file *file) {
  enum { IN_FOOTER = 16, IN_PAGES = 8 };
  uint8_t *footer = file->bytes.data + file->words[3], *pages = file->bytes.data + file->pages;
  uint64_t hash = sign_one(file->bytes.data + file->words[0], file->words[2]);
  memcpy(footer + IN_FOOTER, &hash, 8);
  memcpy(pages + IN_PAGES, &hash, 8);
  sign_one(footer, file->words[5]);
  sign_one(pages, file->pages_size);
}

/* Frames that claim more than there is: every list's count and every frame's size in turn. */
static void frames_that_lie_are_refused(void **state) {
  (void)state;
  static const uint64_t lies[] = {0, 1, 7, 8, 1u << 20, 1ull << 40, INT64_MAX, 1ull << 63, UINT64_MAX, UINT64_MAX - 11};
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  struct spec spec = plain();
  spec.group_of[1] = 0;
  struct ntuple_file file = write_spec(&spec);
  size_t refused = 0, read = 0;
  for (int envelope = 0; envelope < 3; envelope++) {
    size_t at = envelope < 2 ? file.words[3 * envelope] : file.pages;
    size_t size = envelope < 2 ? file.words[3 * envelope + 2] : file.pages_size;
    uint8_t *bytes = file.bytes.data + at, *copy = malloc(size);
    memcpy(copy, bytes, size);
    for (size_t i = 8; i + 16 <= size; i++)
      for (size_t k = 0; k < sizeof lies / sizeof *lies; k++) {
        struct mlaas_ntuple ntuple;
        memcpy(bytes, copy, size);
        memcpy(bytes + i, &lies[k], 8);
        sign(&file);
        enum mlaas_status status = ntuple_file_read(&file, FILE_END, budget, &ntuple, &last);
        refused += status != MLAAS_OK && status != MLAAS_CHECKSUM;
        read += status == MLAAS_OK;
        assert_true(status != MLAAS_INTERNAL && status != MLAAS_IO && status != MLAAS_MEMORY);
        mlaas_ntuple_reset(&ntuple);
        assert_int_equal(mlaas_budget_held(budget), 0);
      }
    memcpy(bytes, copy, size);
    free(copy);
  }
  assert_true(refused > 3000 && read > 1000);
  free(file.bytes.data);
  mlaas_budget_put(budget);
}

/* The lists of the header, each with more items than the bytes could hold: said before anything is allocated. */
static void lists_claim_no_more_items_than_fit(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  struct spec spec = plain();
  struct ntuple_file file = write_spec(&spec);
  uint8_t *header = file.bytes.data + file.words[0];
  size_t at = 8 + 8 + 3 * 8; /* behind its front, features and three texts */
  for (int list = 0; list < 4; list++) {
    struct mlaas_ntuple ntuple;
    int64_t frame;
    uint32_t count, lie = list % 2 ? UINT32_MAX : 1000;
    memcpy(&frame, header + at, 8);
    memcpy(&count, header + at + 8, 4);
    assert_true(frame < 0);
    memcpy(header + at + 8, &lie, 4);
    sign(&file);
    assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_FORMAT);
    assert_non_null(strstr(last.message, lie == 1000 ? "claims 1000 items" : "claims 4294967295 items"));
    memcpy(header + at + 8, &count, 4);
    at += (size_t)-frame;
  }
  free(file.bytes.data);
  mlaas_budget_put(budget);
}

/* The header in records of at most `room` bytes, as the writer cuts it. */
static void cut_header(struct ntuple_file *file, size_t room) {
  size_t size = file->words[2], chunks = 2;
  while (room * chunks - 8 * (chunks - 1) < size)
    chunks++;
  struct bytes whole = {0};
  bytes_copy(&whole, file->bytes.data + file->words[0], size);
  size_t tail = 8 * (chunks - 1), first = file->bytes.size, at = room - tail;
  bytes_copy(&file->bytes, whole.data, room - tail);
  size_t offsets = file->bytes.size;
  memset(bytes_more(&file->bytes, tail), 0, tail);
  for (size_t i = 0; i + 1 < chunks; i++, at += room) {
    bytes_put(&file->bytes, 0xAAAAAA, 3);
    uint64_t seek = file->bytes.size;
    bytes_copy(&file->bytes, whole.data + at, size - at < room ? size - at : room);
    memcpy(file->bytes.data + offsets + 8 * i, &seek, 8);
  }
  file->words[0] = first;
  file->words[6] = room;
  free(whole.data);
}

static void long_headers_lie_in_several_records(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  for (size_t room = 310; room < 700; room++) { /* 2 to 3 pieces; footer and page lists fit */
    struct spec spec = plain();
    struct mlaas_ntuple ntuple;
    spec.group_of[1] = 1;
    struct ntuple_file file = write_spec(&spec);
    size_t size = file.words[2];
    if (room >= size) {
      free(file.bytes.data);
      break;
    }
    cut_header(&file, room);
    ntuple_file_finish(&file);
    enum mlaas_status status = ntuple_file_read(&file, FILE_END, budget, &ntuple, &last);
    if (status != MLAAS_OK)
      fail_msg("%zu of %zu: %s", room, size, last.message);
    assert_int_equal(ntuple.num_fields, 4);
    mlaas_ntuple_reset(&ntuple);
    uint64_t offset = FILE_END + 1;
    memcpy(file.bytes.data + file.words[0] + room - 8, &offset, 8);
    assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_FORMAT);
    file.words[6] = 20; /* more records than one can list */
    ntuple_file_finish(&file);
    assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_FORMAT);
    assert_int_equal(mlaas_budget_held(budget), 0);
    free(file.bytes.data);
  }
  mlaas_budget_put(budget);
}

static void anchors_may_grow_and_must_fit(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  struct spec spec = plain();
  struct mlaas_ntuple ntuple;
  struct ntuple_file file = write_spec(&spec);
  uint8_t *anchor = file.bytes.data + NTUPLE_KEY + NTUPLE_KEY_LEN;
  static const uint32_t counts[] = {0x42, 0x40000041, 0x40000043, 0x4FFFFFFF, 0x40000000, 0x40000001};
  for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
    ntuple_big(anchor, counts[i], 4);
    assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_FORMAT);
  }
  ntuple_file_finish(&file);
  ntuple_big(anchor + 6, 2, 2);
  ntuple_big(anchor + 70, XXH3_64bits(anchor + 6, 64), 8);
  assert_int_equal(ntuple_file_read(&file, FILE_END, budget, &ntuple, &last), MLAAS_UNSUPPORTED);
  static const int words[] = {0, 1, 2, 3, 4, 5};
  for (size_t i = 0; i < 6; i++)
    for (int k = 0; k < 3; k++) {
      struct ntuple_file other = file;
      other.words[words[i]] = k == 0 ? UINT64_MAX : k == 1 ? other.words[words[i]] + 1 : 15;
      ntuple_file_finish(&other);
      enum mlaas_status status = ntuple_file_read(&other, FILE_END, budget, &ntuple, &last);
      assert_true(status == MLAAS_FORMAT || status == MLAAS_CHECKSUM || status == MLAAS_UNSUPPORTED);
    }
  free(file.bytes.data);
  mlaas_budget_put(budget);
}

static void every_allocation_and_read_may_fail(void **state) {
  (void)state;
  struct mlaas_budget *budget = mlaas_budget_new(16 << 20);
  struct spec spec = projected();
  spec.parts[1].streamers = "list";
  spec.parts[0].columns[0].type = 0x77; /* reasons are memory too */
  struct ntuple_file file = write_spec(&spec);
  cut_header(&file, 600);
  ntuple_file_finish(&file);
  for (int reads = 0; reads < 2; reads++) {
    enum mlaas_status status;
    long n = 0;
    do {
      struct mlaas_ntuple ntuple;
      n++;
      if (reads)
        mlaas_source_fail(n);
      else
        mlaas_memory_fail(n, false);
      status = ntuple_file_read(&file, FILE_END, budget, &ntuple, &last);
      assert_true(status == MLAAS_OK || status == (reads ? MLAAS_IO : MLAAS_MEMORY));
      mlaas_ntuple_reset(&ntuple);
      assert_int_equal(mlaas_budget_held(budget), 0);
    } while (status != MLAAS_OK);
    assert_true(n > 5);
    mlaas_source_fail(0);
    mlaas_memory_fail(0, false);
  }
  free(file.bytes.data);
  mlaas_budget_put(budget);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(parts_of_other_ntuples_are_noticed),
      cmocka_unit_test(fields_have_parents_that_exist),
      cmocka_unit_test(pages_add_up),
      cmocka_unit_test(pages_lie_within_the_file),
      cmocka_unit_test(clusters_run_on),
      cmocka_unit_test(huge_arrays_do_not_overflow),
      cmocka_unit_test(nesting_and_columns_have_ceilings),
      cmocka_unit_test(frames_that_lie_are_refused),
      cmocka_unit_test(lists_claim_no_more_items_than_fit),
      cmocka_unit_test(long_headers_lie_in_several_records),
      cmocka_unit_test(anchors_may_grow_and_must_fit),
      cmocka_unit_test(every_allocation_and_read_may_fail),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
