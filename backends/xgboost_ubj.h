/* Whether a file is one whole value of Universal Binary JSON. XGBoost's reader goes past the end of files that are cut.
 * Must not know what the values mean.
 */
#ifndef MLAAS_XGBOOST_UBJ_H
#define MLAAS_XGBOOST_UBJ_H

#include "plugin.h"

/* Errors: FORMAT, with the place. */
enum mlaas_status xgboost_ubj_check(const void *bytes, size_t size, struct mlaas_error *error);

#endif
