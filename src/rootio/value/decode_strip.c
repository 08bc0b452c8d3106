/* Lists moved together, without the headers that stand in front of each in the file: the inner loop of std::vector.
 * Must not know of files. */
#include "rootio/value/decode.h"

#include "rootio/value/fast.h"

#include <string.h>

enum {
  COUNTED_HEADER = 10, /* byte count, version, count */
  BYTE_COUNT = 0x40000000,
  MEMBER_WISE = 0x40, /* in the first byte of the version */
  STEP = 32,          /* bytes copied at once, also where a list has fewer: its length then decides nothing */
  AHEAD = 64          /* entries whose headers are worked out together */
};

/* STEP bytes, the order of each `width` of them turned round. */
static inline __attribute__((always_inline)) void copy_step(int width, const uint8_t *in, uint8_t *out) {
  uint8_t step[STEP];
  memcpy(step, in, STEP);
  for (int i = 0; width == 2 && i < STEP; i += 2) {
    uint16_t word;
    memcpy(&word, step + i, 2);
    word = __builtin_bswap16(word);
    memcpy(step + i, &word, 2);
  }
  for (int i = 0; width == 4 && i < STEP; i += 4) {
    uint32_t word;
    memcpy(&word, step + i, 4);
    word = __builtin_bswap32(word);
    memcpy(step + i, &word, 4);
  }
  for (int i = 0; width == 8 && i < STEP; i += 8) {
    uint64_t word;
    memcpy(&word, step + i, 8);
    word = __builtin_bswap64(word);
    memcpy(step + i, &word, 8);
  }
  memcpy(out, step, STEP);
}

static inline __attribute__((always_inline)) void copy_exactly(int width, const uint8_t *in, int64_t bytes,
                                                               uint8_t *out) {
  for (; bytes >= STEP; bytes -= STEP, in += STEP, out += STEP)
    copy_step(width, in, out);
  uint8_t step[STEP] = {0};
  memcpy(step, in, (size_t)bytes);
  copy_step(width, step, step);
  memcpy(out, step, (size_t)bytes);
}

/* What the headers of entries have to be, as they stand in the file. */
struct headers {
  uint32_t bytes[AHEAD], items[AHEAD];
};

static inline __attribute__((always_inline)) void expect(const int32_t *begins, int32_t count, uint32_t item,
                                                         struct headers *headers) {
  for (int32_t i = 0; i < count; i++) {
    uint32_t span = (uint32_t)(begins[i + 1] - begins[i]);
    headers->bytes[i] = __builtin_bswap32(BYTE_COUNT | (span - 4));
    headers->items[i] = __builtin_bswap32((span - COUNTED_HEADER) / item);
  }
}

static inline __attribute__((always_inline)) bool is_right(const struct headers *headers, int32_t i,
                                                           const uint8_t *in) {
  uint32_t bytes, items;
  memcpy(&bytes, in, 4);
  memcpy(&items, in + 6, 4);
  return bytes == headers->bytes[i] && items == headers->items[i] && !(in[4] & MEMBER_WISE);
}

/* How many lists at the front have a step's memory behind them, both where they are and where they go. */
static int32_t count_roomy(const struct mlaas_basket *basket, const int32_t *begins, int64_t header) {
  int32_t roomy = basket->entries;
  while (roomy > 0 && basket->size - begins[roomy] - header * (basket->entries - roomy) < STEP)
    roomy--;
  return roomy;
}

static inline __attribute__((always_inline)) int32_t
strip(int64_t header, int32_t item, int width, const struct mlaas_basket *basket, const int32_t *begins, uint8_t *out) {
  const int32_t entries = basket->entries, roomy = count_roomy(basket, begins, header);
  const uint8_t *data = basket->data;
  struct headers headers;
  for (int32_t first = 0; first < entries; first += AHEAD) {
    int32_t count = entries - first < AHEAD ? entries - first : AHEAD;
    const int32_t *here = begins + first;
    if (header == COUNTED_HEADER)
      expect(here, count, (uint32_t)item, &headers);
    for (int32_t i = 0; i < count; i++) {
      const uint8_t *in = data + here[i];
      int64_t bytes = here[i + 1] - here[i] - header;
      if (header == COUNTED_HEADER && !is_right(&headers, i, in))
        return first + i;
      if (__builtin_expect(first + i < roomy, 1)) {
        copy_step(width, in + header, out);
        for (int64_t done = STEP; done < bytes; done += STEP)
          copy_step(width, in + header + done, out + done);
      } else {
        copy_exactly(width, in + header, bytes, out);
      }
      out += bytes;
    }
  }
  return entries;
}

#define STRIP(name, header, item, width)                                                                               \
  MLAAS_FAST(int32_t, name, (const struct mlaas_basket *basket, const int32_t *begins, uint8_t *out),                  \
             (basket, begins, out), { return strip(header, item, width, basket, begins, out); })
STRIP(strip_bytes, COUNTED_HEADER, 1, 1)
STRIP(strip_words, COUNTED_HEADER, 4, 4)
STRIP(strip_longs, COUNTED_HEADER, 8, 8)

int32_t mlaas_lists_strip(const struct mlaas_branch_plan *plan, const struct mlaas_basket *basket,
                          const int32_t *begins, int32_t width, uint8_t *out) {
  if (plan->header_bytes == COUNTED_HEADER && plan->item_bytes == width) {
    if (width == 4)
      return strip_words(basket, begins, out);
    if (width == 8)
      return strip_longs(basket, begins, out);
    if (width == 1)
      return strip_bytes(basket, begins, out);
  }
  return strip(plan->header_bytes, plan->item_bytes, width, basket, begins, out);
}
