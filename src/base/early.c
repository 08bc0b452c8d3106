/* Items begun early. Must not know what the work is. */
#include "base/early.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

enum { MOST_ITEMS = 64, MOST_THREADS = 32, POLL_MS = 20 };

enum state { FREE, WANTED, RUNNING, DONE };

struct slot {
  enum state state;
  size_t item;
  unsigned long turn; /* the lower, the earlier it was wanted */
  void *result;
};

struct mlaas_early {
  int threads, started, idle;
  pid_t owner;
  mlaas_early_work *work;
  mlaas_early_drop *drop;
  void *context;
  atomic_bool stopping; /* what the threads watch */
  pthread_mutex_t lock; /* guards all below */
  pthread_cond_t changed;
  unsigned long turns;
  struct slot slots[MOST_ITEMS];
  pthread_t ids[MOST_THREADS];
};

struct mlaas_early *mlaas_early_new(int threads, mlaas_early_work *work, mlaas_early_drop *drop, void *context) {
  struct mlaas_early *early = mlaas_alloc(sizeof *early);
  if (!early)
    return NULL;
  early->threads = threads < 1 ? 1 : threads > MOST_THREADS ? MOST_THREADS : threads;
  early->owner = getpid();
  early->work = work;
  early->drop = drop;
  early->context = context;
  atomic_init(&early->stopping, false);
  pthread_mutex_init(&early->lock, NULL);
  mlaas_condition_init(&early->changed);
  return early;
}

static struct slot *find(struct mlaas_early *early, size_t item) {
  for (size_t i = 0; i < MOST_ITEMS; i++)
    if (early->slots[i].state != FREE && early->slots[i].item == item)
      return &early->slots[i];
  return NULL;
}

/* ---- the threads ---- */

static struct slot *oldest(struct mlaas_early *early) {
  struct slot *found = NULL;
  for (size_t i = 0; i < MOST_ITEMS; i++)
    if (early->slots[i].state == WANTED && (!found || early->slots[i].turn < found->turn))
      found = &early->slots[i];
  return found;
}

static void *run(void *argument) {
  struct mlaas_early *early = argument;
  mlaas_cancel_watch(&early->stopping);
  pthread_mutex_lock(&early->lock);
  while (!atomic_load(&early->stopping)) {
    struct slot *slot = oldest(early);
    if (!slot) {
      early->idle++;
      pthread_cond_wait(&early->changed, &early->lock);
      early->idle--;
      continue;
    }
    slot->state = RUNNING;
    size_t item = slot->item;
    pthread_mutex_unlock(&early->lock);
    void *result = early->work(early->context, item);
    pthread_mutex_lock(&early->lock);
    slot->state = DONE;
    slot->result = result;
    pthread_cond_broadcast(&early->changed);
  }
  pthread_mutex_unlock(&early->lock);
  return NULL;
}

/* Signals stay with the program's own threads. The lock is held. */
static void start_thread(struct mlaas_early *early) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  if (pthread_create(&early->ids[early->started], NULL, run, early) == 0)
    early->started++;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* ---- the callers ---- */

bool mlaas_early_want(struct mlaas_early *early, size_t item) {
  size_t waiting = 0;
  struct slot *free_slot = NULL;
  if (getpid() != early->owner)
    return false;
  pthread_mutex_lock(&early->lock);
  bool there = find(early, item) != NULL;
  for (size_t i = 0; i < MOST_ITEMS && !there; i++) {
    free_slot = early->slots[i].state == FREE ? &early->slots[i] : free_slot;
    waiting += early->slots[i].state == WANTED;
  }
  if (free_slot) {
    *free_slot = (struct slot){.state = WANTED, .item = item, .turn = early->turns++};
    if (waiting + 1 > (size_t)early->idle && early->started < early->threads)
      start_thread(early);
    pthread_cond_broadcast(&early->changed);
  }
  pthread_mutex_unlock(&early->lock);
  return there || free_slot;
}

const void *mlaas_early_peek(struct mlaas_early *early, size_t item) {
  pthread_mutex_lock(&early->lock);
  const struct slot *slot = find(early, item);
  const void *result = slot && slot->state == DONE ? slot->result : NULL;
  pthread_mutex_unlock(&early->lock);
  return result;
}

enum mlaas_status mlaas_early_take(struct mlaas_early *early, size_t item, void **result, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  *result = NULL;
  pthread_mutex_lock(&early->lock);
  struct slot *slot; /* found anew each time: another caller may have taken it, and its place gone to another item */
  while ((slot = find(early, item)) && slot->state == RUNNING) {
    if (mlaas_cancelled()) {
      status = mlaas_fail(error, MLAAS_CANCELLED, "the work was cancelled");
      break;
    }
    mlaas_condition_wait(&early->changed, &early->lock, POLL_MS);
  }
  if (slot && slot->state != RUNNING) { /* what was not begun the caller does at once */
    *result = slot->result;
    *slot = (struct slot){0};
  }
  pthread_mutex_unlock(&early->lock);
  return status;
}

void mlaas_early_clear(struct mlaas_early *early) {
  for (size_t i = 0; i < MOST_ITEMS; i++) {
    pthread_mutex_lock(&early->lock);
    struct slot slot = early->slots[i];
    if (slot.state == WANTED || slot.state == DONE)
      early->slots[i] = (struct slot){0};
    pthread_mutex_unlock(&early->lock);
    if (slot.state == DONE && slot.result)
      early->drop(early->context, slot.result);
  }
}

void mlaas_early_free(struct mlaas_early *early) {
  if (!early || getpid() != early->owner) /* a forked child has no such threads to join */
    return;
  pthread_mutex_lock(&early->lock);
  atomic_store(&early->stopping, true);
  pthread_cond_broadcast(&early->changed);
  pthread_mutex_unlock(&early->lock);
  for (int i = 0; i < early->started; i++)
    pthread_join(early->ids[i], NULL);
  mlaas_early_clear(early);
  pthread_cond_destroy(&early->changed);
  pthread_mutex_destroy(&early->lock);
  mlaas_free(early);
}
