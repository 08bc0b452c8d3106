/* A basket's header and where its values lie: records and baskets in the tree's record, whole and damaged. */
#include "../plans.h"

#include <stdlib.h>

enum { NAME = 1, KEY = 34 + 8 + 1 + NAME + 2 + 19 };

struct bytes {
  uint8_t data[512];
  int64_t size;
};

static void put(struct bytes *bytes, int64_t value, int width) {
  for (int i = width - 1; i >= 0; i--)
    bytes->data[bytes->size++] = (uint8_t)((uint64_t)value >> (8 * i));
}

static void put_text(struct bytes *bytes, const char *text) {
  put(bytes, (int64_t)strlen(text), 1);
  memcpy(bytes->data + bytes->size, text, strlen(text));
  bytes->size += (int64_t)strlen(text);
}

/* Key and header of a basket of `entries` whose values have `values` bytes and whose object has `object`. */
static void put_head(struct bytes *bytes, int32_t entries, int32_t values, int32_t object, int flag) {
  put(bytes, KEY + object, 4);
  put(bytes, 1004, 2);
  put(bytes, object, 4);
  put(bytes, 0, 4);
  put(bytes, KEY, 2);
  put(bytes, 1, 2);
  put(bytes, 100, 8);
  put(bytes, 50, 8);
  put_text(bytes, "TBasket");
  put_text(bytes, "x");
  put_text(bytes, "t");
  put(bytes, 3, 2);
  put(bytes, 32000, 4);
  put(bytes, 1000, 4);
  put(bytes, entries, 4);
  put(bytes, KEY + values, 4);
  put(bytes, flag, 1);
  assert_int_equal(bytes->size, KEY);
}

static void values_without_offsets(void **state) {
  (void)state;
  struct bytes bytes = {.size = 0};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  put_head(&bytes, 3, 12, 12, 0);
  assert_int_equal(mlaas_basket_head(bytes.data, bytes.size, 100, &head, NULL), MLAAS_OK);
  assert_int_equal(head.entries, 3);
  assert_int_equal(head.key_len, KEY);
  assert_true(mlaas_basket_is_plain(&head, 12));
  assert_false(mlaas_basket_is_plain(&head, 8));
  assert_int_equal(mlaas_basket_open(&head, bytes.data, &basket, NULL), MLAAS_OK);
  assert_int_equal(basket.size, 12);
  assert_null(basket.offsets);
}

static void offsets_follow_the_values(void **state) {
  (void)state;
  struct bytes bytes = {.size = 0}, object = {.size = 0};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  struct mlaas_error error;
  put_head(&bytes, 2, 6, 6 + 4 + 12, 0);
  put(&object, 0x010203040506, 6);
  put(&object, 3, 4);
  put(&object, KEY, 4);
  put(&object, KEY + 2, 4);
  put(&object, 0, 4);
  assert_int_equal(mlaas_basket_head(bytes.data, bytes.size, 100, &head, &error), MLAAS_OK);
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_OK);
  assert_ptr_equal(basket.offsets, object.data + 10);
  assert_int_equal(basket.size, 6);
  head.object_len = 6 + 2 * 16; /* displacements, as circular trees have them */
  put(&object, 3, 4);
  for (int i = 0; i < 3; i++)
    put(&object, KEY + 100, 4);
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_OK);
  assert_ptr_equal(basket.offsets, object.data + 10);
  assert_true(basket.displaced);
  object.data[6 + 16 + 3] = 2;
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "2 displacements for 2 entries"));
  head.object_len = 6 + 16;
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_OK);
  assert_false(basket.displaced);
  object.data[9] = 4; /* one offset too many */
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "4 offsets for 2 entries"));
  head.object_len = 6 + 5;
  assert_int_equal(mlaas_basket_open(&head, object.data, &basket, &error), MLAAS_FORMAT);
}

static void headers_that_contradict_themselves_are_refused(void **state) {
  (void)state;
  struct mlaas_basket_head head;
  struct mlaas_error error;
  for (int64_t size = 0; size < KEY; size++) { /* cut anywhere */
    struct bytes bytes = {.size = 0};
    put_head(&bytes, 3, 12, 12, 0);
    assert_int_equal(mlaas_basket_head(bytes.data, size, 100, &head, &error), MLAAS_FORMAT);
  }
  struct bytes negative = {.size = 0}, before = {.size = 0}, longer = {.size = 0};
  put_head(&negative, -1, 12, 12, 0);
  assert_int_equal(mlaas_basket_head(negative.data, negative.size, 100, &head, &error), MLAAS_FORMAT);
  assert_non_null(strstr(error.message, "-1 entries"));
  assert_true(error.offset >= 100);
  put_head(&before, 3, -2, 12, 0);
  assert_int_equal(mlaas_basket_head(before.data, before.size, 100, &head, &error), MLAAS_FORMAT);
  put_head(&longer, 3, 12, 12, 0);
  longer.data[15] += 1; /* fKeylen */
  assert_int_equal(mlaas_basket_head(longer.data, longer.size, 100, &head, &error), MLAAS_FORMAT);
}

