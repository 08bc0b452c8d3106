/* What the targets for RNTuple envelopes share: the fuzzer's bytes become envelopes with valid checksums around them,
 * in a file that says it is large, so that mutations reach what lies behind the checksums.
 */
#ifndef MLAAS_FUZZ_NTUPLE_FUZZ_H
#define MLAAS_FUZZ_NTUPLE_FUZZ_H

#include "../tests/rootio/ntuple_bytes.h"

/* The next `size` bytes, or as many as there are. */
static inline struct bytes fuzz_take(const uint8_t **data, size_t *left, size_t size) {
  struct bytes taken = {0};
  size = size < *left ? size : *left;
  bytes_copy(&taken, *data, size);
  *data += size;
  *left -= size;
  return taken;
}

/* Two bytes of length, then so many. */
static inline struct bytes fuzz_part(const uint8_t **data, size_t *left) {
  struct bytes length = fuzz_take(data, left, 2);
  size_t size = length.size == 2 ? length.data[0] | (size_t)length.data[1] << 8 : 0;
  free(length.data);
  return fuzz_take(data, left, size);
}

/* Every page that passed is within the file and its cluster: what those who read pages rely on. */
static inline void fuzz_check(const struct mlaas_ntuple *ntuple, int64_t end) {
  for (size_t c = 0; c < ntuple->num_clusters; c++)
    for (size_t i = 0; i < ntuple->num_columns; i++) {
      const struct mlaas_ntuple_range *range = &ntuple->clusters[c].ranges[i];
      if (ntuple->fields[ntuple->columns[i].field].unsupported)
        continue;
      int64_t next = range->num_pages ? range->pages[0].first : range->elements;
      for (size_t k = 0; k < range->num_pages; k++) {
        const struct mlaas_ntuple_page *page = &range->pages[k];
        if (page->first != next || page->elements <= 0 || page->stored < 0 || page->seek < 0 ||
            page->seek > end - page->stored)
          __builtin_trap();
        next += page->elements;
      }
      if (range->num_pages && !range->suppressed && next != range->elements)
        __builtin_trap();
    }
}

/* Reads the file and gives it back. */
static inline void fuzz_read(struct ntuple_file *file) {
  enum { END = 1 << 30 };
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  struct mlaas_ntuple ntuple;
  struct mlaas_error error;
  ntuple_file_finish(file);
  if (ntuple_file_read(file, END, budget, &ntuple, &error) == MLAAS_OK) {
    fuzz_check(&ntuple, END);
    mlaas_ntuple_reset(&ntuple);
  }
  if (mlaas_budget_held(budget) != 0)
    __builtin_trap();
  mlaas_budget_put(budget);
  free(file->bytes.data);
}

#endif
