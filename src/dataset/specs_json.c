/* Specs as JSON: our own form both ways, and the original's global-specs.json both ways. */
#include "dataset/specs.h"

#include "base/error.h"
#include "recipe/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EMPTY_RANGE = 1000000000 }; /* x 1e6: what MLaaS4HEP writes as range of a branch without values */

/* ---- writing ---- */

static void add_key(struct mlaas_text *text, const char *key, double value) {
  char number[MLAAS_NUMBER_TEXT];
  mlaas_number_format(value, number);
  if (isnan(value))
    mlaas_text_add(text, ", \"%s\": null", key);
  else if (isinf(value))
    mlaas_text_add(text, ", \"%s\": \"%sInfinity\"", key, value < 0 ? "-" : "");
  else
    mlaas_text_add(text, ", \"%s\": %s", key, number);
}

static void add_string(struct mlaas_text *text, const char *string) {
  mlaas_text_add_string(text, string, strlen(string));
}

static double deviation(const struct mlaas_column_stats *s) {
  return s->count ? sqrt(s->m2 / (double)s->count) : (double)NAN;
}

static void add_integers(struct mlaas_text *text, const struct mlaas_column_stats *s) {
  if (s->count == 0)
    return;
  if (strcmp(s->format, "l") == 0) /* as texts: JSON's readers disagree on integers of 64 bits */
    mlaas_text_add(text, ", \"int_min\": \"%" PRId64 "\", \"int_max\": \"%" PRId64 "\"", s->int_min, s->int_max);
  if (strcmp(s->format, "L") == 0)
    mlaas_text_add(text, ", \"int_min\": \"%" PRIu64 "\", \"int_max\": \"%" PRIu64 "\"", (uint64_t)s->int_min,
                   (uint64_t)s->int_max);
}

static void add_column(struct mlaas_text *text, const struct mlaas_column_stats *s) {
  bool any = s->count > 0;
  mlaas_text_add(text, "{\"name\": ");
  add_string(text, s->name);
  mlaas_text_add(text, ", \"type\": \"%s\", \"jagged\": %s", s->format, s->jagged ? "true" : "false");
  if (s->counter) {
    mlaas_text_add(text, ", \"counter\": ");
    add_string(text, s->counter);
  }
  mlaas_text_add(text, ", \"count\": %" PRId64 ", \"nan\": %" PRId64 ", \"inf\": %" PRId64 ", \"missing\": %" PRId64,
                 s->count, s->nan, s->inf, s->missing);
  add_key(text, "min", any ? s->min : (double)NAN);
  add_key(text, "max", any ? s->max : (double)NAN);
  add_key(text, "mean", any ? s->mean : (double)NAN);
  add_key(text, "sd", deviation(s));
  add_key(text, "m2", s->m2);
  add_key(text, "next_min", isfinite(s->next_min) ? s->next_min : (double)NAN);
  add_key(text, "next_max", isfinite(s->next_max) ? s->next_max : (double)NAN);
  mlaas_text_add(text, ", \"at_min\": %" PRId64 ", \"at_max\": %" PRId64, s->at_min, s->at_max);
  add_integers(text, s);
  if (s->jagged) {
    mlaas_text_add(text, ", \"shape\": \"%016" PRIx64 "\", \"lengths\": [", s->shape);
    for (size_t i = 0; i < s->num_lengths; i++)
      mlaas_text_add(text, "%s%" PRId64, i ? ", " : "", s->lengths[i]);
    mlaas_text_add(text, "]");
  }
  mlaas_text_add(text, "}");
}

enum mlaas_status mlaas_specs_format(const struct mlaas_specs *specs, char **json, struct mlaas_error *error) {
  struct mlaas_text text = {0};
  mlaas_text_add(&text, "{\n \"format\": \"mlaas-specs\",\n \"version\": 1,\n \"table\": ");
  add_string(&text, specs->table);
  mlaas_text_add(&text, ",\n \"files\": [");
  for (size_t i = 0; i < specs->num_files; i++) {
    mlaas_text_add(&text, "%s\n  {\"url\": ", i ? "," : "");
    add_string(&text, specs->files[i].url);
    mlaas_text_add(&text, ", \"id\": ");
    add_string(&text, specs->files[i].id);
    mlaas_text_add(&text, ", \"entries\": %" PRId64 "}", specs->files[i].entries);
  }
  mlaas_text_add(&text, "\n ],\n \"columns\": [");
  for (size_t i = 0; i < specs->num_columns; i++) {
    mlaas_text_add(&text, "%s\n  ", i ? "," : "");
    add_column(&text, &specs->columns[i]);
  }
  mlaas_text_add(&text, "\n ]\n}\n");
  return mlaas_text_take(&text, json, error);
}

