/* Heads of requests. The end is looked for first, line by line; a complete head is then read in one pass. Knows no
 * socket, no route.
 */
#include "net/http1.h"

/* What a byte may be part of. */
enum { TOKEN = 1, VALUE = 2, TARGET = 4, HOST = 8, DIGIT = 16 };

__extension__ static const unsigned char kinds[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = TOKEN | VALUE | TARGET | HOST,
    ['"'] = VALUE | TARGET,
    ['#'] = TOKEN | VALUE,
    ['$'] = TOKEN | VALUE | TARGET | HOST,
    ['%'] = TOKEN | VALUE | TARGET | HOST,
    ['&'] = TOKEN | VALUE | TARGET | HOST,
    ['\''] = TOKEN | VALUE | TARGET | HOST,
    ['('] = VALUE | TARGET | HOST,
    [')'] = VALUE | TARGET | HOST,
    ['*'] = TOKEN | VALUE | TARGET | HOST,
    ['+'] = TOKEN | VALUE | TARGET | HOST,
    [','] = VALUE | TARGET,
    ['-'] = TOKEN | VALUE | TARGET | HOST,
    ['.'] = TOKEN | VALUE | TARGET | HOST,
    ['/'] = VALUE | TARGET,
    ['0' ... '9'] = TOKEN | VALUE | TARGET | HOST | DIGIT,
    [':'] = VALUE | TARGET | HOST,
    [';'] = VALUE | TARGET | HOST,
    ['<'] = VALUE | TARGET,
    ['='] = VALUE | TARGET | HOST,
    ['>'] = VALUE | TARGET,
    ['?'] = VALUE | TARGET,
    ['@'] = VALUE | TARGET,
    ['A' ... 'Z'] = TOKEN | VALUE | TARGET | HOST,
    ['['] = VALUE | TARGET | HOST,
    ['\\'] = VALUE | TARGET,
    [']'] = VALUE | TARGET | HOST,
    ['^'] = TOKEN | VALUE | TARGET,
    ['_'] = TOKEN | VALUE | TARGET | HOST,
    ['`'] = TOKEN | VALUE | TARGET,
    ['a' ... 'z'] = TOKEN | VALUE | TARGET | HOST,
    ['{'] = VALUE | TARGET,
    ['|'] = TOKEN | VALUE | TARGET,
    ['}'] = VALUE | TARGET,
    ['~'] = TOKEN | VALUE | TARGET | HOST,
    [0x80 ... 0xff] = VALUE | TARGET,
};

static bool is(char byte, int kind) { return kinds[(unsigned char)byte] & kind; }

static size_t span(const char *data, size_t size, int kind) {
  size_t i = 0;
  while (i < size && is(data[i], kind))
    i++;
  return i;
}

static enum mlaas_http_result refuse(struct mlaas_http_head *head, int status, const char *why) {
  head->status = status;
  head->why = why;
  return MLAAS_HTTP_BAD;
}

/* ---- the request line ---- */

static const char *find(struct mlaas_slice text, char byte) {
  return text.size ? memchr(text.data, byte, text.size) : NULL;
}

static struct mlaas_slice from(struct mlaas_slice text, size_t start) {
  return (struct mlaas_slice){text.data + start, text.size - start};
}

/* Splits "scheme://host/path" off; false: neither that nor a path nor "*". */
static bool split_target(struct mlaas_http_head *head) {
  struct mlaas_slice rest = head->target;
  if (rest.size > 7 && strncasecmp(rest.data, "http://", 7) == 0)
    rest = from(rest, 7);
  else if (rest.size > 8 && strncasecmp(rest.data, "https://", 8) == 0)
    rest = from(rest, 8);
  if (rest.data != head->target.data) {
    size_t length = span(rest.data, rest.size, HOST);
    head->host = (struct mlaas_slice){rest.data, length};
    rest = from(rest, length);
    if (length == 0 || (rest.size && *rest.data != '/' && *rest.data != '?'))
      return false;
  } else if (mlaas_slice_is(rest, "*")) {
    head->path = rest;
    return mlaas_slice_is(head->method, "OPTIONS");
  } else if (*rest.data != '/') {
    return false;
  }
  const char *mark = find(rest, '?');
  head->path = (struct mlaas_slice){rest.data, mark ? (size_t)(mark - rest.data) : rest.size};
  if (mark)
    head->query = from(rest, head->path.size + 1);
  if (head->path.size == 0)
    head->path = MLAAS_SLICE("/");
  return true;
}

