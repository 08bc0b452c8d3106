/* Files that are reached over a wire: opening and closing them. Must not know which protocol, nor what the bytes mean
 * but that the ends of a file describe it. */
#include "source/gather.h"
#include "source/remote/remote.h"
#include "source/scheme.h"
#include "source/wires.h"

#include "base/clock.h"
#include "base/error.h"

#include <unistd.h>
#include <xxhash.h>

enum {
  HEAD_SHARE = 64, /* of the file's size, read at once when it is opened: a 64th, but between these bounds */
  TAIL_SHARE = 32,
  LEAST_HEAD = 16 << 10,
  MOST_HEAD = 64 << 10, /* files that uproot wrote have all that describes them in their first 62 kB */
  LEAST_TAIL = 64 << 10,
  MOST_TAIL = 256 << 10,
  SMALL = 128 << 10, /* comes whole */
  COMPARED = 4096,
  FEW = 4, /* ranges that are widened */
  SLACK_SHARE = 50,
  LEAST_SLACK = 64 << 10
};

static int64_t clamp(int64_t value, int64_t least, int64_t most) {
  return value < least ? least : value > most ? most : value;
}

static void free_remote(struct mlaas_remote *remote) {
  if (remote->cache) {
    pthread_cond_destroy(&remote->changed);
    mlaas_cache_put(remote->cache);
  }
  mlaas_replicas_reset(remote);
  mlaas_context_put(remote->context);
  mlaas_free(remote->spans);
  mlaas_free(remote);
}

static enum mlaas_status make_remote(struct mlaas_context *context, const char *url, struct mlaas_remote **result,
                                     struct mlaas_error *error) {
  struct mlaas_remote *remote = mlaas_alloc(sizeof *remote);
  if (!remote)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a remote file");
  remote->context = mlaas_context_get(context);
  remote->options = mlaas_context_remote(context);
  remote->owner = getpid();
  remote->size = -1;
  remote->current = -1;
  enum mlaas_status status = mlaas_replicas_parse(remote, url, error);
  if (status == MLAAS_OK) {
    remote->cache = mlaas_cache_get(context);
    if (!remote->cache)
      status = mlaas_fail(error, MLAAS_MEMORY, "no memory to open a remote file");
  }
  if (status != MLAAS_OK) {
    free_remote(remote);
    return status;
  }
  mlaas_condition_init(&remote->changed);
  pthread_mutex_lock(&remote->cache->lock);
  remote->next = remote->cache->remotes;
  remote->cache->remotes = remote;
  pthread_mutex_unlock(&remote->cache->lock);
  *result = remote;
  return MLAAS_OK;
}

/* Both ends in one go, then the first bytes, by which other replicas are compared. */
static enum mlaas_status read_ends(struct mlaas_remote *remote, struct mlaas_error *error) {
  char head[COMPARED];
  int64_t size = remote->size, first = clamp(size / HEAD_SHARE, LEAST_HEAD, MOST_HEAD);
  int64_t last = clamp(size / TAIL_SHARE, LEAST_TAIL, MOST_TAIL);
  struct mlaas_range whole = {0, size, NULL}, ends[] = {{0, first, NULL}, {size - last, last, NULL}};
  remote->slack = size / SLACK_SHARE + LEAST_SLACK;
  if (size == 0)
    return MLAAS_OK;
  if (size <= SMALL)
    mlaas_remote_prefetch(remote, &whole, 1);
  else
    mlaas_remote_prefetch(remote, ends, 2);
  struct mlaas_range compared = {0, size < COMPARED ? size : COMPARED, head};
  MLAAS_TRY(mlaas_remote_read(remote, &compared, 1, error));
  remote->head_hash = XXH3_64bits(head, (size_t)compared.length);
  remote->head_bytes = compared.length;
  remote->counters.hits = 0; /* that was no reader */
  return MLAAS_OK;
}

/* What the server was asked for when the file was opened has come with the ends. */
static enum mlaas_status settle(struct mlaas_remote *remote, const struct mlaas_tries *tries,
                                struct mlaas_error *error) {
  pthread_mutex_lock(&remote->cache->lock);
  enum mlaas_status status = mlaas_replica_settle(remote, tries, error);
  mlaas_remote_tidy(remote);
  pthread_mutex_unlock(&remote->cache->lock);
  return status;
}

/* Nothing is on its way any more when it returns. */
static void end_flights(struct mlaas_remote *remote) {
  struct mlaas_cache *cache = remote->cache;
  remote->closing = true;
  for (struct mlaas_flight *flight = cache->queue, *next; flight; flight = next) {
    next = flight->next;
    if (flight->remote == remote)
      mlaas_flight_withdraw(flight);
  }
  mlaas_remote_ground(remote);
  while (remote->in_flight > 0 || remote->starting > 0) {
    struct mlaas_flight *flight = remote->started;
    while (flight && flight->cancelled)
      flight = flight->next;
    if (flight)
      mlaas_flight_cancel(flight); /* lets the lock go: the list may be another */
    else
      pthread_cond_wait(&remote->changed, &cache->lock);
  }
}

