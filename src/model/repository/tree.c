/* Folders as wholes. Every step goes through an open folder, so that nobody can swap a link in between. */
#define _GNU_SOURCE /* O_PATH */
#include "model/repository/tree.h"

#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { DEPTH_OF_RUBBISH = 500 }; /* what nobody wanted may be deeper than what is taken */

/* ---- walking: `visit` sees every entry, folders after what is in them ---- */

struct walk {
  enum mlaas_status (*visit)(struct walk *walk, int parent, const char *name, const struct stat *about, int depth,
                             struct mlaas_error *error);
  bool (*leave_out)(const char *name, int depth);
  uint64_t hash;
  long files;
  int depth; /* the most; 0: MLAAS_TREE_DEPTH */
};

static bool is_dots(const char *name) { return name[0] == '.' && (!name[1] || (name[1] == '.' && !name[2])); }

static enum mlaas_status walk_folder(struct walk *walk, int folder, int depth, struct mlaas_error *error);

static enum mlaas_status walk_entry(struct walk *walk, int parent, const char *name, int depth,
                                    struct mlaas_error *error) {
  struct stat about;
  if (++walk->files > MLAAS_TREE_FILES)
    return mlaas_fail(error, MLAAS_LIMIT, "the folder has more than %d files", MLAAS_TREE_FILES);
  if (fstatat(parent, name, &about, AT_SYMLINK_NOFOLLOW) != 0)
    return errno == ENOENT ? MLAAS_OK : mlaas_fail_errno(error, errno, "%s cannot be looked at", name);
  if (S_ISDIR(about.st_mode)) {
    int folder = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
      return errno == ENOENT ? MLAAS_OK : mlaas_fail_errno(error, errno, "the folder %s cannot be read", name);
    MLAAS_TRY(walk_folder(walk, folder, depth + 1, error));
  }
  return walk->visit(walk, parent, name, &about, depth, error);
}

/* Closes `folder`. */
static enum mlaas_status walk_folder(struct walk *walk, int folder, int depth, struct mlaas_error *error) {
  int most = walk->depth ? walk->depth : MLAAS_TREE_DEPTH;
  DIR *dir = depth <= most ? fdopendir(folder) : NULL;
  enum mlaas_status status = MLAAS_OK;
  struct dirent *entry;
  if (!dir) {
    int why = errno;
    close(folder);
    return depth > most ? mlaas_fail(error, MLAAS_LIMIT, "folders are more than %d deep", most)
                        : mlaas_fail_errno(error, why, "a folder cannot be read");
  }
  while (status == MLAAS_OK && (entry = readdir(dir)))
    if (!is_dots(entry->d_name) && !(walk->leave_out && walk->leave_out(entry->d_name, depth)))
      status = walk_entry(walk, dirfd(dir), entry->d_name, depth, error);
  closedir(dir);
  return status;
}

/* ---- removing ---- */

static enum mlaas_status remove_entry(struct walk *walk, int parent, const char *name, const struct stat *about,
                                      int depth, struct mlaas_error *error) {
  (void)depth;
  walk->files = 0; /* whatever it was, it has to go */
  if (unlinkat(parent, name, S_ISDIR(about->st_mode) ? AT_REMOVEDIR : 0) != 0 && errno != ENOENT)
    return mlaas_fail_errno(error, errno, "%s cannot be removed", name);
  return MLAAS_OK;
}

enum mlaas_status mlaas_tree_remove(const char *path, struct mlaas_error *error) {
  struct walk walk = {.visit = remove_entry, .depth = DEPTH_OF_RUBBISH};
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0 && errno == ENOENT)
    return MLAAS_OK;
  if (folder < 0)
    return unlink(path) == 0 || errno == ENOENT ? MLAAS_OK
                                                : mlaas_fail_errno(error, errno, "%s cannot be removed", path);
  MLAAS_TRY(walk_folder(&walk, folder, 0, error));
  return rmdir(path) == 0 || errno == ENOENT ? MLAAS_OK : mlaas_fail_errno(error, errno, "%s cannot be removed", path);
}

/* ---- syncing ---- */

static enum mlaas_status sync_file(int file, mode_t mode, const char *name, struct mlaas_error *error) {
  bool done = file >= 0 && fchmod(file, mode) == 0 && fsync(file) == 0;
  int why = errno;
  if (file >= 0)
    close(file);
  return done ? MLAAS_OK : mlaas_fail_errno(error, why, "%s cannot be written to the disk", name);
}

static enum mlaas_status sync_entry(struct walk *walk, int parent, const char *name, const struct stat *about,
                                    int depth, struct mlaas_error *error) {
  (void)walk;
  (void)depth;
  bool folder = S_ISDIR(about->st_mode);
  if (!folder && !S_ISREG(about->st_mode))
    return mlaas_fail(error, MLAAS_FORMAT, "%s is neither a file nor a folder", name);
  int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (folder ? O_DIRECTORY : 0);
  return sync_file(openat(parent, name, flags), folder ? 0755 : 0644, name, error);
}

enum mlaas_status mlaas_tree_sync(const char *path, struct mlaas_error *error) {
  struct walk walk = {.visit = sync_entry};
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
  if (folder < 0)
    return mlaas_fail_errno(error, errno, "the folder cannot be read");
  MLAAS_TRY(walk_folder(&walk, folder, 0, error));
  return sync_file(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), 0755, path, error);
}

enum mlaas_status mlaas_folder_sync(const char *path, struct mlaas_error *error) {
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  bool done = folder >= 0 && fsync(folder) == 0;
  int why = errno;
  if (folder >= 0)
    close(folder);
  return done ? MLAAS_OK : mlaas_fail_errno(error, why, "%s cannot be written to the disk", path);
}

/* ---- fingerprint: a sum, as the order of entries is the disk's business ---- */

static enum mlaas_status hash_entry(struct walk *walk, int parent, const char *name, const struct stat *about,
                                    int depth, struct mlaas_error *error) {
  (void)parent;
  (void)error;
  struct {
    uint64_t inode, seconds, nanoseconds, size, depth, name;
  } facts = {(uint64_t)about->st_ino,
             (uint64_t)about->st_mtim.tv_sec,
             (uint64_t)about->st_mtim.tv_nsec,
             S_ISREG(about->st_mode) ? (uint64_t)about->st_size : 0,
             (uint64_t)depth,
             XXH3_64bits(name, strlen(name))};
  walk->hash += XXH3_64bits(&facts, sizeof facts);
  return MLAAS_OK;
}

int64_t mlaas_version_of(const char *name) {
  size_t length = strlen(name);
  if (length == 0 || length > 18 || name[0] == '0' || strspn(name, "0123456789") != length)
    return 0;
  return strtoll(name, NULL, 10);
}

static bool is_version_at_top(const char *name, int depth) { return depth == 0 && mlaas_version_of(name) > 0; }

enum mlaas_status mlaas_tree_fingerprint(const char *path, bool no_versions, uint64_t *fingerprint,
                                         struct mlaas_error *error) {
  struct walk walk = {.visit = hash_entry, .leave_out = no_versions ? is_version_at_top : NULL};
  int folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* the model's own folder may be a link */
  if (folder < 0)
    return mlaas_fail_errno(error, errno, "the folder cannot be read");
  MLAAS_TRY(walk_folder(&walk, folder, 0, error));
  *fingerprint = walk.hash ? walk.hash : 1;
  return MLAAS_OK;
}
