/* Friends, indices and the files of chains, out of a tree's record. Must not open other files. */
#include "rootio/tree/links.h"

#include "base/error.h"
#include "rootio/record/layout.h"

#include <string.h>

struct reader {
  struct mlaas_links *links;
  struct mlaas_layouts *layouts;
  struct mlaas_cursor cursor;
  struct mlaas_objects objects;
  struct mlaas_error *error;
};

static enum mlaas_status fail(struct reader *reader, enum mlaas_status status) {
  if (reader->cursor.status == MLAAS_OK)
    reader->cursor.status = status;
  return reader->cursor.status;
}

static void *allocate(struct reader *reader, int64_t count, size_t size) {
  void *memory = mlaas_arena_alloc(&reader->links->arena, (size_t)count, size, reader->error);
  if (!memory)
    fail(reader, reader->error->status);
  return memory;
}

static const char *copy_text(struct reader *reader, const char *text, int64_t length) {
  struct mlaas_error error;
  if (!text || reader->cursor.status != MLAAS_OK)
    return "";
  const char *copy = mlaas_arena_strndup(&reader->links->arena, text, (size_t)length, &error);
  if (!copy)
    mlaas_cursor_fail(&reader->cursor, error.status, "%s", error.message);
  return copy ? copy : "";
}

static const char *value_text(struct reader *reader, const struct mlaas_value *value) {
  return copy_text(reader, (const char *)value->data, value->data ? value->number : 0);
}

/* ---- friends ---- */

static enum mlaas_status no_hook(void *context, enum mlaas_member member) {
  struct reader *reader = context;
  (void)member;
  return mlaas_objects_skip(&reader->objects);
}

static void read_friend(struct reader *reader, const char *class_name, struct mlaas_link *link) {
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  if (mlaas_layout_read(reader->layouts, class_name, &reader->objects, values, no_hook, reader) != MLAAS_OK)
    return;
  link->alias = value_text(reader, &values[MLAAS_MEMBER_name]);
  link->file = value_text(reader, &values[MLAAS_MEMBER_title]);
  link->table = value_text(reader, &values[MLAAS_MEMBER_fTreeName]);
  if (!link->table[0])
    link->table = link->alias;
}

/* fFriends: a pointer to a TList of TFriendElements, each with an option behind it. */
static enum mlaas_status read_friends(struct reader *reader) {
  struct mlaas_cursor *cursor = &reader->cursor;
  struct mlaas_pointer pointer;
  struct mlaas_frame frame;
  MLAAS_TRY(mlaas_objects_begin(&reader->objects, &pointer));
  if (pointer.kind != MLAAS_POINTER_NEW)
    return cursor->status;
  int32_t count = mlaas_cursor_list(cursor, &frame);
  struct mlaas_links *links = reader->links;
  links->friends = allocate(reader, count, sizeof *links->friends);
  for (int32_t i = 0; i < count && cursor->status == MLAAS_OK; i++) {
    struct mlaas_pointer element;
    int64_t length;
    if (mlaas_objects_begin(&reader->objects, &element) != MLAAS_OK)
      break;
    if (element.kind == MLAAS_POINTER_NEW && strcmp(element.class_name, "TFriendElement") == 0)
      read_friend(reader, element.class_name, &links->friends[links->num_friends++]);
    mlaas_objects_end(&reader->objects, &element);
    mlaas_cursor_string(cursor, &length);
  }
  return mlaas_objects_end(&reader->objects, &pointer);
}

/* ---- index ---- */

static int64_t *read_longs(struct reader *reader, int64_t count) {
  const uint8_t *bytes = mlaas_cursor_bytes(&reader->cursor, count * 8);
  int64_t *made = bytes ? allocate(reader, count, sizeof *made) : NULL;
  const struct mlaas_value value = {count, bytes, 8};
  for (int64_t i = 0; made && i < count; i++)
    made[i] = mlaas_value_item(&value, i);
  return made;
}

/* Version 1 had both numbers in one. */
static void split_pairs(struct reader *reader, struct mlaas_tree_index *index) {
  index->minors = allocate(reader, index->count, sizeof *index->minors);
  for (int64_t i = 0; index->minors && i < index->count; i++) {
    index->minors[i] = index->majors[i] & 0x7fffffff;
    index->majors[i] >>= 31;
  }
}

static int compare_pairs(int64_t major_a, int64_t minor_a, int64_t major_b, int64_t minor_b) {
  if (major_a != major_b)
    return major_a < major_b ? -1 : 1;
  return minor_a < minor_b ? -1 : minor_a > minor_b;
}

static void check_order(struct reader *reader, const struct mlaas_tree_index *index) {
  for (int64_t i = 1; i < index->count; i++)
    if (compare_pairs(index->majors[i - 1], index->minors[i - 1], index->majors[i], index->minors[i]) > 0) {
      mlaas_cursor_fail(&reader->cursor, MLAAS_FORMAT, "pair %lld of the tree's index is smaller than the one before",
                        (long long)i);
      return;
    }
}

