#include "bridge/enricher/scans.h"

/* Records that a scan may find: of the group, or of the whole model when it is NULL. */
static uint32_t waiting_in(const struct model_lists *model, const struct group *group)
{
    return group == NULL ? model->live + model->single + model->low
                         : group->live.count + group->single.count + group->low.count;
}

struct page_ask scan_ask(struct group *group, struct list *list, bool whole, uint64_t tick)
{
    struct scan *scan = list_scan(list);
    if (scan->start == 0) {
        scan->start = tick + 1;
        scan->wanted = waiting_in(group->model, whole ? NULL : group);
    }
    struct page_ask ask = {.kind = PAGES_SCAN,
                           .place = group->model->place,
                           .integration_id = whole ? NULL : group->integration->id,
                           .offset = scan->offset,
                           .limit = list->limit,
                           .serial = scan->serial};
    scan->offset += list->limit;
    scan->in_flight++;
    return ask;
}

static void reset(struct scan *scan)
{
    *scan = (struct scan){.serial = scan->serial + 1};
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

static void learn(struct list *list, const struct scan *scan, float weight)
{
    if (scan->wanted == 0)
        return;
    float now = scan->hits >= scan->wanted ? 1 : (float)scan->hits / (float)scan->wanted;
    list->found[PAGES_SCAN] += (now - list->found[PAGES_SCAN]) * weight;
}

/* All its pages are answered. It has all there is: what it did not find, the next one will not find
 * either. */
static void end(struct waiting *waiting, struct group *group, struct model_lists *model,
                struct list *list)
{
    uint64_t start = list->scan->start;
    learn(list, list->scan, 1);
    if (group != NULL)
        learn(&model->list, list->scan, 0.1F);
    for (struct group *each = group == NULL ? model->groups : group; each != NULL;
         each = group == NULL ? each->next_of_model : NULL) {
        give_up_on(waiting, each, &each->live, start);
        give_up_on(waiting, each, &each->low, start);
    }
    reset(list->scan);
}

void scan_done(struct waiting *waiting, struct group *group, const struct page_ask *ask,
               const struct page_seen *seen)
{
    struct model_lists *model = &waiting->models[ask->place];
    struct list *list = group == NULL ? &model->list : &group->list;
    struct scan *scan = list_scan(list);
    if (seen->total >= 0)
        list->total = seen->total;
    if (scan->serial != ask->serial)
        return;
    scan->in_flight--;
    scan->hits += seen->live_hits + seen->low_hits;
    scan->ended |= !seen->more || seen->rows == 0;
    if (scan->ended && scan->in_flight == 0)
        end(waiting, group, model, list);
}

void scan_failed(struct waiting *waiting, struct group *group, const struct page_ask *ask,
                 bool again)
{
    struct list *list = group == NULL ? &waiting->models[ask->place].list : &group->list;
    struct scan *scan = list_scan(list);
    if (scan->serial != ask->serial)
        return;
    scan->in_flight--;
    if (again && ask->offset < scan->offset)
        scan->offset = ask->offset;
    scan->ended |= !again;
    if (scan->ended && scan->in_flight == 0)
        reset(scan);
}

static void forget(struct list *list, uint32_t waiting)
{
    if (list->scan != NULL && list->scan->start != 0 && list->scan->in_flight == 0 && waiting == 0)
        reset(list->scan);
}

void scans_forget(struct group *group)
{
    forget(&group->list, waiting_in(group->model, group));
    forget(&group->model->list, waiting_in(group->model, NULL));
}

static bool looks_for(const struct list *list, const struct record *record)
{
    return list_is_scanned(list) && record->joined < list->scan->start;
}

bool scan_will_have(const struct record *record)
{
    const struct group *group = record->group;
    return looks_for(&group->list, record) || looks_for(&group->model->list, record);
}
