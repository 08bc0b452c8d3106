/* Members by ROOT's codes of their types: numbers, arrays, texts, objects, pointers. Must not know what a class or a
 * collection is made of. */
#include "base/error.h"
#include "rootio/object/value.h"

#include <string.h>

/* ROOT's codes. FIXED is added for arrays of fixed length, COUNTED for those that another member counts. */
enum {
  CHAR_STAR = 7,
  FIXED = 20,
  COUNTED = 40,
  OBJECT = 61,
  ANY = 62,
  OBJECT_ALWAYS = 63,
  OBJECT_POINTER = 64,
  TSTRING = 65,
  TOBJECT = 66,
  TNAMED = 67,
  ANY_ALWAYS = 68,
  ANY_POINTER = 69,
  STREAMER = 500,
  LOOP = 501
};

enum { SLOTS_IN_LOOPS_SINCE = 51508, MOST_DIMENSIONS = 5 };

static int64_t length_of(const struct mlaas_streamer_element *element) {
  return element->array_length > 1 ? element->array_length : 1;
}

/* Gives an array its dimensions, `first` of them in front (-1: none), as long as they make up its length. */
static void set_shape(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t first,
                      struct mlaas_item *item) {
  int64_t shape[MOST_DIMENSIONS + 1], product = 1;
  int32_t dimensions = 0;
  if (item->kind != MLAAS_ITEM_ARRAY || element->array_dim < 1 || element->array_dim > MOST_DIMENSIONS)
    return;
  if (first >= 0)
    shape[dimensions++] = first;
  for (int32_t i = 0; i < element->array_dim; i++)
    shape[dimensions++] = element->max_index[i];
  for (int32_t i = 0; i < dimensions; i++)
    if (shape[i] < 0 || __builtin_mul_overflow(product, shape[i], &product))
      return;
  int64_t *kept = product == item->count ? mlaas_record_alloc(record, (size_t)dimensions, sizeof *kept) : NULL;
  if (!kept)
    return;
  memcpy(kept, shape, (size_t)dimensions * sizeof *kept);
  item->as.array.shape = kept;
  item->dimensions = dimensions;
}

/* The member that counts another one: the last of that name, which may be a base's. */
static int64_t find_count(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                          const struct mlaas_members *object) {
  int64_t number = 0;
  for (int64_t i = object->count - 1; i >= 0; i--)
    if (strcmp(object->items[i].name, element->count_name) == 0 &&
        mlaas_item_integer(&object->items[i].item, &number) && number >= 0)
      return number;
  mlaas_cursor_fail(&record->cursor, MLAAS_FORMAT, "the counter %s of %s is not there", element->count_name,
                    element->name);
  return 0;
}

/* ---- numbers ---- */

static void read_counted(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                         const struct mlaas_members *object, struct mlaas_item *item) {
  struct mlaas_scalar value;
  char format;
  int64_t count = find_count(record, element, object), total = 0;
  if (!mlaas_record_scalar(record, element->type - COUNTED, element->title, &value, &format))
    return;
  bool present = mlaas_cursor_u8(&record->cursor) != 0;
  if (present && __builtin_mul_overflow(count, length_of(element), &total))
    mlaas_cursor_fail(&record->cursor, MLAAS_FORMAT, "%s has too many items", element->name);
  mlaas_record_array(record, &value, format, total, item);
  set_shape(record, element, present ? count : 0, item);
}

static void read_numbers(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t count,
                         struct mlaas_item *items) {
  struct mlaas_scalar value;
  char format;
  bool array = element->type > FIXED;
  if (!mlaas_record_scalar(record, array ? element->type - FIXED : element->type, element->title, &value, &format))
    return;
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
    if (array) {
      mlaas_record_array(record, &value, format, element->array_length, &items[i]);
      set_shape(record, element, -1, &items[i]);
    } else {
      mlaas_record_number(record, &value, format, &items[i]);
    }
}

/* ---- all else, item by item ---- */

/* The class that a type name means: without const, pointers and blanks around. */
static const char *class_of(struct mlaas_record *record, const char *type_name) {
  while (*type_name == ' ' || strncmp(type_name, "const ", 6) == 0)
    type_name += *type_name == ' ' ? 1 : 6;
  size_t length = strlen(type_name);
  while (length && (type_name[length - 1] == '*' || type_name[length - 1] == ' ' || type_name[length - 1] == '&'))
    length--;
  return type_name[length] ? mlaas_record_keep(record, type_name, (int64_t)length) : type_name;
}

