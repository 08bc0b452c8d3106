/* Changing the folder: staged folders, and the renames that put them in place in one step. Killed at any moment, this
 * leaves the old model or the new one, and perhaps a hidden folder that the next start removes.
 *
 * Hidden folders: .new-XXXXXX is being filled or removed; .old-XXXXXX@NAME or .old-XXXXXX@NAME@VERSION was moved aside
 * where two folders cannot be exchanged in one step. Whoever fills one holds a lock on it, so that another server on
 * the same folder leaves it alone.
 */
#define _GNU_SOURCE /* renameat2 */
#include "model/repository/install.h"

#include "base/error.h"
#include "model/folder.h"
#include "model/repository/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void (*mlaas_install_step)(const char *step);
bool mlaas_install_exchanges = true;

static void step(const char *name) {
  if (mlaas_install_step)
    mlaas_install_step(name);
}

struct mlaas_stage {
  struct mlaas_stage *next;
  int lock;
  char path[];
};

/* ---- staged folders ---- */

static enum mlaas_status refuse_read_only(struct mlaas_repository *repository, struct mlaas_error *error) {
  if (repository->options.read_only)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the models of this server cannot be changed");
  return MLAAS_OK;
}

static enum mlaas_status make_hidden(struct mlaas_repository *repository, char path[PATH_MAX],
                                     struct mlaas_error *error) {
  if (snprintf(path, PATH_MAX, "%s/.new-XXXXXX", repository->folder) >= PATH_MAX)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the path of the folder of models is too long");
  if (mkdir(repository->folder, 0755) != 0 && errno != EEXIST) /* it may have been removed */
    return mlaas_fail_errno(error, errno, "the folder of models %s cannot be made", repository->folder);
  if (!mkdtemp(path) || chmod(path, 0755) != 0)
    return mlaas_fail_errno(error, errno, "no folder can be made in %s", repository->folder);
  return MLAAS_OK;
}

