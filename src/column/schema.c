/* Arrow schemas that own their strings and children. Must not know where the columns come from. */
#include "column/arrow.h"

#include "base/error.h"

#include <string.h>

/* Everything a schema owns, in one piece of heap each. */
struct schema_owned {
  char *format, *name, *metadata;
  struct ArrowSchema *children;
  struct ArrowSchema **pointers;
};

static void free_owned(struct schema_owned *owned) {
  if (!owned)
    return;
  mlaas_free(owned->format);
  mlaas_free(owned->name);
  mlaas_free(owned->metadata);
  mlaas_free(owned->children);
  mlaas_free(owned->pointers);
  mlaas_free(owned);
}

static void release_schema(struct ArrowSchema *schema) {
  for (int64_t i = 0; i < schema->n_children; i++)
    mlaas_schema_release(schema->children[i]); /* a moved child has no release any more */
  free_owned(schema->private_data);
  *schema = (struct ArrowSchema){0};
}

void mlaas_schema_release(struct ArrowSchema *schema) {
  if (schema->release)
    schema->release(schema);
}

static bool own_children(struct schema_owned *owned, size_t count) {
  if (count == 0)
    return true;
  owned->children = mlaas_alloc(count * sizeof *owned->children);
  owned->pointers = mlaas_alloc(count * sizeof *owned->pointers);
  for (size_t i = 0; owned->children && owned->pointers && i < count; i++)
    owned->pointers[i] = &owned->children[i];
  return owned->children && owned->pointers;
}

enum mlaas_status mlaas_schema_init(struct ArrowSchema *schema, const char *format, const char *name,
                                    size_t num_children, struct mlaas_error *error) {
  *schema = (struct ArrowSchema){0};
  struct schema_owned *owned = mlaas_alloc(sizeof *owned);
  if (owned) {
    owned->format = mlaas_strdup(format);
    owned->name = mlaas_strdup(name ? name : "");
  }
  if (!owned || !owned->format || !owned->name || !own_children(owned, num_children)) {
    free_owned(owned);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a schema of %zu columns", num_children);
  }
  schema->format = owned->format;
  schema->name = owned->name;
  schema->n_children = (int64_t)num_children;
  schema->children = owned->pointers;
  schema->release = release_schema;
  schema->private_data = owned;
  return MLAAS_OK;
}

/* ---- metadata: int32 count, then for each pair int32 length and bytes of key and of value, all native ---- */

static int32_t read_int(const char *at) {
  int32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static char *put_bytes(char *at, const char *bytes, size_t length) {
  int32_t stored = (int32_t)length;
  memcpy(at, &stored, sizeof stored);
  memcpy(at + sizeof stored, bytes, length);
  return at + sizeof stored + length;
}

/* The byte behind the last pair. */
static const char *metadata_end(const char *metadata) {
  const char *at = metadata + 4;
  for (int32_t left = 2 * read_int(metadata); left > 0; left--)
    at += 4 + read_int(at);
  return at;
}

enum mlaas_status mlaas_schema_annotate(struct ArrowSchema *schema, const char *key, const char *value,
                                        struct mlaas_error *error) {
  struct schema_owned *owned = schema->private_data;
  size_t key_length = strlen(key), value_length = strlen(value);
  size_t old = owned->metadata ? (size_t)(metadata_end(owned->metadata) - owned->metadata) : 4;
  char *metadata = mlaas_realloc(owned->metadata, old + 8 + key_length + value_length);
  if (!metadata)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the metadata of column %s", schema->name);
  int32_t pairs = owned->metadata ? read_int(metadata) + 1 : 1;
  memcpy(metadata, &pairs, sizeof pairs);
  put_bytes(put_bytes(metadata + old, key, key_length), value, value_length);
  owned->metadata = metadata;
  schema->metadata = metadata;
  return MLAAS_OK;
}

const char *mlaas_schema_metadata(const struct ArrowSchema *schema, const char *key, size_t *length) {
  if (!schema->metadata)
    return NULL;
  const char *at = schema->metadata + 4;
  for (int32_t left = read_int(schema->metadata); left > 0; left--) {
    int32_t key_length = read_int(at);
    const char *name = at + 4, *value = name + key_length;
    *length = (size_t)read_int(value);
    if ((size_t)key_length == strlen(key) && memcmp(name, key, (size_t)key_length) == 0)
      return value + 4;
    at = value + 4 + *length;
  }
  return NULL;
}
