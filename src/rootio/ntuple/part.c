/* Frames and envelopes of an RNTuple's metadata. Envelopes are little-endian and carry their own checksum; frames
 * inside are always left by their size, so that newer versions may add to them. Must not know what is in them.
 */
#include "rootio/ntuple/part.h"

#include "base/error.h"

#include <string.h>
#include <xxhash.h>

enum { CHUNK_OFFSET = 8 };

static const char *const envelope_names[] = {"", "header", "footer", "page list"};

/* ---- little-endian, and frames ---- */

uint64_t mlaas_ntuple_little(struct mlaas_cursor *cursor, int size) {
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, size);
  uint64_t word = 0;
  if (bytes)
    memcpy(&word, bytes, (size_t)size);
  return word;
}

int64_t mlaas_ntuple_enter(struct mlaas_cursor *cursor, uint32_t *items, int64_t least) {
  int64_t start = cursor->position, size = (int64_t)mlaas_ntuple_little(cursor, 8);
  bool is_list = size < 0;
  if (cursor->status != MLAAS_OK)
    return start;
  size = is_list ? (size == INT64_MIN ? INT64_MAX : -size) : size;
  if (size < (is_list ? 12 : 8) || size > cursor->size - start || is_list != (items != NULL)) {
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a frame of %lld bytes does not fit, or is of the other kind",
                      (long long)size);
    return start;
  }
  if (items) {
    *items = (uint32_t)mlaas_ntuple_little(cursor, 4);
    if (*items > (size - 12) / least) {
      mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a list of %lld bytes claims %u items of at least %lld each",
                        (long long)size, *items, (long long)least);
      *items = 0;
    }
  }
  return start + size;
}

void mlaas_ntuple_leave(struct mlaas_cursor *cursor, int64_t end) {
  struct mlaas_frame frame = {.end = end};
  mlaas_cursor_leave(cursor, &frame);
}

enum mlaas_status mlaas_ntuple_text(struct mlaas_ntuple_build *build, struct mlaas_cursor *cursor, const char **text) {
  int64_t length = (int64_t)mlaas_ntuple_little(cursor, 4);
  const uint8_t *bytes = mlaas_cursor_bytes(cursor, length);
  *text = "";
  if (!bytes || !length)
    return cursor->status;
  *text = mlaas_arena_strndup(&build->ntuple->arena, (const char *)bytes, (size_t)length, build->error);
  return *text ? MLAAS_OK : build->error->status;
}

/* A negative front is minus (the kind, in the top byte, and the size of the locator itself, in the two lowest). */
struct mlaas_ntuple_locator mlaas_ntuple_locate(struct mlaas_cursor *cursor) {
  enum { LARGE = 1, LARGE_BYTES = 20 };
  int64_t start = cursor->position;
  int32_t front = (int32_t)mlaas_ntuple_little(cursor, 4);
  struct mlaas_ntuple_locator locator = {.known = true, .stored = (uint64_t)front};
  if (front >= 0) {
    locator.seek = mlaas_ntuple_little(cursor, 8);
    return locator;
  }
  uint32_t turned = -(uint32_t)front;
  int size = (int)(turned & 0xFFFF), kind = (int)(turned >> 24);
  locator.known = kind == LARGE && size >= LARGE_BYTES;
  locator.stored = locator.known ? mlaas_ntuple_little(cursor, 8) : 0;
  locator.seek = locator.known ? mlaas_ntuple_little(cursor, 8) : 0;
  if (size < 4)
    mlaas_cursor_fail(cursor, MLAAS_FORMAT, "a locator says it has %d bytes", size);
  mlaas_ntuple_leave(cursor, start + size);
  return locator;
}

/* ---- envelopes ---- */

/* How many records hold `stored` bytes: the first one ends with the offsets of the others. */
static uint64_t count_chunks(uint64_t stored, uint64_t room) {
  uint64_t chunks = stored / room + (stored % room != 0);
  return CHUNK_OFFSET * (chunks - 1) > chunks * room - stored ? chunks + 1 : chunks;
}

/* The pieces behind the first one, each to its place in `in`. */
static enum mlaas_status read_pieces(struct mlaas_ntuple_build *build, const uint8_t *offsets, uint64_t chunks,
                                     uint64_t at, const struct mlaas_block *in) {
  uint64_t room = build->max_key_size;
  struct mlaas_block list;
  MLAAS_TRY(mlaas_block_new(in->budget, (int64_t)((chunks - 1) * sizeof(struct mlaas_range)), &list, build->error));
  struct mlaas_range *ranges = list.data;
  enum mlaas_status status = MLAAS_OK;
  for (uint64_t i = 0; i + 1 < chunks && status == MLAAS_OK; i++, at += room) {
    uint64_t left = (uint64_t)in->size - at, seek;
    memcpy(&seek, offsets + CHUNK_OFFSET * i, CHUNK_OFFSET);
    ranges[i] = (struct mlaas_range){(int64_t)seek, (int64_t)(left < room ? left : room), (uint8_t *)in->data + at};
    if (seek > (uint64_t)build->container->end || ranges[i].length > build->container->end - (int64_t)seek)
      status = mlaas_fail(build->error, MLAAS_FORMAT, "part %llu of an RNTuple's envelope lies outside the file",
                          (unsigned long long)i + 2);
  }
  if (status == MLAAS_OK)
    status = mlaas_source_read_many(build->container->source, ranges, (size_t)chunks - 1, build->error);
  mlaas_block_reset(&list);
  return status;
}

