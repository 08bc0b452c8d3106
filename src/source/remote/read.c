/* Reading ranges of a remote file: what is held or coming is waited for, the rest is fetched together, and again where
 * that fails. Must not know protocols, nor which replica serves.
 *
 * A call goes in rounds. Each takes what is still missing, finds the spans that have it, asks for what none has, waits,
 * and copies. What did not come is left for the next round, after the replica's part has decided that there is one. */
#include "source/gather.h"
#include "source/remote/remote.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

#include <string.h>
#include <unistd.h>

enum { SMALL = 64 << 10, WIDE = 32 << 10, SPAN_BYTES = 8 << 20, FIRST_ROOM = 16, COPY_LOCKED = 16 << 10 };

/* A piece of what is wanted, and who brings it: a span, or a flight straight into the caller's memory; neither: left
 * for the next round. */
struct bit {
  struct mlaas_range range;
  struct mlaas_span *span;
  struct mlaas_flight *flight;
  bool there;
};

/* One range of a request to be made. */
struct piece {
  struct mlaas_range range;
  struct mlaas_span *span;
  size_t bit; /* without a span */
};

struct ranges {
  struct mlaas_range *items;
  size_t count, room;
};

struct reading {
  struct mlaas_remote *remote;
  struct mlaas_tries tries;
  struct ranges todo, missing, merged;
  struct bit *bits;
  struct piece *pieces;
  struct mlaas_flight **flights;
  size_t num_bits, room_bits, num_pieces, room_pieces, num_flights, room_flights;
  int rounds;
  bool promoted, counted;
};

/* ---- lists that grow ---- */

static bool grow(void *items, size_t *room, size_t count, size_t size) {
  if (count < *room)
    return true;
  size_t larger = *room ? *room * 2 : FIRST_ROOM;
  void *old;
  memcpy(&old, items, sizeof old); /* any pointer's address may be given */
  void *grown = mlaas_realloc(old, larger * size);
  if (!grown)
    return false;
  memcpy(items, &grown, sizeof grown);
  *room = larger;
  return true;
}

static bool add_range(struct ranges *list, int64_t offset, int64_t length, void *data) {
  if (!grow(&list->items, &list->room, list->count, sizeof *list->items))
    return false;
  list->items[list->count++] = (struct mlaas_range){offset, length, data};
  return true;
}

static bool add_bit(struct reading *reading, struct mlaas_range range, struct mlaas_span *span) {
  if (!grow(&reading->bits, &reading->room_bits, reading->num_bits, sizeof *reading->bits))
    return false;
  reading->bits[reading->num_bits++] = (struct bit){.range = range, .span = span};
  if (span)
    mlaas_span_use(span);
  return true;
}

static bool add_piece(struct reading *reading, struct mlaas_range range, struct mlaas_span *span) {
  if (!grow(&reading->pieces, &reading->room_pieces, reading->num_pieces, sizeof *reading->pieces))
    return false;
  size_t bit = reading->num_bits;
  if (!span && !add_bit(reading, range, NULL))
    return false;
  reading->pieces[reading->num_pieces++] = (struct piece){range, span, bit};
  return true;
}

/* ---- finding what is there ---- */

static int64_t end_of(const struct mlaas_range *range) { return range->offset + range->length; }
static int64_t end_of_span(const struct mlaas_span *span) { return span->offset + span->length; }

static struct mlaas_span *span_at(const struct mlaas_remote *remote, int64_t offset) {
  size_t i = mlaas_spans_find(remote, offset);
  return i < remote->num_spans ? remote->spans[i] : NULL;
}

static bool is_queued_at(const struct mlaas_span *span, int64_t offset) {
  return span && span->offset <= offset && span->state == MLAAS_SPAN_QUEUED;
}

/* The span that has the byte, asked for now if it was only announced; NULL: none, or there is no room for it. *stop is
 * where that ends to be true. */
