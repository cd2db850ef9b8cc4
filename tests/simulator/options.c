#include "tests/simulator/options.h"

#include <errno.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_COUNT, KIND_DECIMAL, KIND_CHOICE, KIND_CHANCE, KIND_MODELS };

#define CHANCE_MS_MAX 3600000

/* One row makes the flag, its default, its check and its line of help. */
struct row {
    const char *name;
    enum kind kind;
    size_t offset;
    const char *standard;
    const char *help;
    double least;
    double most;
    const char *const *choices;
};

/* The order of enum shape. The other choices stand in the order of their enums too. */
static const char *const shapes[] = {"A", "B", "C", "A0", "mixed", NULL};
static const char *const missings[] = {"404", "null", NULL};
static const char *const tie_ways[] = {"shuffle", "stable", NULL};
static const char *const movers[] = {"all", "changes", "none", NULL};
static const char *const diff_ways[] = {"all", "none", "mixed", NULL};
static const char *const parent_ways[] = {"never", "always", "seed", NULL};
static const char *const switches[] = {"off", "on", NULL};

#define AT(member) offsetof(struct options, member)
#define TEXT(name, member, standard, help)                      \
    {                                                           \
        name, KIND_TEXT, AT(member), standard, help, 0, 0, NULL \
    }
#define COUNT(name, member, least, most, standard, help)                \
    {                                                                   \
        name, KIND_COUNT, AT(member), standard, help, least, most, NULL \
    }
#define DECIMAL(name, member, most, standard, help)                   \
    {                                                                 \
        name, KIND_DECIMAL, AT(member), standard, help, 0, most, NULL \
    }
#define CHANCE(name, member, standard, help)                      \
    {                                                             \
        name, KIND_CHANCE, AT(member), standard, help, 0, 0, NULL \
    }
#define CHOICE(name, member, choices, standard, help)                \
    {                                                                \
        name, KIND_CHOICE, AT(member), standard, help, 0, 0, choices \
    }

static const struct row rows[] = {
    TEXT("listen", listen, "127.0.0.1:0", "ADDRESS:PORT; port 0 = a free one"),
    TEXT("token", token, "simulator-token", "the bearer token that the API demands"),
    TEXT("webhook-url", webhook_url, "", "where webhooks go; empty = none are sent"),
    TEXT("webhook-secret", webhook_secret, "simulator-secret", "key of propexo-signature"),
    COUNT("seed", seed, 0, 1e15, "1", "decides records and changes"),
    COUNT("records", records, 0, 4e6, "1000", "records of each model"),
    COUNT("integrations", integrations, 1, 1e4, "3", "they share the records evenly"),
    {"models", KIND_MODELS, 0, "residents,leases,units,properties", "comma list; * = all", 0, 0,
     NULL},
    COUNT("created-ties", created_ties, 1, 4e6, "50", "records that share one created_at"),

    DECIMAL("rate", rate, 1e6, "20", "changes a second; 0 = as fast as they are delivered"),
    COUNT("changes", changes, 0, 1e12, "0", "how many; 0 = none until /_sim/start"),
    CHOICE("shape", shape, shapes, "mixed", "shape of the webhooks; mixed = A, B and C"),
    DECIMAL("mixed-orphans", mixed_orphans, 100, "0", "percent of mixed that are A0"),
    DECIMAL("new-percent", new_percent, 100, "5", "percent of changes that make a record"),
    DECIMAL("last-seen-percent", last_seen_percent, 100, "10", "percent that move last_seen alone"),
    CHOICE("distinct", distinct, switches, "off", "no record changes again before all have"),
    CHOICE("updated-at", updated_at, movers, "changes",
           "moved by all, by changes (not by last_seen alone), by none"),
    CHOICE("diff-updated-at", diff_updated_at, diff_ways, "mixed",
           "whether diffs tell it when it has moved"),
    CHOICE("parents-updated-at", parents_updated_at, parent_ways, "never",
           "moved by what is embedded; seed = chosen for each list"),

    COUNT("webhook-concurrency", webhook_concurrency, 1, 1000, "64", "webhooks in flight"),
    COUNT("retry-ms", retry_ms, 1, 3.6e6, "1000", "until a refused webhook is sent again"),
    DECIMAL("drop-webhooks", drop_webhooks, 100, "0", "percent of webhooks never sent"),
    CHANCE("late", late, "0:0", "PERCENT:MS; so many come so much later, as if one attempt failed"),
    CHANCE("replay", replay, "0:0", "PERCENT:MS; so many are sent once more, so much later"),
    CHOICE("data-diffs", data_diffs, switches, "on", "/v1/admin/data-diffs/ is answered, or 403"),

    COUNT("limit-per-minute", limit_per_minute, 0, 1e9, "150", "requests a minute; 0 = no limit"),
    COUNT("minute-ms", minute_ms, 10, 6e4, "60000", "how long the limit's minute lasts"),
    CHOICE("retry-after", retry_after, switches, "off", "429 says when the minute ends"),
    COUNT("latency-ms", latency_ms, 0, 6e5, "0", "every answer takes that long"),
    TEXT("fault", fault, "", "comma list NAME:PERCENT%[:MS], see README.md"),
    CHOICE("missing", missing, missings, "404", "an unknown id is answered so"),
    CHOICE("ties", ties, tie_ways, "shuffle", "order of records that a list's key leaves equal"),
    CHOICE("extended-filters", extended_filters, switches, "off",
           "updated_at_gte|lte and last_seen_gte|lte are understood"),
    CHOICE("gzip", gzip, switches, "on", "answers are compressed for clients that offer it"),
};

