/* Batches: memory lent to the caller, several small ones to a block, given back from any thread. Knows neither files
 * nor the order of rows.
 */
#ifndef MLAAS_DATASET_BATCH_H
#define MLAAS_DATASET_BATCH_H

#include "base/memory.h"

#include <mlaas/dataset.h>
#include <pthread.h>
#include <sys/types.h>

/* Where batches come home to: outlives the loader while one is lent. Counted; one count per batch and one of the
 * loader. */
struct mlaas_home {
  pthread_mutex_t lock;
  pthread_cond_t changed; /* broadcast on every change that somebody may wait for */
  pid_t owner;
  long count;
  int64_t lent;     /* batches that the caller holds */
  int64_t returned; /* batches that the caller ever gave back */
};

/* Shape of the rows: what every batch of a loader has in common. */
struct mlaas_layout {
  size_t num_inputs;
  int64_t *slots, *features; /* per input */
};

struct mlaas_home *mlaas_home_new(void);
void mlaas_home_put(struct mlaas_home *home);

/* Bytes of a batch of `rows`. */
int64_t mlaas_batch_bytes(const struct mlaas_layout *layout, int64_t rows);
/* Makes up to `count` batches of `rows` each, the last of all of `last_rows`, with indices from `index`; *made of them,
 * in batches[0 ...]. Fewer (perhaps none) when the ceiling is reached; errors: MEMORY. They hold nothing yet. */
enum mlaas_status mlaas_batches_new(struct mlaas_home *home, struct mlaas_budget *budget,
                                    const struct mlaas_layout *layout, int64_t rows, int64_t last_rows, int64_t index,
                                    size_t count, struct mlaas_batch **batches, size_t *made,
                                    struct mlaas_error *error);
/* Marks a batch as the caller's, so that mlaas_batch_release counts it as returned. The home's lock is held. */
void mlaas_batch_lend(struct mlaas_batch *batch);

#endif
