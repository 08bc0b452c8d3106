/* Requests on their way: which starts when, and what becomes of their bytes. Must not know who reads them, nor how it
 * is tried again.
 *
 * A request starts when its file has one free. Those that somebody waits for go first, in the order of asking; those
 * ahead of any reader follow in the order of announcement, when there is room for their spans and not too much is on
 * its way, and leave one request free where a server allows several. `done` may come within `start`: one thread at a
 * time starts what can be started, and looks again before it stops. */
#include "source/remote/remote.h"
#include "source/remote/retry.h"

#include "base/cancel.h"
#include "base/clock.h"

#include <stdio.h>

enum { DOZE_MS = 50, MOST_REPEATS_AHEAD = 8 };
/* On their way ahead of readers: enough for a fast line with a long way, but so little that what was announced first,
 * and is read first, does not share the line with all that follows. */
enum { AHEAD_BYTES = 64 << 20, AHEAD_REQUESTS = 4 };

struct mlaas_flight *mlaas_flight_new(struct mlaas_remote *remote, size_t count) {
  struct mlaas_flight *flight =
      mlaas_alloc(sizeof *flight + count * (sizeof(struct mlaas_range) + sizeof(struct mlaas_span *)));
  if (!flight)
    return NULL;
  flight->remote = remote;
  flight->count = count;
  flight->count_refs = 1;
  flight->spans = (struct mlaas_span **)(void *)(flight->ranges + count);
  return flight;
}

void mlaas_flight_put(struct mlaas_flight *flight) {
  if (--flight->count_refs == 0)
    mlaas_free(flight);
}

/* ---- lists ---- */

static struct mlaas_flight **first_of(struct mlaas_flight *flight) {
  struct mlaas_remote *remote = flight->remote;
  if (flight->state == MLAAS_FLIGHT_STARTED)
    return &remote->started;
  return flight->ahead ? &remote->cache->queue : &remote->cache->demands;
}

static struct mlaas_flight **last_of(struct mlaas_flight *flight, struct mlaas_flight **none) {
  struct mlaas_cache *cache = flight->remote->cache;
  if (flight->state == MLAAS_FLIGHT_STARTED)
    return none;
  return flight->ahead ? &cache->last_queued : &cache->last_demand;
}

static void append(struct mlaas_flight *flight) {
  struct mlaas_flight *none = NULL, **first = first_of(flight), **last = last_of(flight, &none);
  flight->previous = *last;
  flight->next = *last ? NULL : *first;
  if (flight->next)
    flight->next->previous = flight;
  *(*last ? &(*last)->next : first) = flight;
  *last = flight;
}

static void prepend(struct mlaas_flight *flight) {
  struct mlaas_flight *none = NULL, **first = first_of(flight), **last = last_of(flight, &none);
  flight->previous = NULL;
  flight->next = *first;
  *(*first ? &(*first)->previous : last) = flight;
  *first = flight;
}

static void unlink_flight(struct mlaas_flight *flight) {
  struct mlaas_flight *none = NULL, **first = first_of(flight), **last = last_of(flight, &none);
  *(flight->previous ? &flight->previous->next : first) = flight->next;
  *(flight->next ? &flight->next->previous : last) = flight->previous;
  flight->previous = flight->next = NULL;
}

/* ---- spans of a flight ---- */

/* Leaves out what was read meanwhile in another way. */
static void compact(struct mlaas_flight *flight) {
  size_t kept = 0;
  for (size_t i = 0; i < flight->count; i++) {
    struct mlaas_span *span = flight->spans[i];
    if (span && span->state == MLAAS_SPAN_QUEUED && span->pending == 0 && span->users == 0) {
      mlaas_span_drop(span);
      continue;
    }
    flight->ranges[kept] = flight->ranges[i];
    flight->spans[kept++] = span;
  }
  flight->count = kept;
}

