/* Hostile files from end to end: every column of every table and every object, by the public functions. */
#include "mutant.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  struct mlaas_context_options options = {.size = sizeof options,
                                          .memory = 64 << 20,
                                          .threads = 1,
                                          .limits = {.metadata = 8 << 20, .basket = 4 << 20, .page = 4 << 20},
                                          .trust_pages = true}; /* else no changed page gets past its checksum */
  struct mlaas_context *context;
  struct mutant_reading reading = {0};
  if (mlaas_context_new(&options, &context, NULL) != MLAAS_OK)
    return 0;
  mutant_read(context, data, size, &reading);
  free(reading.values);
  if (mlaas_context_memory_held(context) != 0)
    __builtin_trap();
  mlaas_context_put(context);
  return 0;
}
