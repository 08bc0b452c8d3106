/* What a model's folder or file says of itself: read from model.json, params.json or the kind of its files. Opens no
 * framework, runs nothing.
 */
#ifndef MLAAS_MODEL_MANIFEST_H
#define MLAAS_MODEL_MANIFEST_H

#include "base/memory.h"

#include <jansson.h>
#include <mlaas/recipe.h>

struct mlaas_manifest {
  struct mlaas_arena arena;
  const char *name;    /* as the folder says, else the folder's or file's own name */
  int64_t version;     /* 1 where none is said */
  const char *backend; /* "tensorflow", "onnxruntime", "xgboost", "echo", "slow" */
  const char *path;    /* what the back end opens */
  bool bundle;         /* has model.json of ours */
  bool mask_is_nan;
  const char *const *labels; /* NULL-terminated; empty where there are none */
  size_t num_labels;
  json_t *model;               /* model.json or NULL */
  json_t *params;              /* TFaaS's params.json or NULL */
  json_t *options;             /* object: options for the back end, texts (input_node, output_node, signature ...) */
  int threads;                 /* 0: not said */
  int img_channels;            /* 0: not said */
  struct mlaas_recipe *recipe; /* NULL: none */
  bool normalised;             /* what values without names are: already normalised (the default) or raw */
  const char *warning;         /* a sentence about what is odd but no obstacle (labels missing), or NULL */
};

/* Errors: NOT_FOUND, FORMAT (which file, what is wrong), UNSUPPORTED (nothing in it that a back end knows), MEMORY.
 * Files are read with ceilings: 1 MiB params.json, 16 MiB model.json, 64 MiB recipe.json, 16 MiB labels. */
enum mlaas_status mlaas_manifest_read(const char *path, struct mlaas_manifest *manifest, struct mlaas_error *error);
void mlaas_manifest_reset(struct mlaas_manifest *manifest); /* legal on a zeroed one */

#endif
