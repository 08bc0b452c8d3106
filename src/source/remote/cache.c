/* Spans of remote files in memory: which there are, how much room they take, who goes first. Must not know how bytes
 * come.
 *
 * What was announced stays until it was read as often as announced; all else is kept while nobody needs the room, and
 * the longest unused goes first. Room is what the context's options give the cache, within the context's ceiling. */
#include "source/remote/remote.h"

#include "base/clock.h"
#include "base/error.h"

#include <string.h>

enum { STALE_MS = 60000, SWEEP_MS = 1000, STALE_CALLS = 2, GRAIN = 16 << 10, LEAST_CEILING = 1 << 20 };

/* ---- one cache for each context that has remote files open ---- */

static pthread_mutex_t table_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct mlaas_cache *table;

static void lock_table(void) { pthread_mutex_lock(&table_lock); }
static void unlock_table(void) { pthread_mutex_unlock(&table_lock); }

/* A child of fork may open files of its own, whatever its parent's threads were doing. */
static void watch_forks(void) { pthread_atfork(lock_table, unlock_table, unlock_table); }

/* Somebody who works finds no room: what was only read ahead gives way, the last that will be read first, and from now
 * on the cache makes do with less. */
static void let_go(void *context, int64_t size) {
  struct mlaas_cache *cache = context;
  pthread_mutex_lock(&cache->lock);
  if (cache->held == 0) { /* it is not the cache that takes the room */
    pthread_mutex_unlock(&cache->lock);
    return;
  }
  int64_t target = cache->held > size ? cache->held - size : 0;
  while (cache->oldest && cache->held > target)
    mlaas_span_drop(cache->oldest);
  for (struct mlaas_remote *remote = cache->remotes; remote; remote = remote->next)
    for (size_t i = remote->num_spans; i-- > 0 && cache->held > target;) {
      struct mlaas_span *span = remote->spans[i];
      if (span->state == MLAAS_SPAN_READY && span->users == 0)
        mlaas_span_drop(span);
    }
  if (cache->ceiling > target && cache->ceiling > LEAST_CEILING)
    cache->ceiling = target > LEAST_CEILING ? target : LEAST_CEILING;
  pthread_mutex_unlock(&cache->lock);
}

static struct mlaas_cache *make_cache(struct mlaas_context *context) {
  struct mlaas_cache *cache = mlaas_alloc(sizeof *cache);
  if (!cache)
    return NULL;
  pthread_mutex_init(&cache->lock, NULL);
  cache->context = context;
  cache->budget = mlaas_budget_get(mlaas_context_budget(context)); /* the last put may come after the context's */
  cache->ceiling = mlaas_context_remote(context)->cache;
  cache->next = table;
  table = cache;
  cache->need = (struct mlaas_need){.let_go = let_go, .context = cache};
  mlaas_budget_add_need(cache->budget, &cache->need);
  return cache;
}

struct mlaas_cache *mlaas_cache_get(struct mlaas_context *context) {
  pthread_once(&once, watch_forks);
  lock_table();
  struct mlaas_cache *cache = table;
  while (cache && cache->context != context)
    cache = cache->next;
  if (!cache)
    cache = make_cache(context);
  if (cache)
    cache->count++;
  unlock_table();
  return cache;
}

struct mlaas_cache *mlaas_cache_hold(struct mlaas_cache *cache) {
  lock_table();
  cache->count++;
  unlock_table();
  return cache;
}

void mlaas_cache_put(struct mlaas_cache *cache) {
  lock_table();
  bool last = --cache->count == 0;
  for (struct mlaas_cache **link = &table; last && *link; link = &(*link)->next)
    if (*link == cache) {
      *link = cache->next;
      break;
    }
  if (last)
    mlaas_budget_remove_need(cache->budget, &cache->need);
  unlock_table();
  if (!last)
    return;
  pthread_mutex_destroy(&cache->lock);
  mlaas_budget_put(cache->budget);
  mlaas_free(cache);
}

/* ---- the list of what may go ---- */

