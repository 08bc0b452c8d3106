/* Files opened early. Knows nothing of their rows. */
#include "dataset/opener.h"

#include "base/error.h"

#include <string.h>

enum { THREADS = 8, WALK = 8 };

/* What a thread found; the heap's. */
struct early_opened {
  enum mlaas_status status;
  struct mlaas_error error;
  struct mlaas_opened opened;
};

static enum mlaas_status open_now(const struct mlaas_opener *opener, size_t index, struct mlaas_opened *opened,
                                  struct mlaas_error *error) {
  bool fresh;
  *opened = (struct mlaas_opened){0};
  switch (opener->kind) {
  case MLAAS_OPENER_HANDLES:
    return mlaas_handle_open(opener->dataset, index, &opened->handle, &fresh, error);
  case MLAAS_OPENER_ACCESS:
    return mlaas_access_open(opener->dataset, index, opener->names, opener->num_names, &opened->access, error);
  default:
    return mlaas_dataset_bind(opener->dataset, index, &opened->access, &opened->filler, error);
  }
}

void mlaas_opened_reset(const struct mlaas_dataset *dataset, struct mlaas_opened *opened) {
  mlaas_filler_free(opened->filler);
  mlaas_access_close(&opened->access);
  mlaas_handle_close(dataset, opened->handle);
  *opened = (struct mlaas_opened){0};
}

/* False: nobody said what is read first. */
static bool find_first(struct mlaas_opener *opener, size_t index, struct mlaas_opener_first *first) {
  bool found = false;
  pthread_mutex_lock(&opener->lock);
  size_t count = opener->num_firsts < MLAAS_OPENER_FIRSTS ? opener->num_firsts : MLAAS_OPENER_FIRSTS;
  for (size_t i = 1; i <= count && !found; i++) {
    *first = opener->firsts[(opener->num_firsts - i) % MLAAS_OPENER_FIRSTS];
    found = first->file == index;
  }
  pthread_mutex_unlock(&opener->lock);
  return found;
}

static void fetch_first(struct mlaas_opener *opener, size_t index, const struct mlaas_access *access) {
  struct mlaas_opener_first first;
  if (opener->ahead > 0)
    mlaas_reader_ahead(access->reader, 0, access->entries, opener->ahead);
  else if (opener->kind == MLAAS_OPENER_BOUND && find_first(opener, index, &first))
    mlaas_reader_ahead(access->reader, first.start,
                       first.stop - first.start <= first.most / access->row_stored ? first.stop : first.less,
                       INT64_MAX);
}

static void *open_early(void *context, size_t index) {
  struct early_opened *made = mlaas_alloc(sizeof *made);
  struct mlaas_opener *opener = context;
  if (made)
    made->status = open_now(opener, index, &made->opened, &made->error);
  if (made && made->status == MLAAS_OK && opener->kind != MLAAS_OPENER_HANDLES)
    fetch_first(opener, index, &made->opened.access);
  return made;
}

static void drop_early(void *context, void *result) {
  const struct mlaas_opener *opener = context;
  struct early_opened *made = result;
  if (made->status == MLAAS_OK)
    mlaas_opened_reset(opener->dataset, &made->opened);
  mlaas_free(made);
}

void mlaas_opener_init(struct mlaas_opener *opener, const struct mlaas_dataset *dataset, enum mlaas_opener_kind kind,
                       const char *const *names, size_t num_names) {
  *opener = (struct mlaas_opener){.dataset = dataset, .kind = kind, .names = names, .num_names = num_names};
  bool remote = false;
  for (size_t i = 0; i < dataset->num_files && !remote; i++)
    remote = mlaas_source_is_remote_url(dataset->files[i].place);
  int64_t cache = mlaas_context_remote(dataset->context)->cache;
  opener->ahead = kind == MLAAS_OPENER_ACCESS ? cache / (2 * WALK) : 0;
  if (!remote)
    return;
  pthread_mutex_init(&opener->lock, NULL);
  /* Without memory for it files are opened one after the other. */
  opener->early = mlaas_early_new(THREADS, open_early, drop_early, opener);
  if (!opener->early)
    pthread_mutex_destroy(&opener->lock);
}

void mlaas_opener_reset(struct mlaas_opener *opener) {
  if (!opener->early)
    return;
  mlaas_early_free(opener->early);
  opener->early = NULL;
  pthread_mutex_destroy(&opener->lock);
}

void mlaas_opener_want(struct mlaas_opener *opener, size_t index) {
  struct mlaas_budget *budget = mlaas_context_budget(opener->dataset->context);
  if (opener->early && mlaas_source_is_remote_url(opener->dataset->files[index].place) &&
      mlaas_budget_held(budget) < mlaas_budget_ceiling(budget) / 2)
    mlaas_early_want(opener->early, index);
}

void mlaas_opener_walk(struct mlaas_opener *opener, size_t index) {
  const struct mlaas_dataset *dataset = opener->dataset;
  bool known = dataset->plan.num_files > 0; /* before that every file is looked at */
  for (size_t i = index, some = 0; opener->early && i < dataset->num_files && some < WALK; i++)
    if (!known || (opener->quota_only ? dataset->plan.files[i].quota : dataset->files[i].entries) > 0) {
      mlaas_opener_want(opener, i);
      some++;
    }
}

void mlaas_opener_want_rows(struct mlaas_opener *opener, const struct mlaas_opener_first *first) {
  struct mlaas_opener_first known;
  if (opener->early && (!find_first(opener, first->file, &known) || memcmp(&known, first, sizeof known) != 0)) {
    pthread_mutex_lock(&opener->lock);
    opener->firsts[opener->num_firsts++ % MLAAS_OPENER_FIRSTS] = *first;
    pthread_mutex_unlock(&opener->lock);
  }
  mlaas_opener_want(opener, first->file);
}

bool mlaas_opener_ready(struct mlaas_opener *opener, size_t index) {
  const struct early_opened *made = opener->early ? mlaas_early_peek(opener->early, index) : NULL;
  return made && made->status == MLAAS_OK;
}

enum mlaas_status mlaas_opener_take(struct mlaas_opener *opener, size_t index, struct mlaas_opened *opened,
                                    struct mlaas_error *error) {
  struct early_opened *made = NULL;
  *opened = (struct mlaas_opened){0};
  if (opener->early) {
    void *result;
    MLAAS_TRY(mlaas_early_take(opener->early, index, &result, error));
    made = result;
  }
  if (!made)
    return open_now(opener, index, opened, error);
  enum mlaas_status status = made->status;
  bool again = status == MLAAS_LIMIT || status == MLAAS_MEMORY; /* beside others; now it has its turn */
  if (status == MLAAS_OK)
    *opened = made->opened;
  else if (error)
    *error = made->error;
  mlaas_free(made);
  if (!again)
    return status;
  mlaas_opener_drop(opener);
  mlaas_handles_drop(opener->dataset);
  return open_now(opener, index, opened, error);
}

void mlaas_opener_drop(struct mlaas_opener *opener) {
  if (opener->early)
    mlaas_early_clear(opener->early);
}
