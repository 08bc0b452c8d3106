/* Loaded versions of models: made by a loader, and closed by one so that no request waits for that. */
#include "base/error.h"
#include "model/repository/table.h"
#include "model/run/runners.h"

#include <malloc.h>
#include <string.h>
#include <time.h>

enum { MEASURE_MS = 400 };

struct made {
  struct mlaas_instance instance; /* first */
  struct made *next_dead;
  char name[MLAAS_MODEL_NAME + 1];
};

/* Timings of two models at once would disturb each other. */
static enum mlaas_status measure(struct mlaas_repository *repository, struct mlaas_instance *instance,
                                 struct mlaas_error *error) {
  int most = (int)repository->options.most_rows;
  pthread_mutex_lock(&repository->measure);
  enum mlaas_status status = mlaas_timing_measure(instance->model, most, MEASURE_MS, &instance->timing, error);
  pthread_mutex_unlock(&repository->measure);
  return status;
}

static enum mlaas_status fill(struct mlaas_repository *repository, struct mlaas_instance *instance, const char *path,
                              struct mlaas_error *error) {
  const struct mlaas_repository_options *options = &repository->options;
  MLAAS_TRY(mlaas_model_open(path, &options->model, &instance->model, error));
  MLAAS_TRY(measure(repository, instance, error));
  instance->queue_limit = options->queue_limit;
  if (!instance->timing.on_loop || options->delay_us > 0)
    MLAAS_TRY(mlaas_executor_new(repository->runners, instance, options->delay_us, &instance->executor, error));
  return options->make_extra ? options->make_extra(instance, &instance->extra, error) : MLAAS_OK;
}

/* Nobody uses it any more. */
static void on_unused(struct mlaas_instance *instance) {
  struct mlaas_repository *repository = instance->owner;
  struct made *made = (struct made *)instance; /* its first member */
  pthread_mutex_lock(&repository->lock);
  bool loaders = !repository->stopping && repository->num_loaders > 0;
  if (loaders) {
    made->next_dead = (struct made *)repository->dead;
    repository->dead = instance;
    pthread_cond_signal(&repository->work);
  }
  pthread_mutex_unlock(&repository->lock);
  if (!loaders)
    mlaas_instance_free(instance);
}

enum mlaas_status mlaas_instance_new(struct mlaas_repository *repository, const char *name, int64_t version,
                                     const char *path, struct mlaas_instance **instance, struct mlaas_error *error) {
  int64_t began = mlaas_now();
  struct made *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a model");
  memcpy(made->name, name, strlen(name) + 1);
  made->instance.name = made->name;
  made->instance.version = version;
  made->instance.count = 1;
  made->instance.unused = on_unused;
  made->instance.owner = repository;
  __atomic_add_fetch(&repository->count, 1, __ATOMIC_RELAXED);
  enum mlaas_status status = fill(repository, &made->instance, path, error);
  made->instance.loaded_at = (int64_t)time(NULL);
  made->instance.load_ns = mlaas_now() - began;
  if (status == MLAAS_OK)
    *instance = &made->instance;
  else
    mlaas_instance_free(&made->instance);
  return status;
}

void mlaas_instance_free(struct mlaas_instance *instance) {
  struct mlaas_repository *repository = instance->owner;
  if (instance->executor)
    mlaas_executor_free(instance->executor);
  if (instance->extra && repository->options.free_extra)
    repository->options.free_extra(instance->extra);
  mlaas_model_close(instance->model);
  mlaas_free(instance);
  malloc_trim(0); /* weights are large: let others have the memory */
  mlaas_repository_put(repository);
}

struct mlaas_instance *mlaas_instance_next_dead(struct mlaas_repository *repository) {
  struct made *made = (struct made *)repository->dead;
  repository->dead = (struct mlaas_instance *)made->next_dead;
  return &made->instance;
}
