/* Numbers, texts and arrays of a record as items. Must not know classes. */
#include "base/error.h"
#include "rootio/value/decode.h"
#include "rootio/object/value.h"
#include "rootio/value/type_name.h"

#include <string.h>

enum { LEGACY_CHAR = 10, CHAR = 1, DOUBLE32 = 9, FLOAT16 = 19 };

/* From Arrow's letters to those of Python's struct module. */
static char letter_of(char arrow) {
  static const char letters[][2] = {{'b', '?'}, {'c', 'b'}, {'C', 'B'}, {'s', 'h'},
                                    {'S', 'H'}, {'l', 'q'}, {'L', 'Q'}, {'g', 'd'}};
  for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
    if (letters[i][0] == arrow)
      return letters[i][1];
  return arrow;
}

bool mlaas_record_scalar(struct mlaas_record *record, int32_t code, const char *title, struct mlaas_scalar *value,
                         char *format) {
  const char *arrow;
  bool good = mlaas_scalar_of_code(code == LEGACY_CHAR ? CHAR : code, value, &arrow);
  if (!good)
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "a number of ROOT's type %d is not known", code);
  else if (title && (code == DOUBLE32 || code == FLOAT16) && !mlaas_packing_parse(title, value))
    good = mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "the range in \"%.100s\" cannot be told", title) == 0;
  if (good)
    *format = letter_of(*arrow);
  return good;
}

static void set_integer(struct mlaas_item *item, int64_t number) {
  item->kind = MLAAS_ITEM_INT;
  item->as.integer = number;
}

static void set_natural(struct mlaas_item *item, uint64_t number) {
  item->kind = MLAAS_ITEM_UINT;
  item->as.natural = number;
}

static void set_real(struct mlaas_item *item, double number) {
  item->kind = MLAAS_ITEM_DOUBLE;
  item->as.real = number;
}

/* Number i of an array, as an item. */
static void take_number(char format, const void *values, int64_t i, struct mlaas_item *item) {
  switch (format) {
  case '?':
    set_integer(item, ((const uint8_t *)values)[i]);
    item->kind = MLAAS_ITEM_BOOL;
    break;
  case 'b':
    set_integer(item, ((const int8_t *)values)[i]);
    break;
  case 'B':
    set_natural(item, ((const uint8_t *)values)[i]);
    break;
  case 'h':
    set_integer(item, ((const int16_t *)values)[i]);
    break;
  case 'H':
    set_natural(item, ((const uint16_t *)values)[i]);
    break;
  case 'i':
    set_integer(item, ((const int32_t *)values)[i]);
    break;
  case 'I':
    set_natural(item, ((const uint32_t *)values)[i]);
    break;
  case 'q':
    set_integer(item, ((const int64_t *)values)[i]);
    break;
  case 'Q':
    set_natural(item, ((const uint64_t *)values)[i]);
    break;
  case 'f':
    set_real(item, (double)((const float *)values)[i]);
    break;
  default:
    set_real(item, ((const double *)values)[i]);
  }
}

/* fBits: two bytes more follow where the object is referenced. */
static void read_flags(struct mlaas_record *record, struct mlaas_item *item) {
  uint32_t bits = mlaas_cursor_u32(&record->cursor);
  if (bits & 1U << 4)
    mlaas_cursor_skip(&record->cursor, 2);
  set_natural(item, bits);
}

void mlaas_record_number(struct mlaas_record *record, const struct mlaas_scalar *value, char format,
                         struct mlaas_item *item) {
  double room;
  if (value->packing == MLAAS_PACKED_FLAGS) {
    read_flags(record, item);
    return;
  }
  const uint8_t *bytes = mlaas_cursor_bytes(&record->cursor, value->stored);
  if (!bytes)
    return;
  mlaas_values_decode(value, bytes, 1, &room);
  take_number(format, &room, 0, item);
}

void mlaas_record_array(struct mlaas_record *record, const struct mlaas_scalar *value, char format, int64_t count,
                        struct mlaas_item *item) {
  if (value->stored <= 0) {
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "flags of objects are not expected in an array");
    return;
  }
  count = mlaas_record_count(record, count, value->stored, "an array");
  const uint8_t *bytes = mlaas_cursor_bytes(&record->cursor, count * value->stored);
  int64_t *shape = mlaas_record_alloc(record, 1, sizeof *shape);
  void *values = mlaas_record_alloc(record, (size_t)count, (size_t)value->width);
  if (!bytes || !values)
    return;
  mlaas_values_decode(value, bytes, count, values);
  *shape = count;
  item->kind = MLAAS_ITEM_ARRAY;
  item->count = count;
  item->dimensions = 1;
  item->as.array.values = values;
  item->as.array.shape = shape;
  item->as.array.format = format;
  item->as.array.width = (uint8_t)value->width;
}

void mlaas_record_bytes(struct mlaas_record *record, int64_t length, struct mlaas_item *item) {
  const uint8_t *bytes = mlaas_cursor_bytes(&record->cursor, length);
  if (!bytes)
    return;
  item->as.text = mlaas_record_keep(record, (const char *)bytes, length);
  item->kind = MLAAS_ITEM_TEXT;
  item->count = length;
}

void mlaas_record_text(struct mlaas_record *record, struct mlaas_item *item) {
  int64_t length;
  const char *text = mlaas_cursor_string(&record->cursor, &length);
  if (!text)
    return;
  item->as.text = mlaas_record_keep(record, text, length);
  item->kind = MLAAS_ITEM_TEXT;
  item->count = length;
}

bool mlaas_item_integer(const struct mlaas_item *item, int64_t *number) {
  if (item->kind == MLAAS_ITEM_INT)
    *number = item->as.integer;
  else if (item->kind == MLAAS_ITEM_UINT && item->as.natural <= INT64_MAX)
    *number = (int64_t)item->as.natural;
  else
    return false;
  return true;
}

double mlaas_item_number(const struct mlaas_item *item, int64_t i) {
  struct mlaas_item number = {0};
  if (item && item->kind == MLAAS_ITEM_ARRAY && i >= 0 && i < item->count) {
    take_number(item->as.array.format, item->as.array.values, i, &number);
    item = &number;
    i = 0;
  }
  if (!item || i != 0)
    return __builtin_nan("");
  switch (item->kind) {
  case MLAAS_ITEM_BOOL:
  case MLAAS_ITEM_INT:
    return (double)item->as.integer;
  case MLAAS_ITEM_UINT:
    return (double)item->as.natural;
  case MLAAS_ITEM_DOUBLE:
    return item->as.real;
  default:
    return __builtin_nan("");
  }
}