/* Memory for all spans, or for none. */
static bool fill(struct mlaas_flight *flight) {
  int64_t bytes = 0;
  for (size_t i = 0; i < flight->count; i++)
    bytes += flight->ranges[i].length;
  bool filled = mlaas_cache_has_room(flight->remote->cache, bytes);
  for (size_t i = 0; i < flight->count && filled; i++)
    filled = mlaas_span_fill(flight->spans[i]);
  for (size_t i = 0; i < flight->count; i++) {
    struct mlaas_span *span = flight->spans[i];
    if (!filled) {
      mlaas_span_requeue(span);
      continue;
    }
    span->state = MLAAS_SPAN_COMING;
    flight->ranges[i].data = span->block.data;
  }
  return filled;
}

static void drop_spans(struct mlaas_flight *flight) {
  for (size_t i = 0; i < flight->count; i++)
    if (flight->spans[i]) {
      flight->spans[i]->state = MLAAS_SPAN_FAILED;
      mlaas_span_drop(flight->spans[i]);
    }
}

/* Back to the front of those announced. */
static void put_back(struct mlaas_flight *flight) {
  for (size_t i = 0; i < flight->count; i++)
    mlaas_span_requeue(flight->spans[i]);
  flight->state = MLAAS_FLIGHT_WAITING;
  flight->ahead = true;
  prepend(flight);
}

/* ---- starting ---- */

void mlaas_flight_demand(struct mlaas_flight *flight) {
  flight->ahead = false;
  flight->state = MLAAS_FLIGHT_WAITING;
  append(flight);
}

void mlaas_flight_announce(struct mlaas_flight *flight) {
  flight->ahead = flight->announced = true;
  flight->state = MLAAS_FLIGHT_WAITING;
  append(flight);
}

bool mlaas_flight_promote(struct mlaas_flight *flight) {
  compact(flight);
  if (flight->count == 0) {
    mlaas_flight_withdraw(flight);
    return true;
  }
  if (flight->remote->opened && !mlaas_flight_fits(flight)) {
    mlaas_remote_recut(flight->remote);
    return true;
  }
  if (!fill(flight))
    return false;
  unlink_flight(flight);
  mlaas_flight_demand(flight);
  return true;
}

void mlaas_flight_withdraw(struct mlaas_flight *flight) {
  unlink_flight(flight);
  flight->state = MLAAS_FLIGHT_DONE;
  flight->fetch.status = MLAAS_CANCELLED;
  drop_spans(flight);
  mlaas_flight_put(flight);
}

static bool has_free_request(const struct mlaas_remote *remote, bool ahead) {
  if (!remote->opened || remote->closing)
    return false;
  int most = remote->opened->file.most_requests;
  return remote->in_flight < (ahead && most > 1 ? most - 1 : most);
}

static int64_t bytes_of(const struct mlaas_flight *flight) {
  int64_t bytes = 0;
  for (size_t i = 0; i < flight->count; i++)
    bytes += flight->ranges[i].length;
  return bytes;
}

static bool is_line_free(const struct mlaas_cache *cache, const struct mlaas_flight *flight) {
  return cache->num_ahead < AHEAD_REQUESTS || cache->bytes_ahead + bytes_of(flight) <= AHEAD_BYTES;
}

bool mlaas_flight_fits(const struct mlaas_flight *flight) {
  const struct mlaas_wire_file *limits = &flight->remote->opened->file;
  int64_t bytes = 0, longest = 0;
  for (size_t i = 0; i < flight->count; i++) {
    bytes += flight->ranges[i].length;
    longest = flight->ranges[i].length > longest ? flight->ranges[i].length : longest;
  }
  return flight->count <= limits->most_ranges && longest <= limits->most_range_bytes &&
         bytes <= limits->most_request_bytes;
}

