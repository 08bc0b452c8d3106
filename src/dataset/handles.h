/* The open files of a data set. A remote one whose user is done waits open for the next, as opening costs round trips;
 * and what reading cost is added up over all of them. Used by several threads.
 */
#ifndef MLAAS_DATASET_HANDLES_H
#define MLAAS_DATASET_HANDLES_H

#include "dataset/dataset.h"
#include "source/source.h"

#include <pthread.h>

struct mlaas_handle {
  struct mlaas_handle *next;
  size_t index; /* of the file */
  bool idle;
  bool bad; /* reading it failed: whoever comes next opens it anew */
  struct mlaas_file *file;
  struct mlaas_table *table; /* with friends where params say so */
};

struct mlaas_handles {
  pthread_mutex_t lock;
  struct mlaas_handle *first;
  size_t num_idle;
  struct mlaas_source_counters *closed; /* by file: of handles that are gone */
  char **silent;                        /* by file: why it was given up after a silence, heap; NULL: it was not */
};

/* Of a data set whose files are listed; reset is legal after a failure, not twice. */
enum mlaas_status mlaas_handles_init(struct mlaas_dataset *dataset, struct mlaas_error *error);
void mlaas_handles_reset(struct mlaas_dataset *dataset);
/* File `index`: one that waits, or opened anew (`fresh`). Errors: those of opening. */
enum mlaas_status mlaas_handle_open(const struct mlaas_dataset *dataset, size_t index, struct mlaas_handle **handle,
                                    bool *fresh, struct mlaas_error *error);
void mlaas_handle_close(const struct mlaas_dataset *dataset, struct mlaas_handle *handle); /* legal on NULL */
/* What reading it has cost since it was opened. */
void mlaas_handle_counters(const struct mlaas_handle *handle, struct mlaas_source_counters *counters);
/* Closes those that wait, for memory is short; false where there was none. */
bool mlaas_handles_drop(const struct mlaas_dataset *dataset);
/* What reading file `index` has cost so far, by everybody. */
void mlaas_dataset_counters(const struct mlaas_dataset *dataset, size_t index, struct mlaas_source_counters *counters);
/* {"requests", "ranges", "bytes", "delivered", "hits", "retries", "failovers"} */
json_t *mlaas_counters_json(const struct mlaas_source_counters *counters);

#endif
