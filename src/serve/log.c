/* Lines about requests and of the server itself, formatted where they arise and written by one thread. Must not know
 * routes or models.
 */
#include "serve/log.h"

#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum {
  LANE_BYTES = 256 << 10, /* of each of a lane's two buffers: half a second of all that a core can serve */
  LINE_MOST = 4096,
  PAUSE_MS = 200, /* between writes, so that one of them takes many lines */
};

struct buffer {
  char *text;
  size_t used;
};

struct mlaas_log_lane {
  pthread_mutex_t lock;
  struct buffer front, back; /* loops write into front; the writer swaps */
  uint64_t dropped;
  struct mlaas_log *log;
  time_t second; /* of `stamp` */
  char stamp[40];
};

struct mlaas_log {
  enum mlaas_log_format format; /* atomic, as level */
  int level;
  char path[1024]; /* "": standard error */
  bool dated;
  pthread_mutex_t lock; /* of what follows */
  pthread_cond_t wake, idle;
  bool dirty, urgent, stop, reopen, writing;
  int fd, day;
  pthread_t writer;
  bool started;
  int num_lanes;
  struct mlaas_log_lane *lanes; /* the last one is the server's own */
};

/* ---- the file ---- */

static int local_day(void) {
  time_t now = time(NULL);
  struct tm parts;
  localtime_r(&now, &parts);
  return parts.tm_year * 1000 + parts.tm_yday;
}

static enum mlaas_status open_file(struct mlaas_log *log, struct mlaas_error *error) {
  char path[1400], host[128] = "localhost", day[16];
  if (!log->path[0]) {
    log->fd = STDERR_FILENO;
    return MLAAS_OK;
  }
  snprintf(path, sizeof path, "%s", log->path);
  if (log->dated) {
    time_t now = time(NULL);
    struct tm parts;
    gethostname(host, sizeof host - 1);
    strftime(day, sizeof day, "%Y%m%d", localtime_r(&now, &parts));
    snprintf(path, sizeof path, "%s-%s-%s", log->path, host, day);
  }
  int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (fd < 0)
    return mlaas_fail_errno(error, errno, "the log file %s cannot be opened: %s", path, strerror(errno));
  if (log->fd > STDERR_FILENO)
    close(log->fd);
  log->fd = fd;
  log->day = local_day();
  return MLAAS_OK;
}

static void write_all(int fd, const char *text, size_t size) {
  while (size) {
    ssize_t done = write(fd, text, size);
    if (done < 0 && errno == EINTR)
      continue;
    if (done <= 0)
      return; /* a full disk must not stop the service */
    text += done;
    size -= (size_t)done;
  }
}

/* ---- the writer ---- */

static void write_lane(struct mlaas_log *log, struct mlaas_log_lane *lane) {
  pthread_mutex_lock(&lane->lock);
  struct buffer full = lane->front;
  lane->front = lane->back;
  lane->front.used = 0;
  uint64_t dropped = lane->dropped;
  lane->dropped = 0;
  pthread_mutex_unlock(&lane->lock);
  write_all(log->fd, full.text, full.used);
  lane->back = full; /* only the writer knows it */
  if (dropped) {
    char line[96];
    int size =
        snprintf(line, sizeof line, "log: %llu lines came too fast and were dropped\n", (unsigned long long)dropped);
    write_all(log->fd, line, (size_t)size);
  }
}

static void pause_for_more(struct mlaas_log *log) {
  struct timespec until;
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += PAUSE_MS * 1000000L;
  until.tv_sec += until.tv_nsec / 1000000000;
  until.tv_nsec %= 1000000000;
  while (!log->urgent && !log->stop)
    if (pthread_cond_timedwait(&log->wake, &log->lock, &until) == ETIMEDOUT)
      return;
}

static void *write_lines(void *context) {
  struct mlaas_log *log = context;
  pthread_mutex_lock(&log->lock);
  for (;;) {
    while (!log->dirty && !log->stop && !log->reopen)
      pthread_cond_wait(&log->wake, &log->lock);
    if (log->stop && !log->dirty)
      break;
    if (!log->reopen)
      pause_for_more(log);
    bool reopen = log->reopen || (log->dated && log->path[0] && log->day != local_day());
    log->dirty = log->urgent = log->reopen = false;
    log->writing = true;
    pthread_mutex_unlock(&log->lock);
    if (reopen)
      open_file(log, NULL); /* on failure the old one stays */
    for (int i = 0; i <= log->num_lanes; i++)
      write_lane(log, &log->lanes[i]);
    pthread_mutex_lock(&log->lock);
    log->writing = false;
    pthread_cond_broadcast(&log->idle);
  }
  pthread_mutex_unlock(&log->lock);
  return NULL;
}

