/* Walks folders for a pattern. Must not know what the files are, nor how a server lists. */
#define _GNU_SOURCE /* DT_DIR and its like */
#include "source/glob.h"

#include "base/context.h"
#include "base/error.h"
#include "source/place.h"
#include "source/wires.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MOST_ENTRIES = 1 << 20, MOST_FOLDERS = 1 << 15, MOST_DEPTH = 64, LONGEST = 4096 };

struct entry {
  char *name;
  enum mlaas_glob_kind kind;
};

/* What one folder holds. */
struct folder {
  struct walk *walk;
  struct entry *entries;
  size_t count, room;
  enum mlaas_status status; /* of taking the entries */
};

struct walk {
  struct mlaas_context *context;
  const struct mlaas_wire *wire; /* NULL: folders of this machine */
  bool encoded;                  /* names come with %XX */
  const char *query;
  struct mlaas_glob_names *found;
  size_t entries, folders;
  struct mlaas_error *error;
};

/* ---- lists that grow ---- */

static bool grow(void **items, size_t count, size_t *room, size_t size) {
  if (count < *room)
    return true;
  size_t more = *room ? *room * 2 : 64;
  void *larger = mlaas_realloc(*items, more * size);
  if (larger) {
    *items = larger;
    *room = more;
  }
  return larger;
}

void mlaas_glob_reset(struct mlaas_glob_names *names) {
  for (size_t i = 0; i < names->count; i++)
    mlaas_free(names->names[i]);
  mlaas_free(names->names);
  *names = (struct mlaas_glob_names){0};
}

static void free_entries(struct folder *folder) {
  for (size_t i = 0; i < folder->count; i++)
    mlaas_free(folder->entries[i].name);
  mlaas_free(folder->entries);
}

static enum mlaas_status no_memory(struct mlaas_error *error) {
  return mlaas_fail(error, MLAAS_MEMORY, "no memory for the names of a folder");
}

static enum mlaas_status add_entry(struct folder *folder, const char *name, size_t length, enum mlaas_glob_kind kind) {
  struct walk *walk = folder->walk;
  if (++walk->entries > MOST_ENTRIES)
    return mlaas_fail(walk->error, MLAAS_LIMIT, "the pattern means folders with more than %d names: make it narrower",
                      MOST_ENTRIES);
  void *items = folder->entries;
  char *copy = grow(&items, folder->count, &folder->room, sizeof *folder->entries) ? mlaas_alloc(length + 1) : NULL;
  folder->entries = items;
  if (!copy)
    return no_memory(walk->error);
  memcpy(copy, name, length);
  folder->entries[folder->count++] = (struct entry){copy, kind};
  return MLAAS_OK;
}

/* ---- what a folder holds ---- */

static enum mlaas_glob_kind kind_of(const char *folder, const struct dirent *entry) {
  if (entry->d_type == DT_REG)
    return MLAAS_GLOB_FILE;
  if (entry->d_type == DT_DIR)
    return MLAAS_GLOB_FOLDER;
  char path[LONGEST];
  struct stat about;
  int length = snprintf(path, sizeof path, "%s%s", folder, entry->d_name);
  if (length < 0 || (size_t)length >= sizeof path || stat(path, &about) != 0)
    return MLAAS_GLOB_OTHER;
  if (S_ISDIR(about.st_mode))
    return entry->d_type == DT_LNK ? MLAAS_GLOB_LINK : MLAAS_GLOB_FOLDER;
  return S_ISREG(about.st_mode) ? MLAAS_GLOB_FILE : MLAAS_GLOB_OTHER;
}

static enum mlaas_status list_here(struct folder *folder, const char *name) {
  const char *path = mlaas_place_path(name);
  DIR *stream = opendir(*path ? path : ".");
  if (!stream)
    return mlaas_fail_errno(folder->walk->error, errno == ENOTDIR ? ENOENT : errno, "the folder '%s' cannot be listed",
                            path);
  enum mlaas_status status = MLAAS_OK;
  for (struct dirent *entry; status == MLAAS_OK && (entry = readdir(stream)) != NULL;)
    if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
      status = add_entry(folder, entry->d_name, strlen(entry->d_name), kind_of(path, entry));
  closedir(stream);
  return status;
}

/* The last part of a whole URL. */
static bool take_remote(void *context, const struct mlaas_wire_entry *entry) {
  struct folder *folder = context;
  const char *path = mlaas_place_path(entry->url), *end = mlaas_place_query(entry->url);
  while (end > path && end[-1] == '/')
    end--;
  const char *name = end;
  while (name > path && name[-1] != '/')
    name--;
  size_t length = (size_t)(end - name);
  if (length == 0 || (length <= 2 && strncmp(name, "..", length) == 0))
    return true;
  folder->status = add_entry(folder, name, length, entry->is_directory ? MLAAS_GLOB_FOLDER : MLAAS_GLOB_FILE);
  return folder->status == MLAAS_OK;
}

