/* What libcurl and servers say, as status, words, and whether trying again may help. */
#ifndef MLAAS_SOURCE_HTTP_ERROR_H
#define MLAAS_SOURCE_HTTP_ERROR_H

#include "source/http/request.h"

/* Both set status, error and transient of the request. */
void mlaas_http_fail_code(struct mlaas_http_request *request, CURLcode code);
void mlaas_http_fail_reply(struct mlaas_http_request *request);

#endif