static void wake_writer(struct mlaas_log *log, bool urgent) {
  pthread_mutex_lock(&log->lock);
  log->dirty = true;
  log->urgent |= urgent;
  pthread_cond_signal(&log->wake);
  pthread_mutex_unlock(&log->lock);
}

/* Appends a whole line; a lane that is empty or half full wakes the writer. */
static void append(struct mlaas_log_lane *lane, const char *line, size_t size, bool urgent) {
  pthread_mutex_lock(&lane->lock);
  bool first = lane->front.used == 0, half = false;
  if (lane->front.used + size > LANE_BYTES) {
    lane->dropped++;
  } else {
    half = lane->front.used <= LANE_BYTES / 2 && lane->front.used + size > LANE_BYTES / 2;
    memcpy(lane->front.text + lane->front.used, line, size);
    lane->front.used += size;
  }
  pthread_mutex_unlock(&lane->lock);
  if (first || half || urgent)
    wake_writer(lane->log, half || urgent);
}

/* ---- lines about requests ---- */

struct line {
  char text[LINE_MOST];
  size_t used;
};

static void put(struct line *line, const char *text, size_t size) {
  if (size > LINE_MOST - 2 - line->used)
    size = LINE_MOST - 2 - line->used;
  memcpy(line->text + line->used, text, size);
  line->used += size;
}

static void put_text(struct line *line, const char *text) { put(line, text, strlen(text)); }

static void put_number(struct line *line, int64_t number) {
  char text[24], *at = text + sizeof text;
  uint64_t left = number < 0 ? 0 : (uint64_t)number;
  do
    *--at = (char)('0' + left % 10);
  while (left /= 10);
  put(line, at, (size_t)(text + sizeof text - at));
}

/* Text of a client, safe in quotes: control characters, quotes, backslashes and what is not ASCII are escaped, as JSON
 * does or as \xNN; at most 1 KiB of it. */
static void put_safe(struct line *line, struct mlaas_slice text, bool json) {
  static const char hex[] = "0123456789abcdef";
  size_t size = text.size < 1024 ? text.size : 1024, plain = 0;
  for (size_t i = 0; i < size; i++) {
    unsigned char c = (unsigned char)text.data[i];
    if (c >= 32 && c < 127 && c != '"' && c != '\\')
      continue;
    put(line, text.data + plain, i - plain);
    plain = i + 1;
    char escape[6] = {'\\', json ? 'u' : 'x', '0', '0', hex[c >> 4], hex[c & 15]};
    if (json) {
      put(line, escape, 6);
    } else {
      put(line, escape, 2);
      put(line, escape + 4, 2);
    }
  }
  if (size)
    put(line, text.data + plain, size - plain);
}

static void put_quoted(struct line *line, struct mlaas_slice text, bool json) {
  put(line, "\"", 1);
  if (text.size)
    put_safe(line, text, json);
  else if (!json)
    put(line, "-", 1);
  put(line, "\"", 1);
}

static const char *stamp_of(struct mlaas_log_lane *lane, time_t now, bool iso) {
  if (lane->second != now) {
    struct tm parts;
    lane->second = now;
    strftime(lane->stamp, sizeof lane->stamp, iso ? "%Y-%m-%dT%H:%M:%S%z" : "%d/%b/%Y:%H:%M:%S %z",
             localtime_r(&now, &parts));
  }
  return lane->stamp;
}

static struct mlaas_slice protocol(const struct mlaas_request *request) {
  return request->version == 10   ? MLAAS_SLICE("HTTP/1.0")
         : request->version == 20 ? MLAAS_SLICE("HTTP/2.0")
                                  : MLAAS_SLICE("HTTP/1.1");
}

/* The combined log format, then the seconds it took and the request's id. */
static void format_combined(struct line *line, struct mlaas_log_lane *lane, const struct mlaas_exchange *exchange,
                            int64_t ns, time_t now) {
  const struct mlaas_request *request = &exchange->request;
  put_text(line, request->peer && *request->peer ? request->peer : "-");
  put_text(line, " - - [");
  put_text(line, stamp_of(lane, now, false));
  put_text(line, "] \"");
  put_safe(line, request->method, false);
  put(line, " ", 1);
  put_safe(line, request->target, false);
  put(line, " ", 1);
  struct mlaas_slice version = protocol(request);
  put(line, version.data, version.size);
  put_text(line, "\" ");
  put_number(line, exchange->status);
  put(line, " ", 1);
  put_number(line, exchange->bytes_out);
  put(line, " ", 1);
  put_quoted(line, mlaas_request_header(request, "Referer"), false);
  put(line, " ", 1);
  put_quoted(line, mlaas_request_header(request, "User-Agent"), false);
  put(line, " ", 1);
  put_number(line, ns / 1000);
  put_text(line, "us ");
  put_text(line, request->id[0] ? request->id : "-");
}

