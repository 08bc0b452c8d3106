/* Makes the batches of an epoch: reads every run of a window and writes each row once, at the place that the shuffle
 * gave it. Belongs to one thread; knows nothing of queues or of who takes the batches.
 */
#ifndef MLAAS_DATASET_MIXER_H
#define MLAAS_DATASET_MIXER_H

#include "dataset/batch.h"
#include "dataset/opener.h"
#include "dataset/order.h"

#include <stdatomic.h>

struct mlaas_mixer_options {
  struct mlaas_order_options order; /* epoch is set by mlaas_mixer_start */
  int64_t batch_rows;
  int64_t window_rows; /* rows that are permuted together, a multiple of batch_rows */
};

/* A file that is open, with the recipe bound to it. */
struct mlaas_bound {
  size_t file;
  bool open;
  uint64_t used; /* when last */
  struct mlaas_access access;
  struct mlaas_filler *filler;
};

/* What was left out of a file that stopped being readable. */
struct mlaas_mixer_loss {
  bool gone;        /* in this epoch */
  int64_t fresh;    /* rows of batches that are being made */
  char reason[300]; /* of the producer */
  int64_t rows;     /* of batches that were delivered; guarded by the loader's lock, as is: */
  char told[300];
};

struct mlaas_mixer {
  const struct mlaas_dataset *dataset;
  struct mlaas_mixer_options options;
  struct mlaas_arena arena, order_arena;
  struct mlaas_layout layout;
  struct mlaas_order order;
  int64_t rows, num_batches;                 /* of an epoch */
  bool tight;                                /* the clusters that lanes are in do not fit: fewer, larger steps */
  int64_t slice;                             /* bytes of a slice */
  int64_t scratch;                           /* bytes that reading should find free */
  int64_t least;                             /* and those without which it cannot work */
  struct mlaas_bound bound[2 * MLAAS_LANES]; /* the second half for files that come next */
  size_t num_bound;
  uint64_t clock;
  int32_t *picked, *slots; /* the rows of a run, and where they go in the window */
  struct mlaas_tile_scratch *workers;
  struct mlaas_source_counters closed; /* of files that were closed */
  struct mlaas_opener opener;
  int64_t longest;                 /* unit */
  int64_t ahead[MLAAS_LANES];      /* rows of each lane's share that were announced */
  int64_t announced;               /* the window for which that was done last */
  struct mlaas_mixer_loss *losses; /* by file; NULL: an error of one ends all */
  bool holes;                      /* some rows of the batches at hand are left out */
  const atomic_bool *interrupt;
};

/* Zeroed before; `interrupt` stops a fill (CANCELLED). Opens the first file. Errors: those of opening, LIMIT, MEMORY;
 * close also after a failure. */
enum mlaas_status mlaas_mixer_open(struct mlaas_mixer *mixer, const struct mlaas_dataset *dataset,
                                   const struct mlaas_mixer_options *options, const atomic_bool *interrupt,
                                   struct mlaas_error *error);
void mlaas_mixer_close(struct mlaas_mixer *mixer);
enum mlaas_status mlaas_mixer_start(struct mlaas_mixer *mixer, int64_t epoch, struct mlaas_error *error);
/* Batches from `first` to the end of its window. */
size_t mlaas_mixer_window(const struct mlaas_mixer *mixer, int64_t first);
/* Rows of one batch of the epoch. */
int64_t mlaas_mixer_batch_rows(const struct mlaas_mixer *mixer, int64_t index);
/* Fills batches first, first + 1 ..., all of one window. Whatever part of a window is asked for, its rows are the same.
 * Errors: those of reading, CANCELLED. */
enum mlaas_status mlaas_mixer_fill(struct mlaas_mixer *mixer, int64_t first, struct mlaas_batch *const *batches,
                                   size_t count, struct mlaas_error *error);
/* Begins to fetch what batches from `first` on take, before they are filled. */
void mlaas_mixer_expect(struct mlaas_mixer *mixer, int64_t first);
void mlaas_mixer_counters(const struct mlaas_mixer *mixer, struct mlaas_source_counters *counters);
/* Begins to fetch what windows from row `start` on take, as far as the cache goes. For mixer.c. */
void mlaas_mixer_announce(struct mlaas_mixer *mixer, int64_t start);
/* File `index` where it is open, else NULL; and opened. For mixer_ahead.c. */
struct mlaas_bound *mlaas_mixer_bound(struct mlaas_mixer *mixer, size_t index);
enum mlaas_status mlaas_mixer_bind(struct mlaas_mixer *mixer, size_t index, struct mlaas_bound **found,
                                   struct mlaas_error *error);
/* mixer_lost.c, for mixer.c: see there. */
enum mlaas_status mlaas_mixer_lost_init(struct mlaas_mixer *mixer, struct mlaas_error *error);
/* In this epoch; one that was given up after a silence in every epoch, of every loader. */
bool mlaas_mixer_is_lost(struct mlaas_mixer *mixer, size_t file);
/* The rest of the file is left out of this epoch; false: the error ends all. */
bool mlaas_mixer_lose(struct mlaas_mixer *mixer, size_t file, enum mlaas_status status, const struct mlaas_error *why);
void mlaas_mixer_leave_out(struct mlaas_mixer *mixer, size_t file, const int32_t *slots, size_t count,
                           struct mlaas_batch *const *batches);
/* Moves the rows that are there together; a batch may be left with none. */
void mlaas_mixer_close_up(struct mlaas_mixer *mixer, struct mlaas_batch *const *batches, size_t count);
/* A new epoch tries files again, but for silent ones. */
void mlaas_mixer_forget_lost(struct mlaas_mixer *mixer);
/* Counts what was left out of the batches made last, or (they were thrown away) forgets it. Under the loader's lock. */
void mlaas_mixer_settle_lost(struct mlaas_mixer *mixer, bool delivered);
/* Entries of branch i of the recipe whose list was cut. */
int64_t mlaas_mixer_truncated(const struct mlaas_mixer *mixer, size_t branch);

#endif