/* One item of a member, of the code that is left without FIXED. */
static void read_one(struct mlaas_record *record, const struct mlaas_streamer_element *element, int32_t code,
                     struct mlaas_item *item) {
  switch (code) {
  case CHAR_STAR:
    mlaas_record_bytes(record, mlaas_cursor_i32(&record->cursor), item);
    break;
  case OBJECT:
  case ANY:
  case OBJECT_ALWAYS:
  case ANY_ALWAYS:
    mlaas_record_object(record, class_of(record, element->type_name), item);
    break;
  case OBJECT_POINTER:
  case ANY_POINTER:
    mlaas_record_pointer(record, item);
    break;
  case TSTRING:
    mlaas_record_text(record, item);
    break;
  case TOBJECT:
    mlaas_record_object(record, "TObject", item);
    break;
  case TNAMED:
    mlaas_record_object(record, "TNamed", item);
    break;
  default:
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "member %s has a type (%d) that is not known", element->name,
                      element->type);
  }
}

/* A list of `length` items of one code, each of 1 byte at least. */
static void read_list(struct mlaas_record *record, const struct mlaas_streamer_element *element, int32_t code,
                      int64_t length, struct mlaas_item *list) {
  length = mlaas_record_count(record, length, 1, element->name);
  struct mlaas_item *items = mlaas_record_alloc(record, (size_t)length, sizeof *items);
  for (int64_t i = 0; items && i < length && record->cursor.status == MLAAS_OK; i++) {
    items[i].class_name = element->type_name;
    read_one(record, element, code, &items[i]);
  }
  list->kind = MLAAS_ITEM_LIST;
  list->count = length;
  list->as.items = items;
}

static void read_items(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t count,
                       struct mlaas_item *items) {
  /* pointers do not have FIXED added, their length tells */
  bool array = element->type >= OBJECT + FIXED || element->type == CHAR_STAR + FIXED || length_of(element) > 1;
  int32_t code =
      element->type > TNAMED + 2 || element->type == CHAR_STAR + FIXED ? element->type - FIXED : element->type;
  bool framed = code >= TSTRING && code <= TNAMED && element->type >= OBJECT + FIXED;
  struct mlaas_frame frame = {.end = -1};
  if (framed)
    frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
    if (array)
      read_list(record, element, code, length_of(element), &items[i]);
    else
      read_one(record, element, code, &items[i]);
  mlaas_record_leave_items(record, &mark, frame.end, count, items);
}

/* Objects that another member counts, in one frame. */
static void read_loop(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                      const struct mlaas_members *objects, int64_t count, struct mlaas_item *items) {
  bool slots = strstr(element->type_name, "**") && record->file_version > SLOTS_IN_LOOPS_SINCE;
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++) {
    int64_t total = 0;
    if (__builtin_mul_overflow(find_count(record, element, &objects[i]), length_of(element), &total))
      mlaas_cursor_fail(&record->cursor, MLAAS_FORMAT, "%s has too many items", element->name);
    read_list(record, element, slots ? OBJECT_POINTER : ANY, total, &items[i]);
  }
  mlaas_record_leave_items(record, &mark, frame.end, count, items);
}

/* A member that code of its own has written. */
static void skip_custom(struct mlaas_record *record, const struct mlaas_streamer_element *element, int64_t count,
                        struct mlaas_item *items) {
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  if (frame.end < 0)
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "member %s streams itself", element->name);
  else
    mlaas_cursor_seek(&record->cursor, frame.end);
  for (int64_t i = 0; i < count; i++)
    mlaas_item_set_unreadable(&items[i], "it streams itself");
}

void mlaas_record_element(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                          const struct mlaas_members *objects, int64_t count, struct mlaas_item *items) {
  int32_t type = element->type;
  if (strncmp(element->kind, "TStreamerSTL", 12) == 0)
    mlaas_record_collections(record, element, length_of(element), count, items);
  else if (type == STREAMER)
    skip_custom(record, element, count, items);
  else if (type == LOOP || type == LOOP + FIXED)
    read_loop(record, element, objects, count, items);
  else if (type > COUNTED && type < COUNTED + FIXED)
    for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
      read_counted(record, element, &objects[i], &items[i]);
  else if (type > 0 && type < COUNTED && type != CHAR_STAR && type != CHAR_STAR + FIXED)
    read_numbers(record, element, count, items);
  else
    read_items(record, element, count, items);
}