static void put_member(struct line *line, const char *name, struct mlaas_slice value) {
  put_text(line, ",\"");
  put_text(line, name);
  put_text(line, "\":");
  put_quoted(line, value, true);
}

static void put_count(struct line *line, const char *name, int64_t value) {
  put_text(line, ",\"");
  put_text(line, name);
  put_text(line, "\":");
  put_number(line, value);
}

static void format_json(struct line *line, struct mlaas_log_lane *lane, const struct mlaas_exchange *exchange,
                        int64_t ns, time_t now) {
  const struct mlaas_request *request = &exchange->request;
  put_text(line, "{\"time\":\"");
  put_text(line, stamp_of(lane, now, true));
  put(line, "\"", 1);
  put_member(line, "client", mlaas_slice_of(request->peer ? request->peer : ""));
  put_member(line, "method", request->method);
  put_member(line, "uri", request->target);
  put_member(line, "proto", protocol(request));
  put_count(line, "status", exchange->status);
  put_count(line, "bytes_in", exchange->bytes_in);
  put_count(line, "bytes_out", exchange->bytes_out);
  put_count(line, "microseconds", ns / 1000);
  put_member(line, "referer", mlaas_request_header(request, "Referer"));
  put_member(line, "user_agent", mlaas_request_header(request, "User-Agent"));
  put_member(line, "id", mlaas_slice_of(request->id));
  if (request->subject)
    put_member(line, "subject", mlaas_slice_of(request->subject));
  put(line, "}", 1);
}

