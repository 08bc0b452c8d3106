/* A file on a server as a stream of the C library, for what reads text. Must not know what the text means. */
#ifndef MLAAS_CLI_STREAM_H
#define MLAAS_CLI_STREAM_H

#include <mlaas/status.h>
#include <stdio.h>

struct mlaas_context;

/* Reads `url` from its begin, in pieces, not further than it was long at opening. Closed with fclose before the context
 * goes. Where a read fails, ferror is true and `problem`, which must outlive the stream, says why. Errors: as opening a
 * source. */
enum mlaas_status mlaas_stream_open(struct mlaas_context *context, const char *url, FILE **stream,
                                    struct mlaas_error *problem, struct mlaas_error *error);

#endif
