/* The inside of a loader: a producer that makes windows of batches, an ordered queue, a caller that takes them. The
 * home's lock guards everything that both sides touch; the mixer is the producer's alone while `producing`.
 */
#ifndef MLAAS_DATASET_LOADER_H
#define MLAAS_DATASET_LOADER_H

#include "dataset/mixer.h"

struct mlaas_loader {
  struct mlaas_dataset *dataset;
  struct mlaas_mixer mixer;
  struct mlaas_home *home;
  char split[16];
  pid_t owner;
  pthread_t thread;
  bool started;
  atomic_bool interrupt; /* stops the producer between two slices */
  /* guarded by home->lock */
  bool stopping;  /* the loader is being closed */
  bool wanted;    /* somebody has asked for a batch of this epoch */
  bool waiting;   /* and waits for it */
  bool producing; /* the producer works without the lock */
  bool cancelled;
  enum mlaas_status status; /* of the producer; the loader is finished unless OK */
  struct mlaas_error error;
  int64_t epoch;
  int64_t position;           /* the next batch to deliver */
  int64_t made;               /* the next batch to make */
  struct mlaas_batch **queue; /* a ring */
  size_t capacity, first, queued;
  double starving_since; /* since when the caller waits and no batch fits; 0: it does not */
  int64_t starving_returned;
  int64_t truncated_count; /* branches */
  int64_t *truncated;
  /* statistics */
  double seconds; /* that the producer worked */
  int64_t rows_made, batches_lent;
  struct mlaas_source_counters counters;
};

double mlaas_loader_clock(void);
/* Starts again at batch `position` of `epoch`, with nothing queued; forgets an error. Waits for the producer to stop.
 */
enum mlaas_status mlaas_loader_rewind(struct mlaas_loader *loader, int64_t epoch, int64_t position,
                                      struct mlaas_error *error);
/* Room for two windows in the queue. */
enum mlaas_status mlaas_loader_make_queue(struct mlaas_loader *loader, struct mlaas_error *error);
/* STATE in a child after fork(). */
enum mlaas_status mlaas_loader_check_owner(const struct mlaas_loader *loader, struct mlaas_error *error);

#endif
