/* Binding a recipe to a schema, and resolving one array against it. The filling itself is in fill.c. */
#include "recipe/filler.h"

#include "base/error.h"

#include <stdlib.h>
#include <string.h>

/* ---- binding ---- */

static enum mlaas_status fail_absent(const struct ArrowSchema *schema, const char *branch, struct mlaas_error *error) {
  const char **names = mlaas_alloc((size_t)schema->n_children * sizeof *names);
  const char *nearest = NULL;
  for (int64_t i = 0; names && i < schema->n_children; i++)
    names[i] = schema->children[i]->name ? schema->children[i]->name : "";
  if (names)
    nearest = mlaas_nearest(branch, names, (size_t)schema->n_children);
  mlaas_fail(error, MLAAS_NOT_FOUND, "the recipe needs the branch \"%s\", which is not there%s%s%s", branch,
             nearest ? "; the nearest is \"" : "", nearest ? nearest : "", nearest ? "\"" : "");
  mlaas_free(names);
  return MLAAS_NOT_FOUND;
}

static const struct ArrowSchema *find_child(const struct ArrowSchema *schema, const char *name, int64_t *child) {
  for (int64_t i = 0; i < schema->n_children; i++)
    if (schema->children[i]->name && strcmp(schema->children[i]->name, name) == 0) {
      *child = i;
      return schema->children[i];
    }
  return NULL;
}

bool mlaas_source_describe(const struct ArrowSchema *schema, struct mlaas_source *source) {
  const char *format = schema->format;
  const struct ArrowSchema *values = schema;
  source->kind = MLAAS_SOURCE_FLAT;
  if (strcmp(format, "+l") == 0)
    source->kind = MLAAS_SOURCE_LIST;
  else if (strcmp(format, "+L") == 0)
    source->kind = MLAAS_SOURCE_LARGE_LIST;
  else if (strncmp(format, "+w:", 3) == 0) {
    source->kind = MLAAS_SOURCE_FIXED;
    source->fixed = strtoll(format + 3, NULL, 10);
    if (source->fixed < 0 || source->fixed > INT32_MAX)
      return false;
  }
  if (source->kind != MLAAS_SOURCE_FLAT) {
    if (schema->n_children != 1)
      return false;
    values = schema->children[0];
  }
  source->type = mlaas_kernel_type(values->format);
  return source->type != MLAAS_KERNEL_NUM_TYPES && !schema->dictionary && !values->dictionary;
}

static enum mlaas_status bind_branches(struct mlaas_filler *filler, const struct ArrowSchema *schema,
                                       struct mlaas_error *error) {
  const struct mlaas_recipe *recipe = filler->recipe;
  for (size_t i = 0; i < recipe->num_branches; i++) {
    const char *branch = recipe->branches[i];
    struct mlaas_source *source = &filler->sources[i];
    const struct ArrowSchema *child = find_child(schema, branch, &source->child);
    if (!child)
      return fail_absent(schema, branch, error);
    if (!mlaas_source_describe(child, source))
      return mlaas_fail(error, MLAAS_SCHEMA, "branch \"%s\" holds neither numbers nor lists of numbers (Arrow \"%s\")",
                        branch, child->format);
  }
  return MLAAS_OK;
}

/* Whether lists meet jagged columns and numbers flat ones. */
static enum mlaas_status check_columns(struct mlaas_filler *filler, struct mlaas_error *error) {
  const struct mlaas_recipe *recipe = filler->recipe;
  for (size_t k = 0; k < recipe->num_inputs; k++)
    for (size_t i = 0; i < recipe->inputs[k].num_columns; i++) {
      const struct mlaas_recipe_column *column = &recipe->inputs[k].columns[i];
      bool flat = filler->sources[column->branch].kind == MLAAS_SOURCE_FLAT;
      if (flat == column->jagged)
        return mlaas_fail(error, MLAAS_SCHEMA, "branch \"%s\" is %s here, but %s in the recipe",
                          recipe->branches[column->branch], flat ? "a number" : "a list", flat ? "a list" : "a number");
      if (column->sort == SIZE_MAX)
        continue;
      if (filler->sources[column->sort].kind == MLAAS_SOURCE_FLAT)
        return mlaas_fail(error, MLAAS_SCHEMA, "branch \"%s\" orders lists, but is a number here",
                          recipe->branches[column->sort]);
      if (column->width > filler->widest_sorted)
        filler->widest_sorted = column->width;
    }
  return MLAAS_OK;
}

