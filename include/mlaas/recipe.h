/* A recipe says how one row of columns becomes one row of a tensor: order, width, padding, mask, scaling. It is what
 * training writes and prediction applies; both run the code behind this header.
 *
 * A recipe has named inputs. A `flat` input is rows x features: flat branches in byte order of name, then jagged
 * branches in byte order of name with `width` slots each (names NAME_0, NAME_1 ...). A `padded` input is
 * rows x slots x features: the branches of one collection side by side.
 *
 * Arithmetic (docs/recipe.md): the raw value is what the branch's type holds, then double; standard: (x - mean) / sd;
 * minmax: (x - min) / (max - min); one rounding to float32 at the end. Constants become 0 (compat: pass unscaled).
 * Mask is uint8: 0 valid, 1 padding, 2 missing (NaN or a sentinel); masked slots hold the pad value.
 *
 * A recipe is immutable after parsing, counted and thread safe; so is a filler.
 */
#ifndef MLAAS_RECIPE_H
#define MLAAS_RECIPE_H

#include <mlaas/arrow.h>
#include <mlaas/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_recipe;
struct mlaas_filler;

/* Text that the library made and the caller frees with mlaas_text_free. */
MLAAS_API void mlaas_text_free(char *text);

/* Parses recipe.json ("format": "mlaas-recipe", "version": 1). Errors: FORMAT with line and key, UNSUPPORTED (newer
 * major version), MEMORY. *recipe has one count. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_recipe_parse(const char *json, size_t length,
                                                               struct mlaas_recipe **recipe, struct mlaas_error *error);
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_recipe_format(const struct mlaas_recipe *recipe, char **json,
                                                                struct mlaas_error *error);
MLAAS_API struct mlaas_recipe *mlaas_recipe_get(struct mlaas_recipe *recipe);
MLAAS_API void mlaas_recipe_put(struct mlaas_recipe *recipe);

struct mlaas_input_info {
  const char *name; /* "x" for the default flat input */
  bool padded;
  int64_t slots;    /* 1 for flat inputs */
  int64_t features; /* columns of a flat input, branches of a padded one */
};
MLAAS_API size_t mlaas_recipe_num_inputs(const struct mlaas_recipe *recipe);
MLAAS_API void mlaas_recipe_input(const struct mlaas_recipe *recipe, size_t input, struct mlaas_input_info *info);
/* Name of feature `i` of an input: "nJets", "jetPt_0"; lives as long as the recipe. */
MLAAS_API const char *mlaas_recipe_feature(const struct mlaas_recipe *recipe, size_t input, int64_t i);
/* The branches that the recipe reads, each once, in byte order. */
MLAAS_API size_t mlaas_recipe_num_branches(const struct mlaas_recipe *recipe);
MLAAS_API const char *mlaas_recipe_branch(const struct mlaas_recipe *recipe, size_t i);
/* Table path the recipe was made for. */
MLAAS_API const char *mlaas_recipe_table(const struct mlaas_recipe *recipe);

/* The split of rows: part[i] = 0 train, 1 validation, 2 test, -1 not part of the training data. `file_id` is
 * mlaas_file_info.id; `identifiers` NULL unless the recipe splits by identifier branches: then rows x branches int64,
 * row major, in the order of the recipe's split_by. Formula: docs/split.md. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_recipe_split(const struct mlaas_recipe *recipe, const char *file_id,
                                                               int64_t first_entry, int64_t rows,
                                                               const int64_t *identifiers, int8_t *part,
                                                               struct mlaas_error *error);

/* ---- filling ----------------------------------------------------------------------------------- */

/* Binds a recipe to a struct schema that has at least the recipe's branches (others are ignored). Errors: NOT_FOUND
 * (names branch and nearest), SCHEMA (kind or type does not fit), MEMORY. Holds the recipe. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_filler_new(struct mlaas_recipe *recipe,
                                                             const struct ArrowSchema *schema,
                                                             struct mlaas_filler **filler, struct mlaas_error *error);
MLAAS_API void mlaas_filler_free(struct mlaas_filler *filler);

/* For each i < count: row rows[i] of `array` (NULL: row i) goes to x[k * count + i] and mask[k * count + i], pointers
 * to the first float and mask byte of the row's place in input k (slots * features of each). `truncated` (may be NULL)
 * has one counter per branch of the recipe and is added to: entries whose list was longer than the width. Errors:
 * SCHEMA, ARGUMENT (row outside the array). */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_filler_fill(const struct mlaas_filler *filler,
                                                              const struct ArrowArray *array, const int64_t *rows,
                                                              size_t count, float *const *x, uint8_t *const *mask,
                                                              int64_t *truncated, struct mlaas_error *error);

#ifdef __cplusplus
}
#endif
#endif
