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

/* Checks what a request gives for input `i`: dtype, rank, fixed lengths. SCHEMA says which input, expected, found. */
enum mlaas_status mlaas_model_check_input(const struct mlaas_model *model, size_t i, const struct mlaas_tensor *tensor,
                                          struct mlaas_error *error);

#endif
