#include "bridge/enricher/planner.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/enricher/newest.h"
#include "bridge/enricher/scans.h"
#include "bridge/enricher/timers.h"
#include "bridge/enricher/worth.h"

/* Idle budget serves so many idle groups at once, and one more a second. */
#define EAGER_AT_ONCE  4
#define EAGER_EVERY_MS 1000
/* A group whose oldest has waited so many times max_delay_ms goes before more worthwhile ones. */
#define PATIENCE 8
/* An integration with so many records waiting puts off requests that bring less than so few, until
 * their oldest has waited so many times max_delay_ms. */
#define MANY    100
#define THIN    64
#define PUT_OFF 4
/* Pages that had a record too early before it is asked for by itself. */
#define PASSES 3
/* Of so many requests one is for what has waited too long in the low lane. */
#define LOW_TURN 8
/* Groups of the low lane looked at for one plan. */
#define LOW_LOOKED_AT 64
/* The low lane is scanned when it has not grown for so long, and a page of the scan brings so many.
 */
#define LOW_QUIET_MS 5000
#define LOW_WORTH    25

struct planner {
    struct planner_rules rules;
    struct waiting waiting;
    struct integration *turn; /* those with ripe groups; whose turn is next */
    struct integration *last_turn;
    struct timers later;    /* records before their due_ms */
    struct timers ripening; /* groups that are not ripe yet */
    struct groups_line lines[LINES];
    int eager_credit;
    int64_t eager_since_ms; /* when the credit last grew */
    unsigned plans;
    bool unlimited; /* by the last word, as the next */
    int64_t latency_ms;
};

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

static void take_turn_last(struct planner *planner, struct integration *integration)
{
    integration->in_turns = true;
    integration->next_turn = NULL;
    if (planner->turn == NULL)
        planner->turn = integration;
    else
        planner->last_turn->next_turn = integration;
    planner->last_turn = integration;
}

static void ripen(struct planner *planner, struct group *group)
{
    if (group->ripe)
        return;
    group->ripe = true;
    group->next_ripe = group->integration->ripe;
    group->integration->ripe = group;
    if (!group->integration->in_turns)
        take_turn_last(planner, group->integration);
}

/* Takes the group that *at points at out of its integration's ripe ones. */
static void unripen(struct planner *planner, struct group **at)
{
    struct group *group = *at;
    *at = group->next_ripe;
    group->ripe = false;
    waiting_let_go(&planner->waiting, group);
}

/* Looks at the group again at that time, or before. */
static void look_again(struct planner *planner, struct group *group, int64_t at_ms)
{
    if (group->timed)
        return;
    group->timed = true;
    timers_add(&planner->ripening, at_ms, group);
}

/* Sees to it that the group comes to its turn. */
static void arm(struct planner *planner, struct group *group, int64_t now_ms)
{
    int64_t delay = planner->rules.max_delay_ms;
    uint32_t open = group->live.count - group->live.covered;
    if (group->ripe || open + group->single.count == 0)
        return;
    const struct record *first = group->timed ? NULL : queue_open(&group->live);
    if (planner->unlimited || group->single.count > 0 || open >= (uint32_t)group->list.limit ||
        (first != NULL && first->now.first_ms + delay <= now_ms)) {
        ripen(planner, group);
        return;
    }
    if (first != NULL)
        look_again(planner, group, first->now.first_ms + delay);
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
        arm(planner, group, now_ms);
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
    ripen(planner, group);
}

static void wake(struct planner *planner, int64_t now_ms)
{
    struct record *record;
    struct group *group;
    while ((record = timers_due(&planner->later, now_ms)) != NULL) {
        record->queue = QUEUE_NONE;
        enqueue(planner, record, now_ms);
    }
    while ((group = timers_due(&planner->ripening, now_ms)) != NULL) {
        group->timed = false;
        arm(planner, group, now_ms);
        waiting_let_go(&planner->waiting, group);
    }
}

/* While an integration has many changes waiting, requests that bring few of them are put off: the
 * next page brings them along. */
