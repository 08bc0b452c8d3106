/* The thread of libcurl's multi interface: who may ask how much at a time, what is late, and what others want done.
 * Must not know what requests are for. */
#include "source/http/loop.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where a request has many ranges, few are enough, and HTTP/1.1 on connections of their own moves more bytes than the
 * streams of one: frames cost work on both sides, and each connection has a window of its own for the long way. Single
 * ranges are many: how many requests a second there are is how many may be open over the round trip. Where they are
 * known to be single from the first request on, HTTP/2 is used; a server keeps its version. */
enum {
  MOST_CONNECTIONS = 8,
  MOST_SINGLE_CONNECTIONS = 32,
  MOST_SINGLE_STREAMS = 100, /* what servers allow at least, by the RFC's advice */
  MOST_SPARE = 32,
  TICK_MS = 50,
  IDLE_MS = 60000,
  FIRST_RANGES = 200
};

struct mlaas_http_loop {
  pid_t pid;
  CURLM *multi;
  pthread_t thread;
  pthread_mutex_t mutex; /* of tasks, started, and of what users of the lock share */
  struct mlaas_http_task *first, *last;
  bool started;
  atomic_bool stopping;
  /* Of the thread: */
  struct mlaas_http_host *hosts;
  struct mlaas_http_request *active; /* a list in both directions */
  struct mlaas_http_request *ended, *ended_last;
  CURL *spare[MOST_SPARE];
  int num_spare;
};

static _Atomic(struct mlaas_http_loop *) the_loop;

bool mlaas_http_loop_is_ours(const struct mlaas_http_loop *loop) { return loop->pid == getpid(); }
pthread_mutex_t *mlaas_http_loop_lock(struct mlaas_http_loop *loop) { return &loop->mutex; }

/* ---- requests ---- */

struct mlaas_http_host *mlaas_http_loop_host(struct mlaas_http_loop *loop, const char *origin) {
  struct mlaas_http_host *host = loop->hosts;
  while (host && strcmp(host->origin, origin) != 0)
    host = host->next;
  if (host)
    return host;
  host = mlaas_alloc(sizeof *host);
  if (!host)
    return NULL;
  snprintf(host->origin, sizeof host->origin, "%s", origin);
  host->most_ranges = FIRST_RANGES;
  host->next = loop->hosts;
  loop->hosts = host;
  return host;
}

static void end_later(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  request->place = MLAAS_HTTP_ENDED;
  request->next = NULL;
  request->previous = loop->ended_last;
  if (loop->ended_last)
    loop->ended_last->next = request;
  else
    loop->ended = request;
  loop->ended_last = request;
}

static void give_back(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  if (request->easy) {
    curl_easy_reset(request->easy); /* keeps nothing that points to the request */
    if (loop->num_spare < MOST_SPARE)
      loop->spare[loop->num_spare++] = request->easy;
    else
      curl_easy_cleanup(request->easy);
  }
  for (struct curl_slist *line = request->lines; line; line = line->next)
    explicit_bzero(line->data, strlen(line->data)); /* one may be a token */
  curl_slist_free_all(request->lines);
  request->easy = NULL;
  request->lines = NULL;
}

static void activate(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  request->easy = loop->num_spare ? loop->spare[--loop->num_spare] : curl_easy_init();
  request->transient = false;
  request->status = request->easy ? mlaas_http_request_prepare(request, request->easy)
                                  : mlaas_fail(&request->error, MLAAS_MEMORY, "no memory for a request");
  if (request->status == MLAAS_OK) {
    CURLMcode code = curl_multi_add_handle(loop->multi, request->easy);
    if (code != CURLM_OK)
      request->status = mlaas_fail(&request->error, code == CURLM_OUT_OF_MEMORY ? MLAAS_MEMORY : MLAAS_INTERNAL,
                                   "a request cannot be begun: %s", curl_multi_strerror(code));
  }
  if (request->status != MLAAS_OK) {
    give_back(loop, request);
    end_later(loop, request);
    return;
  }
  request->last_ms = mlaas_now_ms();
  request->place = MLAAS_HTTP_ACTIVE;
  request->previous = NULL;
  request->next = loop->active;
  if (loop->active)
    loop->active->previous = request;
  loop->active = request;
  request->host->active++;
}

static int most_active(const struct mlaas_http_host *host) {
  if (host->most_ranges > 1)
    return MOST_CONNECTIONS;
  return host->multiplexes ? MOST_SINGLE_STREAMS : MOST_SINGLE_CONNECTIONS;
}

/* libcurl would queue too, but its time-outs run in the queue. */
static void pump(struct mlaas_http_loop *loop, struct mlaas_http_host *host) {
  while (host->first && host->active < most_active(host)) {
    struct mlaas_http_request *request = host->first;
    host->first = request->next;
    if (host->first)
      host->first->previous = NULL;
    else
      host->last = NULL;
    activate(loop, request);
  }
}

