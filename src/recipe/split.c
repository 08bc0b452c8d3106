/* The split of rows by hash. Must not know recipes: it is the formula of docs/split.md and nothing else. */
#include "recipe/split.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

enum { CHUNK = 256 };

static int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

/* The hash is of little-endian bytes whatever the machine is. */
static uint64_t little(uint64_t value) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
  return __builtin_bswap64(value);
#else
  return value;
#endif
}

uint64_t mlaas_hash_file(const char *file_id, uint64_t seed) {
  return XXH3_64bits_withSeed(file_id, strlen(file_id), seed);
}

void mlaas_hash_entries(uint64_t file_key, int64_t first_entry, int64_t rows, uint64_t *hashes) {
  for (int64_t i = 0; i < rows; i++) {
    uint64_t entry = little((uint64_t)(first_entry + i));
    hashes[i] = XXH3_64bits_withSeed(&entry, sizeof entry, file_key);
  }
}

void mlaas_hash_values(const int64_t *values, size_t width, int64_t rows, uint64_t seed, uint64_t *hashes) {
  for (int64_t i = 0; i < rows; i++) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    XXH3_state_t state;
    XXH3_64bits_reset_withSeed(&state, seed);
    for (size_t k = 0; k < width; k++) {
      uint64_t value = little((uint64_t)values[(size_t)i * width + k]);
      XXH3_64bits_update(&state, &value, sizeof value);
    }
    hashes[i] = XXH3_64bits_digest(&state);
#else
    hashes[i] = XXH3_64bits_withSeed(values + (size_t)i * width, width * sizeof *values, seed);
#endif
  }
}

void mlaas_split_hashes(const double shares[3], const uint64_t *hashes, int64_t rows, int8_t *part) {
  double train = shares[0], validation = shares[0] + shares[1];
  /* Rounding must not give rows to a part without a share: the last one that has a share ends at infinity. */
  if (shares[2] <= 0)
    validation = 2;
  if (shares[2] <= 0 && shares[1] <= 0)
    train = 2;
  for (int64_t i = 0; i < rows; i++) {
    double u = (double)hashes[i] / 18446744073709551616.0;
    part[i] = (int8_t)((u >= train) + (u >= validation));
  }
}

void mlaas_split_entries(const double shares[3], uint64_t seed, const char *file_id, int64_t first_entry, int64_t rows,
                         int8_t *part) {
  uint64_t key = mlaas_hash_file(file_id, seed), hashes[CHUNK];
  for (int64_t i = 0; i < rows; i += CHUNK) {
    int64_t n = smaller(CHUNK, rows - i);
    mlaas_hash_entries(key, first_entry + i, n, hashes);
    mlaas_split_hashes(shares, hashes, n, part + i);
  }
}

void mlaas_split_values(const double shares[3], uint64_t seed, const int64_t *values, size_t width, int64_t rows,
                        int8_t *part) {
  uint64_t hashes[CHUNK];
  for (int64_t i = 0; i < rows; i += CHUNK) {
    int64_t n = smaller(CHUNK, rows - i);
    mlaas_hash_values(values + (size_t)i * width, width, n, seed, hashes);
    mlaas_split_hashes(shares, hashes, n, part + i);
  }
}
