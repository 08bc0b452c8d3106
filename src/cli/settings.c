/* Parameters and context of a command that reads files, from its options. Must not know what is read. */
#include "base/error.h"
#include "base/memory.h"
#include "cli/command.h"
#include "cli/files.h"
#include "dataset/params.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

static bool is_given(const struct mlaas_arguments *arguments, const char *name) {
  return mlaas_arguments_knows(arguments, name) && mlaas_arguments_count(arguments, name) > 0;
}

/* ---- parameters ---- */

/* The parameter's one name, for any of its synonyms; a key that is none stays, and is refused later. */
static const char *name_of(const char *key) {
  const struct mlaas_param *param;
  size_t length = strlen(key);
  for (size_t i = 0; (param = mlaas_param_at(i)) != NULL; i++)
    for (const char *at = param->synonyms; *at; at += strcspn(at, " "), at += *at == ' ')
      if (strcspn(at, " ") == length && memcmp(at, key, length) == 0)
        return param->name;
  return key;
}

static enum mlaas_status put(json_t *params, const char *key, json_t *value, struct mlaas_error *error) {
  return json_object_set_new(params, name_of(key), value) == 0
             ? MLAAS_OK
             : mlaas_fail(error, MLAAS_ARGUMENT, "the value for %s is not UTF-8", key);
}

/* Checked by itself, so that its mistakes are told with its name. */
static enum mlaas_status take_file(json_t *params, const char *path, struct mlaas_error *error) {
  char *text = NULL, *unused = NULL;
  MLAAS_TRY(mlaas_file_check("the parameter file", path, error));
  MLAAS_TRY(mlaas_text_read(path, &text, error));
  enum mlaas_status status = mlaas_fail_in(error, mlaas_params_check(text, &unused, error), "%s", path);
  json_t *given = status == MLAAS_OK ? json_loads(text, 0, NULL) : NULL; /* NULL too where the file is empty */
  for (void *at = json_object_iter(given); at && status == MLAAS_OK; at = json_object_iter_next(given, at))
    status = put(params, json_object_iter_key(at), json_incref(json_object_iter_value(at)), error);
  json_decref(given);
  mlaas_text_free(unused);
  mlaas_free(text);
  return status;
}

/* KEY=VALUE: the value is JSON where it reads as such, else a text. */
static enum mlaas_status take_setting(json_t *params, const char *setting, struct mlaas_error *error) {
  const char *equals = strchr(setting, '=');
  char key[200];
  json_t *effective = NULL, *alone = json_object();
  enum mlaas_status status = MLAAS_OK;
  if (!equals || equals == setting)
    status = mlaas_fail(error, MLAAS_ARGUMENT, "--set is '%s'; it must be KEY=VALUE", setting);
  snprintf(key, sizeof key, "%.*s", equals ? (int)(equals - setting) : 0, setting);
  json_t *value = equals ? json_loads(equals + 1, JSON_DECODE_ANY, NULL) : NULL;
  if (status == MLAAS_OK)
    status = json_object_set_new(alone, key, value ? value : json_string(equals + 1)) == 0
                 ? MLAAS_OK
                 : mlaas_fail(error, MLAAS_ARGUMENT, "--set is not UTF-8");
  char *text = status == MLAAS_OK ? json_dumps(alone, 0) : NULL;
  if (status == MLAAS_OK)
    status = mlaas_fail_in(error, mlaas_params_effective(text, &effective, error), "--set");
  if (status == MLAAS_OK)
    status = put(params, key, json_incref(json_object_get(alone, key)), error);
  free(text);
  json_decref(alone);
  json_decref(effective);
  return status;
}

/* --connect-timeout 3 is {"remote": {"connect_timeout": 3}}, over what is there. Without --connect-timeout a command's
 * --timeout and --token-file are those of another server. */