void mlaas_http_loop_begin(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  request->host = NULL;
  request->again = false;
  request->status = mlaas_http_origin_of(request->url, &request->origin, &request->error);
  if (request->status == MLAAS_OK) {
    request->host = mlaas_http_loop_host(loop, request->origin.text);
    if (!request->host)
      request->status = mlaas_fail(&request->error, MLAAS_MEMORY, "no memory for a request");
  }
  if (request->status != MLAAS_OK) {
    end_later(loop, request);
    return;
  }
  struct mlaas_http_host *host = request->host;
  if (request->site->is_s3) /* no server of S3 does several */
    host->most_ranges = 1;
  if (!host->met) /* and never otherwise: libcurl mixes answers up where a server has connections of both versions */
    host->may_multiplex = host->most_ranges == 1;
  host->met = true;
  request->may_multiplex = host->may_multiplex;
  request->place = MLAAS_HTTP_WAITING;
  request->next = NULL;
  request->previous = host->last;
  if (host->last)
    host->last->next = request;
  else
    host->first = request;
  host->last = request;
  pump(loop, host);
}

static void unlink_from(struct mlaas_http_request **first, struct mlaas_http_request **last,
                        struct mlaas_http_request *request) {
  if (request->previous)
    request->previous->next = request->next;
  else
    *first = request->next;
  if (request->next)
    request->next->previous = request->previous;
  else if (last)
    *last = request->previous;
  request->next = request->previous = NULL;
  request->place = MLAAS_HTTP_NOWHERE;
}

static void deactivate(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  curl_multi_remove_handle(loop->multi, request->easy);
  unlink_from(&loop->active, NULL, request);
  request->host->active--;
  give_back(loop, request);
}

void mlaas_http_loop_drop(struct mlaas_http_loop *loop, struct mlaas_http_request *request) {
  switch (request->place) {
  case MLAAS_HTTP_NOWHERE:
    break;
  case MLAAS_HTTP_WAITING:
    unlink_from(&request->host->first, &request->host->last, request);
    break;
  case MLAAS_HTTP_ENDED:
    unlink_from(&loop->ended, &loop->ended_last, request);
    break;
  case MLAAS_HTTP_ACTIVE:
    request->requests++;
    deactivate(loop, request);
    pump(loop, request->host);
    break;
  }
}

/* ---- the thread ---- */

static void settle(struct mlaas_http_loop *loop, struct mlaas_http_request *request, CURLcode code, bool timed_out) {
  long version = 0;
  curl_easy_getinfo(request->easy, CURLINFO_HTTP_VERSION, &version);
  if (request->head_ended)
    request->host->multiplexes = version == CURL_HTTP_VERSION_2_0;
  if (request->heard && request->last_ms > request->host->heard_ms) {
    request->host->heard_ms = request->last_ms;
    request->host->heard_port = request->port;
  }
  mlaas_http_request_settle(request, code, timed_out);
  deactivate(loop, request);
  end_later(loop, request);
  pump(loop, request->host);
}

static void settle_done(struct mlaas_http_loop *loop) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(loop->multi, &left))) {
    struct mlaas_http_request *request = NULL;
    CURLcode code = message->data.result;
    curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &request);
    settle(loop, request, code, false);
  }
}

/* Something came on the connection of this one since it heard something itself. */
static bool is_alive(const struct mlaas_http_loop *loop, const struct mlaas_http_request *late) {
  if (late->host->heard_port == late->port && late->host->heard_ms > late->last_ms)
    return true;
  for (const struct mlaas_http_request *other = loop->active; other; other = other->next)
    if (other->host == late->host && other->port == late->port && other->heard && other->last_ms > late->last_ms)
      return true;
  return false;
}

/* Requests of HTTP/2 share a connection, which libcurl would keep for those that try again. One on which nothing came
 * for anybody is broken: all on it are given up, and the last one closes it. */
static void note_late(const struct mlaas_http_loop *loop, struct mlaas_http_request *late) {
  late->late = true;
  if (!late->connected || is_alive(loop, late))
    return;
  for (struct mlaas_http_request *other = loop->active; other; other = other->next)
    if (other->host == late->host && other->port == late->port) {
      other->late = true;
      curl_easy_setopt(other->easy, CURLOPT_FORBID_REUSE, 1L);
    }
}

