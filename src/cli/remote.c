/* Commands that talk to a server. Knows no command. */
#include "cli/remote.h"

#include "base/error.h"
#include "base/memory.h"
#include "cli/files.h"

#include <stdlib.h>
#include <string.h>

static enum mlaas_status status_of(const struct mlaas_client_error *problem) {
  switch (problem->status) {
  case MLAAS_CLIENT_ARGUMENT:
    return MLAAS_ARGUMENT;
  case MLAAS_CLIENT_NOT_FOUND:
    return MLAAS_NOT_FOUND;
  case MLAAS_CLIENT_TIMEOUT:
    return MLAAS_TIMEOUT;
  case MLAAS_CLIENT_REPLY:
    return MLAAS_FORMAT;
  case MLAAS_CLIENT_MEMORY:
    return MLAAS_MEMORY;
  case MLAAS_CLIENT_CANCELLED:
    return MLAAS_CANCELLED;
  case MLAAS_CLIENT_REFUSED:
    return problem->http_status == 409   ? MLAAS_STATE
           : problem->http_status == 413 ? MLAAS_LIMIT
           : problem->http_status == 501 ? MLAAS_UNSUPPORTED
           : problem->http_status < 500  ? MLAAS_ARGUMENT
                                         : MLAAS_IO;
  default:
    return MLAAS_IO;
  }
}

enum mlaas_status mlaas_remote_fail(const struct mlaas_client_error *problem, struct mlaas_error *error) {
  return mlaas_fail(error, status_of(problem), "%s", problem->message);
}

/* The first word of the file: a token has no blanks. */
static enum mlaas_status read_token(const struct mlaas_arguments *arguments, char **token, struct mlaas_error *error) {
  const char *path = mlaas_arguments_text(arguments, "token-file"), *set = getenv("MLAAS_TOKEN");
  if (!path && (!set || !*set))
    return MLAAS_OK;
  if (path)
    MLAAS_TRY(mlaas_text_read(path, token, error));
  else if (!(*token = mlaas_strdup(set)))
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the token");
  char *begin = *token + strspn(*token, " \t\r\n");
  memmove(*token, begin, strlen(begin) + 1);
  (*token)[strcspn(*token, " \t\r\n")] = 0;
  if (**token)
    return MLAAS_OK;
  mlaas_free(*token);
  *token = NULL;
  return mlaas_fail(error, MLAAS_ARGUMENT, "%s has no token", path ? path : "$MLAAS_TOKEN");
}

enum mlaas_status mlaas_remote_open(const struct mlaas_arguments *arguments, int connections,
                                    struct mlaas_client **client, struct mlaas_error *error) {
  const char *url = mlaas_arguments_text(arguments, "url"), *set = getenv("MLAAS_URL");
  struct mlaas_client_error problem;
  char *token = NULL;
  MLAAS_TRY(read_token(arguments, &token, error));
  struct mlaas_client_options options = {.size = sizeof options,
                                         .timeout = mlaas_arguments_seconds(arguments, "timeout", 120),
                                         .connections = connections,
                                         .token = token,
                                         .ca_file = mlaas_arguments_text(arguments, "ca"),
                                         .cert_file = mlaas_arguments_text(arguments, "cert"),
                                         .key_file = mlaas_arguments_text(arguments, "key")};
  enum mlaas_client_status status = mlaas_client_open(url             ? url
                                                      : set && set[0] ? set
                                                                      : "http://localhost:8083",
                                                      &options, client, &problem);
  mlaas_free(token);
  return status == MLAAS_CLIENT_OK ? MLAAS_OK : mlaas_remote_fail(&problem, error);
}

enum mlaas_status mlaas_remote_model(struct mlaas_client *client, const char *name, json_t **about,
                                     struct mlaas_error *error) {
  struct mlaas_client_error problem;
  char *text = NULL;
  if (mlaas_client_model(client, name, &text, &problem) != MLAAS_CLIENT_OK)
    return mlaas_remote_fail(&problem, error);
  *about = json_loads(text, 0, NULL);
  mlaas_client_free(text);
  if (json_is_object(*about))
    return MLAAS_OK;
  json_decref(*about);
  *about = NULL;
  return mlaas_fail(error, MLAAS_FORMAT, "what the server says of model %s is no JSON object", name);
}
