/* Objects of a bucket below a prefix, as if it were a folder. */
#ifndef MLAAS_SOURCE_HTTP_S3_LIST_H
#define MLAAS_SOURCE_HTTP_S3_LIST_H

#include <mlaas/wire.h>

/* "s3://BUCKET/PREFIX"; the prefix ends with '/' or is empty. Errors: those of requests, FORMAT. */
enum mlaas_status mlaas_s3_list(const char *url, const struct mlaas_remote_options *options,
                                bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                struct mlaas_error *error);

#endif
