/* What a reader tells remote sources early: byte ranges that it will read, each once. Remembers which of them wait to
 * be read, so that nothing is announced twice and it is known how much is on its way. A hint: where memory is short,
 * less is told. One thread at a time; must not know baskets or pages.
 */
#ifndef MLAAS_ROOTIO_READ_AHEAD_H
#define MLAAS_ROOTIO_READ_AHEAD_H

#include "base/memory.h"
#include "source/source.h"

struct mlaas_ahead {
  struct mlaas_budget *budget;
  struct mlaas_block slots;   /* open hash of ranges that were announced and not read yet */
  struct mlaas_block pending; /* struct mlaas_range: what the next send announces */
  size_t num_slots, num_told, num_pending;
  int64_t bytes; /* of all that wait to be read */
};

void mlaas_ahead_init(struct mlaas_ahead *ahead, struct mlaas_budget *budget);
void mlaas_ahead_reset(struct mlaas_ahead *ahead);
/* The range will be read some day. What is read once for each of several purposes has a `role` for each. */
void mlaas_ahead_want(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset, int64_t length);
/* It is read next: no longer waited for, and announced only if it was not yet. */
void mlaas_ahead_read(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset, int64_t length);
/* It is read next, beside whatever else wants these bytes. */
void mlaas_ahead_also(struct mlaas_ahead *ahead, struct mlaas_source *source, int64_t offset, int64_t length);
/* It will not be read after all. */
void mlaas_ahead_forget(struct mlaas_ahead *ahead, struct mlaas_source *source, int role, int64_t offset,
                        int64_t length);
/* Announces what was collected, in the order of the file. */
void mlaas_ahead_send(struct mlaas_ahead *ahead);

#endif
