#include "bridge/enricher/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/propexo/api.h"

/* Groups without work are kept for what was learnt of their lists, up to this many in all. */
#define GROUPS_KEPT 20000
/* A list whose rows cannot be read even so few at a time, or that is refused, is left alone for so
 * long. */
#define SMALLEST_PAGE 10
#define LEFT_ALONE_MS INT64_C(600000)
/* A pause after a failure is doubled so often. */
#define MOST_DOUBLED 3
/* Each record asked for by itself brings a list's pages so much nearer to another try. */
#define UNLEARN 0.005F

struct scan *list_scan(struct list *list)
{
    if (list->scan == NULL)
        list->scan = memory_new(1, sizeof *list->scan);
    return list->scan;
}

bool list_is_scanned(const struct list *list)
{
    return list->scan != NULL && list->scan->start != 0 && !list->scan->ended;
}

bool list_scan_comes(const struct list *list)
{
    return list->scan != NULL && list->scan->in_flight > 0;
}

void list_hold(struct model_lists *model, struct list *list, enum page_failure failure,
               int64_t delay_ms, int64_t now_ms)
{
    list->held_ms = now_ms + delay_ms;
    if (failure == PAGE_AGAIN) {
        list->held_ms = now_ms + (delay_ms << list->failures);
        list->failures += list->failures < MOST_DOUBLED;
        return;
    }
    if (failure == PAGE_UNREADABLE && list->limit / 5 >= SMALLEST_PAGE) {
        list->limit /= 5;
        return;
    }
    list->limit = API_PAGE_SIZE;
    list->held_ms = now_ms + delay_ms + LEFT_ALONE_MS;
    model->list.held_ms = list->held_ms;
}

void list_unlearn(struct list *list)
{
    for (int kind = 0; kind < PAGES_KINDS; kind++)
        list->found[kind] += (1 - list->found[kind]) * UNLEARN;
}

struct record *record_open(struct record *record)
{
    while (record != NULL && record->covered)
        record = record->next;
    return record;
}

struct record *queue_open(const struct queue *queue)
{
    return queue->covered >= queue->count ? NULL : record_open(queue->first);
}

static struct list new_list(const struct list *like)
{
    struct list list = {.total = -1, .limit = API_PAGE_SIZE, .depth.ratio = 1};
    for (int kind = 0; kind < PAGES_KINDS; kind++)
        list.found[kind] = like == NULL ? 1 : like->found[kind];
    return list;
}

void waiting_init(struct waiting *waiting, int models)
{
    *waiting =
        (struct waiting){.low_moves = true, .integrations.borrows = true, .model_count = models};
    waiting->models = memory_new((size_t)models, sizeof *waiting->models);
    for (int i = 0; i < models; i++) {
        waiting->models[i].place = i;
        waiting->models[i].list = new_list(NULL);
    }
}

static void free_groups(struct group *group)
{
    while (group != NULL) {
        struct group *next = group->next_of_integration;
        free(group->list.scan);
        free(group);
        group = next;
    }
}

void waiting_clear(struct waiting *waiting)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&waiting->integrations, &cursor)) != NULL) {
        struct integration *integration = slot->value;
        free_groups(integration->groups);
        free(integration);
    }
    table_free(&waiting->integrations);
    for (int i = 0; i < waiting->model_count; i++) {
        struct model_lists *model = &waiting->models[i];
        model->groups = NULL;
        model->live = model->single = model->low = 0;
        model->covered[PAGES_LIVE] = model->covered[PAGES_LOW] = 0;
        struct scan *scan = list_scan(&model->list);
        *scan = (struct scan){.serial = scan->serial + 1};
    }
    waiting->ranking++;
    waiting->group_count = waiting->live = waiting->single = waiting->low = 0;
}

void waiting_free(struct waiting *waiting)
{
    waiting_clear(waiting);
    for (int i = 0; i < waiting->model_count; i++)
        free(waiting->models[i].list.scan);
    free(waiting->models);
}

static struct integration *integration_of(struct waiting *waiting, const char *id)
{
    struct integration *integration = table_get(&waiting->integrations, id, strlen(id));
    if (integration == NULL) {
        integration = memory_new(1, sizeof *integration);
        integration->id = id;
        (void)table_put(&waiting->integrations, id, strlen(id), integration);
    }
    return integration;
}

static const char *id_of(const char *integration_id)
{
    return integration_id == NULL ? "" : integration_id;
}

static struct group *group_among(struct group *group, int place)
{
    while (group != NULL && group->model->place != place)
        group = group->next_of_integration;
    return group;
}

struct integration *waiting_integration(const struct waiting *waiting, const char *integration_id)
{
    const char *id = id_of(integration_id);
    return table_get(&waiting->integrations, id, strlen(id));
}

struct group *waiting_find(const struct waiting *waiting, int place, const char *integration_id)
{
    const struct integration *integration = waiting_integration(waiting, integration_id);
    return integration == NULL ? NULL : group_among(integration->groups, place);
}

struct group *waiting_group(struct waiting *waiting, const struct record *record)
{
    struct integration *integration = integration_of(waiting, id_of(record->integration_id));
    struct model_lists *model = &waiting->models[record->place];
    struct group *group = group_among(integration->groups, record->place);
    if (group != NULL)
        return group;
    group = memory_new(1, sizeof *group);
    group->integration = integration;
    group->model = model;
    group->list = new_list(&model->list);
    group->next_of_integration = integration->groups;
    if (group->next_of_integration != NULL)
        group->next_of_integration->previous_of_integration = group;
    integration->groups = group;
    group->next_of_model = model->groups;
    if (group->next_of_model != NULL)
        group->next_of_model->previous_of_model = group;
    model->groups = group;
    waiting->group_count++;
    return group;
}

