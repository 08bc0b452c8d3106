/* Texts and files, one behind the other, as the body of one request: read piece by piece while it is sent. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct mlaas_client_piece {
  char *text; /* the bytes, or the path of the file */
  int64_t size;
  bool file;
};

static void close_file(struct mlaas_client_stream *stream) {
  if (stream->file > 0)
    close(stream->file - 1);
  stream->file = 0;
}

/* `file` is the descriptor and one, so that a zeroed stream has none. */
static ssize_t read_file(struct mlaas_client_stream *stream, const struct mlaas_client_piece *piece, char *to,
                         size_t room) {
  if (!stream->file) {
    int file = open(piece->text, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
      snprintf(stream->problem, sizeof stream->problem, "%.300s cannot be opened: %s", piece->text, strerror(errno));
      return -1;
    }
    stream->file = file + 1;
  }
  ssize_t got = read(stream->file - 1, to, room);
  if (got < 0)
    snprintf(stream->problem, sizeof stream->problem, "%.300s cannot be read: %s", piece->text, strerror(errno));
  if (got == 0)
    snprintf(stream->problem, sizeof stream->problem, "%.300s became shorter while it was sent", piece->text);
  return got;
}

static size_t read_stream(void *self, char *to, size_t room) {
  struct mlaas_client_stream *stream = self;
  size_t done = 0;
  while (done < room && stream->at < stream->count) {
    const struct mlaas_client_piece *piece = &stream->pieces[stream->at];
    int64_t left = piece->size - stream->offset;
    size_t part = left < (int64_t)(room - done) ? (size_t)left : room - done;
    if (part && piece->file) {
      ssize_t got = read_file(stream, piece, to + done, part);
      if (got <= 0)
        return CURL_READFUNC_ABORT;
      part = (size_t)got;
    } else if (part) {
      memcpy(to + done, piece->text + stream->offset, part);
    }
    done += part;
    stream->offset += (int64_t)part;
    if (stream->offset == piece->size) {
      close_file(stream);
      stream->at++;
      stream->offset = 0;
    }
  }
  return done;
}

static bool rewind_stream(void *self) {
  struct mlaas_client_stream *stream = self;
  close_file(stream);
  stream->at = 0;
  stream->offset = 0;
  stream->problem[0] = 0;
  return true;
}

static enum mlaas_client_status add(struct mlaas_client_stream *stream, const char *text, size_t length, int64_t size,
                                    bool file, struct mlaas_client_error *error) {
  if (stream->count == stream->room) {
    size_t room = stream->room ? stream->room * 2 : 16;
    struct mlaas_client_piece *pieces = mlaas_client_realloc(stream->pieces, room * sizeof *pieces);
    if (!pieces)
      return mlaas_client_no_memory(error);
    stream->pieces = pieces;
    stream->room = room;
  }
  char *copy = mlaas_client_copy(text, length);
  if (!copy)
    return mlaas_client_no_memory(error);
  stream->pieces[stream->count++] = (struct mlaas_client_piece){copy, size, file};
  stream->source.size += size;
  stream->source.read = read_stream;
  stream->source.rewind = rewind_stream;
  stream->source.self = stream;
  return MLAAS_CLIENT_OK;
}

enum mlaas_client_status mlaas_client_stream_text(struct mlaas_client_stream *stream, const char *text, size_t size,
                                                  struct mlaas_client_error *error) {
  return add(stream, text, size, (int64_t)size, false, error);
}

enum mlaas_client_status mlaas_client_stream_file(struct mlaas_client_stream *stream, const char *path, int64_t size,
                                                  struct mlaas_client_error *error) {
  struct stat about = {0};
  if (size < 0 && stat(path, &about) != 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s: %s", path, strerror(errno));
  if (size < 0 && !S_ISREG(about.st_mode))
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s is no file", path);
  return add(stream, path, strlen(path), size < 0 ? (int64_t)about.st_size : size, true, error);
}

void mlaas_client_stream_reset(struct mlaas_client_stream *stream) {
  close_file(stream);
  for (size_t i = 0; i < stream->count; i++)
    free(stream->pieces[i].text);
  free(stream->pieces);
  *stream = (struct mlaas_client_stream){0};
}
