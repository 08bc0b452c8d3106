/* Opens the files of a data set before their turn comes, several at a time, where that costs round trips. In whatever
 * order they become open, they are handed out, and fail, in the caller's order. Files at hand are opened when asked
 * for.
 */
#ifndef MLAAS_DATASET_OPENER_H
#define MLAAS_DATASET_OPENER_H

#include "base/early.h"
#include "dataset/access.h"

#include <pthread.h>

enum mlaas_opener_kind {
  MLAAS_OPENER_HANDLES, /* file and table */
  MLAAS_OPENER_ACCESS,  /* and a reader of `names` */
  MLAAS_OPENER_BOUND    /* and the recipe bound to it */
};

struct mlaas_opened {
  struct mlaas_handle *handle; /* HANDLES */
  struct mlaas_access access;  /* else */
  struct mlaas_filler *filler; /* BOUND */
};

/* What will be read first of a file: entries [start, stop), or, where these take more than `most` bytes of it, those up
 * to `less`. */
struct mlaas_opener_first {
  size_t file;
  int64_t start, stop, less, most;
};

enum { MLAAS_OPENER_FIRSTS = 64 };

struct mlaas_opener {
  const struct mlaas_dataset *dataset;
  enum mlaas_opener_kind kind;
  const char *const *names;
  size_t num_names;
  struct mlaas_early *early; /* NULL: no file is remote */
  bool quota_only;           /* a walk passes files of which no entry is taken */
  int64_t ahead;             /* ACCESS: bytes of a file's first clusters that are fetched when it is open */
  pthread_mutex_t lock;      /* BOUND: over what is fetched then, of the files that were told of last */
  struct mlaas_opener_first firsts[MLAAS_OPENER_FIRSTS];
  size_t num_firsts; /* ever */
};

/* `names` is borrowed. */
void mlaas_opener_init(struct mlaas_opener *opener, const struct mlaas_dataset *dataset, enum mlaas_opener_kind kind,
                       const char *const *names, size_t num_names);
void mlaas_opener_reset(struct mlaas_opener *opener); /* legal on a zeroed one */
/* Begins to open file `index`, if it is remote and memory allows. */
void mlaas_opener_want(struct mlaas_opener *opener, size_t index);
/* The same for first->file, whose bytes are fetched as soon as it is open, without waiting for who takes it. BOUND. */
void mlaas_opener_want_rows(struct mlaas_opener *opener, const struct mlaas_opener_first *first);
/* The same for `index` and those that follow it, of a pass over all files in order. */
void mlaas_opener_walk(struct mlaas_opener *opener, size_t index);
/* It was opened early, and is there. */
bool mlaas_opener_ready(struct mlaas_opener *opener, size_t index);
/* The open file, which is the caller's: mlaas_opened_reset gives it back. Errors: those of opening. */
enum mlaas_status mlaas_opener_take(struct mlaas_opener *opener, size_t index, struct mlaas_opened *opened,
                                    struct mlaas_error *error);
void mlaas_opened_reset(const struct mlaas_dataset *dataset, struct mlaas_opened *opened);
/* Gives back what nobody took: memory is short. */
void mlaas_opener_drop(struct mlaas_opener *opener);

#endif
