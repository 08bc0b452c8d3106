/* Names in a directory behind HTTP, WebDAV or S3. */
#ifndef MLAAS_SOURCE_HTTP_LIST_H
#define MLAAS_SOURCE_HTTP_LIST_H

#include <mlaas/wire.h>

/* `list` of the wire: S3's ListObjectsV2; WebDAV's PROPFIND; for http(s) also an index page, in JSON or HTML. */
enum mlaas_status mlaas_http_list(const char *url, const struct mlaas_remote_options *options,
                                  bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                  struct mlaas_error *error);

#endif
