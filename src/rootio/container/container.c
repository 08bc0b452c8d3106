/* Reads a TFile's header and the key lists of all its directories. Nothing in the file is believed before it has been
 * checked against the file's size; a directory is visited once, whatever points to it. */
#include "rootio/container/container.h"

#include "base/error.h"

#include <stdio.h>
#include <string.h>
#include <xxhash.h>

enum { HEAD_BYTES = 512, BIG_FILE = 1000000, BIG_KEY = 1000, KEY_FIXED = 26, DIRECTORY_BYTES = 64 };
enum { MOST_WARM = 256, WARM_BYTES = 1 << 20 }; /* directories of one list, and bytes of one record, fetched together */

/* The numbers of the file's header that lead further. */
struct header {
  int64_t begin, end, seek_info;
  int32_t version, compression, num_bytes_name, num_bytes_info;
  uint8_t uuid[16];
};

/* A directory's record: where its key list lies. */
struct directory {
  int64_t seek_keys;
  int32_t num_bytes_keys;
  uint8_t uuid[16];
  bool has_uuid;
};

/* What one walk over all directories carries along. */
struct walk {
  struct mlaas_container *container;
  struct mlaas_block keys; /* struct mlaas_key[capacity] while it grows */
  struct mlaas_block seen; /* hash set of record offsets, 0 is free */
  size_t num_seen, seen_slots;
  struct mlaas_error *error;
};

static int64_t word(struct mlaas_cursor *cursor, bool big) {
  return big ? mlaas_cursor_i64(cursor) : mlaas_cursor_i32(cursor);
}

static enum mlaas_status decode_header(const uint8_t *data, int64_t size, struct header *header,
                                       struct mlaas_error *error) {
  if (size < 64 || memcmp(data, "root", 4) != 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, 0, "this is not a ROOT file: it does not begin with 'root'%s",
                         size < 64 ? " and a header" : "");
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, data, size, 0, error);
  mlaas_cursor_skip(&cursor, 4);
  header->version = mlaas_cursor_i32(&cursor);
  bool big = header->version >= BIG_FILE;
  header->version -= big ? BIG_FILE : 0;
  header->begin = mlaas_cursor_i32(&cursor);
  header->end = word(&cursor, big);
  word(&cursor, big);            /* fSeekFree */
  mlaas_cursor_skip(&cursor, 8); /* fNbytesFree, nfree */
  header->num_bytes_name = mlaas_cursor_i32(&cursor);
  mlaas_cursor_skip(&cursor, 1); /* fUnits */
  header->compression = mlaas_cursor_i32(&cursor);
  header->seek_info = word(&cursor, big);
  header->num_bytes_info = mlaas_cursor_i32(&cursor);
  mlaas_cursor_skip(&cursor, 2); /* version of the UUID */
  const uint8_t *uuid = mlaas_cursor_bytes(&cursor, sizeof header->uuid);
  if (uuid)
    memcpy(header->uuid, uuid, sizeof header->uuid);
  return cursor.status;
}

/* ---- keys ---- */

enum mlaas_status mlaas_key_decode(struct mlaas_cursor *cursor, struct mlaas_key *key) {
  int64_t start = cursor->position, length;
  *key = (struct mlaas_key){.num_bytes = mlaas_cursor_i32(cursor)};
  key->version = mlaas_cursor_i16(cursor);
  bool big = key->version > BIG_KEY;
  key->object_len = mlaas_cursor_i32(cursor);
  key->date = mlaas_cursor_u32(cursor);
  key->key_len = mlaas_cursor_i16(cursor);
  key->cycle = mlaas_cursor_i16(cursor);
  key->offset = word(cursor, big);
  word(cursor, big); /* fSeekPdir */
  for (int i = 0; i < 3; i++)
    mlaas_cursor_string(cursor, &length);
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  int32_t fixed = KEY_FIXED + (big ? 8 : 0);
  if (key->key_len < fixed || key->num_bytes < key->key_len || key->object_len < 0) {
    mlaas_cursor_seek(cursor, start);
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT,
                             "the lengths of a key contradict each other: %d of a record of %d"
                             " bytes for an object of %d",
                             key->key_len, key->num_bytes, key->object_len);
  }
  return MLAAS_OK;
}

