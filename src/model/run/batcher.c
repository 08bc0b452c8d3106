/* The loop's side: lanes of requests that are run on the loop itself, deadlines of those that are run elsewhere. Must
 * not know dialects or sockets.
 */
#include "model/run/batcher.h"

#include "model/run/queue.h"
#include "model/run/run.h"
#include "model/run/runners.h"

/* Runs on the loop take turns with its sockets: behind so many ns no further run is begun in a round. */
enum { ROUND_NS = 4000000 };

/* What waits on this loop for one instance. */
struct lane {
  struct mlaas_queue queue;
  struct mlaas_instance *instance;
  struct lane *next;
};

struct mlaas_batcher {
  struct mlaas_loop *loop;
  struct lane *first, **last; /* with something in them, in the order of their turns */
  struct lane *idle;
  struct mlaas_post again;
  bool posted, closing, closed;
  /* of the run under way */
  struct mlaas_rows joined;
  struct mlaas_tensor *views, *outputs;
  size_t room; /* tensors there is room for in each */
  struct mlaas_infer *members[MLAAS_BATCH_MOST];
  int64_t rows[MLAAS_BATCH_MOST];
  struct mlaas_error error;
  struct mlaas_deadlines deadlines; /* of what executors have */
};

static void finish_late(struct mlaas_infer *infer) {
  mlaas_fail(&infer->error, MLAAS_TIMEOUT, "the deadline passed %s",
             infer->progress ? "between two parts" : "in the queue");
  mlaas_infer_finish(infer, MLAAS_TIMEOUT);
}

static void count_waiting(struct mlaas_instance *instance, int64_t change) {
  atomic_fetch_add_explicit(&instance->stats.waiting, change, memory_order_relaxed);
}

/* ---- lanes ---- */

static struct lane *find_lane(struct mlaas_batcher *batcher, struct mlaas_instance *instance) {
  struct lane *lane = batcher->first;
  while (lane && lane->instance != instance)
    lane = lane->next;
  return lane;
}

static void append_lane(struct mlaas_batcher *batcher, struct lane *lane) {
  lane->next = NULL;
  *batcher->last = lane;
  batcher->last = &lane->next;
}

static struct lane *pop_lane(struct mlaas_batcher *batcher) {
  struct lane *lane = batcher->first;
  batcher->first = lane->next;
  if (!batcher->first)
    batcher->last = &batcher->first;
  return lane;
}

static struct lane *take_lane(struct mlaas_batcher *batcher, struct mlaas_instance *instance) {
  struct lane *lane = batcher->idle;
  if (lane)
    batcher->idle = lane->next;
  else
    lane = mlaas_alloc(sizeof *lane);
  if (!lane)
    return NULL;
  lane->instance = instance;
  mlaas_queue_init(&lane->queue);
  append_lane(batcher, lane);
  return lane;
}

static enum mlaas_status add_to_lane(struct mlaas_batcher *batcher, struct mlaas_infer *infer,
                                     struct mlaas_error *error) {
  struct lane *lane = find_lane(batcher, infer->instance);
  if (!lane)
    lane = take_lane(batcher, infer->instance);
  if (!lane)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a queue");
  infer->place = MLAAS_INFER_IN_LANE;
  infer->owner = lane;
  mlaas_queue_add(&lane->queue, infer);
  return MLAAS_OK;
}

/* ---- running on the loop ---- */

static enum mlaas_status make_scratch(struct mlaas_batcher *batcher, const struct mlaas_model *model,
                                      struct mlaas_error *error) {
  size_t need = model->num_inputs > model->num_outputs ? model->num_inputs : model->num_outputs;
  if (need <= batcher->room)
    return MLAAS_OK;
  struct mlaas_tensor *views = mlaas_realloc(batcher->views, need * sizeof *views);
  if (views)
    batcher->views = views;
  struct mlaas_tensor *outputs = views ? mlaas_realloc(batcher->outputs, need * sizeof *outputs) : NULL;
  if (!outputs)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for %zu tensors", need);
  batcher->outputs = outputs;
  batcher->room = need;
  return MLAAS_OK;
}

