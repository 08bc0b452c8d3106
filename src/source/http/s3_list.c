/* ListObjectsV2, page by page. Must not know how requests are signed. */
#include "source/http/s3_list.h"

#include "source/http/exchange.h"
#include "source/http/xml.h"

#include "base/error.h"
#include "base/memory.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_PAGE = 16 << 20, MOST_PAGES = 20000, MOST_TEXT = 4096 };

struct listing {
  const char *bucket; /* "s3://BUCKET/" */
  const char *prefix;
  bool (*entry)(void *context, const struct mlaas_wire_entry *entry);
  void *context;
  bool in_object, in_folder, stopped, is_listing;
  char key[MOST_TEXT];
  int64_t size;
  char token[MOST_TEXT];  /* of the next page, "": there is none */
  char before[MOST_TEXT]; /* the one of this page */
  bool truncated;         /* there is a next page */
  const char *problem;    /* names would be left out */
};

static bool tell(struct listing *listing, const char *key, int64_t size, bool is_directory) {
  size_t length = strlen(listing->prefix);
  if (strncmp(key, listing->prefix, length) != 0 || !key[length]) /* the folder itself, as some tools put it there */
    return true;
  char url[MOST_TEXT + 300];
  snprintf(url, sizeof url, "%s%s", listing->bucket, key);
  size_t end = strlen(url);
  if (is_directory && url[end - 1] == '/')
    url[end - 1] = 0;
  const struct mlaas_wire_entry entry = {.url = url, .size = size, .is_directory = is_directory};
  listing->stopped = !listing->entry(listing->context, &entry);
  return !listing->stopped;
}

static bool open_element(void *context, const char *name) {
  struct listing *listing = context;
  listing->is_listing |= strcmp(name, "ListBucketResult") == 0;
  if (strcmp(name, "Contents") == 0) {
    listing->in_object = true;
    listing->key[0] = 0;
    listing->size = -1;
  } else if (strcmp(name, "CommonPrefixes") == 0)
    listing->in_folder = true;
  return true;
}

static bool keep(struct listing *listing, char *out, const char *text) {
  if (strlen(text) >= MOST_TEXT)
    listing->problem = "a key or token that is too long";
  else
    snprintf(out, MOST_TEXT, "%s", text);
  return !listing->problem;
}

static bool close_element(void *context, const char *name, const char *text) {
  struct listing *listing = context;
  if (listing->in_object && strcmp(name, "Key") == 0)
    return keep(listing, listing->key, text);
  else if (listing->in_object && strcmp(name, "Size") == 0)
    listing->size = isdigit((unsigned char)*text) ? strtoll(text, NULL, 10) : -1;
  else if (listing->in_folder && strcmp(name, "Prefix") == 0)
    return tell(listing, text, -1, true);
  else if (strcmp(name, "NextContinuationToken") == 0)
    return keep(listing, listing->token, text);
  else if (strcmp(name, "IsTruncated") == 0)
    listing->truncated = strcmp(text, "true") == 0;
  else if (strcmp(name, "CommonPrefixes") == 0)
    listing->in_folder = false;
  else if (strcmp(name, "Contents") == 0) {
    listing->in_object = false;
    return tell(listing, listing->key, listing->size, false);
  }
  return true;
}

/* Names in the order that signatures want. */
static enum mlaas_status page_url(const struct mlaas_http_site *site, const struct listing *listing, char *url,
                                  struct mlaas_error *error) {
  size_t size = MLAAS_HTTP_URL_MOST;
  size_t used = (size_t)snprintf(url, size, "%s?%s", site->url, listing->token[0] ? "continuation-token=" : "");
  bool fits = used < size;
  if (fits && listing->token[0]) {
    fits = mlaas_http_escape(listing->token, false, url + used, size - used);
    used = strlen(url);
    fits = fits && used + 1 < size;
    if (fits)
      url[used++] = '&';
  }
  if (fits) {
    used += (size_t)snprintf(url + used, size - used, "delimiter=%%2F&list-type=2&prefix=");
    fits = used < size && mlaas_http_escape(listing->prefix, false, url + used, size - used);
  }
  return fits ? MLAAS_OK : mlaas_fail(error, MLAAS_ARGUMENT, "the URL is too long");
}

