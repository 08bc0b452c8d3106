/* Opening and closing a repository, and the questions that never wait: what is loaded, load this, unload that. The
 * table is in table.c, loading in loading.c, the folder in scan.c and install.c.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/error.h"
#include "model/batcher.h"
#include "model/install.h"
#include "model/table.h"
#include "model/trial.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_SECONDS = 5, LOOK_AGAIN_MS = 1000, WATCHER_NICE = 10 };

/* ---- life ---- */

static void wait_until(pthread_cond_t *cond, pthread_mutex_t *lock, int64_t ns) {
  struct timespec until = {ns / 1000000000, ns % 1000000000};
  pthread_cond_timedwait(cond, lock, &until);
}

static void *run_watcher(void *context) {
  struct mlaas_repository *repository = context;
  setpriority(PRIO_PROCESS, (id_t)gettid(), WATCHER_NICE);
  pthread_mutex_lock(&repository->lock);
  for (;;) {
    int64_t next = mlaas_now() + repository->options.poll_ms * 1000000;
    while (!repository->stopping && mlaas_now() < next)
      wait_until(&repository->idle, &repository->lock, next);
    if (repository->stopping)
      break;
    pthread_mutex_unlock(&repository->lock);
    struct mlaas_error error; /* a folder that is gone may come back: the next round sees it */
    (void)mlaas_repository_refresh(repository, &error);
    pthread_mutex_lock(&repository->lock);
  }
  pthread_mutex_unlock(&repository->lock);
  return NULL;
}

static void init_locks(struct mlaas_repository *repository) {
  pthread_mutex_init(&repository->disk, NULL);
  pthread_mutex_init(&repository->lock, NULL);
  pthread_mutex_init(&repository->measure, NULL);
  pthread_cond_init(&repository->work, NULL);
  mlaas_condition_init(&repository->idle);
}

static enum mlaas_status keep(const char *text, char **copy, const char **place, struct mlaas_error *error) {
  if (!text)
    return MLAAS_OK;
  *place = *copy = mlaas_strdup(text);
  return *copy ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "out of memory for a repository");
}

static enum mlaas_status keep_options(struct mlaas_repository *repository, const struct mlaas_repository_options *given,
                                      struct mlaas_error *error) {
  struct mlaas_repository_options *options = &repository->options;
  *options = *given;
  options->model.size = sizeof options->model;
  options->check_ms = given->check_ms > 0 ? given->check_ms : 60000;
  options->check_memory = given->check_memory > 0 ? given->check_memory : (int64_t)16 << 30;
  options->queue_limit = given->queue_limit > 0 ? given->queue_limit : 1024;
  options->most_rows =
      given->most_rows > 0 && given->most_rows < MLAAS_BATCH_MOST ? given->most_rows : MLAAS_BATCH_MOST;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  options->runners = given->runners > 0 ? given->runners : cores > 0 && cores < 1024 ? (int)cores : 1;
  MLAAS_TRY(keep(given->folder, &repository->folder, &options->folder, error));
  MLAAS_TRY(keep(given->checker, &repository->checker, &options->checker, error));
  MLAAS_TRY(keep(given->model.backend, &repository->backend, &options->model.backend, error));
  MLAAS_TRY(keep(given->model.backends, &repository->backends, &options->model.backends, error));
  MLAAS_TRY(keep(given->model.libraries, &repository->libraries, &options->model.libraries, error));
  return keep(given->model.options, &repository->backend_options, &options->model.options, error);
}

static enum mlaas_status look_at_folder(struct mlaas_repository *repository, struct mlaas_error *error) {
  struct stat about;
  if (stat(repository->folder, &about) != 0)
    return mlaas_fail_errno(error, errno, "the folder of models %s cannot be opened", repository->folder);
  if (!S_ISDIR(about.st_mode))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "%s is no folder of models", repository->folder);
  pthread_mutex_lock(&repository->disk);
  if (!repository->options.read_only)
    mlaas_install_clean(repository);
  enum mlaas_status status = mlaas_repository_sync(repository, NULL, false, error);
  pthread_mutex_unlock(&repository->disk);
  return status;
}