static void finish_failed(struct mlaas_infer *infer, enum mlaas_status status, const struct mlaas_error *error) {
  infer->error = *error;
  mlaas_infer_finish(infer, status);
}

/* One request by itself; its rows need not be copied. */
static void run_alone(struct mlaas_batcher *batcher, struct mlaas_instance *instance, struct mlaas_infer **member) {
  struct mlaas_infer *infer = *member;
  void *held = NULL;
  enum mlaas_status status = mlaas_run(instance, infer->inputs, infer->rows > 0 ? infer->rows : 1, false,
                                       batcher->outputs, &held, &infer->compute_ns, &batcher->error);
  infer->outputs = batcher->outputs;
  if (status != MLAAS_OK) {
    finish_failed(infer, status, &batcher->error);
    return;
  }
  mlaas_infer_finish(infer, MLAAS_OK);
  mlaas_model_release(instance->model, held);
}

static enum mlaas_status join(struct mlaas_batcher *batcher, const struct mlaas_model *model, size_t count,
                              int64_t total, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_rows_begin(&batcher->joined, batcher->members[0]->inputs, model->num_inputs, total, error));
  for (size_t i = 0; i < count; i++)
    mlaas_rows_add(&batcher->joined, batcher->members[i]->inputs, batcher->members[i]->rows);
  return MLAAS_OK;
}

/* Gives each its rows. One that is called may cancel others, which are then missing. */
static void deliver(struct mlaas_batcher *batcher, const struct mlaas_model *model, size_t count, int64_t took) {
  int64_t from = 0;
  for (size_t i = 0; i < count; from += batcher->rows[i++]) {
    struct mlaas_infer *infer = batcher->members[i];
    if (!infer)
      continue;
    for (size_t k = 0; k < model->num_outputs; k++)
      batcher->views[k] = mlaas_rows_view(&batcher->outputs[k], from, batcher->rows[i]);
    infer->outputs = batcher->views;
    infer->compute_ns = took;
    mlaas_infer_finish(infer, MLAAS_OK);
  }
}

/* Several requests in one run; if it fails, one by one, so that the bad one does not fail the others. */
static void run_joined(struct mlaas_batcher *batcher, struct mlaas_instance *instance, size_t count) {
  int64_t total = 0, took = 0;
  for (size_t i = 0; i < count; i++)
    total += batcher->rows[i] = batcher->members[i]->rows;
  void *held = NULL;
  enum mlaas_status status = join(batcher, instance->model, count, total, NULL);
  if (status == MLAAS_OK)
    status = mlaas_run(instance, batcher->joined.tensors, total, true, batcher->outputs, &held, &took, NULL);
  if (status == MLAAS_OK) {
    deliver(batcher, instance->model, count, took);
    mlaas_model_release(instance->model, held);
  } else {
    for (size_t i = 0; i < count; i++)
      if (batcher->members[i])
        run_alone(batcher, instance, &batcher->members[i]);
  }
  mlaas_rows_trim(&batcher->joined);
}

/* The next part of a large request; then others have their turn. */
static void run_part(struct mlaas_batcher *batcher, struct lane *lane, struct mlaas_infer *infer) {
  enum mlaas_status status = MLAAS_OK;
  if (!infer->progress) {
    infer->progress = mlaas_alloc(sizeof *infer->progress);
    if (!infer->progress)
      status = mlaas_fail(&batcher->error, MLAAS_MEMORY, "out of memory for the parts of a request");
  }
  if (status == MLAAS_OK)
    status = mlaas_progress_step(infer->progress, lane->instance, infer->inputs, infer->rows, batcher->views,
                                 batcher->outputs, &batcher->error);
  if (status != MLAAS_OK) {
    finish_failed(infer, status, &batcher->error);
  } else if (infer->progress->done < infer->rows) {
    infer->place = MLAAS_INFER_IN_LANE;
    infer->owner = lane;
    mlaas_queue_add(&lane->queue, infer);
    count_waiting(lane->instance, 1);
  } else {
    infer->outputs = infer->progress->outputs.tensors;
    infer->compute_ns = infer->progress->took;
    mlaas_infer_finish(infer, MLAAS_OK);
  }
}

