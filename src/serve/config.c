/* The table of what `mlaas serve` can be told, applied to text. Knows JSON files and TFaaS's names of keys; must not
 * know who uses a setting.
 */
#include "serve/config.h"

#include "base/error.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, INT, PORT, COUNT, SIZE, FLAG, RATE, BASE, LOG_FORMAT, LOG_LEVEL };

struct key {
  const char *name;
  enum kind kind;
  size_t offset;
};

static const struct key keys[] = {
#define X(name, kind, field, type, argument, fallback, help, choices)                                                  \
  {name, kind, offsetof(struct mlaas_config, field)},
    MLAAS_CONFIG_KEYS(X)
#undef X
};
enum { NUM_KEYS = sizeof keys / sizeof *keys };

/* TFaaS's spelling, as its config.json has it, and ours. Those without ours are treated in set_tfaas. */
static const struct {
  const char *theirs, *ours;
} aliases[] = {
    {"modelDir", "models"},   {"staticDir", "static-dir"},
    {"serverKey", "tls-key"}, {"serverCrt", "tls-cert"},
    {"port", "port"},         {"base", "base"},
    {"rate", "rate"},         {"logFile", "log-file"},
    {"verbose", "log-level"}, {"cacheLimit", "most-loaded"},
    {"monitRecord", NULL},    {"configProto", NULL},
};
enum { NUM_ALIASES = sizeof aliases / sizeof *aliases };

static const char *const log_formats[] = {"combined", "json", "monit", "none"};
static const char *const log_levels[] = {"errors", "warnings", "info", "debug"};

/* Equal but for '_' and '-', and the case of letters. */
static bool same_key(const char *a, const char *b) {
  for (; *a && *b; a++, b++) {
    char x = *a == '_' ? '-' : *a, y = *b == '_' ? '-' : *b;
    if ((x | ((x >= 'A' && x <= 'Z') << 5)) != (y | ((y >= 'A' && y <= 'Z') << 5)))
      return false;
  }
  return *a == *b;
}

static const struct key *find_key(const char *name) {
  for (size_t i = 0; i < NUM_KEYS; i++)
    if (same_key(keys[i].name, name))
      return &keys[i];
  return NULL;
}

static enum mlaas_status fail_unknown(const char *name, struct mlaas_error *error) {
  const char *names[NUM_KEYS + NUM_ALIASES];
  for (size_t i = 0; i < NUM_KEYS; i++)
    names[i] = keys[i].name;
  for (size_t i = 0; i < NUM_ALIASES; i++)
    names[NUM_KEYS + i] = aliases[i].theirs;
  const char *nearest = mlaas_nearest(name, names, NUM_KEYS + NUM_ALIASES);
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no key \"%.80s\"%s%s%s", name, nearest ? "; did you mean \"" : "",
                    nearest ? nearest : "", nearest ? "\"?" : "");
}

static enum mlaas_status fail_value(const char *key, const char *value, const char *want, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_ARGUMENT, "\"%s\" is '%.80s'; it must be %s", key, value, want);
}

/* ---- values ---- */

/* A whole number, not negative, and what follows it. */
static bool parse_count(const char *text, int64_t *number, const char **rest) {
  char *end = NULL;
  errno = 0;
  if (*text < '0' || *text > '9')
    return false;
  *number = strtoll(text, &end, 10);
  *rest = end;
  return errno == 0;
}

