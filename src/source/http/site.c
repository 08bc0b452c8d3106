/* What it takes to ask a server. Must not know what is asked. */
#include "source/http/site.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

bool mlaas_http_header_add(struct curl_slist **headers, const char *line) {
  struct curl_slist *longer = curl_slist_append(*headers, line);
  if (longer)
    *headers = longer;
  return longer;
}

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

static enum mlaas_status keep(char **out, const char *text, struct mlaas_error *error) {
  if (!text || !*text)
    return MLAAS_OK;
  *out = mlaas_strdup(text);
  return *out ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for an option of remote files");
}

static enum mlaas_status check_readable(const char *path, const char *what, struct mlaas_error *error) {
  if (path && *path && access(path, R_OK) != 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s '%.300s' cannot be read", what, path);
  return MLAAS_OK;
}

/* The user's option, else what grid tools look for: a proxy certificate holds its key. */
static enum mlaas_status find_certificate(struct mlaas_http_site *site, const struct mlaas_remote_options *options,
                                          struct mlaas_error *error) {
  const char *certificate = options->certificate, *key = options->key;
  MLAAS_TRY(check_readable(certificate, "the client's certificate", error));
  MLAAS_TRY(check_readable(key, "the client's key", error));
  char proxy[64];
  snprintf(proxy, sizeof proxy, "/tmp/x509up_u%u", geteuid());
  if (!certificate || !*certificate) {
    certificate = variable("X509_USER_PROXY");
    key = NULL;
    if (!certificate && access(proxy, R_OK) == 0)
      certificate = proxy;
    if (!certificate && variable("X509_USER_CERT")) {
      certificate = variable("X509_USER_CERT");
      key = variable("X509_USER_KEY");
    }
    if (certificate && access(certificate, R_OK) != 0) /* of the environment, and perhaps not needed here */
      certificate = NULL;
  }
  if (!certificate)
    return MLAAS_OK;
  MLAAS_TRY(keep(&site->certificate, certificate, error));
  return keep(&site->key, key && *key ? key : certificate, error);
}

static enum mlaas_status find_authorities(struct mlaas_http_site *site, const struct mlaas_remote_options *options,
                                          struct mlaas_error *error) {
  static const char *const variables[] = {"X509_CERT_DIR", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};
  MLAAS_TRY(check_readable(options->authorities, "the option for authorities:", error));
  const char *path = options->authorities && *options->authorities ? options->authorities : NULL;
  for (size_t i = 0; !path && i < sizeof variables / sizeof *variables; i++)
    if (variable(variables[i]) && access(variable(variables[i]), R_OK) == 0)
      path = variable(variables[i]);
  struct stat status;
  site->authorities_is_folder = path && stat(path, &status) == 0 && S_ISDIR(status.st_mode);
  return keep(&site->authorities, path, error);
}

static enum mlaas_status find_url(struct mlaas_http_site *site, const char *url,
                                  const struct mlaas_remote_options *options, struct mlaas_error *error) {
  site->is_s3 = mlaas_s3_is_url(url);
  site->is_dav = strncmp(url, "dav", 3) == 0;
  if (!site->is_s3)
    return mlaas_http_url_make(url, &site->url, &site->user, error);
  char *http = NULL;
  MLAAS_TRY(mlaas_s3_url(url, options, &http, error));
  enum mlaas_status status = mlaas_http_url_make(http, &site->url, &site->user, error);
  mlaas_free(http);
  return status == MLAAS_OK ? mlaas_s3_keys_find(options, &site->keys, error) : status;
}

enum mlaas_status mlaas_http_site_init(struct mlaas_http_site *site, const char *url,
                                       const struct mlaas_remote_options *options, struct mlaas_error *error) {
  static const struct mlaas_remote_options defaults = {.size = sizeof defaults};
  *site = (struct mlaas_http_site){0};
  if (!options)
    options = &defaults;
  site->connect_ms = options->connect_ms > 0 ? options->connect_ms : 10000;
  site->timeout_ms = options->timeout_ms > 0 ? options->timeout_ms : 15000;
  site->deadline_ms = options->deadline_ms > 0 ? options->deadline_ms : 120000;
  site->insecure = options->insecure;
  MLAAS_TRY(find_url(site, url, options, error));
  MLAAS_TRY(mlaas_http_origin_of(site->url, &site->origin, error));
  MLAAS_TRY(keep(&site->token_file, options->token_file, error));
  MLAAS_TRY(find_certificate(site, options, error));
  return find_authorities(site, options, error);
}

void mlaas_http_site_reset(struct mlaas_http_site *site) {
  if (site->user)
    explicit_bzero(site->user, strlen(site->user));
  char *texts[] = {site->url, site->user, site->token_file, site->certificate, site->key, site->authorities};
  for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
    mlaas_free(texts[i]);
  mlaas_s3_keys_reset(&site->keys);
  *site = (struct mlaas_http_site){0};
}

static void apply_tls(const struct mlaas_http_site *site, CURL *easy) {
  if (site->insecure) {
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (site->authorities && site->authorities_is_folder)
    curl_easy_setopt(easy, CURLOPT_CAPATH, site->authorities); /* beside the system's own */
  else if (site->authorities)
    curl_easy_setopt(easy, CURLOPT_CAINFO, site->authorities);
  if (site->certificate) {
    curl_easy_setopt(easy, CURLOPT_SSLCERT, site->certificate);
    curl_easy_setopt(easy, CURLOPT_SSLKEY, site->key);
  }
}

static enum mlaas_status apply_keys(const struct mlaas_http_site *site, CURL *easy, struct curl_slist **headers,
                                    char *shown, size_t shown_size, struct mlaas_error *error) {
  const struct mlaas_s3_keys *keys = &site->keys;
  if (!keys->access[0]) {
    snprintf(shown, shown_size, "no keys: there are neither AWS_ACCESS_KEY_ID nor a profile");
    return MLAAS_OK;
  }
  snprintf(shown, shown_size, "the keys of %s", keys->source);
  CURLcode code = curl_easy_setopt(easy, CURLOPT_AWS_SIGV4, keys->signature);
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_USERNAME, keys->access);
  if (code == CURLE_OK)
    code = curl_easy_setopt(easy, CURLOPT_PASSWORD, keys->secret);
  /* Of an empty body; AWS wants it said, and signed. */
  bool added = mlaas_http_header_add(
      headers, "x-amz-content-sha256: e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  if (added && keys->session) {
    size_t size = strlen(keys->session) + 32;
    char *line = mlaas_alloc(size);
    if (line)
      snprintf(line, size, "x-amz-security-token: %s", keys->session);
    added = line && mlaas_http_header_add(headers, line);
    if (line)
      explicit_bzero(line, size);
    mlaas_free(line);
  }
  return code == CURLE_OK && added ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a request");
}

static enum mlaas_status apply_token(const struct mlaas_http_site *site, struct curl_slist **headers, char *shown,
                                     size_t shown_size, struct mlaas_error *error) {
  struct mlaas_token token;
  MLAAS_TRY(mlaas_token_find(site->token_file, &token, error));
  if (!token.text) {
    snprintf(shown, shown_size, "no token (%s)%s", token.source, site->certificate ? "; a certificate was" : "");
    return MLAAS_OK;
  }
  snprintf(shown, shown_size, "the token of %s", token.source);
  int64_t ends = mlaas_token_ends(token.text), ago = ends < 0 ? 0 : (int64_t)time(NULL) - ends;
  if (ago > 0) {
    size_t used = strlen(shown);
    snprintf(shown + used, shown_size - used, ", which ran out %lld %s ago: get a new one",
             (long long)(ago < 7200 ? ago / 60 : ago / 3600), ago < 7200 ? "min" : "h");
  }
  size_t size = strlen(token.text) + 32;
  char *line = mlaas_alloc(size);
  if (line)
    snprintf(line, size, "Authorization: Bearer %s", token.text);
  bool added = line && mlaas_http_header_add(headers, line);
  if (line)
    explicit_bzero(line, size);
  mlaas_free(line);
  mlaas_token_reset(&token);
  return added ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a request");
}

/* The user's own server; also when it sends us from http to https on the same machine. */
static bool is_trusted(const struct mlaas_http_site *site, const struct mlaas_http_origin *origin) {
  return strcmp(origin->text, site->origin.text) == 0 ||
         (origin->secure && !site->origin.secure && strcmp(origin->host, site->origin.host) == 0 &&
          origin->port == 443 && site->origin.port == 80);
}

enum mlaas_status mlaas_http_site_apply(const struct mlaas_http_site *site, CURL *easy,
                                        const struct mlaas_http_origin *origin, struct curl_slist **headers,
                                        char *shown, size_t shown_size, struct mlaas_error *error) {
  apply_tls(site, easy);
  if (!is_trusted(site, origin)) {
    snprintf(shown, shown_size, "no credentials, for %.200s sent us here", site->origin.text);
    return MLAAS_OK;
  }
  if (site->is_s3)
    return apply_keys(site, easy, headers, shown, shown_size, error);
  if (!origin->secure && !origin->local && !site->insecure) {
    if (site->user)
      return mlaas_fail(error, MLAAS_ARGUMENT, "a password is not sent without encryption: use https");
    snprintf(shown, shown_size, "no token, for http is not encrypted");
    return MLAAS_OK;
  }
  if (!site->user)
    return apply_token(site, headers, shown, shown_size, error);
  snprintf(shown, shown_size, "the password in the URL");
  bool set = curl_easy_setopt(easy, CURLOPT_USERPWD, site->user) == CURLE_OK;
  return set ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a request");
}
