/* Threads that run what is too slow for a loop, and the queues they empty. Must not know loops but for posting.
 *
 * One lock guards everything here; no run and no copy happens under it. A run owns copies of its rows, so a request can
 * leave at any time; while its rows are being copied it waits for that. A run whose requests have all left cannot be
 * stopped: another thread is started in its place, and its instance has one run less to spend.
 */
#include "model/run/runners.h"

#include "base/clock.h"
#include "model/run/joint.h"
#include "model/run/queue.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

enum { THREADS_MOST = 256, LEAVE_NS = 1000000000 };

/* What of a run is a matter of threads. */
struct run {
  struct mlaas_joint joint; /* first */
  struct mlaas_executor *executor;
  struct run *next; /* idle or unfinished */
  int count;        /* tickets and the runner that still need it; under the lock */
  int64_t live;     /* tickets whose request has not left */
  bool copying, running, stuck;
};

struct mlaas_executor {
  struct mlaas_runners *runners;
  struct mlaas_executor *next, *previous; /* the ring of all */
  struct mlaas_instance *instance;
  struct mlaas_queue queue;
  struct run *runs, *idle; /* all there are, from the beginning: a runner allocates nothing that it cannot do without */
  struct run *unfinished, **last_unfinished;
  struct mlaas_tensor *tensors;
  int num_runs, running, num_parted; /* num_parted: begun and not finished */
  int64_t delay;
  bool turn;  /* the unfinished had theirs */
  bool stale; /* nothing that waits can be begun until something changes: all of it is late, or large */
};

struct mlaas_runners {
  pthread_mutex_t lock;
  pthread_cond_t work, copied, left;
  int wanted, threads, idle, stuck;
  bool stopping, gone;
  struct mlaas_executor *ring; /* whose turn is next */
};

/* ---- threads ---- */

static void *runner_main(void *argument);

struct mlaas_runners *mlaas_runners_new(int threads) {
  struct mlaas_runners *runners = mlaas_alloc(sizeof *runners);
  if (!runners)
    return NULL;
  runners->wanted = threads < 1 ? 1 : threads > THREADS_MOST ? THREADS_MOST : threads;
  pthread_mutex_init(&runners->lock, NULL);
  mlaas_condition_init(&runners->work);
  mlaas_condition_init(&runners->copied);
  mlaas_condition_init(&runners->left);
  return runners;
}

static int wait_until(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t when) {
  struct timespec time = {when / 1000000000, when % 1000000000};
  return pthread_cond_timedwait(condition, lock, &time);
}

/* A thread inside a run that does not end keeps what it needs for ever; all others leave. */
void mlaas_runners_free(struct mlaas_runners *runners) {
  if (!runners)
    return;
  pthread_mutex_lock(&runners->lock);
  runners->stopping = true;
  pthread_cond_broadcast(&runners->work);
  int64_t end = mlaas_now() + LEAVE_NS;
  while (runners->threads > 0 && wait_until(&runners->left, &runners->lock, end) == 0)
    ;
  bool gone = runners->gone = runners->threads > 0;
  pthread_mutex_unlock(&runners->lock);
  if (gone)
    return;
  pthread_mutex_destroy(&runners->lock);
  pthread_cond_destroy(&runners->work);
  pthread_cond_destroy(&runners->copied);
  pthread_cond_destroy(&runners->left);
  mlaas_free(runners);
}

/* After a run: whoever freed the runners did not wait for this thread, so it must touch nothing any more. */
static void lock_again(struct mlaas_runners *runners) {
  pthread_mutex_lock(&runners->lock);
  if (!runners->gone)
    return;
  pthread_mutex_unlock(&runners->lock);
  for (;;)
    pause();
}

static bool start_thread(struct mlaas_runners *runners) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all, old;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  pthread_t thread;
  bool started = pthread_create(&thread, &attributes, runner_main, runners) == 0;
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  pthread_attr_destroy(&attributes);
  runners->threads += started;
  return started;
}

