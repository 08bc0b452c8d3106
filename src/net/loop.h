/* One libuv loop and the thread that runs it. Everything of a connection happens on its loop's thread; other threads
 * reach it by posting. Knows no protocol.
 */
#ifndef MLAAS_NET_LOOP_H
#define MLAAS_NET_LOOP_H

#include <mlaas/status.h>
#include <stdbool.h>

struct mlaas_loop;

typedef void mlaas_task(void *context);

/* A message to a loop: memory of the poster, which stays valid until `task` is called. */
struct mlaas_post {
  mlaas_task *task;
  void *context;
  struct mlaas_post *next; /* private */
};

enum mlaas_status mlaas_loop_new(int index, struct mlaas_loop **loop, struct mlaas_error *error);
/* Runs on the calling thread until mlaas_loop_stop; false: the thread may be another than the one that made it, but
 * then it stays the same. */
void mlaas_loop_run(struct mlaas_loop *loop);
/* Any thread. The loop ends when nothing is left to do. */
void mlaas_loop_stop(struct mlaas_loop *loop);
void mlaas_loop_free(struct mlaas_loop *loop);

/* Any thread, never fails: `task` runs once on the loop's thread, posts of one thread in their order. */
void mlaas_loop_post(struct mlaas_loop *loop, struct mlaas_post *post);

/* On the loop's thread: `work` runs on a worker thread, then `done` on the loop's. MEMORY: neither will. */
enum mlaas_status mlaas_loop_work(struct mlaas_loop *loop, mlaas_task *work, mlaas_task *done, void *context,
                                  struct mlaas_error *error);

/* Calls `task` after every round of reading sockets and posts, before the loop sleeps again: where what came in
 * together is run together. Set before run; up to 4. Called also when there was nothing: that has to be cheap. */
void mlaas_loop_after_round(struct mlaas_loop *loop, mlaas_task *task, void *context);
/* On the loop's thread: it is called no more. Who goes away before the loop does has to say so. */
void mlaas_loop_forget_round(struct mlaas_loop *loop, mlaas_task *task, const void *context);
/* From inside such a task: all of them are called once more before the loop sleeps. */
void mlaas_loop_again(struct mlaas_loop *loop);

int mlaas_loop_index(const struct mlaas_loop *loop);      /* 0 .. loops - 1: index per-loop state by it */
bool mlaas_loop_here(const struct mlaas_loop *loop);      /* whether the caller is the loop's thread */
struct uv_loop_s *mlaas_loop_uv(struct mlaas_loop *loop); /* for timers of the loop's own thread */
/* Monotonic nanoseconds. */
int64_t mlaas_now(void);

#endif
