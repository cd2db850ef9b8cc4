#include "bridge/enricher/worth.h"

#include "bridge/enricher/newest.h"

/* A page is asked for when it brings more than one record. Without a limit of requests it must also
 * bring this part of its rows: 250 rows cost about what 64 single requests do. */
#define WORTH_LEAST  1.01
#define PART_OF_ROWS 0.256
/* Pages of one scan under way at once. */
#define SCANS_AT_ONCE 4

static double worth_of_newest(const struct group *group, enum pages_kind kind, bool whole,
                              int64_t now_ms)
{
    const struct list *list = whole ? &group->model->list : &group->list;
    if (now_ms < list->held_ms)
        return 0;
    return (double)newest_wanted(group, kind, whole, now_ms) * (double)list->found[kind];
}

/* `waiting`: the records of the list that need it. */
static double worth_of_scan(const struct list *list, uint32_t waiting, int64_t now_ms)
{
    static const struct scan none;
    const struct scan *scan = list->scan == NULL ? &none : list->scan;
    if (now_ms < list->held_ms || list->total < 0 || scan->ended ||
        scan->in_flight >= SCANS_AT_ONCE)
        return 0;
    int64_t left = list->total - scan->offset;
    if (left <= 0 && scan->in_flight > 0)
        return 0;
    int64_t requests = left <= 0 ? 1 : (left + list->limit - 1) / list->limit;
    double worth = (double)waiting / (double)requests;
    return scan->start == 0 ? worth * (double)list->found[PAGES_SCAN] : worth;
}

static void consider(struct option *best, double worth, uint32_t rows, struct list *list,
                     enum pages_kind kind, bool whole, const struct planner_budget *budget)
{
    double least = budget->unlimited ? PART_OF_ROWS * rows : 0;
    if (worth >= WORTH_LEAST && worth >= least && worth > best->worth)
        *best = (struct option){.worth = worth, .list = list, .kind = kind, .whole = whole};
}

/* Who needs a scan: those that are asked for by themselves, and in its own lane the low ones. Live
 * ones are on the pages of the newest. */
static uint32_t in_need(const struct group *group, enum pages_kind kind)
{
    return group->single.count + (kind == PAGES_LOW ? group->low.count : 0);
}

static uint32_t in_need_of_model(const struct model_lists *model, enum pages_kind kind)
{
    return model->single + (kind == PAGES_LOW ? model->low : 0);
}

/* A page over all integrations is also for groups whose turn it is not: it must bring more. */
static void consider_newest(struct option *best, struct group *group, enum pages_kind kind,
                            const struct planner_budget *budget, int64_t now_ms)
{
    struct model_lists *model = group->model;
    if (model->by_integration)
        consider(best, worth_of_newest(group, kind, false, now_ms), newest_rows(group, kind, false),
                 &group->list, kind, false, budget);
    double whole = worth_of_newest(group, kind, true, now_ms);
    bool others = model->live + model->low > group->live.count + group->low.count;
    if (!model->by_integration || (others && whole >= 2 * best->worth))
        consider(best, whole, newest_rows(group, kind, true), &model->list, kind, true, budget);
}

/* Of a scan that has begun, the other kind would bring the same records. */
static void consider_scans(struct option *best, struct group *group, enum pages_kind kind,
                           const struct planner_budget *budget, int64_t now_ms)
{
    struct model_lists *model = group->model;
    uint32_t need = in_need(group, kind);
    uint32_t need_of_model = in_need_of_model(model, kind);
    bool own = list_is_scanned(&group->list);
    if (model->by_integration && !list_is_scanned(&model->list))
        consider(best, worth_of_scan(&group->list, need, now_ms), (uint32_t)group->list.limit,
                 &group->list, PAGES_SCAN, false, budget);
    if (!model->by_integration || (need_of_model > need && !own))
        consider(best, worth_of_scan(&model->list, need_of_model, now_ms),
                 (uint32_t)model->list.limit, &model->list, PAGES_SCAN, true, budget);
}

struct option worth_live(struct group *group, const struct planner_budget *budget, int64_t now_ms)
{
    struct option best = {0};
    bool open = group->live.covered < group->live.count;
    if (group->single.count > 0)
        best = (struct option){.worth = 1, .record = group->single.first};
    if (best.record != NULL && best.record->urged)
        return best;
    if (group->model->pages && open)
        consider_newest(&best, group, PAGES_LIVE, budget, now_ms);
    if (group->model->pages && group->single.count > 0)
        consider_scans(&best, group, PAGES_LIVE, budget, now_ms);
    if (best.worth < 1 && open)
        best = (struct option){.worth = 1, .record = queue_open(&group->live)};
    return best;
}

/* A scan that has begun is gone on with: pages of the newest would bring the same records. */
struct option worth_low(const struct waiting *waiting, struct group *group,
                        const struct planner_budget *budget, int64_t now_ms)
{
    struct option best = {0};
    bool scanned = list_is_scanned(&group->list) || list_is_scanned(&group->model->list);
    if (group->low.covered >= group->low.count)
        return best;
    if (!scanned && waiting->low_moves)
        consider_newest(&best, group, PAGES_LOW, budget, now_ms);
    consider_scans(&best, group, PAGES_LOW, budget, now_ms);
    if (best.worth < 1 && !list_scan_comes(&group->list) && !list_scan_comes(&group->model->list))
        best = (struct option){.worth = 1, .record = queue_open(&group->low)};
    return best;
}
