/* What the name of a file says by itself, before anything is opened. Pure text: knows no protocol's functions. */
#ifndef MLAAS_SOURCE_PLACE_H
#define MLAAS_SOURCE_PLACE_H

#include "base/memory.h"

#include <mlaas/place.h>

/* Length of the scheme in front of "://", 0 where there is none. */
size_t mlaas_place_scheme(const char *name);
/* A scheme other than file. */
bool mlaas_place_is_remote(const char *name);
/* Replicas: "|" between two parts of which at least one has a scheme. */
bool mlaas_place_is_replicas(const char *name);
/* It has wildcards, in a URL those of its path. */
bool mlaas_place_is_pattern(const char *name);
/* Ends like a file of data, compressed or not; or like a list of names (.txt, .list, .lst). Queries do not count. */
bool mlaas_place_is_data(const char *name);
bool mlaas_place_is_list(const char *name);
/* Where the path of a URL begins, and its query ("" at its end); for a path its begin and end. */
const char *mlaas_place_path(const char *name);
const char *mlaas_place_query(const char *name);

/* `name` behind `redirector`, heap. Exactly "//" behind the host of root://, one "/" for others; never twice. Errors:
 * ARGUMENT (a redirector that is neither a URL nor a folder), MEMORY. */
enum mlaas_status mlaas_place_redirect(const char *redirector, const char *name, char **place,
                                       struct mlaas_error *error);
/* The file `name` (relative) in the folder of `own`, for every replica of it, with their queries; NULL with an error.
 */
const char *mlaas_place_beside(const char *own, const char *name, struct mlaas_arena *arena, struct mlaas_error *error);

#endif
