/* What is the next request: whose turn it is, and the best that can be asked for it. */
#include <stddef.h>

#include "bridge/enricher/newest.h"
#include "bridge/enricher/planning.h"
#include "bridge/enricher/scans.h"
#include "bridge/enricher/worth.h"

/* A group whose oldest has waited so many times max_delay_ms goes before more worthwhile ones. */
#define PATIENCE 8
/* An integration with so many records waiting puts off requests that bring less than so few, until
 * their oldest has waited so many times max_delay_ms. */
#define MANY    100
#define THIN    64
#define PUT_OFF 4
/* Of so many requests one is for what has waited too long in the low lane. */
#define LOW_TURN 8
/* Groups of the low lane looked at for one plan. */
#define LOW_LOOKED_AT 64
/* The low lane is scanned when it has not grown for so long, and a page of the scan brings so many.
 */
#define LOW_QUIET_MS 5000
#define LOW_WORTH    25

static bool may_ask(const struct planner *planner, const struct group *group, int64_t now_ms)
{
    const struct planner_rules *rules = &planner->rules;
    return rules->may == NULL ||
           rules->may(rules->context, group->integration->id, group->model->place, now_ms);
}

/* The integration leaves the turns if it may not be asked for. */
static bool integration_may(struct planner *planner, struct integration *integration,
                            int64_t now_ms)
{
    const struct planner_rules *rules = &planner->rules;
    bool may = rules->may == NULL || rules->may(rules->context, integration->id, -1, now_ms);
    waiting_hold(&planner->waiting, integration, !may);
    return may;
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
    group_look_again(planner, group, now_ms + planner->rules.max_delay_ms / 2);
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
        struct option option = {0};
        if (may_ask(planner, group, now_ms))
            option = worth_live(group, budget, now_ms);
        if (option.worth > 0 && is_put_off(planner, group, &option, now_ms))
            option.worth = 0;
        if (option.worth == 0) {
            group_unripen(planner, at);
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
                    ? scan_ask(group, option->list, option->whole, tick)
                    : newest_ask(&planner->waiting, group, option->kind, option->whole,
                                 planner->unlimited, planner->latency_ms, tick, now_ms);
    return plan;
}

static void unripen_idle(struct planner *planner, struct group *group)
{
    struct group **at = &group->integration->ripe;
    if (group_has_work(group))
        return;
    while (*at != group)
        at = &(*at)->next_ripe;
    group_unripen(planner, at);
}

static bool plan_live(struct planner *planner, const struct planner_budget *budget, uint64_t tick,
                      int64_t now_ms, struct plan *plan)
{
    while (planner->turn != NULL) {
        struct integration *integration = planner->turn;
        struct group *group = NULL;
        planner->turn = integration->next_turn;
        integration->in_turns = false;
        if (!integration_may(planner, integration, now_ms))
            continue;
        struct option option = best_of(planner, integration, budget, now_ms, &group);
        if (option.worth == 0 || group == NULL)
            continue;
        *plan = make(planner, group, &option, tick, now_ms);
        unripen_idle(planner, group);
        if (integration->ripe != NULL)
            turn_last(planner, integration);
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
            group_ripen(planner, group);
            if (group->integration->held)
                continue;
            planner->eager_credit -= planner->eager_credit > 0;
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
        if (option.worth > best.worth && integration_may(planner, group->integration, now_ms) &&
            may_ask(planner, group, now_ms)) {
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
    planner_wake(planner, now_ms);
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
