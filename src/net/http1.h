/* The grammar of HTTP/1.1 as pure functions on bytes: a head, chunks, a target. Strict: whatever two readers could
 * understand in two ways is refused. Knows no socket and allocates nothing.
 */
#ifndef MLAAS_NET_HTTP1_H
#define MLAAS_NET_HTTP1_H

#include "net/header.h"

#include <stdint.h>

enum { MLAAS_HTTP_MOST_HEADERS = 100, MLAAS_HTTP_MOST_METHOD = 32 };

enum mlaas_http_result { MLAAS_HTTP_MORE, MLAAS_HTTP_DONE, MLAAS_HTTP_BAD };

/* Slices point into the bytes given to parse. */
struct mlaas_http_head {
  struct mlaas_slice method, target, path, query, host; /* path: still encoded; "/" or "*" if there was none */
  int version;                                          /* 10 or 11 */
  struct mlaas_header headers[MLAAS_HTTP_MOST_HEADERS]; /* without Transfer-Encoding */
  size_t num_headers;
  size_t size;    /* bytes of the head, the empty line included */
  int64_t length; /* of the body: Content-Length, -1: chunked, 0: none */
  bool keep_alive, expects_continue;
  struct mlaas_slice request_id; /* X-Request-Id, data NULL: none */
  int status;                    /* why it is refused: 400, 417, 431, 501, 505 */
  const char *why;
};

/* How far the end of the head was looked for: zeroed at its first byte, and kept while more bytes come. */
struct mlaas_http_scan {
  size_t line, next; /* begin of the current line; first byte not looked at */
};

/* MORE until the empty line is there; what cannot be HTTP is refused before. One empty line in front of the request
 * line is part of the head. Clients that send byte by byte get the same result as with all at once. */
enum mlaas_http_result mlaas_http_head_parse(struct mlaas_http_head *head, struct mlaas_http_scan *scan,
                                             const char *data, size_t size);

/* Percent codes of a path: false for a bad code or a control character, also a decoded one. `out` has room for
 * path.size bytes and may be where the path is. */
bool mlaas_http_path_decode(struct mlaas_slice path, char *out, size_t *size);
/* One value of a query: '+' is a blank. False for a bad code; NUL bytes are refused. */
bool mlaas_http_query_decode(struct mlaas_slice value, char *out, size_t *size);

/* ---- chunks ---- */

/* Zeroed: before the first chunk. */
struct mlaas_http_chunks {
  int state;
  int digits;      /* of the size seen */
  uint64_t left;   /* bytes of the current chunk that still come */
  size_t overhead; /* extensions and trailers, which are bounded together */
  const char *why;
};

/* Takes bytes from data[0 .. size): `*used` of them, and gives at most one stretch of content (in place). DONE when the
 * last line of the trailer is behind; MORE: call again with what follows, at once if not all was used. */
enum mlaas_http_result mlaas_http_chunks_next(struct mlaas_http_chunks *chunks, const char *data, size_t size,
                                              size_t *used, struct mlaas_slice *content);

#endif