/* Wakes a thread, or starts one where all are busy. */
static void call_runner(struct mlaas_runners *runners) {
  int wanted = runners->wanted + runners->stuck;
  if (runners->idle > 0)
    pthread_cond_signal(&runners->work);
  else if (!runners->stopping && runners->threads < (wanted < THREADS_MOST ? wanted : THREADS_MOST))
    start_thread(runners);
}

/* ---- executors ---- */

static void free_executor(struct mlaas_executor *executor) {
  for (int i = 0; executor->runs && i < executor->num_runs; i++)
    mlaas_joint_reset(&executor->runs[i].joint);
  mlaas_free(executor->runs);
  mlaas_free(executor->tensors);
  mlaas_free(executor);
}

static void lay_out(struct mlaas_executor *executor) {
  struct mlaas_tensor *tensors = executor->tensors;
  for (int i = 0; i < executor->num_runs; i++) {
    struct run *run = &executor->runs[i];
    run->executor = executor;
    mlaas_joint_init(&run->joint, executor->instance, tensors);
    tensors += mlaas_joint_tensors(executor->instance->model);
    run->next = executor->idle;
    executor->idle = run;
  }
}

enum mlaas_status mlaas_executor_new(struct mlaas_runners *runners, struct mlaas_instance *instance, int64_t delay_us,
                                     struct mlaas_executor **out, struct mlaas_error *error) {
  struct mlaas_executor *executor = mlaas_alloc(sizeof *executor);
  if (!executor)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for an executor");
  /* What runs, what is between two parts, and what is on its way to the loops. */
  executor->num_runs = 3 * runners->wanted;
  size_t tensors = mlaas_joint_tensors(instance->model);
  executor->runs = mlaas_alloc((size_t)executor->num_runs * sizeof *executor->runs);
  executor->tensors = mlaas_alloc((size_t)executor->num_runs * tensors * sizeof *executor->tensors);
  if (!executor->runs || !executor->tensors) {
    free_executor(executor);
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for %d runs", runners->wanted);
  }
  executor->runners = runners;
  executor->instance = instance;
  executor->delay = delay_us > 0 ? delay_us * 1000 : 0;
  executor->last_unfinished = &executor->unfinished;
  mlaas_queue_init(&executor->queue);
  lay_out(executor);
  pthread_mutex_lock(&runners->lock);
  executor->next = runners->ring ? runners->ring : executor;
  executor->previous = runners->ring ? runners->ring->previous : executor;
  executor->previous->next = executor->next->previous = executor;
  runners->ring = executor->next;
  pthread_mutex_unlock(&runners->lock);
  *out = executor;
  return MLAAS_OK;
}

void mlaas_executor_free(struct mlaas_executor *executor) {
  if (!executor)
    return;
  struct mlaas_runners *runners = executor->runners;
  pthread_mutex_lock(&runners->lock);
  executor->previous->next = executor->next;
  executor->next->previous = executor->previous;
  if (runners->ring == executor)
    runners->ring = executor->next == executor ? NULL : executor->next;
  bool busy = executor->running > 0; /* at the end of the program, with a run that never ended */
  pthread_mutex_unlock(&runners->lock);
  if (!busy)
    free_executor(executor);
}

enum mlaas_status mlaas_executor_add(struct mlaas_executor *executor, struct mlaas_infer *infer,
                                     struct mlaas_error *error) {
  struct mlaas_runners *runners = executor->runners;
  pthread_mutex_lock(&runners->lock);
  call_runner(runners);
  if (runners->threads == 0) {
    pthread_mutex_unlock(&runners->lock);
    return mlaas_fail(error, MLAAS_MEMORY, "no thread can be started to run the model");
  }
  mlaas_queue_add(&executor->queue, infer);
  executor->stale = false;
  pthread_mutex_unlock(&runners->lock);
  return MLAAS_OK;
}

