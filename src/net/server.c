/* The server: loops, their listening sockets, and how all of it starts and stops. Knows no route. */
#include "net/server.h"

#include "base/error.h"
#include "net/address.h"
#include "net/listener.h"
#include "net/tls.h"
#include "net/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { MOST_LOOPS = 256, MOST_REFUSED = 64, MOST_LISTENERS = 64, WANTED_FILES = 256, SPARE_FILES = 128 };

struct lane {
  struct mlaas_server *server;
  struct mlaas_loop *loop;
  struct mlaas_hub hub;
  struct mlaas_listener *listeners;
  int *sockets; /* until a listener has taken them; -1 then */
  size_t num_sockets;
  struct mlaas_post stops[2], favour;
  atomic_bool favour_asked;
  pthread_t thread;
  bool set_up, ended;
};

struct mlaas_server {
  struct mlaas_shared shared;
  char *texts[6]; /* copies of the options' strings */
  size_t num_texts;
  struct lane *lanes;
  int num_lanes, port;
  atomic_int stops;
};

/* ---- a loop ---- */

static void close_listeners(struct lane *lane) {
  for (size_t i = 0; i < lane->num_sockets; i++)
    mlaas_listener_close(&lane->listeners[i]);
}

/* Nothing is open any more: the floors above let go of the loop, which then ends. */
static void end_lane(void *context) {
  struct lane *lane = context;
  if (lane->ended)
    return;
  lane->ended = true;
  const struct mlaas_server_options *options = &lane->server->shared.options;
  if (options->teardown && lane->set_up)
    options->teardown(options->handler.context, lane->loop);
  uv_close((uv_handle_t *)&lane->hub.timer, NULL);
  mlaas_loop_stop(lane->loop);
}

/* Another loop has nobody to close. */
static void on_favour(void *context) {
  struct lane *lane = context;
  atomic_store(&lane->favour_asked, false);
  if (!lane->ended)
    mlaas_watch_evict(&lane->hub);
}

static void ask_others(void *context) {
  struct lane *lane = context;
  struct mlaas_server *server = lane->server;
  for (int i = 0; i < server->num_lanes; i++)
    if (&server->lanes[i] != lane && !atomic_exchange(&server->lanes[i].favour_asked, true))
      mlaas_loop_post(server->lanes[i].loop, &server->lanes[i].favour);
}

static void stop_lane(struct lane *lane, bool cut) {
  for (size_t i = 0; i < lane->num_sockets && !cut; i++)
    mlaas_listener_drain(&lane->listeners[i]);
  close_listeners(lane);
  mlaas_watch_stop(&lane->hub, cut);
  if (lane->hub.num_connections == 0)
    end_lane(lane);
}

static void on_stop(void *context) {
  struct lane *lane = context;
  if (!lane->ended)
    stop_lane(lane, false);
}

static void on_second_stop(void *context) {
  struct lane *lane = context;
  if (!lane->ended)
    stop_lane(lane, true);
}

static enum mlaas_status start_lane(struct lane *lane, struct mlaas_error *error) {
  const struct mlaas_server_options *options = &lane->server->shared.options;
  if (options->setup) {
    MLAAS_TRY(options->setup(options->handler.context, lane->loop, error));
    lane->set_up = true;
  }
  MLAAS_TRY(mlaas_hub_init(&lane->hub, &lane->server->shared, lane->loop, error));
  mlaas_watch_begin(&lane->hub);
  lane->hub.empty = end_lane;
  lane->hub.starves = ask_others;
  lane->hub.owner = lane;
  for (size_t i = 0; i < lane->num_sockets; i++) {
    int socket = lane->sockets[i];
    lane->sockets[i] = -1;
    MLAAS_TRY(mlaas_listener_start(&lane->listeners[i], &lane->hub, socket, error));
  }
  return MLAAS_OK;
}

static void *run_lane(void *context) {
  struct lane *lane = context;
  mlaas_loop_run(lane->loop);
  return NULL;
}

/* ---- the whole ---- */

/* Of a number that is 0. */
static int64_t or_default(int64_t value, int64_t otherwise) { return value ? value : otherwise; }

static bool copy_text(struct mlaas_server *server, const char **text) {
  if (!*text)
    return true;
  char *copy = mlaas_strdup(*text);
  if (copy)
    server->texts[server->num_texts++] = copy;
  *text = copy;
  return copy;
}

