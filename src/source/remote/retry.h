/* When to try again: waiting that grows. */
#ifndef MLAAS_SOURCE_REMOTE_RETRY_H
#define MLAAS_SOURCE_REMOTE_RETRY_H

#include <stdint.h>

/* How long to wait before attempt `attempt` (1: the first repeat): doubling, with jitter so that many readers of a
 * server that fell do not come back as one; at least what the server asked for. */
int64_t mlaas_retry_delay_ms(int attempt, int64_t retry_after_ms);
/* Tests only: the first wait; 0 puts the default back. */
void mlaas_retry_base(int64_t ms);

#endif