static bool parse_size(const char *text, int64_t *size) {
  static const struct {
    const char *unit;
    int64_t bytes;
  } units[] = {{"", 1},          {"B", 1},         {"kB", 1000},    {"MB", 1000000}, {"GB", 1000000000},
               {"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}};
  const char *rest;
  if (!parse_count(text, size, &rest))
    return false;
  while (*rest == ' ')
    rest++;
  for (size_t i = 0; i < sizeof units / sizeof *units; i++)
    if (same_key(units[i].unit, rest))
      return !__builtin_mul_overflow(*size, units[i].bytes, size);
  return false;
}

/* "100-S": requests, and the period in ns. */
static bool parse_rate(const char *text, int64_t *requests, int64_t *period) {
  static const struct {
    char letter;
    int64_t seconds;
  } periods[] = {{'S', 1}, {'M', 60}, {'H', 3600}, {'D', 86400}};
  const char *rest;
  if (!parse_count(text, requests, &rest) || rest[0] != '-' || !rest[1] || rest[2])
    return false;
  for (size_t i = 0; i < 4; i++)
    if ((rest[1] & ~32) == periods[i].letter) {
      *period = periods[i].seconds * 1000000000;
      return true;
    }
  return false;
}

static bool parse_flag(const char *text, bool *flag) {
  *flag = same_key(text, "true") || strcmp(text, "1") == 0;
  return *flag || same_key(text, "false") || strcmp(text, "0") == 0;
}

/* A word of the list, or its number. */
static bool parse_choice(const char *text, const char *const *choices, int count, int *choice) {
  for (*choice = 0; *choice < count; ++*choice)
    if (same_key(text, choices[*choice]))
      return true;
  return false;
}

/* "tf", "/tf" and "/tf/" mean "/tf". */
static enum mlaas_status set_base(struct mlaas_config *config, const char *value, struct mlaas_error *error) {
  size_t length = strlen(value);
  while (length && value[length - 1] == '/')
    length--;
  if (length == 0) {
    config->base = "";
    return MLAAS_OK;
  }
  for (size_t i = 0; i < length; i++)
    if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/", value[i]) ||
        (value[i] == '/' && value[i + 1] == '/') || (value[i] == '.' && value[i + 1] == '.'))
      return fail_value("base", value, "a path of letters, digits and _ . -", error);
  char *base = mlaas_arena_format(&config->arena, error, "%s%.*s", value[0] == '/' ? "" : "/", (int)length, value);
  if (!base)
    return MLAAS_MEMORY;
  config->base = base;
  return MLAAS_OK;
}

static enum mlaas_status set_text(struct mlaas_config *config, const char **field, const char *value,
                                  struct mlaas_error *error) {
  char *copy = NULL;
  if (*value && !(copy = mlaas_arena_strndup(&config->arena, value, strlen(value), error)))
    return MLAAS_MEMORY;
  *field = copy;
  return MLAAS_OK;
}

static enum mlaas_status set_number(const struct key *key, void *field, const char *value, struct mlaas_error *error) {
  int64_t number;
  const char *rest;
  if (key->kind == SIZE)
    return parse_size(value, field) ? MLAAS_OK : fail_value(key->name, value, "a size such as 300MB or 1GiB", error);
  if (!parse_count(value, &number, &rest) || *rest)
    return fail_value(key->name, value, "a whole number, 0 or more", error);
  if (key->kind == COUNT) {
    *(int64_t *)field = number;
    return MLAAS_OK;
  }
  if (number > (key->kind == PORT ? 65535 : 4096))
    return fail_value(key->name, value, key->kind == PORT ? "a port, at most 65535" : "at most 4096", error);
  *(int *)field = (int)number;
  return MLAAS_OK;
}

static enum mlaas_status set_key(struct mlaas_config *config, const struct key *key, const char *value,
                                 struct mlaas_error *error) {
  void *field = (char *)config + key->offset;
  int choice;
  switch (key->kind) {
  case TEXT:
    return set_text(config, field, value, error);
  case BASE:
    return set_base(config, value, error);
  case FLAG:
    return parse_flag(value, field) ? MLAAS_OK : fail_value(key->name, value, "true or false", error);
  case RATE:
    return parse_rate(value, &config->rate_requests, &config->rate_ns)
               ? MLAAS_OK
               : fail_value(key->name, value, "N-S, N-M, N-H or N-D: N requests a second, minute, hour or day", error);
  case LOG_FORMAT:
    if (!parse_choice(value, log_formats, 4, &choice))
      return fail_value(key->name, value, "combined, json, monit or none", error);
    config->log_format = (enum mlaas_log_format)choice;
    return MLAAS_OK;
  case LOG_LEVEL:
    if (!parse_choice(value, log_levels, 4, &config->log_level))
      return fail_value(key->name, value, "errors, warnings, info or debug", error);
    return MLAAS_OK;
  default:
    return set_number(key, field, value, error);
  }
}

enum mlaas_status mlaas_config_set(struct mlaas_config *config, const char *key, const char *value,
                                   struct mlaas_error *error) {
  const struct key *found = find_key(key);
  return found ? set_key(config, found, value, error) : fail_unknown(key, error);
}

/* ---- files ---- */

/* What TFaaS means by keys that mean something else with us. False: the key is none of them. */
static bool set_tfaas(struct mlaas_config *config, const char *theirs, const char *value, enum mlaas_status *status,
                      struct mlaas_error *error) {
  int64_t number = 0;
  const char *rest;
  *status = MLAAS_OK;
  if (strcmp(theirs, "verbose") == 0) {
    config->log_level = parse_count(value, &number, &rest) && number > 0 ? 3 : 2;
  } else if (strcmp(theirs, "cacheLimit") == 0) {
    if (!parse_count(value, &number, &rest) || *rest)
      *status = fail_value(theirs, value, "a whole number, 0 or more", error);
    config->repository.most_loaded = number ? number : 10;
  } else if (strcmp(theirs, "monitRecord") == 0) {
    if (strcmp(value, "") != 0 && strcmp(value, "0") != 0 && strcmp(value, "false") != 0)
      config->log_format = MLAAS_LOG_MONIT;
  } else if (strcmp(theirs, "configProto") == 0) {
    *status = set_text(config, &config->config_proto, value, error);
  } else if (strcmp(theirs, "logFile") == 0) {
    *status = set_text(config, &config->log_file, value, error);
    config->log_dated = true;
  } else if (strcmp(theirs, "rate") == 0 && !*value) {
    return true;
  } else {
    return false;
  }
  return true;
}

static enum mlaas_status set_from_file(struct mlaas_config *config, const char *name, const json_t *value,
                                       struct mlaas_error *error) {
  char number[32];
  const char *text = json_string_value(value);
  if (json_is_integer(value)) {
    snprintf(number, sizeof number, "%lld", (long long)json_integer_value(value));
    text = number;
  } else if (json_is_boolean(value)) {
    text = json_is_true(value) ? "true" : "false";
  }
  if (!text || (json_is_string(value) && strlen(text) != json_string_length(value)))
    return mlaas_fail(error, MLAAS_FORMAT, "\"%.80s\" has to be a text, a whole number, true or false", name);
  for (size_t i = 0; i < NUM_ALIASES; i++) {
    enum mlaas_status status;
    if (strcasecmp(name, aliases[i].theirs) != 0)
      continue;
    if (set_tfaas(config, aliases[i].theirs, text, &status, error))
      return status;
    return mlaas_config_set(config, aliases[i].ours, text, error);
  }
  return mlaas_config_set(config, name, text, error);
}

enum mlaas_status mlaas_config_read(struct mlaas_config *config, const char *path, struct mlaas_error *error) {
  json_error_t why;
  FILE *file = fopen(path, "rb");
  if (!file)
    return mlaas_fail_errno(error, errno, "the configuration %s cannot be opened: %s", path, strerror(errno));
  json_t *json = json_loadf(file, JSON_REJECT_DUPLICATES, &why);
  fclose(file);
  if (!json_is_object(json)) {
    json_decref(json);
    return json ? mlaas_fail(error, MLAAS_FORMAT, "%s: a JSON object was expected", path)
                : mlaas_fail(error, MLAAS_FORMAT, "%s: line %d: %s", path, why.line, why.text);
  }
  config->rate_requests = 100; /* TFaaS's limit where the file sets none */
  config->rate_ns = 1000000000;
  enum mlaas_status status = set_text(config, &config->file, path, error);
  const char *name;
  json_t *value;
  json_object_foreach(json, name,
                      value) if (status == MLAAS_OK && (status = set_from_file(config, name, value, error)) != MLAAS_OK)
      mlaas_fail_in(error, status, "%s", path);
  json_decref(json);
  return status;
}

/* ---- the whole ---- */

enum mlaas_status mlaas_config_init(struct mlaas_config *config, struct mlaas_error *error) {
  *config = (struct mlaas_config){
      .server = {.host = "127.0.0.1", .port = 8083},
      .repository = {.model = {.size = sizeof(struct mlaas_model_options)}},
      .base = "",
      .log_level = 2,
      .rate_ns = 1000000000,
      .upload_limit = (int64_t)2 << 30,
      .request_timeout_ms = 30000,
      .image_pixels = 50000000,
  };
  struct mlaas_budget *budget = mlaas_budget_new(1 << 20);
  if (!budget)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the configuration");
  mlaas_arena_init(&config->arena, budget); /* holds the count that `budget` is; given back by reset */
  return MLAAS_OK;
}

void mlaas_config_reset(struct mlaas_config *config) {
  struct mlaas_budget *budget = config->arena.budget;
  mlaas_arena_reset(&config->arena);
  mlaas_budget_put(budget);
  *config = (struct mlaas_config){0};
}
