/* One fetch becomes requests: several ranges in each where the server does that right, else single ones side by side.
 * What the server can do is found out by asking it, and remembered for all its files. Must not know about retries,
 * which are the layer's above; only what makes a request a different one is done again here. */
#include "source/http/file.h"

#include "source/http/byteranges.h"
#include "source/gather.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

/* Lines of 8 KiB are what servers take, and this is not the only one. Servers with a limit to the number of ranges send
 * the whole file beyond it. */
enum { MOST_RANGE_TEXT = 6000, ONE_RANGE_TEXT = 64, SLACK = 64 << 10, FEW_RANGES = 8 };

struct job;

struct piece {
  struct mlaas_http_request request;
  struct piece *next;
  struct job *job;
  char *range;
  size_t first, count; /* ranges of the fetch */
  size_t asked;        /* as they stand in the header, neighbours joined */
  int64_t wanted;      /* bytes */
  struct mlaas_scatter scatter;
  struct mlaas_byteranges parser;
  bool multipart;
  bool unable;   /* the server cannot do several ranges, or did them wrong */
  bool at_final; /* asked where a redirect had led before */
};

struct job {
  struct mlaas_http_task begin, stop;
  struct mlaas_fetch *fetch;
  struct mlaas_http_file *file;
  struct piece *pieces;
  int64_t *filled;
  bool stop_posted, ended; /* under the loop's lock */
};

char *mlaas_http_range_text(const struct mlaas_range *ranges, size_t count, size_t *next, size_t most, int64_t gap,
                            size_t *asked) {
  size_t used = 0, size = (most > 1 ? MOST_RANGE_TEXT : 0) + ONE_RANGE_TEXT;
  char *text = mlaas_alloc(size);
  *asked = 0;
  while (text && *next < count && *asked < most && used + ONE_RANGE_TEXT <= size) {
    int64_t first = ranges[*next].offset, end = first + ranges[*next].length;
    for (++*next; *next < count && ranges[*next].offset - end <= gap; ++*next)
      end = ranges[*next].offset + ranges[*next].length;
    used += (size_t)snprintf(text + used, size - used, "%s%lld-%lld", *asked ? "," : "", (long long)first,
                             (long long)end - 1);
    ++*asked;
  }
  return text;
}

/* ---- the end of it all ---- */

static void drop_piece(struct job *job, struct piece *piece) {
  for (struct piece **at = &job->pieces; *at; at = &(*at)->next)
    if (*at == piece) {
      *at = piece->next;
      break;
    }
  mlaas_http_loop_drop(job->file->loop, &piece->request);
  job->fetch->requests += piece->request.requests;
  job->fetch->delivered += piece->request.delivered;
  mlaas_free(piece->request.url);
  mlaas_free(piece->range);
  mlaas_free(piece);
}

static void free_job(struct job *job) {
  mlaas_free(job->filled);
  mlaas_free(job);
}

/* The fetch has its outcome, but for what is counted. The job stays for a stop that is on its way. */
static void end_job(struct job *job, bool by_stop) {
  struct mlaas_fetch *fetch = job->fetch;
  while (job->pieces)
    drop_piece(job, job->pieces);
  pthread_mutex_t *lock = mlaas_http_loop_lock(job->file->loop);
  pthread_mutex_lock(lock);
  fetch->wire = NULL;
  job->ended = true;
  bool stays = job->stop_posted && !by_stop;
  pthread_mutex_unlock(lock);
  if (!stays)
    free_job(job);
  fetch->done(fetch);
}

static void fail_job(struct job *job, const struct mlaas_http_request *request) {
  job->fetch->status = request->status;
  job->fetch->error = request->error;
  job->fetch->transient = request->transient;
  job->fetch->retry_after_ms = request->retry_after_ms;
  end_job(job, false);
}

static void fail_memory(struct job *job) {
  job->fetch->status = mlaas_fail(&job->fetch->error, MLAAS_MEMORY, "no memory for a request");
  end_job(job, false);
}

/* ---- what comes ---- */

static bool refuse(struct piece *piece, enum mlaas_status status, bool transient, const char *what) {
  struct mlaas_http_request *request = &piece->request;
  request->transient = transient;
  request->status = mlaas_fail(&request->error, status, "%s %s", request->origin.text, what);
  return false;
}

/* What was answered where one range was asked for. */
static bool refuse_answer(struct piece *piece, enum mlaas_status status, bool transient, const char *answered,
                          const char *advice) {
  char what[400];
  snprintf(what, sizeof what, "answers %d with %s where bytes %.60s were asked for%s", piece->request.reply.status,
           answered, piece->range, advice);
  return refuse(piece, status, transient, what);
}

