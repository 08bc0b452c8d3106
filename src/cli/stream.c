/* A file on a server as a stream. */
#define _GNU_SOURCE /* fopencookie */
#include "cli/stream.h"

#include "base/error.h"
#include "base/memory.h"
#include "source/place.h"
#include "source/source.h"

#include <errno.h>
#include <limits.h>

enum { PIECE = 1 << 20 };

struct cookie {
  struct mlaas_source *source;
  int64_t at;
  struct mlaas_error *problem;
};

static ssize_t read_piece(void *opaque, char *data, size_t size) {
  struct cookie *cookie = opaque;
  int64_t left = mlaas_source_size(cookie->source) - cookie->at;
  int64_t length = left < (int64_t)size ? left : (int64_t)size;
  if (length == 0)
    return 0;
  enum mlaas_status status = mlaas_source_read_at(cookie->source, cookie->at, length, data, cookie->problem);
  if (status != MLAAS_OK) {
    mlaas_fail_in(cookie->problem, status, "%s", mlaas_source_url(cookie->source));
    errno = EIO;
    return -1;
  }
  cookie->at += length;
  return (ssize_t)length;
}

static int close_cookie(void *opaque) {
  struct cookie *cookie = opaque;
  mlaas_source_put(cookie->source);
  mlaas_free(cookie);
  return 0;
}

enum mlaas_status mlaas_stream_open(struct mlaas_context *context, const char *url, FILE **stream,
                                    struct mlaas_error *problem, struct mlaas_error *error) {
  struct cookie *cookie = mlaas_alloc(sizeof *cookie);
  if (!cookie)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to read %s", url);
  cookie->problem = problem;
  enum mlaas_status status = mlaas_source_open(context, url, &cookie->source, error);
  FILE *opened = NULL;
  if (status == MLAAS_OK) {
    opened = fopencookie(cookie, "r", (cookie_io_functions_t){.read = read_piece, .close = close_cookie});
    status = opened ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory to read %s", url);
  }
  if (status != MLAAS_OK) {
    char shown[PATH_MAX];
    mlaas_place_show(url, shown, sizeof shown);
    close_cookie(cookie);
    return mlaas_fail_in(error, status, "%s", shown);
  }
  setvbuf(opened, NULL, _IOFBF, PIECE); /* else each small piece would be a request */
  *stream = opened;
  return MLAAS_OK;
}
