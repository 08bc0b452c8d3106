/* Inflates ROOT's block chains. Each block must fill exactly what its header says, and the chain exactly its room. */
#include "rootio/container/codec.h"

#include "base/error.h"

#include <libdeflate.h>
#include <lz4.h>
#include <lzma.h>
#include <string.h>
#include <zstd.h>

enum {
  HEADER = 9,
  DEFLATE_BYTES = 64 << 10, /* libdeflate's tables and ours around them, rounded up */
  LZMA_LIMIT = 128 << 20,   /* xz -9 wants 65 MiB */
  LZMA_PREFIX = 16
};

struct block {
  const uint8_t *in;
  size_t in_size;
  uint8_t *out;
  size_t out_size;
  int64_t offset; /* of the header, in the file */
};

struct lzma {
  lzma_stream stream;
  lzma_allocator allocator;
  struct mlaas_codec *codec;
  bool over; /* the budget said no */
};

void mlaas_codec_init(struct mlaas_codec *codec, struct mlaas_budget *budget) {
  *codec = (struct mlaas_codec){.budget = budget};
}

static enum mlaas_status claim(struct mlaas_codec *codec, int64_t size, struct mlaas_error *error) {
  MLAAS_TRY(mlaas_budget_claim(codec->budget, size, error));
  codec->claimed += size;
  return MLAAS_OK;
}

void mlaas_codec_reset(struct mlaas_codec *codec) {
  if (codec->deflate)
    libdeflate_free_decompressor(codec->deflate);
  ZSTD_freeDCtx(codec->zstd);
  struct lzma *lzma = codec->lzma;
  if (lzma) {
    lzma->codec = codec; /* it may have been moved since */
    lzma_end(&lzma->stream);
  }
  mlaas_free(lzma);
  if (codec->claimed)
    mlaas_budget_return(codec->budget, codec->claimed);
  *codec = (struct mlaas_codec){.budget = codec->budget};
}

static enum mlaas_status fail_block(const struct block *block, const char *codec, struct mlaas_error *error) {
  return mlaas_fail_at(error, MLAAS_FORMAT, block->offset,
                       "a %s block of %zu bytes does not inflate to the %zu bytes its header promises", codec,
                       block->in_size, block->out_size);
}

/* ---- zlib and raw deflate ---- */

static enum mlaas_status need_deflate(struct mlaas_codec *codec, struct mlaas_error *error) {
  if (codec->deflate)
    return MLAAS_OK;
  MLAAS_TRY(claim(codec, DEFLATE_BYTES, error));
  codec->deflate = libdeflate_alloc_decompressor();
  return codec->deflate ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a zlib decoder");
}

static bool inflate_raw(struct libdeflate_decompressor *deflate, const uint8_t *in, size_t in_size,
                        const struct block *block) {
  size_t used = 0, made = 0;
  return libdeflate_deflate_decompress_ex(deflate, in, in_size, block->out, block->out_size, &used, &made) ==
             LIBDEFLATE_SUCCESS &&
         used == in_size && made == block->out_size;
}

static enum mlaas_status decode_zlib(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error) {
  MLAAS_TRY(need_deflate(codec, error));
  size_t used = 0, made = 0;
  enum libdeflate_result result = libdeflate_zlib_decompress_ex(codec->deflate, block->in, block->in_size, block->out,
                                                                block->out_size, &used, &made);
  if (result == LIBDEFLATE_SUCCESS && used == block->in_size && made == block->out_size)
    return MLAAS_OK;
  /* libdeflate has one word for all damage: the data inflate, so it was the Adler-32 behind them */
  if (block->in_size > 6 && inflate_raw(codec->deflate, block->in + 2, block->in_size - 6, block))
    return mlaas_fail_at(error, MLAAS_CHECKSUM, block->offset, "the Adler-32 of a ZL block does not match its data");
  return fail_block(block, "ZL", error);
}

static enum mlaas_status decode_old(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error) {
  MLAAS_TRY(need_deflate(codec, error));
  if (inflate_raw(codec->deflate, block->in, block->in_size, block))
    return MLAAS_OK;
  return fail_block(block, "CS", error);
}

/* ---- LZ4 ---- */

