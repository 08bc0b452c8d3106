/* A recipe as a counted object: making, asking, writing, and the split it describes. The reading of its JSON is in
 * recipe_parse.c, its application in filler.c. Knows no data set and no model.
 */
#include "recipe/recipe.h"

#include "base/error.h"
#include "recipe/json.h"
#include "recipe/split.h"

#include <stdlib.h>
#include <string.h>

enum { RECIPE_MEMORY = 1 << 29 }; /* far above what the ceilings of recipe.h allow */

void mlaas_text_free(char *text) { free(text); }

/* ---- life ---- */

struct mlaas_recipe *mlaas_recipe_get(struct mlaas_recipe *recipe) {
  __atomic_add_fetch(&recipe->count, 1, __ATOMIC_RELAXED);
  return recipe;
}

void mlaas_recipe_put(struct mlaas_recipe *recipe) {
  if (!recipe || __atomic_sub_fetch(&recipe->count, 1, __ATOMIC_ACQ_REL) > 0)
    return;
  mlaas_arena_reset(&recipe->arena);
  mlaas_budget_put(recipe->budget);
  json_decref(recipe->json);
  mlaas_free(recipe);
}

enum mlaas_status mlaas_recipe_from_json(json_t *json, struct mlaas_recipe **recipe, struct mlaas_error *error) {
  struct mlaas_recipe *made = mlaas_alloc(sizeof *made);
  if (!made) {
    json_decref(json);
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a recipe");
  }
  made->count = 1;
  made->json = json;
  made->budget = mlaas_budget_new(RECIPE_MEMORY);
  mlaas_arena_init(&made->arena, made->budget);
  enum mlaas_status status =
      made->budget ? mlaas_recipe_build(made, error) : mlaas_fail(error, MLAAS_MEMORY, "out of memory for a recipe");
  if (status == MLAAS_OK)
    *recipe = made;
  else
    mlaas_recipe_put(made);
  return mlaas_fail_in(error, status, "recipe");
}

enum mlaas_status mlaas_recipe_parse(const char *json, size_t length, struct mlaas_recipe **recipe,
                                     struct mlaas_error *error) {
  json_error_t where;
  json_t *value = json_loadb(json, length, JSON_REJECT_DUPLICATES, &where);
  if (!value && json_error_code(&where) == json_error_out_of_memory)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a recipe");
  if (!value)
    return mlaas_fail(error, MLAAS_FORMAT, "recipe: no JSON: %s (line %d, column %d)", where.text, where.line,
                      where.column);
  return mlaas_recipe_from_json(value, recipe, error);
}

enum mlaas_status mlaas_recipe_format(const struct mlaas_recipe *recipe, char **json, struct mlaas_error *error) {
  return mlaas_json_format(recipe->json, json, error);
}

/* ---- asking ---- */

size_t mlaas_recipe_num_inputs(const struct mlaas_recipe *recipe) { return recipe->num_inputs; }

void mlaas_recipe_input(const struct mlaas_recipe *recipe, size_t input, struct mlaas_input_info *info) {
  const struct mlaas_recipe_input *in = &recipe->inputs[input];
  *info =
      (struct mlaas_input_info){.name = in->name, .padded = in->padded, .slots = in->slots, .features = in->features};
}

const char *mlaas_recipe_feature(const struct mlaas_recipe *recipe, size_t input, int64_t i) {
  return recipe->inputs[input].features_names[i];
}

size_t mlaas_recipe_num_branches(const struct mlaas_recipe *recipe) { return recipe->num_branches; }
const char *mlaas_recipe_branch(const struct mlaas_recipe *recipe, size_t i) { return recipe->branches[i]; }
const char *mlaas_recipe_table(const struct mlaas_recipe *recipe) { return recipe->table; }

/* ---- split ---- */

static const struct mlaas_recipe_file *find_file(const struct mlaas_recipe *recipe, const char *file_id) {
  for (size_t i = 0; i < recipe->num_files; i++)
    if (strcmp(recipe->files[i].id, file_id) == 0)
      return &recipe->files[i];
  return NULL;
}

/* Sets part to -1 for the entries outside the ranges. */
static void hide_unseen(const struct mlaas_recipe_file *file, int64_t first, int64_t rows, int8_t *part) {
  int64_t at = first, stop = first + rows;
  for (size_t i = 0; i < file->num_ranges && at < stop; i++) {
    const struct mlaas_recipe_range *range = &file->ranges[i];
    for (; at < stop && at < range->start; at++)
      part[at - first] = -1;
    if (at < range->stop)
      at = range->stop;
  }
  for (; at < stop; at++)
    part[at - first] = -1;
}

enum mlaas_status mlaas_recipe_split(const struct mlaas_recipe *recipe, const char *file_id, int64_t first_entry,
                                     int64_t rows, const int64_t *identifiers, int8_t *part,
                                     struct mlaas_error *error) {
  if (first_entry < 0 || rows < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "no range of entries: %lld rows from %lld", (long long)rows,
                      (long long)first_entry);
  if (recipe->num_split_by && !identifiers)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the recipe splits by \"%s\": its values are needed", recipe->split_by[0]);
  const struct mlaas_recipe_file *file = find_file(recipe, file_id);
  if (!file) {
    memset(part, -1, (size_t)rows);
    return MLAAS_OK;
  }
  if (recipe->num_split_by)
    mlaas_split_values(recipe->shares, recipe->seed, identifiers, recipe->num_split_by, rows, part);
  else
    mlaas_split_entries(recipe->shares, recipe->seed, file_id, first_entry, rows, part);
  hide_unseen(file, first_entry, rows, part);
  return MLAAS_OK;
}
