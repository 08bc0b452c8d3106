/* What is fetched before anybody waits for it: ranges that were announced, and the ends of a file when it is opened.
 * Must not know why they will be read.
 *
 * The ranges of one announcement are gathered into spans and these into requests at once, so that their number does not
 * depend on how room comes free: a request starts when there is room for all its spans. */
#include "source/gather.h"
#include "source/remote/remote.h"

#include <string.h>
#include <unistd.h>

enum {
  SPAN_BYTES = 8 << 20,
  REQUEST_BYTES = 16 << 20,
  MOST_SPANS = 1 << 16,
  SPANS_PER_CACHE = 8,
  REQUESTS_PER_CACHE = 4
};

/* What one announcement makes. */
struct plan {
  struct mlaas_remote *remote;
  struct mlaas_range *ranges, *missing, *merged;
  size_t count, num_missing, room_missing;
  struct mlaas_span **spans;
  size_t num_spans;
};

/* The limits of the wire, and those of the cache: several requests have to fit it. Nor does much come in one: what came
 * first is decoded while the rest is on its way. */
static struct mlaas_wire_file limits_of(const struct mlaas_remote *remote, const struct mlaas_range *ranges,
                                        size_t count) {
  struct mlaas_wire_file limits = remote->limits;
  int64_t ceiling = remote->cache->ceiling, span = ceiling / SPANS_PER_CACHE;
  span = span > SPAN_BYTES ? SPAN_BYTES : span < 1 ? 1 : span;
  if (limits.most_range_bytes > span)
    limits.most_range_bytes = span;
  int64_t all = 0;
  for (size_t i = 0; i < count; i++)
    if (ranges[i].length > 0 && ranges[i].length <= remote->size && all <= INT64_MAX / 2)
      all += ranges[i].length;
  int64_t most = all / 2 > REQUEST_BYTES ? all / 2 + SPAN_BYTES : REQUEST_BYTES; /* two where that is not too much */
  most = most < ceiling / REQUESTS_PER_CACHE ? most : ceiling / REQUESTS_PER_CACHE;
  if (limits.most_request_bytes > most)
    limits.most_request_bytes = most;
  return limits;
}

static bool list_ranges(struct plan *plan, const struct mlaas_range *ranges, size_t count) {
  if (count > SIZE_MAX / 2 / sizeof *ranges)
    return false;
  plan->ranges = mlaas_alloc(count * sizeof *ranges);
  if (!plan->ranges)
    return false;
  for (size_t i = 0; i < count; i++) {
    const struct mlaas_range *range = &ranges[i];
    if (mlaas_range_is_inside(range, plan->remote->size))
      plan->ranges[plan->count++] = (struct mlaas_range){range->offset, range->length, NULL};
  }
  mlaas_ranges_sort(plan->ranges, plan->count);
  return plan->count > 0;
}

/* The next part of *left that no span has, taken off it. */
static bool next_missing(const struct mlaas_remote *remote, struct mlaas_range *left, struct mlaas_range *missing) {
  while (left->length > 0) {
    size_t i = mlaas_spans_find(remote, left->offset);
    const struct mlaas_span *span = i < remote->num_spans ? remote->spans[i] : NULL;
    int64_t stop = left->offset + left->length, end = stop;
    bool covered = span && span->offset <= left->offset;
    if (covered)
      end = span->offset + span->length < stop ? span->offset + span->length : stop;
    else if (span && span->offset < stop)
      end = span->offset;
    *missing = (struct mlaas_range){left->offset, end - left->offset, NULL};
    *left = (struct mlaas_range){end, stop - end, NULL};
    if (!covered)
      return true;
  }
  return false;
}

static bool add_missing(struct plan *plan, struct mlaas_range missing) {
  if (plan->num_missing == plan->room_missing) {
    size_t room = plan->room_missing ? 2 * plan->room_missing : plan->count + 1;
    struct mlaas_range *larger = mlaas_realloc(plan->missing, room * sizeof *larger);
    if (!larger)
      return false;
    plan->missing = larger;
    plan->room_missing = room;
  }
  plan->missing[plan->num_missing++] = missing;
  return true;
}

static bool list_missing(struct plan *plan) {
  for (size_t i = 0; i < plan->count; i++) {
    struct mlaas_range left = plan->ranges[i], missing;
    while (next_missing(plan->remote, &left, &missing))
      if (!add_missing(plan, missing))
        return false;
  }
  mlaas_ranges_sort(plan->missing, plan->num_missing); /* overlapping ranges with spans between them are not in order */
  plan->merged = plan->num_missing ? mlaas_alloc(plan->num_missing * sizeof *plan->merged) : NULL;
  return plan->merged;
}

static bool add_spans(struct plan *plan, const struct mlaas_range *range, int64_t most) {
  size_t count = mlaas_pieces_of(range->length, most);
  if (plan->num_spans + count + plan->remote->num_spans > MOST_SPANS)
    return false;
  struct mlaas_span **larger = mlaas_realloc(plan->spans, (plan->num_spans + count) * sizeof(struct mlaas_span *));
  if (!larger)
    return false;
  plan->spans = larger;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_range piece = mlaas_piece_of(range, most, i);
    struct mlaas_span *span = mlaas_span_new(plan->remote, piece.offset, piece.length);
    if (!span)
      return false;
    span->call = plan->remote->calls;
    plan->spans[plan->num_spans++] = span;
  }
  return true;
}

