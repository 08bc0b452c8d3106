/* URLs of HTTP and S3: the first line is one that a user typed, the second what a page or a redirect refers to. Nothing
 * of a password stays in a URL, and all that is made can be taken apart again. */
#include "source/http/url.h"
#include "source/http/s3.h"

#include "base/memory.h"
#include "text_fuzz.h"

static void try_origin(const char *url) {
  struct mlaas_http_origin origin;
  if (mlaas_http_origin_of(url, &origin, NULL) == MLAAS_OK &&
      (origin.port < 0 || origin.port > 65535 || !origin.host[0] || strncmp(origin.text, "http", 4) != 0))
    abort();
}

static void try_url(const char *text, const char *reference) {
  char *url = NULL, *user = NULL, *again = NULL, *nobody = NULL, *joined = NULL;
  if (mlaas_http_url_make(text, &url, &user, NULL) != MLAAS_OK) {
    if (url || user)
      abort();
    return;
  }
  if (strpbrk(url, " \r\n\t")) /* other strange bytes may be in a host's name, where libcurl decodes them */
    abort();
  if (strlen(url) < MLAAS_HTTP_URL_MOST / 4 && (mlaas_http_url_make(url, &again, &nobody, NULL) != MLAAS_OK || nobody))
    abort();
  try_origin(url);
  if (!mlaas_http_url_join(url, reference, &joined))
    abort();
  if (joined)
    try_origin(joined);
  mlaas_free(url);
  mlaas_free(user);
  mlaas_free(again);
  mlaas_free(joined);
}

static void try_s3(const char *text) {
  struct mlaas_remote_options options = {.size = sizeof options, .s3_endpoint = "http://127.0.0.1:1"};
  char *url = NULL;
  if (!mlaas_s3_is_url(text) || mlaas_s3_url(text, &options, &url, NULL) != MLAAS_OK)
    return;
  if (strncmp(url, "http://127.0.0.1:1/", 19) != 0)
    abort();
  try_origin(url);
  mlaas_free(url);
}

static void try_escape(const char *text) {
  size_t size = 3 * strlen(text) + 1;
  char *escaped = malloc(size);
  if (!escaped || !mlaas_http_escape(text, false, escaped, size) || !mlaas_http_unescape(escaped) ||
      strcmp(escaped, text) != 0)
    abort();
  if (strlen(text) && mlaas_http_escape(text, true, escaped, strlen(text)))
    abort();
  free(escaped);
  char *copy = fuzz_text(text, strlen(text));
  (void)mlaas_http_unescape(copy);
  free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
  char *text = fuzz_line(&data, &size), *reference = fuzz_line(&data, &size);
  if (text) {
    try_url(text, reference ? reference : "");
    try_s3(text);
    try_escape(text);
    try_origin(text);
  }
  free(text);
  free(reference);
  return 0;
}
