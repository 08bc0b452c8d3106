/* Schemes: how bytes are reached, behind what source.h promises. The ones there are, for the table of source.c. */
#ifndef MLAAS_SOURCE_SCHEME_H
#define MLAAS_SOURCE_SCHEME_H

#include "base/context.h"

#include <mlaas/wire.h>

struct mlaas_source_counters {
  int64_t requests;  /* system calls or messages to servers, those of opening included */
  int64_t ranges;    /* asked for by readers */
  int64_t bytes;     /* asked for by readers */
  int64_t delivered; /* came over the wire, wanted or not; equal to bytes for local files */
  int64_t hits;      /* ranges that were in the cache or on their way when asked for */
  int64_t retries;   /* requests sent again */
  int64_t failovers; /* changes to another replica */
};

/* The seam of what is at hand at once. `open` makes its own state, the others get it. read_many fills every range
 * wholly or fails; a range beyond the size has been refused before it is called. `count_up` adds what the state counts
 * itself (all but ranges and bytes). A scheme without `ahead` is not remote. */
struct mlaas_source_scheme {
  const char *name; /* "file", "remote" */
  enum mlaas_status (*open)(struct mlaas_context *context, const char *url, void **state, int64_t *size,
                            struct mlaas_error *error);
  enum mlaas_status (*read_many)(void *state, const struct mlaas_range *ranges, size_t count,
                                 struct mlaas_error *error);
  void (*count_up)(void *state, struct mlaas_source_counters *counters);
  void (*ahead)(void *state, const struct mlaas_range *ranges, size_t count);
  void (*warm)(void *state, const struct mlaas_range *ranges, size_t count);                      /* may be NULL */
  enum mlaas_status (*checksum)(void *state, char *text, size_t size, struct mlaas_error *error); /* may be NULL */
  void (*close)(void *state);
};

extern const struct mlaas_source_scheme mlaas_source_scheme_file;
extern const struct mlaas_source_scheme mlaas_source_scheme_remote; /* whatever has a wire */

#endif
