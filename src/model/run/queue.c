/* What is run next. Must not know who runs it. */
#include "model/run/queue.h"

#include "model/run/rows.h"

/* Joined inputs are copied; beyond this a larger run saves less than the copy costs. */
enum { JOINED_MOST = 64 << 20 };

static size_t input_bytes(const struct mlaas_infer *infer) {
  size_t bytes = 0;
  for (size_t i = 0; i < infer->instance->model->num_inputs; i++)
    bytes += infer->inputs[i].size;
  return bytes;
}

static bool is_late(const struct mlaas_infer *infer, int64_t now) { return infer->deadline && infer->deadline <= now; }

size_t mlaas_queue_take(struct mlaas_queue *queue, const struct mlaas_instance *instance, int64_t now, bool parted,
                        struct mlaas_infer **members) {
  struct mlaas_infer *head = queue->first;
  while (head && (is_late(head, now) || (!parted && mlaas_infer_parted(head))))
    head = head->next;
  if (!head)
    return 0;
  const struct mlaas_model *model = instance->model;
  int64_t most = instance->timing.most, rows = head->rows;
  size_t count = 0, bytes = input_bytes(head);
  members[count++] = head;
  if (model->batchable && rows < most)
    for (struct mlaas_infer *infer = head->next; infer && rows < most; infer = infer->next) {
      if (is_late(infer, now) || !mlaas_rows_joinable(head->inputs, infer->inputs, model->num_inputs))
        continue;
      bytes += input_bytes(infer);
      if (infer->rows > most - rows || bytes > JOINED_MOST)
        break;
      rows += infer->rows;
      members[count++] = infer;
    }
  int64_t first = mlaas_timing_first(&instance->timing, rows);
  while (count > 1 && rows > first)
    rows -= members[--count]->rows;
  for (size_t i = 0; i < count; i++)
    mlaas_queue_remove(queue, members[i]);
  return count;
}
