/* What a page names. Must not know how pages are asked for. */
#include "source/http/index.h"

#include "source/http/url.h"
#include "source/http/xml.h"

#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NAME = 1000, MOST_HREF = 4096 };

/* The path of a URL, decoded, with single slashes; NULL: no memory. mlaas_free. */
static char *path_of(const char *url) {
  const char *separator = strstr(url, "://");
  const char *path = separator ? strchr(separator + 3, '/') : NULL;
  char *copy = mlaas_strdup(path ? path : "/");
  if (!copy)
    return NULL;
  copy[strcspn(copy, "?#")] = 0;
  if (!mlaas_http_unescape(copy)) { /* a name with a bare '%' */
    const char *again = path ? path : "/";
    snprintf(copy, strlen(again) + 1, "%.*s", (int)strcspn(again, "?#"), again);
  }
  char *out = copy;
  for (const char *c = copy; *c; c++)
    if (*c != '/' || out == copy || out[-1] != '/')
      *out++ = *c;
  *out = 0;
  return copy;
}

static bool is_name(const char *name) {
  size_t size = strlen(name);
  if (size == 0 || size > MOST_NAME || strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || strchr(name, '/'))
    return false;
  for (size_t i = 0; i < size; i++)
    if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f)
      return false;
  return true;
}

static bool tell(struct mlaas_http_index *index, const char *name, int64_t size, bool is_directory) {
  if (!is_name(name) || strcmp(index->last, name) == 0)
    return true;
  snprintf(index->last, sizeof index->last, "%s", name);
  index->count++;
  return index->child(index->context, name, size, is_directory);
}

static bool tell_path(struct mlaas_http_index *index, char *path, const char *base, const char *href, int64_t size,
                      bool is_directory) {
  size_t length = strlen(base), size_of_path = strlen(path);
  while (length && base[length - 1] != '/')
    length--;
  if (size_of_path > 1 && path[size_of_path - 1] == '/') {
    path[size_of_path - 1] = 0;
    is_directory = true;
  }
  index->is_index |= strcmp(href, "../") == 0;
  if (strncmp(path, base, length) != 0 || strchr(href, '?'))
    return true;
  return tell(index, path + length, is_directory ? -1 : size, is_directory);
}

/* A link on the page. Children are told; a link to the parent shows that it is an index. What is no link is no name. */
static bool tell_link(struct mlaas_http_index *index, const char *href, int64_t size, bool is_directory) {
  char *joined = NULL, *path = NULL, *base = NULL;
  bool memory = mlaas_http_url_join(index->url, href, &joined);
  if (joined) {
    path = path_of(joined);
    base = path_of(index->url);
    memory = path && base;
  }
  index->no_memory |= !memory;
  bool go_on = memory && (!joined || tell_path(index, path, base, href, size, is_directory));
  mlaas_free(joined);
  mlaas_free(path);
  mlaas_free(base);
  return go_on;
}

static int64_t size_of(const char *text) {
  char *end = NULL;
  long long value = isdigit((unsigned char)*text) ? strtoll(text, &end, 10) : -1;
  return end && *end == 0 ? value : -1;
}

/* ---- WebDAV ---- */

struct response {
  struct mlaas_http_index *index;
  char href[MOST_HREF];
  int64_t size;
  bool is_directory;
};

static bool open_element(void *context, const char *name) {
  struct response *response = context;
  if (strcmp(name, "multistatus") == 0)
    response->index->is_index = true;
  else if (strcmp(name, "response") == 0) {
    response->href[0] = 0;
    response->size = -1;
    response->is_directory = false;
  } else if (strcmp(name, "collection") == 0)
    response->is_directory = true;
  return true;
}

static bool close_element(void *context, const char *name, const char *text) {
  struct response *response = context;
  if (strcmp(name, "href") == 0 && !response->href[0] && strlen(text) < sizeof response->href) {
    snprintf(response->href, sizeof response->href, "%s", text + strspn(text, " \t\r\n"));
    for (size_t end = strlen(response->href); end && strchr(" \t\r\n", response->href[end - 1]);)
      response->href[--end] = 0; /* blanks inside are left: XRootD does not escape them */
  } else if (strcmp(name, "getcontentlength") == 0)
    response->size = size_of(text);
  else if (strcmp(name, "response") == 0 && response->href[0])
    return tell_link(response->index, response->href, response->size, response->is_directory);
  return true;
}

