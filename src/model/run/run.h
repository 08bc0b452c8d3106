/* One run of the back end: timed, counted, its answer checked. Shared by loops and runners. Knows no queue.
 */
#ifndef MLAAS_MODEL_RUN_RUN_H
#define MLAAS_MODEL_RUN_RUN_H

#include "model/run/instance.h"
#include "model/run/rows.h"

/* Runs `rows` rows. `every`: outputs must have as many rows each, because they will be told apart. */
enum mlaas_status mlaas_run(struct mlaas_instance *instance, const struct mlaas_tensor *inputs, int64_t rows,
                            bool every, struct mlaas_tensor *outputs, void **held, int64_t *took,
                            struct mlaas_error *error);

/* A request with more rows than one run may have. */
struct mlaas_progress {
  struct mlaas_rows outputs; /* what was gathered so far */
  int64_t done, took;        /* rows; ns */
};

/* Runs the next part of `total` rows; `views` and `outputs` are scratch for as many tensors as the model has. */
enum mlaas_status mlaas_progress_step(struct mlaas_progress *progress, struct mlaas_instance *instance,
                                      const struct mlaas_tensor *inputs, int64_t total, struct mlaas_tensor *views,
                                      struct mlaas_tensor *outputs, struct mlaas_error *error);

#endif
