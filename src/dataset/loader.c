/* The ordered queue between one producer and one caller, and how both wait: for batches, for room, for memory. Must not
 * know how a batch is filled.
 */
#include "dataset/loader.h"

#include "base/cancel.h"
#include "base/clock.h"
#include "base/error.h"

#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  MOST_MIXED = 65536,   /* rows of a window: beyond, a wider shuffle costs cache misses and gains nothing to see */
  MOST_ORDERED = 16384, /* the same without shuffling, where a window is but a unit of work */
  POLL_MS = 20,         /* memory that others give back makes no noise */
  GRACE_S = 1           /* how long a caller who holds all memory may take to release some */
};

double mlaas_loader_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- the producer ---- */

static bool may_make(const struct mlaas_loader *loader) {
  return loader->wanted && loader->status == MLAAS_OK && !loader->cancelled &&
         loader->made < loader->mixer.num_batches && loader->queued <= loader->capacity / 2;
}

static void release_all(struct mlaas_batch **batches, size_t count) {
  for (size_t i = 0; i < count; i++)
    mlaas_batch_release(batches[i]);
}

/* Batches for what is left of the window. Ahead of a caller who still has some: all or none, and a quarter of the
 * ceiling is left for others. With an empty queue: as many as there is room for. Reading finds its scratch free either
 * way. */
static enum mlaas_status reserve(struct mlaas_loader *loader, int64_t first, bool ahead, struct mlaas_batch **batches,
                                 size_t *count, struct mlaas_error *error) {
  const struct mlaas_mixer *mixer = &loader->mixer;
  struct mlaas_budget *budget = mlaas_context_budget(loader->dataset->context);
  int64_t ceiling = mlaas_budget_ceiling(budget), bytes = mlaas_batch_bytes(&mixer->layout, mixer->options.batch_rows);
  int64_t left = ceiling - mlaas_budget_held(budget), room = left - mixer->scratch - (ahead ? ceiling / 4 : 0);
  size_t wanted = mlaas_mixer_window(mixer, first), fit;
  if (!ahead && room < bytes)
    room = left - mixer->least;
  fit = room < bytes ? 0 : (size_t)(room / bytes);
  *count = 0;
  if (fit == 0 || (ahead && fit < wanted))
    return MLAAS_OK;
  size_t most = fit < wanted ? fit : wanted;
  int64_t last_rows = mlaas_mixer_batch_rows(mixer, first + (int64_t)most - 1);
  enum mlaas_status status = mlaas_batches_new(loader->home, budget, &mixer->layout, mixer->options.batch_rows,
                                               last_rows, first, most, batches, count, error);
  if (status != MLAAS_OK) {
    release_all(batches, *count);
    *count = 0;
  }
  return status;
}

/* Turns to the epoch, and lets servers send what its batches from `first` on take while memory for these is made ready,
 * which takes longer than a round trip. Not where that memory might then be missing. */
static enum mlaas_status prepare(struct mlaas_loader *loader, int64_t epoch, int64_t first, struct mlaas_error *error) {
  struct mlaas_mixer *mixer = &loader->mixer;
  struct mlaas_budget *budget = mlaas_context_budget(loader->dataset->context);
  if (mixer->order.options.epoch != (uint64_t)epoch)
    MLAAS_TRY(mlaas_mixer_start(mixer, epoch, error));
  int64_t bytes = mlaas_batch_bytes(&mixer->layout, mixer->options.batch_rows);
  int64_t wanted = bytes * (int64_t)mlaas_mixer_window(mixer, first) + mixer->scratch +
                   mlaas_context_remote(loader->dataset->context)->cache;
  if (wanted <= mlaas_budget_ceiling(budget) - mlaas_budget_held(budget))
    mlaas_mixer_expect(mixer, first);
  return MLAAS_OK;
}

/* Fills what was reserved; where reading needs more memory than was left, fewer. */
static enum mlaas_status fill(struct mlaas_loader *loader, int64_t first, struct mlaas_batch **batches, size_t *count,
                              struct mlaas_error *error) {
  enum mlaas_status status = mlaas_mixer_fill(&loader->mixer, first, batches, *count, error);
  while (status == MLAAS_LIMIT && *count > 1) {
    release_all(batches + *count / 2, *count - *count / 2);
    *count /= 2;
    status = mlaas_mixer_fill(&loader->mixer, first, batches, *count, error);
  }
  if (status != MLAAS_OK) {
    release_all(batches, *count);
    *count = 0;
  }
  return status;
}

