#ifndef SIMULATOR_REQUEST_H
#define SIMULATOR_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "tests/simulator/faults.h"
#include "tests/simulator/limits.h"
#include "tests/simulator/text.h"
#include "tests/simulator/uri.h"

/* A request and its answer, as the pages see them: nothing of the HTTP library. */

enum answer_end {
    ANSWER_WHOLE,
    ANSWER_TRUNCATED, /* half of the body, then the connection ends */
    ANSWER_RESET      /* no answer: the connection is reset */
};

struct answer {
    unsigned status;
    enum answer_end end;
    struct text body;
    char *location; /* of a redirect; NULL = none */
    bool limited;   /* the rate-limit headers are sent */
    uint64_t limit;
    uint64_t remaining;
    uint64_t retry_after; /* seconds; 0 = no such header */

    /* Instead of a body: bytes made while they are sent. Returns how many, or -1 at the end. */
    ssize_t (*read)(void *context, char *room, size_t size);
    void (*close)(void *context);
    void *context;
};

enum request_kind {
    REQUEST_OTHER,
    REQUEST_ID,
    REQUEST_LIST,
    REQUEST_DIFFS,
    REQUEST_WEBHOOKS,
    REQUEST_KINDS
};

struct request {
    const char *method;
    struct uri uri;
    bool uri_good;
    const char *authorization; /* NULL = no such header */
    struct text body;
    struct answer answer;

    enum request_kind kind; /* from here on: what http_api.c planned */
    enum fault fault;
    struct limits_verdict verdict;
    bool answered;
};

/* Makes the answer an error as the API writes them: {"error": {"code", "message"}}. */
void request_refuse(struct request *request, unsigned status, const char *code,
                    const char *message);

/* Frees what it holds, not the struct. */
void request_clear(struct request *request);

#endif
