/* Bytes in and out of a socket, and how a connection ends. Knows no protocol. */
#include "net/connection.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

enum { LINGER_MS = 2000, LONGEST_LINGER_MS = 15000, GONE_MS = 100, SLOWEST_BODY = 1024 };

void mlaas_connection_init(struct mlaas_connection *connection, struct mlaas_hub *hub,
                           const struct mlaas_codec *codec) {
  connection->hub = hub;
  connection->codec = codec;
  connection->since = connection->member.touched = mlaas_hub_now(hub);
  mlaas_hub_add(hub, &connection->member);
  hub->num_connections++;
  atomic_fetch_add(&hub->shared->open, 1);
}

/* ---- reading ---- */

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
  (void)suggested;
  struct mlaas_connection *connection = handle->data;
  char *data = NULL;
  size_t size = 0;
  if (connection->filter) {
    data = connection->hub->cipher;
    size = MLAAS_CIPHER_BYTES;
  } else {
    connection->codec->room(connection, &data, &size);
  }
  *buffer = uv_buf_init(data, (unsigned)(size > INT32_MAX ? INT32_MAX : size));
}

static void pause_reading(struct mlaas_connection *connection) {
  if (connection->reading)
    uv_read_stop(&connection->uv.stream);
  connection->reading = false;
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer) {
  struct mlaas_connection *connection = stream->data;
  if (connection->closing)
    return;
  if (count == UV_ENOBUFS) {
    pause_reading(connection);
  } else if (count == UV_EOF) {
    connection->reading = false;
    connection->ended = true;
    connection->since = mlaas_hub_now(connection->hub);
    connection->codec->ended(connection);
  } else if (count < 0) {
    mlaas_connection_close(connection);
  } else if (connection->filter) {
    connection->filter->received(connection, buffer->base, (size_t)count);
  } else {
    connection->codec->received(connection, (size_t)count);
  }
}

void mlaas_connection_resume(struct mlaas_connection *connection) {
  if (connection->closing || connection->ended || connection->reading)
    return;
  connection->reading = true;
  if (uv_read_start(&connection->uv.stream, on_room, on_read) < 0)
    mlaas_connection_close(connection);
  else if (connection->filter)
    connection->filter->resume(connection);
}

bool mlaas_connection_has_unread(const struct mlaas_connection *connection) {
  int fd = -1, waiting = 0;
  return uv_fileno(&connection->uv.handle, &fd) == 0 && ioctl(fd, FIONREAD, &waiting) == 0 && waiting > 0;
}

void mlaas_connection_pause(struct mlaas_connection *connection) { pause_reading(connection); }

void mlaas_connection_start(struct mlaas_connection *connection) {
  connection->uv.handle.data = connection;
  mlaas_connection_resume(connection);
  mlaas_hub_look_in(connection->hub, connection->hub->tick);
}

/* ---- writing ---- */

static void on_written(uv_write_t *request, int code) {
  struct mlaas_connection *connection = request->data;
  connection->writing = false;
  if (connection->closing)
    return;
  connection->since = mlaas_hub_now(connection->hub);
  if (code < 0)
    mlaas_connection_close(connection);
  else if (connection->filter)
    connection->filter->written(connection);
  else
    connection->codec->sent(connection);
}

bool mlaas_connection_write(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count) {
  uv_buf_t left[2] = {parts[0], count > 1 ? parts[1] : uv_buf_init(NULL, 0)};
  int done = uv_try_write(&connection->uv.stream, left, count);
  if (done < 0 && done != UV_EAGAIN) {
    mlaas_connection_close(connection);
    return true;
  }
  size_t taken = done < 0 ? 0 : (size_t)done;
  for (unsigned i = 0; i < count; i++) {
    size_t here = taken < left[i].len ? taken : left[i].len;
    left[i].base += here;
    left[i].len -= here;
    taken -= here;
  }
  unsigned first = 0;
  while (first < count && left[first].len == 0)
    first++;
  if (first == count)
    return true;
  connection->write.data = connection;
  connection->since = mlaas_hub_now(connection->hub);
  connection->unsent = 0;
  if (uv_write(&connection->write, &connection->uv.stream, left + first, count - first, on_written) < 0) {
    mlaas_connection_close(connection);
    return true;
  }
  connection->writing = true;
  mlaas_hub_look_in(connection->hub, connection->hub->tick);
  return false;
}

bool mlaas_connection_send(struct mlaas_connection *connection, const uv_buf_t *parts, unsigned count) {
  if (connection->closing)
    return true;
  return connection->filter ? connection->filter->send(connection, parts, count)
                            : mlaas_connection_write(connection, parts, count);
}

