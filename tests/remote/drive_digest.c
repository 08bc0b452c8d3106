/* Numbers that are equal where bytes are, the same as tests/python/remote_runs.py makes of NumPy's. Must not know where
 * the bytes come from. */
#include "drive.h"

#include <string.h>
#include <zlib.h>

static void add(uint32_t *crc, const void *data, int64_t size) { *crc = (uint32_t)crc32_z(*crc, data, (size_t)size); }

static void add_text(uint32_t *crc, const char *text) { add(crc, text, (int64_t)strlen(text)); }

static void add_number(uint32_t *crc, int64_t number) { add(crc, &number, sizeof number); }

/* Bytes of one number; 0: none. */
static int64_t width(const char *format) {
  static const struct {
    const char *formats;
    int64_t width;
  } widths[] = {{"cC", 1}, {"sS", 2}, {"iIf", 4}, {"lLg", 8}};
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
    if (format[0] && !format[1] && strchr(widths[i].formats, format[0]))
      return widths[i].width;
  return 0;
}

bool drive_digest_column(uint32_t *crc, const struct ArrowSchema *schema, const struct ArrowArray *array) {
  int64_t first = array->offset, length = array->length;
  add_text(crc, schema->name);
  add_number(crc, length);
  for (; strcmp(schema->format, "+l") == 0; schema = schema->children[0], array = array->children[0]) {
    const int32_t *offsets = (const int32_t *)array->buffers[1] + first;
    for (int64_t i = 0; i < length; i++) {
      int32_t elements = offsets[i + 1] - offsets[i];
      add(crc, &elements, sizeof elements);
    }
    first = array->children[0]->offset + offsets[0];
    length = offsets[length] - offsets[0];
  }
  int64_t bytes = width(schema->format);
  if (!bytes || array->null_count > 0)
    return false;
  add_text(crc, schema->format);
  add(crc, (const char *)array->buffers[1] + first * bytes, length * bytes);
  return true;
}

uint32_t drive_digest_batch(const struct mlaas_batch *batch) {
  uint32_t crc = 0;
  int64_t rows = batch->rows, cells = rows * batch->inputs[0].slots * batch->inputs[0].features;
  add(&crc, batch->inputs[0].x, cells * (int64_t)sizeof(float));
  add(&crc, batch->inputs[0].mask, cells);
  add(&crc, batch->y, rows * (int64_t)sizeof *batch->y);
  add(&crc, batch->w, rows * (int64_t)sizeof *batch->w);
  add(&crc, batch->file, rows * (int64_t)sizeof *batch->file);
  add(&crc, batch->entry, rows * (int64_t)sizeof *batch->entry);
  return crc;
}