/* Nothing fits: waits a little, and gives up when the caller waits and holds all there is. The lock is held. */
static void starve(struct mlaas_loader *loader) {
  double now = mlaas_loader_clock();
  struct mlaas_home *home = loader->home;
  struct mlaas_budget *budget = mlaas_context_budget(loader->dataset->context);
  bool stuck = loader->waiting && loader->queued == 0;
  if (!stuck || loader->starving_since == 0 || loader->starving_returned != home->returned) {
    loader->starving_since = stuck ? now : 0;
    loader->starving_returned = home->returned;
  } else if (now - loader->starving_since >= GRACE_S) {
    loader->status = mlaas_fail(&loader->error, MLAAS_LIMIT,
                                "no room for a batch of %lld bytes and the reading of its rows: %lld of %lld bytes are "
                                "held, %lld batches by the caller; release some or raise the memory ceiling",
                                (long long)mlaas_batch_bytes(&loader->mixer.layout, loader->mixer.options.batch_rows),
                                (long long)mlaas_budget_held(budget), (long long)mlaas_budget_ceiling(budget),
                                (long long)home->lent);
    pthread_cond_broadcast(&home->changed);
    return;
  }
  mlaas_condition_wait(&home->changed, &home->lock, POLL_MS);
}

/* Gives back those without rows, whose files are lost: nobody wants them. Returns how many are left. */
static size_t drop_empty(struct mlaas_batch **batches, size_t count) {
  size_t kept = 0;
  for (size_t i = 0; i < count; i++)
    if (batches[i]->rows > 0)
      batches[kept++] = batches[i];
    else
      mlaas_batch_release(batches[i]);
  return kept;
}

/* `made` of the epoch's batches are made, of which `count` have rows. */
static void publish(struct mlaas_loader *loader, struct mlaas_batch **batches, size_t count, size_t made) {
  for (size_t i = 0; i < count; i++) {
    loader->queue[(loader->first + loader->queued++) % loader->capacity] = batches[i];
    loader->rows_made += batches[i]->rows;
  }
  mlaas_mixer_settle_lost(&loader->mixer, true);
  loader->made += (int64_t)made;
  mlaas_mixer_counters(&loader->mixer, &loader->counters);
  for (int64_t i = 0; i < loader->truncated_count; i++)
    loader->truncated[i] = mlaas_mixer_truncated(&loader->mixer, (size_t)i);
}

/* Makes the next window or a part of it. The lock is held on entry and on return, not while working. */
static void make_more(struct mlaas_loader *loader, struct mlaas_batch **batches) {
  int64_t epoch = loader->epoch, first = loader->made;
  bool ahead = loader->queued > 0;
  size_t count = 0;
  struct mlaas_error error;
  double start = mlaas_loader_clock();
  loader->producing = true;
  pthread_mutex_unlock(&loader->home->lock);
  enum mlaas_status status = prepare(loader, epoch, first, &error);
  if (status == MLAAS_OK)
    status = reserve(loader, first, ahead, batches, &count, &error);
  if (status == MLAAS_OK && count > 0)
    status = fill(loader, first, batches, &count, &error);
  if (status == MLAAS_LIMIT) /* not even one batch and the reading of its rows: as if there were no room for it */
    status = MLAAS_OK;
  if (status == MLAAS_TIMEOUT) /* a server's; to who waits for a batch TIMEOUT means: call again */
    status = error.status = MLAAS_IO;
  bool stopped = atomic_load(&loader->interrupt);
  size_t made = count;
  if (stopped)
    release_all(batches, count);
  else if (status == MLAAS_OK)
    count = drop_empty(batches, count);
  pthread_mutex_lock(&loader->home->lock);
  loader->producing = false;
  loader->seconds += mlaas_loader_clock() - start;
  if (!stopped && status != MLAAS_OK) {
    loader->status = status;
    loader->error = error;
  } else if (!stopped && made > 0) {
    publish(loader, batches, count, made);
    loader->starving_since = 0;
  }
  mlaas_mixer_settle_lost(&loader->mixer, false);
  pthread_cond_broadcast(&loader->home->changed);
  if (!stopped && status == MLAAS_OK && made == 0)
    starve(loader);
}

static void *produce(void *argument) {
  struct mlaas_loader *loader = argument;
  struct mlaas_batch **batches = loader->queue + loader->capacity; /* behind the ring: the window at hand */
  mlaas_cancel_watch(&loader->interrupt);
  pthread_mutex_lock(&loader->home->lock);
  while (!loader->stopping) {
    if (may_make(loader))
      make_more(loader, batches);
    else
      pthread_cond_wait(&loader->home->changed, &loader->home->lock);
  }
  pthread_mutex_unlock(&loader->home->lock);
  return NULL;
}

