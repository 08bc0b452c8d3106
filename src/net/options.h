/* What a server is told: where it listens, what bounds a connection, who handles exchanges. Knows no route. */
#ifndef MLAAS_NET_OPTIONS_H
#define MLAAS_NET_OPTIONS_H

#include "net/exchange.h"

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

#endif
