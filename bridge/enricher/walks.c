#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/requests.h"

/* A conflict that these many recorded changes do not settle is left marked. */
#define DIFFS_MAXIMUM 10000
/* A list whose rows move while it is read is read again, this often at most in one walk. */
#define PASSES_MAXIMUM 5
/* Pages in one walk that could not be read. */
#define SHRUNK_MAXIMUM 100
/* A list longer than this is never taken for completely read, so nothing in it for gone. */
#define SEEN_MAXIMUM ((size_t)1000000)

enum walk_kind {
    WALK_NEWEST, /* the newest page of a list: mostly the changed records are there */
    WALK_SCAN,   /* the whole list, the oldest first, so that what comes meanwhile is at the end */
    WALK_DIFFS,  /* the recorded changes of an integration, the newest first */
};

/* Page after page of one list, for the records that are looked for there. They count as fetching
 * meanwhile: events that come now wait for the next request (pending.h), or make an assembled one
 * dirty. */
struct walk {
    enum walk_kind kind;
    int place; /* of the list's model; WALK_DIFFS: unused */
    char *integration_id;
    struct record *records; /* linked by `next` */
    int64_t offset;
    int limit;         /* rows a page */
    uint64_t start;    /* tick: the whole walk counts as one request when a record is missing */
    struct table seen; /* ids met so far, in all passes */
    int passes;
    int shrunk;        /* pages that could not be read */
    struct walk *next; /* in the engine's queue */
};

/* Conflicts of one integration share their questions: one walk at a time, and the next one not
 * before max_delay_ms have passed. */
struct settling {
    struct walk *walk; /* under way, or NULL */
    int64_t not_before_ms;
    struct record *waiting; /* for the walk to end; linked by `next`, in no planner */
};

static struct settling *settling_of(struct engine *engine, const char *integration_id)
{
    size_t length = strlen(integration_id);
    struct settling *settling = table_get(&engine->settling, integration_id, length);
    if (settling == NULL) {
        settling = memory_new(1, sizeof *settling);
        (void)table_put(&engine->settling, integration_id, length, settling);
    }
    return settling;
}

static void free_walk(void *target)
{
    struct walk *walk = target;
    table_free(&walk->seen);
    free(walk->integration_id);
    free(walk);
}

static void enqueue(struct engine *engine, struct walk *walk)
{
    walk->next = NULL;
    if (engine->walks_first == NULL)
        engine->walks_first = walk;
    else
        engine->walks_last->next = walk;
    engine->walks_last = walk;
}

static struct walk *dequeue(struct engine *engine)
{
    struct walk *walk = engine->walks_first;
    if (walk != NULL)
        engine->walks_first = walk->next;
    return walk;
}

void engine_forget_walks(struct engine *engine)
{
    size_t cursor = 0;
    struct table_slot *slot;
    for (struct walk *walk = dequeue(engine); walk != NULL; walk = dequeue(engine))
        free_walk(walk);
    while ((slot = table_next(&engine->settling, &cursor)) != NULL)
        free(slot->value);
    table_free(&engine->settling);
}

static struct record *pop_record(struct walk *walk)
{
    struct record *record = walk->records;
    if (record != NULL) {
        walk->records = record->next;
        record->walk = NULL;
    }
    return record;
}

static void end_settling(struct engine *engine, const struct walk *walk, int64_t now_ms)
{
    struct settling *settling = settling_of(engine, walk->integration_id);
    struct record *record = settling->waiting;
    *settling = (struct settling){.not_before_ms = now_ms + engine->config->enricher.max_delay_ms};
    while (record != NULL) {
        struct record *next = record->next;
        record->due_ms = settling->not_before_ms;
        planner_add(engine->planner, record, now_ms);
        record = next;
    }
}

static void end_walk(struct engine *engine, struct walk *walk, int64_t now_ms)
{
    recency_close(engine->recency, walk->start);
    if (walk->kind == WALK_DIFFS)
        end_settling(engine, walk, now_ms);
    free_walk(walk);
}

static void fail_walk(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                      const char *detail, long status, int64_t now_ms)
{
    uint64_t end = recency_end(engine->recency);
    for (struct record *record = pop_record(walk); record != NULL; record = pop_record(walk))
        record_missed(engine, record, walk->start, end, outcome, detail, status, now_ms);
    end_walk(engine, walk, now_ms);
}

static bool shares_list(const struct record *record, const struct record *like)
{
    return record->place == like->place && record->work == NULL && record->orphan == like->orphan;
}

static bool shares_diffs(const struct record *record, const struct record *like)
{
    (void)like;
    return record->work != NULL;
}

/* False when the conflict has to wait for its turn. */
static bool may_settle(struct engine *engine, struct record *record, int64_t now_ms)
{
    struct settling *settling = settling_of(engine, record->integration_id);
    if (settling->walk != NULL) {
        record->next = settling->waiting;
        settling->waiting = record;
    } else if (now_ms < settling->not_before_ms) {
        record->due_ms = settling->not_before_ms;
        planner_add(engine->planner, record, now_ms);
    } else {
        return true;
    }
    return false;
}

