/* What the value of a parameter may be beyond its type: each check also brings it into its one effective form. */
#ifndef MLAAS_DATASET_PARAMS_VALUE_H
#define MLAAS_DATASET_PARAMS_VALUE_H

#include <jansson.h>
#include <mlaas/status.h>

enum { MLAAS_WIDEST = 1 << 20 }; /* ceiling on the slots of a collection */

/* *value has the right type and is not null; the check may put another in its place (and drops the old count). */
typedef enum mlaas_status mlaas_value_check(const char *name, json_t **value, struct mlaas_error *error);

mlaas_value_check mlaas_value_nevts, mlaas_value_names, mlaas_value_names_or_file, mlaas_value_weight,
    mlaas_value_split, mlaas_value_clip, mlaas_value_missing, mlaas_value_width, mlaas_value_sort_by,
    mlaas_value_inputs, mlaas_value_stopping, mlaas_value_count, mlaas_value_metrics, mlaas_value_memory,
    mlaas_value_remote;

#endif
