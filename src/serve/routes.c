/* All routes of all dialects as one table: matching, methods, clean paths, limits; then the route's handler. Knows no
 * dialect but by its table.
 */
#define _GNU_SOURCE /* memmem */
#include "base/error.h"
#include "serve/limiter.h"
#include "serve/log.h"
#include "serve/metrics.h"
#include "serve/service.h"

#include <stdio.h>
#include <string.h>

static const struct mlaas_route *const tables[] = {mlaas_routes_tfaas, mlaas_routes_operations, mlaas_routes_page};
enum { NUM_TABLES = sizeof tables / sizeof *tables, SMALL_BODY = 64 << 10 };

struct entry {
  const struct mlaas_route *route;
  int index;      /* of the counters: routes of one name share it */
  int next;       /* next entry of the same bucket, -1: none; only those without a pattern are in buckets */
  size_t literal; /* characters of the path before the pattern */
  char pattern;   /* 0, '{' or '.' */
};

enum { BUCKETS = 128 };

struct mlaas_router {
  struct entry *entries;
  int num_entries, num_names;
  const char **names; /* 1 .. num_names */
  int16_t buckets[BUCKETS];
  size_t base_length;
  char base[];
};

static unsigned hash(const char *text, size_t size) {
  unsigned value = 2166136261u;
  for (size_t i = 0; i < size; i++)
    value = (value ^ (unsigned char)text[i]) * 16777619u;
  return (value ^ value >> 15) % BUCKETS;
}

/* ---- making ---- */

static int name_index(struct mlaas_router *router, const char *name) {
  for (int i = 1; i <= router->num_names; i++)
    if (strcmp(router->names[i], name) == 0)
      return i;
  router->names[++router->num_names] = name;
  return router->num_names;
}

static void add_route(struct mlaas_router *router, const struct mlaas_route *route) {
  struct entry *entry = &router->entries[router->num_entries];
  const char *brace = strstr(route->path, "/{}"), *dots = strstr(route->path, "/...");
  *entry = (struct entry){.route = route, .index = name_index(router, route->name), .next = -1};
  entry->pattern = brace ? '{' : dots ? '.' : 0;
  entry->literal = brace ? (size_t)(brace - route->path) : dots ? (size_t)(dots - route->path) : strlen(route->path);
  if (!entry->pattern) {
    int16_t *bucket = &router->buckets[hash(route->path, entry->literal)];
    entry->next = *bucket;
    *bucket = (int16_t)router->num_entries;
  }
  router->num_entries++;
}

struct mlaas_router *mlaas_router_new(const char *base) {
  size_t length = strlen(base), count = 0;
  struct mlaas_router *router = mlaas_alloc(sizeof *router + length + 1);
  if (!router)
    return NULL;
  memcpy(router->base, base, length + 1);
  router->base_length = length;
  for (size_t i = 0; i < NUM_TABLES; i++)
    for (const struct mlaas_route *route = tables[i]; route->path; route++)
      count++;
  router->entries = mlaas_alloc(count * sizeof *router->entries);
  router->names = mlaas_alloc((count + 1) * sizeof *router->names);
  if (!router->entries || !router->names) {
    mlaas_router_free(router);
    return NULL;
  }
  for (size_t i = 0; i < BUCKETS; i++)
    router->buckets[i] = -1;
  for (size_t i = 0; i < NUM_TABLES; i++)
    for (const struct mlaas_route *route = tables[i]; route->path; route++)
      add_route(router, route);
  return router;
}

void mlaas_router_free(struct mlaas_router *router) {
  if (!router)
    return;
  mlaas_free(router->entries);
  mlaas_free(router->names);
  mlaas_free(router);
}

int mlaas_router_num_routes(const struct mlaas_router *router) { return router->num_names; }

const char *mlaas_router_name(const struct mlaas_router *router, int index) {
  return index > 0 && index <= router->num_names ? router->names[index] : "";
}

/* ---- matching ---- */

struct match {
  const struct entry *entry;
  struct mlaas_slice rest;
  bool path_known;
  char allow[128]; /* methods of the routes of that path */
};

static bool has_method(const char *methods, struct mlaas_slice method) {
  if (strcmp(methods, "*") == 0)
    return true;
  for (const char *at = methods; *at; at += strcspn(at, " "), at += *at == ' ')
    if (strcspn(at, " ") == method.size && memcmp(at, method.data, method.size) == 0)
      return true;
  return false;
}

static bool consider(struct match *match, const struct entry *entry, struct mlaas_slice rest,
                     struct mlaas_slice method) {
  match->path_known = true;
  if (has_method(entry->route->methods, method)) {
    match->entry = entry;
    match->rest = rest;
    return true;
  }
  size_t used = strlen(match->allow);
  snprintf(match->allow + used, sizeof match->allow - used, "%s%s", used ? " " : "", entry->route->methods);
  return false;
}

