/* Accepting connections, and what to do when files or memory are short. Knows no protocol. */
#define _GNU_SOURCE /* accept4 */
#include "net/listener.h"

#include "base/error.h"
#include "net/address.h"
#include "net/http1_codec.h"
#include "net/http1_reply.h"
#include "net/tls.h"
#include "net/watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST_AT_ONCE = 64, MOST_DRAINED = 4096, RETRY_MS = 100 };

/* What became of an attempt to take a connection. */
enum outcome { TAKEN, NOBODY, SHORT };

/* More connections than allowed: the client is told, as far as that costs little. */
static void turn_away(struct mlaas_connection *connection) {
  static char text[] = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 43\r\n"
                       "Retry-After: 1\r\nConnection: close\r\n\r\n{\"error\": \"there are too many connections\"}";
  struct mlaas_hub *hub = connection->hub;
  mlaas_count(&hub->counters.refused, 1);
  if (hub->num_refused >= hub->shared->most_refused || hub->shared->tls) {
    mlaas_connection_close(connection);
    return;
  }
  hub->num_refused++;
  connection->refused = true;
  connection->http1.state = MLAAS_HTTP1_LINGER;
  uv_buf_t part = uv_buf_init(text, sizeof text - 1);
  if (!mlaas_connection_send(connection, &part, 1))
    mlaas_connection_close(connection);
  mlaas_connection_wait(connection, MLAAS_WAIT_LINGER);
  mlaas_connection_shutdown(connection);
  mlaas_connection_start(connection);
}

static bool start_tls(struct mlaas_connection *connection) {
  struct mlaas_shared *shared = connection->hub->shared;
  if (!shared->tls)
    return true;
  uv_mutex_lock(&shared->tls_lock);
  bool started = mlaas_tls_start(connection, shared->tls);
  uv_mutex_unlock(&shared->tls_lock);
  connection->wait = MLAAS_WAIT_HEAD; /* the handshake has to end as soon as a head would */
  return started;
}

/* The handle of the connection takes the file. False: libuv did not want it. */
static bool open_handle(struct mlaas_connection *connection, int file, bool is_unix) {
  uv_loop_t *loop = mlaas_loop_uv(connection->hub->loop);
  if (is_unix) {
    uv_pipe_init(loop, &connection->uv.pipe, 0);
    connection->open = true;
    return uv_pipe_open(&connection->uv.pipe, file) == 0;
  }
  uv_tcp_init(loop, &connection->uv.tcp);
  connection->open = true;
  if (uv_tcp_open(&connection->uv.tcp, file) < 0)
    return false;
  uv_tcp_nodelay(&connection->uv.tcp, 1);
  return true;
}

static void take(struct mlaas_listener *listener, int file, const struct sockaddr *peer) {
  struct mlaas_hub *hub = listener->hub;
  struct mlaas_shared *shared = hub->shared;
  struct mlaas_connection *connection = listener->spare;
  listener->spare = NULL;
  bool full = atomic_load(&shared->open) >= shared->options.connections && !mlaas_watch_evict(hub);
  mlaas_connection_init(connection, hub, &mlaas_http1_codec);
  if (!open_handle(connection, file, listener->is_unix)) {
    close(file);
    mlaas_connection_close(connection);
    return;
  }
  mlaas_address_format(peer, connection->peer, sizeof connection->peer);
  mlaas_count(&hub->counters.accepted, 1);
  if (full)
    turn_away(connection);
  else if (start_tls(connection))
    mlaas_connection_start(connection);
  else
    mlaas_connection_close(connection);
}

/* The kernel says that there is no file before it looks whether anybody waits: nobody is closed for nobody. */
static enum outcome make_room(struct mlaas_listener *listener) {
  struct pollfd waiting = {.fd = listener->socket, .events = POLLIN};
  if (poll(&waiting, 1, 0) != 1 || !(waiting.revents & POLLIN))
    return NOBODY;
  if (mlaas_watch_evict(listener->hub))
    return TAKEN;
  listener->hub->starves(listener->hub->owner);
  return SHORT;
}

