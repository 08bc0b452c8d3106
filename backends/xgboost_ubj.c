/* Whether a file is one whole value of Universal Binary JSON. Must not know what the values mean. */
#include "xgboost_ubj.h"

enum { DEPTH_MOST = 200 };

struct reader {
  const unsigned char *at, *end;
  int depth;
};

static bool skip(struct reader *reader, uint64_t bytes) {
  if ((uint64_t)(reader->end - reader->at) < bytes)
    return false;
  reader->at += bytes;
  return true;
}

/* Bytes of a value of fixed size; -1 for others. */
static int size_of(int type) {
  switch (type) {
  case 'Z':
  case 'N':
  case 'T':
  case 'F':
    return 0;
  case 'i':
  case 'U':
  case 'C':
    return 1;
  case 'I':
    return 2;
  case 'l':
  case 'd':
    return 4;
  case 'L':
  case 'D':
    return 8;
  default:
    return -1;
  }
}

static int next(struct reader *reader) { return reader->at < reader->end ? *reader->at++ : -1; }

/* A length: an integer of any type, big-endian, not negative. */
static bool read_length(struct reader *reader, uint64_t *length) {
  int type = next(reader), bytes = type < 0 || !strchr("iUIlL", type) ? -1 : size_of(type);
  if (bytes < 1 || reader->end - reader->at < bytes)
    return false;
  bool negative = type != 'U' && *reader->at > 127;
  *length = 0;
  for (int i = 0; i < bytes; i++)
    *length = *length << 8 | *reader->at++;
  return !negative;
}

static bool skip_text(struct reader *reader) {
  uint64_t length;
  return read_length(reader, &length) && skip(reader, length);
}

static bool skip_value(struct reader *reader, int type);

/* Behind '[' or '{': perhaps '$' and a type, perhaps '#' and a count, then values, which a container without a count
 * ends with `last`. */
static bool skip_items(struct reader *reader, bool named, int last) {
  uint64_t count = 0;
  int type = -1;
  bool counted = false;
  if (reader->at < reader->end && *reader->at == '$') {
    reader->at++;
    if ((type = next(reader)) < 0 || reader->at == reader->end || *reader->at != '#')
      return false;
  }
  if (reader->at < reader->end && *reader->at == '#') {
    reader->at++;
    counted = true;
    if (!read_length(reader, &count))
      return false;
  }
  if (counted && !named && size_of(type) >= 0)
    return count <= UINT64_MAX / 8 && skip(reader, count * (uint64_t)size_of(type));
  for (uint64_t i = 0; !counted || i < count; i++) {
    if (!counted && reader->at < reader->end && *reader->at == last)
      return skip(reader, 1);
    if ((named && !skip_text(reader)) || !skip_value(reader, type < 0 ? next(reader) : type))
      return false;
  }
  return true;
}

static bool skip_value(struct reader *reader, int type) {
  bool good;
  if (type == 'S' || type == 'H')
    return skip_text(reader);
  if (type != '[' && type != '{')
    return size_of(type) >= 0 && skip(reader, (uint64_t)size_of(type));
  if (++reader->depth > DEPTH_MOST)
    return false;
  good = skip_items(reader, type == '{', type == '{' ? '}' : ']');
  reader->depth--;
  return good;
}

enum mlaas_status xgboost_ubj_check(const void *bytes, size_t size, struct mlaas_error *error) {
  const unsigned char *begin = bytes;
  struct reader reader = {begin, begin + size, 0};
  if (size >= 2 && begin[0] == '{' && skip_value(&reader, next(&reader)))
    return MLAAS_OK;
  return mlaas_backend_fail(error, MLAAS_FORMAT, "the file is no Universal Binary JSON, or cut: after byte %zu of %zu",
                            (size_t)(reader.at - begin), size);
}
