/* Waits for the answer to one request. Must not know what is in it. */
#include "source/http/exchange.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { LOOK_MS = 20 };

/* The asker's memory: it stays until the request has ended, and the task that stops it has run if there is one. */
struct waiting {
  struct mlaas_http_task begin, stop;
  struct mlaas_http_request request;
  struct mlaas_http_exchange *exchange;
  struct mlaas_http_loop *loop;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  bool ended, stopped, late;
};

static struct waiting *of_begin(struct mlaas_http_task *task) {
  return (struct waiting *)((char *)task - offsetof(struct waiting, begin));
}

static struct waiting *of_stop(struct mlaas_http_task *task) {
  return (struct waiting *)((char *)task - offsetof(struct waiting, stop));
}

static void begin(struct mlaas_http_task *task) {
  struct waiting *waiting = of_begin(task);
  mlaas_http_loop_begin(waiting->loop, &waiting->request);
}

static void on_end(struct mlaas_http_request *request) {
  struct waiting *waiting = request->owner;
  pthread_mutex_lock(&waiting->mutex);
  waiting->exchange->single = request->host && request->host->most_ranges == 1;
  waiting->ended = true;
  pthread_cond_signal(&waiting->changed);
  pthread_mutex_unlock(&waiting->mutex);
}

static void stop(struct mlaas_http_task *task) {
  struct waiting *waiting = of_stop(task);
  pthread_mutex_lock(&waiting->mutex);
  if (!waiting->ended) {
    mlaas_http_loop_drop(waiting->loop, &waiting->request);
    struct mlaas_http_request *request = &waiting->request;
    request->transient = waiting->late;
    request->status =
        waiting->late ? mlaas_fail(&request->error, MLAAS_TIMEOUT, "%s: no whole answer within the deadline of %.3g s",
                                   request->origin.text, (double)request->site->deadline_ms / 1000)
                      : mlaas_fail(&request->error, MLAAS_CANCELLED, "cancelled");
  }
  waiting->ended = waiting->stopped = true;
  pthread_cond_signal(&waiting->changed);
  pthread_mutex_unlock(&waiting->mutex);
}

static bool on_head(struct mlaas_http_request *request) {
  struct waiting *waiting = request->owner;
  const struct mlaas_http_exchange *exchange = waiting->exchange;
  if (request->reply.encoded) {
    request->status = mlaas_fail(&request->error, MLAAS_UNSUPPORTED,
                                 "%s sends compressed content where none was asked for", request->origin.text);
    return false;
  }
  bool none = strcmp(request->method, "HEAD") == 0;
  return none || !exchange->cut || request->reply.length < 0 || (uint64_t)request->reply.length <= exchange->most;
}

static bool make_room(struct mlaas_http_exchange *exchange, size_t more) {
  if (more < exchange->room - exchange->size)
    return true;
  size_t room = exchange->room * 2 > exchange->size + more + 1 ? exchange->room * 2 : exchange->size + more + 1;
  char *text = mlaas_realloc(exchange->text, room);
  if (!text)
    return false;
  exchange->text = text;
  exchange->room = room;
  return true;
}

static bool on_bytes(struct mlaas_http_request *request, const char *data, size_t size) {
  struct waiting *waiting = request->owner;
  struct mlaas_http_exchange *exchange = waiting->exchange;
  if (size > exchange->most - exchange->size) {
    if (!exchange->cut)
      request->status = mlaas_fail(&request->error, MLAAS_LIMIT, "%s answers with more than %zu bytes",
                                   request->origin.text, exchange->most);
    return false;
  }
  if (!make_room(exchange, size)) {
    request->status =
        mlaas_fail(&request->error, MLAAS_MEMORY, "no memory for an answer of %zu bytes", exchange->size + size);
    return false;
  }
  memcpy(exchange->text + exchange->size, data, size);
  exchange->size += size;
  exchange->text[exchange->size] = 0;
  return true;
}

/* A server that sends a byte now and then is never silent, so the whole has a time limit too. */
static void wait_for(struct waiting *waiting) {
  bool asked = false;
  int64_t until = mlaas_now_ms() + waiting->request.site->deadline_ms;
  pthread_mutex_lock(&waiting->mutex);
  while (!waiting->ended || (asked && !waiting->stopped)) {
    mlaas_condition_wait(&waiting->changed, &waiting->mutex, LOOK_MS);
    bool late = mlaas_now_ms() > until;
    if (waiting->ended || asked || !(late || mlaas_cancelled()))
      continue;
    asked = true;
    waiting->late = late;
    pthread_mutex_unlock(&waiting->mutex);
    mlaas_http_loop_post(waiting->loop, &waiting->stop);
    pthread_mutex_lock(&waiting->mutex);
  }
  pthread_mutex_unlock(&waiting->mutex);
}

static void set_up(struct waiting *waiting, const struct mlaas_http_site *site, struct mlaas_http_exchange *exchange) {
  waiting->exchange = exchange;
  waiting->begin.run = begin;
  waiting->stop.run = stop;
  struct mlaas_http_request *request = &waiting->request;
  request->site = site;
  request->method = exchange->method;
  request->range = exchange->range;
  request->body = exchange->body;
  memcpy(request->headers, exchange->headers, sizeof request->headers);
  request->owner = waiting;
  request->on_head = on_head;
  request->on_bytes = on_bytes;
  request->on_end = on_end;
  mlaas_condition_init(&waiting->changed);
  pthread_mutex_init(&waiting->mutex, NULL);
}

static enum mlaas_status finish(struct waiting *waiting, struct mlaas_http_exchange *exchange,
                                struct mlaas_error *error) {
  struct mlaas_http_request *request = &waiting->request;
  enum mlaas_status status = request->status;
  exchange->reply = request->reply;
  exchange->transient = request->transient;
  exchange->requests = request->requests;
  exchange->final_url = request->url;
  memcpy(exchange->server, request->origin.text, sizeof exchange->server);
  if (status != MLAAS_OK && error)
    *error = request->error;
  pthread_cond_destroy(&waiting->changed);
  pthread_mutex_destroy(&waiting->mutex);
  mlaas_free(waiting);
  return status;
}

enum mlaas_status mlaas_http_exchange_run(const struct mlaas_http_site *site, struct mlaas_http_exchange *exchange,
                                          struct mlaas_error *error) {
  exchange->text = exchange->final_url = NULL;
  exchange->size = exchange->room = 0;
  exchange->transient = false;
  exchange->requests = 0;
  struct mlaas_http_loop *loop = NULL;
  MLAAS_TRY(mlaas_http_loop_get(&loop, error));
  struct waiting *waiting = mlaas_alloc(sizeof *waiting);
  char *url = waiting ? mlaas_strdup(exchange->url ? exchange->url : site->url) : NULL;
  if (!url) {
    mlaas_free(waiting);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a request");
  }
  set_up(waiting, site, exchange);
  waiting->loop = loop;
  waiting->request.url = url;
  mlaas_http_loop_post(loop, &waiting->begin);
  wait_for(waiting);
  return finish(waiting, exchange, error);
}

void mlaas_http_exchange_reset(struct mlaas_http_exchange *exchange) {
  mlaas_free(exchange->text);
  mlaas_free(exchange->final_url);
  exchange->text = exchange->final_url = NULL;
}
