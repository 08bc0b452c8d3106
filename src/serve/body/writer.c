/* Growing text. Knows no protocol but JSON's strings. */
#include "serve/body/writer.h"

#include "serve/body/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void mlaas_writer_init(struct mlaas_writer *writer, struct mlaas_arena *arena, size_t room) {
  *writer = (struct mlaas_writer){.arena = arena, .room = room};
  writer->data = mlaas_arena_alloc(arena, room, 1, NULL);
  writer->failed = !writer->data;
}

char *mlaas_writer_room(struct mlaas_writer *writer, size_t size) {
  if (writer->failed)
    return NULL;
  if (writer->room - writer->used >= size)
    return writer->data + writer->used;
  size_t room = (writer->used + size) * 2;
  char *data = mlaas_arena_alloc(writer->arena, room, 1, NULL);
  if (!data) {
    writer->failed = true;
    return NULL;
  }
  memcpy(data, writer->data, writer->used);
  writer->data = data;
  writer->room = room;
  return data + writer->used;
}

void mlaas_writer_put(struct mlaas_writer *writer, struct mlaas_slice text) {
  char *room = mlaas_writer_room(writer, text.size);
  if (room && text.size) {
    memcpy(room, text.data, text.size);
    writer->used += text.size;
  }
}

void mlaas_writer_text(struct mlaas_writer *writer, const char *text) {
  mlaas_writer_put(writer, mlaas_slice_of(text));
}

void mlaas_writer_format(struct mlaas_writer *writer, const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size > 0)
    mlaas_writer_put(writer, (struct mlaas_slice){text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1});
}

void mlaas_writer_json(struct mlaas_writer *writer, struct mlaas_slice text) {
  static const char hex[] = "0123456789abcdef";
  mlaas_writer_text(writer, "\"");
  for (size_t i = 0; i < text.size;) {
    unsigned char c = (unsigned char)text.data[i];
    size_t length = mlaas_utf8_length(text.data + i, text.size - i);
    if (length == 0) {
      mlaas_writer_text(writer, "\xEF\xBF\xBD");
      i++;
      continue;
    }
    if (c == '"' || c == '\\') {
      char escape[2] = {'\\', (char)c};
      mlaas_writer_put(writer, (struct mlaas_slice){escape, 2});
    } else if (c < 32) {
      char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
      mlaas_writer_put(writer, (struct mlaas_slice){escape, 6});
    } else {
      mlaas_writer_put(writer, (struct mlaas_slice){text.data + i, length});
    }
    i += length;
  }
  mlaas_writer_text(writer, "\"");
}
