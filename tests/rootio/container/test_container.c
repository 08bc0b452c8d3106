/* The container: keys of all directories, and files that lie about themselves. */
#include "../sample.h"

static void put32(uint8_t *bytes, uint32_t value) {
  for (int i = 0; i < 4; i++)
    bytes[i] = (uint8_t)(value >> (24 - 8 * i));
}

static void keys_of_all_directories_are_listed(void **state) {
  (void)state;
  static const char *const paths[] = {"one/t", "one/two/t", "one/two/three/t", "dir with space/d.ot/t"};
  struct sample sample = sample_load(DATA "names.root");
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
    bool found = false;
    for (size_t k = 0; k < sample.container.num_keys; k++) {
      char path[256];
      snprintf(path, sizeof path, "%s/%s", sample.container.keys[k].directory, sample.container.keys[k].name);
      found |= strcmp(path, paths[i]) == 0 && strcmp(sample.container.keys[k].class_name, "TTree") == 0;
    }
    assert_true(found);
  }
  sample_free(&sample);
}

static void cycles_stand_side_by_side(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "cycles.root");
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  assert_true(sample.container.num_keys >= 2);
  assert_string_equal(sample.container.keys[0].name, sample.container.keys[1].name);
  assert_int_not_equal(sample.container.keys[0].cycle, sample.container.keys[1].cycle);
  sample_free(&sample);
}

static void the_id_is_the_uuid_and_the_size(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  char size[32];
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  snprintf(size, sizeof size, ":%zu", sample.size);
  assert_int_equal(strlen(sample.container.id), 36 + strlen(size));
  assert_string_equal(sample.container.id + 36, size);
  assert_int_equal(sample.container.id[8], '-');
  assert_true(sample.container.version > 60000);
  sample_free(&sample);
}

static void what_is_not_a_root_file_is_refused(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  sample.data[0] = 'R';
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_FORMAT);
  assert_non_null(strstr(sample.error.message, "not a ROOT file"));
  assert_int_equal(sample_open(&sample, 0), MLAAS_FORMAT);
  sample_free(&sample);
}

static void payloads_are_inflated(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  struct mlaas_block payload;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  struct mlaas_key key = *sample_key(&sample, "nt", 1);
  assert_int_equal(mlaas_key_payload(&sample.container, &key, &payload, NULL), MLAAS_OK);
  assert_int_equal(payload.size, key.object_len);
  mlaas_block_reset(&payload);
  key.num_bytes = (int32_t)sample.size;
  assert_int_equal(mlaas_key_payload(&sample.container, &key, &payload, &sample.error), MLAAS_FORMAT);
  assert_non_null(strstr(sample.error.message, "truncated?"));
  sample_free(&sample);
}

/* A size that the blocks do not bear out is the file's fault, not a reason to ask for more memory. */
static void claimed_sizes_are_checked_before_memory_is_taken(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "names.root");
  struct mlaas_block payload;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  struct mlaas_key key = *sample_key(&sample, "a.b", 1);
  key.object_len = INT32_MAX;
  assert_int_equal(mlaas_key_payload(&sample.container, &key, &payload, &sample.error), MLAAS_FORMAT);
  assert_non_null(strstr(sample.error.message, "compressed data end"));
  sample_free(&sample);
}

static void a_directory_in_itself_is_refused(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "names.root");
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  const struct mlaas_key *one = sample_key(&sample, "one", 1), *two = sample_key(&sample, "two", 1);
  assert_non_null(one);
  assert_non_null(two);
  /* seek of the key list: behind version, two dates, two lengths and two seeks */
  enum { SEEK_KEYS = 2 + 8 + 8 + 8 };
  memcpy(sample.data + two->offset + two->key_len + SEEK_KEYS, sample.data + one->offset + one->key_len + SEEK_KEYS, 4);
  sample_close(&sample);
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_FORMAT);
  assert_non_null(strstr(sample.error.message, "in two ways"));
  assert_non_null(strstr(sample.error.where, "directory 'one': directory 'two'"));
  sample_free(&sample);
}

static void key_lengths_must_fit_each_other(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  struct mlaas_cursor cursor;
  struct mlaas_key key;
  const uint8_t *record = sample.data + 100; /* fBEGIN: the file's own key */
  uint8_t damaged[128];
  mlaas_cursor_init(&cursor, record, 128, 100, NULL);
  assert_int_equal(mlaas_key_decode(&cursor, &key), MLAAS_OK);
  assert_int_equal(cursor.position, key.key_len);
  for (int i = 0; i < 3; i++) {
    memcpy(damaged, record, sizeof damaged);
    if (i == 0)
      put32(damaged, (uint32_t)key.key_len - 1);
    else if (i == 1)
      put32(damaged + 6, 0x80000000u);
    else
      damaged[14] = 0, damaged[15] = 25;
    mlaas_cursor_init(&cursor, damaged, sizeof damaged, 100, &sample.error);
    assert_int_equal(mlaas_key_decode(&cursor, &key), MLAAS_FORMAT);
    assert_int_equal(sample.error.offset, 100);
  }
  sample_free(&sample);
}

