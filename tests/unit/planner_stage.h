/*
 * A planner with the records a test wants, and an API that answers as the test says.
 */
#ifndef TESTS_UNIT_PLANNER_STAGE_H
#define TESTS_UNIT_PLANNER_STAGE_H

#include "tests/unit/unit.h"

#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/enricher/planner.h"

#define PLACES 3
#define PAGE   250

static const struct planner_rules rules = {.max_delay_ms = 2000, .low_max_delay_ms = 900000};
static const struct planner_budget busy = {.latency_ms = 0};
static const struct planner_budget idle = {.idle = true};

/* Several integrations, and as many records as a test wants. */
struct stage {
    struct planner *planner;
    struct record **records;
    size_t count;
    uint64_t tick;
};

static inline struct stage new_stage(void)
{
    struct stage stage = {.planner = planner_new(PLACES, &rules), .tick = 10};
    planner_allow_pages(stage.planner, 0, true);
    planner_allow_pages(stage.planner, 1, true);
    return stage; /* the third has each record asked for by itself */
}

static inline void end_stage(struct stage *stage)
{
    planner_free(stage->planner);
    for (size_t i = 0; i < stage->count; i++)
        free(stage->records[i]);
    free(stage->records);
}

static inline struct record *add(struct stage *stage, int place, const char *integration, bool low,
                                 int64_t now_ms)
{
    struct record *record = memory_new(1, sizeof *record);
    *record = (struct record){.place = place,
                              .integration_id = integration,
                              .joined = stage->tick,
                              .now = {.first_ms = now_ms, .tells_more = !low}};
    stage->records = memory_grow(stage->records, stage->count + 1, sizeof *stage->records);
    stage->records[stage->count++] = record;
    planner_add(stage->planner, record, now_ms);
    return record;
}

static inline void add_many(struct stage *stage, int count, int place, const char *integration,
                            bool low, int64_t now_ms)
{
    for (int i = 0; i < count; i++)
        (void)add(stage, place, integration, low, now_ms);
}

static inline struct plan next(struct stage *stage, const struct planner_budget *budget,
                               int64_t now_ms)
{
    return planner_next(stage->planner, budget, stage->tick, now_ms);
}

static inline void assert_page(struct plan plan, enum pages_kind kind, int place,
                               const char *integration, int64_t offset)
{
    assert_int_equal(plan.kind, PLAN_PAGE);
    assert_int_equal(plan.page.kind, kind);
    assert_int_equal(plan.page.place, place);
    if (integration == NULL)
        assert_null(plan.page.integration_id);
    else
        assert_string_equal(plan.page.integration_id, integration);
    assert_int_equal(plan.page.offset, offset);
}

static inline void assert_nothing(struct plan plan)
{
    assert_int_equal(plan.kind, PLAN_NOTHING);
    assert_true(plan.wait_ms > 0);
}

/* The page satisfies the first `hits` records that wait, and is answered. */
static inline void answer(struct stage *stage, const struct page_ask *ask, uint32_t hits,
                          int64_t total, bool more, bool past, int64_t now_ms)
{
    struct page_seen seen = {.rows = PAGE, .total = total, .more = more, .past = past};
    for (size_t i = 0; i < stage->count && seen.live_hits + seen.low_hits < hits; i++) {
        struct record *record = stage->records[i];
        if (!planner_has(record) || record->place != ask->place ||
            (ask->integration_id != NULL &&
             strcmp(record->integration_id, ask->integration_id) != 0))
            continue;
        bool low = record->queue == QUEUE_LOW;
        uint32_t depth = ask->top - record->rank[ask->integration_id == NULL];
        uint32_t above = (uint32_t)ask->offset;
        planner_found(ask, record, depth < above ? 0 : depth - above, &seen); /* as it should lie */
        seen.low_hits += low;
        seen.live_hits += !low;
        planner_remove(stage->planner, record);
    }
    assert_int_equal(seen.live_hits + seen.low_hits, hits);
    planner_page_done(stage->planner, ask, &seen, now_ms);
}

#endif