static void finish_late_ones(struct lane *lane, int64_t now) {
  struct mlaas_infer *infer = lane->queue.first;
  while (infer)
    if (infer->deadline && infer->deadline <= now) {
      mlaas_queue_remove(&lane->queue, infer);
      count_waiting(lane->instance, -1);
      finish_late(infer);
      infer = lane->queue.first; /* `done` may have changed the queue */
    } else {
      infer = infer->next;
    }
}

static void run_lane(struct mlaas_batcher *batcher, struct lane *lane) {
  struct mlaas_instance *instance = mlaas_instance_get(lane->instance); /* longer than its last request */
  int64_t now = mlaas_now();
  finish_late_ones(lane, now);
  size_t count = mlaas_queue_take(&lane->queue, instance, now, true, batcher->members);
  count_waiting(instance, -(int64_t)count);
  enum mlaas_status status = count > 0 ? make_scratch(batcher, instance->model, &batcher->error) : MLAAS_OK;
  for (size_t i = 0; i < count; i++) {
    struct mlaas_infer *infer = batcher->members[i];
    infer->place = MLAAS_INFER_IN_BATCH;
    infer->owner = &batcher->members[i];
    if (!infer->progress)
      infer->queued_ns = now - infer->began;
  }
  if (status != MLAAS_OK) {
    for (size_t i = 0; i < count; i++)
      if (batcher->members[i])
        finish_failed(batcher->members[i], status, &batcher->error);
  } else if (count > 1) {
    run_joined(batcher, instance, count);
  } else if (count == 1) {
    if (mlaas_infer_parted(batcher->members[0]))
      run_part(batcher, lane, batcher->members[0]);
    else
      run_alone(batcher, instance, &batcher->members[0]);
  }
  mlaas_instance_put(instance);
}

static void free_closed(struct mlaas_batcher *batcher) {
  if (batcher->closed && !batcher->posted)
    mlaas_free(batcher);
}

static void on_again(void *context) {
  struct mlaas_batcher *batcher = context;
  batcher->posted = false;
  free_closed(batcher);
}

static void after_round(void *context) {
  struct mlaas_batcher *batcher = context;
  int64_t end = batcher->first ? mlaas_now() + ROUND_NS : 0;
  while (batcher->first) {
    struct lane *lane = batcher->first;
    run_lane(batcher, lane);
    pop_lane(batcher);
    if (lane->queue.first) {
      append_lane(batcher, lane);
    } else {
      lane->next = batcher->idle;
      batcher->idle = lane;
    }
    if (batcher->first && mlaas_now() > end)
      break;
  }
  if (batcher->first && !batcher->posted) { /* sockets first, then the rest */
    batcher->posted = true;
    mlaas_loop_post(batcher->loop, &batcher->again);
  }
}

/* Of what an executor has. */
static void on_late(void *owner) {
  struct mlaas_infer *infer = owner;
  mlaas_executor_detach(infer->instance->executor, infer);
  mlaas_fail(&infer->error, MLAAS_TIMEOUT, "the deadline passed before the model was done");
  mlaas_infer_finish(infer, MLAAS_TIMEOUT);
}

/* ---- coming and going ---- */

static enum mlaas_status add(struct mlaas_batcher *batcher, struct mlaas_infer *infer, struct mlaas_error *error) {
  struct mlaas_instance *instance = infer->instance;
  if (!instance->executor)
    return add_to_lane(batcher, infer, error);
  infer->place = MLAAS_INFER_IN_EXECUTOR;
  if (infer->deadline)
    mlaas_deadlines_add(&batcher->deadlines, &infer->late, infer->deadline, infer);
  enum mlaas_status status = mlaas_executor_add(instance->executor, infer, error);
  if (status != MLAAS_OK)
    mlaas_deadlines_remove(&batcher->deadlines, &infer->late);
  return status;
}

