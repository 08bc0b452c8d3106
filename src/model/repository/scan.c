/* The folder compared with the table: what is new, what has changed, what is gone. Loads nothing itself.
 *
 * A folder NAME is a model itself unless it holds folders of numbers; with those it is one beside them only if it has
 * a file that says so.
 */
#define _GNU_SOURCE
#include "base/error.h"
#include "model/folder.h"
#include "model/repository/table.h"
#include "model/repository/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_VERSIONS = 100000 };

struct found {
  char name[MLAAS_MODEL_NAME + 1];
  int64_t version;
  char *path;
  bool flat;
  uint64_t fingerprint;
  struct mlaas_error why; /* status OK: looks like a model */
};

struct scan {
  struct mlaas_repository *repository;
  struct found *found;
  size_t count, room;
  struct mlaas_instance **unwanted; /* to be put when the lock is let go of */
  size_t num_unwanted;
  bool now;
};

static void reset(struct scan *scan) {
  for (size_t i = 0; i < scan->num_unwanted; i++)
    mlaas_instance_put(scan->unwanted[i]);
  for (size_t i = 0; i < scan->count; i++)
    mlaas_free(scan->found[i].path);
  mlaas_free(scan->found);
  mlaas_free(scan->unwanted);
}

/* ---- reading the folder ---- */

static enum mlaas_status add(struct scan *scan, const char *name, int64_t version, bool flat, const char *path,
                             struct mlaas_error *error) {
  if (scan->count >= MOST_VERSIONS)
    return mlaas_fail(error, MLAAS_LIMIT, "the folder holds more than %d models", MOST_VERSIONS);
  if (scan->count == scan->room) {
    size_t room = scan->room ? 2 * scan->room : 32;
    struct found *larger = mlaas_realloc(scan->found, room * sizeof *larger);
    if (!larger)
      return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
    scan->found = larger;
    scan->room = room;
  }
  struct found *found = &scan->found[scan->count];
  *found = (struct found){.version = version, .flat = flat, .path = mlaas_strdup(path), .why = {.offset = -1}};
  if (!found->path)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  memcpy(found->name, name, strlen(name) + 1);
  scan->count++;
  found->why.status = mlaas_tree_fingerprint(path, flat, &found->fingerprint, &found->why);
  return MLAAS_OK;
}

static bool is_folder(int parent, const char *name) {
  struct stat about;
  return fstatat(parent, name, &about, 0) == 0 && S_ISDIR(about.st_mode);
}

static enum mlaas_status scan_versions(struct scan *scan, const char *name, const char *path, bool *any,
                                       struct mlaas_error *error) {
  DIR *dir = opendir(path);
  struct dirent *entry;
  enum mlaas_status status = MLAAS_OK;
  if (!dir)
    return MLAAS_OK; /* no folder, or just gone; what cannot be read fails at its fingerprint */
  while (status == MLAAS_OK && (entry = readdir(dir))) {
    char below[PATH_MAX];
    int64_t version = mlaas_version_of(entry->d_name);
    if (!version || !is_folder(dirfd(dir), entry->d_name))
      continue;
    *any = true;
    if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) < (int)sizeof below)
      status = add(scan, name, version, false, below, error);
  }
  closedir(dir);
  return status;
}

/* A version that the table has with the same files keeps its number without reading its manifest again. */
static int64_t known_version(struct scan *scan, const struct found *found) {
  struct mlaas_repository *repository = scan->repository;
  struct mlaas_slice name = mlaas_slice_of(found->name);
  int64_t version = 0;
  pthread_mutex_lock(&repository->lock);
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++)
    if (repository->known[i]->flat && repository->known[i]->fingerprint == found->fingerprint)
      version = repository->known[i]->version;
  pthread_mutex_unlock(&repository->lock);
  return version;
}

static enum mlaas_status number_flat(struct scan *scan, size_t first, struct mlaas_error *error) {
  struct found *found = &scan->found[scan->count - 1];
  struct mlaas_manifest manifest;
  found->version = found->why.status == MLAAS_OK ? known_version(scan, found) : 0;
  if (!found->version) {
    found->version = 1;
    if (found->why.status == MLAAS_OK)
      found->why.status = mlaas_manifest_read(found->path, &manifest, &found->why);
    if (found->why.status == MLAAS_MEMORY)
      return mlaas_fail(error, MLAAS_MEMORY, "out of memory for what models say of themselves");
    mlaas_folder_hide(scan->repository->folder, &found->why);
    if (found->why.status == MLAAS_OK) {
      found->version = manifest.version;
      mlaas_manifest_reset(&manifest);
    }
  }
  for (size_t i = first; i + 1 < scan->count; i++)
    if (scan->found[i].version == found->version) { /* the numbered folder is meant */
      mlaas_free(found->path);
      scan->count--;
      break;
    }
  return MLAAS_OK;
}

