/* The loop: libuv's, with messages from other threads and a place for work after every round. Knows no socket. */
#include "net/loop.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

enum { MOST_TASKS = 4 };

struct after_round {
  mlaas_task *task;
  void *context;
};

struct mlaas_loop {
  uv_loop_t uv;
  uv_async_t wake;
  uv_check_t check;     /* behind the sockets and posts of a round */
  uv_prepare_t prepare; /* behind its timers: the last moment before sleeping */
  int index;
  atomic_bool running;
  bool again, closed;
  pthread_t thread;
  struct after_round tasks[MOST_TASKS];
  size_t num_tasks;
  atomic_bool stopping;
  _Atomic(struct mlaas_post *) posts; /* the newest first */
};

int64_t mlaas_now(void) { return (int64_t)uv_hrtime(); }

/* Runs what was posted, the oldest first. */
static void run_posts(struct mlaas_loop *loop) {
  struct mlaas_post *newest = atomic_exchange_explicit(&loop->posts, NULL, memory_order_acquire), *oldest = NULL;
  while (newest) {
    struct mlaas_post *next = newest->next;
    newest->next = oldest;
    oldest = newest;
    newest = next;
  }
  while (oldest) {
    struct mlaas_post *next = oldest->next; /* the post may be gone after its task */
    oldest->task(oldest->context);
    oldest = next;
  }
}

static void close_handles(struct mlaas_loop *loop) {
  if (loop->closed)
    return;
  loop->closed = true;
  uv_close((uv_handle_t *)&loop->wake, NULL);
  uv_close((uv_handle_t *)&loop->check, NULL);
  uv_close((uv_handle_t *)&loop->prepare, NULL);
}

static void on_wake(uv_async_t *wake) {
  struct mlaas_loop *loop = wake->data;
  run_posts(loop);
  if (atomic_load(&loop->stopping))
    close_handles(loop);
}

static void end_round(struct mlaas_loop *loop) {
  do {
    loop->again = false;
    for (size_t i = 0; i < loop->num_tasks; i++)
      loop->tasks[i].task(loop->tasks[i].context);
  } while (loop->again);
}

static void on_check(uv_check_t *check) { end_round(check->data); }

static void on_prepare(uv_prepare_t *prepare) { end_round(prepare->data); }

enum mlaas_status mlaas_loop_new(int index, struct mlaas_loop **out, struct mlaas_error *error) {
  struct mlaas_loop *loop = mlaas_alloc(sizeof *loop);
  if (!loop)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a loop");
  loop->index = index;
  int code = uv_loop_init(&loop->uv);
  if (code < 0) {
    mlaas_free(loop);
    return mlaas_fail(error, MLAAS_IO, "no loop can be made: %s", uv_strerror(code));
  }
  code = uv_async_init(&loop->uv, &loop->wake, on_wake);
  if (code < 0) {
    uv_loop_close(&loop->uv);
    mlaas_free(loop);
    return mlaas_fail(error, MLAAS_IO, "no loop can be made: %s", uv_strerror(code));
  }
  uv_check_init(&loop->uv, &loop->check);
  uv_prepare_init(&loop->uv, &loop->prepare);
  uv_check_start(&loop->check, on_check);
  uv_prepare_start(&loop->prepare, on_prepare);
  loop->wake.data = loop->check.data = loop->prepare.data = loop;
  /* only the door for posts keeps a loop alive */
  uv_unref((uv_handle_t *)&loop->check);
  uv_unref((uv_handle_t *)&loop->prepare);
  *out = loop;
  return MLAAS_OK;
}

void mlaas_loop_run(struct mlaas_loop *loop) {
  loop->thread = pthread_self();
  atomic_store(&loop->running, true);
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  run_posts(loop); /* that came while the door was closed */
  atomic_store(&loop->running, false);
}

void mlaas_loop_stop(struct mlaas_loop *loop) {
  if (!atomic_exchange(&loop->stopping, true))
    uv_async_send(&loop->wake);
}

static void close_any(uv_handle_t *handle, void *context) {
  (void)context;
  if (!uv_is_closing(handle))
    uv_close(handle, NULL);
}

void mlaas_loop_free(struct mlaas_loop *loop) {
  if (!loop)
    return;
  loop->num_tasks = 0;
  loop->closed = true;
  uv_walk(&loop->uv, close_any, NULL); /* of a loop that never ran, or whose users left something */
  uv_run(&loop->uv, UV_RUN_DEFAULT);
  uv_loop_close(&loop->uv);
  mlaas_free(loop);
}

void mlaas_loop_post(struct mlaas_loop *loop, struct mlaas_post *post) {
  post->next = atomic_load_explicit(&loop->posts, memory_order_relaxed);
  while (!atomic_compare_exchange_weak_explicit(&loop->posts, &post->next, post, memory_order_release,
                                                memory_order_relaxed))
    ;
  uv_async_send(&loop->wake);
}

/* ---- work on another thread ---- */

struct errand {
  uv_work_t request;
  mlaas_task *work, *done;
  void *context;
};

static void on_work(uv_work_t *request) {
  struct errand *errand = request->data;
  errand->work(errand->context);
}

static void on_done(uv_work_t *request, int code) {
  (void)code; /* never cancelled */
  struct errand *errand = request->data;
  mlaas_task *done = errand->done;
  void *context = errand->context;
  mlaas_free(errand);
  done(context);
}

enum mlaas_status mlaas_loop_work(struct mlaas_loop *loop, mlaas_task *work, mlaas_task *done, void *context,
                                  struct mlaas_error *error) {
  struct errand *errand = mlaas_alloc(sizeof *errand);
  if (!errand)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to hand work to another thread");
  *errand = (struct errand){.work = work, .done = done, .context = context};
  errand->request.data = errand;
  int code = uv_queue_work(&loop->uv, &errand->request, on_work, on_done);
  if (code == 0)
    return MLAAS_OK;
  mlaas_free(errand);
  return mlaas_fail(error, MLAAS_IO, "no work can be handed to another thread: %s", uv_strerror(code));
}

void mlaas_loop_after_round(struct mlaas_loop *loop, mlaas_task *task, void *context) {
  if (loop->num_tasks < MOST_TASKS)
    loop->tasks[loop->num_tasks++] = (struct after_round){task, context};
}

void mlaas_loop_forget_round(struct mlaas_loop *loop, mlaas_task *task, const void *context) {
  size_t kept = 0;
  for (size_t i = 0; i < loop->num_tasks; i++)
    if (loop->tasks[i].task != task || loop->tasks[i].context != context)
      loop->tasks[kept++] = loop->tasks[i];
  loop->num_tasks = kept;
}

void mlaas_loop_again(struct mlaas_loop *loop) { loop->again = true; }

int mlaas_loop_index(const struct mlaas_loop *loop) { return loop->index; }

bool mlaas_loop_here(const struct mlaas_loop *loop) {
  return atomic_load(&loop->running) && pthread_equal(loop->thread, pthread_self());
}

uv_loop_t *mlaas_loop_uv(struct mlaas_loop *loop) { return &loop->uv; }
