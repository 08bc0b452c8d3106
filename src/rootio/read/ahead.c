/* Ranges on their way. Must not know baskets or pages. */
#include "rootio/read/ahead.h"

#include <stdlib.h>
#include <string.h>

enum { FEWEST_SLOTS = 256, FEWEST_PENDING = 64 };

/* A free slot has no source. */
struct told {
  struct mlaas_source *source;
  int64_t offset, length;
  int64_t role;
};

void mlaas_ahead_init(struct mlaas_ahead *ahead, struct mlaas_budget *budget) {
  *ahead = (struct mlaas_ahead){.budget = budget};
}

void mlaas_ahead_reset(struct mlaas_ahead *ahead) {
  mlaas_block_reset(&ahead->slots);
  mlaas_block_reset(&ahead->pending);
  *ahead = (struct mlaas_ahead){.budget = ahead->budget};
}

/* ---- the hash ---- */

static size_t home_of(const struct mlaas_ahead *ahead, const struct told *told) {
  uint64_t mix = ((uint64_t)told->offset ^ (uint64_t)(uintptr_t)told->source << 20) * 0x9E3779B97F4A7C15u;
  mix ^= ((uint64_t)told->length << 8 | (uint64_t)told->role) * 0xC2B2AE3D27D4EB4Fu;
  return (size_t)(mix >> 24) & (ahead->num_slots - 1);
}

static bool is_same(const struct told *a, const struct told *b) {
  return a->source == b->source && a->offset == b->offset && a->length == b->length && a->role == b->role;
}

/* Where it is, or the free slot where it would go. */
static size_t slot_of(const struct mlaas_ahead *ahead, const struct told *told) {
  const struct told *slots = ahead->slots.data;
  size_t at = home_of(ahead, told);
  while (slots[at].source && !is_same(&slots[at], told))
    at = (at + 1) & (ahead->num_slots - 1);
  return at;
}

static bool grow(struct mlaas_ahead *ahead) {
  struct mlaas_ahead larger = *ahead;
  larger.num_slots = ahead->num_slots ? 2 * ahead->num_slots : FEWEST_SLOTS;
  if (mlaas_block_new(ahead->budget, (int64_t)(larger.num_slots * sizeof(struct told)), &larger.slots, NULL) !=
      MLAAS_OK)
    return false;
  struct told *slots = larger.slots.data;
  memset(slots, 0, larger.num_slots * sizeof *slots);
  for (size_t i = 0; i < ahead->num_slots; i++) {
    const struct told *told = (const struct told *)ahead->slots.data + i;
    if (told->source)
      slots[slot_of(&larger, told)] = *told;
  }
  mlaas_block_reset(&ahead->slots);
  *ahead = larger;
  return true;
}

/* Takes the slot out and moves those behind it that were pushed on by it. */
static void remove_slot(struct mlaas_ahead *ahead, size_t hole) {
  struct told *slots = ahead->slots.data;
  size_t mask = ahead->num_slots - 1;
  ahead->bytes -= slots[hole].length;
  ahead->num_told--;
  for (size_t at = (hole + 1) & mask; slots[at].source; at = (at + 1) & mask) {
    size_t home = home_of(ahead, &slots[at]);
    if (((at - home) & mask) < ((at - hole) & mask))
      continue; /* it would come to lie in front of its home */
    slots[hole] = slots[at];
    hole = at;
  }
  slots[hole] = (struct told){0};
}

static bool take(struct mlaas_ahead *ahead, const struct told *told) {
  if (ahead->num_told == 0)
    return false;
  size_t at = slot_of(ahead, told);
  if (!((const struct told *)ahead->slots.data)[at].source)
    return false;
  remove_slot(ahead, at);
  return true;
}

/* ---- what is told ---- */

/* The source is noted in `data`, which an announcement ignores. */
static bool add_pending(struct mlaas_ahead *ahead, struct mlaas_source *source, int64_t offset, int64_t length) {
  int64_t needed = (int64_t)((ahead->num_pending + 1) * sizeof(struct mlaas_range));
  enum mlaas_status status = MLAAS_OK;
  if (!ahead->pending.budget)
    status =
        mlaas_block_new(ahead->budget, FEWEST_PENDING * (int64_t)sizeof(struct mlaas_range), &ahead->pending, NULL);
  if (status == MLAAS_OK)
    status = mlaas_block_grow(&ahead->pending, needed, NULL);
  if (status != MLAAS_OK)
    return false;
  ((struct mlaas_range *)ahead->pending.data)[ahead->num_pending++] = (struct mlaas_range){offset, length, source};
  return true;
}

void mlaas_ahead_want(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset,
                      int64_t length) {
  const struct told told = {source, offset, length, role};
  if (length <= 0 || (2 * (ahead->num_told + 1) > ahead->num_slots && !grow(ahead)))
    return;
  size_t at = slot_of(ahead, &told);
  struct told *slots = ahead->slots.data;
  if (slots[at].source || !add_pending(ahead, source, offset, length))
    return;
  slots[at] = told;
  ahead->num_told++;
  ahead->bytes += length;
}

void mlaas_ahead_read(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset,
                      int64_t length) {
  if (!take(ahead, &(struct told){source, offset, length, role}))
    mlaas_ahead_also(ahead, source, offset, length);
}

void mlaas_ahead_also(struct mlaas_ahead *ahead, struct mlaas_source *source, int64_t offset, int64_t length) {
  if (length > 0)
    add_pending(ahead, source, offset, length);
}

void mlaas_ahead_forget(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset,
                        int64_t length) {
  take(ahead, &(struct told){source, offset, length, role});
}

static int compare_places(const void *left, const void *right) {
  const struct mlaas_range *a = left, *b = right;
  if (a->data != b->data)
    return (uintptr_t)a->data < (uintptr_t)b->data ? -1 : 1;
  if (a->offset != b->offset)
    return a->offset < b->offset ? -1 : 1;
  return (a->length > b->length) - (a->length < b->length);
}

void mlaas_ahead_send(struct mlaas_ahead *ahead) {
  struct mlaas_range *ranges = ahead->pending.data;
  size_t count = ahead->num_pending;
  ahead->num_pending = 0;
  if (count > 1)
    qsort(ranges, count, sizeof *ranges, compare_places);
  for (size_t i = 0, next; i < count; i = next) {
    for (next = i + 1; next < count && ranges[next].data == ranges[i].data;)
      next++;
    mlaas_source_ahead(ranges[i].data, ranges + i, next - i);
  }
}
