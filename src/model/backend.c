/* Finding plug-ins and the libraries of their frameworks. Knows no framework but by name and folder. */
#include "model/backend.h"

#include "base/error.h"
#include "base/places.h"
#include "base/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static enum mlaas_status check_table(const void *table, const char *path, struct mlaas_error *error) {
  const struct mlaas_backend *backend = table;
  if (!backend || backend->version != MLAAS_BACKEND_VERSION)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s was made for version %u of the back ends' interface, not %d", path,
                      backend ? backend->version : 0U, MLAAS_BACKEND_VERSION);
  if (backend->size < sizeof *backend || !backend->open || !backend->close || !backend->inputs || !backend->outputs ||
      !backend->run || !backend->release || !backend->library_version)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s lacks functions of a back end", path);
  return MLAAS_OK;
}

static const struct mlaas_plugin_kind backends = {.what = "back end",
                                                  .prefix = "mlaas-backend-",
                                                  .folder = "backends",
                                                  .variable = "MLAAS_BACKENDS",
                                                  .fallback = MLAAS_BACKENDS_DEFAULT,
                                                  .symbol = "mlaas_backend_get",
                                                  .check = check_table};

enum mlaas_status mlaas_backend_find(const char *name, const char *folder, const struct mlaas_backend **backend,
                                     struct mlaas_error *error) {
  const void *table = NULL;
  enum mlaas_status status = mlaas_plugin_find(&backends, name, folder, &table, error);
  *backend = table;
  return status;
}

/* ---- where libraries are ---- */

static const char *package_of(const char *backend) {
  static const char *const packages[][2] = {{"tensorflow", "tensorflow"},
                                            {"onnxruntime", "onnxruntime/capi"},
                                            {"openvino", "openvino/libs"},
                                            {"xgboost", "xgboost/lib"},
                                            {"netron", "netron"}}; /* no back end, but found in the same way */
  for (size_t i = 0; i < sizeof packages / sizeof *packages; i++)
    if (strcmp(backend, packages[i][0]) == 0)
      return packages[i][1];
  return NULL;
}

/* The first of the folders in `list`, joined by ':', that has the package. */
static bool find_package(const char *list, const char *package, char path[PATH_MAX]) {
  while (list && *list) {
    int length = (int)strcspn(list, ":");
    if (length > 0 && snprintf(path, PATH_MAX, "%.*s/%s", length, list, package) < PATH_MAX && access(path, X_OK) == 0)
      return true;
    list += length + (list[length] == ':');
  }
  return false;
}

bool mlaas_backend_library(const char *name, const char *libraries, char path[PATH_MAX]) {
  const char *package = package_of(name);
  char own[PATH_MAX];
  return package && (find_package(libraries, package, path) || find_package(getenv("MLAAS_LIBRARIES"), package, path) ||
                     (mlaas_plugin_packages(own) && find_package(own, package, path)) ||
                     find_package(MLAAS_LIBRARIES_DEFAULT, package, path));
}
