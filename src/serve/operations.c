/* What operators ask: is it alive, is it ready, how is it doing. */
#include "serve/metrics.h"
#include "serve/service.h"

static void reply_alive(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  (void)service;
  mlaas_exchange_reply(exchange, 200, "application/json", MLAAS_SLICE("{\"status\":\"alive\"}\n"));
}

static void reply_ready(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  if (mlaas_repository_ready(service->repository))
    mlaas_exchange_reply(exchange, 200, "application/json", MLAAS_SLICE("{\"status\":\"ready\"}\n"));
  else
    mlaas_exchange_refuse(exchange, 503, "models are still being loaded");
}

const struct mlaas_route mlaas_routes_operations[] = {
    {"GET HEAD", "/healthz", MLAAS_ROUTE_ROOT | MLAAS_ROUTE_SMALL, reply_alive, "healthz"},
    {"GET HEAD", "/readyz", MLAAS_ROUTE_ROOT | MLAAS_ROUTE_SMALL, reply_ready, "readyz"},
    {"GET HEAD", "/metrics", MLAAS_ROUTE_ROOT | MLAAS_ROUTE_SMALL, mlaas_metrics_reply, "metrics"},
    {0},
};
