/* Reading some branches of one file of a data set, in slices that fit under the ceiling. Knows no rows of tensors. */
#ifndef MLAAS_DATASET_ACCESS_H
#define MLAAS_DATASET_ACCESS_H

#include "dataset/handles.h"

struct mlaas_access {
  const struct mlaas_dataset *dataset;
  struct mlaas_handle *handle;
  struct mlaas_table *table;           /* the handle's */
  struct mlaas_source_counters before; /* of the handle, when this began */
  struct mlaas_reader *reader;
  struct ArrowSchema schema; /* of the branches, in the order asked for */
  int64_t entries;
  int64_t row_bytes;  /* decompressed, on average; at least 1 */
  int64_t row_stored; /* compressed */
};

/* Opens file `index` for `count` branches. A file that is not the one the data set was opened with is STALE; errors:
 * those of opening, NOT_FOUND. On failure *access holds nothing. */
enum mlaas_status mlaas_access_open(const struct mlaas_dataset *dataset, size_t index, const char *const *branches,
                                    size_t count, struct mlaas_access *access, struct mlaas_error *error);
void mlaas_access_close(struct mlaas_access *access); /* legal on a zeroed or closed one */
/* Reads [start, *stop), or less when that does not fit: *stop is then lowered. Errors: those of mlaas_reader_read,
 * LIMIT when not even `least` entries fit. */
enum mlaas_status mlaas_access_read(struct mlaas_access *access, int64_t start, int64_t *stop, int64_t least,
                                    struct ArrowArray *array, struct mlaas_error *error);
/* Opens file `index` for the branches of the data set's recipe, then the label and the weight where they are branches,
 * and binds the recipe to them. */
enum mlaas_status mlaas_dataset_bind(const struct mlaas_dataset *dataset, size_t index, struct mlaas_access *access,
                                     struct mlaas_filler **filler, struct mlaas_error *error);
/* What reading it has cost since it was opened, the opening included where it was not open yet. */
void mlaas_access_counters(const struct mlaas_access *access, struct mlaas_source_counters *counters);
/* How many entries of it `bytes` hold, at least 1. */
int64_t mlaas_access_rows(const struct mlaas_access *access, int64_t bytes);

#endif
