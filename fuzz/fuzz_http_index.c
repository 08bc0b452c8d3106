/* Listings of folders: the first byte says which kind, the rest is the page. What is told has to be a name. */
#include "source/http/index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool child(void *context, const char *name, int64_t size, bool is_directory) {
  (void)context;
  (void)is_directory;
  if (!*name || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || size < -1)
    abort();
  return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size == 0)
    return 0;
  struct mlaas_http_index index = {.url = "https://host:1/a%20b/c/", .child = child};
  char *text = malloc(size); /* with a zero behind it, as bodies have */
  if (!text)
    return 0;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = 0;
  if (data[0] % 3 == 0)
    (void)mlaas_http_index_dav(&index, text, size - 1, NULL);
  else if (data[0] % 3 == 1)
    (void)mlaas_http_index_json(&index, text, size - 1, NULL);
  else
    (void)mlaas_http_index_html(&index, text, size - 1, NULL);
  free(text);
  return 0;
}
