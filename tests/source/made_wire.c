/* Plug-ins for protocols as they should be and as they should not: KIND says which. */
#include <mlaas/wire.h>

#include <string.h>

#define GOOD 1
#define OLD 2
#define PARTIAL 3
#define NONE 4
#define NAMELESS 5

static enum mlaas_status open_none(const char *url, const struct mlaas_remote_options *options,
                                   struct mlaas_wire_file *file, bool *transient, struct mlaas_error *error) {
  (void)options;
  (void)file;
  *transient = false;
  error->status = MLAAS_NOT_FOUND;
  strncpy(error->message, url, sizeof error->message - 1);
  return MLAAS_NOT_FOUND;
}

static void start(void *handle, struct mlaas_fetch *fetch) {
  (void)handle;
  fetch->done(fetch);
}

static void cancel(void *handle, struct mlaas_fetch *fetch) {
  (void)handle;
  (void)fetch;
}

static enum mlaas_status checksum(void *handle, char *text, size_t size, struct mlaas_error *error) {
  (void)handle;
  (void)text;
  (void)size;
  (void)error;
  return MLAAS_UNSUPPORTED;
}

static enum mlaas_status list(const char *url, const struct mlaas_remote_options *options,
                              bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                              struct mlaas_error *error) {
  (void)url;
  (void)options;
  (void)entry;
  (void)context;
  (void)error;
  return MLAAS_UNSUPPORTED;
}

static void close_none(void *handle) { (void)handle; }

#if KIND != NAMELESS
MLAAS_API const struct mlaas_wire *mlaas_wire_get(void) {
#else
MLAAS_API const struct mlaas_wire *made_wire_get(void);
MLAAS_API const struct mlaas_wire *made_wire_get(void) {
#endif
  static const char *const schemes[] = {"root", NULL};
  static const struct mlaas_wire wire = {.version = KIND == OLD ? 99 : MLAAS_WIRE_VERSION,
                                         .size = sizeof wire,
                                         .schemes = schemes,
                                         .open = open_none,
                                         .start = start,
                                         .cancel = KIND == PARTIAL ? NULL : cancel,
                                         .checksum = checksum,
                                         .list = list,
                                         .close = close_none};
  return KIND == NONE ? NULL : &wire;
}
