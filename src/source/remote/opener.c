/* Blocking calls of wires with a deadline. Must not know why they are made.
 *
 * Opening runs in a thread of its own, for no wire can be interrupted there; whoever is last, caller or thread, cleans
 * up. */
#include "source/remote/opener.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>

enum { SLICE_MS = 50 };

struct opener {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int count; /* caller, thread */
  bool done, abandoned;
  const struct mlaas_wire *wire;
  struct mlaas_context *context;
  char *url;
  struct mlaas_wire_file file;
  enum mlaas_status status;
  bool transient;
  struct mlaas_error error;
};

static int64_t slice(int64_t deadline_ms) {
  int64_t left = deadline_ms - mlaas_now_ms();
  left = left < 0 ? 0 : left;
  return mlaas_cancel_watched() && left > SLICE_MS ? SLICE_MS : left;
}

static void put_opener(struct opener *opener) {
  pthread_mutex_lock(&opener->lock);
  bool last = --opener->count == 0;
  pthread_mutex_unlock(&opener->lock);
  if (!last)
    return;
  pthread_mutex_destroy(&opener->lock);
  pthread_cond_destroy(&opener->changed);
  mlaas_context_put(opener->context);
  mlaas_free(opener->url);
  mlaas_free(opener);
}

static void *opener_main(void *argument) {
  struct opener *opener = argument;
  struct mlaas_wire_file file = {0};
  bool transient = false;
  enum mlaas_status status =
      opener->wire->open(opener->url, mlaas_context_remote(opener->context), &file, &transient, &opener->error);
  pthread_mutex_lock(&opener->lock);
  opener->done = true;
  opener->status = status;
  opener->file = file;
  opener->transient = transient;
  bool unwanted = opener->abandoned && status == MLAAS_OK;
  pthread_cond_broadcast(&opener->changed);
  pthread_mutex_unlock(&opener->lock);
  if (unwanted)
    opener->wire->close(file.handle);
  put_opener(opener);
  return NULL;
}

/* Signals stay with the program's own threads. */
static bool start_thread(struct opener *opener) {
  sigset_t all, old;
  pthread_t thread;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  bool started = pthread_create(&thread, NULL, opener_main, opener) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (started)
    pthread_detach(thread);
  return started;
}

static enum mlaas_status wait_for(struct opener *opener, int64_t deadline_ms, struct mlaas_wire_file *file,
                                  bool *transient, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  pthread_mutex_lock(&opener->lock);
  while (!opener->done && status == MLAAS_OK) {
    if (mlaas_cancelled())
      status = mlaas_fail(error, MLAAS_CANCELLED, "cancelled while a file was opened");
    else if (mlaas_now_ms() >= deadline_ms)
      status = mlaas_fail(error, MLAAS_TIMEOUT, "the server did not let the file be opened in time");
    else
      mlaas_condition_wait(&opener->changed, &opener->lock, slice(deadline_ms));
  }
  if (opener->done) {
    status = opener->status;
    *file = opener->file;
    *transient = opener->transient;
    if (status != MLAAS_OK && error)
      *error = opener->error;
  }
  opener->abandoned = !opener->done;
  pthread_mutex_unlock(&opener->lock);
  return status;
}

enum mlaas_status mlaas_wire_open(const struct mlaas_wire *wire, struct mlaas_context *context, const char *url,
                                  int64_t deadline_ms, struct mlaas_wire_file *file, bool *transient,
                                  struct mlaas_error *error) {
  *transient = false;
  struct opener *opener = mlaas_alloc(sizeof *opener);
  char *copy = opener ? mlaas_strdup(url) : NULL;
  if (!copy) {
    mlaas_free(opener);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a remote file");
  }
  pthread_mutex_init(&opener->lock, NULL);
  mlaas_condition_init(&opener->changed);
  opener->count = 2;
  opener->wire = wire;
  opener->context = mlaas_context_get(context);
  opener->url = copy;
  if (!start_thread(opener))
    opener_main(opener); /* then without a way out */
  enum mlaas_status status = wait_for(opener, deadline_ms, file, transient, error);
  put_opener(opener);
  return status;
}

/* ---- one range, now ---- */

struct waiting {
  struct mlaas_fetch fetch; /* first */
  pthread_mutex_t lock;
  pthread_cond_t changed;
  bool done;
};

static void waiting_done(struct mlaas_fetch *fetch) {
  struct waiting *waiting = (struct waiting *)(void *)fetch;
  pthread_mutex_lock(&waiting->lock);
  waiting->done = true;
  pthread_cond_broadcast(&waiting->changed);
  pthread_mutex_unlock(&waiting->lock);
}

enum mlaas_status mlaas_wire_read(const struct mlaas_wire *wire, void *handle, const struct mlaas_range *range,
                                  int64_t deadline_ms, struct mlaas_fetch *fetch, struct mlaas_error *error) {
  struct waiting waiting = {.fetch = {.ranges = range, .num_ranges = 1, .done = waiting_done}};
  pthread_mutex_init(&waiting.lock, NULL);
  mlaas_condition_init(&waiting.changed);
  wire->start(handle, &waiting.fetch);
  enum mlaas_status left = MLAAS_OK;
  pthread_mutex_lock(&waiting.lock);
  while (!waiting.done) {
    bool late = mlaas_now_ms() >= deadline_ms;
    if (left == MLAAS_OK && (late || mlaas_cancelled())) {
      left = late ? MLAAS_TIMEOUT : MLAAS_CANCELLED;
      pthread_mutex_unlock(&waiting.lock);
      wire->cancel(handle, &waiting.fetch);
      pthread_mutex_lock(&waiting.lock);
    } else if (left == MLAAS_OK) {
      mlaas_condition_wait(&waiting.changed, &waiting.lock, slice(deadline_ms));
    } else {
      pthread_cond_wait(&waiting.changed, &waiting.lock);
    }
  }
  pthread_mutex_unlock(&waiting.lock);
  pthread_mutex_destroy(&waiting.lock);
  pthread_cond_destroy(&waiting.changed);
  *fetch = waiting.fetch;
  if (fetch->status == MLAAS_CANCELLED && left == MLAAS_OK) { /* not by us: it may go next time */
    fetch->status = fetch->error.status = MLAAS_IO;
    fetch->transient = true;
  }
  if (fetch->status == MLAAS_OK)
    return MLAAS_OK;
  if (left != MLAAS_OK)
    return mlaas_fail(error, left, left == MLAAS_TIMEOUT ? "the server did not answer in time" : "cancelled");
  if (error)
    *error = fetch->error;
  return fetch->status;
}