static bool refuse_several(struct piece *piece, const char *problem) {
  if (piece->asked == 1)
    return refuse_answer(piece, MLAAS_IO, true, problem ? problem : "malformed parts", "");
  piece->unable = true;
  return false;
}

static bool refuse_changed(struct piece *piece) {
  return refuse(piece, MLAAS_STALE, false, "has another file now: it has changed since it was opened");
}

/* A whole file, which is welcome only where it is hardly more than what was asked for. Nothing of it is downloaded: the
 * connection is closed. A server that gave parts before has a hiccup, or another stands in for it, and may be asked
 * again; one that never did will not. */
static bool begin_whole(struct piece *piece) {
  const struct mlaas_http_file *file = piece->job->file;
  if (piece->request.reply.length >= 0 && piece->request.reply.length != file->size)
    return refuse_changed(piece);
  if (file->size <= piece->wanted + SLACK && mlaas_scatter_begin(&piece->scatter, 0, file->size - 1, file->size))
    return true;
  if (piece->asked > 1)
    return refuse_several(piece, NULL);
  const struct mlaas_http_host *host = piece->request.host;
  if (host && host->gives_parts)
    return refuse_answer(piece, MLAAS_UNSUPPORTED, true, "the whole file", ", though it gave parts before");
  return refuse_answer(piece, MLAAS_UNSUPPORTED, false, "the whole file",
                       ": it gives whole files only; copy the file from there before reading it");
}

static bool refuse_part(struct piece *piece) {
  const struct mlaas_http_reply *reply = &piece->request.reply;
  char answered[80];
  if (piece->asked > 1)
    return refuse_several(piece, NULL);
  snprintf(answered, sizeof answered, "bytes %lld-%lld", (long long)reply->first, (long long)reply->last);
  return refuse_answer(piece, MLAAS_IO, true, answered, "");
}

static bool begin_part(struct piece *piece) {
  const struct mlaas_http_file *file = piece->job->file;
  const struct mlaas_http_reply *reply = &piece->request.reply;
  if (mlaas_byteranges_init(&piece->parser, mlaas_slice_of(reply->type), file->size, &piece->scatter, piece->count)) {
    piece->multipart = true;
    return true;
  }
  if (!reply->has_range || reply->first < 0 || reply->bad_range)
    return refuse_several(piece, reply->bad_range ? "a malformed Content-Range" : "a part but no Content-Range");
  if (reply->total >= 0 && reply->total != file->size)
    return refuse_changed(piece);
  const struct mlaas_range *last = &piece->scatter.ranges[piece->count - 1];
  int64_t first = piece->scatter.ranges[0].offset, end = last->offset + last->length;
  bool fits = reply->last - reply->first < end - first + SLACK;
  if (piece->asked == 1) /* of several, some servers send the first */
    fits = fits && reply->first <= first && reply->last >= end - 1;
  if (!fits || !mlaas_scatter_begin(&piece->scatter, reply->first, reply->last, file->size))
    return refuse_part(piece);
  return true;
}

static bool on_head(struct mlaas_http_request *request) {
  struct piece *piece = request->owner;
  if (request->reply.encoded)
    return refuse(piece, MLAAS_UNSUPPORTED, false, "sends compressed content where none was asked for");
  if (mlaas_http_reply_differs(&request->reply, piece->job->file->tag))
    return refuse_changed(piece);
  if (request->reply.status == 206)
    return begin_part(piece);
  if (request->reply.status == 200)
    return begin_whole(piece);
  return refuse(piece, MLAAS_IO, false, "answers neither with the part that was asked for nor with an error");
}

static bool on_bytes(struct mlaas_http_request *request, const char *data, size_t size) {
  struct piece *piece = request->owner;
  if (!piece->multipart)
    return mlaas_scatter_write(&piece->scatter, data, size) ||
           refuse(piece, MLAAS_IO, true, "sends more bytes than it says");
  if (request->delivered > piece->wanted * 2 + (1 << 20))
    return refuse_several(piece, "far more bytes");
  if (mlaas_byteranges_feed(&piece->parser, data, size))
    return true;
  return piece->parser.changed ? refuse_changed(piece) : refuse_several(piece, piece->parser.problem);
}

/* ---- what is asked ---- */

static void on_end(struct mlaas_http_request *request);

