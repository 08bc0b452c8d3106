/* The status table and the writing of errors. Must not know any layer by name. */
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#ifndef MLAAS_VERSION
#define MLAAS_VERSION "0.0.0"
#endif

static const struct {
  const char *name, *text, *python;
  int http, grpc, exit_code;
} statuses[MLAAS_STATUS_COUNT] = {
#define X(symbol, text, http, grpc, exit_code, python) {#symbol, text, python, http, grpc, exit_code},
    MLAAS_STATUS_MAP(X)
#undef X
};

static size_t index_of(enum mlaas_status status) {
  return (size_t)status < MLAAS_STATUS_COUNT ? (size_t)status : (size_t)MLAAS_INTERNAL;
}

const char *mlaas_status_text(enum mlaas_status status) { return statuses[index_of(status)].text; }
const char *mlaas_status_name(enum mlaas_status status) { return statuses[index_of(status)].name; }
const char *mlaas_status_python(enum mlaas_status status) { return statuses[index_of(status)].python; }
int mlaas_status_http(enum mlaas_status status) { return statuses[index_of(status)].http; }
int mlaas_status_grpc(enum mlaas_status status) { return statuses[index_of(status)].grpc; }
int mlaas_status_exit_code(enum mlaas_status status) { return statuses[index_of(status)].exit_code; }
const char *mlaas_version(void) { return MLAAS_VERSION; }

size_t mlaas_error_format(const struct mlaas_error *error, char *text, size_t size) {
  char at[32] = "";
  if (error->offset >= 0)
    snprintf(at, sizeof at, " (byte %lld)", (long long)error->offset);
  const char *separator = error->where[0] ? ": " : "";
  int n = snprintf(text, size, "%s%s%s%s", error->where, separator, error->message, at);
  return n < 0 ? 0 : (size_t)n;
}

/* Names and words of others' files and servers are in messages, and messages go to terminals. */
static void tame(char *text) {
  for (; *text; text++)
    if (((unsigned char)*text < ' ' && *text != '\n' && *text != '\t') || *text == 0x7f)
      *text = '?';
}

__attribute__((format(printf, 4, 0))) static enum mlaas_status
fill(struct mlaas_error *error, enum mlaas_status status, int64_t offset, const char *format, va_list arguments) {
  if (!error)
    return status;
  error->status = status;
  error->sys_errno = 0;
  error->offset = offset;
  error->where[0] = 0;
  vsnprintf(error->message, sizeof error->message, format, arguments);
  tame(error->message);
  return status;
}

enum mlaas_status mlaas_fail(struct mlaas_error *error, enum mlaas_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(error, status, -1, format, arguments);
  va_end(arguments);
  return status;
}

enum mlaas_status mlaas_fail_at(struct mlaas_error *error, enum mlaas_status status, int64_t offset, const char *format,
                                ...) {
  va_list arguments;
  va_start(arguments, format);
  fill(error, status, offset, format, arguments);
  va_end(arguments);
  return status;
}

enum mlaas_status mlaas_fail_errno(struct mlaas_error *error, int sys_errno, const char *format, ...) {
  enum mlaas_status status = sys_errno == ENOENT ? MLAAS_NOT_FOUND : sys_errno == ENOMEM ? MLAAS_MEMORY : MLAAS_IO;
  va_list arguments;
  va_start(arguments, format);
  fill(error, status, -1, format, arguments);
  va_end(arguments);
  if (error) {
    error->sys_errno = sys_errno;
    size_t used = strlen(error->message);
    snprintf(error->message + used, sizeof error->message - used, ": %s", strerror(sys_errno));
  }
  return status;
}

enum mlaas_status mlaas_fail_in(struct mlaas_error *error, enum mlaas_status status, const char *format, ...) {
  if (!error || status == MLAAS_OK)
    return status;
  char outer[sizeof error->where], inner[sizeof error->where];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(outer, sizeof outer, format, arguments);
  va_end(arguments);
  tame(outer);
  memcpy(inner, error->where, sizeof inner);
  size_t used = strlen(outer);
  memcpy(error->where, outer, used + 1);
  if (inner[0])
    snprintf(error->where + used, sizeof error->where - used, ": %s", inner);
  return status;
}
