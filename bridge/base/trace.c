#include "bridge/base/trace.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_LENGTH   (TRACE_ID_SIZE - 1)
#define SPAN_LENGTH (TRACE_SPAN_SIZE - 1)
#define SAMPLED     1U

/* So many digits of small hex, not all zero unless that is allowed. */
static bool is_hex(const char *text, size_t length, bool zero_allowed)
{
    return strspn(text, "0123456789abcdef") >= length &&
           (zero_allowed || strspn(text, "0") < length);
}

bool trace_parse(const char *traceparent, struct trace *trace)
{
    const size_t id = strlen("00-");
    const size_t span = id + ID_LENGTH + 1;
    const size_t flags = span + SPAN_LENGTH + 1;
    const size_t end = flags + 2;
    if (traceparent == NULL || strlen(traceparent) < end || !is_hex(traceparent, 2, true) ||
        strncmp(traceparent, "ff", 2) == 0 || traceparent[id - 1] != '-' ||
        !is_hex(traceparent + id, ID_LENGTH, false) || traceparent[span - 1] != '-' ||
        !is_hex(traceparent + span, SPAN_LENGTH, false) || traceparent[flags - 1] != '-' ||
        !is_hex(traceparent + flags, 2, true))
        return false;
    if (traceparent[end] != '\0' && (strncmp(traceparent, "00", 2) == 0 || traceparent[end] != '-'))
        return false;
    memset(trace, 0, sizeof *trace);
    memcpy(trace->id, traceparent + id, ID_LENGTH);
    memcpy(trace->span, traceparent + span, SPAN_LENGTH);
    trace->sampled = (strtoul(traceparent + flags, NULL, 16) & SAMPLED) != 0;
    return true;
}

/* All zero is no id. */
static uint64_t draw(struct random *random)
{
    uint64_t number = random_next(random);
    return number == 0 ? 1 : number;
}

struct trace trace_new(struct random *random, bool sampled)
{
    struct trace trace = {.sampled = sampled};
    (void)snprintf(trace.id, sizeof trace.id, "%016" PRIx64 "%016" PRIx64, draw(random),
                   draw(random));
    (void)snprintf(trace.span, sizeof trace.span, "%016" PRIx64, draw(random));
    return trace;
}

struct trace trace_child(const struct trace *trace, struct random *random)
{
    struct trace child = *trace;
    memcpy(child.parent, trace->span, sizeof child.parent);
    (void)snprintf(child.span, sizeof child.span, "%016" PRIx64, draw(random));
    return child;
}

const char *trace_text(const struct trace *trace, char text[TRACE_PARENT_SIZE])
{
    (void)snprintf(text, TRACE_PARENT_SIZE, "00-%s-%s-%s", trace->id, trace->span,
                   trace->sampled ? "01" : "00");
    return text;
}

bool trace_is_chosen(const struct trace *trace, int64_t per_million)
{
    char last[9];
    (void)snprintf(last, sizeof last, "%s", trace->id + ID_LENGTH - 8);
    uint64_t number = strtoull(last, NULL, 16); /* below 2^32, and as random as the id */
    return number * 1000000 < (uint64_t)per_million << 32;
}
