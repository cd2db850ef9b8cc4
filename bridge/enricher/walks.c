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

static void unlink_walk(struct engine *engine, struct walk *walk)
{
    struct walk *previous = NULL;
    struct walk **at = &engine->walks_first;
    for (; *at != walk; at = &previous->next)
        previous = *at;
    *at = walk->next;
    if (walk->next == NULL)
        engine->walks_last = previous;
}

/* Whose its requests are; a walk of an orphan is of nobody. */
static const char *integration_of(const struct engine *engine, const struct walk *walk)
{
    return walk->kind == WALK_DIFFS
               ? walk->integration_id
               : request_integration(engine, walk->place, walk->integration_id);
}

/* The first that may ask, out of the queue. */
static struct walk *dequeue(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    *wait = INT64_MAX;
    for (struct walk *walk = engine->walks_first; walk != NULL; walk = walk->next) {
        int64_t left = walk->not_before_ms - now_ms;
        if (left <= 0 && breakers_may(engine->breakers, integration_of(engine, walk), now_ms)) {
            unlink_walk(engine, walk);
            return walk;
        }
        *wait = left > 0 && left < *wait ? left : *wait;
    }
    return NULL;
}

void engine_forget_walks(struct engine *engine)
{
    for (struct walk *walk = engine->walks_first, *next; walk != NULL; walk = next) {
        next = walk->next;
        free_walk(walk);
    }
    engine->walks_first = engine->walks_last = NULL;
    settling_forget(engine);
}

bool walk_again(struct engine *engine, struct walk *walk, enum api_outcome outcome, int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    if (policy->attempts != 0 || ++walk->again > AGAIN_MAXIMUM)
        return false;
    walk->not_before_ms = now_ms + policy_delay(policy, walk->again, &engine->random);
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

bool walk_continue(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    struct walk *walk = dequeue(engine, now_ms, wait);
    if (walk == NULL)
        return false;
    bool diffs = walk->kind == WALK_DIFFS;
    char *url = url_of(engine, walk);
    struct request request = {.kind = diffs ? METRIC_KIND_DIFFS : METRIC_KIND_LIST,
                              .url = url,
                              .integration_id = integration_of(engine, walk),
                              .place = diffs ? -1 : walk->place,
                              .answered = diffs ? diffs_answered : list_answered,
                              .dropped = free_walk,
                              .target = walk};
    if (!request_start(engine, &request, now_ms)) {
        if (diffs)
            diffs_failed(engine, walk, API_NOT_STARTED, now_ms);
        else
            list_failed(engine, walk, API_NOT_STARTED, policy_for(API_NOT_STARTED)->when, 0,
                        now_ms);
    }
    free(url);
    return true;
}