static bool is_listed(const struct mlaas_span *span) {
  const struct mlaas_cache *cache = span->remote->cache;
  return span->older || span->newer || cache->oldest == span;
}

static void unlist(struct mlaas_span *span) {
  struct mlaas_cache *cache = span->remote->cache;
  if (!is_listed(span))
    return;
  *(span->older ? &span->older->newer : &cache->oldest) = span->newer;
  *(span->newer ? &span->newer->older : &cache->newest) = span->older;
  span->older = span->newer = NULL;
}

static void list(struct mlaas_span *span) {
  struct mlaas_cache *cache = span->remote->cache;
  span->older = cache->newest;
  *(cache->newest ? &cache->newest->newer : &cache->oldest) = span;
  cache->newest = span;
}

static void forget_block(struct mlaas_span *span) {
  span->remote->cache->held -= span->block.capacity;
  mlaas_block_reset(&span->block);
}

static void free_span(struct mlaas_span *span) {
  forget_block(span);
  mlaas_free(span->wants);
  mlaas_free(span);
}

static void unindex(struct mlaas_span *span) {
  struct mlaas_remote *remote = span->remote;
  size_t i = mlaas_spans_find(remote, span->offset);
  memmove(&remote->spans[i], &remote->spans[i + 1], (remote->num_spans - i - 1) * sizeof(struct mlaas_span *));
  remote->num_spans--;
  span->indexed = false;
}

void mlaas_span_drop(struct mlaas_span *span) {
  unlist(span);
  if (span->indexed)
    unindex(span);
  if (span->state != MLAAS_SPAN_READY)
    span->state = MLAAS_SPAN_FAILED;
  if (span->users == 0)
    free_span(span);
}

/* After a change of users or wants. */
static void settle(struct mlaas_span *span) {
  unlist(span);
  if (span->users > 0 || span->state == MLAAS_SPAN_COMING || span->state == MLAAS_SPAN_QUEUED)
    return;
  if (!span->indexed)
    free_span(span);
  else if (span->pending == 0 && span->announced)
    mlaas_span_drop(span);
  else if (span->pending == 0)
    list(span);
}

/* ---- room ---- */

/* Lets go what was announced but will hardly be read: its reader is far ahead of it, or nobody came for long. */
static void sweep(struct mlaas_cache *cache) {
  int64_t now = mlaas_now_ms();
  if (now - cache->swept_ms < SWEEP_MS)
    return;
  cache->swept_ms = now;
  for (struct mlaas_remote *remote = cache->remotes; remote; remote = remote->next)
    for (size_t i = remote->num_spans; i-- > 0;) {
      struct mlaas_span *span = remote->spans[i];
      bool stale = span->call + STALE_CALLS < remote->consumed || now - span->since_ms > STALE_MS;
      if (span->state == MLAAS_SPAN_READY && span->users == 0 && span->pending && stale)
        mlaas_span_drop(span);
    }
}

bool mlaas_cache_has_room(struct mlaas_cache *cache, int64_t bytes) {
  if (bytes > cache->ceiling)
    return false;
  while (cache->oldest && cache->held > cache->ceiling - bytes)
    mlaas_span_drop(cache->oldest);
  if (cache->held > cache->ceiling - bytes)
    sweep(cache);
  return cache->held <= cache->ceiling - bytes;
}

bool mlaas_span_fill(struct mlaas_span *span) {
  struct mlaas_cache *cache = span->remote->cache;
  if (span->block.data)
    return true;
  bool found = mlaas_cache_has_room(cache, span->length + GRAIN); /* blocks are counted in grains */
  while (found && mlaas_block_try(cache->budget, span->length, &span->block, NULL) != MLAAS_OK) {
    found = cache->oldest; /* the context's ceiling is nearer than the cache's */
    if (found)
      mlaas_span_drop(cache->oldest);
  }
  if (found)
    cache->held += span->block.capacity;
  return found;
}

/* ---- spans ---- */

