/* The made-up protocol: a thread that answers when it is time. Must not know the layer that it tests. */
#define _GNU_SOURCE
#include "fake_wire.h"

#include "source/wires.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { MOST_FILES = 16 };

struct handle {
  struct fake_file *file;
  int64_t size; /* when it was opened */
  int in_flight, starting;
  bool early; /* it has the limits of its file that are early */
};

struct request {
  struct mlaas_fetch *fetch;
  struct handle *handle;
  int64_t due_us;
  enum fake_fault fault;
  bool cancelled;
  struct request *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* by the monotonic clock */
static pthread_t thread;
static bool stopping, leaving;
static struct request *requests; /* by due time */
static struct fake_file files[MOST_FILES];
static size_t num_files;
static long handles, in_flight, answering, openings, violations;
static unsigned long long random_state;

static unsigned draw(void) {
  random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
  return (unsigned)(random_state >> 33);
}

static int64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- answers ---- */

static void refuse(struct mlaas_fetch *fetch, enum mlaas_status status, bool transient, const char *text) {
  fetch->status = status;
  fetch->transient = transient;
  fetch->error.status = status;
  snprintf(fetch->error.message, sizeof fetch->error.message, "%s", text);
}

static void give(struct request *request, int64_t most) {
  struct mlaas_fetch *fetch = request->fetch;
  struct fake_file *file = request->handle->file;
  for (size_t i = 0; i < fetch->num_ranges && fetch->delivered < most; i++) {
    const struct mlaas_range *range = &fetch->ranges[i];
    int64_t length = range->length < most - fetch->delivered ? range->length : most - fetch->delivered;
    memcpy(range->data, file->bytes + range->offset, (size_t)length);
    fetch->delivered += length;
  }
  atomic_fetch_add(&file->delivered, (long)fetch->delivered);
}

/* Without the lock: done takes others' locks. */
static void answer(struct request *request) {
  struct mlaas_fetch *fetch = request->fetch;
  struct fake_file *file = request->handle->file;
  fetch->requests = 1;
  fetch->status = MLAAS_OK;
  if (request->cancelled)
    refuse(fetch, MLAAS_CANCELLED, false, "cancelled");
  else if (request->fault == FAKE_TRANSIENT)
    refuse(fetch, MLAAS_IO, true, "the connection was lost");
  else if (request->fault == FAKE_BUSY)
    refuse(fetch, MLAAS_IO, true, "the server is busy");
  else if (request->fault == FAKE_FINAL)
    refuse(fetch, MLAAS_IO, false, "permission denied");
  else if (request->fault == FAKE_MISSING)
    refuse(fetch, MLAAS_NOT_FOUND, false, "no such file");
  else if (request->fault == FAKE_SILENT)
    refuse(fetch, MLAAS_TIMEOUT, true, "no answer");
  else if (request->fault == FAKE_MISTAKE)
    refuse(fetch, MLAAS_ARGUMENT, false, "there is no token");
  else if (request->fault == FAKE_STALE)
    refuse(fetch, MLAAS_STALE, false, "the file changed");
  else if (request->fault == FAKE_CANCELLED)
    refuse(fetch, MLAAS_CANCELLED, false, "cancelled for no reason");
  else if (request->fault == FAKE_SHORT) {
    give(request, fetch->ranges[0].length / 2);
    refuse(fetch, MLAAS_IO, true, "the answer ended early");
  } else {
    give(request, INT64_MAX);
  }
  if (request->fault == FAKE_BUSY)
    fetch->retry_after_ms = file->retry_after_ms;
  pthread_mutex_lock(&lock);
  in_flight--;
  answering++;
  request->handle->in_flight--;
  fetch->wire = NULL;
  pthread_mutex_unlock(&lock);
  atomic_fetch_sub(&file->at_once_now, 1);
  free(request);
  fetch->done(fetch);
  pthread_mutex_lock(&lock);
  answering--;
  pthread_mutex_unlock(&lock);
}

static void *serve(void *unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  while (!stopping || requests) {
    struct request *next = requests;
    if (!next) {
      pthread_cond_wait(&changed, &lock);
    } else if (next->due_us > now_us()) {
      struct timespec until = {.tv_sec = next->due_us / 1000000, .tv_nsec = next->due_us % 1000000 * 1000};
      if (next->due_us == INT64_MAX)
        pthread_cond_wait(&changed, &lock);
      else
        pthread_cond_timedwait(&changed, &lock, &until);
    } else {
      requests = next->next;
      pthread_mutex_unlock(&lock);
      answer(next);
      pthread_mutex_lock(&lock);
    }
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

static void insert(struct request *request) {
  struct request **link = &requests;
  while (*link && (*link)->due_us <= request->due_us)
    link = &(*link)->next;
  request->next = *link;
  *link = request;
  pthread_cond_broadcast(&changed);
}

/* ---- the wire ---- */

static struct fake_file *find(const char *url) {
  for (size_t i = 0; i < num_files; i++)
    if (strcmp(files[i].url, url) == 0)
      return &files[i];
  return NULL;
}

static bool take_one(atomic_int *left) {
  int now = atomic_load(left);
  while (now > 0)
    if (atomic_compare_exchange_weak(left, &now, now - 1))
      return true;
  return false;
}

static void refuse_open(struct mlaas_fetch *fetch, enum fake_fault fault, bool *transient) {
  *transient = fault == FAKE_TRANSIENT || fault == FAKE_BUSY || fault == FAKE_SHORT;
  refuse(fetch, fault == FAKE_MISSING ? MLAAS_NOT_FOUND : MLAAS_IO, *transient,
         fault == FAKE_MISSING ? "no such file"
         : *transient          ? "the connection was refused"
                               : "permission denied");
}

static enum mlaas_status fail_open(enum fake_fault fault, struct mlaas_error *error, bool *transient) {
  struct mlaas_fetch fetch = {0};
  if (fault == FAKE_SILENT || fault == FAKE_STALL)
    refuse(&fetch, MLAAS_TIMEOUT, *transient = true, "no answer");
  else if (fault == FAKE_MISTAKE)
    refuse(&fetch, MLAAS_ARGUMENT, false, "there is no token");
  else
    refuse_open(&fetch, fault, transient);
  if (error)
    *error = fetch.error;
  return fetch.status;
}

/* Until the test ends; its caller has left by then. */
static void stall(void) {
  for (bool ends = false; !ends;) {
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    pthread_mutex_lock(&lock);
    ends = leaving;
    pthread_mutex_unlock(&lock);
  }
}

static enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options,
                                   struct mlaas_wire_file *opened, bool *transient, struct mlaas_error *error) {
  struct fake_file *file = find(url);
  *transient = false;
  (void)options;
  if (!file)
    return fail_open(FAKE_MISSING, error, transient);
  atomic_fetch_add(&file->opens, 1);
  if (file->delay_us)
    nanosleep(&(struct timespec){.tv_sec = file->delay_us / 1000000, .tv_nsec = file->delay_us % 1000000 * 1000L},
              NULL);
  if (take_one(&file->bad_opens)) {
    enum fake_fault fault = (enum fake_fault)atomic_load(&file->open_fault);
    if (fault == FAKE_STALL)
      stall();
    return fail_open(fault, error, transient);
  }
  struct handle *handle = calloc(1, sizeof *handle);
  handle->file = file;
  handle->size = atomic_load(&file->size);
  handle->early = file->early.most_ranges > 0;
  *opened = handle->early ? file->early : file->limits;
  opened->handle = handle;
  opened->size = handle->size;
  opened->requests = 1;
  snprintf(opened->tag, sizeof opened->tag, "%s", file->tag);
  pthread_mutex_lock(&lock);
  handles++;
  pthread_mutex_unlock(&lock);
  return MLAAS_OK;
}

static enum mlaas_status fake_open(const char *url, const struct mlaas_remote_options *options,
                                   struct mlaas_wire_file *opened, bool *transient, struct mlaas_error *error) {
  pthread_mutex_lock(&lock);
  openings++;
  pthread_mutex_unlock(&lock);
  enum mlaas_status status = open_file(url, options, opened, transient, error);
  pthread_mutex_lock(&lock);
  openings--;
  pthread_mutex_unlock(&lock);
  return status;
}

static bool keeps_contract(const struct handle *handle, const struct mlaas_fetch *fetch) {
  const struct mlaas_wire_file *limits = handle->early ? &handle->file->early : &handle->file->limits;
  int64_t end = 0, bytes = 0;
  for (size_t i = 0; i < fetch->num_ranges; i++) {
    const struct mlaas_range *range = &fetch->ranges[i];
    bool good = range->offset >= end && range->length > 0 && range->data &&
                range->length <= handle->size - range->offset && range->length <= limits->most_range_bytes;
    if (!good)
      return false;
    end = range->offset + range->length;
    bytes += range->length;
  }
  return fetch->num_ranges > 0 && fetch->num_ranges <= limits->most_ranges && bytes <= limits->most_request_bytes;
}

static enum fake_fault choose_fault(struct fake_file *file) {
  if (take_one(&file->good_fetches))
    return FAKE_NONE;
  if (take_one(&file->bad_fetches))
    return (enum fake_fault)atomic_load(&file->fetch_fault);
  int one_in = atomic_load(&file->bad_one_in);
  if (one_in == 0 || draw() % (unsigned)one_in)
    return FAKE_NONE;
  static const enum fake_fault passing[] = {FAKE_TRANSIENT, FAKE_BUSY, FAKE_SHORT, FAKE_CANCELLED};
  return passing[draw() % 4];
}

static void fake_start_fetch(void *opened, struct mlaas_fetch *fetch) {
  struct handle *handle = opened;
  struct fake_file *file = handle->file;
  struct request *request = calloc(1, sizeof *request);
  if (file->hesitate_us)
    nanosleep(&(struct timespec){.tv_nsec = file->hesitate_us * 1000L}, NULL);
  atomic_fetch_add(&file->fetches, 1);
  atomic_fetch_add(&file->ranges, (long)fetch->num_ranges);
  long now = atomic_fetch_add(&file->at_once_now, 1) + 1;
  pthread_mutex_lock(&lock);
  in_flight++;
  handle->in_flight++;
  handle->starting++;
  violations += !keeps_contract(handle, fetch) || now > file->limits.most_requests * handles;
  if (now > atomic_load(&file->most_at_once))
    atomic_store(&file->most_at_once, now);
  *request = (struct request){.fetch = fetch, .handle = handle, .fault = choose_fault(file)};
  fetch->wire = request;
  bool inside = file->at_once && request->fault != FAKE_STALL;
  if (!inside) {
    int jitter = file->delay_us ? (int)(draw() % (unsigned)(file->delay_us / 4 + 1)) : 0;
    request->due_us = request->fault == FAKE_STALL ? INT64_MAX : now_us() + file->delay_us + jitter;
    insert(request);
  }
  pthread_mutex_unlock(&lock);
  if (inside)
    answer(request);
  if (inside && file->linger_us)
    nanosleep(&(struct timespec){.tv_nsec = file->linger_us * 1000L}, NULL);
  pthread_mutex_lock(&lock);
  handle->starting--;
  pthread_mutex_unlock(&lock);
}

static void fake_cancel(void *opened, struct mlaas_fetch *fetch) {
  (void)opened;
  pthread_mutex_lock(&lock);
  struct request *request = fetch->wire, **link = &requests;
  while (request && *link && *link != request)
    link = &(*link)->next;
  if (request && *link) { /* else it is being answered */
    *link = request->next;
    request->cancelled = true;
    request->due_us = 0;
    insert(request);
  }
  pthread_mutex_unlock(&lock);
}

static enum mlaas_status fake_checksum(void *opened, char *text, size_t size, struct mlaas_error *error) {
  (void)error;
  snprintf(text, size, "adler32:%08lx", (unsigned long)((struct handle *)opened)->size);
  return MLAAS_OK;
}

static enum mlaas_status fake_list(const char *url, const struct mlaas_remote_options *options,
                                   bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                   struct mlaas_error *error) {
  (void)options;
  (void)error;
  size_t length = strlen(url);
  for (size_t i = 0; i < num_files; i++) {
    struct mlaas_wire_entry found = {.url = files[i].url, .size = atomic_load(&files[i].size)};
    if (strncmp(files[i].url, url, length) == 0 && !entry(context, &found))
      break;
  }
  return MLAAS_OK;
}

/* The answer comes with the first bytes: who waits for it before asking for any waits for ever. */
static bool fake_settle(void *opened, struct mlaas_wire_file *limits, int milliseconds) {
  struct handle *handle = opened;
  const struct mlaas_wire_file *now = &handle->file->limits;
  if (!handle->early)
    return true;
  if (atomic_load(&handle->file->fetches) == 0) {
    nanosleep(&(struct timespec){.tv_nsec = milliseconds * 1000000L}, NULL);
    return false;
  }
  pthread_mutex_lock(&lock);
  handle->early = false;
  pthread_mutex_unlock(&lock);
  limits->most_ranges = now->most_ranges;
  limits->most_range_bytes = now->most_range_bytes;
  limits->most_request_bytes = now->most_request_bytes;
  limits->gap = now->gap;
  limits->most_requests = now->most_requests;
  return true;
}

static void fake_close(void *opened) {
  struct handle *handle = opened;
  pthread_mutex_lock(&lock);
  violations += handle->in_flight != 0 || handle->starting != 0;
  handles--;
  pthread_mutex_unlock(&lock);
  free(handle);
}

static const char *const schemes[] = {"fake", NULL};
const struct mlaas_wire fake_wire = {.version = MLAAS_WIRE_VERSION,
                                     .size = sizeof(struct mlaas_wire),
                                     .schemes = schemes,
                                     .open = fake_open,
                                     .start = fake_start_fetch,
                                     .cancel = fake_cancel,
                                     .checksum = fake_checksum,
                                     .list = fake_list,
                                     .close = fake_close,
                                     .settle = fake_settle};

/* ---- for tests ---- */

void fake_wire_start(unsigned seed) {
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_cond_init(&changed, &monotonic);
  pthread_condattr_destroy(&monotonic);
  stopping = leaving = false;
  num_files = 0;
  handles = in_flight = answering = violations = 0;
  random_state = seed;
  mlaas_wire_lend(&fake_wire);
  assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
}

void fake_wire_stop(void) {
  for (int i = 0; i < 60000; i++) { /* an opening that its caller left closes its handle in its own time */
    pthread_mutex_lock(&lock);
    leaving = true;
    bool busy = handles > 0 || openings > 0;
    pthread_mutex_unlock(&lock);
    if (!busy)
      break;
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
  }
  pthread_mutex_lock(&lock);
  stopping = true;
  pthread_cond_broadcast(&changed);
  pthread_mutex_unlock(&lock);
  pthread_join(thread, NULL);
  pthread_cond_destroy(&changed);
  mlaas_wire_lend(NULL);
  assert_int_equal(handles, 0);
  assert_int_equal(in_flight, 0);
  assert_int_equal(violations, 0);
}

struct fake_file *fake_wire_serve(const char *url, const unsigned char *bytes, int64_t size) {
  assert_true(num_files < MOST_FILES);
  struct fake_file *file = &files[num_files];
  memset(file, 0, sizeof *file);
  snprintf(file->url, sizeof file->url, "%s", url);
  file->bytes = bytes;
  atomic_store(&file->size, size);
  file->limits = (struct mlaas_wire_file){
      .most_ranges = 1024, .most_range_bytes = 2097136, .most_request_bytes = 1 << 30, .gap = 4096, .most_requests = 8};
  num_files++; /* found from now on */
  return file;
}

long fake_wire_in_flight(void) {
  pthread_mutex_lock(&lock);
  long now = in_flight;
  pthread_mutex_unlock(&lock);
  return now;
}

void fake_wire_await_quiet(void) {
  for (bool quiet = false; !quiet;) {
    pthread_mutex_lock(&lock);
    quiet = in_flight == 0 && answering == 0;
    pthread_mutex_unlock(&lock);
    if (!quiet)
      nanosleep(&(struct timespec){.tv_nsec = 500000}, NULL);
  }
}
