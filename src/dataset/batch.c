/* A slab is one block with whole batches in it; the last of them that comes home frees it. */
#include "dataset/batch.h"

#include "base/clock.h"
#include "base/error.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SLAB = 8 << 20, LEAST_SLABS = 64, ALIGNMENT = 64 }; /* of a ceiling at least so many slabs */

struct slab {
  struct mlaas_block block; /* this struct lies at its front */
  atomic_long count;
};

struct owned_batch {
  struct mlaas_batch batch; /* first: what the caller sees */
  struct slab *slab;
  struct mlaas_home *home;
  bool lent;
  struct mlaas_batch_input inputs[];
};

/* ---- home ---- */

struct mlaas_home *mlaas_home_new(void) {
  struct mlaas_home *home = mlaas_alloc(sizeof *home);
  if (!home)
    return NULL;
  pthread_mutex_init(&home->lock, NULL);
  mlaas_condition_init(&home->changed);
  home->owner = getpid();
  home->count = 1;
  return home;
}

void mlaas_home_put(struct mlaas_home *home) {
  if (!home || __atomic_sub_fetch(&home->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  pthread_mutex_destroy(&home->lock);
  pthread_cond_destroy(&home->changed);
  mlaas_free(home);
}

/* ---- layout: header, inputs' x and mask, then the arrays of one value per row ---- */

static int64_t aligned(int64_t bytes) { return (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT; }

static int64_t header_bytes(const struct mlaas_layout *layout) {
  return aligned((int64_t)(sizeof(struct owned_batch) + layout->num_inputs * sizeof(struct mlaas_batch_input)));
}

int64_t mlaas_batch_bytes(const struct mlaas_layout *layout, int64_t rows) {
  int64_t bytes = header_bytes(layout);
  for (size_t i = 0; i < layout->num_inputs; i++) {
    int64_t values = rows * layout->slots[i] * layout->features[i];
    bytes += aligned(values * (int64_t)sizeof(float)) + aligned(values);
  }
  return bytes + 4 * aligned(rows * 4) + aligned(rows * 8) + aligned(rows);
}

static void *cut(char **at, int64_t bytes) {
  void *piece = *at;
  *at += aligned(bytes);
  return piece;
}

/* Lays a batch out at `at`; returns the place behind it. */
static char *place_batch(char *at, const struct mlaas_layout *layout, int64_t rows, int64_t index, struct slab *slab,
                         struct mlaas_home *home, struct mlaas_batch **placed) {
  struct owned_batch *owned = cut(&at, header_bytes(layout));
  *owned = (struct owned_batch){.slab = slab, .home = home};
  for (size_t i = 0; i < layout->num_inputs; i++) {
    int64_t values = rows * layout->slots[i] * layout->features[i];
    owned->inputs[i].x = cut(&at, values * (int64_t)sizeof(float));
    owned->inputs[i].mask = cut(&at, values);
    owned->inputs[i].slots = layout->slots[i];
    owned->inputs[i].features = layout->features[i];
  }
  struct mlaas_batch *batch = &owned->batch;
  batch->rows = rows;
  batch->index = index;
  batch->num_inputs = layout->num_inputs;
  batch->inputs = owned->inputs;
  batch->y = cut(&at, rows * 4);
  batch->w = cut(&at, rows * 4);
  batch->raw_w = cut(&at, rows * 4);
  batch->file = cut(&at, rows * 4);
  batch->entry = cut(&at, rows * 8);
  batch->part = cut(&at, rows);
  *placed = batch;
  __atomic_add_fetch(&home->count, 1, __ATOMIC_RELAXED);
  return at;
}

enum mlaas_status mlaas_batches_new(struct mlaas_home *home, struct mlaas_budget *budget,
                                    const struct mlaas_layout *layout, int64_t rows, int64_t last_rows, int64_t index,
                                    size_t count, struct mlaas_batch **batches, size_t *made,
                                    struct mlaas_error *error) {
  int64_t bytes = mlaas_batch_bytes(layout, rows), front = aligned(sizeof(struct slab));
  int64_t slab_bytes = mlaas_budget_ceiling(budget) / LEAST_SLABS;
  slab_bytes = slab_bytes < MOST_SLAB ? slab_bytes : MOST_SLAB;
  size_t per_slab = bytes < slab_bytes ? (size_t)(slab_bytes / bytes) : 1;
  *made = 0;
  while (*made < count) {
    struct mlaas_block block;
    struct mlaas_error failure;
    size_t here = count - *made < per_slab ? count - *made : per_slab;
    if (mlaas_block_new(budget, front + (int64_t)here * bytes, &block, &failure) != MLAAS_OK) {
      if (failure.status == MLAAS_LIMIT && here == 1)
        return MLAAS_OK;
      if (failure.status == MLAAS_LIMIT) { /* near the ceiling one by one */
        per_slab = 1;
        continue;
      }
      if (error)
        *error = failure;
      return failure.status;
    }
    struct slab *slab = block.data;
    slab->block = block;
    atomic_init(&slab->count, (long)here);
    char *at = (char *)block.data + front;
    for (size_t i = 0; i < here; i++, ++*made)
      at = place_batch(at, layout, *made + 1 == count ? last_rows : rows, index + (int64_t)*made, slab, home,
                       &batches[*made]);
  }
  return MLAAS_OK;
}

void mlaas_batch_lend(struct mlaas_batch *batch) {
  struct owned_batch *owned = (struct owned_batch *)batch;
  owned->lent = true;
  owned->home->lent++;
}

void mlaas_batch_release(struct mlaas_batch *batch) {
  if (!batch)
    return;
  struct owned_batch *owned = (struct owned_batch *)batch;
  struct mlaas_home *home = owned->home;
  if (getpid() != home->owner) /* the locks may have been held by a thread that did not come along through fork() */
    return;
  bool lent = owned->lent;
  struct slab *slab = owned->slab;
  if (atomic_fetch_sub(&slab->count, 1) == 1) {
    struct mlaas_block block = slab->block;
    mlaas_block_reset(&block);
  }
  pthread_mutex_lock(&home->lock);
  home->lent -= lent;
  home->returned += lent; /* one that nobody had makes no room */
  pthread_cond_broadcast(&home->changed);
  pthread_mutex_unlock(&home->lock);
  mlaas_home_put(home);
}
