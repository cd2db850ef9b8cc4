#include "bridge/propexo/policy.h"

#include <string.h>

#define ON(...)     \
    {               \
        __VA_ARGS__ \
    }
#define NONE \
    {        \
        0    \
    }
#define PUBLISH                            POLICY_PUBLISH, 0, 0, 0, ""
#define TOMBSTONE(attempts, delay)         POLICY_TOMBSTONE, attempts, delay, delay, ""
#define BUDGET                             POLICY_BUDGET, 0, 0, 0, ""
#define PAUSE(delay)                       POLICY_PAUSE, 0, delay, delay, ""
#define RETRY                              POLICY_RETRY, 0, 500, 60000, ""
#define FAILS(attempts, first, last, code) POLICY_DEAD_LETTER, attempts, first, last, code
#define SILENT                             LOG_DEBUG, NULL
#define DEBUG(event)                       LOG_DEBUG, event
#define INFO(event)                        LOG_INFO, event
#define WARN(event)                        LOG_WARN, event
#define ERROR(event)                       LOG_ERROR, event

static const struct policy policies[API_OUTCOMES] = {
#define POLICY_ROW(id, name, when, http, statuses, scope, verdict, log) \
    [API_##id] = {name, when, HTTP_##http, statuses, SCOPE_##scope, verdict, log, METRIC_API_##id},
    POLICIES(POLICY_ROW)
#undef POLICY_ROW
};

const struct policy *policy_for(enum api_outcome outcome)
{
    return &policies[outcome];
}

static bool has_status(const struct policy *policy, long status)
{
    for (int i = 0; i < POLICY_STATUSES && policy->statuses[i + 1] != 0; i += 2) {
        if (status >= policy->statuses[i] && status <= policy->statuses[i + 1])
            return true;
    }
    return false;
}

enum api_outcome policy_outcome(const struct http_answer *http)
{
    bool answered = http->outcome == HTTP_ANSWERED;
    for (int i = 0; i < API_OUTCOMES; i++) {
        const struct policy *policy = &policies[i];
        if (policy->http == http->outcome && (!answered || has_status(policy, http->status)))
            return (enum api_outcome)i;
    }
    return API_ODD_STATUS;
}

bool policy_passes(enum api_outcome outcome)
{
    return policies[outcome].verdict == POLICY_RETRY || policies[outcome].verdict == POLICY_BUDGET;
}

bool policy_same_end(enum api_outcome a, enum api_outcome b)
{
    return policies[a].verdict == policies[b].verdict &&
           strcmp(policies[a].code, policies[b].code) == 0;
}

int64_t policy_delay(const struct policy *policy, int attempts, struct random *random)
{
    int64_t delay = policy->first_delay_ms;
    for (int i = 1; i < attempts && delay < policy->last_delay_ms; i++)
        delay *= 2;
    if (delay > policy->last_delay_ms)
        delay = policy->last_delay_ms;
    return delay == 0 ? 0 : random_between(random, delay / 2, delay);
}

static void document_verdict(const struct policy *policy, struct buffer *out)
{
    switch (policy->verdict) {
    case POLICY_PUBLISH:
        (void)buffer_append_text(out, "published");
        break;
    case POLICY_TOMBSTONE:
        (void)buffer_append_format(out, "tombstone at attempt %d", policy->attempts);
        break;
    case POLICY_BUDGET:
        (void)buffer_append_text(out, "again when the budget allows");
        break;
    case POLICY_PAUSE:
        (void)buffer_append_text(out, "everything pauses, not ready");
        break;
    case POLICY_DEAD_LETTER:
        (void)buffer_append_format(out, "dead letter `%s` at attempt %d", policy->code,
                                   policy->attempts);
        break;
    case POLICY_RETRY:
        (void)buffer_append_text(out, "again, for as long as it takes");
        break;
    }
}

static void document_rest(const struct policy *policy, struct buffer *out)
{
    static const char *const scopes[] = {"record", "model", "integration", "all"};
    static const char *const levels[] = {"debug", "info", "warn", "error"};
    (void)buffer_append_format(out, " | %s | ", scopes[policy->scope]);
    if (policy->first_delay_ms > 0)
        (void)buffer_append_format(out, "%g", (double)policy->first_delay_ms / 1000);
    if (policy->last_delay_ms > policy->first_delay_ms)
        (void)buffer_append_format(out, " to %g", (double)policy->last_delay_ms / 1000);
    if (policy->event == NULL)
        (void)buffer_append_text(out, " | |\n");
    else
        (void)buffer_append_format(out, " | %s `%s` |\n", levels[policy->level], policy->event);
}

void policy_document(struct buffer *out)
{
    for (int i = 0; i < API_OUTCOMES; i++) {
        (void)buffer_append_format(out, "| `%s` | %s | ", policies[i].name, policies[i].when);
        document_verdict(&policies[i], out);
        document_rest(&policies[i], out);
    }
}