static struct piece *add_piece(struct job *job, size_t first, size_t count, size_t most, int64_t gap, size_t *next) {
  struct mlaas_http_file *file = job->file;
  const struct mlaas_fetch *fetch = job->fetch;
  struct piece *piece = mlaas_alloc(sizeof *piece);
  if (!piece)
    return NULL;
  *next = first;
  piece->job = job;
  piece->at_final = file->final_url;
  piece->range = mlaas_http_range_text(fetch->ranges, first + count, next, most, gap, &piece->asked);
  piece->request.url = mlaas_strdup(file->final_url ? file->final_url : file->site.url);
  piece->next = job->pieces;
  job->pieces = piece;
  if (!piece->range || !piece->request.url)
    return NULL;
  piece->first = first;
  piece->count = *next - first;
  piece->scatter =
      (struct mlaas_scatter){.ranges = fetch->ranges + first, .count = piece->count, .filled = job->filled + first};
  for (size_t i = first; i < *next; i++) {
    piece->wanted += fetch->ranges[i].length;
    job->filled[i] = 0;
  }
  piece->request.site = &file->site;
  piece->request.method = "GET";
  piece->request.range = piece->range;
  piece->request.owner = piece;
  piece->request.on_head = on_head;
  piece->request.on_bytes = on_bytes;
  piece->request.on_end = on_end;
  return piece;
}

/* Ranges [first, first + count) in requests of at most `most`. False: no memory, and some may have been begun. */
static bool ask(struct job *job, size_t first, size_t count, size_t most) {
  size_t end = first + count;
  int64_t gap = most > 1 ? 0 : mlaas_ranges_single_gap(job->fetch->ranges + first, count);
  while (first < end) {
    size_t next = end;
    struct piece *piece = add_piece(job, first, end - first, most, gap, &next);
    if (!piece)
      return false;
    mlaas_http_loop_begin(job->file->loop, &piece->request);
    first = next;
  }
  return true;
}

static size_t most_ranges(struct mlaas_http_file *file) {
  struct mlaas_http_origin origin;
  if (!file->host &&
      mlaas_http_origin_of(file->final_url ? file->final_url : file->site.url, &origin, NULL) == MLAAS_OK)
    file->host = mlaas_http_loop_host(file->loop, origin.text);
  return file->site.is_s3 || !file->host ? 1 : file->host->most_ranges; /* no server of S3 does several */
}

/* The same ranges anew, in requests of fewer. `host`: it is the server's way, not this request's fault. */
static void ask_fewer(struct job *job, struct piece *piece, size_t most, bool host) {
  size_t first = piece->first, count = piece->count;
  struct mlaas_http_host *server = piece->request.host;
  if (host && server && server->most_ranges > most)
    server->most_ranges = most;
  drop_piece(job, piece);
  if (!ask(job, first, count, most))
    fail_memory(job);
}

/* Some servers take few ranges, most that send whole files take one: one request finds out, the rest does not wait. */
static void ask_few(struct job *job, struct piece *piece) {
  size_t first = piece->first, end = piece->first + piece->count, next = end;
  struct mlaas_http_host *server = piece->request.host;
  if (server && server->most_ranges > FEW_RANGES)
    server->most_ranges = FEW_RANGES;
  drop_piece(job, piece);
  struct piece *probe = add_piece(job, first, end - first, FEW_RANGES, 0, &next);
  if (probe)
    mlaas_http_loop_begin(job->file->loop, &probe->request);
  if (!probe || !ask(job, next, end - next, 1))
    fail_memory(job);
}

static void ask_again(struct job *job, struct piece *piece) {
  struct mlaas_http_file *file = job->file;
  size_t first = piece->first, count = piece->count;
  drop_piece(job, piece);
  mlaas_free(file->final_url);
  file->final_url = NULL;
  file->host = NULL;
  if (!ask(job, first, count, most_ranges(file)))
    fail_memory(job);
}

static void remember_place(struct mlaas_http_file *file, const struct mlaas_http_request *request) {
  if (!request->hops || (file->final_url && strcmp(file->final_url, request->url) == 0))
    return;
  char *url = mlaas_strdup(request->url);
  if (!url) /* the redirect will be followed again */
    return;
  mlaas_free(file->final_url);
  file->final_url = url;
  file->host = request->host;
}

static void remember_ability(const struct piece *piece) {
  struct mlaas_http_host *host = piece->request.host;
  if (!host || piece->request.reply.status != 206)
    return;
  host->gives_parts = true;
  if (host->good_ranges < piece->asked)
    host->good_ranges = piece->asked;
}

/* Answered as many ranges as it should before: not its way, but a hiccup of this request's. */
static bool was_able(const struct piece *piece) {
  return piece->request.host && piece->asked <= piece->request.host->good_ranges;
}

