/* Opens sources by scheme and guards every read: ranges are checked against the size before a scheme sees them, and
 * tests can make any read fail. Must not know what the bytes mean. */
#include "source/source.h"

#include "base/error.h"
#include "base/memory.h"
#include "source/place.h"

#include <stdatomic.h>
#include <string.h>

struct mlaas_source {
  const struct mlaas_source_scheme *scheme;
  void *state;
  int64_t size;
  char *url, *shown; /* as it was given; without passwords and tokens */
  atomic_long count;
  atomic_int_fast64_t ranges, bytes;
};

static atomic_long fail_countdown;

void mlaas_source_fail(long n) { atomic_store(&fail_countdown, n); }

static bool read_fails_now(void) {
  long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  return left > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static const struct mlaas_source_scheme *used; /* by tests, instead of the remote one */

void mlaas_source_use(const struct mlaas_source_scheme *scheme) { used = scheme; }

/* Plain paths and file:// are local; all else has a wire, or none. */
static const struct mlaas_source_scheme *find_scheme(const char *url) {
  const char *separator = strstr(url, "://");
  bool local = !separator || strncmp(url, "file://", 7) == 0;
  if (local && !(separator && strstr(url, "|")))
    return &mlaas_source_scheme_file;
  return used ? used : &mlaas_source_scheme_remote;
}

bool mlaas_source_is_remote_url(const char *url) { return find_scheme(url) != &mlaas_source_scheme_file; }

/* Takes over `state`. */
static enum mlaas_status make_source(const struct mlaas_source_scheme *scheme, void *state, int64_t size,
                                     const char *url, struct mlaas_source **source, struct mlaas_error *error) {
  struct mlaas_source *made = mlaas_alloc(sizeof *made);
  size_t length = mlaas_place_show(url, NULL, 0);
  if (made) {
    made->url = mlaas_strdup(url);
    made->shown = made->url ? mlaas_alloc(length + 1) : NULL;
  }
  if (!made || !made->shown) {
    if (made)
      mlaas_free(made->url);
    mlaas_free(made);
    scheme->close(state);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a file");
  }
  mlaas_place_show(url, made->shown, length + 1);
  made->scheme = scheme;
  made->state = state;
  made->size = size;
  atomic_init(&made->count, 1);
  *source = made;
  return MLAAS_OK;
}

enum mlaas_status mlaas_source_open(struct mlaas_context *context, const char *url, struct mlaas_source **source,
                                    struct mlaas_error *error) {
  *source = NULL;
  const struct mlaas_source_scheme *scheme = find_scheme(url);
  void *state = NULL;
  int64_t size = 0;
  MLAAS_TRY(scheme->open(context, url, &state, &size, error));
  return make_source(scheme, state, size, url, source, error);
}

struct mlaas_source *mlaas_source_get(struct mlaas_source *source) {
  atomic_fetch_add(&source->count, 1);
  return source;
}

void mlaas_source_put(struct mlaas_source *source) {
  if (!source || atomic_fetch_sub(&source->count, 1) > 1)
    return;
  source->scheme->close(source->state);
  mlaas_free(source->url);
  mlaas_free(source->shown);
  mlaas_free(source);
}

const char *mlaas_source_url(const struct mlaas_source *source) { return source->shown; }
const char *mlaas_source_place(const struct mlaas_source *source) { return source->url; }
int64_t mlaas_source_size(const struct mlaas_source *source) { return source->size; }

enum mlaas_status mlaas_source_read_many(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count,
                                         struct mlaas_error *error) {
  int64_t bytes = 0;
  for (size_t i = 0; i < count; i++) {
    const struct mlaas_range *range = &ranges[i];
    if (range->offset < 0 || range->length < 0 || range->length > source->size - range->offset)
      return mlaas_fail_at(error, MLAAS_FORMAT, range->offset,
                           "%lld bytes are needed here but the file has %lld in all: is it truncated?",
                           (long long)range->length, (long long)source->size);
    bytes += range->length;
  }
  if (count == 0)
    return MLAAS_OK;
  if (read_fails_now())
    return mlaas_fail_at(error, MLAAS_IO, ranges[0].offset, "reading failed as the test asked for");
  MLAAS_TRY(source->scheme->read_many(source->state, ranges, count, error));
  atomic_fetch_add_explicit(&source->ranges, (int64_t)count, memory_order_relaxed);
  atomic_fetch_add_explicit(&source->bytes, bytes, memory_order_relaxed);
  return MLAAS_OK;
}

enum mlaas_status mlaas_source_read_at(struct mlaas_source *source, int64_t offset, int64_t length, void *data,
                                       struct mlaas_error *error) {
  struct mlaas_range range = {offset, length, data};
  return mlaas_source_read_many(source, &range, 1, error);
}

bool mlaas_source_is_remote(const struct mlaas_source *source) { return source && source->scheme->ahead; }

void mlaas_source_ahead(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count) {
  if (source->scheme->ahead && count)
    source->scheme->ahead(source->state, ranges, count);
}

void mlaas_source_warm(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count) {
  if (source->scheme->warm && count)
    source->scheme->warm(source->state, ranges, count);
}

void mlaas_source_counters(const struct mlaas_source *source, struct mlaas_source_counters *counters) {
  *counters = (struct mlaas_source_counters){
      .ranges = atomic_load_explicit(&source->ranges, memory_order_relaxed),
      .bytes = atomic_load_explicit(&source->bytes, memory_order_relaxed),
  };
  if (source->scheme->count_up)
    source->scheme->count_up(source->state, counters);
}

void mlaas_source_counters_add(struct mlaas_source_counters *sum, const struct mlaas_source_counters *more) {
  sum->requests += more->requests;
  sum->ranges += more->ranges;
  sum->bytes += more->bytes;
  sum->delivered += more->delivered;
  sum->hits += more->hits;
  sum->retries += more->retries;
  sum->failovers += more->failovers;
}

void mlaas_source_counters_subtract(struct mlaas_source_counters *sum, const struct mlaas_source_counters *less) {
  sum->requests -= less->requests;
  sum->ranges -= less->ranges;
  sum->bytes -= less->bytes;
  sum->delivered -= less->delivered;
  sum->hits -= less->hits;
  sum->retries -= less->retries;
  sum->failovers -= less->failovers;
}

enum mlaas_status mlaas_source_checksum(struct mlaas_source *source, char *text, size_t size,
                                        struct mlaas_error *error) {
  if (!source->scheme->checksum)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "nobody keeps a checksum of this file");
  return source->scheme->checksum(source->state, text, size, error);
}

/* ---- over memory: the state is the first byte ---- */

static enum mlaas_status read_memory(void *state, const struct mlaas_range *ranges, size_t count,
                                     struct mlaas_error *error) {
  (void)error;
  for (size_t i = 0; i < count; i++)
    if (ranges[i].length)
      memcpy(ranges[i].data, (const char *)state + ranges[i].offset, (size_t)ranges[i].length);
  return MLAAS_OK;
}

static void close_memory(void *state) { (void)state; }

enum mlaas_status mlaas_source_from_memory(const void *data, size_t size, struct mlaas_source **source,
                                           struct mlaas_error *error) {
  static const struct mlaas_source_scheme memory = {.name = "memory", .read_many = read_memory, .close = close_memory};
  *source = NULL;
  union {
    const void *lent;
    void *state;
  } bytes = {data};
  return make_source(&memory, bytes.state, (int64_t)size, "memory", source, error);
}