enum mlaas_status mlaas_http_index_dav(struct mlaas_http_index *index, const char *text, size_t size,
                                       struct mlaas_error *error) {
  struct response *response = mlaas_alloc(sizeof *response);
  if (!response)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  response->index = index;
  const struct mlaas_xml_events events = {open_element, close_element, response};
  enum mlaas_status status = mlaas_xml_parse(text, size, &events, error);
  mlaas_free(response);
  if (index->no_memory)
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  if (status == MLAAS_OK && !index->is_index)
    status = mlaas_fail(error, MLAAS_FORMAT, "the answer is no list of WebDAV");
  return status;
}

/* ---- JSON: nginx's autoindex_format json ---- */

enum mlaas_status mlaas_http_index_json(struct mlaas_http_index *index, const char *text, size_t size,
                                        struct mlaas_error *error) {
  json_error_t what;
  json_t *list = json_loadb(text, size, JSON_REJECT_DUPLICATES, &what);
  if (!json_is_array(list)) {
    json_decref(list);
    return mlaas_fail(error, MLAAS_FORMAT, "the index is no list in JSON: %.100s", list ? "another type" : what.text);
  }
  index->is_index = true;
  size_t i;
  json_t *item;
  json_array_foreach(list, i, item) {
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *type = json_string_value(json_object_get(item, "type"));
    const json_t *bytes = json_object_get(item, "size");
    bool is_directory = type && strcmp(type, "directory") == 0;
    if (name && !tell(index, name, json_is_integer(bytes) ? json_integer_value(bytes) : -1, is_directory))
      break;
  }
  json_decref(list);
  return MLAAS_OK;
}

/* ---- HTML: the links ---- */

static void decode_entities(char *text) {
  static const struct {
    const char *name;
    char character;
  } entities[] = {{"&amp;", '&'}, {"&quot;", '"'}, {"&#39;", '\''}, {"&apos;", '\''}, {"&lt;", '<'}, {"&gt;", '>'}};
  char *out = text;
  while (*text) {
    size_t used = 0;
    for (size_t i = 0; *text == '&' && i < sizeof entities / sizeof *entities && !used; i++)
      if (strncmp(text, entities[i].name, strlen(entities[i].name)) == 0) {
        *out++ = entities[i].character;
        used = strlen(entities[i].name);
      }
    if (!used)
      *out++ = *text;
    text += used ? used : 1;
  }
  *out = 0;
}

/* The value of an attribute at `at`; returns where it ends. */
static size_t take_value(const char *text, size_t size, size_t at, char *href) {
  char quote = at < size && (text[at] == '"' || text[at] == '\'') ? text[at++] : 0;
  size_t end = at;
  while (end < size && (quote ? text[end] != quote : !isspace((unsigned char)text[end]) && text[end] != '>'))
    end++;
  size_t length = end - at;
  href[0] = 0;
  if (length < MOST_HREF && !memchr(text + at, 0, length)) {
    memcpy(href, text + at, length);
    href[length] = 0;
    decode_entities(href);
  }
  return end;
}

static bool is_word(const char *text, size_t size, size_t at, const char *word) {
  return size - at >= strlen(word) && strncasecmp(text + at, word, strlen(word)) == 0;
}

enum mlaas_status mlaas_http_index_html(struct mlaas_http_index *index, const char *text, size_t size,
                                        struct mlaas_error *error) {
  char *href = mlaas_alloc(MOST_HREF);
  if (!href)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  bool in_anchor = false, go_on = true;
  for (size_t at = 0; at < size && go_on; at++) {
    if (text[at] == '<')
      in_anchor = size - at > 2 && tolower((unsigned char)text[at + 1]) == 'a' && isspace((unsigned char)text[at + 2]);
    else if (text[at] == '>')
      in_anchor = false;
    else if (in_anchor && isspace((unsigned char)text[at - 1]) && is_word(text, size, at, "href=")) {
      at = take_value(text, size, at + 5, href);
      in_anchor = false;
      if (href[0] && href[0] != '#')
        go_on = tell_link(index, href, -1, false);
    } else if (is_word(text, size, at, "index of ") || is_word(text, size, at, "listing of "))
      index->is_index = true;
  }
  mlaas_free(href);
  return index->no_memory ? mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing") : MLAAS_OK;
}
