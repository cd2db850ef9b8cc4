#include "bridge/enricher/newest.h"

/* Stretches that are compared, unless the oldest has waited so long. */
#define COMPARED    4
#define PATIENCE_MS 20000
/* What the part of the records that a page had weighs; of few, half of it. */
#define LEARNT 0.5F
#define FEW    8
/* So many low ones tell whether their changes move rows. */
#define ENOUGH 32
/* Pages that should have had a record before it is asked for by itself. */
#define MISSES 3
/* Of the whole model, the deepest record is looked for so often. */
#define DEEPEST_MS 200
/* And what is spread over more pages than so many is not asked for by pages of it. */
#define SPREAD 4

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

void newest_moved(struct waiting *waiting, struct group *group, bool low, int64_t now_ms)
{
    waiting->low_came += low;
    if (low && !waiting->low_moves)
        return;
    depth_moved(&group->list.depth, now_ms);
    depth_moved(&group->model->list.depth, now_ms);
}

void newest_arrived(struct waiting *waiting, struct group *group, struct record *record,
                    int64_t now_ms)
{
    newest_moved(waiting, group, !record->now.tells_more, now_ms);
    record->rank[false] = group->list.depth.came;
    record->rank[true] = group->model->list.depth.came;
}

static uint32_t told(const struct list *list, const struct record *record, bool whole)
{
    return depth_told(&list->depth, record->rank[whole]);
}

/* Looked for together with a record of that rank. */
static uint32_t width(const struct list *list)
{
    return (uint32_t)list->limit - 2 * depth_margin(&list->depth, list->limit);
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
    if (told(list, best, false) < width(list)) {
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
            (deepest == NULL || told(list, record, true) > told(list, deepest, true)))
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
        known->rank = record == NULL ? list->depth.came : record->rank[true];
        known->found_ms = now_ms;
    }
    float rows = (float)(list->depth.came - known->rank + 1) * list->depth.ratio;
    float limit = (float)list->limit;
    if (rows <= limit)
        return count;
    return rows > SPREAD * limit ? 0 : (uint32_t)((float)count * limit / rows);
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

/* So many show all that were taken in from this record on. */
static uint32_t rows_from(const struct list *list, const struct record *from)
{
    float span = (float)(list->depth.came - from->rank[false] + 1) * list->depth.ratio;
    float rows = span + 2 * (float)depth_margin(&list->depth, list->limit);
    return rows < (float)list->limit ? (uint32_t)rows : (uint32_t)list->limit;
}

uint32_t newest_rows(const struct group *group, enum pages_kind kind, bool whole)
{
    const struct record *from = queue_open(kind == PAGES_LOW ? &group->low : &group->live);
    const struct list *list = whole ? &group->model->list : &group->list;
    return whole || from == NULL ? (uint32_t)list->limit : rows_from(list, from);
}

/* Where the record lies: below (-1) or above (1) what the page looks for, or among it (0). Queues
 * begin with what lies deepest. */
static int side_of(const struct page_ask *ask, const struct record *record, bool whole)
{
    uint32_t rank = record->rank[whole] - ask->from;
    return rank < ask->rows ? 0 : (int32_t)rank > 0 ? 1 : -1;
}

/* Those that the page looks for are covered, and counted. */
static void cover(struct group *group, struct page_ask *ask, bool whole)
{
    for (struct group *each = first_of(group, whole); each != NULL; each = after(each, whole)) {
        struct queue *queue = queue_of(each, ask->kind);
        for (struct record *record = queue->first;
             record != NULL && side_of(ask, record, whole) <= 0; record = record->next) {
            if (record->covered || side_of(ask, record, whole) < 0)
                continue;
            waiting_cover(each, record);
            ask->wanted++;
            if (ask->since_ms == 0 || record->now.arrived_ms < ask->since_ms)
                ask->since_ms = record->now.arrived_ms;
        }
    }
}

