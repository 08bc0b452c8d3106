/* The running service: what every dialect needs. One for the process, with one lane per loop. */
#ifndef MLAAS_SERVE_SERVICE_H
#define MLAAS_SERVE_SERVICE_H

#include "model/run/batcher.h"
#include "net/server.h"
#include "serve/config.h"

#include <jansson.h>

struct mlaas_limiter;
struct mlaas_log;
struct mlaas_metrics;
struct mlaas_router;

/* What belongs to one loop and needs no lock. */
struct mlaas_lane {
  struct mlaas_loop *loop;
  struct mlaas_batcher *batcher;
  struct mlaas_log_lane *log;
};

struct mlaas_service {
  struct mlaas_config config;
  struct mlaas_repository *repository;
  struct mlaas_server *server;
  struct mlaas_lane *lanes;
  struct mlaas_router *router;
  struct mlaas_limiter *limiter; /* NULL: no limit */
  struct mlaas_metrics *metrics;
  struct mlaas_log *log;
  struct mlaas_defaults *defaults; /* TFaaS's default model: see defaults.h */
  int64_t started;                 /* seconds since 1970 */
};

/* Takes the config over. Nothing listens before run. */
enum mlaas_status mlaas_service_open(struct mlaas_config *config, struct mlaas_service **service,
                                     struct mlaas_error *error);
enum mlaas_status mlaas_service_run(struct mlaas_service *service, struct mlaas_error *error);
void mlaas_service_stop(struct mlaas_service *service); /* any thread; a second call hurries */
enum mlaas_status mlaas_service_reload(struct mlaas_service *service, struct mlaas_error *error);
void mlaas_service_close(struct mlaas_service *service);

static inline struct mlaas_lane *mlaas_service_lane(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  return &service->lanes[mlaas_loop_index(exchange->loop)];
}

/* ---- routes: one table for all dialects (routes.c), matched in `begin` ---- */

typedef void mlaas_route_handle(struct mlaas_service *service, struct mlaas_exchange *exchange);

enum mlaas_route_flags {
  MLAAS_ROUTE_LIMITED = 1,  /* counts for the rate limit and carries its headers */
  MLAAS_ROUTE_UPLOAD = 2,   /* body up to config.upload_limit */
  MLAAS_ROUTE_SMALL = 4,    /* body up to 64 KiB */
  MLAAS_ROUTE_ROOT = 8,     /* also without the base path: probes do not know it */
  MLAAS_ROUTE_CHANGES = 16, /* not for pages of other sites, which browsers would let send it in their reader's place */
};

struct mlaas_route {
  const char *methods; /* "GET HEAD", separated by blanks; "*": any */
  const char *path;    /* "/delete/{}": one segment; "/download/...": the rest. A slash at the end is tolerated. */
  unsigned flags;
  mlaas_route_handle *handle;
  const char *name; /* for metrics: "json" */
};

/* A dialect is one such table, ended by a NULL path; routes.c lists the dialects. */
extern const struct mlaas_route mlaas_routes_tfaas[], mlaas_routes_operations[], mlaas_routes_page[];

/* What an exchange carries through the service: exchange->user from `begin` on, made by routes.c. Handlers keep what is
 * theirs in visit->user. */
struct mlaas_visit {
  struct mlaas_service *service;
  const struct mlaas_route *route; /* NULL: none matched */
  int route_index;                 /* for counters: 0 where none matched */
  struct mlaas_slice rest;
  void *user;
};

static inline struct mlaas_visit *mlaas_visit_of(const struct mlaas_exchange *exchange) { return exchange->user; }

/* What stood for "{}" or "..." in the matched path; empty where there was none. */
static inline struct mlaas_slice mlaas_route_rest(const struct mlaas_exchange *exchange) {
  return mlaas_visit_of(exchange)->rest;
}

/* All tables as one; NULL: out of memory. */
struct mlaas_router *mlaas_router_new(const char *base);
void mlaas_router_free(struct mlaas_router *router);
int mlaas_router_num_routes(const struct mlaas_router *router); /* indices of routes are 1 .. this */
const char *mlaas_router_name(const struct mlaas_router *router, int index);
/* The handler of the server; its context is the service. */
struct mlaas_handler mlaas_router_handler(struct mlaas_service *service);

/* ---- replies ---- */

/* Replies with the JSON, whose count it takes; NULL is out of memory. */
void mlaas_reply_json(struct mlaas_exchange *exchange, int status, json_t *json);

/* Work that blocks (files, uploads): `work` on a worker thread, which must not touch the exchange but for its request
 * and arena; `done` on the loop's thread replies. */
struct mlaas_errand {
  struct mlaas_service *service;
  struct mlaas_exchange *exchange;
  void (*work)(struct mlaas_errand *errand);
  void (*done)(struct mlaas_errand *errand);
  enum mlaas_status status; /* for `work` to set; done == NULL: fails with `error`, else replies 200 with nothing */
  struct mlaas_error error;
  void *user;
};
/* The errand is in the exchange's arena. When there is no memory to start it, `done` is called at once with the error.
 */
void mlaas_errand_start(struct mlaas_errand *errand);

#endif