/* The next one to start, off its list; NULL: none can. */
static struct mlaas_flight *take_next(struct mlaas_cache *cache) {
  for (struct mlaas_flight *flight = cache->demands, *next; flight; flight = next) {
    next = flight->next;
    if (!has_free_request(flight->remote, false))
      continue;
    if (mlaas_flight_fits(flight)) {
      unlink_flight(flight);
      return flight;
    }
    struct mlaas_remote *remote = flight->remote;
    pthread_cond_broadcast(&remote->changed); /* its readers ask anew */
    if (flight->announced) {
      unlink_flight(flight);
      put_back(flight);
      mlaas_remote_recut(remote);
    } else {
      mlaas_flight_withdraw(flight);
    }
  }
  int64_t now = cache->queue ? mlaas_now_ms() : 0;
  for (struct mlaas_flight *flight = cache->queue, *next; flight; flight = next) {
    next = flight->next;
    if (!has_free_request(flight->remote, true) || now < flight->remote->not_before_ms)
      continue;
    compact(flight);
    if (!mlaas_flight_fits(flight)) {
      mlaas_remote_recut(flight->remote);
      next = cache->queue;
      continue;
    }
    if (flight->count && (!is_line_free(cache, flight) || !fill(flight)))
      return NULL; /* those behind it wait too, else it would never find room */
    unlink_flight(flight);
    if (flight->count)
      return flight;
    flight->state = MLAAS_FLIGHT_DONE;
    mlaas_flight_put(flight);
  }
  return NULL;
}

static void flight_done(struct mlaas_fetch *fetch);
static void tell_wire(struct mlaas_flight *flight);

/* `done` may come before start returns, also on another thread: the handle and the remote stay until it has, and a
 * cancel that came meanwhile is told then. */
static void start(struct mlaas_flight *flight) {
  struct mlaas_remote *remote = flight->remote;
  struct mlaas_cache *cache = remote->cache;
  struct mlaas_opened *opened = remote->opened;
  opened->count += 2; /* the flight's and ours */
  remote->in_flight++;
  cache->num_ahead += flight->ahead;
  cache->bytes_ahead += flight->ahead ? bytes_of(flight) : 0;
  remote->counters.retries += flight->is_repeat;
  flight->opened = opened;
  flight->state = MLAAS_FLIGHT_STARTED;
  flight->cancelled = false;
  append(flight);
  flight->began_ms = mlaas_now_ms();
  flight->fetch = (struct mlaas_fetch){.ranges = flight->ranges, .num_ranges = flight->count, .done = flight_done};
  flight->count_refs += 2; /* the wire's and ours */
  flight->starting = true;
  remote->starting++;
  pthread_mutex_unlock(&cache->lock);
  opened->wire->start(opened->handle, &flight->fetch);
  pthread_mutex_lock(&cache->lock);
  flight->starting = false;
  if (flight->cancelled && flight->state == MLAAS_FLIGHT_STARTED)
    tell_wire(flight);
  mlaas_flight_put(flight);
  mlaas_opened_put(remote, opened);
  if (--remote->starting == 0 && remote->closing)
    pthread_cond_broadcast(&remote->changed);
}

void mlaas_cache_pump(struct mlaas_cache *cache) {
  if (cache->pumping)
    return;
  cache->pumping = true;
  for (struct mlaas_flight *flight; (flight = take_next(cache));)
    start(flight);
  cache->pumping = false;
}

/* ---- ending ---- */

static void note_failure(struct mlaas_flight *flight) {
  struct mlaas_remote *remote = flight->remote;
  struct mlaas_failure *failure = &remote->failure;
  const struct mlaas_fetch *fetch = &flight->fetch;
  struct mlaas_replica *replica = &remote->replicas[flight->opened->replica];
  replica->failures++;
  mlaas_speed_note_failure(replica->host);
  failure->serial++;
  failure->replica = flight->opened->replica;
  failure->opened = flight->opened;
  failure->status = fetch->status == MLAAS_CANCELLED ? MLAAS_IO : fetch->status; /* not by us: it may go next time */
  failure->transient = fetch->transient || fetch->status == MLAAS_CANCELLED;
  failure->retry_after_ms = fetch->retry_after_ms;
  snprintf(failure->message, sizeof failure->message, "%s", fetch->error.message);
  remote->not_before_ms = mlaas_now_ms() + mlaas_retry_delay_ms(replica->failures, fetch->retry_after_ms);
}

