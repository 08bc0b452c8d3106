/* The handlers of TFaaS's dialect, for its table of routes (tfaas.c). */
#ifndef MLAAS_SERVE_TFAAS_H
#define MLAAS_SERVE_TFAAS_H

#include "serve/service.h"

/* tfaas_predict.c */
mlaas_route_handle mlaas_tfaas_json, mlaas_tfaas_proto, mlaas_tfaas_predict;

#endif