/* ---- reading ---- */

static enum mlaas_status fail_key(struct mlaas_error *error, const char *key, const char *want) {
  return mlaas_fail(error, MLAAS_FORMAT, "\"%s\" has to be %s", key, want);
}

static enum mlaas_status read_count(const json_t *object, const char *key, int64_t *count, struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  *count = json_integer_value(value);
  return json_is_integer(value) && *count >= 0 ? MLAAS_OK : fail_key(error, key, "an integer that is not negative");
}

/* null is `absent`. */
static enum mlaas_status read_number(const json_t *object, const char *key, double absent, double *number,
                                     struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  *number = json_is_null(value) ? absent : mlaas_json_value(value);
  return json_is_null(value) || (mlaas_json_is_number(value) && !isnan(*number)) ? MLAAS_OK
                                                                                 : fail_key(error, key, "a number");
}

static enum mlaas_status read_string(const json_t *object, const char *key, char **string, struct mlaas_error *error) {
  const json_t *value = json_object_get(object, key);
  const char *text = json_string_value(value);
  if (!text || strlen(text) != json_string_length(value))
    return fail_key(error, key, "a text");
  *string = mlaas_strdup(text);
  return *string ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
}

/* A number written as a text in the given base. */
static enum mlaas_status read_digits(const json_t *object, const char *key, int base, bool is_signed, uint64_t *number,
                                     struct mlaas_error *error) {
  const char *text = json_string_value(json_object_get(object, key));
  char *end = NULL;
  errno = 0;
  if (text)
    *number = is_signed ? (uint64_t)strtoll(text, &end, base) : strtoull(text, &end, base);
  return text && *text && !*end && errno == 0 ? MLAAS_OK : fail_key(error, key, "a text of digits");
}

static enum mlaas_status read_lengths(const json_t *object, struct mlaas_column_stats *s, struct mlaas_error *error) {
  const json_t *list = json_object_get(object, "lengths");
  size_t count = json_array_size(list);
  if (!json_is_array(list) || count > MLAAS_LONGEST_LIST + 1)
    return fail_key(error, "lengths", "a list of counts");
  s->lengths = mlaas_alloc(count * sizeof *s->lengths);
  if (!s->lengths)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  s->num_lengths = count;
  for (size_t i = 0; i < count; i++) {
    s->lengths[i] = json_integer_value(json_array_get(list, i));
    if (!json_is_integer(json_array_get(list, i)) || s->lengths[i] < 0)
      return fail_key(error, "lengths", "a list of counts");
  }
  return read_digits(object, "shape", 16, false, &s->shape, error);
}

static enum mlaas_status read_integers(const json_t *object, struct mlaas_column_stats *s, struct mlaas_error *error) {
  uint64_t low = 0, high = 0;
  bool is_signed = s->source.type == MLAAS_KERNEL_l;
  if (s->count == 0 || s->source.type == MLAAS_KERNEL_f || s->source.type == MLAAS_KERNEL_g)
    return MLAAS_OK;
  if (!is_signed && s->source.type != MLAAS_KERNEL_L) {
    if (!(fabs(s->min) <= 4294967295.0 && fabs(s->max) <= 4294967295.0))
      return fail_key(error, "min", "a number that the branch can hold");
    s->int_min = (int64_t)s->min;
    s->int_max = (int64_t)s->max;
    return MLAAS_OK;
  }
  MLAAS_TRY(read_digits(object, "int_min", 10, is_signed, &low, error));
  MLAAS_TRY(read_digits(object, "int_max", 10, is_signed, &high, error));
  s->int_min = (int64_t)low;
  s->int_max = (int64_t)high;
  return MLAAS_OK;
}

