/* URLs: made fit for libcurl and taken apart. Must not know what is asked of a server. */
#include "source/http/url.h"

#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_unreserved(unsigned char c) { return isalnum(c) || strchr("-_.~", c); }

static bool put_escaped(unsigned char c, char *out, size_t size, size_t *used) {
  static const char digits[] = "0123456789ABCDEF";
  if (size - *used < 4)
    return false;
  out[(*used)++] = '%';
  out[(*used)++] = digits[c >> 4];
  out[(*used)++] = digits[c & 15];
  return true;
}

bool mlaas_http_escape(const char *text, bool path, char *out, size_t size) {
  size_t used = 0;
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    if (is_unreserved(c) || (path && c == '/')) {
      if (size - used < 2)
        return false;
      out[used++] = (char)c;
    } else if (!put_escaped(c, out, size, &used))
      return false;
  }
  if (used >= size)
    return false;
  out[used] = 0;
  return true;
}

static int hex(char c) {
  return c >= '0' && c <= '9'   ? c - '0'
         : c >= 'a' && c <= 'f' ? c - 'a' + 10
         : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                : -1;
}

bool mlaas_http_unescape(char *text) {
  char *out = text;
  for (; *text; text++) {
    if (*text != '%') {
      *out++ = *text;
      continue;
    }
    int high = hex(text[1]), low = high < 0 ? -1 : hex(text[2]);
    if (low < 0 || high * 16 + low == 0)
      return false;
    *out++ = (char)(high * 16 + low);
    text += 2;
  }
  *out = 0;
  return true;
}

static const char *http_scheme(const char *text, const char **rest) {
  static const char *const schemes[][2] = {
      {"http://", "http://"}, {"https://", "https://"}, {"dav://", "http://"}, {"davs://", "https://"}};
  for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
    if (strncmp(text, schemes[i][0], strlen(schemes[i][0])) == 0) {
      *rest = text + strlen(schemes[i][0]);
      return schemes[i][1];
    }
  return NULL;
}

static bool is_bad(unsigned char c) { return c <= ' ' || c >= 0x7f || strchr("\"<>\\^`{|}", c); }

/* Copies what may stand in a URL and escapes the rest, so that names with blanks or umlauts can be typed. */
static enum mlaas_status clean(const char *text, char *out, size_t size, struct mlaas_error *error) {
  const char *rest = NULL;
  const char *scheme = http_scheme(text, &rest);
  if (!scheme)
    return mlaas_fail(error, MLAAS_ARGUMENT, "this is not an HTTP URL");
  size_t used = (size_t)snprintf(out, size, "%s", scheme);
  for (; *rest; rest++) {
    unsigned char c = (unsigned char)*rest;
    if (c < 0x20 || c == 0x7f)
      return mlaas_fail(error, MLAAS_ARGUMENT, "the URL has a control character in it");
    if (size - used < 4)
      return mlaas_fail(error, MLAAS_ARGUMENT, "the URL is longer than %d characters", MLAAS_HTTP_URL_MOST);
    if (is_bad(c))
      put_escaped(c, out, size, &used);
    else
      out[used++] = (char)c;
  }
  out[used] = 0;
  return MLAAS_OK;
}

static enum mlaas_status fail_url(CURLUcode code, struct mlaas_error *error) {
  if (code == CURLUE_OUT_OF_MEMORY)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a URL");
  return mlaas_fail(error, MLAAS_ARGUMENT, "the URL is malformed: %s", curl_url_strerror(code));
}

static char *copy_part(CURLU *handle, CURLUPart part, unsigned flags, CURLUcode *code) {
  char *text = NULL;
  *code = curl_url_get(handle, part, &text, flags);
  char *copy = *code == CURLUE_OK ? mlaas_strdup(text) : NULL;
  if (*code == CURLUE_OK && !copy)
    *code = CURLUE_OUT_OF_MEMORY;
  curl_free(text);
  return copy;
}

