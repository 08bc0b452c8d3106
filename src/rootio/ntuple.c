/* RNTuple's anchor, header and footer, as far as listing needs them. They are little-endian in envelopes that carry
 * their own checksum; frames inside are always left by their size, so that newer versions may add to them. */
#include "rootio/ntuple.h"

#include "base/error.h"

#include <string.h>
#include <xxhash.h>

enum { ANCHOR_BYTES = 78, ANCHOR_HASHED = 64, ANCHOR_FRONT = 6, ENVELOPE_HEADER = 1, ENVELOPE_FOOTER = 2 };

struct anchor {
  uint16_t epoch, major, minor, patch;
  uint64_t seek_header, stored_header, size_header;
  uint64_t seek_footer, stored_footer, size_footer;
  uint64_t max_key_size;
};

struct listing {
  struct mlaas_ntuple *ntuple;
  struct mlaas_error *error;
  struct mlaas_block fields, types; /* const char *[] while they grow */
  uint32_t num_fields;              /* of all levels: the next one's id */
};

/* ---- little-endian ---- */

static uint64_t little(struct mlaas_cursor *cursor, int size) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, size);
  uint64_t word = 0;
  if (bytes)
    memcpy(&word, bytes, (size_t)size);
  return word;
}

static const char *text(struct mlaas_cursor *cursor, int64_t *length) {
  *length = (int64_t)little(cursor, 4);
  return (const char *)mlaas_cursor_bytes(cursor, *length);
}

static void skip_text(struct mlaas_cursor *cursor) {
  int64_t length;
  text(cursor, &length);
}

/* The front of a frame: where it ends, and for a list (negative size) how many items it has. */
static int64_t enter(struct mlaas_cursor *cursor, uint32_t *items) {
  int64_t start = cursor->position, size = (int64_t)little(cursor, 8);
  bool is_list = size < 0;
  if (cursor->status != MLAAS_OK)
    return start;
  size = is_list ? (size == INT64_MIN ? INT64_MAX : -size) : size;
  if (size < (is_list ? 12 : 8) || size > cursor->size - start || is_list != (items != NULL)) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a frame of %lld bytes does not fit, or is of the other kind",
                      (long long)size);
    return start;
  }
  if (items)
    *items = (uint32_t)little(cursor, 4);
  return start + size;
}

static void leave(struct mlaas_cursor *cursor, int64_t end) {
  struct mlaas_frame frame = {.end = end};
  mlaas_cursor_leave(cursor, &frame);
}

/* ---- anchor and envelopes ---- */

static enum mlaas_status decode_anchor(const struct mlaas_block *payload, struct anchor *anchor,
                                       struct mlaas_error *error) {
  struct mlaas_cursor cursor;
  const uint8_t *bytes = payload->data;
  if (payload->size < ANCHOR_BYTES)
    return mlaas_fail(error, MLAAS_FORMAT, "an RNTuple's anchor has %lld bytes where %d are needed",
                      (long long)payload->size, ANCHOR_BYTES);
  mlaas_cursor_init(&cursor, bytes, payload->size, -1, error);
  mlaas_cursor_skip(&cursor, ANCHOR_FRONT);
  anchor->epoch = mlaas_cursor_u16(&cursor);
  anchor->major = mlaas_cursor_u16(&cursor);
  anchor->minor = mlaas_cursor_u16(&cursor);
  anchor->patch = mlaas_cursor_u16(&cursor);
  uint64_t *const words[] = {&anchor->seek_header,   &anchor->stored_header, &anchor->size_header, &anchor->seek_footer,
                             &anchor->stored_footer, &anchor->size_footer,   &anchor->max_key_size};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    *words[i] = mlaas_cursor_u64(&cursor);
  if (mlaas_cursor_u64(&cursor) != XXH3_64bits(bytes + ANCHOR_FRONT, ANCHOR_HASHED))
    return mlaas_fail(error, MLAAS_CHECKSUM, "the checksum of an RNTuple's anchor does not match");
  if (anchor->epoch != 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the RNTuple has format version %u.%u: versions 1.x are known",
                      anchor->epoch, anchor->major);
  return cursor.status;
}

static enum mlaas_status check_envelope(const struct mlaas_block *envelope, int type, struct mlaas_error *error) {
  uint64_t front, stored;
  const uint8_t *bytes = envelope->data;
  if (envelope->size < 16)
    return mlaas_fail(error, MLAAS_FORMAT, "an envelope has only %lld bytes", (long long)envelope->size);
  memcpy(&front, bytes, 8);
  memcpy(&stored, bytes + envelope->size - 8, 8);
  if ((front & 0xFFFF) != (uint64_t)type || front >> 16 != (uint64_t)envelope->size)
    return mlaas_fail(error, MLAAS_FORMAT, "an envelope is of type %u and %llu bytes where type %d and %lld are due",
                      (unsigned)(front & 0xFFFF), (unsigned long long)(front >> 16), type, (long long)envelope->size);
  if (XXH3_64bits(bytes, (size_t)envelope->size - 8) != stored)
    return mlaas_fail(error, MLAAS_CHECKSUM, "the checksum of an RNTuple's %s does not match",
                      type == ENVELOPE_HEADER ? "header" : "footer");
  return MLAAS_OK;
}

