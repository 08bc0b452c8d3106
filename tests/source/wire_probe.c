/* A program that does with a wire what it is told, for the tests with real servers: no cache, no retries, nothing of
 * the layer above. Lines of JSON come out. Usage: wire_probe [OPTION=VALUE]... URL < commands
 *
 *   open            the file's size, limits and server
 *   read O:L ...    one fetch of these ranges; their CRC-32
 *   many N O:L ...  N such fetches at once
 *   cancel MS O:L   one fetch that is cancelled after MS milliseconds
 *   storm N R O:L   N threads, each of which starts and cancels R fetches
 *   checksum, list, close
 *   fork            the next commands in a child
 *   sleep MS
 */
#include "base/error.h"
#include "source/wires.h"

#include <inttypes.h>
#include <jansson.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RANGES_MOST = 70000, FETCHES_MOST = 64, THREADS_MOST = 16 };

static struct {
  const char *url;
  const struct mlaas_wire *wire;
  struct mlaas_remote_options options;
  struct mlaas_wire_file file;
  bool is_open;
} probe;

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

static void pause_ms(long ms) {
  struct timespec time = {ms / 1000, ms % 1000 * 1000000};
  nanosleep(&time, NULL);
}

static void say(json_t *line) {
  char *text = json_dumps(line, JSON_COMPACT);
  puts(text);
  fflush(stdout);
  free(text);
  json_decref(line);
}

/* The common part of every answer. */
static json_t *answer(enum mlaas_status status, const struct mlaas_error *error, bool transient, double began) {
  json_t *line = json_pack("{s:s, s:f}", "status", mlaas_status_name(status), "seconds", now() - began);
  if (status != MLAAS_OK) {
    json_object_set_new(line, "message", json_string(error->message));
    json_object_set_new(line, "transient", json_boolean(transient));
  }
  return line;
}

static void open_it(void) {
  struct mlaas_error error = {0};
  bool transient = false;
  double began = now();
  if (probe.is_open)
    probe.wire->close(probe.file.handle);
  enum mlaas_status status = probe.wire->open(probe.url, &probe.options, &probe.file, &transient, &error);
  while (status == MLAAS_OK && probe.wire->settle && !probe.wire->settle(probe.file.handle, &probe.file, 50))
    ;
  json_t *line = answer(status, &error, transient, began);
  probe.is_open = status == MLAAS_OK;
  if (probe.is_open) {
    const struct mlaas_wire_file *file = &probe.file;
    json_t *more = json_pack("{s:I, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:i}", "size", (json_int_t)file->size, "tag",
                             file->tag, "server", file->server, "requests", (json_int_t)file->requests, "most_ranges",
                             (json_int_t)file->most_ranges, "most_range_bytes", (json_int_t)file->most_range_bytes,
                             "most_request_bytes", (json_int_t)file->most_request_bytes, "gap", (json_int_t)file->gap,
                             "most_requests", file->most_requests);
    json_object_update(line, more);
    json_decref(more);
  }
  say(line);
}

/* ---- fetches ---- */

struct task {
  struct mlaas_fetch fetch; /* first */
  struct mlaas_range *ranges;
  char *memory;
  int64_t bytes;
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int done;
};

static void fetch_done(struct mlaas_fetch *fetch) {
  struct task *task = (struct task *)fetch;
  pthread_mutex_lock(&task->lock);
  task->done++;
  pthread_cond_signal(&task->changed);
  pthread_mutex_unlock(&task->lock);
}

static bool parse_ranges(struct task *task, char *text) {
  char *rest = NULL;
  task->ranges = calloc(RANGES_MOST, sizeof *task->ranges);
  for (char *word = strtok_r(text, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest)) {
    struct mlaas_range *range = &task->ranges[task->fetch.num_ranges];
    if (task->fetch.num_ranges == RANGES_MOST ||
        sscanf(word, "%" SCNd64 ":%" SCNd64, &range->offset, &range->length) != 2)
      return false;
    task->bytes += range->length;
    task->fetch.num_ranges++;
  }
  task->memory = calloc(1, (size_t)task->bytes + 1);
  char *next = task->memory;
  for (size_t i = 0; i < task->fetch.num_ranges; i++) {
    task->ranges[i].data = next;
    next += task->ranges[i].length;
  }
  task->fetch.ranges = task->ranges;
  task->fetch.done = fetch_done;
  pthread_mutex_init(&task->lock, NULL);
  pthread_cond_init(&task->changed, NULL);
  return task->memory && task->fetch.num_ranges;
}

