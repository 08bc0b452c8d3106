/* The files of the page: those in the binary, and the policy by which files of a folder are given out. Knows neither
 * routes nor sockets.
 */
#ifndef MLAAS_SERVE_ASSET_H
#define MLAAS_SERVE_ASSET_H

#include "base/memory.h"
#include "base/slice.h"

/* Made from web/ by tools/embed.py, in byte order of name. */
struct mlaas_asset {
  const char *name; /* "css/mlaas.css" */
  const char *type, *etag;
  const unsigned char *data;
  size_t size;
};
extern const struct mlaas_asset mlaas_assets[];
extern const size_t mlaas_num_assets;

/* By name, also by the names that TFaaS's page has for what is ours; NULL: no such file. */
const struct mlaas_asset *mlaas_asset_find(struct mlaas_slice name);

/* Whether a name may be looked for in a folder: up to 4 parts of [A-Za-z0-9_.-] of which none begins with a point. */
bool mlaas_asset_name_good(struct mlaas_slice name);
/* Content type by the name's extension; NULL: files of that kind are not given out. */
const char *mlaas_asset_type(struct mlaas_slice name);

struct mlaas_asset_file {
  int fd;
  int64_t size;
  char etag[48];
};
/* Opens a regular file below `folder`. `links`: symbolic links are followed, for folders that a package manager made.
 * Errors: NOT_FOUND (also for names and types that are not given out), LIMIT (above 256 MiB), IO. */
enum mlaas_status mlaas_asset_open(const char *folder, struct mlaas_slice name, bool links,
                                   struct mlaas_asset_file *file, struct mlaas_error *error);

/* The first page of Netron as we give it out: without the date after which it asks for an update for ever, and without
 * the version that makes it report to its authors. `html` of any length; NULL: out of memory. */
char *mlaas_netron_page(struct mlaas_arena *arena, struct mlaas_slice html, struct mlaas_error *error);

#endif
