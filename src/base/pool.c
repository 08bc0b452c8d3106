/* The parallel for. Must not know what the work is. */
#include "base/pool.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

enum { POLL_MS = 20 }; /* who waits for his turn looks so often whether he is still to */

struct job {
  mlaas_work *work;
  void *context;
  const atomic_bool *cancel; /* what the caller watches */
  size_t count, next, failed_item;
  int running; /* workers inside this job */
  enum mlaas_status status;
  struct mlaas_error error;
};

struct mlaas_pool {
  int threads, started;
  pid_t owner;
  pthread_mutex_t lock; /* guards all below; nothing else is locked under it */
  pthread_cond_t turn, work_ready, job_done;
  struct job *job; /* one at a time */
  bool stopping;
  struct worker {
    struct mlaas_pool *pool;
    int index;
    pthread_t thread;
  } workers[];
};

struct mlaas_pool *mlaas_pool_new(int threads) {
  if (threads < 1)
    threads = 1;
  struct mlaas_pool *pool = mlaas_alloc(sizeof *pool + (size_t)threads * sizeof pool->workers[0]);
  if (!pool)
    return NULL;
  pool->threads = threads;
  pool->owner = getpid();
  pthread_mutex_init(&pool->lock, NULL);
  mlaas_condition_init(&pool->turn);
  pthread_cond_init(&pool->work_ready, NULL);
  pthread_cond_init(&pool->job_done, NULL);
  return pool;
}

int mlaas_pool_threads(const struct mlaas_pool *pool) { return pool->threads; }

static void note_failure(struct job *job, size_t item, enum mlaas_status status, const struct mlaas_error *error) {
  if (job->status != MLAAS_OK && job->failed_item < item)
    return;
  job->status = status;
  job->failed_item = item;
  job->error = *error;
}

/* Takes items until none is left. The lock is held on entry and on return, not while working. */
static void take_part(struct mlaas_pool *pool, struct job *job, int worker) {
  const atomic_bool *before = mlaas_cancel_watch(job->cancel);
  job->running++;
  while (job->next < job->count && job->status == MLAAS_OK) {
    size_t item = job->next++;
    pthread_mutex_unlock(&pool->lock);
    struct mlaas_error error;
    error.status = MLAAS_OK;
    enum mlaas_status status = mlaas_cancelled() ? mlaas_fail(&error, MLAAS_CANCELLED, "the work was cancelled")
                                                 : job->work(job->context, item, worker, &error);
    pthread_mutex_lock(&pool->lock);
    if (status != MLAAS_OK)
      note_failure(job, item, status, &error);
  }
  mlaas_cancel_watch(before);
  if (--job->running == 0)
    pthread_cond_broadcast(&pool->job_done);
}

static bool has_work(const struct job *job) { return job && job->next < job->count && job->status == MLAAS_OK; }

static void *worker_main(void *argument) {
  struct worker *self = argument;
  struct mlaas_pool *pool = self->pool;
  pthread_mutex_lock(&pool->lock);
  while (!pool->stopping) {
    if (has_work(pool->job))
      take_part(pool, pool->job, self->index);
    else
      pthread_cond_wait(&pool->work_ready, &pool->lock);
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

/* Fewer threads than asked for is no error: the caller works too. Signals stay with the program's own threads. */
static void start_workers(struct mlaas_pool *pool) {
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  while (pool->started < pool->threads - 1) {
    struct worker *worker = &pool->workers[pool->started];
    worker->pool = pool;
    worker->index = pool->started + 1;
    if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
      break;
    pool->started++;
  }
  pthread_sigmask(SIG_SETMASK, &old, NULL);
}

/* Another's job may wait for a server that says nothing. Whoever was woken and finds the pool free takes it, cancelled
 * or not, and so wakes the next one when his job, which then ends at once, is over. */
static bool wait_for_turn(struct mlaas_pool *pool) {
  while (pool->job && !mlaas_cancelled())
    if (mlaas_cancel_watched())
      mlaas_condition_wait(&pool->turn, &pool->lock, POLL_MS);
    else
      pthread_cond_wait(&pool->turn, &pool->lock);
  return !pool->job;
}

enum mlaas_status mlaas_pool_run(struct mlaas_pool *pool, size_t count, mlaas_work *work, void *context,
                                 struct mlaas_error *error) {
  if (getpid() != pool->owner)
    return mlaas_fail(error, MLAAS_STATE, "this handle was opened before fork(); open it again in the child");
  struct job job = {.work = work, .context = context, .cancel = mlaas_cancel_watched(), .count = count};
  pthread_mutex_lock(&pool->lock);
  if (!wait_for_turn(pool)) {
    pthread_mutex_unlock(&pool->lock);
    return mlaas_fail(error, MLAAS_CANCELLED, "the work was cancelled");
  }
  if (count > 1)
    start_workers(pool);
  pool->job = &job;
  if (count > 1)
    pthread_cond_broadcast(&pool->work_ready);
  take_part(pool, &job, 0);
  while (job.running > 0)
    pthread_cond_wait(&pool->job_done, &pool->lock);
  pool->job = NULL;
  pthread_cond_signal(&pool->turn);
  pthread_mutex_unlock(&pool->lock);
  if (job.status != MLAAS_OK && error)
    *error = job.error;
  return job.status;
}

void mlaas_pool_free(struct mlaas_pool *pool) {
  if (!pool)
    return;
  if (getpid() == pool->owner) { /* a forked child has no such threads to join */
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->work_ready);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
      pthread_join(pool->workers[i].thread, NULL);
  }
  mlaas_free(pool);
}
