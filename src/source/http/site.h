/* A URL with all that it takes to ask its server: time-outs, TLS, credentials. Immutable once made, so it is shared by
 * all threads.
 *
 * Credentials go to the server in the user's URL only, never where it redirects to; a token and a password only over
 * TLS, to this machine, or where `insecure` asks for it. */
#ifndef MLAAS_SOURCE_HTTP_SITE_H
#define MLAAS_SOURCE_HTTP_SITE_H

#include "source/http/url.h"
#include "source/http/s3.h"
#include "source/http/token.h"

#include <curl/curl.h>
#include <mlaas/context.h>

struct mlaas_http_site {
  char *url; /* for libcurl, without user and password */
  struct mlaas_http_origin origin;
  char *user; /* "user:password" or NULL */
  char *token_file, *certificate, *key, *authorities;
  bool authorities_is_folder, insecure, is_s3, is_dav;
  struct mlaas_s3_keys keys;
  int64_t connect_ms, timeout_ms, deadline_ms;
};

/* `options` may be NULL. Errors: ARGUMENT, IO, MEMORY. Resettable also after a failure. */
enum mlaas_status mlaas_http_site_init(struct mlaas_http_site *site, const char *url,
                                       const struct mlaas_remote_options *options, struct mlaas_error *error);
void mlaas_http_site_reset(struct mlaas_http_site *site);

/* Sets `easy` up for a request to `url` at `origin`, which may lie behind redirects; appends to *headers. `shown` gets
 * what credentials are sent, for messages. Errors: MEMORY, and those of tokens. */
enum mlaas_status mlaas_http_site_apply(const struct mlaas_http_site *site, CURL *easy,
                                        const struct mlaas_http_origin *origin, struct curl_slist **headers,
                                        char *shown, size_t shown_size, struct mlaas_error *error);
/* curl_slist_append that says whether it worked. */
bool mlaas_http_header_add(struct curl_slist **headers, const char *line);

#endif
