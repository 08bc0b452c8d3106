/* A ceiling on memory shared by threads. Blocks of some size are kept for reuse while nobody needs the room: fresh
 * pages cost more than decoding into them. The large ones are mapped. Must not know what the memory is for.
 */
#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { HUGE = 2 << 20, LARGE = 64 << 10, MEDIUM = 16 << 10, GRAIN = 16 << 10, KEPT = 1024 };

struct kept {
  void *data;
  int64_t capacity;
};

struct mlaas_budget {
  int forks;                         /* how often the process it was made in had been forked off */
  pthread_mutex_t lock;              /* nothing else is locked under it */
  int64_t ceiling, held, idle, peak; /* held + idle <= ceiling; peak is of held + idle */
  int64_t limits[MLAAS_NUM_CEILINGS];
  bool trust_pages;
  long count;
  pthread_mutex_t need_lock; /* before whatever let_go locks */
  struct mlaas_need *needs;
  size_t num_kept;
  struct kept kept[KEPT]; /* the one kept longest first */
};

static int forks; /* changes in a child that has no other threads yet */
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void count_fork(void) { forks++; }
static void watch_forks(void) { pthread_atfork(NULL, NULL, count_fork); }

/* A child of fork() gives back without counting: the lock may be held by a thread that did not come along. */
static bool is_ours(const struct mlaas_budget *budget) { return budget->forks == forks; }

struct mlaas_budget *mlaas_budget_new(int64_t ceiling) {
  struct mlaas_budget *budget = mlaas_alloc(sizeof *budget);
  if (!budget)
    return NULL;
  pthread_once(&once, watch_forks);
  budget->forks = forks;
  pthread_mutex_init(&budget->lock, NULL);
  pthread_mutex_init(&budget->need_lock, NULL);
  budget->ceiling = ceiling;
  budget->count = 1;
  for (int i = 0; i < MLAAS_NUM_CEILINGS; i++)
    mlaas_budget_set_limit(budget, (enum mlaas_ceiling)i, 0);
  return budget;
}

struct mlaas_budget *mlaas_budget_get(struct mlaas_budget *budget) {
  __atomic_add_fetch(&budget->count, 1, __ATOMIC_RELAXED);
  return budget;
}

/* ---- ceilings on single things ---- */

static const struct {
  int64_t fallback;
  const char *name, *before, *behind; /* of the number, in a sentence */
} ceilings[MLAAS_NUM_CEILINGS] = {
    [MLAAS_CEILING_METADATA] = {256 << 20, "metadata", "a record of ", " bytes"},
    [MLAAS_CEILING_BASKET] = {256 << 20, "basket", "a basket of ", " bytes"},
    [MLAAS_CEILING_PAGE] = {256 << 20, "page", "a page of ", " bytes"},
    [MLAAS_CEILING_NESTING] = {100, "nesting", "", " levels of nesting"},
    [MLAAS_CEILING_COLUMNS] = {1000000, "columns", "a table of ", " columns"},
};

void mlaas_budget_set_limit(struct mlaas_budget *budget, enum mlaas_ceiling ceiling, int64_t value) {
  budget->limits[ceiling] = value > 0 ? value : ceilings[ceiling].fallback;
}

int64_t mlaas_budget_limit(const struct mlaas_budget *budget, enum mlaas_ceiling ceiling) {
  return budget->limits[ceiling];
}

enum mlaas_status mlaas_budget_check(const struct mlaas_budget *budget, enum mlaas_ceiling ceiling, int64_t wanted,
                                     struct mlaas_error *error) {
  if (wanted <= budget->limits[ceiling])
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_LIMIT, "%s%lld%s is above the limit of %lld; raise it by limits.%s or --max-%s",
                    ceilings[ceiling].before, (long long)wanted, ceilings[ceiling].behind,
                    (long long)budget->limits[ceiling], ceilings[ceiling].name, ceilings[ceiling].name);
}

void mlaas_budget_set_trust(struct mlaas_budget *budget, bool trust_pages) { budget->trust_pages = trust_pages; }
bool mlaas_budget_trusts_pages(const struct mlaas_budget *budget) { return budget->trust_pages; }

static void give_back(void *data, int64_t capacity) {
  if (capacity >= LARGE)
    munmap(data, (size_t)capacity);
  else
    free(data);
}

