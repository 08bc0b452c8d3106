/* Back-off. Must not know what is tried again. */
#include "source/remote/retry.h"

#include <stdatomic.h>
#include <time.h>

enum { BASE_MS = 200, MOST_MS = 10000, MOST_DOUBLINGS = 16 };

static atomic_int_fast64_t base_ms = BASE_MS;

void mlaas_retry_base(int64_t ms) { atomic_store(&base_ms, ms > 0 ? ms : BASE_MS); }

/* Any spread will do: a counter and the time, stirred. */
static uint64_t draw(void) {
  static atomic_uint_fast64_t drawn;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  uint64_t x = (uint64_t)now.tv_nsec + (atomic_fetch_add(&drawn, 1) + 1) * 0x9E3779B97F4A7C15ULL;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ULL;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBULL;
  return x ^ (x >> 31);
}

int64_t mlaas_retry_delay_ms(int attempt, int64_t retry_after_ms) {
  int doublings = attempt < 1 ? 0 : attempt - 1 > MOST_DOUBLINGS ? MOST_DOUBLINGS : attempt - 1;
  int64_t delay = atomic_load(&base_ms) << doublings;
  delay = delay > MOST_MS ? MOST_MS : delay;
  delay = delay / 2 + (int64_t)(draw() % (uint64_t)(delay + 1)); /* half to one and a half */
  return delay < retry_after_ms ? retry_after_ms : delay;
}
