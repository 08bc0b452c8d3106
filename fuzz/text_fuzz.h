/* What the targets for texts share: the fuzzer's bytes as a text that ends with its heap. */
#ifndef MLAAS_FUZZ_TEXT_FUZZ_H
#define MLAAS_FUZZ_TEXT_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Up to the first zero byte. */
static inline char *fuzz_text(const void *data, size_t size) {
  size_t length = size ? strnlen(data, size) : 0;
  char *text = malloc(length + 1);
  if (!text)
    abort();
  memcpy(text, size ? data : "", length);
  text[length] = 0;
  return text;
}

/* The next line as a text, without its end; NULL behind the last one. */
static inline char *fuzz_line(const uint8_t **data, size_t *size) {
  if (*size == 0)
    return NULL;
  const uint8_t *end = memchr(*data, '\n', *size);
  size_t length = end ? (size_t)(end - *data) : *size;
  char *text = fuzz_text(*data, length);
  *data += length + (end != NULL);
  *size -= length + (end != NULL);
  return text;
}

#endif
