#include "bridge/enricher/newest.h"

#include <math.h>

/* An event is here so long after its change, mostly. */
#define EVENT_DELAY_MS   200
#define COUNTED_EVERY_MS 200
/* Stretches that are compared, unless the oldest has waited so long. */
#define COMPARED    4
#define PATIENCE_MS 20000
/* Rows asked for below the deepest that is looked for. */
#define MARGIN_LEAST 3
/* What a new measurement weighs: to ask too deep costs rows, not deep enough a request for each
 * record missed. */
#define DEEPER      1.0F
#define LESS_DEEP   0.2F
#define SCATTERED   0.5F
#define LEARNT      0.5F
#define FEW      8
/* Pages that should have had a record before it is asked for by itself. */
#define MISSES 3
/* Measurements hold for so long. */
#define HOLDS_MS 10000

static struct queue *queue_of(struct group *group, enum pages_kind kind)
{
    return kind == PAGES_LOW ? &group->low : &group->live;
}

static struct list *list_of(struct group *group, bool whole)
{
    return whole ? &group->model->list : &group->list;
}

/* The groups of a page, one after the other. */
static struct group *first_of(struct group *group, bool whole)
{
    return whole ? group->model->groups : group;
}

static struct group *after(const struct group *group, bool whole)
{
    return whole ? group->next_of_model : NULL;
}

static void move_up(struct list *list, int64_t now_ms)
{
    int64_t passed = now_ms - list->counted_ms;
    list->came++;
    if (passed < COUNTED_EVERY_MS)
        return;
    list->rate = (float)(list->came - list->counted) / (float)passed;
    list->counted = list->came;
    list->counted_ms = now_ms;
}

void newest_arrived(struct group *group, struct record *record, int64_t now_ms)
{
    struct model_lists *model = group->model;
    bool low = !record->now.tells_more;
    model->low_came += low;
    if (!low || model->low_moves) {
        move_up(&group->list, now_ms);
        move_up(&model->list, now_ms);
    }
    record->rank[false] = group->list.came;
    record->rank[true] = model->list.came;
}

/* Rows above it, by what was taken in. */
static uint32_t depth(const struct list *list, const struct record *record, bool whole)
{
    return list->came - record->rank[whole];
}

/* Rows that most records lie deeper or less deep than others. */
static uint32_t margin(const struct list *list)
{
    float rows = list->measured_ms > 0 ? 3 * list->spread : (float)list->limit / 10;
    uint32_t most = (uint32_t)list->limit / 5;
    return rows >= (float)most          ? most
           : rows < (float)MARGIN_LEAST ? MARGIN_LEAST
                                        : (uint32_t)rows;
}

/* Looked for together with a record of that rank. */
static uint32_t width(const struct list *list)
{
    return (uint32_t)list->limit - 2 * margin(list);
}

/* Those within a page from this one on; `*next` is the first beyond it. */
static uint32_t count_from(const struct list *list, struct record *from, struct record **next)
{
    uint32_t count = 0;
    uint32_t rows = width(list);
    struct record *record = from;
    while (record != NULL && record->rank[false] - from->rank[false] < rows) {
        count += !record->covered;
        record = record->next;
    }
    *next = record_open(record);
    return count;
}

/* The stretch of the group's own list in which most wait: where it begins, and how many. */
static struct record *best_stretch(const struct group *group, const struct queue *queue,
                                   uint32_t *count, int64_t now_ms)
{
    const struct list *list = &group->list;
    struct record *best = queue_open(queue);
    *count = 0;
    if (best == NULL)
        return NULL;
    if (depth(list, best, false) < width(list)) {
        *count = queue->count - queue->covered;
        return best;
    }
    int tries = now_ms - best->now.first_ms > PATIENCE_MS ? 1 : COMPARED;
    for (struct record *from = best, *next; from != NULL && tries > 0; from = next, tries--) {
        uint32_t here = count_from(list, from, &next);
        if (here > *count) {
            *count = here;
            best = from;
        }
        if (here >= (uint32_t)list->limit / 2)
            break;
    }
    return best;
}

/* The deepest of all groups of the model. */
static struct record *deepest(const struct group *group, enum pages_kind kind)
{
    struct record *deepest = NULL;
    const struct list *list = &group->model->list;
    for (struct group *each = group->model->groups; each != NULL; each = each->next_of_model) {
        struct record *record = queue_open(queue_of(each, kind));
        if (record != NULL &&
            (deepest == NULL || depth(list, record, true) > depth(list, deepest, true)))
            deepest = record;
    }
    return deepest;
}

