/* What the targets for records share: the fuzzer's bytes as the payload behind a key, in a file of nothing else. */
#ifndef MLAAS_FUZZ_RECORD_FUZZ_H
#define MLAAS_FUZZ_RECORD_FUZZ_H

#include "rootio/value/class_node.h"
#include "rootio/container/container.h"

#include <stdlib.h>
#include <string.h>

enum { RECORD_KEY = 64 };

/* Opens [data, data + size) as the payload of a key at 1; *bytes is to be freed behind it. */
static inline struct mlaas_container record_open(const uint8_t *data, size_t size, struct mlaas_budget *budget,
                                                 struct mlaas_key *key, uint8_t **bytes) {
  struct mlaas_container container = {.budget = budget, .end = (int64_t)(RECORD_KEY + size)};
  *bytes = calloc(1, RECORD_KEY + size);
  if (!*bytes)
    abort();
  memcpy(*bytes + RECORD_KEY, data, size);
  mlaas_arena_init(&container.arena, budget);
  if (mlaas_source_from_memory(*bytes, RECORD_KEY + size, &container.source, NULL) != MLAAS_OK)
    abort();
  *key = (struct mlaas_key){.offset = 1,
                            .key_len = RECORD_KEY - 1,
                            .num_bytes = (int32_t)(RECORD_KEY - 1 + size),
                            .object_len = (int32_t)size,
                            .class_name = "TTree",
                            .name = "t",
                            .title = ""};
  return container;
}

#endif