static struct mlaas_span *span_for(struct reading *reading, int64_t offset, int64_t *stop) {
  struct mlaas_span *span = span_at(reading->remote, offset);
  for (int i = 0; i < 2 && is_queued_at(span, offset); i++) { /* promoting may drop it, or cut it anew */
    bool room = mlaas_flight_promote(span->flight);
    span = span_at(reading->remote, offset);
    reading->promoted |= room;
  }
  if (is_queued_at(span, offset)) {
    *stop = *stop < end_of_span(span) ? *stop : end_of_span(span);
    return NULL;
  }
  if (!span || span->offset >= *stop)
    return NULL;
  if (span->offset > offset) {
    *stop = span->offset;
    return NULL;
  }
  *stop = *stop < end_of_span(span) ? *stop : end_of_span(span);
  return span;
}

static bool find_one(struct reading *reading, const struct mlaas_range *range) {
  bool hit = true;
  for (int64_t at = range->offset; at < end_of(range);) {
    int64_t stop = end_of(range);
    bool was_promoted = reading->promoted;
    reading->promoted = false;
    struct mlaas_span *span = span_for(reading, at, &stop);
    hit &= span && !reading->promoted;
    reading->promoted |= was_promoted;
    struct mlaas_range part = {at, stop - at, (char *)range->data + (at - range->offset)};
    if (span ? !add_bit(reading, part, span) : !add_range(&reading->missing, part.offset, part.length, part.data))
      return false;
    at = stop;
  }
  reading->remote->counters.hits += hit && !reading->counted;
  return true;
}

static void release(struct reading *reading) {
  for (size_t i = 0; i < reading->num_bits; i++)
    if (reading->bits[i].span)
      mlaas_span_unuse(reading->bits[i].span);
  for (size_t i = 0; i < reading->num_flights; i++)
    mlaas_flight_put(reading->flights[i]);
  reading->num_bits = reading->num_pieces = reading->num_flights = 0;
}

/* ---- asking for what is missing ---- */

/* More than one small range needs, forward most of all: what describes a file is read in pieces that lie together. */
struct mlaas_range mlaas_remote_widen(struct mlaas_remote *remote, struct mlaas_range range) {
  int64_t more = remote->slack < WIDE ? remote->slack : WIDE, stop = end_of(&range);
  if (more <= 0)
    return range;
  int64_t from = range.offset - more / 8, to = stop + more - more / 8;
  const struct mlaas_span *next = span_at(remote, stop), *before = NULL;
  size_t i = mlaas_spans_find(remote, range.offset);
  if (i > 0)
    before = remote->spans[i - 1];
  from = from < 0 ? 0 : from;
  from = before && from < end_of_span(before) ? end_of_span(before) : from;
  to = to > remote->size ? remote->size : to;
  to = next && to > next->offset ? next->offset : to;
  if (to < stop || from > range.offset)
    return range;
  remote->slack -= to - from - range.length;
  return (struct mlaas_range){from, to - from, NULL};
}

/* New spans for [offset, length), with memory but not in the index yet; false: no room, nothing was made. */
static bool add_spans(struct reading *reading, const struct mlaas_range *whole) {
  struct mlaas_remote *remote = reading->remote;
  int64_t most = remote->limits.most_range_bytes < SPAN_BYTES ? remote->limits.most_range_bytes : SPAN_BYTES;
  const struct mlaas_span *there = span_at(remote, whole->offset);
  if (there && there->offset < end_of(whole))
    return false;
  size_t count = mlaas_pieces_of(whole->length, most), first = reading->num_pieces;
  bool made = mlaas_cache_has_room(remote->cache, whole->length);
  for (size_t i = 0; i < count && made; i++) {
    struct mlaas_range part = mlaas_piece_of(whole, most, i);
    struct mlaas_span *span = mlaas_span_new(remote, part.offset, part.length);
    made = span && mlaas_span_fill(span) && add_piece(reading, part, span);
    if (!made && span)
      mlaas_span_drop(span);
    else if (made)
      mlaas_span_use(span); /* this round's, until it is under way */
  }
  while (!made && reading->num_pieces > first) {
    struct mlaas_span *span = reading->pieces[--reading->num_pieces].span;
    span->state = MLAAS_SPAN_FAILED;
    mlaas_span_unuse(span);
  }
  return made;
}

