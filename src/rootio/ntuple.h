/* RNTuple, for now only far enough to list it: entries and the names of its top-level fields. */
#ifndef MLAAS_ROOTIO_NTUPLE_H
#define MLAAS_ROOTIO_NTUPLE_H

#include "rootio/container.h"

struct mlaas_ntuple {
  int64_t entries;
  const char **fields, **types; /* top-level fields: names and type names, in the arena */
  size_t num_fields;
  struct mlaas_arena arena;
};

/* Verifies the XXH3 of anchor, header and footer. Fields of the footer's schema extension are listed too. */
enum mlaas_status mlaas_ntuple_read(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_ntuple *ntuple, struct mlaas_error *error);
void mlaas_ntuple_reset(struct mlaas_ntuple *ntuple);

#endif