static enum mlaas_status list_there(struct folder *folder, const char *name) {
  struct walk *walk = folder->walk;
  size_t size = strlen(name) + strlen(walk->query) + 1;
  char *url = mlaas_alloc(size);
  if (!url)
    return no_memory(walk->error);
  snprintf(url, size, "%s%s", name, walk->query);
  enum mlaas_status status =
      walk->wire->list(url, mlaas_context_remote(walk->context), take_remote, folder, walk->error);
  mlaas_free(url);
  return folder->status != MLAAS_OK ? folder->status : status;
}

static enum mlaas_status list_folder(struct folder *folder, const char *name) {
  struct walk *walk = folder->walk;
  if (++walk->folders > MOST_FOLDERS)
    return mlaas_fail(walk->error, MLAAS_LIMIT, "the pattern means more than %d folders: make it narrower",
                      MOST_FOLDERS);
  return walk->wire ? list_there(folder, name) : list_here(folder, name);
}

/* ---- matching one part ---- */

/* "%41" becomes "A"; what a wildcard stands for is set by the caller. In place. */
static void decode(char *text, bool escape, char *out) {
  for (; *text; text++) {
    char c = *text;
    bool coded = c == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);
    if (coded) {
      char digits[3] = {text[1], text[2], 0};
      c = (char)strtol(digits, NULL, 16);
      text += 2;
      if (escape && strchr("*?[]\\", c))
        *out++ = '\\';
    } else if (escape && c == '?') { /* cannot be: it would have begun the query */
      *out++ = '\\';
    }
    *out++ = c;
  }
  *out = 0;
}

/* A part without wildcards, or a name with brackets of its own, is also taken by its letters. */
static bool matches(const struct walk *walk, const char *part, const char *name) {
  if (strcmp(part, name) == 0)
    return true;
  if (!walk->encoded)
    return fnmatch(part, name, FNM_PERIOD) == 0;
  char pattern[2 * LONGEST], plain[LONGEST], copy[LONGEST];
  if (strlen(part) >= sizeof copy || strlen(name) >= sizeof plain)
    return false;
  strncpy(copy, part, sizeof copy - 1);
  copy[sizeof copy - 1] = 0;
  decode(copy, true, pattern);
  strncpy(copy, name, sizeof copy - 1);
  copy[sizeof copy - 1] = 0;
  decode(copy, false, plain);
  return fnmatch(pattern, plain, FNM_PERIOD) == 0;
}

static bool has_wildcard(const struct walk *walk, const char *part) {
  return strpbrk(part, walk->wire ? "*[" : "*?[") != NULL;
}

/* ---- the walk ---- */

static char *join(const char *folder, const char *name, const char *end) {
  size_t size = strlen(folder) + strlen(name) + strlen(end) + 1;
  char *text = mlaas_alloc(size);
  if (text)
    snprintf(text, size, "%s%s%s", folder, name, end);
  return text;
}

static enum mlaas_status add_found(struct walk *walk, const char *folder, const char *name) {
  struct mlaas_glob_names *found = walk->found;
  void *items = found->names;
  char *whole = grow(&items, found->count, &found->room, sizeof *found->names) ? join(folder, name, walk->query) : NULL;
  found->names = items;
  if (!whole)
    return no_memory(walk->error);
  found->names[found->count++] = whole;
  return MLAAS_OK;
}

static enum mlaas_status walk_part(struct walk *walk, const char *folder, const char *pattern, int depth);

/* A folder that is gone, or was none, has no names. */
static enum mlaas_status walk_below(struct walk *walk, const char *folder, const char *name, const char *pattern,
                                    int depth) {
  char *below = join(folder, name, "/");
  if (!below)
    return no_memory(walk->error);
  enum mlaas_status status = walk_part(walk, below, pattern, depth + 1);
  mlaas_free(below);
  return status == MLAAS_NOT_FOUND ? MLAAS_OK : status;
}

