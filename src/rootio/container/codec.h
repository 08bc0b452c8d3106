/* ROOT's compressed payloads: a chain of blocks with 9-byte headers (ZL, XZ, L4, ZS, CS), or stored bytes. */
#ifndef MLAAS_ROOTIO_CONTAINER_CODEC_H
#define MLAAS_ROOTIO_CONTAINER_CODEC_H

#include "base/memory.h"

/* Decoder states of one worker, made at the first use of each codec and counted in the budget. Zeroed = empty. */
struct mlaas_codec {
  struct mlaas_budget *budget;
  struct libdeflate_decompressor *deflate;
  void *zstd, *lzma;
  int64_t claimed;
  bool verified; /* the caller has compared a hash of all stored bytes: LZ4's own would be the second one */
};

void mlaas_codec_init(struct mlaas_codec *codec, struct mlaas_budget *budget);
void mlaas_codec_reset(struct mlaas_codec *codec);
/* Inflates `in` into exactly `out_size` bytes; in_size >= out_size means stored (slack is allowed). `offset` is where
 * `in` begins in the file, for errors. Errors: FORMAT, CHECKSUM (LZ4's XXH64, zlib's Adler), UNSUPPORTED (unknown
 * magic), LIMIT, MEMORY. */
enum mlaas_status mlaas_codec_decode(struct mlaas_codec *codec, const uint8_t *in, int64_t in_size, uint8_t *out,
                                     int64_t out_size, int64_t offset, struct mlaas_error *error);

/* Whether the blocks in `in` promise exactly `out_size` bytes, by their headers alone: what a file says of a size is
 * not worth an allocation before. Errors: FORMAT. */
enum mlaas_status mlaas_codec_check(const uint8_t *in, int64_t in_size, int64_t out_size, int64_t offset,
                                    struct mlaas_error *error);

/* The checksum of LZ4 blocks: XXH64 with seed 0. */
uint64_t mlaas_codec_xxh64(const uint8_t *in, size_t size);

#endif
