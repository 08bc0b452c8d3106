/* What the connections of one loop share: pools, the list of all, the clock of timeouts, counters, the list of
 * exchanges that are over. Knows no protocol; what is done with lists and clock is in watch.h.
 */
#ifndef MLAAS_NET_HUB_H
#define MLAAS_NET_HUB_H

#include "net/http1.h"
#include "net/options.h"

#include <stdatomic.h>
#include <uv.h>

struct mlaas_connection;
struct ssl_ctx_st;

enum { MLAAS_MOST_REPLY_HEADERS = 32, MLAAS_BUFFER_BYTES = 16 << 10, MLAAS_CIPHER_BYTES = 64 << 10 };

/* Bytes read and not yet taken, with a request that runs in them. */
struct mlaas_buffer {
  struct mlaas_block block; /* that it lives in */
  struct mlaas_buffer *next;
  size_t capacity;
  char *data;
};

/* An exchange and the private part of it. */
struct mlaas_flight {
  struct mlaas_exchange exchange; /* the first member: what handlers see */
  struct mlaas_connection *connection;
  struct mlaas_hub *hub;
  struct mlaas_flight *next;
  struct mlaas_http_head head;
  bool begun, handled, replied, over, reading;
  /* the reply */
  const char *type;
  struct mlaas_slice body;
  struct mlaas_header_out {
    const char *name, *value;
  } headers[MLAAS_MOST_REPLY_HEADERS];
  size_t num_headers;
  bool bad_header;
  int fd; /* of a file, -1: none */
  int64_t file_offset, file_left;
  uv_fs_t read;
  struct mlaas_block piece;
  char text[1024]; /* head of the reply, if it fits */
};

/* What the loops share. */
struct mlaas_shared {
  struct mlaas_server_options options; /* without zeros */
  struct mlaas_budget *budget;
  atomic_llong open;
  size_t most_refused; /* connections of a loop that are told why they are turned away */
  uv_mutex_t tls_lock;
  struct ssl_ctx_st *tls; /* NULL: plain */
};

struct mlaas_counters {
  atomic_llong accepted, refused, requests, bytes_in, bytes_out, timeouts, bad_requests;
};

/* A place in the list of connections: the first member of each. */
struct mlaas_member {
  struct mlaas_member *next, *before;
  int64_t touched; /* when it was last put at the end */
};

struct mlaas_hub {
  struct mlaas_shared *shared;
  struct mlaas_loop *loop;
  struct mlaas_member *first, *last;     /* the least recently used first, to a second */
  struct mlaas_buffer *buffers;          /* free ones */
  struct mlaas_flight *flights;          /* free ones */
  struct mlaas_flight *over, *over_last; /* sent or given up: finished at the end of the round */
  size_t num_buffers, num_flights, num_connections, num_refused;
  uv_timer_t timer;
  uv_timer_cb on_timer; /* watch.c */
  int64_t tick;         /* ms */
  bool stopping, cutting;
  int64_t cut_at;               /* when the wait for running requests ends */
  void (*empty)(void *owner);   /* stopping, and the last connection is gone */
  void (*starves)(void *owner); /* files are short, and the idle connections are those of other loops */
  void *owner;
  time_t second;
  char date[40];
  uint64_t id_seed;
  char *cipher; /* MLAAS_CIPHER_BYTES, if TLS is spoken */
  struct mlaas_counters counters;
};

enum mlaas_status mlaas_hub_init(struct mlaas_hub *hub, struct mlaas_shared *shared, struct mlaas_loop *loop,
                                 struct mlaas_error *error);
void mlaas_hub_reset(struct mlaas_hub *hub); /* after the loop has ended */

struct mlaas_buffer *mlaas_hub_get_buffer(struct mlaas_hub *hub, size_t capacity);
void mlaas_hub_put_buffer(struct mlaas_hub *hub, struct mlaas_buffer *buffer);
/* The next free flight, made if need be, but left in the pool: a head is parsed there before it is known whether it is
 * complete. NULL: out of memory. */
struct mlaas_flight *mlaas_hub_next_flight(struct mlaas_hub *hub);
struct mlaas_flight *mlaas_hub_take_flight(struct mlaas_hub *hub, struct mlaas_connection *connection);
void mlaas_hub_put_flight(struct mlaas_hub *hub, struct mlaas_flight *flight);
/* The reply is out, or will never be: `finished` is called at the end of the round. */
void mlaas_hub_end_flight(struct mlaas_flight *flight);

void mlaas_hub_add(struct mlaas_hub *hub, struct mlaas_member *member);
void mlaas_hub_remove(struct mlaas_hub *hub, struct mlaas_member *member);
void mlaas_hub_touch(struct mlaas_hub *hub, struct mlaas_member *member);
void mlaas_hub_look_in(struct mlaas_hub *hub, int64_t ms); /* at the timeouts, within that time */
int64_t mlaas_hub_now(const struct mlaas_hub *hub);        /* ms, of this round */

const char *mlaas_hub_date(struct mlaas_hub *hub); /* "Date: ...\r\n" */
void mlaas_hub_make_id(struct mlaas_hub *hub, char id[static 17]);

static inline void mlaas_count(atomic_llong *counter, int64_t more) {
  atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more, memory_order_relaxed);
}

#endif
