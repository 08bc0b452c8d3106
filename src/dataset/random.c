/* SplitMix64, keyed by XXH3. Knows nothing of rows or files. */
#include "dataset/random.h"

#include <xxhash.h>

__extension__ typedef unsigned __int128 wide;

struct mlaas_random mlaas_random_new(uint64_t seed, uint64_t stream, uint64_t number) {
  uint64_t key[2] = {stream, number};
  return (struct mlaas_random){XXH3_64bits_withSeed(key, sizeof key, seed)};
}

static uint64_t next(struct mlaas_random *random) {
  uint64_t z = random->state += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

/* Lemire's multiplication: the few low products that would favour some values are drawn again. */
uint64_t mlaas_random_below(struct mlaas_random *random, uint64_t below) {
  wide product = (wide)next(random) * below;
  if ((uint64_t)product < below) {
    uint64_t least = -below % below;
    while ((uint64_t)product < least)
      product = (wide)next(random) * below;
  }
  return (uint64_t)(product >> 64);
}

void mlaas_random_permutation(struct mlaas_random *random, int32_t *values, int32_t count) {
  for (int32_t i = 0; i < count; i++) {
    int32_t j = (int32_t)mlaas_random_below(random, (uint64_t)i + 1);
    values[i] = values[j];
    values[j] = i;
  }
}
