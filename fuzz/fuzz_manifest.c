/* What a folder of models says of itself. The first byte says which file the rest is: params.json, model.json,
 * labels.txt, echo.json, or params.json beside a bundle. What is taken stays in its folder. */
#include "model/manifest.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static char folder[] = "/tmp/mlaas-fuzz-XXXXXX";
static const char *const names[] = {"params.json", "model.json", "labels.txt", "echo.json", "recipe.json"};
enum { NAMES = sizeof names / sizeof *names };

static void remove_folder(void) {
  char path[64];
  for (int i = 0; i < NAMES; i++) {
    snprintf(path, sizeof path, "%s/%s", folder, names[i]);
    unlink(path);
  }
  snprintf(path, sizeof path, "%s/model.pb", folder);
  unlink(path);
  rmdir(folder);
}

static void put(const char *name, const void *data, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "%s/%s", folder, name);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(data, 1, size, file) != size || fclose(file) != 0)
    abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv) {
  (void)argc;
  (void)argv;
  if (!mkdtemp(folder))
    abort();
  atexit(remove_folder);
  put("model.pb", "x", 1);
  return 0;
}

static void check(const struct mlaas_manifest *manifest) {
  size_t length = strlen(folder);
  if (!manifest->name || !manifest->backend || !manifest->path || !manifest->labels || manifest->version < 1 ||
      !json_is_object(manifest->options) || strncmp(manifest->path, folder, length) != 0 ||
      (manifest->path[length] != 0 && strchr(manifest->path + length + 1, '/')) || strstr(manifest->path, ".."))
    abort();
  for (size_t i = 0; i <= manifest->num_labels; i++)
    if (!manifest->labels[i] != (i == manifest->num_labels))
      abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  static const char bundle[] =
      "{\"format\": \"mlaas-model\", \"version\": 1, \"back_end\": \"tensorflow\", \"file\": \"model.pb\"}";
  struct mlaas_manifest manifest;
  struct mlaas_error error;
  char path[64];
  if (size < 1)
    return 0;
  int which = (data[0] - '0') & 7;
  const char *name = names[which < NAMES ? which : 0];
  put(name, data + 1, size - 1);
  if (which > 3)
    put("model.json", bundle, sizeof bundle - 1);
  if (mlaas_manifest_read(folder, &manifest, &error) == MLAAS_OK)
    check(&manifest);
  else if (error.status == MLAAS_OK || !error.message[0])
    abort();
  mlaas_manifest_reset(&manifest);
  snprintf(path, sizeof path, "%s/%s", folder, name);
  unlink(path);
  if (which > 3) {
    snprintf(path, sizeof path, "%s/model.json", folder);
    unlink(path);
  }
  return 0;
}
