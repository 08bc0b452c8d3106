/* The page for people: what lies under /, /css, /js, /images and /netron, from the binary or from a folder. Must not
 * know models; describe.c and the dialects' routes tell the page's script about them.
 */
#define _GNU_SOURCE /* memmem */
#include "base/error.h"
#include "model/backend.h"
#include "serve/asset.h"
#include "serve/page.h"

#include <stdio.h>
#include <unistd.h>

enum { NETRON_PAGE_LARGEST = 1 << 20 };

/* Scripts and styles come from us alone, and nobody frames the page to have it clicked. */
static const char page_policy[] = "default-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
                                  "form-action 'self'; frame-ancestors 'none'";
/* Netron sets styles from script; it, too, reaches nobody but us. */
static const char netron_policy[] = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; "
                                    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'";

/* A file that is looked for on a worker thread; in the exchange's arena. */
struct search {
  struct mlaas_errand errand;
  struct mlaas_slice name;
  bool netron; /* in Netron's package, else in the configured folder */
  struct mlaas_asset_file file;
  char *page; /* instead of the file: the changed first page of Netron */
};

static bool is_html(const char *type) { return strncmp(type, "text/html", 9) == 0; }

static void add_headers(struct mlaas_exchange *exchange, const char *type, const char *etag, bool netron) {
  mlaas_exchange_header(exchange, "X-Content-Type-Options", "nosniff");
  mlaas_exchange_header(exchange, "Cache-Control", "no-cache"); /* ask whether it changed */
  if (etag)
    mlaas_exchange_header(exchange, "ETag", etag);
  if (is_html(type)) {
    mlaas_exchange_header(exchange, "Content-Security-Policy", netron ? netron_policy : page_policy);
    mlaas_exchange_header(exchange, "Referrer-Policy", "no-referrer");
  }
}

static bool is_known(struct mlaas_exchange *exchange, const char *etag) {
  struct mlaas_slice known = mlaas_request_header(&exchange->request, "If-None-Match");
  return known.data && memmem(known.data, known.size, etag, strlen(etag));
}

static void reply_asset(struct mlaas_exchange *exchange, int status, const struct mlaas_asset *asset) {
  bool known = status == 200 && is_known(exchange, asset->etag);
  add_headers(exchange, asset->type, asset->etag, false);
  mlaas_exchange_reply(exchange, known ? 304 : status, asset->type,
                       (struct mlaas_slice){(const char *)asset->data, asset->size});
}

/* ---- files of folders ---- */

static char *read_page(struct search *search, struct mlaas_error *error) {
  struct mlaas_arena *arena = &search->errand.exchange->arena;
  if (search->file.size > NETRON_PAGE_LARGEST)
    return NULL;
  char *html = mlaas_arena_alloc(arena, (size_t)search->file.size + 1, 1, error);
  ssize_t size = html ? read(search->file.fd, html, (size_t)search->file.size) : -1;
  return size < 0 ? NULL : mlaas_netron_page(arena, (struct mlaas_slice){html, (size_t)size}, error);
}

static void search_work(struct mlaas_errand *errand) {
  struct search *search = errand->user;
  const struct mlaas_config *config = &errand->service->config;
  const char *folder = config->static_dir;
  char package[PATH_MAX];
  if (search->netron)
    folder = mlaas_backend_library("netron", config->repository.model.libraries, package) ? package : NULL;
  if (folder)
    errand->status = mlaas_asset_open(folder, search->name, search->netron, &search->file, &errand->error);
  else
    errand->status = mlaas_fail(&errand->error, MLAAS_NOT_FOUND, "Netron is not installed");
  if (errand->status != MLAAS_OK || !search->netron || !mlaas_slice_is(search->name, "index.html"))
    return;
  search->page = read_page(search, &errand->error);
  close(search->file.fd);
  if (!search->page)
    errand->status = mlaas_fail(&errand->error, MLAAS_MEMORY, "no memory for the page");
}

static void reply_missing(struct search *search) {
  struct mlaas_exchange *exchange = search->errand.exchange;
  const struct mlaas_asset *asset;
  if (search->netron && mlaas_slice_is(search->name, "index.html"))
    asset = mlaas_asset_find(MLAAS_SLICE("netron.html"));
  else
    asset = search->netron ? NULL : mlaas_asset_find(search->name);
  if (asset)
    reply_asset(exchange, search->netron ? 404 : 200, asset);
  else
    mlaas_exchange_refuse(exchange, 404, "no such file: %.*s", (int)search->name.size, search->name.data);
}

static void search_done(struct mlaas_errand *errand) {
  struct search *search = errand->user;
  struct mlaas_exchange *exchange = errand->exchange;
  const char *type = mlaas_asset_type(search->name);
  if (errand->status == MLAAS_NOT_FOUND) {
    reply_missing(search);
  } else if (errand->status != MLAAS_OK) {
    mlaas_exchange_fail(exchange, &errand->error);
  } else if (search->page) {
    add_headers(exchange, type, NULL, true);
    /* It asks whether people agree to be counted; here they are not. The cookie is for its own folder only. */
    mlaas_exchange_header(exchange, "Set-Cookie", "consent=1; SameSite=Lax");
    mlaas_exchange_reply(exchange, 200, type, mlaas_slice_of(search->page));
  } else {
    bool known = is_known(exchange, search->file.etag);
    const char *etag = mlaas_arena_format(&exchange->arena, NULL, "%s", search->file.etag);
    add_headers(exchange, type, etag, search->netron);
    if (known) {
      close(search->file.fd);
      mlaas_exchange_reply(exchange, 304, type, (struct mlaas_slice){0});
    } else {
      mlaas_exchange_reply_file(exchange, 200, type, search->file.fd, 0, search->file.size);
    }
  }
}

