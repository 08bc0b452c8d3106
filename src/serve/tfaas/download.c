/* GET /download/... and /data: files of the repository, with ranges and dates as RFC 9110 has them, and listings of
 * folders as TFaaS gives them. Files are opened on worker threads, part by part, and never outside. Knows no model. */
#define _GNU_SOURCE /* timegm, strptime */
#include "base/error.h"
#include "serve/body/files.h"
#include "serve/tfaas/tfaas.h"
#include "serve/body/writer.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
  RANGES_MOST = 16,
  RANGES_BYTES_MOST = 1 << 20, /* of an answer with several ranges, which is put together in memory */
  LISTING_MOST = 10000,        /* entries of a folder */
};

struct range {
  int64_t from, length;
};

struct download {
  struct mlaas_errand errand;
  struct mlaas_slice path; /* below the repository */
  bool folders;            /* list them; else they are not found */
  int fd;
  struct stat info;
  const char *type;
  int status;
  struct range ranges[RANGES_MOST];
  size_t num_ranges;
  struct mlaas_slice body; /* in place of the file */
};

/* ---- headers ---- */

/* NULL is out of memory: then the reply goes without. */
static void add_header(struct mlaas_exchange *exchange, const char *name, const char *value) {
  if (value)
    mlaas_exchange_header(exchange, name, value);
}

static const char *type_of(struct mlaas_slice name) {
  /* What somebody uploads must not run as a script of this server: pages are shown in a sandbox (reply_download). */
  static const char *const types[][2] = {
      {".json", "application/json"},
      {".txt", "text/plain; charset=utf-8"},
      {".csv", "text/csv; charset=utf-8"},
      {".pbtxt", "text/plain; charset=utf-8"},
      {".md", "text/plain; charset=utf-8"},
      {".html", "text/html; charset=utf-8"},
      {".htm", "text/html; charset=utf-8"},
      {".svg", "text/plain; charset=utf-8"},
      {".labels", "text/plain; charset=utf-8"},
      {".py", "text/plain; charset=utf-8"},
  };
  for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
    size_t size = strlen(types[i][0]);
    if (name.size > size && mlaas_slice_is_word((struct mlaas_slice){name.data + name.size - size, size}, types[i][0]))
      return types[i][1];
  }
  return "application/octet-stream";
}

static const char *http_date(time_t when, struct mlaas_arena *arena) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                       "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm tm;
  if (!gmtime_r(&when, &tm))
    return NULL;
  return mlaas_arena_format(arena, NULL, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[tm.tm_wday], tm.tm_mday,
                            months[tm.tm_mon], tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* The three forms that RFC 9110 wants understood; false: none of them. */
static bool read_date(struct mlaas_slice value, time_t *when) {
  static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
  char text[64];
  if (value.size == 0 || value.size >= sizeof text)
    return false;
  memcpy(text, value.data, value.size);
  text[value.size] = 0;
  for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
    struct tm tm = {0};
    const char *end = strptime(text, forms[i], &tm);
    if (end && !*end) {
      *when = timegm(&tm);
      return true;
    }
  }
  return false;
}

/* ---- ranges ---- */

/* A whole number at *at; false: none, or beyond what a file can have. */
static bool read_number(struct mlaas_slice text, size_t *at, int64_t *number) {
  size_t from = *at;
  int64_t value = 0;
  for (; *at < text.size && text.data[*at] >= '0' && text.data[*at] <= '9'; (*at)++) {
    if (value > (INT64_MAX - 9) / 10)
      return false;
    value = value * 10 + (text.data[*at] - '0');
  }
  *number = value;
  return *at > from;
}

/* One of "a-b", "a-", "-n"; true if well formed, *range->length 0 where it lies behind the end. */
static bool read_range(struct mlaas_slice text, int64_t size, struct range *range) {
  size_t at = 0;
  int64_t first = 0, last = size - 1;
  bool has_first = read_number(text, &at, &first);
  if ((at > 0 && !has_first) || at >= text.size || text.data[at] != '-')
    return false;
  at++;
  if (at < text.size && (!read_number(text, &at, &last) || at < text.size))
    return false;
  if (!has_first) {
    if (text.size < 2)
      return false;
    *range = (struct range){last < size ? size - last : 0, last < size ? last : size};
    return true;
  }
  if (last < first && text.size > 0 && text.data[text.size - 1] != '-')
    return false;
  if (last >= size)
    last = size - 1;
  *range = (struct range){first, first < size ? last - first + 1 : 0};
  return true;
}

