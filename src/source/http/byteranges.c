/* multipart/byteranges, strict and bounded. Must not know where the bytes come from, nor what they mean. */
#include "source/http/byteranges.h"

enum { MOST_AROUND = 4096, MOST_BOUNDARY = 70 };

static struct mlaas_slice trim(struct mlaas_slice text) {
  while (text.size && (*text.data == ' ' || *text.data == '\t'))
    text.data++, text.size--;
  while (text.size && (text.data[text.size - 1] == ' ' || text.data[text.size - 1] == '\t'))
    text.size--;
  return text;
}

static bool take(struct mlaas_slice *text, size_t count) {
  text->data += count;
  text->size -= count;
  return true;
}

static bool take_word(struct mlaas_slice *text, const char *word) {
  size_t size = strlen(word);
  return text->size >= size && strncasecmp(text->data, word, size) == 0 && take(text, size);
}

/* Digits without a sign; false beyond INT64_MAX. */
static bool take_number(struct mlaas_slice *text, int64_t *number) {
  size_t digits = 0;
  *number = 0;
  while (digits < text->size && text->data[digits] >= '0' && text->data[digits] <= '9') {
    int digit = text->data[digits++] - '0';
    if (*number > (INT64_MAX - digit) / 10)
      return false;
    *number = *number * 10 + digit;
  }
  return digits > 0 && take(text, digits);
}

bool mlaas_content_range_parse(struct mlaas_slice text, int64_t *first, int64_t *last, int64_t *total) {
  text = trim(text);
  *first = *last = *total = -1;
  if (!take_word(&text, "bytes") || !text.size || (*text.data != ' ' && *text.data != '\t'))
    return false;
  text = trim(text);
  if (!take_word(&text, "*") &&
      !(take_number(&text, first) && take_word(&text, "-") && take_number(&text, last) && *first <= *last))
    return false;
  if (!take_word(&text, "/") || !(take_word(&text, "*") || take_number(&text, total)) || text.size)
    return false;
  return *total < 0 || *last < *total;
}

/* The value of boundary=, quoted or not. */
static bool find_boundary(struct mlaas_slice type, struct mlaas_slice *boundary) {
  while (type.size) {
    const char *end = memchr(type.data, ';', type.size);
    if (!end)
      return false;
    take(&type, (size_t)(end - type.data) + 1);
    type = trim(type);
    if (!take_word(&type, "boundary="))
      continue;
    bool quoted = take_word(&type, "\"");
    size_t size = 0;
    while (size < type.size && (quoted ? type.data[size] != '"' : !strchr("; \t", type.data[size])))
      size++;
    *boundary = (struct mlaas_slice){type.data, size};
    return size > 0 && size <= MOST_BOUNDARY && (!quoted || size < type.size);
  }
  return false;
}

bool mlaas_byteranges_init(struct mlaas_byteranges *parser, struct mlaas_slice type, int64_t size,
                           struct mlaas_scatter *scatter, size_t most_parts) {
  *parser = (struct mlaas_byteranges){.size = size, .scatter = scatter, .most_parts = most_parts};
  struct mlaas_slice boundary;
  type = trim(type);
  if (!take_word(&type, "multipart/byteranges") || !find_boundary(type, &boundary))
    return false;
  memcpy(parser->boundary, "--", 2);
  memcpy(parser->boundary + 2, boundary.data, boundary.size);
  parser->boundary_size = boundary.size + 2;
  return true;
}

static bool wrong(struct mlaas_byteranges *parser, const char *problem) {
  parser->problem = problem;
  return false;
}

/* "--boundary", perhaps with blanks; "--boundary--" at the end. */
static bool end_delimiter(struct mlaas_byteranges *parser, struct mlaas_slice line, bool *is_one) {
  *is_one = line.size >= parser->boundary_size && memcmp(line.data, parser->boundary, parser->boundary_size) == 0;
  if (!*is_one)
    return true;
  take(&line, parser->boundary_size);
  if (take_word(&line, "--")) {
    parser->state = MLAAS_BYTERANGES_END;
    return true;
  }
  if (trim(line).size) { /* a longer boundary is another one */
    *is_one = false;
    return true;
  }
  if (++parser->parts > parser->most_parts)
    return wrong(parser, "more parts than ranges");
  parser->state = MLAAS_BYTERANGES_HEAD;
  parser->first = -1;
  parser->around = 0;
  return true;
}

