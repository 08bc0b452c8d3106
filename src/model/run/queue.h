/* Requests that wait for one instance, in the order in which they came, and what of them is run next. Knows no thread:
 * who calls holds what guards the queue.
 */
#ifndef MLAAS_MODEL_RUN_QUEUE_H
#define MLAAS_MODEL_RUN_QUEUE_H

#include "model/run/infer.h"

struct mlaas_queue {
  struct mlaas_infer *first, **last;
  int64_t count, rows;
};

static inline void mlaas_queue_init(struct mlaas_queue *queue) {
  *queue = (struct mlaas_queue){0};
  queue->last = &queue->first;
}

static inline void mlaas_queue_add(struct mlaas_queue *queue, struct mlaas_infer *infer) {
  infer->next = NULL;
  infer->link = queue->last;
  *queue->last = infer;
  queue->last = &infer->next;
  queue->count++;
  queue->rows += infer->rows;
}

static inline void mlaas_queue_remove(struct mlaas_queue *queue, struct mlaas_infer *infer) {
  *infer->link = infer->next;
  if (infer->next)
    infer->next->link = infer->link;
  else
    queue->last = infer->link;
  infer->next = NULL;
  queue->count--;
  queue->rows -= infer->rows;
}

/* Takes out what the plan runs next and returns how many requests that are, 0 if all that wait are late: they are left
 * for those who answer them. More than one have joinable inputs and together not more rows than the plan says; a single
 * one may have more, see mlaas_infer_parted, unless `parted` is false: then such ones stay, too. `members` has room for
 * MLAAS_BATCH_MOST. */
size_t mlaas_queue_take(struct mlaas_queue *queue, const struct mlaas_instance *instance, int64_t now, bool parted,
                        struct mlaas_infer **members);

/* Whether it has more rows than one run. */
static inline bool mlaas_infer_parted(const struct mlaas_infer *infer) {
  const struct mlaas_instance *instance = infer->instance;
  return instance->model->batchable && infer->rows > (instance->timing.most > 1 ? instance->timing.most : 1);
}

#endif
