/* Unpacks a tar or tar.gz that somebody sent. Two passes: the first looks at all names, kinds and sizes, the second
 * writes. libarchive reads, with only tar and gzip enabled; it writes nothing. Knows no model. */
#include "serve/body/archive.h"

#include "base/error.h"
#include "serve/body/files.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
  PATH_MOST = 1024,
  NAME_LONGEST = 255,
  DEPTH_MOST = 16,
  RATIO_MOST = 250,         /* no model is packed more than 1 : 250 ... */
  RATIO_FREE = 64 * 1048576 /* ... unless it is small */
};

struct walk {
  struct archive *archive;
  int64_t bytes_most, entries_most;
  int64_t bytes, entries;
  char path[PATH_MOST + 1]; /* cleaned: no "./", no slash at the end; "" is the folder itself */
  bool is_folder;
  int64_t size; /* as the entry says */
};

typedef enum mlaas_status visit_entry(void *context, struct walk *walk, struct mlaas_error *error);

/* ---- names ---- */

/* One component more at the end of walk->path. */
static enum mlaas_status add_component(struct walk *walk, size_t *length, struct mlaas_slice name,
                                       struct mlaas_error *error) {
  if (name.size == 0 || mlaas_slice_is(name, "."))
    return MLAAS_OK;
  if (mlaas_slice_is(name, ".."))
    return mlaas_fail(error, MLAAS_ARGUMENT, "an entry of the archive has '..' in its name");
  for (size_t i = 0; i < name.size; i++)
    if ((unsigned char)name.data[i] < 32 || name.data[i] == 127)
      return mlaas_fail(error, MLAAS_ARGUMENT, "an entry of the archive has a control character in its name");
  if (name.size > NAME_LONGEST || *length + name.size + 1 > PATH_MOST)
    return mlaas_fail(error, MLAAS_LIMIT, "an entry of the archive has a name longer than %d characters or %d in all",
                      NAME_LONGEST, PATH_MOST);
  if (*length > 0)
    walk->path[(*length)++] = '/';
  memcpy(walk->path + *length, name.data, name.size);
  *length += name.size;
  walk->path[*length] = 0;
  return MLAAS_OK;
}

static enum mlaas_status clean_path(struct walk *walk, const char *text, struct mlaas_error *error) {
  size_t length = 0;
  int depth = 0;
  walk->path[0] = 0;
  if (text[0] == '/')
    return mlaas_fail(error, MLAAS_ARGUMENT, "an entry of the archive has an absolute name");
  while (*text) {
    size_t n = strcspn(text, "/"), before = length;
    MLAAS_TRY(add_component(walk, &length, (struct mlaas_slice){text, n}, error));
    if (length > before && ++depth > DEPTH_MOST)
      return mlaas_fail(error, MLAAS_LIMIT, "the archive has more than %d folders one in the other", DEPTH_MOST);
    text += n + (text[n] == '/');
  }
  return MLAAS_OK;
}

static const char *base_name(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? slash + 1 : path;
}

/* ---- entries ---- */

static enum mlaas_status fail_archive(struct archive *archive, struct mlaas_error *error) {
  if (archive_errno(archive) == ENOMEM)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory while reading the archive");
  const char *text = archive_error_string(archive);
  return mlaas_fail(error, MLAAS_ARGUMENT, "the archive cannot be read: %s", text ? text : "not a tar archive");
}