static enum mlaas_status read_moments(const json_t *object, struct mlaas_column_stats *s, struct mlaas_error *error) {
  double none = s->count ? (double)NAN : 0;
  MLAAS_TRY(read_number(object, "min", none, &s->min, error));
  MLAAS_TRY(read_number(object, "max", none, &s->max, error));
  MLAAS_TRY(read_number(object, "mean", none, &s->mean, error));
  MLAAS_TRY(read_number(object, "m2", none, &s->m2, error));
  MLAAS_TRY(read_number(object, "next_min", INFINITY, &s->next_min, error));
  MLAAS_TRY(read_number(object, "next_max", -(double)INFINITY, &s->next_max, error));
  if (s->count && !(s->min <= s->max))
    return fail_key(error, "min", "a number that is not above max");
  return MLAAS_OK;
}

static enum mlaas_status read_column(const json_t *object, struct mlaas_column_stats *s, struct mlaas_error *error) {
  const char *type = json_string_value(json_object_get(object, "type"));
  MLAAS_TRY(read_string(object, "name", &s->name, error));
  s->source.type = type ? mlaas_kernel_type(type) : MLAAS_KERNEL_NUM_TYPES;
  if (s->source.type == MLAAS_KERNEL_NUM_TYPES)
    return fail_key(error, "type", "one of Arrow's b c C s S i I l L f g");
  memcpy(s->format, type, 2);
  if (!json_is_boolean(json_object_get(object, "jagged")))
    return fail_key(error, "jagged", "true or false");
  s->jagged = json_is_true(json_object_get(object, "jagged"));
  s->source.kind = s->jagged ? MLAAS_SOURCE_LIST : MLAAS_SOURCE_FLAT;
  if (json_object_get(object, "counter"))
    MLAAS_TRY(read_string(object, "counter", &s->counter, error));
  MLAAS_TRY(read_count(object, "count", &s->count, error));
  MLAAS_TRY(read_count(object, "nan", &s->nan, error));
  MLAAS_TRY(read_count(object, "inf", &s->inf, error));
  MLAAS_TRY(read_count(object, "missing", &s->missing, error));
  MLAAS_TRY(read_count(object, "at_min", &s->at_min, error));
  MLAAS_TRY(read_count(object, "at_max", &s->at_max, error));
  MLAAS_TRY(read_moments(object, s, error));
  MLAAS_TRY(read_integers(object, s, error));
  return s->jagged ? read_lengths(object, s, error) : MLAAS_OK;
}

static enum mlaas_status read_columns(const json_t *json, struct mlaas_specs *specs, struct mlaas_error *error) {
  const json_t *columns = json_object_get(json, "columns");
  if (!json_is_array(columns))
    return fail_key(error, "columns", "a list");
  specs->columns = mlaas_alloc(json_array_size(columns) * sizeof *specs->columns);
  if (!specs->columns)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  for (size_t i = 0; i < json_array_size(columns); i++) {
    enum mlaas_status status = read_column(json_array_get(columns, i), &specs->columns[specs->num_columns++], error);
    if (status != MLAAS_OK)
      return mlaas_fail_in(error, status, "columns[%zu]", i);
  }
  return MLAAS_OK;
}

