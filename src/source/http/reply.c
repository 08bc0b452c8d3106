/* Lines of a head into a struct. Must not know who asked. */
#include "source/http/reply.h"

#include "source/http/byteranges.h"

#include <ctype.h>

enum { MOST_HEAD = 64 << 10 };

static void copy(char *out, size_t size, struct mlaas_slice text) {
  size_t now = text.size < size - 1 ? text.size : size - 1;
  memcpy(out, text.data, now);
  out[now] = 0;
}

static struct mlaas_slice trim(const char *data, size_t size) {
  while (size && (*data == ' ' || *data == '\t'))
    data++, size--;
  while (size && strchr(" \t\r\n", data[size - 1]))
    size--;
  return (struct mlaas_slice){data, size};
}

static int64_t number(struct mlaas_slice text) {
  int64_t value = 0;
  for (size_t i = 0; i < text.size; i++) {
    if (text.data[i] < '0' || text.data[i] > '9' || value > (INT64_MAX - 9) / 10)
      return -1;
    value = value * 10 + (text.data[i] - '0');
  }
  return text.size ? value : -1;
}

static void field(struct mlaas_http_reply *reply, struct mlaas_slice name, struct mlaas_slice value) {
  if (mlaas_slice_is_word(name, "content-length"))
    reply->length = number(value);
  else if (mlaas_slice_is_word(name, "content-range")) {
    reply->bad_range = reply->has_range;
    reply->has_range = mlaas_content_range_parse(value, &reply->first, &reply->last, &reply->total);
    reply->bad_range |= !reply->has_range;
  } else if (mlaas_slice_is_word(name, "content-encoding"))
    reply->encoded = value.size && !mlaas_slice_is_word(value, "identity");
  else if (mlaas_slice_is_word(name, "accept-ranges"))
    reply->refuses_ranges = mlaas_slice_is_word(value, "none");
  else if (mlaas_slice_is_word(name, "etag"))
    copy(reply->etag, sizeof reply->etag, value);
  else if (mlaas_slice_is_word(name, "last-modified"))
    copy(reply->modified, sizeof reply->modified, value);
  else if (mlaas_slice_is_word(name, "content-type"))
    copy(reply->type, sizeof reply->type, value);
  else if (mlaas_slice_is_word(name, "digest"))
    copy(reply->digest, sizeof reply->digest, value);
  else if (mlaas_slice_is_word(name, "x-amz-bucket-region"))
    copy(reply->region, sizeof reply->region, value);
}

/* "HTTP/1.1 206 Partial Content", "HTTP/2 206". */
static bool begin(struct mlaas_http_reply *reply, const char *data, size_t size) {
  const char *blank = memchr(data, ' ', size);
  *reply = (struct mlaas_http_reply){.length = -1, .head_size = reply->head_size};
  if (!blank || data + size - blank < 4)
    return false;
  reply->status = (int)number((struct mlaas_slice){blank + 1, 3});
  return reply->status >= 100;
}

enum mlaas_http_line mlaas_http_reply_line(struct mlaas_http_reply *reply, const char *data, size_t size) {
  reply->head_size += size;
  if (reply->head_size > MOST_HEAD)
    return MLAAS_HTTP_LINE_BAD;
  if (size >= 5 && memcmp(data, "HTTP/", 5) == 0)
    return begin(reply, data, size) ? MLAAS_HTTP_LINE_MORE : MLAAS_HTTP_LINE_BAD;
  struct mlaas_slice line = trim(data, size);
  if (line.size == 0)
    return reply->status < 200 ? MLAAS_HTTP_LINE_MORE : MLAAS_HTTP_LINE_END;
  const char *colon = memchr(line.data, ':', line.size);
  if (colon)
    field(reply, (struct mlaas_slice){line.data, (size_t)(colon - line.data)},
          trim(colon + 1, (size_t)(line.data + line.size - colon - 1)));
  return MLAAS_HTTP_LINE_MORE;
}

static bool is_weak(const char *etag) { return strncasecmp(etag, "W/", 2) == 0; }

const char *mlaas_http_reply_tag(const struct mlaas_http_reply *reply) {
  if (reply->etag[0] && !is_weak(reply->etag))
    return reply->etag;
  return reply->modified[0] ? reply->modified : reply->etag;
}

/* A tag in quotes was an ETag, any other a date. Only like is compared with like. */
bool mlaas_http_reply_differs(const struct mlaas_http_reply *reply, const char *tag) {
  if (!tag[0] || strcmp(reply->etag, tag) == 0 || strcmp(reply->modified, tag) == 0)
    return false;
  bool was_etag = tag[0] == '"' || is_weak(tag) || !isalpha((unsigned char)tag[0]) || !strchr(tag, ',');
  const char *now = was_etag ? reply->etag : reply->modified;
  if (!now[0])
    return false;
  return was_etag ? strcmp(now, tag) != 0 : strncmp(now, tag, sizeof reply->modified - 1) != 0;
}

void mlaas_http_reply_words(struct mlaas_http_reply *reply, const char *data, size_t size) {
  for (size_t i = 0; i < size && reply->words_size < sizeof reply->words - 1; i++) {
    unsigned char c = (unsigned char)data[i];
    reply->words[reply->words_size++] = (char)(c >= 0x20 && c < 0x7f ? c : ' ');
  }
  reply->words[reply->words_size] = 0;
}
