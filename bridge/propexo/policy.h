/*
 * The retry policy, one table: every outcome that an API request can have, what leads to it, and
 * what follows from it. Nobody else decides by a status or by what became of a connection.
 *
 * Outages never lead to a dead letter or a tombstone, however often they come: they say something
 * of the API, or of what lies between, not of the record. So the verdict of whatever the record
 * itself need not have caused is POLICY_RETRY. That takes in answers that only look like the API's:
 * a page that is not JSON, whatever its status, is a proxy's.
 *
 * Pure; any thread.
 */
#ifndef BRIDGE_PROPEXO_POLICY_H
#define BRIDGE_PROPEXO_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bridge/base/buffer.h"
#include "bridge/base/log.h"
#include "bridge/base/metrics.h"
#include "bridge/base/random.h"
#include "bridge/http/client.h"

/*
 * Rows in the order in which they are tried. ON: the statuses that lead to the row, from and to;
 * none: the answer's content does (api.c), or what became of the connection. RETRY: 500 ms, doubled
 * up to a minute. FAILS: attempts, first and last delay, code.
 *
 * Why some are as they are:
 * - Gone is asked twice, apart: a record that is announced before the API can show it is not
 *   deleted. Too large as well, and not oftener: each time costs the whole transfer.
 * - 402 is about the account, 407 about a proxy; 408, 421 and 425 are about the connection.
 * - 403 may be about the record, its model or its integration: so the model waits, and then each
 *   record is asked for once.
 * - A body that says of itself that it is JSON, or says nothing, and is none was cut; an empty one
 *   too. 204 and 206 are no answers to a GET of everything.
 * - JSON that is whole, and not what was asked for, is the API's own word about this record.
 *
 * X(id, name, when, connection, statuses, scope, verdict, log)
 */
#define POLICIES(X)                                                                                \
    X(RECORD, "ok", "what was asked for came", ANSWERED, ON(200, 200), RECORD, PUBLISH, SILENT)    \
    X(GONE, "gone", "404 or 410 in JSON, or `results` is null", ANSWERED, ON(404, 404, 410, 410),  \
      RECORD, TOMBSTONE(2, 2000), DEBUG("api_gone"))                                               \
    X(LIMITED, "limited", "429", ANSWERED, ON(429, 429), ALL, BUDGET, INFO("api_limited"))         \
    X(UNAUTHORIZED, "unauthorized", "401", ANSWERED, ON(401, 401), ALL, PAUSE(10000),              \
      ERROR("api_unauthorized"))                                                                   \
    X(UNPAID, "unpaid", "402", ANSWERED, ON(402, 402), ALL, RETRY, ERROR("api_outage"))            \
    X(FORBIDDEN, "forbidden", "403", ANSWERED, ON(403, 403), MODEL,                                \
      FAILS(5, 5000, 60000, "forbidden"), WARN("api_refused"))                                     \
    X(NOT_NOW, "not_now", "407, 408, 421 or 425", ANSWERED, ON(407, 408, 421, 421, 425, 425),      \
      INTEGRATION, RETRY, WARN("api_outage"))                                                      \
    X(REFUSED, "refused", "another 4xx, or a list without `results`", ANSWERED, ON(400, 499),      \
      RECORD, FAILS(4, 1000, 30000, "refused"), WARN("api_refused"))                               \
    X(PROXY_PAGE, "proxy_page", "a 4xx (not 401, 402, 429) with a page that is not JSON",          \
      ANSWERED, NONE, INTEGRATION, RETRY, WARN("api_outage"))                                      \
    X(TOO_LARGE, "too_large", "more than twice as large as topics.max_message", TOO_LARGE, NONE,   \
      RECORD, FAILS(2, 5000, 5000, "too-large"), WARN("api_bad_answer"))                           \
    X(UNREADABLE, "unreadable", "a whole JSON object that cannot be read", ANSWERED, NONE, RECORD, \
      FAILS(4, 1000, 30000, "wrong-record"), WARN("api_bad_answer"))                               \
    X(NO_RECORD, "no_record", "`results` is not one object", ANSWERED, NONE, RECORD,               \
      FAILS(4, 1000, 30000, "wrong-record"), WARN("api_bad_answer"))                               \
    X(WRONG_ID, "wrong_id", "the record has another id than the one asked for", ANSWERED, NONE,    \
      RECORD, FAILS(4, 1000, 30000, "wrong-record"), WARN("api_bad_answer"))                       \
    X(NOT_STARTED, "not_started", "the request could not be started", ANSWERED, NONE, ALL, RETRY,  \
      ERROR("api_outage"))                                                                         \
    X(NO_HOST, "no_host", "the host's name was not found", NO_HOST, NONE, ALL, RETRY,              \
      WARN("api_outage"))                                                                          \
    X(NO_CONNECTION, "no_connection", "the connection was refused, or not made in time",           \
      NO_CONNECTION, NONE, ALL, RETRY, WARN("api_outage"))                                         \
    X(TLS, "tls", "TLS failed: handshake or certificate", TLS, NONE, ALL, RETRY,                   \
      WARN("api_outage"))                                                                          \
    X(TIMEOUT, "timeout", "no whole answer within api.timeout_ms", TIMEOUT, NONE, INTEGRATION,     \
      RETRY, WARN("api_outage"))                                                                   \
    X(RESET, "reset", "the connection ended before the answer did, or spoke no HTTP", BROKEN,      \
      NONE, INTEGRATION, RETRY, WARN("api_outage"))                                                \
    X(REDIRECT_LOOP, "redirect_loop", "more than 3 redirects, or one to another protocol",         \
      REDIRECTS, NONE, INTEGRATION, RETRY, WARN("api_outage"))                                     \
    X(REDIRECT, "redirect", "a 3xx that names no other place", ANSWERED, ON(300, 399),             \
      INTEGRATION, RETRY, WARN("api_outage"))                                                      \
    X(SERVER_ERROR, "server_error", "5xx", ANSWERED, ON(500, 599), INTEGRATION, RETRY,             \
      WARN("api_outage"))                                                                          \
    X(WRONG_CONTENT, "wrong_content", "200 with a page that is not JSON", ANSWERED, NONE,          \
      INTEGRATION, RETRY, WARN("api_outage"))                                                      \
    X(CUT, "cut", "200 with JSON that does not end, or is none", ANSWERED, NONE, INTEGRATION,      \
      RETRY, WARN("api_outage"))                                                                   \
    X(ODD_STATUS, "odd_status", "any other status: 1xx, 201 to 299, 600 and more", ANSWERED,       \
      ON(0, 999), INTEGRATION, RETRY, WARN("api_outage"))

