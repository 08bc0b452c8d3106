/* Replies of HTTP/1.1: the head is written beside the exchange, and goes out with the body in one call. Files go out
 * in pieces. Knows no route.
 */
#include "net/http1_reply.h"

#include <stdio.h>
#include <unistd.h>

enum { PIECE = 128 << 10, FIXED_LINES = 320 };

/* ---- the request as handlers see it ---- */

static bool is_plain_id(struct mlaas_slice id) {
  if (id.size == 0 || id.size > sizeof((struct mlaas_request *)0)->id - 1)
    return false;
  for (size_t i = 0; i < id.size; i++) {
    char byte = id.data[i];
    bool letter = (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z', digit = byte >= '0' && byte <= '9';
    if (!letter && !digit && !memchr("-_.:+=@", byte, 7))
      return false;
  }
  return true;
}

bool mlaas_http1_fill_request(struct mlaas_flight *flight) {
  struct mlaas_connection *connection = flight->connection;
  struct mlaas_request *request = &flight->exchange.request;
  const struct mlaas_http_head *head = &flight->head;
  request->method = head->method;
  request->target = head->target;
  request->path = head->path;
  request->query = head->query;
  request->host = head->host;
  request->headers = head->headers;
  request->num_headers = head->num_headers;
  request->body = (struct mlaas_slice){0};
  request->version = head->version;
  request->peer = connection->peer;
  request->subject = connection->subject;
  request->tls = connection->tls != NULL;
  request->began = connection->http1.began;
  if (is_plain_id(head->request_id)) {
    memcpy(request->id, head->request_id.data, head->request_id.size);
    request->id[head->request_id.size] = 0;
  } else {
    mlaas_hub_make_id(connection->hub, request->id);
  }
  if (!head->path.size || !memchr(head->path.data, '%', head->path.size))
    return true;
  char *decoded = mlaas_arena_alloc(&flight->exchange.arena, head->path.size, 1, NULL);
  request->path.data = decoded;
  return decoded && mlaas_http_path_decode(head->path, decoded, &request->path.size);
}

/* ---- the head ---- */

static char *put(char *at, const char *text, size_t size) {
  memcpy(at, text, size);
  return at + size;
}

static char *put_text(char *at, const char *text) { return put(at, text, strlen(text)); }

static char *put_number(char *at, int64_t number) {
  char digits[20];
  size_t count = 0;
  do {
    digits[count++] = (char)('0' + number % 10);
    number /= 10;
  } while (number);
  while (count)
    *at++ = digits[--count];
  return at;
}

/* Bytes that are enough for the head. */
static size_t bound_head(const struct mlaas_flight *flight) {
  size_t size = FIXED_LINES + (flight->type ? strlen(flight->type) : 0);
  for (size_t i = 0; i < flight->num_headers; i++)
    size += strlen(flight->headers[i].name) + strlen(flight->headers[i].value) + 4;
  return size;
}

static char *put_connection(char *at, const struct mlaas_flight *flight, bool close) {
  if (close)
    return put_text(at, "Connection: close\r\n");
  return flight->head.version == 10 ? put_text(at, "Connection: keep-alive\r\n") : at;
}

static char *write_head(char *at, struct mlaas_flight *flight, bool close, int64_t length) {
  int status = flight->exchange.status;
  at = put_text(at, "HTTP/1.1 ");
  at = put_number(at, status);
  *at++ = ' ';
  at = put_text(at, mlaas_http_reason(status));
  at = put_text(at, "\r\n");
  at = put_text(at, mlaas_hub_date(flight->hub));
  if (flight->type) {
    at = put_text(at, "Content-Type: ");
    at = put_text(at, flight->type);
    at = put_text(at, "\r\n");
  }
  if (status >= 200 && status != 204 && status != 304) {
    at = put_text(at, "Content-Length: ");
    at = put_number(at, length);
    at = put_text(at, "\r\n");
  }
  at = put_text(at, "X-Request-Id: ");
  at = put_text(at, flight->exchange.request.id);
  at = put_text(at, "\r\n");
  for (size_t i = 0; i < flight->num_headers; i++) {
    at = put_text(at, flight->headers[i].name);
    at = put_text(at, ": ");
    at = put_text(at, flight->headers[i].value);
    at = put_text(at, "\r\n");
  }
  at = put_connection(at, flight, close);
  return put_text(at, "\r\n");
}

/* ---- files ---- */

static void read_piece(struct mlaas_flight *flight);

static void end_file(struct mlaas_flight *flight) {
  if (flight->fd >= 0)
    close(flight->fd);
  flight->fd = -1;
  mlaas_block_reset(&flight->piece);
}

static void over(struct mlaas_flight *flight) {
  end_file(flight);
  mlaas_hub_end_flight(flight);
}

static void on_piece(uv_fs_t *read) {
  struct mlaas_flight *flight = read->data;
  struct mlaas_connection *connection = flight->connection;
  int64_t count = (int64_t)read->result;
  uv_fs_req_cleanup(read);
  flight->reading = false;
  if (!connection->closing && count <= 0) /* shorter than it was said to be */
    mlaas_connection_close(connection);
  if (connection->closing) {
    over(flight);
    return;
  }
  flight->file_offset += count;
  flight->file_left -= count;
  flight->exchange.bytes_out += count;
  uv_buf_t part = uv_buf_init(flight->piece.data, (unsigned)count);
  if (!mlaas_connection_send(connection, &part, 1))
    return;
  if (connection->closing || flight->file_left == 0)
    over(flight);
  else
    read_piece(flight);
}

static void read_piece(struct mlaas_flight *flight) {
  int64_t size = flight->file_left < PIECE ? flight->file_left : PIECE;
  uv_buf_t buffer = uv_buf_init(flight->piece.data, (unsigned)size);
  flight->read.data = flight;
  flight->reading = true;
  if (uv_fs_read(mlaas_loop_uv(flight->hub->loop), &flight->read, flight->fd, &buffer, 1, flight->file_offset,
                 on_piece) < 0) {
    flight->reading = false;
    mlaas_connection_close(flight->connection);
    over(flight);
  }
}

/* ---- the reply ---- */

static void went_out(struct mlaas_flight *flight) {
  if (flight->fd >= 0 && flight->file_left > 0 && !flight->connection->closing)
    read_piece(flight);
  else
    over(flight);
}

void mlaas_http1_sent(struct mlaas_connection *connection) {
  if (connection->http1.flight && connection->http1.flight->replied)
    went_out(connection->http1.flight);
}

void mlaas_http1_give_up(struct mlaas_flight *flight) {
  if (!flight->reading)
    over(flight);
}

void mlaas_http1_tell_gone(struct mlaas_flight *flight) {
  if (flight->connection->told_gone || flight->replied)
    return;
  flight->connection->told_gone = true;
  if (flight->exchange.gone)
    flight->exchange.gone(&flight->exchange);
}

/* Out of memory for the reply: one that needs none. */
static void make_plain(struct mlaas_flight *flight, int status, struct mlaas_slice body) {
  end_file(flight);
  flight->num_headers = 0;
  flight->exchange.status = status;
  flight->type = "application/json";
  flight->body = body;
}

/* The handler is about to reply to the head alone: the body that comes is dropped if it is small and surely comes, else
 * the connection ends with this reply. */
static void decide_skip(struct mlaas_connection *connection) {
  struct mlaas_http1 *http = &connection->http1;
  size_t came = http->end - http->body;
  bool expected = http->flight->head.expects_continue && came == 0,
       comes = http->length < 0 || http->length > (int64_t)came;
  http->close |= expected || http->length > MLAAS_HTTP1_MOST_SKIPPED;
  http->lingers = http->close && comes;
}

void mlaas_http1_reply(struct mlaas_flight *flight) {
  struct mlaas_connection *connection = flight->connection;
  struct mlaas_http1 *http = &connection->http1;
  if (connection->closing) {
    flight->exchange.status = 499;
    over(flight);
    return;
  }
  if (flight->begun && !flight->handled && http->state != MLAAS_HTTP1_WAIT)
    decide_skip(connection);
  http->close |= connection->hub->stopping;
  char *text = flight->text;
  if (flight->bad_header)
    make_plain(flight, 500, MLAAS_SLICE("{\"error\": \"a header of the reply is not one line of text\"}\n"));
  size_t bound = bound_head(flight);
  if (bound > sizeof flight->text && !(text = mlaas_arena_alloc(&flight->exchange.arena, bound, 1, NULL))) {
    make_plain(flight, 503, MLAAS_SLICE("{\"error\": \"out of memory\"}\n"));
    text = flight->text;
  }
  if (flight->fd >= 0 && flight->file_left > 0 &&
      mlaas_block_new(connection->hub->shared->budget, PIECE, &flight->piece, NULL) != MLAAS_OK)
    make_plain(flight, 503, MLAAS_SLICE("{\"error\": \"out of memory\"}\n"));
  bool bare = mlaas_slice_is(flight->exchange.request.method, "HEAD") || flight->exchange.status == 204 ||
              flight->exchange.status == 304;
  char *end = write_head(text, flight, http->close, flight->fd >= 0 ? flight->file_left : (int64_t)flight->body.size);
  if (bare) {
    end_file(flight);
    flight->body.size = 0;
  }
  uv_buf_t parts[2] = {uv_buf_init(text, (unsigned)(end - text)),
                       uv_buf_init((char *)(uintptr_t)flight->body.data, (unsigned)flight->body.size)};
  flight->exchange.bytes_out = (int64_t)(parts[0].len + parts[1].len);
  if (text == flight->text && flight->body.size <= (size_t)(flight->text + sizeof flight->text - end)) {
    memcpy(end, flight->body.size ? flight->body.data : "", flight->body.size); /* cheaper than two pieces */
    parts[0].len += flight->body.size;
    parts[1].len = 0;
  }
  if (mlaas_connection_send(connection, parts, parts[1].len ? 2 : 1))
    went_out(flight);
}
