/* One request and its reply, whatever the protocol that carried them: what the floors above see of the network.
 *
 * The codec fills the request, calls the handler, and sends what the handler replies. An exchange lives on one loop's
 * thread, from `begin` to `finished`; its arena, its headers and its body live as long. The handler replies exactly
 * once, at once or later; when the client goes away first, `gone` is called, and the handler still replies
 * (nothing is sent), as soon as it can. A client that only ends its own side looks the same at first: it gets a reply
 * that comes within a moment (100 ms), and whatever the handler replies when told that it has gone.
 */
#ifndef MLAAS_NET_EXCHANGE_H
#define MLAAS_NET_EXCHANGE_H

#include "base/memory.h"
#include "net/header.h"
#include "net/loop.h"

struct mlaas_request {
  struct mlaas_slice method;          /* as sent: "GET" */
  struct mlaas_slice target;          /* as sent, e.g. "/a%20b?x=1" or "*" */
  struct mlaas_slice path;            /* of target or of an absolute URI: percent codes decoded, "" never */
  struct mlaas_slice query;           /* behind '?', still encoded */
  struct mlaas_slice host;            /* of Host or of an absolute URI */
  const struct mlaas_header *headers; /* names in any case, without Transfer-Encoding's framing */
  size_t num_headers;
  struct mlaas_slice body; /* valid when `handle` is called; always one piece, decoded from chunks */
  int version;             /* 10, 11, later 20 */
  const char *peer;        /* the client's address as text, without port */
  const char *subject;     /* of a verified client certificate, else NULL */
  bool tls;
  int64_t began; /* mlaas_now() at the first byte of the request */
  char id[65];   /* request id: X-Request-Id if sent and plain, else made */
};

struct mlaas_exchange {
  struct mlaas_request request;
  struct mlaas_loop *loop;
  struct mlaas_arena arena;                      /* for everything made for this request */
  int64_t body_limit;                            /* `begin` may lower or raise it */
  void *user;                                    /* the handler's */
  void (*gone)(struct mlaas_exchange *exchange); /* the handler's, NULL: nothing to cancel */
  /* known when `finished` is called */
  int status;
  int64_t bytes_in, bytes_out; /* heads included */
};

/* What the floor above does with exchanges; all on the loop's thread. */
struct mlaas_handler {
  void *context;
  /* The head is complete and sound, the body not yet read: set body_limit, or reply at once (404, 405, 429). */
  void (*begin)(void *context, struct mlaas_exchange *exchange);
  /* The body is complete; not called if begin replied. */
  void (*handle)(void *context, struct mlaas_exchange *exchange);
  /* Sent, or given up: for log and counters. Also for requests that the codec refused (400, 408, 413, 431 ...); then
   * path and method may be empty. */
  void (*finished)(void *context, struct mlaas_exchange *exchange);
};

/* Value of the first header of that name (any case), or an empty slice with data NULL. */
struct mlaas_slice mlaas_request_header(const struct mlaas_request *request, const char *name);
/* Decoded value of the query's first parameter of that name into the arena; data NULL: not there or out of memory. */
struct mlaas_slice mlaas_request_parameter(struct mlaas_exchange *exchange, const char *name);

/* Adds a header to the reply, up to 32. `name` and `value` stay valid until finished (arena or static). Content-Length,
 * Date, Connection, Content-Type and X-Request-Id are the codec's. Values are checked for line breaks: such a reply
 * becomes a 500. */
void mlaas_exchange_header(struct mlaas_exchange *exchange, const char *name, const char *value);
/* Replies. `body` stays valid until finished (arena or static); HEAD, 204 and 304 send none of it. `type` may be NULL.
 */
void mlaas_exchange_reply(struct mlaas_exchange *exchange, int status, const char *type, struct mlaas_slice body);
/* Replies with `length` bytes of a file from `offset`, read in bounded pieces; takes `fd` over. A file that gets
 * shorter ends the connection. */
void mlaas_exchange_reply_file(struct mlaas_exchange *exchange, int status, const char *type, int fd, int64_t offset,
                               int64_t length);
/* {"error": TEXT} and the status of `error`'s class. */
void mlaas_exchange_fail(struct mlaas_exchange *exchange, const struct mlaas_error *error);
/* The same with another HTTP status and a text of one's own. */
void mlaas_exchange_refuse(struct mlaas_exchange *exchange, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* "Bad Request"; never NULL. */
const char *mlaas_http_reason(int status);

#endif
