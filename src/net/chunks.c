/* Chunked bodies, a stretch at a time. Extensions and trailers are checked, bounded and dropped. */
#include "net/http1.h"

enum { MOST_OVERHEAD = 16 << 10, MOST_DIGITS = 15 };

enum {
  SIZE,      /* hexadecimal digits */
  EXTENSION, /* behind ';' */
  SIZE_LF,
  DATA,
  DATA_CR,
  DATA_LF,
  TRAILER, /* begin of a line behind the last chunk */
  TRAILER_NAME,
  TRAILER_VALUE,
  TRAILER_LF,
  LAST_LF,
};

static enum mlaas_http_result refuse(struct mlaas_http_chunks *chunks, const char *why) {
  chunks->why = why;
  return MLAAS_HTTP_BAD;
}

static int hex(char digit) {
  if (digit >= '0' && digit <= '9')
    return digit - '0';
  digit |= 0x20;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

static bool is_text(char byte) { return (unsigned char)byte >= 0x20 ? byte != 0x7f : byte == '\t'; }

static bool is_name(char byte) {
  return (unsigned char)byte > 0x20 && (unsigned char)byte < 0x7f && !strchr("\"(),/:;<=>?@[\\]{}", byte);
}

static enum mlaas_http_result take_size(struct mlaas_http_chunks *chunks, char byte) {
  int digit = hex(byte);
  if (digit >= 0 && chunks->digits < MOST_DIGITS) {
    chunks->left = chunks->left * 16 + (uint64_t)digit;
    chunks->digits++;
    return MLAAS_HTTP_MORE;
  }
  if (digit >= 0 || chunks->digits == 0 || (byte != '\r' && byte != ';'))
    return refuse(chunks, "the size of a chunk is not a hexadecimal number");
  chunks->digits = 0;
  chunks->state = byte == '\r' ? SIZE_LF : EXTENSION;
  return MLAAS_HTTP_MORE;
}

static enum mlaas_http_result take_line_feed(struct mlaas_http_chunks *chunks, char byte) {
  if (byte != '\n')
    return refuse(chunks, "a line of a chunked body does not end with carriage return and line feed");
  if (chunks->state == LAST_LF)
    return MLAAS_HTTP_DONE;
  if (chunks->state == SIZE_LF)
    chunks->state = chunks->left ? DATA : TRAILER;
  else
    chunks->state = chunks->state == DATA_LF ? SIZE : TRAILER;
  return MLAAS_HTTP_MORE;
}

/* Extensions and trailers. */
static enum mlaas_http_result take_unused(struct mlaas_http_chunks *chunks, char byte) {
  if (++chunks->overhead > MOST_OVERHEAD)
    return refuse(chunks, "the extensions and trailers of a chunked body are too long");
  if (chunks->state == TRAILER && byte == '\r') {
    chunks->state = LAST_LF;
  } else if (chunks->state == TRAILER || (chunks->state == TRAILER_NAME && byte != ':')) {
    if (!is_name(byte))
      return refuse(chunks, "a trailer has no name that ends with a colon");
    chunks->state = TRAILER_NAME;
  } else if (chunks->state == TRAILER_NAME) {
    chunks->state = TRAILER_VALUE;
  } else if (byte == '\r') {
    chunks->state = chunks->state == EXTENSION ? SIZE_LF : TRAILER_LF;
  } else if (!is_text(byte)) {
    return refuse(chunks, "a chunked body has control characters in an extension or trailer");
  }
  return MLAAS_HTTP_MORE;
}

static enum mlaas_http_result take_byte(struct mlaas_http_chunks *chunks, char byte) {
  switch (chunks->state) {
  case SIZE:
    return take_size(chunks, byte);
  case DATA_CR:
    if (byte != '\r')
      return refuse(chunks, "a chunk is longer than its size says");
    chunks->state = DATA_LF;
    return MLAAS_HTTP_MORE;
  case SIZE_LF:
  case DATA_LF:
  case TRAILER_LF:
  case LAST_LF:
    return take_line_feed(chunks, byte);
  default:
    return take_unused(chunks, byte);
  }
}

enum mlaas_http_result mlaas_http_chunks_next(struct mlaas_http_chunks *chunks, const char *data, size_t size,
                                              size_t *used, struct mlaas_slice *content) {
  *content = (struct mlaas_slice){0};
  for (*used = 0; *used < size;) {
    if (chunks->state == DATA) {
      size_t length = size - *used < chunks->left ? size - *used : (size_t)chunks->left;
      *content = (struct mlaas_slice){data + *used, length};
      *used += length;
      chunks->left -= length;
      if (chunks->left == 0)
        chunks->state = DATA_CR;
      return MLAAS_HTTP_MORE;
    }
    enum mlaas_http_result result = take_byte(chunks, data[(*used)++]);
    if (result != MLAAS_HTTP_MORE)
      return result;
  }
  return MLAAS_HTTP_MORE;
}
