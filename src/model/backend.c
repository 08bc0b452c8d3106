/* Finding plug-ins and the libraries of their frameworks. Knows no framework but by name and folder. */
#define _GNU_SOURCE
#include "model/backend.h"

#include "base/error.h"
#include "base/memory.h"
#include "model/places.h"

#include <dirent.h>
#include <dlfcn.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_MOST = 64 };

/* ---- what was loaded once stays for the life of the process ---- */

struct loaded {
  struct loaded *next;
  const struct mlaas_backend *backend;
  char path[]; /* of the file */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loaded *all_loaded;

static bool name_is_sane(const char *name) {
  size_t length = strlen(name);
  return length > 0 && length <= NAME_MOST && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static enum mlaas_status check_table(const struct mlaas_backend *backend, const char *path, struct mlaas_error *error) {
  if (!backend || backend->version != MLAAS_BACKEND_VERSION)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s was made for version %u of the back ends' interface, not %d", path,
                      backend ? backend->version : 0U, MLAAS_BACKEND_VERSION);
  if (backend->size < sizeof *backend || !backend->open || !backend->close || !backend->inputs || !backend->outputs ||
      !backend->run || !backend->release || !backend->library_version)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s lacks functions of a back end", path);
  return MLAAS_OK;
}

static enum mlaas_status get_table(void *handle, const char *path, const struct mlaas_backend **backend,
                                   struct mlaas_error *error) {
  const struct mlaas_backend *(*get)(void);
  void *symbol = dlsym(handle, "mlaas_backend_get");
  if (!symbol)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s is no back end of mlaas", path);
  memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from object to function pointers */
  *backend = get();
  return check_table(*backend, path, error);
}

static enum mlaas_status load(const char *path, const struct mlaas_backend **backend, struct mlaas_error *error) {
  size_t length = strlen(path) + 1;
  struct loaded *node = mlaas_alloc(sizeof *node + length);
  if (!node)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a back end");
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  enum mlaas_status status = handle
                                 ? get_table(handle, path, backend, error)
                                 : mlaas_fail(error, MLAAS_UNSUPPORTED, "the back end cannot be loaded: %s", dlerror());
  if (status != MLAAS_OK) {
    if (handle)
      dlclose(handle);
    mlaas_free(node);
    return status;
  }
  memcpy(node->path, path, length);
  node->backend = *backend;
  node->next = all_loaded;
  all_loaded = node;
  return MLAAS_OK;
}

static enum mlaas_status load_once(const char *path, const struct mlaas_backend **backend, struct mlaas_error *error) {
  pthread_mutex_lock(&lock);
  enum mlaas_status status = MLAAS_OK;
  *backend = NULL;
  for (struct loaded *node = all_loaded; node && !*backend; node = node->next)
    if (strcmp(node->path, path) == 0)
      *backend = node->backend;
  if (!*backend)
    status = load(path, backend, error);
  pthread_mutex_unlock(&lock);
  return status;
}

/* ---- where plug-ins are ---- */

/* The folder of the program or shared library that holds this code. */
static bool own_folder(char folder[PATH_MAX]) {
  static const char here;
  Dl_info info;
  bool library = dladdr(&here, &info) && info.dli_fname && strstr(info.dli_fname, ".so");
  if (!realpath(library ? info.dli_fname : "/proc/self/exe", folder))
    return false;
  char *slash = strrchr(folder, '/');
  if (slash)
    *slash = 0;
  return slash != NULL;
}

/* The packages of the Python environment that the program (ENVIRONMENT/bin) or the package is installed in. */
static bool own_packages(char packages[PATH_MAX]) {
  static const char package[] = "/site-packages/mlaas";
  char own[PATH_MAX], lib[PATH_MAX + 8];
  if (!own_folder(own))
    return false;
  size_t length = strlen(own), tail = strlen(package);
  if (length > tail && strcmp(own + length - tail, package) == 0) {
    memcpy(packages, own, length + 1);
    packages[length - strlen("/mlaas")] = 0;
    return true;
  }
  snprintf(lib, sizeof lib, "%s/../lib", own);
  DIR *folder = opendir(lib);
  bool found = false;
  for (struct dirent *entry; folder && !found && (entry = readdir(folder)) != NULL;)
    found = strncmp(entry->d_name, "python3", 7) == 0 &&
            snprintf(packages, PATH_MAX, "%s/%s/site-packages", lib, entry->d_name) < PATH_MAX &&
            access(packages, X_OK) == 0;
  if (folder)
    closedir(folder);
  return found;
}

struct search {
  const char *name;
  char found[PATH_MAX];
  char tried[512]; /* for the error */
};

static bool try_folder(struct search *search, const char *folder, const char *below) {
  char path[PATH_MAX], full[PATH_MAX];
  if (!folder || !*folder ||
      snprintf(path, sizeof path, "%s%s/mlaas-backend-%s.so", folder, below, search->name) >= (int)sizeof path)
    return false;
  if (access(path, R_OK) == 0 && realpath(path, full)) {
    memcpy(search->found, full, sizeof full);
    return true;
  }
  size_t used = strlen(search->tried);
  snprintf(search->tried + used, sizeof search->tried - used, "%s%s%s", used ? ", " : "", folder, below);
  return false;
}

static bool find_file(struct search *search, const char *folder) {
  /* beside an installed program or library, then in the build tree */
  static const char *const below[] = {
      "", "/backends", "/mlaas/backends", "/../lib/mlaas/backends", "/../backends", "/../../backends"};
  char own[PATH_MAX];
  if (try_folder(search, folder, "") || try_folder(search, getenv("MLAAS_BACKENDS"), ""))
    return true;
  for (size_t i = 0; own_folder(own) && i < sizeof below / sizeof *below; i++)
    if (try_folder(search, own, below[i]))
      return true;
  return (own_packages(own) && try_folder(search, own, "/mlaas/backends")) ||
         try_folder(search, MLAAS_BACKENDS_DEFAULT, "");
}

enum mlaas_status mlaas_backend_find(const char *name, const char *folder, const struct mlaas_backend **backend,
                                     struct mlaas_error *error) {
  struct search search = {.name = name};
  if (!name_is_sane(name))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "'%.64s' is no name of a back end", name);
  if (!find_file(&search, folder))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no back end '%s': mlaas-backend-%s.so is not in %s", name, name,
                      search.tried);
  return load_once(search.found, backend, error);
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
                     (own_packages(own) && find_package(own, package, path)) ||
                     find_package(MLAAS_LIBRARIES_DEFAULT, package, path));
}
