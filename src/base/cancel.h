/* How a thread that waits hears that its work is no longer wanted. */
#ifndef MLAAS_BASE_CANCEL_H
#define MLAAS_BASE_CANCEL_H

#include <stdatomic.h>
#include <stdbool.h>

/* From now on this thread watches `flag` (NULL: none), which its owner may set from any thread; returns what it watched
 * before, to be put back. Threads of a pool watch what the caller of mlaas_pool_run does, while they work for it. */
const atomic_bool *mlaas_cancel_watch(const atomic_bool *flag);
const atomic_bool *mlaas_cancel_watched(void);
/* The flag that this thread watches is set: give up waiting, with MLAAS_CANCELLED. */
bool mlaas_cancelled(void);

#endif
