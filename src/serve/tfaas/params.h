/* What TFaaS says of a model: the object of params.json in its order of keys, and whose model a folder is. Knows no
 * route.
 */
#ifndef MLAAS_SERVE_TFAAS_PARAMS_H
#define MLAAS_SERVE_TFAAS_PARAMS_H

#include "base/memory.h"
#include "base/slice.h"

#include <jansson.h>

enum { MLAAS_TFAAS_PARAMS_MOST = 1 << 20 }; /* bytes of a params.json */

/* Member of an object in any case of letters, as Go reads JSON; NULL: not there. */
json_t *mlaas_json_member(json_t *object, const char *name);

/* A params.json. ARGUMENT: no JSON object, or "name" is there and no text. */
enum mlaas_status mlaas_tfaas_params_parse(struct mlaas_slice text, json_t **params, struct mlaas_error *error);

/* All of TFaaS's keys in its order, both spellings of the nodes, from an object that may lack any. New reference. */
json_t *mlaas_tfaas_params_complete(json_t *params);

/* The same for a model's folder: its params.json, or, where there is none, what its manifest says. `name` is for a
 * model that does not say its own. Errors: FORMAT, ARGUMENT and what reading gives. */
enum mlaas_status mlaas_tfaas_params_of(const char *path, const char *name, struct mlaas_arena *arena, json_t **params,
                                        struct mlaas_error *error);

#endif
