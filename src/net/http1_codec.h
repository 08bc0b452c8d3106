/* HTTP/1.1 as a codec of connections: http1_codec.c reads requests, http1_reply.c writes replies. */
#ifndef MLAAS_NET_HTTP1_CODEC_H
#define MLAAS_NET_HTTP1_CODEC_H

#include "net/connection.h"

extern const struct mlaas_codec mlaas_http1_codec;

#endif
