/* What is in a repository, for people and metrics. */
#include "base/error.h"
#include "model/repository/table.h"

#include <stdio.h>
#include <string.h>

enum { LISTING_MEMORY = 256 << 20 };

void mlaas_listing_reset(struct mlaas_listing *listing) {
  struct mlaas_budget *budget = listing->arena.budget;
  for (size_t i = 0; i < listing->count; i++)
    mlaas_instance_put(listing->entries[i].instance);
  mlaas_arena_reset(&listing->arena);
  mlaas_budget_put(budget);
  memset(listing, 0, sizeof *listing);
}

static const char *copy(struct mlaas_arena *arena, const char *text, struct mlaas_error *error) {
  return mlaas_arena_strndup(arena, text, strlen(text), error);
}

static enum mlaas_status add(struct mlaas_listing *listing, const struct mlaas_known *known,
                             struct mlaas_error *error) {
  struct mlaas_model_entry *entry = &listing->entries[listing->count];
  char reason[sizeof known->why.where + sizeof known->why.message + 64] = "";
  if (known->why.status != MLAAS_OK)
    mlaas_error_format(&known->why, reason, sizeof reason);
  *entry = (struct mlaas_model_entry){.name = copy(&listing->arena, known->name, error),
                                      .reason = copy(&listing->arena, reason, error),
                                      .version = known->version,
                                      .state = known->instance ? MLAAS_MODEL_READY : known->state,
                                      .path = copy(&listing->arena, known->path, error)};
  if (!entry->name || !entry->reason || !entry->path)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  if (known->instance)
    entry->instance = mlaas_instance_get(known->instance);
  listing->count++;
  return MLAAS_OK;
}

enum mlaas_status mlaas_repository_known(struct mlaas_repository *repository, struct mlaas_listing *listing,
                                         struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  memset(listing, 0, sizeof *listing);
  listing->arena.budget = mlaas_budget_new(LISTING_MEMORY);
  if (!listing->arena.budget)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  pthread_mutex_lock(&repository->lock);
  listing->entries = mlaas_arena_alloc(&listing->arena, repository->num_known + 1, sizeof *listing->entries, error);
  if (!listing->entries)
    status = mlaas_fail(error, MLAAS_MEMORY, "out of memory for the list of models");
  for (size_t i = 0; i < repository->num_known && status == MLAAS_OK; i++)
    status = add(listing, repository->known[i], error);
  pthread_mutex_unlock(&repository->lock);
  if (status != MLAAS_OK)
    mlaas_listing_reset(listing);
  return status;
}

enum mlaas_status mlaas_repository_list(struct mlaas_repository *repository, struct mlaas_listing *listing,
                                        struct mlaas_error *error) {
  memset(listing, 0, sizeof *listing);
  MLAAS_TRY(mlaas_repository_refresh(repository, error));
  return mlaas_repository_known(repository, listing, error);
}
