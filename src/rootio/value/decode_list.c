/* Whole baskets of the two fast layouts: entries of one length, and one level of lists. Must not know of files. */
#include "rootio/value/decode.h"

#include "base/error.h"
#include "rootio/value/fast.h"

#include <limits.h>
#include <string.h>

enum { COUNTED_HEADER = 10, BYTE_COUNT = 0x40000000, MEMBER_WISE = 0x4000 };

static uint32_t load32(const uint8_t *in) {
  uint32_t word;
  memcpy(&word, in, 4);
  return __builtin_bswap32(word);
}

/* ---- flat ---- */

/* The values of one member out of every entry, side by side. */
static void gather(const uint8_t *in, int64_t entries, int64_t stride, int64_t bytes, uint8_t *out) {
  for (int64_t i = 0; i < entries; i++)
    memcpy(out + i * bytes, in + i * stride, (size_t)bytes);
}

static enum mlaas_status decode_struct(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                       uint8_t *const *buffers, struct mlaas_block *scratch,
                                       struct mlaas_error *error) {
  MLAAS_TRY(mlaas_block_grow(scratch, basket->size, error));
  int64_t at = 0;
  for (size_t i = 0; i < plan->root->num_children; i++) {
    int64_t per, bytes = mlaas_node_stored(&plan->root->children[i]);
    const struct mlaas_node *leaf = mlaas_node_inner(&plan->root->children[i], &per);
    gather(basket->data + at, basket->entries, plan->entry_bytes, bytes, scratch->data);
    mlaas_values_decode(&leaf->value, scratch->data, basket->entries * per, buffers[leaf->buffer]);
    at += bytes;
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_decode_flat(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    uint8_t *const *buffers, struct mlaas_block *scratch, struct mlaas_error *error) {
  if (basket->size != (int64_t)basket->entries * plan->entry_bytes)
    return mlaas_fail(error, MLAAS_FORMAT, "%lld bytes of values were found for %d entries of %d bytes",
                      (long long)basket->size, basket->entries, plan->entry_bytes);
  if (plan->root->kind == MLAAS_NODE_STRUCT)
    return decode_struct(plan, basket, buffers, scratch, error);
  int64_t per;
  const struct mlaas_node *leaf = mlaas_node_inner(plan->root, &per);
  mlaas_values_decode(&leaf->value, basket->data, basket->entries * per, buffers[leaf->buffer]);
  return MLAAS_OK;
}

/* ---- where the entries begin ---- */

/* out[i] = offset i, counted from the values; the answer is not 0 when they do not ascend. */
MLAAS_FAST(int32_t, load_offsets, (const uint8_t *in, int32_t count, uint32_t origin, int32_t *out),
           (in, count, origin, out), {
             int32_t wrong = 0;
             for (int32_t i = 0; i < count; i++)
               out[i] = (int32_t)(load32(in + 4 * (int64_t)i) - origin);
             for (int32_t i = 1; i < count; i++)
               wrong |= out[i - 1] > out[i];
             return wrong;
           })

/* begins[0 .. entries], from 0 to the size. */
static enum mlaas_status begins_from_offsets(const struct mlaas_basket *basket, int32_t *begins,
                                             struct mlaas_error *error) {
  int32_t entries = basket->entries;
  int32_t wrong = load_offsets(basket->offsets, entries, (uint32_t)basket->key_len, begins);
  if (basket->offsets_are_sizes) {
    wrong = begins[0] = 0;
    for (int32_t i = 1; i < entries; i++) {
      begins[i] = (int32_t)((uint32_t)begins[i - 1] + load32(basket->offsets + 4 * (int64_t)i));
      wrong |= begins[i] < begins[i - 1];
    }
  }
  begins[entries] = (int32_t)basket->size;
  if (!wrong && begins[0] == 0 && (entries == 0 || begins[entries - 1] <= basket->size))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_FORMAT, "the offsets of the basket's %d entries do not ascend from 0 to %lld", entries,
                    (long long)basket->size);
}

static enum mlaas_status begins_from_counts(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                            const int32_t *counts, int32_t *begins, struct mlaas_error *error) {
  int64_t at = 0;
  for (int32_t i = 0; i < basket->entries && at <= basket->size; i++) {
    begins[i] = (int32_t)at;
    at += counts[i] < 0 ? INT_MAX : plan->header_bytes + (int64_t)counts[i] * plan->item_bytes;
  }
  if (at != basket->size)
    return mlaas_fail(error, MLAAS_FORMAT, "the counts of branch %s do not add up to the basket's %lld bytes",
                      plan->counter_name ? plan->counter_name : "?", (long long)basket->size);
  begins[basket->entries] = (int32_t)at;
  return MLAAS_OK;
}

/* Each entry says its own length. */
static enum mlaas_status begins_from_headers(const struct mlaas_basket *basket, int32_t *begins,
                                             struct mlaas_error *error) {
  int64_t at = 0;
  for (int32_t i = 0; i < basket->entries && at <= basket->size - COUNTED_HEADER; i++) {
    begins[i] = (int32_t)at;
    at += 4 + (int64_t)(load32(basket->data + at) & ~(uint32_t)BYTE_COUNT);
    begins[i + 1] = (int32_t)at;
  }
  if (at != basket->size)
    return mlaas_fail(error, MLAAS_FORMAT, "the byte counts of %d entries do not add up to the basket's %lld bytes",
                      basket->entries, (long long)basket->size);
  begins[basket->entries] = (int32_t)at;
  return MLAAS_OK;
}

static enum mlaas_status find_begins(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                     const int32_t *counts, int32_t *begins, struct mlaas_error *error) {
  if (basket->offsets)
    return begins_from_offsets(basket, begins, error);
  if (basket->entries == 0 && basket->size == 0) {
    begins[0] = 0;
    return MLAAS_OK;
  }
  if (plan->header_bytes == COUNTED_HEADER)
    return begins_from_headers(basket, begins, error);
  if (counts)
    return begins_from_counts(plan, basket, counts, begins, error);
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "the basket has no offsets, and no branch says the counts");
}

