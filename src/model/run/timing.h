/* How long a model takes for each batch size, measured when it is loaded, and what follows: how to split what waits
 * into runs, and whether to run on the loop's thread. Costs are not monotonous: a batch of 8 may cost more than 8 of 1.
 */
#ifndef MLAAS_MODEL_RUN_TIMING_H
#define MLAAS_MODEL_RUN_TIMING_H

#include "model/model.h"

enum { MLAAS_BATCH_MOST = 64 };

struct mlaas_timing {
  int most;                            /* largest batch: 1 for a model whose rows cannot be joined */
  int64_t cost[MLAAS_BATCH_MOST + 1];  /* ns of a run of that many rows; between measured sizes interpolated */
  int16_t first[MLAAS_BATCH_MOST + 1]; /* the run to begin with when that many rows wait: least cost in all */
  bool on_loop;                        /* a run is short enough for the loop's thread (see MLAAS_LOOP_LONGEST) */
};

/* Runs 1, 2, 4 ... rows of zeros (ones for integers) some times each, for about `budget_ms` in all, not counting first
 * runs (this is also the warm-up) and waiting for a core: 10 times as long is the end in any case.
 * Unknown lengths of dimensions other than the first are taken as 1; a model that fails on all of them gets most = 1
 * and no measurement. */
enum mlaas_status mlaas_timing_measure(struct mlaas_model *model, int most, int64_t budget_ms,
                                       struct mlaas_timing *timing, struct mlaas_error *error);
/* Fills `first` from `cost`, for tests too. */
void mlaas_timing_plan(struct mlaas_timing *timing);
/* Rows of the next run when so many wait. */
int64_t mlaas_timing_first(const struct mlaas_timing *timing, int64_t rows);

#endif