static bool is_too_much(int status) {
  return status == 400 || status == 413 || status == 414 || status == 416 || status == 431;
}

static void end_piece(struct job *job, struct piece *piece) {
  bool complete =
      mlaas_scatter_complete(&piece->scatter) && (!piece->multipart || mlaas_byteranges_ended(&piece->parser));
  bool sound = piece->multipart ? mlaas_byteranges_ended(&piece->parser) : mlaas_scatter_owed(&piece->scatter) == 0;
  if (!complete && sound && piece->asked > 1) { /* the first of them, as some servers do */
    ask_fewer(job, piece, 1, true);
    return;
  }
  if (!complete) {
    refuse(piece, MLAAS_IO, true, "ended before all that was asked for had come");
    fail_job(job, &piece->request);
    return;
  }
  remember_place(job->file, &piece->request);
  remember_ability(piece);
  drop_piece(job, piece);
  if (job->pieces)
    return;
  job->fetch->status = MLAAS_OK;
  end_job(job, false);
}

static void on_end(struct mlaas_http_request *request) {
  struct piece *piece = request->owner;
  struct job *job = piece->job;
  int answer = request->reply.status;
  if (piece->unable && was_able(piece))
    ask_fewer(job, piece, 1, false);
  else if (piece->unable && answer == 200 && piece->asked > FEW_RANGES)
    ask_few(job, piece);
  else if (piece->unable)
    ask_fewer(job, piece, 1, true);
  else if (request->status == MLAAS_OK)
    end_piece(job, piece);
  else if (piece->asked > 1 && is_too_much(answer))
    ask_fewer(job, piece, piece->asked / 2, true);
  else if (piece->asked > 1 && (answer == 500 || answer == 501))
    ask_fewer(job, piece, 1, answer == 501);
  else if (piece->at_final && request->status != MLAAS_STALE && request->status != MLAAS_MEMORY)
    ask_again(job, piece);
  else
    fail_job(job, request);
}

/* ---- from other threads ---- */

static void begin(struct mlaas_http_task *task) {
  struct job *job = (struct job *)((char *)task - offsetof(struct job, begin));
  if (!ask(job, 0, job->fetch->num_ranges, most_ranges(job->file)))
    fail_memory(job);
}

static void stop(struct mlaas_http_task *task) {
  struct job *job = (struct job *)((char *)task - offsetof(struct job, stop));
  if (job->ended) {
    free_job(job);
    return;
  }
  job->fetch->status = mlaas_fail(&job->fetch->error, MLAAS_CANCELLED, "cancelled");
  end_job(job, true);
}

static void fail_at_once(struct mlaas_fetch *fetch, enum mlaas_status status, const char *why) {
  fetch->status = mlaas_fail(&fetch->error, status, "%s", why);
  fetch->done(fetch);
}

void mlaas_http_fetch_start(void *handle, struct mlaas_fetch *fetch) {
  struct mlaas_http_file *file = handle;
  fetch->wire = NULL;
  fetch->transient = false;
  fetch->requests = fetch->delivered = fetch->retry_after_ms = 0;
  if (!mlaas_http_loop_is_ours(file->loop)) {
    fail_at_once(fetch, MLAAS_STATE, "this file was opened before the process was forked: open it anew");
    return;
  }
  struct job *job = mlaas_alloc(sizeof *job);
  int64_t *filled = job ? mlaas_alloc((fetch->num_ranges ? fetch->num_ranges : 1) * sizeof *filled) : NULL;
  if (!filled) {
    mlaas_free(job);
    fail_at_once(fetch, MLAAS_MEMORY, "no memory for a request");
    return;
  }
  *job = (struct job){.begin.run = begin, .stop.run = stop, .fetch = fetch, .file = file, .filled = filled};
  pthread_mutex_t *lock = mlaas_http_loop_lock(file->loop);
  pthread_mutex_lock(lock);
  fetch->wire = job;
  mlaas_http_loop_post_locked(file->loop, &job->begin); /* so that no stop can be ahead of it */
  pthread_mutex_unlock(lock);
}

void mlaas_http_fetch_cancel(void *handle, struct mlaas_fetch *fetch) {
  struct mlaas_http_file *file = handle;
  if (!mlaas_http_loop_is_ours(file->loop))
    return;
  pthread_mutex_t *lock = mlaas_http_loop_lock(file->loop);
  pthread_mutex_lock(lock);
  struct job *job = fetch->wire;
  bool post = job && !job->stop_posted;
  if (post)
    job->stop_posted = true;
  pthread_mutex_unlock(lock);
  if (post)
    mlaas_http_loop_post(file->loop, &job->stop);
}
