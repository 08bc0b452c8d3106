/* From statistics and parameters to a recipe: which branches, in which inputs, how wide, how scaled; and what the user
 * should know about it. The recipe is made as JSON and then read like any other.
 */
#include "dataset/collections.h"

#include "base/error.h"
#include "recipe/json.h"
#include "recipe/recipe.h"

#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct making {
  const struct mlaas_specs *specs;
  const struct mlaas_params *params;
  json_t *warnings; /* NULL: nobody listens */
  struct mlaas_collections collections;
  bool *usable, *taken;                     /* per column */
  const struct mlaas_column_stats **sorted; /* flat before jagged, each in byte order of name */
};

static enum mlaas_status fail_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a recipe");
}

static void warn(const struct making *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void warn(const struct making *m, const char *format, ...) {
  char text[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (m->warnings)
    json_array_append_new(m->warnings, json_string(text));
}

/* ---- names of branches ---- */

static size_t find_column(const struct making *m, const char *name) {
  for (size_t i = 0; i < m->specs->num_columns; i++)
    if (strcmp(m->specs->columns[i].name, name) == 0)
      return i;
  return SIZE_MAX;
}

/* The branch nearest to `name`, or NULL. */
static const char *nearest_branch(const struct making *m, const char *name) {
  const char **names = mlaas_alloc(m->specs->num_columns * sizeof *names), *nearest = NULL;
  for (size_t i = 0; names && i < m->specs->num_columns; i++)
    names[i] = m->specs->columns[i].name;
  if (names)
    nearest = mlaas_nearest(name, names, m->specs->num_columns);
  mlaas_free(names);
  return nearest;
}

static enum mlaas_status fail_no_branch(const struct making *m, const char *param, const char *name,
                                        struct mlaas_error *error) {
  const char *nearest = nearest_branch(m, name);
  return mlaas_fail(error, MLAAS_NOT_FOUND,
                    "parameter \"%s\" names \"%s\", which is no branch of numbers in the data%s%s%s", param, name,
                    nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
}

static bool matches(const char *pattern, const char *name) {
  return strpbrk(pattern, "*?") ? fnmatch(pattern, name, 0) == 0 : strcmp(pattern, name) == 0;
}

/* Sets flags[i] for the columns that `pattern` names; false if there are none. */
static bool flag_columns(const struct making *m, const char *pattern, bool *flags, bool value) {
  bool found = false;
  for (size_t i = 0; i < m->specs->num_columns; i++)
    if (matches(pattern, m->specs->columns[i].name)) {
      flags[i] = value;
      found = true;
    }
  return found;
}

static void exclude_names(const struct making *m, const struct mlaas_names *names) {
  for (size_t i = 0; i < names->count; i++)
    flag_columns(m, names->names[i], m->usable, false);
}

static void exclude_name(const struct making *m, const char *name) {
  size_t i = name ? find_column(m, name) : SIZE_MAX;
  if (i != SIZE_MAX)
    m->usable[i] = false;
}

/* Selected branches win over excluded ones; identifiers, weight and label are never features. */
static enum mlaas_status choose(struct making *m, struct mlaas_error *error) {
  const struct mlaas_params *params = m->params;
  for (size_t i = 0; i < m->specs->num_columns; i++)
    m->usable[i] = params->selected.count == 0;
  for (size_t i = 0; i < params->selected.count; i++)
    if (!flag_columns(m, params->selected.names[i], m->usable, true))
      return fail_no_branch(m, "selected_branches", params->selected.names[i], error);
  for (size_t i = 0; params->selected.count == 0 && i < params->exclude.count; i++)
    flag_columns(m, params->exclude.names[i], m->usable, false);
  exclude_names(m, &params->identifier);
  exclude_names(m, &params->split_by);
  exclude_name(m, params->weight_branch);
  exclude_name(m, params->label_branch);
  for (size_t i = 0; i < m->specs->num_columns; i++)
    if (m->usable[i])
      return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "no branch is left to make features of: all are excluded, identifiers, "
                    "weight or label");
}

static int compare_columns(const void *a, const void *b) {
  const struct mlaas_column_stats *left = *(const struct mlaas_column_stats *const *)a;
  const struct mlaas_column_stats *right = *(const struct mlaas_column_stats *const *)b;
  if (left->jagged != right->jagged)
    return left->jagged - right->jagged;
  return strcmp(left->name, right->name);
}

/* The k-th column in that order. */
static size_t sorted_column(const struct making *m, size_t k) { return (size_t)(m->sorted[k] - m->specs->columns); }

/* ---- widths and orders ---- */

/* The value of an object keyed by collection, or by a branch of it; NULL if the collection has none. */
static const json_t *value_for(const struct making *m, const json_t *object, size_t collection) {
  json_t *walk = (json_t *)(uintptr_t)object;
  for (void *at = json_object_iter(walk); at; at = json_object_iter_next(walk, at))
    if (mlaas_collections_find(&m->collections, m->specs, json_object_iter_key(at)) == collection)
      return json_object_iter_value(at);
  return NULL;
}

static enum mlaas_status check_keys(const struct making *m, const json_t *object, const char *param,
                                    struct mlaas_error *error) {
  json_t *walk = (json_t *)(uintptr_t)object;
  for (void *at = json_object_iter(walk); at; at = json_object_iter_next(walk, at)) {
    const char *key = json_object_iter_key(at);
    if (mlaas_collections_find(&m->collections, m->specs, key) != SIZE_MAX)
      continue;
    const char *nearest = nearest_branch(m, key);
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": \"%s\" is no collection and no jagged branch%s%s%s",
                      param, key, nearest ? "; the nearest is \"" : "", nearest ? nearest : "", nearest ? "\"" : "");
  }
  return MLAAS_OK;
}

/* `value`: slots, quantile or "max"; NULL: as the parameters say for all. */
static int64_t resolve_width(const struct making *m, size_t collection, const json_t *value) {
  const struct mlaas_collection *item = &m->collections.items[collection];
  double quantile = m->params->compat ? 1 : m->params->width_quantile;
  if (json_is_integer(value))
    return json_integer_value(value);
  if (!value && m->params->width_fixed && !m->params->compat)
    return m->params->width_fixed;
  if (value)
    quantile = json_is_string(value) ? 1 : json_real_value(value);
  int64_t width = quantile < 1 ? mlaas_collection_quantile(m->specs, item, quantile) : item->longest;
  return width > 1 ? width : 1;
}

static int64_t width_of(const struct making *m, size_t collection, const json_t *input) {
  const json_t *width = json_object_get(input, "width");
  if (!width && !m->params->compat)
    width = value_for(m, m->params->widths, collection);
  return resolve_width(m, collection, width);
}

static void warn_cut(const struct making *m, size_t collection, int64_t width) {
  const struct mlaas_collection *item = &m->collections.items[collection];
  int64_t cut = mlaas_collection_cut(m->specs, item, width), total = 0;
  const struct mlaas_column_stats *column = &m->specs->columns[item->first];
  for (size_t i = 0; i < column->num_lengths; i++)
    total += column->lengths[i];
  if (cut)
    warn(m, "collection \"%s\": %lld of %lld entries have more than %lld values and are cut; the longest list has %lld",
         item->name, (long long)cut, (long long)total, (long long)width, (long long)item->longest);
}

/* The branch that orders a collection, or NULL. */
static enum mlaas_status sort_of(const struct making *m, size_t collection, const char **branch,
                                 struct mlaas_error *error) {
  *branch = json_string_value(value_for(m, m->params->sort_by, collection));
  if (!*branch)
    return MLAAS_OK;
  size_t column = find_column(m, *branch);
  if (column == SIZE_MAX)
    return fail_no_branch(m, "sort_by", *branch, error);
  if (m->collections.of[column] != collection)
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"sort_by\": branch \"%s\" is not of the collection \"%s\"",
                      *branch, m->collections.items[collection].name);
  return MLAAS_OK;
}

