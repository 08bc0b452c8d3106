/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef MLAAS_SERVE_UTF8_H
#define MLAAS_SERVE_UTF8_H

#include <stddef.h>

/* Bytes of the character at `text`, of which `size` > 0 bytes are there; 0: it is none. */
static inline size_t mlaas_utf8_length(const char *text, size_t size) {
  const unsigned char *s = (const unsigned char *)text;
  if (s[0] < 0x80)
    return 1;
  if (s[0] < 0xC2 || s[0] > 0xF4)
    return 0;
  size_t length = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
  if (size < length)
    return 0;
  for (size_t i = 1; i < length; i++)
    if ((s[i] & 0xC0) != 0x80)
      return 0;
  if ((s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF0 && s[1] < 0x90) ||
      (s[0] == 0xF4 && s[1] > 0x8F))
    return 0;
  return length;
}

#endif
