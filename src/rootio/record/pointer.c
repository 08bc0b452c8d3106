/* Pointers, class tags and back-references. A class tag that points back is looked up in the bytes themselves, so it
 * holds even where the object that introduced the class was skipped. */
#include "rootio/record/pointer.h"

#include "base/error.h"

#include <string.h>

#define BYTE_COUNT 0x40000000u
#define NEW_CLASS 0xFFFFFFFFu
#define OLD_CLASS 0x80000000u

enum { MAP_OFFSET = 2, IS_REFERENCED = 1 << 4 };

struct seen {
  int64_t position; /* as references spell it */
  void *object;
  int type;
};

void mlaas_objects_init(struct mlaas_objects *objects, struct mlaas_cursor *cursor, int64_t origin,
                        struct mlaas_budget *budget) {
  *objects = (struct mlaas_objects){.cursor = cursor, .origin = origin, .budget = budget};
}

void mlaas_objects_reset(struct mlaas_objects *objects) {
  mlaas_block_reset(&objects->seen);
  objects->num_seen = 0;
}

static void fail_with(struct mlaas_cursor *cursor, enum mlaas_status status) {
  if (cursor->status == MLAAS_OK)
    cursor->status = status; /* the callee has written the error */
}

/* Objects are met in ascending order, so the list is sorted. */
static size_t remember(struct mlaas_objects *objects, int64_t position) {
  enum mlaas_status status = MLAAS_OK;
  if (!objects->seen.data)
    status =
        mlaas_block_new(objects->budget, 64 * (int64_t)sizeof(struct seen), &objects->seen, objects->cursor->error);
  int64_t needed = (int64_t)((objects->num_seen + 1) * sizeof(struct seen));
  if (status == MLAAS_OK)
    status = mlaas_block_grow(&objects->seen, needed, objects->cursor->error);
  if (status != MLAAS_OK) {
    fail_with(objects->cursor, status);
    return 0;
  }
  struct seen *seen = (struct seen *)objects->seen.data + objects->num_seen;
  *seen = (struct seen){.position = position};
  return objects->num_seen++;
}

static const struct seen *find_seen(const struct mlaas_objects *objects, int64_t position) {
  const struct seen *seen = objects->seen.data;
  size_t low = 0, high = objects->num_seen;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (seen[middle].position < position)
      low = middle + 1;
    else
      high = middle;
  }
  return low < objects->num_seen && seen[low].position == position ? &seen[low] : NULL;
}

/* A terminated class name at the cursor. */
static const char *read_class(struct mlaas_cursor *cursor) {
  const char *name = (const char *)cursor->data + cursor->position;
  int64_t left = mlaas_cursor_left(cursor);
  const char *end = cursor->status == MLAAS_OK ? memchr(name, 0, (size_t)left) : NULL;
  if (!end) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a class name has no end");
    return NULL;
  }
  mlaas_cursor_skip(cursor, end - name + 1);
  return name;
}

/* The class that a tag further up introduced. */
static const char *find_class(const struct mlaas_objects *objects, uint32_t tag) {
  struct mlaas_cursor *cursor = objects->cursor;
  int64_t position = (int64_t)(tag & ~OLD_CLASS) - MAP_OFFSET - objects->origin;
  if (position >= 0 && position + 5 < cursor->position) {
    struct mlaas_cursor back;
    mlaas_cursor_init(&back, cursor->data, cursor->position, cursor->file_offset, NULL);
    mlaas_cursor_seek(&back, position);
    if (mlaas_cursor_u32(&back) == NEW_CLASS)
      return read_class(&back);
  }
  return NULL;
}

static void read_reference(struct mlaas_objects *objects, uint32_t tag, struct mlaas_pointer *pointer) {
  const struct seen *seen = tag ? find_seen(objects, tag) : NULL;
  pointer->kind = !tag ? MLAAS_POINTER_NULL : seen && seen->object ? MLAAS_POINTER_KNOWN : MLAAS_POINTER_LOST;
  if (seen && seen->object) {
    pointer->object = seen->object;
    pointer->type = seen->type;
  }
  if (pointer->end >= 0)
    mlaas_cursor_seek(objects->cursor, pointer->end);
}

