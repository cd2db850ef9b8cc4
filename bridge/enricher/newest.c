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
#define LESS_DEEP 0.2F
#define SCATTERED 0.5F
#define LEARNT    0.5F
#define FEW       8
#define ENOUGH    32
/* Pages that should have had a record before it is asked for by itself. */
#define MISSES 3
/* Of the whole model, the deepest record is looked for so often. */
#define DEEPEST_MS    200
#define RATIO_LEAST   0.05F
#define DELAY_MOST_MS 5000

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

void newest_arrived(struct waiting *waiting, struct group *group, struct record *record,
                    int64_t now_ms)
{
    struct model_lists *model = group->model;
    bool low = !record->now.tells_more;
    waiting->low_came += low;
    if (!low || waiting->low_moves) {
        move_up(&group->list, now_ms);
        move_up(&model->list, now_ms);
    }
    record->rank[false] = group->list.came;
    record->rank[true] = model->list.came;
}

/* Rows that went to the top after it, by what was taken in. */
static uint32_t depth(const struct list *list, const struct record *record, bool whole)
{
    return list->came - record->rank[whole];
}

/* Rows that go to the top of the list, a millisecond, lately. */
static float rate(const struct list *list, int64_t now_ms)
{
    int64_t passed = now_ms - list->counted_ms;
    return passed < 2 * COUNTED_EVERY_MS ? list->rate
                                         : (float)(list->came - list->counted) / (float)passed;
}

