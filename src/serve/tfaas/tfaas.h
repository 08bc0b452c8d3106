/* The handlers of TFaaS's dialect, for its table of routes (tfaas.c). */
#ifndef MLAAS_SERVE_TFAAS_TFAAS_H
#define MLAAS_SERVE_TFAAS_TFAAS_H

#include "serve/service.h"

/* predict.c */
mlaas_route_handle mlaas_tfaas_json, mlaas_tfaas_proto, mlaas_tfaas_predict;

/* image.c */
mlaas_route_handle mlaas_tfaas_image;

/* upload.c */
mlaas_route_handle mlaas_tfaas_upload;
/* Whether this request may change the models; false: it has been refused (read only, or a page of another site). */
bool mlaas_tfaas_may_change(struct mlaas_service *service, struct mlaas_exchange *exchange);

/* manage.c */
mlaas_route_handle mlaas_tfaas_models, mlaas_tfaas_delete;
mlaas_route_handle mlaas_tfaas_params_get, mlaas_tfaas_params_set, mlaas_tfaas_params_of_model;

/* status.c, download.c */
mlaas_route_handle mlaas_tfaas_status, mlaas_tfaas_download, mlaas_tfaas_data;

#endif
