#include "bridge/base/board.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "bridge/base/memory.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *written;
static _Atomic int64_t written_ms = INT64_MIN;
static _Atomic int64_t looked_ms = INT64_MIN;

static bool is_within(int64_t then_ms, int64_t span_ms, int64_t now_ms)
{
    return then_ms != INT64_MIN && now_ms - then_ms < span_ms;
}

bool board_wanted(int64_t now_ms)
{
    return is_within(atomic_load(&looked_ms), BOARD_LOOKS_MS, now_ms) &&
           !is_within(atomic_load(&written_ms), BOARD_EVERY_MS, now_ms);
}

void board_put(char *text, int64_t now_ms)
{
    (void)pthread_mutex_lock(&lock);
    char *before = written;
    written = text;
    atomic_store(&written_ms, now_ms);
    (void)pthread_mutex_unlock(&lock);
    free(before);
}

char *board_look(int64_t now_ms, int64_t *age_ms)
{
    atomic_store(&looked_ms, now_ms);
    (void)pthread_mutex_lock(&lock);
    char *copy = written == NULL ? NULL : memory_text(written);
    *age_ms = copy == NULL ? 0 : now_ms - atomic_load(&written_ms);
    (void)pthread_mutex_unlock(&lock);
    return copy;
}
