/* Names taken apart and put together. Must not open anything, and knows of protocols only how they write URLs. */
#include "source/place.h"

#include "base/error.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- what a name is ---- */

size_t mlaas_place_scheme(const char *name) {
  size_t length = 0;
  while (isalnum((unsigned char)name[length]) || (length && name[length] && strchr("+-.", name[length])))
    length++;
  return length && isalpha((unsigned char)name[0]) && strncmp(name + length, "://", 3) == 0 ? length : 0;
}

static bool has_scheme(const char *name, const char *scheme) {
  size_t length = mlaas_place_scheme(name);
  return length && strlen(scheme) == length && strncasecmp(name, scheme, length) == 0;
}

bool mlaas_place_is_remote(const char *name) { return mlaas_place_scheme(name) && !has_scheme(name, "file"); }

bool mlaas_place_is_replicas(const char *name) {
  const char *bar = strchr(name, '|');
  if (!bar)
    return false;
  for (const char *part = name; part; part = strchr(part, '|'), part = part ? part + 1 : NULL)
    if (mlaas_place_scheme(part))
      return true;
  return false;
}

const char *mlaas_place_path(const char *name) {
  size_t scheme = mlaas_place_scheme(name);
  if (!scheme)
    return name;
  const char *authority = name + scheme + 3;
  return authority + strcspn(authority, "/?");
}

const char *mlaas_place_query(const char *name) {
  const char *path = mlaas_place_path(name);
  return path + (mlaas_place_is_remote(name) ? strcspn(path, "?") : strlen(path));
}

bool mlaas_place_is_pattern(const char *name) {
  const char *path = mlaas_place_path(name), *end = mlaas_place_query(name);
  bool remote = mlaas_place_is_remote(name);
  for (const char *at = path; at < end; at++)
    if (*at == '*' || (*at == '?' && !remote) || (*at == '[' && memchr(at, ']', (size_t)(end - at))))
      return true;
  return false;
}

/* Whether [name, end) ends with one of the suffixes; *at is then where. */
static bool ends_with(const char *name, const char *const *suffixes, const char **end) {
  for (; *suffixes; suffixes++) {
    size_t length = strlen(*suffixes);
    if ((size_t)(*end - name) >= length && strncasecmp(*end - length, *suffixes, length) == 0) {
      *end -= length;
      return true;
    }
  }
  return false;
}

bool mlaas_place_is_data(const char *name) {
  static const char *const packed[] = {".gz", ".bz2", ".zst", ".xz", ".lz4", NULL};
  static const char *const data[] = {".root", ".csv",  ".tsv",  ".json",  ".jsonl",  ".ndjson",  ".parquet",
                                     ".pq",   ".orc",  ".avro", ".arrow", ".arrows", ".feather", ".ipc",
                                     ".h5",   ".hdf5", ".hdf",  ".npy",   ".npz",    NULL};
  const char *end = mlaas_place_query(name);
  ends_with(name, packed, &end);
  return ends_with(name, data, &end);
}

bool mlaas_place_is_list(const char *name) {
  static const char *const lists[] = {".txt", ".list", ".lst", NULL};
  const char *end = mlaas_place_query(name);
  return ends_with(name, lists, &end);
}

/* ---- in front of a name, and beside one ---- */

static bool is_xrootd(const char *name) {
  return has_scheme(name, "root") || has_scheme(name, "roots") || has_scheme(name, "xroot") ||
         has_scheme(name, "xroots");
}

static enum mlaas_status check_redirector(const char *redirector, struct mlaas_error *error) {
  size_t scheme = mlaas_place_scheme(redirector);
  const char *host = redirector + (scheme ? scheme + 3 : 0);
  if (scheme ? has_scheme(redirector, "file") || (*host && !strchr("/?", *host)) : *host == '/' || *host == '.')
    return MLAAS_OK;
  char shown[256];
  mlaas_place_show(redirector, shown, sizeof shown);
  if (scheme)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the redirector '%s' names no host", shown);
  return mlaas_fail(error, MLAAS_ARGUMENT,
                    "the redirector '%s' is neither a URL nor a folder: write root://%s, or ./%s for a folder", shown,
                    shown, shown);
}

static const char *skip_slashes(const char *text) { return text + strspn(text, "/"); }

/* The name behind "HOST/" where it begins like that, as lists of files sometimes do. */
static const char *behind_host(const char *name, const char *host, size_t length) {
  return length && strncasecmp(name, host, length) == 0 && name[length] == '/' ? name + length : name;
}

