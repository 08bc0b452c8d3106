/* A listening socket of one loop: takes connections as long as there are files and memory for them, and waits without
 * turning in circles while there are not. Knows no protocol but the one sentence that turns clients away.
 *
 * libuv's own listening is not used: where files run out it closes and reopens a spare descriptor, which another
 * thread may take in between; from then on its loop never comes back from accepting.
 */
#ifndef MLAAS_NET_LISTENER_H
#define MLAAS_NET_LISTENER_H

#include "net/connection.h"

struct mlaas_listener {
  uv_poll_t poll;
  uv_timer_t retry; /* somebody waits, but there was no file or no memory for a connection */
  struct mlaas_hub *hub;
  struct mlaas_connection *spare; /* memory of the next connection */
  int socket;
  bool is_unix, open;
};

/* Takes the socket, also where it fails: mlaas_listener_close is due in any case. On the loop's thread or before it
 * runs. */
enum mlaas_status mlaas_listener_start(struct mlaas_listener *listener, struct mlaas_hub *hub, int socket,
                                       struct mlaas_error *error);
/* Takes what has connected already: the kernel would reset it when the socket is closed. */
void mlaas_listener_drain(struct mlaas_listener *listener);
void mlaas_listener_close(struct mlaas_listener *listener); /* legal twice, and on one of zeros */

#endif
