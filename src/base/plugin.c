/* Finding and loading plug-ins. Knows no kind of them. */
#define _GNU_SOURCE
#include "base/plugin.h"

#include "base/error.h"
#include "base/memory.h"

#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_MOST = 64 };

/* ---- what was loaded once stays for the life of the process ---- */

struct loaded {
  struct loaded *next;
  const void *table;
  char path[]; /* of the file */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loaded *all_loaded;

static bool name_is_sane(const char *name) {
  size_t length = strlen(name);
  return length > 0 && length <= NAME_MOST && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") == length;
}

static enum mlaas_status get_table(const struct mlaas_plugin_kind *kind, void *handle, const char *path,
                                   const void **table, struct mlaas_error *error) {
  const void *(*get)(void);
  void *symbol = dlsym(handle, kind->symbol);
  if (!symbol)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s is no %s of mlaas", path, kind->what);
  memcpy(&get, &symbol, sizeof get); /* ISO C has no cast from object to function pointers */
  *table = get();
  return kind->check(*table, path, error);
}

static enum mlaas_status load(const struct mlaas_plugin_kind *kind, const char *path, const void **table,
                              struct mlaas_error *error) {
  size_t length = strlen(path) + 1;
  struct loaded *node = mlaas_alloc(sizeof *node + length);
  if (!node)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a %s", kind->what);
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  enum mlaas_status status =
      handle ? get_table(kind, handle, path, table, error)
             : mlaas_fail(error, MLAAS_UNSUPPORTED, "the %s cannot be loaded: %s", kind->what, dlerror());
  if (status != MLAAS_OK) {
    *table = NULL;
    if (handle)
      dlclose(handle);
    mlaas_free(node);
    return status;
  }
  memcpy(node->path, path, length);
  node->table = *table;
  node->next = all_loaded;
  all_loaded = node;
  return MLAAS_OK;
}

static enum mlaas_status load_once(const struct mlaas_plugin_kind *kind, const char *path, const void **table,
                                   struct mlaas_error *error) {
  pthread_mutex_lock(&lock);
  enum mlaas_status status = MLAAS_OK;
  *table = NULL;
  for (struct loaded *node = all_loaded; node && !*table; node = node->next)
    if (strcmp(node->path, path) == 0)
      *table = node->table;
  if (!*table)
    status = load(kind, path, table, error);
  pthread_mutex_unlock(&lock);
  return status;
}

/* ---- where they are ---- */

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

bool mlaas_plugin_packages(char packages[PATH_MAX]) {
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
  const struct mlaas_plugin_kind *kind;
  const char *name;
  char found[PATH_MAX];
  char tried[512]; /* for the error */
};

/* Looks in FOLDER BELOW, or FOLDER BELOW KIND where `below` ends with a slash. */
static bool try_folder(struct search *search, const char *folder, const char *below) {
  char path[PATH_MAX], full[PATH_MAX];
  size_t length = strlen(below);
  const char *last = length && below[length - 1] == '/' ? search->kind->folder : "";
  if (!folder || !*folder ||
      snprintf(path, sizeof path, "%s%s%s/%s%s.so", folder, below, last, search->kind->prefix, search->name) >=
          (int)sizeof path)
    return false;
  if (access(path, R_OK) == 0 && realpath(path, full)) {
    memcpy(search->found, full, sizeof full);
    return true;
  }
  size_t used = strlen(search->tried);
  snprintf(search->tried + used, sizeof search->tried - used, "%s%s%s%s", used ? ", " : "", folder, below, last);
  return false;
}

static bool find_file(struct search *search, const char *folder) {
  /* beside an installed program or library, then in the build tree */
  static const char *const below[] = {"", "/", "/mlaas/", "/../lib/mlaas/", "/../", "/../../"};
  char own[PATH_MAX];
  if (try_folder(search, folder, "") || try_folder(search, getenv(search->kind->variable), ""))
    return true;
  for (size_t i = 0; own_folder(own) && i < sizeof below / sizeof *below; i++)
    if (try_folder(search, own, below[i]))
      return true;
  return (mlaas_plugin_packages(own) && try_folder(search, own, "/mlaas/")) ||
         try_folder(search, search->kind->fallback, "");
}

enum mlaas_status mlaas_plugin_find(const struct mlaas_plugin_kind *kind, const char *name, const char *folder,
                                    const void **table, struct mlaas_error *error) {
  struct search search = {.kind = kind, .name = name};
  if (!name_is_sane(name))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "'%.64s' is no name of a %s", name, kind->what);
  if (!find_file(&search, folder))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no %s '%s': %s%s.so is not in %s", kind->what, name,
                      kind->prefix, name, search.tried);
  return load_once(kind, search.found, table, error);
}
