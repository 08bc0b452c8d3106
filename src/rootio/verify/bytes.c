/* Baskets and pages as bytes: that they are where they should be, inflate to what they should, and match their
 * checksums. Must not know what their values mean. */
#include "base/error.h"
#include "rootio/container/basket.h"
#include "rootio/verify/verify.h"

#include <stdio.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

/* ---- baskets ---- */

/* Entries that the tree has for basket i. */
static int64_t entries_of(const struct mlaas_branch *branch, size_t i) {
  int64_t next = i + 1 < branch->num_baskets ? branch->baskets[i + 1].entry : branch->entry_number;
  return next - branch->baskets[i].entry;
}

static enum mlaas_status check_entries(const struct mlaas_branch *branch, size_t i,
                                       const struct mlaas_basket_head *head, struct mlaas_error *error) {
  bool nothing = branch->raw_bytes == 0 && head->entries == 0 && branch->baskets[i].embedded; /* objects of no bytes */
  if (nothing || head->entries == entries_of(branch, i))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d entries where the tree says %lld", head->entries,
                    (long long)entries_of(branch, i));
}

static enum mlaas_status check_stored(struct mlaas_verifier *verifier, const struct mlaas_branch *branch, size_t i,
                                      struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  const struct mlaas_basket_ref *ref = &branch->baskets[i];
  struct mlaas_source *source = verifier->file->container.source;
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  if (ref->seek < 0 || ref->num_bytes < 0 || ref->num_bytes > mlaas_source_size(source) - ref->seek)
    return mlaas_fail_at(error, MLAAS_FORMAT, ref->seek,
                         "a basket of %d bytes should be here but the file has %lld in all: is it truncated?",
                         ref->num_bytes, (long long)mlaas_source_size(source));
  MLAAS_TRY(mlaas_budget_check(verifier->budget, MLAAS_CEILING_BASKET, ref->num_bytes, error));
  MLAAS_TRY(mlaas_block_grow(&worker->stored, ref->num_bytes, error));
  MLAAS_TRY(mlaas_source_read_at(source, ref->seek, ref->num_bytes, worker->stored.data, error));
  const uint8_t *stored = worker->stored.data;
  MLAAS_TRY(mlaas_basket_head(stored, ref->num_bytes, ref->seek, &head, error));
  MLAAS_TRY(check_entries(branch, i, &head, error));
  if (head.num_bytes != ref->num_bytes)
    return mlaas_fail(error, MLAAS_FORMAT, "the basket has %d bytes where the tree says %d", head.num_bytes,
                      ref->num_bytes);
  int64_t size = (int64_t)head.num_bytes - head.key_len, at = ref->seek + head.key_len;
  MLAAS_TRY(mlaas_codec_check(stored + head.key_len, size, head.object_len, at, error));
  MLAAS_TRY(mlaas_budget_check(verifier->budget, MLAAS_CEILING_BASKET, head.object_len, error));
  MLAAS_TRY(mlaas_block_grow(&worker->object, head.object_len, error));
  MLAAS_TRY(
      mlaas_codec_decode(&worker->codec, stored + head.key_len, size, worker->object.data, head.object_len, at, error));
  return mlaas_basket_open(&head, worker->object.data, &basket, error);
}

enum mlaas_status mlaas_verify_basket(struct mlaas_verifier *verifier, const struct mlaas_branch *branch, size_t i,
                                      struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  const struct mlaas_basket_ref *ref = &branch->baskets[i];
  struct mlaas_basket_head head;
  struct mlaas_basket basket;
  enum mlaas_status status;
  error->offset = -1;
  if (ref->embedded) {
    status = mlaas_basket_open_embedded(ref, &head, &basket, error);
    return status == MLAAS_OK ? check_entries(branch, i, &head, error) : status;
  }
  status = check_stored(verifier, branch, i, worker, error);
  if (status != MLAAS_OK && error->offset < 0)
    error->offset = ref->seek;
  return status;
}

struct basket_item {
  const struct mlaas_branch *branch;
  size_t basket;
};

static enum mlaas_status check_basket(const struct mlaas_verify_checks *checks, size_t i,
                                      struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  const struct basket_item *item = (const struct basket_item *)checks->context + i;
  return mlaas_verify_basket(checks->verifier, item->branch, item->basket, worker, error);
}

static size_t basket_reads(const struct mlaas_verify_checks *checks, size_t i, struct mlaas_range *ranges) {
  const struct basket_item *item = (const struct basket_item *)checks->context + i;
  const struct mlaas_basket_ref *ref = &item->branch->baskets[item->basket];
  ranges[0] = (struct mlaas_range){ref->seek, ref->num_bytes, NULL};
  return ref->embedded ? 0 : 1;
}