static enum mlaas_http_result parse_request_line(struct mlaas_http_head *head, struct mlaas_slice line) {
  size_t length = span(line.data, line.size, TOKEN);
  if (length == 0 || length > MLAAS_HTTP_MOST_METHOD || length == line.size || line.data[length] != ' ')
    return refuse(head, 400, "the request line does not begin with a method");
  head->method = (struct mlaas_slice){line.data, length};
  line = from(line, length + 1);
  length = span(line.data, line.size, TARGET);
  if (length == 0 || length == line.size || line.data[length] != ' ')
    return refuse(head, 400, "the request line has no target, or one with characters that have to be encoded");
  head->target = (struct mlaas_slice){line.data, length};
  line = from(line, length + 1);
  if (line.size != 8 || memcmp(line.data, "HTTP/", 5) != 0 || !is(line.data[5], DIGIT) || line.data[6] != '.' ||
      !is(line.data[7], DIGIT))
    return refuse(head, 400, "the request line does not end with a version of HTTP");
  if (line.data[5] != '1')
    return refuse(head, 505, "this version of HTTP is not spoken here");
  head->version = line.data[7] == '0' ? 10 : 11;
  return split_target(head) ? MLAAS_HTTP_DONE : refuse(head, 400, "the target is neither a path nor an address");
}

/* ---- headers ---- */

/* What several headers say together. */
struct framing {
  struct mlaas_slice host;
  bool has_host, has_length, close, keep, chunked, other_coding, expects, expects_other;
  int64_t length;
  bool bad_length, bad_host, bad_coding;
};

static void take_length(struct framing *framing, struct mlaas_slice value) {
  if (framing->has_length || value.size == 0 || value.size > 18 || span(value.data, value.size, DIGIT) != value.size) {
    framing->bad_length = true;
    return;
  }
  framing->has_length = true;
  for (size_t i = 0; i < value.size; i++)
    framing->length = framing->length * 10 + (value.data[i] - '0');
}

static void take_coding(struct framing *framing, struct mlaas_slice value) {
  if (framing->chunked || framing->other_coding) /* more than one header, or a list: nobody needs it */
    framing->bad_coding = true;
  if (mlaas_slice_is_word(value, "chunked"))
    framing->chunked = true;
  else
    framing->other_coding = true;
}

static void take_connection(struct framing *framing, struct mlaas_slice value) {
  while (value.size) {
    size_t blank = 0;
    while (blank < value.size && (value.data[blank] == ' ' || value.data[blank] == '\t' || value.data[blank] == ','))
      blank++;
    value = from(value, blank);
    size_t length = span(value.data, value.size, TOKEN);
    struct mlaas_slice word = {value.data, length};
    if (mlaas_slice_is_word(word, "close"))
      framing->close = true;
    else if (mlaas_slice_is_word(word, "keep-alive"))
      framing->keep = true;
    if (length == 0 && value.size) /* a character that does not belong there */
      length = 1;
    value = from(value, length);
  }
}

/* The headers that the protocol is about; false: keep it out of the list. */
static bool take_header(struct mlaas_http_head *head, struct framing *framing, const struct mlaas_header *header) {
  switch (header->name.size) {
  case 4:
    if (mlaas_slice_is_word(header->name, "Host")) {
      framing->bad_host |=
          framing->has_host || span(header->value.data, header->value.size, HOST) != header->value.size;
      framing->has_host = true;
      framing->host = header->value;
    }
    return true;
  case 6:
    if (mlaas_slice_is_word(header->name, "Expect")) {
      if (mlaas_slice_is_word(header->value, "100-continue"))
        framing->expects = true;
      else
        framing->expects_other = true;
    }
    return true;
  case 10:
    if (mlaas_slice_is_word(header->name, "Connection"))
      take_connection(framing, header->value);
    return true;
  case 12:
    if (mlaas_slice_is_word(header->name, "X-Request-Id"))
      head->request_id = header->value;
    return true;
  case 14:
    if (mlaas_slice_is_word(header->name, "Content-Length"))
      take_length(framing, header->value);
    return true;
  case 17:
    if (!mlaas_slice_is_word(header->name, "Transfer-Encoding"))
      return true;
    take_coding(framing, header->value);
    return false;
  default:
    return true;
  }
}

