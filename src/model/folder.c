/* Reading the small files of a model's folder. Knows no kind of model. */
#define _GNU_SOURCE /* O_PATH */
#include "model/folder.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *mlaas_folder_path(struct mlaas_arena *arena, const char *folder, const char *name, struct mlaas_error *error) {
  return mlaas_arena_format(arena, error, "%s/%s", folder, name);
}

bool mlaas_folder_has(const char *folder, const char *name) {
  int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
  struct stat found;
  if (at < 0)
    return false;
  bool has = fstatat(at, name, &found, 0) == 0 && S_ISREG(found.st_mode);
  close(at);
  return has;
}

bool mlaas_folder_name_stays(const char *name) {
  size_t length = strlen(name);
  if (length == 0 || length > 255 || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
    return false;
  for (size_t i = 0; i < length; i++)
    if (name[i] == '/' || (unsigned char)name[i] < ' ')
      return false;
  return true;
}

static void hide_in(char *text, const char *folder) {
  size_t length = strlen(folder);
  for (char *at = text; length && (at = strstr(at, folder));) {
    if (at[length] == '/')
      memmove(at, at + length + 1, strlen(at + length + 1) + 1);
    else
      at += length;
  }
}

void mlaas_folder_hide(const char *folder, struct mlaas_error *error) {
  hide_in(error->where, folder);
  hide_in(error->message, folder);
}

static enum mlaas_status read_all(int file, char *text, size_t size, size_t *length, struct mlaas_error *error) {
  size_t at = 0;
  while (at < size) {
    ssize_t got = read(file, text + at, size - at);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return mlaas_fail_errno(error, errno, "cannot be read");
    if (got == 0)
      break;
    at += (size_t)got;
  }
  text[at] = 0;
  *length = at;
  return MLAAS_OK;
}

static enum mlaas_status read_open(int file, size_t ceiling, char **text, size_t *length, struct mlaas_error *error) {
  struct stat found;
  if (fstat(file, &found) != 0)
    return mlaas_fail_errno(error, errno, "cannot be looked at");
  if (!S_ISREG(found.st_mode))
    return mlaas_fail(error, MLAAS_FORMAT, "is no regular file");
  if (found.st_size > (off_t)ceiling)
    return mlaas_fail(error, MLAAS_LIMIT, "has %lld bytes, more than the %zu that such a file may have",
                      (long long)found.st_size, ceiling);
  char *data = mlaas_alloc((size_t)found.st_size + 1);
  if (!data)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for a file of %lld bytes", (long long)found.st_size);
  enum mlaas_status status = read_all(file, data, (size_t)found.st_size, length, error);
  if (status == MLAAS_OK)
    *text = data;
  else
    mlaas_free(data);
  return status;
}

enum mlaas_status mlaas_file_text(const char *path, size_t ceiling, char **text, size_t *length,
                                  struct mlaas_error *error) {
  int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); /* a pipe must not hold us */
  enum mlaas_status status =
      file < 0 ? mlaas_fail_errno(error, errno, "cannot be opened") : read_open(file, ceiling, text, length, error);
  if (file >= 0)
    close(file);
  return mlaas_fail_in(error, status, "%s", path);
}

static enum mlaas_status parse(const char *text, size_t length, json_t **object, struct mlaas_error *error) {
  json_error_t where;
  json_t *value = json_loadb(text, length, 0, &where);
  if (!value && json_error_code(&where) == json_error_out_of_memory)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory");
  if (!value)
    return mlaas_fail(error, MLAAS_FORMAT, "no JSON: %s (line %d, column %d)", where.text, where.line, where.column);
  if (!json_is_object(value)) {
    json_decref(value);
    return mlaas_fail(error, MLAAS_FORMAT, "expected a JSON object");
  }
  *object = value;
  return MLAAS_OK;
}

enum mlaas_status mlaas_file_json(const char *path, size_t ceiling, json_t **object, struct mlaas_error *error) {
  char *text = NULL;
  size_t length = 0;
  MLAAS_TRY(mlaas_file_text(path, ceiling, &text, &length, error));
  enum mlaas_status status = parse(text, length, object, error);
  mlaas_free(text);
  return mlaas_fail_in(error, status, "%s", path);
}

static size_t count_lines(const char *text, size_t length) {
  size_t count = 1;
  for (size_t i = 0; i < length; i++)
    count += text[i] == '\n';
  return count;
}

static enum mlaas_status split(struct mlaas_arena *arena, const char *text, size_t length, const char *const **lines,
                               size_t *count, struct mlaas_error *error) {
  const char **all = mlaas_arena_alloc(arena, count_lines(text, length) + 1, sizeof *all, error);
  char *copy = all ? mlaas_arena_strndup(arena, text, length, error) : NULL;
  if (!copy)
    return error ? error->status : MLAAS_MEMORY;
  size_t used = 0, kept = 0;
  for (char *line = copy, *end = copy + length; line <= end && *line; used++) {
    char *stop = memchr(line, '\n', (size_t)(end - line));
    char *next = stop ? stop + 1 : end;
    stop = stop ? stop : end;
    if (stop > line && stop[-1] == '\r')
      stop--;
    *stop = 0;
    all[used] = line;
    kept = stop > line ? used + 1 : kept;
    line = next;
  }
  all[kept] = NULL;
  *lines = all;
  *count = kept;
  return MLAAS_OK;
}

enum mlaas_status mlaas_file_lines(struct mlaas_arena *arena, const char *path, size_t ceiling,
                                   const char *const **lines, size_t *count, struct mlaas_error *error) {
  char *text = NULL;
  size_t length = 0;
  MLAAS_TRY(mlaas_file_text(path, ceiling, &text, &length, error));
  enum mlaas_status status = memchr(text, 0, length)
                                 ? mlaas_fail(error, MLAAS_FORMAT, "is no text: it holds a zero byte")
                                 : split(arena, text, length, lines, count, error);
  mlaas_free(text);
  return mlaas_fail_in(error, status, "%s", path);
}
