/* Calls of a wire that block, made so that their caller can leave: when the deadline passes or it is cancelled. */
#ifndef MLAAS_SOURCE_REMOTE_OPENER_H
#define MLAAS_SOURCE_REMOTE_OPENER_H

#include "base/context.h"

#include <mlaas/wire.h>

/* Opens `url`; what comes too late is closed. Errors: those of the wire, TIMEOUT, CANCELLED. */
enum mlaas_status mlaas_wire_open(const struct mlaas_wire *wire, struct mlaas_context *context, const char *url,
                                  int64_t deadline_ms, struct mlaas_wire_file *file, bool *transient,
                                  struct mlaas_error *error);
/* Reads one range and waits for it. Errors: those of the wire, TIMEOUT, CANCELLED. */
enum mlaas_status mlaas_wire_read(const struct mlaas_wire *wire, void *handle, const struct mlaas_range *range,
                                  int64_t deadline_ms, struct mlaas_fetch *fetch, struct mlaas_error *error);

#endif
