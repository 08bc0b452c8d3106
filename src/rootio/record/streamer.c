/* Decodes the file's list of TStreamerInfo. The classes that describe classes are known here by heart; all else in a
 * file is described by what this returns. */
#include "rootio/record/streamer.h"

#include "base/error.h"
#include "rootio/record/pointer.h"

#include <stdlib.h>
#include <string.h>

struct reading {
  struct mlaas_objects objects;
  struct mlaas_cursor cursor;
  struct mlaas_arena *arena;
  struct mlaas_error *error;
};

static const char *keep(struct reading *reading, const char *text, int64_t length) {
  if (reading->cursor.status != MLAAS_OK)
    return "";
  const char *copy = mlaas_arena_strndup(reading->arena, text ? text : "", (size_t)length, reading->error);
  if (!copy)
    reading->cursor.status = reading->error->status;
  return copy ? copy : "";
}

static const char *keep_string(struct reading *reading) {
  int64_t length;
  const char *text = mlaas_cursor_string(&reading->cursor, &length);
  return keep(reading, text, length);
}

/* TStreamerElement, the base of all of them. */
static void read_element_base(struct reading *reading, struct mlaas_streamer_element *element) {
  struct mlaas_cursor *cursor = &reading->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_named named = mlaas_cursor_tnamed(cursor);
  element->name = keep(reading, named.name, named.name_length);
  element->title = keep(reading, named.title, named.title_length);
  element->type = mlaas_cursor_i32(cursor);
  element->size = mlaas_cursor_i32(cursor);
  element->array_length = mlaas_cursor_i32(cursor);
  element->array_dim = mlaas_cursor_i32(cursor);
  int32_t dims = frame.version == 1 ? mlaas_cursor_i32(cursor) : 5;
  for (int32_t i = 0; i < dims && cursor->status == MLAAS_OK; i++) {
    int32_t index = mlaas_cursor_i32(cursor);
    if (i < 5)
      element->max_index[i] = index;
  }
  element->type_name = keep_string(reading);
  mlaas_cursor_leave(cursor, &frame); /* version 3 has a range behind it, which the title has too */
}

static bool kind_is(const struct mlaas_streamer_element *element, const char *kind) {
  return strcmp(element->kind, kind) == 0;
}

/* What the derived class adds. Kinds that are not named here add nothing. */
static void read_element_rest(struct reading *reading, struct mlaas_streamer_element *element, int16_t version) {
  struct mlaas_cursor *cursor = &reading->cursor;
  if (kind_is(element, "TStreamerBase")) {
    element->base_checksum = (uint32_t)element->max_index[0];
    element->base_version = version > 2 ? mlaas_cursor_i32(cursor) : -1;
  } else if (kind_is(element, "TStreamerBasicPointer") || kind_is(element, "TStreamerLoop")) {
    mlaas_cursor_skip(cursor, 4); /* version of the class that has the counter */
    element->count_name = keep_string(reading);
    element->count_class = keep_string(reading);
  } else if (kind_is(element, "TStreamerSTL") || kind_is(element, "TStreamerSTLstring")) {
    element->stl_type = mlaas_cursor_i32(cursor);
    element->content_type = mlaas_cursor_i32(cursor);
  }
}

static void read_element(struct reading *reading, const char *class_name, struct mlaas_streamer_element *element) {
  struct mlaas_cursor *cursor = &reading->cursor;
  element->kind = keep(reading, class_name, (int64_t)strlen(class_name));
  element->count_name = element->count_class = "";
  struct mlaas_frame frame = mlaas_cursor_frame(cursor), inner = {.end = -1};
  if (kind_is(element, "TStreamerSTLstring")) /* derives from TStreamerSTL */
    inner = mlaas_cursor_frame(cursor);
  read_element_base(reading, element);
  read_element_rest(reading, element, frame.version);
  mlaas_cursor_leave(cursor, &inner);
  mlaas_cursor_leave(cursor, &frame);
}

static void read_elements(struct reading *reading, struct mlaas_streamer_info *info) {
  struct mlaas_cursor *cursor = &reading->cursor;
  struct mlaas_frame frame;
  int32_t count = mlaas_cursor_array(cursor, &frame);
  info->elements = mlaas_arena_alloc(reading->arena, (size_t)count, sizeof *info->elements, reading->error);
  if (!info->elements)
    cursor->status = reading->error->status;
  for (int32_t i = 0; i < count && cursor->status == MLAAS_OK; i++) {
    struct mlaas_pointer pointer;
    if (mlaas_objects_begin(&reading->objects, &pointer) != MLAAS_OK)
      return;
    if (pointer.kind == MLAAS_POINTER_NEW && strncmp(pointer.class_name, "TStreamer", 9) == 0)
      read_element(reading, pointer.class_name, &info->elements[info->num_elements++]);
    mlaas_objects_end(&reading->objects, &pointer);
  }
  mlaas_cursor_leave(cursor, &frame);
}

