/* The user's files. Knows no command. */
#include "cli/files.h"

#include "base/error.h"
#include "base/memory.h"
#include "source/place.h"

#include <errno.h>
#include <mlaas/place.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGEST_TEXT = 64 << 20 };

enum mlaas_status mlaas_list_expand(struct mlaas_list *list, struct mlaas_context *context, const char *text,
                                    const char *redirector, struct mlaas_error *error) {
  struct mlaas_places_options options = {.size = sizeof options, .redirector = redirector, .lists = true};
  struct mlaas_places *places = NULL;
  MLAAS_TRY(mlaas_places_expand(context, &text, 1, &options, &places, error));
  size_t more = mlaas_places_count(places);
  enum mlaas_status status = MLAAS_OK;
  char **names = mlaas_realloc(list->names, (list->count + more + 1) * sizeof *names);
  list->names = names ? names : list->names;
  for (size_t i = 0; i < more && status == MLAAS_OK; i++) {
    char *copy = names ? mlaas_strdup(mlaas_places_name(places, i)) : NULL;
    if (copy)
      list->names[list->count++] = copy;
    else
      status = mlaas_fail(error, MLAAS_MEMORY, "no memory for the list of files");
  }
  mlaas_places_free(places);
  return status;
}

enum mlaas_status mlaas_list_add(struct mlaas_list *list, const char *text, struct mlaas_error *error) {
  return mlaas_list_expand(list, NULL, text, NULL, error);
}

bool mlaas_name_is_foreign(const char *name) {
  size_t length = (size_t)(mlaas_place_query(name) - name);
  return mlaas_place_is_data(name) && !(length >= 5 && strncasecmp(name + length - 5, ".root", 5) == 0);
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