enum mlaas_status mlaas_place_redirect(const char *redirector, const char *name, char **place,
                                       struct mlaas_error *error) {
  MLAAS_TRY(check_redirector(redirector, error));
  size_t scheme = mlaas_place_scheme(redirector);
  const char *path = mlaas_place_path(redirector), *query = mlaas_place_query(redirector);
  const char *host = scheme ? redirector + scheme + 3 : path;
  const char *rest = scheme ? behind_host(name, host, (size_t)(path - host)) : name;
  bool whole = rest != name; /* it has the host already, and so the folder too */
  const char *folder = scheme ? skip_slashes(path) : path, *end = query;
  while (end > folder && end[-1] == '/')
    end--;
  if (scheme && (whole || end < folder))
    end = folder;
  const char *slashes = !scheme ? "" : is_xrootd(redirector) ? "//" : "/";
  size_t size = strlen(redirector) + strlen(name) + 8;
  char *made = mlaas_alloc(size);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the name '%s'", name);
  bool root = !scheme && end == folder; /* the folder "/" */
  snprintf(made, size, "%.*s%s%.*s%s%s%s", (int)(path - redirector), redirector, slashes, (int)(end - folder), folder,
           end > folder || root ? "/" : "", skip_slashes(rest), query);
  *place = made;
  return MLAAS_OK;
}

const char *mlaas_place_beside(const char *own, const char *name, struct mlaas_arena *arena,
                               struct mlaas_error *error) {
  bool replicas = mlaas_place_is_replicas(own);
  const char *all = "";
  for (const char *part = own; part;) {
    size_t length = replicas ? strcspn(part, "|") : strlen(part);
    const char *one = mlaas_arena_strndup(arena, part, length, error);
    if (!one)
      return NULL;
    const char *query = mlaas_place_query(one), *path = mlaas_place_path(one), *slash = query;
    while (slash > path && slash[-1] != '/')
      slash--;
    all = mlaas_arena_format(arena, error, "%s%s%.*s%s%s", all, *all ? "|" : "", (int)(slash - one), one, name, query);
    if (!all)
      return NULL;
    part = part[length] ? part + length + 1 : NULL;
  }
  return all;
}

/* ---- what others may see ---- */

struct shown {
  char *text;
  size_t size, length;
};

static void put(struct shown *shown, const char *text, size_t length) {
  for (size_t i = 0; i < length; i++, shown->length++)
    if (shown->length + 1 < shown->size)
      shown->text[shown->length] = text[i];
}

static bool is_secret(const char *key, size_t length) {
  static const char *const words[] = {"token", "auth", "sig", "cred", "secret", "pass", "pwd", "key", NULL};
  for (const char *const *word = words; *word; word++)
    for (size_t i = 0; i + strlen(*word) <= length; i++)
      if (strncasecmp(key + i, *word, strlen(*word)) == 0)
        return true;
  return false;
}

/* User and password; a user of XRootD alone is no secret. */
static const char *show_user(struct shown *shown, const char *part, const char *authority, const char *end) {
  const char *at = NULL;
  for (const char *c = authority; c < end && *c != '/' && *c != '?'; c++)
    at = *c == '@' ? c : at;
  if (!at)
    return authority;
  const char *colon = memchr(authority, ':', (size_t)(at - authority));
  if (is_xrootd(part) && !colon)
    return authority;
  put(shown, "***", 3);
  return at;
}

static void show_query(struct shown *shown, const char *query, const char *end) {
  while (query < end) {
    size_t length = 0, left = (size_t)(end - query);
    while (length < left && (length == 0 || !strchr("&;?", query[length])))
      length++;
    const char *equals = memchr(query, '=', length);
    size_t key = equals ? (size_t)(equals - query) : length;
    if (equals && is_secret(query, key)) {
      put(shown, query, key + 1);
      put(shown, "***", 3);
    } else {
      put(shown, query, length);
    }
    query += length;
  }
}

static void show_part(struct shown *shown, const char *part, const char *end) {
  size_t scheme = mlaas_place_scheme(part);
  if (!scheme) {
    put(shown, part, (size_t)(end - part));
    return;
  }
  const char *authority = part + scheme + 3;
  put(shown, part, scheme + 3);
  const char *rest = show_user(shown, part, authority, end), *query = rest;
  while (query < end && *query != '?')
    query++;
  put(shown, rest, (size_t)(query - rest));
  show_query(shown, query, end);
}

size_t mlaas_place_show(const char *name, char *text, size_t size) {
  struct shown shown = {text, size, 0};
  bool replicas = mlaas_place_is_replicas(name);
  for (const char *part = name; part;) {
    size_t length = replicas ? strcspn(part, "|") : strlen(part);
    show_part(&shown, part, part + length);
    if (part[length])
      put(&shown, "|", 1);
    part = part[length] ? part + length + 1 : NULL;
  }
  if (size)
    text[shown.length < size ? shown.length : size - 1] = 0;
  return shown.length;
}