static void wait_for(struct task *task) {
  pthread_mutex_lock(&task->lock);
  while (!task->done)
    pthread_cond_wait(&task->changed, &task->lock);
  pthread_mutex_unlock(&task->lock);
}

static void report(struct task *task, double began) {
  const struct mlaas_fetch *fetch = &task->fetch;
  json_t *line = answer(fetch->status, &fetch->error, fetch->transient, began);
  json_object_set_new(line, "requests", json_integer((json_int_t)fetch->requests));
  json_object_set_new(line, "delivered", json_integer((json_int_t)fetch->delivered));
  if (fetch->status == MLAAS_OK)
    json_object_set_new(line, "crc32", json_integer(libdeflate_crc32(0, task->memory, (size_t)task->bytes)));
  json_object_set_new(line, "done", json_integer(task->done));
  say(line);
  free(task->memory);
  free(task->ranges);
  free(task);
}

static struct task *start(const char *text) {
  char *copy = strdup(text);
  struct task *task = calloc(1, sizeof *task);
  if (!probe.is_open || !parse_ranges(task, copy)) {
    say(json_pack("{s:s}", "status", probe.is_open ? "no such range" : "not open"));
    exit(2);
  }
  free(copy);
  probe.wire->start(probe.file.handle, &task->fetch);
  return task;
}

static void cancel(struct task *task) {
  pthread_mutex_lock(&task->lock);
  bool done = task->done;
  pthread_mutex_unlock(&task->lock);
  if (!done) /* a done that comes now is why wires keep what cancel needs */
    probe.wire->cancel(probe.file.handle, &task->fetch);
}

static void read_them(char *text, long count, long cancel_after) {
  struct task *tasks[FETCHES_MOST];
  double began = now();
  for (long i = 0; i < count; i++)
    tasks[i] = start(text);
  if (cancel_after >= 0) {
    pause_ms(cancel_after);
    cancel(tasks[0]);
  }
  for (long i = 0; i < count; i++)
    wait_for(tasks[i]);
  for (long i = 0; i < count; i++)
    report(tasks[i], began);
}

/* ---- many that are cancelled, from several threads ---- */

struct storm {
  pthread_t thread;
  const char *text;
  long rounds;
};

static void drop(struct task *task) {
  wait_for(task);
  free(task->memory);
  free(task->ranges);
  free(task);
}

static void *cancel_many(void *argument) {
  const struct storm *storm = argument;
  for (long i = 0; i < storm->rounds; i++) {
    struct task *task = start(storm->text);
    cancel(task);
    drop(task);
  }
  return NULL;
}

static void cancel_from_threads(const char *text, long count, long rounds) {
  struct storm storms[THREADS_MOST];
  double began = now();
  for (long i = 0; i < count; i++) {
    storms[i] = (struct storm){.text = text, .rounds = rounds};
    pthread_create(&storms[i].thread, NULL, cancel_many, &storms[i]);
  }
  for (long i = 0; i < count; i++)
    pthread_join(storms[i].thread, NULL);
  say(answer(MLAAS_OK, NULL, false, began));
}

/* ---- the rest ---- */

static bool list_entry(void *context, const struct mlaas_wire_entry *entry) {
  json_array_append_new(context, json_pack("[s, I, b]", entry->url, (json_int_t)entry->size, entry->is_directory));
  return true;
}

static void list_it(void) {
  struct mlaas_error error = {0};
  double began = now();
  json_t *entries = json_array();
  enum mlaas_status status = probe.wire->list(probe.url, &probe.options, list_entry, entries, &error);
  json_t *line = answer(status, &error, false, began);
  json_object_set_new(line, "entries", entries);
  say(line);
}

