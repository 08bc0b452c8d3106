/* A remote source for tests: a local file behind "counted://PATH", which notes every range that is announced and every
 * range that is read. Reading what was not announced costs a round trip. */
#ifndef MLAAS_TESTS_ROOTIO_COUNTED_H
#define MLAAS_TESTS_ROOTIO_COUNTED_H

#include "base/cancel.h"
#include "base/error.h"
#include "base/memory.h"
#include "source/source.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define COUNTED "counted://"

struct noted {
  struct mlaas_range *ranges;
  size_t count, room;
};

/* Of all sources together. */
struct counted {
  pthread_mutex_t lock;
  struct noted announced, read;
  long announcements, trips; /* calls; ranges that were read without being announced */
  long opened;
  atomic_int opening, most_opening; /* at a time */
  atomic_int slow_us;               /* what opening takes */
  atomic_bool stalled;              /* reads wait until they are cancelled */
  atomic_int waiting;
  const char *checksum; /* what the server says; NULL: nothing */
};

static struct counted counted = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct counted_file {
  int descriptor;
};

static inline void note(struct noted *noted, const struct mlaas_range *range) {
  if (noted->count == noted->room) {
    noted->room = noted->room ? 2 * noted->room : 64;
    noted->ranges = realloc(noted->ranges, noted->room * sizeof *noted->ranges);
  }
  noted->ranges[noted->count++] = (struct mlaas_range){range->offset, range->length, NULL};
}

static inline void counted_forget(void) {
  pthread_mutex_lock(&counted.lock);
  free(counted.announced.ranges);
  free(counted.read.ranges);
  counted.announced = counted.read = (struct noted){0};
  counted.announcements = counted.trips = counted.opened = 0;
  pthread_mutex_unlock(&counted.lock);
}

static enum mlaas_status counted_open(struct mlaas_context *context, const char *url, void **state, int64_t *size,
                                      struct mlaas_error *error) {
  (void)context;
  struct stat status;
  const char *path = url + strlen(COUNTED);
  int busy = atomic_fetch_add(&counted.opening, 1) + 1, most = atomic_load(&counted.most_opening);
  while (busy > most && !atomic_compare_exchange_weak(&counted.most_opening, &most, busy))
    ;
  usleep((useconds_t)atomic_load(&counted.slow_us));
  atomic_fetch_sub(&counted.opening, 1);
  int descriptor = open(path, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || fstat(descriptor, &status) != 0)
    return mlaas_fail(error, MLAAS_NOT_FOUND, "there is no '%s'", path);
  struct counted_file *file = mlaas_alloc(sizeof *file);
  if (!file) {
    close(descriptor);
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open '%s'", path);
  }
  file->descriptor = descriptor;
  *state = file;
  *size = status.st_size;
  pthread_mutex_lock(&counted.lock);
  counted.opened++;
  pthread_mutex_unlock(&counted.lock);
  return MLAAS_OK;
}

static inline bool was_announced(const struct mlaas_range *range) {
  for (size_t i = 0; i < counted.announced.count; i++) {
    const struct mlaas_range *one = &counted.announced.ranges[i];
    if (one->offset <= range->offset && range->offset + range->length <= one->offset + one->length)
      return true;
  }
  return false;
}

static enum mlaas_status counted_read(void *state, const struct mlaas_range *ranges, size_t count,
                                      struct mlaas_error *error) {
  const struct counted_file *file = state;
  atomic_fetch_add(&counted.waiting, 1);
  while (atomic_load(&counted.stalled) && !mlaas_cancelled())
    usleep(1000);
  atomic_fetch_sub(&counted.waiting, 1);
  if (atomic_load(&counted.stalled))
    return mlaas_fail(error, MLAAS_CANCELLED, "the read was cancelled");
  pthread_mutex_lock(&counted.lock);
  for (size_t i = 0; i < count; i++) {
    counted.trips += !was_announced(&ranges[i]);
    note(&counted.read, &ranges[i]);
  }
  pthread_mutex_unlock(&counted.lock);
  for (size_t i = 0; i < count; i++)
    if (pread(file->descriptor, ranges[i].data, (size_t)ranges[i].length, ranges[i].offset) != ranges[i].length)
      return mlaas_fail(error, MLAAS_IO, "reading failed");
  return MLAAS_OK;
}

static void counted_ahead(void *state, const struct mlaas_range *ranges, size_t count) {
  (void)state;
  pthread_mutex_lock(&counted.lock);
  counted.announcements++;
  for (size_t i = 0; i < count; i++)
    note(&counted.announced, &ranges[i]);
  pthread_mutex_unlock(&counted.lock);
}

static enum mlaas_status counted_checksum(void *state, char *text, size_t size, struct mlaas_error *error) {
  (void)state;
  if (!counted.checksum)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "no checksums here");
  snprintf(text, size, "%s", counted.checksum);
  return MLAAS_OK;
}

static void counted_close(void *state) {
  struct counted_file *file = state;
  close(file->descriptor);
  mlaas_free(file);
}

static const struct mlaas_source_scheme counted_scheme = {.name = "counted",
                                                          .open = counted_open,
                                                          .read_many = counted_read,
                                                          .ahead = counted_ahead,
                                                          .checksum = counted_checksum,
                                                          .close = counted_close};

static int compare_ranges(const void *left, const void *right) {
  const struct mlaas_range *a = left, *b = right;
  if (a->offset != b->offset)
    return a->offset < b->offset ? -1 : 1;
  return (a->length > b->length) - (a->length < b->length);
}

static inline void sort_noted(struct noted *noted) {
  if (noted->count)
    qsort(noted->ranges, noted->count, sizeof *noted->ranges, compare_ranges);
}

#endif
