/* Sockets that listen, one per loop, and how all of it starts and stops. Knows no route. */
#ifndef MLAAS_NET_SERVER_H
#define MLAAS_NET_SERVER_H

#include "net/options.h"

struct mlaas_server;

/* Binds and listens; nothing is accepted before run. The process ignores SIGPIPE from now on, and may have as many
 * files open as there are connections, if its hard limit allows that; otherwise there are fewer connections. Errors:
 * ARGUMENT, IO (address in use: which), NOT_FOUND (TLS files), FORMAT (TLS files). Strings are copied. */
enum mlaas_status mlaas_server_open(const struct mlaas_server_options *options, struct mlaas_server **server,
                                    struct mlaas_error *error);
/* Runs the loops, the first on the calling thread, until stopped and drained. */
enum mlaas_status mlaas_server_run(struct mlaas_server *server, struct mlaas_error *error);
/* Any thread or signal handler's thread: stop accepting, finish what runs and what came before, close idle connections
 * (replies get "Connection: close"), then run returns. The second call does not wait any more. */
void mlaas_server_stop(struct mlaas_server *server);
/* Reads certificate, key and CA again for new connections; on failure the old ones stay. */
enum mlaas_status mlaas_server_reload_tls(struct mlaas_server *server, struct mlaas_error *error);
void mlaas_server_close(struct mlaas_server *server); /* after run */

int mlaas_server_port(const struct mlaas_server *server);
/* At a time: as many as were asked for, or fewer where the process may not have so many files. */
int64_t mlaas_server_connections(const struct mlaas_server *server);
int mlaas_server_num_loops(const struct mlaas_server *server);
struct mlaas_loop *mlaas_server_loop(const struct mlaas_server *server, int index);

/* Counters since the start. */
struct mlaas_server_stats {
  int64_t accepted, refused, open, requests, bytes_in, bytes_out, timeouts, bad_requests;
};
void mlaas_server_stats(const struct mlaas_server *server, struct mlaas_server_stats *stats);

#endif
