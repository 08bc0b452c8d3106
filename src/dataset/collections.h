/* Jagged branches whose lists have the same lengths, entry by entry, form a collection: one width, one order. */
#ifndef MLAAS_DATASET_COLLECTIONS_H
#define MLAAS_DATASET_COLLECTIONS_H

#include "dataset/specs.h"

struct mlaas_collection {
  char *name;      /* of the counter, else what the names begin with, else the first branch */
  size_t first;    /* its first column in the specs */
  int64_t longest; /* list */
};

struct mlaas_collections {
  struct mlaas_collection *items;
  size_t count;
  size_t *of; /* per column of the specs: its collection, SIZE_MAX for flat ones */
};

enum mlaas_status mlaas_collections_init(struct mlaas_collections *collections, const struct mlaas_specs *specs,
                                         struct mlaas_error *error);
void mlaas_collections_reset(struct mlaas_collections *collections);
/* The collection called `name`, or the one that the branch `name` belongs to; SIZE_MAX for neither. */
size_t mlaas_collections_find(const struct mlaas_collections *collections, const struct mlaas_specs *specs,
                              const char *name);
/* Slots that hold `quantile` of the lists, at least 1; and how many lists are longer than `width`. */
int64_t mlaas_collection_quantile(const struct mlaas_specs *specs, const struct mlaas_collection *collection,
                                  double quantile);
int64_t mlaas_collection_cut(const struct mlaas_specs *specs, const struct mlaas_collection *collection, int64_t width);

#endif
