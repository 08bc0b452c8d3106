/* Leftovers of changes to the folder that were cut short. For src/model only. */
#ifndef MLAAS_MODEL_REPOSITORY_INSTALL_H
#define MLAAS_MODEL_REPOSITORY_INSTALL_H

#include "model/repository/table.h"

/* `disk` is held. Removes what nobody is filling any more; puts back what was moved aside and never replaced. */
void mlaas_install_clean(struct mlaas_repository *repository);
void mlaas_stages_free(struct mlaas_repository *repository);

/* Tests only: called between the steps of an install or delete; whether the file system can exchange two folders. */
extern void (*mlaas_install_step)(const char *step);
extern bool mlaas_install_exchanges;

#endif
