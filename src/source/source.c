/* Opens sources by scheme and guards every read: ranges are checked against the size before a scheme sees them, and
 * tests can make any read fail. Must not know what the bytes mean. */
#include "source/scheme.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct mlaas_source {
  const struct mlaas_source_scheme *scheme;
  void *state;
  int64_t size;
  char *url;
  atomic_long count;
  atomic_int_fast64_t requests, bytes;
};

/* A new scheme is one line here. */
static const struct mlaas_source_scheme *const schemes[] = {&mlaas_source_scheme_file};

static atomic_long fail_countdown;

void mlaas_source_fail(long n) { atomic_store(&fail_countdown, n); }

static bool read_fails_now(void) {
  long left = atomic_load_explicit(&fail_countdown, memory_order_relaxed);
  return left > 0 && atomic_fetch_sub(&fail_countdown, 1) == 1;
}

/* The scheme of "name://..." or, for a plain path, "file". */
static const struct mlaas_source_scheme *find_scheme(const char *url) {
  const char *separator = strstr(url, "://");
  const char *name = separator ? url : "file";
  size_t length = separator ? (size_t)(separator - url) : strlen(name);
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (strlen(schemes[i]->name) == length && strncmp(schemes[i]->name, name, length) == 0)
      return schemes[i];
  return NULL;
}

static enum mlaas_status fail_scheme(const char *url, struct mlaas_error *error) {
  char names[256] = "";
  size_t used = 0;
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes && used < sizeof names; i++)
    used += (size_t)snprintf(names + used, sizeof names - used, "%s%s://", i ? ", " : "", schemes[i]->name);
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "the scheme of '%s' is not known; there are: %s and plain paths", url,
                    names);
}

/* Takes over `state`. */
static enum mlaas_status make_source(const struct mlaas_source_scheme *scheme, void *state, int64_t size,
                                     const char *url, struct mlaas_source **source, struct mlaas_error *error) {
  struct mlaas_source *made = mlaas_alloc(sizeof *made);
  char *copy = made ? mlaas_strdup(url) : NULL;
  if (!copy) {
    mlaas_free(made);
    scheme->close(state);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open '%s'", url);
  }
  made->scheme = scheme;
  made->state = state;
  made->size = size;
  made->url = copy;
  atomic_init(&made->count, 1);
  *source = made;
  return MLAAS_OK;
}

enum mlaas_status mlaas_source_open(const char *url, struct mlaas_source **source, struct mlaas_error *error) {
  *source = NULL;
  const struct mlaas_source_scheme *scheme = find_scheme(url);
  if (!scheme)
    return fail_scheme(url, error);
  void *state = NULL;
  int64_t size = 0;
  MLAAS_TRY(scheme->open(url, &state, &size, error));
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
  mlaas_free(source);
}

const char *mlaas_source_url(const struct mlaas_source *source) { return source->url; }
int64_t mlaas_source_size(const struct mlaas_source *source) { return source->size; }

enum mlaas_status mlaas_source_read_many(struct mlaas_source *source, const struct mlaas_range *ranges, size_t count,
                                         struct mlaas_error *error) {
  int64_t bytes = 0, requests = 0;
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
  MLAAS_TRY(source->scheme->read_many(source->state, ranges, count, &requests, error));
  atomic_fetch_add_explicit(&source->requests, requests, memory_order_relaxed);
  atomic_fetch_add_explicit(&source->bytes, bytes, memory_order_relaxed);
  return MLAAS_OK;
}

enum mlaas_status mlaas_source_read_at(struct mlaas_source *source, int64_t offset, int64_t length, void *data,
                                       struct mlaas_error *error) {
  struct mlaas_range range = {offset, length, data};
  return mlaas_source_read_many(source, &range, 1, error);
}

void mlaas_source_counters(const struct mlaas_source *source, struct mlaas_source_counters *counters) {
  counters->requests = atomic_load_explicit(&source->requests, memory_order_relaxed);
  counters->bytes = atomic_load_explicit(&source->bytes, memory_order_relaxed);
}

/* ---- over memory: the state is the first byte ---- */

static enum mlaas_status read_memory(void *state, const struct mlaas_range *ranges, size_t count, int64_t *requests,
                                     struct mlaas_error *error) {
  (void)error;
  for (size_t i = 0; i < count; i++)
    if (ranges[i].length)
      memcpy(ranges[i].data, (const char *)state + ranges[i].offset, (size_t)ranges[i].length);
  *requests = (int64_t)count;
  return MLAAS_OK;
}

static void close_memory(void *state) { (void)state; }

enum mlaas_status mlaas_source_from_memory(const void *data, size_t size, struct mlaas_source **source,
                                           struct mlaas_error *error) {
  static const struct mlaas_source_scheme memory = {"memory", NULL, read_memory, close_memory};
  *source = NULL;
  union {
    const void *lent;
    void *state;
  } bytes = {data};
  return make_source(&memory, bytes.state, (int64_t)size, "memory", source, error);
}
