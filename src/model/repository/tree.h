/* Folders as wholes: removed, synced to the disk, told apart by a fingerprint. Links are never followed out of them.
 * Knows no models.
 */
#ifndef MLAAS_MODEL_REPOSITORY_TREE_H
#define MLAAS_MODEL_REPOSITORY_TREE_H

#include <mlaas/status.h>
#include <stdbool.h>
#include <stdint.h>

enum { MLAAS_TREE_DEPTH = 32, MLAAS_TREE_FILES = 100000 };

/* Removes a file, a link or a folder with all that is in it. What is not there is removed already. */
enum mlaas_status mlaas_tree_remove(const char *path, struct mlaas_error *error);
/* Gives folders mode 0755 and files 0644 and writes all to the disk. Errors: IO, FORMAT (a link or device). */
enum mlaas_status mlaas_tree_sync(const char *path, struct mlaas_error *error);
/* Writes the entries of one folder to the disk. */
enum mlaas_status mlaas_folder_sync(const char *path, struct mlaas_error *error);
/* A hash of names, sizes, times and inodes of what is below `path`, the same wherever the folder is moved to. With
 * `no_versions`, folders at the top whose names are numbers are left out. Errors: NOT_FOUND, IO, LIMIT. */
enum mlaas_status mlaas_tree_fingerprint(const char *path, bool no_versions, uint64_t *fingerprint,
                                         struct mlaas_error *error);
/* The number that a folder of a version is called by, or 0: digits without a leading zero. */
int64_t mlaas_version_of(const char *name);

#endif