/* TTreeIndex streams itself: no flags in front of its arrays. */
static void decode_index(struct reader *reader, struct mlaas_tree_index *index) {
  struct mlaas_cursor *cursor = &reader->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor), base = mlaas_cursor_frame(cursor);
  mlaas_cursor_tnamed(cursor);
  mlaas_cursor_leave(cursor, &base);
  int64_t length;
  const char *text = mlaas_cursor_string(cursor, &length);
  index->major = copy_text(reader, text, length);
  text = mlaas_cursor_string(cursor, &length);
  index->minor = copy_text(reader, text, length);
  index->count = mlaas_cursor_i64(cursor);
  if (cursor->status == MLAAS_OK && (index->count < 0 || index->count > mlaas_cursor_left(cursor) / 16)) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "an index of %lld entries does not fit", (long long)index->count);
    return;
  }
  index->majors = read_longs(reader, index->count);
  if (frame.version > 1)
    index->minors = read_longs(reader, index->count);
  else if (index->majors)
    split_pairs(reader, index);
  index->entries = read_longs(reader, index->count);
  mlaas_cursor_leave(cursor, &frame);
  if (cursor->status == MLAAS_OK)
    check_order(reader, index);
}

static enum mlaas_status read_index(struct reader *reader) {
  struct mlaas_pointer pointer;
  MLAAS_TRY(mlaas_objects_begin(&reader->objects, &pointer));
  if (pointer.kind != MLAAS_POINTER_NEW)
    return reader->cursor.status;
  if (strcmp(pointer.class_name, "TTreeIndex") == 0) {
    reader->links->index = allocate(reader, 1, sizeof *reader->links->index);
    if (reader->links->index)
      decode_index(reader, reader->links->index);
  } else {
    reader->links->index_fault = mlaas_arena_format(&reader->links->arena, reader->error,
                                                    "its index is a %s, which is not read", pointer.class_name);
    if (!reader->links->index_fault)
      return fail(reader, reader->error->status);
  }
  return mlaas_objects_end(&reader->objects, &pointer);
}

/* ---- chains ---- */

/* fFiles: a TObjArray of TChainElements, whose name is the tree and whose title is the file. */
static enum mlaas_status read_files(struct reader *reader) {
  struct mlaas_cursor *cursor = &reader->cursor;
  struct mlaas_frame frame;
  struct mlaas_links *links = reader->links;
  int32_t count = mlaas_cursor_array(cursor, &frame);
  links->parts = allocate(reader, count, sizeof *links->parts);
  for (int32_t i = 0; i < count && cursor->status == MLAAS_OK; i++) {
    struct mlaas_pointer element;
    if (mlaas_objects_begin(&reader->objects, &element) != MLAAS_OK || element.kind != MLAAS_POINTER_NEW)
      continue;
    struct mlaas_frame own = mlaas_cursor_frame(cursor);
    struct mlaas_named named = mlaas_cursor_tnamed(cursor);
    mlaas_cursor_leave(cursor, &own);
    if (cursor->status == MLAAS_OK && links->parts)
      links->parts[links->num_parts++] = (struct mlaas_link){"", copy_text(reader, named.name, named.name_length),
                                                             copy_text(reader, named.title, named.title_length)};
    mlaas_objects_end(&reader->objects, &element);
  }
  mlaas_cursor_leave(cursor, &frame);
  return cursor->status;
}

/* ---- the tree around them ---- */

static enum mlaas_status tree_hook(void *context, enum mlaas_member member) {
  struct reader *reader = context;
  switch (member) {
  case MLAAS_MEMBER_fFriends:
    return read_friends(reader);
  case MLAAS_MEMBER_fTreeIndex:
    return read_index(reader);
  case MLAAS_MEMBER_fFiles:
    return read_files(reader);
  default: /* fBranches, fLeaves */
    break;
  }
  struct mlaas_frame frame = mlaas_cursor_frame(&reader->cursor);
  mlaas_cursor_leave(&reader->cursor, &frame);
  return reader->cursor.status;
}

enum mlaas_status mlaas_links_read(struct mlaas_container *container, const struct mlaas_streamers *streamers,
                                   const struct mlaas_key *key, struct mlaas_links *links, struct mlaas_error *error) {
  struct mlaas_block payload;
  struct mlaas_value values[MLAAS_MEMBER_COUNT];
  struct reader reader = {.links = links, .error = error};
  *links = (struct mlaas_links){0};
  MLAAS_TRY(mlaas_key_payload(container, key, &payload, error));
  mlaas_arena_init(&links->arena, container->budget);
  reader.layouts = mlaas_layouts_new(streamers, &links->arena, error);
  enum mlaas_status status = reader.layouts ? MLAAS_OK : error->status;
  if (status == MLAAS_OK) {
    mlaas_layouts_want_links(reader.layouts);
    mlaas_cursor_init(&reader.cursor, payload.data, payload.size, -1, error);
    mlaas_objects_init(&reader.objects, &reader.cursor, key->key_len, container->budget);
    status = mlaas_layout_read(reader.layouts, key->class_name, &reader.objects, values, tree_hook, &reader);
    mlaas_objects_reset(&reader.objects);
  }
  mlaas_block_reset(&payload);
  if (status != MLAAS_OK)
    mlaas_links_reset(links);
  return status;
}

void mlaas_links_reset(struct mlaas_links *links) {
  mlaas_arena_reset(&links->arena);
  *links = (struct mlaas_links){0};
}

int64_t mlaas_tree_index_find(const struct mlaas_tree_index *index, int64_t major, int64_t minor) {
  int64_t low = 0, high = index->count;
  while (low < high) { /* the first that is not smaller, as ROOT takes it where pairs are not unique */
    int64_t middle = low + (high - low) / 2;
    if (compare_pairs(index->majors[middle], index->minors[middle], major, minor) < 0)
      low = middle + 1;
    else
      high = middle;
  }
  if (low < index->count && index->majors[low] == major && index->minors[low] == minor)
    return index->entries[low];
  return -1;
}
