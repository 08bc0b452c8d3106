/* Answers of type multipart/byteranges (RFC 9110, 14.6), in pieces as they come. Strict and bounded: a boundary, heads
 * of parts and what stands around them have ceilings; a part's Content-Range says how long it is, and the boundary has
 * to follow exactly there. */
#ifndef MLAAS_SOURCE_HTTP_BYTERANGES_H
#define MLAAS_SOURCE_HTTP_BYTERANGES_H

#include "base/slice.h"
#include "source/scatter.h"

enum mlaas_byteranges_state {
  MLAAS_BYTERANGES_PREAMBLE, /* before the first boundary */
  MLAAS_BYTERANGES_HEAD,     /* lines of a part's head */
  MLAAS_BYTERANGES_BODY,
  MLAAS_BYTERANGES_AFTER, /* the line break behind a body */
  MLAAS_BYTERANGES_DELIMITER,
  MLAAS_BYTERANGES_END, /* behind the last boundary: the rest is ignored */
};

struct mlaas_byteranges {
  enum mlaas_byteranges_state state;
  char boundary[74]; /* with the two dashes in front */
  size_t boundary_size;
  char line[512]; /* of a head or a delimiter, as far as it came */
  size_t line_size;
  size_t around; /* bytes outside of parts, since the last part */
  size_t parts, most_parts;
  int64_t first, last, total; /* of the part whose head is read; first -1: not said; total -1: "*" */
  int64_t size;               /* the file's, as known */
  bool changed;               /* a part says another size: the file is another */
  struct mlaas_scatter *scatter;
  const char *problem; /* what was wrong */
};

/* `type` is the value of Content-Type. False: it is not multipart/byteranges with a boundary. */
bool mlaas_byteranges_init(struct mlaas_byteranges *parser, struct mlaas_slice type, int64_t size,
                           struct mlaas_scatter *scatter, size_t most_parts);
/* False: malformed (`problem` says what), or `changed`. */
bool mlaas_byteranges_feed(struct mlaas_byteranges *parser, const char *data, size_t size);
/* The last boundary came. */
bool mlaas_byteranges_ended(const struct mlaas_byteranges *parser);

/* "bytes 0-99/1000", or with "*" for the total (-1) or, with status 416, for the range (first -1). */
bool mlaas_content_range_parse(struct mlaas_slice text, int64_t *first, int64_t *last, int64_t *total);

#endif
