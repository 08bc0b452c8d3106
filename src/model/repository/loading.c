/* The threads that load models, and the queue in front of them. A load is: look at the files, try them in a child, open
 * and time the model, put it in place if it is still wanted.
 */
#define _GNU_SOURCE /* gettid */
#include "base/error.h"
#include "model/folder.h"
#include "model/repository/table.h"
#include "model/repository/tree.h"

#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { LOADER_NICE = 10 };

/* ---- a load ---- */

/* The least recently used ones go until the bound holds. Their list is linked through instances to be put. */
static size_t make_room(struct mlaas_repository *repository, const struct mlaas_known *keep,
                        struct mlaas_instance **victims, size_t most) {
  size_t count = 0;
  while (repository->options.most_loaded > 0 && count < most &&
         repository->num_loaded > (size_t)repository->options.most_loaded) {
    struct mlaas_known *oldest = NULL;
    for (size_t i = 0; i < repository->num_known; i++) {
      struct mlaas_known *known = repository->known[i];
      if (known->instance && known != keep && (!oldest || known->used < oldest->used))
        oldest = known;
    }
    if (!oldest)
      break;
    victims[count++] = mlaas_known_drop(repository, oldest);
  }
  return count;
}

static void put_in_place(struct mlaas_repository *repository, struct mlaas_known *known,
                         struct mlaas_instance *instance) {
  if (!known->instance)
    repository->num_loaded++;
  known->instance = instance;
  known->state = MLAAS_MODEL_READY;
  known->used = ++repository->tick;
  known->why = (struct mlaas_error){.offset = -1};
  mlaas_known_answer(known, MLAAS_OK, NULL);
}

/* What served before goes on serving. Where the files are not at fault the next request tries again: out of memory, or
 * the folder was taken away, which a delete does before it says so. */
static void note_failure(struct mlaas_known *known, enum mlaas_status status, bool removed,
                         const struct mlaas_error *error) {
  bool passing = status == MLAAS_MEMORY || removed;
  known->why = passing ? (struct mlaas_error){.offset = -1} : *error;
  known->state = known->instance ? MLAAS_MODEL_READY : passing ? MLAAS_MODEL_UNLOADED : MLAAS_MODEL_FAILED;
  mlaas_known_answer(known, status, error);
}

static void finish(struct mlaas_repository *repository, struct mlaas_known *known, uint64_t generation,
                   enum mlaas_status status, bool removed, struct mlaas_instance *made,
                   const struct mlaas_error *error) {
  enum { MOST = 16 };
  struct mlaas_instance *unwanted[MOST + 1];
  size_t count = 0;
  pthread_mutex_lock(&repository->lock);
  known->busy = false;
  bool wanted = !known->gone && known->generation == generation;
  if (wanted && status == MLAAS_OK) {
    unwanted[count++] = known->instance;
    put_in_place(repository, known, made);
    count += make_room(repository, known, unwanted + 1, MOST);
  } else if (wanted) {
    note_failure(known, status, removed, error);
  } else {
    unwanted[count++] = made;
    if (!known->gone && (known->again || known->waiters))
      mlaas_known_queue(repository, known, false);
    else if (!known->gone)
      known->state = known->instance ? MLAAS_MODEL_READY : MLAAS_MODEL_UNLOADED;
  }
  known->again = false;
  if (known->initial && !known->queued) {
    known->initial = false;
    repository->initial--;
  }
  if (known->gone)
    mlaas_known_free(known);
  pthread_mutex_unlock(&repository->lock);
  for (size_t i = 0; i < count; i++)
    mlaas_instance_put(unwanted[i]);
}

static enum mlaas_status make(struct mlaas_repository *repository, const char *path, uint64_t fingerprint,
                              const char *name, int64_t version, struct mlaas_instance **made,
                              struct mlaas_error *error) {
  MLAAS_TRY(mlaas_checks_try(repository->checks, path, fingerprint, error));
  return mlaas_instance_new(repository, name, version, path, made, error);
}

/* A load failed: was that because its files went away or were replaced meanwhile? *removed: they are not there;
 * replaced ones are loaded again. */
static enum mlaas_status look_again(struct mlaas_repository *repository, struct mlaas_known *known, bool flat,
                                    uint64_t generation, uint64_t before, enum mlaas_status status, bool *removed,
                                    struct mlaas_error *error) {
  uint64_t fingerprint = 0;
  *removed = mlaas_tree_fingerprint(known->path, flat, &fingerprint, NULL) != MLAAS_OK;
  if (*removed)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "the model '%s' was removed while it was loaded", known->name);
  if (fingerprint == before)
    return status;
  pthread_mutex_lock(&repository->lock);
  if (known->generation == generation) {
    known->generation++;
    known->again = true;
  }
  pthread_mutex_unlock(&repository->lock);
  return status;
}

/* `lock` is held, and let go of while loading. `known` stays: it is busy. */
static void load(struct mlaas_repository *repository, struct mlaas_known *known) {
  struct mlaas_error error = {.offset = -1};
  struct mlaas_instance *made = NULL;
  uint64_t generation = known->generation, fingerprint = 0;
  bool flat = known->flat, removed = false;
  known->busy = true;
  known->queued = false;
  pthread_mutex_unlock(&repository->lock);
  enum mlaas_status status = mlaas_tree_fingerprint(known->path, flat, &fingerprint, &error); /* path never changes */
  pthread_mutex_lock(&repository->lock);
  if (status == MLAAS_OK && known->generation == generation)
    known->fingerprint = fingerprint;
  pthread_mutex_unlock(&repository->lock);
  if (status == MLAAS_OK)
    status = make(repository, known->path, fingerprint, known->name, known->version, &made, &error);
  if (status != MLAAS_OK && status != MLAAS_MEMORY)
    status = look_again(repository, known, flat, generation, fingerprint, status, &removed, &error);
  mlaas_folder_hide(repository->folder, &error);
  finish(repository, known, generation, status, removed, made, &error);
  pthread_mutex_lock(&repository->lock);
}

