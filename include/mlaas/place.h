/* Names of files as users write them: paths, URLs, patterns, lists, replicas.
 *
 * A name is a path, SCHEME://..., or replicas of one file with "|" between them, each with a scheme
 * ("root://a//x.root|https://b/x.root"). "*", "[a-z]" and, in paths, "?" stand for names in a folder, "**" for any
 * folders; servers are asked for their folders where the protocol lists. In a URL "?" begins a query.
 */
#ifndef MLAAS_PLACE_H
#define MLAAS_PLACE_H

#include <mlaas/context.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_places;

struct mlaas_places_options {
  size_t size;            /* sizeof(struct mlaas_places_options): lets the struct grow */
  const char *redirector; /* put in front of paths that do not exist here: "root://host", or a folder; NULL, "": none */
  bool lists; /* a name may also be a text file with one name a line (# begins a comment), or names with commas between
               */
};

/* Every file that `names` mean, in their order, those of a pattern in byte order. A name that means one file stays as
 * it was written, but for the redirector; nothing is opened but lists and folders. `context` may be NULL: servers are
 * not asked then, their patterns and lists stay as they are. `options` may be NULL. Errors: NOT_FOUND (nothing matches;
 * a list that is not there), ARGUMENT (the redirector, replicas, a list without names), UNSUPPORTED (the protocol does
 * not list), LIMIT, MEMORY, and those of asking a server. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_places_expand(struct mlaas_context *context, const char *const *names,
                                                                size_t num_names,
                                                                const struct mlaas_places_options *options,
                                                                struct mlaas_places **places,
                                                                struct mlaas_error *error);
MLAAS_API size_t mlaas_places_count(const struct mlaas_places *places);
MLAAS_API const char *mlaas_places_name(const struct mlaas_places *places, size_t i); /* lives as long as `places` */
/* As which name the i-th was written, counted in all that were (lines of lists each), of which there are num_written:
 * files that one pattern matches share it, and so may have one label. */
MLAAS_API size_t mlaas_places_origin(const struct mlaas_places *places, size_t i);
MLAAS_API size_t mlaas_places_num_written(const struct mlaas_places *places);
MLAAS_API void mlaas_places_free(struct mlaas_places *places);

/* A name as it may be shown to others: passwords, tokens and signatures in it become "***". Always terminated; returns
 * the length it would need. */
MLAAS_API size_t mlaas_place_show(const char *name, char *text, size_t size);

#ifdef __cplusplus
}
#endif
#endif
