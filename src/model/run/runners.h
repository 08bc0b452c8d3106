/* Threads that run what is too slow for a loop, and the executors that queue for them, one for an instance. */
#ifndef MLAAS_MODEL_RUN_RUNNERS_H
#define MLAAS_MODEL_RUN_RUNNERS_H

#include "model/run/infer.h"

struct mlaas_runners;
struct mlaas_runners *mlaas_runners_new(int threads);
void mlaas_runners_free(struct mlaas_runners *runners);
/* Made by the repository for an instance that is too slow for the loops, or has a delay. */
enum mlaas_status mlaas_executor_new(struct mlaas_runners *runners, struct mlaas_instance *instance, int64_t delay_us,
                                     struct mlaas_executor **executor, struct mlaas_error *error);
void mlaas_executor_free(struct mlaas_executor *executor); /* its queue is empty: every request counts the instance */

/* Queues it; from now on `infer->owner` belongs to the runners' lock. Errors: MEMORY (no thread can be started). */
enum mlaas_status mlaas_executor_add(struct mlaas_executor *executor, struct mlaas_infer *infer,
                                     struct mlaas_error *error);
/* On the loop's thread: takes it out of the queue or out of its run, which goes on without it. Nobody knows it then. */
void mlaas_executor_detach(struct mlaas_executor *executor, struct mlaas_infer *infer);

#endif
