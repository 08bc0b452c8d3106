/* The keys of a file that are no tables. Must not know how an object is read. */
#include "rootio/table.h"

#include <mlaas/object.h>
#include <string.h>

bool mlaas_file_is_object(const struct mlaas_file *file, const struct mlaas_key *key) {
  static const char *const others[] = {"TDirectory", "TDirectoryFile", "ROOT::RNTuple", "ROOT::Experimental::RNTuple"};
  for (size_t i = 0; i < sizeof others / sizeof *others; i++)
    if (strcmp(key->class_name, others[i]) == 0)
      return false;
  return !mlaas_tree_is_tree(&file->streamers, key->class_name);
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
