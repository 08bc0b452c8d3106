/* Opening and closing a repository. What can be asked of it is in ask.c, the table in table.c, loading in loading.c,
 * the folder in scan.c and install.c.
 */
#define _GNU_SOURCE
#include "base/clock.h"
#include "base/error.h"
#include "model/repository/install.h"
#include "model/repository/table.h"
#include "model/repository/trial.h"
#include "model/run/runners.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CLOSE_SECONDS = 5, WATCHER_NICE = 10 };

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
  MLAAS_TRY(mlaas_checks_new(&repository->options, &repository->checks, error));
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
