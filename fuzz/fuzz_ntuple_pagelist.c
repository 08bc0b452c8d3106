/* An RNTuple's page list behind a schema: clusters, columns, pages, and all that has to add up. Input: header and
 * schema extension, each behind its length (2 bytes), then the page list. The footer says of its clusters what it says
 * itself.
 */
#include "ntuple_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t word_at(const struct bytes *bytes, size_t at, size_t width) {
  uint64_t word = 0;
  if (at + width <= bytes->size)
    memcpy(&word, bytes->data + at, width);
  return word;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { HASH = 8, SUMMARIES = 28, SUMMARY = 24, MOST = 1000 };
  struct ntuple_file file = ntuple_file_new();
  struct bytes header = fuzz_part(&data, &size), extension = fuzz_part(&data, &size);
  struct bytes pages = fuzz_take(&data, &size, size);
  ntuple_file_add(&file, 1, &header);
  if (pages.size >= HASH)
    memcpy(pages.data, &file.header_hash, HASH);
  uint32_t clusters = (uint32_t)word_at(&pages, SUMMARIES - 12, 4);
  uint64_t first = clusters ? UINT64_MAX : 0, entries = 0;
  for (uint32_t i = 0; i < clusters && i < MOST; i++) {
    uint64_t start = word_at(&pages, SUMMARIES + SUMMARY * i, 8);
    first = start < first ? start : first;
    entries += word_at(&pages, SUMMARIES + SUMMARY * i + 8, 8) << 8 >> 8;
  }
  size_t at = ntuple_file_add(&file, 3, &pages);
  struct bytes footer =
      ntuple_footer(&file, extension.size ? &extension : NULL, first, entries, clusters, at, pages.size + 16);
  ntuple_file_add(&file, 2, &footer);
  fuzz_read(&file);
  free(header.data);
  free(extension.data);
  free(pages.data);
  free(footer.data);
  return 0;
}
