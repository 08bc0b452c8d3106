/* The parameter "remote": how files on servers are reached. Knows the names and bounds of the options, no protocol. */
#include "base/context.h"
#include "base/error.h"
#include "dataset/params.h"
#include "dataset/params_value.h"

#include <stddef.h>
#include <string.h>

enum kind { SECONDS, COUNT, BYTES, TEXT, FLAG };

struct field {
  const char *name;
  enum kind kind;
  double low, high;
  size_t offset;
};

#define AT(field) offsetof(struct mlaas_remote_options, field)

static const struct field fields[] = {
    {"connect_timeout", SECONDS, 0.001, 86400, AT(connect_ms)},
    {"timeout", SECONDS, 0.001, 86400, AT(timeout_ms)},
    {"deadline", SECONDS, 0.001, 86400 * 30, AT(deadline_ms)},
    {"retries", COUNT, 0, 1000, AT(retries)},
    {"cache", BYTES, 0, 0, AT(cache)},
    {"token_file", TEXT, 0, 0, AT(token_file)},
    {"certificate", TEXT, 0, 0, AT(certificate)},
    {"key", TEXT, 0, 0, AT(key)},
    {"authorities", TEXT, 0, 0, AT(authorities)},
    {"s3_endpoint", TEXT, 0, 0, AT(s3_endpoint)},
    {"s3_region", TEXT, 0, 0, AT(s3_region)},
    {"insecure", FLAG, 0, 0, AT(insecure)},
};
enum { NUM_FIELDS = sizeof fields / sizeof *fields };

static const struct field *find_field(const char *name) {
  for (size_t i = 0; i < NUM_FIELDS; i++)
    if (strcmp(fields[i].name, name) == 0)
      return &fields[i];
  return NULL;
}

static enum mlaas_status fail_unknown(const char *param, const char *key, struct mlaas_error *error) {
  const char *names[NUM_FIELDS];
  for (size_t i = 0; i < NUM_FIELDS; i++)
    names[i] = fields[i].name;
  const char *nearest = mlaas_nearest(key, names, NUM_FIELDS);
  if (nearest)
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\" has no \"%.80s\"; did you mean \"%s\"?", param, key,
                      nearest);
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "parameter \"%s\" has no \"%.80s\"; there are connect_timeout, timeout, deadline (seconds), "
                    "retries, cache, token_file, certificate, key, authorities, s3_endpoint, s3_region, insecure",
                    param, key);
}

static enum mlaas_status fail_value(const char *param, const struct field *field, struct mlaas_error *error) {
  switch (field->kind) {
  case SECONDS:
  case COUNT:
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": %s has to be %s between %g and %g", param, field->name,
                      field->kind == COUNT ? "a whole number" : "seconds", field->low, field->high);
  case TEXT:
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": %s has to be a text", param, field->name);
  default:
    return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": %s has to be true or false", param, field->name);
  }
}

/* "https://host", or nothing would know how to ask it. */
static enum mlaas_status check_endpoint(const char *param, const char *text, struct mlaas_error *error) {
  if (strncmp(text, "https://", 8) == 0 || strncmp(text, "http://", 7) == 0)
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": s3_endpoint is '%.200s'; it has to begin with https://",
                    param, text);
}

static enum mlaas_status check_field(const char *param, const struct field *field, json_t *all, json_t *value,
                                     struct mlaas_error *error) {
  double number = json_number_value(value);
  bool numeric = field->kind == SECONDS ? json_is_number(value) : json_is_integer(value);
  switch (field->kind) {
  case SECONDS:
  case COUNT:
    return numeric && number >= field->low && number <= field->high ? MLAAS_OK : fail_value(param, field, error);
  case TEXT:
    if (!json_is_string(value))
      return fail_value(param, field, error);
    return field->offset == AT(s3_endpoint) ? check_endpoint(param, json_string_value(value), error) : MLAAS_OK;
  case FLAG:
    return json_is_boolean(value) ? MLAAS_OK : fail_value(param, field, error);
  case BYTES:
    break;
  }
  json_t *bytes = json_incref(value);
  enum mlaas_status status = json_is_integer(value) || json_is_string(value)
                                 ? mlaas_value_memory("remote: cache", &bytes, error)
                                 : mlaas_fail(error, MLAAS_ARGUMENT, "parameter \"%s\": cache has to be a size", param);
  if (status == MLAAS_OK && bytes != value && json_object_set(all, field->name, bytes) != 0)
    status = mlaas_fail(error, MLAAS_MEMORY, "out of memory in the parameters");
  json_decref(bytes);
  return status;
}

enum mlaas_status mlaas_value_remote(const char *name, json_t **value, struct mlaas_error *error) {
  for (void *at = json_object_iter(*value); at; at = json_object_iter_next(*value, at))
    if (!find_field(json_object_iter_key(at)))
      return fail_unknown(name, json_object_iter_key(at), error);
  for (size_t i = 0; i < NUM_FIELDS; i++) {
    json_t *given = json_object_get(*value, fields[i].name);
    if (json_is_null(given))
      json_object_del(*value, fields[i].name);
    else if (given)
      MLAAS_TRY(check_field(name, &fields[i], *value, given, error));
  }
  return MLAAS_OK;
}

void mlaas_params_remote(const json_t *remote, struct mlaas_remote_options *options) {
  for (size_t i = 0; i < NUM_FIELDS; i++) {
    const json_t *value = json_object_get(remote, fields[i].name);
    void *at = (char *)options + fields[i].offset;
    if (!value)
      continue;
    switch (fields[i].kind) {
    case SECONDS:
      *(int64_t *)at = (int64_t)(json_number_value(value) * 1000 + 0.5);
      break;
    case COUNT: /* 0 is the default there */
      *(int *)at = json_integer_value(value) ? (int)json_integer_value(value) : -1;
      break;
    case BYTES:
      *(int64_t *)at = json_integer_value(value);
      break;
    case TEXT:
      *(const char **)at = json_string_value(value);
      break;
    case FLAG:
      *(bool *)at = json_is_true(value);
      break;
    }
  }
}
