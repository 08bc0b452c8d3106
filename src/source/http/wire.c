/* The wire of HTTP: opening, checksums, closing. Fetching is in fetch.c, listing in list.c. Must not know about
 * caches and retries. */
#include "source/http/exchange.h"
#include "source/http/file.h"
#include "source/http/list.h"
#include "source/http/s3.h"
#include "source/wires.h"

#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
  MOST_RANGES = 200,
  GAP = 4 << 10,
  SINGLE_GAP = 512, /* what else is joined is decided where requests are made: by their number */
  MOST_BYTES = 64 << 20,
  MOST_REQUESTS = 8,
  SMALL = 64 << 10
};

/* Servers that allow no HEAD, as for a signed URL, say the size beside the first byte. */
static enum mlaas_status ask_first_byte(const struct mlaas_http_site *site, struct mlaas_http_exchange *exchange,
                                        int64_t *size, struct mlaas_error *error) {
  int64_t requests = exchange->requests;
  mlaas_http_exchange_reset(exchange);
  *exchange = (struct mlaas_http_exchange){.method = "GET", .range = "0-0", .most = SMALL, .cut = true};
  enum mlaas_status status = mlaas_http_exchange_run(site, exchange, error);
  exchange->requests += requests;
  const struct mlaas_http_reply *reply = &exchange->reply;
  if (reply->status == 416 && reply->has_range && reply->total == 0) {
    *size = 0;
    return MLAAS_OK;
  }
  if (status != MLAAS_OK)
    return status;
  *size = reply->status == 206 ? (reply->has_range ? reply->total : -1) : reply->length;
  if (*size < 0)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "%s does not say how large the file is", exchange->server);
  return MLAAS_OK;
}

static bool may_lie(const struct mlaas_http_reply *reply) {
  int status = reply->status;
  return status == 400 || status == 403 || status == 405 || status == 501 || (status < 300 && reply->length <= 0);
}

static enum mlaas_status ask_size(const struct mlaas_http_site *site, struct mlaas_http_exchange *exchange,
                                  int64_t *size, struct mlaas_error *error) {
  *exchange = (struct mlaas_http_exchange){.method = "HEAD", .most = SMALL};
  enum mlaas_status status = mlaas_http_exchange_run(site, exchange, error);
  if (exchange->reply.status != 0 && may_lie(&exchange->reply))
    return ask_first_byte(site, exchange, size, error);
  *size = exchange->reply.length;
  return status;
}

static void describe(const struct mlaas_http_file *file, const struct mlaas_http_exchange *exchange,
                     struct mlaas_wire_file *out) {
  *out = (struct mlaas_wire_file){.size = file->size,
                                  .requests = exchange->requests,
                                  .most_ranges = MOST_RANGES,
                                  .most_range_bytes = MOST_BYTES,
                                  .most_request_bytes = MOST_BYTES,
                                  .gap = exchange->single ? SINGLE_GAP : GAP,
                                  .most_requests = MOST_REQUESTS};
  snprintf(out->tag, sizeof out->tag, "%s", file->tag);
  const char *server = strstr(exchange->server, "://");
  snprintf(out->server, sizeof out->server, "%.255s", server ? server + 3 : exchange->server);
}

static void close_file(void *handle) {
  struct mlaas_http_file *file = handle;
  mlaas_http_site_reset(&file->site);
  mlaas_free(file->final_url);
  mlaas_free(file);
}

/* "s3://BUCKET" and "s3://BUCKET/": asked for an object, a server answers with the list of the bucket. */
static bool is_bucket(const char *url) {
  if (!mlaas_s3_is_url(url))
    return false;
  const char *key = strchr(url + 5, '/');
  return !key || !key[1];
}

static enum mlaas_status open_file(const char *url, const struct mlaas_remote_options *options,
                                   struct mlaas_wire_file *out, bool *transient, struct mlaas_error *error) {
  *transient = false;
  if (is_bucket(url))
    return mlaas_fail(error, MLAAS_ARGUMENT, "this names a bucket but no object: s3://BUCKET/KEY");
  struct mlaas_http_file *file = mlaas_alloc(sizeof *file);
  if (!file)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory to open a file");
  struct mlaas_http_exchange exchange = {0};
  enum mlaas_status status = mlaas_http_site_init(&file->site, url, options, error);
  if (status == MLAAS_OK)
    status = mlaas_http_loop_get(&file->loop, error);
  if (status == MLAAS_OK) {
    status = ask_size(&file->site, &exchange, &file->size, error);
    *transient = status != MLAAS_OK && exchange.transient;
  }
  if (status == MLAAS_OK) {
    snprintf(file->tag, sizeof file->tag, "%s", mlaas_http_reply_tag(&exchange.reply));
    describe(file, &exchange, out);
    out->handle = file;
    if (exchange.final_url && strcmp(exchange.final_url, file->site.url) != 0) {
      file->final_url = exchange.final_url;
      exchange.final_url = NULL;
    }
  } else
    close_file(file);
  mlaas_http_exchange_reset(&exchange);
  return status;
}

/* "adler32=0a1b2c3d" among others, with commas between them (RFC 3230). */
static bool find_adler(const char *digest, char *text, size_t size) {
  while (*digest) {
    digest += strspn(digest, ", \t");
    if (strncasecmp(digest, "adler32=", 8) == 0) {
      const char *value = digest + 8;
      size_t length = strspn(value, "0123456789abcdefABCDEF");
      if (length == 0 || length > 8 || (value[length] && !strchr(", \t", value[length])))
        return false;
      char padded[9] = "00000000";
      for (size_t i = 0; i < length; i++)
        padded[8 - length + i] = (char)tolower((unsigned char)value[i]);
      snprintf(text, size, "adler32:%s", padded);
      return true;
    }
    digest += strcspn(digest, ",");
  }
  return false;
}

static enum mlaas_status ask_checksum(void *handle, char *text, size_t size, struct mlaas_error *error) {
  struct mlaas_http_file *file = handle;
  if (!mlaas_http_loop_is_ours(file->loop))
    return mlaas_fail(error, MLAAS_STATE, "this file was opened before the process was forked: open it anew");
  if (file->site.is_s3)
    return mlaas_fail(error, MLAAS_UNSUPPORTED, "S3 keeps no Adler-32 of a file");
  struct mlaas_http_exchange exchange = {.method = "HEAD", .headers = {"Want-Digest: adler32"}, .most = SMALL};
  enum mlaas_status status = mlaas_http_exchange_run(&file->site, &exchange, error);
  if (status == MLAAS_OK && (exchange.reply.length >= 0 && exchange.reply.length != file->size))
    status =
        mlaas_fail(error, MLAAS_STALE, "%s has another file now: it has changed since it was opened", exchange.server);
  if (status == MLAAS_OK && !find_adler(exchange.reply.digest, text, size))
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "%s keeps no checksum of this file that we know (Adler-32)",
                        exchange.server);
  mlaas_http_exchange_reset(&exchange);
  return status;
}

static const char *const schemes[] = {"http", "https", "dav", "davs", "s3", NULL};

const struct mlaas_wire mlaas_wire_http = {
    .version = MLAAS_WIRE_VERSION,
    .size = sizeof mlaas_wire_http,
    .schemes = schemes,
    .open = open_file,
    .start = mlaas_http_fetch_start,
    .cancel = mlaas_http_fetch_cancel,
    .checksum = ask_checksum,
    .list = mlaas_http_list,
    .close = close_file,
};