/* A hiccup must not cost all that was read ahead, nor must a server that fell; also what somebody waits for by now
 * comes best in one request again. */
static bool requeue(struct mlaas_flight *flight) {
  bool again = flight->announced && flight->fetch.transient && !flight->remote->closing && !flight->cancelled;
  if (!again || ++flight->failures > MOST_REPEATS_AHEAD)
    return false;
  flight->is_repeat = true;
  put_back(flight);
  return true;
}

static void settle(struct mlaas_flight *flight) {
  struct mlaas_remote *remote = flight->remote;
  const struct mlaas_fetch *fetch = &flight->fetch;
  remote->cache->num_ahead -= flight->ahead;
  remote->cache->bytes_ahead -= flight->ahead ? bytes_of(flight) : 0;
  unlink_flight(flight);
  flight->state = MLAAS_FLIGHT_DONE;
  remote->counters.requests += fetch->requests;
  remote->counters.delivered += fetch->delivered;
  if (fetch->status == MLAAS_OK) {
    struct mlaas_replica *replica = &remote->replicas[flight->opened->replica];
    replica->failures = 0;
    remote->not_before_ms = 0;
    mlaas_speed_note(replica->host, mlaas_now_ms() - flight->began_ms, fetch->delivered);
    for (size_t i = 0; i < flight->count; i++)
      if (flight->spans[i])
        mlaas_span_ready(flight->spans[i]);
  } else {
    if (!flight->cancelled)
      note_failure(flight);
    if (requeue(flight)) /* keeps its count */
      return;
    drop_spans(flight);
  }
  mlaas_flight_put(flight); /* the first count; readers hold their own */
}

/* From any thread, also from within start. */
static void flight_done(struct mlaas_fetch *fetch) {
  struct mlaas_flight *flight = (struct mlaas_flight *)(void *)fetch;
  struct mlaas_remote *remote = flight->remote;
  struct mlaas_cache *cache = mlaas_cache_hold(remote->cache);
  pthread_mutex_lock(&cache->lock);
  struct mlaas_opened *opened = flight->opened;
  settle(flight);
  mlaas_opened_put(remote, opened);
  mlaas_flight_put(flight);
  remote->in_flight--;
  pthread_cond_broadcast(&remote->changed);
  mlaas_cache_pump(cache); /* the remote may be closed from now on */
  pthread_mutex_unlock(&cache->lock);
  mlaas_cache_put(cache);
}

static void tell_wire(struct mlaas_flight *flight) {
  struct mlaas_cache *cache = flight->remote->cache;
  struct mlaas_opened *opened = flight->opened;
  flight->count_refs++;
  opened->count++; /* its handle must outlast the call */
  pthread_mutex_unlock(&cache->lock);
  opened->wire->cancel(opened->handle, &flight->fetch);
  pthread_mutex_lock(&cache->lock);
  mlaas_opened_put(flight->remote, opened);
  mlaas_flight_put(flight);
}

void mlaas_flight_cancel(struct mlaas_flight *flight) {
  if (flight->state != MLAAS_FLIGHT_STARTED || flight->cancelled)
    return;
  flight->cancelled = true;
  if (!flight->starting)
    tell_wire(flight);
}

void mlaas_remote_ground(struct mlaas_remote *remote) {
  for (struct mlaas_flight *flight = remote->cache->demands, *next; flight; flight = next) {
    next = flight->next;
    if (flight->remote != remote)
      continue;
    if (flight->announced && !remote->closing) {
      unlink_flight(flight);
      put_back(flight);
    } else {
      mlaas_flight_withdraw(flight);
    }
  }
  pthread_cond_broadcast(&remote->changed);
}

void mlaas_remote_doze(struct mlaas_remote *remote, int64_t ms) {
  if (mlaas_cancel_watched() && ms > DOZE_MS)
    ms = DOZE_MS;
  mlaas_condition_wait(&remote->changed, &remote->cache->lock, ms > 0 ? ms : 0);
}
