/* bench_serve_net PORT: answers every request with "[0.1234]", one loop. What the network costs, without a model. */
#include "net/server.h"

#include <stdio.h>
#include <stdlib.h>

static void begin(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  (void)exchange;
}

static void handle(void *context, struct mlaas_exchange *exchange) {
  (void)context;
  mlaas_exchange_reply(exchange, 200, "application/json", MLAAS_SLICE("[0.1234]\n"));
}

int main(int count, char **arguments) {
  struct mlaas_server_options options = {.port = count > 1 ? (int)strtol(arguments[1], NULL, 10) : 0,
                                         .loops = count > 2 ? (int)strtol(arguments[2], NULL, 10) : 1,
                                         .handler = {.begin = begin, .handle = handle}};
  struct mlaas_server *server = NULL;
  struct mlaas_error error;
  if (mlaas_server_open(&options, &server, &error) != MLAAS_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  printf("%d\n", mlaas_server_port(server));
  fflush(stdout);
  enum mlaas_status status = mlaas_server_run(server, &error);
  mlaas_server_close(server);
  return mlaas_status_exit_code(status);
}
