/* Chains: which files, and where they are. One table is open for the columns. Must not know how values are read. */
#include "rootio/table/chain.h"

#include "base/error.h"
#include "rootio/table/join.h"

#include <string.h>

enum { UNCOUNTED = -1 };

struct mlaas_chain *mlaas_chain_get(struct mlaas_chain *chain) {
  __atomic_add_fetch(&chain->count, 1, __ATOMIC_RELAXED);
  return chain;
}

void mlaas_chain_close(struct mlaas_chain *chain) {
  if (!chain || __atomic_sub_fetch(&chain->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  mlaas_table_close(chain->first);
  mlaas_arena_reset(&chain->arena);
  mlaas_context_put(chain->context);
  mlaas_free(chain);
}

enum mlaas_status mlaas_chain_open_table(const struct mlaas_chain *chain, size_t i, struct mlaas_table **table,
                                         struct mlaas_error *error) {
  struct mlaas_file *file = NULL;
  MLAAS_TRY(mlaas_file_open(chain->context, chain->files[i].url, &file, error));
  enum mlaas_status status = mlaas_table_open(file, chain->files[i].table, table, error);
  mlaas_file_close(file);
  return status;
}

void mlaas_chain_note(struct mlaas_chain *chain, size_t i, const struct mlaas_table *table) {
  __atomic_store_n(&chain->entries[i], mlaas_table_num_entries(table), __ATOMIC_RELAXED);
}

/* ---- opening ---- */

static enum mlaas_status copy_text(struct mlaas_chain *chain, const char *text, const char **copy,
                                   struct mlaas_error *error) {
  *copy = text ? mlaas_arena_strndup(&chain->arena, text, strlen(text), error) : NULL;
  return *copy || !text ? MLAAS_OK : error->status;
}

static enum mlaas_status new_chain(struct mlaas_context *context, size_t num_files, struct mlaas_chain **chain,
                                   struct mlaas_error *error) {
  if (num_files == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a chain needs a file");
  struct mlaas_chain *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a chain");
  made->count = 1;
  made->context = mlaas_context_get(context);
  mlaas_arena_init(&made->arena, mlaas_context_budget(context));
  made->files = mlaas_arena_alloc(&made->arena, num_files, sizeof *made->files, error);
  made->entries = mlaas_arena_alloc(&made->arena, num_files, sizeof *made->entries, error);
  if (!made->files || !made->entries) {
    mlaas_chain_close(made);
    return error->status;
  }
  made->num_files = num_files;
  for (size_t i = 0; i < num_files; i++)
    made->entries[i] = UNCOUNTED;
  *chain = made;
  return MLAAS_OK;
}

/* Opens the first table and hands the chain over, or closes it. */
static enum mlaas_status finish(struct mlaas_chain *made, enum mlaas_status status, struct mlaas_chain **chain,
                                struct mlaas_error *error) {
  if (status == MLAAS_OK)
    status = mlaas_chain_open_table(made, 0, &made->first, error);
  if (status == MLAAS_OK) {
    mlaas_chain_note(made, 0, made->first);
    *chain = made;
  } else
    mlaas_chain_close(made);
  return status;
}

enum mlaas_status mlaas_chain_open(struct mlaas_context *context, const struct mlaas_chain_file *files,
                                   size_t num_files, struct mlaas_chain **chain, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_chain *made = NULL;
  error = error ? error : &ignored;
  MLAAS_TRY(new_chain(context, num_files, &made, error));
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < num_files; i++) {
    status = copy_text(made, files[i].url, &made->files[i].url, error);
    if (status == MLAAS_OK)
      status = copy_text(made, files[i].table, &made->files[i].table, error);
  }
  return finish(made, status, chain, error);
}

static enum mlaas_status take_links(struct mlaas_file *file, const struct mlaas_links *links,
                                    struct mlaas_chain **chain, struct mlaas_error *error) {
  struct mlaas_chain *made = NULL;
  MLAAS_TRY(new_chain(file->context, links->num_parts, &made, error));
  enum mlaas_status status = MLAAS_OK;
  for (size_t i = 0; status == MLAAS_OK && i < links->num_parts; i++) {
    status = mlaas_join_place(file, links->parts[i].file, &made->arena, &made->files[i].url, error);
    if (status == MLAAS_OK)
      status = copy_text(made, links->parts[i].table, &made->files[i].table, error);
  }
  return finish(made, status, chain, error);
}

enum mlaas_status mlaas_chain_from(struct mlaas_file *file, const char *path, struct mlaas_chain **chain,
                                   struct mlaas_error *error) {
  struct mlaas_error ignored;
  const struct mlaas_file_table *entry;
  struct mlaas_links links = {0};
  error = error ? error : &ignored;
  enum mlaas_status status = mlaas_file_find_table(file, path, &entry, error);
  if (status == MLAAS_OK && !entry->is_ntuple && !entry->is_foreign)
    status = mlaas_links_read(&file->container, &file->streamers, entry->key, &links, error);
  if (status == MLAAS_OK && links.num_parts == 0)
    status =
        mlaas_fail(error, MLAAS_ARGUMENT, "%s is a %s, not a TChain with files", entry->path, entry->key->class_name);
  if (status == MLAAS_OK)
    status = take_links(file, &links, chain, error);
  mlaas_links_reset(&links);
  return mlaas_fail_in(error, status, "%s", mlaas_file_url(file));
}

/* ---- what it says of itself ---- */

size_t mlaas_chain_num_files(const struct mlaas_chain *chain) { return chain->num_files; }
void mlaas_chain_file(const struct mlaas_chain *chain, size_t i, struct mlaas_chain_file *file) {
  *file = chain->files[i];
}
struct mlaas_table *mlaas_chain_table(const struct mlaas_chain *chain) {
  return chain->first;
}

enum mlaas_status mlaas_chain_count(struct mlaas_chain *chain, int64_t *entries, struct mlaas_error *error) {
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  *entries = 0;
  for (size_t i = 0; i < chain->num_files; i++) {
    struct mlaas_table *table = NULL;
    int64_t more = __atomic_load_n(&chain->entries[i], __ATOMIC_RELAXED);
    if (more == UNCOUNTED) {
      MLAAS_TRY(mlaas_chain_open_table(chain, i, &table, error));
      mlaas_chain_note(chain, i, table);
      more = mlaas_table_num_entries(table);
      mlaas_table_close(table);
    }
    if (__builtin_add_overflow(*entries, more, entries))
      return mlaas_fail(error, MLAAS_LIMIT, "the files have more than 2^63 entries");
  }
  return MLAAS_OK;
}
