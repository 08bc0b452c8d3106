/* The files of the page and the policy for files of folders. Must not know routes or exchanges. */
#define _GNU_SOURCE /* memmem */
#include "serve/asset.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PARTS = 4, NAME_LONGEST = 255, FILE_LARGEST = 256 << 20 };

/* Names of TFaaS's own page, which people have linked to. */
static const struct {
  const char *name, *ours;
} aliases[] = {
    {"css/kube.css", "css/mlaas.css"},  {"css/kube.min.css", "css/mlaas.css"},        {"css/main.css", "css/mlaas.css"},
    {"favicon.ico", "images/icon.png"}, {"images/tfaas_logo.png", "images/icon.png"}, {"js/kube.js", "js/mlaas.js"},
    {"js/kube.min.js", "js/mlaas.js"},
};

static const struct {
  const char *extension, *type;
} types[] = {
    {".css", "text/css; charset=utf-8"},
    {".gif", "image/gif"},
    {".html", "text/html; charset=utf-8"},
    {".ico", "image/vnd.microsoft.icon"},
    {".jpg", "image/jpeg"},
    {".js", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".png", "image/png"},
    {".svg", "image/svg+xml"},
    {".ttf", "font/ttf"},
    {".txt", "text/plain; charset=utf-8"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
};

static int compare(const void *key, const void *member) {
  const struct mlaas_slice *name = key;
  const struct mlaas_asset *asset = member;
  size_t size = strlen(asset->name), shared = name->size < size ? name->size : size;
  int order = memcmp(name->data, asset->name, shared);
  return order ? order : (name->size > size) - (name->size < size);
}

const struct mlaas_asset *mlaas_asset_find(struct mlaas_slice name) {
  if (name.size == 0)
    return NULL;
  for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++)
    if (mlaas_slice_is(name, aliases[i].name))
      name = mlaas_slice_of(aliases[i].ours);
  return bsearch(&name, mlaas_assets, mlaas_num_assets, sizeof *mlaas_assets, compare);
}

bool mlaas_asset_name_good(struct mlaas_slice name) {
  int parts = 0;
  bool fresh = true; /* at the beginning of a part */
  if (name.size == 0 || name.size > NAME_LONGEST)
    return false;
  for (size_t i = 0; i < name.size; i++) {
    char c = name.data[i];
    if (c == '/') {
      if (fresh)
        return false;
      fresh = true;
    } else {
      bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
      if (!letter && (c != '.' || fresh))
        return false;
      parts += fresh;
      fresh = false;
    }
  }
  return !fresh && parts <= PARTS;
}

const char *mlaas_asset_type(struct mlaas_slice name) {
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    size_t size = strlen(types[i].extension);
    if (name.size > size && memcmp(name.data + name.size - size, types[i].extension, size) == 0)
      return types[i].type;
  }
  return NULL;
}

/* One part of the path at a time, so that a link on the way is seen. Closes `folder`. */
static int open_below(int folder, char *name, int flags) {
  for (;;) {
    char *slash = strchr(name, '/');
    if (slash)
      *slash = '\0';
    int next = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | flags | (slash ? O_DIRECTORY : 0));
    int saved = errno;
    close(folder);
    errno = saved;
    if (next < 0 || !slash)
      return next;
    folder = next;
    name = slash + 1;
  }
}

enum mlaas_status mlaas_asset_open(const char *folder, struct mlaas_slice name, bool links,
                                   struct mlaas_asset_file *file, struct mlaas_error *error) {
  char path[NAME_LONGEST + 1];
  struct stat info;
  file->fd = -1;
  if (!mlaas_asset_name_good(name) || !mlaas_asset_type(name))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "no such file");
  memcpy(path, name.data, name.size);
  path[name.size] = '\0';
  int top = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  int fd = top < 0 ? -1 : open_below(top, path, links ? 0 : O_NOFOLLOW);
  if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EACCES))
    return mlaas_fail(error, MLAAS_NOT_FOUND, "no such file");
  if (fd < 0)
    return mlaas_fail_errno(error, errno, "cannot be opened");
  if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
    close(fd);
    return mlaas_fail(error, MLAAS_NOT_FOUND, "no such file");
  }
  if (info.st_size > FILE_LARGEST) {
    close(fd);
    return mlaas_fail(error, MLAAS_LIMIT, "a file of %lld bytes; at most %d are given out", (long long)info.st_size,
                      FILE_LARGEST);
  }
  file->fd = fd;
  file->size = info.st_size;
  snprintf(file->etag, sizeof file->etag, "\"%llx-%llx%08lx\"", (unsigned long long)info.st_size,
           (unsigned long long)info.st_mtim.tv_sec, (unsigned long)info.st_mtim.tv_nsec);
  return MLAAS_OK;
}

/* The stretch between the quotes of <meta name="NAME" content="...">; data NULL: there is none. */
static struct mlaas_slice meta_content(struct mlaas_slice html, const char *name) {
  char opening[64];
  int size = snprintf(opening, sizeof opening, "<meta name=\"%s\" content=\"", name);
  const char *found = memmem(html.data, html.size, opening, (size_t)size);
  if (!found)
    return (struct mlaas_slice){0};
  const char *start = found + size, *end = memchr(start, '"', (size_t)(html.data + html.size - start));
  return end ? (struct mlaas_slice){start, (size_t)(end - start)} : (struct mlaas_slice){0};
}

char *mlaas_netron_page(struct mlaas_arena *arena, struct mlaas_slice html, struct mlaas_error *error) {
  static const struct { const char *name, *content; } changes[] = {{"version", "0.0.0"}, {"date", ""}};
  char *text = mlaas_arena_strndup(arena, html.data, html.size, error);
  size_t size = html.size;
  for (size_t i = 0; text && i < sizeof changes / sizeof *changes; i++) {
    struct mlaas_slice old = meta_content((struct mlaas_slice){text, size}, changes[i].name);
    if (!old.data)
      continue;
    size_t before = (size_t)(old.data - text), added = strlen(changes[i].content);
    char *changed = mlaas_arena_alloc(arena, size - old.size + added + 1, 1, error);
    if (changed) {
      memcpy(changed, text, before);
      memcpy(changed + before, changes[i].content, added);
      memcpy(changed + before + added, old.data + old.size, size - before - old.size);
      size = size - old.size + added;
    }
    text = changed;
  }
  return text;
}
