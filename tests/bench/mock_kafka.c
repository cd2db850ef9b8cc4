/*
 * librdkafka's mock cluster in a process of its own: mock_kafka PARTITIONS TOPIC... Prints where it
 * listens and ends at SIGTERM. What a bridge costs is measured beside it, not in it.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "bridge/kafka/embedded.h"
#include "tests/bench/bare.h"

int main(int argc, char **argv)
{
    struct error error;
    sigset_t signals;
    int received = 0;
    bare_demand(argc >= 2, "mock_kafka PARTITIONS TOPIC...");
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    struct embedded *embedded = embedded_start(&error);
    if (embedded == NULL)
        bare_fail("the mock cluster", error.message);
    for (int i = 2; i < argc; i++)
        if (!embedded_create_topic(embedded, argv[i], (int)bare_number(argv[1]), &error))
            bare_fail(argv[i], error.message);
    (void)printf("bootstrap=%s\n", embedded_bootstrap(embedded));
    (void)fflush(stdout);
    (void)sigwait(&signals, &received);
    embedded_stop(embedded);
    return EXIT_SUCCESS;
}
