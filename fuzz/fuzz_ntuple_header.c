/* An RNTuple's header, signed anew: features, texts, fields, columns, aliases, extra information. */
#include "ntuple_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct ntuple_file file = ntuple_file_new();
  struct bytes header = fuzz_take(&data, &size, size);
  ntuple_file_add(&file, 1, &header);
  struct bytes footer = ntuple_footer(&file, NULL, 0, 0, 0, 0, 0);
  ntuple_file_add(&file, 2, &footer);
  fuzz_read(&file);
  free(header.data);
  free(footer.data);
  return 0;
}