/* Bits of the missing ranges [first, stop) that new spans, pieces from `piece` on, will have. */
static bool add_bits_of_spans(struct reading *reading, size_t first, size_t stop, size_t piece) {
  for (size_t i = first; i < stop; i++) {
    const struct mlaas_range *range = &reading->missing.items[i];
    while (end_of(&reading->pieces[piece].range) <= range->offset)
      piece++;
    size_t at_piece = piece;
    for (int64_t at = range->offset; at < end_of(range); at_piece++) {
      const struct piece *from = &reading->pieces[at_piece];
      int64_t end = end_of(&from->range) < end_of(range) ? end_of(&from->range) : end_of(range);
      struct mlaas_range part = {at, end - at, (char *)range->data + (at - range->offset)};
      if (!add_bit(reading, part, from->span))
        return false;
      at = end;
    }
  }
  return true;
}

static bool add_direct(struct reading *reading, const struct mlaas_range *whole) {
  int64_t most = reading->remote->limits.most_range_bytes;
  for (size_t i = 0, count = mlaas_pieces_of(whole->length, most); i < count; i++)
    if (!add_piece(reading, mlaas_piece_of(whole, most, i), NULL))
      return false;
  return true;
}

/* Each by itself; one that overlaps what came before has to wait for the next round. */
static bool add_each_direct(struct reading *reading, size_t first, size_t stop) {
  int64_t end = -1;
  for (size_t i = first; i < stop; i++) {
    const struct mlaas_range *range = &reading->missing.items[i];
    bool overlaps = range->offset < end;
    if (overlaps ? !add_bit(reading, *range, NULL) : !add_direct(reading, range))
      return false;
    end = !overlaps ? end_of(range) : end;
  }
  return true;
}

/* They follow each other in the file and in memory. */
static bool is_one_run(const struct mlaas_range *ranges, size_t count) {
  for (size_t i = 1; i < count; i++)
    if (ranges[i].offset != end_of(&ranges[i - 1]) ||
        (char *)ranges[i].data != (char *)ranges[i - 1].data + ranges[i - 1].length)
      return false;
  return true;
}

static bool add_group(struct reading *reading, size_t first, size_t stop, struct mlaas_range whole) {
  struct mlaas_remote *remote = reading->remote;
  const struct mlaas_range *ranges = &reading->missing.items[first];
  bool small = reading->todo.count == 1 && reading->missing.count == 1 && whole.length < SMALL;
  if (small) {
    whole = mlaas_remote_widen(remote, ranges[0]);
  } else if (is_one_run(ranges, stop - first)) {
    whole.data = ranges[0].data;
    return add_direct(reading, &whole);
  }
  size_t piece = reading->num_pieces;
  whole.data = NULL;
  if (add_spans(reading, &whole))
    return add_bits_of_spans(reading, first, stop, piece);
  return add_each_direct(reading, first, stop);
}

static bool add_groups(struct reading *reading) {
  struct ranges *missing = &reading->missing, *merged = &reading->merged;
  merged->count = 0;
  mlaas_ranges_sort(missing->items, missing->count); /* overlapping ranges with spans between them are not in order */
  for (size_t i = 0; i < missing->count; i++)
    if (!add_range(merged, 0, 0, NULL))
      return false;
  size_t count = mlaas_ranges_gather(missing->items, missing->count, reading->remote->limits.gap, merged->items);
  for (size_t i = 0, first = 0, stop; i < count; i++, first = stop) {
    for (stop = first; stop < missing->count && missing->items[stop].offset < end_of(&merged->items[i]); stop++)
      ;
    if (!add_group(reading, first, stop, merged->items[i]))
      return false;
  }
  return true;
}