static void read_info(struct reading *reading, struct mlaas_streamer_info *info) {
  struct mlaas_cursor *cursor = &reading->cursor;
  struct mlaas_frame frame = mlaas_cursor_frame(cursor);
  struct mlaas_named named = mlaas_cursor_tnamed(cursor);
  info->name = keep(reading, named.name, named.name_length);
  info->checksum = mlaas_cursor_u32(cursor);
  info->version = mlaas_cursor_i32(cursor);
  struct mlaas_pointer array;
  if (mlaas_objects_begin(&reading->objects, &array) != MLAAS_OK)
    return;
  if (array.kind == MLAAS_POINTER_NEW && strcmp(array.class_name, "TObjArray") == 0)
    read_elements(reading, info);
  mlaas_objects_end(&reading->objects, &array);
  mlaas_cursor_leave(cursor, &frame);
}

static void read_list(struct reading *reading, struct mlaas_streamers *streamers) {
  struct mlaas_cursor *cursor = &reading->cursor;
  struct mlaas_frame frame;
  int32_t count = mlaas_cursor_list(cursor, &frame);
  streamers->infos = mlaas_arena_alloc(reading->arena, (size_t)count, sizeof *streamers->infos, reading->error);
  if (!streamers->infos)
    cursor->status = reading->error->status;
  for (int32_t i = 0; i < count && cursor->status == MLAAS_OK; i++) {
    struct mlaas_pointer pointer;
    int64_t option;
    if (mlaas_objects_begin(&reading->objects, &pointer) != MLAAS_OK)
      return;
    if (pointer.kind == MLAAS_POINTER_NEW && strcmp(pointer.class_name, "TStreamerInfo") == 0)
      read_info(reading, &streamers->infos[streamers->num_infos++]);
    mlaas_objects_end(&reading->objects, &pointer); /* a TList here holds read rules: not for us */
    mlaas_cursor_string(cursor, &option);
  }
}

static int compare(const char *name, int32_t version, const struct mlaas_streamer_info *info) {
  int order = strcmp(name, info->name);
  return order ? order : (version > info->version) - (version < info->version);
}

static int compare_infos(const void *left, const void *right) {
  const struct mlaas_streamer_info *info = left;
  return compare(info->name, info->version, right);
}

enum mlaas_status mlaas_streamers_read(struct mlaas_container *container, struct mlaas_streamers *streamers,
                                       struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_block payload;
  struct reading reading = {.arena = &container->arena, .error = error ? error : &ignored};
  const struct mlaas_key *key = &container->streamer_key;
  *streamers = (struct mlaas_streamers){0};
  if (key->offset == 0)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_fail_in(error, mlaas_key_payload(container, key, &payload, reading.error), "streamer info"));
  mlaas_cursor_init(&reading.cursor, payload.data, payload.size, -1, reading.error);
  mlaas_objects_init(&reading.objects, &reading.cursor, key->key_len, container->budget);
  read_list(&reading, streamers);
  mlaas_objects_reset(&reading.objects);
  mlaas_block_reset(&payload);
  if (reading.cursor.status != MLAAS_OK)
    *streamers = (struct mlaas_streamers){0};
  if (streamers->num_infos)
    qsort(streamers->infos, streamers->num_infos, sizeof *streamers->infos, compare_infos);
  return mlaas_fail_in(error, reading.cursor.status, "streamer info");
}

enum mlaas_status mlaas_streamers_parse(const uint8_t *bytes, int64_t size, struct mlaas_arena *arena,
                                        struct mlaas_streamers *streamers, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct mlaas_pointer list;
  struct reading reading = {.arena = arena, .error = error ? error : &ignored};
  *streamers = (struct mlaas_streamers){0};
  mlaas_cursor_init(&reading.cursor, bytes, size, -1, reading.error);
  mlaas_objects_init(&reading.objects, &reading.cursor, 0, arena->budget);
  if (mlaas_objects_begin(&reading.objects, &list) == MLAAS_OK && list.kind == MLAAS_POINTER_NEW &&
      strcmp(list.class_name, "TList") == 0)
    read_list(&reading, streamers);
  mlaas_objects_reset(&reading.objects);
  if (reading.cursor.status != MLAAS_OK)
    *streamers = (struct mlaas_streamers){0};
  if (streamers->num_infos)
    qsort(streamers->infos, streamers->num_infos, sizeof *streamers->infos, compare_infos);
  return mlaas_fail_in(error, reading.cursor.status, "streamer info");
}

/* The first info that is not below (name, version). */
static size_t lower_bound(const struct mlaas_streamers *streamers, const char *name, int32_t version) {
  size_t low = 0, high = streamers->num_infos;
  while (low < high) {
    size_t middle = low + (high - low) / 2;
    if (compare(name, version, &streamers->infos[middle]) > 0)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

const struct mlaas_streamer_info *mlaas_streamers_find(const struct mlaas_streamers *streamers, const char *name,
                                                       int32_t version, uint32_t checksum) {
  const struct mlaas_streamer_info *best = NULL;
  size_t i = lower_bound(streamers, name, version > 0 ? version : INT32_MIN);
  for (; i < streamers->num_infos && strcmp(streamers->infos[i].name, name) == 0; i++) {
    const struct mlaas_streamer_info *info = &streamers->infos[i];
    if (version > 0)
      return info->version == version ? info : NULL;
    if (checksum && info->checksum == checksum)
      return info;
    if (!checksum)
      best = info;
  }
  return best;
}