static struct search *search_new(struct mlaas_service *service, struct mlaas_exchange *exchange,
                                 struct mlaas_slice name) {
  struct mlaas_error error;
  struct search *search = mlaas_arena_alloc(&exchange->arena, 1, sizeof *search, &error);
  if (!search) {
    mlaas_exchange_fail(exchange, &error);
    return NULL;
  }
  search->errand = (struct mlaas_errand){
      .service = service, .exchange = exchange, .work = search_work, .done = search_done, .user = search};
  search->name = name;
  search->file.fd = -1;
  return search;
}

/* ---- the page ---- */

static void reply_file(struct mlaas_service *service, struct mlaas_exchange *exchange, struct mlaas_slice name) {
  const struct mlaas_asset *asset = mlaas_asset_find(name);
  if (service->config.static_dir && mlaas_asset_name_good(name) && mlaas_asset_type(name)) {
    struct search *search = search_new(service, exchange, name);
    if (search)
      mlaas_errand_start(&search->errand);
  } else if (asset) {
    reply_asset(exchange, 200, asset);
  } else {
    mlaas_exchange_refuse(exchange, 404, "no such file: %.*s", (int)name.size, name.data ? name.data : "");
  }
}

static void reply_below(struct mlaas_service *service, struct mlaas_exchange *exchange, const char *folder) {
  struct mlaas_error error;
  struct mlaas_slice rest = mlaas_route_rest(exchange);
  char *name =
      mlaas_arena_format(&exchange->arena, &error, "%s/%.*s", folder, (int)rest.size, rest.size ? rest.data : "");
  if (name)
    reply_file(service, exchange, mlaas_slice_of(name));
  else
    mlaas_exchange_fail(exchange, &error);
}

static void css_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  reply_below(service, exchange, "css");
}

static void js_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  reply_below(service, exchange, "js");
}

static void images_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  reply_below(service, exchange, "images");
}

static void favicon_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  reply_file(service, exchange, MLAAS_SLICE("favicon.ico"));
}

/* The pages' links are relative: without the slash at the end they would point elsewhere. True: has replied. */
static bool redirected(struct mlaas_service *service, struct mlaas_exchange *exchange, const char *path) {
  struct mlaas_slice target = exchange->request.target, query = exchange->request.query;
  const char *mark = memchr(target.data, '?', target.size);
  size_t size = mark ? (size_t)(mark - target.data) : target.size;
  if (size == 0 || target.data[0] != '/' || target.data[size - 1] == '/')
    return false;
  struct mlaas_error error;
  char *location =
      mlaas_arena_format(&exchange->arena, &error, "%s%s/%s%.*s", service->config.base ? service->config.base : "",
                         path, query.size ? "?" : "", (int)query.size, query.size ? query.data : "");
  if (location) {
    mlaas_exchange_header(exchange, "Location", location);
    mlaas_exchange_reply(exchange, 301, NULL, (struct mlaas_slice){0});
  } else {
    mlaas_exchange_fail(exchange, &error);
  }
  return true;
}

static void front_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  if (!redirected(service, exchange, ""))
    reply_file(service, exchange, MLAAS_SLICE("index.html"));
}

/* ---- Netron ---- */

static void netron_file(struct mlaas_service *service, struct mlaas_exchange *exchange, struct mlaas_slice name) {
  struct search *search = search_new(service, exchange, name);
  if (!search)
    return;
  search->netron = true;
  mlaas_errand_start(&search->errand);
}

static void netron_front_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  if (!redirected(service, exchange, "/netron"))
    netron_file(service, exchange, MLAAS_SLICE("index.html"));
}

static void netron_handle(struct mlaas_service *service, struct mlaas_exchange *exchange) {
  struct mlaas_slice rest = mlaas_route_rest(exchange);
  netron_file(service, exchange, rest.size ? rest : MLAAS_SLICE("index.html"));
}

/* The original counts the two pages for its limit of requests, and not what they are made of. */
const struct mlaas_route mlaas_routes_page[] = {
    {"GET HEAD", "/", MLAAS_ROUTE_LIMITED, front_handle, "page"},
    {"GET HEAD", "/favicon.ico", MLAAS_ROUTE_LIMITED, favicon_handle, "page"},
    {"GET HEAD", "/css/...", 0, css_handle, "page"},
    {"GET HEAD", "/js/...", 0, js_handle, "page"},
    {"GET HEAD", "/images/...", 0, images_handle, "page"},
    {"GET HEAD", "/netron", MLAAS_ROUTE_LIMITED, netron_front_handle, "netron"},
    {"GET HEAD", "/netron/...", 0, netron_handle, "netron"},
    {"GET HEAD", "/models/{}", MLAAS_ROUTE_LIMITED, mlaas_describe_handle, "describe"},
    {"GET HEAD", "/repository", MLAAS_ROUTE_LIMITED, mlaas_repository_handle, "repository"},
    {0},
};
