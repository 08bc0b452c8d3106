/* HTTP/1.1 over a connection: one exchange at a time, requests that came ahead wait in the buffer. Knows no route.
 *
 * A request runs where it was read: its head in the buffer, its body behind it if it fits, else in a block of its own.
 */
#include "net/http1_codec.h"

#include "base/error.h"
#include "net/http1_reply.h"

enum { SMALL_ROOM = 2048, FIRST_BLOCK = 64 << 10 };

static void advance(struct mlaas_connection *connection);
static bool go_on(struct mlaas_connection *connection);

/* ---- buffers ---- */

static bool fits_more(const struct mlaas_http1 *http) { return http->end < http->in->capacity; }

/* Before any slice points into it. */
static bool grow_buffer(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  size_t most = (size_t)connection->hub->shared->options.header_limit + SMALL_ROOM, capacity = http->in->capacity * 2;
  struct mlaas_buffer *larger = mlaas_hub_get_buffer(connection->hub, capacity > most ? most : capacity);
  if (!larger)
    return false;
  memcpy(larger->data, http->in->data + http->start, http->end - http->start);
  http->end -= http->start;
  http->start = 0;
  mlaas_hub_put_buffer(connection->hub, http->in);
  http->in = larger;
  return true;
}

static void http1_room(struct mlaas_connection *connection, char **data, size_t *size) {
  struct mlaas_http1 *http = &connection->http1;
  if (http->state == MLAAS_HTTP1_READ_BODY && http->length >= 0 && !http->in_place) {
    *data = (char *)http->block.data + http->have;
    *size = (size_t)(http->length - http->have);
    return;
  }
  if (!http->in) {
    http->in = mlaas_hub_get_buffer(connection->hub, MLAAS_BUFFER_BYTES);
    http->start = http->end = 0;
  }
  if (!http->in) {
    mlaas_connection_close(connection); /* not even room to say so */
    *size = 0;
    return;
  }
  *data = http->in->data + http->end;
  *size = http->in->capacity - http->end;
}

static void release_buffer(struct mlaas_connection *connection) {
  mlaas_hub_put_buffer(connection->hub, connection->http1.in);
  connection->http1.in = NULL;
  connection->http1.start = connection->http1.end = 0;
}

/* ---- refusing ---- */

static struct mlaas_flight *take_flight(struct mlaas_connection *connection) {
  struct mlaas_flight *flight = mlaas_hub_take_flight(connection->hub, connection);
  connection->num_flights += flight != NULL;
  return flight;
}

/* The request cannot be understood or is too much: says why and ends the connection. */
static bool refuse(struct mlaas_connection *connection, int status, const char *why) {
  struct mlaas_http1 *http = &connection->http1;
  http->close = true;
  http->lingers = true;
  http->state = MLAAS_HTTP1_WAIT;
  mlaas_count(&connection->hub->counters.bad_requests, 1);
  if (!http->flight) {
    http->flight = take_flight(connection);
    if (http->flight) {
      struct mlaas_http_head *head = &http->flight->head;
      head->num_headers = 0;
      head->method = head->target = head->path = head->query = head->host = head->request_id = (struct mlaas_slice){0};
      head->version = 11;
      mlaas_http1_fill_request(http->flight);
    }
  }
  if (!http->flight || http->flight->replied) {
    mlaas_connection_close(connection);
    return false;
  }
  mlaas_exchange_refuse(&http->flight->exchange, status, "%s", why);
  return false;
}

/* ---- heads ---- */

/* Parses into the next free flight, which is taken once there is a request. */
static enum mlaas_http_result parse(struct mlaas_connection *connection, struct mlaas_flight *flight) {
  struct mlaas_http1 *http = &connection->http1;
  return mlaas_http_head_parse(&flight->head, &http->scan, http->in->data + http->start, http->end - http->start);
}

/* 0: it is well. */
static int check_head(struct mlaas_connection *connection, struct mlaas_flight *flight) {
  struct mlaas_http1 *http = &connection->http1;
  int64_t limit = connection->hub->shared->options.header_limit;
  if ((int64_t)flight->head.size > limit)
    return 431;
  if (flight->head.length >= 0 || http->in->capacity - http->start - flight->head.size >= SMALL_ROOM)
    return 0;
  http->scan = (struct mlaas_http_scan){0}; /* chunks need room behind the head: slices move along */
  return grow_buffer(connection) && parse(connection, flight) == MLAAS_HTTP_DONE ? 0 : 503;
}

static bool begin_body(struct mlaas_connection *connection);

