#include "bridge/base/health.h"

#include <stdatomic.h>
#include <stddef.h>

static const char *const names[HEALTH_COUNT] = {"receiver", "assignment", "publisher", "registry",
                                                "api"};

/* NULL: never set; "": well; else the reason why not. */
static const char *_Atomic reasons[HEALTH_COUNT];
static atomic_bool draining;

void health_set(enum health condition, bool ok, const char *reason)
{
    atomic_store(&reasons[condition], ok ? "" : reason);
}

void health_drain(void)
{
    atomic_store(&draining, true);
}

bool health_report(struct buffer *out)
{
    bool drains = atomic_load(&draining);
    bool ready = !drains;
    (void)buffer_append_format(out, "{\"draining\":%s,\"conditions\":{", drains ? "true" : "false");
    const char *comma = "";
    for (int i = 0; i < HEALTH_COUNT; i++) {
        const char *reason = atomic_load(&reasons[i]);
        if (reason == NULL)
            continue;
        ready = ready && *reason == '\0';
        (void)buffer_append_format(out, "%s\"%s\":{\"ok\":%s,\"reason\":\"%s\"}", comma, names[i],
                                   *reason == '\0' ? "true" : "false", reason);
        comma = ",";
    }
    (void)buffer_append_format(out, "},\"ready\":%s}\n", ready ? "true" : "false");
    return ready;
}