/* ROOT's string at the cursor, copied. */
static const char *copy_string(struct walk *walk, struct mlaas_cursor *cursor) {
  int64_t length;
  const char *text = mlaas_cursor_string(cursor, &length);
  if (!text)
    return NULL;
  char *copy = mlaas_arena_strndup(&walk->container->arena, text, (size_t)length, walk->error);
  if (!copy)
    cursor->status = MLAAS_MEMORY; /* the arena has written the error */
  return copy;
}

/* A key of a directory's list: the numbers, then the strings once more, to keep them. */
static enum mlaas_status decode_listed(struct walk *walk, struct mlaas_cursor *cursor, struct mlaas_key *key) {
  int64_t start = cursor->position;
  MLAAS_TRY(mlaas_key_decode(cursor, key));
  mlaas_cursor_seek(cursor, start + KEY_FIXED + (key->version > BIG_KEY ? 8 : 0));
  key->class_name = copy_string(walk, cursor);
  key->name = copy_string(walk, cursor);
  key->title = copy_string(walk, cursor);
  if (cursor->status == MLAAS_MEMORY)
    return walk->error->status;
  return cursor->status;
}

static enum mlaas_status append_key(struct walk *walk, const struct mlaas_key *key) {
  struct mlaas_container *container = walk->container;
  int64_t needed = (int64_t)((container->num_keys + 1) * sizeof *key);
  if (!walk->keys.data)
    MLAAS_TRY(mlaas_block_new(container->budget, 64 * (int64_t)sizeof *key, &walk->keys, walk->error));
  MLAAS_TRY(mlaas_block_grow(&walk->keys, needed, walk->error));
  memcpy((struct mlaas_key *)walk->keys.data + container->num_keys++, key, sizeof *key);
  return MLAAS_OK;
}

/* ---- directories ---- */

static size_t slot_of(const struct walk *walk, int64_t offset) {
  const int64_t *seen = walk->seen.data;
  size_t slot = (uint64_t)offset * 0x9E3779B97F4A7C15u >> 20 & (walk->seen_slots - 1);
  while (seen[slot] && seen[slot] != offset)
    slot = (slot + 1) & (walk->seen_slots - 1);
  return slot;
}

static enum mlaas_status grow_seen(struct walk *walk) {
  struct mlaas_block old = walk->seen;
  size_t old_slots = walk->seen_slots;
  size_t slots = old_slots ? old_slots * 2 : 64;
  walk->seen = (struct mlaas_block){0};
  enum mlaas_status status =
      mlaas_block_new(walk->container->budget, (int64_t)(slots * sizeof(int64_t)), &walk->seen, walk->error);
  if (status == MLAAS_OK) {
    memset(walk->seen.data, 0, slots * sizeof(int64_t));
    walk->seen_slots = slots;
    for (size_t i = 0; i < old_slots; i++) {
      int64_t offset = ((const int64_t *)old.data)[i];
      if (offset)
        ((int64_t *)walk->seen.data)[slot_of(walk, offset)] = offset;
    }
  }
  mlaas_block_reset(&old);
  return status;
}

/* Each list may be walked once: a second way to it is a cycle, or a file made to take for ever. */
static enum mlaas_status mark_seen(struct walk *walk, int64_t offset) {
  if (walk->num_seen * 2 >= walk->seen_slots)
    MLAAS_TRY(grow_seen(walk));
  int64_t *entry = (int64_t *)walk->seen.data + slot_of(walk, offset);
  if (*entry == offset)
    return mlaas_fail_at(walk->error, MLAAS_FORMAT, offset, "a directory's key list is reached in two ways");
  *entry = offset;
  walk->num_seen++;
  return MLAAS_OK;
}

static enum mlaas_status read_directory(struct walk *walk, int64_t offset, struct directory *directory) {
  uint8_t data[DIRECTORY_BYTES];
  struct mlaas_container *container = walk->container;
  int64_t end = mlaas_source_size(container->source);
  if (offset <= 0 || offset > end - 30)
    return mlaas_fail_at(walk->error, MLAAS_FORMAT, offset, "a directory should be here but the file has %lld bytes",
                         (long long)end);
  int64_t size = end - offset < DIRECTORY_BYTES ? end - offset : DIRECTORY_BYTES;
  MLAAS_TRY(mlaas_source_read_at(container->source, offset, size, data, walk->error));
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, data, size, offset, walk->error);
  int16_t version = mlaas_cursor_i16(&cursor);
  bool big = version > BIG_KEY;
  mlaas_cursor_skip(&cursor, 8); /* dates */
  directory->num_bytes_keys = mlaas_cursor_i32(&cursor);
  mlaas_cursor_skip(&cursor, 4 + (big ? 16 : 8)); /* fNbytesName, fSeekDir, fSeekParent */
  directory->seek_keys = word(&cursor, big);
  bool has_uuid = version % BIG_KEY > 1 && mlaas_cursor_left(&cursor) >= 18;
  mlaas_cursor_skip(&cursor, has_uuid ? 2 : 0);
  const uint8_t *uuid = has_uuid ? mlaas_cursor_bytes(&cursor, sizeof directory->uuid) : NULL;
  directory->has_uuid = uuid != NULL;
  if (uuid)
    memcpy(directory->uuid, uuid, sizeof directory->uuid);
  return cursor.status;
}