/* The lock is held. */
static struct kept remove_kept(struct mlaas_budget *budget, size_t i) {
  struct kept kept = budget->kept[i];
  budget->idle -= kept.capacity;
  budget->num_kept--;
  memmove(&budget->kept[i], &budget->kept[i + 1], (budget->num_kept - i) * sizeof kept);
  return kept;
}

/* Lets go of kept blocks until `wanted` bytes fit below the ceiling. The lock is held. */
static void make_room(struct mlaas_budget *budget, int64_t wanted) {
  while (budget->num_kept && budget->held + budget->idle > budget->ceiling - wanted) {
    struct kept oldest = remove_kept(budget, 0);
    give_back(oldest.data, oldest.capacity);
  }
}

void mlaas_budget_put(struct mlaas_budget *budget) {
  if (!budget || __atomic_sub_fetch(&budget->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  make_room(budget, INT64_MAX);
  pthread_mutex_destroy(&budget->lock);
  pthread_mutex_destroy(&budget->need_lock);
  mlaas_free(budget);
}

static int64_t read_locked(struct mlaas_budget *budget, const int64_t *field) {
  pthread_mutex_lock(&budget->lock);
  int64_t value = *field;
  pthread_mutex_unlock(&budget->lock);
  return value;
}

int64_t mlaas_budget_ceiling(const struct mlaas_budget *budget) { return budget->ceiling; }
int64_t mlaas_budget_held(struct mlaas_budget *budget) { return read_locked(budget, &budget->held); }
int64_t mlaas_budget_peak(struct mlaas_budget *budget) { return read_locked(budget, &budget->peak); }

static void count_in(struct mlaas_budget *budget, int64_t size) {
  budget->held += size;
  if (budget->held + budget->idle > budget->peak)
    budget->peak = budget->held + budget->idle;
}

static enum mlaas_status claim(struct mlaas_budget *budget, int64_t size, struct mlaas_error *error) {
  pthread_mutex_lock(&budget->lock);
  bool fits = size <= budget->ceiling - budget->held;
  int64_t held = budget->held;
  if (fits) {
    make_room(budget, size);
    count_in(budget, size);
  }
  pthread_mutex_unlock(&budget->lock);
  if (fits)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_LIMIT,
                    "%lld bytes more do not fit: %lld of %lld are held; this needs a memory ceiling of at least %llu",
                    (long long)size, (long long)held, (long long)budget->ceiling,
                    (unsigned long long)size + (unsigned long long)held);
}

void mlaas_budget_add_need(struct mlaas_budget *budget, struct mlaas_need *need) {
  pthread_mutex_lock(&budget->need_lock);
  need->next = budget->needs;
  budget->needs = need;
  pthread_mutex_unlock(&budget->need_lock);
}

void mlaas_budget_remove_need(struct mlaas_budget *budget, struct mlaas_need *need) {
  pthread_mutex_lock(&budget->need_lock);
  struct mlaas_need **link = &budget->needs;
  while (*link && *link != need)
    link = &(*link)->next;
  if (*link)
    *link = need->next;
  pthread_mutex_unlock(&budget->need_lock);
}

enum mlaas_status mlaas_budget_claim(struct mlaas_budget *budget, int64_t size, struct mlaas_error *error) {
  enum mlaas_status status = claim(budget, size, error);
  if (status == MLAAS_OK || size > budget->ceiling)
    return status;
  pthread_mutex_lock(&budget->need_lock);
  for (struct mlaas_need *need = budget->needs; need && status != MLAAS_OK; need = need->next) {
    need->let_go(need->context, size);
    status = claim(budget, size, error);
  }
  pthread_mutex_unlock(&budget->need_lock);
  return status;
}

void mlaas_budget_return(struct mlaas_budget *budget, int64_t size) {
  if (!is_ours(budget))
    return;
  pthread_mutex_lock(&budget->lock);
  budget->held -= size;
  pthread_mutex_unlock(&budget->lock);
}

/* A kept block of at least `capacity` bytes and at most an eighth more, or NULL. */
static void *take_kept(struct mlaas_budget *budget, int64_t *capacity) {
  void *data = NULL;
  pthread_mutex_lock(&budget->lock);
  for (size_t i = budget->num_kept; i-- > 0 && !data;) {
    if (budget->kept[i].capacity < *capacity || budget->kept[i].capacity > *capacity + *capacity / 8)
      continue;
    struct kept kept = remove_kept(budget, i);
    data = kept.data;
    *capacity = kept.capacity;
    count_in(budget, kept.capacity);
  }
  pthread_mutex_unlock(&budget->lock);
  return data;
}

/* From HUGE bytes on at a boundary where the kernel may use large pages: rows written all over such a block would else
 * cost a miss in the page tables each, and its first use a fault for every 4 KiB. */
static void *map(int64_t capacity) {
  size_t size = (size_t)capacity, extra = capacity >= HUGE ? HUGE : 0;
  char *data = mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (data == MAP_FAILED)
    return NULL;
  size_t before = extra ? (size_t)(-(uintptr_t)data % HUGE) : 0;
  if (before)
    munmap(data, before);
  if (extra - before)
    munmap(data + before + size, extra - before);
  if (extra)
    madvise(data + before, size, MADV_HUGEPAGE);
  return data + before;
}

typedef enum mlaas_status claim_function(struct mlaas_budget *budget, int64_t size, struct mlaas_error *error);

static enum mlaas_status make_block(struct mlaas_budget *budget, int64_t size, struct mlaas_block *block,
                                    claim_function *claim_bytes, struct mlaas_error *error) {
  *block = (struct mlaas_block){0};
  if (size < 0 || size > INT64_MAX / 4)
    return mlaas_fail(error, MLAAS_LIMIT, "a block of %lld bytes was asked for", (long long)size);
  if (mlaas_memory_fails_now())
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %lld bytes", (long long)size);
  bool large = size > LARGE - 64; /* so that every small capacity stays below LARGE */
  int64_t grain = large ? GRAIN : 64, capacity = (size + grain - 1) / grain * grain;
  if (capacity == 0)
    capacity = grain;
  void *data = capacity >= MEDIUM ? take_kept(budget, &capacity) : NULL;
  if (!data) {
    MLAAS_TRY(claim_bytes(budget, capacity, error));
    data = large ? map(capacity) : aligned_alloc(64, (size_t)capacity);
  }
  if (!data) {
    mlaas_budget_return(budget, capacity);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %lld bytes", (long long)size);
  }
  *block = (struct mlaas_block){data, size, capacity, mlaas_budget_get(budget)};
  return MLAAS_OK;
}

enum mlaas_status mlaas_block_new(struct mlaas_budget *budget, int64_t size, struct mlaas_block *block,
                                  struct mlaas_error *error) {
  return make_block(budget, size, block, mlaas_budget_claim, error);
}

enum mlaas_status mlaas_block_try(struct mlaas_budget *budget, int64_t size, struct mlaas_block *block,
                                  struct mlaas_error *error) {
  return make_block(budget, size, block, claim, error);
}

enum mlaas_status mlaas_block_grow(struct mlaas_block *block, int64_t size, struct mlaas_error *error) {
  if (size <= block->capacity) {
    if (size > block->size)
      block->size = size;
    return MLAAS_OK;
  }
  struct mlaas_block larger;
  int64_t doubled = block->capacity > INT64_MAX / 8 ? size : block->capacity * 2;
  if (doubled <= size || mlaas_block_new(block->budget, doubled, &larger, NULL) != MLAAS_OK)
    MLAAS_TRY(mlaas_block_new(block->budget, size, &larger, error));
  memcpy(larger.data, block->data, (size_t)block->size);
  larger.size = size;
  mlaas_block_reset(block);
  *block = larger;
  return MLAAS_OK;
}

void mlaas_block_reset(struct mlaas_block *block) {
  struct mlaas_budget *budget = block->budget;
  if (!budget)
    return;
  if (!is_ours(budget)) {
    give_back(block->data, block->capacity);
    *block = (struct mlaas_block){0};
    return;
  }
  struct kept unneeded = {block->data, block->capacity};
  pthread_mutex_lock(&budget->lock);
  budget->held -= block->capacity;
  if (block->capacity >= MEDIUM) { /* what was kept longest is of a size that is asked for no more */
    struct kept kept = unneeded;
    unneeded = budget->num_kept == KEPT ? remove_kept(budget, 0) : (struct kept){0};
    budget->kept[budget->num_kept++] = kept;
    budget->idle += kept.capacity;
  }
  pthread_mutex_unlock(&budget->lock);
  if (unneeded.data)
    give_back(unneeded.data, unneeded.capacity);
  *block = (struct mlaas_block){0};
  mlaas_budget_put(budget);
}
