#include "bridge/enricher/walks.h"

#include <stdlib.h>

#include "bridge/base/memory.h"

#define AGAIN_MAXIMUM 20

static void free_walk(void *target)
{
    struct walk *walk = target;
    table_free(&walk->seen);
    free(walk->integration_id);
    free(walk);
}

void walk_enqueue(struct engine *engine, struct walk *walk)
{
    walk->next = NULL;
    if (engine->walks_first == NULL)
        engine->walks_first = walk;
    else
        engine->walks_last->next = walk;
    engine->walks_last = walk;
}

static struct walk *dequeue(struct engine *engine)
{
    struct walk *walk = engine->walks_first;
    if (walk != NULL)
        engine->walks_first = walk->next;
    return walk;
}

void engine_forget_walks(struct engine *engine)
{
    for (struct walk *walk = dequeue(engine); walk != NULL; walk = dequeue(engine))
        free_walk(walk);
    settling_forget(engine);
}

bool walk_again(struct engine *engine, struct walk *walk, enum api_outcome outcome)
{
    if (policy_for(outcome)->attempts != 0 || ++walk->again > AGAIN_MAXIMUM)
        return false;
    walk_enqueue(engine, walk);
    return true;
}

struct record *walk_pop(struct walk *walk)
{
    struct record *record = walk->records;
    if (record != NULL) {
        walk->records = record->next;
        record->walk = NULL;
    }
    return record;
}

void walk_end(struct engine *engine, struct walk *walk, int64_t now_ms)
{
    recency_close(engine->recency, walk->start);
    if (walk->kind == WALK_DIFFS)
        settling_end(engine, walk, now_ms);
    free_walk(walk);
}

static bool shares_list(const struct record *record, const struct record *like)
{
    return record->place == like->place && record->work == NULL && record->orphan == like->orphan;
}

static bool shares_diffs(const struct record *record, const struct record *like)
{
    (void)like;
    return record->work != NULL;
}

void walk_begin(struct engine *engine, struct record *record, int64_t now_ms)
{
    bool diffs = record->work != NULL;
    if (diffs && !settling_begin(engine, record, now_ms))
        return;
    struct walk *walk = memory_new(1, sizeof *walk);
    *walk = (struct walk){.kind = diffs ? WALK_DIFFS : WALK_NEWEST,
                          .place = record->place,
                          .integration_id = memory_text(record->integration_id),
                          .limit = API_PAGE_SIZE,
                          .start = recency_start(engine->recency),
                          .records = record};
    record->next =
        planner_take(engine->planner, record, diffs ? shares_diffs : shares_list, now_ms);
    for (struct record *each = record; each != NULL; each = each->next) {
        each->state = RECORD_FETCHING;
        each->walk = walk;
        each->dirty = false;
    }
    walk_enqueue(engine, walk);
}

static char *url_of(const struct engine *engine, const struct walk *walk)
{
    const char *base = engine->config->api.base_url;
    if (walk->kind == WALK_DIFFS)
        return api_diffs_url(base, walk->integration_id, walk->offset);
    return api_list_url(base, engine->selection->models[walk->place], walk->integration_id,
                        walk->kind == WALK_NEWEST ? API_NEWEST_FIRST : API_OLDEST_FIRST,
                        walk->offset, walk->limit);
}

bool walk_continue(struct engine *engine, int64_t now_ms)
{
    struct walk *walk = dequeue(engine);
    if (walk == NULL)
        return false;
    bool diffs = walk->kind == WALK_DIFFS;
    char *url = url_of(engine, walk);
    if (!request_start(engine, diffs ? METRIC_KIND_DIFFS : METRIC_KIND_LIST, url,
                       diffs ? diffs_answered : list_answered, free_walk, walk, now_ms)) {
        if (diffs)
            diffs_failed(engine, walk, API_OUTAGE, now_ms);
        else
            list_failed(engine, walk, API_OUTAGE, "the request could not be started", 0, now_ms);
    }
    free(url);
    return true;
}