static bool match_pattern(const struct entry *entry, struct mlaas_slice path, struct mlaas_slice *rest) {
  size_t literal = entry->literal;
  if (path.size < literal || memcmp(path.data, entry->route->path, literal) != 0 ||
      (path.size > literal && path.data[literal] != '/'))
    return false;
  *rest = path.size > literal ? (struct mlaas_slice){path.data + literal + 1, path.size - literal - 1}
                              : (struct mlaas_slice){path.data + path.size, 0};
  if (entry->pattern == '.')
    return true;
  if (rest->size && rest->data[rest->size - 1] == '/')
    rest->size--;
  return rest->size && !memchr(rest->data, '/', rest->size);
}

/* `path` is behind the base and begins with '/'. */
static void find_route(const struct mlaas_router *router, struct mlaas_slice path, struct mlaas_slice method,
                       unsigned need, struct match *match) {
  struct mlaas_slice bare = path, rest = {"", 0};
  if (bare.size > 1 && bare.data[bare.size - 1] == '/')
    bare.size--;
  for (int i = router->buckets[hash(bare.data, bare.size)]; i >= 0; i = router->entries[i].next) {
    const struct entry *entry = &router->entries[i];
    if (entry->literal == bare.size && memcmp(entry->route->path, bare.data, bare.size) == 0 &&
        (entry->route->flags & need) == need && consider(match, entry, rest, method))
      return;
  }
  for (const char *kind = match->path_known ? "" : "{."; *kind; kind++) /* one segment goes before the rest */
    for (int i = 0; i < router->num_entries; i++) {
      const struct entry *entry = &router->entries[i];
      if (entry->pattern == *kind && (entry->route->flags & need) == need && match_pattern(entry, path, &rest) &&
          consider(match, entry, rest, method))
        return;
    }
}

/* ---- clean paths ---- */

/* True if the path has empty segments, "." or "..", which no file name of ours has. */
static bool is_unclean(struct mlaas_slice path) {
  for (size_t i = 0; i + 1 < path.size; i++) {
    if (path.data[i] != '/')
      continue;
    size_t left = path.size - i - 1, size = 0;
    const char *segment = path.data + i + 1;
    while (size < left && size < 3 && segment[size] != '/')
      size++;
    if ((size == 0 && left) || (size == 1 && segment[0] == '.') ||
        (size == 2 && segment[0] == '.' && segment[1] == '.'))
      return true;
  }
  return false;
}

/* The path without them, percent-encoded, in `out` of at least 3 * path.size + 1 bytes. */
static char *clean_path(struct mlaas_slice path, char *out) {
  static const char hex[] = "0123456789ABCDEF";
  size_t used = 0;
  for (size_t i = 0; i < path.size;) {
    size_t end = i;
    while (end < path.size && path.data[end] != '/')
      end++;
    size_t size = end - i;
    const char *segment = path.data + i;
    if (size == 2 && segment[0] == '.' && segment[1] == '.') {
      while (used && out[--used] != '/')
        ;
    } else if (size && !(size == 1 && segment[0] == '.')) {
      out[used++] = '/';
      for (size_t k = 0; k < size; k++) {
        unsigned char c = (unsigned char)segment[k];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c && strchr("-_.~!$&'()*+,;=:@", c));
        if (plain) {
          out[used++] = (char)c;
        } else {
          out[used++] = '%';
          out[used++] = hex[c >> 4];
          out[used++] = hex[c & 15];
        }
      }
    }
    i = end + 1;
  }
  if (used == 0 || (path.size && path.data[path.size - 1] == '/'))
    out[used++] = '/';
  out[used] = 0;
  return out;
}

static void redirect(struct mlaas_exchange *exchange, struct mlaas_slice path) {
  const struct mlaas_request *request = &exchange->request;
  size_t room = 3 * path.size + 2;
  char *target = mlaas_arena_alloc(&exchange->arena, room + request->query.size + 2, 1, NULL);
  if (!target) {
    mlaas_exchange_refuse(exchange, 503, "out of memory");
    return;
  }
  clean_path(path, target);
  size_t used = strlen(target);
  if (request->query.size) {
    target[used] = '?';
    memcpy(target + used + 1, request->query.data, request->query.size);
  }
  mlaas_exchange_header(exchange, "Location", target);
  mlaas_exchange_reply(exchange, 301, NULL, MLAAS_SLICE(""));
}

/* ---- the server's handler ---- */

static void refuse_method(struct mlaas_exchange *exchange, const char *methods) {
  char list[160];
  size_t used = 0;
  for (const char *at = methods; *at && used + 2 < sizeof list; at++) { /* "GET HEAD" as "GET, HEAD" */
    if (*at == ' ')
      list[used++] = ',';
    list[used++] = *at;
  }
  char *allow = mlaas_arena_strndup(&exchange->arena, list, used, NULL);
  if (allow)
    mlaas_exchange_header(exchange, "Allow", allow);
  mlaas_exchange_refuse(exchange, 405, "%.*s is not a method of this path; %.*s would be",
                        (int)(exchange->request.method.size < 20 ? exchange->request.method.size : 20),
                        exchange->request.method.data, (int)used, list);
}

