/* Names and ports to listening sockets. */
#include "net/address.h"

#include "base/error.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum mlaas_status resolve(const char *host, int port, struct addrinfo **found, struct mlaas_error *error) {
  char service[16];
  snprintf(service, sizeof service, "%d", port);
  struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
  int code = getaddrinfo(host, service, &hints, found);
  if (code != 0)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%s is no address to listen at: %s", host, gai_strerror(code));
  return MLAAS_OK;
}

/* A bound socket, or -1 with errno. */
static int bind_to(const struct addrinfo *address, bool shared) {
  int one = 1, zero = 0;
  int bound = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bound < 0)
    return -1;
  setsockopt(bound, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (address->ai_family == AF_INET6)
    setsockopt(bound, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero); /* "::" is all of IPv4 too */
  if ((!shared || setsockopt(bound, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0) &&
      bind(bound, address->ai_addr, address->ai_addrlen) == 0)
    return bound;
  int code = errno;
  close(bound);
  errno = code;
  return -1;
}

static void set_port(struct addrinfo *address, int port) {
  if (address->ai_family == AF_INET6)
    ((struct sockaddr_in6 *)(void *)address->ai_addr)->sin6_port = htons((uint16_t)port);
  else
    ((struct sockaddr_in *)(void *)address->ai_addr)->sin_port = htons((uint16_t)port);
}

/* Sockets that share a port would also share it with another server: without the option that is an error. */
static int probe(const struct addrinfo *address, int backlog) {
  int alone = bind_to(address, false);
  if (alone < 0)
    return -1;
  int code = listen(alone, backlog) == 0 ? 0 : errno;
  close(alone);
  errno = code;
  return code ? -1 : 0;
}

static int listen_all(struct addrinfo *address, int *port, int backlog, int *sockets, int count) {
  if (*port != 0 && probe(address, backlog) < 0)
    return -1;
  for (int i = 0; i < count; i++) {
    sockets[i] = bind_to(address, true);
    if (sockets[i] >= 0 && listen(sockets[i], backlog) == 0) {
      if (*port == 0)
        set_port(address, *port = mlaas_address_port(sockets[i]));
      continue;
    }
    int code = errno;
    for (int k = 0; k <= i; k++)
      if (sockets[k] >= 0)
        close(sockets[k]);
    errno = code;
    return -1;
  }
  return 0;
}

enum mlaas_status mlaas_address_listen(const char *host, int *port, int backlog, int *sockets, int count,
                                       struct mlaas_error *error) {
  struct addrinfo *found = NULL;
  if (*port < 0 || *port > 65535)
    return mlaas_fail(error, MLAAS_ARGUMENT, "%d is no port: 0 to 65535", *port);
  MLAAS_TRY(resolve(host, *port, &found, error));
  int code = EADDRNOTAVAIL;
  for (struct addrinfo *address = found; address && code; address = address->ai_next)
    if (address->ai_family == AF_INET || address->ai_family == AF_INET6)
      code = listen_all(address, port, backlog, sockets, count) == 0 ? 0 : errno;
  freeaddrinfo(found);
  if (code == 0)
    return MLAAS_OK;
  if (code == EADDRINUSE)
    return mlaas_fail_errno(error, code, "port %d of %s is in use by another program", *port, host);
  return mlaas_fail_errno(error, code, "cannot listen at port %d of %s", *port, host);
}

/* ---- Unix sockets ---- */

/* Whether somebody answers there. */
static bool answers(const struct sockaddr_un *address) {
  int tried = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (tried < 0)
    return true;
  bool refused = connect(tried, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
  close(tried);
  return !refused;
}

enum mlaas_status mlaas_address_listen_unix(const char *path, int backlog, int *listening, struct mlaas_error *error) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  struct stat stat;
  if (strlen(path) == 0 || strlen(path) >= sizeof address.sun_path)
    return mlaas_fail(error, MLAAS_ARGUMENT, "the path of a Unix socket has 1 to %zu bytes",
                      sizeof address.sun_path - 1);
  memcpy(address.sun_path, path, strlen(path) + 1);
  if (lstat(path, &stat) == 0 && S_ISSOCK(stat.st_mode) && !answers(&address))
    unlink(path);
  int bound = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (bound >= 0 && bind(bound, (struct sockaddr *)&address, sizeof address) == 0 && listen(bound, backlog) == 0) {
    *listening = bound;
    return MLAAS_OK;
  }
  int code = errno;
  if (bound >= 0)
    close(bound);
  return mlaas_fail_errno(error, code, "cannot listen at %s", path);
}

/* ---- looking at sockets ---- */

int mlaas_address_port(int listening) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  if (getsockname(listening, (struct sockaddr *)&address, &size) < 0)
    return 0;
  if (address.ss_family == AF_INET)
    return ntohs(((struct sockaddr_in *)(void *)&address)->sin_port);
  return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *)(void *)&address)->sin6_port) : 0;
}

bool mlaas_address_is_unix(int listening) {
  struct sockaddr_storage address = {0};
  socklen_t size = sizeof address;
  return getsockname(listening, (struct sockaddr *)&address, &size) == 0 && address.ss_family == AF_UNIX;
}

void mlaas_address_format(const struct sockaddr *address, char *text, size_t size) {
  const void *bytes = NULL;
  int family = address->sa_family;
  if (family == AF_INET) {
    bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
  } else if (family == AF_INET6) {
    const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    bool mapped = IN6_IS_ADDR_V4MAPPED(six);
    family = mapped ? AF_INET : AF_INET6;
    bytes = mapped ? (const void *)(six->s6_addr + 12) : six;
  }
  if (!bytes || !inet_ntop(family, bytes, text, (socklen_t)size))
    snprintf(text, size, "unix");
}