static void mark_initial(struct mlaas_repository *repository) {
  pthread_mutex_lock(&repository->lock);
  for (size_t i = 0; i < repository->num_known; i++)
    if (repository->known[i]->queued) {
      repository->known[i]->initial = true;
      repository->initial++;
    }
  pthread_mutex_unlock(&repository->lock);
}

static enum mlaas_status start(struct mlaas_repository *repository, const struct mlaas_repository_options *options,
                               struct mlaas_error *error) {
  MLAAS_TRY(keep_options(repository, options, error));
  MLAAS_TRY(mlaas_checks_new(repository, error));
  MLAAS_TRY(look_at_folder(repository, error));
  mark_initial(repository);
  repository->runners = mlaas_runners_new(repository->options.runners);
  if (!repository->runners)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the threads that run models");
  MLAAS_TRY(mlaas_loaders_start(repository, error));
  if (options->poll_ms <= 0)
    return MLAAS_OK;
  int failed = pthread_create(&repository->watcher, NULL, run_watcher, repository);
  repository->has_watcher = !failed;
  return failed ? mlaas_fail_errno(error, failed, "a thread that watches the folder cannot be started") : MLAAS_OK;
}

enum mlaas_status mlaas_repository_open(const struct mlaas_repository_options *options,
                                        struct mlaas_repository **repository, struct mlaas_error *error) {
  struct mlaas_repository *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a repository");
  made->count = 1;
  made->queue_end = &made->queue;
  made->finds_end = &made->finds;
  init_locks(made);
  enum mlaas_status status = start(made, options, error);
  if (status == MLAAS_OK)
    *repository = made;
  else
    mlaas_repository_close(made);
  return status;
}

void mlaas_repository_put(struct mlaas_repository *repository) {
  pthread_mutex_lock(&repository->lock);
  long left = __atomic_sub_fetch(&repository->count, 1, __ATOMIC_ACQ_REL);
  pthread_cond_broadcast(&repository->idle);
  pthread_mutex_unlock(&repository->lock);
  if (left > 0)
    return;
  for (size_t i = 0; i < repository->num_known; i++)
    mlaas_known_free(repository->known[i]);
  mlaas_free(repository->known);
  mlaas_checks_free(repository->checks);
  mlaas_free(repository->folder);
  mlaas_free(repository->checker);
  mlaas_free(repository->backend);
  mlaas_free(repository->backends);
  mlaas_free(repository->libraries);
  mlaas_free(repository->backend_options);
  pthread_mutex_destroy(&repository->disk);
  pthread_mutex_destroy(&repository->lock);
  pthread_mutex_destroy(&repository->measure);
  pthread_cond_destroy(&repository->work);
  pthread_cond_destroy(&repository->idle);
  mlaas_free(repository);
}

static void drop_all(struct mlaas_repository *repository) {
  for (;;) {
    struct mlaas_instance *instance = NULL;
    pthread_mutex_lock(&repository->lock);
    for (size_t i = 0; i < repository->num_known && !instance; i++)
      if (repository->known[i]->instance)
        instance = mlaas_known_drop(repository, repository->known[i]);
    pthread_mutex_unlock(&repository->lock);
    if (!instance)
      return;
    mlaas_instance_put(instance);
  }
}

/* Instances that somebody still has keep the repository and, as their runs may need them, its runners. */
void mlaas_repository_close(struct mlaas_repository *repository) {
  if (!repository)
    return;
  mlaas_loaders_stop(repository);
  if (repository->has_watcher) {
    pthread_mutex_lock(&repository->lock);
    pthread_cond_broadcast(&repository->idle);
    pthread_mutex_unlock(&repository->lock);
    pthread_join(repository->watcher, NULL);
  }
  mlaas_stages_free(repository);
  drop_all(repository);
  int64_t end = mlaas_now() + (int64_t)CLOSE_SECONDS * 1000000000;
  pthread_mutex_lock(&repository->lock);
  while (__atomic_load_n(&repository->count, __ATOMIC_ACQUIRE) > 1 && mlaas_now() < end)
    wait_until(&repository->idle, &repository->lock, end);
  bool alone = __atomic_load_n(&repository->count, __ATOMIC_ACQUIRE) == 1;
  pthread_mutex_unlock(&repository->lock);
  if (alone && repository->runners)
    mlaas_runners_free(repository->runners);
  mlaas_repository_put(repository);
}

/* ---- asking ---- */

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
