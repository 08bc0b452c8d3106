/* Baskets: header, checks, where values and offsets lie. Must not know what the values mean. */
#include "rootio/container/basket.h"

#include "base/error.h"

enum { BIG_KEY = 1000, HAS_SIZES = 1 /* bit of fIOBits */, REGENERATE = 80, DISPLACED = 40, PACKED = 20 };

/* The header behind the key, up to where the key ends. */
static enum mlaas_status decode_header(struct mlaas_cursor *at, struct mlaas_basket_head *head) {
  head->version = mlaas_cursor_i16(at);
  mlaas_cursor_i32(at); /* fBufferSize */
  bool has_bits = mlaas_cursor_i32(at) < 0;
  if (has_bits)
    head->io_bits = mlaas_cursor_u8(at);
  head->entries = mlaas_cursor_i32(at);
  head->last = mlaas_cursor_i32(at);
  head->flag = mlaas_cursor_u8(at);
  head->position = at->position;
  MLAAS_TRY(at->status);
  if (at->position != head->key_len)
    return mlaas_cursor_fail(at, MLAAS_FORMAT, "the basket's header ends at byte %lld of its key of %d bytes",
                             (long long)at->position, head->key_len);
  if (has_bits && head->io_bits != HAS_SIZES)
    return mlaas_cursor_fail(at, MLAAS_UNSUPPORTED, "the basket was written with features 0x%x, which are not known",
                             head->io_bits);
  if (head->entries < 0 || head->last < head->key_len)
    return mlaas_cursor_fail(at, MLAAS_FORMAT, "the basket says %d entries that end at byte %d of %d", head->entries,
                             head->last, head->key_len);
  return MLAAS_OK;
}

enum mlaas_status mlaas_basket_head(const uint8_t *bytes, int64_t size, int64_t offset, struct mlaas_basket_head *head,
                                    struct mlaas_error *error) {
  struct mlaas_cursor cursor;
  struct mlaas_key key = {0};
  mlaas_cursor_init(&cursor, bytes, size, offset, error);
  MLAAS_TRY(mlaas_key_decode(&cursor, &key));
  *head = (struct mlaas_basket_head){.num_bytes = key.num_bytes, .object_len = key.object_len, .key_len = key.key_len};
  return decode_header(&cursor, head);
}

/* The key of a basket that was never written on its own says nothing of sizes. */
static enum mlaas_status embedded_head(const struct mlaas_basket_ref *ref, struct mlaas_basket_head *head,
                                       struct mlaas_error *error) {
  struct mlaas_cursor cursor;
  int64_t length;
  mlaas_cursor_init(&cursor, ref->embedded, ref->embedded_size, -1, error);
  *head = (struct mlaas_basket_head){.num_bytes = mlaas_cursor_i32(&cursor)};
  bool big = mlaas_cursor_i16(&cursor) > BIG_KEY;
  mlaas_cursor_skip(&cursor, 8); /* object length, date */
  head->key_len = mlaas_cursor_i16(&cursor);
  mlaas_cursor_skip(&cursor, 2 + (big ? 16 : 8)); /* cycle, where it is and its directory */
  for (int i = 0; i < 3; i++)
    mlaas_cursor_string(&cursor, &length);
  return decode_header(&cursor, head);
}

bool mlaas_basket_is_plain(const struct mlaas_basket_head *head, int64_t values) {
  return head->object_len == values && head->last - head->key_len == values;
}

enum mlaas_status mlaas_basket_open(const struct mlaas_basket_head *head, const uint8_t *object,
                                    struct mlaas_basket *basket, struct mlaas_error *error) {
  int64_t size = (int64_t)head->last - head->key_len, rest = head->object_len - size;
  int64_t array = 4 + 4 * ((int64_t)head->entries + 1);
  *basket = (struct mlaas_basket){.entries = head->entries, .key_len = head->key_len, .data = object, .size = size};
  if (rest != 0 && rest != array &&
      rest != 2 * array) /* twice: where the entries were before a circular tree moved them */
    return mlaas_fail(error, MLAAS_FORMAT, "%lld bytes follow %lld bytes of values of %d entries; expected 0 or %lld",
                      (long long)rest, (long long)size, head->entries, (long long)array);
  if (rest == 0)
    return MLAAS_OK;
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, object + size, rest, -1, error);
  int32_t count = mlaas_cursor_i32(&cursor);
  if (count != head->entries + 1)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d offsets for %d entries", count, head->entries);
  if (rest > array) {
    mlaas_cursor_seek(&cursor, array);
    count = mlaas_cursor_i32(&cursor);
    if (cursor.status != MLAAS_OK || count != head->entries + 1)
      return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d displacements for %d entries", count, head->entries);
  }
  basket->offsets = object + size + 4;
  basket->offsets_are_sizes = (head->io_bits & HAS_SIZES) != 0;
  basket->displaced = rest == 2 * array;
  return MLAAS_OK;
}

bool mlaas_basket_holds_values(const struct mlaas_basket_ref *ref) {
  struct mlaas_basket_head head;
  return embedded_head(ref, &head, NULL) != MLAAS_OK || head.flag % REGENERATE != 0;
}

enum mlaas_status mlaas_basket_open_embedded(const struct mlaas_basket_ref *ref, struct mlaas_basket_head *head,
                                             struct mlaas_basket *basket, struct mlaas_error *error) {
  MLAAS_TRY(embedded_head(ref, head, error));
  /* Without entries there are no bytes: then `data` points to where they would be, for decoders do sums with it. */
  *basket = (struct mlaas_basket){.entries = head->entries, .key_len = head->key_len, .data = ref->embedded};
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, ref->embedded, ref->embedded_size, -1, error);
  mlaas_cursor_seek(&cursor, head->position);
  bool regenerate = head->flag >= REGENERATE;
  int32_t flag = regenerate ? head->flag - REGENERATE : head->flag;
  if (flag == 0)
    return head->entries == 0 ? cursor.status
                              : mlaas_fail(error, MLAAS_FORMAT, "the basket in the tree's record has no values");
  if (flag > PACKED && flag < DISPLACED)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the basket's offsets are packed as before ROOT 2.23");
  if (!regenerate && flag % 10 != 2 && head->entries > 0) {
    int32_t count = mlaas_cursor_i32(&cursor);
    basket->offsets = mlaas_cursor_bytes(&cursor, 4 * (int64_t)count);
    MLAAS_TRY(cursor.status);
    if (count < head->entries)
      return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d offsets for %d entries", count, head->entries);
  }
  if (flag > DISPLACED) {
    mlaas_cursor_skip(&cursor, 4 * (int64_t)mlaas_cursor_i32(&cursor));
    basket->displaced = true;
  }
  if (head->version < 2)
    mlaas_cursor_i32(&cursor); /* the length, once more */
  mlaas_cursor_skip(&cursor, head->key_len);
  basket->size = (int64_t)head->last - head->key_len;
  basket->data = mlaas_cursor_bytes(&cursor, basket->size);
  return cursor.status;
}
