/* Trials of models that are remembered: what was tried and found good is not tried again. For src/model only. */
#ifndef MLAAS_MODEL_TRIAL_H
#define MLAAS_MODEL_TRIAL_H

#include "model/table.h"

enum mlaas_status mlaas_checks_new(struct mlaas_repository *repository, struct mlaas_error *error);
void mlaas_checks_free(struct mlaas_checks *checks);

#endif
