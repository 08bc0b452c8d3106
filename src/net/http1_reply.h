/* The half of the HTTP/1.1 codec that writes replies, for the one that reads requests. */
#ifndef MLAAS_NET_HTTP1_REPLY_H
#define MLAAS_NET_HTTP1_REPLY_H

#include "net/connection.h"

/* What the input side does: http1.state. */
enum {
  MLAAS_HTTP1_READ_HEAD,
  MLAAS_HTTP1_READ_BODY,
  MLAAS_HTTP1_SKIP_BODY, /* the handler replied without it */
  MLAAS_HTTP1_WAIT,      /* the request is read; its reply is not out */
  MLAAS_HTTP1_LINGER,    /* everything is said; bytes that still come are dropped */
};

enum { MLAAS_HTTP1_MOST_SKIPPED = 256 << 10 }; /* bytes of a body that nobody wants */

/* What handlers see, from the head that was parsed. False: the path cannot be decoded (or there is no memory). */
bool mlaas_http1_fill_request(struct mlaas_flight *flight);
void mlaas_http1_reply(struct mlaas_flight *flight);
void mlaas_http1_sent(struct mlaas_connection *connection);
/* The handler is told that nobody waits any more; once. */
void mlaas_http1_tell_gone(struct mlaas_flight *flight);
/* The connection was lost while the reply went out. */
void mlaas_http1_give_up(struct mlaas_flight *flight);

#endif
