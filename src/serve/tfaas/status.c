/* GET /status with TFaaS's keys: what the machine and the process do, from /proc. Knows no model. */
#include "serve/metrics.h"
#include "serve/tfaas/tfaas.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { CORES_MOST = 512, PROC_MOST = 256 * 1024 };

struct core_time {
  long long busy, all;
};

/* Percentages are of the time since they were last asked for. */
static pthread_mutex_t the_lock = PTHREAD_MUTEX_INITIALIZER;
static struct core_time the_last[CORES_MOST];

static size_t read_proc(const char *path, char *text, size_t size) {
  size_t used = 0;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  for (ssize_t n = 1; fd >= 0 && n > 0 && used + 1 < size;) {
    n = read(fd, text + used, size - 1 - used);
    used += n > 0 ? (size_t)n : 0;
  }
  if (fd >= 0)
    close(fd);
  text[used] = 0;
  return used;
}

/* "cpu0 user nice system idle iowait irq softirq steal ..." */
static bool read_core(const char *line, struct core_time *time) {
  char *end;
  *time = (struct core_time){0};
  if (strncmp(line, "cpu", 3) != 0 || line[3] < '0' || line[3] > '9')
    return false;
  line += strcspn(line, " ");
  for (int i = 0; i < 8; i++, line = end) {
    long long value = strtoll(line, &end, 10);
    if (end == line)
      break;
    time->all += value;
    time->busy += i == 3 || i == 4 ? 0 : value;
  }
  return true;
}

static json_t *cores_json(char *text) {
  json_t *cores = json_array();
  struct core_time now;
  size_t core = 0;
  read_proc("/proc/stat", text, PROC_MOST);
  pthread_mutex_lock(&the_lock);
  for (const char *line = text; *line && core < CORES_MOST; line += strcspn(line, "\n"), line += *line == '\n') {
    if (!read_core(line, &now))
      continue;
    long long all = now.all - the_last[core].all, busy = now.busy - the_last[core].busy;
    json_array_append_new(cores, json_real(all > 0 ? 100.0 * (double)busy / (double)all : 0));
    the_last[core++] = now;
  }
  pthread_mutex_unlock(&the_lock);
  return cores;
}

/* Bytes of a line "MemFree:   123 kB". */
static long long memory_of(const char *text, const char *name) {
  const char *found = strstr(text, name);
  return found ? strtoll(found + strlen(name), NULL, 10) * 1024 : 0;
}

static json_t *memory_json(long long total, long long unused) {
  long long used = total - unused;
  return json_pack("{s:I, s:I, s:I, s:f}", "total", (json_int_t)total, "free", (json_int_t)unused, "used",
                   (json_int_t)used, "usedPercent", total > 0 ? 100.0 * (double)used / (double)total : 0.0);
}

/* The threads of the process stand for Go's goroutines. */
static long long threads_of(char *text) {
  read_proc("/proc/self/status", text, PROC_MOST);
  const char *found = strstr(text, "Threads:");
  return found ? strtoll(found + 8, NULL, 10) : 0;
}

void mlaas_tfaas_status(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  char *text = mlaas_arena_alloc(&exchange->arena, PROC_MOST, 1, NULL);
  double load[3] = {0};
  uint64_t gets, posts;
  if (!text) {
    mlaas_exchange_refuse(exchange, 503, "out of memory");
    return;
  }
  json_t *cores = cores_json(text);
  long long threads = threads_of(text);
  if (getloadavg(load, 3) != 3)
    memset(load, 0, sizeof load);
  read_proc("/proc/meminfo", text, PROC_MOST);
  json_t *memory = memory_json(memory_of(text, "MemTotal:"), memory_of(text, "MemAvailable:"));
  json_t *swap = memory_json(memory_of(text, "SwapTotal:"), memory_of(text, "SwapFree:"));
  mlaas_metrics_methods(service->metrics, &gets, &posts);
  mlaas_reply_json(exchange, 200,
                   json_pack("{s:o, s:{s:f, s:f, s:f}, s:{s:o, s:o}, s:I, s:f, s:I, s:I}", "CPU", cores, "Load",
                             "load1", load[0], "load5", load[1], "load15", load[2], "Memory", "Virtual", memory, "Swap",
                             swap, "NGo", (json_int_t)threads, "Uptime",
                             (double)(time(NULL) - (time_t)service->started), "getRequests", (json_int_t)gets,
                             "postRequests", (json_int_t)posts));
}
