/* The inside of a context: budget and pool, for the floors above. */
#ifndef MLAAS_BASE_CONTEXT_H
#define MLAAS_BASE_CONTEXT_H

#include "base/memory.h"
#include "base/pool.h"

#include <mlaas/context.h>

struct mlaas_budget *mlaas_context_budget(const struct mlaas_context *context); /* borrowed */
struct mlaas_pool *mlaas_context_pool(const struct mlaas_context *context);     /* borrowed */
/* What reads other formats, or NULL. */
const struct mlaas_foreign *mlaas_context_foreign(const struct mlaas_context *context);
/* Borrowed; no number is 0, texts may be NULL. */
const struct mlaas_remote_options *mlaas_context_remote(const struct mlaas_context *context);

/* Another context over the same budget and pool, which reaches remote files in another way. */
enum mlaas_status mlaas_context_derive(struct mlaas_context *context, const struct mlaas_remote_options *remote,
                                       struct mlaas_context **derived, struct mlaas_error *error);

#endif
