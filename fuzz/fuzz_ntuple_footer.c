/* An RNTuple's footer behind a header: schema extension and cluster groups. Input: the header's length (2 bytes), the
 * header, the footer. Its groups find a page list without clusters at byte 256, of 48 bytes.
 */
#include "ntuple_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A page list names its header's checksum, so that is computed before the header has its place. */
static void add_empty_pages(struct ntuple_file *file, const struct bytes *header) {
  struct ntuple_file trial = ntuple_file_new();
  struct bytes pages = {0};
  ntuple_file_add(&trial, 1, header);
  bytes_put(&pages, trial.header_hash, 8);
  bytes_end(&pages, bytes_list(&pages, 0));
  bytes_end(&pages, bytes_list(&pages, 0));
  ntuple_file_add(file, 3, &pages);
  free(trial.bytes.data);
  free(pages.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  enum { HASH = 8 };
  struct ntuple_file file = ntuple_file_new();
  struct bytes header = fuzz_part(&data, &size), footer = fuzz_take(&data, &size, size);
  add_empty_pages(&file, &header);
  ntuple_file_add(&file, 1, &header);
  if (footer.size >= 2 * HASH)
    memcpy(footer.data + HASH, &file.header_hash, HASH);
  ntuple_file_add(&file, 2, &footer);
  fuzz_read(&file);
  free(header.data);
  free(footer.data);
  return 0;
}
