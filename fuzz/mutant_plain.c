/* The same file with its metadata stored plainly, so that mutants get behind the codecs and their checksums: the
 * records of all keys, the streamer info, and the header and footer of ntuples are inflated and put behind the file's
 * end. What carries a hash is noted, for the hash to be set right again after a change (mutant_repair).
 */
#include "mutant.h"

#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum { BIG_KEY = 1000, BIG_FILE = 1000000, LARGEST = 16 << 20 };

/* ---- words ---- */

static uint32_t load32(const uint8_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return __builtin_bswap32(word);
}

static uint64_t load64(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return __builtin_bswap64(word);
}

static void store32(uint8_t *at, uint32_t word) {
  word = __builtin_bswap32(word);
  memcpy(at, &word, 4);
}

static void store64(uint8_t *at, uint64_t word) {
  word = __builtin_bswap64(word);
  memcpy(at, &word, 8);
}

/* ---- hashes ---- */

/* Little-endian, of all before it. */
static void seal_envelope(const struct mutant_repair *repair, uint8_t *data) {
  uint64_t hash = XXH3_64bits(data + repair->at, repair->size - 8);
  memcpy(data + repair->at + repair->size - 8, &hash, 8);
}

void mutant_repair(const struct mutant_original *original, uint8_t *data) {
  enum { FRONT = 6, HASHED = 64, HEADER_HASH = 16 };
  for (size_t i = 0; i + 2 < original->num_repairs; i += 3) {
    const struct mutant_repair *repairs = &original->repairs[i]; /* header, footer, anchor */
    seal_envelope(&repairs[0], data);
    memcpy(data + repairs[1].at + HEADER_HASH, data + repairs[0].at + repairs[0].size - 8, 8);
    seal_envelope(&repairs[1], data);
    uint8_t *anchor = data + repairs[2].at;
    store64(anchor + FRONT + HASHED, XXH3_64bits(anchor + FRONT, HASHED));
  }
}

/* ---- records ---- */

static size_t append(struct mutant_original *plain, const void *bytes, size_t size) {
  size_t at = plain->size;
  plain->data = realloc(plain->data, plain->size + size);
  if (!plain->data)
    abort();
  memcpy(plain->data + at, bytes, size);
  plain->size += size;
  return at;
}

/* Every copy of a key's front, in lists of keys too, learns where the record is now. */
static void move_key(struct mutant_original *plain, size_t old_size, const struct mlaas_key *key, size_t record) {
  enum { FRONT = 18 }; /* up to where the record is, which some writers leave out in front of the record */
  uint8_t front[FRONT + 8];
  bool big = key->version > BIG_KEY;
  memcpy(front, plain->data + key->offset, FRONT);
  if (big)
    store64(front + FRONT, (uint64_t)key->offset);
  else
    store32(front + FRONT, (uint32_t)key->offset);
  for (size_t at = 0; at + FRONT + 8 <= old_size; at++) {
    uint8_t *copy = plain->data + at;
    if (memcmp(copy, front, FRONT + (big ? 8 : 4)) != 0)
      continue;
    store32(copy, (uint32_t)key->key_len + (uint32_t)key->object_len);
    if (big)
      store64(copy + FRONT, record);
    else
      store32(copy + FRONT, (uint32_t)record);
  }
}

/* The record of a key, inflated, behind the end; 0 where it is as it is. */
static size_t inflate_record(struct mutant_original *plain, struct mlaas_container *container,
                             const struct mlaas_key *key) {
  struct mlaas_block payload;
  if (key->num_bytes - key->key_len >= key->object_len || key->object_len > LARGEST ||
      mlaas_key_payload(container, key, &payload, NULL) != MLAAS_OK)
    return 0;
  uint8_t head[1 << 15];
  memcpy(head, plain->data + key->offset, (size_t)key->key_len);
  store32(head, (uint32_t)key->key_len + (uint32_t)key->object_len);
  size_t record = append(plain, head, (size_t)key->key_len);
  append(plain, payload.data, (size_t)payload.size);
  mlaas_block_reset(&payload);
  return record;
}

