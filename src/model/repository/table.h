/* The inside of a repository: what is known of every version, and the rules of its locks. For src/model only.
 *
 * Two locks. `disk` is held by whoever changes the folder or compares it with the table; `lock` guards the table
 * and is held for short, never during input, output or a callback. `disk` is taken before `lock`.
 *
 * A version's `generation` grows when what was being loaded of it is no longer wanted: the loader compares it before
 * it puts its result in place, so nothing that was replaced or deleted ever comes back.
 */
#ifndef MLAAS_MODEL_REPOSITORY_TABLE_H
#define MLAAS_MODEL_REPOSITORY_TABLE_H

#include "model/repository/repository.h"
#include "model/repository/trial.h"

#include <pthread.h>

enum { MLAAS_MODEL_NAME = 128, MLAAS_LOADERS = 4 };

struct mlaas_known {
  char name[MLAAS_MODEL_NAME + 1];
  size_t length; /* of the name */
  int64_t version;
  char *path;
  bool flat;            /* the model's folder itself, not a numbered one in it */
  uint64_t fingerprint; /* of its files when last looked at; 0: never */
  enum mlaas_model_state state;
  struct mlaas_error why; /* of the last load that failed, status OK: none */
  struct mlaas_instance *instance;
  struct mlaas_waiter *waiters;
  uint64_t generation, used, seen; /* seen: the round of looking at the folder that last found it */
  int64_t looked;                  /* when a failed one was last asked for: mlaas_now() */
  bool queued, busy, gone;         /* waits for a loader; a loader has it; to be freed when no loader has it */
  bool again;                      /* to be queued once more when the loader is through */
  bool initial;                    /* asked for at start */
  struct mlaas_known *next;        /* of the queue */
};

/* A load of something that is not in the table or may have changed: the loader looks at the folder first. */
struct mlaas_find {
  char name[MLAAS_MODEL_NAME + 1];
  int64_t version;
  bool again;
  struct mlaas_waiter *waiter; /* NULL: nobody waits */
  struct mlaas_find *next;
};

struct mlaas_repository {
  struct mlaas_repository_options options; /* its texts are ours */
  char *folder, *checker, *backend, *backends, *libraries, *backend_options;
  long count;           /* the open handle, and every instance */
  pthread_mutex_t disk; /* see above */
  pthread_mutex_t lock;
  pthread_cond_t work, idle;
  struct mlaas_known **known; /* sorted by name and version */
  size_t num_known, room;
  struct mlaas_known *queue, **queue_end;
  struct mlaas_find *finds, **finds_end;
  struct mlaas_instance *dead; /* wait for a loader to close them */
  uint64_t tick, round;
  size_t num_loaded, initial; /* loaded now; asked for at start and not there yet */
  bool stopping;
  pthread_t loaders[MLAAS_LOADERS], watcher;
  int num_loaders;
  bool has_watcher;
  pthread_mutex_t measure; /* one model is timed at a time */
  struct mlaas_runners *runners;
  struct mlaas_stage *stages;
  struct mlaas_checks *checks;
};

/* ---- table.c: `lock` is held ---- */

struct mlaas_known *mlaas_known_find(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version);
/* The version that version 0 means: the highest, or while that is not to be had, the highest that is loaded. */
struct mlaas_known *mlaas_known_default(struct mlaas_repository *repository, struct mlaas_slice name);
/* The first version of a name, or the place where it would be. */
size_t mlaas_known_first(struct mlaas_repository *repository, struct mlaas_slice name);
bool mlaas_known_is(const struct mlaas_known *known, struct mlaas_slice name);
enum mlaas_status mlaas_known_add(struct mlaas_repository *repository, const char *name, int64_t version,
                                  const char *path, struct mlaas_known **known, struct mlaas_error *error);
/* Takes it out of the table, freed when no loader has it. Its waiters are told NOT_FOUND. */
void mlaas_known_remove(struct mlaas_repository *repository, struct mlaas_known *known);
void mlaas_known_free(struct mlaas_known *known);
/* Lets go of what is loaded. Returns the instance, to be put without the lock. */
struct mlaas_instance *mlaas_known_drop(struct mlaas_repository *repository, struct mlaas_known *known);
/* Queues it unless it is queued or being loaded; what is being loaded is thrown away if `anew`. */
void mlaas_known_queue(struct mlaas_repository *repository, struct mlaas_known *known, bool anew);
/* Tells everybody who waits. */
void mlaas_known_answer(struct mlaas_known *known, enum mlaas_status status, const struct mlaas_error *error);
/* The lock need not be held. */
void mlaas_waiter_answer(struct mlaas_waiter *waiter, enum mlaas_status status, const struct mlaas_error *error);
/* The lock is not held. The last one who lets go frees it, with the table. */
void mlaas_repository_put(struct mlaas_repository *repository);

/* ---- loading.c ---- */

enum mlaas_status mlaas_loaders_start(struct mlaas_repository *repository, struct mlaas_error *error);
void mlaas_loaders_stop(struct mlaas_repository *repository);

/* ---- instances.c ---- */

enum mlaas_status mlaas_instance_new(struct mlaas_repository *repository, const char *name, int64_t version,
                                     const char *path, struct mlaas_instance **instance, struct mlaas_error *error);
/* Closes the model and gives its memory back. */
void mlaas_instance_free(struct mlaas_instance *instance);
/* `lock` is held. Takes one from the list of those to be closed. */
struct mlaas_instance *mlaas_instance_next_dead(struct mlaas_repository *repository);

/* ---- scan.c ---- */

/* `disk` is held. Compares one name, or with NULL all, with the folder. `now`: what has changed is dropped at once,
 * else it serves until its successor is loaded. Errors: those of the folder itself; a model's own are its state. */
enum mlaas_status mlaas_repository_sync(struct mlaas_repository *repository, const char *name, bool now,
                                        struct mlaas_error *error);

#endif