uint32_t newest_wanted(const struct group *group, enum pages_kind kind, bool whole, int64_t now_ms)
{
    const struct queue *queue = kind == PAGES_LOW ? &group->low : &group->live;
    const struct model_lists *model = group->model;
    if (whole) {
        uint32_t count = kind == PAGES_LOW ? model->low : model->live;
        uint32_t limit = (uint32_t)model->list.limit;
        count -= model->covered[kind];
        return count < limit ? count : limit;
    }
    uint32_t count = 0;
    (void)best_stretch(group, queue, &count, now_ms);
    return count;
}

/* How much deeper than told rows will lie when the page is read, as far as is known: by what
 * changes while events and the page are on their way. */
static int64_t lag(const struct list *list, int64_t latency_ms, int64_t now_ms)
{
    if (list->measured_ms > 0 && now_ms < list->measured_ms + HOLDS_MS)
        return (int64_t)lrintf(list->lag);
    int64_t rows = (int64_t)(list->rate * (float)(latency_ms + EVENT_DELAY_MS));
    return rows < list->limit / 2 ? rows : list->limit / 2;
}

/* Those that the page looks for are covered, and counted. */
static void cover(struct group *group, struct page_ask *ask, bool whole)
{
    for (struct group *each = first_of(group, whole); each != NULL; each = after(each, whole)) {
        struct queue *queue = queue_of(each, ask->kind);
        for (struct record *record = queue->first; record != NULL; record = record->next) {
            if (record->rank[whole] - ask->from >= ask->rows) {
                /* Older ones that were left out; or newer, and so are all that follow. */
                if ((int32_t)(record->rank[whole] - ask->from) > 0)
                    break;
                continue;
            }
            if (record->covered)
                continue;
            waiting_cover(each, record);
            ask->wanted++;
            if (record->now.first_ms < ask->since_ms)
                ask->since_ms = record->now.first_ms;
        }
    }
}

struct page_ask newest_ask(struct group *group, enum pages_kind kind, bool whole,
                           int64_t latency_ms, uint64_t tick, int64_t now_ms)
{
    struct list *list = list_of(group, whole);
    uint32_t count = 0;
    const struct record *from =
        whole ? deepest(group, kind) : best_stretch(group, queue_of(group, kind), &count, now_ms);
    int64_t bottom = (int64_t)depth(list, from, whole) + lag(list, latency_ms, now_ms) + margin(list);
    bool top = bottom < list->limit;
    struct page_ask ask = {.kind = kind,
                           .place = group->model->place,
                           .integration_id = whole ? NULL : group->integration->id,
                           .offset = top ? 0 : bottom - list->limit + 1,
                           .limit = list->limit,
                           .since_ms = now_ms,
                           .full = list->total < 0 || group->model->low > 0,
                           .start = tick + 1,
                           .ranking = group->model->ranking,
                           .came = list->came,
                           .from = from->rank[whole],
                           .rows = top ? depth(list, from, whole) + 1 : width(list)};
    cover(group, &ask, whole);
    group->asked += !whole;
    return ask;
}

void newest_found(const struct waiting *waiting, const struct page_ask *ask,
                  const struct record *record, uint32_t row, struct page_seen *seen)
{
    bool whole = ask->integration_id == NULL;
    if (record->queue == QUEUE_SINGLE ||
        (record->queue == QUEUE_LOW && !waiting->models[ask->place].low_moves))
        return;
    float deeper = (float)(ask->offset + row) - (float)(int32_t)(ask->came - record->rank[whole]);
    seen->measured++;
    seen->deeper += deeper;
    seen->deeper_squared += deeper * deeper;
}

/* With another belief of what moves rows: the live ones lie one behind the other. Pages under way
 * looked for ranks that are no more. */
static void rank_anew(struct model_lists *model)
{
    model->ranking++;
    for (struct group *group = model->groups; group != NULL; group = group->next_of_model) {
        uint32_t above = 0;
        for (struct record *record = group->live.last; record != NULL; record = record->previous) {
            waiting_uncover(group, record);
            record->rank[false] = group->list.came - above++;
        }
        for (struct record *record = group->low.first; record != NULL; record = record->next)
            waiting_uncover(group, record);
    }
}