static enum mlaas_status decode_lz4(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error) {
  if (block->in_size < 8)
    return fail_block(block, "L4", error);
  uint64_t stored;
  memcpy(&stored, block->in, 8);
  if (!codec->verified && mlaas_codec_xxh64(block->in + 8, block->in_size - 8) != __builtin_bswap64(stored))
    return mlaas_fail_at(error, MLAAS_CHECKSUM, block->offset, "the XXH64 of an L4 block does not match its data");
  int made = LZ4_decompress_safe((const char *)block->in + 8, (char *)block->out, (int)block->in_size - 8,
                                 (int)block->out_size);
  return made == (int)block->out_size ? MLAAS_OK : fail_block(block, "L4", error);
}

/* ---- ZSTD: one call into the final buffer, so a frame's window needs no memory of its own ---- */

static enum mlaas_status decode_zstd(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error) {
  if (!codec->zstd) {
    ZSTD_DCtx *made = ZSTD_createDCtx();
    if (!made)
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for a ZSTD decoder");
    enum mlaas_status status = claim(codec, (int64_t)ZSTD_sizeof_DCtx(made), error);
    if (status != MLAAS_OK) {
      ZSTD_freeDCtx(made);
      return status;
    }
    codec->zstd = made;
  }
  size_t made = ZSTD_decompressDCtx(codec->zstd, block->out, block->out_size, block->in, block->in_size);
  if (ZSTD_isError(made))
    return mlaas_fail_at(error, MLAAS_FORMAT, block->offset, "a ZS block is damaged: %s", ZSTD_getErrorName(made));
  return made == block->out_size ? MLAAS_OK : fail_block(block, "ZS", error);
}

/* ---- LZMA: its memory depends on the data (dictionary), so the budget counts each piece ---- */

static void *lzma_take(void *opaque, size_t count, size_t size) {
  struct lzma *lzma = opaque;
  struct mlaas_codec *codec = lzma->codec;
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes) || bytes > LZMA_LIMIT)
    return NULL;
  bytes += LZMA_PREFIX;
  lzma->over = claim(codec, (int64_t)bytes, NULL) != MLAAS_OK;
  if (lzma->over)
    return NULL;
  char *piece = mlaas_alloc(bytes);
  if (!piece) {
    mlaas_budget_return(codec->budget, (int64_t)bytes);
    codec->claimed -= (int64_t)bytes;
    return NULL;
  }
  memcpy(piece, &bytes, sizeof bytes);
  return piece + LZMA_PREFIX;
}

static void lzma_give(void *opaque, void *pointer) {
  if (!pointer)
    return;
  struct mlaas_codec *codec = ((struct lzma *)opaque)->codec;
  char *piece = (char *)pointer - LZMA_PREFIX;
  size_t bytes;
  memcpy(&bytes, piece, sizeof bytes);
  mlaas_budget_return(codec->budget, (int64_t)bytes);
  codec->claimed -= (int64_t)bytes;
  mlaas_free(piece);
}

static enum mlaas_status need_lzma(struct mlaas_codec *codec, struct mlaas_error *error) {
  if (codec->lzma)
    return MLAAS_OK;
  struct lzma *lzma = mlaas_alloc(sizeof *lzma);
  if (!lzma)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for an XZ decoder");
  lzma->stream = (lzma_stream)LZMA_STREAM_INIT;
  lzma->allocator = (lzma_allocator){lzma_take, lzma_give, lzma};
  lzma->stream.allocator = &lzma->allocator;
  codec->lzma = lzma;
  return MLAAS_OK;
}

static enum mlaas_status decode_lzma(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error) {
  MLAAS_TRY(need_lzma(codec, error));
  struct lzma *lzma = codec->lzma;
  lzma->codec = codec; /* as above */
  lzma->over = false;
  lzma_stream *stream = &lzma->stream;
  lzma_ret result = lzma_stream_decoder(stream, LZMA_LIMIT, 0); /* reuses the memory of the last block */
  stream->next_in = block->in;
  stream->avail_in = block->in_size;
  stream->next_out = block->out;
  stream->avail_out = block->out_size;
  while (result == LZMA_OK)
    result = lzma_code(stream, LZMA_FINISH);
  if (result == LZMA_STREAM_END && stream->avail_in == 0 && stream->avail_out == 0)
    return MLAAS_OK;
  if (result == LZMA_MEM_ERROR || result == LZMA_MEMLIMIT_ERROR)
    return mlaas_fail_at(error, lzma->over || result == LZMA_MEMLIMIT_ERROR ? MLAAS_LIMIT : MLAAS_MEMORY, block->offset,
                         "an XZ block needs a larger dictionary than there is memory for; raise the memory ceiling");
  return fail_block(block, "XZ", error);
}

