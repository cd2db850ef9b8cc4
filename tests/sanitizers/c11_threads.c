/*
 * Linked into ThreadSanitizer builds only. librdkafka uses C11 threads, and glibc's carry them out
 * inside itself, where the sanitizer sees neither the threads nor the locks: it crashes on the
 * first and would report the second as races. Here the same calls go to the pthread functions,
 * which it does see. (In glibc mtx_t, cnd_t and thrd_t are the pthread types under other names.)
 *
 * Its read-write locks are pthread's, but thread.supp has what librdkafka calls ignored, and locks
 * among it; called from here they are seen.
 *
 * What is destroyed here nobody uses any more, but that librdkafka knows from a count of references
 * whose atomic operations are not instrumented: so ending a lock does not count as writing to it.
 */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <threads.h>

_Static_assert(sizeof(mtx_t) >= sizeof(pthread_mutex_t), "a mtx_t holds a pthread mutex");
_Static_assert(sizeof(cnd_t) >= sizeof(pthread_cond_t), "a cnd_t holds a pthread condition");

struct start {
    thrd_start_t run;
    void *argument;
};

void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

static int result(int code)
{
    switch (code) {
    case 0:
        return thrd_success;
    case EBUSY:
        return thrd_busy;
    case ETIMEDOUT:
        return thrd_timedout;
    default:
        return thrd_error;
    }
}

static void *trampoline(void *context)
{
    struct start start = *(struct start *)context;
    free(context);
    return (void *)(intptr_t)start.run(start.argument);
}

int thrd_create(thrd_t *thread, thrd_start_t run, void *argument)
{
    struct start *start = malloc(sizeof *start);
    if (start == NULL)
        return thrd_nomem;
    *start = (struct start){run, argument};
    int code = pthread_create(thread, NULL, trampoline, start);
    if (code != 0)
        free(start);
    return result(code);
}

int thrd_join(thrd_t thread, int *code)
{
    void *value = NULL;
    int failed = pthread_join(thread, &value);
    if (code != NULL)
        *code = (int)(intptr_t)value;
    return result(failed);
}

int thrd_detach(thrd_t thread)
{
    return result(pthread_detach(thread));
}

int mtx_init(mtx_t *mutex, int type)
{
    pthread_mutexattr_t attributes;
    int recursive = (type & mtx_recursive) != 0;
    (void)pthread_mutexattr_init(&attributes);
    (void)pthread_mutexattr_settype(&attributes,
                                    recursive ? PTHREAD_MUTEX_RECURSIVE : PTHREAD_MUTEX_NORMAL);
    int code = pthread_mutex_init((pthread_mutex_t *)mutex, &attributes);
    (void)pthread_mutexattr_destroy(&attributes);
    return result(code);
}

int mtx_lock(mtx_t *mutex)
{
    return result(pthread_mutex_lock((pthread_mutex_t *)mutex));
}

int mtx_trylock(mtx_t *mutex)
{
    return result(pthread_mutex_trylock((pthread_mutex_t *)mutex));
}

int mtx_unlock(mtx_t *mutex)
{
    return result(pthread_mutex_unlock((pthread_mutex_t *)mutex));
}

void mtx_destroy(mtx_t *mutex)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    (void)pthread_mutex_destroy((pthread_mutex_t *)mutex);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

int cnd_init(cnd_t *condition)
{
    return result(pthread_cond_init((pthread_cond_t *)condition, NULL));
}

int cnd_signal(cnd_t *condition)
{
    return result(pthread_cond_signal((pthread_cond_t *)condition));
}

int cnd_broadcast(cnd_t *condition)
{
    return result(pthread_cond_broadcast((pthread_cond_t *)condition));
}

int cnd_wait(cnd_t *condition, mtx_t *mutex)
{
    return result(pthread_cond_wait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex));
}

int cnd_timedwait(cnd_t *condition, mtx_t *mutex, const struct timespec *until)
{
    return result(
        pthread_cond_timedwait((pthread_cond_t *)condition, (pthread_mutex_t *)mutex, until));
}

void cnd_destroy(cnd_t *condition)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    (void)pthread_cond_destroy((pthread_cond_t *)condition);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
}

int __interceptor_pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *how);
int __interceptor_pthread_rwlock_rdlock(pthread_rwlock_t *lock);
int __interceptor_pthread_rwlock_wrlock(pthread_rwlock_t *lock);
int __interceptor_pthread_rwlock_unlock(pthread_rwlock_t *lock);
int __interceptor_pthread_rwlock_destroy(pthread_rwlock_t *lock);

int pthread_rwlock_init(pthread_rwlock_t *lock, const pthread_rwlockattr_t *how)
{
    return __interceptor_pthread_rwlock_init(lock, how);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_rdlock(lock);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_wrlock(lock);
}

int pthread_rwlock_unlock(pthread_rwlock_t *lock)
{
    return __interceptor_pthread_rwlock_unlock(lock);
}

int pthread_rwlock_destroy(pthread_rwlock_t *lock)
{
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
    int code = __interceptor_pthread_rwlock_destroy(lock);
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    return code;
}
