/* Makes mutants: a few bytes or bits changed, the file cut short, sizes replaced by extremes or by each other, blocks
 * swapped, copied, taken out or put in. Knows of ROOT only what sizes look like.
 */
#include "mutant.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_PLACES = 1 << 20, LARGEST_BLOCK = 4096 };

/* ---- chance: splitmix64 ---- */

static uint64_t next_random(uint64_t *state) {
  uint64_t z = *state += 0x9E3779B97F4A7C15u;
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static size_t below(uint64_t *state, size_t bound) { return bound ? (size_t)(next_random(state) % bound) : 0; }

/* ---- what looks like a size ---- */

static uint32_t load_big(const uint8_t *at) {
  return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint32_t load_little(const uint8_t *at) {
  return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void store_big(uint8_t *at, uint32_t word) {
  for (int i = 0; i < 4; i++)
    at[i] = (uint8_t)(word >> (24 - 8 * i));
}

/* Big-endian words that could be a size or an offset in this file, byte counts, and little-endian ones. */
static bool looks_like_size(const uint8_t *at, size_t size) {
  uint32_t big = load_big(at), little = load_little(at);
  if ((big & 0xC0000000u) == 0x40000000u)
    return (big & 0x3FFFFFFFu) <= size;
  return (big > 0 && big <= size) || (little > 0 && little <= size && at[2] == 0 && at[3] == 0);
}

bool mutant_places(struct mutant_original *original) {
  size_t room = original->size < MOST_PLACES ? original->size : MOST_PLACES;
  original->places = malloc((room + 1) * sizeof *original->places);
  if (!original->places)
    return false;
  original->num_places = 0;
  for (size_t i = 0; i + 4 <= original->size && original->num_places < room; i++)
    if (!original->covered[i] && looks_like_size(original->data + i, original->size))
      original->places[original->num_places++] = (uint32_t)i;
  return true;
}

/* ---- changes ---- */

static void note(const struct mutant_original *original, struct mutant *mutant, size_t at, size_t size) {
  if (mutant->num_changes < MUTANT_CHANGES)
    mutant->changes[mutant->num_changes++] = (struct mutant_change){at, size};
  for (size_t i = at; i < at + size && mutant->covered; i++)
    if (mutant->data[i] != original->data[i] && !original->covered[i])
      mutant->covered = false;
}

/* Anywhere, or where sizes are: most bytes of a file are values. */
static size_t pick(const struct mutant_original *original, uint64_t *state, size_t length) {
  size_t room = original->size > length ? original->size - length : 1;
  if (original->num_places && below(state, 3) == 0) {
    size_t at = original->places[below(state, original->num_places)] + below(state, 4);
    return at < room ? at : room - 1;
  }
  return below(state, room);
}

static void change_bytes(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  mutant->kind = "bytes";
  for (size_t i = 1 + below(state, 8); i-- > 0;) {
    size_t at = pick(original, state, 1);
    mutant->data[at] = (uint8_t)next_random(state);
    note(original, mutant, at, 1);
  }
}

static void flip_bits(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  mutant->kind = "bits";
  for (size_t i = 1 + below(state, 8); i-- > 0;) {
    size_t at = pick(original, state, 1);
    mutant->data[at] ^= (uint8_t)(1u << below(state, 8));
    note(original, mutant, at, 1);
  }
}

/* All changes among the bytes that a checksum covers: none of them may pass. */
static void change_covered(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  mutant->kind = "covered";
  for (size_t i = 1 + below(state, 3); i-- > 0;) {
    size_t at = below(state, original->size);
    for (size_t k = 0; k < original->size && !original->covered[at]; k++)
      at = at + 1 < original->size ? at + 1 : 0;
    mutant->data[at] ^= (uint8_t)(1 + below(state, 255));
    note(original, mutant, at, 1);
  }
}

static uint32_t extreme(const struct mutant_original *original, uint64_t *state, uint32_t old) {
  const uint32_t words[] = {0,
                            1,
                            UINT32_MAX,
                            INT32_MAX,
                            0x80000000u,
                            0x40000000u,
                            0x3FFFFFFFu,
                            0x7FFFFFFEu,
                            0x00FFFFFFu,
                            0x00010000u,
                            (uint32_t)original->size,
                            (uint32_t)original->size - 1,
                            old + 1,
                            old - 1,
                            old * 2,
                            old ^ 0x40000000u,
                            0u - old,
                            old << 16 | old >> 16};
  return words[below(state, sizeof words / sizeof *words)];
}

static void splice_sizes(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  mutant->kind = "sizes";
  for (size_t i = 1 + below(state, 3); i-- > 0;) {
    size_t at = original->num_places ? original->places[below(state, original->num_places)] : pick(original, state, 4);
    if (at + 4 > original->size)
      continue;
    size_t bytes = below(state, 3) ? 4 : 2, shift = bytes == 2 ? 2 : 0; /* the low half of the word alone */
    uint8_t word[4];
    uint32_t old = load_big(original->data + at);
    store_big(word, extreme(original, state, old));
    if (original->num_places && below(state, 2))
      memcpy(word, original->data + original->places[below(state, original->num_places)], 4);
    memcpy(mutant->data + at + shift, word + shift, bytes);
    note(original, mutant, at + shift, bytes);
  }
}

static void swap_blocks(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  size_t most = original->size / 4 < LARGEST_BLOCK ? original->size / 4 : LARGEST_BLOCK;
  size_t length = 1 + below(state, most), a = pick(original, state, length), b = pick(original, state, length);
  bool both = below(state, 2);
  mutant->kind = both ? "swap" : "copy";
  if (a + length > original->size || b + length > original->size || (a < b ? b - a : a - b) < length)
    return;
  memcpy(mutant->data + a, original->data + b, length);
  note(original, mutant, a, length);
  if (both) {
    memcpy(mutant->data + b, original->data + a, length);
    note(original, mutant, b, length);
  }
}

static void cut(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  mutant->kind = "truncation";
  mutant->size =
      below(state, 4) ? below(state, original->size) : original->size - 1 - below(state, 64) % original->size;
  mutant->covered = false;
}

static void insert_or_remove(const struct mutant_original *original, uint64_t *state, struct mutant *mutant) {
  size_t length = 1 + below(state, 64), at = pick(original, state, length);
  bool insert = below(state, 2);
  mutant->kind = insert ? "insertion" : "removal";
  mutant->covered = false;
  if (at + length > original->size)
    return;
  if (insert) {
    memmove(mutant->data + at + length, mutant->data + at, original->size - at);
    mutant->size += length;
  } else {
    memmove(mutant->data + at, mutant->data + at + length, original->size - at - length);
    mutant->size -= length;
  }
}

void mutant_make(const struct mutant_original *original, uint64_t seed, struct mutant *mutant) {
  static void (*const makers[])(const struct mutant_original *, uint64_t *, struct mutant *) = {
      change_bytes, change_bytes,   change_bytes, flip_bits,    flip_bits,   splice_sizes,     splice_sizes,
      splice_sizes, change_covered, swap_blocks,  change_bytes, swap_blocks, insert_or_remove, cut};
  uint64_t state = seed * 0xD1342543DE82EF95u + 1;
  next_random(&state);
  memcpy(mutant->data, original->data, original->size);
  mutant->size = original->size;
  mutant->num_changes = 0;
  mutant->covered = true;
  mutant->kind = "none";
  if (original->size > 16)
    makers[below(&state, sizeof makers / sizeof *makers)](original, &state, mutant);
  if (original->num_repairs && mutant->size == original->size && below(&state, 8)) {
    mutant_repair(original, mutant->data);
    mutant->covered = false;
  }
}