static bool need_more_head(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  size_t size = http->end - http->start;
  if ((int64_t)size > connection->hub->shared->options.header_limit)
    return http->scan.line <= 2 ? refuse(connection, 414, "the request line is too long")
                                : refuse(connection, 431, "the headers are too long");
  if (connection->ended && size > 0)
    return refuse(connection, 400, "the request ends early");
  if (connection->wait != MLAAS_WAIT_HEAD && size > 0) {
    http->began = mlaas_now();
    mlaas_connection_wait(connection, MLAAS_WAIT_HEAD);
  }
  if (!fits_more(http) && !grow_buffer(connection))
    return refuse(connection, 503, "there is no memory for the headers");
  return false;
}

static bool read_head(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (!http->in || http->start == http->end) {
    if (connection->ended)
      mlaas_connection_close(connection);
    else if (connection->wait != MLAAS_WAIT_IDLE)
      mlaas_connection_wait(connection, MLAAS_WAIT_IDLE);
    return false;
  }
  struct mlaas_flight *flight = mlaas_hub_next_flight(connection->hub);
  if (!flight) {
    mlaas_connection_close(connection);
    return false;
  }
  enum mlaas_http_result result = parse(connection, flight);
  if (result == MLAAS_HTTP_MORE)
    return need_more_head(connection);
  if (result == MLAAS_HTTP_BAD) {
    int status = flight->head.status;
    return refuse(connection, status, flight->head.why);
  }
  int status = check_head(connection, flight);
  if (status)
    return refuse(connection, status, status == 431 ? "the headers are too long" : "there is no memory for the body");
  http->flight = take_flight(connection);
  if (connection->wait != MLAAS_WAIT_HEAD)
    http->began = mlaas_now();
  connection->wait = MLAAS_WAIT_RUN;
  http->scan = (struct mlaas_http_scan){0};
  http->body = http->start + flight->head.size;
  http->length = flight->head.length;
  http->have = 0;
  http->close = !flight->head.keep_alive;
  http->start = http->body;
  flight->exchange.bytes_in = (int64_t)flight->head.size;
  if (!mlaas_http1_fill_request(flight))
    return refuse(connection, 400, "the path has a bad percent code or a control character");
  return begin_body(connection);
}

/* ---- bodies ---- */

static const struct mlaas_handler *handler_of(const struct mlaas_connection *connection) {
  return &connection->hub->shared->options.handler;
}

/* The input side is done with this request. */
static bool complete(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  struct mlaas_exchange *exchange = &http->flight->exchange;
  http->state = MLAAS_HTTP1_WAIT;
  connection->wait = MLAAS_WAIT_RUN;
  exchange->bytes_in += http->have;
  exchange->request.body = (struct mlaas_slice){
      http->in_place ? http->in->data + http->body : (const char *)http->block.data, (size_t)http->have};
  http->flight->handled = true;
  handler_of(connection)->handle(handler_of(connection)->context, exchange);
  return false;
}

/* A body of known length: what came with the head is taken, and what is left gets its place. */
static bool place_body(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  size_t came = http->end - http->body;
  http->in_place = http->length <= (int64_t)(http->in->capacity - http->body);
  if (http->in_place)
    return true;
  struct mlaas_error error;
  if (mlaas_block_new(connection->hub->shared->budget, http->length, &http->block, &error) != MLAAS_OK)
    return refuse(connection, 503, "there is no memory for the body now");
  memcpy(http->block.data, http->in->data + http->body, came);
  http->have = (int64_t)came;
  http->start = http->end = http->body;
  return true;
}

static bool answer_expect(struct mlaas_connection *connection) {
  static char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
  uv_buf_t part = uv_buf_init(text, sizeof text - 1);
  if (!mlaas_connection_send(connection, &part, 1))
    mlaas_connection_close(connection); /* a client that does not even take this */
  return !connection->closing;
}

static bool skip_or_close(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (http->lingers) {
    http->state = MLAAS_HTTP1_WAIT;
    return false;
  }
  http->state = MLAAS_HTTP1_SKIP_BODY;
  http->in_place = true;
  mlaas_connection_wait(connection, MLAAS_WAIT_BODY);
  return true;
}

static bool begin_body(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  struct mlaas_flight *flight = http->flight;
  flight->begun = true;
  connection->told_gone = http->lingers = false;
  http->chunks = (struct mlaas_http_chunks){0};
  http->in_place = true;
  http->state = MLAAS_HTTP1_READ_BODY;
  handler_of(connection)->begin(handler_of(connection)->context, &flight->exchange);
  if (connection->closing)
    return false;
  if (flight->replied)
    return skip_or_close(connection);
  if (http->length > flight->exchange.body_limit)
    return refuse(connection, 413, "the body is too long");
  if (http->length >= 0 && !place_body(connection))
    return false;
  int64_t came = (int64_t)(http->end - http->body);
  if (http->length < 0 || came < http->length) {
    mlaas_connection_wait(connection, MLAAS_WAIT_BODY);
    if (flight->head.expects_continue && !answer_expect(connection))
      return false;
  }
  return true;
}

