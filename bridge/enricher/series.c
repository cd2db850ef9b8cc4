#include "bridge/enricher/series.h"

#include "bridge/enricher/worth.h"
#include "bridge/propexo/api.h"

/* An event is here so long after its change, mostly. */
#define EVENT_DELAY_MS   200
#define COUNTED_EVERY_MS 200
/* Pages in a row that may bring nothing before the time looked for is reached: one for so many
 * records looked for still, and never more than the other. */
#define DRY_WORTH   16
#define DRY_MAXIMUM 4
/* A list whose rows cannot be read even so few at a time, or that is refused, is left alone for so
 * long. */
#define SMALLEST_PAGE 10
#define LEFT_ALONE_MS INT64_C(600000)
/* Each record asked for by itself brings a list's pages so much nearer to another try. */
#define UNLEARN 0.005F

/* Records that a series may find: of the group, or of the whole model when it is NULL. */
static uint32_t waiting_in(const struct model_lists *model, const struct group *group,
                           enum pages_kind kind)
{
    uint32_t live = group == NULL ? model->live : group->live.count;
    uint32_t single = group == NULL ? model->single : group->single.count;
    uint32_t low = group == NULL ? model->low : group->low.count;
    return kind == PAGES_LIVE ? live : kind == PAGES_LOW ? low : live + single + low;
}

static int64_t oldest_of(const struct queue *queue, int64_t before)
{
    return queue->first != NULL && queue->first->now.first_ms < before ? queue->first->now.first_ms
                                                                       : before;
}

static int64_t oldest_in(const struct group *group, enum pages_kind kind, int64_t before)
{
    return oldest_of(kind == PAGES_LOW ? &group->low : &group->live, before);
}

static int64_t oldest_looked_for(const struct group *group, bool whole, enum pages_kind kind,
                                 int64_t now_ms)
{
    int64_t oldest = oldest_in(group, kind, now_ms);
    if (!whole)
        return oldest;
    for (group = group->model->groups; group != NULL; group = group->next_of_model)
        oldest = oldest_in(group, kind, oldest);
    return oldest;
}

static void count_arrivals(struct list *list, int64_t now_ms)
{
    int64_t passed = now_ms - list->counted_ms;
    if (passed < COUNTED_EVERY_MS)
        return;
    list->rate = (float)list->came / (float)passed;
    list->came = 0;
    list->counted_ms = now_ms;
}

/* How many rows lie above those that wait, by the time the page is read: of changes whose events
 * are on their way here, and of changes while the page is under way. What is missed at the lower
 * end stays behind and costs a request of its own, so a tenth of a page at least is given. */
static int64_t drift(const struct list *list, int64_t latency_ms)
{
    int64_t rows = (int64_t)(list->rate * (float)(latency_ms + EVENT_DELAY_MS));
    if (rows == 0)
        return 0;
    rows = rows > list->limit / 10 ? rows : list->limit / 10;
    return rows < list->limit / 2 ? rows : list->limit / 2;
}

/* Where the next page begins: above the pages under way, while there is something above. */
static int64_t next_offset(const struct list *list, enum pages_kind kind, uint32_t waiting,
                           int64_t latency_ms)
{
    const struct pages *pages = &list->pages[kind];
    int64_t open = (int64_t)waiting - (int64_t)pages->in_flight * list->limit;
    if (kind == PAGES_SCAN || pages->top)
        return pages->offset;
    if (open <= list->limit)
        return 0;
    return open - list->limit + drift(list, latency_ms);
}

struct page_ask series_ask(struct group *group, struct list *list, enum pages_kind kind, bool whole,
                           int64_t latency_ms, uint64_t tick, int64_t now_ms)
{
    uint32_t waiting = waiting_in(group->model, whole ? NULL : group, kind);
    struct pages *pages = &list_pages(list)[kind];
    if (pages->start == 0) {
        pages->start = tick + 1;
        pages->wanted = waiting;
        pages->since_ms = oldest_looked_for(group, whole, kind, now_ms);
    }
    count_arrivals(list, now_ms);
    int64_t offset = next_offset(list, kind, waiting, latency_ms);
    struct page_ask ask = {.kind = kind,
                           .place = group->model->place,
                           .integration_id = whole ? NULL : group->integration->id,
                           .offset = offset,
                           .limit = list->limit,
                           .since_ms = pages->since_ms,
                           .serial = pages->serial,
                           .full = list->total < 0 || group->model->low > 0};
    pages->top |= offset == 0;
    if (offset + list->limit > pages->offset)
        pages->offset = offset + list->limit;
    pages->in_flight++;
    return ask;
}

static void reset(struct pages *pages)
{
    *pages = (struct pages){.serial = pages->serial + 1};
}

static void give_up_on(struct waiting *waiting, struct group *group, struct queue *queue,
                       uint64_t start)
{
    for (struct record *record = queue->first, *next; record != NULL; record = next) {
        next = record->next;
        if (record->joined >= start)
            continue;
        record->alone = true;
        waiting_take(waiting, record);
        waiting_put(waiting, group, record, QUEUE_SINGLE, false);
    }
}

/* What was looked for and not found is asked for by itself. The low lane has time for a scan. */
static void give_up(struct waiting *waiting, struct group *group, const struct pages *pages,
                    enum pages_kind kind)
{
    if (kind != PAGES_LOW)
        give_up_on(waiting, group, &group->live, pages->start);
    if (kind == PAGES_SCAN)
        give_up_on(waiting, group, &group->low, pages->start);
}

