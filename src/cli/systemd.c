/* Sockets from and words to a service manager. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "cli/systemd.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { FIRST = 3 };

size_t mlaas_systemd_sockets(int sockets[MLAAS_SYSTEMD_SOCKETS]) {
  const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
  if (!pid || !count || strtol(pid, NULL, 10) != (long)getpid())
    return 0;
  long number = strtol(count, NULL, 10);
  size_t found = number > 0 && number <= MLAAS_SYSTEMD_SOCKETS ? (size_t)number : 0;
  for (size_t i = 0; i < found; i++) {
    sockets[i] = FIRST + (int)i;
    fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
  }
  unsetenv("LISTEN_PID"); /* children shall not take them for theirs */
  unsetenv("LISTEN_FDS");
  return found;
}

void mlaas_systemd_notify(const char *state) {
  const char *path = getenv("NOTIFY_SOCKET");
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  size_t length = path ? strlen(path) : 0;
  if (length < 2 || length >= sizeof address.sun_path || (path[0] != '/' && path[0] != '@'))
    return;
  memcpy(address.sun_path, path, length);
  if (path[0] == '@')
    address.sun_path[0] = 0; /* an abstract name */
  int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return;
  ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
                        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
  (void)sent; /* a manager that does not listen is its own affair */
  close(fd);
}
