/* Seeded numbers that depend on nothing but their key: shuffling the same way on every machine. */
#ifndef MLAAS_DATASET_RANDOM_H
#define MLAAS_DATASET_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct mlaas_random {
  uint64_t state;
};

/* A generator for one purpose: the same seed, stream and number give the same sequence. */
struct mlaas_random mlaas_random_new(uint64_t seed, uint64_t stream, uint64_t number);
/* Uniform in [0, below), without bias; below > 0. */
uint64_t mlaas_random_below(struct mlaas_random *random, uint64_t below);
/* values[i] = i, then shuffled. */
void mlaas_random_permutation(struct mlaas_random *random, int32_t *values, int32_t count);

#endif