/* One request of the pieces [first, first + count), not yet on its way. */
static struct mlaas_flight *make_flight(struct reading *reading, size_t first, size_t count) {
  struct mlaas_flight *flight = mlaas_flight_new(reading->remote, count);
  bool listed = grow(&reading->flights, &reading->room_flights, reading->num_flights, sizeof *reading->flights);
  if (!flight || !listed) {
    mlaas_free(flight);
    return NULL;
  }
  for (size_t i = 0; i < count; i++) {
    const struct piece *piece = &reading->pieces[first + i];
    flight->ranges[i] = piece->range;
    flight->spans[i] = piece->span;
    if (piece->span)
      flight->ranges[i].data = piece->span->block.data;
    flight->is_direct |= !piece->span;
  }
  flight->is_repeat = reading->rounds > 0;
  reading->flights[reading->num_flights++] = flight;
  return flight;
}

/* How many pieces from `first` on one request takes. */
static size_t count_fitting(const struct reading *reading, size_t first) {
  size_t count = 0;
  for (int64_t bytes = 0; first + count < reading->num_pieces; count++) {
    int64_t length = reading->pieces[first + count].range.length;
    if (!mlaas_request_takes(&reading->remote->limits, count, bytes, length))
      break;
    bytes += length;
  }
  return count;
}

static bool make_flights(struct reading *reading) {
  for (size_t first = 0, count; first < reading->num_pieces; first += count) {
    count = count_fitting(reading, first);
    if (!make_flight(reading, first, count))
      return false;
  }
  return mlaas_spans_reserve(reading->remote, reading->num_pieces);
}

/* All or nothing: nothing of this is seen by others before. */
static void send_flights(struct reading *reading) {
  size_t first = 0;
  for (size_t i = 0; i < reading->num_flights; i++) {
    struct mlaas_flight *flight = reading->flights[i];
    for (size_t k = 0; k < flight->count; k++) {
      struct piece *piece = &reading->pieces[first + k];
      if (!piece->span) {
        reading->bits[piece->bit].flight = flight;
        continue;
      }
      piece->span->flight = flight;
      piece->span->state = MLAAS_SPAN_COMING;
      mlaas_spans_add(reading->remote, &piece->span, 1);
      mlaas_span_unuse(piece->span);
    }
    first += flight->count;
    flight->count_refs++; /* one is the flight's own, one is ours */
    mlaas_flight_demand(flight);
  }
}

static void take_back(struct reading *reading) {
  for (size_t i = 0; i < reading->num_pieces; i++) {
    struct mlaas_span *span = reading->pieces[i].span;
    if (span) {
      span->state = MLAAS_SPAN_FAILED;
      mlaas_span_unuse(span);
    }
  }
  release(reading);
}

static enum mlaas_status no_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "no memory to read a remote file");
}

/* Finds and asks for all that is to do. Lets the lock go only before anything was found. */
static enum mlaas_status plan(struct reading *reading, struct mlaas_error *error) {
  struct mlaas_remote *remote = reading->remote;
  for (;;) {
    reading->missing.count = 0;
    reading->promoted = false;
    for (size_t i = 0; i < reading->todo.count; i++)
      if (!find_one(reading, &reading->todo.items[i])) {
        release(reading);
        return no_memory(error);
      }
    reading->counted = true;
    if ((reading->missing.count == 0 && !reading->promoted) || remote->opened)
      break;
    release(reading);
    MLAAS_TRY(mlaas_replica_ensure(remote, &reading->tries, error));
  }
  if (reading->missing.count == 0)
    return MLAAS_OK;
  if (!add_groups(reading) || !make_flights(reading)) {
    take_back(reading);
    return no_memory(error);
  }
  send_flights(reading);
  return MLAAS_OK;
}