static enum mlaas_status scan_name(struct scan *scan, const char *name, struct mlaas_error *error) {
  char path[PATH_MAX];
  bool versions = false;
  size_t first = scan->count;
  if (mlaas_model_name_check(mlaas_slice_of(name), NULL) != MLAAS_OK ||
      snprintf(path, sizeof path, "%s/%s", scan->repository->folder, name) >= (int)sizeof path ||
      !is_folder(AT_FDCWD, path))
    return MLAAS_OK;
  MLAAS_TRY(scan_versions(scan, name, path, &versions, error));
  if (versions && !mlaas_folder_has(path, "params.json") && !mlaas_folder_has(path, "model.json") &&
      !mlaas_folder_has(path, "saved_model.pb"))
    return MLAAS_OK;
  MLAAS_TRY(add(scan, name, 1, true, path, error));
  return number_flat(scan, first, error);
}

static enum mlaas_status scan_all(struct scan *scan, struct mlaas_error *error) {
  DIR *dir = opendir(scan->repository->folder);
  struct dirent *entry;
  enum mlaas_status status = MLAAS_OK;
  if (!dir)
    return mlaas_fail_errno(error, errno, "the folder of models %s cannot be read", scan->repository->folder);
  while (status == MLAAS_OK && (entry = readdir(dir)))
    status = scan_name(scan, entry->d_name, error);
  closedir(dir);
  return status;
}

/* ---- merging: `lock` is held ---- */

static void drop(struct scan *scan, struct mlaas_known *known) {
  struct mlaas_instance *instance = mlaas_known_drop(scan->repository, known);
  if (instance)
    scan->unwanted[scan->num_unwanted++] = instance;
}

static void set_failed(struct mlaas_known *known, const struct mlaas_error *why) {
  known->why = *why;
  if (!known->instance && !known->busy && !known->queued)
    known->state = MLAAS_MODEL_FAILED;
}

static void merge_changed(struct scan *scan, struct mlaas_known *known, const struct found *found) {
  struct mlaas_repository *repository = scan->repository;
  bool wanted = known->instance || known->busy || known->queued;
  known->fingerprint = found->fingerprint;
  if (scan->now)
    drop(scan, known);
  known->why = (struct mlaas_error){.offset = -1};
  if (found->why.status != MLAAS_OK)
    set_failed(known, &found->why);
  else if (wanted || repository->options.load_all)
    mlaas_known_queue(repository, known, true);
  else
    known->state = MLAAS_MODEL_UNLOADED;
}

static bool serves_already(struct mlaas_repository *repository, const char *text) {
  struct mlaas_slice name = mlaas_slice_of(text);
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++)
    if (repository->known[i]->instance)
      return true;
  return false;
}

/* A new version of what serves already is loaded behind the scenes; until then the old one is the default. */
static enum mlaas_status merge_new(struct scan *scan, const struct found *found, struct mlaas_error *error) {
  struct mlaas_repository *repository = scan->repository;
  struct mlaas_known *known = NULL;
  bool serves = serves_already(repository, found->name);
  MLAAS_TRY(mlaas_known_add(repository, found->name, found->version, found->path, &known, error));
  known->flat = found->flat;
  known->fingerprint = found->fingerprint;
  known->seen = repository->round;
  if (found->why.status != MLAAS_OK)
    set_failed(known, &found->why);
  else if (serves || repository->options.load_all)
    mlaas_known_queue(repository, known, false);
  return MLAAS_OK;
}

static enum mlaas_status merge(struct scan *scan, const struct found *found, struct mlaas_error *error) {
  struct mlaas_repository *repository = scan->repository;
  struct mlaas_known *known = mlaas_known_find(repository, mlaas_slice_of(found->name), found->version);
  if (known && known->flat != found->flat) { /* moved into a folder of its number, or out of it */
    drop(scan, known);
    mlaas_known_remove(repository, known);
    known = NULL;
  }
  if (!known)
    return merge_new(scan, found, error);
  known->seen = repository->round;
  if (known->fingerprint != found->fingerprint)
    merge_changed(scan, known, found);
  return MLAAS_OK;
}

static enum mlaas_status merge_all(struct scan *scan, const char *name, struct mlaas_error *error) {
  struct mlaas_repository *repository = scan->repository;
  enum mlaas_status status = MLAAS_OK;
  repository->round++;
  for (size_t i = 0; i < scan->count && status == MLAAS_OK; i++)
    status = merge(scan, &scan->found[i], error);
  for (size_t i = 0; i < repository->num_known && status == MLAAS_OK;) {
    struct mlaas_known *known = repository->known[i];
    if (known->seen == repository->round || (name && strcmp(known->name, name) != 0)) {
      i++;
      continue;
    }
    drop(scan, known);
    mlaas_known_remove(repository, known); /* the next one is at i now */
  }
  return status;
}

enum mlaas_status mlaas_repository_sync(struct mlaas_repository *repository, const char *name, bool now,
                                        struct mlaas_error *error) {
  struct scan scan = {.repository = repository, .now = now};
  enum mlaas_status status = name ? scan_name(&scan, name, error) : scan_all(&scan, error);
  if (status == MLAAS_OK) { /* whoever adds to the table holds `disk` as we do, so this is room enough */
    scan.unwanted = mlaas_alloc((repository->num_known + 1) * sizeof *scan.unwanted);
    if (!scan.unwanted)
      status = mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  }
  if (status == MLAAS_OK) {
    pthread_mutex_lock(&repository->lock);
    status = merge_all(&scan, name, error);
    pthread_mutex_unlock(&repository->lock);
  }
  reset(&scan);
  return status;
}
