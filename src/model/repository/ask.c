/* The questions to a repository that never wait: what is loaded, load this, unload that. */
#include "base/error.h"
#include "model/repository/table.h"

#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { LOOK_AGAIN_MS = 1000 };

const char *mlaas_repository_folder(const struct mlaas_repository *repository) { return repository->folder; }

bool mlaas_repository_ready(struct mlaas_repository *repository) {
  pthread_mutex_lock(&repository->lock);
  bool ready = repository->initial == 0;
  pthread_mutex_unlock(&repository->lock);
  return ready;
}

static enum mlaas_status no_model(struct mlaas_slice name, int64_t version, struct mlaas_error *error) {
  int length = name.size < MLAAS_MODEL_NAME ? (int)name.size : MLAAS_MODEL_NAME;
  if (version)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no version %lld of a model '%.*s'", (long long)version, length,
                      name.data);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no model '%.*s'", length, name.data);
}

/* What is not known may have been put there by hand. */
static enum mlaas_status get_unknown(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                     struct mlaas_error *error) {
  char path[PATH_MAX];
  struct stat about;
  int length = version ? snprintf(path, sizeof path, "%s/%.*s/%lld", repository->folder, (int)name.size, name.data,
                                  (long long)version)
                       : snprintf(path, sizeof path, "%s/%.*s", repository->folder, (int)name.size, name.data);
  if (version >= 0 && length < (int)sizeof path && stat(path, &about) == 0 && S_ISDIR(about.st_mode))
    return mlaas_fail(error, MLAAS_STATE, "the model '%.*s' is not loaded", (int)name.size, name.data);
  return no_model(name, version, error);
}

static enum mlaas_status add_find(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                  bool again, struct mlaas_waiter *waiter) {
  struct mlaas_find *find = mlaas_alloc(sizeof *find);
  if (!find)
    return MLAAS_MEMORY;
  memcpy(find->name, name.data, name.size); /* checked */
  find->version = version;
  find->again = again;
  find->waiter = waiter;
  *repository->finds_end = find;
  repository->finds_end = &find->next;
  pthread_cond_signal(&repository->work);
  return MLAAS_OK;
}

/* `lock` is held. Why a version is not to be had; now and then the loader looks whether its files have changed. */
static enum mlaas_status get_failed(struct mlaas_repository *repository, struct mlaas_known *known,
                                    struct mlaas_error *error) {
  int64_t now = mlaas_now();
  if (now - known->looked > (int64_t)LOOK_AGAIN_MS * 1000000 && !repository->stopping) {
    known->looked = now;
    (void)add_find(repository, mlaas_slice_of(known->name), known->version, false, NULL);
  }
  if (error)
    *error = known->why;
  return known->why.status;
}

enum mlaas_status mlaas_repository_get(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                       struct mlaas_instance **instance, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  pthread_mutex_lock(&repository->lock);
  struct mlaas_known *known =
      version ? mlaas_known_find(repository, name, version) : mlaas_known_default(repository, name);
  if (known && known->instance) {
    known->used = ++repository->tick;
    *instance = mlaas_instance_get(known->instance);
  } else if (known && known->state == MLAAS_MODEL_FAILED) {
    status = get_failed(repository, known, error);
  } else if (known) {
    status = mlaas_fail(error, MLAAS_STATE, "the model '%s' is not loaded", known->name);
  }
  pthread_mutex_unlock(&repository->lock);
  if (known)
    return status;
  return mlaas_model_name_check(name, NULL) == MLAAS_OK ? get_unknown(repository, name, version, error)
                                                        : no_model(name, version, error);
}

/* ---- loading and unloading ---- */

void mlaas_repository_load(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version, bool again,
                           struct mlaas_waiter *waiter) {
  struct mlaas_error error;
  enum mlaas_status status = mlaas_model_name_check(name, &error);
  if (status != MLAAS_OK || version < 0) {
    mlaas_waiter_answer(waiter, MLAAS_NOT_FOUND, (no_model(name, version, &error), &error));
    return;
  }
  pthread_mutex_lock(&repository->lock);
  struct mlaas_known *known =
      version ? mlaas_known_find(repository, name, version) : mlaas_known_default(repository, name);
  if (repository->stopping) {
    status = mlaas_fail(&error, MLAAS_CANCELLED, "the server is stopping");
    mlaas_waiter_answer(waiter, status, &error);
  } else if (known && known->instance && !again) {
    mlaas_waiter_answer(waiter, MLAAS_OK, NULL);
  } else if (known && known->state == MLAAS_MODEL_LOADING && !again && waiter) {
    waiter->next = known->waiters;
    known->waiters = waiter;
  } else if (add_find(repository, name, version, again, waiter) != MLAAS_OK) {
    status = mlaas_fail(&error, MLAAS_MEMORY, "out of memory for loading a model");
    mlaas_waiter_answer(waiter, status, &error);
  }
  pthread_mutex_unlock(&repository->lock);
}

enum mlaas_status mlaas_repository_unload(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                          struct mlaas_error *error) {
  bool any = false;
  for (;;) { /* one after the other, as the last count is not given back under the lock */
    struct mlaas_instance *instance = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = mlaas_known_first(repository, name);
         i < repository->num_known && mlaas_known_is(repository->known[i], name) && !instance; i++) {
      struct mlaas_known *known = repository->known[i];
      if (version && known->version != version)
        continue;
      any = true;
      if (known->instance || known->state == MLAAS_MODEL_LOADING || known->busy)
        instance = mlaas_known_drop(repository, known);
    }
    pthread_mutex_unlock(&repository->lock);
    if (!instance)
      break;
    mlaas_instance_put(instance);
  }
  return any ? MLAAS_OK : no_model(name, version, error);
}

enum mlaas_status mlaas_repository_refresh(struct mlaas_repository *repository, struct mlaas_error *error) {
  pthread_mutex_lock(&repository->disk);
  enum mlaas_status status = mlaas_repository_sync(repository, NULL, false, error);
  pthread_mutex_unlock(&repository->disk);
  return status;
}