enum mlaas_status mlaas_repository_stage(struct mlaas_repository *repository, char **path, struct mlaas_error *error) {
  char hidden[PATH_MAX];
  MLAAS_TRY(refuse_read_only(repository, error));
  MLAAS_TRY(make_hidden(repository, hidden, error));
  size_t size = strlen(hidden) + 1;
  struct mlaas_stage *stage = mlaas_alloc(sizeof *stage + size);
  char *copy = mlaas_strdup(hidden);
  if (!stage || !copy) {
    mlaas_free(stage);
    mlaas_free(copy);
    rmdir(hidden);
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a new model");
  }
  memcpy(stage->path, hidden, size);
  stage->lock = open(hidden, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (stage->lock >= 0)
    flock(stage->lock, LOCK_EX | LOCK_NB);
  pthread_mutex_lock(&repository->lock);
  stage->next = repository->stages;
  repository->stages = stage;
  pthread_mutex_unlock(&repository->lock);
  *path = copy;
  return MLAAS_OK;
}

/* Lets go of the lock on a staged folder. */
static void leave(struct mlaas_repository *repository, const char *staged) {
  pthread_mutex_lock(&repository->lock);
  struct mlaas_stage **link = &repository->stages;
  while (*link && strcmp((*link)->path, staged) != 0)
    link = &(*link)->next;
  struct mlaas_stage *stage = *link;
  if (stage)
    *link = stage->next;
  pthread_mutex_unlock(&repository->lock);
  if (stage && stage->lock >= 0)
    close(stage->lock);
  mlaas_free(stage);
}

void mlaas_repository_drop(struct mlaas_repository *repository, const char *staged) {
  struct mlaas_error error; /* what cannot be removed now is removed at the next start */
  (void)mlaas_tree_remove(staged, &error);
  leave(repository, staged);
}

void mlaas_stages_free(struct mlaas_repository *repository) {
  while (repository->stages) {
    struct mlaas_stage *stage = repository->stages;
    repository->stages = stage->next;
    if (stage->lock >= 0)
      close(stage->lock);
    mlaas_free(stage);
  }
}

/* ---- leftovers ---- */

static bool in_use(const char *path) {
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0)
    return false;
  bool used = flock(folder, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  close(folder);
  return used;
}

/* .old-XXXXXX@NAME[@VERSION] goes back where nothing took its place. */
static void put_back(struct mlaas_repository *repository, const char *path, const char *hidden) {
  char target[PATH_MAX];
  const char *at = strchr(hidden, '@');
  if (at && snprintf(target, sizeof target, "%s/%s", repository->folder, at + 1) < (int)sizeof target) {
    char *second = strchr(target + strlen(repository->folder), '@');
    if (second)
      *second = '/';
    if (access(target, F_OK) != 0 && rename(path, target) == 0)
      return;
  }
  (void)mlaas_tree_remove(path, NULL);
}

void mlaas_install_clean(struct mlaas_repository *repository) {
  DIR *dir = opendir(repository->folder);
  struct dirent *entry;
  while (dir && (entry = readdir(dir))) {
    char path[PATH_MAX];
    bool fresh = strncmp(entry->d_name, ".new-", 5) == 0, old = strncmp(entry->d_name, ".old-", 5) == 0;
    if ((!fresh && !old) ||
        snprintf(path, sizeof path, "%s/%s", repository->folder, entry->d_name) >= (int)sizeof path || in_use(path))
      continue;
    if (old)
      put_back(repository, path, entry->d_name);
    else
      (void)mlaas_tree_remove(path, NULL);
  }
  if (dir)
    closedir(dir);
}

/* ---- putting in place: `disk` is held ---- */

struct place {
  char path[PATH_MAX];                /* NAME or NAME/VERSION */
  char parent[PATH_MAX];              /* the folder that it is an entry of */
  char hidden[64 + MLAAS_MODEL_NAME]; /* NAME or NAME@VERSION */
};

static enum mlaas_status find_place(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                    struct place *place, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_model_name_check(name, error));
  if (version < 0 || version > (int64_t)999999999999999999)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a version is a whole number from 1 to 999999999999999999");
  int size = (int)name.size;
  if (strlen(repository->folder) + name.size + 64 >= PATH_MAX)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the path of the folder of models is too long");
  if (version) {
    snprintf(place->parent, PATH_MAX, "%s/%.*s", repository->folder, size, name.data);
    snprintf(place->path, PATH_MAX, "%s/%.*s/%lld", repository->folder, size, name.data, (long long)version);
    snprintf(place->hidden, sizeof place->hidden, "%.*s@%lld", size, name.data, (long long)version);
  } else {
    snprintf(place->parent, PATH_MAX, "%s", repository->folder);
    snprintf(place->path, PATH_MAX, "%s/%.*s", repository->folder, size, name.data);
    snprintf(place->hidden, sizeof place->hidden, "%.*s", size, name.data);
  }
  return MLAAS_OK;
}

static bool is_there(const char *path) {
  struct stat about;
  return lstat(path, &about) == 0;
}

/* Where the file system cannot exchange two folders, the old one steps aside first. */
static enum mlaas_status replace_by_two(struct mlaas_repository *repository, const char *staged,
                                        const struct place *place, struct mlaas_error *error) {
  static atomic_uint counter;
  char aside[PATH_MAX];
  if (snprintf(aside, sizeof aside, "%s/.old-%x%04x@%s", repository->folder, (unsigned)getpid(),
               atomic_fetch_add(&counter, 1), place->hidden) >= (int)sizeof aside)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the path of the folder of models is too long");
  if (rename(place->path, aside) != 0)
    return mlaas_fail_errno(error, errno, "the old model cannot be moved aside");
  step("moved aside");
  if (rename(staged, place->path) != 0) {
    enum mlaas_status status = mlaas_fail_errno(error, errno, "the new model cannot be put in place");
    rename(aside, place->path);
    return status;
  }
  (void)mlaas_tree_remove(aside, NULL);
  return MLAAS_OK;
}

