#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/walks.h"

/* A conflict that these many recorded changes do not settle is left marked. */
#define DIFFS_MAXIMUM 10000

/* Conflicts of one integration share their questions: one walk at a time, and the next one not
 * before max_delay_ms have passed. */
struct settling {
    bool walking; /* a walk is under way */
    int64_t not_before_ms;
    struct record *waiting; /* for the walk to end; linked by `next`, in no planner */
};

static struct settling *settling_of(struct engine *engine, const char *integration_id)
{
    size_t length = strlen(integration_id);
    struct settling *settling = table_get(&engine->settling, integration_id, length);
    if (settling == NULL) {
        settling = memory_new(1, sizeof *settling);
        (void)table_put(&engine->settling, integration_id, length, settling);
    }
    return settling;
}

bool settling_begin(struct engine *engine, struct record *record, int64_t now_ms)
{
    struct settling *settling = settling_of(engine, record->integration_id);
    if (settling->walking) {
        record->next = settling->waiting;
        settling->waiting = record;
    } else if (now_ms < settling->not_before_ms) {
        record->due_ms = settling->not_before_ms;
        planner_add(engine->planner, record, now_ms);
    } else {
        settling->walking = true;
        return true;
    }
    return false;
}

void settling_end(struct engine *engine, const struct walk *walk, int64_t now_ms)
{
    struct settling *settling = settling_of(engine, walk->integration_id);
    struct record *record = settling->waiting;
    *settling = (struct settling){.not_before_ms = now_ms + engine->config->enricher.max_delay_ms};
    while (record != NULL) {
        struct record *next = record->next;
        record->due_ms = settling->not_before_ms;
        planner_add(engine->planner, record, now_ms);
        record = next;
    }
}

void settling_forget(struct engine *engine)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&engine->settling, &cursor)) != NULL)
        free(slot->value);
    table_free(&engine->settling);
}

/* Events were taken since the question was asked: the answer may not know of them. */
static void settle(struct engine *engine, struct record *record, int64_t now_ms)
{
    if (record->dirty)
        record_later(engine, record, now_ms, engine->config->enricher.max_delay_ms);
    else
        assembled_settled(engine, record, now_ms);
}

/* A question that cannot be asked leaves the conflict marked; an outage is waited for. */
void diffs_failed(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                  int64_t now_ms)
{
    for (struct record *record = walk_pop(walk); record != NULL; record = walk_pop(walk)) {
        if (!record_tries_again(engine, record, outcome, now_ms))
            settle(engine, record, now_ms);
    }
    walk_end(engine, walk, now_ms);
}

/* Returns the time of the oldest change on the page. */
static int64_t hear_diffs(struct engine *engine, const struct walk *walk, const cJSON *items)
{
    int64_t oldest = INT64_MAX;
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        const char *created = json_member_text(item, "created_at");
        const char *name = json_member_text(item, "model");
        const char *id = json_member_text(item, "model_record_id");
        int64_t at = 0;
        if (created != NULL && timestamp_parse(created, &at) && at < oldest)
            oldest = at;
        int place = name == NULL ? -1 : selection_find(engine->selection, name, strlen(name));
        struct record *record =
            place < 0 || id == NULL ? NULL : pending_find(&engine->pending, place, id);
        if (record == NULL || record->walk != walk)
            continue;
        redaction_told(engine->selection->redaction, engine->selection->models[place],
                       json_member(item, "data_diff"), false);
        redaction_told(engine->selection->redaction, engine->selection->models[place],
                       json_member(item, "payload"), false);
        assembly_hear(record->work, item);
    }
    return oldest;
}

/* Ends the conflicts that no older change can matter to. */
static void settle_heard(struct engine *engine, struct walk *walk, int64_t oldest, int64_t now_ms)
{
    struct record *rest = NULL;
    struct record **end = &rest;
    for (struct record *record = walk->records, *next; record != NULL; record = next) {
        next = record->next;
        if (assembly_is_settled(record->work, oldest)) {
            record->walk = NULL;
            settle(engine, record, now_ms);
        } else {
            *end = record;
            end = &record->next;
        }
    }
    *end = NULL;
    walk->records = rest;
}

enum api_outcome diffs_answered(struct engine *engine, void *target, uint64_t start,
                                const struct http_answer *http, int64_t now_ms)
{
    struct walk *walk = target;
    struct api_page page = api_read_page(http);
    (void)start;
    if (page.outcome != API_RECORD) {
        if (!walk_again(engine, walk, page.outcome, now_ms))
            diffs_failed(engine, walk, page.outcome, now_ms);
        return page.outcome;
    }
    walk->again = 0;
    int count = cJSON_GetArraySize(page.items);
    settle_heard(engine, walk, hear_diffs(engine, walk, page.items), now_ms);
    cJSON_Delete(page.items);
    walk->offset += count;
    if (walk->records != NULL && page.has_more && count > 0 && walk->offset < DIFFS_MAXIMUM) {
        walk_enqueue(engine, walk);
        return page.outcome;
    }
    for (struct record *record = walk_pop(walk); record != NULL; record = walk_pop(walk))
        settle(engine, record, now_ms);
    walk_end(engine, walk, now_ms);
    return page.outcome;
}
