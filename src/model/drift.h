/* What a lower precision costs: how far a model's scores are from those of the same model in float32, on noise. */
#ifndef MLAAS_MODEL_DRIFT_H
#define MLAAS_MODEL_DRIFT_H

#include <mlaas/backend.h>

enum { MLAAS_DRIFT_ROWS = 256 };

struct mlaas_drift {
  const char *precision; /* the model's option; NULL: float32, nothing to compare */
  int64_t rows; /* that were compared; 0: could not be (inputs are no floats, or the other model does not run) */
  double largest, mean; /* absolute difference of an output's value */
};

/* `opened` was opened with `config`. Opens the model a second time without its option "precision", for as long as this
 * takes. `drift->precision` borrows from the config. */
void mlaas_drift_measure(const struct mlaas_backend *backend, void *opened, const struct mlaas_backend_config *config,
                         struct mlaas_drift *drift);

#endif
