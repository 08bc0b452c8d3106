/* The head of an answer, as far as reading files needs it. */
#ifndef MLAAS_SOURCE_HTTP_REPLY_H
#define MLAAS_SOURCE_HTTP_REPLY_H

#include "base/slice.h"

#include <stdint.h>

struct mlaas_http_reply {
  int status;
  int64_t length;             /* Content-Length; -1: not said */
  bool has_range;             /* a sound Content-Range: */
  int64_t first, last, total; /* -1: "*" */
  bool bad_range;             /* a malformed one */
  bool encoded;               /* Content-Encoding that is not identity */
  bool refuses_ranges;        /* Accept-Ranges: none */
  char etag[128], modified[64], type[160], digest[256], region[64];
  char words[400];   /* the beginning of an error's text, in printable characters */
  size_t words_size; /* of what came of it */
  size_t head_size;  /* bytes of all heads */
};

enum mlaas_http_line { MLAAS_HTTP_LINE_MORE, MLAAS_HTTP_LINE_END, MLAAS_HTTP_LINE_BAD };

/* One line of a head with its end. A status line begins anew. */
enum mlaas_http_line mlaas_http_reply_line(struct mlaas_http_reply *reply, const char *data, size_t size);
/* What changes when the file does: a strong ETag, else Last-Modified, else a weak ETag, else "". */
const char *mlaas_http_reply_tag(const struct mlaas_http_reply *reply);
/* Another file than the one with this tag: what the server says now contradicts it. */
bool mlaas_http_reply_differs(const struct mlaas_http_reply *reply, const char *tag);
/* More of the text of an error. */
void mlaas_http_reply_words(struct mlaas_http_reply *reply, const char *data, size_t size);

#endif
