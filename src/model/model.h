/* The inside of an open model: its manifest and its back end. */
#ifndef MLAAS_MODEL_MODEL_H
#define MLAAS_MODEL_MODEL_H

#include "model/drift.h"
#include "model/manifest.h"

#include <mlaas/backend.h>
#include <mlaas/model.h>

struct mlaas_model {
  struct mlaas_manifest manifest;
  const struct mlaas_backend *backend;
  void *opened;
  const struct mlaas_tensor_info *inputs, *outputs;
  size_t num_inputs, num_outputs;
  bool batchable; /* every input and output has a first dimension of any length: rows can be joined */
  struct mlaas_drift drift;
};

/* Finds a plug-in by name, loads it once for the life of the process. `folder` may be NULL: $MLAAS_BACKENDS, then
 * beside the program or library. Thread safe. Errors: NOT_FOUND (which file, where it was looked for), UNSUPPORTED
 * (another MLAAS_BACKEND_VERSION). */
enum mlaas_status mlaas_backend_find(const char *name, const char *folder, const struct mlaas_backend **backend,
                                     struct mlaas_error *error);

/* Checks what a request gives for input `i`: dtype, rank, fixed lengths. SCHEMA says which input, expected, found. */
enum mlaas_status mlaas_model_check_input(const struct mlaas_model *model, size_t i, const struct mlaas_tensor *tensor,
                                          struct mlaas_error *error);

#endif
