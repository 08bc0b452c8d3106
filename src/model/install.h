/* Leftovers of changes to the folder that were cut short. For src/model only. */
#ifndef MLAAS_MODEL_INSTALL_H
#define MLAAS_MODEL_INSTALL_H

#include "model/table.h"

/* `disk` is held. Removes what nobody is filling any more; puts back what was moved aside and never replaced. */
void mlaas_install_clean(struct mlaas_repository *repository);
void mlaas_stages_free(struct mlaas_repository *repository);

/* Tests only: called before each step of an install or delete. */
extern void (*mlaas_install_step)(const char *step);

#endif
