/* Rows picked out of arrays: by runs, from several arrays of one type, with places for what is missing. Knows no file.
 */
#ifndef MLAAS_COLUMN_TAKE_H
#define MLAAS_COLUMN_TAKE_H

#include "base/memory.h"

#include <mlaas/arrow.h>

struct mlaas_run {
  int64_t chunk; /* which array; -1: these rows are missing */
  int64_t start, length;
};

/* Fills `array` with the rows of the runs, in their order. The chunks are arrays of `schema` as this library makes them
 * (no offset, 32-bit lists) and stay the caller's. Missing rows are null at the top; below, they are zeros and empty
 * lists. Errors: MEMORY, LIMIT, UNSUPPORTED (a type that this library does not make). */
enum mlaas_status mlaas_array_take(const struct ArrowSchema *schema, const struct ArrowArray *const *chunks,
                                   size_t num_chunks, const struct mlaas_run *runs, size_t num_runs,
                                   struct mlaas_budget *budget, struct ArrowArray *array, struct mlaas_error *error);

#endif