static bool is_busy(const struct group *group)
{
    return group->asked > 0 || list_scan_comes(&group->list);
}

static void unlink_group(struct group *group)
{
    if (group->previous_of_integration != NULL)
        group->previous_of_integration->next_of_integration = group->next_of_integration;
    else
        group->integration->groups = group->next_of_integration;
    if (group->next_of_integration != NULL)
        group->next_of_integration->previous_of_integration = group->previous_of_integration;
    if (group->previous_of_model != NULL)
        group->previous_of_model->next_of_model = group->next_of_model;
    else
        group->model->groups = group->next_of_model;
    if (group->next_of_model != NULL)
        group->next_of_model->previous_of_model = group->previous_of_model;
}

void waiting_let_go(struct waiting *waiting, struct group *group)
{
    bool held = group->ripe || group->timed || group->in_line[LINE_EAGER] ||
                group->in_line[LINE_LOW] || is_busy(group) || group_has_work(group) ||
                group->low.count > 0;
    if (held || waiting->group_count <= GROUPS_KEPT)
        return;
    unlink_group(group);
    free(group->list.scan);
    free(group);
    waiting->group_count--;
}

void line_join(struct groups_line *lines, enum line line, struct group *group)
{
    struct groups_line *at = &lines[line];
    if (group->in_line[line])
        return;
    group->in_line[line] = true;
    group->next_in_line[line] = NULL;
    if (at->first == NULL)
        at->first = group;
    else
        at->last->next_in_line[line] = group;
    at->last = group;
}

struct group *line_leave(struct groups_line *lines, enum line line)
{
    struct group *group = lines[line].first;
    if (group != NULL) {
        lines[line].first = group->next_in_line[line];
        group->in_line[line] = false;
    }
    return group;
}

bool group_has_work(const struct group *group)
{
    return group->live.count + group->single.count > 0;
}

int64_t group_oldest(const struct group *group)
{
    const struct record *live = group->live.first;
    const struct record *single = group->single.first;
    int64_t oldest = live == NULL ? INT64_MAX : live->now.first_ms;
    return single != NULL && single->now.first_ms < oldest ? single->now.first_ms : oldest;
}

static struct queue *queue_of(struct group *group, enum record_queue queue)
{
    return queue == QUEUE_LIVE ? &group->live : queue == QUEUE_LOW ? &group->low : &group->single;
}

static void count(struct waiting *waiting, struct group *group, enum record_queue queue, int change)
{
    struct model_lists *model = group->model;
    uint32_t *of_model = queue == QUEUE_LIVE  ? &model->live
                         : queue == QUEUE_LOW ? &model->low
                                              : &model->single;
    size_t *of_all = queue == QUEUE_LIVE  ? &waiting->live
                     : queue == QUEUE_LOW ? &waiting->low
                                          : &waiting->single;
    if (queue != QUEUE_LOW)
        group->integration->waiting += (uint32_t)change;
    *of_model += (uint32_t)change;
    if (queue == QUEUE_LOW || !group->integration->held)
        *of_all += (size_t)change;
}

void waiting_hold(struct waiting *waiting, struct integration *integration, bool held)
{
    if (integration->held == held)
        return;
    integration->held = held;
    size_t live = 0;
    size_t single = 0;
    for (const struct group *group = integration->groups; group != NULL;
         group = group->next_of_integration) {
        live += group->live.count;
        single += group->single.count;
    }
    waiting->live = held ? waiting->live - live : waiting->live + live;
    waiting->single = held ? waiting->single - single : waiting->single + single;
}

static enum pages_kind pages_of(const struct record *record)
{
    return record->queue == QUEUE_LOW ? PAGES_LOW : PAGES_LIVE;
}

void waiting_cover(struct group *group, struct record *record)
{
    record->covered = true;
    queue_of(group, (enum record_queue)record->queue)->covered++;
    group->model->covered[pages_of(record)]++;
}

void waiting_uncover(struct group *group, struct record *record)
{
    if (!record->covered)
        return;
    record->covered = false;
    queue_of(group, (enum record_queue)record->queue)->covered--;
    group->model->covered[pages_of(record)]--;
}

void waiting_put(struct waiting *waiting, struct group *group, struct record *record,
                 enum record_queue kind, bool first)
{
    struct queue *queue = queue_of(group, kind);
    record->group = group;
    record->queue = (uint8_t)kind;
    record->previous = first ? NULL : queue->last;
    record->next = first ? queue->first : NULL;
    if (record->previous != NULL)
        record->previous->next = record;
    else
        queue->first = record;
    if (record->next != NULL)
        record->next->previous = record;
    else
        queue->last = record;
    queue->count++;
    count(waiting, group, kind, 1);
}

void waiting_take(struct waiting *waiting, struct record *record)
{
    enum record_queue kind = (enum record_queue)record->queue;
    struct queue *queue = queue_of(record->group, kind);
    if (record->previous != NULL)
        record->previous->next = record->next;
    else
        queue->first = record->next;
    if (record->next != NULL)
        record->next->previous = record->previous;
    else
        queue->last = record->previous;
    waiting_uncover(record->group, record);
    queue->count--;
    count(waiting, record->group, kind, -1);
    record->next = record->previous = NULL;
    record->group = NULL;
    record->queue = QUEUE_NONE;
}
