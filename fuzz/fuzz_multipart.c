/* Forms: the first line is the Content-Type, the rest the body. Every view has to lie within what was given. */
#include "serve/body/multipart.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct mlaas_slice whole, struct mlaas_slice part) {
  if (part.data < whole.data || part.size > whole.size || part.data + part.size > whole.data + whole.size)
    abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  const uint8_t *line = size ? memchr(data, '\n', size) : NULL;
  struct mlaas_form form;
  struct mlaas_arena arena;
  if (!line)
    return 0;
  struct mlaas_slice type = {(const char *)data, (size_t)(line - data)};
  struct mlaas_slice body = {(const char *)line + 1, size - type.size - 1};
  struct mlaas_budget *budget = mlaas_budget_new(64 << 20);
  mlaas_arena_init(&arena, budget);
  if (mlaas_multipart_parse(type, body, &arena, &form, NULL) == MLAAS_OK)
    for (size_t i = 0; i < form.count; i++) {
      check(body, form.parts[i].content);
      char *bytes = malloc(form.parts[i].content.size / 4 * 3 + 3);
      size_t length = 0;
      if (bytes && mlaas_base64_decode(form.parts[i].content, bytes, &length, NULL) == MLAAS_OK &&
          length > form.parts[i].content.size / 4 * 3)
        abort();
      free(bytes);
      if (form.parts[i].filename.data)
        check(form.parts[i].filename, mlaas_file_base(form.parts[i].filename));
    }
  mlaas_arena_reset(&arena);
  mlaas_budget_put(budget);
  return 0;
}