/* ---- lists ---- */

int64_t mlaas_list_items(const struct mlaas_branch_plan *plan, int64_t entries, int64_t bytes) {
  int64_t values = bytes - entries * plan->header_bytes;
  return values < 0 || values % plan->item_bytes ? -1 : values / plan->item_bytes;
}

/* ends[i] = base + bytes of items up to the end of entry i / bytes of an item, `header` bytes of each entry left out.
 * The answer is not 0 when an entry is shorter than its header or no whole number of items. */
MLAAS_FAST(int32_t, shift_ends,
           (const int32_t *begins, int32_t entries, int32_t header, int32_t shift, int32_t base, int32_t *ends),
           (begins, entries, header, shift, base, ends), {
             int32_t wrong = 0, mask = (1 << shift) - 1;
             for (int32_t i = 0; i < entries; i++) {
               int32_t bytes = begins[i + 1] - (i + 1) * header;
               wrong |= (bytes & mask) | (begins[i + 1] - begins[i] < header);
               ends[i] = base + (bytes >> shift);
             }
             return wrong;
           })

static int32_t divide_ends(const int32_t *begins, int32_t entries, int32_t header, int32_t item, int32_t base,
                           int32_t *ends) {
  int32_t wrong = 0;
  for (int32_t i = 0; i < entries; i++) {
    int32_t bytes = begins[i + 1] - (i + 1) * header;
    wrong |= (bytes % item) | (begins[i + 1] - begins[i] < header);
    ends[i] = base + bytes / item;
  }
  return wrong;
}

static enum mlaas_status find_ends(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                   const int32_t *begins, const struct mlaas_list_sink *sink,
                                   struct mlaas_error *error) {
  int32_t item = plan->item_bytes, header = plan->header_bytes, entries = basket->entries;
  int32_t wrong = item & (item - 1)
                      ? divide_ends(begins, entries, header, item, sink->base, sink->ends)
                      : shift_ends(begins, entries, header, __builtin_ctz((unsigned)item), sink->base, sink->ends);
  return wrong == 0 ? MLAAS_OK
                    : mlaas_fail(error, MLAAS_FORMAT,
                                 "the basket's offsets leave no whole number of items of %d bytes in each entry", item);
}

static enum mlaas_status wrong_header(const struct mlaas_basket *basket, const int32_t *begins, int32_t entry,
                                      struct mlaas_error *error) {
  if (basket->data[begins[entry] + 4] & MEMBER_WISE >> 8)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "collections written member by member are not read yet");
  return mlaas_fail(error, MLAAS_FORMAT, "entry %d of the basket has %d bytes, which do not fit what its header says",
                    entry, begins[entry + 1] - begins[entry]);
}

/* The values of the lists without what stands in front of each. Their places have been checked: every entry has its
 * header, and all items together are as many as there is room for. */
static enum mlaas_status strip_headers(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                       const int32_t *begins, int32_t turned, uint8_t *out, struct mlaas_error *error) {
  int32_t done = mlaas_lists_strip(plan, basket, begins, turned, out);
  return done == basket->entries ? MLAAS_OK : wrong_header(basket, begins, done, error);
}

/* The values of all lists side by side, decoded into the sink. */
static enum mlaas_status decode_items(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                      const int32_t *begins, const struct mlaas_list_sink *sink, uint8_t *aside,
                                      struct mlaas_error *error) {
  int64_t per;
  const struct mlaas_scalar *value = &mlaas_node_inner(plan->root->children, &per)->value;
  MLAAS_TRY(find_ends(plan, basket, begins, sink, error));
  if (plan->header_bytes == 0) {
    mlaas_values_decode(value, basket->data, sink->items * per, sink->values);
    return MLAAS_OK;
  }
  if (value->packing == MLAAS_PACKED_PLAIN)
    return strip_headers(plan, basket, begins, value->width, sink->values, error);
  if (mlaas_values_keep_width(value)) {
    MLAAS_TRY(strip_headers(plan, basket, begins, 1, sink->values, error));
    mlaas_values_decode_in_place(value, sink->values, sink->items * per);
    return MLAAS_OK;
  }
  MLAAS_TRY(strip_headers(plan, basket, begins, 1, aside, error));
  mlaas_values_decode(value, aside, sink->items * per, sink->values);
  return MLAAS_OK;
}

enum mlaas_status mlaas_decode_list(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                                    const int32_t *counts, const struct mlaas_list_sink *sink,
                                    struct mlaas_block *scratch, struct mlaas_error *error) {
  int64_t begins_bytes = ((int64_t)basket->entries + 1) * 4;
  if (mlaas_list_items(plan, basket->entries, basket->size) != sink->items)
    return mlaas_fail(error, MLAAS_FORMAT, "%lld bytes of %d entries are no whole number of items of %d bytes",
                      (long long)basket->size, basket->entries, plan->item_bytes);
  MLAAS_TRY(mlaas_block_grow(scratch, begins_bytes + basket->size, error));
  int32_t *begins = scratch->data;
  MLAAS_TRY(find_begins(plan, basket, counts, begins, error));
  return decode_items(plan, basket, begins, sink, (uint8_t *)scratch->data + begins_bytes, error);
}