/* ---- looking for what is not known yet ---- */

/* `lock` is held. True: the waiter has its answer or waits in the queue. */
static bool settle(struct mlaas_repository *repository, const struct mlaas_find *find) {
  struct mlaas_slice name = mlaas_slice_of(find->name);
  struct mlaas_known *known =
      find->version ? mlaas_known_find(repository, name, find->version) : mlaas_known_default(repository, name);
  if (!known)
    return false;
  if (!find->again && known->instance) {
    mlaas_waiter_answer(find->waiter, MLAAS_OK, NULL);
  } else if (!find->again && known->state == MLAAS_MODEL_FAILED) {
    mlaas_waiter_answer(find->waiter, known->why.status, &known->why);
  } else if (find->waiter || find->again) {
    if (find->waiter) {
      find->waiter->next = known->waiters;
      known->waiters = find->waiter;
    }
    mlaas_known_queue(repository, known, find->again);
  }
  return true;
}

/* `lock` is held, and let go of while looking at the disk. */
static void do_find(struct mlaas_repository *repository, struct mlaas_find *find) {
  struct mlaas_error error;
  pthread_mutex_unlock(&repository->lock);
  pthread_mutex_lock(&repository->disk);
  enum mlaas_status status = mlaas_repository_sync(repository, find->name, false, &error);
  pthread_mutex_unlock(&repository->disk);
  pthread_mutex_lock(&repository->lock);
  if (status == MLAAS_OK && !settle(repository, find))
    status = mlaas_fail(&error, MLAAS_NOT_FOUND, "there is no model '%s'%s", find->name,
                        find->version ? " of this version" : "");
  if (status != MLAAS_OK)
    mlaas_waiter_answer(find->waiter, status, &error);
  mlaas_free(find);
}

/* ---- the threads ---- */

static struct mlaas_find *next_find(struct mlaas_repository *repository) {
  struct mlaas_find *find = repository->finds;
  repository->finds = find->next;
  if (!find->next)
    repository->finds_end = &repository->finds;
  return find;
}

static struct mlaas_known *next_known(struct mlaas_repository *repository) {
  struct mlaas_known *known = repository->queue;
  repository->queue = known->next;
  if (!known->next)
    repository->queue_end = &repository->queue;
  return known;
}

static void *run_loader(void *context) {
  struct mlaas_repository *repository = context;
  if (repository->options.model.threads <= 1) /* threads that a framework starts to run models would inherit it */
    setpriority(PRIO_PROCESS, (id_t)gettid(), LOADER_NICE);
  pthread_mutex_lock(&repository->lock);
  for (;;) {
    if (repository->dead) {
      struct mlaas_instance *instance = mlaas_instance_next_dead(repository);
      pthread_mutex_unlock(&repository->lock);
      mlaas_instance_free(instance);
      pthread_mutex_lock(&repository->lock);
    } else if (repository->stopping) {
      break;
    } else if (repository->finds) {
      do_find(repository, next_find(repository));
    } else if (repository->queue) {
      load(repository, next_known(repository));
    } else {
      pthread_cond_wait(&repository->work, &repository->lock);
    }
  }
  pthread_mutex_unlock(&repository->lock);
  return NULL;
}

enum mlaas_status mlaas_loaders_start(struct mlaas_repository *repository, struct mlaas_error *error) {
  while (repository->num_loaders < MLAAS_LOADERS) {
    int failed = pthread_create(&repository->loaders[repository->num_loaders], NULL, run_loader, repository);
    if (failed)
      return mlaas_fail_errno(error, failed, "a thread for loading models cannot be started");
    repository->num_loaders++;
  }
  return MLAAS_OK;
}

/* What nobody will load any more is answered. */
static void answer_all(struct mlaas_repository *repository) {
  struct mlaas_error error;
  mlaas_fail(&error, MLAAS_CANCELLED, "the server is stopping");
  while (repository->finds) {
    struct mlaas_find *find = next_find(repository);
    mlaas_waiter_answer(find->waiter, MLAAS_CANCELLED, &error);
    mlaas_free(find);
  }
  repository->queue = NULL;
  repository->queue_end = &repository->queue;
  for (size_t i = 0; i < repository->num_known; i++)
    mlaas_known_answer(repository->known[i], MLAAS_CANCELLED, &error);
}

void mlaas_loaders_stop(struct mlaas_repository *repository) {
  pthread_mutex_lock(&repository->lock);
  repository->stopping = true;
  answer_all(repository);
  pthread_cond_broadcast(&repository->work);
  pthread_mutex_unlock(&repository->lock);
  for (int i = 0; i < repository->num_loaders; i++)
    pthread_join(repository->loaders[i], NULL);
  repository->num_loaders = 0;
  pthread_mutex_lock(&repository->lock);
  answer_all(repository);
  pthread_mutex_unlock(&repository->lock);
}
