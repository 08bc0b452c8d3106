/* Which bytes of a file stand under a checksum: blocks of LZ4 (XXH64), zlib (Adler-32) and XZ, ZSTD frames that were
 * written with one, and an RNTuple's anchor, header, footer and pages. What is not marked here is not promised.
 */
#include "mutant.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static void mark(struct mutant_original *original, int64_t from, int64_t size) {
  if (from > 0 && size > 0 && from <= (int64_t)original->size && size <= (int64_t)original->size - from)
    memset(original->covered + from, 1, (size_t)size);
}

static bool block_is_checked(const uint8_t *block, size_t size) {
  enum { HEADER = 9, ZSTD_DESCRIPTOR = HEADER + 4, ZSTD_HAS_CHECKSUM = 4, XZ_CHECK = HEADER + 7 };
  if (memcmp(block, "ZS", 2) == 0)
    return size > ZSTD_DESCRIPTOR && (block[ZSTD_DESCRIPTOR] & ZSTD_HAS_CHECKSUM);
  if (memcmp(block, "XZ", 2) == 0)
    return size > XZ_CHECK && block[XZ_CHECK] != 0;
  return memcmp(block, "ZL", 2) == 0 || memcmp(block, "L4", 2) == 0;
}

static void note_sum(struct mutant_original *original, size_t at, size_t size) {
  struct mutant_change *sums = realloc(original->sums, (original->num_sums + 1) * sizeof *sums);
  if (!sums)
    abort();
  sums[original->num_sums++] = (struct mutant_change){at, size};
  original->sums = sums;
}

/* The payload of a record, block by block; their headers are left out. */
static void mark_payload(struct mutant_original *original, int64_t from, int64_t stored, int64_t inflated) {
  enum { HEADER = 9 };
  if (from <= 0 || stored < 0 || from > (int64_t)original->size || stored > (int64_t)original->size - from ||
      stored >= inflated)
    return;
  for (int64_t at = from; at + HEADER <= from + stored;) {
    const uint8_t *block = original->data + at;
    int64_t size = HEADER + (block[3] | block[4] << 8 | (int64_t)block[5] << 16);
    if (size > from + stored - at)
      return;
    if (block_is_checked(block, (size_t)size))
      mark(original, at + HEADER, size - HEADER);
    if (block[0] == 'Z' && block[1] == 'L')
      note_sum(original, (size_t)at + HEADER, (size_t)size - HEADER);
    at += size;
  }
}

static void mark_baskets(struct mutant_original *original, const struct mlaas_tree *tree) {
  for (size_t i = 0; i < tree->num_all; i++)
    for (size_t k = 0; k < tree->all[i]->num_baskets; k++) {
      const struct mlaas_basket_ref *ref = &tree->all[i]->baskets[k];
      struct mlaas_basket_head head;
      if (!ref->embedded && !tree->all[i]->file_name && ref->seek < (int64_t)original->size &&
          ref->num_bytes <= (int64_t)original->size - ref->seek &&
          mlaas_basket_head(original->data + ref->seek, ref->num_bytes, ref->seek, &head, NULL) == MLAAS_OK)
        mark_payload(original, ref->seek + head.key_len, (int64_t)ref->num_bytes - head.key_len, head.object_len);
    }
}

static int64_t load64(const uint8_t *at) {
  uint64_t word;
  memcpy(&word, at, 8);
  return (int64_t)__builtin_bswap64(word);
}

static void mark_ntuple(struct mutant_original *original, struct mlaas_container *container,
                        const struct mlaas_key *key) {
  enum { FRONT = 6, HASHED = 72, HEADER = 14, FOOTER = 38, HEAD_SIZE = 22, FOOT_SIZE = 46, ANCHOR = 78 };
  int64_t at = key->offset + key->key_len;
  struct mlaas_ntuple ntuple;
  if (key->object_len < ANCHOR || key->num_bytes - key->key_len < key->object_len ||
      at > (int64_t)original->size - ANCHOR || mlaas_ntuple_read(container, key, &ntuple, NULL) != MLAAS_OK)
    return;
  mark(original, at + FRONT, HASHED);
  mark(original, load64(original->data + at + HEADER), load64(original->data + at + HEAD_SIZE));
  mark(original, load64(original->data + at + FOOTER), load64(original->data + at + FOOT_SIZE));
  for (size_t i = 0; i < ntuple.num_clusters; i++)
    for (size_t k = 0; k < ntuple.num_columns; k++) {
      const struct mlaas_ntuple_range *range = &ntuple.clusters[i].ranges[k];
      for (size_t p = 0; p < range->num_pages; p++)
        if (range->pages[p].checksum)
          mark(original, range->pages[p].seek, (int64_t)range->pages[p].stored + 8);
    }
  mlaas_ntuple_reset(&ntuple);
}

void mutant_cover(struct mutant_original *original, struct mlaas_context *context) {
  struct mlaas_source *source;
  struct mlaas_file *file;
  struct mlaas_error error;
  if (mlaas_source_from_memory(original->data, original->size, &source, &error) != MLAAS_OK ||
      mlaas_file_from_source(context, source, &file, &error) != MLAAS_OK)
    return;
  struct mlaas_container *container = &file->container;
  const struct mlaas_key *info = &container->streamer_key;
  mark_payload(original, info->offset + info->key_len, info->num_bytes - info->key_len, info->object_len);
  for (size_t i = 0; i < container->num_keys; i++) {
    const struct mlaas_key *key = &container->keys[i];
    mark_payload(original, key->offset + key->key_len, key->num_bytes - key->key_len, key->object_len);
  }
  for (size_t i = 0; i < file->num_tables; i++) {
    struct mlaas_tree tree;
    if (file->tables[i].is_ntuple)
      mark_ntuple(original, container, file->tables[i].key);
    else if (mlaas_tree_read(container, &file->streamers, file->tables[i].key, &tree, NULL) == MLAAS_OK) {
      mark_baskets(original, &tree);
      mlaas_tree_reset(&tree);
    }
  }
  mlaas_file_close(file);
}

static bool inflates_differently(const uint8_t *original, const uint8_t *mutant, size_t size) {
  enum { LARGEST = 1 << 24 };
  uint8_t *left = malloc(LARGEST), *right = malloc(LARGEST);
  uLongf left_size = LARGEST, right_size = LARGEST;
  bool differs = left && right && uncompress(left, &left_size, original, size) == Z_OK &&
                 uncompress(right, &right_size, mutant, size) == Z_OK &&
                 (left_size != right_size || memcmp(left, right, left_size) != 0);
  free(left);
  free(right);
  return differs;
}

bool mutant_collides(const struct mutant_original *original, const struct mutant *mutant) {
  for (size_t i = 0; mutant->size == original->size && i < original->num_sums; i++) {
    const struct mutant_change *sum = &original->sums[i];
    const uint8_t *left = original->data + sum->at, *right = mutant->data + sum->at;
    if (memcmp(left, right, sum->size) != 0 && inflates_differently(left, right, sum->size))
      return true;
  }
  return false;
}
