/*
 * One error value for the whole program: what the caller should do (the verdict) and a sentence
 * that a person can act on. It lives on the caller's stack, owns nothing and may be copied.
 *
 * A function that can fail returns false (or NULL) and has then filled its last argument, `error`;
 * on success it leaves `error` untouched. Any thread.
 */
#ifndef BRIDGE_BASE_ERROR_H
#define BRIDGE_BASE_ERROR_H

#include <stdbool.h>

#include "bridge/base/attributes.h"

enum verdict {
    VERDICT_RETRY,         /* the same call may succeed later: a peer is away or busy */
    VERDICT_ABORT,         /* this transaction or batch is over; the next one may succeed */
    VERDICT_CONFIGURATION, /* a person must change the configuration */
    VERDICT_FATAL,         /* nothing this process does will help */
};

#define ERROR_MESSAGE_SIZE 512

struct error {
    enum verdict verdict;
    char message[ERROR_MESSAGE_SIZE]; /* always terminated; cut when longer */
};

/* Fills `error` (which may be NULL: then nothing happens) and returns false, so that a failing
 * function can end in `return error_set(...)`. */
bool error_set(struct error *error, enum verdict verdict, const char *format, ...)
    PRINTF_LIKE(3, 4);

/* Puts "context: " before the message; the verdict stays. Returns false. */
bool error_prefix(struct error *error, const char *format, ...) PRINTF_LIKE(2, 3);

/* The process's exit code that stands for a verdict (sysexits.h). */
int error_exit_code(const struct error *error);

#endif