/* ---- scaling ---- */

static double deviation(const struct mlaas_column_stats *s) { return sqrt(s->m2 / (double)s->count); }

/* Takes `value` over. */
static bool set(json_t *object, const char *key, json_t *value) { return json_object_set_new(object, key, value) == 0; }

static bool set_compat(json_t *json, const struct mlaas_column_stats *s) {
  double low = s->count || isnan(s->min) ? s->min : 1e15, high = s->count || isnan(s->max) ? s->max : -1e15;
  return set(json, "scaler", json_string("minmax")) && set(json, "min", mlaas_json_number(low)) &&
         set(json, "max", mlaas_json_number(high));
}

static bool set_scaler(const struct making *m, json_t *json, const struct mlaas_column_stats *s) {
  enum mlaas_scaler scaler = m->params->scaler;
  bool standard = scaler == MLAAS_SCALER_STANDARD;
  double center = standard ? s->mean : s->min, width = standard ? deviation(s) : s->max - s->min;
  if (m->params->compat)
    return set_compat(json, s);
  if (s->count && scaler == MLAAS_SCALER_NONE)
    return set(json, "scaler", json_string("none"));
  if (s->count == 0 || s->min >= s->max || !(width > 0) || !isfinite(width) || !isfinite(center))
    return set(json, "scaler", json_string("constant"));
  if (standard)
    return set(json, "scaler", json_string("standard")) && set(json, "mean", json_real(center)) &&
           set(json, "sd", json_real(width));
  return set(json, "scaler", json_string("minmax")) && set(json, "min", json_real(s->min)) &&
         set(json, "max", json_real(s->max));
}

