/*
 * From a request to a message: the receiver's decision, without I/O.
 *
 * Reads, checks, routes; an event that is well signed always ends in a message, to its events
 * topic, to activity or to the dead letters. Nothing is deduplicated: Propexo sends no id, two
 * honest events can have equal bytes, and a double costs nothing because the enricher coalesces.
 * What is redacted (redaction.h) leaves here: neither Kafka nor the spool sees it.
 */
#ifndef BRIDGE_RECEIVER_INGEST_H
#define BRIDGE_RECEIVER_INGEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/random.h"
#include "bridge/base/trace.h"
#include "bridge/config/config.h"
#include "bridge/kafka/dead_letter.h"
#include "bridge/kafka/message.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"
#include "bridge/propexo/webhook.h"
#include "bridge/receiver/credentials.h"

struct ingest {
    const struct config *config;
    const struct topics *topics;
    const struct selection *selection;
    const struct credentials *credentials; /* of ingest_decide */
    struct random random;                  /* for ce_id; loop thread */
};

/* A request as it came. Texts are borrowed. */
struct ingest_request {
    const char *method;
    const char *path; /* percent-decoded */
    const char *body;
    size_t length;
    struct credential_seen credentials[CREDENTIAL_HEADERS];
    const char *content_encoding; /* NULL: none */
    const char *traceparent;      /* NULL: none */
};

/* A body that is well signed, now or when it came, and what came with it. Texts are borrowed. */
struct ingest_body {
    const char *bytes;
    size_t length;
    const char *integration_id; /* where the body names none; or NULL */
    const char *traceparent;    /* NULL: none */
    const char *id;             /* ce_id, of 32 characters at most; NULL = a new one */
    const char *time;           /* ce_time: when it came */
};

enum ingest_verdict {
    INGEST_KEEP,          /* produce `message`, then answer `status` */
    INGEST_NOT_FOUND,     /* 404 */
    INGEST_METHOD,        /* 405 */
    INGEST_ENCODING,      /* 415 */
    INGEST_BAD_SIGNATURE, /* 401; `code` is a word for the log */
};

/* What came of it. Owns what the message borrows; ingest_free after producing. */
struct ingest_result {
    enum ingest_verdict verdict;
    int status; /* INGEST_KEEP: 200, or 400 for signed bytes that are not JSON (kept as a dead
                   letter) */
    bool dead_letter;
    const char *code; /* the dead letter's error_code, or why it is INGEST_BAD_SIGNATURE */
    struct message message;
    struct trace trace; /* the span of taking it in: below the sender's, or a trace's first */
    char traceparent[TRACE_PARENT_SIZE];
    struct message spread; /* of ingest_spread */
    char *synced; /* a sync: the selected models that it covers, "leases,units"; else NULL */
    int synced_count;
    struct webhook webhook;
    char *body; /* what is kept instead of the body: redacted; NULL = the body */
    struct dead_letter_cut withheld;
    char id[33];
    char time[32];
    char *source;
    char *subject;
    char *type;
};

/* Fills `result` in place (the message points into it, so it must not be copied). */
void ingest_decide(struct ingest *ingest, const struct ingest_request *request, int64_t wall_ms,
                   struct ingest_result *result);

/* The part of it behind the HTTP checks: what is to become of a body, by its bytes and by the
 * configuration of this moment. Fills `result` in the same way; verdict is INGEST_KEEP. */
void ingest_route(struct ingest *ingest, const struct ingest_body *body,
                  struct ingest_result *result);

/* The message that tells the model at this place of a sync behind its integration's events; NULL
 * when the sync does not cover the model. It is the same as `message` but for the topic and one
 * header, and holds until the next call. */
const struct message *ingest_spread(const struct ingest *ingest, struct ingest_result *result,
                                    size_t place) MUST_CHECK;
void ingest_free(struct ingest_result *result);

#endif
