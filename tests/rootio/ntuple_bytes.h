/* RNTuples made in memory: little-endian numbers, frames, envelopes and an anchor around them. Fuzz targets use it too,
 * so it needs no test library.
 */
#ifndef MLAAS_TESTS_ROOTIO_NTUPLE_BYTES_H
#define MLAAS_TESTS_ROOTIO_NTUPLE_BYTES_H

#include "rootio/ntuple/ntuple.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

struct bytes {
  uint8_t *data;
  size_t size, room;
};

static inline uint8_t *bytes_more(struct bytes *bytes, size_t count) {
  if (bytes->size + count > bytes->room) {
    bytes->room = 2 * (bytes->size + count);
    bytes->data = realloc(bytes->data, bytes->room);
  }
  bytes->size += count;
  return bytes->data + bytes->size - count;
}

static inline void bytes_put(struct bytes *bytes, uint64_t value, int width) {
  memcpy(bytes_more(bytes, (size_t)width), &value, (size_t)width);
}

static inline void bytes_copy(struct bytes *bytes, const void *from, size_t count) {
  if (count)
    memcpy(bytes_more(bytes, count), from, count);
}

static inline void bytes_text(struct bytes *bytes, const char *text) {
  bytes_put(bytes, strlen(text), 4);
  bytes_copy(bytes, text, strlen(text));
}

static inline size_t bytes_record(struct bytes *bytes) {
  bytes_put(bytes, 0, 8);
  return bytes->size - 8;
}

static inline size_t bytes_list(struct bytes *bytes, uint32_t items) {
  bytes_put(bytes, UINT64_MAX, 8);
  bytes_put(bytes, items, 4);
  return bytes->size - 12;
}

/* Writes the size of the frame that began at `start`. */
static inline void bytes_end(struct bytes *bytes, size_t start) {
  int64_t kind, size = (int64_t)(bytes->size - start);
  memcpy(&kind, bytes->data + start, 8);
  size = kind < 0 ? -size : size;
  memcpy(bytes->data + start, &size, 8);
}

/* A file in memory with room for the anchor in front. */
enum { NTUPLE_KEY = 100, NTUPLE_KEY_LEN = 40, NTUPLE_ANCHOR = 78, NTUPLE_FRONT = 256 };

struct ntuple_file {
  struct bytes bytes;
  uint64_t words[7]; /* of the anchor: seek, stored, size of header and footer, largest key */
  uint64_t header_hash;
  size_t pages, pages_size; /* the page list added last */
};

static inline struct ntuple_file ntuple_file_new(void) {
  struct ntuple_file file = {0};
  memset(bytes_more(&file.bytes, NTUPLE_FRONT), 0, NTUPLE_FRONT);
  return file;
}

/* The payload as an envelope at the end of the file; returns where. */
static inline size_t ntuple_file_add(struct ntuple_file *file, unsigned type, const struct bytes *payload) {
  size_t at = file->bytes.size, size = payload->size + 16;
  bytes_put(&file->bytes, (uint64_t)size << 16 | type, 8);
  bytes_copy(&file->bytes, payload->data, payload->size);
  uint64_t hash = XXH3_64bits(file->bytes.data + at, size - 8);
  bytes_put(&file->bytes, hash, 8);
  if (type <= 2) {
    uint64_t *words = &file->words[type == 1 ? 0 : 3];
    words[0] = at;
    words[1] = words[2] = size;
  }
  if (type == 1)
    file->header_hash = hash;
  if (type == 3) {
    file->pages = at;
    file->pages_size = size;
  }
  return at;
}

static inline void ntuple_big(uint8_t *out, uint64_t value, int width) {
  for (int i = 0; i < width; i++)
    out[i] = (uint8_t)(value >> 8 * (width - 1 - i));
}

/* Puts the anchor in its place. */
static inline void ntuple_file_finish(struct ntuple_file *file) {
  uint8_t *anchor = file->bytes.data + NTUPLE_KEY + NTUPLE_KEY_LEN;
  ntuple_big(anchor, 0x40000042, 4);
  ntuple_big(anchor + 4, 2, 2);
  ntuple_big(anchor + 6, 1, 2);
  for (int i = 0; i < 7; i++)
    ntuple_big(anchor + 14 + 8 * i, file->words[i], 8);
  ntuple_big(anchor + 70, XXH3_64bits(anchor + 6, 64), 8);
}

/* `end` may be beyond the bytes, for pages that nobody reads. */
static inline enum mlaas_status ntuple_file_read(const struct ntuple_file *file, int64_t end,
                                                 struct mlaas_budget *budget, struct mlaas_ntuple *ntuple,
                                                 struct mlaas_error *error) {
  struct mlaas_container container = {.budget = budget, .end = end};
  struct mlaas_key key = {.offset = NTUPLE_KEY,
                          .key_len = NTUPLE_KEY_LEN,
                          .num_bytes = NTUPLE_KEY_LEN + NTUPLE_ANCHOR,
                          .object_len = NTUPLE_ANCHOR,
                          .class_name = "ROOT::RNTuple"};
  enum mlaas_status status = mlaas_source_from_memory(file->bytes.data, file->bytes.size, &container.source, error);
  if (status != MLAAS_OK)
    return status;
  status = mlaas_ntuple_read(&container, &key, ntuple, error);
  mlaas_source_put(container.source);
  return status;
}

/* The end of a footer: one group of clusters, behind an extension (NULL: empty). */
static inline struct bytes ntuple_footer(const struct ntuple_file *file, const struct bytes *extension,
                                         uint64_t first_entry, uint64_t entries, uint32_t clusters, uint64_t seek,
                                         uint64_t size) {
  struct bytes footer = {0};
  bytes_put(&footer, 0, 8);
  bytes_put(&footer, file->header_hash, 8);
  size_t frame = bytes_record(&footer);
  if (extension)
    bytes_copy(&footer, extension->data, extension->size);
  bytes_end(&footer, frame);
  size_t list = bytes_list(&footer, size ? 1 : 0);
  if (size) {
    frame = bytes_record(&footer);
    bytes_put(&footer, first_entry, 8);
    bytes_put(&footer, entries, 8);
    bytes_put(&footer, clusters, 4);
    bytes_put(&footer, size, 8);
    bytes_put(&footer, size, 4);
    bytes_put(&footer, seek, 8);
    bytes_end(&footer, frame);
  }
  bytes_end(&footer, list);
  return footer;
}

#endif