static enum mlaas_status read_files(const json_t *json, struct mlaas_specs *specs, struct mlaas_error *error) {
  const json_t *files = json_object_get(json, "files");
  if (!json_is_array(files))
    return fail_key(error, "files", "a list");
  for (size_t i = 0; i < json_array_size(files); i++) {
    const json_t *file = json_array_get(files, i);
    const char *url = json_string_value(json_object_get(file, "url"));
    const char *id = json_string_value(json_object_get(file, "id"));
    int64_t entries;
    MLAAS_TRY(read_count(file, "entries", &entries, error));
    if (!url || !id)
      return fail_key(error, "files", "a list of objects with url, id and entries");
    MLAAS_TRY(mlaas_specs_add_file(specs, url, id, entries, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status read_specs(const json_t *json, struct mlaas_specs *specs, struct mlaas_error *error) {
  const char *format = json_string_value(json_object_get(json, "format"));
  int64_t version;
  if (!format || strcmp(format, "mlaas-specs") != 0)
    return mlaas_fail(error, MLAAS_FORMAT, "neither \"format\": \"mlaas-specs\" nor jdim, minv and maxv of MLaaS4HEP");
  MLAAS_TRY(read_count(json, "version", &version, error));
  if (version > 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED,
                      "mlaas-specs version %" PRId64 " is newer than this program, which reads 1", version);
  MLAAS_TRY(read_string(json, "table", &specs->table, error));
  MLAAS_TRY(read_files(json, specs, error));
  return read_columns(json, specs, error);
}

/* ---- global-specs.json ---- */

static void add_map(struct mlaas_text *text, const struct mlaas_specs *specs, const char *key,
                    void (*value)(struct mlaas_text *, const struct mlaas_column_stats *), bool only_jagged) {
  const char *separator = "";
  mlaas_text_add(text, "\"%s\": {", key);
  for (size_t i = 0; i < specs->num_columns; i++) {
    if (only_jagged && !specs->columns[i].jagged)
      continue;
    mlaas_text_add(text, "%s", separator);
    add_string(text, specs->columns[i].name);
    mlaas_text_add(text, ": ");
    value(text, &specs->columns[i]);
    separator = ", ";
  }
  mlaas_text_add(text, "}, ");
}

static double range_min(const struct mlaas_column_stats *s) { return s->count ? s->min : EMPTY_RANGE * 1e6; }
static double range_max(const struct mlaas_column_stats *s) { return s->count ? s->max : EMPTY_RANGE * -1e6; }

static void add_number(struct mlaas_text *text, double value) {
  char number[MLAAS_NUMBER_TEXT];
  mlaas_number_format(value, number);
  mlaas_text_add(text, "%s", number);
}

static void add_jdim(struct mlaas_text *text, const struct mlaas_column_stats *s) {
  size_t longest = s->num_lengths;
  while (longest && s->lengths[longest - 1] == 0)
    longest--;
  mlaas_text_add(text, "%zu", longest ? longest - 1 : 0);
}

static void add_min(struct mlaas_text *text, const struct mlaas_column_stats *s) { add_number(text, range_min(s)); }
static void add_max(struct mlaas_text *text, const struct mlaas_column_stats *s) { add_number(text, range_max(s)); }

static void add_nan(struct mlaas_text *text, const struct mlaas_column_stats *s) {
  double min = range_min(s), max = range_max(s);
  add_number(text, min == max ? max : (0 - min) / (max - min));
}

static void add_names(struct mlaas_text *text, const struct mlaas_specs *specs, const char *key, bool jagged) {
  const char *separator = "";
  mlaas_text_add(text, "\"%s\": [", key);
  for (size_t i = 0; i < specs->num_columns; i++) {
    if (specs->columns[i].jagged != jagged)
      continue;
    mlaas_text_add(text, "%s", separator);
    add_string(text, specs->columns[i].name);
    separator = ", ";
  }
  mlaas_text_add(text, "], ");
}

enum mlaas_status mlaas_specs_format_global(const struct mlaas_specs *specs, char **json, struct mlaas_error *error) {
  struct mlaas_text text = {0};
  int64_t total = 0;
  mlaas_text_add(&text, "{");
  add_map(&text, specs, "jdim", add_jdim, true);
  add_map(&text, specs, "minv", add_min, false);
  add_map(&text, specs, "maxv", add_max, false);
  add_names(&text, specs, "fkeys", false);
  add_names(&text, specs, "jkeys", true);
  if (specs->num_files == 1)
    mlaas_text_add(&text, "\"nans\": {}, ");
  else
    add_map(&text, specs, "nans", add_nan, false);
  for (size_t i = 0; i < specs->num_files; i++)
    total += specs->files[i].entries;
  mlaas_text_add(&text, "\"events\": {\"total\": %" PRId64, total);
  for (size_t i = 0; i < specs->num_files; i++) {
    mlaas_text_add(&text, ", ");
    add_string(&text, specs->files[i].url);
    mlaas_text_add(&text, ": %" PRId64, specs->files[i].entries);
  }
  mlaas_text_add(&text, "}}");
  return mlaas_text_take(&text, json, error);
}

/* Only ranges and longest lists are known: mean and deviation stay NaN, so that nobody scales by them. */
static enum mlaas_status read_global_column(const json_t *json, const char *name, double min, int64_t events,
                                            struct mlaas_column_stats *s, struct mlaas_error *error) {
  const json_t *dim = json_object_get(json_object_get(json, "jdim"), name);
  const json_t *max = json_object_get(json_object_get(json, "maxv"), name);
  s->name = mlaas_strdup(name);
  if (!s->name)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  s->jagged = dim != NULL;
  memcpy(s->format, "g", 2);
  s->source = (struct mlaas_source){.type = MLAAS_KERNEL_g, .kind = dim ? MLAAS_SOURCE_LIST : MLAAS_SOURCE_FLAT};
  s->min = min;
  s->max = mlaas_json_value(max);
  s->count = s->min <= s->max ? events : 0;
  s->mean = s->m2 = s->count ? (double)NAN : 0;
  s->next_min = INFINITY;
  s->next_max = -(double)INFINITY;
  if (!max ||
      (dim && !(json_is_integer(dim) && json_integer_value(dim) >= 0 && json_integer_value(dim) <= MLAAS_LONGEST_LIST)))
    return mlaas_fail(error, MLAAS_FORMAT, "branch \"%s\" has no maximum or no proper dimension", name);
  if (!dim)
    return MLAAS_OK;
  s->num_lengths = (size_t)json_integer_value(dim) + 1;
  s->lengths = mlaas_alloc(s->num_lengths * sizeof *s->lengths);
  if (!s->lengths)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  s->lengths[s->num_lengths - 1] = events; /* the width has to hold the longest list */
  return MLAAS_OK;
}

static enum mlaas_status read_global_files(const json_t *json, struct mlaas_specs *specs, int64_t *total,
                                           struct mlaas_error *error) {
  json_t *events = json_object_get(json, "events");
  *total = 1;
  for (void *at = json_object_iter(events); at; at = json_object_iter_next(events, at)) {
    const char *key = json_object_iter_key(at);
    int64_t entries = json_integer_value(json_object_iter_value(at));
    if (entries < 0)
      return fail_key(error, "events", "counts");
    if (strcmp(key, "total") == 0)
      *total = entries > 0 ? entries : 1;
    else
      MLAAS_TRY(mlaas_specs_add_file(specs, key, "", entries, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status read_global(const json_t *json, struct mlaas_specs *specs, struct mlaas_error *error) {
  json_t *minv = json_object_get(json, "minv");
  int64_t total;
  MLAAS_TRY(read_global_files(json, specs, &total, error));
  specs->table = mlaas_strdup("");
  specs->columns = mlaas_alloc(json_object_size(minv) * sizeof *specs->columns);
  if (!specs->table || !specs->columns)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics");
  for (void *at = json_object_iter(minv); at; at = json_object_iter_next(minv, at))
    MLAAS_TRY(read_global_column(json, json_object_iter_key(at), mlaas_json_value(json_object_iter_value(at)), total,
                                 &specs->columns[specs->num_columns++], error));
  return MLAAS_OK;
}

enum mlaas_status mlaas_specs_parse(const char *json, size_t length, struct mlaas_specs **specs,
                                    struct mlaas_error *error) {
  json_error_t where;
  json_t *value = json_loadb(json, length, JSON_REJECT_DUPLICATES, &where);
  if (!value)
    return mlaas_fail(error, MLAAS_FORMAT, "specs: no JSON: %s (line %d, column %d)", where.text, where.line,
                      where.column);
  struct mlaas_specs *made = mlaas_alloc(sizeof *made);
  bool global = json_is_object(json_object_get(value, "minv")) && json_is_object(json_object_get(value, "maxv"));
  enum mlaas_status status = !made    ? mlaas_fail(error, MLAAS_MEMORY, "out of memory for statistics")
                             : global ? read_global(value, made, error)
                                      : read_specs(value, made, error);
  json_decref(value);
  if (status == MLAAS_OK)
    *specs = made;
  else
    mlaas_specs_free(made);
  return mlaas_fail_in(error, status, "specs");
}
