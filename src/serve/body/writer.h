/* Text that grows in an exchange's arena. A failure is remembered, so that only the end has to look. */
#ifndef MLAAS_SERVE_BODY_WRITER_H
#define MLAAS_SERVE_BODY_WRITER_H

#include "base/memory.h"
#include "base/slice.h"

struct mlaas_writer {
  struct mlaas_arena *arena;
  char *data;
  size_t used, room;
  bool failed; /* out of memory: what was put after is lost */
};

void mlaas_writer_init(struct mlaas_writer *writer, struct mlaas_arena *arena, size_t room);
/* Place for `size` bytes at data + used, which the caller fills and adds to `used`; NULL: failed. */
char *mlaas_writer_room(struct mlaas_writer *writer, size_t size);
void mlaas_writer_put(struct mlaas_writer *writer, struct mlaas_slice text);
void mlaas_writer_text(struct mlaas_writer *writer, const char *text);
void mlaas_writer_format(struct mlaas_writer *writer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A JSON string with its quotes; what is no UTF-8 becomes U+FFFD. */
void mlaas_writer_json(struct mlaas_writer *writer, struct mlaas_slice text);

#endif
