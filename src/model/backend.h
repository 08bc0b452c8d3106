/* Where back ends are, and the libraries of their frameworks (or Netron). What plug-ins are, is in mlaas/backend.h. */
#ifndef MLAAS_MODEL_BACKEND_H
#define MLAAS_MODEL_BACKEND_H

#include <limits.h>
#include <mlaas/backend.h>
#include <stdbool.h>

/* Finds a plug-in by name, loads it once for the life of the process. `folder` may be NULL: $MLAAS_BACKENDS, then
 * beside the program or library. Thread safe. Errors: NOT_FOUND (which file, where it was looked for), UNSUPPORTED
 * (another MLAAS_BACKEND_VERSION). */
enum mlaas_status mlaas_backend_find(const char *name, const char *folder, const struct mlaas_backend **backend,
                                     struct mlaas_error *error);

/* The folder of the framework's library for a back end: in `libraries` (folders joined by ':'; NULL: none), in
 * $MLAAS_LIBRARIES, in the Python environment that the program is installed in or the project was built with. False:
 * let the dynamic linker look. */
bool mlaas_backend_library(const char *name, const char *libraries, char path[PATH_MAX]);

#endif
