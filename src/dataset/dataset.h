/* The inside of a data set: what is known of its files, which branches they have in common, and what the recipe, labels
 * and weights make of a row. Immutable once it is ready, and counted: a loader holds it.
 */
#ifndef MLAAS_DATASET_DATASET_H
#define MLAAS_DATASET_DATASET_H

#include "base/context.h"
#include "dataset/params.h"
#include "dataset/plan.h"
#include "dataset/specs.h"

#include <mlaas/file.h>
#include <sys/types.h>

struct mlaas_dataset_file {
  const char *place;   /* where it is opened */
  const char *url;     /* the same as others may see it: without passwords and tokens */
  size_t origin;       /* as which name it was written: one pattern means many files */
  const char *file_id; /* mlaas_file_info.id */
  const char *id;      /* the same with "#2" when the file is listed a second time */
  int64_t entries;
  bool lost;            /* left out as bad: entries is 0 then */
  int64_t lost_entries; /* and these it had; -1: unknown */
  double label, weight; /* where labels or weights are numbers */
};

/* One branch that at least one file has. */
struct mlaas_common {
  const char *name, *type_name, *format; /* of the first file that has entries; Arrow format of the values */
  bool jagged, numeric;
  char *dropped;  /* why it is not used, heap; NULL while it is */
  char *conflict; /* why its types do not fit together, heap; NULL where they do */
  bool named;     /* params ask for it */
};

struct mlaas_class {
  double label;
  int64_t rows;          /* of the train split */
  double sum, magnitude; /* of w and |w|, as negative_weights makes them, before class_norm */
  double raw_sum;        /* of the weights as in the files */
  double factor;         /* what class_norm multiplies with */
};

struct mlaas_dataset {
  struct mlaas_context *context;
  struct mlaas_arena arena;
  long count;
  pid_t owner;
  struct mlaas_params params;
  char *table; /* path of the table, as asked for; NULL: the only one */
  struct mlaas_dataset_file *files;
  size_t num_files, num_written;
  bool labelled;
  const char *label_branch; /* NULL: a number per file */
  struct mlaas_common *columns;
  size_t num_columns;
  json_t *warnings;
  json_t *lost;                    /* files that are left out: url, stage, status, reason, entries, index */
  struct mlaas_arena source_arena; /* `sources` and their clusters, until the data set is ready */
  struct mlaas_plan_source *sources;
  bool told_few; /* that fewer entries are there than were asked for */
  struct mlaas_plan plan;
  struct mlaas_specs *specs;
  struct mlaas_recipe *recipe;
  const char **branches;       /* of the recipe, as they are called in these files */
  struct mlaas_class *classes; /* ascending label; one without a label (NaN) where labels are no classes */
  size_t num_classes;
  struct mlaas_handles *handles; /* what is open: handles.h */
};

void mlaas_dataset_get(struct mlaas_dataset *dataset);

/* schemas.c: adds what a table has to the common branches. `first`: it is the first file with entries. */
enum mlaas_status mlaas_dataset_add_table(struct mlaas_dataset *dataset, const struct mlaas_table *table,
                                          const char *url, bool first, struct mlaas_error *error);
/* Checks that every branch that params name is there: NOT_FOUND, SCHEMA. */
enum mlaas_status mlaas_dataset_check_names(struct mlaas_dataset *dataset, struct mlaas_error *error);
/* Whether the statistics need a branch: a feature, an identifier or one that params name; never the label. */
bool mlaas_dataset_scans(const struct mlaas_dataset *dataset, const struct mlaas_common *common);
/* SCHEMA if a branch that is used has types that do not fit together. */
enum mlaas_status mlaas_dataset_check_types(const struct mlaas_dataset *dataset, struct mlaas_error *error);

/* rows.c: the pass over weights, labels and identifiers: parts, classes and their factors. *lost: files had to be left
 * out; the plan was made anew without them, and the pass has to be, with the recipe of that plan. */
enum mlaas_status mlaas_dataset_survey(struct mlaas_dataset *dataset, bool *lost, struct mlaas_error *error);
/* Label and training weight of a row. */
double mlaas_dataset_weight(const struct mlaas_dataset *dataset, double label, double raw);

/* Adds a sentence to the warnings; a failure to do so is MEMORY. */
enum mlaas_status mlaas_dataset_warn(struct mlaas_dataset *dataset, struct mlaas_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
