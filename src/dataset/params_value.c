/* The checks of single parameters. Knows one value at a time, never the table of parameters. */
#include "dataset/params_value.h"

#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST_FILE = 1 << 20 };

static enum mlaas_status fail_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
}

/* Puts `value` (taken over, NULL: out of memory) in the place of *old. */
static enum mlaas_status replace(json_t **old, json_t *value, struct mlaas_error *error) {
  if (!value)
    return fail_memory(error);
  json_decref(*old);
  *old = value;
  return MLAAS_OK;
}

enum mlaas_status mlaas_value_nevts(const char *name, json_t **value, struct mlaas_error *error) {
  if (json_integer_value(*value) != 0)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" is 0: give a number of entries, or -1 for all", name);
}

/* ---- lists of names ---- */

static enum mlaas_status add_name(json_t *names, const char *text, size_t length, struct mlaas_error *error) {
  while (length && isspace((unsigned char)text[0]))
    text++, length--;
  while (length && isspace((unsigned char)text[length - 1]))
    length--;
  if (length == 0 || text[0] == '#')
    return MLAAS_OK;
  return json_array_append_new(names, json_stringn(text, length)) == 0
             ? MLAAS_OK
             : mlaas_fail(error, MLAAS_ARGUMENT, "the name \"%.*s\" is no UTF-8 text", (int)length, text);
}

/* Names separated by commas or line ends. */
static enum mlaas_status split_names(const char *text, json_t **names, struct mlaas_error *error) {
  *names = json_array();
  if (!*names)
    return fail_memory(error);
  for (const char *at = text; *at;) {
    size_t n = strcspn(at, ",\n");
    enum mlaas_status status = add_name(*names, at, n, error);
    if (status != MLAAS_OK) {
      json_decref(*names);
      return status;
    }
    at += n + (at[n] != 0);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_value_names(const char *name, json_t **value, struct mlaas_error *error) {
  if (json_is_string(*value)) {
    json_t *names = NULL;
    MLAAS_TRY(split_names(json_string_value(*value), &names, error));
    return replace(value, names, error);
  }
  for (size_t i = 0; i < json_array_size(*value); i++) {
    const json_t *item = json_array_get(*value, i);
    if (!json_is_string(item) || !*json_string_value(item))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": item %zu is no name of a branch", name, i + 1);
  }
  return MLAAS_OK;
}

static enum mlaas_status read_names(const char *name, FILE *file, json_t **value, struct mlaas_error *error) {
  char *text = mlaas_alloc(LONGEST_FILE + 1);
  if (!text)
    return fail_memory(error);
  size_t size = fread(text, 1, LONGEST_FILE, file);
  enum mlaas_status status = MLAAS_OK;
  json_t *names = NULL;
  if (ferror(file))
    status = mlaas_fail_errno(error, errno, "cannot read \"%s\", the value of \"%s\"", json_string_value(*value), name);
  else if (size == LONGEST_FILE || memchr(text, 0, size))
    status = mlaas_fail(error, MLAAS_ARGUMENT, "\"%s\", the value of \"%s\", is no list of branches",
                        json_string_value(*value), name);
  else
    status = split_names(text, &names, error);
  mlaas_free(text);
  return status == MLAAS_OK ? replace(value, names, error) : status;
}

enum mlaas_status mlaas_value_names_or_file(const char *name, json_t **value, struct mlaas_error *error) {
  const char *text = json_string_value(*value);
  FILE *file = text && !strchr(text, ',') ? fopen(text, "r") : NULL;
  if (!file)
    return mlaas_value_names(name, value, error);
  enum mlaas_status status = read_names(name, file, value, error);
  fclose(file);
  return status;
}

enum mlaas_status mlaas_value_weight(const char *name, json_t **value, struct mlaas_error *error) {
  for (size_t i = 0; i < json_array_size(*value); i++)
    if (!json_is_number(json_array_get(*value, i)))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": item %zu is no number; give one number per file",
                        name, i + 1);
  return MLAAS_OK;
}

/* ---- numbers ---- */

static const char *const part_names[3] = {"train", "validation", "test"};

/* The three shares of a list or an object; absent keys of an object are 0. */
static enum mlaas_status read_shares(const char *name, const json_t *value, double shares[3],
                                     struct mlaas_error *error) {
  size_t used = 0;
  for (size_t i = 0; i < 3; i++) {
    const json_t *share = json_is_array(value) ? json_array_get(value, i) : json_object_get(value, part_names[i]);
    used += share != NULL;
    if (share && !json_is_number(share))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": the share of %s is no number", name, part_names[i]);
    shares[i] = share ? json_number_value(share) : 0;
  }
  bool fits = json_is_array(value) ? json_array_size(value) == 3 : json_object_size(value) == used;
  if (!fits)
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has to name the shares of train, validation and test",
                      name);
  return MLAAS_OK;
}

