/* What the files that decode a tree share. Must not know what they decode. */
#include "rootio/tree/reader.h"

enum mlaas_status mlaas_tree_fail(struct mlaas_tree_reader *reader, enum mlaas_status status) {
  if (reader->cursor.status == MLAAS_OK)
    reader->cursor.status = status;
  return reader->cursor.status;
}

void *mlaas_tree_alloc(struct mlaas_tree_reader *reader, size_t count, size_t size) {
  void *memory = mlaas_arena_alloc(&reader->tree->arena, count, size, reader->error);
  if (!memory)
    mlaas_tree_fail(reader, reader->error->status);
  return memory;
}

const char *mlaas_tree_text(struct mlaas_tree_reader *reader, const struct mlaas_value *value) {
  if (!value->data || value->number <= 0)
    return "";
  struct mlaas_error error; /* an earlier failure keeps its message */
  const char *text =
      mlaas_arena_strndup(&reader->tree->arena, (const char *)value->data, (size_t)value->number, &error);
  if (!text)
    mlaas_cursor_fail(&reader->cursor, error.status, "%s", error.message);
  return text ? text : "";
}
