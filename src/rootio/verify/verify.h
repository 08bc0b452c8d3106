/* What the files that verify share. For them alone. */
#ifndef MLAAS_ROOTIO_VERIFY_VERIFY_H
#define MLAAS_ROOTIO_VERIFY_VERIFY_H

#include "rootio/table/table.h"

#include <mlaas/verify.h>

struct mlaas_verify_worker {
  struct mlaas_codec codec;
  struct mlaas_block stored, object;
};

struct mlaas_verifier {
  struct mlaas_file *file;
  struct mlaas_budget *budget;
  struct mlaas_pool *pool;
  struct mlaas_verify_options options;
  struct mlaas_verify_report report;
  struct mlaas_verify_worker *workers; /* one per thread of the pool */
  int64_t *told;                       /* offsets of findings: what another way leads to again is not told again */
  size_t num_told;
  int64_t bytes_before; /* read by the file before this began */
  const char *path;     /* of the table being verified */
};

/* True for what cannot be blamed on the file: it ends the work. */
bool mlaas_verify_is_fatal(enum mlaas_status status);
/* Tells a finding; `offset` of -1 is taken from the error. */
void mlaas_verify_tell(struct mlaas_verifier *verifier, const char *part, const char *column, int64_t number,
                       const struct mlaas_error *error);
/* True if a finding at this offset was told. */
bool mlaas_verify_was_told(const struct mlaas_verifier *verifier, int64_t offset);
/* Errors: CANCELLED. */
enum mlaas_status mlaas_verify_progress(struct mlaas_verifier *verifier, struct mlaas_error *error);

/* The bytes of a remote file against the checksum that its server keeps. */
enum mlaas_status mlaas_verify_checksum(struct mlaas_verifier *verifier, struct mlaas_error *error);

/* Many checks on all threads. `check` is called with items 0 .. count-1 by any thread, and may be called again with one
 * that failed; `tell` then with its error, in order, by the caller's thread. */
struct mlaas_verify_checks {
  enum mlaas_status (*check)(const struct mlaas_verify_checks *checks, size_t i, struct mlaas_verify_worker *worker,
                             struct mlaas_error *error);
  void (*tell)(const struct mlaas_verify_checks *checks, size_t i, const struct mlaas_error *error);
  struct mlaas_verifier *verifier;
  const void *context;
  /* What check i reads, at most two ranges; how many. NULL: nothing that is worth announcing. */
  size_t (*reads)(const struct mlaas_verify_checks *checks, size_t i, struct mlaas_range *ranges);
};
enum mlaas_status mlaas_verify_run(const struct mlaas_verify_checks *checks, size_t count, struct mlaas_error *error);

/* One basket: bytes, checksums and what the tree says of it, but no values. */
enum mlaas_status mlaas_verify_basket(struct mlaas_verifier *verifier, const struct mlaas_branch *branch, size_t i,
                                      struct mlaas_verify_worker *worker, struct mlaas_error *error);
/* All baskets of branches that no reader will read: whose values cannot be decoded, or behind the tree's end. */
enum mlaas_status mlaas_verify_baskets(struct mlaas_verifier *verifier, const struct mlaas_table *table,
                                       struct mlaas_error *error);
/* All pages of an ntuple. */
enum mlaas_status mlaas_verify_pages(struct mlaas_verifier *verifier, const struct mlaas_file_table *entry,
                                     struct mlaas_error *error);
/* Decodes every column that can be. */
enum mlaas_status mlaas_verify_columns(struct mlaas_verifier *verifier, struct mlaas_table *table,
                                       struct mlaas_error *error);

#endif
