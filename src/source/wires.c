/* Which protocol a URL speaks. Must not know how any of them is spoken. */
#include "source/wires.h"

#include "base/error.h"

#include <string.h>

/* A new protocol is one line here, or a plug-in. */
static const struct mlaas_wire *const built_in[] = {NULL};

static const struct mlaas_wire *lent;

void mlaas_wire_lend(const struct mlaas_wire *wire) { lent = wire; }

static bool speaks(const struct mlaas_wire *wire, const char *scheme, size_t length) {
  for (const char *const *name = wire->schemes; *name; name++)
    if (strlen(*name) == length && strncmp(*name, scheme, length) == 0)
      return true;
  return false;
}

enum mlaas_status mlaas_wire_find(const char *url, const struct mlaas_wire **wire, struct mlaas_error *error) {
  const char *separator = strstr(url, "://");
  if (separator && lent && speaks(lent, url, (size_t)(separator - url))) {
    *wire = lent;
    return MLAAS_OK;
  }
  for (size_t i = 0; separator && i < sizeof built_in / sizeof *built_in; i++)
    if (built_in[i] && speaks(built_in[i], url, (size_t)(separator - url))) {
      *wire = built_in[i];
      return MLAAS_OK;
    }
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "the scheme of '%s' is not known; there are: file:// and plain paths",
                    url);
}
