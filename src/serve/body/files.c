/* Files below a folder, by names that strangers send. Knows no model. */
#include "serve/body/files.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

enum { NAME_LONGEST = 255, DEPTH_MOST = 32 };

bool mlaas_file_name_good(struct mlaas_slice name) {
  if (name.size == 0 || name.size > NAME_LONGEST || mlaas_slice_is(name, ".") || mlaas_slice_is(name, ".."))
    return false;
  for (size_t i = 0; i < name.size; i++)
    if ((unsigned char)name.data[i] < 32 || name.data[i] == 127 || name.data[i] == '/')
      return false;
  return true;
}

static enum mlaas_status not_found(struct mlaas_slice path, struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no file %.*s", (int)(path.size < 200 ? path.size : 200),
                    path.data);
}

/* The part of `path` that begins at *at, and *at behind its slash. */
static struct mlaas_slice next_part(struct mlaas_slice path, size_t *at) {
  size_t from = *at;
  while (*at < path.size && path.data[*at] != '/')
    (*at)++;
  struct mlaas_slice part = {path.data + from, *at - from};
  *at += *at < path.size;
  return part;
}

enum mlaas_status mlaas_files_open(const char *folder, struct mlaas_slice path, int *fd, struct stat *info,
                                   struct mlaas_error *error) {
  size_t at = 0;
  while (path.size > 0 && path.data[path.size - 1] == '/')
    path.size--;
  int here = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), depth = 0;
  if (here < 0)
    return mlaas_fail_errno(error, errno, "the folder of models cannot be opened");
  while (at < path.size) {
    char name[NAME_LONGEST + 1];
    struct mlaas_slice part = next_part(path, &at);
    if (!mlaas_file_name_good(part) || part.data[0] == '.' || ++depth > DEPTH_MOST) {
      close(here);
      return not_found(path, error);
    }
    memcpy(name, part.data, part.size);
    name[part.size] = 0;
    /* without O_NONBLOCK a pipe would hold the thread for ever */
    int flags = O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | (at < path.size ? O_DIRECTORY : 0);
    int next = openat(here, name, flags), code = errno;
    close(here);
    if (next < 0)
      return code == EMFILE || code == ENFILE || code == ENOMEM || code == EIO || code == EACCES
                 ? mlaas_fail_errno(error, code, "%s cannot be opened", name)
                 : not_found(path, error);
    here = next;
  }
  if (fstat(here, info) != 0 || !(S_ISREG(info->st_mode) || S_ISDIR(info->st_mode))) {
    close(here);
    return not_found(path, error);
  }
  *fd = here;
  return MLAAS_OK;
}

static enum mlaas_status read_all(int fd, size_t size, struct mlaas_arena *arena, struct mlaas_slice *content,
                                  struct mlaas_error *error) {
  char *data = mlaas_arena_alloc(arena, size + 1, 1, error);
  size_t used = 0;
  if (!data)
    return error ? error->status : MLAAS_MEMORY;
  while (used < size) {
    ssize_t n = pread(fd, data + used, size - used, (off_t)used);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return mlaas_fail_errno(error, errno, "a file of the model cannot be read");
    if (n == 0)
      break; /* it got shorter */
    used += (size_t)n;
  }
  data[used] = 0;
  *content = (struct mlaas_slice){data, used};
  return MLAAS_OK;
}

enum mlaas_status mlaas_files_read(const char *folder, struct mlaas_slice path, size_t most, struct mlaas_arena *arena,
                                   struct mlaas_slice *content, struct mlaas_error *error) {
  struct stat info;
  int fd;
  MLAAS_TRY(mlaas_files_open(folder, path, &fd, &info, error));
  enum mlaas_status status = MLAAS_OK;
  if (!S_ISREG(info.st_mode))
    status = not_found(path, error);
  else if (info.st_size > (off_t)most)
    status = mlaas_fail(error, MLAAS_LIMIT, "%.*s is larger than %zu bytes", (int)(path.size < 200 ? path.size : 200),
                        path.data, most);
  else
    status = read_all(fd, (size_t)info.st_size, arena, content, error);
  close(fd);
  return status;
}

enum mlaas_status mlaas_files_write(int fd, struct mlaas_slice content, const char *name, struct mlaas_error *error) {
  while (content.size > 0) {
    ssize_t n = write(fd, content.data, content.size);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
      return mlaas_fail_errno(error, n < 0 ? errno : EIO, "%s cannot be written", name);
    content.data += n;
    content.size -= (size_t)n;
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_files_create(int folder, const char *name, struct mlaas_slice content,
                                     struct mlaas_error *error) {
  int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
  if (fd < 0 && errno == EEXIST)
    return mlaas_fail(error, MLAAS_ARGUMENT, "there are two files called %s", name);
  if (fd < 0)
    return mlaas_fail_errno(error, errno, "%s cannot be made", name);
  enum mlaas_status status = mlaas_files_write(fd, content, name, error);
  if (close(fd) != 0 && status == MLAAS_OK)
    status = mlaas_fail_errno(error, errno, "%s cannot be written", name);
  return status;
}
