/*
 * Where in a distributed trace a piece of work stands, as W3C Trace Context has it
 * (https://www.w3.org/TR/trace-context/, version 00): the trace, the span, and whether it is
 * recorded. Pure; any thread.
 */
#ifndef BRIDGE_BASE_TRACE_H
#define BRIDGE_BASE_TRACE_H

#include <stdbool.h>

#include "bridge/base/attributes.h"
#include "bridge/base/random.h"

#define TRACE_ID_SIZE     33 /* 32 hex digits */
#define TRACE_SPAN_SIZE   17 /* 16 hex digits */
#define TRACE_PARENT_SIZE 56 /* 00-<trace>-<span>-<flags> */

struct trace {
    char id[TRACE_ID_SIZE];
    char span[TRACE_SPAN_SIZE];
    char parent[TRACE_SPAN_SIZE]; /* the span that this one belongs to; "" = none */
    bool sampled;
};

/* Reads a traceparent. Versions above 00 are read as far as 00 goes, as the standard asks. False
 * when it is none, or NULL: `*trace` is then unchanged. */
bool trace_parse(const char *traceparent, struct trace *trace) MUST_CHECK;

/* A trace that begins here. */
struct trace trace_new(struct random *random, bool sampled);

/* A span below this one. */
struct trace trace_child(const struct trace *trace, struct random *random);

/* As a traceparent. Returns `text`. */
const char *trace_text(const struct trace *trace, char text[TRACE_PARENT_SIZE]);

/* Whether a trace is one of the `per_million` that are recorded: the same everywhere for the same
 * trace, since its id decides. */
bool trace_is_chosen(const struct trace *trace, int64_t per_million);

#endif