/* Where the scaler does not say what was seen in training, a server that wants to know finds it here. */
static bool set_range(const struct making *m, json_t *json, const struct mlaas_column_stats *s) {
  if (m->params->compat || !s->count || !isfinite(s->min) || !isfinite(s->max) || json_object_get(json, "min"))
    return true;
  return set(json, "range", json_pack("[f, f]", s->min, s->max));
}

/* ---- what the user should know of a branch ---- */

/* One value far from all others that many entries have: a sentinel such as -999 that nobody declared. `rest_*` are
 * the moments of the other values. */
static bool is_isolated(const struct mlaas_column_stats *s, double extreme, double next, double other_end, int64_t at) {
  bool integer = !strchr("fg", s->format[0]);
  double gap = fabs(next - extreme), range = fabs(other_end - next), rest = (double)(s->count - at);
  if (s->format[0] == 'b' || !isfinite(next) || rest <= 0 || range <= 0 || (double)at <= 0.01 * (double)s->count)
    return false;
  if (integer && gap <= 1)
    return false;
  double mean = ((double)s->count * s->mean - (double)at * extreme) / rest;
  double m2 = s->m2 - (double)at * rest / (double)s->count * (extreme - mean) * (extreme - mean);
  double sd = m2 > 0 ? sqrt(m2 / rest) : 0;
  return gap >= range || gap > 5 * sd;
}

static void warn_column(const struct making *m, const struct mlaas_column_stats *s) {
  int64_t odd = s->nan + s->inf, all = s->count + odd + s->missing;
  char number[MLAAS_NUMBER_TEXT];
  if (s->count == 0) {
    warn(m, "branch \"%s\" has no finite value: it is 0 and missing everywhere", s->name);
    return;
  }
  if (s->min == s->max) {
    mlaas_number_format(s->min, number);
    warn(m, "branch \"%s\" is constant (%s): it becomes 0", s->name, number);
  }
  if (odd)
    warn(m, "branch \"%s\": %lld of %lld values are NaN or infinite and count as missing", s->name, (long long)odd,
         (long long)all);
  bool low = is_isolated(s, s->min, s->next_min, s->max, s->at_min);
  bool high = is_isolated(s, s->max, s->next_max, s->min, s->at_max);
  if (low || high) {
    mlaas_number_format(low ? s->min : s->max, number);
    warn(m,
         "branch \"%s\": %.1f %% of its values are %s, far from all others; if that means missing, put it into the "
         "parameter \"missing\"",
         s->name, 100 * (double)(low ? s->at_min : s->at_max) / (double)s->count, number);
  }
  if (fmax(fabs(s->min), fabs(s->max)) > 9007199254740992.0 && strchr("lL", s->format[0]))
    warn(m, "branch \"%s\" holds integers above 2^53, which lose digits as numbers", s->name);
}