static enum mlaas_status replace(struct mlaas_repository *repository, const char *staged, const struct place *place,
                                 struct mlaas_error *error) {
  if (!is_there(place->path)) {
    if (rename(staged, place->path) != 0)
      return mlaas_fail_errno(error, errno, "the new model cannot be put in place");
    return mlaas_folder_sync(place->parent, error);
  }
  if (!mlaas_install_exchanges) {
    errno = EINVAL;
  } else if (renameat2(AT_FDCWD, staged, AT_FDCWD, place->path, RENAME_EXCHANGE) == 0) {
    step("exchanged");
    MLAAS_TRY(mlaas_folder_sync(place->parent, error));
    (void)mlaas_tree_remove(staged, NULL); /* the old one now */
    return MLAAS_OK;
  }
  if (errno != EINVAL && errno != ENOSYS)
    return mlaas_fail_errno(error, errno, "the new model cannot be put in place");
  MLAAS_TRY(replace_by_two(repository, staged, place, error));
  return mlaas_folder_sync(place->parent, error);
}

/* The first numbered version of a name comes with the name's folder, in one step too. */
static enum mlaas_status put_first_version(struct mlaas_repository *repository, const char *staged,
                                           const struct place *place, int64_t version, struct mlaas_error *error) {
  char hidden[PATH_MAX], below[PATH_MAX + 32];
  MLAAS_TRY(make_hidden(repository, hidden, error));
  snprintf(below, sizeof below, "%s/%lld", hidden, (long long)version);
  enum mlaas_status status = MLAAS_OK;
  if (rename(staged, below) != 0)
    status = mlaas_fail_errno(error, errno, "the new model cannot be put in place");
  step("numbered");
  if (status == MLAAS_OK)
    status = mlaas_folder_sync(hidden, error);
  if (status == MLAAS_OK && rename(hidden, place->parent) != 0)
    status = mlaas_fail_errno(error, errno, "the new model cannot be put in place");
  if (status != MLAAS_OK)
    (void)mlaas_tree_remove(hidden, NULL);
  return status == MLAAS_OK ? mlaas_folder_sync(repository->folder, error) : status;
}

/* The comparison with the folder that follows takes these for changed, even if they look the same. */
static void mark_changed(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version) {
  pthread_mutex_lock(&repository->lock);
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++) {
    struct mlaas_known *known = repository->known[i];
    if (version ? known->version == version : known->flat)
      known->fingerprint = 0;
  }
  pthread_mutex_unlock(&repository->lock);
}

static enum mlaas_status put_in_place(struct mlaas_repository *repository, const char *staged, struct mlaas_slice name,
                                      int64_t version, struct mlaas_error *error) {
  struct place place;
  char text[MLAAS_MODEL_NAME + 1] = {0};
  MLAAS_TRY(find_place(repository, name, version, &place, error));
  memcpy(text, name.data, name.size);
  pthread_mutex_lock(&repository->disk);
  step("before");
  enum mlaas_status status = version && !is_there(place.parent)
                                 ? put_first_version(repository, staged, &place, version, error)
                                 : replace(repository, staged, &place, error);
  step("after");
  if (status == MLAAS_OK) {     /* what was loaded is dropped, and loaded again behind the scenes */
    struct mlaas_error ignored; /* it is installed; if there is no memory now the next look at the folder finds it */
    mark_changed(repository, name, version);
    (void)mlaas_repository_sync(repository, text, true, &ignored);
  }
  pthread_mutex_unlock(&repository->disk);
  return status;
}

/* ---- installing ---- */

/* A bundle's name is where it was written and binds nobody; TFaaS's params.json has to agree with the request. */
static enum mlaas_status check_name(const char *staged, struct mlaas_slice name, struct mlaas_error *error) {
  struct mlaas_manifest manifest;
  MLAAS_TRY(mlaas_manifest_read(staged, &manifest, error));
  const char *theirs = manifest.params && !manifest.bundle ? manifest.name : NULL;
  enum mlaas_status status = MLAAS_OK;
  if (theirs && json_object_get(manifest.params, "name") && !mlaas_slice_is(name, theirs))
    status = mlaas_fail(error, MLAAS_STALE, "the model is to be called '%.*s', but its params.json says '%.128s'",
                        (int)name.size, name.data, theirs);
  mlaas_manifest_reset(&manifest);
  return status;
}

