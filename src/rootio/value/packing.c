/* Ranges of Float16_t and Double32_t, read out of a title as ROOT does it. Must not know who owns the title. */
#include "rootio/value/type_name.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;

/* One bound: ROOT knows these six spellings with pi, anything else is a number (0 where it is none). */
static double parse_bound(const char *text, size_t length) {
  char word[64];
  size_t size = 0;
  for (size_t i = 0; i < length && size + 1 < sizeof word; i++)
    if (text[i] != ' ')
      word[size++] = (char)tolower((unsigned char)text[i]);
  word[size] = '\0';
  if (!strstr(word, "pi"))
    return strtod(word, NULL);
  double value = PI;
  if (strstr(word, "2pi") || strstr(word, "2*pi") || strstr(word, "twopi"))
    value = 2 * PI;
  else if (strstr(word, "pi/2"))
    value = PI / 2;
  else if (strstr(word, "pi/4"))
    value = PI / 4;
  return strchr(word, '-') ? -value : value;
}

static const char *find(const char *from, const char *end, char what) {
  return from && from < end ? memchr(from, what, (size_t)(end - from)) : NULL;
}

/* The bracket of `title` that ROOT takes for the range: the first, or the second where the first has no comma. */
static bool find_range(const char *title, const char **left, const char **comma, const char **right) {
  const char *end = title + strlen(title);
  *right = title;
  for (int i = 0; i < 2; i++) {
    *left = find(*right, end, '[');
    *right = find(*left, end, ']');
    if (!*left || !*right)
      return false;
    *comma = find(*left, *right, ',');
    if (*comma)
      return true;
  }
  return false;
}

/* A bracket with a comma further on. */
static bool has_later_range(const char *title) {
  const char *left, *end = title + strlen(title);
  for (left = strchr(title, '['); left; left = strchr(left + 1, '[')) {
    const char *right = find(left, end, ']');
    if (right && find(left, right, ','))
      return true;
  }
  return false;
}

static void set_mantissa(struct mlaas_scalar *value, int32_t nbits) {
  value->packing = MLAAS_PACKED_MANTISSA;
  value->stored = 3;
  value->nbits = nbits;
}

bool mlaas_packing_parse(const char *title, struct mlaas_scalar *value) {
  const char *left, *comma, *right;
  if (!find_range(title, &left, &comma, &right))
    return !has_later_range(title);
  const char *second = find(comma + 1, right, ',');
  long nbits = second ? strtol(second + 1, NULL, 10) : 32;
  if (nbits < 2 || nbits > 32)
    nbits = 32;
  const char *end = second ? second : right;
  double low = parse_bound(left + 1, (size_t)(comma - left - 1));
  double high = parse_bound(comma + 1, (size_t)(end - comma - 1));
  if (low < high) {
    value->packing = MLAAS_PACKED_RANGE;
    value->stored = 4;
    value->minimum = low;
    value->factor = (nbits < 32 ? (double)(UINT32_C(1) << nbits) : (double)UINT32_MAX) / (high - low);
  } else if (nbits < 15) {
    set_mantissa(value, (int32_t)nbits);
  }
  return true;
}