/* Live ones lie far less deep (or far deeper) than they should, while low ones came: those do not
 * (or do) move rows. */
static void doubt(struct model_lists *model, const struct list *list, float deeper)
{
    float far = (float)list->limit / 4;
    bool wrong = model->low_moves ? deeper < -far : deeper > far;
    if (!wrong || model->low_came < (uint32_t)list->limit / 4)
        return;
    model->low_moves = !model->low_moves;
    model->low_came = 0;
    rank_anew(model);
}

/* Nobody was found because the page lies below, or above, all that it looked for. */
static bool is_misplaced(const struct page_ask *ask, const struct page_seen *seen)
{
    return seen->live_hits + seen->low_hits == 0 &&
           ((seen->below && ask->offset > 0) || (!seen->past && seen->more));
}

static void measure(struct model_lists *model, struct list *list, const struct page_ask *ask,
                    const struct page_seen *seen, int64_t now_ms)
{
    float count = (float)seen->measured;
    float deeper = seen->measured > 0 ? seen->deeper / count : 0;
    if (seen->measured > 0) {
        float variance = seen->deeper_squared / count - deeper * deeper;
        float spread = variance > 0 ? sqrtf(variance) : 0;
        bool first = list->measured_ms == 0;
        list->lag += (deeper - list->lag) * (first || deeper > list->lag ? DEEPER : LESS_DEEP);
        list->spread += (spread - list->spread) * (first ? 1 : SCATTERED);
        list->measured_ms = now_ms;
    } else if (is_misplaced(ask, seen)) {
        deeper = seen->below ? -(float)ask->offset / 2 : (float)list->limit;
        list->lag += deeper;
        list->measured_ms = now_ms;
    }
    if (ask->kind == PAGES_LIVE)
        doubt(model, list, deeper);
}

static void give_up_on(struct waiting *waiting, struct group *group, struct record *record)
{
    record->alone = true;
    waiting_take(waiting, record);
    waiting_put(waiting, group, record, QUEUE_SINGLE, false);
}

/* Those that the page looked for are covered no more. Returns how many it should have had, and
 * those of the live lane that pages do not have go their own way. */
static void uncover(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                    bool looked, bool surely)
{
    struct queue *queue = queue_of(group, ask->kind);
    bool whole = ask->integration_id == NULL;
    for (struct record *record = queue->first, *next; record != NULL; record = next) {
        next = record->next;
        if (record->rank[whole] - ask->from >= ask->rows) {
            if ((int32_t)(record->rank[whole] - ask->from) > 0)
                break;
            continue;
        }
        if (!record->covered)
            continue;
        waiting_uncover(group, record);
        if (!looked || ask->kind == PAGES_LOW || record->joined >= ask->start)
            continue;
        if (++record->passed >= MISSES || surely)
            give_up_on(waiting, group, record);
    }
}

static void uncover_all(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                        bool looked, bool surely)
{
    if (ask->ranking != waiting->models[ask->place].ranking)
        return;
    if (group != NULL) {
        uncover(waiting, group, ask, looked, surely);
        return;
    }
    for (group = waiting->models[ask->place].groups; group != NULL; group = group->next_of_model)
        uncover(waiting, group, ask, looked, surely);
}

static void learn(struct list *list, const struct page_ask *ask, uint32_t hits, float weight)
{
    float found = hits >= ask->wanted ? 1 : (float)hits / (float)ask->wanted;
    if (ask->wanted < FEW)
        weight /= 2;
    list->found[ask->kind] += (found - list->found[ask->kind]) * weight;
}

void newest_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen, int64_t now_ms)
{
    struct model_lists *model = &waiting->models[ask->place];
    struct list *list = group == NULL ? &model->list : &group->list;
    uint32_t hits = ask->kind == PAGES_LOW ? seen->low_hits : seen->live_hits;
    if (group != NULL)
        group->asked--;
    if (seen->total >= 0)
        list->total = seen->total;
    if (ask->wanted > 0 && (ask->kind == PAGES_LOW || !is_misplaced(ask, seen))) {
        learn(list, ask, hits, LEARNT);
        if (group != NULL)
            learn(&model->list, ask, hits, LEARNT / 5);
    }
    uncover_all(waiting, group, ask, true, !seen->more && ask->offset == 0);
    measure(model, list, ask, seen, now_ms);
}

void newest_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask)
{
    if (group != NULL)
        group->asked--;
    uncover_all(waiting, group, ask, false, false);
}