static enum mlaas_status prepare(struct mlaas_repository *repository, const char *staged, struct mlaas_slice name,
                                 struct mlaas_error *error) {
  uint64_t fingerprint = 0;
  MLAAS_TRY(refuse_read_only(repository, error));
  MLAAS_TRY(mlaas_model_name_check(name, error));
  MLAAS_TRY(check_name(staged, name, error));
  MLAAS_TRY(mlaas_tree_sync(staged, error));
  step("synced");
  MLAAS_TRY(mlaas_tree_fingerprint(staged, true, &fingerprint, error));
  return mlaas_checks_try(repository->checks, staged, fingerprint, error);
}

enum mlaas_status mlaas_repository_install(struct mlaas_repository *repository, const char *staged,
                                           struct mlaas_slice name, int64_t version, struct mlaas_error *error) {
  enum mlaas_status status = prepare(repository, staged, name, error);
  if (status == MLAAS_OK)
    status = put_in_place(repository, staged, name, version, error);
  if (status == MLAAS_OK) {
    leave(repository, staged);
    return status;
  }
  if (error)
    mlaas_folder_hide(staged, error);
  mlaas_repository_drop(repository, staged);
  return status;
}

/* ---- deleting ---- */

static enum mlaas_status no_such(struct mlaas_slice name, int64_t version, struct mlaas_error *error) {
  if (version)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no version %lld of a model '%.*s'", (long long)version,
                      (int)name.size, name.data);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no model '%.*s'", (int)name.size, name.data);
}

/* A version that is the name's own folder: the folder goes, unless there are numbered ones in it. */
static enum mlaas_status own_version(struct mlaas_repository *repository, struct mlaas_slice name, int64_t *version,
                                     struct mlaas_error *error) {
  bool flat = false, numbered = false;
  pthread_mutex_lock(&repository->lock);
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++) {
    flat |= repository->known[i]->flat && repository->known[i]->version == *version;
    numbered |= !repository->known[i]->flat;
  }
  pthread_mutex_unlock(&repository->lock);
  if (!flat)
    return no_such(name, *version, error);
  if (numbered)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "version %lld of '%.*s' holds the other versions: delete them first",
                      (long long)*version, (int)name.size, name.data);
  *version = 0;
  return MLAAS_OK;
}

/* One rename takes it out of sight; then it is removed. */
static enum mlaas_status take_away(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                   struct mlaas_error *error) {
  struct place place;
  char hidden[PATH_MAX], below[PATH_MAX + 8];
  MLAAS_TRY(find_place(repository, name, version, &place, error));
  if (version && !is_there(place.path)) {
    MLAAS_TRY(own_version(repository, name, &version, error));
    MLAAS_TRY(find_place(repository, name, version, &place, error));
  }
  struct stat about;
  if (stat(place.path, &about) != 0 || !S_ISDIR(about.st_mode))
    return no_such(name, version, error);
  MLAAS_TRY(make_hidden(repository, hidden, error));
  snprintf(below, sizeof below, "%s/gone", hidden);
  enum mlaas_status status = MLAAS_OK;
  if (rename(place.path, below) != 0)
    status = mlaas_fail_errno(error, errno, "the model cannot be removed");
  step("taken away");
  if (status == MLAAS_OK)
    status = mlaas_folder_sync(place.parent, error);
  if (version)
    rmdir(place.parent); /* only if it was the last */
  (void)mlaas_tree_remove(hidden, NULL);
  return status;
}

enum mlaas_status mlaas_repository_delete(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                          struct mlaas_error *error) {
  char text[MLAAS_MODEL_NAME + 1] = {0};
  struct mlaas_error ignored;
  MLAAS_TRY(refuse_read_only(repository, error));
  if (mlaas_model_name_check(name, NULL) != MLAAS_OK)
    return no_such((struct mlaas_slice){name.data, name.size < MLAAS_MODEL_NAME ? name.size : MLAAS_MODEL_NAME}, 0,
                   error);
  memcpy(text, name.data, name.size);
  pthread_mutex_lock(&repository->disk);
  enum mlaas_status status = take_away(repository, name, version, error);
  (void)mlaas_repository_sync(repository, text, true, &ignored); /* also when it was removed by hand */
  pthread_mutex_unlock(&repository->disk);
  return status;
}