static void tell_basket(const struct mlaas_verify_checks *checks, size_t i, const struct mlaas_error *error) {
  const struct basket_item *item = (const struct basket_item *)checks->context + i;
  mlaas_verify_tell(checks->verifier, "basket", item->branch->path, (int64_t)item->basket, error);
}

/* Marks the branches that a column of `table` decodes; by their order in the tree. */
static void mark_decoded(const struct mlaas_table *table, struct mlaas_block *marks) {
  bool *decoded = marks->data;
  memset(decoded, 0, table->tree.num_all);
  size_t branch = 0;
  for (size_t i = 0; i < table->num_columns; i++) { /* columns are in the order of their branches */
    const struct mlaas_branch_plan *plan = &table->columns[i].plan;
    while (branch < table->tree.num_all && table->tree.all[branch] != plan->branch)
      branch++;
    if (branch < table->tree.num_all && !plan->unsupported)
      decoded[branch] = true;
  }
}

/* The baskets that no reader will look at; room for all. */
static size_t list_baskets(const struct mlaas_table *table, const bool *decoded, struct basket_item *items) {
  size_t count = 0;
  for (size_t k = 0; k < table->tree.num_all; k++) {
    const struct mlaas_branch *branch = table->tree.all[k];
    for (size_t i = 0; !branch->file_name && i < branch->num_baskets; i++)
      if (!decoded[k] || branch->baskets[i].entry >= table->num_entries)
        items[count++] = (struct basket_item){branch, i};
  }
  return count;
}

static void tell_damaged(struct mlaas_verifier *verifier, const struct mlaas_tree *tree) {
  for (size_t k = 0; k < tree->num_all; k++) {
    const struct mlaas_branch *branch = tree->all[k];
    struct mlaas_error why;
    if (branch->damaged) {
      mlaas_fail(&why, MLAAS_FORMAT, "%s", branch->unsupported);
      mlaas_verify_tell(verifier, "branch", branch->path, -1, &why);
    }
  }
}

enum mlaas_status mlaas_verify_baskets(struct mlaas_verifier *verifier, const struct mlaas_table *table,
                                       struct mlaas_error *error) {
  size_t all = 0;
  for (size_t k = 0; k < table->tree.num_all; k++)
    all += table->tree.all[k]->num_baskets;
  verifier->report.baskets += (int64_t)all;
  tell_damaged(verifier, &table->tree);
  struct mlaas_block marks = {0}, items = {0};
  enum mlaas_status status = mlaas_block_new(verifier->budget, (int64_t)table->tree.num_all, &marks, error);
  if (status == MLAAS_OK)
    status = mlaas_block_new(verifier->budget, (int64_t)(all * sizeof(struct basket_item)), &items, error);
  if (status == MLAAS_OK) {
    mark_decoded(table, &marks);
    struct mlaas_verify_checks checks = {check_basket, tell_basket, verifier, items.data, basket_reads};
    status = mlaas_verify_run(&checks, list_baskets(table, marks.data, items.data), error);
  }
  mlaas_block_reset(&marks);
  mlaas_block_reset(&items);
  return status;
}

/* ---- pages ---- */

struct page_item {
  const struct mlaas_ntuple_page *page;
  uint32_t column;
  int64_t number; /* in its column, over all clusters */
};

struct page_items {
  const struct mlaas_ntuple *ntuple;
  const struct page_item *items;
};

static enum mlaas_status check_bytes(struct mlaas_verifier *verifier, const struct mlaas_ntuple_page *page,
                                     struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  int64_t tail = page->checksum ? 8 : 0;
  MLAAS_TRY(mlaas_budget_check(verifier->budget, MLAAS_CEILING_PAGE, page->stored, error));
  MLAAS_TRY(mlaas_budget_check(verifier->budget, MLAAS_CEILING_PAGE, page->size, error));
  MLAAS_TRY(mlaas_block_grow(&worker->stored, page->stored + tail, error));
  uint8_t *stored = worker->stored.data;
  MLAAS_TRY(mlaas_source_read_at(verifier->file->container.source, page->seek, page->stored + tail, stored, error));
  if (page->checksum) {
    uint64_t written;
    memcpy(&written, stored + page->stored, sizeof written);
    if (XXH3_64bits(stored, (size_t)page->stored) != written)
      return mlaas_fail_at(error, MLAAS_CHECKSUM, page->seek, "the XXH3 of a page of %d bytes does not match its data",
                           page->stored);
  }
  MLAAS_TRY(mlaas_codec_check(stored, page->stored, page->size, page->seek, error));
  MLAAS_TRY(mlaas_block_grow(&worker->object, page->size, error));
  return mlaas_codec_decode(&worker->codec, stored, page->stored, worker->object.data, page->size, page->seek, error);
}

