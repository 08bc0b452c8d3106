/* Failing: low layers say what (expected, found, offset), the layers above add where. Knows no layer by name. */
#ifndef MLAAS_BASE_ERROR_H
#define MLAAS_BASE_ERROR_H

#include <mlaas/status.h>
#include <stdarg.h>

/* Forward a failure. Use where nothing is owned; else goto out. */
#define MLAAS_TRY(call)                                                                                                \
  do {                                                                                                                 \
    enum mlaas_status mlaas_try_status = (call);                                                                       \
    if (mlaas_try_status != MLAAS_OK)                                                                                  \
      return mlaas_try_status;                                                                                         \
  } while (0)

/* Fills `error` (NULL allowed) and returns `status`, so that `return mlaas_fail(...)` reads as one thought. */
enum mlaas_status mlaas_fail(struct mlaas_error *error, enum mlaas_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The same with the byte offset where it happened. */
enum mlaas_status mlaas_fail_at(struct mlaas_error *error, enum mlaas_status status, int64_t offset, const char *format,
                                ...) __attribute__((format(printf, 4, 5)));
/* The same with errno; maps ENOENT to NOT_FOUND, ENOMEM to MEMORY, all else to IO. */
enum mlaas_status mlaas_fail_errno(struct mlaas_error *error, int sys_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Puts "text: " in front of error->where; returns `status` unchanged. Does nothing for MLAAS_OK. */
enum mlaas_status mlaas_fail_in(struct mlaas_error *error, enum mlaas_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The entry of `names` nearest to `name` by edit distance, or NULL if none is near enough to suggest. */
const char *mlaas_nearest(const char *name, const char *const *names, size_t count);

#endif