static enum mlaas_status take_options(struct mlaas_server *server, const struct mlaas_server_options *given,
                                      struct mlaas_error *error) {
  struct mlaas_server_options *options = &server->shared.options;
  *options = *given;
  if (!options->host)
    options->host = "127.0.0.1";
  options->loops = (int)or_default(given->loops, uv_available_parallelism());
  options->backlog = (int)or_default(given->backlog, 1024);
  options->connections = or_default(given->connections, 10000);
  options->header_limit = or_default(given->header_limit, 65536);
  options->body_limit = or_default(given->body_limit, 64 << 20);
  options->memory = or_default(given->memory, 1 << 30);
  options->head_timeout_ms = or_default(given->head_timeout_ms, 10000);
  options->idle_timeout_ms = or_default(given->idle_timeout_ms, 60000);
  options->body_timeout_ms = or_default(given->body_timeout_ms, 30000);
  options->write_timeout_ms = or_default(given->write_timeout_ms, 30000);
  options->drain_ms = or_default(given->drain_ms, 10000);
  if (options->loops < 1 || options->loops > MOST_LOOPS)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%d loops were asked for: 1 to %d", options->loops, MOST_LOOPS);
  if (options->header_limit < 64 || options->header_limit > 16 << 20 || options->connections < 1 ||
      options->connections > INT32_MAX || options->memory < 1 || options->body_limit < 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "a limit of the server is out of range");
  if (!options->handler.begin || !options->handler.handle)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the server has no handler");
  if (options->num_inherited > MOST_LISTENERS)
    return mlaas_fail(error, MLAAS_ARGUMENT, "more than %d sockets were handed over", MOST_LISTENERS);
  if (!copy_text(server, &options->host) || !copy_text(server, &options->unix_path) ||
      !copy_text(server, &options->tls.certificate) || !copy_text(server, &options->tls.key) ||
      !copy_text(server, &options->tls.client_ca))
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the server");
  return MLAAS_OK;
}

static enum mlaas_status make_lanes(struct mlaas_server *server, size_t sockets, struct mlaas_error *error) {
  int loops = server->shared.options.loops;
  server->lanes = mlaas_alloc((size_t)loops * sizeof *server->lanes);
  if (!server->lanes)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for %d loops", loops);
  for (; server->num_lanes < loops; server->num_lanes++) {
    struct lane *lane = &server->lanes[server->num_lanes];
    lane->server = server;
    MLAAS_TRY(mlaas_loop_new(server->num_lanes, &lane->loop, error));
    lane->listeners = mlaas_alloc(sockets * sizeof *lane->listeners);
    lane->sockets = mlaas_alloc(sockets * sizeof *lane->sockets);
    lane->stops[0] = (struct mlaas_post){.task = on_stop, .context = lane};
    lane->favour = (struct mlaas_post){.task = on_favour, .context = lane};
    lane->stops[1] = (struct mlaas_post){.task = on_second_stop, .context = lane};
    if (!lane->listeners || !lane->sockets) {
      server->num_lanes++; /* so that it is freed */
      return mlaas_fail(error, MLAAS_MEMORY, "no memory for %d loops", loops);
    }
  }
  return MLAAS_OK;
}

/* Every loop gets a descriptor of its own for each of the sockets. */
static enum mlaas_status share_sockets(struct mlaas_server *server, const int *sockets, size_t count,
                                       struct mlaas_error *error) {
  for (int i = 0; i < server->num_lanes; i++)
    for (size_t k = 0; k < count; k++) {
      int copy = fcntl(sockets[k], F_DUPFD_CLOEXEC, 3);
      if (copy < 0)
        return mlaas_fail_errno(error, errno, "cannot listen at a socket that was handed over");
      server->lanes[i].sockets[server->lanes[i].num_sockets++] = copy;
    }
  return MLAAS_OK;
}