/* Sets the ranges that overlap the file. False: the header is malformed, or no range does. No ranges and true: the
 * whole file is to be sent. */
static bool read_ranges(struct download *download, struct mlaas_slice value) {
  int64_t size = download->info.st_size, sum = 0;
  if (value.size < 6 || memcmp(value.data, "bytes=", 6) != 0)
    return false;
  size_t at = 6, seen = 0;
  while (at < value.size) {
    size_t end = at;
    while (end < value.size && value.data[end] != ',')
      end++;
    struct mlaas_slice one = {value.data + at, end - at};
    while (one.size > 0 && (one.data[0] == ' ' || one.data[0] == '\t'))
      one.data++, one.size--;
    while (one.size > 0 && (one.data[one.size - 1] == ' ' || one.data[one.size - 1] == '\t'))
      one.size--;
    at = end + 1;
    if (one.size == 0)
      continue;
    struct range range;
    if (!read_range(one, size, &range))
      return false;
    seen++;
    if (range.length == 0)
      continue;
    if (download->num_ranges == RANGES_MOST) { /* nobody needs that many: RFC 9110, 14.2 */
      download->num_ranges = 0;
      return true;
    }
    download->ranges[download->num_ranges++] = range;
    sum += range.length;
  }
  if (download->num_ranges == 0)
    return seen == 0 || size == 0;
  if (sum > size || (download->num_ranges > 1 && sum > RANGES_BYTES_MOST))
    download->num_ranges = 0;
  return true;
}

/* Several ranges in one body. */
static enum mlaas_status put_parts(struct download *download, struct mlaas_error *error) {
  struct mlaas_exchange *exchange = download->errand.exchange;
  const char *mark = exchange->request.id; /* ours, and in no file but by chance of 2^-128 */
  struct mlaas_writer out;
  mlaas_writer_init(&out, &exchange->arena, 4096);
  for (size_t i = 0; i < download->num_ranges; i++) {
    struct range range = download->ranges[i];
    mlaas_writer_format(&out, "%s--%s\r\nContent-Range: bytes %lld-%lld/%lld\r\nContent-Type: %s\r\n\r\n",
                        i ? "\r\n" : "", mark, (long long)range.from, (long long)(range.from + range.length - 1),
                        (long long)download->info.st_size, download->type);
    char *room = mlaas_writer_room(&out, (size_t)range.length);
    if (!room)
      break;
    ssize_t n = pread(download->fd, room, (size_t)range.length, range.from);
    if (n != range.length)
      return mlaas_fail_errno(error, n < 0 ? errno : EIO, "the file cannot be read");
    out.used += (size_t)n;
  }
  mlaas_writer_format(&out, "\r\n--%s--\r\n", mark);
  download->type = mlaas_arena_format(&exchange->arena, NULL, "multipart/byteranges; boundary=%s", mark);
  if (out.failed || !download->type)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the parts of a file");
  download->body = (struct mlaas_slice){out.data, out.used};
  return MLAAS_OK;
}

/* ---- conditions ---- */

static enum mlaas_status choose_reply(struct download *download, struct mlaas_error *error) {
  const struct mlaas_exchange *exchange = download->errand.exchange;
  const struct mlaas_request *request = &exchange->request;
  struct mlaas_slice known = mlaas_request_header(request, "If-None-Match"),
                     range = mlaas_request_header(request, "Range"), if_range;
  bool reads = mlaas_slice_is(request->method, "GET") || mlaas_slice_is(request->method, "HEAD");
  time_t when, changed = download->info.st_mtime;
  download->status = 200;
  if (mlaas_slice_is(known, "*") ||
      (!known.data && reads && read_date(mlaas_request_header(request, "If-Modified-Since"), &when) &&
       changed <= when)) {
    download->status = reads ? 304 : 412;
    return MLAAS_OK;
  }
  if (read_date(mlaas_request_header(request, "If-Unmodified-Since"), &when) && changed > when) {
    download->status = 412;
    return MLAAS_OK;
  }
  if_range = mlaas_request_header(request, "If-Range");
  if (!range.data || (if_range.data && (!read_date(if_range, &when) || when != changed)))
    return MLAAS_OK;
  if (!read_ranges(download, range)) {
    download->status = 416;
    return MLAAS_OK;
  }
  if (download->num_ranges > 0)
    download->status = 206;
  return download->num_ranges > 1 ? put_parts(download, error) : MLAAS_OK;
}

