/* The end of a request. Must not know who ran it. */
#include "model/run/infer.h"

#include "model/run/run.h"
#include "net/loop.h"

static void count_end(struct mlaas_model_stats *stats, const struct mlaas_infer *infer) {
  atomic_uint_fast64_t *counter = infer->status == MLAAS_OK          ? &stats->succeeded
                                  : infer->status == MLAAS_TIMEOUT   ? &stats->timed_out
                                  : infer->status == MLAAS_CANCELLED ? &stats->cancelled
                                                                     : &stats->failed;
  atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
  if (infer->status == MLAAS_CANCELLED)
    return;
  mlaas_histogram_add(&stats->request, (uint64_t)(mlaas_now() - infer->began), 1000);
  if (infer->compute_ns > 0)
    mlaas_histogram_add(&stats->queue, (uint64_t)infer->queued_ns, 1000);
}

void mlaas_infer_finish(struct mlaas_infer *infer, enum mlaas_status status) {
  struct mlaas_progress *progress = infer->progress;
  infer->place = MLAAS_INFER_NOWHERE;
  infer->status = status;
  if (status != MLAAS_OK)
    infer->outputs = NULL;
  mlaas_deadlines_remove(infer->deadlines, &infer->late);
  count_end(&infer->instance->stats, infer);
  infer->done(infer); /* and it is gone */
  if (progress) {
    mlaas_rows_reset(&progress->outputs);
    mlaas_free(progress);
  }
}