/* Content of a chunk, which lies in the buffer behind what is there already. */
static int append(struct mlaas_connection *connection, struct mlaas_slice content) {
  struct mlaas_http1 *http = &connection->http1;
  int64_t have = http->have + (int64_t)content.size;
  if (have > http->flight->exchange.body_limit)
    return 413;
  if (http->in_place) {
    memmove(http->in->data + http->body + http->have, content.data, content.size);
  } else {
    if (mlaas_block_grow(&http->block, have, NULL) != MLAAS_OK)
      return 503;
    memcpy((char *)http->block.data + http->have, content.data, content.size);
  }
  http->have = have;
  return 0;
}

/* The buffer is full of content: it goes to a block that can grow, and the buffer takes the bytes of the wire only. */
static bool spill(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  int64_t size = http->have * 2 > FIRST_BLOCK ? http->have * 2 : FIRST_BLOCK;
  if (mlaas_block_new(connection->hub->shared->budget, size, &http->block, NULL) != MLAAS_OK)
    return false;
  memcpy(http->block.data, http->in->data + http->body, (size_t)http->have);
  http->block.size = http->have;
  http->in_place = false;
  return true;
}

static bool read_chunks(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  while (http->start < http->end) {
    size_t used;
    struct mlaas_slice content;
    enum mlaas_http_result result =
        mlaas_http_chunks_next(&http->chunks, http->in->data + http->start, http->end - http->start, &used, &content);
    http->start += used;
    if (result == MLAAS_HTTP_BAD)
      return refuse(connection, 400, http->chunks.why);
    int status = content.size ? append(connection, content) : 0;
    if (status)
      return refuse(connection, status, status == 413 ? "the body is too long" : "there is no memory for the body now");
    if (result == MLAAS_HTTP_DONE)
      return complete(connection);
  }
  http->start = http->end = http->body + (http->in_place ? (size_t)http->have : 0);
  if (http->in->capacity - http->end < SMALL_ROOM / 2 && http->in_place && !spill(connection))
    return refuse(connection, 503, "there is no memory for the body now");
  if (!http->in_place)
    http->start = http->end = http->body;
  return connection->ended ? refuse(connection, 400, "the body ends early") : false;
}

static bool read_body(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (http->length < 0)
    return read_chunks(connection);
  if (http->in_place) {
    int64_t came = (int64_t)(http->end - http->body);
    http->have = came < http->length ? came : http->length;
    http->start = http->body + (size_t)http->have;
  }
  if (http->have == http->length)
    return complete(connection);
  return connection->ended ? refuse(connection, 400, "the body ends early") : false;
}

/* Drops the body of a request that is answered already, and goes on with the next. */
static bool skip_body(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  bool done = false;
  while (!done && http->start < http->end) {
    size_t used = http->end - http->start;
    if (http->length < 0) {
      struct mlaas_slice content;
      enum mlaas_http_result result =
          mlaas_http_chunks_next(&http->chunks, http->in->data + http->start, used, &used, &content);
      http->have += (int64_t)content.size;
      done = result == MLAAS_HTTP_DONE;
      if (result == MLAAS_HTTP_BAD || http->have > MLAAS_HTTP1_MOST_SKIPPED) {
        http->close = http->lingers = true;
        done = true;
      }
    } else {
      used = (int64_t)used < http->length - http->have ? used : (size_t)(http->length - http->have);
      http->have += (int64_t)used;
    }
    http->start += used;
    if (http->length >= 0 && http->have == http->length)
      break;
  }
  if (http->start == http->end)
    http->start = http->end = http->flight ? http->body : 0;
  if (!done && http->have != http->length) {
    if (connection->ended)
      mlaas_connection_close(connection);
    return false;
  }
  http->state = MLAAS_HTTP1_WAIT;
  connection->wait = MLAAS_WAIT_RUN;
  return go_on(connection);
}

/* ---- the whole ---- */

/* Takes what can be taken, without calling itself through handlers that reply at once. */
static void advance(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (http->advancing)
    return;
  http->advancing = true;
  for (bool more = true; more && !connection->closing;) {
    switch (http->state) {
    case MLAAS_HTTP1_READ_HEAD:
      more = read_head(connection);
      break;
    case MLAAS_HTTP1_READ_BODY:
      more = read_body(connection);
      break;
    case MLAAS_HTTP1_SKIP_BODY:
      more = skip_body(connection);
      break;
    case MLAAS_HTTP1_LINGER:
      http->start = http->end = 0;
      more = false;
      if (connection->ended)
        mlaas_connection_close(connection);
      break;
    default:
      more = false;
    }
  }
  http->advancing = false;
  if (connection->closing)
    return;
  if (http->in && !http->flight && http->start == http->end)
    release_buffer(connection);
  if (http->in && !fits_more(http) && http->state == MLAAS_HTTP1_WAIT)
    mlaas_connection_pause(connection);
  else
    mlaas_connection_resume(connection);
}