static void learn(struct list *list, enum pages_kind kind, const struct pages *pages, float weight)
{
    if (pages->wanted == 0)
        return;
    float now = pages->hits >= pages->wanted ? 1 : (float)pages->hits / (float)pages->wanted;
    list->found[kind] += (now - list->found[kind]) * weight;
}

/* All its pages are answered. */
static void end(struct waiting *waiting, struct group *group, struct model_lists *model,
                struct list *list, enum pages_kind kind)
{
    struct pages *pages = &list->pages[kind];
    /* A scan has all there is: what it did not find, the next one will not find either. */
    learn(list, kind, pages, kind == PAGES_SCAN ? 1 : 0.5F);
    if (group != NULL)
        learn(&model->list, kind, pages, 0.1F);
    if (pages->wanted > 0 && (pages->hits < pages->wanted || kind == PAGES_SCAN)) {
        if (group != NULL)
            give_up(waiting, group, pages, kind);
        for (struct group *each = group == NULL ? model->groups : NULL; each != NULL;
             each = each->next_of_model)
            give_up(waiting, each, pages, kind);
    }
    reset(pages);
}

static uint32_t hits_of(const struct page_seen *seen, enum pages_kind kind)
{
    return kind == PAGES_LIVE  ? seen->live_hits
           : kind == PAGES_LOW ? seen->low_hits
                               : seen->live_hits + seen->low_hits;
}

/* Nothing more is to be expected of a series of the newest. */
static bool is_over(const struct pages *pages, const struct page_seen *seen, uint32_t waiting)
{
    bool dry = pages->top && pages->last_hits < WORTH_PAGE;
    uint32_t rest = pages->hits >= pages->wanted ? 0 : pages->wanted - pages->hits;
    rest = rest < waiting ? rest : waiting;
    uint32_t most = rest / DRY_WORTH > DRY_MAXIMUM ? DRY_MAXIMUM : rest / DRY_WORTH;
    return rest == 0 || (dry && (seen->past || (uint32_t)pages->dry > most));
}

void series_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen, bool unlimited, int64_t now_ms)
{
    struct model_lists *model = &waiting->models[ask->place];
    struct list *list = group == NULL ? &model->list : &group->list;
    struct pages *pages = &list->pages[ask->kind];
    if (seen->total >= 0)
        list->total = seen->total;
    if (pages->serial != ask->serial)
        return;
    pages->in_flight--;
    pages->last_hits = hits_of(seen, ask->kind);
    pages->hits += pages->last_hits;
    pages->dry = pages->last_hits < WORTH_PAGE ? pages->dry + 1 : 0;
    uint32_t left = waiting_in(model, group, ask->kind);
    bool at_end = !seen->more || seen->rows == 0;
    if (ask->kind == PAGES_SCAN)
        pages->ended |= at_end;
    else if ((at_end && pages->top) || is_over(pages, seen, left))
        pages->ended = true;
    else if (pages->in_flight == 0 &&
             worth_of_page(list, ask->kind, left, now_ms) < worth_least(unlimited))
        pages->ended = true;
    if (pages->ended && pages->in_flight == 0)
        end(waiting, group, model, list, ask->kind);
}

void series_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                   enum page_failure failure, int64_t until_ms)
{
    struct model_lists *model = &waiting->models[ask->place];
    struct list *list = group == NULL ? &model->list : &group->list;
    struct pages *pages = &list->pages[ask->kind];
    if (pages->serial != ask->serial)
        return;
    pages->in_flight--;
    list->held_ms = until_ms;
    if (failure == PAGE_AGAIN) {
        if (ask->kind == PAGES_SCAN && ask->offset < pages->offset)
            pages->offset = ask->offset;
        pages->top = pages->top && ask->offset != 0;
        return;
    }
    pages->ended = true;
    pages->wanted = 0; /* nobody was missed, and nothing was learnt */
    if (failure == PAGE_UNREADABLE && list->limit / 5 >= SMALLEST_PAGE) {
        list->limit /= 5;
    } else {
        list->limit = API_PAGE_SIZE;
        list->held_ms = until_ms + LEFT_ALONE_MS;
        model->list.held_ms = list->held_ms;
    }
    if (pages->in_flight == 0)
        reset(pages);
}

/* More is to be had at the top again than by going on. */
static bool is_better_anew(const struct list *list, enum pages_kind kind, uint32_t waiting)
{
    const struct pages *pages = &list->pages[kind];
    uint32_t rest = pages->hits >= pages->wanted ? 0 : pages->wanted - pages->hits;
    uint32_t on = rest < pages->last_hits ? rest : pages->last_hits;
    uint32_t page = waiting < (uint32_t)list->limit ? waiting : (uint32_t)list->limit;
    return rest == 0 || (waiting > rest && (double)page * (double)list->found[kind] > 2.0 * on);
}

static void forget(struct list *list, enum pages_kind kind, uint32_t waiting)
{
    struct pages *pages = &list->pages[kind];
    if (pages->start != 0 && pages->in_flight == 0 &&
        (waiting == 0 || (kind != PAGES_SCAN && is_better_anew(list, kind, waiting))))
        reset(pages);
}

void series_forget(struct group *group)
{
    for (int kind = 0; kind < PAGES_KINDS; kind++) {
        enum pages_kind each = (enum pages_kind)kind;
        forget(&group->list, each, waiting_in(group->model, group, each));
        forget(&group->model->list, each, waiting_in(group->model, NULL, each));
    }
}

void series_unlearn(struct group *group)
{
    struct list *lists[] = {&group->list, &group->model->list};
    for (int i = 0; i < 2; i++) {
        for (int kind = 0; kind < PAGES_KINDS; kind++)
            lists[i]->found[kind] += (1 - lists[i]->found[kind]) * UNLEARN;
    }
}