static bool is_directory(const char *class_name) {
  return strcmp(class_name, "TDirectory") == 0 || strcmp(class_name, "TDirectoryFile") == 0;
}

/* Where the directories lie that a list names, as far as it can be read and they are within the file. */
static size_t find_directories(const uint8_t *data, int64_t size, int64_t file_size, struct mlaas_range *found,
                               size_t most) {
  struct mlaas_error ignored;
  struct mlaas_cursor cursor;
  struct mlaas_key key;
  size_t count = 0;
  mlaas_cursor_init(&cursor, data, size, 0, &ignored);
  if (mlaas_key_decode(&cursor, &key) != MLAAS_OK)
    return 0;
  for (int32_t left = mlaas_cursor_i32(&cursor); left > 0 && count < most; left--) {
    int64_t start = cursor.position, length = 0;
    if (mlaas_key_decode(&cursor, &key) != MLAAS_OK)
      break;
    int64_t next = cursor.position;
    mlaas_cursor_seek(&cursor, start + KEY_FIXED + (key.version > BIG_KEY ? 8 : 0));
    const char *name = mlaas_cursor_string(&cursor, &length);
    mlaas_cursor_seek(&cursor, next);
    bool inside = key.offset >= 0 && key.offset <= file_size; /* before anything is added to it */
    if (inside && name &&
        ((length == 10 && memcmp(name, "TDirectory", 10) == 0) ||
         (length == 14 && memcmp(name, "TDirectoryFile", 14) == 0)))
      found[count++] = (struct mlaas_range){key.offset + key.key_len, DIRECTORY_BYTES, NULL};
  }
  return count;
}

/* From a server the directories of a list come in two round trips, instead of two for each. What is wrong with them is
 * said where they are read. */
static void warm_directories(struct mlaas_container *container, const uint8_t *data, int64_t size) {
  struct mlaas_range ranges[MOST_WARM];
  struct mlaas_error ignored = {0};
  struct walk walk = {.container = container, .error = &ignored};
  size_t lists = 0, count = 0;
  if (mlaas_source_is_remote(container->source))
    count = find_directories(data, size, mlaas_source_size(container->source), ranges, MOST_WARM);
  if (count < 2)
    return;
  mlaas_source_warm(container->source, ranges, count);
  for (size_t i = 0; i < count; i++) {
    struct directory directory;
    enum mlaas_status status = read_directory(&walk, ranges[i].offset, &directory);
    if (status != MLAAS_OK && status != MLAAS_FORMAT)
      return; /* the server's, which would cost as much for each */
    if (status == MLAAS_OK && directory.num_bytes_keys > 0 && directory.num_bytes_keys <= WARM_BYTES)
      ranges[lists++] = (struct mlaas_range){directory.seek_keys, directory.num_bytes_keys, NULL};
  }
  mlaas_source_warm(container->source, ranges, lists);
}

static enum mlaas_status walk_list(struct walk *walk, const struct directory *directory, const char *path, int depth);

static enum mlaas_status enter_directory(struct walk *walk, const struct mlaas_key *key, const char *path, int depth) {
  struct directory directory;
  MLAAS_TRY(mlaas_budget_check(walk->container->budget, MLAAS_CEILING_NESTING, depth + 1, walk->error));
  if (key->offset > mlaas_source_size(walk->container->source)) /* before anything is added to it */
    return mlaas_fail_at(walk->error, MLAAS_FORMAT, key->offset, "directory '%s' lies behind the file's %lld bytes",
                         key->name, (long long)mlaas_source_size(walk->container->source));
  MLAAS_TRY(read_directory(walk, key->offset + key->key_len, &directory));
  const char *inside =
      mlaas_arena_format(&walk->container->arena, walk->error, "%s%s%s", path, *path ? "/" : "", key->name);
  if (!inside)
    return walk->error->status;
  return mlaas_fail_in(walk->error, walk_list(walk, &directory, inside, depth + 1), "directory '%s'", key->name);
}