/* Takes user and password out of the handle. */
static CURLUcode take_user(CURLU *handle, char **user) {
  CURLUcode code;
  char *name = copy_part(handle, CURLUPART_USER, CURLU_URLDECODE, &code);
  if (!name)
    return code == CURLUE_NO_USER ? CURLUE_OK : code;
  char *password = copy_part(handle, CURLUPART_PASSWORD, CURLU_URLDECODE, &code);
  if (code == CURLUE_OK || code == CURLUE_NO_PASSWORD) {
    size_t size = strlen(name) + (password ? strlen(password) : 0) + 2;
    *user = mlaas_alloc(size);
    if (*user)
      snprintf(*user, size, "%s:%s", name, password ? password : "");
    code = *user ? CURLUE_OK : CURLUE_OUT_OF_MEMORY;
  }
  mlaas_free(name);
  mlaas_free(password);
  if (code == CURLUE_OK)
    code = curl_url_set(handle, CURLUPART_USER, NULL, 0);
  return code == CURLUE_OK ? curl_url_set(handle, CURLUPART_PASSWORD, NULL, 0) : code;
}

enum mlaas_status mlaas_http_url_make(const char *text, char **url, char **user, struct mlaas_error *error) {
  *url = *user = NULL;
  char *cleaned = mlaas_alloc(MLAAS_HTTP_URL_MOST);
  CURLU *handle = cleaned ? curl_url() : NULL;
  enum mlaas_status status = handle ? clean(text, cleaned, MLAAS_HTTP_URL_MOST, error)
                                    : mlaas_fail(error, MLAAS_MEMORY, "no memory for a URL");
  if (status == MLAAS_OK) {
    CURLUcode code = curl_url_set(handle, CURLUPART_URL, cleaned, CURLU_PATH_AS_IS);
    if (code == CURLUE_OK)
      code = take_user(handle, user);
    if (code == CURLUE_OK)
      code = curl_url_set(handle, CURLUPART_FRAGMENT, NULL, 0);
    if (code == CURLUE_OK)
      *url = copy_part(handle, CURLUPART_URL, 0, &code);
    if (code != CURLUE_OK) {
      status = fail_url(code, error);
      mlaas_free(*user);
      *user = NULL;
    }
  }
  curl_url_cleanup(handle);
  mlaas_free(cleaned);
  return status;
}

static bool is_this_machine(const char *host) {
  return strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0 || strncmp(host, "127.", 4) == 0;
}

enum mlaas_status mlaas_http_origin_of(const char *url, struct mlaas_http_origin *origin, struct mlaas_error *error) {
  *origin = (struct mlaas_http_origin){0};
  CURLU *handle = curl_url();
  CURLUcode code = handle ? curl_url_set(handle, CURLUPART_URL, url, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
  char *host = code == CURLUE_OK ? copy_part(handle, CURLUPART_HOST, 0, &code) : NULL;
  char *port = code == CURLUE_OK ? copy_part(handle, CURLUPART_PORT, CURLU_DEFAULT_PORT, &code) : NULL;
  curl_url_cleanup(handle);
  if (code == CURLUE_OK && strlen(host) >= sizeof origin->host)
    code = CURLUE_BAD_HOSTNAME;
  if (code == CURLUE_OK) {
    for (size_t i = 0; host[i]; i++)
      origin->host[i] = (char)tolower((unsigned char)host[i]);
    origin->port = (int)strtol(port, NULL, 10);
    origin->secure = strncasecmp(url, "https:", 6) == 0;
    origin->local = is_this_machine(origin->host);
    snprintf(origin->text, sizeof origin->text, "http%s://%s:%d", origin->secure ? "s" : "", origin->host,
             origin->port);
  }
  mlaas_free(host);
  mlaas_free(port);
  return code == CURLUE_OK ? MLAAS_OK : fail_url(code, error);
}

/* Some servers leave the escaping to us. */
static char *escape_bad(const char *reference) {
  size_t size = strlen(reference) * 3 + 4, used = 0;
  char *text = mlaas_alloc(size);
  for (; text && *reference; reference++)
    if (is_bad((unsigned char)*reference))
      put_escaped((unsigned char)*reference, text, size, &used);
    else
      text[used++] = *reference;
  return text;
}

bool mlaas_http_url_join(const char *base, const char *reference, char **joined) {
  char *clean_reference = escape_bad(reference);
  CURLU *handle = clean_reference ? curl_url() : NULL;
  CURLUcode code = handle ? curl_url_set(handle, CURLUPART_URL, base, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
  if (code == CURLUE_OK)
    code = curl_url_set(handle, CURLUPART_URL, clean_reference, CURLU_PATH_AS_IS);
  *joined = code == CURLUE_OK ? copy_part(handle, CURLUPART_URL, 0, &code) : NULL;
  curl_url_cleanup(handle);
  mlaas_free(clean_reference);
  return code != CURLUE_OUT_OF_MEMORY;
}
