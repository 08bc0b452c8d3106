/* Sources for callers outside the library. Must not know what the bytes mean. */
#include "source/source.h"

#include "base/error.h"

#include <mlaas/bytes.h>

struct mlaas_bytes {
  struct mlaas_context *context;
  struct mlaas_source *source;
};

enum mlaas_status mlaas_bytes_open(struct mlaas_context *context, const char *url, struct mlaas_bytes **bytes,
                                   struct mlaas_error *error) {
  struct mlaas_bytes *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a file");
  made->context = mlaas_context_get(context);
  enum mlaas_status status = mlaas_source_open(context, url, &made->source, error);
  if (status == MLAAS_OK)
    *bytes = made;
  else
    mlaas_bytes_close(made);
  return status;
}

void mlaas_bytes_close(struct mlaas_bytes *bytes) {
  if (!bytes)
    return;
  mlaas_source_put(bytes->source);
  mlaas_context_put(bytes->context);
  mlaas_free(bytes);
}

int64_t mlaas_bytes_size(const struct mlaas_bytes *bytes) { return mlaas_source_size(bytes->source); }

enum mlaas_status mlaas_bytes_read(struct mlaas_bytes *bytes, int64_t offset, int64_t length, void *data,
                                   struct mlaas_error *error) {
  return mlaas_source_read_at(bytes->source, offset, length, data, error);
}