static enum mlaas_status read_envelope(struct mlaas_container *container, const struct anchor *anchor, int type,
                                       struct mlaas_block *envelope, struct mlaas_error *error) {
  bool header = type == ENVELOPE_HEADER;
  uint64_t seek = header ? anchor->seek_header : anchor->seek_footer;
  uint64_t stored = header ? anchor->stored_header : anchor->stored_footer;
  uint64_t size = header ? anchor->size_header : anchor->size_footer;
  struct mlaas_block in;
  struct mlaas_codec codec;
  if (seek > (uint64_t)container->end || stored > (uint64_t)container->end - seek || size > INT64_MAX / 4)
    return mlaas_fail_at(error, MLAAS_FORMAT, (int64_t)seek, "an RNTuple's %s of %llu bytes lies outside the file",
                         header ? "header" : "footer", (unsigned long long)stored);
  if (anchor->max_key_size && stored > anchor->max_key_size)
    return mlaas_fail_at(error, MLAAS_UNSUPPORTED, (int64_t)seek, "an RNTuple's %s is spread over several records",
                         header ? "header" : "footer");
  MLAAS_TRY(mlaas_block_new(container->budget, (int64_t)stored, &in, error));
  mlaas_codec_init(&codec, container->budget);
  enum mlaas_status status = mlaas_source_read_at(container->source, (int64_t)seek, (int64_t)stored, in.data, error);
  if (status == MLAAS_OK)
    status = mlaas_codec_check(in.data, (int64_t)stored, (int64_t)size, (int64_t)seek, error);
  if (status == MLAAS_OK)
    status = mlaas_block_new(container->budget, (int64_t)size, envelope, error);
  if (status == MLAAS_OK)
    status = mlaas_codec_decode(&codec, in.data, (int64_t)stored, envelope->data, (int64_t)size, (int64_t)seek, error);
  if (status == MLAAS_OK)
    status = check_envelope(envelope, type, error);
  mlaas_codec_reset(&codec);
  mlaas_block_reset(&in);
  return status;
}

/* Behind the front of an envelope. Every flag that there may be changes how the rest is read. */
static void read_features(struct mlaas_cursor *cursor) {
  mlaas_cursor_skip(cursor, 8);
  if (little(cursor, 8) != 0)
    mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the RNTuple uses features that are not known");
}

/* ---- schema ---- */

static enum mlaas_status append(struct listing *listing, struct mlaas_cursor *cursor, struct mlaas_block *list,
                                const char *name, int64_t length) {
  struct mlaas_ntuple *ntuple = listing->ntuple;
  if (cursor->status != MLAAS_OK)
    return cursor->status;
  const char *copy = mlaas_arena_strndup(&ntuple->arena, name, (size_t)length, listing->error);
  enum mlaas_status status = copy ? MLAAS_OK : listing->error->status;
  if (status == MLAAS_OK && !list->data)
    status = mlaas_block_new(ntuple->arena.budget, 64 * (int64_t)sizeof copy, list, listing->error);
  if (status == MLAAS_OK)
    status = mlaas_block_grow(list, (int64_t)((ntuple->num_fields + 1) * sizeof copy), listing->error);
  if (status == MLAAS_OK)
    memcpy((const char **)list->data + ntuple->num_fields, &copy, sizeof copy);
  else
    cursor->status = status;
  return status;
}

static void read_field(struct listing *listing, struct mlaas_cursor *cursor) {
  int64_t name_length, type_length, end = enter(cursor, NULL);
  mlaas_cursor_skip(cursor, 8); /* versions of field and type */
  uint32_t parent = (uint32_t)little(cursor, 4);
  mlaas_cursor_skip(cursor, 4); /* role and flags */
  const char *name = text(cursor, &name_length), *type = text(cursor, &type_length);
  bool is_top = parent == listing->num_fields++;
  if (is_top && append(listing, cursor, &listing->fields, name, name_length) == MLAAS_OK &&
      append(listing, cursor, &listing->types, type, type_length) == MLAAS_OK)
    listing->ntuple->num_fields++;
  leave(cursor, end);
}