/* ---- waiting ---- */

static bool is_settled(const struct bit *bit) {
  if (bit->span)
    return bit->span->state != MLAAS_SPAN_COMING;
  return !bit->flight || bit->flight->state == MLAAS_FLIGHT_DONE;
}

/* No request may write into the caller's memory any more. Those that fill spans go on by themselves. */
static void leave(struct reading *reading) {
  for (size_t i = 0; i < reading->num_flights; i++) {
    struct mlaas_flight *flight = reading->flights[i];
    if (flight->is_direct && flight->state == MLAAS_FLIGHT_WAITING)
      mlaas_flight_withdraw(flight);
    else if (flight->is_direct)
      mlaas_flight_cancel(flight);
  }
  for (size_t i = 0; i < reading->num_flights; i++)
    while (reading->flights[i]->is_direct && reading->flights[i]->state != MLAAS_FLIGHT_DONE)
      pthread_cond_wait(&reading->remote->changed, &reading->remote->cache->lock);
}

static enum mlaas_status wait_all(struct reading *reading, struct mlaas_error *error) {
  struct mlaas_remote *remote = reading->remote;
  for (size_t settled = 0;;) {
    while (settled < reading->num_bits && is_settled(&reading->bits[settled]))
      settled++;
    if (settled == reading->num_bits)
      return MLAAS_OK;
    int64_t offset = reading->tries.offset = reading->bits[settled].range.offset;
    int64_t left = reading->tries.deadline_ms - mlaas_now_ms();
    if (mlaas_cancelled())
      return mlaas_fail_at(error, MLAAS_CANCELLED, offset, "cancelled while '%s' was read", remote->replicas[0].shown);
    if (left <= 0)
      return mlaas_tries_too_late(remote, &reading->tries, error);
    mlaas_remote_doze(remote, left);
  }
}

static bool is_there(const struct bit *bit) {
  if (bit->span)
    return bit->span->state == MLAAS_SPAN_READY;
  return bit->flight && bit->flight->fetch.status == MLAAS_OK;
}

static void copy_bit(const struct bit *bit) {
  if (bit->span)
    memcpy(bit->range.data, (char *)bit->span->block.data + (bit->range.offset - bit->span->offset),
           (size_t)bit->range.length);
}

/* Copies what is there; what is not is to do again. True if some of that failed, and did not only have to wait. */
static enum mlaas_status collect(struct reading *reading, bool *failed, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  *failed = false;
  reading->todo.count = 0;
  for (size_t i = 0; i < reading->num_bits && status == MLAAS_OK; i++) {
    struct bit *bit = &reading->bits[i];
    bit->there = is_there(bit);
    if (bit->there)
      continue;
    *failed |= bit->span || bit->flight;
    if (!add_range(&reading->todo, bit->range.offset, bit->range.length, bit->range.data))
      status = no_memory(error);
  }
  pthread_mutex_unlock(&reading->remote->cache->lock); /* users keep the spans as they are */
  for (size_t i = 0; i < reading->num_bits && status == MLAAS_OK; i++)
    if (reading->bits[i].there)
      copy_bit(&reading->bits[i]);
  pthread_mutex_lock(&reading->remote->cache->lock);
  return status;
}

static enum mlaas_status pause_for(struct reading *reading, int64_t ms, struct mlaas_error *error) {
  struct mlaas_remote *remote = reading->remote;
  int64_t until = mlaas_now_ms() + ms, offset = reading->todo.items[0].offset;
  for (int64_t now; (now = mlaas_now_ms()) < until;) {
    if (mlaas_cancelled())
      return mlaas_fail_at(error, MLAAS_CANCELLED, offset, "cancelled while '%s' was read", remote->replicas[0].shown);
    mlaas_remote_doze(remote, until - now);
  }
  return mlaas_now_ms() < reading->tries.deadline_ms ? MLAAS_OK : mlaas_tries_too_late(remote, &reading->tries, error);
}

