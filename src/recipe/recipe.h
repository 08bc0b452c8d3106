/* The inside of a recipe, for the code that makes, applies and checks recipes. */
#ifndef MLAAS_RECIPE_RECIPE_H
#define MLAAS_RECIPE_RECIPE_H

#include "base/memory.h"

#include <jansson.h>
#include <mlaas/recipe.h>

enum {
  MLAAS_RECIPE_INPUTS = 64,       /* ceilings on what a recipe may ask for */
  MLAAS_RECIPE_COLUMNS = 1 << 20, /* columns of an input */
  MLAAS_RECIPE_SLOTS = 1 << 20,   /* slots of a collection */
  MLAAS_RECIPE_ROW = 1 << 24,     /* floats of a row, all inputs together */
  MLAAS_RECIPE_MISSING = 256,     /* sentinels */
};

/* How a value is scaled: (x - center) / scale in double, rounded once. */
enum mlaas_arithmetic {
  MLAAS_ARITHMETIC_DOUBLE, /* of every type */
  MLAAS_ARITHMETIC_COMPAT  /* as MLaaS4HEP: lists of float in steps of float, constants and infinities pass */
};

/* One branch of an input. */
struct mlaas_recipe_column {
  size_t branch;  /* index into the recipe's branches */
  size_t sort;    /* branch whose values order the slots, SIZE_MAX: file order */
  char format[8]; /* Arrow format of the values when the recipe was made */
  bool jagged;
  bool first_use;       /* the first column of its branch: it counts what is cut */
  int64_t first;        /* flat input: index of its first feature; padded input: its feature */
  int64_t width;        /* slots; 1 for flat branches */
  double center, scale; /* min and max - min, or mean and sd, or 0 and 1 */
  bool constant;        /* every valid value becomes 0 */
  bool ranged;          /* the range seen in training is known: */
  double low, high;
};

struct mlaas_recipe_input {
  const char *name;
  bool padded;
  int64_t slots, features; /* as in mlaas_input_info */
  struct mlaas_recipe_column *columns;
  size_t num_columns;
  const char **features_names; /* of length `features` */
};

struct mlaas_recipe_range {
  int64_t start, stop;
};

/* A file of the training data: entries outside `ranges` were never seen. */
struct mlaas_recipe_file {
  const char *id;
  int64_t entries;
  struct mlaas_recipe_range *ranges; /* ascending, disjoint */
  size_t num_ranges;
};

struct mlaas_recipe {
  long count;   /* atomic */
  json_t *json; /* as written; names point into it */
  struct mlaas_budget *budget;
  struct mlaas_arena arena; /* all arrays below */
  const char *table;
  enum mlaas_arithmetic arithmetic;
  struct mlaas_recipe_input *inputs;
  size_t num_inputs;
  const char **branches; /* each once, byte order */
  size_t num_branches;
  float pad;
  bool clip;
  float clip_low, clip_high;
  double *missing;
  size_t num_missing;
  /* split */
  uint64_t seed;
  double shares[3];
  const char **split_by;
  size_t num_split_by;
  struct mlaas_recipe_file *files;
  size_t num_files;
};

/* Makes a recipe of its JSON, which is taken over whatever comes of it. Errors as mlaas_recipe_parse. */
enum mlaas_status mlaas_recipe_from_json(json_t *json, struct mlaas_recipe **recipe, struct mlaas_error *error);
/* Fills an empty recipe whose `json` and `arena` are set. For recipe.c only. */
enum mlaas_status mlaas_recipe_build(struct mlaas_recipe *recipe, struct mlaas_error *error);

#endif