/* Signals stay with the program's own threads. The lock is held. */
static enum mlaas_status start_producer(struct mlaas_loader *loader, struct mlaas_error *error) {
  sigset_t all, old;
  if (loader->started)
    return MLAAS_OK;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &old);
  int failure = pthread_create(&loader->thread, NULL, produce, loader);
  pthread_sigmask(SIG_SETMASK, &old, NULL);
  if (failure != 0)
    return mlaas_fail_errno(error, failure, "the loader's thread cannot be started");
  loader->started = true;
  return MLAAS_OK;
}

/* The lock is held and the producer idle. */
static void stop_producer(struct mlaas_loader *loader) {
  if (!loader->started)
    return;
  atomic_store(&loader->interrupt, true);
  loader->stopping = true;
  pthread_cond_broadcast(&loader->home->changed);
  pthread_mutex_unlock(&loader->home->lock);
  pthread_join(loader->thread, NULL);
  pthread_mutex_lock(&loader->home->lock);
  atomic_store(&loader->interrupt, false);
  loader->started = loader->stopping = false;
}

/* ---- the caller ---- */

enum mlaas_status mlaas_loader_check_owner(const struct mlaas_loader *loader, struct mlaas_error *error) {
  if (getpid() == loader->owner)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_STATE, "this loader was opened before fork(); open it again in the child");
}

/* Takes the first of the queue, ends the epoch, or reports why there is none. The lock is held. */
static enum mlaas_status take(struct mlaas_loader *loader, struct mlaas_batch **batch, struct mlaas_error *error) {
  if (loader->cancelled)
    return mlaas_fail(error, MLAAS_CANCELLED, "the loader was cancelled");
  if (loader->queued > 0) {
    *batch = loader->queue[loader->first];
    loader->first = (loader->first + 1) % loader->capacity;
    loader->queued--;
    loader->position = (*batch)->index + 1; /* batches without rows are passed over */
    loader->batches_lent++;
    mlaas_batch_lend(*batch);
    pthread_cond_broadcast(&loader->home->changed);
    return MLAAS_OK;
  }
  if (loader->made == loader->mixer.num_batches) {
    loader->epoch++;
    loader->position = loader->made = 0;
    loader->wanted = false;
    return MLAAS_OK;
  }
  if (loader->status != MLAAS_OK) {
    if (error)
      *error = loader->error;
    return loader->status;
  }
  return mlaas_fail(error, MLAAS_TIMEOUT, "no batch was ready in time");
}

enum mlaas_status mlaas_loader_next(struct mlaas_loader *loader, int timeout_ms, struct mlaas_batch **batch,
                                    struct mlaas_error *error) {
  *batch = NULL;
  MLAAS_TRY(mlaas_loader_check_owner(loader, error));
  struct mlaas_home *home = loader->home;
  double until = mlaas_loader_clock() + timeout_ms / 1e3;
  pthread_mutex_lock(&home->lock);
  enum mlaas_status status = start_producer(loader, error);
  if (!loader->wanted)
    pthread_cond_broadcast(&home->changed);
  loader->wanted = loader->waiting = true;
  while (status == MLAAS_OK && loader->queued == 0 && loader->status == MLAAS_OK && !loader->cancelled &&
         loader->made < loader->mixer.num_batches) {
    double left = until - mlaas_loader_clock();
    if (timeout_ms >= 0 && left <= 0)
      break;
    if (timeout_ms < 0)
      pthread_cond_wait(&home->changed, &home->lock);
    else
      mlaas_condition_wait(&home->changed, &home->lock, left < 3600 ? (int64_t)(left * 1e3) + 1 : 3600000);
  }
  loader->waiting = false;
  if (status == MLAAS_OK)
    status = take(loader, batch, error);
  pthread_mutex_unlock(&home->lock);
  return status;
}

void mlaas_loader_cancel(struct mlaas_loader *loader) {
  if (getpid() != loader->owner)
    return;
  atomic_store(&loader->interrupt, true);
  pthread_mutex_lock(&loader->home->lock);
  loader->cancelled = true;
  pthread_cond_broadcast(&loader->home->changed);
  pthread_mutex_unlock(&loader->home->lock);
}

