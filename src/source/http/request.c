/* A request as libcurl wants it, its callbacks, and what came of it. Must not know about ranges or listings. */
#include "source/http/request.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

enum { MOST_HOPS = 8, MOST_ERROR_TEXT = 64 << 10, RECEIVE_BYTES = 256 << 10 };

static int on_connected(void *context, char *to, char *from, int to_port, int from_port) {
  struct mlaas_http_request *request = context;
  (void)to;
  (void)from;
  (void)to_port;
  request->port = from_port;
  request->connected = true;
  request->last_ms = mlaas_now_ms();
  return CURL_PREREQFUNC_OK;
}

static size_t on_line(char *data, size_t one, size_t size, void *context) {
  struct mlaas_http_request *request = context;
  size *= one;
  request->last_ms = mlaas_now_ms();
  request->heard = true;
  if (request->head_ended) /* a trailer */
    return size;
  switch (mlaas_http_reply_line(&request->reply, data, size)) {
  case MLAAS_HTTP_LINE_MORE:
    return size;
  case MLAAS_HTTP_LINE_BAD:
    return 0;
  case MLAAS_HTTP_LINE_END:
    break;
  }
  request->head_ended = true;
  if (request->reply.status >= 300 || !request->on_head || request->on_head(request))
    return size;
  request->refused = true;
  return 0;
}

static size_t on_body(char *data, size_t one, size_t size, void *context) {
  struct mlaas_http_request *request = context;
  size *= one;
  request->last_ms = mlaas_now_ms();
  request->heard = true;
  request->delivered += (int64_t)size;
  if (request->reply.status >= 300) {
    mlaas_http_reply_words(&request->reply, data, size);
    return request->delivered > MOST_ERROR_TEXT ? 0 : size;
  }
  if (!request->on_bytes || request->on_bytes(request, data, size))
    return size;
  request->refused = true;
  return 0;
}

static CURLcode set_callbacks(struct mlaas_http_request *request, CURL *easy) {
  CURLcode code = curl_easy_setopt(easy, CURLOPT_PRIVATE, request);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, request->words);
  curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
  curl_easy_setopt(easy, CURLOPT_PREREQDATA, request);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_line);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, request);
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, request);
  return code;
}

static CURLcode set_connection(const struct mlaas_http_request *request, CURL *easy) {
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)request->site->connect_ms);
  curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  curl_easy_setopt(easy, CURLOPT_BUFFERSIZE, (long)RECEIVE_BYTES);
  long version = request->may_multiplex ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, version);
  curl_easy_setopt(easy, CURLOPT_PIPEWAIT, request->may_multiplex && request->origin.secure ? 1L : 0L);
  curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L); /* done here: credentials are chosen anew for every server */
  curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
  CURLcode code = curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_USERAGENT, "mlaas/" MLAAS_VERSION);
  return code;
}

static CURLcode set_question(const struct mlaas_http_request *request, CURL *easy) {
  CURLcode code = curl_easy_setopt(easy, CURLOPT_URL, request->url);
  if (strcmp(request->method, "HEAD") == 0)
    curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
  else if (strcmp(request->method, "GET") != 0 && code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method);
  if (request->body && code == CURLE_OK) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(request->body));
    code = curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body);
  }
  if (request->range && code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_RANGE, request->range);
  return code;
}

enum mlaas_status mlaas_http_request_prepare(struct mlaas_http_request *request, CURL *easy) {
  struct mlaas_error *error = &request->error;
  size_t head_size = request->reply.head_size;
  request->reply = (struct mlaas_http_reply){.length = -1, .head_size = request->hops ? head_size : 0};
  request->words[0] = 0;
  request->refused = request->connected = request->head_ended = request->again = request->heard = request->late = false;
  request->port = 0;
  CURLcode code = set_connection(request, easy);
  if (code == CURLE_OK)
    code = set_callbacks(request, easy);
  if (code == CURLE_OK)
    code = set_question(request, easy);
  if (code != CURLE_OK)
    return mlaas_fail(error, code == CURLE_OUT_OF_MEMORY ? MLAAS_MEMORY : MLAAS_INTERNAL,
                      "a request cannot be set up: %s", curl_easy_strerror(code));
  MLAAS_TRY(mlaas_http_site_apply(request->site, easy, &request->origin, &request->lines, request->credentials,
                                  sizeof request->credentials, error));
  bool added = mlaas_http_header_add(&request->lines, "Accept-Encoding: identity");
  for (size_t i = 0; added && i < sizeof request->headers / sizeof *request->headers && request->headers[i]; i++)
    added = mlaas_http_header_add(&request->lines, request->headers[i]);
  if (!added)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a request");
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, request->lines);
  return MLAAS_OK;
}

/* Takes the new URL over. False, with the outcome set: the chain ends here. */
static bool follow(struct mlaas_http_request *request) {
  char *target = NULL;
  curl_easy_getinfo(request->easy, CURLINFO_REDIRECT_URL, &target);
  if (!target) {
    mlaas_http_fail_reply(request);
    return false;
  }
  if (++request->hops > MOST_HOPS) {
    request->status = mlaas_fail(&request->error, MLAAS_IO, "%s: more than %d redirects, one after the other",
                                 request->site->origin.text, MOST_HOPS);
    return false;
  }
  bool http = strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0;
  if (!http || strlen(target) > MLAAS_HTTP_URL_MOST) {
    request->status =
        mlaas_fail(&request->error, MLAAS_IO, "%s redirects to what is no HTTP URL", request->origin.text);
    return false;
  }
  char *url = mlaas_strdup(target);
  if (!url) {
    request->status = mlaas_fail(&request->error, MLAAS_MEMORY, "no memory for a URL");
    return false;
  }
  mlaas_free(request->url);
  request->url = url;
  return true;
}

static bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

void mlaas_http_request_settle(struct mlaas_http_request *request, CURLcode code, bool timed_out) {
  curl_off_t wait = 0;
  curl_easy_getinfo(request->easy, CURLINFO_RETRY_AFTER, &wait);
  request->requests++;
  request->retry_after_ms = wait > 0 && wait < 86400 ? (int64_t)wait * 1000 : 0;
  bool spoke = request->head_ended && request->reply.status >= 300;
  if (timed_out) {
    request->transient = true;
    request->status =
        mlaas_fail(&request->error, MLAAS_TIMEOUT, "%s: not a byte for %.1f s", request->origin.text,
                   (double)(request->connected ? request->site->timeout_ms : request->site->connect_ms) / 1000);
  } else if (spoke && is_redirect(request->reply.status))
    request->again = follow(request);
  else if (spoke)
    mlaas_http_fail_reply(request);
  else if (code != CURLE_OK && !request->refused)
    mlaas_http_fail_code(request, code);
}