static enum mlaas_status check_page(const struct mlaas_verify_checks *checks, size_t i,
                                    struct mlaas_verify_worker *worker, struct mlaas_error *error) {
  const struct page_items *items = checks->context;
  const struct mlaas_ntuple_page *page = items->items[i].page;
  error->offset = -1;
  enum mlaas_status status = check_bytes(checks->verifier, page, worker, error);
  if (status != MLAAS_OK && error->offset < 0)
    error->offset = page->seek;
  return status;
}

static size_t page_reads(const struct mlaas_verify_checks *checks, size_t i, struct mlaas_range *ranges) {
  const struct page_items *items = checks->context;
  const struct mlaas_ntuple_page *page = items->items[i].page;
  ranges[0] = (struct mlaas_range){page->seek, page->stored + (page->checksum ? 8 : 0), NULL};
  return 1;
}

static void tell_page(const struct mlaas_verify_checks *checks, size_t i, const struct mlaas_error *error) {
  enum { DEEPEST = 64 };
  const struct page_items *items = checks->context;
  const struct mlaas_ntuple *ntuple = items->ntuple;
  uint32_t chain[DEEPEST], field = ntuple->columns[items->items[i].column].field;
  size_t depth = 0, at = 0;
  for (; depth < DEEPEST; field = ntuple->fields[field].parent) {
    chain[depth++] = field;
    if (ntuple->fields[field].parent == field)
      break;
  }
  char name[1024] = "";
  while (depth-- > 0 && at < sizeof name - 1) {
    int more = snprintf(name + at, sizeof name - at, "%s%s", at ? "." : "", ntuple->fields[chain[depth]].name);
    at += more > 0 ? (size_t)more : 0;
  }
  mlaas_verify_tell(checks->verifier, "page", name, items->items[i].number, error);
}

static enum mlaas_status verify_cluster(struct mlaas_verifier *verifier, const struct mlaas_ntuple *ntuple,
                                        const struct mlaas_ntuple_cluster *cluster, int64_t *numbers,
                                        struct mlaas_error *error) {
  size_t count = 0, all = 0;
  for (size_t c = 0; c < ntuple->num_columns; c++)
    all += cluster->ranges[c].num_pages;
  struct mlaas_block block;
  MLAAS_TRY(mlaas_block_new(verifier->budget, (int64_t)(all * sizeof(struct page_item)), &block, error));
  struct page_item *list = block.data;
  for (size_t c = 0; c < ntuple->num_columns; c++) {
    const struct mlaas_ntuple_range *range = &cluster->ranges[c];
    for (size_t i = 0; i < range->num_pages; i++, numbers[c]++)
      if (i == 0 || range->pages[i].seek != range->pages[i - 1].seek) /* equal pages may share their bytes */
        list[count++] = (struct page_item){&range->pages[i], (uint32_t)c, numbers[c]};
  }
  verifier->report.pages += (int64_t)all;
  struct page_items items = {ntuple, list};
  struct mlaas_verify_checks checks = {check_page, tell_page, verifier, &items, page_reads};
  enum mlaas_status status = mlaas_verify_run(&checks, count, error);
  mlaas_block_reset(&block);
  return status;
}

enum mlaas_status mlaas_verify_pages(struct mlaas_verifier *verifier, const struct mlaas_file_table *entry,
                                     struct mlaas_error *error) {
  struct mlaas_ntuple ntuple = {0};
  struct mlaas_error why = {.offset = -1};
  enum mlaas_status status = mlaas_ntuple_read(&verifier->file->container, entry->key, &ntuple, &why);
  if (mlaas_verify_is_fatal(status))
    *error = why;
  if (status != MLAAS_OK) /* opening the table will say so */
    return mlaas_verify_is_fatal(status) ? status : MLAAS_OK;
  struct mlaas_block numbers;
  status = mlaas_block_new(verifier->budget, (int64_t)(ntuple.num_columns * sizeof(int64_t)), &numbers, error);
  if (status == MLAAS_OK)
    memset(numbers.data, 0, ntuple.num_columns * sizeof(int64_t));
  for (size_t i = 0; status == MLAAS_OK && i < ntuple.num_clusters; i++)
    status = verify_cluster(verifier, &ntuple, &ntuple.clusters[i], numbers.data, error);
  mlaas_block_reset(&numbers);
  mlaas_ntuple_reset(&ntuple);
  return status;
}
