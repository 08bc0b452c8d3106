/* The user's files. Knows no command. */
#include "cli/files.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_TEXT = 64 << 20 };

static enum mlaas_status append(struct mlaas_list *list, const char *name, size_t length, struct mlaas_error *error) {
  char **names = mlaas_realloc(list->names, (list->count + 1) * sizeof *names);
  if (names)
    list->names = names;
  char *copy = names ? mlaas_alloc(length + 1) : NULL;
  if (!copy)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the list of files");
  memcpy(copy, name, length);
  list->names[list->count++] = copy;
  return MLAAS_OK;
}

/* Adds what stands between `separators`, without blanks around it, empty pieces and comments. */
static enum mlaas_status add_pieces(struct mlaas_list *list, const char *text, const char *separators,
                                    struct mlaas_error *error) {
  while (*text) {
    size_t whole = strcspn(text, separators), length = whole;
    const char *piece = text;
    while (length && strchr(" \t\r", piece[0])) {
      piece++;
      length--;
    }
    while (length && strchr(" \t\r", piece[length - 1]))
      length--;
    if (length && piece[0] != '#')
      MLAAS_TRY(append(list, piece, length, error));
    text += whole;
    text += *text != 0;
  }
  return MLAAS_OK;
}

static bool ends_with(const char *text, const char *end) {
  size_t length = strlen(text), tail = strlen(end);
  return length >= tail && strcasecmp(text + length - tail, end) == 0;
}

/* A ROOT file by another name. */
static bool begins_like_root(const char *path) {
  char begin[5] = "";
  FILE *in = fopen(path, "rb");
  if (!in)
    return false;
  size_t got = fread(begin, 1, sizeof begin, in);
  fclose(in);
  return got == sizeof begin && memcmp(begin, "root", 4) == 0 && (unsigned char)begin[4] < ' ';
}

/* A file of events of another format than ROOT: the package mlaas.formats reads those. */
bool mlaas_name_is_foreign(const char *name) {
  static const char *const ends[] = {".parquet", ".pq",   ".parq", ".arrow", ".arrows", ".ipc",   ".feather",
                                     ".orc",     ".avro", ".csv",  ".tsv",   ".json",   ".jsonl", ".ndjson",
                                     ".h5",      ".hdf5", ".hdf",  ".npy",   ".npz"};
  static const char *const packed[] = {"", ".gz", ".bz2", ".zst", ".xz"};
  char end[32];
  for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
    for (size_t k = 0; k < sizeof packed / sizeof *packed; k++) {
      snprintf(end, sizeof end, "%s%s", ends[i], packed[k]);
      if (ends_with(name, end))
        return true;
    }
  return false;
}

enum mlaas_status mlaas_list_add(struct mlaas_list *list, const char *text, struct mlaas_error *error) {
  if (strchr(text, ',') && access(text, F_OK) != 0)
    return add_pieces(list, text, ",", error);
  if (ends_with(text, ".root") || strstr(text, "://") || mlaas_name_is_foreign(text))
    return append(list, text, strlen(text), error);
  if (begins_like_root(text))
    return append(list, text, strlen(text), error);
  char *content = NULL;
  MLAAS_TRY(mlaas_text_read(text, &content, error));
  size_t before = list->count;
  enum mlaas_status status = add_pieces(list, content, "\n", error);
  mlaas_free(content);
  if (status == MLAAS_OK && list->count == before)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s names no files; it must have one name a line", text);
  return status;
}

void mlaas_list_reset(struct mlaas_list *list) {
  for (size_t i = 0; i < list->count; i++)
    mlaas_free(list->names[i]);
  mlaas_free(list->names);
  *list = (struct mlaas_list){0};
}

enum mlaas_status mlaas_file_check(const char *what, const char *path, struct mlaas_error *error) {
  struct stat about;
  if (access(path, R_OK) != 0 || stat(path, &about) != 0)
    return mlaas_fail_errno(error, errno, "%s %s cannot be read", what, path);
  if (S_ISDIR(about.st_mode))
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s %s is a folder; a file is expected", what, path);
  return MLAAS_OK;
}

static enum mlaas_status read_all(FILE *in, const char *path, char **text, struct mlaas_error *error) {
  size_t used = 0, room = 0;
  char *buffer = NULL;
  for (;;) {
    if (used + 1 >= room) {
      room = room ? room * 2 : 4096;
      char *larger = room <= LARGEST_TEXT ? mlaas_realloc(buffer, room) : NULL;
      if (!larger) {
        mlaas_free(buffer);
        return mlaas_fail(error, MLAAS_LIMIT, "%s is too large for a text file", path);
      }
      buffer = larger;
    }
    size_t got = fread(buffer + used, 1, room - used - 1, in);
    used += got;
    if (got == 0)
      break;
  }
  buffer[used] = 0;
  if (ferror(in)) {
    mlaas_free(buffer);
    return mlaas_fail_errno(error, errno ? errno : EIO, "%s cannot be read", path);
  }
  *text = buffer;
  return MLAAS_OK;
}

enum mlaas_status mlaas_text_read(const char *path, char **text, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_file_check("the file", path, error));
  FILE *in = fopen(path, "rb");
  if (!in)
    return mlaas_fail_errno(error, errno, "%s cannot be opened", path);
  enum mlaas_status status = read_all(in, path, text, error);
  fclose(in);
  return status;
}

/* What is there and no file (a device, a pipe) must not be replaced by one. */
static bool is_replaceable(const char *path) {
  struct stat about;
  return stat(path, &about) != 0 || S_ISREG(about.st_mode);
}

enum mlaas_status mlaas_output_open(struct mlaas_output *output, const char *path, struct mlaas_error *error) {
  output->path = path;
  output->beside = is_replaceable(path);
  int length = snprintf(output->other, sizeof output->other, "%s.%ld.new", path, (long)getpid());
  if (length < 0 || (size_t)length >= sizeof output->other)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the name %s is too long", path);
  output->stream = output->beside ? fopen(output->other, "wbx") : fopen(path, "wb");
  return output->stream ? MLAAS_OK : mlaas_fail_errno(error, errno, "%s cannot be written", path);
}

enum mlaas_status mlaas_output_close(struct mlaas_output *output, enum mlaas_status status, struct mlaas_error *error) {
  bool good = !ferror(output->stream) && fflush(output->stream) == 0;
  good = good && (!output->beside || fsync(fileno(output->stream)) == 0);
  int reason = errno;
  if (fclose(output->stream) != 0 && good) {
    good = false;
    reason = errno;
  }
  if (status == MLAAS_OK && good && output->beside && rename(output->other, output->path) != 0) {
    good = false;
    reason = errno;
  }
  if (output->beside && (status != MLAAS_OK || !good))
    unlink(output->other);
  if (status == MLAAS_OK && !good)
    return mlaas_fail_errno(error, reason, "%s cannot be written", output->path);
  return status;
}

enum mlaas_status mlaas_text_write(const char *path, const char *text, struct mlaas_error *error) {
  if (strcmp(path, "-") == 0)
    return fputs(text, stdout) >= 0 ? MLAAS_OK : mlaas_fail(error, MLAAS_IO, "standard output could not be written");
  struct mlaas_output output;
  MLAAS_TRY(mlaas_output_open(&output, path, error));
  fputs(text, output.stream); /* close says whether that went well */
  return mlaas_output_close(&output, MLAAS_OK, error);
}