static enum mlaas_status decode_list(struct walk *walk, struct mlaas_cursor *cursor, const char *path, int depth) {
  struct mlaas_key list;
  MLAAS_TRY(mlaas_key_decode(cursor, &list));
  int32_t count = mlaas_cursor_i32(cursor);
  if (cursor->status == MLAAS_OK && (count < 0 || count > mlaas_cursor_left(cursor) / KEY_FIXED))
    return mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a list of %d keys does not fit", count);
  for (int32_t i = 0; i < count; i++) {
    struct mlaas_key key;
    MLAAS_TRY(decode_listed(walk, cursor, &key));
    key.directory = path;
    MLAAS_TRY(append_key(walk, &key));
    if (is_directory(key.class_name))
      MLAAS_TRY(enter_directory(walk, &key, path, depth));
  }
  return cursor->status;
}

static enum mlaas_status walk_list(struct walk *walk, const struct directory *directory, const char *path, int depth) {
  struct mlaas_container *container = walk->container;
  if (directory->seek_keys == 0)
    return MLAAS_OK; /* a directory that was never written out has no list */
  MLAAS_TRY(mark_seen(walk, directory->seek_keys));
  if (directory->seek_keys < 0 || directory->num_bytes_keys < 0 ||
      directory->num_bytes_keys > mlaas_source_size(container->source) - directory->seek_keys)
    return mlaas_fail_at(walk->error, MLAAS_FORMAT, directory->seek_keys,
                         "a key list of %d bytes should be here but the file has %lld in all: is it truncated?",
                         directory->num_bytes_keys, (long long)mlaas_source_size(container->source));
  struct mlaas_block data;
  MLAAS_TRY(mlaas_budget_check(container->budget, MLAAS_CEILING_METADATA, directory->num_bytes_keys, walk->error));
  MLAAS_TRY(mlaas_block_new(container->budget, directory->num_bytes_keys, &data, walk->error));
  enum mlaas_status status =
      mlaas_source_read_at(container->source, directory->seek_keys, directory->num_bytes_keys, data.data, walk->error);
  if (status == MLAAS_OK) {
    struct mlaas_cursor cursor;
    warm_directories(container, data.data, directory->num_bytes_keys);
    mlaas_cursor_init(&cursor, data.data, directory->num_bytes_keys, directory->seek_keys, walk->error);
    status = decode_list(walk, &cursor, path, depth);
  }
  mlaas_block_reset(&data);
  return status;
}

/* ---- opening ---- */

