/*
 * Spans of sampled traces, sent to an OpenTelemetry collector by OTLP over HTTP, as JSON
 * (https://opentelemetry.io/docs/specs/otlp/, 1.x). Off until spans_start; what is told then, or of
 * a trace that is not sampled, costs nothing.
 *
 * A thread sends in batches. It never holds anybody up: at most SPANS_MAXIMUM wait, further ones
 * are dropped and counted, and so is a batch that the collector refuses, or has not taken after a
 * few tries. Spans hold ids and times, never a body, a field's value or a secret.
 */
#ifndef BRIDGE_HTTP_SPANS_H
#define BRIDGE_HTTP_SPANS_H

#include <stdbool.h>
#include <stdint.h>

#include "bridge/base/attributes.h"
#include "bridge/base/error.h"
#include "bridge/base/trace.h"
#include "bridge/config/config.h"

#define SPANS_MAXIMUM 4096

/* OTLP's numbers. */
enum span_kind { SPAN_INTERNAL = 1, SPAN_SERVER, SPAN_CLIENT, SPAN_PRODUCER, SPAN_CONSUMER };

/* An attribute: a text, or where that is NULL a number. */
struct span_note {
    const char *key; /* NULL ends a list */
    const char *text;
    int64_t number;
};

struct span {
    const struct trace *trace;
    const char *name;
    enum span_kind kind;
    int64_t start_us; /* since 1970, by the wall clock */
    int64_t end_us;
    bool failed;
    const struct span_note *notes; /* or NULL */
};

/* Starts the thread when tracing.endpoint is set. Once in a process. */
bool spans_start(const struct config *config, struct error *error) MUST_CHECK;

/* Sends what waits, for 2 s at most, and ends the thread. */
void spans_stop(void);

/* Whether a trace that begins here is to be recorded. Any thread. */
bool spans_choose(const struct trace *trace);

/* Whether spans of this trace are. If not, who passes it on adds no span of its own: nobody would
 * find it. Any thread. */
bool spans_record(const struct trace *trace);

/* Where work that belongs to `outer` stands: in a span of its own where such are recorded. */
struct trace spans_below(const struct trace *outer, struct random *random);

/* Takes a copy of the span. Any thread, never waits. */
void spans_tell(const struct span *span);

#endif