enum mlaas_status mlaas_value_split(const char *name, json_t **value, struct mlaas_error *error) {
  double shares[3];
  if (json_is_number(*value)) {
    double test = json_number_value(*value);
    if (!(test >= 0 && test < 1))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": the share of test has to be in [0, 1), not %g", name,
                        test);
    shares[0] = (1 - test) * 0.8;
    shares[1] = (1 - test) * 0.2;
    shares[2] = test;
  } else {
    MLAAS_TRY(read_shares(name, *value, shares, error));
  }
  double sum = shares[0] + shares[1] + shares[2];
  if (!(shares[0] >= 0 && shares[1] >= 0 && shares[2] >= 0 && fabs(sum - 1) < 1e-6))
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": the shares %g, %g, %g have to sum to 1, not to %g",
                      name, shares[0], shares[1], shares[2], sum);
  return replace(value, json_pack("[fff]", shares[0], shares[1], shares[2]), error);
}

enum mlaas_status mlaas_value_clip(const char *name, json_t **value, struct mlaas_error *error) {
  double low, high;
  if (json_is_number(*value)) {
    high = json_number_value(*value);
    low = -high;
  } else if (json_array_size(*value) == 2 && json_is_number(json_array_get(*value, 0)) &&
             json_is_number(json_array_get(*value, 1))) {
    low = json_number_value(json_array_get(*value, 0));
    high = json_number_value(json_array_get(*value, 1));
  } else {
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has to be a number or two, [low, high]", name);
  }
  if (!(low < high))
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": %g is not below %g", name, low, high);
  return replace(value, json_pack("[ff]", low, high), error);
}

enum mlaas_status mlaas_value_missing(const char *name, json_t **value, struct mlaas_error *error) {
  if (json_is_number(*value))
    return replace(value, json_pack("[O]", *value), error);
  for (size_t i = 0; i < json_array_size(*value); i++)
    if (!json_is_number(json_array_get(*value, i)))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": item %zu is no number", name, i + 1);
  return MLAAS_OK;
}

/* true and false as numbers. */
static enum mlaas_status count_of(json_t **value, int64_t yes, struct mlaas_error *error) {
  return json_is_boolean(*value) ? replace(value, json_integer(json_is_true(*value) ? yes : 0), error) : MLAAS_OK;
}

enum mlaas_status mlaas_value_count(const char *name, json_t **value, struct mlaas_error *error) {
  (void)name;
  return count_of(value, 1, error);
}

static const double multipliers[] = {1, 1e3, 1 << 10, 1e6, 1 << 20, 1e9, 1 << 30, 1e12, 1e12 * 1.099511627776};
static const char *const units[] = {"b", "kb", "kib", "mb", "mib", "gb", "gib", "tb", "tib"};

/* The factor of a unit such as " GB" or "g", 0 if it is none. */
static double unit_of(const char *text) {
  char unit[8];
  size_t n = 0;
  for (; *text; text++)
    if (!isspace((unsigned char)*text) && n + 1 < sizeof unit)
      unit[n++] = (char)tolower((unsigned char)*text);
  unit[n] = 0;
  if (n == 0)
    return 1;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (strcmp(unit, units[i]) == 0 || (n == 1 && unit[0] == units[i][0] && !strchr(units[i], 'i')))
      return multipliers[i];
  return 0;
}

enum mlaas_status mlaas_value_memory(const char *name, json_t **value, struct mlaas_error *error) {
  double bytes = json_number_value(*value);
  const char *text = json_string_value(*value);
  if (text) {
    char *rest = NULL;
    bytes = strtod(text, &rest) * unit_of(rest);
    if (rest == text)
      bytes = 0;
  }
  if (!(bytes >= 1e6 && bytes <= 1e15))
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "parameter \"%s\" has to be a size of at least 1 MB, for instance \"500 MB\" or \"2 GiB\"", name);
  return replace(value, json_integer((json_int_t)bytes), error);
}

/* ---- objects ---- */

enum mlaas_status mlaas_value_metrics(const char *name, json_t **value, struct mlaas_error *error) {
  const json_t *threshold = json_object_get(*value, "threshold");
  if (json_is_boolean(*value) || (json_object_size(*value) == 1 && json_is_number(threshold)))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has to be true, false or {\"threshold\": number}", name);
}

