/* Names of files: the first line is a redirector, the others are a list of names. Nothing is asked and no folder is
 * listed. What is shown of a name holds no password. */
#include "source/place.h"
#include "source/remote/remote.h"

#include <mlaas/context.h>

#include "text_fuzz.h"

static struct mlaas_context *job(void) {
  static struct mlaas_context *context;
  struct mlaas_context_options options = {.size = sizeof options, .memory = 64 << 20, .threads = 1};
  if (!context && mlaas_context_new(&options, &context, NULL) != MLAAS_OK)
    abort();
  return context;
}

static void try_show(const char *name) {
  static const char secret[] = "hUnTeR2";
  size_t size = strlen(name) + sizeof secret + 64;
  char *named = malloc(size), *shown = malloc(size), tiny[8];
  if (!named || !shown)
    abort();
  size_t length = mlaas_place_show(name, shown, size);
  if (length >= size + 3 * strlen(name) || mlaas_place_show(name, tiny, sizeof tiny) != length ||
      strlen(tiny) >= sizeof tiny || mlaas_place_show(name, NULL, 0) != length)
    abort();
  static const char *const forms[] = {"https://me:%s@host/%s", "root://me:%s@host//%s", "https://host/x?authz=%s&%s",
                                      "root://host//x?xrd.token=%s&%s"};
  for (size_t i = 0; i < sizeof forms / sizeof *forms && !strstr(name, secret); i++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    snprintf(named, size, forms[i], secret, name);
#pragma GCC diagnostic pop
    mlaas_place_show(named, shown, size);
    if (strstr(shown, secret))
      abort();
  }
  free(named);
  free(shown);
}

static void try_name(const char *redirector, const char *name) {
  char *place = NULL;
  struct mlaas_arena arena;
  mlaas_arena_init(&arena, mlaas_context_budget(job()));
  if (mlaas_place_path(name) > mlaas_place_query(name) && *mlaas_place_path(name))
    abort();
  (void)mlaas_place_is_pattern(name);
  (void)mlaas_place_is_data(name);
  (void)mlaas_place_is_list(name);
  if (mlaas_place_redirect(redirector, name, &place, NULL) == MLAAS_OK)
    (void)mlaas_place_show(place, NULL, 0);
  mlaas_free(place);
  struct mlaas_error error;
  if (strlen(name) < 4096)
    (void)mlaas_place_beside(name, "other.root", &arena, &error);
  mlaas_arena_reset(&arena);
  try_show(name);
}

/* Wires are looked for by scheme; plug-ins are not loaded here. */
static void try_replicas(const char *name) {
  struct mlaas_remote *remote = calloc(1, sizeof *remote);
  if (!remote)
    abort();
  if (!strstr(name, "root")) {
    (void)mlaas_replicas_parse(remote, name, NULL);
    for (int i = 0; i < remote->num_replicas; i++)
      if (strlen(remote->replicas[i].host) >= sizeof remote->replicas[i].host)
        abort();
    mlaas_replicas_reset(remote);
  }
  free(remote);
}

static void try_list(const char *text, const char *redirector) {
  struct mlaas_places_options options = {.size = sizeof options, .redirector = redirector};
  struct mlaas_places *places = NULL;
  if (strpbrk(text, "*[?") || strpbrk(redirector, "*[?")) /* would walk folders of this machine */
    return;
  if (mlaas_places_expand(NULL, &text, 1, &options, &places, NULL) != MLAAS_OK)
    return;
  for (size_t i = 0; i < mlaas_places_count(places); i++)
    if (!*mlaas_places_name(places, i) || mlaas_places_origin(places, i) >= mlaas_places_num_written(places))
      abort();
  mlaas_places_free(places);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *redirector = fuzz_line(&data, &size);
  for (char *name; redirector && (name = fuzz_line(&data, &size));) {
    try_name(redirector, name);
    try_replicas(name);
    try_list(name, redirector);
    free(name);
  }
  free(redirector);
  return 0;
}
