/* The check of XGBoost's .ubj files: never past the end of what it is given. */
#include "../backends/plugin.c"
#include "../backends/xgboost_ubj.c"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_error error;
  if (xgboost_ubj_check(data, size, &error) != MLAAS_OK && error.status != MLAAS_FORMAT)
    __builtin_trap();
  return 0;
}
