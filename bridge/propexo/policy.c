#include "bridge/enricher/policy.h"

/* Gone is asked twice, apart: a record that is announced before the API can show it is not deleted.
 * Too large as well, and not oftener: each time costs the whole transfer. */
static const struct policy policies[API_OUTCOMES] = {
    [API_RECORD] = {SCOPE_RECORD, 0, 0, 0, "", METRIC_API_OK},
    [API_GONE] = {SCOPE_RECORD, 2, 2000, 2000, "", METRIC_API_GONE},
    [API_LIMITED] = {SCOPE_BUDGET, 0, 0, 0, "", METRIC_API_LIMITED},
    [API_UNAUTHORIZED] = {SCOPE_TOKEN, 0, 10000, 10000, "", METRIC_API_REFUSED},
    [API_FORBIDDEN] = {SCOPE_RECORD, 5, 5000, 60000, "forbidden", METRIC_API_REFUSED},
    [API_REFUSED] = {SCOPE_RECORD, 4, 1000, 30000, "refused", METRIC_API_REFUSED},
    [API_WRONG_RECORD] = {SCOPE_RECORD, 4, 1000, 30000, "wrong-record", METRIC_API_BAD_ANSWER},
    [API_TOO_LARGE] = {SCOPE_RECORD, 2, 5000, 5000, "too-large", METRIC_API_BAD_ANSWER},
    [API_OUTAGE] = {SCOPE_API, 0, 500, 60000, "", METRIC_API_OUTAGE},
};

const struct policy *policy_for(enum api_outcome outcome)
{
    return &policies[outcome];
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