#define ROWS (sizeof rows / sizeof rows[0])

static int find_choice(const char *const *choices, const char *text)
{
    for (int i = 0; choices[i] != NULL; i++) {
        if (strcmp(choices[i], text) == 0)
            return i;
    }
    return -1;
}

bool options_shape(const char *text, enum shape *shape)
{
    int found = find_choice(shapes, text);
    if (found >= 0)
        *shape = (enum shape)found;
    return found >= 0;
}

static bool add_model(struct options *options, const struct model *model)
{
    for (unsigned i = 0; i < options->model_count; i++) {
        if (options->models[i] == model)
            return true;
    }
    if (model == NULL || options->model_count == MODELS_MAX)
        return false;
    options->models[options->model_count++] = model;
    return true;
}

static bool set_models(struct options *options, const char *list)
{
    options->model_count = 0;
    if (strcmp(list, "*") == 0) {
        const struct model *model;
        for (unsigned i = 0; (model = models_at(i)) != NULL; i++) {
            if (!add_model(options, model))
                return false;
        }
        return true;
    }
    while (true) {
        size_t length = strcspn(list, ",");
        char name[64];
        if (length >= sizeof name)
            return false;
        memcpy(name, list, length);
        name[length] = '\0';
        if (!add_model(options, models_find(name)))
            return false;
        if (list[length] == '\0')
            return true;
        list += length + 1;
    }
}

static bool set_number(const struct row *row, char *member, const char *text)
{
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || errno != 0 || !isfinite(value))
        return false;
    if (value < row->least || value > row->most)
        return false;
    if (row->kind == KIND_DECIMAL) {
        memcpy(member, &value, sizeof value);
        return true;
    }
    uint64_t whole = (uint64_t)value;
    memcpy(member, &whole, sizeof whole);
    return (double)whole == value;
}

/* PERCENT:MS */
static bool set_chance(char *member, const char *text)
{
    struct chance chance;
    char *end;
    chance.percent = strtod(text, &end);
    if (end == text || *end != ':' || !(chance.percent >= 0 && chance.percent <= 100))
        return false;
    const char *ms = end + 1;
    chance.ms = strtoull(ms, &end, 10);
    memcpy(member, &chance, sizeof chance);
    return *ms >= '0' && *ms <= '9' && *end == '\0' && chance.ms <= CHANCE_MS_MAX;
}

static bool set(const struct row *row, struct options *options, const char *text)
{
    char *member = (char *)options + row->offset;
    switch (row->kind) {
    case KIND_TEXT:
        memcpy(member, &text, sizeof text);
        return true;
    case KIND_CHOICE: {
        int choice = find_choice(row->choices, text);
        memcpy(member, &choice, sizeof choice);
        return choice >= 0;
    }
    case KIND_CHANCE:
        return set_chance(member, text);
    case KIND_MODELS:
        return set_models(options, text);
    case KIND_COUNT:
    case KIND_DECIMAL:
        return set_number(row, member, text);
    }
    return false;
}

static void print_help(void)
{
    puts("propexo-sim: a Propexo that answers like the documented one\n\n"
         "usage: propexo-sim [--name VALUE | --name=VALUE]...\n");
    for (size_t i = 0; i < ROWS; i++) {
        printf("  --%-20s %s", rows[i].name, rows[i].help);
        if (rows[i].choices != NULL) {
            for (int c = 0; rows[i].choices[c] != NULL; c++)
                printf("%s%s", c == 0 ? " [" : "|", rows[i].choices[c]);
            fputs("]", stdout);
        }
        printf("%s%s%s\n", rows[i].standard[0] != '\0' ? " (" : "", rows[i].standard,
               rows[i].standard[0] != '\0' ? ")" : "");
    }
    puts("  --help                 this list\n\nA switch [off|on] without a value means on.");
}

static const struct row *find_row(const char *name, size_t length)
{
    for (size_t i = 0; i < ROWS; i++) {
        if (strlen(rows[i].name) == length && strncmp(rows[i].name, name, length) == 0)
            return &rows[i];
    }
    return NULL;
}

/* The value of the flag at argv[*at]; moves *at to the last argument that was used. */
static const char *take_value(const struct row *row, int argc, char **argv, int *at)
{
    const char *equals = strchr(argv[*at], '=');
    if (equals != NULL)
        return equals + 1;
    const char *next = *at + 1 < argc ? argv[*at + 1] : NULL;
    if (row->choices == switches && (next == NULL || find_choice(switches, next) < 0))
        return "on";
    (*at)++;
    return next;
}

static enum options_verdict wrong(const char *what, const char *argument)
{
    fprintf(stderr, "propexo-sim: %s: %s (--help lists the flags)\n", what, argument);
    return OPTIONS_WRONG;
}

enum options_verdict options_parse(int argc, char **argv, struct options *options)
{
    *options = (struct options){0};
    for (size_t i = 0; i < ROWS; i++)
        set(&rows[i], options, rows[i].standard);
    for (int at = 1; at < argc; at++) {
        const char *argument = argv[at];
        if (strcmp(argument, "--help") == 0) {
            print_help();
            return OPTIONS_HELP;
        }
        if (strncmp(argument, "--", 2) != 0)
            return wrong("not a flag", argument);
        const struct row *row = find_row(argument + 2, strcspn(argument + 2, "="));
        if (row == NULL)
            return wrong("no such flag", argument);
        const char *value = take_value(row, argc, argv, &at);
        if (value == NULL)
            return wrong("a value is missing", argument);
        if (!set(row, options, value))
            return wrong("a value that cannot be", value);
    }
    return OPTIONS_RUN;
}
