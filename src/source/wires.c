/* Which protocol a URL speaks. Must not know how any of them is spoken. */
#include "source/wires.h"

#include "base/error.h"
#include "base/places.h"
#include "base/plugin.h"

#include <stdio.h>
#include <string.h>

/* A new protocol is one line here, or a plug-in. */
static const struct mlaas_wire *const built_in[] = {&mlaas_wire_http};

/* Tests only. */
static const struct mlaas_wire *lent;

void mlaas_wire_lend(const struct mlaas_wire *wire) { lent = wire; }

/* Protocols whose libraries not everybody has: a plug-in each. */
static const struct plugin {
  const char *name;       /* of mlaas-NAME.so */
  const char *what;       /* as its users call it */
  const char *schemes[8]; /* ended by NULL */
  const char *install;    /* what the plug-in is built with and needs to run */
} plugins[] = {
    {"xrootd",
     "XRootD",
     {"root", "xroot", "roots", "xroots"},
     "it is built where a C++ compiler and the headers of XRootD's client are (Debian: libxrootd-client-dev, conda: "
     "xrootd)"},
};

static enum mlaas_status check_table(const void *table, const char *path, struct mlaas_error *error) {
  const struct mlaas_wire *wire = table;
  if (!wire || wire->version != MLAAS_WIRE_VERSION)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s was made for version %u of the protocols' interface, not %d", path,
                      wire ? wire->version : 0U, MLAAS_WIRE_VERSION);
  if (wire->size < sizeof *wire || !wire->schemes || !wire->open || !wire->start || !wire->cancel || !wire->checksum ||
      !wire->list || !wire->close)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s lacks functions of a protocol", path);
  return MLAAS_OK;
}

static const struct mlaas_plugin_kind kind = {.what = "protocol",
                                              .prefix = "mlaas-",
                                              .folder = "wires",
                                              .variable = "MLAAS_WIRES",
                                              .fallback = MLAAS_WIRES_DEFAULT,
                                              .symbol = "mlaas_wire_get",
                                              .check = check_table};

/* Where the plug-in is missing or cannot be loaded, the error says what to install. */
static enum mlaas_status find_plugin(const struct plugin *plugin, const struct mlaas_wire **wire,
                                     struct mlaas_error *error) {
  const void *table = NULL;
  struct mlaas_error reason = {0};
  enum mlaas_status status = mlaas_plugin_find(&kind, plugin->name, NULL, &table, &reason);
  *wire = table;
  if (status == MLAAS_NOT_FOUND)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s:// needs the plug-in for %s, which is not installed: %s (%s)",
                      plugin->schemes[0], plugin->what, plugin->install, reason.message);
  if (status != MLAAS_OK)
    return mlaas_fail(error, status, "%s:// needs the plug-in for %s: %s; %s", plugin->schemes[0], plugin->what,
                      reason.message, plugin->install);
  return MLAAS_OK;
}

static bool is_one_of(const char *const *schemes, const char *scheme, size_t length) {
  for (; *schemes; schemes++)
    if (strlen(*schemes) == length && strncmp(*schemes, scheme, length) == 0)
      return true;
  return false;
}

static void append(char *text, size_t size, const char *const *schemes) {
  for (; *schemes; schemes++) {
    size_t used = strlen(text);
    snprintf(text + used, size - used, ", %s://", *schemes);
  }
}

enum mlaas_status mlaas_wire_find(const char *url, const struct mlaas_wire **wire, struct mlaas_error *error) {
  const char *separator = strstr(url, "://");
  size_t length = separator ? (size_t)(separator - url) : 0;
  *wire = NULL;
  if (length && lent && is_one_of(lent->schemes, url, length)) {
    *wire = lent;
    return MLAAS_OK;
  }
  for (size_t i = 0; length && i < sizeof built_in / sizeof *built_in; i++)
    if (built_in[i] && is_one_of(built_in[i]->schemes, url, length)) {
      *wire = built_in[i];
      return MLAAS_OK;
    }
  for (size_t i = 0; length && i < sizeof plugins / sizeof *plugins; i++)
    if (is_one_of(plugins[i].schemes, url, length))
      return find_plugin(&plugins[i], wire, error);
  char schemes[256] = "file://";
  for (size_t i = 0; i < sizeof built_in / sizeof *built_in; i++)
    if (built_in[i])
      append(schemes, sizeof schemes, built_in[i]->schemes);
  for (size_t i = 0; i < sizeof plugins / sizeof *plugins; i++)
    append(schemes, sizeof schemes, plugins[i].schemes);
  return mlaas_fail(error, MLAAS_UNSUPPORTED, "the scheme '%.*s' is not known; there are: %s and plain paths",
                    (int)(length < 32 ? length : 32), url, schemes);
}
