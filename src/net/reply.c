/* What handlers reply. The codec does the rest. */
#include "base/error.h"
#include "net/connection.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

static struct mlaas_flight *flight_of(struct mlaas_exchange *exchange) { return (struct mlaas_flight *)exchange; }

static bool is_line(const char *text) {
  for (; *text; text++)
    if ((unsigned char)*text < ' ' && *text != '\t')
      return false;
  return true;
}

void mlaas_exchange_header(struct mlaas_exchange *exchange, const char *name, const char *value) {
  struct mlaas_flight *flight = flight_of(exchange);
  if (flight->num_headers == MLAAS_MOST_REPLY_HEADERS || !is_line(value) || !is_line(name)) {
    flight->bad_header = true;
    return;
  }
  flight->headers[flight->num_headers++] = (struct mlaas_header_out){name, value};
}

void mlaas_exchange_reply(struct mlaas_exchange *exchange, int status, const char *type, struct mlaas_slice body) {
  struct mlaas_flight *flight = flight_of(exchange);
  if (flight->replied)
    return;
  flight->replied = true;
  exchange->status = status;
  flight->type = type;
  flight->body = body;
  flight->connection->codec->reply(flight);
}

void mlaas_exchange_reply_file(struct mlaas_exchange *exchange, int status, const char *type, int fd, int64_t offset,
                               int64_t length) {
  struct mlaas_flight *flight = flight_of(exchange);
  if (flight->replied) {
    close(fd);
    return;
  }
  flight->fd = fd;
  flight->file_offset = offset;
  flight->file_left = length;
  mlaas_exchange_reply(exchange, status, type, (struct mlaas_slice){0});
}

/* ---- errors ---- */

/* Bytes of the UTF-8 character that `text` begins with; 0: it is none. */
static size_t character(const char *text) {
  const unsigned char *byte = (const unsigned char *)text;
  size_t size = byte[0] < 0x80   ? 1
                : byte[0] < 0xc2 ? 0
                : byte[0] < 0xe0 ? 2
                : byte[0] < 0xf0 ? 3
                : byte[0] < 0xf5 ? 4
                                 : 0;
  for (size_t i = 1; i < size; i++)
    if ((byte[i] & 0xc0) != 0x80)
      return 0;
  bool odd = (byte[0] == 0xe0 && byte[1] < 0xa0) || (byte[0] == 0xed && byte[1] > 0x9f) ||
             (byte[0] == 0xf0 && byte[1] < 0x90) || (byte[0] == 0xf4 && byte[1] > 0x8f);
  return size > 1 && odd ? 0 : size;
}

/* A text inside the quotes of JSON; `out` has six times its room. */
static size_t escape(const char *text, char *out) {
  char *at = out;
  while (*text) {
    size_t size = character(text);
    if (size == 0) {
      memcpy(at, "\\ufffd", 6);
      at += 6;
      text++;
    } else if ((unsigned char)*text < 0x20 || *text == '"' || *text == '\\' || *text == 0x7f) {
      memcpy(at, "\\u00", 4);
      at[4] = "0123456789abcdef"[*text >> 4];
      at[5] = "0123456789abcdef"[*text & 15];
      at += 6;
      text++;
    } else {
      memcpy(at, text, size);
      at += size;
      text += size;
    }
  }
  return (size_t)(at - out);
}

static void reply_error(struct mlaas_exchange *exchange, int status, const char *text) {
  char *body = mlaas_arena_alloc(&exchange->arena, strlen(text) * 6 + 32, 1, NULL);
  if (!body) {
    mlaas_exchange_reply(exchange, status, "application/json", MLAAS_SLICE("{\"error\": \"out of memory\"}\n"));
    return;
  }
  memcpy(body, "{\"error\": \"", 11);
  size_t size = 11 + escape(text, body + 11);
  memcpy(body + size, "\"}\n", 3);
  mlaas_exchange_reply(exchange, status, "application/json", (struct mlaas_slice){body, size + 3});
}

void mlaas_exchange_fail(struct mlaas_exchange *exchange, const struct mlaas_error *error) {
  char text[sizeof error->where + sizeof error->message + 64];
  mlaas_error_format(error, text, sizeof text);
  reply_error(exchange, mlaas_status_http(error->status), text);
}

void mlaas_exchange_refuse(struct mlaas_exchange *exchange, int status, const char *format, ...) {
  char text[2048];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  reply_error(exchange, status, text);
}
