#include "bridge/enricher/planner.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/enricher/newest.h"
#include "bridge/enricher/planning.h"
#include "bridge/enricher/scans.h"

/* Pages that had a record too early before it is asked for by itself. */
#define PASSES 3

struct planner *planner_new(int models, const struct planner_rules *rules)
{
    struct planner *planner = memory_new(1, sizeof *planner);
    planner->rules = *rules;
    planner->eager_credit = EAGER_AT_ONCE;
    waiting_init(&planner->waiting, models);
    return planner;
}

void planner_allow_pages(struct planner *planner, int place, bool by_integration)
{
    planner->waiting.models[place].pages = true;
    planner->waiting.models[place].by_integration = by_integration;
}

void planner_clear(struct planner *planner)
{
    waiting_clear(&planner->waiting);
    planner->turn = planner->last_turn = NULL;
    memset(planner->lines, 0, sizeof planner->lines);
    planner->later.count = planner->ripening.count = 0;
}

void planner_free(struct planner *planner)
{
    if (planner == NULL)
        return;
    waiting_free(&planner->waiting);
    timers_free(&planner->later);
    timers_free(&planner->ripening);
    free(planner);
}

void turn_last(struct planner *planner, struct integration *integration)
{
    integration->in_turns = true;
    integration->next_turn = NULL;
    if (planner->turn == NULL)
        planner->turn = integration;
    else
        planner->last_turn->next_turn = integration;
    planner->last_turn = integration;
}

void group_ripen(struct planner *planner, struct group *group)
{
    if (group->ripe)
        return;
    group->ripe = true;
    group->next_ripe = group->integration->ripe;
    group->integration->ripe = group;
    if (!group->integration->in_turns && !group->integration->held)
        turn_last(planner, group->integration);
}

void group_unripen(struct planner *planner, struct group **at)
{
    struct group *group = *at;
    *at = group->next_ripe;
    group->ripe = false;
    waiting_let_go(&planner->waiting, group);
}

void group_look_again(struct planner *planner, struct group *group, int64_t at_ms)
{
    if (group->timed)
        return;
    group->timed = true;
    timers_add(&planner->ripening, at_ms, group);
}

void group_arm(struct planner *planner, struct group *group, int64_t now_ms)
{
    int64_t delay = planner->rules.max_delay_ms;
    uint32_t open = group->live.count - group->live.covered;
    if (group->ripe || open + group->single.count == 0)
        return;
    const struct record *first = group->timed ? NULL : queue_open(&group->live);
    if (planner->unlimited || group->single.count > 0 || open >= (uint32_t)group->list.limit ||
        (first != NULL && first->now.first_ms + delay <= now_ms)) {
        group_ripen(planner, group);
        return;
    }
    if (first != NULL)
        group_look_again(planner, group, first->now.first_ms + delay);
    if (group->served_ms == 0 || group->served_ms + delay <= now_ms)
        line_join(planner->lines, LINE_EAGER, group);
}

static enum record_queue queue_for(const struct planner *planner, const struct record *record)
{
    bool alone = record->alone || record->orphan || record->work != NULL || record->attempts > 0 ||
                 record->reread;
    if (alone || !planner->waiting.models[record->place].pages)
        return QUEUE_SINGLE;
    return record->now.tells_more ? QUEUE_LIVE : QUEUE_LOW;
}

static void enqueue(struct planner *planner, struct record *record, int64_t now_ms)
{
    struct group *group = waiting_group(&planner->waiting, record);
    enum record_queue queue = queue_for(planner, record);
    waiting_put(&planner->waiting, group, record, queue, record->urged);
    if (queue != QUEUE_SINGLE)
        newest_arrived(&planner->waiting, group, record, now_ms);
    if (queue == QUEUE_LOW) {
        group->low_last_ms = now_ms;
        line_join(planner->lines, LINE_LOW, group);
    } else {
        group_arm(planner, group, now_ms);
    }
}

void planner_add(struct planner *planner, struct record *record, int64_t now_ms)
{
    if (record->due_ms <= now_ms) {
        enqueue(planner, record, now_ms);
        return;
    }
    record->queue = QUEUE_LATER;
    timers_add(&planner->later, record->due_ms, record);
}

bool planner_has(const struct record *record)
{
    return record->queue != QUEUE_NONE && record->queue != QUEUE_LATER;
}

void planner_remove(struct planner *planner, struct record *record)
{
    waiting_take(&planner->waiting, record);
}

static void requeue(struct planner *planner, struct record *record, int64_t now_ms)
{
    waiting_take(&planner->waiting, record);
    enqueue(planner, record, now_ms);
}

void planner_joined(struct planner *planner, struct record *record, int64_t now_ms)
{
    if (record->queue == QUEUE_LOW || record->queue == QUEUE_LIVE)
        requeue(planner, record, now_ms); /* it lies at the top of its list now */
}

void planner_moved(struct planner *planner, int place, const char *integration_id, bool low,
                   int64_t now_ms)
{
    struct group *group = waiting_find(&planner->waiting, place, integration_id);
    if (group != NULL) /* else nobody waits whom it could lie above */
        newest_moved(&planner->waiting, group, low, now_ms);
}

void planner_behind(struct record *record, const struct behind *own, const struct behind *all)
{
    if (!planner_has(record))
        return;
    depth_follow(&record->group->list.depth, own);
    depth_follow(&record->group->model->list.depth, all);
}

