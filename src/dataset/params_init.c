/* The effective parameters as a struct, for the layers in C. Knows the keys that these layers read, and no more. */
#include "dataset/params.h"

#include "base/context.h"
#include "base/error.h"

#include <string.h>

static enum mlaas_status take_names(const json_t *json, const char *key, struct mlaas_names *names,
                                    struct mlaas_error *error) {
  const json_t *list = json_object_get(json, key);
  names->count = json_array_size(list);
  names->names = mlaas_alloc(names->count * sizeof *names->names);
  if (!names->names)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  for (size_t i = 0; i < names->count; i++)
    names->names[i] = json_string_value(json_array_get(list, i));
  return MLAAS_OK;
}

static enum mlaas_status take_numbers(const json_t *list, double **numbers, size_t *count, struct mlaas_error *error) {
  *count = json_array_size(list);
  *numbers = mlaas_alloc(*count * sizeof **numbers);
  if (!*numbers)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  for (size_t i = 0; i < *count; i++)
    (*numbers)[i] = json_number_value(json_array_get(list, i));
  return MLAAS_OK;
}

static const char *text_of(const json_t *json, const char *key) {
  return json_string_value(json_object_get(json, key));
}
static int64_t int_of(const json_t *json, const char *key) { return json_integer_value(json_object_get(json, key)); }
static bool bool_of(const json_t *json, const char *key) { return json_is_true(json_object_get(json, key)); }
static double item(const json_t *list, size_t i) { return json_number_value(json_array_get(list, i)); }
static const json_t *unless_null(const json_t *value) { return json_is_null(value) ? NULL : value; }

static int choice_of(const json_t *json, const char *key, const char *const *choices, size_t count) {
  const char *text = text_of(json, key);
  for (size_t i = 0; text && i < count; i++)
    if (strcmp(choices[i], text) == 0)
      return (int)i;
  return 0;
}

static void take_width(struct mlaas_params *params, const json_t *width) {
  params->width_quantile = 0.999;
  if (json_is_object(width))
    params->widths = width;
  else if (json_is_integer(width))
    params->width_fixed = json_integer_value(width);
  else
    params->width_quantile = json_is_string(width) ? 1 : json_real_value(width);
}

static void take_plain(struct mlaas_params *params) {
  static const char *const scalers[] = {"standard", "minmax", "none"}, *const norms[] = {"none", "equal"};
  static const char *const negatives[] = {"keep", "abs", "drop"};
  static const char *const bad_files[] = {"fail", "skip", "quota"};
  const json_t *json = params->json, *clip = json_object_get(json, "clip"), *split = json_object_get(json, "split");
  params->nevents = int_of(json, "nevts");
  params->batch_size = int_of(json, "batch_size");
  params->shuffle_buffer = int_of(json, "shuffle_buffer");
  params->shuffle = bool_of(json, "shuffle");
  params->seed = (uint64_t)int_of(json, "seed");
  for (size_t i = 0; i < 3; i++)
    params->shares[i] = item(split, i);
  params->table = text_of(json, "branch");
  params->friends = bool_of(json, "friends");
  params->redirector = text_of(json, "redirector");
  params->remote = unless_null(json_object_get(json, "remote"));
  params->bad_file = (enum mlaas_bad_file)choice_of(json, "on_bad_file", bad_files, 3);
  params->scaler = (enum mlaas_scaler)choice_of(json, "scaler", scalers, 3);
  params->clip = json_is_array(clip);
  params->clip_low = item(clip, 0);
  params->clip_high = item(clip, 1);
  params->pad = (float)json_number_value(json_object_get(json, "pad"));
  take_width(params, json_object_get(json, "width"));
  params->sort_by = unless_null(json_object_get(json, "sort_by"));
  params->inputs = unless_null(json_object_get(json, "inputs"));
  params->weight_branch = text_of(json, "weight");
  params->class_norm = (enum mlaas_class_norm)choice_of(json, "class_norm", norms, 2);
  params->negative = (enum mlaas_negative)choice_of(json, "negative_weights", negatives, 3);
  params->memory = int_of(json, "memory");
  params->threads = (int)int_of(json, "threads");
  params->compat = bool_of(json, "compat");
}

static enum mlaas_status take_lists(struct mlaas_params *params, struct mlaas_error *error) {
  const json_t *json = params->json;
  MLAAS_TRY(take_names(json, "identifier", &params->identifier, error));
  MLAAS_TRY(take_names(json, "selected_branches", &params->selected, error));
  MLAAS_TRY(take_names(json, "exclude_branches", &params->exclude, error));
  MLAAS_TRY(take_names(json, "split_by", &params->split_by, error));
  MLAAS_TRY(take_numbers(json_object_get(json, "missing"), &params->missing, &params->num_missing, error));
  return take_numbers(json_object_get(json, "weight"), &params->weight_of_file, &params->num_weights, error);
}

enum mlaas_status mlaas_params_init(struct mlaas_params *params, const char *json, struct mlaas_error *error) {
  *params = (struct mlaas_params){0};
  MLAAS_TRY(mlaas_params_effective(json, &params->json, error));
  take_plain(params);
  enum mlaas_status status = take_lists(params, error);
  if (status != MLAAS_OK)
    mlaas_params_reset(params);
  return status;
}

void mlaas_params_reset(struct mlaas_params *params) {
  mlaas_free(params->identifier.names);
  mlaas_free(params->selected.names);
  mlaas_free(params->exclude.names);
  mlaas_free(params->split_by.names);
  mlaas_free(params->missing);
  mlaas_free(params->weight_of_file);
  json_decref(params->json);
  *params = (struct mlaas_params){0};
}

enum mlaas_status mlaas_params_context(const char *params, struct mlaas_context *context,
                                       struct mlaas_context **derived, struct mlaas_error *error) {
  json_t *effective = NULL;
  MLAAS_TRY(mlaas_params_effective(params, &effective, error));
  struct mlaas_remote_options options = *mlaas_context_remote(context);
  const json_t *remote = json_object_get(effective, "remote");
  mlaas_params_remote(json_is_object(remote) ? remote : NULL, &options);
  enum mlaas_status status = mlaas_context_derive(context, &options, derived, error);
  json_decref(effective);
  return status;
}
