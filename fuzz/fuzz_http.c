/* Heads, chunks and percent codes of HTTP/1.1. The same bytes in one piece, one by one, and cut where the input says,
 * have to give the same; what is taken has to be sound.
 */
#include "net/http1.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool sound) {
  if (!sound)
    abort();
}

/* The head from pieces of `step` bytes, each in memory of its own so that reads beyond are found. */
static enum mlaas_http_result parse(struct mlaas_http_head *head, const char *text, size_t size, size_t step,
                                    char **copy) {
  struct mlaas_http_scan scan = {0};
  enum mlaas_http_result result = MLAAS_HTTP_MORE;
  *copy = NULL;
  for (size_t came = step; result == MLAAS_HTTP_MORE; came += step) {
    size_t now = came < size ? came : size;
    free(*copy);
    *copy = malloc(now ? now : 1);
    memcpy(*copy, text, now);
    result = mlaas_http_head_parse(head, &scan, *copy, now);
    if (now == size)
      break;
  }
  return result;
}

static bool inside(struct mlaas_slice slice, const char *text, size_t size) {
  return slice.size == 0 || (slice.data >= text && slice.data + slice.size <= text + size);
}

static bool has_control(struct mlaas_slice slice) {
  for (size_t i = 0; i < slice.size; i++)
    if (((unsigned char)slice.data[i] < 0x20 && slice.data[i] != '\t') || slice.data[i] == 0x7f)
      return true;
  return false;
}

static void check_head(const struct mlaas_http_head *head, const char *text, size_t size) {
  check(head->size <= size && memcmp(text + head->size - 4, "\r\n\r\n", 4) == 0);
  check(inside(head->method, text, size) && inside(head->target, text, size) && inside(head->query, text, size));
  check(inside(head->host, text, size) && inside(head->request_id, text, size));
  check(head->method.size && head->target.size && head->path.size && !has_control(head->target));
  check(head->length >= -1 && (head->version == 10 || head->version == 11));
  int lengths = 0;
  for (size_t i = 0; i < head->num_headers; i++) {
    const struct mlaas_header *header = &head->headers[i];
    check(inside(header->name, text, size) && inside(header->value, text, size));
    check(header->name.size && !has_control(header->name) && !has_control(header->value));
    check(!mlaas_slice_is_word(header->name, "Transfer-Encoding"));
    lengths += mlaas_slice_is_word(header->name, "Content-Length");
  }
  check(lengths == (head->length > 0) || (lengths <= 1 && head->length == 0));
}

static void try_head(const char *text, size_t size, size_t step) {
  static struct mlaas_http_head whole, split;
  char *first, *second;
  enum mlaas_http_result one = parse(&whole, text, size, size ? size : 1, &first);
  enum mlaas_http_result two = parse(&split, text, size, step, &second);
  check(one == two);
  if (one == MLAAS_HTTP_DONE) {
    check_head(&whole, first, size);
    check(whole.size == split.size && whole.length == split.length && whole.num_headers == split.num_headers);
    char *path = malloc(whole.path.size);
    size_t length;
    if (mlaas_http_path_decode(whole.path, path, &length))
      check(length <= whole.path.size && !has_control((struct mlaas_slice){path, length}));
    free(path);
    char *query = malloc(whole.query.size ? whole.query.size : 1);
    if (mlaas_http_query_decode(whole.query, query, &length))
      check(length <= whole.query.size && !memchr(query, 0, length));
    free(query);
  } else if (one == MLAAS_HTTP_BAD) {
    check(whole.status == split.status && whole.why == split.why && whole.status >= 400 && whole.status < 506);
  }
  free(first);
  free(second);
}

/* The content, and how much was used. */
static enum mlaas_http_result decode(const char *text, size_t size, size_t step, char *out, size_t *length,
                                     size_t *taken) {
  struct mlaas_http_chunks chunks = {0};
  enum mlaas_http_result result = MLAAS_HTTP_MORE;
  *length = *taken = 0;
  while (result == MLAAS_HTTP_MORE && *taken < size) {
    size_t here = size - *taken < step ? size - *taken : step, used;
    char *copy = malloc(here);
    struct mlaas_slice content;
    memcpy(copy, text + *taken, here);
    result = mlaas_http_chunks_next(&chunks, copy, here, &used, &content);
    check(used <= here && (used > 0 || result == MLAAS_HTTP_BAD) && inside(content, copy, here));
    if (content.size)
      memcpy(out + *length, content.data, content.size);
    *length += content.size;
    *taken += used;
    free(copy);
  }
  return result;
}

static void try_chunks(const char *text, size_t size, size_t step) {
  char *first = malloc(size + 1), *second = malloc(size + 1);
  size_t lengths[2], taken[2];
  enum mlaas_http_result one = decode(text, size, size, first, &lengths[0], &taken[0]);
  enum mlaas_http_result two = decode(text, size, step, second, &lengths[1], &taken[1]);
  check(one == two && lengths[0] == lengths[1] && taken[0] == taken[1] && lengths[0] <= size);
  check(memcmp(first, second, lengths[0]) == 0);
  free(first);
  free(second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 2)
    return 0;
  const char *text = (const char *)data + 2;
  size_t step = data[1] % 64 + 1u;
  if (data[0] == 'c')
    try_chunks(text, size - 2, step);
  else
    try_head(text, size - 2, step);
  return 0;
}