enum mlaas_status mlaas_value_stopping(const char *name, json_t **value, struct mlaas_error *error) {
  MLAAS_TRY(count_of(value, 5, error));
  if (!json_is_object(*value))
    return MLAAS_OK;
  const json_t *patience = json_object_get(*value, "patience"), *monitor = json_object_get(*value, "monitor");
  const json_t *delta = json_object_get(*value, "min_delta");
  size_t known = (patience != NULL) + (monitor != NULL) + (delta != NULL);
  if (json_is_integer(patience) && json_integer_value(patience) >= 0 && (!monitor || json_is_string(monitor)) &&
      (!delta || json_is_number(delta)) && json_object_size(*value) == known)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "parameter \"%s\" has to be a number of epochs or {\"patience\": epochs, \"monitor\": text, "
                    "\"min_delta\": number}",
                    name);
}

static bool is_width(const json_t *value) {
  if (json_is_integer(value))
    return json_integer_value(value) >= 1 && json_integer_value(value) <= MLAAS_WIDEST;
  if (json_is_real(value))
    return json_real_value(value) > 0 && json_real_value(value) < 1;
  return json_is_string(value) && strcmp(json_string_value(value), "max") == 0;
}

enum mlaas_status mlaas_value_width(const char *name, json_t **value, struct mlaas_error *error) {
  bool good = is_width(*value);
  if (json_is_object(*value)) {
    good = true;
    for (void *at = json_object_iter(*value); at; at = json_object_iter_next(*value, at))
      good &= is_width(json_object_iter_value(at));
  }
  return good ? MLAAS_OK
              : mlaas_fail(error, MLAAS_ARGUMENT,
                           "parameter \"%s\" has to be a number of slots, a quantile between 0 and 1, \"max\", or an "
                           "object with one of these per collection",
                           name);
}

enum mlaas_status mlaas_value_sort_by(const char *name, json_t **value, struct mlaas_error *error) {
  if (json_is_string(*value)) { /* a branch stands for its collection */
    const char *branch = json_string_value(*value);
    return replace(value, json_pack("{s:s}", branch, branch), error);
  }
  for (void *at = json_object_iter(*value); at; at = json_object_iter_next(*value, at))
    if (!json_is_string(json_object_iter_value(at)))
      return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": the value for \"%s\" is no name of a branch", name,
                        json_object_iter_key(at));
  return MLAAS_OK;
}

static enum mlaas_status check_input(const char *name, size_t i, const json_t *input, struct mlaas_error *error) {
  static const char *const keys[] = {"name", "kind", "collection", "branches", "width"};
  size_t known = 0;
  for (size_t k = 0; k < 5; k++)
    known += json_object_get(input, keys[k]) != NULL;
  if (!json_is_object(input) || json_object_size(input) != known)
    return mlaas_fail(error, MLAAS_ARGUMENT,
                      "parameter \"%s\": input %zu has to be an object with name, kind, collection or branches, width",
                      name, i + 1);
  const char *kind = json_string_value(json_object_get(input, "kind"));
  const json_t *width = json_object_get(input, "width"), *branches = json_object_get(input, "branches");
  const json_t *collection = json_object_get(input, "collection");
  const char *wrong = NULL;
  if (!json_is_string(json_object_get(input, "name")) || !*json_string_value(json_object_get(input, "name")))
    wrong = "name is missing";
  else if (kind && strcmp(kind, "flat") != 0 && strcmp(kind, "padded") != 0)
    wrong = "kind has to be flat or padded";
  else if (width && !is_width(width))
    wrong = "width has to be a number of slots, a quantile or \"max\"";
  else if ((branches && !json_is_array(branches)) || (collection && !json_is_string(collection)))
    wrong = "branches has to be a list, collection a text";
  else if (kind && strcmp(kind, "padded") == 0 && !branches == !collection)
    wrong = "a padded input takes either a collection or branches";
  return wrong ? mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": input %zu: %s", name, i + 1, wrong) : MLAAS_OK;
}

enum mlaas_status mlaas_value_inputs(const char *name, json_t **value, struct mlaas_error *error) {
  if (json_array_size(*value) == 0)
    return replace(value, json_null(), error);
  for (size_t i = 0; i < json_array_size(*value); i++)
    MLAAS_TRY(check_input(name, i, json_array_get(*value, i), error));
  return MLAAS_OK;
}