/* The same for every copy of a file. Files from before there were UUIDs get a hash of header and size instead. */
static void write_id(struct mlaas_container *container, const uint8_t *uuid, const uint8_t *head, size_t head_size) {
  static const uint8_t none[16];
  int64_t size = mlaas_source_size(container->source);
  XXH128_canonical_t hash;
  if (memcmp(uuid, none, 16) == 0) {
    XXH128_canonicalFromHash(&hash, XXH3_128bits_withSeed(head, head_size, (uint64_t)size));
    uuid = hash.digest;
  }
  char *text = container->id;
  for (int i = 0; i < 16; i++)
    text += snprintf(text, 4, i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
  snprintf(text, 24, ":%lld", (long long)size);
}

static enum mlaas_status read_streamer_key(struct mlaas_container *container, const struct header *header,
                                           struct mlaas_error *error) {
  uint8_t data[HEAD_BYTES];
  if (header->seek_info == 0 || header->num_bytes_info <= 0)
    return MLAAS_OK;
  int64_t size = header->num_bytes_info < HEAD_BYTES ? header->num_bytes_info : HEAD_BYTES;
  MLAAS_TRY(mlaas_source_read_at(container->source, header->seek_info, size, data, error));
  struct mlaas_cursor cursor;
  mlaas_cursor_init(&cursor, data, size, header->seek_info, error);
  MLAAS_TRY(mlaas_key_decode(&cursor, &container->streamer_key));
  container->streamer_key.offset = header->seek_info;
  return MLAAS_OK;
}

static enum mlaas_status read_all(struct walk *walk, const uint8_t *head, int64_t head_size) {
  struct mlaas_container *container = walk->container;
  struct header header = {0};
  struct directory root;
  MLAAS_TRY(decode_header(head, head_size, &header, walk->error));
  container->version = header.version;
  container->compression = header.compression;
  int64_t size = mlaas_source_size(container->source);
  container->end = header.end < size ? header.end : size;
  container->cut = header.end > size ? header.end - size : 0;
  MLAAS_TRY(read_directory(walk, header.begin + header.num_bytes_name, &root));
  write_id(container, root.has_uuid ? root.uuid : header.uuid, head, 64);
  struct mlaas_range known[] = {{root.seek_keys, root.num_bytes_keys, NULL},
                                {header.seek_info, header.num_bytes_info, NULL}};
  if (root.num_bytes_keys <= WARM_BYTES && header.num_bytes_info <= WARM_BYTES)
    mlaas_source_warm(container->source, known, 2); /* ROOT puts them where there is a gap, as if at random */
  MLAAS_TRY(walk_list(walk, &root, "", 0));
  MLAAS_TRY(read_streamer_key(container, &header, walk->error));
  container->keys = mlaas_arena_alloc(&container->arena, container->num_keys, sizeof *container->keys, walk->error);
  if (!container->keys)
    return walk->error->status;
  if (container->num_keys)
    memcpy(container->keys, walk->keys.data, container->num_keys * sizeof *container->keys);
  return MLAAS_OK;
}

enum mlaas_status mlaas_container_open(struct mlaas_container *container, struct mlaas_source *source,
                                       struct mlaas_budget *budget, struct mlaas_error *error) {
  uint8_t head[HEAD_BYTES] = {0};
  struct mlaas_error ignored;
  error = error ? error : &ignored;
  *container = (struct mlaas_container){.source = source, .budget = budget};
  mlaas_arena_init(&container->arena, budget);
  int64_t size = mlaas_source_size(source) < HEAD_BYTES ? mlaas_source_size(source) : HEAD_BYTES;
  struct walk walk = {.container = container, .error = error};
  enum mlaas_status status = mlaas_source_read_at(source, 0, size, head, error);
  if (status == MLAAS_OK)
    status = read_all(&walk, head, size);
  mlaas_block_reset(&walk.keys);
  mlaas_block_reset(&walk.seen);
  if (status != MLAAS_OK)
    mlaas_container_reset(container);
  return status;
}

void mlaas_container_reset(struct mlaas_container *container) {
  mlaas_arena_reset(&container->arena);
  mlaas_source_put(container->source);
  *container = (struct mlaas_container){0};
}

enum mlaas_status mlaas_key_payload(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_block *payload, struct mlaas_error *error) {
  int64_t stored = (int64_t)key->num_bytes - key->key_len;
  *payload = (struct mlaas_block){0};
  if (stored < 0 || key->offset <= 0 || key->offset > container->end || key->num_bytes > container->end - key->offset)
    return mlaas_fail_at(error, MLAAS_FORMAT, key->offset,
                         "a record of %d bytes should be here but the file ends at %lld: is it truncated?",
                         key->num_bytes, (long long)container->end);
  struct mlaas_block in, out = {0};
  struct mlaas_codec codec;
  MLAAS_TRY(mlaas_budget_check(container->budget, MLAAS_CEILING_METADATA, stored, error));
  MLAAS_TRY(mlaas_block_new(container->budget, stored, &in, error));
  mlaas_codec_init(&codec, container->budget);
  int64_t start = key->offset + key->key_len;
  enum mlaas_status status = mlaas_source_read_at(container->source, start, stored, in.data, error);
  if (status == MLAAS_OK)
    status = mlaas_codec_check(in.data, stored, key->object_len, start, error);
  if (status == MLAAS_OK)
    status = mlaas_budget_check(container->budget, MLAAS_CEILING_METADATA, key->object_len, error);
  if (status == MLAAS_OK)
    status = mlaas_block_new(container->budget, key->object_len, &out, error);
  if (status == MLAAS_OK)
    status = mlaas_codec_decode(&codec, in.data, stored, out.data, key->object_len, start, error);
  mlaas_codec_reset(&codec);
  mlaas_block_reset(&in);
  if (status == MLAAS_OK)
    *payload = out;
  else
    mlaas_block_reset(&out);
  return status;
}