static enum mlaas_status open_sockets(struct mlaas_server *server, struct mlaas_error *error) {
  struct mlaas_server_options *options = &server->shared.options;
  if (options->num_inherited) {
    MLAAS_TRY(share_sockets(server, options->inherited, options->num_inherited, error));
    for (size_t i = 0; i < options->num_inherited && server->port == 0; i++)
      server->port = mlaas_address_port(options->inherited[i]);
    return MLAAS_OK;
  }
  if (options->unix_path) {
    int listening = -1;
    MLAAS_TRY(mlaas_address_listen_unix(options->unix_path, options->backlog, &listening, error));
    enum mlaas_status status = share_sockets(server, &listening, 1, error);
    close(listening);
    return status;
  }
  int sockets[MOST_LOOPS];
  server->port = options->port;
  MLAAS_TRY(mlaas_address_listen(options->host, &server->port, options->backlog, sockets, server->num_lanes, error));
  for (int i = 0; i < server->num_lanes; i++)
    server->lanes[i].sockets[server->lanes[i].num_sockets++] = sockets[i];
  return MLAAS_OK;
}

/* Every connection is a file for the kernel, whose customary limit of 1024 is for the programs of another age. */
static rlim_t wanted_files(const struct mlaas_server_options *options) {
  return (rlim_t)(options->connections + (int64_t)options->loops * MOST_REFUSED) + WANTED_FILES;
}

static void allow_files(const struct mlaas_server_options *options) {
  struct rlimit limit;
  rlim_t wanted = wanted_files(options);
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted)
    return;
  limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
  setrlimit(RLIMIT_NOFILE, &limit);
}

/* Where even the hard limit is low, connections leave some to models, uploads and logs: a server that has none left can
 * answer nobody. What is open by now is not asked of /proc, which a container may lack. */
static void divide_files(struct mlaas_shared *shared) {
  struct mlaas_server_options *options = &shared->options;
  struct rlimit limit;
  shared->most_refused = MOST_REFUSED;
  if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted_files(options))
    return;
  int64_t left = (int64_t)limit.rlim_cur;
  for (int file = 0; file < (int)limit.rlim_cur; file++)
    left -= fcntl(file, F_GETFD) >= 0;
  int64_t spare = left / 2 < SPARE_FILES ? left / 2 : SPARE_FILES;
  if (options->connections > left - spare)
    options->connections = left > spare ? left - spare : 1;
  int64_t refused = (left - options->connections) / 4 / options->loops;
  if (refused < MOST_REFUSED)
    shared->most_refused = refused > 0 ? (size_t)refused : 0;
}

static enum mlaas_status open_server(struct mlaas_server *server, const struct mlaas_server_options *options,
                                     struct mlaas_error *error) {
  MLAAS_TRY(take_options(server, options, error));
  struct mlaas_server_options *own = &server->shared.options;
  if (own->tls.certificate || own->tls.key)
    MLAAS_TRY(mlaas_tls_context_new(&own->tls, &server->shared.tls, error));
  server->shared.budget = mlaas_budget_new(own->memory);
  if (!server->shared.budget)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the server");
  allow_files(own);
  MLAAS_TRY(make_lanes(server, own->num_inherited ? own->num_inherited : 1, error));
  signal(SIGPIPE, SIG_IGN);
  MLAAS_TRY(open_sockets(server, error));
  divide_files(&server->shared);
  return MLAAS_OK;
}

enum mlaas_status mlaas_server_open(const struct mlaas_server_options *options, struct mlaas_server **out,
                                    struct mlaas_error *error) {
  struct mlaas_server *server = mlaas_alloc(sizeof *server);
  if (!server)
    return mlaas_fail(error, MLAAS_MEMORY, "no memory for the server");
  uv_mutex_init(&server->shared.tls_lock);
  enum mlaas_status status = open_server(server, options, error);
  if (status == MLAAS_OK)
    *out = server;
  else
    mlaas_server_close(server);
  return status;
}

/* What setup made goes again where no loop will run. */
static void give_up(struct mlaas_server *server) {
  const struct mlaas_server_options *options = &server->shared.options;
  for (int i = 0; i < server->num_lanes; i++) {
    if (server->lanes[i].set_up && options->teardown)
      options->teardown(options->handler.context, server->lanes[i].loop);
    server->lanes[i].set_up = false;
    server->lanes[i].ended = true;
  }
}

