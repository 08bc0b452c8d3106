/* Binding a recipe to a model's inputs when the model is loaded. The filling is in event_fill.c. */
#include "base/error.h"
#include "column/arrow.h"
#include "serve/event_plan.h"

#include <math.h>
#include <stdio.h>
#include <xxhash.h>

enum { SUGGESTIONS = 1024 };

/* ---- branches ---- */

static void take_column(struct mlaas_event_plan *plan, const struct mlaas_recipe_input *input,
                        const struct mlaas_recipe_column *column) {
  struct mlaas_plan_branch *branch = &plan->branches[column->branch];
  branch->format = column->format[0];
  branch->jagged = column->jagged;
  if (column->jagged && !input->padded && column->width > branch->slots)
    branch->slots = column->width;
  if (column->ranged) {
    branch->ranged = true;
    branch->low = column->low;
    branch->high = column->high;
  }
  if (column->sort != SIZE_MAX) /* a branch that only orders others is a list too */
    plan->branches[column->sort].jagged = true;
}

static enum mlaas_status make_branches(struct mlaas_event_plan *plan, struct mlaas_error *error) {
  const struct mlaas_recipe *recipe = plan->recipe;
  plan->num_branches = recipe->num_branches;
  plan->branches = mlaas_arena_alloc(&plan->arena, recipe->num_branches, sizeof *plan->branches, error);
  if (!plan->branches)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < recipe->num_branches; i++) {
    plan->branches[i].name = recipe->branches[i];
    plan->branches[i].format = 'g';
  }
  for (size_t k = 0; k < recipe->num_inputs; k++)
    for (size_t i = 0; i < recipe->inputs[k].num_columns; i++)
      take_column(plan, &recipe->inputs[k], &recipe->inputs[k].columns[i]);
  return MLAAS_OK;
}

/* ---- names ---- */

static struct mlaas_plan_name *place_of(const struct mlaas_event_plan *plan, const char *name, size_t size) {
  size_t at = XXH3_64bits(name, size) & (plan->room_names - 1);
  while (plan->names[at].name &&
         (strlen(plan->names[at].name) != size || memcmp(plan->names[at].name, name, size) != 0))
    at = (at + 1) & (plan->room_names - 1);
  return &plan->names[at];
}

const struct mlaas_plan_name *mlaas_event_plan_find(const struct mlaas_event_plan *plan, struct mlaas_slice key) {
  const struct mlaas_plan_name *found = place_of(plan, key.data, key.size);
  return found->name ? found : NULL;
}

const char *mlaas_event_plan_nearest(const struct mlaas_event_plan *plan, struct mlaas_slice key) {
  const char *names[SUGGESTIONS];
  char text[128];
  size_t count = 0;
  for (size_t i = 0; i < plan->room_names && count < SUGGESTIONS; i++)
    if (plan->names[i].name)
      names[count++] = plan->names[i].name;
  snprintf(text, sizeof text, "%.*s", (int)(key.size < 100 ? key.size : 100), key.data);
  return mlaas_nearest(text, names, count);
}

static void add_name(struct mlaas_event_plan *plan, const char *name, size_t branch, int64_t slot) {
  struct mlaas_plan_name *place = place_of(plan, name, strlen(name));
  if (!place->name) /* a branch goes before a slot of the same name: branches are added first */
    *place = (struct mlaas_plan_name){name, (int32_t)branch, (int32_t)slot};
}

static enum mlaas_status make_names(struct mlaas_event_plan *plan, struct mlaas_error *error) {
  size_t count = plan->num_branches;
  for (size_t i = 0; i < plan->num_branches; i++)
    count += (size_t)plan->branches[i].slots;
  plan->room_names = 16;
  while (plan->room_names < 2 * count)
    plan->room_names *= 2;
  plan->names = mlaas_arena_alloc(&plan->arena, plan->room_names, sizeof *plan->names, error);
  if (!plan->names)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < plan->num_branches; i++)
    add_name(plan, plan->branches[i].name, i, -1);
  for (size_t i = 0; i < plan->num_branches; i++)
    for (int64_t slot = 0; slot < plan->branches[i].slots; slot++) {
      char *name = mlaas_arena_format(&plan->arena, error, "%s_%lld", plan->branches[i].name, (long long)slot);
      if (!name)
        return MLAAS_MEMORY;
      add_name(plan, name, i, slot);
    }
  return MLAAS_OK;
}

/* ---- the filler ---- */

static enum mlaas_status make_schema(const struct mlaas_event_plan *plan, struct ArrowSchema *schema,
                                     struct mlaas_error *error) {
  MLAAS_TRY(mlaas_schema_init(schema, "+s", "", plan->num_branches, error));
  for (size_t i = 0; i < plan->num_branches; i++) {
    const struct mlaas_plan_branch *branch = &plan->branches[i];
    char format[2] = {branch->format, 0};
    if (!branch->jagged) {
      MLAAS_TRY(mlaas_schema_init(schema->children[i], format, branch->name, 0, error));
      continue;
    }
    MLAAS_TRY(mlaas_schema_init(schema->children[i], "+l", branch->name, 1, error));
    MLAAS_TRY(mlaas_schema_init(schema->children[i]->children[0], format, "item", 0, error));
  }
  return MLAAS_OK;
}

/* ---- inputs of the model ---- */

/* What model.json says of an input, or NULL. */
static const json_t *described(const json_t *model, const char *name) {
  const json_t *inputs = json_object_get(model, "inputs");
  for (size_t i = 0; i < json_array_size(inputs); i++) {
    const char *theirs = json_string_value(json_object_get(json_array_get(inputs, i), "name"));
    if (theirs && strcmp(theirs, name) == 0)
      return json_array_get(inputs, i);
  }
  return NULL;
}