/* ---- the JSON ---- */

static enum mlaas_status add_column(struct making *m, size_t i, const json_t *input, bool padded, json_t *columns,
                                    struct mlaas_error *error) {
  const struct mlaas_column_stats *s = &m->specs->columns[i];
  json_t *json = json_pack("{s:s, s:s}", "branch", s->name, "type", s->format);
  if (!json || json_array_append_new(columns, json) != 0)
    return fail_memory(error);
  if (s->count && isnan(s->mean) && m->params->scaler == MLAAS_SCALER_STANDARD && !m->params->compat)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "these specs hold ranges only, as those of MLaaS4HEP do: choose the "
                      "scaler \"minmax\", or make specs anew");
  bool good = true;
  if (s->jagged && !padded)
    good = set(json, "width", json_integer(width_of(m, m->collections.of[i], input)));
  if (s->jagged) {
    const char *sort;
    MLAAS_TRY(sort_of(m, m->collections.of[i], &sort, error));
    if (sort)
      good &= set(json, "sort_by", json_string(sort));
  }
  return good && set_scaler(m, json, s) && set_range(m, json, s) ? MLAAS_OK : fail_memory(error);
}

/* The columns an input asks for by name; `flags` has one per column. */
static enum mlaas_status named_columns(struct making *m, const json_t *input, bool *flags, struct mlaas_error *error) {
  const json_t *branches = json_object_get(input, "branches");
  const char *collection = json_string_value(json_object_get(input, "collection"));
  memset(flags, 0, m->specs->num_columns * sizeof *flags);
  for (size_t k = 0; k < json_array_size(branches); k++) {
    const char *name = json_string_value(json_array_get(branches, k));
    if (!name || !flag_columns(m, name, flags, true))
      return fail_no_branch(m, "inputs", name ? name : "(no text)", error);
    size_t i = find_column(m, name);
    if (i != SIZE_MAX && !m->usable[i])
      return mlaas_fail(error, MLAAS_ARGUMENT,
                        "parameter \"inputs\": branch \"%s\" is excluded, an identifier, the weight or the label",
                        name);
  }
  for (size_t i = 0; i < m->specs->num_columns; i++)
    flags[i] = flags[i] && m->usable[i];
  if (!collection)
    return MLAAS_OK;
  size_t c = mlaas_collections_find(&m->collections, m->specs, collection);
  if (c == SIZE_MAX)
    return fail_no_branch(m, "inputs", collection, error);
  for (size_t i = 0; i < m->specs->num_columns; i++)
    flags[i] = m->collections.of[i] == c && m->usable[i];
  return MLAAS_OK;
}

static bool is_padded(const json_t *input) {
  const char *kind = json_string_value(json_object_get(input, "kind"));
  return kind && strcmp(kind, "padded") == 0;
}

static bool names_columns(const json_t *input) {
  return json_object_get(input, "branches") || json_object_get(input, "collection");
}

/* The collection of a padded input: all its branches have to be of one. */
static enum mlaas_status padded_collection(const struct making *m, const char *name, const bool *flags,
                                           size_t *collection, struct mlaas_error *error) {
  *collection = SIZE_MAX;
  for (size_t i = 0; i < m->specs->num_columns; i++) {
    if (!flags[i])
      continue;
    if (!m->specs->columns[i].jagged)
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"inputs\": branch \"%s\" of the padded input \"%s\" is flat",
                        m->specs->columns[i].name, name);
    if (*collection != SIZE_MAX && *collection != m->collections.of[i])
      return mlaas_fail(error, MLAAS_ARGUMENT,
                        "parameter \"inputs\": the branches of \"%s\" are of different collections, \"%s\" and \"%s\"",
                        name, m->collections.items[*collection].name, m->collections.items[m->collections.of[i]].name);
    *collection = m->collections.of[i];
  }
  return MLAAS_OK;
}