/* A list that lacks names is none. */
static enum mlaas_status check_page(const struct listing *listing, const char *server, struct mlaas_error *error) {
  const char *problem = listing->problem;
  if (!problem && listing->truncated && !listing->token[0])
    problem = "that there is more, but not where";
  if (!problem && listing->token[0] && strcmp(listing->token, listing->before) == 0)
    problem = "the same next page twice";
  return problem ? mlaas_fail(error, MLAAS_FORMAT, "%s lists %s", server, problem) : MLAAS_OK;
}

static enum mlaas_status read_page(const struct mlaas_http_site *site, struct listing *listing, char *url,
                                   struct mlaas_error *error) {
  MLAAS_TRY(page_url(site, listing, url, error));
  struct mlaas_http_exchange exchange = {.method = "GET", .url = url, .most = MOST_PAGE};
  enum mlaas_status status = mlaas_http_exchange_run(site, &exchange, error);
  memcpy(listing->before, listing->token, sizeof listing->before);
  listing->token[0] = 0;
  listing->is_listing = listing->truncated = false;
  const struct mlaas_xml_events events = {open_element, close_element, listing};
  if (status == MLAAS_OK)
    status = mlaas_xml_parse(exchange.text ? exchange.text : "", exchange.size, &events, error);
  if (status == MLAAS_OK && !listing->is_listing)
    status = mlaas_fail(error, MLAAS_FORMAT, "%s answers with what is no list of a bucket", exchange.server);
  if (status == MLAAS_OK && !listing->stopped)
    status = check_page(listing, exchange.server, error);
  mlaas_http_exchange_reset(&exchange);
  return status;
}

static enum mlaas_status read_pages(const char *bucket, const char *prefix, const struct mlaas_remote_options *options,
                                    struct listing *listing, struct mlaas_error *error) {
  struct mlaas_http_site site;
  listing->bucket = bucket;
  listing->prefix = prefix;
  char *url = mlaas_alloc(MLAAS_HTTP_URL_MOST);
  enum mlaas_status status = mlaas_http_site_init(&site, bucket, options, error);
  if (status == MLAAS_OK && !url)
    status = mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  int pages = 0;
  do {
    if (status == MLAAS_OK)
      status = read_page(&site, listing, url, error);
  } while (status == MLAAS_OK && !listing->stopped && listing->token[0] && ++pages < MOST_PAGES);
  if (status == MLAAS_OK && pages == MOST_PAGES)
    status = mlaas_fail(error, MLAAS_LIMIT, "more than %d pages of objects", MOST_PAGES);
  mlaas_http_site_reset(&site);
  mlaas_free(url);
  return status;
}

enum mlaas_status mlaas_s3_list(const char *url, const struct mlaas_remote_options *options,
                                bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                struct mlaas_error *error) {
  const char *key = url + 5 + strcspn(url + 5, "/");
  size_t length = (size_t)(key - url);
  char bucket[300];
  if (length + 2 > sizeof bucket || strlen(key) > 1024)
    return mlaas_fail(error, MLAAS_ARGUMENT, "an URL of S3 is s3://BUCKET/KEY");
  snprintf(bucket, sizeof bucket, "%.*s/", (int)length, url);
  char prefix[1030];
  snprintf(prefix, sizeof prefix, "%s", *key ? key + 1 : "");
  length = strlen(prefix);
  if (length && prefix[length - 1] != '/')
    memcpy(prefix + length, "/", 2);
  struct listing *listing = mlaas_alloc(sizeof *listing);
  if (!listing)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  listing->entry = entry;
  listing->context = context;
  enum mlaas_status status = read_pages(bucket, prefix, options, listing, error);
  mlaas_free(listing);
  return status;
}