static enum mlaas_status find_recipe_input(const struct mlaas_event_plan *plan, size_t i, const char *wanted,
                                           size_t *found, struct mlaas_error *error) {
  const struct mlaas_recipe *recipe = plan->recipe;
  *found = i;
  for (size_t k = 0; wanted && k < recipe->num_inputs; k++)
    if (strcmp(recipe->inputs[k].name, wanted) == 0) {
      *found = k;
      return MLAAS_OK;
    }
  if (wanted || i >= recipe->num_inputs)
    return mlaas_fail(error, MLAAS_FORMAT, "the recipe has no input for the model's input \"%s\"",
                      plan->model->inputs[i].name);
  return MLAAS_OK;
}

static enum mlaas_status make_inputs(struct mlaas_event_plan *plan, struct mlaas_error *error) {
  static const char *const uses[] = {"none", "nan", "valid", "padding"};
  const struct mlaas_model *model = plan->model;
  plan->inputs = mlaas_arena_alloc(&plan->arena, model->num_inputs, sizeof *plan->inputs, error);
  if (!plan->inputs)
    return MLAAS_MEMORY;
  for (size_t i = 0; i < model->num_inputs; i++) {
    const json_t *json = described(model->manifest.model, model->inputs[i].name);
    if (!json && model->num_inputs == 1) /* back ends may name the only input otherwise */
      json = json_array_get(json_object_get(model->manifest.model, "inputs"), 0);
    const char *mask = json_string_value(json_object_get(json, "mask"));
    MLAAS_TRY(find_recipe_input(plan, i, json_string_value(json_object_get(json, "recipe_input")),
                                &plan->inputs[i].recipe_input, error));
    plan->inputs[i].mask = model->manifest.mask_is_nan ? MLAAS_MASK_NAN : MLAAS_MASK_NONE;
    for (int use = 0; mask && use < 4; use++)
      if (strcmp(mask, uses[use]) == 0)
        plan->inputs[i].mask = (enum mlaas_mask_use)use;
  }
  return MLAAS_OK;
}

/* ---- the whole ---- */

static enum mlaas_status make(struct mlaas_event_plan *plan, struct mlaas_error *error) {
  struct ArrowSchema schema = {0};
  MLAAS_TRY(make_branches(plan, error));
  MLAAS_TRY(make_names(plan, error));
  MLAAS_TRY(make_inputs(plan, error));
  enum mlaas_status status = make_schema(plan, &schema, error);
  if (status == MLAAS_OK)
    status = mlaas_filler_new(plan->recipe, &schema, &plan->filler, error);
  mlaas_schema_release(&schema);
  return status;
}

enum mlaas_status mlaas_event_plan_new(struct mlaas_instance *instance, const struct mlaas_config *config,
                                       struct mlaas_event_plan **plan, struct mlaas_error *error) {
  struct mlaas_manifest *manifest = &instance->model->manifest;
  struct mlaas_event_plan *made = mlaas_alloc(sizeof *made);
  struct mlaas_budget *budget = made ? mlaas_budget_new((int64_t)1 << 30) : NULL;
  if (!budget) {
    mlaas_free(made);
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the recipe of %s", instance->name);
  }
  mlaas_arena_init(&made->arena, budget); /* holds the count that `budget` is */
  made->model = instance->model;
  made->model_name = instance->name;
  made->recipe = mlaas_recipe_get(manifest->recipe);
  made->refuse_outside = config && config->refuse_out_of_range;
  const char *missing = json_string_value(json_object_get(manifest->params, "missing"));
  made->strict = missing ? strcmp(missing, "refuse") == 0 : config && config->strict_features;
  enum mlaas_status status = make(made, error);
  if (status != MLAAS_OK) {
    mlaas_event_plan_free(made);
    made = NULL;
  }
  *plan = made;
  return status;
}

void mlaas_event_plan_free(struct mlaas_event_plan *plan) {
  if (!plan)
    return;
  struct mlaas_budget *budget = plan->arena.budget;
  mlaas_filler_free(plan->filler);
  mlaas_recipe_put(plan->recipe);
  mlaas_arena_reset(&plan->arena);
  mlaas_budget_put(budget);
  mlaas_free(plan);
}

size_t mlaas_event_plan_num_features(const struct mlaas_event_plan *plan) { return plan->num_branches; }

const char *mlaas_event_plan_feature(const struct mlaas_event_plan *plan, size_t i) { return plan->branches[i].name; }

uint64_t mlaas_event_plan_outside(const struct mlaas_event_plan *plan, size_t i) {
  return atomic_load_explicit(&plan->branches[i].outside, memory_order_relaxed);
}

bool mlaas_event_plan_news(struct mlaas_event_plan *plan, char *text, size_t size) {
  if (atomic_load_explicit(&plan->news, memory_order_relaxed) <= 0)
    return false;
  for (size_t i = 0; i < plan->num_branches; i++) {
    struct mlaas_plan_branch *branch = &plan->branches[i];
    int there = 2;
    if (!atomic_compare_exchange_strong(&branch->found, &there, 3))
      continue;
    atomic_fetch_sub(&plan->news, 1);
    snprintf(text, size,
             "model %s: \"%s\" is %.9g, outside the range seen in training, %.9g to %.9g: other units? Further ones "
             "are only counted, in /metrics",
             plan->model_name, branch->name, branch->example, branch->low, branch->high);
    return true;
  }
  return false;
}
