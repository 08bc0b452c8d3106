/* All files of a model: the listings of the server's folders are read, the files fetched into a new folder, which
 * appears whole or not at all. What a listing says is not believed further than a plain name goes.
 */
#include "internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FILES = 20000, DEEPEST = 16, LONGEST_NAME = 255 };

struct job {
  struct mlaas_client *client;
  size_t files;
};

/* One entry of a listing: percent codes and the few entities of HTML undone. False: no plain name. */
static bool decode_name(const char *from, size_t length, char *name, bool *folder) {
  static const struct {
    const char *entity;
    char c;
  } entities[] = {{"&amp;", '&'}, {"&#39;", '\''}, {"&#34;", '"'}, {"&quot;", '"'}, {"&lt;", '<'}, {"&gt;", '>'}};
  size_t size = 0;
  for (size_t i = 0; i < length; size++) {
    if (size >= LONGEST_NAME)
      return false;
    char c = from[i];
    size_t used = 1;
    for (size_t k = 0; c == '&' && k < sizeof entities / sizeof *entities; k++)
      if (length - i >= strlen(entities[k].entity) &&
          strncmp(from + i, entities[k].entity, strlen(entities[k].entity)) == 0) {
        c = entities[k].c;
        used = strlen(entities[k].entity);
      }
    if (c == '%') {
      char code[3] = {i + 1 < length ? from[i + 1] : 0, i + 2 < length ? from[i + 2] : 0, 0}, *end = NULL;
      c = (char)strtoul(code, &end, 16);
      used = 3;
      if (end != code + 2 || code[0] == '+' || code[0] == '-' || code[0] == ' ')
        return false;
    }
    name[size] = c;
    i += used;
  }
  *folder = size && name[size - 1] == '/';
  size -= *folder;
  name[size] = 0;
  if (size > 1 && name[0] == '.' && name[1] == '/') /* "./a:b", where a colon would look like a scheme */
    memmove(name, name + 2, (size -= 2) + 1);
  bool good = name[0] && strlen(name) == size;
  for (const char *c = name; good && *c; c++)
    good = (unsigned char)*c >= ' ' && *c != '/' && *c != '\\' && *c != 0x7f;
  return good;
}

static enum mlaas_client_status fetch_file(struct job *job, const char *url, const char *to,
                                           struct mlaas_client_error *error) {
  if (++job->files > MOST_FILES)
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the model has more than %d files", MOST_FILES);
  struct mlaas_client_request *request = mlaas_client_request_new(job->client, "GET");
  if (!request)
    return mlaas_client_no_memory(error);
  mlaas_client_buffer_text(&request->path, url);
  request->file = fopen(to, "wbx");
  if (!request->file) {
    mlaas_client_request_free(request);
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s cannot be written: %s", to, strerror(errno));
  }
  FILE *file = request->file;
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  bool good = fflush(file) == 0 && fsync(fileno(file)) == 0;
  good = fclose(file) == 0 && good;
  if (status == MLAAS_CLIENT_OK && !good)
    status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s cannot be written: %s", to, strerror(errno));
  mlaas_client_request_free(request);
  return status;
}

static enum mlaas_client_status fetch_folder(struct job *job, const char *url, const char *to, int depth,
                                             struct mlaas_client_error *error);

static enum mlaas_client_status fetch_entry(struct job *job, const char *url, const char *to, const char *name,
                                            bool folder, int depth, struct mlaas_client_error *error) {
  struct mlaas_client_buffer from = {0}, path = {0};
  mlaas_client_buffer_text(&from, url);
  mlaas_client_buffer_path(&from, name);
  mlaas_client_buffer_text(&from, folder ? "/" : "");
  mlaas_client_buffer_text(&path, to);
  mlaas_client_buffer_text(&path, "/");
  mlaas_client_buffer_text(&path, name);
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  if (from.failed || path.failed)
    status = mlaas_client_no_memory(error);
  else if (!folder)
    status = fetch_file(job, from.data, path.data, error);
  else if (mkdir(path.data, 0755) != 0)
    status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s cannot be made: %s", path.data, strerror(errno));
  else
    status = fetch_folder(job, from.data, path.data, depth + 1, error);
  mlaas_client_buffer_reset(&from);
  mlaas_client_buffer_reset(&path);
  return status;
}

