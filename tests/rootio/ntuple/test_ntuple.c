/* RNTuple listings: fields, entries, and that every checksum is looked at. */
#include "rootio/ntuple/ntuple.h"
#include "../sample.h"

#include <xxhash.h>

static const struct mlaas_key *ntuple_key(const struct sample *sample) {
  for (size_t i = 0; i < sample->container.num_keys; i++)
    if (strcmp(sample->container.keys[i].class_name, "ROOT::RNTuple") == 0)
      return &sample->container.keys[i];
  return NULL;
}

static enum mlaas_status read_ntuple(struct sample *sample, struct mlaas_ntuple *ntuple) {
  enum mlaas_status status = sample_open(sample, sample->size);
  if (status == MLAAS_OK)
    status = mlaas_ntuple_read(&sample->container, ntuple_key(sample), ntuple, &sample->error);
  return status;
}

static void fields_and_entries_are_listed(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-scalars.root");
  struct mlaas_ntuple ntuple;
  assert_int_equal(read_ntuple(&sample, &ntuple), MLAAS_OK);
  assert_true(ntuple.entries > 0);
  assert_true(ntuple.num_fields > 5);
  for (size_t i = 0; i < ntuple.num_fields; i++)
    assert_true(ntuple.fields[i].name[0]);
  mlaas_ntuple_reset(&ntuple);
  sample_free(&sample);
}

static void late_fields_are_listed_too(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "ntuple-late.root");
  struct mlaas_ntuple ntuple;
  bool late = false;
  assert_int_equal(read_ntuple(&sample, &ntuple), MLAAS_OK);
  for (size_t i = 0; i < ntuple.num_fields; i++)
    late |= strstr(ntuple.fields[i].name, "late") != NULL;
  assert_true(late);
  mlaas_ntuple_reset(&ntuple);
  sample_free(&sample);
}

/* The anchor is stored plainly, so its checksum is what notices. */
static void a_damaged_anchor_is_a_checksum_error(void **state) {
  (void)state;
  enum { FRONT = 6, HASHED = 64 };
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-scalars.root");
  struct mlaas_ntuple ntuple;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  size_t start = (size_t)(ntuple_key(&sample)->offset + ntuple_key(&sample)->key_len) + FRONT;
  sample_close(&sample);
  for (size_t i = start; i < start + HASHED + 8; i++) {
    sample.data[i] ^= 1;
    assert_int_equal(read_ntuple(&sample, &ntuple), MLAAS_CHECKSUM);
    sample_close(&sample);
    sample.data[i] ^= 1;
  }
  sample_free(&sample);
}

static void every_truncation_and_flip_is_an_error_or_harmless(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-late.root");
  struct mlaas_ntuple ntuple;
  size_t whole = sample.size;
  for (size_t i = 0; i < whole; i++) {
    sample.data[i] ^= (uint8_t)(1 << i % 8);
    if (sample_open(&sample, whole) == MLAAS_OK && ntuple_key(&sample) &&
        mlaas_ntuple_read(&sample.container, ntuple_key(&sample), &ntuple, &sample.error) == MLAAS_OK)
      mlaas_ntuple_reset(&ntuple);
    sample_close(&sample);
    sample.data[i] ^= (uint8_t)(1 << i % 8);
    if (sample_open(&sample, i) == MLAAS_OK && ntuple_key(&sample) &&
        mlaas_ntuple_read(&sample.container, ntuple_key(&sample), &ntuple, &sample.error) == MLAAS_OK)
      mlaas_ntuple_reset(&ntuple);
    sample_close(&sample);
    assert_int_equal(mlaas_budget_held(sample.budget), 0);
  }
  sample_free(&sample);
}

static void put64(uint8_t *bytes, uint64_t value) {
  for (int i = 0; i < 8; i++)
    bytes[i] = (uint8_t)(value >> (56 - 8 * i));
}

/* Damage behind valid checksums: the header is inflated, changed, signed anew and put at the end of the file. */
static void a_lying_header_is_an_error_or_harmless(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-scalars.root");
  struct mlaas_ntuple ntuple;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  size_t anchor = (size_t)(ntuple_key(&sample)->offset + ntuple_key(&sample)->key_len) + 6;
  sample_close(&sample);
  uint64_t words[3];
  for (int i = 0; i < 3; i++) {
    memcpy(&words[i], sample.data + anchor + 8 + 8 * i, 8);
    words[i] = __builtin_bswap64(words[i]);
  }
  size_t size = (size_t)words[2], at = sample.size;
  sample.data = realloc(sample.data, sample.size += size);
  uint8_t *header = sample.data + at, *copy = malloc(size);
  struct mlaas_codec codec;
  mlaas_codec_init(&codec, sample.budget);
  assert_int_equal(mlaas_codec_decode(&codec, sample.data + words[0], (int64_t)words[1], copy, (int64_t)size, 0, NULL),
                   MLAAS_OK);
  mlaas_codec_reset(&codec);
  put64(sample.data + anchor + 8, at);
  put64(sample.data + anchor + 16, size);
  put64(sample.data + anchor + 64, XXH3_64bits(sample.data + anchor, 64));
  for (size_t i = 0; i < 4; i++) /* fEND */
    sample.data[12 + i] = (uint8_t)(sample.size >> (24 - 8 * i));
  size_t refused = 0;
  for (size_t i = 8; i < size - 8; i++) {
    memcpy(header, copy, size);
    header[i] ^= (uint8_t)(0x80 >> i % 8);
    XXH64_hash_t hash = XXH3_64bits(header, size - 8);
    memcpy(header + size - 8, &hash, 8);
    enum mlaas_status status = read_ntuple(&sample, &ntuple);
    assert_true(status == MLAAS_CHECKSUM || status == MLAAS_FORMAT || status == MLAAS_UNSUPPORTED);
    refused += status != MLAAS_CHECKSUM; /* else the footer says that it belongs to another header */
    sample_close(&sample);
  }
  assert_true(refused > 0);
  free(copy);
  sample_free(&sample);
}

