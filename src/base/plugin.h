/* Plug-ins: shared objects with one function that returns a table. Where they may lie, and loading each once. Knows
 * neither what a table holds nor who asks. */
#ifndef MLAAS_BASE_PLUGIN_H
#define MLAAS_BASE_PLUGIN_H

#include <mlaas/status.h>

#include <limits.h>
#include <stdbool.h>

/* One kind of plug-ins; static storage. */
struct mlaas_plugin_kind {
  const char *what;     /* "back end" */
  const char *prefix;   /* of the files' names: "mlaas-backend-" */
  const char *folder;   /* below lib/mlaas and in the build tree: "backends" */
  const char *variable; /* of the environment: a folder to look in first */
  const char *fallback; /* where they are installed */
  const char *symbol;   /* const void *symbol(void): the table */
  /* Whether the table is one that we can use; `path` is for the error. */
  enum mlaas_status (*check)(const void *table, const char *path, struct mlaas_error *error);
};

/* The table of PREFIX NAME.so: looked for in `folder` (NULL: not given), the kind's variable, beside the program or
 * library that holds this code, in its Python environment, and where it was installed. Loaded once; what was loaded
 * stays for the life of the process. Errors: NOT_FOUND (names the folders), UNSUPPORTED (cannot be loaded, or no such
 * plug-in), MEMORY. Thread safe. */
enum mlaas_status mlaas_plugin_find(const struct mlaas_plugin_kind *kind, const char *name, const char *folder,
                                    const void **table, struct mlaas_error *error);

/* The packages of the Python environment that the program (ENVIRONMENT/bin) or the package is installed in. */
bool mlaas_plugin_packages(char packages[PATH_MAX]);

#endif
