/* A connection: a socket, perhaps with TLS around it, between libuv and a codec. Knows bytes and times, no protocol.
 *
 * Nothing here calls back in a circle: what a codec is told, it is told from the loop's callbacks, and exchanges whose
 * reply is out are finished at the end of the round, when no handler is on the stack any more.
 */
#ifndef MLAAS_NET_CONNECTION_H
#define MLAAS_NET_CONNECTION_H

#include "net/http1.h"
#include "net/hub.h"

#include <uv.h>

struct mlaas_connection;

/* What the connection waits for: which of the timeouts counts. */
enum mlaas_wait { MLAAS_WAIT_IDLE, MLAAS_WAIT_HEAD, MLAAS_WAIT_BODY, MLAAS_WAIT_RUN, MLAAS_WAIT_LINGER };

/* One protocol. HTTP/2 will be another one of these, with several flights on a connection. */
struct mlaas_codec {
  void (*room)(struct mlaas_connection *connection, char **data, size_t *size); /* for the next bytes; 0: not now */
  void (*received)(struct mlaas_connection *connection, size_t size);           /* that many bytes were put there */
  void (*ended)(struct mlaas_connection *connection);                           /* the client sends no more */
  void (*sent)(struct mlaas_connection *connection);       /* what mlaas_connection_send kept is out now */
  void (*expired)(struct mlaas_connection *connection);    /* it waited too long */
  void (*stop)(struct mlaas_connection *connection);       /* the server stops: close it if nothing runs */
  void (*lost)(struct mlaas_connection *connection);       /* closed, for whatever reason: let go of everything */
  bool (*idle)(const struct mlaas_connection *connection); /* closed now, nobody would miss anything */
  void (*reply)(struct mlaas_flight *flight);              /* the handler has replied */
  void (*finish)(struct mlaas_flight *flight);             /* at the end of the round: the flight may be reused */
};

/* What stands between socket and codec, where bytes are sealed (tls.h). */
struct mlaas_filter {
  void (*received)(struct mlaas_connection *connection, const char *data, size_t size); /* from the socket */
  void (*resume)(struct mlaas_connection *connection);                                  /* the codec has room again */
  void (*written)(struct mlaas_connection *connection); /* what mlaas_connection_write kept is out now */
  bool (*send)(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count); /* as connection_send */
  void (*shutdown)(struct mlaas_connection *connection);
  void (*free)(struct mlaas_connection *connection);
};

/* State of the HTTP/1.1 codec. */
struct mlaas_http1 {
  int state;
  bool advancing, close, lingers, in_place;
  struct mlaas_buffer *in; /* [start, end) is not taken yet; the request that runs lies before */
  size_t start, end;
  struct mlaas_http_scan scan;
  struct mlaas_http_chunks chunks;
  struct mlaas_flight *flight; /* the only one */
  int64_t length, have;        /* of the body: announced (-1: chunked), read */
  size_t body;                 /* where it begins in the buffer, if in place */
  struct mlaas_block block;    /* where it is otherwise */
  int64_t began;               /* mlaas_now() at the first byte */
};

struct mlaas_connection {
  struct mlaas_member member; /* first */
  union {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
  } uv;
  uv_write_t write;
  uv_shutdown_t shutdown;
  struct mlaas_hub *hub;
  const struct mlaas_codec *codec;
  const struct mlaas_filter *filter; /* NULL: plain */
  struct mlaas_tls *tls;             /* the filter's */
  int num_flights;                   /* which keep it, also when it is closed */
  enum mlaas_wait wait;
  int64_t since;      /* of the wait, or of the last byte of it; ms as uv_now() */
  int64_t began, got; /* of a body: its first moment, its bytes so far */
  size_t unsent;      /* bytes that the socket has not taken, as last seen */
  uv_buf_t out[2];    /* what is left to send, before TLS */
  unsigned num_out;
  bool open; /* the handle is there */
  bool closing, closed, reading, writing, shut, ended, told_gone, refused;
  char peer[48];
  const char *subject;
  struct mlaas_http1 http1;
};

/* Memory of zeros from mlaas_alloc becomes a connection without a handle; closing it frees it. */
void mlaas_connection_init(struct mlaas_connection *connection, struct mlaas_hub *hub, const struct mlaas_codec *codec);
/* The socket is there: begins to read. */
void mlaas_connection_start(struct mlaas_connection *connection);
/* Sends one reply or a part of it. True: all is out (or the connection is lost). False: codec->sent comes later, and
 * the bytes have to stay. Only one at a time. */
bool mlaas_connection_send(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count);
void mlaas_connection_shutdown(struct mlaas_connection *connection); /* sends no more, still reads */
void mlaas_connection_close(struct mlaas_connection *connection);    /* at once; legal twice */
void mlaas_connection_pause(struct mlaas_connection *connection);
void mlaas_connection_resume(struct mlaas_connection *connection); /* there is room again */
void mlaas_connection_free_if_done(struct mlaas_connection *connection);
bool mlaas_connection_has_unread(const struct mlaas_connection *connection); /* the kernel keeps bytes for it */
void mlaas_connection_wait(struct mlaas_connection *connection, enum mlaas_wait wait);

/* For the filter: sends bytes of the wire as they are. False: filter->written comes later. */
bool mlaas_connection_write(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count);
/* When it will have waited too long, in ms as uv_now(). */
int64_t mlaas_connection_deadline(struct mlaas_connection *connection, int64_t now);
void mlaas_connection_expire(struct mlaas_connection *connection);

#endif