/* ---- the chain ---- */

static const struct {
  char magic[3];
  int method; /* third byte of the header; ROOT refuses others too: of LZ4 and ZSTD it is the library's major version */
  enum mlaas_status (*decode)(struct mlaas_codec *codec, const struct block *block, struct mlaas_error *error);
} codecs[] = {
    {"ZL", 8, decode_zlib}, {"L4", 1, decode_lz4}, {"ZS", 1, decode_zstd},
    {"XZ", 0, decode_lzma}, {"CS", 8, decode_old},
};

static int64_t size24(const uint8_t *bytes) { return bytes[0] | bytes[1] << 8 | (int64_t)bytes[2] << 16; }

static enum mlaas_status decode_block(struct mlaas_codec *codec, const uint8_t *header, const struct block *block,
                                      struct mlaas_error *error) {
  for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
    if (memcmp(header, codecs[i].magic, 2) != 0)
      continue;
    if (header[2] != codecs[i].method)
      return mlaas_fail_at(error, MLAAS_FORMAT, block->offset, "a %s block has method %d where %d was expected",
                           codecs[i].magic, header[2], codecs[i].method);
    return codecs[i].decode(codec, block, error);
  }
  return mlaas_fail_at(error, MLAAS_UNSUPPORTED, block->offset,
                       "a compressed block begins with bytes 0x%02x 0x%02x: no known codec (ZL, XZ, L4, ZS, CS)",
                       header[0], header[1]);
}

/* Where a walk along the chain stands. */
struct chain {
  const uint8_t *in;
  int64_t in_size, out_size, offset;
  int64_t read, made;
};

/* The next block by its header, with `out` not set; the chain moves behind it. */
static enum mlaas_status next_block(struct chain *chain, struct block *block, struct mlaas_error *error) {
  const uint8_t *header = chain->in + chain->read;
  int64_t left = chain->in_size - chain->read - HEADER, room = chain->out_size - chain->made;
  if (left < 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, chain->offset + chain->read,
                         "compressed data end after %lld of %lld bytes", (long long)chain->made,
                         (long long)chain->out_size);
  *block = (struct block){header + HEADER, (size_t)size24(header + 3), NULL, (size_t)size24(header + 6),
                          chain->offset + chain->read};
  if ((int64_t)block->in_size > left || (int64_t)block->out_size > room || block->out_size == 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, block->offset,
                         "a block of %zu bytes for %zu does not fit: %lld stored and %lld inflated are left",
                         block->in_size, block->out_size, (long long)left, (long long)room);
  chain->read += HEADER + (int64_t)block->in_size;
  chain->made += (int64_t)block->out_size;
  return MLAAS_OK;
}

static enum mlaas_status check_end(const struct chain *chain, struct mlaas_error *error) {
  if (chain->read == chain->in_size)
    return MLAAS_OK;
  return mlaas_fail_at(error, MLAAS_FORMAT, chain->offset + chain->read,
                       "%lld bytes are left behind the last compressed block",
                       (long long)(chain->in_size - chain->read));
}

enum mlaas_status mlaas_codec_check(const uint8_t *in, int64_t in_size, int64_t out_size, int64_t offset,
                                    struct mlaas_error *error) {
  struct chain chain = {in, in_size, out_size, offset, 0, 0};
  struct block block;
  if (in_size < 0 || out_size < 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, offset, "a payload has a negative size");
  if (in_size >= out_size)
    return MLAAS_OK;
  while (chain.made < out_size)
    MLAAS_TRY(next_block(&chain, &block, error));
  return check_end(&chain, error);
}

enum mlaas_status mlaas_codec_decode(struct mlaas_codec *codec, const uint8_t *in, int64_t in_size, uint8_t *out,
                                     int64_t out_size, int64_t offset, struct mlaas_error *error) {
  struct chain chain = {in, in_size, out_size, offset, 0, 0};
  if (in_size < 0 || out_size < 0)
    return mlaas_fail_at(error, MLAAS_FORMAT, offset, "a payload has a negative size");
  if (in_size >= out_size) {
    if (out_size)
      memcpy(out, in, (size_t)out_size);
    return MLAAS_OK;
  }
  while (chain.made < out_size) {
    struct block block;
    MLAAS_TRY(next_block(&chain, &block, error));
    block.out = out + chain.made - block.out_size;
    MLAAS_TRY(decode_block(codec, block.in - HEADER, &block, error));
  }
  return check_end(&chain, error);
}
