/* Deadlines in a list, and one timer for the earliest. Must not know whose they are. */
#include "model/run/deadlines.h"

void mlaas_deadlines_remove(struct mlaas_deadlines *deadlines, struct mlaas_deadline *deadline) {
  if (!deadline->earlier && deadlines->earliest != deadline)
    return;
  *(deadline->earlier ? &deadline->earlier->later : &deadlines->earliest) = deadline->later;
  *(deadline->later ? &deadline->later->earlier : &deadlines->latest) = deadline->earlier;
  deadline->earlier = deadline->later = NULL;
}

static void on_alarm(uv_timer_t *timer);

static void set_alarm(struct mlaas_deadlines *deadlines) {
  if (!deadlines->earliest || (deadlines->alarm && deadlines->alarm <= deadlines->earliest->at))
    return;
  deadlines->alarm = deadlines->earliest->at;
  int64_t left = deadlines->alarm - mlaas_now();
  uv_update_time(deadlines->timer.loop);
  uv_timer_start(&deadlines->timer, on_alarm, left > 0 ? (uint64_t)(left + 999999) / 1000000 : 0, 0);
}

static void on_alarm(uv_timer_t *timer) {
  struct mlaas_deadlines *deadlines = timer->data;
  deadlines->alarm = 0;
  int64_t now = mlaas_now();
  while (deadlines->earliest && deadlines->earliest->at <= now)
    deadlines->passed(deadlines->earliest->owner);
  set_alarm(deadlines);
}

/* Most requests have the same time to live, so the place is at the end or near it. */
void mlaas_deadlines_add(struct mlaas_deadlines *deadlines, struct mlaas_deadline *deadline, int64_t at, void *owner) {
  struct mlaas_deadline *before = deadlines->latest;
  while (before && before->at > at)
    before = before->earlier;
  deadline->at = at;
  deadline->owner = owner;
  deadline->earlier = before;
  deadline->later = before ? before->later : deadlines->earliest;
  *(before ? &before->later : &deadlines->earliest) = deadline;
  *(deadline->later ? &deadline->later->earlier : &deadlines->latest) = deadline;
  set_alarm(deadlines);
}

void mlaas_deadlines_init(struct mlaas_deadlines *deadlines, struct mlaas_loop *loop, void (*passed)(void *owner)) {
  *deadlines = (struct mlaas_deadlines){.passed = passed};
  uv_timer_init(mlaas_loop_uv(loop), &deadlines->timer);
  deadlines->timer.data = deadlines;
  uv_unref((uv_handle_t *)&deadlines->timer); /* a deadline alone is no reason to stay */
}

static void on_closed(uv_handle_t *timer) {
  struct mlaas_deadlines *deadlines = timer->data;
  deadlines->closed(deadlines->context);
}

void mlaas_deadlines_close(struct mlaas_deadlines *deadlines, void (*closed)(void *context), void *context) {
  deadlines->closed = closed;
  deadlines->context = context;
  uv_close((uv_handle_t *)&deadlines->timer, on_closed);
}
