/* The part of XGBoost's C interface (1.4 and newer) that we call, under its own names. All return 0 for success. */
#ifndef MLAAS_XGBOOST_API_H
#define MLAAS_XGBOOST_API_H

#include <stddef.h>
#include <stdint.h>

/* X(result, name, arguments) */
#define XGB_FUNCTIONS(X)                                                                                               \
  X(void, XGBoostVersion, (int *major, int *minor, int *patch))                                                        \
  X(const char *, XGBGetLastError, (void))                                                                             \
  X(int, XGBSetGlobalConfig, (const char *json))                                                                       \
  X(int, XGBoosterCreate, (void *const matrices[], uint64_t count, void **booster))                                    \
  X(int, XGBoosterFree, (void *booster))                                                                               \
  X(int, XGBoosterLoadModel, (void *booster, const char *path))                                                        \
  X(int, XGBoosterSetParam, (void *booster, const char *name, const char *value))                                      \
  X(int, XGBoosterGetNumFeature, (void *booster, uint64_t *count))                                                     \
  X(int, XGBoosterBoostedRounds, (void *booster, int *rounds))                                                         \
  X(int, XGBoosterPredictFromDense,                                                                                    \
    (void *booster, const char *array, const char *config, void *matrix, const uint64_t **shape, uint64_t *num_dims,   \
     const float **result))

struct xgb_api {
#define X(result, name, arguments) result(*name) arguments;
  XGB_FUNCTIONS(X)
#undef X
};

#endif
