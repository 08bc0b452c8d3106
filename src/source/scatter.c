/* Parts of a file into ranges. Must not know how parts are announced. */
#include "source/scatter.h"

#include <string.h>

static int64_t end_of(const struct mlaas_range *range) { return range->offset + range->length; }

/* The first range that ends behind `offset`. */
static size_t find(const struct mlaas_scatter *scatter, int64_t offset) {
  size_t low = 0, high = scatter->count;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (end_of(&scatter->ranges[middle]) > offset)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

bool mlaas_scatter_begin(struct mlaas_scatter *scatter, int64_t first, int64_t last, int64_t size) {
  if (first < 0 || last < first || last >= size)
    return false;
  scatter->at = first;
  scatter->end = last + 1;
  scatter->next = find(scatter, first);
  return true;
}

bool mlaas_scatter_write(struct mlaas_scatter *scatter, const char *data, size_t size) {
  if ((uint64_t)size > (uint64_t)(scatter->end - scatter->at))
    return false;
  int64_t left = (int64_t)size;
  while (left > 0) {
    bool behind_all = scatter->next == scatter->count;
    const struct mlaas_range *range = behind_all ? NULL : &scatter->ranges[scatter->next];
    int64_t now = left;
    if (range && scatter->at < range->offset) { /* a gap: not wanted */
      now = left < range->offset - scatter->at ? left : range->offset - scatter->at;
    } else if (range) {
      int64_t *filled = &scatter->filled[scatter->next];
      if (scatter->at - range->offset != *filled)
        return false;
      now = left < range->length - *filled ? left : range->length - *filled;
      memcpy((char *)range->data + *filled, data, (size_t)now);
      *filled += now;
      if (*filled == range->length)
        scatter->next++;
    }
    scatter->at += now;
    data += now;
    left -= now;
  }
  return true;
}

int64_t mlaas_scatter_owed(const struct mlaas_scatter *scatter) { return scatter->end - scatter->at; }

bool mlaas_scatter_complete(const struct mlaas_scatter *scatter) {
  for (size_t i = 0; i < scatter->count; i++)
    if (scatter->filled[i] != scatter->ranges[i].length)
      return false;
  return true;
}
