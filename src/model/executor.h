/* What batcher and runners want of each other. */
#ifndef MLAAS_MODEL_EXECUTOR_H
#define MLAAS_MODEL_EXECUTOR_H

#include "model/batcher.h"

/* Queues it; from now on `infer->owner` belongs to the runners' lock. Errors: MEMORY (no thread can be started). */
enum mlaas_status mlaas_executor_add(struct mlaas_executor *executor, struct mlaas_infer *infer,
                                     struct mlaas_error *error);
/* On the loop's thread: takes it out of the queue or out of its run, which goes on without it. Nobody knows it then. */
void mlaas_executor_detach(struct mlaas_executor *executor, struct mlaas_infer *infer);

struct mlaas_loop *mlaas_batcher_loop(const struct mlaas_batcher *batcher);
/* On the loop's thread: counts it and calls `done`. `error` is set before where `status` is not OK. */
void mlaas_infer_finish(struct mlaas_infer *infer, enum mlaas_status status);

#endif
