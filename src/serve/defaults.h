/* TFaaS's default model: the one that the last form upload or POST /params named; requests that name no model get it.
 * Thread safe.
 */
#ifndef MLAAS_SERVE_DEFAULTS_H
#define MLAAS_SERVE_DEFAULTS_H

#include <jansson.h>
#include <mlaas/status.h>
#include <stdbool.h>

struct mlaas_defaults;

/* `name` may be NULL: no default until one is set. */
enum mlaas_status mlaas_defaults_new(const char *name, struct mlaas_defaults **defaults, struct mlaas_error *error);
void mlaas_defaults_free(struct mlaas_defaults *defaults);
/* Takes params over (an object, as params.json); its "name", spelled in any case, becomes the default model. ARGUMENT:
 * not an object, or "name" is no text. */
enum mlaas_status mlaas_defaults_set(struct mlaas_defaults *defaults, json_t *params, struct mlaas_error *error);
/* Copies the name, at most size - 1 bytes; false: there is none. */
bool mlaas_defaults_name(struct mlaas_defaults *defaults, char *name, size_t size);
/* A copy of what was set, an empty object if nothing was; NULL: out of memory. */
json_t *mlaas_defaults_get(struct mlaas_defaults *defaults);

#endif
