/* The server's log: lines about requests, collected per loop and written by a thread of its own so that no loop waits
 * for a disk, and lines of the server itself. Knows exchanges, not routes.
 */
#ifndef MLAAS_SERVE_LOG_H
#define MLAAS_SERVE_LOG_H

#include "net/exchange.h"
#include "serve/config.h"

struct mlaas_log;
struct mlaas_log_lane;

/* One lane per loop. Errors: those of opening the file. */
enum mlaas_status mlaas_log_open(const struct mlaas_config *config, int lanes, struct mlaas_log **log,
                                 struct mlaas_error *error);
void mlaas_log_close(struct mlaas_log *log); /* writes what is left; NULL is allowed */
struct mlaas_log_lane *mlaas_log_lane(struct mlaas_log *log, int index);

/* On the lane's loop; `ns`: how long the exchange took. Never waits for a file: lines that come faster than the disk
 * takes them are dropped and counted. */
void mlaas_log_access(struct mlaas_log_lane *lane, const struct mlaas_exchange *exchange, int64_t ns);
/* A line of the server itself, from any thread. `level` as in config.log_level. */
void mlaas_log_say(struct mlaas_log *log, int level, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Opens the file again, after somebody moved it, and takes over level and form. */
void mlaas_log_reopen(struct mlaas_log *log, const struct mlaas_config *config);
/* Waits until all that was said is written. For tests. */
void mlaas_log_flush(struct mlaas_log *log);

#endif
