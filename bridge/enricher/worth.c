#include "bridge/enricher/worth.h"

/* Without a limit a page is only worth its size when it brings this many: 250 rows cost about what
 * so many single requests do. */
#define WORTH_UNLIMITED 64
/* Pages of one scan under way at once. */
#define SCANS_AT_ONCE 4

static uint32_t less(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t minus(uint32_t a, uint64_t b)
{
    return b >= a ? 0 : a - (uint32_t)b;
}

static bool may_read(const struct list *list, enum pages_kind kind, int64_t now_ms)
{
    return now_ms >= list->held_ms && !list->pages[kind].ended;
}

/* `waiting`: the records in the queue the page is for. */
double worth_of_page(const struct list *list, enum pages_kind kind, uint32_t waiting,
                     int64_t now_ms)
{
    const struct pages *pages = &list->pages[kind];
    uint64_t covered = (uint64_t)pages->in_flight * (uint64_t)list->limit;
    uint32_t expected = less(minus(waiting, covered), (uint32_t)list->limit);
    if (!may_read(list, kind, now_ms))
        return 0;
    if (!pages->top)
        return (double)expected * (double)list->found[kind];
    expected = less(expected, minus(minus(pages->wanted, pages->hits), covered));
    /* The deeper, the thinner: what the last page brought is the most to be expected. */
    uint32_t thin = pages->last_hits < WORTH_PAGE ? WORTH_PAGE : pages->last_hits;
    return less(expected, thin);
}

/* `waiting`: the records of the list that need it. */
static double worth_of_scan(const struct list *list, uint32_t waiting, int64_t now_ms)
{
    const struct pages *pages = &list->pages[PAGES_SCAN];
    if (!may_read(list, PAGES_SCAN, now_ms) || list->total < 0 || pages->in_flight >= SCANS_AT_ONCE)
        return 0;
    int64_t left = list->total - pages->offset;
    if (left <= 0 && pages->in_flight > 0)
        return 0;
    int64_t requests = left <= 0 ? 1 : (left + list->limit - 1) / list->limit;
    double worth = (double)waiting / (double)requests;
    return pages->start == 0 ? worth * (double)list->found[PAGES_SCAN] : worth;
}

double worth_least(bool unlimited)
{
    return unlimited ? WORTH_UNLIMITED : 1.01;
}

static void consider(struct option *best, double worth, struct list *list, enum pages_kind kind,
                     bool whole, const struct planner_budget *budget)
{
    if (worth >= worth_least(budget->unlimited) && worth > best->worth)
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

/* The queue's records are on the way with pages already. */
static bool is_covered(const struct group *group, enum pages_kind kind, uint32_t waiting)
{
    const struct list *whole = &group->model->list;
    uint64_t own = (uint64_t)group->list.pages[kind].in_flight * (uint64_t)group->list.limit;
    return own >= waiting || (whole->pages[kind].in_flight > 0 && waiting < (uint32_t)whole->limit);
}

static void consider_pages(struct option *best, struct group *group, enum pages_kind kind,
                           uint32_t own, uint32_t of_model, const struct planner_budget *budget,
                           int64_t now_ms)
{
    struct model_lists *model = group->model;
    if (model->by_integration)
        consider(best, worth_of_page(&group->list, kind, own, now_ms), &group->list, kind, false,
                 budget);
    double whole = worth_of_page(&model->list, kind, of_model, now_ms);
    if (!model->by_integration || whole >= 2 * best->worth)
        consider(best, whole, &model->list, kind, true, budget);
}

static void consider_scans(struct option *best, struct group *group, enum pages_kind kind,
                           const struct planner_budget *budget, int64_t now_ms)
{
    struct model_lists *model = group->model;
    uint32_t need = in_need(group, kind);
    uint32_t need_of_model = in_need_of_model(model, kind);
    if (model->by_integration)
        consider(best, worth_of_scan(&group->list, need, now_ms), &group->list, PAGES_SCAN, false,
                 budget);
    if (!model->by_integration || need_of_model > need)
        consider(best, worth_of_scan(&model->list, need_of_model, now_ms), &model->list, PAGES_SCAN,
                 true, budget);
}

struct option worth_live(struct group *group, const struct planner_budget *budget, int64_t now_ms)
{
    struct option best = {0};
    uint32_t live = group->live.count;
    bool covered = is_covered(group, PAGES_LIVE, live);
    if (group->single.count > 0)
        best = (struct option){.worth = 1, .record = group->single.first};
    if (best.record != NULL && best.record->urged)
        return best;
    if (group->model->pages && !covered)
        consider_pages(&best, group, PAGES_LIVE, live, group->model->live, budget, now_ms);
    if (group->model->pages && group->single.count > 0)
        consider_scans(&best, group, PAGES_LIVE, budget, now_ms);
    if (best.worth < 1 && live > 0 && !covered)
        best = (struct option){.worth = 1, .record = group->live.first};
    return best;
}

struct option worth_low(struct group *group, bool scan, const struct planner_budget *budget,
                        int64_t now_ms)
{
    struct option best = {0};
    uint32_t low = group->low.count;
    if (low == 0 || is_covered(group, PAGES_LOW, low))
        return best;
    if (scan) {
        consider_scans(&best, group, PAGES_LOW, budget, now_ms);
        return best;
    }
    consider_pages(&best, group, PAGES_LOW, low, group->model->low, budget, now_ms);
    consider_scans(&best, group, PAGES_LOW, budget, now_ms);
    if (best.worth < 1)
        best = (struct option){.worth = 1, .record = group->low.first};
    return best;
}
