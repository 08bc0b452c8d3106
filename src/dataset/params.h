/* params.json as a checked struct. The table of keys in params.c is the only list of parameters there is. */
#ifndef MLAAS_DATASET_PARAMS_H
#define MLAAS_DATASET_PARAMS_H

#include "base/memory.h"

#include <jansson.h>
#include <mlaas/dataset.h>

enum mlaas_scaler { MLAAS_SCALER_STANDARD, MLAAS_SCALER_MINMAX, MLAAS_SCALER_NONE };
enum mlaas_class_norm { MLAAS_CLASS_NORM_NONE, MLAAS_CLASS_NORM_EQUAL };
enum mlaas_negative { MLAAS_NEGATIVE_KEEP, MLAAS_NEGATIVE_ABS, MLAAS_NEGATIVE_DROP };

enum mlaas_bad_file { MLAAS_BAD_FILE_FAIL, MLAAS_BAD_FILE_SKIP, MLAAS_BAD_FILE_QUOTA };

struct mlaas_names {
  const char **names;
  size_t count;
};

/* What the data layers need of the effective parameters; training keys stay in `json` for whoever trains. Strings and
 * lists live as long as the struct. */
struct mlaas_params {
  json_t *json;                       /* effective, every key present */
  int64_t nevents;                    /* -1: all */
  int64_t batch_size, shuffle_buffer; /* shuffle_buffer in rows; 0: as the ceiling allows */
  bool shuffle;
  uint64_t seed;
  double shares[3];       /* train, validation, test; sum 1 */
  const char *table;      /* key `branch`: path of the tree; NULL: the only one */
  bool friends;           /* the columns of its friends too */
  const char *redirector; /* in front of names that are not here; "": none */
  enum mlaas_bad_file bad_file;
  const json_t *remote; /* NULL where not given */
  struct mlaas_names identifier, selected, exclude, split_by;
  enum mlaas_scaler scaler;
  bool clip;
  double clip_low, clip_high; /* after scaling */
  float pad;                  /* after scaling */
  double *missing;            /* sentinels */
  size_t num_missing;
  double width_quantile; /* 0.999; 1: the longest list; used where width_fixed is 0 */
  int64_t width_fixed;
  const json_t *widths, *sort_by; /* objects keyed by collection or a branch of it, borrowed; NULL where not given */
  const json_t *inputs;           /* list of {"name", "kind", "collection" | "branches"}, NULL: one flat input "x" */
  const char *label_branch;       /* set by the data set when labels are a branch: never a feature */
  const char *weight_branch;      /* NULL without */
  double *weight_of_file;         /* or one number per file */
  size_t num_weights;
  enum mlaas_class_norm class_norm;
  enum mlaas_negative negative;
  int64_t memory; /* ceiling in bytes */
  int threads;    /* 0: one per core */
  bool compat;    /* takes, order, formula and split of MLaaS4HEP */
};

/* Errors as mlaas_params_check. reset is legal on a zeroed struct. */
enum mlaas_status mlaas_params_init(struct mlaas_params *params, const char *json, struct mlaas_error *error);
void mlaas_params_reset(struct mlaas_params *params);

/* The effective parameters of a text, as in mlaas_params_check. */
enum mlaas_status mlaas_params_effective(const char *json, json_t **effective, struct mlaas_error *error);

/* Puts what the effective parameter "remote" (NULL: nothing) says over the options; texts are borrowed from it. */
void mlaas_params_remote(const json_t *remote, struct mlaas_remote_options *options);

#endif
