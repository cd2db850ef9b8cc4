#include "bridge/base/metrics.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "bridge/base/labelled.h"
#include "bridge/base/process.h"

static _Atomic int64_t values[METRIC_COUNT];

static const struct {
    const char *type;
    const char *name;
    const char *labels;
    const char *help;
} plain[METRIC_COUNT] = {
#define METRIC_DESCRIPTION(id, type, name, labels, help) {#type, "bridge_" name, labels, help},
    METRICS(METRIC_DESCRIPTION)
#undef METRIC_DESCRIPTION
};

static struct {
    const char *type;
    const char *name;
    const char *help;
    struct labelled values;
} labelled[LABELLED_METRIC_COUNT] = {
#define METRIC_LABELLED(id, type, name, first, second, limit, help) \
    {#type, "bridge_" name, help, LABELLED_INITIALISER(first, second, limit)},
    METRICS_LABELLED(METRIC_LABELLED)
#undef METRIC_LABELLED
};

static struct {
    const char *name;
    const char *help;
    struct histogram values;
} histograms[HISTOGRAM_METRIC_COUNT] = {
#define METRIC_HISTOGRAM(id, name, bounds, help) \
    {"bridge_" name, help, HISTOGRAM_INITIALISER(bounds)},
    METRICS_HISTOGRAMS(METRIC_HISTOGRAM)
#undef METRIC_HISTOGRAM
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

_Atomic int64_t *metrics_slot(enum labelled_metric metric, const char *first, const char *second)
{
    return labelled_slot(&labelled[metric].values, first, second, NULL);
}

bool metrics_add_labelled(enum labelled_metric metric, const char *first, const char *second,
                          int64_t amount)
{
    bool added = false;
    atomic_fetch_add(labelled_slot(&labelled[metric].values, first, second, &added), amount);
    return added;
}

void metrics_set_labelled(enum labelled_metric metric, const char *first, const char *second,
                          int64_t value)
{
    atomic_store(metrics_slot(metric, first, second), value);
}

int64_t metrics_get_labelled(enum labelled_metric metric, const char *first, const char *second)
{
    return labelled_get(&labelled[metric].values, first, second);
}

int64_t metrics_sum_labelled(enum labelled_metric metric)
{
    return labelled_sum(&labelled[metric].values);
}

void metrics_limit_integrations(size_t most)
{
    labelled[METRIC_INTEGRATION_EVENTS].values.limit = most;
    labelled[METRIC_INTEGRATION_SNAPSHOTS].values.limit = most;
    labelled[METRIC_INTEGRATION_DEAD_LETTERS].values.limit = most;
}

void metrics_observe(enum histogram_metric metric, int64_t us, const char *trace_id)
{
    histogram_observe(&histograms[metric].values, us, trace_id);
}

/* OpenMetrics names a counter without the `_total` of its samples. */
static void expose_head(enum metrics_format format, const char *name, const char *type,
                        const char *help, struct buffer *out)
{
    size_t length = strlen(name);
    if (format == METRICS_OPEN && strcmp(type, "counter") == 0)
        length -= strlen("_total");
    (void)buffer_append_format(out, "# HELP %.*s %s\n# TYPE %.*s %s\n", (int)length, name, help,
                               (int)length, name, type);
}

static void show_number(struct buffer *out, int64_t value)
{
    (void)buffer_append_format(out, "%" PRId64, value);
}

/* How the values of a metric are written. */
static void (*show_of(const char *name))(struct buffer *out, int64_t value)
{
    const char *unit = strstr(name, "_seconds");
    return unit != NULL && unit[strlen("_seconds")] == '\0' ? histogram_append_seconds
                                                            : show_number;
}

static void expose_plain(enum metrics_format format, struct buffer *out)
{
    const char *last = "";
    for (int i = 0; i < METRIC_COUNT; i++) {
        const char *name = plain[i].name;
        const char *labels = plain[i].labels;
        if (strcmp(name, last) != 0)
            expose_head(format, name, plain[i].type, plain[i].help, out);
        last = name;
        (void)buffer_append_format(out, "%s%s%s%s ", name, *labels ? "{" : "", labels,
                                   *labels ? "}" : "");
        show_of(name)(out, metrics_get((enum metric)i));
        (void)buffer_append(out, "\n", 1);
    }
}

void metrics_expose(enum metrics_format format, struct buffer *out)
{
    expose_plain(format, out);
    for (int i = 0; i < LABELLED_METRIC_COUNT; i++) {
        const char *name = labelled[i].name;
        expose_head(format, name, labelled[i].type, labelled[i].help, out);
        labelled_expose(&labelled[i].values, name, show_of(name), out);
    }
    for (int i = 0; i < HISTOGRAM_METRIC_COUNT; i++) {
        expose_head(format, histograms[i].name, "histogram", histograms[i].help, out);
        histogram_expose(&histograms[i].values, histograms[i].name, format == METRICS_OPEN, out);
    }
    struct process_figures figures = process_figures();
    for (int i = 0; i < PROCESS_FIGURE_COUNT; i++) {
        const struct process_figure *figure = &process_table[i];
        expose_head(format, figure->name, figure->type, figure->help, out);
        (void)buffer_append_format(out, "%s%s ", figure->name, figure->labels);
        (figure->is_us ? histogram_append_seconds : show_number)(out, figures.values[i]);
        (void)buffer_append(out, "\n", 1);
    }
    if (format == METRICS_OPEN)
        (void)buffer_append_text(out, "# EOF\n");
}

static void document(struct buffer *out, const char *name, const char *type, const char *help)
{
    (void)buffer_append_format(out, "| `%s` | %s | %s |\n", name, type, help);
}

void metrics_document(struct buffer *out)
{
    for (int i = 0; i < METRIC_COUNT; i++)
        if (*plain[i].help != '\0')
            document(out, plain[i].name, plain[i].type, plain[i].help);
    for (int i = 0; i < LABELLED_METRIC_COUNT; i++)
        document(out, labelled[i].name, labelled[i].type, labelled[i].help);
    for (int i = 0; i < HISTOGRAM_METRIC_COUNT; i++)
        document(out, histograms[i].name, "histogram", histograms[i].help);
    for (int i = 0; i < PROCESS_FIGURE_COUNT; i++)
        document(out, process_table[i].name, process_table[i].type, process_table[i].help);
}
