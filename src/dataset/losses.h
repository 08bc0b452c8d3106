/* Files that a run does without: the parameter on_bad_file. */
#ifndef MLAAS_DATASET_LOSSES_H
#define MLAAS_DATASET_LOSSES_H

#include "dataset/dataset.h"

/* Whether this error of one file lets the others go on. */
bool mlaas_dataset_may_lose(const struct mlaas_dataset *dataset, enum mlaas_status status);
/* Remembers and tells that file `index` is left out from now on, as if it had no entries; `stage`: "opening", "scan" or
 * "survey". The plan is the caller's to make anew. Errors: MEMORY. */
enum mlaas_status mlaas_dataset_lose(struct mlaas_dataset *dataset, size_t index, const char *stage,
                                     const struct mlaas_error *why, struct mlaas_error *error);
/* File `index` was given up in mid-epoch after its server had said nothing for as long as one waits for it. It is not
 * asked for again, by no loader of this data set: each time would cost as much. `why` is copied; NULL where it was not.
 * Thread safe. */
void mlaas_dataset_note_silence(const struct mlaas_dataset *dataset, size_t index, const char *why);
const char *mlaas_dataset_silence(const struct mlaas_dataset *dataset, size_t index);
/* An error where no file with entries is left. */
enum mlaas_status mlaas_dataset_check_lost(const struct mlaas_dataset *dataset, struct mlaas_error *error);
/* With on_bad_file quota and a number of entries to take: fixes the sources' quotas so that what the lost files would
 * have given comes from others of their group. */
enum mlaas_status mlaas_dataset_quotas(const struct mlaas_dataset *dataset, struct mlaas_plan_source *sources,
                                       struct mlaas_error *error);
/* dataset_open.c: the plan without the files that were lost. */
enum mlaas_status mlaas_dataset_replan(struct mlaas_dataset *dataset, struct mlaas_error *error);

#endif
