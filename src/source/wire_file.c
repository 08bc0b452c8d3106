/* Files at hand among replicas ("file:///data/x.root|root://host//x.root"): the scheme for files, as a protocol that
 * answers at once. Must not know what else there is. */
#include "source/scheme.h"
#include "source/wires.h"

#include "base/error.h"

enum { REQUESTS = 4, RANGES = 1024 };

static enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options,
                                   struct mlaas_wire_file *file, bool *transient, struct mlaas_error *error) {
  (void)options;
  *transient = false;
  MLAAS_TRY(mlaas_source_scheme_file.open(NULL, url, &file->handle, &file->size, error));
  file->most_ranges = RANGES;
  file->most_requests = REQUESTS;
  return MLAAS_OK;
}

static void start(void *handle, struct mlaas_fetch *fetch) {
  fetch->status = mlaas_source_scheme_file.read_many(handle, fetch->ranges, fetch->num_ranges, &fetch->error);
  fetch->requests = 1;
  for (size_t i = 0; fetch->status == MLAAS_OK && i < fetch->num_ranges; i++)
    fetch->delivered += fetch->ranges[i].length;
  fetch->done(fetch);
}

static void cancel(void *handle, struct mlaas_fetch *fetch) {
  (void)handle;
  (void)fetch; /* done was called within start */
}

static enum mlaas_status checksum(void *handle, char *text, size_t size, struct mlaas_error *error) {
  (void)handle;
  (void)text;
  (void)size;
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "nobody keeps a checksum of this file");
}

static enum mlaas_status list(const char *url, const struct mlaas_remote_options *options,
                              bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                              struct mlaas_error *error) {
  (void)options;
  (void)entry;
  (void)context;
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "'%s' is no server's folder", url);
}

static void close_file(void *handle) { mlaas_source_scheme_file.close(handle); }

static const char *const schemes[] = {"file", NULL};
const struct mlaas_wire mlaas_wire_file = {.version = MLAAS_WIRE_VERSION,
                                           .size = sizeof(struct mlaas_wire),
                                           .schemes = schemes,
                                           .open = open_file,
                                           .start = start,
                                           .cancel = cancel,
                                           .checksum = checksum,
                                           .list = list,
                                           .close = close_file};
