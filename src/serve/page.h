/* What the page's script asks for beside the routes of the dialects. */
#ifndef MLAAS_SERVE_PAGE_H
#define MLAAS_SERVE_PAGE_H

#include "serve/service.h"

mlaas_route_handle mlaas_describe_handle;   /* GET /models/NAME[?version=N][&load=1] */
mlaas_route_handle mlaas_repository_handle; /* GET /repository: every version of every model, also broken ones */

#endif
