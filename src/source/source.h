/* Where bytes come from: a source has a size and is read at offsets, never sought. Thread safe after opening.
 * A scheme is one record in the table of source.c and one file; limits of a protocol are that file's own business.
 */
#ifndef MLAAS_SOURCE_SOURCE_H
#define MLAAS_SOURCE_SOURCE_H

#include <mlaas/status.h>

struct mlaas_source;

/* One range to read into the caller's memory (which the caller has counted). */
struct mlaas_range {
  int64_t offset, length;
  void *data;
};

struct mlaas_source_counters {
  int64_t requests; /* system calls or network requests */
  int64_t bytes;    /* read so far */
};

/* The seam: what a scheme supplies. `open` makes its own state, the others get it. read_many fills every range wholly
 * or fails; a range beyond the size has been refused before it is called. */
struct mlaas_source_scheme {
  const char *name; /* "file", "root", "https" */
  enum mlaas_status (*open)(const char *url, void **state, int64_t *size, struct mlaas_error *error);
  enum mlaas_status (*read_many)(void *state, const struct mlaas_range *ranges, size_t count, int64_t *requests,
                                 struct mlaas_error *error);
  void (*close)(void *state);
};

/* Opens a path or SCHEME://... Counted: open has one count. Errors: NOT_FOUND, IO, UNSUPPORTED (names the schemes). */
enum mlaas_status mlaas_source_open(const char *url, struct mlaas_source **source, struct mlaas_error *error);
struct mlaas_source *mlaas_source_get(struct mlaas_source *source);
void mlaas_source_put(struct mlaas_source *source);

const char *mlaas_source_url(const struct mlaas_source *source);
int64_t mlaas_source_size(const struct mlaas_source *source);
/* Errors: FORMAT with the offset for a range outside the source ("truncated?"), IO. */
enum mlaas_status mlaas_source_read_at(struct mlaas_source *source, int64_t offset, int64_t length, void *data,
                                       struct mlaas_error *error);
enum mlaas_status mlaas_source_read_many(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count,
                                         struct mlaas_error *error);
void mlaas_source_counters(const struct mlaas_source *source, struct mlaas_source_counters *counters);

/* A source over memory, for tests and fuzz targets; the bytes are borrowed until the last put. */
enum mlaas_status mlaas_source_from_memory(const void *data, size_t size, struct mlaas_source **source,
                                           struct mlaas_error *error);
/* Tests only: the n-th read from now fails with IO (or comes back short, which must become FORMAT or IO); 0: off. */
void mlaas_source_fail(long n);

#endif
