/* The two halves of the HTTP/1.1 codec: http1_codec.c reads requests, http1_reply.c writes replies. */
#ifndef MLAAS_NET_HTTP1_CODEC_H
#define MLAAS_NET_HTTP1_CODEC_H

#include "net/connection.h"

/* What the input side does: http1.state. */
enum {
  MLAAS_HTTP1_READ_HEAD,
  MLAAS_HTTP1_READ_BODY,
  MLAAS_HTTP1_SKIP_BODY, /* the handler replied without it */
  MLAAS_HTTP1_WAIT,      /* the request is read; its reply is not out */
  MLAAS_HTTP1_LINGER,    /* everything is said; bytes that still come are dropped */
};

/* What handlers see, from the head that was parsed. False: the path cannot be decoded (or there is no memory). */
bool mlaas_http1_fill_request(struct mlaas_flight *flight);
/* Goes on when both halves are done with a request. True: there may be more to read. */
bool mlaas_http1_next(struct mlaas_connection *connection);

void mlaas_http1_decide_skip(struct mlaas_connection *connection);
void mlaas_http1_reply(struct mlaas_flight *flight);
void mlaas_http1_sent(struct mlaas_connection *connection);
/* The handler is told that nobody waits any more; once. */
void mlaas_http1_tell_gone(struct mlaas_flight *flight);
/* The connection was lost while the reply went out. */
void mlaas_http1_give_up(struct mlaas_flight *flight);

#endif