static bool end_head(struct mlaas_byteranges *parser) {
  if (parser->first < 0)
    return wrong(parser, "a part without Content-Range");
  if (parser->total >= 0 && parser->total != parser->size) {
    parser->changed = true;
    return wrong(parser, "a part of a file of another size");
  }
  if (!mlaas_scatter_begin(parser->scatter, parser->first, parser->last, parser->size))
    return wrong(parser, "a part outside of the file");
  parser->state = MLAAS_BYTERANGES_BODY;
  parser->around = 0;
  return true;
}

static bool head_line(struct mlaas_byteranges *parser, struct mlaas_slice line) {
  if (line.size == 0)
    return end_head(parser);
  if (take_word(&line, "content-range:")) {
    if (parser->first >= 0)
      return wrong(parser, "a part with two Content-Ranges");
    if (!mlaas_content_range_parse(line, &parser->first, &parser->last, &parser->total) || parser->first < 0)
      return wrong(parser, "a part with a malformed Content-Range");
  } else if (take_word(&line, "content-encoding:") || take_word(&line, "content-transfer-encoding:")) {
    line = trim(line);
    if (!mlaas_slice_is_word(line, "identity") && !mlaas_slice_is_word(line, "binary"))
      return wrong(parser, "an encoded part");
  }
  return true;
}

static bool end_line(struct mlaas_byteranges *parser) {
  struct mlaas_slice line = {parser->line, parser->line_size};
  parser->line_size = 0;
  if (parser->state == MLAAS_BYTERANGES_AFTER) {
    /* A part that lacks a byte took the '\r' of its line break for content. */
    if (!mlaas_slice_is(line, "\r"))
      return wrong(parser, "a part of another length than it says");
    parser->state = MLAAS_BYTERANGES_DELIMITER;
    return true;
  }
  if (line.size && line.data[line.size - 1] == '\r')
    line.size--;
  if (parser->state == MLAAS_BYTERANGES_HEAD)
    return head_line(parser, line);
  bool is_one;
  if (!end_delimiter(parser, line, &is_one))
    return false;
  return is_one || parser->state == MLAAS_BYTERANGES_PREAMBLE || wrong(parser, "no boundary behind a part");
}

static bool may_delimit(const struct mlaas_byteranges *parser) {
  return parser->state == MLAAS_BYTERANGES_DELIMITER || parser->state == MLAAS_BYTERANGES_PREAMBLE;
}

/* Bytes up to the end of a line, or all. */
static bool feed_line(struct mlaas_byteranges *parser, struct mlaas_slice *data) {
  const char *end = memchr(data->data, '\n', data->size);
  size_t now = end ? (size_t)(end - data->data) : data->size;
  parser->around += now + (end != NULL); /* however the answer is cut */
  if (parser->around > MOST_AROUND || now > sizeof parser->line - parser->line_size)
    return wrong(parser, "more around its parts than is sensible");
  memcpy(parser->line + parser->line_size, data->data, now);
  parser->line_size += now;
  take(data, now + (end != NULL));
  /* The last boundary may end the answer without a line break. */
  if (!end && may_delimit(parser) && parser->line_size >= parser->boundary_size + 2 &&
      memcmp(parser->line, parser->boundary, parser->boundary_size) == 0 &&
      memcmp(parser->line + parser->boundary_size, "--", 2) == 0)
    return end_line(parser);
  return !end || end_line(parser);
}

bool mlaas_byteranges_feed(struct mlaas_byteranges *parser, const char *bytes, size_t size) {
  struct mlaas_slice data = {bytes, size};
  if (parser->problem)
    return false;
  while (data.size && parser->state != MLAAS_BYTERANGES_END) {
    if (parser->state != MLAAS_BYTERANGES_BODY) {
      if (!feed_line(parser, &data))
        return false;
      continue;
    }
    int64_t owed = mlaas_scatter_owed(parser->scatter);
    size_t now = (uint64_t)owed < data.size ? (size_t)owed : data.size;
    if (!mlaas_scatter_write(parser->scatter, data.data, now))
      return wrong(parser, "the same bytes twice");
    take(&data, now);
    if (mlaas_scatter_owed(parser->scatter) == 0)
      parser->state = MLAAS_BYTERANGES_AFTER;
  }
  return true;
}

bool mlaas_byteranges_ended(const struct mlaas_byteranges *parser) { return parser->state == MLAAS_BYTERANGES_END; }