/* Every <a href="..."> of the listing. */
static enum mlaas_client_status fetch_listed(struct job *job, const char *listing, const char *url, const char *to,
                                             int depth, struct mlaas_client_error *error) {
  static const char link[] = "<a href=\"";
  for (const char *at = listing; (at = strstr(at, link)) != NULL;) {
    char name[LONGEST_NAME + 1];
    bool folder = false;
    at += sizeof link - 1;
    size_t length = strcspn(at, "\"");
    if (!decode_name(at, length, name, &folder))
      return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the list of files has '%.*s', which is no plain name",
                               (int)(length < 100 ? length : 100), at);
    if (name[0] != '.') /* hidden files are not the model's */
      MLAAS_CLIENT_TRY(fetch_entry(job, url, to, name, folder, depth, error));
    at += length;
  }
  return MLAAS_CLIENT_OK;
}

static enum mlaas_client_status fetch_folder(struct job *job, const char *url, const char *to, int depth,
                                             struct mlaas_client_error *error) {
  if (depth > DEEPEST)
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the model's folders are more than %d deep", DEEPEST);
  struct mlaas_client_request *request = mlaas_client_request_new(job->client, "GET");
  if (!request)
    return mlaas_client_no_memory(error);
  mlaas_client_buffer_text(&request->path, url);
  enum mlaas_client_status status = mlaas_client_request_run(request, error);
  if (status == MLAAS_CLIENT_OK && request->reply.size)
    status = fetch_listed(job, request->reply.data, url, to, depth, error);
  mlaas_client_request_free(request);
  return status;
}

/* What a failed download has left; only what it made itself is there. */
static void remove_tree(const char *path, int depth) {
  DIR *folder = depth <= DEEPEST + 1 ? opendir(path) : NULL;
  for (struct dirent *entry; folder && (entry = readdir(folder)) != NULL;) {
    struct mlaas_client_buffer inner = {0};
    if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
      continue;
    mlaas_client_buffer_text(&inner, path);
    mlaas_client_buffer_text(&inner, "/");
    mlaas_client_buffer_text(&inner, entry->d_name);
    if (!inner.failed && unlink(inner.data) != 0)
      remove_tree(inner.data, depth + 1);
    mlaas_client_buffer_reset(&inner);
  }
  if (folder)
    closedir(folder);
  rmdir(path);
}

static enum mlaas_client_status fetch_all(struct mlaas_client *client, const char *name, const char *to,
                                          struct mlaas_client_error *error) {
  struct mlaas_client_buffer url = {0};
  struct job job = {client, 0};
  mlaas_client_buffer_text(&url, "/download/");
  mlaas_client_buffer_path(&url, name);
  mlaas_client_buffer_text(&url, "/");
  enum mlaas_client_status status =
      url.failed ? mlaas_client_no_memory(error) : fetch_folder(&job, url.data, to, 0, error);
  mlaas_client_buffer_reset(&url);
  if (status == MLAAS_CLIENT_OK && job.files == 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_REPLY, "the server lists no files of %.200s", name);
  return status;
}

enum mlaas_client_status mlaas_client_download(struct mlaas_client *client, const char *name, const char *folder,
                                               struct mlaas_client_error *error) {
  struct mlaas_client_buffer temporary = {0};
  struct stat about;
  char suffix[40];
  MLAAS_CLIENT_TRY(mlaas_client_name_check(name, error));
  if (lstat(folder, &about) == 0)
    return mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s exists already", folder);
  snprintf(suffix, sizeof suffix, ".%ld.new", (long)getpid());
  mlaas_client_buffer_text(&temporary, folder);
  while (temporary.size > 1 && !temporary.failed && temporary.data[temporary.size - 1] == '/')
    temporary.data[--temporary.size] = 0;
  mlaas_client_buffer_text(&temporary, suffix);
  enum mlaas_client_status status = MLAAS_CLIENT_OK;
  if (temporary.failed)
    status = mlaas_client_no_memory(error);
  else if (mkdir(temporary.data, 0755) != 0)
    status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s cannot be made: %s", temporary.data, strerror(errno));
  if (status == MLAAS_CLIENT_OK) {
    status = fetch_all(client, name, temporary.data, error);
    if (status == MLAAS_CLIENT_OK && rename(temporary.data, folder) != 0)
      status = mlaas_client_fail(error, MLAAS_CLIENT_FILE, "%.500s cannot be made: %s", folder, strerror(errno));
    if (status != MLAAS_CLIENT_OK)
      remove_tree(temporary.data, 0);
  }
  mlaas_client_buffer_reset(&temporary);
  return status;
}