void walk_begin(struct engine *engine, struct record *record, int64_t now_ms)
{
    bool diffs = record->work != NULL;
    if (diffs && !may_settle(engine, record, now_ms))
        return;
    struct walk *walk = memory_new(1, sizeof *walk);
    if (diffs)
        settling_of(engine, record->integration_id)->walk = walk;
    *walk = (struct walk){.kind = diffs ? WALK_DIFFS : WALK_NEWEST,
                          .place = record->place,
                          .integration_id = memory_text(record->integration_id),
                          .limit = API_PAGE_SIZE,
                          .start = recency_start(engine->recency),
                          .records = record};
    record->next =
        planner_take(engine->planner, record, diffs ? shares_diffs : shares_list, now_ms);
    for (struct record *each = record; each != NULL; each = each->next) {
        each->state = RECORD_FETCHING;
        each->walk = walk;
        each->dirty = false;
    }
    enqueue(engine, walk);
}

static void remove_record(struct walk *walk, struct record *record)
{
    struct record **at = &walk->records;
    while (*at != record)
        at = &(*at)->next;
    *at = record->next;
    record->walk = NULL;
}

static const char *id_of(const cJSON *item, const char *name)
{
    return cJSON_GetStringValue(json_member(item, name));
}

/* An orphan has an entry of its own beside the record's. */
static struct record *wanted_of(struct engine *engine, const struct walk *walk, const char *id)
{
    struct record *record = pending_find(&engine->pending, walk->place, id);
    if (record != NULL && record->walk == walk)
        return record;
    for (record = walk->records; record != NULL; record = record->next) {
        if (record->orphan && strcmp(record->id, id) == 0)
            return record;
    }
    return NULL;
}

/* Hands the records of a page out. Returns how many rows the page had. */
static int take_list_items(struct engine *engine, struct walk *walk, cJSON *items, uint64_t start,
                           size_t bytes, int64_t now_ms)
{
    uint64_t end = recency_end(engine->recency);
    int count = cJSON_GetArraySize(items);
    for (cJSON *item = items->child, *next; item != NULL; item = next) {
        const char *id = id_of(item, "id");
        next = item->next;
        if (id == NULL) {
            metrics_add(METRIC_LIST_ITEMS_WITHOUT_ID, 1);
            continue;
        }
        if (walk->seen.count < SEEN_MAXIMUM)
            (void)table_put(&walk->seen, id, strlen(id), walk);
        struct record *record = wanted_of(engine, walk, id);
        if (record == NULL)
            continue;
        remove_record(walk, record);
        record_found(engine, record, start, end, cJSON_DetachItemViaPointer(items, item),
                     bytes * 4 / (size_t)count, now_ms);
    }
    return count;
}

/* The list was read to its end. Rows that moved while it was read (those that share a created_at
 * may) can be missed: then fewer ids were met than the list has, and it is read again. */
static bool is_complete(const struct walk *walk, const struct api_page *page)
{
    size_t seen = walk->seen.count;
    return seen < SEEN_MAXIMUM && (page->total < 0 || seen >= (size_t)page->total);
}

static void go_on_with_list(struct engine *engine, struct walk *walk, const struct api_page *page,
                            int count, int64_t now_ms)
{
    bool more = page->has_more && count > 0;
    if (walk->records == NULL) {
        end_walk(engine, walk, now_ms);
    } else if (more && walk->kind == WALK_NEWEST) {
        walk->kind = WALK_SCAN;
        table_free(&walk->seen);
        enqueue(engine, walk);
    } else if (more) {
        walk->offset += count;
        enqueue(engine, walk);
    } else if (!is_complete(walk, page) && ++walk->passes < PASSES_MAXIMUM) {
        walk->kind = WALK_SCAN;
        walk->offset = 0;
        enqueue(engine, walk);
    } else if (is_complete(walk, page)) {
        fail_walk(engine, walk, API_GONE, "the list does not have it", 200, now_ms);
    } else {
        fail_walk(engine, walk, API_OUTAGE, "the list changed while it was read", 200, now_ms);
    }
}

/* Something in the page cannot be read, or the page is too large: that is one row's fault, not that
 * of the records looked for. Smaller pages come closer to it, and the row itself is passed over. */
static bool shrinks(struct engine *engine, struct walk *walk, enum api_outcome outcome)
{
    if (outcome != API_WRONG_RECORD && outcome != API_TOO_LARGE)
        return false;
    if (walk->limit == 1 && walk->kind == WALK_SCAN) {
        metrics_add(METRIC_LIST_ITEMS_UNREAD, 1);
        walk->offset++;
        walk->limit = API_PAGE_SIZE;
    } else if (walk->limit == 1) {
        walk->kind = WALK_SCAN;
        walk->limit = API_PAGE_SIZE;
    } else {
        walk->limit = walk->limit / 5 > 0 ? walk->limit / 5 : 1;
    }
    /* A list that has no readable row at all is not read on for ever. */
    if (++walk->shrunk > SHRUNK_MAXIMUM)
        return false;
    enqueue(engine, walk);
    return true;
}

