/* The replicas of one file: parsing their list, opening the one that promises most, and what follows when it fails.
 * Must not know what is read. */
#include "source/gather.h"
#include "source/remote/opener.h"
#include "source/place.h"
#include "source/remote/remote.h"
#include "source/remote/retry.h"
#include "source/wires.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

#include <mlaas/place.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum {
  ASIDE_MS = 5000,
  MOST_ASIDE_MS = 60000,
  HEAD_BYTES = 4096,
  ALONE = 1,
  LONG_MS = 1000,
  ASKED_SILENT = 2,
  LOOK_MS = 50
};

/* ---- lists ---- */

/* Where the next part of "a|b" ends: at a "|" before something with a scheme, for others belong to a name. */
static size_t length_of_part(const char *text) {
  for (const char *bar = strchr(text, '|'); bar; bar = strchr(bar + 1, '|')) {
    size_t scheme = strspn(bar + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    if (scheme && strncmp(bar + 1 + scheme, "://", 3) == 0)
      return (size_t)(bar - text);
  }
  return strlen(text);
}

static enum mlaas_status add_replica(struct mlaas_remote *remote, const char *url, size_t length,
                                     struct mlaas_error *error) {
  struct mlaas_replica *replica = &remote->replicas[remote->num_replicas];
  if (remote->num_replicas == MLAAS_MOST_REPLICAS)
    return mlaas_fail(error, MLAAS_LIMIT, "a file with more than %d replicas", MLAAS_MOST_REPLICAS);
  replica->url = mlaas_alloc(length + 1);
  remote->num_replicas++;
  if (!replica->url)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a remote file");
  memcpy(replica->url, url, length);
  size_t size = mlaas_place_show(replica->url, NULL, 0) + 1;
  replica->shown = mlaas_alloc(size);
  if (!replica->shown)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a remote file");
  mlaas_place_show(replica->url, replica->shown, size);
  mlaas_speed_host(replica->url, replica->host, sizeof replica->host);
  if (mlaas_place_is_remote(replica->url))
    return mlaas_wire_find(replica->url, &replica->wire, error);
  replica->wire = &mlaas_wire_file;
  return MLAAS_OK;
}

enum mlaas_status mlaas_replicas_parse(struct mlaas_remote *remote, const char *url, struct mlaas_error *error) {
  while (*url) {
    size_t length = length_of_part(url);
    MLAAS_TRY(add_replica(remote, url, length, error));
    url += length + (url[length] == '|');
  }
  return remote->num_replicas ? MLAAS_OK : mlaas_fail(error, MLAAS_ARGUMENT, "no file is named");
}

void mlaas_replicas_reset(struct mlaas_remote *remote) {
  for (int i = 0; i < remote->num_replicas; i++) {
    mlaas_free(remote->replicas[i].url);
    mlaas_free(remote->replicas[i].shown);
  }
  remote->num_replicas = 0;
}

/* ---- what was tried ---- */

void mlaas_tries_begin(struct mlaas_tries *tries, const struct mlaas_remote *remote) {
  *tries = (struct mlaas_tries){.began_ms = mlaas_now_ms(), .offset = -1};
  tries->deadline_ms = tries->began_ms + remote->options->deadline_ms;
}

static int most_tries(const struct mlaas_remote *remote) {
  return remote->options->retries > 0 ? 1 + remote->options->retries : 1;
}

/* "'root://a//x': why (3 attempts)" for every replica that was tried; of one alone the layers above say which it is. */
static void tell(const struct mlaas_remote *remote, const struct mlaas_tries *tries, char *text, size_t size) {
  size_t length = 0;
  text[0] = '\0';
  for (int i = 0; i < remote->num_replicas && length < size; i++) {
    char name[420] = "", attempts[40] = "";
    if (tries->at[i].count == 0)
      continue;
    if (remote->num_replicas != ALONE)
      snprintf(name, sizeof name, "%s'%.400s': ", length ? "; " : "", remote->replicas[i].shown);
    if (tries->at[i].attempts > 1)
      snprintf(attempts, sizeof attempts, " (%d attempts)", tries->at[i].attempts);
    length += (size_t)snprintf(text + length, size - length, "%s%s%s", name, tries->at[i].message, attempts);
  }
  if (length == 0)
    snprintf(text, size, "nothing failed, but it took too long");
}

/* The next file on a server that said nothing during this whole call must not wait as long. */
static void note_silences(const struct mlaas_remote *remote, const struct mlaas_tries *tries, int waited_for) {
  for (int i = 0; i < remote->num_replicas; i++)
    if (tries->at[i].silences == tries->at[i].attempts && (tries->at[i].attempts > 0 || i == waited_for))
      mlaas_speed_note_silence(remote->replicas[i].host, tries->began_ms, remote->options->deadline_ms);
}

enum mlaas_status mlaas_tries_too_late(const struct mlaas_remote *remote, const struct mlaas_tries *tries,
                                       struct mlaas_error *error) {
  char text[900];
  note_silences(remote, tries, remote->opened ? remote->opened->replica : -1);
  tell(remote, tries, text, sizeof text);
  return mlaas_fail_at(error, MLAAS_TIMEOUT, tries->offset, "not read within the deadline of %.3g s: %s",
                       (double)remote->options->deadline_ms / 1000, text);
}

static enum mlaas_status give_up(const struct mlaas_remote *remote, const struct mlaas_tries *tries, int last,
                                 struct mlaas_error *error) {
  char text[900];
  enum mlaas_status status = tries->at[last].status;
  note_silences(remote, tries, -1);
  tell(remote, tries, text, sizeof text);
  if (remote->num_replicas == ALONE)
    return mlaas_fail_at(error, status, tries->offset, "%s", text);
  return mlaas_fail_at(error, status, tries->offset, "no replica could be read: %s", text);
}

/* The one to open next, -1 if there is none: not another file, tries left; those not put aside, then the fastest. */
static int choose(const struct mlaas_remote *remote, const struct mlaas_tries *tries) {
  int64_t now = mlaas_now_ms(), best_ms = 0, best_aside = 0;
  int best = -1;
  for (int i = 0; i < remote->num_replicas; i++) {
    const struct mlaas_replica *replica = &remote->replicas[i];
    if (replica->dead || tries->at[i].count >= most_tries(remote))
      continue;
    int64_t aside = replica->aside_until > now ? replica->aside_until : 0;
    int64_t ms = remote->num_replicas > ALONE ? mlaas_speed_expect_ms(replica->host) : 0;
    if (best >= 0 && (aside > best_aside || (aside == best_aside && ms >= best_ms)))
      continue;
    best = i;
    best_ms = ms;
    best_aside = aside;
  }
  return best;
}

static void put_aside(struct mlaas_remote *remote, int i) {
  struct mlaas_replica *replica = &remote->replicas[i];
  int doublings = replica->failures < 5 ? replica->failures : 5;
  int64_t ms = (int64_t)ASIDE_MS << doublings;
  replica->aside_until = mlaas_now_ms() + (ms < MOST_ASIDE_MS ? ms : MOST_ASIDE_MS);
  for (int k = 0; k < remote->num_replicas; k++) /* the last to fail is the last to be chosen */
    if (k != i && remote->replicas[k].aside_until >= replica->aside_until)
      replica->aside_until = remote->replicas[k].aside_until + 1;
}

/* No longer in use: the next reader opens one. */
static void let_go(struct mlaas_remote *remote) {
  struct mlaas_opened *opened = remote->opened;
  remote->opened = NULL;
  if (opened)
    mlaas_opened_put(remote, opened);
  mlaas_remote_ground(remote);
}

static bool is_final_everywhere(enum mlaas_status status) {
  return status == MLAAS_MEMORY || status == MLAAS_LIMIT || status == MLAAS_CANCELLED || status == MLAAS_ARGUMENT;
}

/* An attempt that the deadline ended says little: what failed before it is told with it. */
static void note_failure(struct mlaas_tries *tries, const struct mlaas_failure *failure) {
  int i = failure->replica;
  char before[sizeof tries->at[i].message];
  bool cut_short =
      tries->at[i].attempts > 0 && failure->status == MLAAS_TIMEOUT && mlaas_now_ms() >= tries->deadline_ms;
  snprintf(before, sizeof before, "%s", tries->at[i].message);
  snprintf(tries->at[i].message, sizeof tries->at[i].message, "%s%s%s", failure->message,
           cut_short ? "; before that: " : "", cut_short ? before : "");
  tries->at[i].status = failure->status;
  tries->at[i].attempts++;
  tries->at[i].silences += failure->status == MLAAS_TIMEOUT;
  tries->at[i].count++;
}

/* A server that nobody hears is asked twice for each file, for the first time may go to a connection that died with it.
 */
static bool is_final_here(const struct mlaas_remote *remote, const struct mlaas_failure *failure,
                          struct mlaas_tries *tries) {
  int i = failure->replica;
  char *message = tries->at[i].message;
  size_t size = sizeof tries->at[i].message, length = strlen(message);
  if (!failure->transient || tries->at[i].count < ASKED_SILENT || !mlaas_speed_is_silent(remote->replicas[i].host))
    return !failure->transient;
  if (tries->at[i].count < most_tries(remote))
    snprintf(message + length, size - length, "; not asked again, for it does not answer others either");
  return true;
}

enum mlaas_status mlaas_replica_failed(struct mlaas_remote *remote, struct mlaas_tries *tries,
                                       const struct mlaas_failure *failure, int64_t *delay_ms,
                                       struct mlaas_error *error) {
  note_failure(tries, failure);
  int i = failure->replica, count = tries->at[i].count;
  bool in_use = remote->opened && remote->opened == failure->opened;
  *delay_ms = 0;
  if (is_final_everywhere(failure->status))
    return give_up(remote, tries, i, error);
  if (failure->status != MLAAS_TIMEOUT)
    mlaas_speed_note_answer(remote->replicas[i].host);
  bool final = is_final_here(remote, failure, tries);
  if (final)
    tries->at[i].count = most_tries(remote);
  if (failure->status == MLAAS_STALE)
    remote->replicas[i].dead = true;
  int next = choose(remote, tries);
  /* One repeat soon where there are others; a handle that failed twice may be broken and is opened again. */
  bool waits_long = remote->num_replicas > ALONE && failure->retry_after_ms > LONG_MS;
  if (next >= 0 && (final || count > 1 || waits_long)) {
    if (remote->num_replicas > ALONE)
      put_aside(remote, i);
    next = choose(remote, tries);
    if (in_use)
      let_go(remote);
  }
  if (next < 0) {
    if (in_use)
      let_go(remote);
    return give_up(remote, tries, i, error);
  }
  bool same = next == i || (in_use && remote->opened);
  *delay_ms = same && !final ? mlaas_retry_delay_ms(count, failure->retry_after_ms) : 0;
  if (mlaas_now_ms() + *delay_ms < tries->deadline_ms)
    return MLAAS_OK;
  if (failure->retry_after_ms > 0 && failure->retry_after_ms >= *delay_ms)
    return mlaas_fail_at(error, MLAAS_TIMEOUT, tries->offset,
                         "'%s' asks to wait %lld s, beyond the deadline of %.3g s: %s", remote->replicas[i].shown,
                         (long long)(failure->retry_after_ms + 999) / 1000, (double)remote->options->deadline_ms / 1000,
                         failure->message);
  *delay_ms = tries->deadline_ms - mlaas_now_ms();
  return MLAAS_OK;
}

/* ---- opening ---- */

void mlaas_opened_put(struct mlaas_remote *remote, struct mlaas_opened *opened) {
  if (--opened->count > 0)
    return;
  opened->next = remote->unneeded;
  remote->unneeded = opened;
}

void mlaas_remote_tidy(struct mlaas_remote *remote) {
  while (remote->unneeded) {
    struct mlaas_opened *opened = remote->unneeded;
    remote->unneeded = opened->next;
    pthread_mutex_unlock(&remote->cache->lock);
    opened->wire->close(opened->handle);
    mlaas_free(opened);
    pthread_mutex_lock(&remote->cache->lock);
  }
}

static void mend_limits(struct mlaas_wire_file *file) {
  file->most_ranges = file->most_ranges ? file->most_ranges : 1;
  file->most_range_bytes = file->most_range_bytes > 0 ? file->most_range_bytes : INT64_MAX;
  file->most_request_bytes = file->most_request_bytes > 0 ? file->most_request_bytes : INT64_MAX;
  if (file->most_range_bytes > file->most_request_bytes)
    file->most_range_bytes = file->most_request_bytes;
  file->gap = file->gap > 0 ? file->gap : 0;
  file->most_requests = file->most_requests > 0 ? file->most_requests : 1;
}

/* The first bytes are those that the first replica gave. */
static enum mlaas_status compare_head(struct mlaas_remote *remote, const struct mlaas_opened *opened,
                                      const struct mlaas_tries *tries, bool *transient, struct mlaas_error *error) {
  char head[HEAD_BYTES];
  struct mlaas_range range = {0, remote->head_bytes, head};
  enum mlaas_status status = MLAAS_OK;
  int64_t most = opened->file.most_range_bytes;
  for (size_t i = 0, count = mlaas_pieces_of(range.length, most); i < count && status == MLAAS_OK; i++) {
    struct mlaas_range piece = mlaas_piece_of(&range, most, i);
    struct mlaas_fetch fetch;
    status = mlaas_wire_read(opened->wire, opened->handle, &piece, tries->deadline_ms, &fetch, error);
    pthread_mutex_lock(&remote->cache->lock);
    remote->counters.requests += fetch.requests;
    remote->counters.delivered += fetch.delivered;
    pthread_mutex_unlock(&remote->cache->lock);
    *transient = fetch.transient;
  }
  if (status != MLAAS_OK || XXH3_64bits(head, (size_t)range.length) == remote->head_hash)
    return status;
  return mlaas_fail(error, MLAAS_STALE, "this is another file: it begins differently");
}

/* Is this the file that was opened first? Without the lock; size, head and tag do not change once they are known. */
static enum mlaas_status compare(struct mlaas_remote *remote, const struct mlaas_opened *opened,
                                 const struct mlaas_tries *tries, bool *transient, struct mlaas_error *error) {
  const struct mlaas_replica *replica = &remote->replicas[opened->replica];
  const struct mlaas_wire_file *file = &opened->file;
  *transient = false;
  if (file->size < 0)
    return mlaas_fail(error, MLAAS_IO, "the server does not say how long the file is");
  if (remote->size >= 0 && file->size != remote->size)
    return mlaas_fail(error, MLAAS_STALE, "this is another file: it has %lld bytes and not %lld", (long long)file->size,
                      (long long)remote->size);
  bool tagged = replica->met && *replica->tag && *file->tag;
  if (tagged && strcmp(replica->tag, file->tag) != 0)
    return mlaas_fail(error, MLAAS_STALE, "the file changed: the server calls it %s and not %s", file->tag,
                      replica->tag);
  if (!tagged && remote->head_bytes)
    return compare_head(remote, opened, tries, transient, error);
  return MLAAS_OK;
}

/* Without the lock. The server's own limits take the place of those that every server takes. */
static enum mlaas_status settle(const struct mlaas_remote *remote, const struct mlaas_opened *opened,
                                const struct mlaas_tries *tries, struct mlaas_wire_file *file,
                                struct mlaas_error *error) {
  while (opened->wire->settle && !opened->wire->settle(opened->handle, file, LOOK_MS)) {
    if (mlaas_cancelled())
      return mlaas_fail(error, MLAAS_CANCELLED, "cancelled while '%s' was opened", remote->replicas[0].shown);
    if (mlaas_now_ms() >= tries->deadline_ms)
      return mlaas_tries_too_late(remote, tries, error);
  }
  mend_limits(file);
  return MLAAS_OK;
}

enum mlaas_status mlaas_replica_settle(struct mlaas_remote *remote, const struct mlaas_tries *tries,
                                       struct mlaas_error *error) {
  struct mlaas_opened *opened = remote->opened;
  if (!opened || opened->settled)
    return MLAAS_OK;
  struct mlaas_wire_file file = opened->file;
  opened->count++;
  pthread_mutex_unlock(&remote->cache->lock);
  enum mlaas_status status = settle(remote, opened, tries, &file, error);
  pthread_mutex_lock(&remote->cache->lock);
  if (status == MLAAS_OK) {
    opened->file = file;
    opened->settled = true;
    if (remote->opened == opened)
      remote->limits = file;
  }
  mlaas_opened_put(remote, opened);
  return status;
}

/* Without the lock. Who comes in mid-file has its limits at once, for requests are waiting. */
static enum mlaas_status open_replica(struct mlaas_remote *remote, int i, struct mlaas_tries *tries,
                                      struct mlaas_opened **result, bool *transient, struct mlaas_error *error) {
  const struct mlaas_replica *replica = &remote->replicas[i];
  struct mlaas_opened *opened = mlaas_alloc(sizeof *opened);
  if (!opened)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open '%s'", replica->shown);
  opened->wire = replica->wire;
  opened->replica = i;
  opened->count = 1;
  int64_t until = mlaas_now_ms() + remote->options->connect_ms + remote->options->timeout_ms; /* for a silent one */
  if (until > tries->deadline_ms || !mlaas_speed_is_silent(replica->host))
    until = tries->deadline_ms;
  enum mlaas_status status =
      mlaas_wire_open(replica->wire, remote->context, replica->url, until, &opened->file, transient, error);
  if (status != MLAAS_OK) {
    mlaas_free(opened);
    return status;
  }
  opened->handle = opened->file.handle;
  mend_limits(&opened->file);
  status = compare(remote, opened, tries, transient, error);
  opened->settled = remote->size >= 0;
  if (status == MLAAS_OK && opened->settled)
    status = settle(remote, opened, tries, &opened->file, error);
  if (status == MLAAS_OK) {
    *result = opened;
    return MLAAS_OK;
  }
  replica->wire->close(opened->handle);
  mlaas_free(opened);
  return status;
}

/* With the lock. */
static void take_into_use(struct mlaas_remote *remote, struct mlaas_opened *opened) {
  struct mlaas_replica *replica = &remote->replicas[opened->replica];
  remote->counters.requests += opened->file.requests;
  remote->counters.failovers += remote->current >= 0 && remote->current != opened->replica;
  remote->current = opened->replica;
  remote->opened = opened;
  remote->limits = opened->file;
  if (remote->size < 0)
    remote->size = opened->file.size;
  if (!replica->met)
    memcpy(replica->tag, opened->file.tag, sizeof replica->tag);
  replica->met = true;
  replica->tag[sizeof replica->tag - 1] = '\0';
}

/* One attempt; sets *delay_ms where another may follow. With the lock, let go meanwhile. */
static enum mlaas_status try_to_open(struct mlaas_remote *remote, struct mlaas_tries *tries, int64_t *delay_ms,
                                     struct mlaas_error *error) {
  struct mlaas_opened *opened = NULL;
  struct mlaas_error reason = {0};
  bool transient = false;
  int i = choose(remote, tries);
  if (i < 0) { /* all were other files, or failed before this call's turn */
    for (i = 0; i < remote->num_replicas - 1 && tries->at[i].count == 0; i++)
      ;
    if (tries->at[i].count)
      return give_up(remote, tries, i, error);
    return mlaas_fail(error, MLAAS_STALE, "'%s': this is another file than was opened", remote->replicas[i].shown);
  }
  remote->opening = true;
  remote->counters.retries += tries->at[i].count > 0;
  pthread_mutex_unlock(&remote->cache->lock);
  int64_t began = mlaas_now_ms();
  enum mlaas_status status = open_replica(remote, i, tries, &opened, &transient, &reason);
  int64_t took = mlaas_now_ms() - began;
  pthread_mutex_lock(&remote->cache->lock);
  remote->opening = false;
  pthread_cond_broadcast(&remote->changed);
  if (status == MLAAS_OK) {
    mlaas_speed_note(remote->replicas[i].host, took, 0);
    take_into_use(remote, opened);
    return MLAAS_OK;
  }
  if (status == MLAAS_CANCELLED && mlaas_cancelled())
    return mlaas_fail(error, MLAAS_CANCELLED, "cancelled while '%s' was opened", remote->replicas[i].shown);
  mlaas_speed_note_failure(remote->replicas[i].host);
  remote->replicas[i].failures++;
  if (status == MLAAS_IO && transient && took >= remote->options->connect_ms)
    status = MLAAS_TIMEOUT; /* whatever its wire calls it: nobody was there */
  struct mlaas_failure failure = {.replica = i, .status = status, .transient = transient};
  snprintf(failure.message, sizeof failure.message, "%s", reason.message);
  return mlaas_replica_failed(remote, tries, &failure, delay_ms, error);
}

static enum mlaas_status pause_for(struct mlaas_remote *remote, const struct mlaas_tries *tries, int64_t ms,
                                   struct mlaas_error *error) {
  int64_t until = mlaas_now_ms() + ms;
  for (int64_t now; (now = mlaas_now_ms()) < until && !remote->opened;) {
    if (mlaas_cancelled())
      return mlaas_fail(error, MLAAS_CANCELLED, "cancelled while '%s' was opened", remote->replicas[0].shown);
    mlaas_remote_doze(remote, until - now);
  }
  return mlaas_now_ms() < tries->deadline_ms ? MLAAS_OK : mlaas_tries_too_late(remote, tries, error);
}

enum mlaas_status mlaas_replica_ensure(struct mlaas_remote *remote, struct mlaas_tries *tries,
                                       struct mlaas_error *error) {
  while (!remote->opened) {
    int64_t delay = 0;
    if (remote->opening)
      delay = tries->deadline_ms - mlaas_now_ms();
    else
      MLAAS_TRY(try_to_open(remote, tries, &delay, error));
    bool other = remote->opening;
    while (other && remote->opening && mlaas_now_ms() < tries->deadline_ms && !mlaas_cancelled())
      mlaas_remote_doze(remote, tries->deadline_ms - mlaas_now_ms());
    if (!remote->opened)
      MLAAS_TRY(pause_for(remote, tries, other ? 1 : delay, error));
  }
  mlaas_remote_tidy(remote);
  return MLAAS_OK;
}
