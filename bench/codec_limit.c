/* Reads and inflates the baskets of a tree, or the pages of an ntuple, with the codecs' own libraries. Uses our
 * container only to find them.
 */
#define _GNU_SOURCE
#include "codec_limit.h"

#include "rootio/ntuple/ntuple.h"
#include "rootio/tree/tree.h"

#include <fcntl.h>
#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>

enum { HEADER = 9, LZ4_CHECKSUM = 8 };

struct payload {
  int64_t offset, stored, raw;
};

struct codec_limit {
  int descriptor;
  struct payload *payloads;
  size_t count;
  uint8_t *in, *out;
  struct libdeflate_decompressor *deflate;
  ZSTD_DCtx *zstd;
};

static double clock_seconds(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double bench_cpu(void) { return clock_seconds(CLOCK_PROCESS_CPUTIME_ID); }
double bench_wall(void) { return clock_seconds(CLOCK_MONOTONIC); }

static int64_t largest(int64_t a, int64_t b) { return a > b ? a : b; }

/* Payload of the basket at `seek`: behind its key. */
static struct payload payload_of(struct mlaas_source *source, const struct mlaas_basket_ref *ref) {
  uint8_t bytes[64];
  struct mlaas_cursor cursor;
  struct mlaas_error error;
  if (mlaas_source_read_at(source, ref->seek, sizeof bytes, bytes, &error) != MLAAS_OK)
    return (struct payload){0};
  mlaas_cursor_init(&cursor, bytes, sizeof bytes, ref->seek, &error);
  mlaas_cursor_skip(&cursor, 6);
  int64_t raw = mlaas_cursor_i32(&cursor);
  mlaas_cursor_skip(&cursor, 4);
  int64_t key = mlaas_cursor_i16(&cursor);
  return (struct payload){ref->seek + key, ref->num_bytes - key, raw};
}

static void list_payloads(struct codec_limit *limit, struct mlaas_source *source, const struct mlaas_tree *tree) {
  size_t most = 0;
  int64_t stored = 0, raw = 0;
  for (size_t i = 0; i < tree->num_all; i++)
    most += tree->all[i]->num_baskets;
  limit->payloads = calloc(most + 1, sizeof *limit->payloads);
  for (size_t i = 0; i < tree->num_all; i++)
    for (size_t k = 0; k < tree->all[i]->num_baskets; k++) {
      const struct mlaas_basket_ref *ref = &tree->all[i]->baskets[k];
      if (ref->embedded)
        continue;
      struct payload payload = payload_of(source, ref);
      limit->payloads[limit->count++] = payload;
      stored = largest(stored, payload.stored);
      raw = largest(raw, payload.raw);
    }
  limit->in = malloc((size_t)stored + 64);
  limit->out = malloc((size_t)raw + 64);
}

static int compare_offsets(const void *left, const void *right) {
  const struct payload *a = left, *b = right;
  return (a->offset > b->offset) - (a->offset < b->offset);
}

/* Columns may share pages: each is inflated once. */
static void list_pages(struct codec_limit *limit, const struct mlaas_ntuple *ntuple) {
  size_t most = 0, distinct = 0;
  int64_t stored = 0, raw = 0;
  for (size_t i = 0; i < ntuple->num_clusters; i++)
    for (size_t k = 0; k < ntuple->num_columns; k++)
      most += ntuple->clusters[i].ranges[k].num_pages;
  limit->payloads = calloc(most + 1, sizeof *limit->payloads);
  for (size_t i = 0; i < ntuple->num_clusters; i++)
    for (size_t k = 0; k < ntuple->num_columns; k++)
      for (size_t n = 0; n < ntuple->clusters[i].ranges[k].num_pages; n++) {
        const struct mlaas_ntuple_page *page = &ntuple->clusters[i].ranges[k].pages[n];
        limit->payloads[limit->count++] = (struct payload){page->seek, page->stored, page->size};
        stored = largest(stored, page->stored);
        raw = largest(raw, page->size);
      }
  qsort(limit->payloads, limit->count, sizeof *limit->payloads, compare_offsets);
  for (size_t i = 0; i < limit->count; i++)
    if (i == 0 || limit->payloads[i].offset != limit->payloads[i - 1].offset)
      limit->payloads[distinct++] = limit->payloads[i];
  limit->count = distinct;
  limit->in = malloc((size_t)stored + 64);
  limit->out = malloc((size_t)raw + 64);
}

static enum mlaas_status find_pages(struct codec_limit *limit, struct mlaas_container *container,
                                    const struct mlaas_key *key, struct mlaas_error *error) {
  struct mlaas_ntuple ntuple;
  enum mlaas_status status = mlaas_ntuple_read(container, key, &ntuple, error);
  if (status == MLAAS_OK) {
    list_pages(limit, &ntuple);
    mlaas_ntuple_reset(&ntuple);
  }
  return status;
}

static enum mlaas_status find_payloads(struct codec_limit *limit, struct mlaas_container *container,
                                       struct mlaas_error *error) {
  struct mlaas_streamers streamers;
  enum mlaas_status status = mlaas_streamers_read(container, &streamers, error);
  for (size_t i = 0; i < container->num_keys && status == MLAAS_OK && !limit->payloads; i++)
    if (strcmp(container->keys[i].class_name, "ROOT::RNTuple") == 0) {
      status = find_pages(limit, container, &container->keys[i], error);
    } else if (mlaas_tree_is_tree(&streamers, container->keys[i].class_name)) {
      struct mlaas_tree tree;
      status = mlaas_tree_read(container, &streamers, &container->keys[i], &tree, error);
      if (status == MLAAS_OK) {
        list_payloads(limit, container->source, &tree);
        mlaas_tree_reset(&tree);
      }
    }
  return status;
}

struct codec_limit *codec_limit_open(const char *path) {
  struct mlaas_budget *budget = mlaas_budget_new(1 << 30);
  struct mlaas_container container = {0};
  struct mlaas_source *source;
  struct mlaas_error error;
  struct codec_limit *limit = calloc(1, sizeof *limit);
  enum mlaas_status status = mlaas_source_open(NULL, path, &source, &error);
  if (status == MLAAS_OK)
    status = mlaas_container_open(&container, source, budget, &error);
  if (status == MLAAS_OK)
    status = find_payloads(limit, &container, &error);
  mlaas_container_reset(&container);
  mlaas_budget_put(budget);
  if (status != MLAAS_OK || !limit->payloads) {
    fprintf(stderr, "%s: %s\n", path, status != MLAAS_OK ? error.message : "no table");
    free(limit);
    return NULL;
  }
  limit->descriptor = open(path, O_RDONLY);
  limit->deflate = libdeflate_alloc_decompressor();
  limit->zstd = ZSTD_createDCtx();
  return limit;
}

void codec_limit_close(struct codec_limit *limit) {
  if (!limit)
    return;
  close(limit->descriptor);
  libdeflate_free_decompressor(limit->deflate);
  ZSTD_freeDCtx(limit->zstd);
  free(limit->payloads);
  free(limit->in);
  free(limit->out);
  free(limit);
}

static bool inflate_xz(const uint8_t *in, size_t in_size, uint8_t *out, size_t out_size) {
  uint64_t memory = UINT64_MAX;
  size_t in_at = 0, out_at = 0;
  return lzma_stream_buffer_decode(&memory, 0, NULL, in, &in_at, in_size, out, &out_at, out_size) == LZMA_OK;
}

static bool inflate_block(struct codec_limit *limit, const uint8_t *block, size_t in_size, uint8_t *out,
                          size_t out_size) {
  const uint8_t *in = block + HEADER;
  if (memcmp(block, "ZL", 2) == 0)
    return libdeflate_zlib_decompress(limit->deflate, in, in_size, out, out_size, NULL) == LIBDEFLATE_SUCCESS;
  if (memcmp(block, "L4", 2) == 0)
    return LZ4_decompress_safe((const char *)in + LZ4_CHECKSUM, (char *)out, (int)in_size - LZ4_CHECKSUM,
                               (int)out_size) == (int)out_size;
  if (memcmp(block, "ZS", 2) == 0)
    return ZSTD_decompressDCtx(limit->zstd, out, out_size, in, in_size) == out_size;
  if (memcmp(block, "XZ", 2) == 0)
    return inflate_xz(in, in_size, out, out_size);
  return memcmp(block, "CS", 2) == 0 &&
         libdeflate_deflate_decompress(limit->deflate, in, in_size, out, out_size, NULL) == LIBDEFLATE_SUCCESS;
}

static size_t number24(const uint8_t *bytes) {
  return (size_t)bytes[0] | (size_t)bytes[1] << 8 | (size_t)bytes[2] << 16;
}

static bool inflate(struct codec_limit *limit, const struct payload *payload) {
  if (pread(limit->descriptor, limit->in, (size_t)payload->stored, payload->offset) != payload->stored)
    return false;
  if (payload->stored >= payload->raw) {
    memcpy(limit->out, limit->in, (size_t)payload->raw);
    return true;
  }
  int64_t in = 0, out = 0;
  while (out < payload->raw && in + HEADER <= payload->stored) {
    const uint8_t *block = limit->in + in;
    size_t in_size = number24(block + 3), out_size = number24(block + 6);
    if (!inflate_block(limit, block, in_size, limit->out + out, out_size))
      return false;
    in += HEADER + (int64_t)in_size;
    out += (int64_t)out_size;
  }
  return out == payload->raw;
}

struct codec_limit_result codec_limit_run(struct codec_limit *limit) {
  struct codec_limit_result result = {.cpu = -bench_cpu(), .wall = -bench_wall()};
  for (size_t i = 0; i < limit->count; i++) {
    result.bad += !inflate(limit, &limit->payloads[i]);
    result.stored += limit->payloads[i].stored;
    result.raw += limit->payloads[i].raw;
  }
  result.payloads = (int64_t)limit->count;
  result.cpu += bench_cpu();
  result.wall += bench_wall();
  return result;
}
