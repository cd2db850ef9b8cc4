#include "bridge/base/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "bridge/base/utf8.h"

static const char *const names[HEALTH_COUNT] = {"receiver", "assignment", "publisher", "registry",
                                                "api"};

struct condition {
    bool set;
    char reason[HEALTH_REASON_SIZE]; /* "" when all is well */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards `conditions` */
static struct condition conditions[HEALTH_COUNT];
static atomic_bool draining;

/* What was cut, or came from elsewhere, may not be UTF-8, which the report must be. */
static void make_ascii(char *text)
{
    for (char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p > 0x7f)
            *p = '?';
    }
}

void health_set(enum health condition, bool ok, const char *reason)
{
    char text[HEALTH_REASON_SIZE];
    (void)snprintf(text, sizeof text, "%s", ok ? "" : reason);
    if (!utf8_valid(text, strlen(text)))
        make_ascii(text);
    (void)pthread_mutex_lock(&lock);
    conditions[condition].set = true;
    memcpy(conditions[condition].reason, text, sizeof text);
    (void)pthread_mutex_unlock(&lock);
}

void health_drain(void)
{
    atomic_store(&draining, true);
}

bool health_report(struct buffer *out)
{
    bool drains = atomic_load(&draining);
    bool ready = !drains;
    const char *comma = "";
    (void)buffer_append_format(out, "{\"draining\":%s,\"conditions\":{", drains ? "true" : "false");
    (void)pthread_mutex_lock(&lock);
    for (int i = 0; i < HEALTH_COUNT; i++) {
        const char *reason = conditions[i].reason;
        if (!conditions[i].set)
            continue;
        ready = ready && *reason == '\0';
        (void)buffer_append_format(out, "%s\"%s\":{\"ok\":%s,\"reason\":", comma, names[i],
                                   *reason == '\0' ? "true" : "false");
        (void)buffer_append_quoted(out, reason);
        (void)buffer_append_text(out, "}");
        comma = ",";
    }
    (void)pthread_mutex_unlock(&lock);
    (void)buffer_append_format(out, "},\"ready\":%s}\n", ready ? "true" : "false");
    return ready;
}