static void embedded_baskets_repeat_their_key(void **state) {
  (void)state;
  struct bytes bytes = {.size = 0};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  struct mlaas_error error;
  put_head(&bytes, 2, 6, 0, 11);
  memset(bytes.data, 0, 4); /* its record says nothing of sizes */
  put(&bytes, 2, 4);
  put(&bytes, KEY, 4);
  put(&bytes, KEY + 2, 4);
  bytes.size += KEY;
  put(&bytes, 0x010203040506, 6);
  struct mlaas_basket_ref ref = {.embedded = bytes.data, .embedded_size = bytes.size};
  assert_true(mlaas_basket_holds_values(&ref));
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_OK);
  assert_int_equal(basket.entries, 2);
  assert_memory_equal(basket.data, "\1\2\3\4\5\6", 6);
  for (ref.embedded_size = 0; ref.embedded_size < bytes.size; ref.embedded_size++)
    assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_FORMAT);
  bytes.data[KEY - 1] = 0; /* a header alone */
  ref.embedded_size = bytes.size;
  assert_false(mlaas_basket_holds_values(&ref));
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_FORMAT);
  bytes.data[KEY - 1] = 31; /* offsets packed as they were of old */
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_UNSUPPORTED);
  bytes.data[KEY - 1] = 51; /* displacements behind the offsets, which are not there */
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_FORMAT);
}

static void embedded_baskets_may_have_been_moved(void **state) {
  (void)state;
  struct bytes bytes = {.size = 0};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  struct mlaas_error error;
  put_head(&bytes, 2, 6, 0, 51);
  for (int i = 0; i < 2; i++) {
    put(&bytes, 2, 4);
    put(&bytes, KEY + 200 * i, 4);
    put(&bytes, KEY + 200 * i + 2, 4);
  }
  bytes.size += KEY;
  put(&bytes, 0x010203040506, 6);
  struct mlaas_basket_ref ref = {.embedded = bytes.data, .embedded_size = bytes.size};
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_OK);
  assert_true(basket.displaced);
  assert_ptr_equal(basket.offsets, bytes.data + KEY + 4);
  assert_memory_equal(basket.data, "\1\2\3\4\5\6", 6);
  for (ref.embedded_size = 0; ref.embedded_size < bytes.size; ref.embedded_size++)
    assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, &error), MLAAS_FORMAT);
}

static void unknown_features_are_refused(void **state) {
  (void)state;
  struct mlaas_error error;
  struct mlaas_basket_head head;
  for (int bits = 0; bits < 4; bits++) {
    struct bytes bytes = {.size = 0};
    put_head(&bytes, 3, 12, 12, 0);
    memmove(bytes.data + KEY - 8, bytes.data + KEY - 9, 9); /* room for a byte behind fNevBufSize */
    bytes.data[KEY - 9] = (uint8_t)bits;
    memset(bytes.data + KEY - 13, 0xff, 4);
    bytes.data[15]++; /* fKeylen */
    enum mlaas_status status = mlaas_basket_head(bytes.data, KEY + 1, 100, &head, &error);
    assert_int_equal(status, bits == 1 ? MLAAS_OK : MLAAS_UNSUPPORTED);
  }
}

/* Found by the fuzzer: decoders do sums with `data` even where there is nothing to decode. */
static void an_embedded_basket_without_entries_points_somewhere(void **state) {
  (void)state;
  struct bytes bytes = {.size = 0};
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  put_head(&bytes, 0, 0, 0, 0);
  struct mlaas_basket_ref ref = {.embedded = bytes.data, .embedded_size = bytes.size};
  assert_int_equal(mlaas_basket_open_embedded(&ref, &head, &basket, NULL), MLAAS_OK);
  assert_int_equal(basket.size, 0);
  assert_non_null(basket.data);
}

int main(void) {
  const struct CMUnitTest tests[] = {
      cmocka_unit_test(values_without_offsets),
      cmocka_unit_test(offsets_follow_the_values),
      cmocka_unit_test(headers_that_contradict_themselves_are_refused),
      cmocka_unit_test(embedded_baskets_repeat_their_key),
      cmocka_unit_test(embedded_baskets_may_have_been_moved),
      cmocka_unit_test(unknown_features_are_refused),
      cmocka_unit_test(an_embedded_basket_without_entries_points_somewhere),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
