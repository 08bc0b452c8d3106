/* The bytes of any file that this library can open (a path, root://, http(s)://, s3:// ..., replicas with "|" between
 * them), with its retries, tokens and limits: for those who decode them elsewhere. Thread safe after opening.
 */
#ifndef MLAAS_BYTES_H
#define MLAAS_BYTES_H

#include <mlaas/context.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_bytes;
struct mlaas_costs; /* mlaas/file.h */

/* Holds the context. Errors: NOT_FOUND, IO, TIMEOUT, CANCELLED (mlaas_interrupt), UNSUPPORTED (names the schemes),
 * ARGUMENT (the URL), MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_bytes_open(struct mlaas_context *context, const char *url,
                                                             struct mlaas_bytes **bytes, struct mlaas_error *error);
MLAAS_API void mlaas_bytes_close(struct mlaas_bytes *bytes); /* NULL is allowed; nobody reads any more */
MLAAS_API int64_t mlaas_bytes_size(const struct mlaas_bytes *bytes);
/* All of [offset, offset + length) to `data`; after an error that has anything in it. In a thread that watches for
 * nothing else an interrupt (mlaas/context.h) ends it: libraries of formats read in threads of their own. Errors:
 * FORMAT (outside the file), IO, TIMEOUT, CANCELLED, STALE (it changed while open), STATE (opened before fork), MEMORY.
 */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_bytes_read(struct mlaas_bytes *bytes, int64_t offset, int64_t length,
                                                             void *data, struct mlaas_error *error);

/* These ranges will be read soon, as they are here and in about this order: those of a server begin to be fetched,
 * together and as far as the cache has room. A hint; ranges outside the file are left out. */
MLAAS_API void mlaas_bytes_ahead(struct mlaas_bytes *bytes, const int64_t *offsets, const int64_t *lengths,
                                 size_t count);
MLAAS_API bool mlaas_bytes_is_remote(const struct mlaas_bytes *bytes);
/* What opening and reading took so far. */
MLAAS_API void mlaas_bytes_costs(const struct mlaas_bytes *bytes, struct mlaas_costs *costs);

#ifdef __cplusplus
}
#endif
#endif
