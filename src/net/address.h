/* Sockets that listen: by address, by path. Knows no loop. */
#ifndef MLAAS_NET_ADDRESS_H
#define MLAAS_NET_ADDRESS_H

#include <mlaas/status.h>
#include <stdbool.h>
#include <stddef.h>

struct sockaddr;

/* Opens `count` listening sockets on one host and port, which share what comes in; port 0: a free one, which is set.
 * Errors: ARGUMENT (host, port), IO (in use). */
enum mlaas_status mlaas_address_listen(const char *host, int *port, int backlog, int *sockets, int count,
                                       struct mlaas_error *error);
/* One listening socket at a path; what a dead server left there is removed. */
enum mlaas_status mlaas_address_listen_unix(const char *path, int backlog, int *listening, struct mlaas_error *error);
/* The port that a socket is bound to; 0: not a TCP socket. */
int mlaas_address_port(int listening);
bool mlaas_address_is_unix(int listening);
/* The client's address as text, IPv4 also if it came by IPv6. */
void mlaas_address_format(const struct sockaddr *address, char *text, size_t size);

#endif
