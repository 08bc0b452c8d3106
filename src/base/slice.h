/* A borrowed stretch of bytes: text that need not end with a zero. */
#ifndef MLAAS_BASE_SLICE_H
#define MLAAS_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

struct mlaas_slice {
  const char *data;
  size_t size;
};

#define MLAAS_SLICE(literal) ((struct mlaas_slice){"" literal, sizeof(literal) - 1})

static inline struct mlaas_slice mlaas_slice_of(const char *text) {
  return (struct mlaas_slice){text, text ? strlen(text) : 0};
}

static inline bool mlaas_slice_is(struct mlaas_slice slice, const char *text) {
  size_t size = strlen(text);
  return slice.size == size && (size == 0 || memcmp(slice.data, text, size) == 0);
}

/* Without regard to the case of ASCII letters. */
static inline bool mlaas_slice_is_word(struct mlaas_slice slice, const char *word) {
  return slice.size == strlen(word) && strncasecmp(slice.data, word, slice.size) == 0;
}

#endif
