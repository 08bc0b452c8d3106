/* A position in big-endian bytes that never leaves them. The first failure sticks: read a run of fields, check once.
 * After a failure every read returns 0 and moves nothing. Knows nothing of what the fields mean.
 */
#ifndef MLAAS_ROOTIO_CONTAINER_CURSOR_H
#define MLAAS_ROOTIO_CONTAINER_CURSOR_H

#include <mlaas/status.h>
#include <stdbool.h>

struct mlaas_cursor {
  const uint8_t *data;
  int64_t size, position;
  int64_t file_offset; /* where data[0] lies in the file, for errors; -1 for decompressed bytes */
  enum mlaas_status status;
  struct mlaas_error *error;
};

void mlaas_cursor_init(struct mlaas_cursor *cursor, const void *data, int64_t size, int64_t file_offset,
                       struct mlaas_error *error);
int64_t mlaas_cursor_left(const struct mlaas_cursor *cursor);
/* Fails with FORMAT at the current position; the first failure wins. Returns cursor->status. */
enum mlaas_status mlaas_cursor_fail(struct mlaas_cursor *cursor, enum mlaas_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint8_t mlaas_cursor_u8(struct mlaas_cursor *cursor);
uint16_t mlaas_cursor_u16(struct mlaas_cursor *cursor);
uint32_t mlaas_cursor_u32(struct mlaas_cursor *cursor);
uint64_t mlaas_cursor_u64(struct mlaas_cursor *cursor);
int16_t mlaas_cursor_i16(struct mlaas_cursor *cursor);
int32_t mlaas_cursor_i32(struct mlaas_cursor *cursor);
int64_t mlaas_cursor_i64(struct mlaas_cursor *cursor);
float mlaas_cursor_f32(struct mlaas_cursor *cursor);
double mlaas_cursor_f64(struct mlaas_cursor *cursor);
void mlaas_cursor_skip(struct mlaas_cursor *cursor, int64_t count);
void mlaas_cursor_seek(struct mlaas_cursor *cursor, int64_t position);
/* `count` bytes in place, or NULL. */
const uint8_t *mlaas_cursor_bytes(struct mlaas_cursor *cursor, int64_t count);
/* ROOT's string: one length byte, 255 means a 4-byte length follows. Borrowed, not terminated. */
const char *mlaas_cursor_string(struct mlaas_cursor *cursor, int64_t *length);
/* Byte count (0x40000000) and version. *end is where the object ends (-1 if there is no byte count). */
struct mlaas_frame {
  int64_t start, end;
  int16_t version; /* without the member-wise bit */
  bool member_wise;
};
struct mlaas_frame mlaas_cursor_frame(struct mlaas_cursor *cursor);
/* Moves to frame->end where it is known. Being beyond it is a failure. */
void mlaas_cursor_leave(struct mlaas_cursor *cursor, const struct mlaas_frame *frame);

#endif
