/* Every JSON of ours that comes from outside: params, recipe, specs, global-specs. The first byte chooses. What parses
 * has to be written, and read back to the same text. */
#include "base/context.h"

#include <mlaas/dataset.h>

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same(char *first, char *second) {
  if (!first || !second || strcmp(first, second) != 0)
    abort();
  mlaas_text_free(first);
  mlaas_text_free(second);
}

static void try_recipe(const char *text, size_t size) {
  struct mlaas_recipe *recipe = NULL, *again = NULL;
  char *first = NULL, *second = NULL;
  int8_t part[16];
  if (mlaas_recipe_parse(text, size, &recipe, NULL) != MLAAS_OK)
    return;
  if (mlaas_recipe_format(recipe, &first, NULL) != MLAAS_OK ||
      mlaas_recipe_parse(first, strlen(first), &again, NULL) != MLAAS_OK ||
      mlaas_recipe_format(again, &second, NULL) != MLAAS_OK ||
      mlaas_recipe_split(recipe, "file", 0, 16, (const int64_t[16 * 64]){0}, part, NULL) != MLAAS_OK)
    abort();
  same(first, second);
  mlaas_recipe_put(recipe);
  mlaas_recipe_put(again);
}

static void try_specs(const char *text, size_t size) {
  struct mlaas_specs *specs = NULL, *again = NULL;
  char *first = NULL, *second = NULL, *global = NULL;
  if (mlaas_specs_parse(text, size, &specs, NULL) != MLAAS_OK)
    return;
  if (mlaas_specs_format_global(specs, &global, NULL) != MLAAS_OK ||
      mlaas_specs_format(specs, &first, NULL) != MLAAS_OK)
    abort();
  if (mlaas_specs_parse(first, strlen(first), &again, NULL) != MLAAS_OK ||
      mlaas_specs_format(again, &second, NULL) != MLAAS_OK)
    abort();
  same(first, second);
  mlaas_text_free(global);
  mlaas_specs_free(specs);
  mlaas_specs_free(again);
}

/* The options of remote files that the parameters set are within their bounds. */
static void try_remote(const char *text) {
  static struct mlaas_context *context;
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 << 20, .threads = 1};
  struct mlaas_context *derived = NULL;
  if ((!context && mlaas_context_new(&options, &context, NULL) != MLAAS_OK) ||
      mlaas_params_context(text, context, &derived, NULL) != MLAAS_OK)
    abort();
  const struct mlaas_remote_options *remote = mlaas_context_remote(derived);
  if (remote->connect_ms < 1 || remote->timeout_ms < 1 || remote->deadline_ms < 1 || remote->cache < 0 ||
      remote->retries > 1000)
    abort();
  mlaas_context_put(derived);
}

static void try_params(const char *text) {
  char *first = NULL, *second = NULL;
  if (strstr(text, "exclude_branches") || mlaas_params_check(text, &first, NULL) != MLAAS_OK)
    return; /* exclude_branches may open files */
  if (mlaas_params_check(first, &second, NULL) != MLAAS_OK)
    abort();
  same(first, second);
  try_remote(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  if (size < 1)
    return 0;
  char *text = malloc(size);
  if (!text)
    return 0;
  memcpy(text, data + 1, size - 1);
  text[size - 1] = 0;
  if (data[0] == '0')
    try_recipe(text, size - 1);
  else if (data[0] == '1')
    try_specs(text, size - 1);
  else
    try_params(text);
  free(text);
  return 0;
}
