/* Ranges to spans: sorting, closing gaps, cutting to the limits of servers. Must not know who asks or who answers. */
#include "source/gather.h"

#include <stdlib.h>

/* A request of its own costs its server and the way there a head of about 1 KiB each way and one round trip of one of
 * some dozen connections. Bytes in vain are dearer to those who share the line than waiting is to us, so a gap is
 * closed within a tenth of what is wanted, whatever the round trip; beyond, only where requests would ask for less than
 * their heads take, and are more than fit side by side. Gaps longer than SINGLE_GAP are never cheaper than asking. */
enum { WASTE_DIVISOR = 10, SINGLE_GAP = 256 << 10, SMALL_GAP = 64 << 10, SMALL_REQUEST = 2 << 10, FEW_REQUESTS = 32 };

static int compare_ranges(const void *left, const void *right) {
  const struct mlaas_range *a = left, *b = right;
  if (a->offset != b->offset)
    return a->offset < b->offset ? -1 : 1;
  return a->length < b->length ? -1 : a->length > b->length;
}

bool mlaas_range_is_inside(const struct mlaas_range *range, int64_t size) {
  return range->offset >= 0 && range->length > 0 && range->length <= size && range->offset <= size - range->length;
}

void mlaas_ranges_sort(struct mlaas_range *ranges, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (compare_ranges(&ranges[i - 1], &ranges[i]) > 0) {
      qsort(ranges, count, sizeof *ranges, compare_ranges);
      return;
    }
}

/* Merges what has at most `gap` bytes between; the bytes of gaps closed are added to *waste, those wanted to *wanted.
 * Counts only where `spans` is NULL. */
static size_t merge(const struct mlaas_range *ranges, size_t count, int64_t gap, struct mlaas_range *spans,
                    int64_t *wanted, int64_t *waste) {
  size_t num_spans = 0;
  int64_t begin = 0, end = 0;
  for (size_t i = 0; i < count; i++) {
    int64_t offset = ranges[i].offset, stop = offset + ranges[i].length;
    int64_t fresh = stop - (offset > end || num_spans == 0 ? offset : end); /* overlaps are wanted once */
    if (num_spans && offset - end <= gap) {
      *waste += offset > end ? offset - end : 0;
    } else {
      begin = offset;
      end = offset;
      num_spans++;
    }
    *wanted += fresh > 0 ? fresh : 0;
    end = stop > end ? stop : end;
    if (spans) {
      spans[num_spans - 1].offset = begin;
      spans[num_spans - 1].length = end - begin;
    }
  }
  return num_spans;
}

static bool is_thrifty(const struct mlaas_range *ranges, size_t count, int64_t gap) {
  int64_t wanted = 0, waste = 0;
  merge(ranges, count, gap, NULL, &wanted, &waste);
  return waste <= wanted / WASTE_DIVISOR;
}

/* The largest gap, up to `most`, that may be closed everywhere. */
static int64_t thrifty_gap(const struct mlaas_range *ranges, size_t count, int64_t most) {
  if (most <= 0 || is_thrifty(ranges, count, most))
    return most < 0 ? 0 : most;
  int64_t good = 0, bad = most;
  while (bad - good > 1) {
    int64_t middle = good + (bad - good) / 2;
    if (is_thrifty(ranges, count, middle))
      good = middle;
    else
      bad = middle;
  }
  return good;
}

size_t mlaas_ranges_gather(const struct mlaas_range *ranges, size_t count, int64_t gap, struct mlaas_range *spans) {
  int64_t wanted = 0, waste = 0;
  return merge(ranges, count, thrifty_gap(ranges, count, gap), spans, &wanted, &waste);
}

static bool is_sane(const struct mlaas_range *ranges, size_t count, int64_t gap) {
  int64_t wanted = 0, waste = 0;
  size_t requests = merge(ranges, count, gap, NULL, &wanted, &waste);
  return requests <= FEW_REQUESTS || wanted / (int64_t)requests >= SMALL_REQUEST;
}

int64_t mlaas_ranges_single_gap(const struct mlaas_range *ranges, size_t count) {
  int64_t gap = thrifty_gap(ranges, count, SINGLE_GAP);
  if (gap >= SMALL_GAP || is_sane(ranges, count, gap))
    return gap;
  int64_t mad = gap, sane = SMALL_GAP; /* the smallest that is, if any */
  while (sane - mad > 1) {
    int64_t middle = mad + (sane - mad) / 2;
    if (is_sane(ranges, count, middle))
      sane = middle;
    else
      mad = middle;
  }
  return sane;
}

size_t mlaas_pieces_of(int64_t length, int64_t most) {
  return most <= 0 || length <= most ? 1 : (size_t)((length - 1) / most + 1);
}

struct mlaas_range mlaas_piece_of(const struct mlaas_range *range, int64_t most, size_t i) {
  int64_t pieces = (int64_t)mlaas_pieces_of(range->length, most), each = range->length / pieces;
  int64_t longer = range->length % pieces, n = (int64_t)i; /* the first ones have a byte more */
  int64_t start = n * each + (n < longer ? n : longer);
  return (struct mlaas_range){range->offset + start, each + (n < longer),
                              range->data ? (char *)range->data + start : NULL};
}

bool mlaas_request_takes(const struct mlaas_wire_file *limits, size_t count, int64_t bytes, int64_t length) {
  return count == 0 || (count < limits->most_ranges && length <= limits->most_request_bytes - bytes);
}