/* ---- the end ---- */

static void on_shutdown(uv_shutdown_t *request, int code) {
  (void)request;
  (void)code; /* a connection that is broken is seen by reading */
}

void mlaas_connection_shutdown(struct mlaas_connection *connection) {
  if (connection->closing || connection->shut)
    return;
  connection->shut = true;
  if (connection->filter)
    connection->filter->shutdown(connection);
  uv_shutdown(&connection->shutdown, &connection->uv.stream, on_shutdown);
}

void mlaas_connection_free_if_done(struct mlaas_connection *connection) {
  if (!connection->closed || connection->num_flights)
    return;
  struct mlaas_hub *hub = connection->hub;
  if (connection->filter)
    connection->filter->free(connection);
  mlaas_free(connection);
  if (--hub->num_connections == 0 && hub->stopping && hub->empty)
    hub->empty(hub->owner);
}

static void on_closed(uv_handle_t *handle) {
  struct mlaas_connection *connection = handle->data;
  connection->closed = true;
  mlaas_connection_free_if_done(connection);
}

void mlaas_connection_close(struct mlaas_connection *connection) {
  if (connection->closing)
    return;
  struct mlaas_hub *hub = connection->hub;
  connection->closing = true;
  connection->reading = false;
  mlaas_hub_remove(hub, &connection->member);
  atomic_fetch_sub(&hub->shared->open, 1);
  if (connection->refused)
    hub->num_refused--;
  if (connection->filter && !connection->shut && connection->open)
    connection->filter->shutdown(connection);
  connection->codec->lost(connection);
  connection->uv.handle.data = connection;
  if (connection->open)
    uv_close(&connection->uv.handle, on_closed);
  else
    on_closed(&connection->uv.handle);
}

/* ---- time ---- */

void mlaas_connection_wait(struct mlaas_connection *connection, enum mlaas_wait wait) {
  connection->wait = wait;
  connection->since = mlaas_hub_now(connection->hub);
  connection->began = connection->since;
  connection->got = 0;
}

/* Bytes that the client has not taken: of libuv's queue and of the kernel's, which says "room" only now and then. */
static size_t count_unsent(struct mlaas_connection *connection) {
  int fd = -1, queued = 0;
  if (uv_fileno(&connection->uv.handle, &fd) < 0 || ioctl(fd, SIOCOUTQ, &queued) < 0)
    queued = 0;
  return uv_stream_get_write_queue_size(&connection->uv.stream) + (size_t)queued;
}

/* Closes without leaving the kernel with bytes that nobody will take. */
static void reset(struct mlaas_connection *connection) {
  struct linger linger = {.l_onoff = 1, .l_linger = 0};
  int fd = -1;
  if (uv_fileno(&connection->uv.handle, &fd) == 0)
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
  mlaas_connection_close(connection);
}

int64_t mlaas_connection_deadline(struct mlaas_connection *connection, int64_t now) {
  const struct mlaas_server_options *options = &connection->hub->shared->options;
  if (connection->writing) {
    size_t unsent = count_unsent(connection);
    if (unsent != connection->unsent)
      connection->since = now;
    connection->unsent = unsent;
    return connection->since + options->write_timeout_ms;
  }
  switch (connection->wait) {
  case MLAAS_WAIT_IDLE:
    return connection->since + options->idle_timeout_ms;
  case MLAAS_WAIT_HEAD:
    return connection->since + options->head_timeout_ms;
  case MLAAS_WAIT_BODY: {
    int64_t elapsed = now - connection->began;
    bool slow = elapsed > options->body_timeout_ms && connection->got < elapsed * SLOWEST_BODY / 1000;
    return slow ? now : connection->since + options->body_timeout_ms;
  }
  case MLAAS_WAIT_LINGER: {
    int64_t silent = connection->since + LINGER_MS, longest = connection->began + LONGEST_LINGER_MS;
    return silent < longest ? silent : longest;
  }
  default: /* a client that will not see the reply, or one that only said that it sends no more: wait a moment */
    return connection->ended && !connection->told_gone ? connection->since + GONE_MS : INT64_MAX;
  }
}

void mlaas_connection_expire(struct mlaas_connection *connection) {
  if (connection->writing || connection->wait != MLAAS_WAIT_RUN)
    mlaas_count(&connection->hub->counters.timeouts, connection->wait != MLAAS_WAIT_LINGER);
  if (connection->writing)
    reset(connection);
  else
    connection->codec->expired(connection);
}
