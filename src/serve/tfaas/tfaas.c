/* The routes of TFaaS's dialect, in the spelling of its three generations. Its handlers are in tfaas_*.c. */
#include "serve/tfaas/tfaas.h"

const struct mlaas_route mlaas_routes_tfaas[] = {
    {"POST", "/json", MLAAS_ROUTE_LIMITED, mlaas_tfaas_json, "json"},
    {"POST", "/predict/json", MLAAS_ROUTE_LIMITED, mlaas_tfaas_json, "json"},
    {"POST", "/proto", MLAAS_ROUTE_LIMITED, mlaas_tfaas_proto, "proto"},
    {"POST", "/predict/proto", MLAAS_ROUTE_LIMITED, mlaas_tfaas_proto, "proto"},
    {"POST", "/predict", MLAAS_ROUTE_LIMITED, mlaas_tfaas_predict, "predict"},
    {"POST", "/image", MLAAS_ROUTE_LIMITED, mlaas_tfaas_image, "image"},
    {"POST", "/predict/image", MLAAS_ROUTE_LIMITED, mlaas_tfaas_image, "image"},
    {"POST", "/upload", MLAAS_ROUTE_LIMITED | MLAAS_ROUTE_CHANGES | MLAAS_ROUTE_UPLOAD, mlaas_tfaas_upload, "upload"},
    {"POST", "/bundle", MLAAS_ROUTE_LIMITED | MLAAS_ROUTE_CHANGES | MLAAS_ROUTE_UPLOAD, mlaas_tfaas_upload, "upload"},
    {"DELETE", "/delete", MLAAS_ROUTE_LIMITED | MLAAS_ROUTE_CHANGES | MLAAS_ROUTE_SMALL, mlaas_tfaas_delete, "delete"},
    {"DELETE", "/delete/{}", MLAAS_ROUTE_LIMITED | MLAAS_ROUTE_CHANGES | MLAAS_ROUTE_SMALL, mlaas_tfaas_delete,
     "delete"},
    {"GET", "/models", MLAAS_ROUTE_LIMITED, mlaas_tfaas_models, "models"},
    {"GET", "/params", MLAAS_ROUTE_LIMITED, mlaas_tfaas_params_get, "params"},
    {"POST", "/params", MLAAS_ROUTE_LIMITED | MLAAS_ROUTE_CHANGES, mlaas_tfaas_params_set, "params"},
    {"GET", "/params/{}", MLAAS_ROUTE_LIMITED, mlaas_tfaas_params_of_model, "params"},
    {"GET", "/status", MLAAS_ROUTE_LIMITED, mlaas_tfaas_status, "status"},
    {"GET", "/data", MLAAS_ROUTE_LIMITED, mlaas_tfaas_data, "data"},
    {"*", "/download/...", 0, mlaas_tfaas_download, "download"},
    {0},
};
