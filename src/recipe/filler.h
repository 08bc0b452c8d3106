/* The inside of a filler: a recipe bound to a schema, and the views of one array's columns. */
#ifndef MLAAS_RECIPE_FILLER_H
#define MLAAS_RECIPE_FILLER_H

#include "recipe/kernel.h"
#include "recipe/recipe.h"

enum mlaas_source_kind { MLAAS_SOURCE_FLAT, MLAAS_SOURCE_LIST, MLAAS_SOURCE_LARGE_LIST, MLAAS_SOURCE_FIXED };

/* Where a branch of the recipe is in the schema. */
struct mlaas_source {
  int64_t child;
  enum mlaas_source_kind kind;
  enum mlaas_kernel_type type;
  int64_t fixed; /* values per row of MLAAS_SOURCE_FIXED */
};

struct mlaas_filler {
  struct mlaas_recipe *recipe;
  const struct mlaas_kernels *kernels;
  struct mlaas_source *sources; /* per branch of the recipe */
  int64_t num_children;
  int64_t widest_sorted;                     /* slots of the widest column that is sorted, 0: none is */
  uint8_t pads[2 * MLAAS_SPREAD_WIDEST + 8]; /* for struct mlaas_spread */
};

/* One column of one array, all offsets of Arrow resolved: row r has the values [begin, end). */
struct mlaas_view {
  const struct mlaas_source *source;
  const void *values; /* of MLAAS_KERNEL_b: bits, the first at value_bit */
  const int32_t *offsets;
  const int64_t *large_offsets;
  const uint8_t *row_valid, *value_valid; /* bitmaps, NULL: all valid */
  int64_t row_bit, value_bit;             /* first bit of them */
  int64_t fixed_first;                    /* first value of row 0 of MLAAS_SOURCE_FIXED */
  int64_t num_values;
};

struct mlaas_list {
  int64_t begin, length;
};

static inline bool mlaas_bit(const uint8_t *bits, int64_t i) { return bits[i >> 3] >> (i & 7) & 1; }

/* Kind and type of a column's schema (`child` is left alone); false for what is no number and no list of numbers. */
bool mlaas_source_describe(const struct ArrowSchema *schema, struct mlaas_source *source);
/* A view of one column; its row 0 is row `first` of `array`. False if the array is not what `source` says. */
bool mlaas_view_init(struct mlaas_view *view, const struct mlaas_source *source, const struct ArrowArray *array,
                     int64_t first, int64_t rows);

/* Views of the recipe's branches in `array`. Errors: SCHEMA. */
enum mlaas_status mlaas_filler_view(const struct mlaas_filler *filler, const struct ArrowArray *array,
                                    struct mlaas_view *views, struct mlaas_error *error);

/* Where the values of `row` are; a flat row is a list of one. */
static inline struct mlaas_list mlaas_view_list(const struct mlaas_view *view, int64_t row) {
  if (view->row_valid && !mlaas_bit(view->row_valid, view->row_bit + row))
    return (struct mlaas_list){0, 0};
  switch (view->source->kind) {
  case MLAAS_SOURCE_LIST:
    return (struct mlaas_list){view->offsets[row], view->offsets[row + 1] - view->offsets[row]};
  case MLAAS_SOURCE_LARGE_LIST:
    return (struct mlaas_list){view->large_offsets[row], view->large_offsets[row + 1] - view->large_offsets[row]};
  case MLAAS_SOURCE_FIXED:
    return (struct mlaas_list){view->fixed_first + row * view->source->fixed, view->source->fixed};
  default:
    return (struct mlaas_list){row, 1};
  }
}

#endif
