/* Objects by the file's description of their classes: bases, members in the order of the description, pointers. What
 * does not fit its description is left behind by its byte count, and says so. Must not know single classes, nor how a
 * member's bytes lie. */
#include "rootio/object/value.h"

#include "base/error.h"

#include <string.h>

/* ---- members ---- */

struct mlaas_item *mlaas_members_add(struct mlaas_record *record, struct mlaas_members *members, const char *name,
                                     const char *class_name) {
  if (members->count == members->capacity) {
    int64_t capacity = members->capacity ? 2 * members->capacity : 8;
    struct mlaas_member_item *grown = mlaas_record_alloc(record, (size_t)capacity, sizeof *grown);
    if (!grown)
      return &record->nowhere;
    if (members->count)
      memcpy(grown, members->items, (size_t)members->count * sizeof *grown);
    members->items = grown;
    members->capacity = capacity;
  }
  struct mlaas_member_item *member = &members->items[members->count++];
  *member = (struct mlaas_member_item){.name = name, .class_name = class_name, .item.class_name = ""};
  return &member->item;
}

void mlaas_members_finish(struct mlaas_members *members, const char *class_name, struct mlaas_item *item) {
  item->kind = MLAAS_ITEM_OBJECT;
  item->class_name = class_name;
  item->count = members->count;
  item->as.members = members->items;
}

/* ---- bases ---- */

/* Classes whose streamers write their bases and nothing of their own, not even a frame. */
static bool is_forwarding(const char *class_name) {
  static const char *const names[] = {"TVirtualPerfStats"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++)
    if (strcmp(names[i], class_name) == 0)
      return true;
  return false;
}

/* A base that streams itself: its members become members of the object, anything else is a member called as the base.
 */
static bool read_known_base(struct mlaas_record *record, const char *base, struct mlaas_members *object) {
  struct mlaas_item item = {.class_name = base};
  if (!mlaas_record_known(record, base, &item))
    return false;
  if (item.kind == MLAAS_ITEM_ARRAY) { /* a histogram is a TArray too */
    struct mlaas_item *count = mlaas_members_add(record, object, "fN", "TArray");
    count->kind = MLAAS_ITEM_INT;
    count->as.integer = item.count;
  }
  if (item.kind != MLAAS_ITEM_OBJECT) {
    *mlaas_members_add(record, object, item.kind == MLAAS_ITEM_ARRAY ? "fArray" : base, base) = item;
    return true;
  }
  for (int64_t i = 0; i < item.count && record->cursor.status == MLAAS_OK; i++)
    *mlaas_members_add(record, object, item.as.members[i].name, item.as.members[i].class_name) =
        item.as.members[i].item;
  return true;
}

static void read_framed_base(struct mlaas_record *record, const char *base, struct mlaas_members *object) {
  int64_t before = object->count;
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  const struct mlaas_streamer_info *info = mlaas_record_info(record, base, frame.version);
  if (info)
    mlaas_record_members(record, info, object, 1, false);
  const char *reason = mlaas_record_leave(record, &mark, frame.end);
  if (!reason)
    return;
  object->count = before; /* nothing vouches for them */
  mlaas_item_set_unreadable(mlaas_members_add(record, object, base, base), reason);
}

/* The description of a base in columns, where no frame says its version. */
static const struct mlaas_streamer_info *base_info(struct mlaas_record *record,
                                                   const struct mlaas_streamer_element *element) {
  bool versioned = element->base_version > 0;
  const struct mlaas_streamer_info *info = mlaas_record_find(
      record, element->name, versioned ? element->base_version : -1, versioned ? 0 : element->base_checksum);
  if (!info)
    mlaas_cursor_fail(&record->cursor, MLAAS_UNSUPPORTED, "the file does not describe the base class %s",
                      element->name);
  return info;
}

static void read_base(struct mlaas_record *record, const struct mlaas_streamer_element *element,
                      struct mlaas_members *objects, int64_t count, bool columns) {
  enum { NO_TYPE = -1, TNAMED = 67 };
  if (element->type == NO_TYPE) /* a class that does not stream its TObject */
    return;
  bool itself = strcmp(element->name, "TObject") == 0 || element->type == TNAMED || !columns;
  for (int64_t i = 0; itself && i < count && record->cursor.status == MLAAS_OK; i++) {
    if (read_known_base(record, element->name, &objects[i]))
      continue;
    const struct mlaas_streamer_info *info = is_forwarding(element->name) ? base_info(record, element) : NULL;
    if (info)
      mlaas_record_members(record, info, &objects[i], 1, false);
    else
      read_framed_base(record, element->name, &objects[i]);
  }
  const struct mlaas_streamer_info *info = itself ? NULL : base_info(record, element);
  if (info)
    mlaas_record_members(record, info, objects, count, true);
}

/* ---- the loop over a description ---- */

/* What follows cannot be told apart any more: say so where it begins. */
static void name_failure(struct mlaas_record *record, const struct mlaas_streamer_info *info, const char *name,
                         struct mlaas_members *object) {
  struct mlaas_cursor *cursor = &record->cursor;
  if (cursor->status != MLAAS_UNSUPPORTED)
    return;
  cursor->status = MLAAS_OK;
  const char *reason = mlaas_record_keep(record, record->error->message, (int64_t)strlen(record->error->message));
  mlaas_item_set_unreadable(mlaas_members_add(record, object, name, info->name), reason);
  if (cursor->status == MLAAS_OK)
    cursor->status = MLAAS_UNSUPPORTED;
}

