/* Files that are reached over a wire. Must not know which protocol. */
#include "source/scheme.h"
#include "source/wires.h"

#include "base/error.h"

static enum mlaas_status open_remote(struct mlaas_context *context, const char *url, void **state, int64_t *size,
                                     struct mlaas_error *error) {
  (void)context;
  (void)state;
  (void)size;
  const struct mlaas_wire *wire = NULL;
  MLAAS_TRY(mlaas_wire_find(url, &wire, error));
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "'%s' cannot be read yet", url);
}

const struct mlaas_source_scheme mlaas_source_scheme_remote = {.name = "remote", .open = open_remote};