static bool is_put_off(struct planner *planner, struct group *group, const struct option *option,
                       int64_t now_ms)
{
    bool urged = option->record != NULL && option->record->urged;
    if (planner->unlimited || !group->model->pages || group->integration->waiting < MANY ||
        option->worth >= THIN || urged ||
        now_ms - group_oldest(group) >= PUT_OFF * planner->rules.max_delay_ms)
        return false;
    look_again(planner, group, now_ms + planner->rules.max_delay_ms / 2);
    return true;
}

/* The best of the integration's ripe groups. Those that nothing can be asked for now are ripe no
 * more: the end of the pages that cover them arms them again. */
static struct option best_of(struct planner *planner, struct integration *integration,
                             const struct planner_budget *budget, int64_t now_ms,
                             struct group **chosen)
{
    struct option best = {0};
    int64_t best_age = 0;
    struct group **at = &integration->ripe;
    while (*at != NULL) {
        struct group *group = *at;
        scans_forget(group);
        struct option option = worth_live(group, budget, now_ms);
        if (option.worth > 0 && is_put_off(planner, group, &option, now_ms))
            option.worth = 0;
        if (option.worth == 0) {
            unripen(planner, at);
            continue;
        }
        int64_t age = now_ms - group_oldest(group);
        bool patient = age < PATIENCE * planner->rules.max_delay_ms;
        bool urged = option.record != NULL && option.record->urged;
        if (best.worth == 0 || urged ||
            (patient ? option.worth > best.worth && best_age == 0 : age > best_age)) {
            best = option;
            best_age = patient ? 0 : age;
            *chosen = group;
            if (urged)
                break;
        }
        at = &group->next_ripe;
    }
    return best;
}

static struct plan make(struct planner *planner, struct group *group, const struct option *option,
                        uint64_t tick, int64_t now_ms)
{
    planner->plans++;
    group->served_ms = now_ms;
    if (option->record != NULL) {
        struct record *record = option->record;
        list_unlearn(&group->list);
        list_unlearn(&group->model->list);
        waiting_take(&planner->waiting, record);
        return (struct plan){.kind = PLAN_ID, .record = record};
    }
    struct plan plan = {.kind = PLAN_PAGE};
    plan.page = option->kind == PAGES_SCAN
                    ? scan_ask(group, option->list, option->whole, tick, now_ms)
                    : newest_ask(&planner->waiting, group, option->kind, option->whole,
                                 planner->latency_ms, tick, now_ms);
    return plan;
}

static void unripen_idle(struct planner *planner, struct group *group)
{
    struct group **at = &group->integration->ripe;
    if (group_has_work(group))
        return;
    while (*at != group)
        at = &(*at)->next_ripe;
    unripen(planner, at);
}

static bool plan_live(struct planner *planner, const struct planner_budget *budget, uint64_t tick,
                      int64_t now_ms, struct plan *plan)
{
    while (planner->turn != NULL) {
        struct integration *integration = planner->turn;
        struct group *group = NULL;
        planner->turn = integration->next_turn;
        integration->in_turns = false;
        struct option option = best_of(planner, integration, budget, now_ms, &group);
        if (option.worth == 0 || group == NULL)
            continue;
        *plan = make(planner, group, &option, tick, now_ms);
        unripen_idle(planner, group);
        if (integration->ripe != NULL)
            take_turn_last(planner, integration);
        return true;
    }
    return false;
}

/* Budget that would not be used otherwise serves a group that was idle before. */
static bool wake_eager(struct planner *planner, const struct planner_budget *budget, int64_t now_ms)
{
    if (planner->eager_credit >= EAGER_AT_ONCE)
        planner->eager_since_ms = now_ms;
    while (planner->eager_credit < EAGER_AT_ONCE &&
           now_ms >= planner->eager_since_ms + EAGER_EVERY_MS) {
        planner->eager_credit++;
        planner->eager_since_ms += EAGER_EVERY_MS;
    }
    while (planner->lines[LINE_EAGER].first != NULL &&
           (budget->unlimited || (budget->idle && planner->eager_credit > 0))) {
        struct group *group = line_leave(planner->lines, LINE_EAGER);
        if (group_has_work(group) && !group->ripe) {
            planner->eager_credit -= planner->eager_credit > 0;
            ripen(planner, group);
            return true;
        }
        waiting_let_go(&planner->waiting, group);
    }
    return false;
}

