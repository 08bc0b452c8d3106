/* The inside of a chain, for the files that implement mlaas/chain.h. */
#ifndef MLAAS_ROOTIO_TABLE_CHAIN_H
#define MLAAS_ROOTIO_TABLE_CHAIN_H

#include "rootio/table/table.h"

#include <mlaas/chain.h>

struct mlaas_chain {
  long count;
  struct mlaas_context *context;
  struct mlaas_chain_file *files;
  size_t num_files;
  int64_t *entries; /* by file, atomic; -1 until somebody opened it */
  struct mlaas_table *first;
  struct mlaas_arena arena;
};

struct mlaas_chain *mlaas_chain_get(struct mlaas_chain *chain);
/* The table of file i. From any thread. */
enum mlaas_status mlaas_chain_open_table(const struct mlaas_chain *chain, size_t i, struct mlaas_table **table,
                                         struct mlaas_error *error);
/* Remembers how many entries it has. */
void mlaas_chain_note(struct mlaas_chain *chain, size_t i, const struct mlaas_table *table);

#endif
