/* URLs as HTTP needs them. Messages name origins only: a URL may hold a password, or a signature in its query. */
#ifndef MLAAS_SOURCE_HTTP_URL_H
#define MLAAS_SOURCE_HTTP_URL_H

#include <mlaas/status.h>
#include <stdbool.h>

enum { MLAAS_HTTP_ORIGIN_SIZE = 300, MLAAS_HTTP_URL_MOST = 16 << 10 };

/* Who answers: "https://host:port" in lower case, the port always there, and its parts. */
struct mlaas_http_origin {
  char text[MLAAS_HTTP_ORIGIN_SIZE];
  char host[256]; /* with the brackets of an IPv6 address */
  int port;
  bool secure, local; /* https; this machine */
};

/* A URL for libcurl, from what users write: dav:// is http://, davs:// is https://, what may not stand in a URL is
 * escaped; *user is "user:password", decoded, or NULL. Both are the caller's (mlaas_free). Errors: ARGUMENT, MEMORY. */
enum mlaas_status mlaas_http_url_make(const char *text, char **url, char **user, struct mlaas_error *error);
/* Errors: ARGUMENT, MEMORY. */
enum mlaas_status mlaas_http_origin_of(const char *url, struct mlaas_http_origin *origin, struct mlaas_error *error);
/* `reference` as a page at `base` means it, absolute; *joined is NULL if it is none (mlaas_free). False: no memory. */
bool mlaas_http_url_join(const char *base, const char *reference, char **joined);
/* Appends `text` with all but unreserved characters (and '/' where `path`) as %XX. False: does not fit. */
bool mlaas_http_escape(const char *text, bool path, char *out, size_t size);
/* Undoes %XX in place; false where it is no text: malformed, or a zero byte. */
bool mlaas_http_unescape(char *text);

#endif
