/* Numbers of a request to the inputs of a model: plain vectors, rows of them, named inputs, or raw events by the
 * model's recipe. Knows neither JSON's nor protobuf's text.
 */
#ifndef MLAAS_SERVE_INPUTS_H
#define MLAAS_SERVE_INPUTS_H

#include "model/repository/repository.h"
#include "serve/body/json_scan.h"

/* Makes the inputs in `arena`; *rows is their first dimension, *raw whether the recipe made them. Errors: SCHEMA (does
 * not fit: what the model takes, what was given), ARGUMENT (null, unknown names), those of the arena. */
enum mlaas_status mlaas_inputs_make(struct mlaas_instance *instance, const struct mlaas_json_request *request,
                                    struct mlaas_arena *arena, struct mlaas_tensor **inputs, int64_t *rows, bool *raw,
                                    struct mlaas_error *error);

#endif