enum mlaas_status mlaas_batcher_submit(struct mlaas_batcher *batcher, struct mlaas_infer *infer,
                                       struct mlaas_error *error) {
  struct mlaas_instance *instance = infer->instance;
  struct mlaas_model_stats *stats = &instance->stats;
  if (infer->rows < 1 && instance->model->batchable)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a request needs at least one row, this one has %lld",
                      (long long)infer->rows);
  infer->next = NULL;
  infer->link = NULL;
  infer->owner = NULL;
  infer->progress = NULL;
  infer->loop = batcher->loop;
  infer->deadlines = &batcher->deadlines;
  infer->late = (struct mlaas_deadline){0};
  infer->place = MLAAS_INFER_NOWHERE;
  infer->outputs = NULL;
  infer->queued_ns = infer->compute_ns = 0;
  infer->began = mlaas_now();
  int64_t waiting = atomic_fetch_add_explicit(&stats->waiting, 1, memory_order_relaxed);
  enum mlaas_status status = MLAAS_OK;
  if (instance->queue_limit > 0 && waiting >= instance->queue_limit)
    status =
        mlaas_fail(error, MLAAS_LIMIT, "%lld requests wait for model %s already", (long long)waiting, instance->name);
  else
    status = add(batcher, infer, error);
  if (status != MLAAS_OK) {
    count_waiting(instance, -1);
    atomic_fetch_add_explicit(&stats->rejected, 1, memory_order_relaxed);
  }
  return status;
}

void mlaas_infer_cancel(struct mlaas_infer *infer) {
  if (infer->place == MLAAS_INFER_NOWHERE)
    return;
  if (infer->place == MLAAS_INFER_IN_LANE) {
    mlaas_queue_remove(&((struct lane *)infer->owner)->queue, infer);
    count_waiting(infer->instance, -1);
  } else if (infer->place == MLAAS_INFER_IN_BATCH) {
    *(struct mlaas_infer **)infer->owner = NULL;
  } else {
    mlaas_executor_detach(infer->instance->executor, infer);
  }
  mlaas_fail(&infer->error, MLAAS_CANCELLED, "the request was cancelled");
  mlaas_infer_finish(infer, MLAAS_CANCELLED);
}

enum mlaas_status mlaas_batcher_new(struct mlaas_loop *loop, struct mlaas_batcher **out, struct mlaas_error *error) {
  struct mlaas_batcher *batcher = mlaas_alloc(sizeof *batcher);
  if (!batcher)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a batcher");
  batcher->loop = loop;
  batcher->last = &batcher->first;
  batcher->again = (struct mlaas_post){.task = on_again, .context = batcher};
  mlaas_deadlines_init(&batcher->deadlines, loop, on_late);
  mlaas_loop_after_round(loop, after_round, batcher);
  *out = batcher;
  return MLAAS_OK;
}

static void on_closed(void *context) {
  struct mlaas_batcher *batcher = context;
  batcher->closed = true;
  free_closed(batcher);
}

/* The loop goes on for a while; its own memory is freed when nothing of it is there any more. */
void mlaas_batcher_free(struct mlaas_batcher *batcher) {
  if (!batcher || batcher->closing)
    return;
  batcher->closing = true;
  mlaas_loop_forget_round(batcher->loop, after_round, batcher); /* a round or two may follow */
  while (batcher->idle) {
    struct lane *lane = batcher->idle;
    batcher->idle = lane->next;
    mlaas_free(lane);
  }
  while (batcher->first)
    mlaas_free(pop_lane(batcher));
  mlaas_rows_reset(&batcher->joined);
  mlaas_free(batcher->views);
  mlaas_free(batcher->outputs);
  mlaas_deadlines_close(&batcher->deadlines, on_closed, batcher);
}