struct page_ask newest_ask(const struct waiting *waiting, struct group *group, enum pages_kind kind,
                           bool whole, bool short_one, int64_t latency_ms, uint64_t tick,
                           int64_t now_ms)
{
    struct list *list = list_of(group, whole);
    uint32_t count = 0;
    const struct record *from =
        whole ? deepest(group, kind) : best_stretch(group, queue_of(group, kind), &count, now_ms);
    if (whole)
        count = newest_wanted(group, kind, whole, now_ms);
    float rate = depth_rate(&list->depth, list->limit, now_ms);
    int64_t bottom = depth_expected(&list->depth, from->rank[whole], rate, latency_ms) +
                     depth_margin(&list->depth, list->limit);
    if (list->total >= 0 && bottom >= list->total)
        bottom = list->total - 1;
    bool cut = short_one && !whole;
    int64_t rows = cut ? rows_from(list, from) : (uint32_t)list->limit;
    bool top = bottom < rows;
    if (cut && top)
        rows = bottom < 0 ? 1 : bottom + 1;
    struct page_ask ask = {.kind = kind,
                           .place = group->model->place,
                           .integration_id = whole ? NULL : group->integration->id,
                           .offset = top ? 0 : bottom - rows + 1,
                           .limit = (int)rows,
                           .full = list->total < 0 || group->model->low > 0,
                           .start = tick + 1,
                           .ranking = waiting->ranking,
                           .top = depth_top(&list->depth),
                           .rate = rate,
                           .from = from->rank[whole],
                           .rows = top ? told(list, from, whole) + 1 : width(list),
                           .promised = count};
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
    depth_found(&seen->depth, ask->top, record->rank[whole], ask->offset + row);
}

static void rank_group_anew(struct group *group)
{
    uint32_t above = 0;
    for (struct record *record = group->live.last; record != NULL; record = record->previous) {
        waiting_uncover(group, record);
        record->rank[false] = group->list.depth.came - above++;
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
    uint32_t ranks =
        oldest == NULL ? waiting + model->live : list->depth.came - oldest->rank[false] + 1;
    float expected = (float)seen->rows * (float)waiting / (float)(ranks == 0 ? 1 : ranks);
    return waiting >= (uint32_t)list->limit / 4 && expected >= ENOUGH &&
           (float)shown < expected / 2;
}

/* Does anybody still wait that the page looked for? Another page may have had them all. */
static bool is_missed(struct group *group, const struct page_ask *ask)
{
    bool whole = ask->integration_id == NULL;
    for (struct group *each = group; each != NULL; each = after(each, whole)) {
        for (const struct record *record = queue_of(each, ask->kind)->first;
             record != NULL && side_of(ask, record, whole) <= 0; record = record->next) {
            if (record->covered && side_of(ask, record, whole) == 0)
                return true;
        }
    }
    return false;
}

/* Nobody was found because the page lies below, or above, all that it looked for. */
static bool is_misplaced(const struct page_ask *ask, const struct page_seen *seen, bool placed)
{
    bool elsewhere = placed && (seen->row < ask->offset || seen->row >= ask->offset + seen->rows);
    return seen->live_hits + seen->low_hits == 0 &&
           (elsewhere || (seen->below && ask->offset > 0) || (!seen->past && seen->more));
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
               (ask->kind == PAGES_LOW && seen->depth.count >= ENOUGH &&
                depth_scatter(&seen->depth) > limit);
    return waiting->low_came >= (uint32_t)list->limit / 4 && ask->kind == PAGES_LIVE &&
           depth_mean(&seen->depth) > limit / 4;
}

static void give_up_on(struct waiting *waiting, struct group *group, struct record *record)
{
    record->alone = true;
    waiting_take(waiting, record);
    waiting_put(waiting, group, record, QUEUE_SINGLE, false);
}

/* Those that the page looked for are covered no more; those of the live lane that pages do not have
 * go their own way. */
static void uncover(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                    bool looked, bool surely)
{
    struct queue *queue = queue_of(group, ask->kind);
    bool whole = ask->integration_id == NULL;
    for (struct record *record = queue->first, *next;
         record != NULL && side_of(ask, record, whole) <= 0; record = next) {
        next = record->next;
        if (!record->covered || side_of(ask, record, whole) < 0)
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
    bool placed = seen->placed && is_missed(group == NULL ? model->groups : group, ask);
    bool misplaced = is_misplaced(ask, seen, placed);
    bool elsewhere =
        misplaced && ask->wanted >= FEW && ask->kind == PAGES_LIVE && !depth_is_lost(&list->depth);
    if (ask->promised > 0 && !elsewhere) {
        learn(list, ask, hits, LEARNT);
        if (group != NULL)
            learn(&model->list, ask, hits, LEARNT / 5);
    }
    uncover_all(waiting, group, ask, !elsewhere, !seen->more && ask->offset == 0);
    if (is_doubtful(waiting, list, group, ask, seen))
        rank_anew(waiting);
    else if (seen->depth.count > 0)
        depth_learn(&list->depth, &seen->depth, ask->top, ask->rate, list->limit);
    else if (misplaced && seen->early == 0 && /* else it shows what came meanwhile */
             !(placed && depth_lies(&list->depth, ask->from, seen->row, list->limit)))
        depth_misplaced(&list->depth, seen->below);
}

void newest_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask)
{
    if (group != NULL)
        group->asked--;
    uncover_all(waiting, group, ask, false, false);
}
