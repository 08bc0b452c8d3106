/* Files with secrets: a bearer token's (first byte 't'), AWS's credentials (else). What is taken of them can stand in a
 * header, and the rest is refused. */
#include "../src/source/http/s3.c"
#define clean token_clean
#define is_set token_is_set
#define find token_find
#define from_file token_from_file
#define read_all token_read_all
#include "../src/source/http/token.c"

#include "text_fuzz.h"

static void check(const char *text) {
  for (; *text; text++)
    if (*text <= ' ' || *text >= 0x7f)
      abort();
}

static void try_profile(const uint8_t *data, size_t size) {
  struct mlaas_s3_keys keys = {0};
  FILE *file = size ? fmemopen((void *)(uintptr_t)data, size, "r") : NULL;
  if (!file)
    return;
  if (read_profile(file, "default", &keys, NULL) == MLAAS_OK) {
    check(keys.access);
    check(keys.secret);
    check(keys.session ? keys.session : "");
  }
  fclose(file);
  mlaas_s3_keys_reset(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  if (data[0] != 't') {
    try_profile(data, size);
    return 0;
  }
  char *text = fuzz_text(data + 1, size - 1);
  if (token_clean(text)) {
    check(text);
    if (!*text)
      abort();
  }
  free(text);
  return 0;
}
