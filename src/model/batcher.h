/* Joins what waits for one instance into runs. There is one batcher per loop.
 *
 * Instances whose runs are short (timing.on_loop) run on the loop's own thread at the end of each round: everything
 * that came in together is run together, without a timer and without a lock. Others have an executor: one queue per
 * instance for all loops, emptied by runner threads that take what waits, up to timing.most rows; results are posted
 * back.
 *
 * The rows of a request are copied when its run begins, so a request that is cancelled or late lets its memory go at
 * once while the run, which is never interrupted, finishes for the others.
 */
#ifndef MLAAS_MODEL_BATCHER_H
#define MLAAS_MODEL_BATCHER_H

#include "model/repository.h"

struct mlaas_batcher;

struct mlaas_infer {
  /* set by the caller, whose memory it is until `done` */
  struct mlaas_instance *instance;   /* counted by the caller until done */
  const struct mlaas_tensor *inputs; /* one per input of the model, checked with mlaas_model_check_input */
  int64_t rows;                      /* of the first dimension; more than timing.most are run in parts */
  int64_t deadline;                  /* mlaas_now() after which it fails with TIMEOUT; 0: none */
  void (*done)(struct mlaas_infer *infer);
  void *context;
  /* set when `done` is called, valid until it returns */
  enum mlaas_status status; /* OK, TIMEOUT, CANCELLED, or what the back end said */
  struct mlaas_error error;
  const struct mlaas_tensor *outputs; /* this request's rows of every output */
  int64_t queued_ns, compute_ns;      /* waited; run (of its whole batch) */
  /* private */
  struct mlaas_infer *next, **link; /* of the queue it waits in */
  struct mlaas_batcher *batcher;
  int place;   /* who has it: enum mlaas_infer_place of queue.h */
  void *owner; /* the one of them */
  int64_t began;
  struct mlaas_infer *later, *earlier; /* of the loop's list of deadlines */
  struct mlaas_progress *progress;     /* of a request that is run in parts on the loop */
};

/* `runners` may be shared by the batchers of all loops. Registers itself with mlaas_loop_after_round. */
enum mlaas_status mlaas_batcher_new(struct mlaas_loop *loop, struct mlaas_batcher **batcher, struct mlaas_error *error);
/* On the loop's thread, or when it runs no more but is not yet freed. Nothing may wait or run any more. */
void mlaas_batcher_free(struct mlaas_batcher *batcher);

/* On the loop's thread. `done` is called later on the same thread, never from inside submit. LIMIT: the queue is full
 * (429), and done is not called. */
enum mlaas_status mlaas_batcher_submit(struct mlaas_batcher *batcher, struct mlaas_infer *infer,
                                       struct mlaas_error *error);
/* On the loop's thread, before done was called: done is called at once with CANCELLED. */
void mlaas_infer_cancel(struct mlaas_infer *infer);

/* ---- runners: the threads behind executors, one set per repository ---- */

struct mlaas_runners;
struct mlaas_runners *mlaas_runners_new(int threads);
void mlaas_runners_free(struct mlaas_runners *runners);
/* Made by the repository for an instance that is too slow for the loops, or has a delay. */
enum mlaas_status mlaas_executor_new(struct mlaas_runners *runners, struct mlaas_instance *instance, int64_t delay_us,
                                     struct mlaas_executor **executor, struct mlaas_error *error);
void mlaas_executor_free(struct mlaas_executor *executor); /* its queue is empty: every request counts the instance */

#endif