/* ---- folders ---- */

static int by_name(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* In a page, and in a link of it when `link`. */
static void put_escaped(struct mlaas_writer *out, const char *text, bool link) {
  for (; *text; text++) {
    unsigned char c = (unsigned char)*text;
    bool plain =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.~/$&+,;=@", c);
    if (link && !plain && c != '&')
      mlaas_writer_format(out, "%%%02X", c);
    else if (strchr("<>&\"'", c))
      mlaas_writer_format(out, "&#%d;", c);
    else
      mlaas_writer_put(out, (struct mlaas_slice){text, 1});
  }
}

/* Names in the arena, folders with a slash behind; links and what begins with a point are left out. */
static size_t read_folder(DIR *folder, struct mlaas_arena *arena, char **names) {
  size_t count = 0;
  struct dirent *entry;
  while (count < LISTING_MOST && (entry = readdir(folder)) != NULL) {
    struct stat info;
    if (entry->d_name[0] == '.' || fstatat(dirfd(folder), entry->d_name, &info, AT_SYMLINK_NOFOLLOW) != 0 ||
        !(S_ISREG(info.st_mode) || S_ISDIR(info.st_mode)))
      continue;
    names[count] = mlaas_arena_format(arena, NULL, "%s%s", entry->d_name, S_ISDIR(info.st_mode) ? "/" : "");
    count += names[count] != NULL;
  }
  return count;
}

static enum mlaas_status list_folder(struct download *download, struct mlaas_error *error) {
  struct mlaas_arena *arena = &download->errand.exchange->arena;
  char **names = mlaas_arena_alloc(arena, LISTING_MOST, sizeof *names, error);
  if (!names)
    return error->status;
  DIR *folder = fdopendir(download->fd);
  if (!folder)
    return mlaas_fail_errno(error, errno, "a folder cannot be read");
  download->fd = -1;
  size_t count = read_folder(folder, arena, names);
  closedir(folder);
  qsort(names, count, sizeof *names, by_name);
  struct mlaas_writer out;
  mlaas_writer_init(&out, arena, 4096);
  mlaas_writer_text(&out, "<!doctype html>\n<meta name=\"viewport\" content=\"width=device-width\">\n<pre>\n");
  for (size_t i = 0; i < count; i++) {
    mlaas_writer_text(&out, "<a href=\"");
    put_escaped(&out, names[i], true);
    mlaas_writer_text(&out, "\">");
    put_escaped(&out, names[i], false);
    mlaas_writer_text(&out, "</a>\n");
  }
  mlaas_writer_text(&out, "</pre>\n");
  if (out.failed)
    return mlaas_fail(error, MLAAS_MEMORY, "out of memory for the listing of a folder");
  download->status = 200;
  download->type = "text/html; charset=utf-8";
  download->body = (struct mlaas_slice){out.data, out.used};
  return MLAAS_OK;
}

/* ---- the journey ---- */

static bool ends_in_slash(struct mlaas_slice path) { return path.size > 0 && path.data[path.size - 1] == '/'; }

static struct mlaas_slice last_part(struct mlaas_slice path) {
  while (ends_in_slash(path))
    path.size--;
  for (size_t i = path.size; i > 0; i--)
    if (path.data[i - 1] == '/')
      return (struct mlaas_slice){path.data + i, path.size - i};
  return path;
}

/* 301 to the same name with the slash it should have, as a relative address. */
static void redirect(struct download *download, const char *prefix, const char *suffix) {
  struct mlaas_exchange *exchange = download->errand.exchange;
  struct mlaas_slice last = last_part(exchange->request.path);
  struct mlaas_writer out;
  mlaas_writer_init(&out, &exchange->arena, 3 * last.size + 8);
  mlaas_writer_text(&out, prefix);
  char *name = mlaas_arena_strndup(&exchange->arena, last.data, last.size, NULL);
  if (name)
    put_escaped(&out, name, true);
  mlaas_writer_text(&out, suffix);
  mlaas_writer_put(&out, (struct mlaas_slice){"", 1});
  if (out.failed || !name) {
    mlaas_exchange_refuse(exchange, 503, "out of memory");
    return;
  }
  mlaas_exchange_header(exchange, "Location", out.data);
  mlaas_exchange_reply(exchange, 301, NULL, MLAAS_SLICE(""));
}

static void do_download(struct mlaas_errand *errand) {
  struct download *download = errand->user;
  const char *root = mlaas_repository_folder(errand->service->repository);
  errand->status = mlaas_files_open(root, download->path, &download->fd, &download->info, &errand->error);
  if (errand->status != MLAAS_OK)
    return;
  bool slash = ends_in_slash(errand->exchange->request.path), folder = S_ISDIR(download->info.st_mode);
  if (folder && !download->folders)
    errand->status = mlaas_fail(&errand->error, MLAAS_NOT_FOUND, "there is no such file");
  else if (download->folders && folder != slash)
    download->status = 301;
  else if (folder)
    errand->status = list_folder(download, &errand->error);
  else
    errand->status = choose_reply(download, &errand->error);
}

static void reply_download(struct mlaas_errand *errand) {
  struct download *download = errand->user;
  struct mlaas_exchange *exchange = errand->exchange;
  int64_t size = download->info.st_size;
  if (errand->status != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &errand->error);
  } else if (download->status == 301) {
    bool folder = S_ISDIR(download->info.st_mode);
    redirect(download, folder ? "" : "../", folder ? "/" : "");
  } else {
    add_header(exchange, "Last-Modified", http_date(download->info.st_mtime, &exchange->arena));
    mlaas_exchange_header(exchange, "X-Content-Type-Options", "nosniff");
    mlaas_exchange_header(exchange, "Content-Security-Policy",
                          "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:");
    if (download->status == 416) {
      add_header(exchange, "Content-Range",
                 mlaas_arena_format(&exchange->arena, NULL, "bytes */%lld", (long long)size));
      mlaas_exchange_refuse(exchange, 416, "the range lies outside of the file's %lld bytes", (long long)size);
    } else if (download->status == 412) {
      mlaas_exchange_refuse(exchange, 412, "the file has changed");
    } else if (download->status == 304) {
      mlaas_exchange_reply(exchange, 304, NULL, MLAAS_SLICE(""));
    } else if (download->body.data) {
      mlaas_exchange_reply(exchange, download->status, download->type, download->body);
    } else {
      struct range range = download->num_ranges ? download->ranges[0] : (struct range){0, size};
      mlaas_exchange_header(exchange, "Accept-Ranges", "bytes");
      if (download->num_ranges)
        add_header(exchange, "Content-Range",
                   mlaas_arena_format(&exchange->arena, NULL, "bytes %lld-%lld/%lld", (long long)range.from,
                                      (long long)(range.from + range.length - 1), (long long)size));
      mlaas_exchange_reply_file(exchange, download->status, download->type, download->fd, range.from, range.length);
      download->fd = -1;
    }
  }
  if (download->fd >= 0)
    close(download->fd);
}

