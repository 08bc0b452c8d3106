/* A folder as a tar archive (POSIX ustar), without reading a file before it is sent. Knows no server. */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { BLOCK = 512, NAME = 100, PREFIX = 155, MOST_FILES = 20000, DEEPEST = 32 };

struct header {
  char name[NAME], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2],
      user[32], group[32], major[8], minor[8], prefix[PREFIX], unused[12];
};

struct walk {
  struct mlaas_client_stream *stream;
  int64_t most;
  size_t files;
};

/* Long paths are cut at a slash into prefix and name. */
static bool set_name(struct header *header, const char *path) {
  size_t length = strlen(path), cut = 0;
  if (length > NAME) {
    for (size_t i = 1; i + 1 < length && i <= PREFIX; i++)
      if (path[i] == '/' && length - i - 1 <= NAME)
        cut = i;
    if (!cut)
      return false;
    memcpy(header->prefix, path, cut);
    path += cut + 1;
    length -= cut + 1;
  }
  memcpy(header->name, path, length);
  return true;
}

static void octal(char *to, size_t digits, uint64_t value) {
  for (size_t i = digits; i-- > 0; value >>= 3)
    to[i] = (char)('0' + (value & 7));
}

static enum mlaas_client_status put_header(struct walk *walk, const char *path, bool folder, int64_t size,
                                           struct mlaas_client_error *error) {
  struct header header = {0};
  unsigned sum = 0;
  if (!set_name(&header, path))
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the name %.300s is too long for an archive", path);
  if (size >= (int64_t)1 << 33)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.300s is larger than 8 GiB, too large for an archive", path);
  octal(header.mode, 7, folder ? 0755 : 0644);
  octal(header.uid, 7, 0);
  octal(header.gid, 7, 0);
  octal(header.size, 11, (uint64_t)size);
  octal(header.mtime, 11, 0);
  header.type = folder ? '5' : '0';
  memcpy(header.magic, "ustar", 6);
  memcpy(header.version, "00", 2);
  memset(header.checksum, ' ', sizeof header.checksum);
  for (size_t i = 0; i < sizeof header; i++)
    sum += ((const unsigned char *)&header)[i];
  octal(header.checksum, 6, sum);
  header.checksum[6] = 0;
  return mlaas_client_stream_text(walk->stream, (const char *)&header, sizeof header, error);
}

static enum mlaas_client_status put_file(struct walk *walk, const char *from, const char *path, int64_t size,
                                         struct mlaas_client_error *error) {
  static const char zeros[BLOCK];
  size_t padding = (BLOCK - (size_t)(size % BLOCK)) % BLOCK;
  if (++walk->files > MOST_FILES)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the folder has more than %d files", MOST_FILES);
  if (size > walk->most - walk->stream->source.size)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the folder is larger than %lld bytes", (long long)walk->most);
  MLAAS_CLIENT_TRY(put_header(walk, path, false, size, error));
  MLAAS_CLIENT_TRY(mlaas_client_stream_file(walk->stream, from, size, error));
  return padding ? mlaas_client_stream_text(walk->stream, zeros, padding, error) : MLAAS_CLIENT_OK;
}

static int visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static enum mlaas_client_status put_folder(struct walk *walk, const char *from, const char *path, int depth,
                                           struct mlaas_client_error *error);

static enum mlaas_client_status put_entry(struct walk *walk, const char *from, const char *path, const char *name,
                                          int depth, struct mlaas_client_error *error) {
  struct mlaas_client_buffer source = {0}, target = {0};
  struct stat about;
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  mlaas_client_buffer_text(&source, from);
  mlaas_client_buffer_text(&source, "/");
  mlaas_client_buffer_text(&source, name);
  mlaas_client_buffer_text(&target, path);
  mlaas_client_buffer_text(&target, name);
  if (source.failed || target.failed)
    status = mlaas_client_no_memory(error);
  else if (stat(source.data, &about) != 0)
    status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s: %s", source.data, strerror(errno));
  else if (S_ISDIR(about.st_mode))
    status = put_folder(walk, source.data, target.data, depth + 1, error);
  else if (S_ISREG(about.st_mode))
    status = put_file(walk, source.data, target.data, about.st_size, error);
  mlaas_client_buffer_reset(&source);
  mlaas_client_buffer_reset(&target);
  return status;
}

static enum mlaas_client_status put_folder(struct walk *walk, const char *from, const char *path, int depth,
                                           struct mlaas_client_error *error) {
  struct mlaas_client_buffer slashed = {0};
  struct dirent **entries = NULL;
  int count = depth > DEEPEST ? -1 : scandir(from, &entries, visible, alphasort);
  if (count < 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "the folder %.500s cannot be read: %s", from,
                             depth > DEEPEST ? "too deep" : strerror(errno));
  mlaas_client_buffer_text(&slashed, path);
  mlaas_client_buffer_text(&slashed, "/");
  enum mlaas_client_status status =
      slashed.failed ? mlaas_client_no_memory(error) : put_header(walk, slashed.data, true, 0, error);
  for (int i = 0; i < count; i++) {
    if (status == MLAAS_CLIENT_OK)
      status = put_entry(walk, from, slashed.data, entries[i]->d_name, depth, error);
    free(entries[i]);
  }
  free(entries);
  mlaas_client_buffer_reset(&slashed);
  return status;
}

enum mlaas_client_status mlaas_client_tar_add(struct mlaas_client_stream *stream, const char *folder, const char *name,
                                              int64_t most, struct mlaas_client_error *error) {
  static const char end[2 * BLOCK];
  struct walk walk = {stream, most, 0};
  MLAAS_CLIENT_TRY(put_folder(&walk, folder, name, 0, error));
  return mlaas_client_stream_text(stream, end, sizeof end, error);
}
