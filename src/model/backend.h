/* Where a framework's library, or Netron, is. What plug-ins are, is in mlaas/backend.h; finding them in model/model.h.
 */
#ifndef MLAAS_MODEL_BACKEND_H
#define MLAAS_MODEL_BACKEND_H

#include "model/model.h"

#include <limits.h>

/* The folder of the framework's library for a back end: in `libraries` (folders joined by ':'; NULL: none), in
 * $MLAAS_LIBRARIES, in the Python environment that the program is installed in or the project was built with. False:
 * let the dynamic linker look. */
bool mlaas_backend_library(const char *name, const char *libraries, char path[PATH_MAX]);

#endif
