/* Names in a directory behind HTTP: how servers are asked for them. Must not know what becomes of the names. */
#include "source/http/list.h"

#include "source/http/exchange.h"
#include "source/http/index.h"
#include "source/http/s3_list.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdio.h>
#include <string.h>

enum { MOST_LISTING = 64 << 20 };

struct listing {
  char *base; /* the user's URL with a '/' at its end, without credentials and query */
  char *url;  /* room for a child's */
  bool (*entry)(void *context, const struct mlaas_wire_entry *entry);
  void *context;
};

static bool tell(void *context, const char *name, int64_t size, bool is_directory) {
  struct listing *listing = context;
  size_t used = (size_t)snprintf(listing->url, MLAAS_HTTP_URL_MOST, "%s", listing->base);
  if (!mlaas_http_escape(name, false, listing->url + used, MLAAS_HTTP_URL_MOST - used))
    return true;
  const struct mlaas_wire_entry entry = {.url = listing->url, .size = size, .is_directory = is_directory};
  return listing->entry(listing->context, &entry);
}

/* The user's own words as far as possible: names are compared with what was typed. */
static enum mlaas_status make_base(struct listing *listing, const char *url, struct mlaas_error *error) {
  size_t length = strcspn(url, "?#");
  const char *separator = strstr(url, "://"), *host = separator ? separator + 3 : url;
  const char *rest = host;
  for (const char *c = host; *c && !strchr("/?#", *c); c++)
    if (*c == '@')
      rest = c + 1;
  if (length < (size_t)(rest - url) || length >= MLAAS_HTTP_URL_MOST)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the URL is malformed or too long");
  listing->base = mlaas_alloc(length + 2);
  listing->url = mlaas_alloc(MLAAS_HTTP_URL_MOST);
  if (!listing->base || !listing->url)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  memcpy(listing->base, url, (size_t)(host - url));
  memcpy(listing->base + (host - url), rest, length - (size_t)(rest - url));
  size_t end = strlen(listing->base);
  if (end && listing->base[end - 1] != '/')
    listing->base[end] = '/';
  return MLAAS_OK;
}

/* The site's URL as that of a folder. */
static enum mlaas_status make_folder(const struct mlaas_http_site *site, char **folder, struct mlaas_error *error) {
  size_t path = strcspn(site->url, "?"), size = strlen(site->url) + 2;
  *folder = mlaas_alloc(size);
  if (!*folder)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  bool ends = path && site->url[path - 1] == '/';
  snprintf(*folder, size, "%.*s%s%s", (int)path, site->url, ends ? "" : "/", site->url + path);
  return MLAAS_OK;
}

/* Errors: UNSUPPORTED if the server does not do this. */
static enum mlaas_status ask_dav(const struct mlaas_http_site *site, const char *folder, struct mlaas_http_index *index,
                                 struct mlaas_error *error) {
  struct mlaas_http_exchange exchange = {
      .method = "PROPFIND",
      .url = folder,
      .headers = {"Depth: 1", "Content-Type: application/xml; charset=utf-8"},
      .body = "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\"><D:prop><D:resourcetype/>"
              "<D:getcontentlength/></D:prop></D:propfind>",
      .most = MOST_LISTING};
  enum mlaas_status status = mlaas_http_exchange_run(site, &exchange, error);
  index->url = exchange.final_url;
  if (status == MLAAS_OK && exchange.reply.status != 207)
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "%s does not list by WebDAV", exchange.server);
  else if (exchange.reply.status == 400 || exchange.reply.status == 403)
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "%s does not list by WebDAV (answer %d)", exchange.server,
                        exchange.reply.status);
  if (status == MLAAS_OK)
    status = mlaas_http_index_dav(index, exchange.text ? exchange.text : "", exchange.size, error);
  mlaas_http_exchange_reset(&exchange);
  return status;
}

static enum mlaas_status read_page(struct mlaas_http_index *index, const struct mlaas_http_exchange *exchange,
                                   struct mlaas_error *error) {
  const char *text = exchange->text ? exchange->text : "";
  if (strncasecmp(exchange->reply.type, "application/json", 16) == 0)
    return mlaas_http_index_json(index, text, exchange->size, error);
  enum mlaas_status status = MLAAS_OK;
  if (strncasecmp(exchange->reply.type, "text/html", 9) == 0)
    status = mlaas_http_index_html(index, text, exchange->size, error);
  if (status == MLAAS_OK && !index->count && !index->is_index)
    status = mlaas_fail(error, MLAAS_UNSUPPORTED, "%s does not list this folder: name the files, or use davs://",
                        exchange->server);
  return status;
}

static enum mlaas_status ask_page(const struct mlaas_http_site *site, const char *folder,
                                  struct mlaas_http_index *index, struct mlaas_error *error) {
  struct mlaas_http_exchange exchange = {.method = "GET", .url = folder, .most = MOST_LISTING};
  enum mlaas_status status = mlaas_http_exchange_run(site, &exchange, error);
  index->url = exchange.final_url;
  if (status == MLAAS_OK)
    status = read_page(index, &exchange, error);
  mlaas_http_exchange_reset(&exchange);
  return status;
}

static enum mlaas_status ask(const struct mlaas_http_site *site, struct listing *listing, struct mlaas_error *error) {
  char *folder = NULL;
  MLAAS_TRY(make_folder(site, &folder, error));
  struct mlaas_http_index *index = mlaas_alloc(sizeof *index);
  enum mlaas_status status = index ? MLAAS_OK : mlaas_fail(error, MLAAS_MEMORY, "no memory for a listing");
  if (status == MLAAS_OK) {
    index->child = tell;
    index->context = listing;
    status = ask_dav(site, folder, index, error);
    if (status == MLAAS_UNSUPPORTED && !site->is_dav)
      status = ask_page(site, folder, index, error);
  }
  mlaas_free(index);
  mlaas_free(folder);
  return status;
}

enum mlaas_status mlaas_http_list(const char *url, const struct mlaas_remote_options *options,
                                  bool (*entry)(void *context, const struct mlaas_wire_entry *entry), void *context,
                                  struct mlaas_error *error) {
  if (strncmp(url, "s3://", 5) == 0)
    return mlaas_s3_list(url, options, entry, context, error);
  struct mlaas_http_site site;
  struct listing listing = {.entry = entry, .context = context};
  enum mlaas_status status = mlaas_http_site_init(&site, url, options, error);
  if (status == MLAAS_OK)
    status = make_base(&listing, url, error);
  if (status == MLAAS_OK)
    status = ask(&site, &listing, error);
  mlaas_free(listing.base);
  mlaas_free(listing.url);
  mlaas_http_site_reset(&site);
  return status;
}
