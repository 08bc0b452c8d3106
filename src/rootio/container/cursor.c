/* Big-endian reading that stops at the end of the bytes, once and for all. */
#include "rootio/container/cursor.h"

#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mlaas_cursor_init(struct mlaas_cursor *cursor, const void *data, int64_t size, int64_t file_offset,
                       struct mlaas_error *error) {
  *cursor = (struct mlaas_cursor){data, size, 0, file_offset, MLAAS_OK, error};
}

int64_t mlaas_cursor_left(const struct mlaas_cursor *cursor) { return cursor->size - cursor->position; }

enum mlaas_status mlaas_cursor_fail(struct mlaas_cursor *cursor, enum mlaas_status status, const char *format, ...) {
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  cursor->status = status;
  if (cursor->file_offset >= 0)
    return mlaas_fail_at(cursor->error, status, cursor->file_offset + cursor->position, "%s", text);
  return mlaas_fail(cursor->error, status, "%s, at byte %lld of the %lld of a record", text,
                    (long long)cursor->position, (long long)cursor->size);
}

const uint8_t *mlaas_cursor_bytes(struct mlaas_cursor *cursor, int64_t count) {
  if (cursor->status != MLAAS_OK)
    return NULL;
  if (count < 0 || count > cursor->size - cursor->position) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "%lld bytes are needed but %lld are left", (long long)count,
                      (long long)mlaas_cursor_left(cursor));
    return NULL;
  }
  const uint8_t *bytes = cursor->data + cursor->position;
  cursor->position += count;
  return bytes;
}

uint8_t mlaas_cursor_u8(struct mlaas_cursor *cursor) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, 1);
  return bytes ? *bytes : 0;
}

uint16_t mlaas_cursor_u16(struct mlaas_cursor *cursor) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, 2);
  return bytes ? (uint16_t)(bytes[0] << 8 | bytes[1]) : 0;
}

uint32_t mlaas_cursor_u32(struct mlaas_cursor *cursor) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, 4);
  uint32_t word = 0;
  if (bytes)
    memcpy(&word, bytes, 4);
  return __builtin_bswap32(word);
}

uint64_t mlaas_cursor_u64(struct mlaas_cursor *cursor) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, 8);
  uint64_t word = 0;
  if (bytes)
    memcpy(&word, bytes, 8);
  return __builtin_bswap64(word);
}

int16_t mlaas_cursor_i16(struct mlaas_cursor *cursor) { return (int16_t)mlaas_cursor_u16(cursor); }
int32_t mlaas_cursor_i32(struct mlaas_cursor *cursor) { return (int32_t)mlaas_cursor_u32(cursor); }
int64_t mlaas_cursor_i64(struct mlaas_cursor *cursor) { return (int64_t)mlaas_cursor_u64(cursor); }

float mlaas_cursor_f32(struct mlaas_cursor *cursor) {
  uint32_t word = mlaas_cursor_u32(cursor);
  float value;
  memcpy(&value, &word, sizeof value);
  return value;
}

double mlaas_cursor_f64(struct mlaas_cursor *cursor) {
  uint64_t word = mlaas_cursor_u64(cursor);
  double value;
  memcpy(&value, &word, sizeof value);
  return value;
}

void mlaas_cursor_skip(struct mlaas_cursor *cursor, int64_t count) { mlaas_cursor_bytes(cursor, count); }

void mlaas_cursor_seek(struct mlaas_cursor *cursor, int64_t position) {
  if (cursor->status != MLAAS_OK)
    return;
  if (position < 0 || position > cursor->size)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "position %lld is outside", (long long)position);
  else
    cursor->position = position;
}

const char *mlaas_cursor_string(struct mlaas_cursor *cursor, int64_t *length) {
  int64_t count = mlaas_cursor_u8(cursor);
  if (count == 255)
    count = mlaas_cursor_u32(cursor);
  const char *text = (const char *)mlaas_cursor_bytes(cursor, count);
  *length = text ? count : 0;
  return text;
}

enum { BYTE_COUNT = 0x40000000, MEMBER_WISE = 0x4000 };

struct mlaas_frame mlaas_cursor_frame(struct mlaas_cursor *cursor) {
  struct mlaas_frame frame = {.start = cursor->position, .end = -1};
  if (mlaas_cursor_left(cursor) >= 4 && (cursor->data[cursor->position] & BYTE_COUNT >> 24)) {
    int64_t count = mlaas_cursor_u32(cursor) & ~(uint32_t)BYTE_COUNT;
    if (count > mlaas_cursor_left(cursor) && cursor->status == MLAAS_OK)
      mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an object says it has %lld bytes but %lld are left", (long long)count,
                        (long long)mlaas_cursor_left(cursor));
    frame.end = cursor->position + count;
  }
  uint16_t version = mlaas_cursor_u16(cursor);
  if (frame.end >= 0 && cursor->position > frame.end)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an object is too short for its version");
  frame.member_wise = frame.end >= 0 && (version & MEMBER_WISE);
  frame.version = (int16_t)(frame.member_wise ? version & ~MEMBER_WISE : version);
  return frame;
}

void mlaas_cursor_leave(struct mlaas_cursor *cursor, const struct mlaas_frame *frame) {
  if (cursor->status != MLAAS_OK || frame->end < 0)
    return;
  if (cursor->position > frame->end)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an object ends at byte %lld but its members reach beyond",
                      (long long)frame->end);
  else
    mlaas_cursor_seek(cursor, frame->end);
}