/* libcurl ends connecting in time; that a server falls silent is noticed here, to the millisecond. */
static void settle_late(struct mlaas_http_loop *loop) {
  int64_t now = mlaas_now_ms();
  for (struct mlaas_http_request *request = loop->active; request; request = request->next) {
    int64_t allowed = request->site->timeout_ms + (request->connected ? 0 : request->site->connect_ms);
    if (!request->late && now - request->last_ms > allowed)
      note_late(loop, request);
  }
  struct mlaas_http_request *next;
  for (struct mlaas_http_request *request = loop->active; request; request = next) {
    next = request->next;
    if (request->late)
      settle(loop, request, CURLE_OPERATION_TIMEDOUT, true);
  }
}

static void end_settled(struct mlaas_http_loop *loop) {
  while (loop->ended) {
    struct mlaas_http_request *request = loop->ended;
    unlink_from(&loop->ended, &loop->ended_last, request);
    if (request->again)
      mlaas_http_loop_begin(loop, request);
    else
      request->on_end(request);
  }
}

static bool run_tasks(struct mlaas_http_loop *loop) {
  pthread_mutex_lock(&loop->mutex);
  struct mlaas_http_task *task = loop->first;
  loop->first = loop->last = NULL;
  pthread_mutex_unlock(&loop->mutex);
  bool any = task;
  while (task) {
    struct mlaas_http_task *next = task->next;
    task->run(task);
    task = next;
  }
  return any;
}

static void *run(void *context) {
  struct mlaas_http_loop *loop = context;
  while (!atomic_load(&loop->stopping)) {
    int running = 0;
    bool worked = run_tasks(loop);
    curl_multi_perform(loop->multi, &running);
    settle_done(loop);
    settle_late(loop);
    worked |= loop->ended != NULL;
    end_settled(loop);
    if (!worked)
      curl_multi_poll(loop->multi, NULL, 0, loop->active ? TICK_MS : IDLE_MS, NULL);
  }
  return NULL;
}

void mlaas_http_loop_post_locked(struct mlaas_http_loop *loop, struct mlaas_http_task *task) {
  task->next = NULL;
  if (loop->last)
    loop->last->next = task;
  else
    loop->first = task;
  loop->last = task;
  curl_multi_wakeup(loop->multi);
}

void mlaas_http_loop_post(struct mlaas_http_loop *loop, struct mlaas_http_task *task) {
  pthread_mutex_lock(&loop->mutex);
  mlaas_http_loop_post_locked(loop, task);
  pthread_mutex_unlock(&loop->mutex);
}

/* ---- its life ---- */

/* Before OpenSSL cleans up behind us. What is on its way stays where it is. */
static void stop_at_exit(void) {
  struct mlaas_http_loop *loop = atomic_load(&the_loop);
  if (!loop || !mlaas_http_loop_is_ours(loop) || !loop->started || pthread_equal(pthread_self(), loop->thread))
    return;
  atomic_store(&loop->stopping, true);
  curl_multi_wakeup(loop->multi);
  pthread_join(loop->thread, NULL);
}

static void start_curl(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  atexit(stop_at_exit);
}

static struct mlaas_http_loop *make_loop(void) {
  struct mlaas_http_loop *loop = mlaas_alloc(sizeof *loop);
  if (!loop)
    return NULL;
  loop->pid = getpid();
  loop->multi = curl_multi_init();
  if (!loop->multi || pthread_mutex_init(&loop->mutex, NULL) != 0) {
    curl_multi_cleanup(loop->multi);
    mlaas_free(loop);
    return NULL;
  }
  curl_multi_setopt(loop->multi, CURLMOPT_MAXCONNECTS, 64L);
  return loop;
}

/* The thread gets no signals: they are for whoever waits. */
static enum mlaas_status start(struct mlaas_http_loop *loop, struct mlaas_error *error) {
  sigset_t all, before;
  int failed = 0;
  pthread_mutex_lock(&loop->mutex);
  if (!loop->started) {
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&loop->thread, NULL, run, loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    loop->started = failed == 0;
  }
  pthread_mutex_unlock(&loop->mutex);
  return failed ? mlaas_fail_errno(error, failed, "no thread for HTTP can be started") : MLAAS_OK;
}

enum mlaas_status mlaas_http_loop_get(struct mlaas_http_loop **loop, struct mlaas_error *error) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, start_curl);
  struct mlaas_http_loop *now = atomic_load(&the_loop);
  if (!now || !mlaas_http_loop_is_ours(now)) { /* a parent's loop is left as it was: its thread is not here */
    struct mlaas_http_loop *made = make_loop();
    if (!made)
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for HTTP");
    if (atomic_compare_exchange_strong(&the_loop, &now, made))
      now = made;
    else { /* another thread was faster */
      curl_multi_cleanup(made->multi);
      pthread_mutex_destroy(&made->mutex);
      mlaas_free(made);
    }
  }
  *loop = now;
  return start(now, error);
}