static enum mlaas_status run_round(struct reading *reading, struct mlaas_error *error) {
  struct mlaas_remote *remote = reading->remote;
  int64_t serial = remote->failure.serial, delay = 0;
  bool failed = false;
  reading->tries.offset = reading->todo.items[0].offset;
  MLAAS_TRY(plan(reading, error));
  mlaas_cache_pump(remote->cache);
  enum mlaas_status status = wait_all(reading, error);
  if (status != MLAAS_OK)
    leave(reading);
  else
    status = collect(reading, &failed, error);
  release(reading);
  if (status != MLAAS_OK || reading->todo.count == 0)
    return status;
  mlaas_ranges_sort(reading->todo.items, reading->todo.count);
  reading->rounds++;
  if (!failed || remote->failure.serial == serial) /* cancelled for another reader */
    return MLAAS_OK;
  struct mlaas_failure failure = remote->failure;
  MLAAS_TRY(mlaas_replica_failed(remote, &reading->tries, &failure, &delay, error));
  return pause_for(reading, delay, error);
}

static bool list_todo(struct reading *reading, const struct mlaas_range *ranges, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (ranges[i].length > 0 && !add_range(&reading->todo, ranges[i].offset, ranges[i].length, ranges[i].data))
      return false;
  mlaas_ranges_sort(reading->todo.items, reading->todo.count);
  return true;
}

static enum mlaas_status read_rounds(struct reading *reading, struct mlaas_error *error) {
  while (reading->todo.count)
    MLAAS_TRY(run_round(reading, error));
  return MLAAS_OK;
}

/* The usual case of what was announced: one range, in one span that is there. */
static bool read_ready(struct mlaas_remote *remote, const struct mlaas_range *range) {
  struct mlaas_span *span = span_at(remote, range->offset);
  if (!span || span->offset > range->offset || end_of_span(span) < end_of(range) || span->state != MLAAS_SPAN_READY)
    return false;
  struct bit bit = {.range = *range, .span = span};
  if (range->length <= COPY_LOCKED) {
    copy_bit(&bit);
  } else {
    mlaas_span_use(span);
    pthread_mutex_unlock(&remote->cache->lock);
    copy_bit(&bit);
    pthread_mutex_lock(&remote->cache->lock);
    mlaas_span_unuse(span);
  }
  remote->counters.hits++;
  return true;
}

enum mlaas_status mlaas_remote_read(struct mlaas_remote *remote, const struct mlaas_range *ranges, size_t count,
                                    struct mlaas_error *error) {
  if (getpid() != remote->owner)
    return mlaas_fail(error, MLAAS_STATE, "'%s' was opened before fork(); open it again in the child",
                      remote->replicas[0].shown);
  struct reading reading = {.remote = remote};
  mlaas_tries_begin(&reading.tries, remote);
  pthread_mutex_lock(&remote->cache->lock);
  enum mlaas_status status = MLAAS_OK;
  if (count != 1 || ranges[0].length == 0 || !read_ready(remote, &ranges[0]))
    status = list_todo(&reading, ranges, count) ? read_rounds(&reading, error) : no_memory(error);
  if (status == MLAAS_OK)
    for (size_t i = 0; i < count; i++)
      mlaas_spans_note_read(remote, ranges[i].offset, ranges[i].length);
  mlaas_cache_pump(remote->cache);
  mlaas_remote_tidy(remote);
  pthread_mutex_unlock(&remote->cache->lock);
  mlaas_free(reading.todo.items);
  mlaas_free(reading.missing.items);
  mlaas_free(reading.merged.items);
  mlaas_free(reading.bits);
  mlaas_free(reading.pieces);
  mlaas_free(reading.flights);
  return status;
}