static struct run *run_of(struct mlaas_ticket *ticket) { return (struct run *)ticket->joint; /* its first member */ }

void mlaas_executor_detach(struct mlaas_executor *executor, struct mlaas_infer *infer) {
  struct mlaas_runners *runners = executor->runners;
  pthread_mutex_lock(&runners->lock);
  struct mlaas_ticket *ticket = infer->owner;
  if (!ticket) {
    mlaas_queue_remove(&executor->queue, infer);
    atomic_fetch_add_explicit(&infer->instance->stats.waiting, -1, memory_order_relaxed);
    executor->stale = false;
  } else {
    struct run *run = run_of(ticket);
    while (run->copying)
      pthread_cond_wait(&runners->copied, &runners->lock);
    ticket->infer = NULL;
    run->live--;
    if (run->live == 0 && run->running && !run->stuck) {
      run->stuck = true;
      runners->stuck++;
      call_runner(runners);
    }
  }
  pthread_mutex_unlock(&runners->lock);
}

/* ---- what is run next; all under the lock ---- */

/* When the executor can have a runner: 0 now, INT64_MAX not before something changes. */
static int64_t ready_at(const struct mlaas_executor *executor) {
  const struct mlaas_infer *first = executor->queue.first;
  if (executor->running >= executor->runners->wanted)
    return INT64_MAX;
  if (executor->unfinished)
    return 0;
  if (!first || !executor->idle || executor->stale)
    return INT64_MAX;
  return executor->delay == 0 || executor->queue.rows >= executor->instance->timing.most
             ? 0
             : first->began + executor->delay;
}

/* The next one in turn that is ready; else *when says when one will be, INT64_MAX if nothing waits. */
static struct mlaas_executor *find_ready(const struct mlaas_runners *runners, int64_t *when) {
  struct mlaas_executor *executor = runners->ring;
  int64_t now = mlaas_now();
  *when = INT64_MAX;
  if (executor)
    do {
      int64_t ready = ready_at(executor);
      if (ready < *when)
        *when = ready;
      if (ready <= now)
        return executor;
      executor = executor->next;
    } while (executor != runners->ring);
  return NULL;
}

static struct run *resume(struct mlaas_executor *executor) {
  struct run *run = executor->unfinished;
  executor->unfinished = run->next;
  if (!run->next)
    executor->last_unfinished = &executor->unfinished;
  return run;
}

static struct run *begin(struct mlaas_executor *executor) {
  struct mlaas_infer *members[MLAAS_BATCH_MOST];
  int64_t now = mlaas_now();
  size_t count = mlaas_queue_take(&executor->queue, executor->instance, now,
                                  executor->num_parted < executor->runners->wanted, members);
  if (count == 0) {
    executor->stale = true;
    return NULL;
  }
  atomic_fetch_add_explicit(&executor->instance->stats.waiting, -(int64_t)count, memory_order_relaxed);
  struct run *run = executor->idle;
  executor->idle = run->next;
  run->count = (int)count + 1;
  run->live = (int64_t)count;
  run->copying = true;
  mlaas_joint_begin(&run->joint, members, count, now);
  executor->num_parted += mlaas_joint_is_parted(&run->joint);
  mlaas_instance_get(executor->instance); /* a run may outlive its requests */
  return run;
}

/* A new run, or the next part of a large one, in turn. */
static struct run *take_run(struct mlaas_executor *executor) {
  bool can_begin = executor->queue.first && executor->idle && !executor->stale;
  executor->turn = executor->unfinished && (!executor->turn || !can_begin);
  struct run *run = executor->turn ? resume(executor) : begin(executor);
  if (run) {
    run->running = true;
    executor->running++;
  }
  return run;
}

/* ---- answers ---- */

