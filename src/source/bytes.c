/* Sources for callers outside the library. Must not know what the bytes mean. */
#include "source/source.h"

#include "base/cancel.h"
#include "base/error.h"

#include <mlaas/bytes.h>
#include <mlaas/file.h>

enum { MOST_AHEAD = 1 << 20 };

struct mlaas_bytes {
  struct mlaas_context *context;
  struct mlaas_source *source;
};

enum mlaas_status mlaas_bytes_open(struct mlaas_context *context, const char *url, struct mlaas_bytes **bytes,
                                   struct mlaas_error *error) {
  struct mlaas_bytes *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a file");
  made->context = mlaas_context_get(context);
  enum mlaas_status status = mlaas_source_open(context, url, &made->source, error);
  if (status == MLAAS_OK)
    *bytes = made;
  else
    mlaas_bytes_close(made);
  return status;
}

void mlaas_bytes_close(struct mlaas_bytes *bytes) {
  if (!bytes)
    return;
  mlaas_source_put(bytes->source);
  mlaas_context_put(bytes->context);
  mlaas_free(bytes);
}

int64_t mlaas_bytes_size(const struct mlaas_bytes *bytes) { return mlaas_source_size(bytes->source); }

enum mlaas_status mlaas_bytes_read(struct mlaas_bytes *bytes, int64_t offset, int64_t length, void *data,
                                   struct mlaas_error *error) {
  bool is_mine = !mlaas_cancel_watched();
  if (is_mine)
    mlaas_interrupt_watch(true);
  enum mlaas_status status = mlaas_source_read_at(bytes->source, offset, length, data, error);
  if (is_mine)
    mlaas_interrupt_watch(false);
  return status;
}

void mlaas_bytes_ahead(struct mlaas_bytes *bytes, const int64_t *offsets, const int64_t *lengths, size_t count) {
  struct mlaas_range *ranges =
      mlaas_source_is_remote(bytes->source) && count <= MOST_AHEAD ? mlaas_alloc((count + 1) * sizeof *ranges) : NULL;
  for (size_t i = 0; ranges && i < count; i++)
    ranges[i] = (struct mlaas_range){.offset = offsets[i], .length = lengths[i]};
  if (ranges)
    mlaas_source_ahead(bytes->source, ranges, count);
  mlaas_free(ranges);
}

bool mlaas_bytes_is_remote(const struct mlaas_bytes *bytes) { return mlaas_source_is_remote(bytes->source); }

void mlaas_bytes_costs(const struct mlaas_bytes *bytes, struct mlaas_costs *costs) {
  struct mlaas_source_counters counters;
  mlaas_source_counters(bytes->source, &counters);
  *costs = (struct mlaas_costs){counters.requests, counters.ranges,  counters.bytes,    counters.delivered,
                                counters.hits,     counters.retries, counters.failovers};
}
