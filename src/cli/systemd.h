/* What a service manager and a service tell each other (sd_listen_fds, sd_notify), without its library. */
#ifndef MLAAS_CLI_SYSTEMD_H
#define MLAAS_CLI_SYSTEMD_H

#include <stddef.h>

enum { MLAAS_SYSTEMD_SOCKETS = 64 };

/* Sockets handed over by LISTEN_FDS, at most MLAAS_SYSTEMD_SOCKETS; 0 where there is no manager. */
size_t mlaas_systemd_sockets(int sockets[MLAAS_SYSTEMD_SOCKETS]);
/* Sends "READY=1" or the like to NOTIFY_SOCKET; nothing happens where there is none. */
void mlaas_systemd_notify(const char *state);

#endif