/* Gives back one of its counts; the last one sends it home. */
static void put_run(struct run *run) {
  struct mlaas_executor *executor = run->executor;
  struct mlaas_runners *runners = executor->runners;
  struct mlaas_instance *instance = executor->instance;
  pthread_mutex_lock(&runners->lock);
  bool last = --run->count == 0;
  pthread_mutex_unlock(&runners->lock);
  if (!last)
    return;
  mlaas_joint_clear(&run->joint);
  pthread_mutex_lock(&runners->lock);
  run->next = executor->idle;
  executor->idle = run;
  if (executor->queue.first)
    call_runner(runners);
  pthread_mutex_unlock(&runners->lock);
  mlaas_instance_put(instance); /* may free the executor */
}

/* On the loop's thread. */
static void answer(void *context) {
  struct mlaas_ticket *ticket = context;
  mlaas_ticket_answer(ticket);
  put_run(run_of(ticket));
}

/* Under the lock, so that a request that leaves, and its loop with it, either left before or is waited for. */
static void post_answers(struct run *run) {
  for (size_t i = 0; i < run->joint.num_tickets; i++) {
    struct mlaas_ticket *ticket = &run->joint.tickets[i];
    if (!ticket->infer) {
      run->count--;
      continue;
    }
    ticket->post = (struct mlaas_post){.task = answer, .context = ticket};
    mlaas_loop_post(ticket->infer->loop, &ticket->post);
  }
}

/* Without the lock but for a moment. False: everybody left meanwhile, so there is nothing to run. */
static bool copy_run(struct mlaas_runners *runners, struct run *run) {
  enum mlaas_status status = mlaas_joint_copy(&run->joint);
  pthread_mutex_lock(&runners->lock);
  run->copying = false;
  bool wanted = run->live > 0;
  pthread_cond_broadcast(&runners->copied);
  pthread_mutex_unlock(&runners->lock);
  return wanted && status == MLAAS_OK;
}

/* The lock is held on entry and on return, not while running. */
static void serve(struct mlaas_runners *runners, struct mlaas_executor *executor) {
  runners->ring = executor->next;
  struct run *run = take_run(executor);
  if (!run)
    return;
  int64_t when;
  if (find_ready(runners, &when) || when < INT64_MAX)
    call_runner(runners); /* for what else there is to do, or to wait for */
  bool wanted = run->live > 0, again = false, copying = run->copying;
  pthread_mutex_unlock(&runners->lock);
  if (copying)
    wanted = copy_run(runners, run);
  if (wanted && mlaas_joint_is_parted(&run->joint))
    again = mlaas_joint_part(&run->joint);
  else if (wanted)
    mlaas_joint_run(&run->joint);
  lock_again(runners);
  run->running = false;
  executor->running--;
  if (run->stuck) {
    run->stuck = false;
    runners->stuck--;
  }
  if (again && run->live > 0) {
    run->next = NULL;
    *executor->last_unfinished = run;
    executor->last_unfinished = &run->next;
    return;
  }
  executor->num_parted -= mlaas_joint_is_parted(&run->joint);
  executor->stale = false;
  post_answers(run);
  pthread_mutex_unlock(&runners->lock);
  put_run(run);
  pthread_mutex_lock(&runners->lock);
}

static void *runner_main(void *argument) {
  struct mlaas_runners *runners = argument;
  pthread_mutex_lock(&runners->lock);
  while (!runners->stopping && runners->threads <= runners->wanted + runners->stuck) {
    int64_t when;
    struct mlaas_executor *executor = find_ready(runners, &when);
    if (executor) {
      serve(runners, executor);
      continue;
    }
    runners->idle++;
    if (when == INT64_MAX)
      pthread_cond_wait(&runners->work, &runners->lock);
    else
      wait_until(&runners->work, &runners->lock, when);
    runners->idle--;
  }
  if (runners->idle > 0)
    pthread_cond_signal(&runners->work); /* the call may have been for one that stays */
  if (--runners->threads == 0)
    pthread_cond_broadcast(&runners->left);
  pthread_mutex_unlock(&runners->lock);
  return NULL;
}