/* The record of CERN's MONIT that TFaaS prints with monitRecord. */
static void format_monit(struct line *line, const struct mlaas_exchange *exchange, int64_t ns) {
  const struct mlaas_request *request = &exchange->request;
  struct timespec now;
  char host[128] = "";
  clock_gettime(CLOCK_REALTIME, &now);
  gethostname(host, sizeof host - 1);
  struct mlaas_slice api = request->path;
  if (api.size && api.data[0] == '/')
    api = (struct mlaas_slice){api.data + 1, api.size - 1};
  put_text(line, "{\"producer\":\"cmsweb\",\"type\":\"auth\",\"timestamp\":");
  put_number(line, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
  put_text(line, ",\"host\":");
  put_quoted(line, mlaas_slice_of(host), true);
  put_text(line, ",\"data\":{\"method\":");
  put_quoted(line, request->method, true);
  put_member(line, "uri", request->target);
  put_member(line, "system", MLAAS_SLICE("tfaas"));
  put_member(line, "api", api);
  put_member(line, "clientip", mlaas_slice_of(request->peer ? request->peer : ""));
  put_member(line, "remote_addr", mlaas_slice_of(request->peer ? request->peer : ""));
  put_member(line, "proto", protocol(request));
  put_count(line, "bytes_in", exchange->bytes_in);
  put_count(line, "bytes_out", exchange->bytes_out);
  put_count(line, "content_length", (int64_t)request->body.size);
  put_count(line, "status", exchange->status);
  put_member(line, "referer", mlaas_request_header(request, "Referer"));
  put_member(line, "user_agent", mlaas_request_header(request, "User-Agent"));
  put_member(line, "x_forwarded_host", mlaas_request_header(request, "X-Forwarded-Host"));
  put_member(line, "x_forwarded_for", mlaas_request_header(request, "X-Forwarded-For"));
  char seconds[32];
  snprintf(seconds, sizeof seconds, ",\"request_time\":%.6f", (double)ns / 1e9);
  put_text(line, seconds);
  put_text(line, "}}");
}

void mlaas_log_access(struct mlaas_log_lane *lane, const struct mlaas_exchange *exchange, int64_t ns) {
  enum mlaas_log_format format = __atomic_load_n(&lane->log->format, __ATOMIC_RELAXED);
  struct timespec now;
  struct line line;
  if (format == MLAAS_LOG_NONE)
    return;
  clock_gettime(CLOCK_REALTIME_COARSE, &now);
  line.used = 0;
  if (format == MLAAS_LOG_COMBINED)
    format_combined(&line, lane, exchange, ns, now.tv_sec);
  else if (format == MLAAS_LOG_JSON)
    format_json(&line, lane, exchange, ns, now.tv_sec);
  else
    format_monit(&line, exchange, ns);
  line.text[line.used++] = '\n';
  append(lane, line.text, line.used, false);
}

/* ---- lines of the server ---- */

void mlaas_log_say(struct mlaas_log *log, int level, const char *format, ...) {
  static const char *const names[] = {"error", "warning", "info", "debug"};
  if (!log || level > __atomic_load_n(&log->level, __ATOMIC_RELAXED))
    return;
  char text[1536], line[2048], stamp[40];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  time_t now = time(NULL);
  struct tm parts;
  strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S%z", localtime_r(&now, &parts));
  int size = snprintf(line, sizeof line - 1, "%s %s: %s", stamp, names[level < 3 ? level : 3], text);
  size = size < (int)sizeof line - 1 ? size : (int)sizeof line - 2;
  for (int i = 0; i < size; i++)
    if ((unsigned char)line[i] < 32)
      line[i] = '?';
  line[size++] = '\n';
  append(&log->lanes[log->num_lanes], line, (size_t)size, true);
}

/* ---- the whole ---- */

static void take_settings(struct mlaas_log *log, const struct mlaas_config *config) {
  __atomic_store_n(&log->format, config->log_format, __ATOMIC_RELAXED);
  __atomic_store_n(&log->level, config->log_level, __ATOMIC_RELAXED);
}

static enum mlaas_status make_lanes(struct mlaas_log *log, int lanes, struct mlaas_error *error) {
  log->lanes = mlaas_alloc((size_t)(lanes + 1) * sizeof *log->lanes);
  if (!log->lanes)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the log");
  log->num_lanes = lanes;
  for (int i = 0; i <= lanes; i++) {
    struct mlaas_log_lane *lane = &log->lanes[i];
    pthread_mutex_init(&lane->lock, NULL);
    lane->log = log;
  }
  for (int i = 0; i <= lanes; i++) {
    struct mlaas_log_lane *lane = &log->lanes[i];
    lane->front.text = mlaas_alloc(LANE_BYTES);
    lane->back.text = mlaas_alloc(LANE_BYTES);
    if (!lane->front.text || !lane->back.text)
      return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the log");
  }
  return MLAAS_OK;
}

enum mlaas_status mlaas_log_open(const struct mlaas_config *config, int lanes, struct mlaas_log **log,
                                 struct mlaas_error *error) {
  if (config->log_file && strlen(config->log_file) >= sizeof(*log)->path)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the name of the log file is too long");
  struct mlaas_log *made = mlaas_alloc(sizeof *made);
  if (!made)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the log");
  pthread_mutex_init(&made->lock, NULL);
  pthread_cond_init(&made->wake, NULL);
  pthread_cond_init(&made->idle, NULL);
  made->fd = STDERR_FILENO;
  made->dated = config->log_dated;
  if (config->log_file)
    memcpy(made->path, config->log_file, strlen(config->log_file) + 1);
  take_settings(made, config);
  enum mlaas_status status = make_lanes(made, lanes, error);
  if (status == MLAAS_OK)
    status = open_file(made, error);
  if (status == MLAAS_OK) {
    made->started = pthread_create(&made->writer, NULL, write_lines, made) == 0;
    if (!made->started)
      status = mlaas_fail(error, MLAAS_MEMORY, "the thread of the log cannot be started");
  }
  if (status != MLAAS_OK) {
    mlaas_log_close(made);
    made = NULL;
  }
  *log = made;
  return status;
}

void mlaas_log_close(struct mlaas_log *log) {
  if (!log)
    return;
  if (log->started) {
    pthread_mutex_lock(&log->lock);
    log->stop = true;
    pthread_cond_signal(&log->wake);
    pthread_mutex_unlock(&log->lock);
    pthread_join(log->writer, NULL);
  }
  for (int i = 0; log->lanes && i <= log->num_lanes; i++) {
    pthread_mutex_destroy(&log->lanes[i].lock);
    mlaas_free(log->lanes[i].front.text);
    mlaas_free(log->lanes[i].back.text);
  }
  mlaas_free(log->lanes);
  if (log->fd > STDERR_FILENO)
    close(log->fd);
  pthread_cond_destroy(&log->wake);
  pthread_cond_destroy(&log->idle);
  pthread_mutex_destroy(&log->lock);
  mlaas_free(log);
}

struct mlaas_log_lane *mlaas_log_lane(struct mlaas_log *log, int index) {
  return &log->lanes[index];
}

void mlaas_log_reopen(struct mlaas_log *log, const struct mlaas_config *config) {
  take_settings(log, config);
  pthread_mutex_lock(&log->lock);
  log->reopen = true;
  pthread_cond_signal(&log->wake);
  pthread_mutex_unlock(&log->lock);
}

void mlaas_log_flush(struct mlaas_log *log) {
  pthread_mutex_lock(&log->lock);
  while (log->dirty || log->writing) {
    log->urgent = true;
    pthread_cond_signal(&log->wake);
    pthread_cond_wait(&log->idle, &log->lock);
  }
  pthread_mutex_unlock(&log->lock);
}
