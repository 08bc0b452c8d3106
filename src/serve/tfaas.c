/* The routes of TFaaS's dialect, in the spelling of its three generations. Its handlers are in tfaas_*.c and image.c.
 */
#include "serve/tfaas.h"

const struct mlaas_route mlaas_routes_tfaas[] = {
    {"POST", "/json", MLAAS_ROUTE_LIMITED, mlaas_tfaas_json, "json"},
    {"POST", "/predict/json", MLAAS_ROUTE_LIMITED, mlaas_tfaas_json, "json"},
    {"POST", "/proto", MLAAS_ROUTE_LIMITED, mlaas_tfaas_proto, "proto"},
    {"POST", "/predict/proto", MLAAS_ROUTE_LIMITED, mlaas_tfaas_proto, "proto"},
    {"POST", "/predict", MLAAS_ROUTE_LIMITED, mlaas_tfaas_predict, "predict"},
    {0},
};