enum mlaas_status mlaas_server_run(struct mlaas_server *server, struct mlaas_error *error) {
  enum mlaas_status status = MLAAS_OK;
  int threads = 1;
  for (int i = 0; i < server->num_lanes && status == MLAAS_OK; i++)
    status = start_lane(&server->lanes[i], error);
  if (status != MLAAS_OK) {
    give_up(server);
    return status;
  }
  while (threads < server->num_lanes &&
         pthread_create(&server->lanes[threads].thread, NULL, run_lane, &server->lanes[threads]) == 0)
    threads++;
  if (threads < server->num_lanes) {
    status = mlaas_fail(error, MLAAS_MEMORY, "only %d of %d threads can be started", threads, server->num_lanes);
    mlaas_server_stop(server);
  }
  mlaas_loop_run(server->lanes[0].loop);
  for (int i = 1; i < threads; i++)
    pthread_join(server->lanes[i].thread, NULL);
  for (int i = threads; i < server->num_lanes; i++)
    mlaas_loop_run(server->lanes[i].loop); /* only to its end */
  return status;
}

void mlaas_server_stop(struct mlaas_server *server) {
  int before = atomic_fetch_add(&server->stops, 1);
  if (before > 1)
    return;
  for (int i = 0; i < server->num_lanes; i++)
    mlaas_loop_post(server->lanes[i].loop, &server->lanes[i].stops[before]);
}

enum mlaas_status mlaas_server_reload_tls(struct mlaas_server *server, struct mlaas_error *error) {
  struct mlaas_shared *shared = &server->shared;
  struct ssl_ctx_st *fresh = NULL;
  if (!shared->tls)
    return MLAAS_OK;
  MLAAS_TRY(mlaas_tls_context_new(&shared->options.tls, &fresh, error));
  uv_mutex_lock(&shared->tls_lock);
  struct ssl_ctx_st *old = shared->tls;
  shared->tls = fresh;
  uv_mutex_unlock(&shared->tls_lock);
  mlaas_tls_context_free(old);
  return MLAAS_OK;
}

void mlaas_server_close(struct mlaas_server *server) {
  if (!server)
    return;
  for (int i = 0; i < server->num_lanes; i++) {
    struct lane *lane = &server->lanes[i];
    for (size_t k = 0; k < lane->num_sockets; k++) {
      mlaas_listener_close(&lane->listeners[k]);
      if (lane->sockets[k] >= 0)
        close(lane->sockets[k]);
    }
    mlaas_loop_free(lane->loop);
    mlaas_hub_reset(&lane->hub);
    mlaas_free(lane->listeners);
    mlaas_free(lane->sockets);
  }
  if (server->shared.options.unix_path && server->num_lanes && server->lanes[0].num_sockets)
    unlink(server->shared.options.unix_path);
  mlaas_tls_context_free(server->shared.tls);
  uv_mutex_destroy(&server->shared.tls_lock);
  mlaas_budget_put(server->shared.budget);
  mlaas_free(server->lanes);
  for (size_t i = 0; i < server->num_texts; i++)
    mlaas_free(server->texts[i]);
  mlaas_free(server);
}

int mlaas_server_port(const struct mlaas_server *server) { return server->port; }
int64_t mlaas_server_connections(const struct mlaas_server *server) { return server->shared.options.connections; }
int mlaas_server_num_loops(const struct mlaas_server *server) { return server->num_lanes; }
struct mlaas_loop *mlaas_server_loop(const struct mlaas_server *server, int index) {
  return server->lanes[index].loop;
}

void mlaas_server_stats(const struct mlaas_server *server, struct mlaas_server_stats *stats) {
  *stats = (struct mlaas_server_stats){.open = atomic_load(&server->shared.open)};
  for (int i = 0; i < server->num_lanes; i++) {
    const struct mlaas_counters *counters = &server->lanes[i].hub.counters;
    stats->accepted += atomic_load_explicit(&counters->accepted, memory_order_relaxed);
    stats->refused += atomic_load_explicit(&counters->refused, memory_order_relaxed);
    stats->requests += atomic_load_explicit(&counters->requests, memory_order_relaxed);
    stats->bytes_in += atomic_load_explicit(&counters->bytes_in, memory_order_relaxed);
    stats->bytes_out += atomic_load_explicit(&counters->bytes_out, memory_order_relaxed);
    stats->timeouts += atomic_load_explicit(&counters->timeouts, memory_order_relaxed);
    stats->bad_requests += atomic_load_explicit(&counters->bad_requests, memory_order_relaxed);
  }
}