static void http1_received(struct mlaas_connection *connection, size_t size) {
  struct mlaas_http1 *http = &connection->http1;
  if (size == 0) {
    if (http->in && !http->flight && http->start == http->end)
      release_buffer(connection);
    return;
  }
  if (http->state == MLAAS_HTTP1_READ_BODY && http->length >= 0 && !http->in_place)
    http->have += (int64_t)size;
  else
    http->end += size;
  if (connection->wait == MLAAS_WAIT_BODY || connection->wait == MLAAS_WAIT_LINGER) {
    connection->since = mlaas_hub_now(connection->hub);
    connection->got += (int64_t)size;
  }
  advance(connection);
}

static void http1_ended(struct mlaas_connection *connection) {
  if (connection->wait == MLAAS_WAIT_RUN)
    mlaas_hub_look_in(connection->hub, 100);
  advance(connection);
}

/* The reply is out and the request is read: the next one, or the end. True: go on reading. */
static bool go_on(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (http->flight || http->state != MLAAS_HTTP1_WAIT)
    return false;
  mlaas_block_reset(&http->block);
  if (http->close) {
    bool more_comes = (http->lingers || http->start < http->end) && !connection->ended;
    if (!more_comes) {
      mlaas_connection_close(connection);
      return false;
    }
    http->state = MLAAS_HTTP1_LINGER;
    mlaas_connection_wait(connection, MLAAS_WAIT_LINGER);
    mlaas_connection_shutdown(connection);
    return true;
  }
  size_t left = http->end - http->start;
  if (left && http->start)
    memmove(http->in->data, http->in->data + http->start, left);
  http->start = 0;
  http->end = left;
  http->state = MLAAS_HTTP1_READ_HEAD;
  mlaas_connection_wait(connection, MLAAS_WAIT_IDLE);
  if (!connection->closing)
    mlaas_hub_touch(connection->hub, &connection->member);
  return true;
}

static void http1_finish(struct mlaas_flight *flight) {
  struct mlaas_connection *connection = flight->connection;
  struct mlaas_http1 *http = &connection->http1;
  http->flight = NULL;
  connection->num_flights--;
  mlaas_hub_put_flight(connection->hub, flight);
  if (connection->closing) {
    mlaas_block_reset(&http->block);
    release_buffer(connection);
    mlaas_connection_free_if_done(connection);
  } else if (go_on(connection) || http->state == MLAAS_HTTP1_SKIP_BODY) {
    advance(connection);
  }
}

static void http1_expired(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  if (connection->wait == MLAAS_WAIT_RUN && http->flight) {
    mlaas_http1_tell_gone(http->flight);
  } else if (connection->wait == MLAAS_WAIT_HEAD && http->state == MLAAS_HTTP1_READ_HEAD && http->in) {
    refuse(connection, 408, "the headers did not come in time");
  } else if (http->state == MLAAS_HTTP1_READ_BODY) {
    refuse(connection, 408, "the body did not come in time");
  } else {
    mlaas_connection_close(connection);
  }
}

/* A request that has come is answered, also if nobody has read it yet. */
static bool http1_idle(const struct mlaas_connection *connection) {
  const struct mlaas_http1 *http = &connection->http1;
  if (http->flight || http->state == MLAAS_HTTP1_LINGER)
    return !http->flight;
  return http->state == MLAAS_HTTP1_READ_HEAD && http->start == http->end && !mlaas_connection_has_unread(connection);
}

static void http1_stop(struct mlaas_connection *connection) {
  connection->http1.close = true;
  if (http1_idle(connection))
    mlaas_connection_close(connection);
}

static void http1_lost(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  struct mlaas_flight *flight = http->flight;
  if (!flight) {
    mlaas_block_reset(&http->block);
    release_buffer(connection);
    return;
  }
  if (flight->replied) {
    mlaas_http1_give_up(flight);
  } else if (flight->handled) {
    mlaas_http1_tell_gone(flight); /* and the handler will reply */
  } else {
    flight->replied = true;
    flight->exchange.status = 499;
    mlaas_hub_end_flight(flight);
  }
}

const struct mlaas_codec mlaas_http1_codec = {
    .room = http1_room,
    .received = http1_received,
    .ended = http1_ended,
    .sent = mlaas_http1_sent,
    .expired = http1_expired,
    .stop = http1_stop,
    .lost = http1_lost,
    .idle = http1_idle,
    .reply = mlaas_http1_reply,
    .finish = http1_finish,
};