/* Finds the route; false if there is none and the reply is given. */
static bool route(struct mlaas_service *service, struct mlaas_exchange *exchange, struct mlaas_visit *visit) {
  const struct mlaas_router *router = service->router;
  const struct mlaas_request *request = &exchange->request;
  struct mlaas_slice path = request->path;
  struct match match = {0};
  if (is_unclean(path)) {
    redirect(exchange, path);
    return false;
  }
  if (router->base_length) {
    bool inside = path.size >= router->base_length && memcmp(path.data, router->base, router->base_length) == 0 &&
                  (path.size == router->base_length || path.data[router->base_length] == '/');
    if (inside && path.size == router->base_length) {
      char *slashed = mlaas_arena_format(&exchange->arena, NULL, "%s/", router->base);
      redirect(exchange, slashed ? mlaas_slice_of(slashed) : path);
      return false;
    }
    if (inside)
      path = (struct mlaas_slice){path.data + router->base_length, path.size - router->base_length};
    find_route(router, path, request->method, inside ? 0 : MLAAS_ROUTE_ROOT, &match);
  } else {
    find_route(router, path, request->method, 0, &match);
  }
  if (match.entry) {
    visit->route = match.entry->route;
    visit->route_index = match.entry->index;
    visit->rest = match.rest;
    return true;
  }
  if (mlaas_slice_is(request->target, "*") && mlaas_slice_is(request->method, "OPTIONS"))
    mlaas_exchange_reply(exchange, 204, NULL, MLAAS_SLICE(""));
  else if (match.path_known)
    refuse_method(exchange, match.allow);
  else
    mlaas_exchange_refuse(exchange, 404, "there is nothing at %.*s", (int)(path.size < 200 ? path.size : 200),
                          path.data);
  return false;
}

static bool is_same_word(struct mlaas_slice a, struct mlaas_slice b) {
  return a.size == b.size && a.size && strncasecmp(a.data, b.data, a.size) == 0;
}

/* Browsers say whose page sends a request, programs do not. To plain HTTP they give the page's origin only. */
static bool is_from_elsewhere(const struct mlaas_request *request) {
  struct mlaas_slice site = mlaas_request_header(request, "Sec-Fetch-Site");
  struct mlaas_slice origin = mlaas_request_header(request, "Origin");
  struct mlaas_slice forwarded = mlaas_request_header(request, "X-Forwarded-Host");
  if (site.size)
    return !mlaas_slice_is_word(site, "same-origin") && !mlaas_slice_is_word(site, "none");
  if (!origin.size)
    return false;
  const char *host = memmem(origin.data, origin.size, "://", 3);
  if (!host)
    return true; /* "null": a file, a sandbox */
  struct mlaas_slice own = {host + 3, (size_t)(origin.data + origin.size - host) - 3};
  return !is_same_word(own, request->host) && !is_same_word(own, forwarded);
}

static void begin(void *context, struct mlaas_exchange *exchange) {
  struct mlaas_service *service = context;
  struct mlaas_error error;
  struct mlaas_visit *visit = mlaas_arena_alloc(&exchange->arena, 1, sizeof *visit, &error);
  if (!visit) {
    exchange->user = NULL;
    mlaas_exchange_fail(exchange, &error);
    return;
  }
  visit->service = service;
  exchange->user = visit;
  if (!route(service, exchange, visit))
    return;
  unsigned flags = visit->route->flags;
  if (flags & MLAAS_ROUTE_CHANGES && is_from_elsewhere(&exchange->request)) {
    mlaas_exchange_refuse(exchange, 403, "pages of other sites cannot change what is served here");
    return;
  }
  if (flags & MLAAS_ROUTE_UPLOAD)
    exchange->body_limit = service->config.upload_limit;
  else if (flags & MLAAS_ROUTE_SMALL && exchange->body_limit > SMALL_BODY)
    exchange->body_limit = SMALL_BODY;
  if (flags & MLAAS_ROUTE_LIMITED && service->limiter)
    mlaas_limiter_apply(service->limiter, exchange);
}

static void handle(void *context, struct mlaas_exchange *exchange) {
  struct mlaas_visit *visit = exchange->user;
  visit->route->handle(context, exchange);
}

static void finished(void *context, struct mlaas_exchange *exchange) {
  struct mlaas_service *service = context;
  struct mlaas_visit *visit = exchange->user;
  int64_t ns = mlaas_now() - exchange->request.began;
  struct mlaas_lane *lane = mlaas_service_lane(service, exchange);
  mlaas_metrics_count(service->metrics, mlaas_loop_index(exchange->loop), visit ? visit->route_index : 0, exchange, ns);
  mlaas_log_access(lane->log, exchange, ns);
  exchange->user = NULL;
}

struct mlaas_handler mlaas_router_handler(struct mlaas_service *service) {
  return (struct mlaas_handler){.context = service, .begin = begin, .handle = handle, .finished = finished};
}
