/* The table of what a repository knows: sorted by name and version, asked under its lock. Knows no disk. */
#include "model/repository/table.h"

#include "base/error.h"

#include <string.h>

enum mlaas_status mlaas_model_name_check(struct mlaas_slice name, struct mlaas_error *error) {
  bool good = name.size >= 1 && name.size <= MLAAS_MODEL_NAME && name.data[0] != '.' && name.data[0] != '-';
  for (size_t i = 0; good && i < name.size; i++) {
    char c = name.data[i];
    good =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
  }
  if (good)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "a model's name is 1 to %d letters, digits, '_', '-' or '.', and begins with neither '.' nor '-'",
                    MLAAS_MODEL_NAME);
}

/* As strcmp orders. */
static int compare(const struct mlaas_known *known, struct mlaas_slice name) {
  size_t common = known->length < name.size ? known->length : name.size;
  int order = common ? memcmp(known->name, name.data, common) : 0;
  return order ? order : (known->length > name.size) - (known->length < name.size);
}

bool mlaas_known_is(const struct mlaas_known *known, struct mlaas_slice name) { return compare(known, name) == 0; }

size_t mlaas_known_first(struct mlaas_repository *repository, struct mlaas_slice name) {
  size_t low = 0, high = repository->num_known;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(repository->known[middle], name) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

struct mlaas_known *mlaas_known_find(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version) {
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++)
    if (repository->known[i]->version == version)
      return repository->known[i];
  return NULL;
}

struct mlaas_known *mlaas_known_default(struct mlaas_repository *repository, struct mlaas_slice name) {
  struct mlaas_known *highest = NULL, *ready = NULL;
  for (size_t i = mlaas_known_first(repository, name);
       i < repository->num_known && mlaas_known_is(repository->known[i], name); i++) {
    highest = repository->known[i];
    if (highest->instance)
      ready = highest;
  }
  bool waits = highest && (highest->state == MLAAS_MODEL_LOADING || highest->state == MLAAS_MODEL_FAILED);
  return waits && ready ? ready : highest;
}

static enum mlaas_status make_room(struct mlaas_repository *repository, struct mlaas_error *error) {
  if (repository->num_known < repository->room)
    return MLAAS_OK;
  size_t room = repository->room ? 2 * repository->room : 16;
  struct mlaas_known **larger = mlaas_realloc(repository->known, room * sizeof *larger);
  if (!larger)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  repository->known = larger;
  repository->room = room;
  return MLAAS_OK;
}

enum mlaas_status mlaas_known_add(struct mlaas_repository *repository, const char *name, int64_t version,
                                  const char *path, struct mlaas_known **known, struct mlaas_error *error) {
  MLAAS_TRY(make_room(repository, error));
  struct mlaas_known *made = mlaas_alloc(sizeof *made);
  char *copy = mlaas_strdup(path);
  if (!made || !copy) {
    mlaas_free(made);
    mlaas_free(copy);
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  }
  made->length = strlen(name); /* checked by mlaas_model_name_check */
  memcpy(made->name, name, made->length + 1);
  made->why.offset = -1;
  made->version = version;
  made->path = copy;
  size_t at = mlaas_known_first(repository, mlaas_slice_of(name));
  while (at < repository->num_known && strcmp(repository->known[at]->name, name) == 0 &&
         repository->known[at]->version < version)
    at++;
  memmove(repository->known + at + 1, repository->known + at, (repository->num_known - at) * sizeof *repository->known);
  repository->known[at] = made;
  repository->num_known++;
  *known = made;
  return MLAAS_OK;
}

void mlaas_known_free(struct mlaas_known *known) {
  mlaas_free(known->path);
  mlaas_free(known);
}

static void leave_queue(struct mlaas_repository *repository, struct mlaas_known *known) {
  struct mlaas_known **link = &repository->queue;
  while (*link && *link != known)
    link = &(*link)->next;
  if (!*link)
    return;
  *link = known->next;
  if (!*link)
    repository->queue_end = link;
  known->queued = false;
  if (known->initial)
    repository->initial--;
  known->initial = false;
}

struct mlaas_instance *mlaas_known_drop(struct mlaas_repository *repository, struct mlaas_known *known) {
  struct mlaas_instance *instance = known->instance;
  known->instance = NULL;
  known->generation++;
  known->why = (struct mlaas_error){.offset = -1};
  if (instance)
    repository->num_loaded--;
  if (!known->waiters)
    leave_queue(repository, known);
  known->state = known->busy || known->queued ? MLAAS_MODEL_LOADING : MLAAS_MODEL_UNLOADED;
  return instance;
}

void mlaas_known_remove(struct mlaas_repository *repository, struct mlaas_known *known) {
  struct mlaas_error error;
  size_t at = 0;
  while (repository->known[at] != known)
    at++;
  repository->num_known--;
  memmove(repository->known + at, repository->known + at + 1, (repository->num_known - at) * sizeof *repository->known);
  leave_queue(repository, known);
  mlaas_fail(&error, MLAAS_NOT_FOUND, "the model '%s' was removed", known->name);
  mlaas_known_answer(known, MLAAS_NOT_FOUND, &error);
  if (known->initial)
    repository->initial--;
  known->initial = false;
  known->generation++;
  known->gone = true;
  if (!known->busy)
    mlaas_known_free(known);
}

/* ---- who waits ---- */

void mlaas_waiter_answer(struct mlaas_waiter *waiter, enum mlaas_status status, const struct mlaas_error *error) {
  if (!waiter)
    return;
  waiter->status = status;
  waiter->error = error ? *error : (struct mlaas_error){.offset = -1};
  waiter->post = (struct mlaas_post){.task = waiter->done, .context = waiter->context};
  mlaas_loop_post(waiter->loop, &waiter->post);
}

void mlaas_known_answer(struct mlaas_known *known, enum mlaas_status status, const struct mlaas_error *error) {
  struct mlaas_waiter *waiter = known->waiters;
  known->waiters = NULL;
  while (waiter) {
    struct mlaas_waiter *next = waiter->next; /* after the answer it is the caller's again */
    mlaas_waiter_answer(waiter, status, error);
    waiter = next;
  }
}

void mlaas_known_queue(struct mlaas_repository *repository, struct mlaas_known *known, bool anew) {
  known->generation += anew;
  known->state = known->instance ? MLAAS_MODEL_READY : MLAAS_MODEL_LOADING;
  if (known->busy)
    known->again |= anew;
  if (known->busy || known->queued)
    return;
  known->queued = true;
  known->next = NULL;
  *repository->queue_end = known;
  repository->queue_end = &known->next;
  pthread_cond_signal(&repository->work);
}

/* ---- the end ---- */

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
