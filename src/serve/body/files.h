/* Files below a folder, by names that strangers send: opened part by part, so that no name and no link leads out.
 * Knows no model.
 */
#ifndef MLAAS_SERVE_BODY_FILES_H
#define MLAAS_SERVE_BODY_FILES_H

#include "base/memory.h"
#include "base/slice.h"

#include <sys/stat.h>

/* Opens a regular file or a folder for reading. `path` is relative, its parts joined by '/'; slashes at its end are
 * ignored, "" is the folder itself. NOT_FOUND: nothing there, something else than a file or folder, a part that begins
 * with '.', or a link on the way. */
enum mlaas_status mlaas_files_open(const char *folder, struct mlaas_slice path, int *fd, struct stat *info,
                                   struct mlaas_error *error);
/* The whole of a regular file into the arena, with a NUL behind it. LIMIT: more than `most` bytes. */
enum mlaas_status mlaas_files_read(const char *folder, struct mlaas_slice path, size_t most, struct mlaas_arena *arena,
                                   struct mlaas_slice *content, struct mlaas_error *error);
/* Writes all; `name` is for the error. */
enum mlaas_status mlaas_files_write(int fd, struct mlaas_slice content, const char *name, struct mlaas_error *error);
/* A new file of mode 0644 in a folder that is open; the name is one part. ARGUMENT: it is there already. */
enum mlaas_status mlaas_files_create(int folder, const char *name, struct mlaas_slice content,
                                     struct mlaas_error *error);
/* Whether a name may be a file's: one part, not empty, no ".", "..", '/', NUL or control character, up to 255 bytes. */
bool mlaas_file_name_good(struct mlaas_slice name);

#endif