static bool is_overdue(const struct planner *planner, const struct group *group, int64_t now_ms)
{
    return group->hurries ||
           now_ms >= group->low.first->now.first_ms + planner->rules.low_max_delay_ms;
}

/* The best request for a low lane, if it is time for one. */
static struct option low_option(const struct planner *planner, struct group *group,
                                const struct planner_budget *budget, int64_t now_ms)
{
    int64_t waited = now_ms - group->low.first->now.first_ms;
    bool any = budget->unlimited || is_overdue(planner, group, now_ms) ||
               (budget->idle && waited >= planner->rules.max_delay_ms);
    struct option option = worth_low(&planner->waiting, group, budget, now_ms);
    bool quiet = now_ms >= group->low_last_ms + LOW_QUIET_MS;
    if (!any && (option.worth < LOW_WORTH || !quiet))
        option.worth = 0;
    return option;
}

/* The first of the low lane's groups that has something; it becomes the last. */
static struct group *next_low(struct planner *planner)
{
    struct group *group;
    while ((group = line_leave(planner->lines, LINE_LOW)) != NULL) {
        group->hurries &= group->low.count > 0;
        if (group->low.count > 0) {
            line_join(planner->lines, LINE_LOW, group);
            return group;
        }
        waiting_let_go(&planner->waiting, group);
    }
    return NULL;
}

static bool plan_low(struct planner *planner, const struct planner_budget *budget,
                     bool overdue_only, uint64_t tick, int64_t now_ms, struct plan *plan)
{
    struct option best = {0};
    struct group *chosen = NULL;
    struct group *first = NULL;
    for (int i = 0; i < LOW_LOOKED_AT; i++) {
        struct group *group = next_low(planner);
        if (group == NULL || group == first)
            break;
        first = first == NULL ? group : first;
        if (overdue_only && !is_overdue(planner, group, now_ms))
            continue;
        scans_forget(group);
        struct option option = low_option(planner, group, budget, now_ms);
        if (option.worth > best.worth) {
            best = option;
            chosen = group;
        }
    }
    if (chosen == NULL)
        return false;
    *plan = make(planner, chosen, &best, tick, now_ms);
    return true;
}

struct plan planner_next(struct planner *planner, const struct planner_budget *budget,
                         uint64_t tick, int64_t now_ms)
{
    struct plan plan = {.kind = PLAN_NOTHING};
    planner->unlimited = budget->unlimited;
    planner->latency_ms = budget->latency_ms;
    wake(planner, now_ms);
    if (planner->waiting.low > 0 && planner->plans % LOW_TURN == LOW_TURN - 1 &&
        plan_low(planner, budget, true, tick, now_ms, &plan))
        return plan;
    do {
        if (plan_live(planner, budget, tick, now_ms, &plan))
            return plan;
    } while (wake_eager(planner, budget, now_ms));
    if (planner->waiting.low > 0 && plan_low(planner, budget, false, tick, now_ms, &plan))
        return plan;
    plan.wait_ms = planner_wait(planner, now_ms);
    return plan;
}

/* The list's group, or all groups of its model. */
static void arm_all(struct planner *planner, const struct page_ask *ask, struct group *group,
                    int64_t now_ms)
{
    if (ask->integration_id != NULL) {
        arm(planner, group, now_ms);
        waiting_let_go(&planner->waiting, group);
        return;
    }
    for (group = planner->waiting.models[ask->place].groups; group != NULL;
         group = group->next_of_model)
        arm(planner, group, now_ms);
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
    list_hold(model, group == NULL ? &model->list : &group->list, failure, now_ms + delay_ms);
    arm_all(planner, ask, group, now_ms);
}

struct record *planner_take(struct planner *planner, const struct record *like,
                            bool (*wanted)(const struct record *record, const struct record *like),
                            int64_t now_ms)
{
    struct record *taken = NULL;
    struct record **end = &taken;
    wake(planner, now_ms);
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
