#include "bridge/commands/schemas.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/memory.h"
#include "bridge/codec/registry.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

#define REASON_MAXIMUM ((size_t)64 << 10)
#define DIFFERENCE     1 /* exit code */

/* One subject, and the schema of ours that belongs there. */
struct entry {
    const char *model;
    char *subject;
    const struct schema *schema;
};

struct entries {
    struct entry *list;
    size_t count;
    int model_width; /* of the longest, for columns */
    int subject_width;
};

static void widen(int *width, int length)
{
    *width = length > *width ? length : *width;
}

/* The one place that says which models have a subject, and which schema it gets. */
static struct entries entries_new(const struct selection *selection, const struct topics *topics)
{
    struct entries entries = {.list = memory_new(selection->count, sizeof *entries.list)};
    for (size_t i = 0; i < selection->count; i++) {
        if (topics->snapshots[i] == NULL)
            continue;
        struct entry *entry = &entries.list[entries.count++];
        *entry = (struct entry){selection->names[i], registry_subject(topics->snapshots[i]),
                                model_schema(selection->models[i])};
        widen(&entries.model_width, (int)strlen(entry->model));
        widen(&entries.subject_width, (int)strlen(entry->subject));
    }
    return entries;
}

static void entries_free(struct entries *entries)
{
    for (size_t i = 0; i < entries->count; i++)
        free(entries->list[i].subject);
    free(entries->list);
}

static void begin_line(const struct entries *entries, const struct entry *entry)
{
    (void)printf("%-*s  %-*s  ", entries->model_width, entry->model, entries->subject_width,
                 entry->subject);
}

static void print_found(const struct registry_subject *found, const char *difference)
{
    if (found->latest == 0) {
        (void)puts("not registered");
        return;
    }
    (void)printf("version %d id %" PRIu32 ", ", found->latest, found->latest_id);
    if (found->ours == found->latest)
        (void)puts("equal");
    else if (found->ours > 0)
        (void)printf("ours is version %d: %s\n", found->ours, difference);
    else
        (void)printf("differs: %s\n", difference);
}

static int list(struct registry *registry, const struct entries *entries, struct error *error)
{
    struct buffer difference = buffer_new(REASON_MAXIMUM);
    int code = EX_OK;
    for (size_t i = 0; i < entries->count && code == EX_OK; i++) {
        const struct entry *entry = &entries->list[i];
        struct registry_subject found;
        buffer_clear(&difference);
        if (registry_look(registry, entry->subject, entry->schema, &found, &difference, error)) {
            begin_line(entries, entry);
            print_found(&found, buffer_text(&difference));
        } else {
            code = error_exit_code(error);
        }
    }
    buffer_free(&difference);
    return code;
}

/* Prints those that are not compatible, and the others as well when `all`. */
static int check(struct registry *registry, const struct entries *entries, bool all,
                 struct error *error)
{
    struct buffer reason = buffer_new(REASON_MAXIMUM);
    size_t bad = 0;
    int code = EX_OK;
    for (size_t i = 0; i < entries->count && code == EX_OK; i++) {
        const struct entry *entry = &entries->list[i];
        bool compatible = false;
        buffer_clear(&reason);
        if (!registry_check(registry, entry->subject, entry->schema, &compatible, &reason, error)) {
            code = error_exit_code(error);
            break;
        }
        bad += compatible ? 0 : 1;
        if (all || !compatible)
            begin_line(entries, entry);
        if (!compatible)
            (void)printf("NOT COMPATIBLE: %s\n", buffer_text(&reason));
        else if (all)
            (void)puts("compatible");
    }
    buffer_free(&reason);
    if (code != EX_OK)
        return code;
    if (all || bad > 0)
        (void)printf("%zu compatible, %zu not compatible\n", entries->count - bad, bad);
    return bad > 0 ? DIFFERENCE : EX_OK;
}

static int register_all(struct registry *registry, const struct entries *entries,
                        struct error *error)
{
    int code = check(registry, entries, false, error);
    size_t done = 0;
    if (code == DIFFERENCE)
        (void)puts("nothing was registered");
    for (size_t i = 0; i < entries->count && code == EX_OK; i++) {
        const struct entry *entry = &entries->list[i];
        uint32_t id = 0;
        if (registry_register(registry, entry->subject, entry->schema, &id, error)) {
            begin_line(entries, entry);
            (void)printf("id %" PRIu32 "\n", id);
            done++;
        } else {
            code = error_exit_code(error);
        }
    }
    if (code != DIFFERENCE)
        (void)printf("%zu of %zu registered\n", done, entries->count);
    return code;
}

static int act(struct registry *registry, const struct entries *entries, enum schemas_action action,
               struct error *error)
{
    switch (action) {
    case SCHEMAS_LIST:
        return list(registry, entries, error);
    case SCHEMAS_CHECK:
        return check(registry, entries, true, error);
    case SCHEMAS_REGISTER:
        break;
    }
    return register_all(registry, entries, error);
}

int command_schemas(const struct config *config, enum schemas_action action)
{
    struct error error;
    struct entries entries = {0};
    struct topics *topics = NULL;
    struct registry *registry = NULL;
    int code = EX_CONFIG;
    if (config->registry.url[0] == '\0') {
        (void)fputs("propexo-bridge: registry.url is not set; name a schema registry with --set "
                    "registry.url=URL\n",
                    stderr);
        return EX_CONFIG;
    }
    struct selection *selection = selection_new(config, &error);
    if (selection != NULL)
        registry = registry_new(config, &error);
    if (registry == NULL) {
        code = error_exit_code(&error);
        goto failed;
    }
    topics = topics_new(config, selection->names, selection->has_snapshots, selection->count,
                        selection->has_assembled);
    entries = entries_new(selection, topics);
    code = act(registry, &entries, action, &error);

failed:
    if (code != EX_OK && code != DIFFERENCE)
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
    entries_free(&entries);
    registry_free(registry);
    topics_free(topics);
    selection_free(selection);
    return code;
}
