/* Several requests in one run. Must not know who calls it, and when. */
#include "model/run/joint.h"

#include "base/memory.h"

static size_t largest_count(const struct mlaas_model *model) {
  return model->num_inputs > model->num_outputs ? model->num_inputs : model->num_outputs;
}

size_t mlaas_joint_tensors(const struct mlaas_model *model) {
  return (MLAAS_BATCH_MOST + 1) * model->num_outputs + largest_count(model);
}

void mlaas_joint_init(struct mlaas_joint *joint, struct mlaas_instance *instance, struct mlaas_tensor *tensors) {
  const struct mlaas_model *model = instance->model;
  joint->instance = instance;
  joint->outputs = tensors;
  joint->scratch = tensors + model->num_outputs;
  tensors = joint->scratch + largest_count(model);
  for (int i = 0; i < MLAAS_BATCH_MOST; i++, tensors += model->num_outputs) {
    joint->tickets[i].joint = joint;
    joint->tickets[i].outputs = tensors;
  }
}

void mlaas_joint_begin(struct mlaas_joint *joint, struct mlaas_infer *const *members, size_t count, int64_t now) {
  int64_t from = 0;
  joint->num_tickets = count;
  joint->status = MLAAS_OK;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_ticket *ticket = &joint->tickets[i];
    ticket->infer = members[i];
    ticket->from = from;
    ticket->rows = members[i]->rows;
    ticket->waited = now - members[i]->began;
    ticket->status = MLAAS_OK;
    ticket->alone = false;
    members[i]->owner = ticket;
    from += ticket->rows;
  }
}

bool mlaas_joint_is_parted(const struct mlaas_joint *joint) {
  const struct mlaas_instance *instance = joint->instance;
  int64_t rows = joint->tickets[0].rows;
  return joint->num_tickets == 1 && instance->model->batchable && rows > instance->timing.most && rows > 1;
}

/* ---- running ---- */

static int64_t total_rows(const struct mlaas_joint *joint) {
  const struct mlaas_ticket *last = &joint->tickets[joint->num_tickets - 1];
  return last->from + last->rows;
}

static enum mlaas_status copy_inputs(struct mlaas_joint *joint) {
  size_t num_inputs = joint->instance->model->num_inputs;
  const struct mlaas_tensor *first = joint->tickets[0].infer->inputs;
  if (joint->num_tickets == 1) {
    MLAAS_TRY(mlaas_rows_copy(&joint->inputs, first, num_inputs, &joint->error));
  } else {
    MLAAS_TRY(mlaas_rows_begin(&joint->inputs, first, num_inputs, total_rows(joint), &joint->error));
    for (size_t i = 0; i < joint->num_tickets; i++)
      mlaas_rows_add(&joint->inputs, joint->tickets[i].infer->inputs, joint->tickets[i].rows);
  }
  return mlaas_rows_own(&joint->inputs, 0, &joint->error);
}

enum mlaas_status mlaas_joint_copy(struct mlaas_joint *joint) {
  joint->status = copy_inputs(joint);
  for (size_t i = 0; i < joint->num_tickets; i++)
    joint->tickets[i].status = joint->status;
  return joint->status;
}

/* One request of a joined run that failed. */
static void run_ticket(struct mlaas_joint *joint, struct mlaas_ticket *ticket) {
  struct mlaas_instance *instance = joint->instance;
  for (size_t i = 0; i < instance->model->num_inputs; i++)
    joint->scratch[i] = mlaas_rows_view(&joint->inputs.tensors[i], ticket->from, ticket->rows);
  ticket->error = mlaas_alloc(sizeof *ticket->error);
  ticket->status = mlaas_run(instance, joint->scratch, ticket->rows, false, ticket->outputs, &ticket->held,
                             &ticket->took, ticket->error);
  ticket->alone = ticket->status == MLAAS_OK;
}

void mlaas_joint_run(struct mlaas_joint *joint) {
  int64_t rows = total_rows(joint);
  bool joined = joint->num_tickets > 1;
  joint->status = mlaas_run(joint->instance, joint->inputs.tensors, rows > 0 ? rows : 1, joined, joint->outputs,
                            &joint->held, &joint->took, &joint->error);
  joint->has_held = joint->status == MLAAS_OK;
  for (size_t i = 0; i < joint->num_tickets; i++) {
    struct mlaas_ticket *ticket = &joint->tickets[i];
    ticket->status = joint->status;
    ticket->took = joint->took;
    if (joint->status != MLAAS_OK && joined)
      run_ticket(joint, ticket);
  }
}

bool mlaas_joint_part(struct mlaas_joint *joint) {
  struct mlaas_ticket *ticket = &joint->tickets[0];
  struct mlaas_progress *progress = &joint->progress;
  ticket->status = joint->status = mlaas_progress_step(progress, joint->instance, joint->inputs.tensors, ticket->rows,
                                                       joint->scratch, joint->outputs, &joint->error);
  ticket->took = progress->took;
  return joint->status == MLAAS_OK && progress->done < ticket->rows;
}

/* ---- answers ---- */

void mlaas_ticket_answer(struct mlaas_ticket *ticket) {
  struct mlaas_joint *joint = ticket->joint;
  struct mlaas_infer *infer = ticket->infer;
  if (!infer)
    return;
  infer->queued_ns = ticket->waited;
  infer->compute_ns = ticket->took;
  infer->outputs = ticket->outputs;
  if (ticket->status != MLAAS_OK) {
    infer->error = ticket->error ? *ticket->error : joint->error;
  } else if (mlaas_joint_is_parted(joint)) {
    infer->outputs = joint->progress.outputs.tensors;
  } else if (!ticket->alone) {
    for (size_t i = 0; i < joint->instance->model->num_outputs; i++)
      ticket->outputs[i] =
          joint->num_tickets == 1 ? joint->outputs[i] : mlaas_rows_view(&joint->outputs[i], ticket->from, ticket->rows);
  }
  mlaas_infer_finish(infer, ticket->status);
}

void mlaas_joint_clear(struct mlaas_joint *joint) {
  struct mlaas_model *model = joint->instance->model;
  if (joint->has_held)
    mlaas_model_release(model, joint->held);
  joint->has_held = false;
  for (size_t i = 0; i < joint->num_tickets; i++) {
    struct mlaas_ticket *ticket = &joint->tickets[i];
    if (ticket->alone)
      mlaas_model_release(model, ticket->held);
    mlaas_free(ticket->error);
    ticket->alone = false;
    ticket->error = NULL;
  }
  mlaas_rows_trim(&joint->inputs);
  mlaas_rows_reset(&joint->progress.outputs);
  joint->progress = (struct mlaas_progress){0};
}

void mlaas_joint_reset(struct mlaas_joint *joint) { mlaas_rows_reset(&joint->inputs); }