static void ask_checksum(void) {
  struct mlaas_error error = {0};
  char text[128] = "";
  double began = now();
  enum mlaas_status status = probe.wire->checksum(probe.file.handle, text, sizeof text, &error);
  json_t *line = answer(status, &error, false, began);
  json_object_set_new(line, "checksum", json_string(text));
  say(line);
}

static void close_it(void) {
  double began = now();
  if (probe.is_open)
    probe.wire->close(probe.file.handle);
  probe.is_open = false;
  say(answer(MLAAS_OK, NULL, false, began));
}

static void go_on_in_a_child(void) {
  pid_t child = fork();
  int status = 0;
  if (child == 0)
    return;
  waitpid(child, &status, 0);
  exit(WIFEXITED(status) ? WEXITSTATUS(status) : 1);
}

static void obey(char *line) {
  char *rest = line + strcspn(line, " \n");
  if (*rest)
    *rest++ = 0;
  char *end = rest;
  if (strcmp(line, "open") == 0)
    open_it();
  else if (strcmp(line, "read") == 0)
    read_them(rest, 1, -1);
  else if (strcmp(line, "many") == 0) {
    long count = strtol(rest, &end, 10);
    read_them(end, count < FETCHES_MOST ? count : FETCHES_MOST, -1);
  } else if (strcmp(line, "cancel") == 0) {
    long after = strtol(rest, &end, 10);
    read_them(end, 1, after);
  } else if (strcmp(line, "storm") == 0) {
    long count = strtol(rest, &end, 10), rounds = strtol(end, &end, 10);
    cancel_from_threads(end, count < THREADS_MOST ? count : THREADS_MOST, rounds);
  } else if (strcmp(line, "checksum") == 0)
    ask_checksum();
  else if (strcmp(line, "list") == 0)
    list_it();
  else if (strcmp(line, "close") == 0)
    close_it();
  else if (strcmp(line, "fork") == 0)
    go_on_in_a_child();
  else if (strcmp(line, "sleep") == 0)
    pause_ms(strtol(rest, NULL, 10));
  else
    say(json_pack("{s:s}", "status", "no such command"));
}

static bool set_option(const char *text) {
  struct mlaas_remote_options *options = &probe.options;
  const char *value = strchr(text, '=');
  if (!value || strstr(text, "://"))
    return false;
  size_t length = (size_t)(value++ - text);
  const struct {
    const char *name;
    const char **text;
    int64_t *number;
  } known[] = {{"token_file", &options->token_file, NULL},
               {"certificate", &options->certificate, NULL},
               {"key", &options->key, NULL},
               {"authorities", &options->authorities, NULL},
               {"connect_ms", NULL, &options->connect_ms},
               {"timeout_ms", NULL, &options->timeout_ms},
               {"deadline_ms", NULL, &options->deadline_ms},
               {"s3_endpoint", &options->s3_endpoint, NULL},
               {"s3_region", &options->s3_region, NULL}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strlen(known[i].name) == length && strncmp(known[i].name, text, length) == 0) {
      if (known[i].text)
        *known[i].text = value;
      else
        *known[i].number = strtoll(value, NULL, 10);
    }
  if (strncmp(text, "insecure", length) == 0)
    options->insecure = strcmp(value, "1") == 0;
  return true;
}

int main(int argc, char **argv) {
  struct mlaas_error error = {0};
  char *line = NULL;
  size_t room = 0;
  int first = 1;
  probe.options.size = sizeof probe.options;
  while (first < argc && set_option(argv[first]))
    first++;
  if (first + 1 != argc)
    return 2;
  probe.url = argv[first];
  if (mlaas_wire_find(probe.url, &probe.wire, &error) != MLAAS_OK) {
    say(answer(error.status, &error, false, now()));
    return 1;
  }
  while (getline(&line, &room, stdin) > 0)
    obey(line);
  if (probe.is_open)
    probe.wire->close(probe.file.handle);
  free(line);
  return 0;
}
