/* The little JSON that replies need, read strictly in one pass, to a bounded depth. Knows no reply. */
#include "internal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DEEPEST = 64, DEEPEST_VALUES = 8, LONGEST_NUMBER = 400 };

static void blanks(struct mlaas_client_json *json) {
  while (json->at < json->end && (*json->at == ' ' || *json->at == '\n' || *json->at == '\t' || *json->at == '\r'))
    json->at++;
}

void mlaas_client_json_begin(struct mlaas_client_json *json, const char *text, size_t size) {
  *json = (struct mlaas_client_json){text, text ? text + size : text, false};
  blanks(json);
}

bool mlaas_client_json_take(struct mlaas_client_json *json, char c) {
  if (json->at >= json->end || *json->at != c)
    return false;
  json->at++;
  blanks(json);
  return true;
}

static bool word(struct mlaas_client_json *json, const char *text) {
  size_t length = strlen(text);
  if ((size_t)(json->end - json->at) < length || memcmp(json->at, text, length) != 0)
    return false;
  json->at += length;
  blanks(json);
  return true;
}

/* ---- strings ---- */

static bool hex(struct mlaas_client_json *json, unsigned *code) {
  *code = 0;
  if (json->end - json->at < 4)
    return false;
  for (int i = 0; i < 4; i++) {
    char c = *json->at++;
    unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                     : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                     : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10
                                            : 16;
    if (digit > 15)
      return false;
    *code = *code * 16 + digit;
  }
  return true;
}

static void put_character(struct mlaas_client_buffer *text, unsigned code) {
  char bytes[4];
  size_t size = 0;
  if (code < 0x80) {
    bytes[size++] = (char)code;
  } else if (code < 0x800) {
    bytes[size++] = (char)(0xc0 | code >> 6);
  } else if (code < 0x10000) {
    bytes[size++] = (char)(0xe0 | code >> 12);
    bytes[size++] = (char)(0x80 | (code >> 6 & 0x3f));
  } else {
    bytes[size++] = (char)(0xf0 | code >> 18);
    bytes[size++] = (char)(0x80 | (code >> 12 & 0x3f));
    bytes[size++] = (char)(0x80 | (code >> 6 & 0x3f));
  }
  if (code >= 0x80)
    bytes[size++] = (char)(0x80 | (code & 0x3f));
  mlaas_client_buffer_add(text, bytes, size);
}

static bool escape(struct mlaas_client_json *json, struct mlaas_client_buffer *text) {
  static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
  unsigned code = 0, low = 0;
  if (json->at >= json->end)
    return false;
  const char *known = *json->at ? strchr(from, *json->at) : NULL;
  if (known) {
    json->at++;
    if (text)
      mlaas_client_buffer_add(text, &to[known - from], 1);
    return true;
  }
  if (*json->at++ != 'u' || !hex(json, &code))
    return false;
  if (code >= 0xd800 && code < 0xe000) {
    if (code >= 0xdc00 || json->end - json->at < 6 || json->at[0] != '\\' || json->at[1] != 'u')
      return false;
    json->at += 2;
    if (!hex(json, &low) || low < 0xdc00 || low > 0xdfff)
      return false;
    code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
  }
  if (code == 0)
    return false; /* our texts end with a zero */
  if (text)
    put_character(text, code);
  return true;
}

bool mlaas_client_json_string(struct mlaas_client_json *json, struct mlaas_client_buffer *text) {
  if (text)
    text->size = 0;
  if (json->at >= json->end || *json->at != '"')
    return false;
  json->at++;
  for (;;) {
    const char *begin = json->at;
    while (json->at < json->end && (unsigned char)*json->at >= ' ' && *json->at != '"' && *json->at != '\\') {
      size_t bytes = (unsigned char)*json->at < 0x80 ? 1 : mlaas_client_utf8((const unsigned char *)json->at);
      if (!bytes)
        return false;
      json->at += bytes;
    }
    if (text)
      mlaas_client_buffer_add(text, begin, (size_t)(json->at - begin));
    if (json->at >= json->end || (unsigned char)*json->at < ' ')
      return false;
    if (*json->at++ == '"')
      break;
    if (!escape(json, text))
      return false;
  }
  if (text && text->size == 0 && text->data)
    text->data[0] = 0;
  blanks(json);
  return true;
}

/* ---- numbers ---- */

static size_t digits(const char *at, const char *end) {
  const char *begin = at;
  while (at < end && *at >= '0' && *at <= '9')
    at++;
  return (size_t)(at - begin);
}

