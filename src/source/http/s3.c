/* Names and keys of S3, by AWS's own rules for its tools. Must not know how requests are sent. */
#include "source/http/s3.h"

#include "source/http/url.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_LINES = 10000, MOST_KEY = 1024 };

bool mlaas_s3_is_url(const char *url) { return strncmp(url, "s3://", 5) == 0; }

static const char *first_of(const char *option, const char *const *variables) {
  if (option && *option)
    return option;
  for (; *variables; variables++) {
    const char *value = getenv(*variables);
    if (value && *value)
      return value;
  }
  return NULL;
}

static const char *region_of(const struct mlaas_remote_options *options) {
  static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION", NULL};
  const char *region = first_of(options->s3_region, variables);
  return region ? region : "us-east-1";
}

static bool is_plain(const char *text, const char *more) {
  for (; *text; text++)
    if (!((*text >= 'a' && *text <= 'z') || (*text >= '0' && *text <= '9') || strchr(more, *text)))
      return false;
  return true;
}

/* The host and what stands in front of the key. */
static enum mlaas_status place(const char *bucket, const struct mlaas_remote_options *options, char *base, size_t size,
                               struct mlaas_error *error) {
  static const char *const variables[] = {"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", NULL};
  const char *endpoint = first_of(options->s3_endpoint, variables);
  const char *region = region_of(options);
  int used;
  if (!is_plain(region, "-"))
    return mlaas_fail(error, MLAAS_ARGUMENT, "'%.60s' is not a region of S3", region);
  if (endpoint && strncmp(endpoint, "http://", 7) != 0 && strncmp(endpoint, "https://", 8) != 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the endpoint '%.200s' has to begin with https:// or http://", endpoint);
  if (endpoint) {
    size_t length = strlen(endpoint);
    while (length && endpoint[length - 1] == '/')
      length--;
    used = snprintf(base, size, "%.*s/%s/", (int)(length < 4096 ? length : 4096), endpoint, bucket);
  } else if (strchr(bucket, '.') || !is_plain(bucket, "-")) /* no certificate of AWS's covers two labels */
    used = snprintf(base, size, "https://s3.%s.amazonaws.com/%s/", region, bucket);
  else
    used = snprintf(base, size, "https://%s.s3.%s.amazonaws.com/", bucket, region);
  if (used < 0 || (size_t)used >= size)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the endpoint is too long");
  return MLAAS_OK;
}

enum mlaas_status mlaas_s3_url(const char *url, const struct mlaas_remote_options *options, char **http,
                               struct mlaas_error *error) {
  const char *rest = url + 5;
  size_t length = strcspn(rest, "/");
  char bucket[256];
  *http = NULL;
  if (length == 0 || length >= sizeof bucket)
    return mlaas_fail(error, MLAAS_ARGUMENT, "an URL of S3 is s3://BUCKET/KEY");
  memcpy(bucket, rest, length);
  bucket[length] = 0;
  if (strspn(bucket, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") != length)
    return mlaas_fail(error, MLAAS_ARGUMENT, "'%s' is not the name of a bucket", bucket);
  const char *key = rest[length] ? rest + length + 1 : "";
  if (strlen(key) > MOST_KEY)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a key of S3 has at most %d bytes, this one %zu", MOST_KEY, strlen(key));
  char *made = mlaas_alloc(MLAAS_HTTP_URL_MOST);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a URL");
  enum mlaas_status status = place(bucket, options, made, MLAAS_HTTP_URL_MOST, error);
  if (status == MLAAS_OK) {
    size_t used = strlen(made);
    if (!mlaas_http_escape(key, true, made + used, MLAAS_HTTP_URL_MOST - used))
      status = mlaas_fail(error, MLAAS_ARGUMENT, "the URL is too long");
  }
  if (status == MLAAS_OK)
    *http = made;
  else
    mlaas_free(made);
  return status;
}

/* ---- ~/.aws/credentials ---- */

static char *trim(char *text) {
  text += strspn(text, " \t");
  size_t size = strlen(text);
  while (size && strchr(" \t\r\n", text[size - 1]))
    text[--size] = 0;
  return text;
}

/* Part of a header, or what one is made with. */
static enum mlaas_status check_plain(const char *value, const char *what, struct mlaas_error *error) {
  for (const char *c = value; *c; c++)
    if (*c <= 0x20 || *c >= 0x7f)
      return mlaas_fail(error, MLAAS_ARGUMENT, "the %s for S3 has characters that none has", what);
  return MLAAS_OK;
}

static enum mlaas_status keep(char *out, size_t size, const char *value, struct mlaas_error *error) {
  MLAAS_TRY(check_plain(value, "key", error));
  if (strlen(value) >= size)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a key for S3 is longer than %zu characters", size - 1);
  snprintf(out, size, "%s", value);
  return MLAAS_OK;
}

static enum mlaas_status keep_session(struct mlaas_s3_keys *keys, const char *value, struct mlaas_error *error) {
  if (keys->session)
    explicit_bzero(keys->session, strlen(keys->session));
  mlaas_free(keys->session);
  keys->session = NULL;
  if (!value || !*value)
    return MLAAS_OK;
  MLAAS_TRY(check_plain(value, "session token", error));
  keys->session = mlaas_strdup(value);
  return keys->session ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a session token");
}

static enum mlaas_status read_line(struct mlaas_s3_keys *keys, char *line, struct mlaas_error *error) {
  char *equals = strchr(line, '=');
  if (!equals)
    return MLAAS_OK;
  *equals = 0;
  const char *name = trim(line), *value = trim(equals + 1);
  if (strcmp(name, "aws_access_key_id") == 0)
    return keep(keys->access, sizeof keys->access, value, error);
  if (strcmp(name, "aws_secret_access_key") == 0)
    return keep(keys->secret, sizeof keys->secret, value, error);
  if (strcmp(name, "aws_session_token") == 0)
    return keep_session(keys, value, error);
  return MLAAS_OK;
}

static enum mlaas_status read_profile(FILE *file, const char *profile, struct mlaas_s3_keys *keys,
                                      struct mlaas_error *error) {
  char line[8192];
  bool inside = false;
  for (int i = 0; i < MOST_LINES && fgets(line, sizeof line, file); i++) {
    char *text = trim(line);
    if (*text == '[') {
      char *end = strchr(text, ']');
      if (end)
        *end = 0;
      inside = end && strcmp(trim(text + 1), profile) == 0;
    } else if (inside && *text != '#' && *text != ';')
      MLAAS_TRY(read_line(keys, text, error));
  }
  explicit_bzero(line, sizeof line);
  return MLAAS_OK;
}

static enum mlaas_status from_file(struct mlaas_s3_keys *keys, struct mlaas_error *error) {
  const char *named = getenv("AWS_SHARED_CREDENTIALS_FILE"), *home = getenv("HOME");
  const char *profile = getenv("AWS_PROFILE");
  char path[1024];
  int used = named && *named ? snprintf(path, sizeof path, "%s", named)
                             : snprintf(path, sizeof path, "%s/.aws/credentials", home ? home : "");
  FILE *file = used > 0 && used < (int)sizeof path ? fopen(path, "re") : NULL;
  if (!profile || !*profile)
    profile = "default";
  if (!file)
    return MLAAS_OK;
  enum mlaas_status status = read_profile(file, profile, keys, error);
  fclose(file);
  snprintf(keys->source, sizeof keys->source, "profile '%.40s'", profile);
  return status;
}

static enum mlaas_status find(struct mlaas_s3_keys *keys, struct mlaas_error *error) {
  const char *access = getenv("AWS_ACCESS_KEY_ID"), *secret = getenv("AWS_SECRET_ACCESS_KEY");
  if (!access || !*access)
    return from_file(keys, error);
  snprintf(keys->source, sizeof keys->source, "AWS_ACCESS_KEY_ID");
  MLAAS_TRY(keep(keys->access, sizeof keys->access, access, error));
  MLAAS_TRY(keep(keys->secret, sizeof keys->secret, secret ? secret : "", error));
  return keep_session(keys, getenv("AWS_SESSION_TOKEN"), error);
}

enum mlaas_status mlaas_s3_keys_find(const struct mlaas_remote_options *options, struct mlaas_s3_keys *keys,
                                     struct mlaas_error *error) {
  *keys = (struct mlaas_s3_keys){0};
  enum mlaas_status status = find(keys, error);
  if (status == MLAAS_OK && (keys->access[0] == 0) != (keys->secret[0] == 0))
    status = mlaas_fail(error, MLAAS_ARGUMENT, "for S3 there is only half of a pair of keys (%s)", keys->source);
  if (status != MLAAS_OK) {
    mlaas_s3_keys_reset(keys);
    return status;
  }
  snprintf(keys->signature, sizeof keys->signature, "aws:amz:%.60s:s3", region_of(options));
  return MLAAS_OK;
}

void mlaas_s3_keys_reset(struct mlaas_s3_keys *keys) {
  if (keys->session)
    explicit_bzero(keys->session, strlen(keys->session));
  mlaas_free(keys->session);
  explicit_bzero(keys, sizeof *keys);
}