/* An envelope that one record cannot hold. */
static enum mlaas_status read_chunks(struct mlaas_ntuple_build *build, const struct mlaas_ntuple_locator *locator,
                                     const struct mlaas_block *in) {
  uint64_t room = build->max_key_size, chunks = count_chunks(locator->stored, room);
  uint64_t tail = CHUNK_OFFSET * (chunks - 1);
  if (tail >= room || locator->stored - (room - tail) > room * (chunks - 1))
    return mlaas_fail_at(build->error, MLAAS_FORMAT, (int64_t)locator->seek,
                         "an RNTuple's envelope of %llu bytes does not fit records of %llu",
                         (unsigned long long)locator->stored, (unsigned long long)room);
  struct mlaas_block offsets;
  MLAAS_TRY(mlaas_block_new(in->budget, (int64_t)tail, &offsets, build->error));
  struct mlaas_range first[2] = {{(int64_t)locator->seek, (int64_t)(room - tail), in->data},
                                 {(int64_t)(locator->seek + room - tail), (int64_t)tail, offsets.data}};
  enum mlaas_status status = mlaas_source_read_many(build->container->source, first, 2, build->error);
  if (status == MLAAS_OK)
    status = read_pieces(build, offsets.data, chunks, room - tail, in);
  mlaas_block_reset(&offsets);
  return status;
}

static enum mlaas_status read_stored(struct mlaas_ntuple_build *build, const struct mlaas_ntuple_locator *locator,
                                     const struct mlaas_block *in) {
  if (build->max_key_size && locator->stored > build->max_key_size)
    return read_chunks(build, locator, in);
  return mlaas_source_read_at(build->container->source, (int64_t)locator->seek, in->size, in->data, build->error);
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
    return mlaas_fail(error, MLAAS_CHECKSUM, "the checksum of an RNTuple's %s does not match", envelope_names[type]);
  return MLAAS_OK;
}

static enum mlaas_status inflate(struct mlaas_ntuple_build *build, const struct mlaas_block *in, int64_t seek,
                                 int64_t size, struct mlaas_block *envelope) {
  struct mlaas_codec codec;
  MLAAS_TRY(mlaas_codec_check(in->data, in->size, size, seek, build->error));
  MLAAS_TRY(mlaas_budget_check(in->budget, MLAAS_CEILING_METADATA, size, build->error));
  MLAAS_TRY(mlaas_block_new(in->budget, size, envelope, build->error));
  mlaas_codec_init(&codec, in->budget);
  enum mlaas_status status = mlaas_codec_decode(&codec, in->data, in->size, envelope->data, size, seek, build->error);
  mlaas_codec_reset(&codec);
  return status;
}

enum mlaas_status mlaas_ntuple_envelope(struct mlaas_ntuple_build *build, int type,
                                        const struct mlaas_ntuple_locator *locator, uint64_t size,
                                        struct mlaas_block *envelope, struct mlaas_cursor *cursor) {
  struct mlaas_block in;
  uint64_t end = (uint64_t)build->container->end, whole = locator->stored;
  if (build->max_key_size && whole > build->max_key_size)
    whole = build->max_key_size; /* the rest lies elsewhere */
  const char *name = envelope_names[type];
  if (!locator->known)
    return mlaas_fail(build->error, MLAAS_UNSUPPORTED, "an RNTuple's %s has a locator of an unknown kind", name);
  if (locator->seek > end || whole > end - locator->seek || locator->stored > end)
    return mlaas_fail_at(build->error, MLAAS_FORMAT, (int64_t)(locator->seek & INT64_MAX),
                         "an RNTuple's %s of %llu bytes lies outside the file", name,
                         (unsigned long long)locator->stored);
  if (size > INT64_MAX / 4 || locator->stored > size)
    return mlaas_fail_at(build->error, MLAAS_FORMAT, (int64_t)locator->seek,
                         "an RNTuple's %s of %llu bytes inflates to %llu", name, (unsigned long long)locator->stored,
                         (unsigned long long)size);
  MLAAS_TRY(
      mlaas_budget_check(build->container->budget, MLAAS_CEILING_METADATA, (int64_t)locator->stored, build->error));
  MLAAS_TRY(mlaas_block_new(build->container->budget, (int64_t)locator->stored, &in, build->error));
  enum mlaas_status status = read_stored(build, locator, &in);
  if (status == MLAAS_OK)
    status = inflate(build, &in, (int64_t)locator->seek, (int64_t)size, envelope);
  if (status == MLAAS_OK)
    status = check_envelope(envelope, type, build->error);
  mlaas_block_reset(&in);
  if (status == MLAAS_OK) {
    mlaas_cursor_init(cursor, envelope->data, envelope->size - 8, -1, build->error);
    mlaas_cursor_skip(cursor, 8);
  }
  return status;
}
