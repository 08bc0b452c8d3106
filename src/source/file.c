/* Files of the local disk, by pread: no position, so threads share one descriptor. Must not know what the bytes mean.
 */
#include "source/scheme.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct file {
  int descriptor;
  atomic_int_fast64_t requests, bytes;
};

/* "file:///a/b", "file://localhost/a/b" or a plain path. */
static const char *path_of(const char *url) {
  if (strncmp(url, "file://", 7) != 0)
    return url;
  const char *path = url + 7;
  return strncmp(path, "localhost/", 10) == 0 ? path + 9 : path;
}

static enum mlaas_status check_kind(int descriptor, const char *path, int64_t *size, struct mlaas_error *error) {
  struct stat status;
  if (fstat(descriptor, &status) != 0)
    return mlaas_fail_errno(error, errno, "cannot look at '%s'", path);
  if (!S_ISREG(status.st_mode))
    return mlaas_fail(error, MLAAS_IO, "'%s' is %s, not a file", path,
                      S_ISDIR(status.st_mode) ? "a directory" : "a pipe or device");
  *size = status.st_size;
  return MLAAS_OK;
}

static enum mlaas_status open_file(struct mlaas_context *context, const char *url, void **state, int64_t *size,
                                   struct mlaas_error *error) {
  (void)context;
  const char *path = path_of(url);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* opening a pipe must not wait for its writer */
  if (descriptor < 0)
    return mlaas_fail_errno(error, errno, "cannot open '%s'", path);
  enum mlaas_status status = check_kind(descriptor, path, size, error);
  struct file *file = status == MLAAS_OK ? mlaas_alloc(sizeof *file) : NULL;
  if (status == MLAAS_OK && !file)
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory to open '%s'", path);
  if (status != MLAAS_OK) {
    close(descriptor);
    return status;
  }
  file->descriptor = descriptor;
  *state = file;
  return MLAAS_OK;
}

static enum mlaas_status read_range(struct file *file, const struct mlaas_range *range, struct mlaas_error *error) {
  int64_t done = 0;
  while (done < range->length) {
    ssize_t n =
        pread(file->descriptor, (char *)range->data + done, (size_t)(range->length - done), range->offset + done);
    atomic_fetch_add_explicit(&file->requests, 1, memory_order_relaxed);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return mlaas_fail_errno(error, errno, "reading %lld bytes at %lld failed", (long long)range->length,
                              (long long)range->offset);
    if (n == 0)
      return mlaas_fail_at(error, MLAAS_IO, range->offset + done, "the file ended here: it became shorter while open");
    done += n;
  }
  atomic_fetch_add_explicit(&file->bytes, done, memory_order_relaxed);
  return MLAAS_OK;
}

/* Ranges that follow each other in the file and in memory, as neighbouring baskets do, are one request. */
static enum mlaas_status read_file(void *state, const struct mlaas_range *ranges, size_t count,
                                   struct mlaas_error *error) {
  struct file *file = state;
  for (size_t i = 0; i < count;) {
    struct mlaas_range whole = ranges[i++];
    for (; i < count && ranges[i].offset == whole.offset + whole.length &&
           (char *)ranges[i].data == (char *)whole.data + whole.length;
         i++)
      whole.length += ranges[i].length;
    MLAAS_TRY(read_range(file, &whole, error));
  }
  return MLAAS_OK;
}

static void count_file(void *state, struct mlaas_source_counters *counters) {
  const struct file *file = state;
  counters->requests += atomic_load_explicit(&file->requests, memory_order_relaxed);
  counters->delivered += atomic_load_explicit(&file->bytes, memory_order_relaxed);
}

static void close_file(void *state) {
  struct file *file = state;
  close(file->descriptor);
  mlaas_free(file);
}

const struct mlaas_source_scheme mlaas_source_scheme_file = {
    .name = "file", .open = open_file, .read_many = read_file, .count_up = count_file, .close = close_file};
