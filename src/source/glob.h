/* Patterns of names: folders are walked as far as a pattern needs. The same for folders here and on servers. */
#ifndef MLAAS_SOURCE_GLOB_H
#define MLAAS_SOURCE_GLOB_H

#include <mlaas/context.h>

enum mlaas_glob_kind { MLAAS_GLOB_FILE, MLAAS_GLOB_FOLDER, MLAAS_GLOB_LINK, MLAAS_GLOB_OTHER }; /* LINK: to a folder */

/* Heap, sorted by byte order, each once. */
struct mlaas_glob_names {
  char **names;
  size_t count, room;
};

/* All regular files that match a pattern with wildcards (see mlaas/place.h). Errors: NOT_FOUND (nothing matches),
 * UNSUPPORTED (the protocol does not list), ARGUMENT, LIMIT, MEMORY, those of asking a server. `context` is not NULL
 * for a URL. */
enum mlaas_status mlaas_glob(struct mlaas_context *context, const char *pattern, struct mlaas_glob_names *found,
                             struct mlaas_error *error);
void mlaas_glob_reset(struct mlaas_glob_names *names);

#endif