static enum api_outcome on_list_page(struct engine *engine, void *target, uint64_t start,
                                     const struct http_answer *http, int64_t now_ms)
{
    struct walk *walk = target;
    struct api_page page = api_read_page(http);
    if (page.outcome == API_RECORD) {
        int count = take_list_items(engine, walk, page.items, start, http->length, now_ms);
        go_on_with_list(engine, walk, &page, count, now_ms);
    } else if (!shrinks(engine, walk, page.outcome)) {
        fail_walk(engine, walk, page.outcome, page.detail, http->status, now_ms);
    }
    cJSON_Delete(page.items);
    return page.outcome;
}

/* Events were taken since the question was asked: the answer may not know of them. */
static void settle(struct engine *engine, struct record *record, int64_t now_ms)
{
    if (record->dirty)
        record_later(engine, record, now_ms, engine->config->enricher.max_delay_ms);
    else
        assembled_settled(engine, record, now_ms);
}

/* A question that cannot be asked leaves the conflict marked; an outage is waited for. */
static void fail_diffs(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                       int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    for (struct record *record = pop_record(walk); record != NULL; record = pop_record(walk)) {
        if (record->outcome != (int)outcome) /* outages do not count towards a verdict */
            record->attempts = 0;
        record->outcome = (int)outcome;
        record->attempts++;
        if (policy->attempts == 0 || record->attempts < policy->attempts)
            record_later(engine, record, now_ms,
                         policy_delay(policy, record->attempts, &engine->random));
        else
            settle(engine, record, now_ms);
    }
    end_walk(engine, walk, now_ms);
}

/* Returns the time of the oldest change on the page. */
static int64_t hear_diffs(struct engine *engine, const struct walk *walk, const cJSON *items)
{
    int64_t oldest = INT64_MAX;
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        const char *created = id_of(item, "created_at");
        const char *name = id_of(item, "model");
        const char *id = id_of(item, "model_record_id");
        int64_t at = 0;
        if (created != NULL && timestamp_parse(created, &at) && at < oldest)
            oldest = at;
        const struct model *model = name == NULL ? NULL : model_find(name, strlen(name));
        int place = model == NULL ? -1 : selection_place(engine->selection, model);
        struct record *record =
            place < 0 || id == NULL ? NULL : pending_find(&engine->pending, place, id);
        if (record != NULL && record->walk == walk)
            assembly_hear(record->work, item);
    }
    return oldest;
}

/* Ends the conflicts that no older change can matter to. */
static void settle_heard(struct engine *engine, struct walk *walk, int64_t oldest, int64_t now_ms)
{
    struct record *rest = NULL;
    struct record **end = &rest;
    for (struct record *record = walk->records, *next; record != NULL; record = next) {
        next = record->next;
        if (assembly_is_settled(record->work, oldest)) {
            record->walk = NULL;
            settle(engine, record, now_ms);
        } else {
            *end = record;
            end = &record->next;
        }
    }
    *end = NULL;
    walk->records = rest;
}

static enum api_outcome on_diffs_page(struct engine *engine, void *target, uint64_t start,
                                      const struct http_answer *http, int64_t now_ms)
{
    struct walk *walk = target;
    struct api_page page = api_read_page(http);
    (void)start;
    if (page.outcome != API_RECORD) {
        fail_diffs(engine, walk, page.outcome, now_ms);
        return page.outcome;
    }
    int count = cJSON_GetArraySize(page.items);
    settle_heard(engine, walk, hear_diffs(engine, walk, page.items), now_ms);
    cJSON_Delete(page.items);
    walk->offset += count;
    if (walk->records != NULL && page.has_more && count > 0 && walk->offset < DIFFS_MAXIMUM) {
        enqueue(engine, walk);
        return page.outcome;
    }
    for (struct record *record = pop_record(walk); record != NULL; record = pop_record(walk))
        settle(engine, record, now_ms);
    end_walk(engine, walk, now_ms);
    return page.outcome;
}

static char *url_of(const struct engine *engine, const struct walk *walk)
{
    const char *base = engine->config->api.base_url;
    if (walk->kind == WALK_DIFFS)
        return api_diffs_url(base, walk->integration_id, walk->offset);
    return api_list_url(base, engine->selection->models[walk->place], walk->integration_id,
                        walk->kind == WALK_NEWEST ? API_NEWEST_FIRST : API_OLDEST_FIRST,
                        walk->offset, walk->limit);
}

bool walk_continue(struct engine *engine, int64_t now_ms)
{
    struct walk *walk = dequeue(engine);
    if (walk == NULL)
        return false;
    bool diffs = walk->kind == WALK_DIFFS;
    char *url = url_of(engine, walk);
    if (!request_start(engine, url, diffs ? on_diffs_page : on_list_page, free_walk, walk,
                       now_ms)) {
        if (diffs)
            fail_diffs(engine, walk, API_OUTAGE, now_ms);
        else
            fail_walk(engine, walk, API_OUTAGE, "the request could not be started", 0, now_ms);
    }
    free(url);
    return true;
}
