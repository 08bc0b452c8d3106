/* Which spans of a file to ask for when some ranges of it are wanted. Pure functions: no file, no server. */
#ifndef MLAAS_SOURCE_GATHER_H
#define MLAAS_SOURCE_GATHER_H

#include <mlaas/wire.h>

/* By offset, then length. Lists that are sorted already, as most are, cost one pass. */
void mlaas_ranges_sort(struct mlaas_range *ranges, size_t count);

/* It has bytes, and all of them lie in a file of `size`. */
bool mlaas_range_is_inside(const struct mlaas_range *range, int64_t size);

/* Writes the spans that cover the sorted `ranges` to `spans` (room for `count`) and returns how many. Ranges that touch
 * or overlap become one span, and so do those with at most `gap` bytes between them, the smallest gaps first, as long
 * as all gaps together stay at most a tenth of what is wanted. span.data is left alone. */
size_t mlaas_ranges_gather(const struct mlaas_range *ranges, size_t count, int64_t gap, struct mlaas_range *spans);

/* The gap that is closed where every range is a request of its own: the largest that wastes at most a tenth of what is
 * wanted, or more where requests would be so many and so small that their heads cost more than the bytes between. */
int64_t mlaas_ranges_single_gap(const struct mlaas_range *ranges, size_t count);

/* How many pieces of at most `most` bytes `length` bytes make, and piece i of it: all about equally long. */
size_t mlaas_pieces_of(int64_t length, int64_t most);
struct mlaas_range mlaas_piece_of(const struct mlaas_range *range, int64_t most, size_t i);

/* Whether a request that has `count` ranges of `bytes` bytes may have one more of `length`; any may have one. */
bool mlaas_request_takes(const struct mlaas_wire_file *limits, size_t count, int64_t bytes, int64_t length);

#endif
