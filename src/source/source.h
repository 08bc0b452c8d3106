/* Where bytes come from: a source has a size and is read at offsets, never sought. Thread safe after opening.
 *
 * "file" is a record in the table of source.c; everything else is remote: a wire (mlaas/wire.h) per protocol under one
 * layer that coalesces, caches, reads ahead, retries and changes replicas (remote/). */
#ifndef MLAAS_SOURCE_SOURCE_H
#define MLAAS_SOURCE_SOURCE_H

#include "source/scheme.h"

struct mlaas_source;

/* Opens a path, SCHEME://... or replicas of one file with "|" between them ("root://a//x|https://b/x"; every part has a
 * scheme). Counted: open has one count; a remote source holds one of the context, which for local files may be NULL.
 * Errors: NOT_FOUND, IO, TIMEOUT, UNSUPPORTED (names the schemes; or the plug-in that is not installed), MEMORY. */
enum mlaas_status mlaas_source_open(struct mlaas_context *context, const char *url, struct mlaas_source **source,
                                    struct mlaas_error *error);
struct mlaas_source *mlaas_source_get(struct mlaas_source *source);
void mlaas_source_put(struct mlaas_source *source);

const char *mlaas_source_url(const struct mlaas_source *source);   /* for people: without passwords and tokens */
const char *mlaas_source_place(const struct mlaas_source *source); /* for opening it, or what lies beside it */
int64_t mlaas_source_size(const struct mlaas_source *source);
/* A request costs a round trip: reading ahead is worth planning for. False for NULL. */
bool mlaas_source_is_remote(const struct mlaas_source *source);
/* The same of what is not open yet: it costs round trips to open. */
bool mlaas_source_is_remote_url(const char *url);
/* Errors: FORMAT with the offset for a range outside the source ("truncated?"), IO, TIMEOUT (the deadline), STALE (it
 * changed while open), CANCELLED. */
enum mlaas_status mlaas_source_read_at(struct mlaas_source *source, int64_t offset, int64_t length, void *data,
                                       struct mlaas_error *error);
/* Ranges in any order; those of a remote source are fetched together, in as few requests as its limits allow. */
enum mlaas_status mlaas_source_read_many(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count,
                                         struct mlaas_error *error);
/* These ranges (data is ignored) will be read soon, in about this order: a remote source begins to fetch them and
 * returns. A hint: what does not fit the cache now is fetched when there is room, errors come when the bytes are read,
 * ranges outside the source are left out. Ranges that were announced are given up after they were read once. */
void mlaas_source_ahead(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count);
/* These will be read next, in pieces and perhaps not all of them: they come together, with what lies around them where
 * they are few, and stay while nobody needs the room. Ranges outside the source are left out. */
void mlaas_source_warm(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count);
void mlaas_source_counters(const struct mlaas_source *source, struct mlaas_source_counters *counters);
void mlaas_source_counters_add(struct mlaas_source_counters *sum, const struct mlaas_source_counters *more);
void mlaas_source_counters_subtract(struct mlaas_source_counters *sum, const struct mlaas_source_counters *less);
/* The server's own checksum of the whole file, "adler32:0a1b2c3d". UNSUPPORTED where there is none. */
enum mlaas_status mlaas_source_checksum(struct mlaas_source *source, char *text, size_t size,
                                        struct mlaas_error *error);

/* A source over memory, for tests and fuzz targets; the bytes are borrowed until the last put. */
enum mlaas_status mlaas_source_from_memory(const void *data, size_t size, struct mlaas_source **source,
                                           struct mlaas_error *error);
/* Tests only: URLs with "://" are opened by this scheme from now on; NULL: as ever. */
void mlaas_source_use(const struct mlaas_source_scheme *scheme);
/* Tests only: the n-th read from now fails with IO (or comes back short, which must become FORMAT or IO); 0: off. */
void mlaas_source_fail(long n);

#endif
