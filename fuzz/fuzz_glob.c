/* Folders that a server lists, against a pattern: the first line is the pattern, the others are whole URLs as the
 * server gives them ("/" at the end: a folder), the same for every folder that is asked for. What is found lies below
 * the pattern's own beginning. */
#include "source/glob.h"
#include "source/wires.h"

#include <mlaas/context.h>

#include "text_fuzz.h"

static const uint8_t *names;
static size_t names_size;
static int asked;

static enum mlaas_status list(const char *url, const struct mlaas_remote_options *options,
                              bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                              struct mlaas_error *error) {
  const uint8_t *data = names;
  size_t size = names_size;
  bool more = true;
  (void)url;
  (void)options;
  (void)error;
  if (++asked > 40) /* folders that hold themselves */
    return MLAAS_IO;
  for (char *line; (line = fuzz_line(&data, &size));) {
    size_t length = strlen(line);
    struct mlaas_wire_entry found = {.url = line, .size = -1, .is_directory = length > 0 && line[length - 1] == '/'};
    more = more && entry(context, &found);
    free(line);
  }
  return MLAAS_OK;
}

static enum mlaas_status open_nothing(const char *url, const struct mlaas_remote_options *options,
                                      struct mlaas_wire_file *file, bool *transient, struct mlaas_error *error) {
  (void)url;
  (void)options;
  (void)file;
  (void)transient;
  (void)error;
  return MLAAS_IO;
}

static void try_pattern(const char *scheme, const char *rest) {
  static struct mlaas_context *context;
  static const char *const schemes[] = {"fake", "http", NULL};
  static const struct mlaas_wire wire = {
      .version = MLAAS_WIRE_VERSION, .size = sizeof wire, .schemes = schemes, .open = open_nothing, .list = list};
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 << 20, .threads = 1};
  if (!context && mlaas_context_new(&options, &context, NULL) != MLAAS_OK)
    abort();
  mlaas_wire_lend(&wire);
  size_t size = strlen(scheme) + strlen(rest) + 1;
  char *pattern = malloc(size);
  struct mlaas_glob_names found = {0};
  if (!pattern)
    abort();
  snprintf(pattern, size, "%s%s", scheme, rest);
  asked = 0;
  if (mlaas_glob(context, pattern, &found, NULL) == MLAAS_OK) {
    size_t own = strcspn(pattern, "*[?");
    while (own && pattern[own - 1] != '/')
      own--;
    for (size_t i = 0; i < found.count; i++)
      if (strncmp(found.names[i], pattern, own) != 0 || (i && strcmp(found.names[i - 1], found.names[i]) >= 0))
        abort();
    mlaas_glob_reset(&found);
  }
  free(pattern);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *rest = fuzz_line(&data, &size);
  size_t stars = 0;
  for (const char *c = rest ? rest : ""; *c; c++)
    stars += *c == '*';
  names = data;
  names_size = size;
  /* Patterns are the user's own: many stars in one only take long. */
  if (rest && stars < 5 && strlen(rest) < 300 && size < 4096) {
    try_pattern("fake://host//", rest);
    try_pattern("http://host/", rest);
  }
  free(rest);
  return 0;
}