static void inflate_streamers(struct mutant_original *plain, struct mlaas_container *container) {
  bool big = load32(plain->data + 4) >= BIG_FILE;
  size_t record = container->streamer_key.offset ? inflate_record(plain, container, &container->streamer_key) : 0;
  if (!record)
    return;
  uint32_t size = (uint32_t)(plain->size - record);
  if (big)
    store64(plain->data + 45, record);
  else
    store32(plain->data + 37, (uint32_t)record);
  store32(plain->data + (big ? 53 : 41), size);
}

/* ---- ntuples ---- */

static bool inflate_envelope(struct mutant_original *plain, struct mlaas_codec *codec, uint8_t *place) {
  uint64_t seek = load64(place), stored = load64(place + 8), size = load64(place + 16);
  size_t anchor = (size_t)(place - plain->data);
  if (seek > plain->size || stored > plain->size - seek || size > LARGEST || size < 24)
    return false;
  uint8_t *bytes = malloc(size);
  bool good = bytes && mlaas_codec_decode(codec, plain->data + seek, (int64_t)stored, bytes, (int64_t)size,
                                          (int64_t)seek, NULL) == MLAAS_OK;
  if (good) {
    size_t at = append(plain, bytes, size);
    store64(plain->data + anchor, at);
    store64(plain->data + anchor + 8, size);
    struct mutant_repair *repairs = realloc(plain->repairs, (plain->num_repairs + 2) * sizeof *repairs);
    if (!repairs)
      abort();
    repairs[plain->num_repairs++] = (struct mutant_repair){at, size};
    plain->repairs = repairs;
  }
  free(bytes);
  return good;
}

/* Header and footer of an ntuple whose anchor is stored as it is, which is what writers do. */
static void inflate_ntuple(struct mutant_original *plain, const struct mlaas_key *key, struct mlaas_budget *budget) {
  enum { ANCHOR = 78, HEADER = 14, FOOTER = 38 };
  size_t at = (size_t)(key->offset + key->key_len), before = plain->num_repairs;
  struct mlaas_codec codec;
  if (key->num_bytes - key->key_len < key->object_len || key->object_len < ANCHOR || at + ANCHOR > plain->size)
    return;
  mlaas_codec_init(&codec, budget);
  if (inflate_envelope(plain, &codec, plain->data + at + HEADER) &&
      inflate_envelope(plain, &codec, plain->data + at + FOOTER))
    plain->repairs[plain->num_repairs++] = (struct mutant_repair){at, ANCHOR};
  else
    plain->num_repairs = before;
  mlaas_codec_reset(&codec);
}

/* ---- all ---- */

bool mutant_plain(struct mutant_original *original, struct mlaas_context *context) {
  struct mlaas_source *source;
  struct mlaas_file *file;
  struct mlaas_error error;
  struct mutant_original plain = {.data = malloc(original->size), .size = original->size};
  if (!plain.data || mlaas_source_from_memory(original->data, original->size, &source, &error) != MLAAS_OK ||
      mlaas_file_from_source(context, source, &file, &error) != MLAAS_OK) {
    free(plain.data);
    return false;
  }
  memcpy(plain.data, original->data, original->size);
  struct mlaas_container *container = &file->container;
  for (size_t i = 0; i < container->num_keys; i++) {
    size_t record = inflate_record(&plain, container, &container->keys[i]);
    if (record)
      move_key(&plain, original->size, &container->keys[i], record);
  }
  for (size_t i = 0; i < file->num_tables; i++)
    if (file->tables[i].is_ntuple)
      inflate_ntuple(&plain, file->tables[i].key, container->budget);
  inflate_streamers(&plain, container);
  if (load32(plain.data + 4) >= BIG_FILE)
    store64(plain.data + 12, plain.size);
  else
    store32(plain.data + 12, (uint32_t)plain.size);
  mlaas_file_close(file);
  plain.covered = calloc(1, plain.size + 1);
  if (!plain.covered)
    abort();
  mutant_repair(&plain, plain.data);
  free(original->data);
  free(original->covered);
  *original = plain;
  return true;
}