static enum mlaas_http_result parse_header(struct mlaas_http_head *head, struct framing *framing,
                                           struct mlaas_slice line) {
  if (*line.data == ' ' || *line.data == '\t')
    return refuse(head, 400, "a header is folded over several lines");
  size_t length = span(line.data, line.size, TOKEN);
  if (length == 0 || length == line.size || line.data[length] != ':')
    return refuse(head, 400, "a header has no name that ends with a colon");
  struct mlaas_header header = {.name = {line.data, length}};
  struct mlaas_slice value = from(line, length + 1);
  if (span(value.data, value.size, VALUE) != value.size)
    return refuse(head, 400, "a header has control characters in its value");
  while (value.size && (*value.data == ' ' || *value.data == '\t'))
    value = from(value, 1);
  while (value.size && (value.data[value.size - 1] == ' ' || value.data[value.size - 1] == '\t'))
    value.size--;
  header.value = value;
  if (!take_header(head, framing, &header))
    return MLAAS_HTTP_DONE;
  if (head->num_headers == MLAAS_HTTP_MOST_HEADERS)
    return refuse(head, 431, "there are more than 100 headers");
  head->headers[head->num_headers++] = header;
  return MLAAS_HTTP_DONE;
}

/* Where Content-Length, Transfer-Encoding and Host leave any doubt, the next reader might see another request. */
static enum mlaas_http_result settle(struct mlaas_http_head *head, const struct framing *framing) {
  if (framing->bad_host)
    return refuse(head, 400, "there are two Host headers, or one that is not a host");
  if (!framing->has_host && head->version >= 11)
    return refuse(head, 400, "there is no Host header");
  if (framing->bad_length)
    return refuse(head, 400, "Content-Length is not one whole number");
  if (framing->has_length && framing->chunked)
    return refuse(head, 400, "there are both Content-Length and Transfer-Encoding");
  if (framing->bad_coding)
    return refuse(head, 400, "there is more than one Transfer-Encoding");
  if (framing->other_coding)
    return refuse(head, 501, "the only Transfer-Encoding taken is chunked");
  if (framing->chunked && head->version < 11)
    return refuse(head, 400, "HTTP/1.0 knows no Transfer-Encoding");
  if (framing->expects_other && head->version >= 11)
    return refuse(head, 417, "the only Expect taken is 100-continue");
  head->length = framing->chunked ? -1 : framing->length;
  head->expects_continue = framing->expects && head->version >= 11 && head->length != 0;
  head->keep_alive = !framing->close && (head->version >= 11 || framing->keep);
  if (!head->host.data)
    head->host = framing->host;
  return MLAAS_HTTP_DONE;
}

/* ---- the whole ---- */

/* Looks at every line once, however the bytes come in. One empty line in front is forgiven. */
static enum mlaas_http_result find_end(struct mlaas_http_head *head, struct mlaas_http_scan *scan, const char *data,
                                       size_t size) {
  size_t begin = size && *data == '\r' ? 2 : 0;
  if (begin && size > 1 && data[1] != '\n')
    return refuse(head, 400, "a line does not end with carriage return and line feed");
  if (size <= begin)
    return MLAAS_HTTP_MORE;
  if (!is(data[begin], TOKEN))
    return refuse(head, 400, "this is not HTTP");
  if (scan->next < begin)
    scan->next = scan->line = begin;
  while (scan->next < size) {
    const char *feed = memchr(data + scan->next, '\n', size - scan->next);
    if (!feed) {
      scan->next = size;
      break;
    }
    size_t at = (size_t)(feed - data);
    if (at == scan->line || data[at - 1] != '\r')
      return refuse(head, 400, "a line does not end with carriage return and line feed");
    bool empty = at == scan->line + 1;
    scan->line = scan->next = at + 1;
    if (empty) {
      head->size = at + 1;
      return MLAAS_HTTP_DONE;
    }
  }
  return MLAAS_HTTP_MORE;
}

enum mlaas_http_result mlaas_http_head_parse(struct mlaas_http_head *head, struct mlaas_http_scan *scan,
                                             const char *data, size_t size) {
  head->size = head->num_headers = 0;
  head->path = head->query = head->host = head->request_id = head->method = head->target = (struct mlaas_slice){0};
  enum mlaas_http_result result = find_end(head, scan, data, size);
  if (result != MLAAS_HTTP_DONE)
    return result;
  struct framing framing = {0};
  const char *line = data + (*data == '\r' ? 2 : 0), *end = data + head->size - 2;
  for (bool first = true; line < end; first = false) {
    const char *feed = memchr(line, '\n', (size_t)(end - line));
    struct mlaas_slice text = {line, (size_t)(feed - line) - 1};
    result = first ? parse_request_line(head, text) : parse_header(head, &framing, text);
    if (result != MLAAS_HTTP_DONE)
      return result;
    line = feed + 1;
  }
  return settle(head, &framing);
}
