/* How fast servers were lately, for choosing among replicas, and which do not answer. Must not know what was read. */
#include "source/remote/remote.h"

#include "base/clock.h"

#include <stdio.h>
#include <string.h>

enum { HOSTS = 64, HOST_BYTES = 128, SMALL = 64 << 10, USUAL_MS = 50, MEBIBYTE = 1 << 20, FAILURE_MS = 10000 };

static struct {
  char host[HOST_BYTES];
  int64_t used_ms, failed_ms;           /* failed_ms 0: not lately */
  int64_t answered_ms, silent_until_ms; /* 0: never, it is not */
  double wait_ms;                       /* of a small request; 0: not known */
  double ms_per_byte;                   /* beyond that; 0: not known */
} hosts[HOSTS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void take(void) { pthread_mutex_lock(&lock); }
static void leave(void) { pthread_mutex_unlock(&lock); }
static void watch_forks(void) { pthread_atfork(take, leave, leave); }

void mlaas_speed_host(const char *url, char *host, size_t size) {
  const char *start = strstr(url, "://");
  start = start ? start + 3 : url;
  size_t length = strcspn(start, "/?#");
  for (size_t i = length; i-- > 0;)
    if (start[i] == '@') { /* behind a name and password */
      start += i + 1;
      length -= i + 1;
      break;
    }
  snprintf(host, size, "%.*s", (int)(length < size ? length : size), start);
}

/* Its entry, or, where `make`, the one that was not used for longest. -1: none. */
static int find(const char *host, bool make) {
  int oldest = 0;
  for (int i = 0; i < HOSTS; i++) {
    if (strcmp(hosts[i].host, host) == 0)
      return i;
    if (hosts[i].used_ms < hosts[oldest].used_ms)
      oldest = i;
  }
  if (!make)
    return -1;
  memset(&hosts[oldest], 0, sizeof hosts[oldest]);
  snprintf(hosts[oldest].host, sizeof hosts[oldest].host, "%s", host);
  return oldest;
}

static double blend(double old, double fresh) { return old > 0 ? old * 0.75 + fresh * 0.25 : fresh; }

void mlaas_speed_note(const char *host, int64_t ms, int64_t bytes) {
  pthread_once(&once, watch_forks);
  double took = ms > 0 ? (double)ms : 0.5;
  take();
  int i = find(host, true);
  hosts[i].used_ms = hosts[i].answered_ms = mlaas_now_ms();
  hosts[i].failed_ms = hosts[i].silent_until_ms = 0;
  if (bytes <= SMALL || hosts[i].wait_ms <= 0)
    hosts[i].wait_ms = blend(hosts[i].wait_ms, took);
  if (bytes > SMALL) {
    double beyond = took - hosts[i].wait_ms;
    hosts[i].ms_per_byte = blend(hosts[i].ms_per_byte, (beyond > 0.5 ? beyond : 0.5) / (double)bytes);
  }
  leave();
}

void mlaas_speed_note_failure(const char *host) {
  pthread_once(&once, watch_forks);
  take();
  int i = find(host, true);
  hosts[i].used_ms = hosts[i].failed_ms = mlaas_now_ms();
  leave();
}

void mlaas_speed_note_answer(const char *host) {
  pthread_once(&once, watch_forks);
  take();
  int i = find(host, true);
  hosts[i].used_ms = hosts[i].answered_ms = mlaas_now_ms();
  hosts[i].silent_until_ms = 0;
  leave();
}

void mlaas_speed_note_silence(const char *host, int64_t since_ms, int64_t for_ms) {
  pthread_once(&once, watch_forks);
  take();
  int i = find(host, true);
  hosts[i].used_ms = mlaas_now_ms();
  if (hosts[i].answered_ms <= since_ms)
    hosts[i].silent_until_ms = hosts[i].used_ms + for_ms;
  leave();
}

bool mlaas_speed_is_silent(const char *host) {
  pthread_once(&once, watch_forks);
  take();
  int i = find(host, false);
  bool silent = i >= 0 && mlaas_now_ms() < hosts[i].silent_until_ms;
  leave();
  return silent;
}

int64_t mlaas_speed_expect_ms(const char *host) {
  double expected = USUAL_MS;
  pthread_once(&once, watch_forks);
  take();
  int i = find(host, false);
  if (i >= 0 && hosts[i].wait_ms > 0)
    expected = hosts[i].wait_ms + hosts[i].ms_per_byte * MEBIBYTE;
  if (i >= 0 && hosts[i].failed_ms && mlaas_now_ms() - hosts[i].failed_ms < 6 * FAILURE_MS)
    expected += FAILURE_MS;
  leave();
  return (int64_t)expected;
}