static void start_download(struct mlaas_service *service, struct mlaas_exchange *exchange, struct mlaas_slice path,
                           bool folders) {
  struct mlaas_error error;
  struct download *download = mlaas_arena_alloc(&exchange->arena, 1, sizeof *download, &error);
  if (!download) {
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  download->fd = -1;
  download->path = path;
  download->folders = folders;
  download->type = type_of(path);
  download->errand = (struct mlaas_errand){
      .service = service, .exchange = exchange, .work = do_download, .done = reply_download, .user = download};
  mlaas_errand_start(&download->errand);
}

void mlaas_tfaas_download(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  start_download(service, exchange, mlaas_route_rest(exchange), true);
}

void mlaas_tfaas_data(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_slice path = mlaas_request_parameter(exchange, "model");
  const char *root = mlaas_repository_folder(service->repository);
  size_t size = strlen(root);
  if (path.size == 0) {
    mlaas_exchange_refuse(exchange, 400, "the file is to be named: /data?model=PATH");
    return;
  }
  /* TFaaS takes a path of its own machine; of those, the ones below the folder of models are known here. */
  if (path.size > size && memcmp(path.data, root, size) == 0 && path.data[size] == '/')
    path = (struct mlaas_slice){path.data + size + 1, path.size - size - 1};
  start_download(service, exchange, path, false);
}
