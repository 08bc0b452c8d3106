/* What the handles of one job share: a ceiling on memory and a pool of threads.
 *
 * A context is counted: every file, table and loader made with it holds one count, so the caller may
 * put its own at any time. Thread safe. Threads start at the first use, never in mlaas_context_new; after fork() a
 * child must make a new context (a loader does so itself from its state), handles of the parent return MLAAS_STATE.
 */
#ifndef MLAAS_CONTEXT_H
#define MLAAS_CONTEXT_H

#include <mlaas/status.h>

#ifdef __cplusplus
extern "C" {
#endif

struct mlaas_context;

struct mlaas_context_options {
  size_t size;    /* sizeof(struct mlaas_context_options): lets the struct grow */
  int64_t memory; /* ceiling in bytes on everything the library holds; 0: 1 GiB */
  int threads;    /* threads that decode, the caller's included; 0: one per available core */
};

/* `options` may be NULL for the defaults. On success *context has one count. Errors: ARGUMENT, MEMORY. */
MLAAS_API MLAAS_NODISCARD enum mlaas_status mlaas_context_new(const struct mlaas_context_options *options,
                                                              struct mlaas_context **context,
                                                              struct mlaas_error *error);
MLAAS_API struct mlaas_context *mlaas_context_get(struct mlaas_context *context);
/* Gives one count back; NULL is allowed. */
MLAAS_API void mlaas_context_put(struct mlaas_context *context);

/* Bytes held now, the most that were ever held, and the ceiling. */
MLAAS_API int64_t mlaas_context_memory_held(const struct mlaas_context *context);
MLAAS_API int64_t mlaas_context_memory_peak(const struct mlaas_context *context);
MLAAS_API int64_t mlaas_context_memory_ceiling(const struct mlaas_context *context);
MLAAS_API int mlaas_context_threads(const struct mlaas_context *context);

#ifdef __cplusplus
}
#endif
#endif