static void warn_cuts(const struct making *m, const json_t *input, const bool *flags) {
  for (size_t c = 0; c < m->collections.count; c++)
    for (size_t i = 0; i < m->specs->num_columns; i++)
      if (flags[i] && m->collections.of[i] == c) {
        warn_cut(m, c, width_of(m, c, input));
        break;
      }
}

/* Appends one input with the columns in `flags` (and takes them). */
static enum mlaas_status add_input(struct making *m, const json_t *input, const bool *flags, json_t *inputs,
                                   struct mlaas_error *error) {
  const char *name = json_string_value(json_object_get(input, "name"));
  bool padded = is_padded(input);
  size_t collection = SIZE_MAX;
  json_t *columns = json_array();
  json_t *json = json_pack("{s:s, s:s}", "name", name ? name : "x", "kind", padded ? "padded" : "flat");
  enum mlaas_status status = json && columns ? MLAAS_OK : fail_memory(error);
  if (status == MLAAS_OK && padded)
    status = padded_collection(m, name, flags, &collection, error);
  if (status == MLAAS_OK && collection != SIZE_MAX && !set(json, "slots", json_integer(width_of(m, collection, input))))
    status = fail_memory(error);
  for (size_t k = 0; status == MLAAS_OK && k < m->specs->num_columns; k++)
    if (flags[sorted_column(m, k)])
      status = add_column(m, sorted_column(m, k), input, padded, columns, error);
  if (status == MLAAS_OK && json_array_size(columns) == 0)
    status = mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"inputs\": no branch is left for \"%s\"", name ? name : "x");
  if (status == MLAAS_OK && (json_object_set(json, "columns", columns) != 0 || json_array_append(inputs, json) != 0))
    status = fail_memory(error);
  json_decref(columns);
  json_decref(json);
  return status;
}

/* Named columns first, so that an input without names gets what is left, wherever it stands in the list. */
static enum mlaas_status take_named(struct making *m, bool *flags, struct mlaas_error *error) {
  for (size_t k = 0; k < json_array_size(m->params->inputs); k++) {
    const json_t *input = json_array_get(m->params->inputs, k);
    MLAAS_TRY(named_columns(m, input, flags, error));
    for (size_t i = 0; i < m->specs->num_columns; i++)
      m->taken[i] |= flags[i];
  }
  return MLAAS_OK;
}

static enum mlaas_status add_inputs(struct making *m, json_t *inputs, bool *flags, struct mlaas_error *error) {
  size_t count = json_array_size(m->params->inputs);
  MLAAS_TRY(take_named(m, flags, error));
  for (size_t k = 0; k < (count ? count : 1); k++) {
    const json_t *input = json_array_get(m->params->inputs, k);
    MLAAS_TRY(named_columns(m, input, flags, error));
    for (size_t i = 0; !names_columns(input) && i < m->specs->num_columns; i++)
      flags[i] = m->usable[i] && !m->taken[i];
    MLAAS_TRY(add_input(m, input, flags, inputs, error));
    warn_cuts(m, input, flags);
    for (size_t i = 0; i < m->specs->num_columns; i++)
      m->taken[i] |= flags[i];
  }
  return MLAAS_OK;
}

/* One entry per collection with a taken branch, and the warnings about all taken branches. */
static enum mlaas_status add_collections(struct making *m, json_t *list, struct mlaas_error *error) {
  bool any = false;
  for (size_t k = 0; k < m->specs->num_columns; k++) {
    size_t i = sorted_column(m, k);
    if (!m->taken[i])
      continue;
    any |= m->specs->columns[i].count > 0;
    warn_column(m, &m->specs->columns[i]);
  }
  if (!any && !m->params->compat)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "none of the branches has a single finite value: there is nothing to "
                      "learn from");
  for (size_t c = 0; c < m->collections.count; c++) {
    json_t *branches = json_array();
    int64_t width = width_of(m, c, NULL);
    for (size_t k = 0; branches && k < m->specs->num_columns; k++)
      if (m->collections.of[sorted_column(m, k)] == c && m->taken[sorted_column(m, k)])
        json_array_append_new(branches, json_string(m->sorted[k]->name));
    if (json_array_size(branches) == 0) {
      json_decref(branches);
      continue;
    }
    if (json_array_append_new(list, json_pack("{s:s, s:I, s:I, s:o}", "name", m->collections.items[c].name, "width",
                                              (json_int_t)width, "longest", (json_int_t)m->collections.items[c].longest,
                                              "branches", branches)) != 0)
      return fail_memory(error);
  }
  return MLAAS_OK;
}

