/* What the process can no longer do. Each in a process of its own. */
#include "tests/unit/unit.h"

#include <cap-ng.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "bridge/base/confine.h"

/* Runs it in a child; the number of the check that failed there, 0 when none did. */
static int in_child(int (*checks)(void))
{
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(checks());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int privileges(void)
{
    struct error error;
    if (!confine_privileges(false, &error))
        return 1;
    if (capng_get_caps_process() != 0 || capng_have_capabilities(CAPNG_SELECT_CAPS) != CAPNG_NONE)
        return 2;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 3;
    return umask(0) == 077 ? 0 : 4;
}

static int low_port(void)
{
    struct error error;
    bool could = capng_have_capability(CAPNG_PERMITTED, CAP_NET_BIND_SERVICE) == 1;
    if (!confine_privileges(true, &error) || capng_get_caps_process() != 0)
        return 1;
    if (capng_have_capability(CAPNG_EFFECTIVE, CAP_NET_BIND_SERVICE) != could)
        return 2;
    return capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) == 0 ? 0 : 3;
}

static void test_privileges(void **state)
{
    (void)state;
    assert_int_equal(in_child(privileges), 0);
    assert_int_equal(in_child(low_port), 0);
}

/* A thread that is there before the filter is. */
static pthread_barrier_t barrier;

static void *run_something(void *context)
{
    int *reason = context;
    char *const arguments[] = {(char[]){"true"}, NULL};
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_barrier_wait(&barrier);
    (void)execv("/bin/true", arguments);
    *reason = errno;
    return NULL;
}

static int calls(void)
{
    struct error error;
    pthread_t thread;
    int reason = 0;
    if (!confine_privileges(false, &error) || pthread_barrier_init(&barrier, NULL, 2) != 0 ||
        pthread_create(&thread, NULL, run_something, &reason) != 0)
        return 1;
    (void)pthread_barrier_wait(&barrier);
    if (!confine_calls(&error))
        return 2;
    (void)pthread_barrier_wait(&barrier);
    (void)pthread_join(thread, NULL);
    if (reason != EPERM)
        return 3;
    if (unshare(CLONE_NEWNS) == 0 || errno != EPERM)
        return 4;
    if (socket(AF_PACKET, SOCK_RAW, 0) >= 0 || errno != EPERM)
        return 5;
    if (kill(getppid(), 0) == 0 || errno != EPERM)
        return 6;
    int served = socket(AF_INET6, SOCK_STREAM, 0);
    return served >= 0 ? 0 : 7;
}

static void test_calls(void **state)
{
    (void)state;
    assert_int_equal(in_child(calls), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_privileges),
        cmocka_unit_test(test_calls),
    };
    return cmocka_run_group_tests_name("confine", tests, NULL, NULL);
}
