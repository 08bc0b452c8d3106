/* Finds a bearer token. Must not know whom it is shown. */
#include "source/http/token.h"

#include "base/error.h"
#include "base/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_TOKEN = 32 << 10, MOST_CLAIMS = 8 << 10 };

/* Cuts blanks off and keeps only what may stand in a header: a token with a line break would be one header more. */
static bool clean(char *text) {
  size_t start = strspn(text, " \t\r\n");
  memmove(text, text + start, strlen(text + start) + 1);
  size_t size = strlen(text);
  while (size && strchr(" \t\r\n", text[size - 1]))
    text[--size] = 0;
  for (size_t i = 0; i < size; i++)
    if (text[i] <= 0x20 || text[i] >= 0x7f)
      return false;
  return size > 0;
}

static ssize_t read_all(int descriptor, char *text, size_t size) {
  size_t used = 0;
  for (;;) {
    ssize_t n = read(descriptor, text + used, size - used);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return -1;
    used += (size_t)n;
    if (n == 0 || used == size)
      return (ssize_t)used;
  }
}

/* Errors: those of a file, FORMAT, MEMORY. */
static enum mlaas_status read_token(const char *path, bool own, char **text, struct mlaas_error *error) {
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  struct stat status;
  if (descriptor < 0)
    return mlaas_fail_errno(error, errno, "the token's file '%s' cannot be opened", path);
  if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) || (own && status.st_uid != geteuid())) {
    close(descriptor);
    return mlaas_fail(error, MLAAS_IO, "the token's file '%s' is not a file of this user", path);
  }
  char *bytes = mlaas_alloc(MOST_TOKEN + 1);
  ssize_t size = bytes ? read_all(descriptor, bytes, MOST_TOKEN) : 0;
  int failed = errno;
  close(descriptor);
  if (!bytes)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a token");
  if (size >= 0 && size < MOST_TOKEN && clean(bytes)) {
    *text = bytes;
    return MLAAS_OK;
  }
  mlaas_free(bytes);
  if (size < 0)
    return mlaas_fail_errno(error, failed, "the token's file '%s' cannot be read", path);
  return mlaas_fail(error, MLAAS_FORMAT, "there is no token in '%s'", path);
}

static bool is_set(const char *value) { return value && *value; }

static enum mlaas_status from_variable(const char *value, struct mlaas_token *token, struct mlaas_error *error) {
  snprintf(token->source, sizeof token->source, "BEARER_TOKEN");
  token->text = mlaas_strdup(value);
  if (!token->text)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a token");
  if (clean(token->text))
    return MLAAS_OK;
  mlaas_token_reset(token);
  return mlaas_fail(error, MLAAS_ARGUMENT, "there is no token in the variable BEARER_TOKEN");
}

/* One that nobody named but that may lie there: none is no error, for much data is public. */
static enum mlaas_status from_usual_place(const char *path, struct mlaas_token *token, struct mlaas_error *error) {
  snprintf(token->source, sizeof token->source, "%.150s", path);
  enum mlaas_status status = read_token(path, true, &token->text, error);
  return status == MLAAS_MEMORY ? status : MLAAS_OK;
}

/* One that the user named has to be there. That it is not is a mistake of the settings, and no file's fault. */
static enum mlaas_status from_named(const char *path, const char *name, struct mlaas_token *token,
                                    struct mlaas_error *error) {
  struct mlaas_error why = {0};
  snprintf(token->source, sizeof token->source, "%.150s", path);
  enum mlaas_status status = read_token(path, false, &token->text, &why);
  if (status == MLAAS_OK)
    return MLAAS_OK;
  return mlaas_fail(error, status == MLAAS_MEMORY ? status : MLAAS_ARGUMENT, "%s: %s", name, why.message);
}

enum mlaas_status mlaas_token_find(const char *file, struct mlaas_token *token, struct mlaas_error *error) {
  *token = (struct mlaas_token){0};
  if (is_set(file))
    return from_named(file, "the option for a token file", token, error);
  const char *value = getenv("BEARER_TOKEN");
  if (is_set(value))
    return from_variable(value, token, error);
  value = getenv("BEARER_TOKEN_FILE");
  if (is_set(value))
    return from_named(value, "the variable BEARER_TOKEN_FILE", token, error);
  char path[512];
  value = getenv("XDG_RUNTIME_DIR");
  if (is_set(value) && snprintf(path, sizeof path, "%s/bt_u%u", value, geteuid()) < (int)sizeof path) {
    MLAAS_TRY(from_usual_place(path, token, error));
    if (token->text)
      return MLAAS_OK;
  }
  snprintf(path, sizeof path, "/tmp/bt_u%u", geteuid());
  MLAAS_TRY(from_usual_place(path, token, error));
  if (!token->text)
    snprintf(token->source, sizeof token->source,
             "none in BEARER_TOKEN, BEARER_TOKEN_FILE or %.80s, and no option names a file", path);
  return MLAAS_OK;
}

static int six_bits(char c) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const char *at = c ? strchr(digits, c) : NULL;
  return at ? (int)(at - digits) : -1;
}

/* Base64 as in URLs, up to what is none. */
static void decode(const char *text, char *out, size_t size) {
  unsigned bits = 0, have = 0;
  size_t used = 0;
  for (int value; used + 1 < size && (value = six_bits(*text)) >= 0; text++) {
    bits = (bits << 6 | (unsigned)value) & 0xffff;
    have += 6;
    if (have >= 8) {
      have -= 8;
      out[used++] = (char)(bits >> have & 0xff);
    }
  }
  out[used] = 0;
}

int64_t mlaas_token_ends(const char *text) {
  const char *claims = strchr(text, '.');
  char decoded[MOST_CLAIMS];
  if (!claims)
    return -1;
  decode(claims + 1, decoded, sizeof decoded);
  const char *end = strstr(decoded, "\"exp\"");
  end = end ? end + 5 + strspn(end + 5, " :") : "";
  int64_t value = -1;
  for (; *end >= '0' && *end <= '9' && value < INT64_MAX / 100; end++)
    value = (value < 0 ? 0 : value) * 10 + (*end - '0');
  explicit_bzero(decoded, sizeof decoded);
  return value;
}

void mlaas_token_reset(struct mlaas_token *token) {
  if (token->text)
    explicit_bzero(token->text, strlen(token->text));
  mlaas_free(token->text);
  token->text = NULL;
}
