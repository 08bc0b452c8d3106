/* The deadlines of one loop, the earliest first, and the timer that says when one has passed. Knows no request. */
#ifndef MLAAS_MODEL_RUN_DEADLINES_H
#define MLAAS_MODEL_RUN_DEADLINES_H

#include "net/loop.h"

#include <uv.h>

/* Zeroed: of nobody. */
struct mlaas_deadline {
  int64_t at; /* mlaas_now() */
  void *owner;
  struct mlaas_deadline *later, *earlier;
};

struct mlaas_deadlines {
  struct mlaas_deadline *earliest, *latest;
  void (*passed)(void *owner); /* which removes it */
  uv_timer_t timer;
  int64_t alarm; /* what the timer is set to; 0: not set */
  void (*closed)(void *context);
  void *context;
};

/* All on the loop's thread, or when it runs no more but is not yet freed. */
void mlaas_deadlines_init(struct mlaas_deadlines *deadlines, struct mlaas_loop *loop, void (*passed)(void *owner));
/* The memory stays until `closed` is called. */
void mlaas_deadlines_close(struct mlaas_deadlines *deadlines, void (*closed)(void *context), void *context);
void mlaas_deadlines_add(struct mlaas_deadlines *deadlines, struct mlaas_deadline *deadline, int64_t at, void *owner);
void mlaas_deadlines_remove(struct mlaas_deadlines *deadlines, struct mlaas_deadline *deadline); /* legal twice */

#endif
