/* Condition variables whose time-outs go by the monotonic clock: a wall clock that jumps changes
 * nothing. */
#ifndef BRIDGE_BASE_CONDITION_H
#define BRIDGE_BASE_CONDITION_H

#include <pthread.h>
#include <stdint.h>
#include <time.h>

/* In place of pthread_cond_init. */
void condition_init(pthread_cond_t *condition);

/* The moment so many milliseconds from now, for pthread_cond_timedwait. */
struct timespec condition_until(int64_t ms);

#endif