/* A list of fields; those of a footer go on where the header's ended. */
static void read_fields(struct listing *listing, struct mlaas_cursor *cursor) {
  uint32_t count = 0;
  int64_t end = enter(cursor, &count);
  for (uint32_t i = 0; i < count && cursor->status == MLAAS_OK; i++)
    read_field(listing, cursor);
  leave(cursor, end);
}

static void read_header(struct listing *listing, struct mlaas_cursor *cursor) {
  read_features(cursor);
  for (int i = 0; i < 3; i++) /* name, description, writer */
    skip_text(cursor);
  read_fields(listing, cursor);
}

static void read_group(struct listing *listing, struct mlaas_cursor *cursor) {
  int64_t end = enter(cursor, NULL);
  mlaas_cursor_skip(cursor, 8); /* first entry */
  uint64_t span = little(cursor, 8);
  if (span > (uint64_t)(INT64_MAX - listing->ntuple->entries))
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a cluster group has %llu entries", (unsigned long long)span);
  else
    listing->ntuple->entries += (int64_t)span;
  leave(cursor, end);
}

static void read_footer(struct listing *listing, struct mlaas_cursor *cursor, uint64_t header_hash) {
  uint32_t groups = 0;
  read_features(cursor);
  if (little(cursor, 8) != header_hash)
    mlaas_cursor_fail(cursor, MLAAS_CHECKSUM, "the RNTuple's footer belongs to another header");
  int64_t end = enter(cursor, NULL); /* schema extension */
  if (end - cursor->position >= 12)
    read_fields(listing, cursor);
  leave(cursor, end);
  end = enter(cursor, &groups);
  for (uint32_t i = 0; i < groups && cursor->status == MLAAS_OK; i++)
    read_group(listing, cursor);
  leave(cursor, end);
}

/* ---- together ---- */

static enum mlaas_status read_schema(struct mlaas_container *container, const struct anchor *anchor,
                                     struct listing *listing) {
  struct mlaas_block header = {0}, footer = {0};
  struct mlaas_cursor cursor = {0};
  enum mlaas_status status = read_envelope(container, anchor, ENVELOPE_HEADER, &header, listing->error);
  if (status == MLAAS_OK)
    status = read_envelope(container, anchor, ENVELOPE_FOOTER, &footer, listing->error);
  if (status == MLAAS_OK) {
    uint64_t hash;
    memcpy(&hash, (const uint8_t *)header.data + header.size - 8, sizeof hash);
    mlaas_cursor_init(&cursor, header.data, header.size - 8, -1, listing->error);
    read_header(listing, &cursor);
    status = cursor.status;
    mlaas_cursor_init(&cursor, footer.data, footer.size - 8, -1, listing->error);
    if (status == MLAAS_OK)
      read_footer(listing, &cursor, hash);
    if (status == MLAAS_OK)
      status = cursor.status;
  }
  mlaas_block_reset(&header);
  mlaas_block_reset(&footer);
  return status;
}

/* The lists move from their blocks into the arena. */
static enum mlaas_status keep_lists(struct listing *listing) {
  struct mlaas_ntuple *ntuple = listing->ntuple;
  size_t bytes = ntuple->num_fields * sizeof *ntuple->fields;
  ntuple->fields = mlaas_arena_alloc(&ntuple->arena, 1, bytes, listing->error);
  ntuple->types = ntuple->fields ? mlaas_arena_alloc(&ntuple->arena, 1, bytes, listing->error) : NULL;
  if (!ntuple->types)
    return listing->error->status;
  if (bytes) {
    memcpy(ntuple->fields, listing->fields.data, bytes);
    memcpy(ntuple->types, listing->types.data, bytes);
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_ntuple_read(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_ntuple *ntuple, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct anchor anchor;
  struct mlaas_block payload = {0};
  struct listing listing = {.ntuple = ntuple, .error = error ? error : &ignored};
  *ntuple = (struct mlaas_ntuple){0};
  mlaas_arena_init(&ntuple->arena, container->budget);
  if (strcmp(key->class_name, "ROOT::RNTuple") != 0)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s was written before RNTuple's format was final", key->class_name);
  enum mlaas_status status = mlaas_key_payload(container, key, &payload, listing.error);
  if (status == MLAAS_OK)
    status = decode_anchor(&payload, &anchor, listing.error);
  if (status == MLAAS_OK)
    status = read_schema(container, &anchor, &listing);
  if (status == MLAAS_OK)
    status = keep_lists(&listing);
  mlaas_block_reset(&payload);
  mlaas_block_reset(&listing.fields);
  mlaas_block_reset(&listing.types);
  if (status != MLAAS_OK)
    mlaas_ntuple_reset(ntuple);
  return status;
}

void mlaas_ntuple_reset(struct mlaas_ntuple *ntuple) {
  mlaas_arena_reset(&ntuple->arena);
  *ntuple = (struct mlaas_ntuple){0};
}
