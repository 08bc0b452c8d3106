/* Trials that are remembered by the fingerprint of the files. */
#include "model/trial.h"

#include "base/error.h"
#include "model/check.h"

enum { REMEMBERED = 4096 };

struct mlaas_checks {
  pthread_mutex_t lock;
  uint64_t good[REMEMBERED]; /* a ring */
  size_t next;
};

enum mlaas_status mlaas_checks_new(struct mlaas_repository *repository, struct mlaas_error *error) {
  struct mlaas_checks *checks = mlaas_alloc(sizeof *checks);
  if (!checks)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the trials of models");
  pthread_mutex_init(&checks->lock, NULL);
  repository->checks = checks;
  return MLAAS_OK;
}

void mlaas_checks_free(struct mlaas_checks *checks) {
  if (checks)
    pthread_mutex_destroy(&checks->lock);
  mlaas_free(checks);
}

static bool is_good(struct mlaas_checks *checks, uint64_t fingerprint) {
  bool found = false;
  pthread_mutex_lock(&checks->lock);
  for (size_t i = 0; i < REMEMBERED && !found; i++)
    found = checks->good[i] == fingerprint;
  pthread_mutex_unlock(&checks->lock);
  return found;
}

static void remember(struct mlaas_checks *checks, uint64_t fingerprint) {
  pthread_mutex_lock(&checks->lock);
  checks->good[checks->next] = fingerprint;
  checks->next = (checks->next + 1) % REMEMBERED;
  pthread_mutex_unlock(&checks->lock);
}

enum mlaas_status mlaas_repository_try(struct mlaas_repository *repository, const char *path, uint64_t fingerprint,
                                       struct mlaas_error *error) {
  const struct mlaas_repository_options *options = &repository->options;
  struct mlaas_check check = {.program = options->checker,
                              .path = path,
                              .model = &options->model,
                              .limit_ms = options->check_ms,
                              .limit_memory = options->check_memory};
  if (!check.program || is_good(repository->checks, fingerprint))
    return MLAAS_OK;
  MLAAS_TRY(mlaas_check_run(&check, error));
  remember(repository->checks, fingerprint);
  return MLAAS_OK;
}
