/*
 * The HTTP server of the bare programs: libmicrohttpd in a loop as the bridge's.
 */
#ifndef BENCH_BARE_SERVER_H
#define BENCH_BARE_SERVER_H

#include <microhttpd.h>
#include <stddef.h>

/* Something else that the loop waits for: `serve` is called when `fd` is readable. The loop does
 * not end before `open`, the number of suspended requests, is 0. */
struct bare_also {
    int fd;
    void (*serve)(void *context);
    const size_t *open;
};

/* Prints where it listens, and serves until SIGTERM. `also` may be NULL. */
void bare_serve(unsigned flags, MHD_AccessHandlerCallback on_data,
                MHD_RequestCompletedCallback on_completed, void *context,
                const struct bare_also *also);

#endif
