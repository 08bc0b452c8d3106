/* So many requests per client and period, as TFaaS counts: a period begins with a client's first request. Memory is
 * fixed: when too many clients come at once, the one whose period is the oldest is forgotten. Knows no route. Thread
 * safe.
 */
#ifndef MLAAS_SERVE_LIMITER_H
#define MLAAS_SERVE_LIMITER_H

#include "net/exchange.h"

struct mlaas_limiter;

/* NULL: out of memory. */
struct mlaas_limiter *mlaas_limiter_new(int64_t requests, int64_t period_ns);
void mlaas_limiter_free(struct mlaas_limiter *limiter);
/* For a reload: counts go on. */
void mlaas_limiter_set(struct mlaas_limiter *limiter, int64_t requests, int64_t period_ns);

struct mlaas_limit {
  int64_t limit, left; /* left -1: refused */
  int64_t reset_ns;    /* until the period ends */
};
/* Counts one request of `client` at the time `now`. limit 0: there is no limit. */
struct mlaas_limit mlaas_limiter_count(struct mlaas_limiter *limiter, const char *client, int64_t now);

/* Counts the exchange, sets the three headers, and replies 429 if it is one too many. */
void mlaas_limiter_apply(struct mlaas_limiter *limiter, struct mlaas_exchange *exchange);

#endif
