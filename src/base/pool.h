/* Threads that share the items of one job at a time: a parallel for. Threads start at the first job. */
#ifndef MLAAS_BASE_POOL_H
#define MLAAS_BASE_POOL_H

#include <mlaas/status.h>

struct mlaas_pool;

/* Work on item `i`; `worker` is 0 .. threads-1 and belongs to this call alone while it runs: index scratch by it. */
typedef enum mlaas_status mlaas_work(void *context, size_t i, int worker, struct mlaas_error *error);

/* `threads` counts the caller of run: 1 starts none. NULL when out of memory. */
struct mlaas_pool *mlaas_pool_new(int threads);
void mlaas_pool_free(struct mlaas_pool *pool);
int mlaas_pool_threads(const struct mlaas_pool *pool);
/* Runs work(context, 0 .. count-1), each once, in no particular order but starting with the low ones, on the pool and
 * on the caller. After a failure no new item starts; the error of the lowest failed item is returned, so it does not
 * depend on the number of threads as long as items fail for reasons of their own. Nor does one start once the flag that
 * the caller watches (cancel.h) is set: CANCELLED, also while it waits, for several callers take turns. In a child
 * after fork(): MLAAS_STATE. Must not be called from inside `work`. */
enum mlaas_status mlaas_pool_run(struct mlaas_pool *pool, size_t count, mlaas_work *work, void *context,
                                 struct mlaas_error *error);

#endif
