/* When to try again: waiting that grows, and clocks that other machines cannot move. */
#ifndef MLAAS_SOURCE_RETRY_H
#define MLAAS_SOURCE_RETRY_H

#include <pthread.h>
#include <stdint.h>

/* Milliseconds of a clock that only runs forward. */
int64_t mlaas_now_ms(void);
/* How long to wait before attempt `attempt` (1: the first repeat): doubling, with jitter so that many readers of a
 * server that fell do not come back as one; at least what the server asked for. */
int64_t mlaas_retry_delay_ms(int attempt, int64_t retry_after_ms);
/* Tests only: the first wait; 0 puts the default back. */
void mlaas_retry_base(int64_t ms);

/* A condition on that clock, and waiting on it for at most `ms`. */
void mlaas_condition_init(pthread_cond_t *condition);
void mlaas_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ms);

#endif
