/* What went wrong, and where: the one error type of the library.
 *
 * Every function that can fail returns `enum mlaas_status` and takes a last argument
 * `struct mlaas_error *`, which may be NULL. The struct is written only on failure. It is the caller's
 * memory, needs no initialisation or release, and may be reused. Functions of this header are thread safe.
 */
#ifndef MLAAS_STATUS_H
#define MLAAS_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define MLAAS_API __attribute__((visibility("default")))
#define MLAAS_NODISCARD __attribute__((warn_unused_result))
#else
#define MLAAS_API
#define MLAAS_NODISCARD
#endif

/* X(symbol, text, HTTP status, gRPC code, exit code, Python exception). Numbers are stable: append only. */
#define MLAAS_STATUS_MAP(X)                                                                                            \
  X(OK, "success", 200, 0, 0, "")                                                                                      \
  X(ARGUMENT, "invalid argument", 400, 3, 2, "ArgumentError")                                                          \
  X(NOT_FOUND, "not found", 404, 5, 3, "NotFoundError")                                                                \
  X(IO, "input or output failed", 500, 14, 4, "IOError")                                                               \
  X(FORMAT, "the bytes are not what the format says", 422, 15, 5, "FormatError")                                       \
  X(CHECKSUM, "a checksum does not match", 422, 15, 6, "ChecksumError")                                                \
  X(UNSUPPORTED, "not supported", 501, 12, 7, "UnsupportedError")                                                      \
  X(SCHEMA, "the schemas do not fit together", 422, 9, 8, "SchemaError")                                               \
  X(STALE, "made for other data", 409, 9, 9, "StaleError")                                                             \
  X(LIMIT, "a ceiling is too low", 413, 8, 10, "LimitError")                                                           \
  X(MEMORY, "out of memory", 503, 8, 11, "MemoryError")                                                                \
  X(STATE, "the handle cannot do this now", 409, 9, 12, "StateError")                                                  \
  X(INTERNAL, "internal error", 500, 13, 70, "InternalError")                                                          \
  X(CANCELLED, "cancelled", 499, 1, 130, "CancelledError")                                                             \
  X(TIMEOUT, "timed out", 504, 4, 13, "TimeoutError")                                                                  \
  X(INCOMPLETE, "done, but files were left out", 500, 15, 14, "IncompleteError")

enum mlaas_status {
#define X(symbol, text, http, grpc, exit_code, python) MLAAS_##symbol,
  MLAAS_STATUS_MAP(X)
#undef X
      MLAAS_STATUS_COUNT
};

struct mlaas_error {
  enum mlaas_status status;
  int sys_errno;      /* errno of the failed system call, 0 where there was none */
  int64_t offset;     /* byte offset in the file, -1 where unknown */
  char where[512];    /* file, then tree, branch, basket, joined by ": "; "" where unknown */
  char message[1024]; /* one sentence: what was expected, what was found, what to do; no newline */
};

/* The stable lower-case words for a status; never NULL, static storage. */
MLAAS_API const char *mlaas_status_text(enum mlaas_status status);
/* The symbol without its prefix, e.g. "NOT_FOUND"; static storage. */
MLAAS_API const char *mlaas_status_name(enum mlaas_status status);
/* Name of the Python exception class for a status ("" for success); static storage. */
MLAAS_API const char *mlaas_status_python(enum mlaas_status status);
/* HTTP status, gRPC code and process exit code of a status. */
MLAAS_API int mlaas_status_http(enum mlaas_status status);
MLAAS_API int mlaas_status_grpc(enum mlaas_status status);
MLAAS_API int mlaas_status_exit_code(enum mlaas_status status);
/* Writes "where: message (byte N)" into `text`, always terminated; returns the length it would need. */
MLAAS_API size_t mlaas_error_format(const struct mlaas_error *error, char *text, size_t size);
/* The version of the library, e.g. "0.1.0"; static storage. */
MLAAS_API const char *mlaas_version(void);

#ifdef __cplusplus
}
#endif
#endif
