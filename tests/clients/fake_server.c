/* A scripted server on the loopback interface, one thread, any number of connections. */
#include "fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

struct connection {
  int socket;
  char *data;
  size_t size;
};

/* Size of the whole request at the beginning of `data`, 0 while it is not all there. */
static size_t whole(const char *data) {
  const char *end = strstr(data, "\r\n\r\n");
  if (!end)
    return 0;
  size_t head = (size_t)(end + 4 - data), body = 0;
  for (const char *line = strstr(data, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, "content-length:", 15) == 0)
      body = strtoul(line + 17, NULL, 10);
  return head + body;
}

static bool send_all(int socket, const char *data, size_t size) {
  while (size) {
    ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0)
      return false;
    data += sent;
    size -= (size_t)sent;
  }
  return true;
}

/* "Content-Length: ?" becomes what the body has. */
static bool send_reply(int socket, const char *bytes) {
  const char *length = strstr(bytes, "Content-Length: ?"), *body = strstr(bytes, "\r\n\r\n");
  if (!length || !body)
    return send_all(socket, bytes, strlen(bytes));
  char text[24];
  int digits = snprintf(text, sizeof text, "%zu", strlen(body + 4));
  length += strlen("Content-Length: ");
  return send_all(socket, bytes, (size_t)(length - bytes)) && send_all(socket, text, (size_t)digits) &&
         send_all(socket, length + 1, strlen(length + 1));
}

/* False: the connection is to be closed. */
static bool reply_to(struct fake_server *server, int socket, const char *request, size_t size) {
  pthread_mutex_lock(&server->lock);
  memcpy(server->last, request, size);
  server->last[size] = 0;
  server->last_size = size;
  size_t number = (size_t)server->requests++;
  pthread_mutex_unlock(&server->lock);
  if (server->answer) {
    static char reply[FAKE_MOST];
    return send_all(socket, reply, server->answer(server->last, size, reply, sizeof reply));
  }
  const struct fake_reply *next = &server->script[number < server->script_length ? number : server->script_length - 1];
  nanosleep(&(struct timespec){next->delay_ms / 1000, (long)(next->delay_ms % 1000) * 1000000}, NULL);
  return send_reply(socket, next->bytes) && !next->close;
}

/* False: the connection is over. */
static bool serve(struct fake_server *server, struct connection *connection) {
  if (connection->size >= FAKE_MOST - 1)
    return false;
  ssize_t got = recv(connection->socket, connection->data + connection->size, FAKE_MOST - 1 - connection->size, 0);
  if (got <= 0)
    return false;
  connection->size += (size_t)got;
  connection->data[connection->size] = 0;
  size_t size = whole(connection->data);
  while (size && size <= connection->size) {
    if (!reply_to(server, connection->socket, connection->data, size))
      return false;
    connection->size -= size;
    memmove(connection->data, connection->data + size, connection->size + 1);
    size = whole(connection->data);
  }
  return true;
}

static void drop(struct connection *connection) {
  if (connection->socket >= 0)
    close(connection->socket);
  free(connection->data);
  *connection = (struct connection){.socket = -1};
}

static void take(struct fake_server *server, struct connection *connections) {
  int socket = accept(server->listener, NULL, NULL);
  size_t i = 0;
  while (i < FAKE_CONNECTIONS && connections[i].socket >= 0)
    i++;
  if (socket < 0 || i == FAKE_CONNECTIONS) {
    if (socket >= 0)
      close(socket);
    return;
  }
  pthread_mutex_lock(&server->lock);
  server->connections++;
  pthread_mutex_unlock(&server->lock);
  connections[i] = (struct connection){socket, calloc(1, FAKE_MOST), 0};
}

static void *run(void *user) {
  struct fake_server *server = user;
  struct connection connections[FAKE_CONNECTIONS];
  for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
    connections[i] = (struct connection){.socket = -1};
  for (;;) {
    struct pollfd polls[FAKE_CONNECTIONS + 2] = {{server->stop[0], POLLIN, 0}, {server->listener, POLLIN, 0}};
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
      polls[i + 2] = (struct pollfd){connections[i].socket, POLLIN, 0};
    if (poll(polls, FAKE_CONNECTIONS + 2, -1) < 0 || polls[0].revents)
      break;
    for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
      if (connections[i].socket >= 0 && polls[i + 2].revents && !serve(server, &connections[i]))
        drop(&connections[i]);
    if (polls[1].revents)
      take(server, connections);
  }
  for (size_t i = 0; i < FAKE_CONNECTIONS; i++)
    drop(&connections[i]);
  return NULL;
}

bool fake_server_start(struct fake_server *server) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  pthread_mutex_init(&server->lock, NULL);
  server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (server->listener < 0 || bind(server->listener, (struct sockaddr *)&address, size) != 0 ||
      listen(server->listener, 64) != 0 || getsockname(server->listener, (struct sockaddr *)&address, &size) != 0 ||
      pipe(server->stop) != 0)
    return false;
  snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u/base/", ntohs(address.sin_port));
  return pthread_create(&server->thread, NULL, run, server) == 0;
}

void fake_server_settle(struct fake_server *server) {
  pthread_mutex_lock(&server->lock);
  pthread_mutex_unlock(&server->lock);
}

void fake_server_stop(struct fake_server *server) {
  (void)!write(server->stop[1], "x", 1);
  pthread_join(server->thread, NULL);
  close(server->listener);
  close(server->stop[0]);
  close(server->stop[1]);
}