/* What came of a request. */
enum api_outcome {
#define POLICY_ID(id, ...) API_##id,
    POLICIES(POLICY_ID)
#undef POLICY_ID
        API_OUTCOMES
};

enum policy_verdict {
    POLICY_PUBLISH,
    POLICY_TOMBSTONE,   /* after `attempts` in a row */
    POLICY_BUDGET,      /* again; the budget learns, and does the waiting */
    POLICY_PAUSE,       /* again; until then nothing is asked, and the instance is not ready */
    POLICY_DEAD_LETTER, /* after `attempts` in a row, with `code` */
    POLICY_RETRY,       /* again, for as long as it takes */
};

/* Whom an outcome says something of, and so who waits. */
enum policy_scope {
    SCOPE_RECORD,      /* nobody else */
    SCOPE_MODEL,       /* this model's records of the same integration */
    SCOPE_INTEGRATION, /* when several of them fail, everybody (breakers.h) */
    SCOPE_ALL,
};

#define POLICY_STATUSES 6

struct policy {
    const char *name; /* the label of its metric: outcome="..." */
    const char *when; /* a sentence's end, for logs, dead letters and the README */
    enum http_outcome http;
    short statuses[POLICY_STATUSES]; /* from, to, from, to ...; 0, 0 = none */
    enum policy_scope scope;
    enum policy_verdict verdict;
    int attempts;           /* 0 = never give up */
    int64_t first_delay_ms; /* before the next attempt; doubles with each */
    int64_t last_delay_ms;
    const char *code; /* the dead letter's error_code */
    enum log_level level;
    const char *event; /* of its log line; NULL = none */
    enum metric metric;
};

const struct policy *policy_for(enum api_outcome outcome);

/* What the connection and the status alone say; API_RECORD: the content is to be looked at. */
enum api_outcome policy_outcome(const struct http_answer *http);

/* Another attempt may bring another answer, and none of them is the last. */
bool policy_passes(enum api_outcome outcome);

/* Attempts that end so count together: they would lead to the same end. */
bool policy_same_end(enum api_outcome a, enum api_outcome b);

/* The delay before attempt number `attempts` + 1: exponential, with jitter over its upper half. */
int64_t policy_delay(const struct policy *policy, int attempts, struct random *random);

/* Appends the rows of a Markdown table, as they stand in the README. */
void policy_document(struct buffer *out);

#endif
