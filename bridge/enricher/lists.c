#include <string.h>

#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/enricher/walks.h"

/* A list whose rows move while it is read is read again, this often at most in one walk. */
#define PASSES_MAXIMUM 5
/* Pages in one walk that could not be read. */
#define SHRUNK_MAXIMUM 100
/* A list longer than this is never taken for completely read, so nothing in it for gone. */
#define SEEN_MAXIMUM ((size_t)1000000)

void list_failed(struct engine *engine, struct walk *walk, enum api_outcome outcome,
                 const char *detail, long status, int64_t now_ms)
{
    uint64_t end = recency_end(engine->recency);
    for (struct record *record = walk_pop(walk); record != NULL; record = walk_pop(walk))
        record_missed(engine, record, walk->start, end, outcome, detail, status, now_ms);
    walk_end(engine, walk, now_ms);
}

static void remove_record(struct walk *walk, struct record *record)
{
    struct record **at = &walk->records;
    while (*at != NULL && *at != record)
        at = &(*at)->next;
    *at = record->next;
    record->walk = NULL;
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
        const char *id = json_member_text(item, "id");
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
        /* Few rows of a page: copies, so that they do not keep all of it (json_memory.h). */
        record_found(engine, record, start, end, cJSON_Duplicate(item, true),
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
        walk_end(engine, walk, now_ms);
    } else if (more && walk->kind == WALK_NEWEST) {
        walk->kind = WALK_SCAN;
        table_free(&walk->seen);
        walk_enqueue(engine, walk);
    } else if (more && walk->offset > (int64_t)SEEN_MAXIMUM) {
        list_failed(engine, walk, API_NO_RECORD, "the list has no end", 200, now_ms);
    } else if (more) {
        walk->offset += count;
        walk_enqueue(engine, walk);
    } else if (is_complete(walk, page)) {
        list_failed(engine, walk, API_GONE, "the list does not have it", 200, now_ms);
    } else if (++walk->passes < PASSES_MAXIMUM) {
        walk->kind = WALK_SCAN;
        walk->offset = 0;
        walk_enqueue(engine, walk);
    } else {
        /* Not gone: one of the rows that were not met may be it. */
        list_failed(engine, walk, API_NO_RECORD, "the list has fewer records than it says", 200,
                    now_ms);
    }
}

/* Something in the page cannot be read, or the page is too large: that is one row's fault, not that
 * of the records looked for. Smaller pages come closer to it, and the row itself is passed over. */
static bool shrinks(struct engine *engine, struct walk *walk, enum api_outcome outcome)
{
    if (outcome != API_UNREADABLE && outcome != API_TOO_LARGE)
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
    walk_enqueue(engine, walk);
    return true;
}

enum api_outcome list_answered(struct engine *engine, void *target, uint64_t start,
                               const struct http_answer *http, int64_t now_ms)
{
    struct walk *walk = target;
    struct api_page page = api_read_page(http);
    if (page.outcome == API_RECORD) {
        walk->again = 0;
        int count = take_list_items(engine, walk, page.items, start, http->length, now_ms);
        go_on_with_list(engine, walk, &page, count, now_ms);
    } else if (!walk_again(engine, walk, page.outcome, now_ms) &&
               !shrinks(engine, walk, page.outcome)) {
        list_failed(engine, walk, page.outcome, page.detail, http->status, now_ms);
    }
    cJSON_Delete(page.items);
    return page.outcome;
}