/* Gives back all that is queued. The lock is held. */
static void empty_queue(struct mlaas_loader *loader) {
  while (loader->queued > 0) {
    struct mlaas_batch *batch = loader->queue[loader->first];
    loader->first = (loader->first + 1) % loader->capacity;
    loader->queued--;
    pthread_mutex_unlock(&loader->home->lock);
    mlaas_batch_release(batch);
    pthread_mutex_lock(&loader->home->lock);
  }
}

enum mlaas_status mlaas_loader_rewind(struct mlaas_loader *loader, int64_t epoch, int64_t position,
                                      struct mlaas_error *error) {
  MLAAS_TRY(mlaas_loader_check_owner(loader, error));
  pthread_mutex_lock(&loader->home->lock);
  loader->wanted = false;
  stop_producer(loader);
  empty_queue(loader);
  atomic_store(&loader->interrupt, false);
  loader->cancelled = false;
  loader->status = MLAAS_OK;
  loader->epoch = epoch;
  loader->position = loader->made = position;
  loader->starving_since = 0;
  pthread_mutex_unlock(&loader->home->lock);
  return MLAAS_OK;
}

enum mlaas_status mlaas_loader_set_epoch(struct mlaas_loader *loader, int64_t epoch, struct mlaas_error *error) {
  if (epoch < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there is no epoch %lld; they count from 0", (long long)epoch);
  return mlaas_loader_rewind(loader, epoch, 0, error);
}

int64_t mlaas_loader_num_rows(const struct mlaas_loader *loader) { return loader->mixer.rows; }
int64_t mlaas_loader_num_batches(const struct mlaas_loader *loader) { return loader->mixer.num_batches; }

/* ---- open and close ---- */

static enum mlaas_status parse_split(const char *split, unsigned *set, struct mlaas_error *error) {
  static const struct {
    const char *name;
    unsigned set;
  } splits[] = {{"train", MLAAS_PARTS_TRAIN},
                {"validation", MLAAS_PARTS_VALIDATION},
                {"test", MLAAS_PARTS_TEST},
                {"all", MLAAS_PARTS_ALL}};
  for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++)
    if (strcmp(splits[i].name, split) == 0) {
      *set = splits[i].set;
      return MLAAS_OK;
    }
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no split \"%.80s\": train, validation, test and all there are",
                    split);
}

/* The options with every default filled in; window_rows is not known yet. */
static enum mlaas_status complete(const struct mlaas_dataset *dataset, const struct mlaas_loader_options *options,
                                  struct mlaas_mixer_options *complete, struct mlaas_error *error) {
  const char *split = options && options->split ? options->split : "train";
  int64_t rank = options ? options->rank : 0, world = options && options->world ? options->world : 1;
  int64_t rows = options && options->batch_rows ? options->batch_rows : dataset->params.batch_size;
  *complete = (struct mlaas_mixer_options){.batch_rows = rows};
  MLAAS_TRY(parse_split(split, &complete->order.set, error));
  if (rank < 0 || rank >= world || world >= 1 << 20)
    return mlaas_fail(error, MLAAS_ARGUMENT, "rank %lld of %lld is no shard", (long long)rank, (long long)world);
  if (rows < 1 || rows > 1 << 24)
    return mlaas_fail(error, MLAAS_ARGUMENT, "batches of %lld rows were asked for; 1 to %d are possible",
                      (long long)rows, 1 << 24);
  bool train = complete->order.set == MLAAS_PARTS_TRAIN;
  complete->order.shuffle = options && options->shuffle >= 0 ? options->shuffle > 0 : train && dataset->params.shuffle;
  complete->order.seed = dataset->params.seed;
  complete->order.rank = rank;
  complete->order.world = world;
  return MLAAS_OK;
}

/* Rows that are mixed: what params say, else what a share of the ceiling holds; depends on nothing that changes from
 * run to run. */
static int64_t window_rows(const struct mlaas_loader *loader) {
  const struct mlaas_mixer *mixer = &loader->mixer;
  const struct mlaas_dataset *dataset = loader->dataset;
  int64_t batch_rows = mixer->options.batch_rows, all = (mixer->rows + batch_rows - 1) / batch_rows * batch_rows;
  int64_t ceiling = mlaas_budget_ceiling(mlaas_context_budget(dataset->context));
  bool shuffle = mixer->options.order.shuffle;
  int64_t share = mixer->tight ? ceiling * 2 / 5 : shuffle ? ceiling / 5 : ceiling / 12;
  int64_t rows = share / mlaas_batch_bytes(&mixer->layout, batch_rows) * batch_rows;
  int64_t most = shuffle ? MOST_MIXED : MOST_ORDERED;
  if (rows > most)
    rows = most / batch_rows * batch_rows;
  if (shuffle && dataset->params.shuffle_buffer > 0)
    rows = (dataset->params.shuffle_buffer + batch_rows - 1) / batch_rows * batch_rows;
  if (rows > all)
    rows = all;
  if (rows > INT32_MAX / 2)
    rows = INT32_MAX / 2 / batch_rows * batch_rows;
  return rows < batch_rows ? batch_rows : rows;
}

