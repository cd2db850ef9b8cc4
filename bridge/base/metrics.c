#include "bridge/base/metrics.h"

#include <stdatomic.h>
#include <string.h>

static _Atomic int64_t values[METRIC_COUNT];

static const struct {
    const char *type;
    const char *name;
    const char *labels;
    const char *help;
} descriptions[METRIC_COUNT] = {
#define METRIC_DESCRIPTION(id, type, name, labels, help) {#type, "bridge_" name, labels, help},
    METRICS(METRIC_DESCRIPTION)
#undef METRIC_DESCRIPTION
};

void metrics_add(enum metric metric, int64_t amount)
{
    atomic_fetch_add_explicit(&values[metric], amount, memory_order_relaxed);
}

void metrics_set(enum metric metric, int64_t value)
{
    atomic_store_explicit(&values[metric], value, memory_order_relaxed);
}

int64_t metrics_get(enum metric metric)
{
    return atomic_load_explicit(&values[metric], memory_order_relaxed);
}

void metrics_expose(struct buffer *out)
{
    const char *last = "";
    for (int i = 0; i < METRIC_COUNT; i++) {
        const char *name = descriptions[i].name;
        if (strcmp(name, last) != 0) {
            (void)buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name,
                                       descriptions[i].help, name, descriptions[i].type);
            last = name;
        }
        const char *labels = descriptions[i].labels;
        (void)buffer_append_format(out, "%s%s%s%s %lld\n", name, *labels ? "{" : "", labels,
                                   *labels ? "}" : "", (long long)metrics_get((enum metric)i));
    }
}

void metrics_document(struct buffer *out)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (*descriptions[i].help != '\0')
            (void)buffer_append_format(out, "| `%s` | %s | %s |\n", descriptions[i].name,
                                       descriptions[i].type, descriptions[i].help);
    }
}