static enum mlaas_status check_entry(struct walk *walk, struct archive_entry *entry, struct mlaas_error *error) {
  const char *name = archive_entry_pathname(entry);
  if (!name)
    name = archive_entry_pathname_utf8(entry); /* not of the locale's characters */
  if (!name || !*name)
    return mlaas_fail(error, MLAAS_ARGUMENT, "an entry of the archive has no name");
  MLAAS_TRY(clean_path(walk, name, error));
  mode_t kind = archive_entry_filetype(entry);
  if (archive_entry_hardlink(entry) || archive_entry_symlink(entry) || kind == AE_IFLNK)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is a link; archives may hold files and folders only", walk->path);
  if (kind != AE_IFREG && kind != AE_IFDIR)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is neither a file nor a folder", walk->path);
  if (archive_entry_sparse_count(entry) > 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is a sparse file", walk->path);
  walk->is_folder = kind == AE_IFDIR;
  walk->size = walk->is_folder ? 0 : archive_entry_size(entry);
  if (++walk->entries > walk->entries_most)
    return mlaas_fail(error, MLAAS_LIMIT, "the archive has more than %lld entries", (long long)walk->entries_most);
  if (walk->size < 0 || walk->size > walk->bytes_most - walk->bytes)
    return mlaas_fail(error, MLAAS_LIMIT, "the archive unpacks to more than the %lld bytes that are allowed for it",
                      (long long)walk->bytes_most);
  walk->bytes += walk->size;
  return MLAAS_OK;
}

static enum mlaas_status walk_entries(struct walk *walk, struct mlaas_slice data, visit_entry *visit, void *context,
                                      struct mlaas_error *error) {
  struct archive_entry *entry;
  int code = archive_read_open_memory(walk->archive, data.data, data.size);
  if (code != ARCHIVE_OK)
    return fail_archive(walk->archive, error);
  while ((code = archive_read_next_header(walk->archive, &entry)) != ARCHIVE_EOF) {
    if (code == ARCHIVE_RETRY)
      continue;
    if (code != ARCHIVE_OK && code != ARCHIVE_WARN)
      return fail_archive(walk->archive, error);
    /* gzip in gzip would let a small body grow without anybody counting what lies between */
    if (archive_filter_count(walk->archive) > 2)
      return mlaas_fail(error, MLAAS_ARGUMENT, "the archive is compressed more than once");
    MLAAS_TRY(check_entry(walk, entry, error));
    /* "._name" is what macOS puts beside each file */
    if (!walk->path[0] || strncmp(base_name(walk->path), "._", 2) == 0)
      continue;
    MLAAS_TRY(visit(context, walk, error));
  }
  return MLAAS_OK;
}

static enum mlaas_status walk_archive(struct mlaas_slice data, const struct mlaas_archive_limits *limits,
                                      visit_entry *visit, void *context, struct mlaas_error *error) {
  struct walk *walk = mlaas_alloc(sizeof *walk);
  if (!walk)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory while reading the archive");
  int64_t ratio = (int64_t)data.size > INT64_MAX / RATIO_MOST ? INT64_MAX : (int64_t)data.size * RATIO_MOST;
  ratio = ratio > RATIO_FREE ? ratio : RATIO_FREE;
  walk->bytes_most = limits->bytes < ratio ? limits->bytes : ratio;
  walk->entries_most = limits->entries;
  walk->archive = archive_read_new();
  enum mlaas_status status;
  if (!walk->archive || archive_read_support_filter_gzip(walk->archive) != ARCHIVE_OK ||
      archive_read_support_format_tar(walk->archive) != ARCHIVE_OK)
    status = mlaas_fail(error, MLAAS_MEMORY, "out of memory while reading the archive");
  else
    status = walk_entries(walk, data, visit, context, error);
  archive_read_free(walk->archive);
  mlaas_free(walk);
  return status;
}

/* ---- first pass: what is at the top ---- */

struct survey {
  char name[NAME_LONGEST + 1], version[NAME_LONGEST + 1]; /* the first two components, while all agree */
  bool flat, unversioned;
  int64_t files;
};

/* Compares component `text` (of `size` bytes) with what the others had; true while they agree. */
static bool agrees(char *known, const char *text, size_t size) {
  if (!known[0]) {
    memcpy(known, text, size);
    known[size] = 0;
  }
  return strlen(known) == size && memcmp(known, text, size) == 0;
}

static enum mlaas_status survey_entry(void *context, struct walk *walk, struct mlaas_error *error) {
  struct survey *survey = context;
  (void)error;
  const char *path = walk->path;
  size_t first = strcspn(path, "/");
  survey->files += !walk->is_folder;
  if ((!path[first] && !walk->is_folder) || !agrees(survey->name, path, first))
    survey->flat = true;
  if (!path[first])
    return MLAAS_OK;
  const char *rest = path + first + 1;
  size_t second = strcspn(rest, "/");
  if ((!rest[second] && !walk->is_folder) || !agrees(survey->version, rest, second))
    survey->unversioned = true;
  return MLAAS_OK;
}

/* A number as folders of versions have: 1 to 18 digits, none of them a leading zero. */
static int64_t version_of(const char *text) {
  size_t digits = strspn(text, "0123456789");
  int64_t value = 0;
  if (digits == 0 || digits > 18 || text[digits] || text[0] == '0')
    return 0;
  for (size_t i = 0; i < digits; i++)
    value = value * 10 + (text[i] - '0');
  return value;
}

/* ---- second pass: writing ---- */

struct writer {
  int root;
  int strip; /* components that are left out */
};

/* Opens the folder that holds the last component of `path`, making what is missing; *last is that component. */
static enum mlaas_status open_parent(int root, const char *path, int *folder, const char **last,
                                     struct mlaas_error *error) {
  int at = dup(root);
  if (at < 0)
    return mlaas_fail_errno(error, errno, "cannot open the folder of the upload");
  for (;;) {
    size_t n = strcspn(path, "/");
    if (!path[n])
      break;
    char name[NAME_LONGEST + 1];
    memcpy(name, path, n);
    name[n] = 0;
    int made = mkdirat(at, name, 0755), code = errno;
    int next = made == 0 || code == EEXIST ? openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    code = next < 0 && (made == 0 || code == EEXIST) ? errno : code;
    close(at);
    if (next < 0)
      return code == ENOTDIR || code == ELOOP
                 ? mlaas_fail(error, MLAAS_ARGUMENT, "the archive has %s as a file and as a folder", name)
                 : mlaas_fail_errno(error, code, "cannot make the folder %s", name);
    at = next;
    path += n + 1;
  }
  *folder = at;
  *last = path;
  return MLAAS_OK;
}

static enum mlaas_status write_content(struct walk *walk, int fd, struct mlaas_error *error) {
  const void *data;
  size_t size;
  la_int64_t offset, expected = 0;
  int code;
  while ((code = archive_read_data_block(walk->archive, &data, &size, &offset)) == ARCHIVE_OK) {
    if (offset != expected || (int64_t)size > walk->size - expected)
      return mlaas_fail(error, MLAAS_ARGUMENT, "%s has holes, or is longer than it says", walk->path);
    MLAAS_TRY(mlaas_files_write(fd, (struct mlaas_slice){data, size}, walk->path, error));
    expected += (la_int64_t)size;
  }
  if (code != ARCHIVE_EOF)
    return fail_archive(walk->archive, error);
  return expected == walk->size ? MLAAS_OK
                                : mlaas_fail(error, MLAAS_ARGUMENT, "%s is shorter than it says", walk->path);
}

static enum mlaas_status write_file(struct walk *walk, int folder, const char *name, struct mlaas_error *error) {
  int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0)
    return errno == EEXIST ? mlaas_fail(error, MLAAS_ARGUMENT, "the archive has %s twice", walk->path)
                           : mlaas_fail_errno(error, errno, "cannot make %s", walk->path);
  enum mlaas_status status = write_content(walk, fd, error);
  if (close(fd) != 0 && status == MLAAS_OK)
    status = mlaas_fail_errno(error, errno, "cannot write %s", walk->path);
  return status;
}

