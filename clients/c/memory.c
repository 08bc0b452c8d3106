/* Memory, texts and failing: what every file of the client stands on. Knows no server. */
#include "internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static long countdown; /* tests only */

static bool fails_now(void) { return countdown > 0 && --countdown == 0; }

void mlaas_client_memory_fail(long n) { countdown = n; }

void *mlaas_client_alloc(size_t size) { return fails_now() ? NULL : calloc(1, size ? size : 1); }

void *mlaas_client_realloc(void *old, size_t size) { return fails_now() ? NULL : realloc(old, size ? size : 1); }

void mlaas_client_free(void *pointer) { free(pointer); }

char *mlaas_client_copy(const char *text, size_t length) {
  char *copy = mlaas_client_alloc(length + 1);
  if (copy && length)
    memcpy(copy, text, length);
  return copy;
}

const char *mlaas_client_status_text(enum mlaas_client_status status) {
  static const char *const texts[] = {"success",
                                      "invalid argument",
                                      "the server cannot be reached",
                                      "timed out",
                                      "refused by the server",
                                      "not found on the server",
                                      "the server is busy",
                                      "the reply is not what the protocol says",
                                      "a local file failed",
                                      "out of memory",
                                      "cancelled"};
  return (size_t)status < sizeof texts / sizeof *texts ? texts[status] : "unknown status";
}

enum mlaas_client_status mlaas_client_fail(struct mlaas_client_error *error, enum mlaas_client_status status,
                                           const char *format, ...) {
  if (!error)
    return status;
  *error = (struct mlaas_client_error){.status = status};
  va_list list;
  va_start(list, format);
  vsnprintf(error->message, sizeof error->message, format, list);
  va_end(list);
  for (char *c = error->message; *c; c++) /* it may quote a reply */
    if ((unsigned char)*c < ' ' || *c == 0x7f)
      *c = ' ';
  return status;
}

enum mlaas_client_status mlaas_client_no_memory(struct mlaas_client_error *error) {
  return mlaas_client_fail(error, MLAAS_CLIENT_MEMORY, "no memory left");
}

/* ---- texts ---- */

void mlaas_client_buffer_add(struct mlaas_client_buffer *buffer, const void *data, size_t size) {
  if (buffer->failed || size == 0)
    return;
  if (buffer->room - buffer->size <= size) {
    size_t room = buffer->room ? buffer->room : 512;
    while (room - buffer->size <= size && room < SIZE_MAX / 4)
      room *= 2;
    char *larger = room - buffer->size > size ? mlaas_client_realloc(buffer->data, room) : NULL;
    if (!larger) {
      buffer->failed = true;
      return;
    }
    buffer->data = larger;
    buffer->room = room;
  }
  memcpy(buffer->data + buffer->size, data, size);
  buffer->size += size;
  buffer->data[buffer->size] = 0;
}

void mlaas_client_buffer_text(struct mlaas_client_buffer *buffer, const char *text) {
  mlaas_client_buffer_add(buffer, text, strlen(text));
}

size_t mlaas_client_utf8(const unsigned char *text) {
  static const struct {
    unsigned char mask, lead, least, most;
  } forms[] = {{0x80, 0x00, 0, 0}, {0xe0, 0xc0, 0x80, 0xbf}, {0xf0, 0xe0, 0x80, 0xbf}, {0xf8, 0xf0, 0x80, 0xbf}};
  for (size_t n = 0; n < 4; n++) {
    if ((text[0] & forms[n].mask) != forms[n].lead)
      continue;
    for (size_t i = 1; i <= n; i++)
      if ((text[i] & 0xc0) != 0x80)
        return 0;
    if ((n == 1 && text[0] < 0xc2) || (n == 2 && text[0] == 0xe0 && text[1] < 0xa0) ||
        (n == 2 && text[0] == 0xed && text[1] > 0x9f) || (n == 3 && text[0] == 0xf0 && text[1] < 0x90) ||
        (n == 3 && (text[0] > 0xf4 || (text[0] == 0xf4 && text[1] > 0x8f))))
      return 0;
    return n + 1;
  }
  return 0;
}

void mlaas_client_buffer_quote(struct mlaas_client_buffer *buffer, const char *text) {
  char code[8];
  mlaas_client_buffer_add(buffer, "\"", 1);
  while (*text) {
    size_t plain = 0, length;
    while ((unsigned char)text[plain] >= ' ' && (unsigned char)text[plain] < 0x7f && text[plain] != '"' &&
           text[plain] != '\\')
      plain++;
    mlaas_client_buffer_add(buffer, text, plain);
    text += plain;
    if (!*text)
      break;
    length = mlaas_client_utf8((const unsigned char *)text);
    if (*text == '"' || *text == '\\' || (length == 1 && (unsigned char)*text < ' ')) {
      snprintf(code, sizeof code, "\\u%04x", (unsigned)*text);
      mlaas_client_buffer_text(buffer, code);
    } else {
      mlaas_client_buffer_add(buffer, length ? text : "\xef\xbf\xbd", length ? length : 3);
    }
    text += length ? length : 1;
  }
  mlaas_client_buffer_add(buffer, "\"", 1);
}

bool mlaas_client_buffer_number(struct mlaas_client_buffer *buffer, double value, int digits) {
  char text[64], *to = text;
  if (isnan(value)) {
    mlaas_client_buffer_add(buffer, "null", 4);
    return true;
  }
  if (isinf(value))
    return false;
  if (value == (double)(int64_t)(fabs(value) < 1e9 ? value : 0.5) && (value != 0 || !signbit(value))) {
    mlaas_client_buffer_integer(buffer, (int64_t)value);
    return true;
  }
  snprintf(text, sizeof text, "%.*g", digits, value);
  for (const char *from = text; *from; from++) /* the decimal point of any locale, also one of several bytes */
    if (strchr("0123456789+-e", *from))
      *to++ = *from;
    else if (to == text || to[-1] != '.')
      *to++ = '.';
  mlaas_client_buffer_add(buffer, text, (size_t)(to - text));
  return true;
}

void mlaas_client_buffer_integer(struct mlaas_client_buffer *buffer, int64_t value) {
  char text[24], *at = text + sizeof text;
  uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
  do {
    *--at = (char)('0' + rest % 10);
    rest /= 10;
  } while (rest);
  if (value < 0)
    *--at = '-';
  mlaas_client_buffer_add(buffer, at, (size_t)(text + sizeof text - at));
}

void mlaas_client_buffer_path(struct mlaas_client_buffer *buffer, const char *text) {
  for (; *text; text++) {
    char code[4];
    unsigned char c = (unsigned char)*text;
    bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-._~", c);
    snprintf(code, sizeof code, "%%%02X", c);
    mlaas_client_buffer_add(buffer, plain ? text : code, plain ? 1 : 3);
  }
}

void mlaas_client_buffer_reset(struct mlaas_client_buffer *buffer) {
  free(buffer->data);
  *buffer = (struct mlaas_client_buffer){0};
}