static void close_remote(void *state) {
  struct mlaas_remote *remote = state;
  struct mlaas_cache *cache = remote->cache;
  if (getpid() != remote->owner)
    return; /* locks and handles are as the parent's threads left them */
  pthread_mutex_lock(&cache->lock);
  end_flights(remote);
  while (remote->num_spans)
    mlaas_span_drop(remote->spans[remote->num_spans - 1]);
  struct mlaas_opened *opened = remote->opened;
  remote->opened = NULL;
  if (opened)
    mlaas_opened_put(remote, opened);
  mlaas_remote_tidy(remote);
  for (struct mlaas_remote **link = &cache->remotes; *link; link = &(*link)->next)
    if (*link == remote) {
      *link = remote->next;
      break;
    }
  mlaas_cache_pump(cache); /* others have room now */
  pthread_mutex_unlock(&cache->lock);
  free_remote(remote);
}

static enum mlaas_status open_remote(struct mlaas_context *context, const char *url, void **state, int64_t *size,
                                     struct mlaas_error *error) {
  struct mlaas_remote *remote = NULL;
  struct mlaas_tries tries;
  if (!context) {
    const struct mlaas_wire *wire = NULL;
    MLAAS_TRY(mlaas_wire_find(url, &wire, error)); /* the better reason */
    return mlaas_fail(error, MLAAS_ARGUMENT, "a remote file needs a context");
  }
  MLAAS_TRY(make_remote(context, url, &remote, error));
  mlaas_tries_begin(&tries, remote);
  pthread_mutex_lock(&remote->cache->lock);
  enum mlaas_status status = mlaas_replica_ensure(remote, &tries, error);
  pthread_mutex_unlock(&remote->cache->lock);
  if (status == MLAAS_OK)
    status = read_ends(remote, error);
  if (status == MLAAS_OK)
    status = settle(remote, &tries, error);
  if (status != MLAAS_OK) {
    close_remote(remote);
    return status;
  }
  *state = remote;
  *size = remote->size;
  return MLAAS_OK;
}

static enum mlaas_status read_remote(void *state, const struct mlaas_range *ranges, size_t count,
                                     struct mlaas_error *error) {
  return mlaas_remote_read(state, ranges, count, error);
}

static void announce_remote(void *state, const struct mlaas_range *ranges, size_t count) {
  mlaas_remote_announce(state, ranges, count);
}

/* Whether nothing of the range is here or on its way. With the lock. */
static bool is_cold(const struct mlaas_remote *remote, const struct mlaas_range *range) {
  size_t i = mlaas_spans_find(remote, range->offset);
  return i == remote->num_spans || remote->spans[i]->offset >= range->offset + range->length;
}

static void warm_remote(void *state, const struct mlaas_range *ranges, size_t count) {
  struct mlaas_remote *remote = state;
  struct mlaas_range wider[FEW];
  if (getpid() != remote->owner)
    return;
  if (count <= FEW) {
    pthread_mutex_lock(&remote->cache->lock);
    for (size_t i = 0; i < count; i++) {
      bool widen = mlaas_range_is_inside(&ranges[i], remote->size) && is_cold(remote, &ranges[i]);
      wider[i] = widen ? mlaas_remote_widen(remote, ranges[i]) : ranges[i];
    }
    pthread_mutex_unlock(&remote->cache->lock);
    ranges = wider;
  }
  mlaas_remote_prefetch(remote, ranges, count);
}

static void count_remote(void *state, struct mlaas_source_counters *counters) {
  struct mlaas_remote *remote = state;
  if (getpid() != remote->owner)
    return;
  pthread_mutex_lock(&remote->cache->lock);
  counters->requests += remote->counters.requests;
  counters->delivered += remote->counters.delivered;
  counters->hits += remote->counters.hits;
  counters->retries += remote->counters.retries;
  counters->failovers += remote->counters.failovers;
  pthread_mutex_unlock(&remote->cache->lock);
}

static enum mlaas_status checksum_remote(void *state, char *text, size_t size, struct mlaas_error *error) {
  struct mlaas_remote *remote = state;
  struct mlaas_tries tries;
  if (getpid() != remote->owner)
    return mlaas_fail(error, MLAAS_STATE, "'%s' was opened before fork(); open it again in the child",
                      remote->replicas[0].shown);
  mlaas_tries_begin(&tries, remote);
  pthread_mutex_lock(&remote->cache->lock);
  enum mlaas_status status = mlaas_replica_ensure(remote, &tries, error);
  struct mlaas_opened *opened = remote->opened;
  if (status == MLAAS_OK)
    opened->count++;
  pthread_mutex_unlock(&remote->cache->lock);
  MLAAS_TRY(status);
  if (opened->wire->checksum)
    status = opened->wire->checksum(opened->handle, text, size, error);
  else
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "this protocol knows no checksums");
  pthread_mutex_lock(&remote->cache->lock);
  mlaas_opened_put(remote, opened);
  mlaas_remote_tidy(remote);
  pthread_mutex_unlock(&remote->cache->lock);
  return status;
}

const struct mlaas_source_scheme mlaas_source_scheme_remote = {.name = "remote",
                                                               .open = open_remote,
                                                               .read_many = read_remote,
                                                               .count_up = count_remote,
                                                               .ahead = announce_remote,
                                                               .warm = warm_remote,
                                                               .checksum = checksum_remote,
                                                               .close = close_remote};
