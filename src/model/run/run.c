/* One run of the back end. Must not know whose rows it runs. */
#include "model/run/run.h"

#include "base/error.h"
#include "net/loop.h"

static enum mlaas_status check_rows(const struct mlaas_model *model, const struct mlaas_tensor *outputs, int64_t rows,
                                    struct mlaas_error *error) {
  for (size_t i = 0; i < model->num_outputs; i++)
    if (outputs[i].num_dims < 1 || outputs[i].shape[0] != rows)
      return mlaas_fail(error, MLAAS_INTERNAL, "the model gave %lld rows of output %s for %lld rows of input",
                        outputs[i].num_dims < 1 ? 0LL : (long long)outputs[i].shape[0], model->outputs[i].name,
                        (long long)rows);
  return MLAAS_OK;
}

enum mlaas_status mlaas_run(struct mlaas_instance *instance, const struct mlaas_tensor *inputs, int64_t rows,
                            bool every, struct mlaas_tensor *outputs, void **held, int64_t *took,
                            struct mlaas_error *error) {
  struct mlaas_model *model = instance->model;
  int64_t began = mlaas_now();
  enum mlaas_status status = mlaas_model_run(model, inputs, outputs, held, error);
  *took = mlaas_now() - began;
  struct mlaas_model_stats *stats = &instance->stats;
  atomic_fetch_add_explicit(&stats->runs, 1, memory_order_relaxed);
  mlaas_histogram_add(&stats->batch, (uint64_t)rows, 1);
  mlaas_histogram_add(&stats->compute, (uint64_t)*took, 1000);
  if (status != MLAAS_OK)
    return status;
  atomic_fetch_add_explicit(&stats->rows, (uint64_t)rows, memory_order_relaxed);
  if (every)
    status = check_rows(model, outputs, rows, error);
  if (status != MLAAS_OK)
    mlaas_model_release(model, *held);
  return status;
}

static enum mlaas_status gather(struct mlaas_progress *progress, const struct mlaas_model *model,
                                const struct mlaas_tensor *outputs, int64_t rows, int64_t total,
                                struct mlaas_error *error) {
  if (progress->done == 0)
    MLAAS_TRY(mlaas_rows_begin(&progress->outputs, outputs, model->num_outputs, total, error));
  else if (!mlaas_rows_joinable(progress->outputs.tensors, outputs, model->num_outputs))
    return mlaas_fail(error, MLAAS_INTERNAL, "the model gave outputs of several shapes for the parts of one request");
  mlaas_rows_add(&progress->outputs, outputs, rows);
  return mlaas_rows_own(&progress->outputs, progress->done, error);
}

enum mlaas_status mlaas_progress_step(struct mlaas_progress *progress, struct mlaas_instance *instance,
                                      const struct mlaas_tensor *inputs, int64_t total, struct mlaas_tensor *views,
                                      struct mlaas_tensor *outputs, struct mlaas_error *error) {
  const struct mlaas_model *model = instance->model;
  int64_t rows = mlaas_timing_first(&instance->timing, total - progress->done), took = 0;
  for (size_t i = 0; i < model->num_inputs; i++)
    views[i] = mlaas_rows_view(&inputs[i], progress->done, rows);
  void *held = NULL;
  MLAAS_TRY(mlaas_run(instance, views, rows, true, outputs, &held, &took, error));
  enum mlaas_status status = gather(progress, model, outputs, rows, total, error);
  mlaas_model_release(instance->model, held);
  progress->done += rows;
  progress->took += took;
  return status;
}
