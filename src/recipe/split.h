/* Which part of the data an entry belongs to: a hash against the shares, docs/split.md. No tables and no files. */
#ifndef MLAAS_RECIPE_SPLIT_H
#define MLAAS_RECIPE_SPLIT_H

#include <stdint.h>
#include <stddef.h>

enum { MLAAS_TRAIN, MLAAS_VALIDATION, MLAAS_TEST };

/* A hash like any other in [0, 2^64) of an entry of a file: XXH3-64(entry as u64 LE, seed = key), where
 * key = XXH3-64(file id, seed = seed). */
uint64_t mlaas_hash_file(const char *file_id, uint64_t seed);
void mlaas_hash_entries(uint64_t file_key, int64_t first_entry, int64_t rows, uint64_t *hashes);
/* XXH3-64(values as i64 LE one after the other, seed = seed) of each row; `width` values a row. */
void mlaas_hash_values(const int64_t *values, size_t width, int64_t rows, uint64_t seed, uint64_t *hashes);

/* part[i] of hash[i]: the first part whose cumulated share is above hash / 2^64. */
void mlaas_split_hashes(const double shares[3], const uint64_t *hashes, int64_t rows, int8_t *part);
/* The two steps together, without memory: by entry, and by the values of identifier branches. */
void mlaas_split_entries(const double shares[3], uint64_t seed, const char *file_id, int64_t first_entry, int64_t rows,
                         int8_t *part);
void mlaas_split_values(const double shares[3], uint64_t seed, const int64_t *values, size_t width, int64_t rows,
                        int8_t *part);

#endif
