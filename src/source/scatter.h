/* Bytes of a file, as a server sends them, into the ranges that were asked for: parts may be larger than ranges, cut
 * them, and leave some out; no byte of a range is ever written twice. */
#ifndef MLAAS_SOURCE_SCATTER_H
#define MLAAS_SOURCE_SCATTER_H

#include <mlaas/wire.h>

struct mlaas_scatter {
  const struct mlaas_range *ranges; /* ascending */
  size_t count;
  int64_t *filled; /* the caller's, one per range, 0 at first */
  size_t next;     /* the range that the next byte is for, or lies before */
  int64_t at, end; /* of the part that is coming */
};

/* A part [first, last] comes. False: it is no part of a file of `size` bytes. */
bool mlaas_scatter_begin(struct mlaas_scatter *scatter, int64_t first, int64_t last, int64_t size);
/* The part's next bytes. False: more than the part has, or bytes that were there already. */
bool mlaas_scatter_write(struct mlaas_scatter *scatter, const char *data, size_t size);
/* Bytes that the part still owes. */
int64_t mlaas_scatter_owed(const struct mlaas_scatter *scatter);
/* Every range is full. */
bool mlaas_scatter_complete(const struct mlaas_scatter *scatter);

#endif
