/* An RNTuple from its anchor: how the reading of its metadata goes together. Must not know what fields and pages mean.
 */
#include "base/error.h"
#include "rootio/ntuple/part.h"

#include <string.h>
#include <xxhash.h>

enum { ANCHOR_FRONT = 6, ANCHOR_HASHED = 64, BYTE_COUNT = 0x40000000 };

struct anchor {
  uint16_t epoch, major, minor, patch;
  struct mlaas_ntuple_locator header, footer;
  uint64_t header_size, footer_size;
  uint64_t max_key_size;
};

/* ---- the anchor ---- */

/* Its checksum covers the members, those too that a later version may have added, and lies behind them. */
static enum mlaas_status decode_anchor(const struct mlaas_block *payload, struct anchor *anchor,
                                       struct mlaas_error *error) {
  struct mlaas_cursor cursor;
  const uint8_t *bytes = payload->data;
  mlaas_cursor_init(&cursor, bytes, payload->size, -1, error);
  uint32_t count = mlaas_cursor_u32(&cursor);
  int64_t hashed = (int64_t)(count & ~(uint32_t)BYTE_COUNT) - 2;
  if (cursor.status == MLAAS_OK &&
      (!(count & BYTE_COUNT) || hashed < ANCHOR_HASHED || hashed > payload->size - ANCHOR_FRONT - 8))
    return mlaas_fail(error, MLAAS_FORMAT, "an RNTuple's anchor of %lld bytes says it has %lld",
                      (long long)payload->size, (long long)hashed);
  mlaas_cursor_skip(&cursor, 2);
  anchor->epoch = mlaas_cursor_u16(&cursor);
  anchor->major = mlaas_cursor_u16(&cursor);
  anchor->minor = mlaas_cursor_u16(&cursor);
  anchor->patch = mlaas_cursor_u16(&cursor);
  uint64_t *const words[] = {&anchor->header.seek,   &anchor->header.stored, &anchor->header_size, &anchor->footer.seek,
                             &anchor->footer.stored, &anchor->footer_size,   &anchor->max_key_size};
  for (size_t i = 0; i < sizeof words / sizeof *words; i++)
    *words[i] = mlaas_cursor_u64(&cursor);
  mlaas_cursor_seek(&cursor, ANCHOR_FRONT + hashed);
  uint64_t stored = mlaas_cursor_u64(&cursor);
  MLAAS_TRY(cursor.status);
  if (stored != XXH3_64bits(bytes + ANCHOR_FRONT, (size_t)hashed))
    return mlaas_fail(error, MLAAS_CHECKSUM, "the checksum of an RNTuple's anchor does not match");
  if (anchor->epoch != 1)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "the RNTuple has format version %u.%u: versions 1.x are known",
                      anchor->epoch, anchor->major);
  anchor->header.known = anchor->footer.known = true;
  return MLAAS_OK;
}

/* ---- header and footer ---- */

/* A chain of words that goes on while the top bit is set. Every flag may change how the rest is read. */
static void read_features(struct mlaas_cursor *cursor) {
  uint64_t word;
  int base = 0;
  do {
    word = mlaas_ntuple_little(cursor, 8);
    if (word << 1)
      mlaas_cursor_fail(cursor, MLAAS_UNSUPPORTED, "the RNTuple needs feature %d, which is not known",
                        base + __builtin_ctzll(word));
    base += 63;
  } while (word >> 63 && cursor->status == MLAAS_OK);
}

static enum mlaas_status read_all(struct mlaas_ntuple_build *build, struct mlaas_cursor *header,
                                  struct mlaas_cursor *footer) {
  struct mlaas_ntuple *ntuple = build->ntuple;
  read_features(header);
  MLAAS_TRY(mlaas_ntuple_text(build, header, &ntuple->name));
  MLAAS_TRY(mlaas_ntuple_text(build, header, &ntuple->description));
  MLAAS_TRY(mlaas_ntuple_text(build, header, &ntuple->writer));
  read_features(footer);
  if (mlaas_ntuple_little(footer, 8) != build->header_hash)
    mlaas_cursor_fail(footer, MLAAS_CHECKSUM, "the RNTuple's footer belongs to another header");
  int64_t end = mlaas_ntuple_enter(footer, NULL, 0);
  MLAAS_TRY(footer->status);
  struct mlaas_cursor extension = *footer;
  extension.size = end;
  MLAAS_TRY(mlaas_ntuple_schema(build, header, mlaas_cursor_left(&extension) ? &extension : NULL));
  mlaas_ntuple_leave(footer, end);
  MLAAS_TRY(mlaas_ntuple_groups(build, footer)); /* attribute sets of 1.0.1 may follow; they are not needed */
  return mlaas_ntuple_schema_finish(build);
}

static enum mlaas_status read_envelopes(struct mlaas_ntuple_build *build, const struct anchor *anchor) {
  struct mlaas_block header = {0}, footer = {0};
  struct mlaas_cursor in_header, in_footer;
  enum mlaas_status status =
      mlaas_ntuple_envelope(build, MLAAS_NTUPLE_HEADER, &anchor->header, anchor->header_size, &header, &in_header);
  if (status == MLAAS_OK)
    status =
        mlaas_ntuple_envelope(build, MLAAS_NTUPLE_FOOTER, &anchor->footer, anchor->footer_size, &footer, &in_footer);
  if (status == MLAAS_OK) {
    memcpy(&build->header_hash, (const uint8_t *)header.data + header.size - 8, 8);
    status = read_all(build, &in_header, &in_footer);
  }
  mlaas_block_reset(&header);
  mlaas_block_reset(&footer);
  return status;
}

enum mlaas_status mlaas_ntuple_read(struct mlaas_container *container, const struct mlaas_key *key,
                                    struct mlaas_ntuple *ntuple, struct mlaas_error *error) {
  struct mlaas_error ignored;
  struct anchor anchor = {0};
  struct mlaas_block payload = {0};
  struct mlaas_ntuple_build build = {.container = container, .ntuple = ntuple, .error = error ? error : &ignored};
  *ntuple = (struct mlaas_ntuple){0};
  mlaas_arena_init(&ntuple->arena, container->budget);
  mlaas_arena_init(&build.scratch, container->budget);
  if (strcmp(key->class_name, "ROOT::RNTuple") != 0)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s was written before RNTuple's format was final", key->class_name);
  enum mlaas_status status = mlaas_key_payload(container, key, &payload, build.error);
  if (status == MLAAS_OK)
    status = decode_anchor(&payload, &anchor, build.error);
  mlaas_block_reset(&payload);
  build.max_key_size = anchor.max_key_size;
  if (status == MLAAS_OK)
    status = read_envelopes(&build, &anchor);
  mlaas_arena_reset(&build.scratch);
  if (status != MLAAS_OK)
    mlaas_ntuple_reset(ntuple);
  return status;
}

void mlaas_ntuple_reset(struct mlaas_ntuple *ntuple) {
  mlaas_arena_reset(&ntuple->arena);
  *ntuple = (struct mlaas_ntuple){0};
}
