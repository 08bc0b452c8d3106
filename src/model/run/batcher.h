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
#ifndef MLAAS_MODEL_RUN_BATCHER_H
#define MLAAS_MODEL_RUN_BATCHER_H

#include "model/run/infer.h"

struct mlaas_batcher;

/* Registers itself with mlaas_loop_after_round. */
enum mlaas_status mlaas_batcher_new(struct mlaas_loop *loop, struct mlaas_batcher **batcher, struct mlaas_error *error);
/* On the loop's thread, or when it runs no more but is not yet freed. Nothing may wait or run any more. */
void mlaas_batcher_free(struct mlaas_batcher *batcher);

/* On the loop's thread. `done` is called later on the same thread, never from inside submit. LIMIT: the queue is full
 * (429), and done is not called. */
enum mlaas_status mlaas_batcher_submit(struct mlaas_batcher *batcher, struct mlaas_infer *infer,
                                       struct mlaas_error *error);
/* On the loop's thread, before done was called: done is called at once with CANCELLED. */
void mlaas_infer_cancel(struct mlaas_infer *infer);

#endif