static void records_far_outside_are_refused(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "names.root");
  struct mlaas_block payload;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  struct mlaas_key key = *sample_key(&sample, "a.b", 1);
  int64_t offsets[] = {INT64_MIN, -1, 0, sample.container.end, INT64_MAX - 1, INT64_MAX};
  for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
    key.offset = offsets[i];
    assert_int_equal(mlaas_key_payload(&sample.container, &key, &payload, &sample.error), MLAAS_FORMAT);
    assert_int_equal(sample.error.offset, offsets[i]);
  }
  sample_free(&sample);
}

/* The header's numbers as 8 bytes each, as beyond 2 GiB, in a file made by hand with nothing in it. */
static void big_files_have_wide_headers(void **state) {
  (void)state;
  struct sample sample = {.budget = mlaas_budget_new(1 << 20), .size = 400, .data = calloc(1, 400)};
  uint8_t *data = sample.data;
  memcpy(data, "root", 4);
  put32(data + 4, 1062804);
  put32(data + 8, 100);
  put32(data + 16, 400); /* fEND */
  put32(data + 36, 40);  /* fNbytesName */
  put32(data + 41, 505); /* fCompress */
  data[140] = 1005 >> 8; /* the root directory, with 8-byte seeks */
  data[141] = 1005 & 255;
  assert_int_equal(sample_open(&sample, 400), MLAAS_OK);
  assert_int_equal(sample.container.version, 62804);
  assert_int_equal(sample.container.compression, 505);
  assert_int_equal(sample.container.num_keys, 0);
  sample_close(&sample);
  put32(data + 140 + 34, 1); /* fSeekKeys at 4 GiB */
  put32(data + 150, 100);    /* fNbytesKeys */
  assert_int_equal(sample_open(&sample, 400), MLAAS_FORMAT);
  assert_int_equal(sample.error.offset, (int64_t)1 << 32);
  sample_close(&sample);
  put32(data + 140 + 34, 0x80000000u); /* so far in front of the file that the distance to its end overflows */
  assert_int_equal(sample_open(&sample, 400), MLAAS_FORMAT);
  assert_int_equal(sample.error.offset, INT64_MIN);
  sample_free(&sample);
}

static void every_truncation_is_an_error_or_harmless(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  for (size_t size = 0; size < sample.size; size++) {
    enum mlaas_status status = sample_read_all(&sample, size);
    assert_true(status == MLAAS_OK || status == MLAAS_FORMAT);
    assert_true(status == MLAAS_OK || sample.error.message[0]);
    sample_close(&sample);
    assert_int_equal(mlaas_budget_held(sample.budget), 0);
  }
  sample_free(&sample);
}

static void every_read_may_fail(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "names.root");
  long n = 0;
  enum mlaas_status status;
  do {
    mlaas_source_fail(++n);
    status = sample_read_all(&sample, sample.size);
    assert_true(status == MLAAS_OK || status == MLAAS_IO);
    sample_close(&sample);
    assert_int_equal(mlaas_budget_held(sample.budget), 0);
  } while (status != MLAAS_OK);
  assert_true(n > 10);
  mlaas_source_fail(0);
  sample_free(&sample);
}

static void every_allocation_may_fail(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "old-branch-split1.root");
  long n = 0;
  enum mlaas_status status;
  do {
    mlaas_memory_fail(++n, false);
    status = sample_read_all(&sample, sample.size);
    assert_true(status == MLAAS_OK || status == MLAAS_MEMORY);
    sample_close(&sample);
    assert_int_equal(mlaas_budget_held(sample.budget), 0);
  } while (status != MLAAS_OK);
  assert_true(n > 4);
  mlaas_memory_fail(0, false);
  sample_free(&sample);
}

static void a_small_budget_is_said(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "names.root");
  mlaas_budget_put(sample.budget);
  sample.budget = mlaas_budget_new(20000);
  assert_int_equal(sample_read_all(&sample, sample.size), MLAAS_LIMIT);
  assert_non_null(strstr(sample.error.message, "memory ceiling"));
  sample_free(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(keys_of_all_directories_are_listed),
      cmocka_unit_test(cycles_stand_side_by_side),
      cmocka_unit_test(the_id_is_the_uuid_and_the_size),
      cmocka_unit_test(what_is_not_a_root_file_is_refused),
      cmocka_unit_test(payloads_are_inflated),
      cmocka_unit_test(claimed_sizes_are_checked_before_memory_is_taken),
      cmocka_unit_test(a_directory_in_itself_is_refused),
      cmocka_unit_test(key_lengths_must_fit_each_other),
      cmocka_unit_test(big_files_have_wide_headers),
      cmocka_unit_test(records_far_outside_are_refused),
      cmocka_unit_test(every_truncation_is_an_error_or_harmless),
      cmocka_unit_test(every_read_may_fail),
      cmocka_unit_test(every_allocation_may_fail),
      cmocka_unit_test(a_small_budget_is_said),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
