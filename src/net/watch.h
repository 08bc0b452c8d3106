/* Who looks after the connections of one loop: at their timeouts, when idle ones have to go, at the end of each round
 * for exchanges that are over, and at the stop. Knows no protocol.
 */
#ifndef MLAAS_NET_WATCH_H
#define MLAAS_NET_WATCH_H

#include "net/hub.h"

/* Of a hub that was just made: nothing of it is looked at before. */
void mlaas_watch_begin(struct mlaas_hub *hub);
/* Closes the connection that is idle for longest; false: none is. */
bool mlaas_watch_evict(struct mlaas_hub *hub);
/* On the loop's thread: closes idle connections and calls `empty` when none is left; the second time closes all. */
void mlaas_watch_stop(struct mlaas_hub *hub, bool cut);

#endif
