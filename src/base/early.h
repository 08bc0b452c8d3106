/* Work that is begun before its result is asked for, in threads of its own: files are opened while others are read.
 * Where there is no memory or no thread it is simply not begun, and whoever wants the result does it himself. */
#ifndef MLAAS_BASE_EARLY_H
#define MLAAS_BASE_EARLY_H

#include <mlaas/status.h>
#include <stdbool.h>

struct mlaas_early;

/* Makes the result of an item, NULL: none. Waiting for servers is cancelled when nobody wants it any more. */
typedef void *mlaas_early_work(void *context, size_t item);
typedef void mlaas_early_drop(void *context, void *result);

/* At most `threads` items at a time, which start at the first use. NULL when out of memory. */
struct mlaas_early *mlaas_early_new(int threads, mlaas_early_work *work, mlaas_early_drop *drop, void *context);
/* Ends what runs and drops what was not taken; NULL is allowed. Does nothing in a child after fork(). */
void mlaas_early_free(struct mlaas_early *early);
/* Begins an item, oldest wish first; false where there is no place for another. No effect on one that was begun. */
bool mlaas_early_want(struct mlaas_early *early, size_t item);
/* The result, if it is there; it stays. */
const void *mlaas_early_peek(struct mlaas_early *early, size_t item);
/* The result, which is the caller's from now on, waiting for what runs; NULL where it was not begun or came to nothing.
 * Errors: CANCELLED, of the calling thread. */
enum mlaas_status mlaas_early_take(struct mlaas_early *early, size_t item, void **result, struct mlaas_error *error);
/* Drops what is there and was not taken. */
void mlaas_early_clear(struct mlaas_early *early);

#endif
