/* Names in a directory behind HTTP. Must not know who asks. */
#include "source/http_list.h"

#include "base/error.h"

enum mlaas_status mlaas_http_list(const char *url, const struct mlaas_remote_options *options,
                                  bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                  struct mlaas_error *error) {
  (void)url;
  (void)options;
  (void)entry;
  (void)context;
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "directories behind HTTP cannot be listed yet: name the files");
}
