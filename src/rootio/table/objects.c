/* The keys of a file that are no tables, and which of them a path means. Must not know how an object is read. */
#include "rootio/table/table.h"

#include "base/error.h"

#include <mlaas/object.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

bool mlaas_file_is_directory(const struct mlaas_key *key) {
  return strcmp(key->class_name, "TDirectory") == 0 || strcmp(key->class_name, "TDirectoryFile") == 0;
}

size_t mlaas_file_num_objects(const struct mlaas_file *file) { return file->num_objects; }

void mlaas_file_object(const struct mlaas_file *file, size_t i, struct mlaas_object_info *info) {
  const struct mlaas_file_table *entry = &file->objects[i];
  *info = (struct mlaas_object_info){.path = entry->path,
                                     .class_name = entry->key->class_name,
                                     .title = entry->key->title,
                                     .stored_bytes = (int64_t)entry->key->num_bytes - entry->key->key_len,
                                     .raw_bytes = entry->key->object_len};
}

/* ---- by path ---- */

/* True if `path` is an object's, of `length` bytes, with or without its cycle. */
static bool is_path_of(const struct mlaas_file_table *entry, const char *path, size_t length) {
  size_t whole = strlen(entry->path), bare = (size_t)(strrchr(entry->path, ';') - entry->path);
  return (length == whole || length == bare) && memcmp(entry->path, path, length) == 0;
}

/* Slot of `path`: where it is, or the free one where it would go. */
static uint32_t *slot_of(const struct mlaas_file *file, const char *path, size_t length) {
  size_t at = XXH3_64bits(path, length) & (file->object_slots - 1);
  while (file->object_index[at] && !is_path_of(&file->objects[file->object_index[at] - 1], path, length))
    at = (at + 1) & (file->object_slots - 1);
  return &file->object_index[at];
}

enum mlaas_status mlaas_file_index_objects(struct mlaas_file *file, struct mlaas_error *error) {
  file->object_slots = 16;
  while (file->object_slots < 4 * file->num_objects)
    file->object_slots *= 2;
  file->object_index = mlaas_arena_alloc(&file->container.arena, file->object_slots, sizeof(uint32_t), error);
  if (!file->object_index)
    return error->status;
  for (size_t i = 0; i < file->num_objects; i++) {
    const char *path = file->objects[i].path;
    uint32_t *whole = slot_of(file, path, strlen(path));
    *whole = *whole ? *whole : (uint32_t)i + 1;
    uint32_t *bare = slot_of(file, path, (size_t)(strrchr(path, ';') - path));
    if (!*bare || file->objects[*bare - 1].key->cycle < file->objects[i].key->cycle)
      *bare = (uint32_t)i + 1;
  }
  return MLAAS_OK;
}

const struct mlaas_file_table *mlaas_file_find_object(const struct mlaas_file *file, const char *path) {
  uint32_t found = *slot_of(file, path, strlen(path));
  return found ? &file->objects[found - 1] : NULL;
}
