/* A clock that other machines and the user cannot move, and waiting on it. */
#ifndef MLAAS_BASE_CLOCK_H
#define MLAAS_BASE_CLOCK_H

#include <pthread.h>
#include <stdint.h>

/* Milliseconds of a clock that only runs forward. */
int64_t mlaas_now_ms(void);
/* A condition on that clock, and waiting on it for at most `ms`. */
void mlaas_condition_init(pthread_cond_t *condition);
void mlaas_condition_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t ms);

#endif
