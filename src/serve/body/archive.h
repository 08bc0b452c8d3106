/* Unpacks a tar or tar.gz that somebody sent: from memory, by a policy of our own, into a folder of ours. Knows no
 * model.
 */
#ifndef MLAAS_SERVE_BODY_ARCHIVE_H
#define MLAAS_SERVE_BODY_ARCHIVE_H

#include "base/memory.h"
#include "base/slice.h"

struct mlaas_archive_limits {
  int64_t bytes;   /* of all files together, unpacked */
  int64_t entries; /* files and folders */
};

/* What the archive's names say: one folder at the top, which is left out when unpacking. */
struct mlaas_archive_top {
  struct mlaas_slice name; /* in the arena; empty: the files lie at the top themselves */
  int64_t version;         /* of NAME/NUMBER/... where everything is below it, else 0 */
};

/* Looks at every entry before the first is written. Refused with ARGUMENT: names that are absolute, have "..", control
 * characters, or the same name twice; links, devices and whatever else is neither file nor folder; sparse files; an
 * archive without files; what is no tar. LIMIT: more than the limits, deeper than 16 folders, or far more than the
 * archive's own size (a bomb). Files get mode 0644 and folders 0755, whatever the archive says. `folder` exists and is
 * empty; on failure it may hold a part of the files. */
enum mlaas_status mlaas_archive_unpack(struct mlaas_slice archive, const char *folder,
                                       const struct mlaas_archive_limits *limits, struct mlaas_arena *arena,
                                       struct mlaas_archive_top *top, struct mlaas_error *error);

#endif
