/* Finds the classes of TClonesArrays and the versions of classes: walks through the first basket of a branch with the
 * plan as far as it is known, once for each. Must not know of columns. */
#include "rootio/table/clones.h"

#include "base/error.h"
#include "rootio/tree/branch_plan.h"
#include "rootio/value/decode.h"

#include <string.h>

enum { MOST_CLONES = 16, MOST_VERSIONS = 16, MOST_BYTES = 64 << 20 };

struct finder {
  struct mlaas_table *table;
  struct mlaas_codec codec;
  struct mlaas_block stored, object;
  struct mlaas_basket basket;
};

/* The first basket that has entries, inflated. */
static enum mlaas_status load_basket(struct finder *finder, const struct mlaas_branch *branch,
                                     struct mlaas_error *error) {
  struct mlaas_container *container = &finder->table->file->container;
  struct mlaas_basket_head head;
  size_t at = 0;
  while (at + 1 < branch->num_baskets && branch->baskets[at + 1].entry == branch->baskets[at].entry)
    at++;
  if (at >= branch->num_baskets)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the branch has no basket");
  const struct mlaas_basket_ref *ref = &branch->baskets[at];
  if (ref->embedded)
    return mlaas_basket_open_embedded(ref, &head, &finder->basket, error);
  if (ref->num_bytes <= 0 || ref->num_bytes > MOST_BYTES)
    return mlaas_fail(error, MLAAS_LIMIT, "the basket is too large for a look at it");
  MLAAS_TRY(mlaas_block_new(container->budget, ref->num_bytes, &finder->stored, error));
  MLAAS_TRY(mlaas_source_read_at(container->source, ref->seek, ref->num_bytes, finder->stored.data, error));
  MLAAS_TRY(mlaas_basket_head(finder->stored.data, ref->num_bytes, ref->seek, &head, error));
  if (head.num_bytes != ref->num_bytes || head.object_len > MOST_BYTES)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has other sizes than the tree says");
  MLAAS_TRY(mlaas_block_new(container->budget, head.object_len, &finder->object, error));
  MLAAS_TRY(mlaas_codec_decode(&finder->codec, (const uint8_t *)finder->stored.data + head.key_len,
                               head.num_bytes - head.key_len, finder->object.data, head.object_len,
                               ref->seek + head.key_len, error));
  return mlaas_basket_open(&head, finder->object.data, &finder->basket, error);
}

/* Walks through the basket, be it only up to where the plan and the bytes part. */
static void look(struct finder *finder, const struct mlaas_branch_plan *plan, struct mlaas_clones_sample *sample) {
  struct mlaas_branch_plan probe = {.branch = plan->branch,
                                    .layout = MLAAS_LAYOUT_WALK,
                                    .root = plan->unknown_root,
                                    .num_buffers = mlaas_node_number(plan->unknown_root, 0),
                                    .sample = sample};
  struct mlaas_piece piece;
  struct mlaas_error ignored;
  struct mlaas_budget *budget = finder->table->file->container.budget;
  if (mlaas_decode_piece(&probe, &finder->basket, NULL, budget, NULL, &piece, &ignored) == MLAAS_OK)
    mlaas_piece_reset(&piece);
}

static enum mlaas_status plan_again(struct finder *finder, const struct mlaas_clones *told,
                                    struct mlaas_branch_plan *plan, struct mlaas_error *error) {
  struct mlaas_table *table = finder->table;
  bool elsewhere = plan->elsewhere;
  MLAAS_TRY(
      mlaas_branch_plan_again(plan->branch, &table->file->streamers, &table->tree, told, &table->arena, plan, error));
  plan->elsewhere = elsewhere;
  return MLAAS_OK;
}

/* Plans again for each array and each version; those that are found may hold others. */
static enum mlaas_status find_all(struct finder *finder, struct mlaas_branch_plan *plan, struct mlaas_error *error) {
  const char *names[MOST_CLONES];
  struct mlaas_class_version versions[MOST_VERSIONS];
  struct mlaas_clones told = {names, 0, versions, 0};
  for (int round = 0; round < MOST_CLONES + MOST_VERSIONS && (plan->unknown_clones || plan->ambiguous); round++) {
    struct mlaas_clones_sample version = {.wanted = -1}, array = {.wanted = plan->unknown_clones - 1};
    if (plan->ambiguous && told.num_versions < MOST_VERSIONS)
      look(finder, plan, &version);
    if (version.found) {
      versions[told.num_versions++] = version.version;
    } else if (plan->unknown_clones && told.count < MOST_CLONES) {
      look(finder, plan, &array); /* "" where no entry of the basket has it */
      names[told.count] = mlaas_arena_strndup(&finder->table->arena, array.name, strlen(array.name), error);
      if (!names[told.count++])
        return MLAAS_MEMORY;
    } else {
      break;
    }
    MLAAS_TRY(plan_again(finder, &told, plan, error));
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_clones_find(struct mlaas_table *table, struct mlaas_branch_plan *plan,
                                    struct mlaas_error *error) {
  struct finder finder = {.table = table};
  struct mlaas_error ignored;
  enum mlaas_status status = MLAAS_OK;
  if (plan->elsewhere || table->num_entries == 0)
    return MLAAS_OK;
  mlaas_codec_init(&finder.codec, table->file->container.budget);
  if (load_basket(&finder, plan->branch, &ignored) == MLAAS_OK)
    status = find_all(&finder, plan, error);
  mlaas_codec_reset(&finder.codec);
  mlaas_block_reset(&finder.stored);
  mlaas_block_reset(&finder.object);
  return status;
}