/* Length of the number at `at` as JSON defines it, 0 where there is none. */
static size_t number_length(const char *at, const char *end) {
  const char *begin = at;
  size_t count;
  if (at < end && *at == '-')
    at++;
  count = digits(at, end);
  if (count == 0 || (count > 1 && *at == '0'))
    return 0;
  at += count;
  if (at < end && *at == '.') {
    count = digits(at + 1, end);
    if (count == 0)
      return 0;
    at += 1 + count;
  }
  if (at < end && (*at == 'e' || *at == 'E')) {
    at++;
    if (at < end && (*at == '+' || *at == '-'))
      at++;
    count = digits(at, end);
    if (count == 0)
      return 0;
    at += count;
  }
  return (size_t)(at - begin);
}

/* strtof with the decimal point of the locale, whatever it is: the same text with that point. */
static float to_float(const char *from, size_t length) {
  char text[LONGEST_NUMBER + 16];
  const char *point = localeconv()->decimal_point;
  size_t size = 0;
  for (size_t i = 0; i < length; i++)
    if (from[i] != '.')
      text[size++] = from[i];
    else
      for (size_t k = 0; point[k] && k < 8; k++)
        text[size++] = point[k];
  text[size] = 0;
  return strtof(text, NULL);
}

bool mlaas_client_json_number(struct mlaas_client_json *json, float *value) {
  if (word(json, "null")) {
    *value = NAN;
    return true;
  }
  size_t length = number_length(json->at, json->end);
  if (length == 0 || length > LONGEST_NUMBER)
    return false;
  *value = to_float(json->at, length);
  json->at += length;
  blanks(json);
  return true;
}

/* ---- all the rest ---- */

static bool skip(struct mlaas_client_json *json, int depth) {
  float ignored;
  if (json->at >= json->end || depth > DEEPEST)
    return false;
  char open = *json->at, close = open == '{' ? '}' : ']';
  if (open == '"')
    return mlaas_client_json_string(json, NULL);
  if (open != '{' && open != '[')
    return word(json, "true") || word(json, "false") || mlaas_client_json_number(json, &ignored);
  mlaas_client_json_take(json, open);
  if (mlaas_client_json_take(json, close))
    return true;
  do {
    if (open == '{' && (!mlaas_client_json_string(json, NULL) || !mlaas_client_json_take(json, ':')))
      return false;
    if (!skip(json, depth + 1))
      return false;
  } while (mlaas_client_json_take(json, ','));
  return mlaas_client_json_take(json, close);
}

bool mlaas_client_json_skip(struct mlaas_client_json *json) { return skip(json, 0); }

struct values {
  float *data;
  size_t count, room;
  size_t lengths[DEEPEST_VALUES]; /* of the lists at each depth, once one has ended */
  bool known[DEEPEST_VALUES];
  int depth; /* at which numbers are, -1: not seen yet */
};

static bool add(struct values *values, float value) {
  if (values->count == values->room) {
    size_t room = values->room ? values->room * 2 : 64;
    float *larger = mlaas_client_realloc(values->data, room * sizeof *larger);
    if (!larger)
      return false;
    values->data = larger;
    values->room = room;
  }
  values->data[values->count++] = value;
  return true;
}

static bool list(struct mlaas_client_json *json, struct values *values, int depth) {
  size_t length = 0;
  if (depth >= DEEPEST_VALUES || !mlaas_client_json_take(json, '['))
    return false;
  if (!mlaas_client_json_take(json, ']')) {
    do {
      float value;
      if (json->at < json->end && *json->at == '[') {
        if (!list(json, values, depth + 1))
          return false;
      } else {
        if (values->depth < 0)
          values->depth = depth;
        if (values->depth != depth || !mlaas_client_json_number(json, &value))
          return false;
        if (!add(values, value)) {
          json->no_memory = true;
          return false;
        }
      }
      length++;
    } while (mlaas_client_json_take(json, ','));
    if (!mlaas_client_json_take(json, ']'))
      return false;
  }
  if (values->known[depth] && values->lengths[depth] != length)
    return false;
  values->known[depth] = true;
  values->lengths[depth] = length;
  return true;
}

bool mlaas_client_json_values(struct mlaas_client_json *json, float **data, size_t *count, size_t *rows, int *depth) {
  struct values values = {.depth = -1};
  bool good = list(json, &values, 0);
  *data = values.data;
  *count = values.count;
  *rows = values.lengths[0];
  *depth = values.depth < 0 ? 1 : values.depth + 1;
  return good;
}
