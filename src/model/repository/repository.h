/* A folder of models: names, integer versions, and what is loaded of them. A name is a folder DIR/NAME, which is itself
 * a model (version as it says, else 1) or holds folders of numbers, each a version.
 *
 * Thread safe. Loading happens on a thread of low priority of the repository's own, after a trial in a child
 * process; the result is swapped in by pointer, so that nobody waits for it but those who asked for it.
 */
#ifndef MLAAS_MODEL_REPOSITORY_REPOSITORY_H
#define MLAAS_MODEL_REPOSITORY_REPOSITORY_H

#include "base/slice.h"
#include "model/run/instance.h"
#include "net/loop.h"

struct mlaas_repository;

enum mlaas_model_state { MLAAS_MODEL_UNLOADED, MLAAS_MODEL_LOADING, MLAAS_MODEL_READY, MLAAS_MODEL_FAILED };

struct mlaas_repository_options {
  const char *folder;
  struct mlaas_model_options model;
  int64_t most_loaded; /* 0: no bound; else the least recently used is unloaded (TFaaS's cacheLimit) */
  bool load_all;       /* load everything at start, instead of when it is first asked for */
  bool read_only;
  int64_t poll_ms;      /* look for changes of the folder; 0: never */
  const char *checker;  /* program for the trial, run as CHECKER model-check FOLDER; NULL: no trial */
  int64_t check_ms;     /* [60000] longest trial */
  int64_t check_memory; /* [16 GiB] address space of a trial */
  int64_t queue_limit;  /* [1024] */
  int64_t delay_us;     /* [0] how long a batch waits for more rows */
  int64_t most_rows;    /* [64] */
  int runners;          /* [one per core] threads for models that are too slow for a loop's thread */
  /* The floor above may add to an instance when it is made (a filler for raw events); NULL: nothing. */
  enum mlaas_status (*make_extra)(struct mlaas_instance *instance, void **extra, struct mlaas_error *error);
  void (*free_extra)(void *extra);
};

/* Cleans up what a killed process left half installed. Errors: NOT_FOUND (folder), IO, MEMORY. */
enum mlaas_status mlaas_repository_open(const struct mlaas_repository_options *options,
                                        struct mlaas_repository **repository, struct mlaas_error *error);
void mlaas_repository_close(struct mlaas_repository *repository);

/* A name is 1 to 128 of [A-Za-z0-9_.-], does not begin with '.' or '-', and is no "..". ARGUMENT says so. */
enum mlaas_status mlaas_model_name_check(struct mlaas_slice name, struct mlaas_error *error);

/* The hot path: what is loaded now, counted. version 0: the default one (the highest). STATE: known but not loaded (ask
 * mlaas_repository_load); NOT_FOUND: no such model; FORMAT etc.: why its load failed, until the files change. */
enum mlaas_status mlaas_repository_get(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                       struct mlaas_instance **instance, struct mlaas_error *error);

/* Memory of the caller until `done` is called on `loop`'s thread; then `status` and `error` say how it went. */
struct mlaas_waiter {
  struct mlaas_loop *loop;
  mlaas_task *done;
  void *context;
  enum mlaas_status status;
  struct mlaas_error error;
  /* private */
  struct mlaas_post post;
  struct mlaas_waiter *next;
};
/* Loads (or finds loaded) without blocking. `again`: load anew even if it is loaded. */
void mlaas_repository_load(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version, bool again,
                           struct mlaas_waiter *waiter);
/* Blocking, short: what runs keeps its instance until it is done. version 0: all. NOT_FOUND. */
enum mlaas_status mlaas_repository_unload(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                          struct mlaas_error *error);

/* ---- changing the folder; all blocking: for worker threads ---- */

/* A new folder DIR/.new-XXXX inside the repository, to be filled and then installed or dropped. *path is freed with
 * mlaas_free. */
enum mlaas_status mlaas_repository_stage(struct mlaas_repository *repository, char **path, struct mlaas_error *error);
/* Tries the staged model in a child, syncs, and renames it to NAME (version 0) or NAME/VERSION; what was there is
 * replaced in one step and unloaded. On failure the staged folder is removed and nothing has changed. Takes the staged
 * folder over, not the text. Errors: those of opening a model, STALE (name differs from the one in its
 * params.json), IO, UNSUPPORTED (read only). */
enum mlaas_status mlaas_repository_install(struct mlaas_repository *repository, const char *staged,
                                           struct mlaas_slice name, int64_t version, struct mlaas_error *error);
void mlaas_repository_drop(struct mlaas_repository *repository, const char *staged);
/* version 0: the whole model. NOT_FOUND. */
enum mlaas_status mlaas_repository_delete(struct mlaas_repository *repository, struct mlaas_slice name, int64_t version,
                                          struct mlaas_error *error);
/* Looks at the folder again, as polling does: new models appear, changed ones are loaded anew if they were loaded. */
enum mlaas_status mlaas_repository_refresh(struct mlaas_repository *repository, struct mlaas_error *error);

/* ---- listing ---- */

struct mlaas_model_entry {
  const char *name, *reason; /* reason: why it failed, "" otherwise */
  int64_t version;
  enum mlaas_model_state state;
  const char *path;                /* its folder */
  struct mlaas_instance *instance; /* counted, NULL unless ready */
};
/* Every version of every model, by name and version. Freed by mlaas_listing_reset. Blocking: reads the folder. */
struct mlaas_listing {
  struct mlaas_model_entry *entries;
  size_t count;
  struct mlaas_arena arena;
};
enum mlaas_status mlaas_repository_list(struct mlaas_repository *repository, struct mlaas_listing *listing,
                                        struct mlaas_error *error);
void mlaas_listing_reset(struct mlaas_listing *listing);
/* As list, of what is known without reading the folder: for metrics. */
enum mlaas_status mlaas_repository_known(struct mlaas_repository *repository, struct mlaas_listing *listing,
                                         struct mlaas_error *error);

/* The folder, for serving files of it. */
const char *mlaas_repository_folder(const struct mlaas_repository *repository);
/* True when everything that was asked for at start is loaded or has failed. */
bool mlaas_repository_ready(struct mlaas_repository *repository);

#endif
