/* Percent codes of paths and queries. Knows no route: "..", "//" and "%2f" are for the routes to judge. */
#include "net/http1.h"

static int hex(char digit) {
  if (digit >= '0' && digit <= '9')
    return digit - '0';
  digit |= 0x20;
  return digit >= 'a' && digit <= 'f' ? digit - 'a' + 10 : -1;
}

/* The byte behind '%', or -1. */
static int percent(struct mlaas_slice text, size_t at) {
  if (text.size - at < 3)
    return -1;
  int high = hex(text.data[at + 1]), low = hex(text.data[at + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool mlaas_http_path_decode(struct mlaas_slice path, char *out, size_t *size) {
  size_t length = 0;
  for (size_t i = 0; i < path.size; i++) {
    int byte = (unsigned char)path.data[i];
    if (byte == '%') {
      byte = percent(path, i);
      i += 2;
    }
    if (byte < 0x20 || byte == 0x7f)
      return false;
    out[length++] = (char)byte;
  }
  *size = length;
  return true;
}

bool mlaas_http_query_decode(struct mlaas_slice value, char *out, size_t *size) {
  size_t length = 0;
  for (size_t i = 0; i < value.size; i++) {
    int byte = (unsigned char)value.data[i];
    if (byte == '%') {
      byte = percent(value, i);
      i += 2;
    } else if (byte == '+') {
      byte = ' ';
    }
    if (byte <= 0)
      return false;
    out[length++] = (char)byte;
  }
  *size = length;
  return true;
}
