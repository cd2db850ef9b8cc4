#include "bridge/base/trace.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/text.h"

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
    text_hex(draw(random), trace.id);
    text_hex(draw(random), trace.id + TEXT_HEX_LENGTH);
    text_hex(draw(random), trace.span);
    return trace;
}

struct trace trace_child(const struct trace *trace, struct random *random)
{
    struct trace child = *trace;
    memcpy(child.parent, trace->span, sizeof child.parent);
    text_hex(draw(random), child.span);
    return child;
}

const char *trace_text(const struct trace *trace, char text[TRACE_PARENT_SIZE])
{
    char *end = stpcpy(text, "00-");
    end = stpcpy(stpcpy(end, trace->id), "-");
    end = stpcpy(stpcpy(end, trace->span), "-");
    (void)stpcpy(end, trace->sampled ? "01" : "00");
    return text;
}

bool trace_is_chosen(const struct trace *trace, int64_t per_million)
{
    uint64_t number =
        strtoull(trace->id + ID_LENGTH - 8, NULL, 16); /* below 2^32, and as random as the id */
    return number * 1000000 < (uint64_t)per_million << 32;
}