/* Spans for what has none yet. They do not overlap: a gap that was to be closed may have a span in it. */
static bool make_spans(struct plan *plan, const struct mlaas_wire_file *limits) {
  if (!list_missing(plan))
    return false;
  size_t merged = mlaas_ranges_gather(plan->missing, plan->num_missing, limits->gap, plan->merged);
  for (size_t i = 0; i < merged; i++) {
    struct mlaas_range left = plan->merged[i], missing;
    while (next_missing(plan->remote, &left, &missing))
      if (!add_spans(plan, &missing, limits->most_range_bytes))
        return false;
  }
  return true;
}

static void free_spans(struct plan *plan, size_t first) {
  for (size_t i = first; i < plan->num_spans; i++)
    mlaas_span_drop(plan->spans[i]);
  plan->num_spans = first;
}

/* One flight of the spans [first, ...), which are in the index from then on; 0: no memory. */
static size_t make_flight(struct plan *plan, size_t first, const struct mlaas_wire_file *limits,
                          struct mlaas_flight **result) {
  size_t count = 0;
  for (int64_t bytes = 0; first + count < plan->num_spans; count++) {
    int64_t length = plan->spans[first + count]->length;
    if (!mlaas_request_takes(limits, count, bytes, length))
      break;
    bytes += length;
  }
  struct mlaas_flight *flight = mlaas_flight_new(plan->remote, count);
  if (!flight || !mlaas_spans_reserve(plan->remote, count)) {
    mlaas_free(flight);
    return 0;
  }
  for (size_t i = 0; i < count; i++) {
    struct mlaas_span *span = plan->spans[first + i];
    flight->spans[i] = span;
    flight->ranges[i] = (struct mlaas_range){span->offset, span->length, NULL};
    span->flight = flight;
  }
  mlaas_spans_add(plan->remote, plan->spans + first, count);
  *result = flight;
  return count;
}

/* Every span that a range touches will be read as often as ranges end in it or go through it. */
static void want_ranges(const struct plan *plan) {
  const struct mlaas_remote *remote = plan->remote;
  for (size_t i = 0; i < plan->count; i++) {
    int64_t stop = plan->ranges[i].offset + plan->ranges[i].length;
    for (size_t k = mlaas_spans_find(remote, plan->ranges[i].offset); k < remote->num_spans; k++) {
      struct mlaas_span *span = remote->spans[k];
      int64_t end = span->offset + span->length;
      if (span->offset >= stop)
        break;
      span->call = remote->calls;
      mlaas_span_want(span, end < stop ? end : stop);
    }
  }
}

static void announce(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count, bool at_once) {
  struct plan plan = {.remote = remote};
  struct mlaas_wire_file limits = limits_of(remote, ranges, count);
  remote->calls += !at_once;
  if (list_ranges(&plan, ranges, count)) {
    make_spans(&plan, &limits); /* whatever was made is fetched */
    size_t queued = 0, first = 0;
    struct mlaas_flight *flight;
    for (size_t made; first < plan.num_spans && (made = make_flight(&plan, first, &limits, &flight)); first += made) {
      mlaas_flight_announce(flight);
      queued++;
      if (at_once)
        for (size_t i = 0; i < made; i++)
          mlaas_span_use(plan.spans[first + i]); /* else nobody wants it */
      if (at_once)
        mlaas_flight_promote(flight); /* no room: it is left out when its turn comes */
      for (size_t i = 0; at_once && i < made; i++)
        mlaas_span_unuse(plan.spans[first + i]);
    }
    free_spans(&plan, first);
    if (!at_once)
      want_ranges(&plan);
  }
  mlaas_free(plan.spans);
  mlaas_free(plan.ranges);
  mlaas_free(plan.missing);
  mlaas_free(plan.merged);
}

void mlaas_remote_recut(struct mlaas_remote *remote) {
  struct plan waiting = {.remote = remote};
  for (struct mlaas_flight *flight = remote->cache->queue, *next; flight; flight = next) {
    next = flight->next;
    if (flight->remote != remote || mlaas_flight_fits(flight))
      continue;
    for (size_t i = 0; i < flight->count; i++) /* without memory for this list there is a hint less */
      if (flight->spans[i]->pending)
        add_missing(&waiting, flight->ranges[i]);
    mlaas_flight_withdraw(flight);
  }
  if (waiting.num_missing)
    announce(remote, waiting.missing, waiting.num_missing, false);
  mlaas_free(waiting.missing);
}

void mlaas_remote_announce(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count) {
  if (getpid() != remote->owner)
    return;
  pthread_mutex_lock(&remote->cache->lock);
  announce(remote, ranges, count, false);
  mlaas_cache_pump(remote->cache);
  pthread_mutex_unlock(&remote->cache->lock);
}

void mlaas_remote_prefetch(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count) {
  pthread_mutex_lock(&remote->cache->lock);
  announce(remote, ranges, count, true);
  mlaas_cache_pump(remote->cache);
  pthread_mutex_unlock(&remote->cache->lock);
}