enum mlaas_status mlaas_objects_begin(struct mlaas_objects *objects, struct mlaas_pointer *pointer) {
  struct mlaas_cursor *cursor = objects->cursor;
  *pointer = (struct mlaas_pointer){.start = cursor->position, .end = -1};
  uint32_t tag = mlaas_cursor_u32(cursor);
  if ((tag & BYTE_COUNT) && tag != NEW_CLASS) {
    int64_t count = tag & ~BYTE_COUNT;
    if (count > mlaas_cursor_left(cursor))
      return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an object says it has %lld bytes but %lld are left",
                               (long long)count, (long long)mlaas_cursor_left(cursor));
    pointer->end = cursor->position + count;
    tag = mlaas_cursor_u32(cursor);
  }
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  if (!(tag & OLD_CLASS)) {
    read_reference(objects, tag, pointer);
    return cursor->status;
  }
  pointer->kind = MLAAS_POINTER_NEW;
  pointer->class_name = tag == NEW_CLASS ? read_class(cursor) : find_class(objects, tag);
  if (cursor->status == MLAAS_OK && !pointer->class_name)
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an object refers to a class at %u that is not there",
                             (unsigned)(tag & ~OLD_CLASS));
  if (cursor->status == MLAAS_OK)
    fail_with(cursor, mlaas_budget_check(objects->budget, MLAAS_CEILING_NESTING, ++objects->depth, cursor->error));
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  pointer->index = remember(objects, pointer->start + objects->origin + MAP_OFFSET);
  return cursor->status;
}

void mlaas_objects_bind(struct mlaas_objects *objects, const struct mlaas_pointer *pointer, void *object, int type) {
  if (objects->cursor->status != MLAAS_OK)
    return;
  struct seen *seen = (struct seen *)objects->seen.data + pointer->index;
  seen->object = object;
  seen->type = type;
}

enum mlaas_status mlaas_objects_end(struct mlaas_objects *objects, const struct mlaas_pointer *pointer) {
  struct mlaas_cursor *cursor = objects->cursor;
  if (cursor->status != MLAAS_OK || pointer->kind != MLAAS_POINTER_NEW)
    return cursor->status;
  objects->depth--;
  struct mlaas_frame frame = {.start = pointer->start, .end = pointer->end};
  mlaas_cursor_leave(cursor, &frame);
  return cursor->status;
}

enum mlaas_status mlaas_objects_skip(struct mlaas_objects *objects) {
  struct mlaas_pointer pointer;
  MLAAS_TRY(mlaas_objects_begin(objects, &pointer));
  if (pointer.kind == MLAAS_POINTER_NEW && pointer.end < 0)
    return mlaas_cursor_fail(objects->cursor, MLAAS_UNSUPPORTED, "a %s without a byte count cannot be skipped",
                             pointer.class_name);
  return mlaas_objects_end(objects, &pointer);
}

void mlaas_cursor_tobject(struct mlaas_cursor *cursor) {
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  mlaas_cursor_skip(cursor, 4); /* fUniqueID */
  uint32_t bits = mlaas_cursor_u32(cursor);
  if (bits & IS_REFERENCED)
    mlaas_cursor_skip(cursor, 2);
  mlaas_cursor_leave(cursor, &frame);
}

struct mlaas_named mlaas_cursor_tnamed(struct mlaas_cursor *cursor) {
  struct mlaas_named named = {0};
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  mlaas_cursor_tobject(cursor);
  named.name = mlaas_cursor_string(cursor, &named.name_length);
  named.title = mlaas_cursor_string(cursor, &named.title_length);
  mlaas_cursor_leave(cursor, &frame);
  return named;
}

static int32_t checked_count(struct mlaas_cursor *cursor, int32_t count) {
  if (cursor->status == MLAAS_OK && (count < 0 || count > mlaas_cursor_left(cursor) / 4))
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a list of %d objects does not fit into the %lld bytes left", count,
                      (long long)mlaas_cursor_left(cursor));
  return cursor->status == MLAAS_OK ? count : 0;
}

int32_t mlaas_cursor_array(struct mlaas_cursor *cursor, struct mlaas_frame *frame) {
  int64_t length;
  *frame = mlaas_cursor_frame(cursor);
  if (frame->version > 2)
    mlaas_cursor_tobject(cursor);
  if (frame->version > 1)
    mlaas_cursor_string(cursor, &length);
  int32_t count = mlaas_cursor_i32(cursor);
  mlaas_cursor_skip(cursor, 4); /* lower bound */
  return checked_count(cursor, count);
}

int32_t mlaas_cursor_list(struct mlaas_cursor *cursor, struct mlaas_frame *frame) {
  int64_t length;
  *frame = mlaas_cursor_frame(cursor);
  if (frame->version > 3) {
    mlaas_cursor_tobject(cursor);
    mlaas_cursor_string(cursor, &length);
  }
  return checked_count(cursor, mlaas_cursor_i32(cursor));
}