/* NULL when out of memory: half a list of sentinels would change numbers. */
static json_t *list_of(const double *numbers, size_t count) {
  json_t *list = json_array();
  for (size_t i = 0; list && i < count; i++)
    if (json_array_append_new(list, json_real(numbers[i])) != 0) {
      json_decref(list);
      return NULL;
    }
  return list;
}

static bool set_head(const struct making *m, json_t *json) {
  const struct mlaas_params *params = m->params;
  double bounds[2] = {params->clip_low, params->clip_high};
  return set(json, "format", json_string("mlaas-recipe")) && set(json, "version", json_integer(1)) &&
         set(json, "table", json_string(m->specs->table)) &&
         set(json, "arithmetic", json_string(params->compat ? "compat" : "double")) &&
         set(json, "pad", json_real((double)params->pad)) &&
         set(json, "clip", params->clip ? list_of(bounds, 2) : json_null()) &&
         set(json, "missing", list_of(params->missing, params->num_missing));
}

static enum mlaas_status write_recipe(struct making *m, json_t *json, bool *flags, struct mlaas_error *error) {
  json_t *inputs = json_array(), *collections = json_array();
  bool good = inputs && collections && set_head(m, json) && json_object_set(json, "inputs", inputs) == 0 &&
              json_object_set(json, "collections", collections) == 0;
  enum mlaas_status status = good ? add_inputs(m, inputs, flags, error) : fail_memory(error);
  if (status == MLAAS_OK)
    status = add_collections(m, collections, error);
  json_decref(inputs);
  json_decref(collections);
  return status;
}

static enum mlaas_status prepare(struct making *m, struct mlaas_error *error) {
  for (size_t i = 0; i < m->specs->num_columns; i++)
    m->sorted[i] = &m->specs->columns[i];
  qsort(m->sorted, m->specs->num_columns, sizeof *m->sorted, compare_columns);
  MLAAS_TRY(choose(m, error));
  MLAAS_TRY(mlaas_collections_init(&m->collections, m->specs, error));
  MLAAS_TRY(check_keys(m, m->params->widths, "width", error));
  return check_keys(m, m->params->sort_by, "sort_by", error);
}

enum mlaas_status mlaas_specs_recipe(const struct mlaas_specs *specs, const struct mlaas_params *params, json_t *split,
                                     json_t *warnings, struct mlaas_recipe **recipe, struct mlaas_error *error) {
  struct making m = {.specs = specs, .params = params, .warnings = warnings};
  size_t count = specs->num_columns;
  json_t *json = json_object();
  bool *flags = mlaas_alloc(count * sizeof *flags);
  m.usable = mlaas_alloc(count * sizeof *m.usable);
  m.taken = mlaas_alloc(count * sizeof *m.taken);
  m.sorted = mlaas_alloc(count * sizeof *m.sorted);
  bool good = json && flags && m.usable && m.taken && m.sorted;
  enum mlaas_status status = good ? prepare(&m, error) : fail_memory(error);
  if (status == MLAAS_OK)
    status = write_recipe(&m, json, flags, error);
  if (status == MLAAS_OK && split && json_object_set(json, "split", split) != 0)
    status = fail_memory(error);
  json_decref(split);
  mlaas_collections_reset(&m.collections);
  mlaas_free(flags);
  mlaas_free(m.usable);
  mlaas_free(m.taken);
  mlaas_free(m.sorted);
  if (status == MLAAS_OK)
    return mlaas_recipe_from_json(json, recipe, error);
  json_decref(json);
  return status;
}
