#include "bridge/base/metrics.h"

#include <stdatomic.h>
#include <string.h>

#include "bridge/base/labelled.h"

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

static struct labelled labelled[LABELLED_METRIC_COUNT] = {
#define METRIC_LABELLED(id, name, first, second, limit, help) \
    LABELLED_INITIALISER(first, second, limit),
    METRICS_LABELLED(METRIC_LABELLED)
#undef METRIC_LABELLED
};

static const struct {
    const char *name;
    const char *help;
} labelled_descriptions[LABELLED_METRIC_COUNT] = {
#define METRIC_DESCRIPTION(id, name, first, second, limit, help) {"bridge_" name, help},
    METRICS_LABELLED(METRIC_DESCRIPTION)
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

bool metrics_add_labelled(enum labelled_metric metric, const char *first, const char *second,
                          int64_t amount)
{
    return labelled_add(&labelled[metric], first, second, amount);
}

static void expose_head(struct buffer *out, const char *name, const char *type, const char *help)
{
    (void)buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_expose(struct buffer *out)
{
    const char *last = "";
    for (int i = 0; i < METRIC_COUNT; i++) {
        const char *name = descriptions[i].name;
        if (strcmp(name, last) != 0) {
            expose_head(out, name, descriptions[i].type, descriptions[i].help);
            last = name;
        }
        const char *labels = descriptions[i].labels;
        (void)buffer_append_format(out, "%s%s%s%s %lld\n", name, *labels ? "{" : "", labels,
                                   *labels ? "}" : "", (long long)metrics_get((enum metric)i));
    }
    for (int i = 0; i < LABELLED_METRIC_COUNT; i++) {
        const char *name = labelled_descriptions[i].name;
        expose_head(out, name, "counter", labelled_descriptions[i].help);
        labelled_expose(&labelled[i], name, out);
    }
}

void metrics_document(struct buffer *out)
{
    for (int i = 0; i < METRIC_COUNT; i++) {
        if (*descriptions[i].help != '\0')
            (void)buffer_append_format(out, "| `%s` | %s | %s |\n", descriptions[i].name,
                                       descriptions[i].type, descriptions[i].help);
    }
    for (int i = 0; i < LABELLED_METRIC_COUNT; i++)
        (void)buffer_append_format(out, "| `%s` | counter | %s |\n", labelled_descriptions[i].name,
                                   labelled_descriptions[i].help);
}
