/* One thread per process that does all HTTP, begun at the first use: connections are kept and shared among files. A
 * child of a fork gets a thread of its own, at its first use; what the parent opened is refused there. */
#ifndef MLAAS_SOURCE_HTTP_LOOP_H
#define MLAAS_SOURCE_HTTP_LOOP_H

#include "source/http/request.h"

#include <pthread.h>

/* Something to do in the loop's thread; part of a larger struct. */
struct mlaas_http_task {
  struct mlaas_http_task *next;
  void (*run)(struct mlaas_http_task *task);
};

/* A server, and what we found out about it. Of the loop's thread; lives as long as the loop. */
struct mlaas_http_host {
  struct mlaas_http_host *next;
  char origin[MLAAS_HTTP_ORIGIN_SIZE];
  int active;
  bool met, may_multiplex;                 /* asked before; in HTTP/2 where it has that */
  bool multiplexes;                        /* and it has */
  bool gives_parts;                        /* it answered a range with that range, ever */
  int64_t heard_ms;                        /* when a request that has ended heard something */
  int heard_port;                          /* on which connection: our port */
  size_t most_ranges;                      /* of one request; 1: it cannot do several */
  size_t good_ranges;                      /* of one request that it answered as it should */
  struct mlaas_http_request *first, *last; /* that wait */
};

/* The loop of this process. Errors: MEMORY, IO (no thread). */
enum mlaas_status mlaas_http_loop_get(struct mlaas_http_loop **loop, struct mlaas_error *error);
/* False in a child of the process that made it. */
bool mlaas_http_loop_is_ours(const struct mlaas_http_loop *loop);
/* From any thread. */
void mlaas_http_loop_post(struct mlaas_http_loop *loop, struct mlaas_http_task *task);
/* The same, while the lock is held. */
void mlaas_http_loop_post_locked(struct mlaas_http_loop *loop, struct mlaas_http_task *task);
/* Guards what other threads touch too: whether a fetch has ended. */
pthread_mutex_t *mlaas_http_loop_lock(struct mlaas_http_loop *loop);

/* ---- in the loop's thread only ---- */

/* on_end comes later, never from within. */
void mlaas_http_loop_begin(struct mlaas_http_loop *loop, struct mlaas_http_request *request);
/* Forgets a request that was begun: no on_end. Nothing happens if it has ended. */
void mlaas_http_loop_drop(struct mlaas_http_loop *loop, struct mlaas_http_request *request);
/* NULL: no memory. */
struct mlaas_http_host *mlaas_http_loop_host(struct mlaas_http_loop *loop, const char *origin);

#endif
