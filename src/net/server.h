/* Sockets that listen, one per loop, and everything that bounds a connection. Knows no route. */
#ifndef MLAAS_NET_SERVER_H
#define MLAAS_NET_SERVER_H

#include "net/exchange.h"

struct mlaas_server;

struct mlaas_tls_options {
  const char *certificate, *key; /* PEM files; both NULL: plain HTTP */
  const char *client_ca; /* PEM file or folder that client certificates are verified with; NULL: not asked for */
  bool client_required;  /* refuse clients without one */
};

/* 0 takes the default in brackets. */
struct mlaas_server_options {
  const char *host;      /* ["127.0.0.1"] address or name; "::" and "0.0.0.0" for all */
  int port;              /* 0: any free one, see mlaas_server_port */
  const char *unix_path; /* a Unix socket instead of host and port, or NULL */
  const int *inherited;  /* listening sockets of systemd (LISTEN_FDS), shared by all loops */
  size_t num_inherited;
  int loops;                /* [one per available core] */
  int backlog;              /* [1024] */
  int64_t connections;      /* [10000] in all; beyond, the oldest idle one is closed, else the new one gets 503 */
  int64_t header_limit;     /* [65536] bytes of request line and headers: 431, request line 414 */
  int64_t body_limit;       /* [64 MiB] default of exchange->body_limit: 413 */
  int64_t memory;           /* [1 GiB] bodies and arenas of all requests together: 503 */
  int64_t head_timeout_ms;  /* [10000] from the first byte to the end of the head: 408 */
  int64_t idle_timeout_ms;  /* [60000] between requests */
  int64_t body_timeout_ms;  /* [30000] without a byte of the body, or below 1 KiB/s over it: 408 */
  int64_t write_timeout_ms; /* [30000] without the client taking a byte */
  int64_t drain_ms;         /* [10000] longest wait for running requests at stop */
  struct mlaas_tls_options tls;
  struct mlaas_handler handler;
  /* Called once per loop before it runs, to make state of the floors above and mlaas_loop_after_round; may be NULL. */
  enum mlaas_status (*setup)(void *context, struct mlaas_loop *loop, struct mlaas_error *error);
  void (*teardown)(void *context, struct mlaas_loop *loop); /* after the last exchange of the loop */
};

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