static enum mlaas_status make_folder(struct walk *walk, int folder, const char *name, struct mlaas_error *error) {
  struct stat found;
  if (mkdirat(folder, name, 0755) == 0)
    return MLAAS_OK;
  if (errno != EEXIST)
    return mlaas_fail_errno(error, errno, "cannot make the folder %s", walk->path);
  if (fstatat(folder, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(found.st_mode))
    return MLAAS_OK;
  return mlaas_fail(error, MLAAS_ARGUMENT, "the archive has %s as a file and as a folder", walk->path);
}

static enum mlaas_status write_entry(void *context, struct walk *walk, struct mlaas_error *error) {
  struct writer *writer = context;
  const char *path = walk->path, *last;
  int folder;
  for (int i = 0; i < writer->strip; i++) {
    path += strcspn(path, "/");
    if (!*path)
      return MLAAS_OK; /* the folder that is left out */
    path++;
  }
  MLAAS_TRY(open_parent(writer->root, path, &folder, &last, error));
  enum mlaas_status status =
      walk->is_folder ? make_folder(walk, folder, last, error) : write_file(walk, folder, last, error);
  close(folder);
  return status;
}

enum mlaas_status mlaas_archive_unpack(struct mlaas_slice archive, const char *folder,
                                       const struct mlaas_archive_limits *limits, struct mlaas_arena *arena,
                                       struct mlaas_archive_top *top, struct mlaas_error *error) {
  struct survey survey = {0};
  struct writer writer = {0};
  memset(top, 0, sizeof *top);
  if (archive.size == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the archive is empty");
  MLAAS_TRY(walk_archive(archive, limits, survey_entry, &survey, error));
  if (survey.files == 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the archive holds no file");
  if (!survey.flat) {
    size_t length = strlen(survey.name);
    char *name = mlaas_arena_strndup(arena, survey.name, length, error);
    if (!name)
      return error ? error->status : MLAAS_MEMORY;
    top->name = (struct mlaas_slice){name, length};
    top->version = survey.unversioned ? 0 : version_of(survey.version);
    writer.strip = top->version ? 2 : 1;
  }
  writer.root = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (writer.root < 0)
    return mlaas_fail_errno(error, errno, "cannot open %s", folder);
  enum mlaas_status status = walk_archive(archive, limits, write_entry, &writer, error);
  close(writer.root);
  return status;
}
