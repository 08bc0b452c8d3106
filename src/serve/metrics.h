/* Counters of the service per loop, and /metrics in the text form of Prometheus. Counters of models live with their
 * instances (model/run/stats.h).
 */
#ifndef MLAAS_SERVE_METRICS_H
#define MLAAS_SERVE_METRICS_H

#include "serve/service.h"

struct mlaas_metrics;

/* Indices of routes are 0 .. routes. NULL: out of memory. */
struct mlaas_metrics *mlaas_metrics_new(int lanes, int routes);
void mlaas_metrics_free(struct mlaas_metrics *metrics);
/* On the loop of `lane`. */
void mlaas_metrics_count(struct mlaas_metrics *metrics, int lane, int route, const struct mlaas_exchange *exchange,
                         int64_t ns);
/* Requests of two methods since the start, for TFaaS's /status. */
void mlaas_metrics_methods(const struct mlaas_metrics *metrics, uint64_t *gets, uint64_t *posts);
/* The route /metrics. */
mlaas_route_handle mlaas_metrics_reply;

#endif
