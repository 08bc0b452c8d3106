/* Heads of answers, line by line: Content-Range, tags, lengths. What a head says never contradicts itself. */
#include "source/http/reply.h"

#include "text_fuzz.h"

static void check(const struct mlaas_http_reply *reply) {
  const char *tag = mlaas_http_reply_tag(reply);
  if (reply->length < -1 || reply->status < 0 || reply->status > 999 || mlaas_http_reply_differs(reply, tag) ||
      mlaas_http_reply_differs(reply, ""))
    abort();
  if (reply->has_range && (reply->first > reply->last || reply->first < -1 || reply->total < -1 ||
                           (reply->total >= 0 && reply->last >= reply->total)))
    abort();
  if (!memchr(reply->etag, 0, sizeof reply->etag) || !memchr(reply->modified, 0, sizeof reply->modified) ||
      !memchr(reply->type, 0, sizeof reply->type) || !memchr(reply->digest, 0, sizeof reply->digest) ||
      !memchr(reply->region, 0, sizeof reply->region))
    abort();
}

/* Each line on a heap of its own, with its end, as libcurl gives them; what follows the head is the text of an error.
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_http_reply reply = {.length = -1};
  enum mlaas_http_line state = MLAAS_HTTP_LINE_MORE;
  while (size && state == MLAAS_HTTP_LINE_MORE) {
    const uint8_t *end = memchr(data, '\n', size);
    size_t length = end ? (size_t)(end - data) + 1 : size;
    char *line = malloc(length);
    if (!line)
      abort();
    memcpy(line, data, length);
    state = mlaas_http_reply_line(&reply, line, length);
    free(line);
    data += length;
    size -= length;
    if (state != MLAAS_HTTP_LINE_BAD)
      check(&reply);
  }
  mlaas_http_reply_words(&reply, (const char *)data, size / 2);
  mlaas_http_reply_words(&reply, (const char *)data + size / 2, size - size / 2);
  for (const char *c = reply.words; *c; c++)
    if (*c < ' ' || *c > '~')
      abort();
  return 0;
}