/* `part` of all names in `folder`; `rest` is the pattern behind it, "" at its end. `any`: part is "**". */
static enum mlaas_status walk_entries(struct walk *walk, const char *folder, const char *part, const char *rest,
                                      const char *pattern, int depth) {
  struct folder listed = {.walk = walk};
  bool any = strcmp(part, "**") == 0;
  enum mlaas_status status = list_folder(&listed, folder);
  for (size_t i = 0; i < listed.count && status == MLAAS_OK; i++) {
    const struct entry *entry = &listed.entries[i];
    bool below = entry->kind == MLAAS_GLOB_FOLDER || (entry->kind == MLAAS_GLOB_LINK && !any);
    if (any ? entry->name[0] == '.' : !matches(walk, part, entry->name))
      continue;
    if (below && (any || *rest))
      status = walk_below(walk, folder, entry->name, any ? pattern : rest, depth);
    else if (entry->kind == MLAAS_GLOB_FILE && !*rest)
      status = add_found(walk, folder, entry->name);
  }
  free_entries(&listed);
  return status;
}

static enum mlaas_status walk_part(struct walk *walk, const char *folder, const char *pattern, int depth) {
  size_t length = strcspn(pattern, "/");
  const char *rest = pattern + length;
  rest += strspn(rest, "/");
  if (depth > MOST_DEPTH)
    return mlaas_fail(walk->error, MLAAS_LIMIT, "the pattern goes deeper than %d folders: make it narrower",
                      MOST_DEPTH);
  char *part = mlaas_alloc(length + 1);
  if (!part)
    return no_memory(walk->error);
  memcpy(part, pattern, length);
  enum mlaas_status status = MLAAS_OK;
  if (*rest && !has_wildcard(walk, part)) {
    status = walk_below(walk, folder, part, rest, depth);
  } else {
    if (*rest && strcmp(part, "**") == 0) /* no folder at all between */
      status = walk_part(walk, folder, rest, depth + 1);
    if (status == MLAAS_OK)
      status = walk_entries(walk, folder, part, rest, pattern, depth);
  }
  mlaas_free(part);
  return status;
}

/* ---- the whole ---- */

static int compare_names(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

static void sort_names(struct mlaas_glob_names *found) {
  size_t kept = 0;
  if (found->count)
    qsort(found->names, found->count, sizeof *found->names, compare_names);
  for (size_t i = 0; i < found->count; i++) {
    if (kept && strcmp(found->names[kept - 1], found->names[i]) == 0)
      mlaas_free(found->names[i]);
    else
      found->names[kept++] = found->names[i];
  }
  found->count = kept;
}

/* Everything before the part with the first wildcard is taken as it is. */
static enum mlaas_status start_walk(struct walk *walk, const char *pattern) {
  const char *path = mlaas_place_path(pattern), *first = path + strcspn(path, walk->wire ? "*[" : "*?[");
  while (first > path && first[-1] != '/')
    first--;
  size_t length = (size_t)(mlaas_place_query(pattern) - first);
  char *folder = mlaas_alloc((size_t)(first - pattern) + 1), *rest = mlaas_alloc(length + 1);
  enum mlaas_status status = MLAAS_MEMORY;
  if (folder && rest) {
    memcpy(folder, pattern, (size_t)(first - pattern));
    memcpy(rest, first, length);
    status = walk_part(walk, folder, rest, 0);
  } else {
    no_memory(walk->error);
  }
  mlaas_free(folder);
  mlaas_free(rest);
  return status;
}

static enum mlaas_status find_wire(struct walk *walk, const char *pattern) {
  if (!mlaas_place_is_remote(pattern))
    return MLAAS_OK;
  MLAAS_TRY(mlaas_wire_find(pattern, &walk->wire, walk->error));
  walk->encoded = strncmp(pattern, "http", 4) == 0 || strncmp(pattern, "dav", 3) == 0;
  return walk->wire->list ? MLAAS_OK
                          : mlaas_fail(walk->error, MLAAS_UNSUPPORTED, "this protocol does not list folders");
}

enum mlaas_status mlaas_glob(struct mlaas_context *context, const char *pattern, struct mlaas_glob_names *found,
                             struct mlaas_error *error) {
  struct mlaas_error own;
  struct walk walk = {
      .context = context, .query = mlaas_place_query(pattern), .found = found, .error = error ? error : &own};
  *found = (struct mlaas_glob_names){0};
  enum mlaas_status status = find_wire(&walk, pattern);
  if (status == MLAAS_OK)
    status = start_walk(&walk, pattern);
  sort_names(found);
  if ((status == MLAAS_OK && found->count == 0) || (status == MLAAS_NOT_FOUND && !walk.wire))
    status = mlaas_fail(error, MLAAS_NOT_FOUND, "no file has such a name (among %zu name%s in %zu folder%s)",
                        walk.entries, walk.entries == 1 ? "" : "s", walk.folders, walk.folders == 1 ? "" : "s");
  if (status == MLAAS_OK)
    return MLAAS_OK;
  char shown[400];
  mlaas_place_show(pattern, shown, sizeof shown);
  mlaas_fail_in(error, status, "%s", shown);
  mlaas_glob_reset(found);
  return status;
}
