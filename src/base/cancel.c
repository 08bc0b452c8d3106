/* The flag that a thread watches. Must not know what is cancelled. */
#include "base/cancel.h"

#include <mlaas/context.h>
#include <stddef.h>

static _Thread_local const atomic_bool *watched;

const atomic_bool *mlaas_cancel_watch(const atomic_bool *flag) {
  const atomic_bool *before = watched;
  watched = flag;
  return before;
}

const atomic_bool *mlaas_cancel_watched(void) { return watched; }

bool mlaas_cancelled(void) { return watched && atomic_load_explicit(watched, memory_order_relaxed); }

/* ---- of the whole process ---- */

static atomic_bool interrupted;

void mlaas_interrupt_watch(bool watch) { mlaas_cancel_watch(watch ? &interrupted : NULL); }
void mlaas_interrupt(void) { atomic_store(&interrupted, true); }
void mlaas_interrupt_clear(void) { atomic_store(&interrupted, false); }
