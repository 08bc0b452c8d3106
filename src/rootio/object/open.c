/* An object: found in its file, read, and looked into. Must not know how bytes become items. */
#include "base/error.h"
#include "rootio/object/value.h"
#include "rootio/table/table.h"

#include <stdio.h>
#include <string.h>

void mlaas_object_close(struct mlaas_object *object) {
  if (!object)
    return;
  mlaas_arena_reset(&object->arena);
  mlaas_file_close(object->file);
  mlaas_free(object);
}

/* ---- which object ---- */

static bool is_table(const struct mlaas_file *file, const char *path) {
  size_t length = strlen(path);
  for (size_t i = 0; i < file->num_tables; i++) {
    const char *full = file->tables[i].path;
    if (strncmp(full, path, length) == 0 && (full[length] == '\0' || full[length] == ';'))
      return true;
  }
  return false;
}

static enum mlaas_status no_such_object(const struct mlaas_file *file, const char *path, struct mlaas_error *error) {
  if (is_table(file, path))
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is a table; open it as one", path);
  const char **names = mlaas_alloc((file->num_objects + 1) * sizeof *names);
  if (!names)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a list of objects");
  char asked[256]; /* with a cycle, as the names have it */
  snprintf(asked, sizeof asked, "%s%s", path, strchr(path, ';') ? "" : ";1");
  for (size_t i = 0; i < file->num_objects; i++)
    names[i] = file->objects[i].path;
  const char *nearest = mlaas_nearest(asked, names, file->num_objects);
  mlaas_free(names);
  if (nearest)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no object %s; did you mean %s?", path, nearest);
  return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no object %s among the %zu of the file", path, file->num_objects);
}

/* ---- reading ---- */

enum mlaas_status mlaas_object_decode(const struct mlaas_streamers *streamers, int32_t file_version,
                                      const char *class_name, const void *data, int64_t size, int64_t key_len,
                                      struct mlaas_arena *arena, struct mlaas_item *item, struct mlaas_error *error) {
  struct mlaas_record record = {.streamers = streamers, .file_version = file_version, .arena = arena, .error = error};
  mlaas_cursor_init(&record.cursor, data, size, -1, error);
  mlaas_objects_init(&record.objects, &record.cursor, key_len, arena->budget);
  *item = (struct mlaas_item){0};
  mlaas_record_object(&record, class_name, item);
  mlaas_objects_reset(&record.objects);
  if (record.cursor.status != MLAAS_OK)
    return record.cursor.status;
  if (item->kind == MLAAS_ITEM_UNREADABLE)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s", item->as.reason);
  if (record.cursor.position != size)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the description of %s leaves %lld of its %lld bytes over", class_name,
                      (long long)(size - record.cursor.position), (long long)size);
  return MLAAS_OK;
}

static enum mlaas_status read_object(struct mlaas_object *object, struct mlaas_error *error) {
  struct mlaas_file *file = object->file;
  const struct mlaas_key *key = object->entry->key;
  struct mlaas_block payload;
  MLAAS_TRY(mlaas_key_payload(&file->container, key, &payload, error));
  enum mlaas_status status =
      mlaas_object_decode(&file->streamers, file->container.version, key->class_name, payload.data, key->object_len,
                          key->key_len, &object->arena, &object->item, error);
  mlaas_block_reset(&payload);
  return status;
}

enum mlaas_status mlaas_object_open(struct mlaas_file *file, const char *path, struct mlaas_object **object,
                                    struct mlaas_error *error) {
  struct mlaas_error local;
  error = error ? error : &local;
  const char *url = mlaas_file_url(file);
  while (*path == '/')
    path++;
  const struct mlaas_file_table *entry = mlaas_file_find_object(file, path);
  if (!entry)
    return mlaas_fail_in(error, no_such_object(file, path, error), "%s", url);
  struct mlaas_object *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for an object");
  made->file = mlaas_file_get(file);
  made->entry = entry;
  mlaas_arena_init(&made->arena, file->container.budget);
  enum mlaas_status status = read_object(made, error);
  if (status == MLAAS_OK) {
    *object = made;
    return MLAAS_OK;
  }
  mlaas_object_close(made);
  mlaas_fail_in(error, status, "%s", entry->path);
  return mlaas_fail_in(error, status, "%s", url);
}

/* ---- looking into it ---- */

void mlaas_object_info(const struct mlaas_object *object, struct mlaas_object_info *info) {
  mlaas_file_object(object->file, (size_t)(object->entry - object->file->objects), info);
}

const struct mlaas_item *mlaas_object_item(const struct mlaas_object *object) { return &object->item; }

static const struct mlaas_item *follow(const struct mlaas_item *item) {
  while (item && item->kind == MLAAS_ITEM_REFERENCE)
    item = item->as.target;
  return item;
}

static const struct mlaas_item *find_member(const struct mlaas_item *item, const char *name, size_t length) {
  if (!item || item->kind != MLAAS_ITEM_OBJECT)
    return NULL;
  for (int64_t i = item->count - 1; i >= 0; i--)
    if (strncmp(item->as.members[i].name, name, length) == 0 && item->as.members[i].name[length] == '\0')
      return follow(&item->as.members[i].item);
  return NULL;
}

const struct mlaas_item *mlaas_item_find(const struct mlaas_item *item, const char *name) {
  item = follow(item);
  const struct mlaas_item *whole = find_member(item, name, strlen(name));
  for (const char *dot = whole ? NULL : strchr(name, '.'); item && dot; dot = strchr(name, '.')) {
    item = find_member(item, name, (size_t)(dot - name));
    name = dot + 1;
  }
  return whole ? whole : find_member(item, name, strlen(name));
}