static enum mlaas_status take_remote(json_t *params, const struct mlaas_arguments *arguments,
                                     struct mlaas_error *error) {
  enum { NUMBER, SECONDS, TEXT, FLAG };
  static const struct {
    const char *name, *key;
    int kind;
  } options[] = {
      {"connect-timeout", "connect_timeout", SECONDS},
      {"timeout", "timeout", SECONDS},
      {"deadline", "deadline", SECONDS},
      {"retries", "retries", NUMBER},
      {"remote-cache", "cache", NUMBER},
      {"token-file", "token_file", TEXT},
      {"certificate", "certificate", TEXT},
      {"key", "key", TEXT},
      {"authorities", "authorities", TEXT},
      {"s3-endpoint", "s3_endpoint", TEXT},
      {"s3-region", "s3_region", TEXT},
      {"insecure", "insecure", FLAG},
  };
  if (!mlaas_arguments_knows(arguments, "connect-timeout"))
    return MLAAS_OK;
  const json_t *there = json_object_get(params, "remote");
  json_t *remote = json_is_object(there) ? json_copy((json_t *)(uintptr_t)there) : json_object();
  bool failed = !remote;
  for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
    const char *name = options[i].name;
    if (!is_given(arguments, name))
      continue;
    json_t *value = options[i].kind == NUMBER    ? json_integer((json_int_t)mlaas_arguments_number(arguments, name, 0))
                    : options[i].kind == SECONDS ? json_real(mlaas_arguments_seconds(arguments, name, 0))
                    : options[i].kind == TEXT    ? json_string(mlaas_arguments_text(arguments, name))
                                                 : json_true();
    failed |= json_object_set_new(remote, options[i].key, value) != 0;
  }
  if (!failed && json_object_size(remote) > 0)
    failed = json_object_set(params, "remote", remote) != 0;
  json_decref(remote);
  return failed ? mlaas_fail(error, MLAAS_ARGUMENT, "an option is not UTF-8") : MLAAS_OK;
}

static enum mlaas_status gather(const struct mlaas_arguments *arguments, json_t *params, struct mlaas_error *error) {
  if (is_given(arguments, "params"))
    MLAAS_TRY(take_file(params, mlaas_arguments_text(arguments, "params"), error));
  for (size_t i = 0; is_given(arguments, "set") && i < mlaas_arguments_count(arguments, "set"); i++)
    MLAAS_TRY(take_setting(params, mlaas_arguments_nth(arguments, "set", i), error));
  if (is_given(arguments, "redirector"))
    MLAAS_TRY(put(params, "redirector", json_string(mlaas_arguments_text(arguments, "redirector")), error));
  if (is_given(arguments, "on-bad-file"))
    MLAAS_TRY(put(params, "on_bad_file", json_string(mlaas_arguments_text(arguments, "on-bad-file")), error));
  return take_remote(params, arguments, error);
}

static enum mlaas_status read_params(const struct mlaas_arguments *arguments, json_t **effective,
                                     struct mlaas_error *error) {
  json_t *given = json_object();
  enum mlaas_status status =
      given ? gather(arguments, given, error) : mlaas_fail(error, MLAAS_MEMORY, "no memory for the parameters");
  char *text = status == MLAAS_OK ? json_dumps(given, 0) : NULL;
  if (status == MLAAS_OK)
    status = text ? mlaas_params_effective(text, effective, error)
                  : mlaas_fail(error, MLAAS_MEMORY, "no memory for the parameters");
  free(text);
  json_decref(given);
  return status;
}

enum mlaas_status mlaas_arguments_params(const struct mlaas_arguments *arguments, char **json,
                                         struct mlaas_error *error) {
  json_t *effective = NULL;
  MLAAS_TRY(read_params(arguments, &effective, error));
  *json = json_dumps(effective, JSON_COMPACT);
  json_decref(effective);
  return *json ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for the parameters");
}

enum mlaas_status mlaas_arguments_files(const struct mlaas_arguments *arguments, struct mlaas_context *context,
                                        const char *text, struct mlaas_list *list, struct mlaas_error *error) {
  json_t *params = NULL;
  MLAAS_TRY(read_params(arguments, &params, error));
  enum mlaas_status status =
      mlaas_list_expand(list, context, text, json_string_value(json_object_get(params, "redirector")), error);
  json_decref(params);
  return status;
}

/* ---- the context ---- */

enum mlaas_status mlaas_arguments_context(const struct mlaas_arguments *arguments, int64_t threads,
                                          struct mlaas_context **context, struct mlaas_error *error) {
  struct mlaas_remote_options remote = {.size = sizeof remote};
  struct mlaas_context_options options = {
      .size = sizeof options,
      .memory = mlaas_arguments_number(arguments, "memory", 0),
      .threads = threads < INT_MAX ? (int)threads : INT_MAX,
      .limits = {.metadata = mlaas_arguments_number(arguments, "max-metadata", 0),
                 .basket = mlaas_arguments_number(arguments, "max-basket", 0),
                 .page = mlaas_arguments_number(arguments, "max-page", 0),
                 .nesting = mlaas_arguments_number(arguments, "max-nesting", 0),
                 .columns = mlaas_arguments_number(arguments, "max-columns", 0)},
      .trust_pages = mlaas_arguments_flag(arguments, "trust-pages"),
      .remote = &remote,
  };
  json_t *params = NULL;
  MLAAS_TRY(read_params(arguments, &params, error));
  const json_t *given = json_object_get(params, "remote");
  mlaas_params_remote(json_is_object(given) ? given : NULL, &remote);
  enum mlaas_status status = mlaas_context_new(&options, context, error);
  json_decref(params);
  return status;
}
