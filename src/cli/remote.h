/* The commands that talk to a server: their common options, the client made of them, its errors as ours. */
#ifndef MLAAS_CLI_REMOTE_H
#define MLAAS_CLI_REMOTE_H

#include "cli/command.h"

#include <jansson.h>
#include <mlaas_client.h>

#define MLAAS_OPTIONS_OF_SERVER                                                                                        \
  {.name = "url",                                                                                                      \
   .type = MLAAS_OPTION_TEXT,                                                                                          \
   .argument = "URL",                                                                                                  \
   .fallback = "$MLAAS_URL, else http://localhost:8083",                                                               \
   .help = "Address of the server, with its base path if it has one"},                                                 \
      {.name = "token-file",                                                                                           \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .fallback = "$MLAAS_TOKEN, else none",                                                                          \
       .help = "File with the bearer token"},                                                                          \
      {.name = "ca",                                                                                                   \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .fallback = "the system's",                                                                                     \
       .help = "Certificates to trust, PEM"},                                                                          \
      {.name = "cert",                                                                                                 \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .help = "Client certificate or X.509 proxy, PEM"},                                                              \
      {.name = "key",                                                                                                  \
       .type = MLAAS_OPTION_FILE,                                                                                      \
       .argument = "FILE",                                                                                             \
       .fallback = "the file of --cert",                                                                               \
       .help = "Key of the client certificate, PEM"},                                                                  \
  {                                                                                                                    \
    .name = "timeout", .type = MLAAS_OPTION_SECONDS, .argument = "SECONDS", .fallback = "120",                         \
    .help = "Longest wait for a reply, retries included"                                                               \
  }

/* Opens a client by these options. connections: 0 for the default. */
enum mlaas_status mlaas_remote_open(const struct mlaas_arguments *arguments, int connections,
                                    struct mlaas_client **client, struct mlaas_error *error);
/* Our error for the client's; returns its status. */
enum mlaas_status mlaas_remote_fail(const struct mlaas_client_error *problem, struct mlaas_error *error);
/* The server's JSON of a model (its /models/NAME). */
enum mlaas_status mlaas_remote_model(struct mlaas_client *client, const char *name, json_t **about,
                                     struct mlaas_error *error);

#endif