/* Rows that records lie deeper or less deep than others. */
static uint32_t margin(const struct list *list)
{
    float rows = list->measured ? 2 * list->spread : (float)list->limit / 10;
    uint32_t most = (uint32_t)list->limit / 5;
    return rows >= (float)most ? most : rows < (float)MARGIN_LEAST ? MARGIN_LEAST : (uint32_t)rows;
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

/* Of so many records of the model about as many as lie within one page, were they spread evenly. */
static uint32_t within_page(struct model_lists *model, const struct group *group,
                            enum pages_kind kind, uint32_t count, int64_t now_ms)
{
    const struct list *list = &model->list;
    struct deepest *known = &model->deepest[kind];
    if (now_ms >= known->found_ms + DEEPEST_MS || known->found_ms == 0) {
        const struct record *record = deepest(group, kind);
        known->rank = record == NULL ? list->came : record->rank[true];
        known->found_ms = now_ms;
    }
    float rows = (float)(list->came - known->rank + 1) * list->ratio;
    float limit = (float)list->limit;
    return rows <= limit ? count : (uint32_t)((float)count * limit / rows);
}

uint32_t newest_wanted(const struct group *group, enum pages_kind kind, bool whole, int64_t now_ms)
{
    const struct queue *queue = kind == PAGES_LOW ? &group->low : &group->live;
    struct model_lists *model = group->model;
    uint32_t count = 0;
    if (whole) {
        uint32_t limit = (uint32_t)model->list.limit;
        count = (kind == PAGES_LOW ? model->low : model->live) - model->covered[kind];
        count = within_page(model, group, kind, count, now_ms);
        return count < limit ? count : limit;
    }
    (void)best_stretch(group, queue, &count, now_ms);
    return count;
}

/* Rows above a record when the page is read: those that went to the top after it, once for each
 * record; and those that do while events and the page are on their way. */
static float rows_above(const struct list *list, float told, float rate)
{
    float rows = told * list->ratio + rate * list->delay_ms;
    return rows < 0 ? 0 : rows;
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

struct page_ask newest_ask(const struct waiting *waiting, struct group *group, enum pages_kind kind,
                           bool whole, int64_t latency_ms, uint64_t tick, int64_t now_ms)
{
    struct list *list = list_of(group, whole);
    uint32_t count = 0;
    const struct record *from =
        whole ? deepest(group, kind) : best_stretch(group, queue_of(group, kind), &count, now_ms);
    float changes = rate(list, now_ms);
    if (!list->measured)
        list->delay_ms = (float)(latency_ms + EVENT_DELAY_MS);
    int64_t bottom =
        lrintf(rows_above(list, (float)depth(list, from, whole), changes)) + margin(list);
    if (list->total >= 0 && bottom >= list->total)
        bottom = list->total - 1;
    bool top = bottom < list->limit;
    struct page_ask ask = {.kind = kind,
                           .place = group->model->place,
                           .integration_id = whole ? NULL : group->integration->id,
                           .offset = top ? 0 : bottom - list->limit + 1,
                           .limit = list->limit,
                           .since_ms = now_ms,
                           .full = list->total < 0 || group->model->low > 0,
                           .start = tick + 1,
                           .ranking = waiting->ranking,
                           .came = list->came,
                           .rate = changes,
                           .from = from->rank[whole],
                           .rows = top ? depth(list, from, whole) + 1 : width(list),
                           .promised = newest_wanted(group, kind, whole, now_ms)};
    cover(group, &ask, whole);
    group->asked += !whole;
    return ask;
}

void newest_found(const struct page_ask *ask, const struct record *record, uint32_t row,
                  struct page_seen *seen)
{
    bool whole = ask->integration_id == NULL;
    if (record->queue != (ask->kind == PAGES_LOW ? QUEUE_LOW : QUEUE_LIVE))
        return;
    float told = (float)(int32_t)(ask->came - record->rank[whole]);
    float deeper = (float)(ask->offset + row) - told;
    seen->measured++;
    seen->told += told;
    seen->deeper += deeper;
    seen->deeper_squared += deeper * deeper;
}

static void rank_group_anew(struct group *group)
{
    uint32_t above = 0;
    for (struct record *record = group->live.last; record != NULL; record = record->previous) {
        waiting_uncover(group, record);
        record->rank[false] = group->list.came - above++;
    }
    for (struct record *record = group->low.first; record != NULL; record = record->next)
        waiting_uncover(group, record);
}

/* With another belief of what moves rows: the live ones lie one behind the other. Pages under way
 * looked for ranks that are no more. */
static void rank_anew(struct waiting *waiting)
{
    waiting->low_moves = !waiting->low_moves;
    waiting->low_came = 0;
    waiting->ranking++;
    for (int i = 0; i < waiting->model_count; i++) {
        struct group *group = waiting->models[i].groups;
        for (; group != NULL; group = group->next_of_model)
            rank_group_anew(group);
    }
}

/* The page would show more of the low ones if their changes moved rows: as many of its rows as of
 * the changes lately; and it shows those that it looked for by chance only. */
static bool lacks_low(const struct model_lists *model, const struct list *list,
                      const struct group *group, const struct page_seen *seen)
{
    uint32_t waiting = group == NULL ? model->low : group->low.count;
    uint32_t shown = seen->low_hits + seen->early;
    const struct record *oldest = group == NULL ? NULL : group->low.first;
    uint32_t ranks = oldest == NULL ? waiting + model->live : depth(list, oldest, false) + 1;
    float expected = (float)seen->rows * (float)waiting / (float)(ranks == 0 ? 1 : ranks);
    return waiting >= (uint32_t)list->limit / 4 && expected >= ENOUGH &&
           (float)shown < expected / 2;
}

/* Nobody was found because the page lies below, or above, all that it looked for. */
static bool is_misplaced(const struct page_ask *ask, const struct page_seen *seen)
{
    return seen->live_hits + seen->low_hits == 0 &&
           ((seen->below && ask->offset > 0) || (!seen->past && seen->more));
}

static float mean_of(const struct page_seen *seen)
{
    return seen->deeper / (float)seen->measured;
}

static float spread_of(const struct page_seen *seen)
{
    float mean = mean_of(seen);
    float variance = seen->deeper_squared / (float)seen->measured - mean * mean;
    return variance > 0 ? sqrtf(variance) : 0;
}

/* Is what is believed of `low_moves` wrong? Pages lack them, or show those that were looked for by
 * chance only; or live ones lie deeper than they should. */
static bool is_doubtful(const struct waiting *waiting, const struct list *list,
                        const struct group *group, const struct page_ask *ask,
                        const struct page_seen *seen)
{
    float limit = (float)list->limit;
    if (waiting->low_moves)
        return lacks_low(&waiting->models[ask->place], list, group, seen) ||
               (ask->kind == PAGES_LOW && seen->measured >= ENOUGH && spread_of(seen) > limit);
    return waiting->low_came >= (uint32_t)list->limit / 4 && ask->kind == PAGES_LIVE &&
           seen->measured > 0 && mean_of(seen) > limit / 4;
}

static float within(float value, float least, float most)
{
    return value < least ? least : value > most ? most : value;
}

/* What was expected is put right: while many rows move by the delay, as far as that can be; else,
 * and for what is left, by the ratio, which counts for deep ones. */
static void measure_depth(struct list *list, const struct page_ask *ask,
                          const struct page_seen *seen)
{
    float told = seen->told / (float)seen->measured;
    float off = told + mean_of(seen) - rows_above(list, told, ask->rate);
    bool deep = told > 2 * (float)list->limit;
    bool little = off < 0 && off > -(float)list->limit / 4;
    off *= list->measured && little ? LESS_DEEP : 1;
    if (off > 0 && deep) {
        float ratio = within(list->ratio + off / told, RATIO_LEAST, 1);
        off -= (ratio - list->ratio) * told;
        list->ratio = ratio;
    }
    if (ask->rate > 0) {
        float delay_ms = within(list->delay_ms + off / ask->rate, 0, DELAY_MOST_MS);
        off -= (delay_ms - list->delay_ms) * ask->rate;
        list->delay_ms = delay_ms;
    }
    if (off < 0 && deep)
        list->ratio = within(list->ratio + off / told, RATIO_LEAST, 1);
}

static void measure(struct list *list, const struct page_ask *ask, const struct page_seen *seen)
{
    bool misplaced = seen->measured == 0 && is_misplaced(ask, seen);
    if (seen->measured > 0) {
        measure_depth(list, ask, seen);
        list->spread += (spread_of(seen) - list->spread) * (list->measured ? SCATTERED : 1);
        list->measured = true;
    } else if (misplaced && list->misplaced) {
        list->ratio = seen->below ? within(list->ratio / 2, RATIO_LEAST, 1) : 1;
        list->delay_ms = 0;
    }
    list->misplaced = misplaced;
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
    if (ask->ranking != waiting->ranking)
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
    float found = hits >= ask->promised ? 1 : (float)hits / (float)ask->promised;
    if (ask->promised < FEW)
        weight /= 2;
    list->found[ask->kind] += (found - list->found[ask->kind]) * weight;
}

void newest_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 const struct page_seen *seen)
{
    struct model_lists *model = &waiting->models[ask->place];
    struct list *list = group == NULL ? &model->list : &group->list;
    uint32_t hits = ask->kind == PAGES_LOW ? seen->low_hits : seen->live_hits;
    if (group != NULL)
        group->asked--;
    if (seen->total >= 0)
        list->total = seen->total;
    if (ask->promised > 0 && (ask->kind == PAGES_LOW || !is_misplaced(ask, seen))) {
        learn(list, ask, hits, LEARNT);
        if (group != NULL)
            learn(&model->list, ask, hits, LEARNT / 5);
    }
    uncover_all(waiting, group, ask, true, !seen->more && ask->offset == 0);
    if (is_doubtful(waiting, list, group, ask, seen))
        rank_anew(waiting);
    else
        measure(list, ask, seen);
}

void newest_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask)
{
    if (group != NULL)
        group->asked--;
    uncover_all(waiting, group, ask, false, false);
}