void planner_hurry(struct planner *planner, int place, const char *integration_id)
{
    struct group *group = waiting_find(&planner->waiting, place, integration_id);
    if (group != NULL)
        group->hurries = group->low.count > 0;
}

void planner_urge(struct planner *planner, struct record *record, int64_t now_ms)
{
    if (record->urged || !planner_has(record) || record->covered || scan_will_have(record))
        return;
    record->urged = record->alone = true;
    requeue(planner, record, now_ms);
}

void planner_passed_over(struct planner *planner, struct record *record)
{
    if (record->queue != QUEUE_LIVE || ++record->passed < PASSES)
        return;
    struct group *group = record->group;
    record->alone = true;
    waiting_take(&planner->waiting, record);
    waiting_put(&planner->waiting, group, record, QUEUE_SINGLE, false);
    group_ripen(planner, group);
}

void planner_wake(struct planner *planner, int64_t now_ms)
{
    struct record *record;
    struct group *group;
    while ((record = timers_due(&planner->later, now_ms)) != NULL) {
        record->queue = QUEUE_NONE;
        enqueue(planner, record, now_ms);
    }
    while ((group = timers_due(&planner->ripening, now_ms)) != NULL) {
        group->timed = false;
        group_arm(planner, group, now_ms);
        waiting_let_go(&planner->waiting, group);
    }
}

/* The list's group, or all groups of its model. */
static void arm_all(struct planner *planner, const struct page_ask *ask, struct group *group,
                    int64_t now_ms)
{
    if (ask->integration_id != NULL) {
        group_arm(planner, group, now_ms);
        waiting_let_go(&planner->waiting, group);
        return;
    }
    for (group = planner->waiting.models[ask->place].groups; group != NULL;
         group = group->next_of_model)
        group_arm(planner, group, now_ms);
}

void planner_found(const struct page_ask *ask, const struct record *record, uint32_t row,
                   struct page_seen *seen)
{
    if (ask->kind != PAGES_SCAN)
        newest_found(ask, record, row, seen);
}

void planner_page_done(struct planner *planner, const struct page_ask *ask,
                       const struct page_seen *seen, int64_t now_ms)
{
    struct group *group = waiting_find(&planner->waiting, ask->place, ask->integration_id);
    if (ask->integration_id != NULL && group == NULL)
        return;
    (group == NULL ? &planner->waiting.models[ask->place].list : &group->list)->failures = 0;
    if (ask->kind == PAGES_SCAN)
        scan_done(&planner->waiting, group, ask, seen);
    else
        newest_done(&planner->waiting, group, ask, seen);
    arm_all(planner, ask, group, now_ms);
}

void planner_page_failed(struct planner *planner, const struct page_ask *ask,
                         enum page_failure failure, int64_t delay_ms, int64_t now_ms)
{
    struct group *group = waiting_find(&planner->waiting, ask->place, ask->integration_id);
    struct model_lists *model = &planner->waiting.models[ask->place];
    if (ask->integration_id != NULL && group == NULL)
        return;
    if (ask->kind == PAGES_SCAN)
        scan_failed(&planner->waiting, group, ask, failure == PAGE_AGAIN);
    else
        newest_failed(&planner->waiting, group, ask);
    list_hold(model, group == NULL ? &model->list : &group->list, failure, delay_ms, now_ms);
    arm_all(planner, ask, group, now_ms);
}

void planner_release(struct planner *planner, const char *integration_id, int place, int64_t now_ms)
{
    struct integration *integration = waiting_integration(&planner->waiting, integration_id);
    if (integration == NULL)
        return;
    waiting_hold(&planner->waiting, integration, false);
    struct group *group = place < 0 ? NULL : waiting_find(&planner->waiting, place, integration_id);
    if (group != NULL)
        group_arm(planner, group, now_ms);
    if (integration->ripe != NULL && !integration->in_turns)
        turn_last(planner, integration);
}

struct record *planner_take(struct planner *planner, const struct record *like,
                            bool (*wanted)(const struct record *record, const struct record *like),
                            int64_t now_ms)
{
    struct record *taken = NULL;
    struct record **end = &taken;
    planner_wake(planner, now_ms);
    const struct group *group = waiting_find(&planner->waiting, like->place, like->integration_id);
    if (group == NULL)
        return NULL;
    for (group = group->integration->groups; group != NULL; group = group->next_of_integration) {
        for (struct record *record = group->single.first, *next; record != NULL; record = next) {
            next = record->next;
            if (!wanted(record, like))
                continue;
            waiting_take(&planner->waiting, record);
            *end = record;
            end = &record->next;
        }
    }
    return taken;
}

int64_t planner_wait(struct planner *planner, int64_t now_ms)
{
    int64_t next = timers_next(&planner->later);
    int64_t ripe = timers_next(&planner->ripening);
    if (planner->turn != NULL)
        return 0;
    next = ripe < next ? ripe : next;
    if (planner->lines[LINE_EAGER].first != NULL && next > now_ms + EAGER_EVERY_MS / 10)
        next = now_ms + EAGER_EVERY_MS / 10;
    if (planner->waiting.low > 0 && next > now_ms + EAGER_EVERY_MS)
        next = now_ms + EAGER_EVERY_MS;
    return next == INT64_MAX ? INT64_MAX : next <= now_ms ? 0 : next - now_ms;
}

size_t planner_backlog(const struct planner *planner)
{
    return planner->waiting.single + planner->waiting.live / 100;
}
