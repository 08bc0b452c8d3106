/* Streamer info: what it says of known classes, and how it is found. */
#include "../sample.h"

static const struct mlaas_streamer_element *element(const struct mlaas_streamer_info *info, const char *name) {
  for (size_t i = 0; info && i < info->num_elements; i++)
    if (strcmp(info->elements[i].name, name) == 0)
      return &info->elements[i];
  return NULL;
}

static void classes_are_described(void **state) {
  (void)state;
  struct sample sample = sample_tree(DATA "pointer-vector-split199.root");
  const struct mlaas_streamer_info *info = mlaas_streamers_find(&sample.streamers, "TBranch", 13, 0);
  assert_non_null(info);
  const struct mlaas_streamer_element *base = element(info, "TNamed"), *entries = element(info, "fEntries"),
                                      *seek = element(info, "fBasketSeek");
  assert_string_equal(base->kind, "TStreamerBase");
  assert_int_equal(base->type, 67);
  assert_int_equal(base->base_version, 1);
  assert_string_equal(entries->type_name, "Long64_t");
  assert_int_equal(entries->type, 16);
  assert_string_equal(seek->kind, "TStreamerBasicPointer");
  assert_string_equal(seek->count_name, "fMaxBaskets");
  assert_string_equal(seek->count_class, "TBranch");
  assert_int_equal(seek->type, 40 + 16);
  sample_free(&sample);
}

static void collections_say_what_they_hold(void **state) {
  (void)state;
  struct sample sample = sample_tree(PLAIN_METADATA "vectors.root");
  size_t found = 0;
  for (size_t i = 0; i < sample.streamers.num_infos; i++)
    for (size_t k = 0; k < sample.streamers.infos[i].num_elements; k++) {
      const struct mlaas_streamer_element *stl = &sample.streamers.infos[i].elements[k];
      if (strcmp(stl->kind, "TStreamerSTL") == 0) {
        assert_int_equal(stl->type, 500);
        assert_true(stl->stl_type > 0);
        found++;
      }
    }
  assert_true(found > 0);
  sample_free(&sample);
}

static void infos_are_found_by_version_checksum_or_the_highest(void **state) {
  (void)state;
  struct mlaas_streamer_info infos[] = {{.name = "A", .version = 1, .checksum = 11},
                                        {.name = "A", .version = 3, .checksum = 13},
                                        {.name = "B", .version = -1, .checksum = 7},
                                        {.name = "B", .version = 2, .checksum = 8}};
  const struct mlaas_streamers streamers = {infos, 4};
  assert_ptr_equal(mlaas_streamers_find(&streamers, "A", 3, 0), &infos[1]);
  assert_ptr_equal(mlaas_streamers_find(&streamers, "A", 1, 13), &infos[0]);
  assert_null(mlaas_streamers_find(&streamers, "A", 2, 0));
  assert_ptr_equal(mlaas_streamers_find(&streamers, "A", 0, 11), &infos[0]);
  assert_ptr_equal(mlaas_streamers_find(&streamers, "B", -1, 7), &infos[2]);
  assert_null(mlaas_streamers_find(&streamers, "B", 0, 9));
  assert_ptr_equal(mlaas_streamers_find(&streamers, "A", -1, 0), &infos[1]);
  assert_ptr_equal(mlaas_streamers_find(&streamers, "B", -1, 0), &infos[3]);
  assert_null(mlaas_streamers_find(&streamers, "C", -1, 0));
  assert_null(mlaas_streamers_find(&(struct mlaas_streamers){0}, "A", -1, 0));
}

static void a_file_without_any_has_an_empty_list(void **state) {
  (void)state;
  struct sample sample = sample_load(DATA "tntuple.root");
  memset(sample.data + 37, 0, 8); /* fSeekInfo, fNbytesInfo */
  assert_int_equal(sample_read_all(&sample, sample.size), MLAAS_OK);
  assert_int_equal(sample.streamers.num_infos, 0);
  assert_int_equal(sample.tree.num_branches, 3); /* TTree's classes are known by heart */
  assert_int_equal(sample.tree.all[0]->leaves[0]->kind, MLAAS_LEAF_F);
  sample_free(&sample);
}

/* Every fifth byte of the plainly stored list is wrong once: the fuzzer has the others. */
static void damaged_descriptions_are_errors_or_harmless(void **state) {
  (void)state;
  struct sample sample = sample_load(PLAIN_METADATA "chain-1.root");
  assert_int_equal(sample_open(&sample, sample.size), MLAAS_OK);
  size_t start = (size_t)sample.container.streamer_key.offset;
  size_t end = start + (size_t)sample.container.streamer_key.num_bytes;
  sample_close(&sample);
  for (size_t i = start; i < end; i += 5) {
    uint8_t kept = sample.data[i];
    sample.data[i] ^= (uint8_t)(1 << i % 8);
    enum mlaas_status status = sample_read_all(&sample, sample.size);
    assert_true(status == MLAAS_OK || status == MLAAS_FORMAT || status == MLAAS_UNSUPPORTED || status == MLAAS_LIMIT);
    sample_close(&sample);
    sample.data[i] = kept;
  }
  sample_free(&sample);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(classes_are_described),
      cmocka_unit_test(collections_say_what_they_hold),
      cmocka_unit_test(infos_are_found_by_version_checksum_or_the_highest),
      cmocka_unit_test(a_file_without_any_has_an_empty_list),
      cmocka_unit_test(damaged_descriptions_are_errors_or_harmless),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
