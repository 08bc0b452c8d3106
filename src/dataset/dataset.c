/* A data set: counted, with its warnings. Must not know how it came about. */
#include "dataset/dataset.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>

enum mlaas_status mlaas_dataset_warn(struct mlaas_dataset *dataset, struct mlaas_error *error, const char *format,
                                     ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (json_array_append_new(dataset->warnings, json_string(text)) != 0)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a warning");
  return MLAAS_OK;
}

void mlaas_dataset_get(struct mlaas_dataset *dataset) { __atomic_add_fetch(&dataset->count, 1, __ATOMIC_RELAXED); }

const struct mlaas_specs *mlaas_dataset_specs(const struct mlaas_dataset *dataset) { return dataset->specs; }
struct mlaas_recipe *mlaas_dataset_recipe(const struct mlaas_dataset *dataset) {
  return dataset->recipe;
}