enum mlaas_status mlaas_loader_make_queue(struct mlaas_loader *loader, struct mlaas_error *error) {
  size_t per_window = (size_t)(loader->mixer.options.window_rows / loader->mixer.options.batch_rows);
  struct mlaas_batch **queue = mlaas_arena_alloc(&loader->mixer.arena, 3 * per_window, sizeof *queue, error);
  if (!queue)
    return error ? error->status : MLAAS_MEMORY;
  loader->queue = queue;
  loader->capacity = 2 * per_window;
  loader->first = 0;
  return MLAAS_OK;
}

/* One batch and what reading takes have to fit beside what is held already. */
static enum mlaas_status check_ceiling(const struct mlaas_loader *loader, struct mlaas_error *error) {
  struct mlaas_budget *budget = mlaas_context_budget(loader->dataset->context);
  int64_t batch = mlaas_batch_bytes(&loader->mixer.layout, loader->mixer.options.batch_rows);
  int64_t needed = mlaas_budget_held(budget) + batch + loader->mixer.least + (64 << 10);
  if (needed <= mlaas_budget_ceiling(budget))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_LIMIT,
                    "the memory ceiling of %lld bytes is too low for batches of %lld rows, which take %lld bytes each: "
                    "the smallest that would do is %lld bytes",
                    (long long)mlaas_budget_ceiling(budget), (long long)loader->mixer.options.batch_rows,
                    (long long)batch, (long long)needed);
}

static enum mlaas_status set_up(struct mlaas_loader *loader, const struct mlaas_mixer_options *options,
                                struct mlaas_error *error) {
  MLAAS_TRY(mlaas_mixer_open(&loader->mixer, loader->dataset, options, &loader->interrupt, error));
  loader->mixer.options.window_rows = window_rows(loader);
  MLAAS_TRY(mlaas_loader_make_queue(loader, error));
  loader->truncated_count = (int64_t)mlaas_recipe_num_branches(loader->dataset->recipe);
  loader->truncated =
      mlaas_arena_alloc(&loader->mixer.arena, (size_t)loader->truncated_count, sizeof *loader->truncated, error);
  if (!loader->truncated)
    return MLAAS_MEMORY;
  return check_ceiling(loader, error);
}

enum mlaas_status mlaas_loader_open(struct mlaas_dataset *dataset, const struct mlaas_loader_options *options,
                                    struct mlaas_loader **loader, struct mlaas_error *error) {
  struct mlaas_mixer_options completed;
  if (!dataset->recipe)
    return mlaas_fail(error, MLAAS_STATE, "the data set has no recipe yet: scan it, or give it specs or a recipe");
  if (getpid() != dataset->owner)
    return mlaas_fail(error, MLAAS_STATE, "this data set was opened before fork(); open it again in the child");
  MLAAS_TRY(complete(dataset, options, &completed, error));
  struct mlaas_loader *made = mlaas_alloc(sizeof *made);
  struct mlaas_home *home = made ? mlaas_home_new() : NULL;
  if (!home) {
    mlaas_free(made);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a loader");
  }
  mlaas_dataset_get(dataset);
  made->dataset = dataset;
  made->home = home;
  made->owner = getpid();
  atomic_init(&made->interrupt, false);
  strncpy(made->split, options && options->split ? options->split : "train", sizeof made->split - 1);
  enum mlaas_status status = set_up(made, &completed, error);
  if (status == MLAAS_OK)
    *loader = made;
  else
    mlaas_loader_close(made);
  return status;
}

void mlaas_loader_close(struct mlaas_loader *loader) {
  if (!loader || getpid() != loader->owner) /* in a forked child neither the thread nor its locks are to be had */
    return;
  pthread_mutex_lock(&loader->home->lock);
  stop_producer(loader);
  empty_queue(loader);
  pthread_mutex_unlock(&loader->home->lock);
  mlaas_mixer_close(&loader->mixer);
  mlaas_dataset_close(loader->dataset);
  mlaas_home_put(loader->home);
  mlaas_free(loader);
}