static void every_allocation_and_read_may_fail(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-late.root");
  struct mlaas_ntuple ntuple;
  for (int reads = 0; reads < 2; reads++) {
    enum mlaas_status status;
    long n = 0;
    do {
      n++;
      if (reads)
        mlaas_source_fail(n);
      else
        mlaas_memory_fail(n, false);
      status = read_ntuple(&sample, &ntuple);
      assert_true(status == MLAAS_OK || status == (reads ? MLAAS_IO : MLAAS_MEMORY));
      if (status == MLAAS_OK)
        mlaas_ntuple_reset(&ntuple);
      sample_close(&sample);
    } while (status != MLAAS_OK);
    assert_true(n > 4);
    mlaas_source_fail(0);
    mlaas_memory_fail(0, false);
  }
  sample_free(&sample);
}

static void other_formats_are_named(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "ntuple-scalars.root");
  struct mlaas_ntuple ntuple;
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  struct mlaas_key key = *ntuple_key(&sample);
  key.class_name = "ROOT::Experimental::RNTuple";
  assert_int_equal(mlaas_ntuple_read(&sample.container, &key, &ntuple, &sample.error), MLAAS_UNSUPPORTED);
  assert_non_null(strstr(sample.error.message, "before RNTuple's format was final"));
  sample_free(&sample);
}

/* Written by ROOT 6.40 with records of at most 200 bytes: header and page lists are in pieces. */
static void envelopes_in_several_records_are_read(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "ntuple-keys.root");
  struct mlaas_ntuple ntuple;
  assert_int_equal(read_ntuple(&sample, &ntuple), MLAAS_OK);
  assert_true(ntuple.entries == 40 && ntuple.num_clusters == 2 && ntuple.num_columns == 5);
  assert_string_equal(ntuple.fields[1].type_name, "std::vector<std::int32_t>");
  assert_int_equal(ntuple.clusters[1].ranges[4].elements, 40);
  assert_int_equal(ntuple.clusters[1].ranges[2].first, 30);
  mlaas_ntuple_reset(&ntuple);
  sample_free(&sample);
}

/* ROOT 6.40 merges late columns with more elements than their entries have, and fails on the result itself. */
static void wrongly_merged_columns_are_refused_and_no_others(void **state) {
  (void)state;
  static const char *const readable[] = {"x", "op", "pa"};
  struct sample sample = sample_load(DATA "ntuple-merged-late.root");
  struct mlaas_ntuple ntuple;
  size_t refused = 0;
  assert_int_equal(read_ntuple(&sample, &ntuple), MLAAS_OK);
  assert_int_equal(ntuple.entries, 50);
  for (size_t i = 0; i < ntuple.num_fields; i++) {
    const struct mlaas_ntuple_field *field = &ntuple.fields[i];
    if (field->unsupported)
      assert_non_null(strstr(field->unsupported, "elements"));
    for (size_t k = 0; k < 3; k++)
      if (field->parent == i && strcmp(field->name, readable[k]) == 0)
        assert_null(field->unsupported);
    refused += field->unsupported != NULL;
  }
  assert_int_equal(refused, 5);
  mlaas_ntuple_reset(&ntuple);
  sample_free(&sample);
}

/* Every length that takes another way through XXH3; the sum is that of Python's xxhash. */
static void checksums_are_right_at_every_length(void **state) {
  (void)state;
  enum { LONGEST = 2200 };
  uint8_t bytes[LONGEST];
  uint64_t sum = 0;
  for (uint32_t i = 0; i < LONGEST; i++)
    bytes[i] = (uint8_t)(i * i * 7 + i * 13 + (i >> 8));
  for (size_t length = 0; length <= LONGEST; length++)
    sum = sum * 31 + XXH3_64bits(bytes, length);
  assert_int_equal(sum, 0xee0b14dfde1c7dddull);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(fields_and_entries_are_listed),
      cmocka_unit_test(late_fields_are_listed_too),
      cmocka_unit_test(a_damaged_anchor_is_a_checksum_error),
      cmocka_unit_test(every_truncation_and_flip_is_an_error_or_harmless),
      cmocka_unit_test(a_lying_header_is_an_error_or_harmless),
      cmocka_unit_test(every_allocation_and_read_may_fail),
      cmocka_unit_test(other_formats_are_named),
      cmocka_unit_test(envelopes_in_several_records_are_read),
      cmocka_unit_test(wrongly_merged_columns_are_refused_and_no_others),
      cmocka_unit_test(checksums_are_right_at_every_length),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