enum mlaas_status mlaas_filler_new(struct mlaas_recipe *recipe, const struct ArrowSchema *schema,
                                   struct mlaas_filler **filler, struct mlaas_error *error) {
  if (!schema->format || strcmp(schema->format, "+s") != 0)
    return mlaas_fail(error, MLAAS_SCHEMA, "a struct of columns was expected, not Arrow \"%s\"",
                      schema->format ? schema->format : "");
  struct mlaas_filler *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a filler");
  made->recipe = mlaas_recipe_get(recipe);
  made->kernels = mlaas_kernels_get();
  made->num_children = schema->n_children;
  memset(made->pads + MLAAS_SPREAD_WIDEST, 1, sizeof made->pads - MLAAS_SPREAD_WIDEST);
  made->sources = mlaas_alloc(recipe->num_branches * sizeof *made->sources);
  enum mlaas_status status = made->sources ? bind_branches(made, schema, error)
                                           : mlaas_fail(error, MLAAS_MEMORY, "out of memory for a filler");
  if (status == MLAAS_OK)
    status = check_columns(made, error);
  if (status == MLAAS_OK)
    *filler = made;
  else
    mlaas_filler_free(made);
  return status;
}

void mlaas_filler_free(struct mlaas_filler *filler) {
  if (!filler)
    return;
  mlaas_free(filler->sources);
  mlaas_recipe_put(filler->recipe);
  mlaas_free(filler);
}

/* ---- views ---- */

static const uint8_t *validity(const struct ArrowArray *array) {
  return array->n_buffers > 0 && array->null_count != 0 ? array->buffers[0] : NULL;
}

static bool view_values(const struct ArrowArray *values, int64_t first, struct mlaas_view *view) {
  enum mlaas_kernel_type type = view->source->type;
  if (values->n_buffers != 2 || (values->length > 0 && !values->buffers[1]))
    return false;
  view->num_values = values->length;
  view->value_valid = validity(values);
  view->value_bit = values->offset + first;
  view->values = values->buffers[1];
  if (type != MLAAS_KERNEL_b && view->values)
    view->values = (const char *)view->values + (values->offset + first) * (int64_t)mlaas_kernel_size(type);
  return true;
}

bool mlaas_view_init(struct mlaas_view *view, const struct mlaas_source *source, const struct ArrowArray *column,
                     int64_t first, int64_t rows) {
  *view = (struct mlaas_view){.source = source};
  if (column->length < first + rows)
    return false;
  if (view->source->kind == MLAAS_SOURCE_FLAT)
    return view_values(column, first, view);
  view->row_valid = validity(column);
  view->row_bit = column->offset + first;
  if (column->n_children != 1 || !view_values(column->children[0], 0, view))
    return false;
  if (view->source->kind == MLAAS_SOURCE_FIXED) {
    view->fixed_first = (column->offset + first) * view->source->fixed;
    return true;
  }
  if (column->n_buffers != 2 || (rows > 0 && !column->buffers[1]))
    return false;
  if (rows == 0)
    return true;
  if (view->source->kind == MLAAS_SOURCE_LIST)
    view->offsets = (const int32_t *)column->buffers[1] + column->offset + first;
  else
    view->large_offsets = (const int64_t *)column->buffers[1] + column->offset + first;
  return true;
}

enum mlaas_status mlaas_filler_view(const struct mlaas_filler *filler, const struct ArrowArray *array,
                                    struct mlaas_view *views, struct mlaas_error *error) {
  if (array->n_children != filler->num_children)
    return mlaas_fail(error, MLAAS_SCHEMA, "the array has %lld columns, its schema had %lld",
                      (long long)array->n_children, (long long)filler->num_children);
  for (size_t i = 0; i < filler->recipe->num_branches; i++) {
    const struct mlaas_source *source = &filler->sources[i];
    if (!mlaas_view_init(&views[i], source, array->children[source->child], array->offset, array->length))
      return mlaas_fail(error, MLAAS_SCHEMA, "the array of branch \"%s\" is not what its schema says",
                        filler->recipe->branches[i]);
  }
  return MLAAS_OK;
}
