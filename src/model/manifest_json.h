/* The values of model.json and params.json. For manifest_read.c only. */
#ifndef MLAAS_MODEL_MANIFEST_JSON_H
#define MLAAS_MODEL_MANIFEST_JSON_H

#include "model/manifest.h"

/* Take what manifest->model (a bundle's) or manifest->params (TFaaS's) says. Errors: FORMAT (which key), UNSUPPORTED
 * (newer version, no back end), MEMORY. */
enum mlaas_status mlaas_manifest_model(struct mlaas_manifest *manifest, struct mlaas_error *error);
enum mlaas_status mlaas_manifest_params(struct mlaas_manifest *manifest, struct mlaas_error *error);
/* The names of nodes that a frozen graph needs, from params.json, to the options. */
enum mlaas_status mlaas_manifest_nodes(struct mlaas_manifest *manifest, struct mlaas_error *error);
/* A text of params.json, keys without regard to case, or NULL. */
const char *mlaas_manifest_param(const struct mlaas_manifest *manifest, const char *key);

#endif