struct mlaas_span *mlaas_span_new(struct mlaas_remote *remote, int64_t offset, int64_t length) {
  struct mlaas_span *span = mlaas_alloc(sizeof *span);
  if (!span)
    return NULL;
  span->offset = offset;
  span->length = length;
  span->remote = remote;
  return span;
}

void mlaas_span_use(struct mlaas_span *span) {
  span->users++;
  settle(span);
}

void mlaas_span_unuse(struct mlaas_span *span) {
  span->users--;
  settle(span);
}

void mlaas_span_ready(struct mlaas_span *span) {
  span->state = MLAAS_SPAN_READY;
  span->flight = NULL;
  span->since_ms = mlaas_now_ms();
  settle(span);
}

void mlaas_span_requeue(struct mlaas_span *span) {
  forget_block(span);
  span->state = MLAAS_SPAN_QUEUED;
}

void mlaas_span_want(struct mlaas_span *span, int64_t end) {
  size_t low = 0, high = span->num_wants;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (span->wants[middle].end < end)
      low = middle + 1;
    else
      high = middle;
  }
  if (low == span->num_wants || span->wants[low].end != end) {
    if (span->num_wants == span->room_wants) {
      size_t room = span->room_wants ? span->room_wants * 2 : 4;
      struct mlaas_want *larger = mlaas_realloc(span->wants, room * sizeof *larger);
      if (!larger)
        return; /* a hint less */
      span->wants = larger;
      span->room_wants = room;
    }
    memmove(&span->wants[low + 1], &span->wants[low], (span->num_wants - low) * sizeof *span->wants);
    span->wants[low] = (struct mlaas_want){end, 0};
    span->num_wants++;
  }
  span->wants[low].times++;
  span->pending++;
  span->announced = true;
  settle(span);
}

/* ---- the index of a remote ---- */

size_t mlaas_spans_find(const struct mlaas_remote *remote, int64_t offset) {
  size_t low = 0, high = remote->num_spans;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (remote->spans[middle]->offset + remote->spans[middle]->length <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

bool mlaas_spans_reserve(struct mlaas_remote *remote, size_t more) {
  if (more <= remote->room_spans - remote->num_spans)
    return true;
  size_t room = remote->num_spans + more + remote->room_spans;
  struct mlaas_span **larger = mlaas_realloc(remote->spans, room * sizeof *larger);
  if (!larger)
    return false;
  remote->spans = larger;
  remote->room_spans = room;
  return true;
}

void mlaas_spans_add(struct mlaas_remote *remote, struct mlaas_span *const *spans, size_t count) {
  size_t old = remote->num_spans, place = old + count;
  remote->num_spans = place;
  while (count) { /* from behind, so that each moves once */
    struct mlaas_span *added = spans[count - 1];
    if (old && remote->spans[old - 1]->offset > added->offset) {
      remote->spans[--place] = remote->spans[--old];
    } else {
      remote->spans[--place] = added;
      added->indexed = true;
      count--;
    }
  }
}

/* True if the span is gone. */
static bool note_read(struct mlaas_span *span, int64_t offset, int64_t stop) {
  size_t low = 0, high = span->num_wants;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (span->wants[middle].end <= offset)
      low = middle + 1;
    else
      high = middle;
  }
  int64_t before = span->pending;
  for (; low < span->num_wants && span->wants[low].end <= stop; low++)
    if (span->wants[low].times > 0) {
      span->wants[low].times--;
      span->pending--;
    }
  if (before == span->pending)
    return false;
  if (span->call > span->remote->consumed)
    span->remote->consumed = span->call;
  bool gone = span->pending == 0 && span->users == 0 && span->state == MLAAS_SPAN_READY;
  settle(span);
  return gone;
}

void mlaas_spans_note_read(struct mlaas_remote *remote, int64_t offset, int64_t length) {
  int64_t stop = offset + length;
  for (size_t i = mlaas_spans_find(remote, offset); i < remote->num_spans && remote->spans[i]->offset < stop;)
    i += !note_read(remote->spans[i], offset, stop);
}