static enum outcome accept_one(struct mlaas_listener *listener) {
  if (!listener->spare && !(listener->spare = mlaas_alloc(sizeof *listener->spare)))
    return SHORT;
  struct sockaddr_storage address;
  address.ss_family = AF_UNIX;
  socklen_t size = sizeof address;
  int file = accept4(listener->socket, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (file >= 0) {
    take(listener, file, (const struct sockaddr *)&address);
    return TAKEN;
  }
  switch (errno) {
  case EAGAIN:
    return NOBODY;
  case EMFILE:
  case ENFILE:
  case ENOBUFS:
  case ENOMEM:
    return make_room(listener);
  case EINTR:
  case ECONNABORTED: /* from here on: of the one connection, which is gone */
  case EPROTO:
  case EPERM:
  case ETIMEDOUT:
  case ENETDOWN:
  case ENOPROTOOPT:
  case EHOSTDOWN:
  case ENONET:
  case EHOSTUNREACH:
  case ENETUNREACH:
    return TAKEN;
  default: /* of the socket: it may be no better the next time, but that must not cost all of a processor */
    return SHORT;
  }
}

static enum outcome accept_some(struct mlaas_listener *listener, int most) {
  enum outcome outcome = TAKEN;
  for (int i = 0; i < most && outcome == TAKEN; i++)
    outcome = accept_one(listener);
  return outcome;
}

static void on_ready(uv_poll_t *poll, int code, int events);

static void on_retry(uv_timer_t *timer) { on_ready(&((struct mlaas_listener *)timer->data)->poll, 0, UV_READABLE); }

/* The poll handle goes on telling until nobody waits any more: a bounded number per round leaves time for the others.
 */
static void on_ready(uv_poll_t *poll, int code, int events) {
  (void)events;
  struct mlaas_listener *listener = poll->data;
  if (!listener->open)
    return;
  if (code < 0 || accept_some(listener, MOST_AT_ONCE) == SHORT) {
    uv_poll_stop(poll);
    uv_timer_start(&listener->retry, on_retry, RETRY_MS, 0);
  } else if (!uv_is_active((uv_handle_t *)poll)) {
    uv_poll_start(poll, UV_READABLE, on_ready);
  }
}

enum mlaas_status mlaas_listener_start(struct mlaas_listener *listener, struct mlaas_hub *hub, int socket,
                                       struct mlaas_error *error) {
  uv_loop_t *loop = mlaas_loop_uv(hub->loop);
  listener->hub = hub;
  listener->socket = socket;
  listener->is_unix = mlaas_address_is_unix(socket);
  int code = listen(socket, hub->shared->options.backlog) == 0 ? 0 : -errno; /* one that was handed over may not yet */
  if (code == 0)
    code = uv_poll_init(loop, &listener->poll, socket);
  if (code < 0) {
    close(socket);
    return mlaas_fail(error, MLAAS_IO, "cannot accept connections: %s", uv_strerror(code));
  }
  uv_timer_init(loop, &listener->retry);
  listener->open = true;
  listener->poll.data = listener->retry.data = listener;
  uv_poll_start(&listener->poll, UV_READABLE, on_ready);
  return MLAAS_OK;
}

void mlaas_listener_drain(struct mlaas_listener *listener) {
  if (listener->open)
    accept_some(listener, MOST_DRAINED);
}

void mlaas_listener_close(struct mlaas_listener *listener) {
  mlaas_free(listener->spare);
  listener->spare = NULL;
  if (!listener->open)
    return;
  listener->open = false;
  uv_close((uv_handle_t *)&listener->poll, NULL);
  uv_close((uv_handle_t *)&listener->retry, NULL);
  close(listener->socket);
}
