/* Fixed windows per client in a sharded table of fixed size. A shard is searched from the client's place over a few
 * neighbours; the oldest of them gives way to a newcomer.
 */
#include "serve/limiter.h"

#include "base/memory.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <xxhash.h>

enum { SHARDS = 16, CLIENTS = 1024, NEIGHBOURS = 8 };

struct client {
  uint64_t id; /* hash of the address with a secret seed; 0: free */
  int64_t began, count;
};

struct shard {
  pthread_mutex_t lock;
  struct client clients[CLIENTS];
};

struct mlaas_limiter {
  int64_t requests, period; /* atomic */
  uint64_t seed;
  struct shard shards[SHARDS];
};

struct mlaas_limiter *mlaas_limiter_new(int64_t requests, int64_t period_ns) {
  struct mlaas_limiter *limiter = mlaas_alloc(sizeof *limiter);
  struct timespec now;
  if (!limiter)
    return NULL;
  clock_gettime(CLOCK_REALTIME, &now);
  uint64_t salt[3] = {(uint64_t)now.tv_sec, (uint64_t)now.tv_nsec, (uint64_t)(uintptr_t)limiter};
  limiter->seed = XXH3_64bits(salt, sizeof salt);
  mlaas_limiter_set(limiter, requests, period_ns);
  for (size_t i = 0; i < SHARDS; i++)
    pthread_mutex_init(&limiter->shards[i].lock, NULL);
  return limiter;
}

void mlaas_limiter_free(struct mlaas_limiter *limiter) {
  for (size_t i = 0; limiter && i < SHARDS; i++)
    pthread_mutex_destroy(&limiter->shards[i].lock);
  mlaas_free(limiter);
}

void mlaas_limiter_set(struct mlaas_limiter *limiter, int64_t requests, int64_t period_ns) {
  __atomic_store_n(&limiter->requests, requests, __ATOMIC_RELAXED);
  __atomic_store_n(&limiter->period, period_ns, __ATOMIC_RELAXED);
}

/* The client's own entry, else a free or the oldest one, made its own. The shard is locked. */
static struct client *find_client(struct shard *shard, uint64_t id, int64_t now) {
  struct client *oldest = NULL;
  for (size_t i = 0; i < NEIGHBOURS; i++) {
    struct client *client = &shard->clients[(id / SHARDS + i) % CLIENTS];
    if (client->id == id)
      return client;
    if (!oldest || (oldest->id && (!client->id || client->began < oldest->began)))
      oldest = client;
  }
  *oldest = (struct client){.id = id, .began = now};
  return oldest;
}

struct mlaas_limit mlaas_limiter_count(struct mlaas_limiter *limiter, const char *client, int64_t now) {
  int64_t requests = __atomic_load_n(&limiter->requests, __ATOMIC_RELAXED);
  int64_t period = __atomic_load_n(&limiter->period, __ATOMIC_RELAXED);
  if (requests <= 0)
    return (struct mlaas_limit){0};
  uint64_t id = XXH3_64bits_withSeed(client, strlen(client), limiter->seed);
  struct shard *shard = &limiter->shards[id % SHARDS];
  pthread_mutex_lock(&shard->lock);
  struct client *entry = find_client(shard, id ? id : 1, now);
  if (now - entry->began >= period) {
    entry->began = now;
    entry->count = 0;
  }
  if (entry->count <= requests) /* one more than allowed is enough to know */
    entry->count++;
  struct mlaas_limit limit = {requests, requests - entry->count, entry->began + period - now};
  pthread_mutex_unlock(&shard->lock);
  return limit;
}

/* Decimal digits of a number that is not negative, ended by 0. */
static const char *digits(char text[24], int64_t number) {
  char *at = text + 23;
  *at = 0;
  do
    *--at = (char)('0' + number % 10);
  while (number /= 10);
  return at;
}

void mlaas_limiter_apply(struct mlaas_limiter *limiter, struct mlaas_exchange *exchange) {
  struct mlaas_limit limit = mlaas_limiter_count(limiter, exchange->request.peer, mlaas_now());
  if (limit.limit == 0)
    return;
  char(*texts)[24] = mlaas_arena_alloc(&exchange->arena, 4, sizeof *texts, NULL);
  if (!texts)
    return;
  int64_t seconds = (limit.reset_ns + 999999999) / 1000000000;
  mlaas_exchange_header(exchange, "X-RateLimit-Limit", digits(texts[0], limit.limit));
  mlaas_exchange_header(exchange, "X-RateLimit-Remaining", digits(texts[1], limit.left > 0 ? limit.left : 0));
  mlaas_exchange_header(exchange, "X-RateLimit-Reset", digits(texts[2], (int64_t)time(NULL) + seconds));
  if (limit.left >= 0)
    return;
  mlaas_exchange_header(exchange, "Retry-After", digits(texts[3], seconds));
  mlaas_exchange_reply(exchange, 429, "text/plain; charset=utf-8", MLAAS_SLICE("Limit exceeded\n"));
}
