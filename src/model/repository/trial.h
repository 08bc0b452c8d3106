/* Trials of models that are remembered: what was tried and found good is not tried again. For src/model only. */
#ifndef MLAAS_MODEL_REPOSITORY_TRIAL_H
#define MLAAS_MODEL_REPOSITORY_TRIAL_H

#include "model/repository/repository.h"

struct mlaas_checks;

/* *checks is set also on failure. The options stay as they are while it is there. */
enum mlaas_status mlaas_checks_new(const struct mlaas_repository_options *options, struct mlaas_checks **checks,
                                   struct mlaas_error *error);
void mlaas_checks_free(struct mlaas_checks *checks);
/* Tries what is at `path` in a child unless it was tried before. OK without a checker. */
enum mlaas_status mlaas_checks_try(struct mlaas_checks *checks, const char *path, uint64_t fingerprint,
                                   struct mlaas_error *error);

#endif