static void read_members(struct mlaas_record *record, const struct mlaas_streamer_info *info,
                         struct mlaas_members *objects, int64_t count, bool columns, struct mlaas_item *items) {
  for (size_t k = 0; k < info->num_elements && record->cursor.status == MLAAS_OK; k++) {
    const struct mlaas_streamer_element *element = &info->elements[k];
    if (strcmp(element->kind, "TStreamerBase") == 0) {
      read_base(record, element, objects, count, columns);
      continue;
    }
    for (int64_t i = 0; i < count; i++)
      items[i] = (struct mlaas_item){.class_name = element->type_name};
    mlaas_record_element(record, element, objects, count, items);
    if (record->cursor.status != MLAAS_OK && !columns)
      name_failure(record, info, element->name, objects);
    for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
      *mlaas_members_add(record, &objects[i], element->name, info->name) = items[i];
  }
}

void mlaas_record_members(struct mlaas_record *record, const struct mlaas_streamer_info *info,
                          struct mlaas_members *objects, int64_t count, bool columns) {
  struct mlaas_item one, *items = count > 1 ? mlaas_record_alloc(record, (size_t)count, sizeof *items) : &one;
  struct mlaas_mark mark = mlaas_record_enter(record, -1); /* a class may be its own base in a broken file */
  if (items)
    read_members(record, info, objects, count, columns, items);
  record->depth = mark.depth;
}

/* An object of which at least the members up to a failure are known. */
static bool is_partial(const struct mlaas_members *members) {
  return members->count > 1 && members->items[members->count - 1].item.kind == MLAAS_ITEM_UNREADABLE;
}

static void read_framed(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  struct mlaas_members members = {0};
  struct mlaas_frame frame = mlaas_cursor_frame(&record->cursor);
  struct mlaas_mark mark = mlaas_record_enter(record, frame.end);
  const struct mlaas_streamer_info *info = mlaas_record_info(record, class_name, frame.version);
  if (info)
    mlaas_record_members(record, info, &members, 1, false);
  bool partial = record->cursor.status == MLAAS_UNSUPPORTED && is_partial(&members);
  const char *reason = mlaas_record_leave(record, &mark, frame.end);
  if (reason && !partial)
    mlaas_item_set_unreadable(item, reason);
  else if (record->cursor.status == MLAAS_OK)
    mlaas_members_finish(&members, class_name, item);
  mlaas_record_settle(record, item);
}

void mlaas_record_object(struct mlaas_record *record, const char *class_name, struct mlaas_item *item) {
  item->class_name = class_name;
  if (!mlaas_record_known(record, class_name, item) && !mlaas_record_bare(record, class_name, item))
    read_framed(record, class_name, item);
}

void mlaas_record_columns(struct mlaas_record *record, const struct mlaas_streamer_info *info, int64_t count,
                          struct mlaas_item *item) {
  struct mlaas_members *objects = mlaas_record_alloc(record, (size_t)count, sizeof *objects);
  struct mlaas_item *items = mlaas_record_alloc(record, (size_t)count, sizeof *items);
  if (!objects || !items)
    return;
  if (count)
    mlaas_record_members(record, info, objects, count, true);
  for (int64_t i = 0; i < count && record->cursor.status == MLAAS_OK; i++)
    mlaas_members_finish(&objects[i], info->name, &items[i]);
  item->kind = MLAAS_ITEM_LIST;
  item->count = count;
  item->as.items = items;
}

/* ---- pointers ---- */

/* The object behind a pointer that was begun. It has a place of its own, for references to it. */
static const struct mlaas_item *read_target(struct mlaas_record *record, const struct mlaas_pointer *pointer) {
  struct mlaas_item *target = mlaas_record_alloc(record, 1, sizeof *target);
  const char *class_name = mlaas_record_keep(record, pointer->class_name, (int64_t)strlen(pointer->class_name));
  if (!target || record->cursor.status != MLAAS_OK)
    return NULL;
  target->class_name = class_name; /* NULL as its kind: not there yet */
  mlaas_objects_bind(&record->objects, pointer, target, 1);
  struct mlaas_mark mark = mlaas_record_enter(record, pointer->end);
  mlaas_record_object(record, class_name, target);
  const char *reason = mlaas_record_leave(record, &mark, pointer->end);
  if (reason)
    mlaas_item_set_unreadable(target, reason);
  return target;
}

void mlaas_record_pointer(struct mlaas_record *record, struct mlaas_item *item) {
  struct mlaas_pointer pointer;
  if (mlaas_objects_begin(&record->objects, &pointer) != MLAAS_OK)
    return;
  const struct mlaas_item *known = pointer.object, *target = NULL;
  switch (pointer.kind) {
  case MLAAS_POINTER_NULL:
    item->kind = MLAAS_ITEM_NULL;
    return;
  case MLAAS_POINTER_KNOWN:
    item->kind = MLAAS_ITEM_REFERENCE;
    item->class_name = known->class_name;
    item->as.target = known->kind == MLAAS_ITEM_NULL ? NULL : known; /* else it encloses this item */
    return;
  case MLAAS_POINTER_LOST:
    item->kind = MLAAS_ITEM_REFERENCE;
    item->as.target = NULL;
    return;
  case MLAAS_POINTER_NEW:
    target = read_target(record, &pointer);
  }
  if (target && mlaas_objects_end(&record->objects, &pointer) == MLAAS_OK) {
    const char *option = item->option;
    *item = *target;
    item->option = option;
  }
}
