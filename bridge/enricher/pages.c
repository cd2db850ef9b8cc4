#include "bridge/enricher/pages.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/requests.h"

/* A webhook follows its change by so much; older rows are past what is looked for. */
#define PAST_MS 5000
/* How much further back a narrowed page goes. */
#define NARROW_MS 60000
/* What the planner's own rest for a list that the API does not give is counted from. */
#define REFUSED_MS 1000
/* One row of so many, and what a new one weighs: a so-manieth. */
#define SKEW_EVERY  16
#define SKEW_WEIGHT 8
/* No list is longer. */
#define MOST_ROWS 1e9

static const char *const kinds[PAGES_KINDS] = {"live", "low", "scan"};

struct page {
    struct page_ask ask;
    int64_t oldest_ms; /* when the oldest event looked for came, on the monotonic clock */
    int64_t since_ms;  /* it is narrowed to this on the server's clock; 0 = it is not */
    bool probe;        /* the first one that is */
};

static void learn_clock(struct page_reader *reader, const cJSON *rows, int64_t now_ms)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        int64_t at = 0;
        if (!timestamp_member(row, "updated_at", &at) ||
            (reader->known && at - now_ms <= reader->ahead_ms))
            continue;
        reader->known = true;
        reader->ahead_ms = at - now_ms;
    }
}

/* The row last changed before any record looked for did. */
static bool is_past(const struct page_reader *reader, const struct page *page, const cJSON *row)
{
    int64_t at = 0;
    return row != NULL && timestamp_member(row, "updated_at", &at) && reader->known &&
           at < page->oldest_ms + reader->ahead_ms - PAST_MS;
}

/* A page that is being read. */
struct reading {
    const struct page_ask *ask;
    cJSON *rows;
    uint64_t start;
    uint64_t end;
    size_t bytes; /* a row, about */
    bool copies;  /* few rows are taken: they must not keep all of the page (json_memory.h) */
    struct page_seen seen;
    int64_t now_ms;
};

/* How far the times that rows tell lie from those at which their events came. */
static void learn_skew(struct page_reader *reader, const struct record *record, const cJSON *row)
{
    int64_t at = 0;
    if (record->now.count > 1 || record->now.arrived_ms == 0 ||
        !timestamp_member(row, "updated_at", &at))
        return;
    int64_t skew_ms = at - record->now.arrived_ms;
    reader->skew_ms +=
        reader->paired ? (skew_ms - reader->skew_ms) / SKEW_WEIGHT : skew_ms - reader->skew_ms;
    reader->paired = true;
}

/* A page that shows nobody tells by its rows' times where the oldest lies that it looked for; one
 * beyond the list's end tells that it lies before that. */
static void place(const struct page_reader *reader, const struct page_ask *ask, const cJSON *rows,
                  struct page_seen *seen)
{
    int64_t first_ms = 0;
    int64_t last_ms = 0;
    const cJSON *first = rows->child;
    if (ask->kind == PAGES_SCAN || ask->since_ms == 0 ||
        seen->live_hits + seen->low_hits + seen->early > 0)
        return;
    if (first == NULL && seen->total >= 0) {
        seen->placed = true;
        seen->row = seen->total - 1;
        return;
    }
    if (first == NULL || !timestamp_member(first, "updated_at", &first_ms) ||
        !timestamp_member(first->prev, "updated_at", &last_ms) || first_ms <= last_ms)
        return;
    double sought_ms = (double)(ask->since_ms + reader->skew_ms);
    double deeper = ((double)last_ms - sought_ms) * seen->rows / (double)(first_ms - last_ms);
    double row = (double)(ask->offset + seen->rows - 1) + deeper;
    if (seen->total >= 0 && row >= (double)seen->total)
        row = (double)seen->total - 1;
    seen->placed = true;
    seen->row = row < 0 ? 0 : row > MOST_ROWS ? MOST_ROWS : (int64_t)row;
}

/* The record that waits under this id; NULL when none does. */
static struct record *waiting_for(const struct engine *engine, const struct page_ask *ask,
                                  const char *id)
{
    struct record *record = id == NULL ? NULL : pending_find(&engine->pending, ask->place, id);
    return record != NULL && planner_has(record) ? record : NULL;
}

/* The record that the row shows takes it, if it waits and the row is not too old for it. */
static void take_row(struct engine *engine, struct reading *reading, cJSON *row)
{
    const char *id = json_member_text(row, "id");
    struct page_seen *seen = &reading->seen;
    struct record *record = waiting_for(engine, reading->ask, id);
    uint32_t number = seen->rows++;
    if (id == NULL)
        metrics_add(METRIC_LIST_ITEMS_WITHOUT_ID, 1);
    if (record == NULL)
        return;
    if (record->joined >= reading->start) {
        seen->early++;
        if (record->now.count > 1) /* it waited before the page was asked for, too */
            planner_passed_over(engine->planner, record);
        return;
    }
    bool low = record->queue == QUEUE_LOW;
    seen->live_hits += !low;
    seen->low_hits += low;
    planner_found(reading->ask, record, number, seen);
    if (number % SKEW_EVERY == 0)
        learn_skew(&engine->pages, record, row);
    planner_remove(engine->planner, record);
    record_found(engine, record, reading->start, reading->end,
                 reading->copies ? cJSON_Duplicate(row, true)
                                 : cJSON_DetachItemViaPointer(reading->rows, row),
                 reading->bytes, reading->now_ms);
}

static bool is_sparse(const struct engine *engine, const struct reading *reading)
{
    int rows = 0;
    int hits = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, reading->rows)
    {
        const struct record *record =
            waiting_for(engine, reading->ask, json_member_text(row, "id"));
        rows++;
        hits += record != NULL && record->joined < reading->start;
    }
    return hits < rows / 4;
}

static void take_rows(struct engine *engine, struct reading *reading)
{
    struct page_seen *seen = &reading->seen;
    reading->copies = is_sparse(engine, reading);
    for (cJSON *row = reading->rows->child, *next; row != NULL; row = next) {
        next = row->next;
        take_row(engine, reading, row);
    }
    metrics_add(METRIC_PAGE_LIVE, seen->live_hits);
    metrics_add(METRIC_PAGE_LOW, seen->low_hits);
    metrics_add(METRIC_PAGE_EARLY, seen->early);
    metrics_add(METRIC_PAGE_UNASKED,
                (int64_t)seen->rows - seen->live_hits - seen->low_hits - seen->early);
}

/* Does the server do what the filter says? One that does not know it may also just ignore it. */
static void end_probe(struct page_reader *reader, const struct page *page, const cJSON *rows)
{
    int64_t at = 0;
    reader->narrows = true;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        if (timestamp_member(row, "updated_at", &at) && at < page->since_ms - 1000)
            reader->narrows = false;
    }
    log_info("probed", LOG_TEXT("filter", "updated_at_gte"),
             LOG_TEXT("result", reader->narrows ? "works" : "ignored"));
}

static void on_page(struct engine *engine, const struct page *page, struct api_page *answer,
                    uint64_t start, size_t bytes, int64_t now_ms)
{
    const struct page_ask *ask = &page->ask;
    cJSON *rows = answer->items;
    const cJSON *first = rows->child;
    learn_clock(&engine->pages, rows, now_ms);
    struct reading reading = {
        .ask = ask,
        .rows = rows,
        .start = start,
        .end = recency_end(engine->recency),
        .bytes = bytes * 4 / (size_t)(cJSON_GetArraySize(rows) + 1),
        .seen = {.total = page->since_ms != 0 ? -1 : answer->total,
                 .more = answer->has_more,
                 .past = is_past(&engine->pages, page, first == NULL ? NULL : first->prev),
                 .below = first == NULL || is_past(&engine->pages, page, first)},
        .now_ms = now_ms};
    if (page->probe)
        end_probe(&engine->pages, page, rows);
    take_rows(engine, &reading);
    place(&engine->pages, ask, rows, &reading.seen);
    const struct page_seen *seen = &reading.seen;
    log_debug("page", LOG_TEXT("model", engine->selection->names[ask->place]),
              LOG_TEXT("integration_id", ask->integration_id), LOG_TEXT("kind", kinds[ask->kind]),
              LOG_NUMBER("offset", ask->offset), LOG_NUMBER("wanted", ask->wanted),
              LOG_NUMBER("rows", seen->rows), LOG_NUMBER("live", seen->live_hits),
              LOG_NUMBER("low", seen->low_hits), LOG_NUMBER("early", seen->early),
              LOG_NUMBER("deeper", (int64_t)depth_mean(&seen->depth)));
    planner_page_done(engine->planner, ask, seen, now_ms);
}

static void on_failure(struct engine *engine, const struct page *page, enum api_outcome outcome,
                       int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    enum page_failure failure = PAGE_REFUSED;
    if (page->since_ms != 0 && outcome == API_REFUSED) {
        /* That is how an older server says that it does not know the filter. */
        engine->pages.narrows = false;
        planner_page_failed(engine->planner, &page->ask, PAGE_AGAIN, 0, now_ms);
        return;
    }
    if (policy->attempts == 0) {
        failure = PAGE_AGAIN;
        engine->pages.probed = engine->pages.probed && !page->probe;
    }
    if (outcome == API_TOO_LARGE || outcome == API_UNREADABLE)
        failure = PAGE_UNREADABLE;
    planner_page_failed(engine->planner, &page->ask, failure,
                        failure == PAGE_REFUSED ? REFUSED_MS : policy->first_delay_ms, now_ms);
}

static enum api_outcome page_answered(struct engine *engine, void *target, uint64_t start,
                                      const struct http_answer *http, int64_t now_ms)
{
    struct page *page = target;
    struct api_page answer = api_read_page(http);
    if (answer.outcome == API_RECORD)
        on_page(engine, page, &answer, start, http->length, now_ms);
    else
        on_failure(engine, page, answer.outcome, now_ms);
    cJSON_Delete(answer.items);
    free(page);
    return answer.outcome;
}

static enum metric kind_of(const struct page *page)
{
    if (page->probe)
        return METRIC_KIND_PROBE;
    if (page->ask.kind == PAGES_SCAN)
        return METRIC_KIND_SCAN;
    return page->ask.integration_id == NULL ? METRIC_KIND_MODEL_PAGE : METRIC_KIND_PAGE;
}

/* Narrowed pages are shorter, and end the list where what is looked for ends. */
static bool may_narrow(const struct page_reader *reader, const struct page_ask *ask)
{
    return reader->known && !ask->full && ask->kind != PAGES_SCAN &&
           (reader->narrows || !reader->probed);
}

static char *url_of(struct engine *engine, struct page *page)
{
    struct page_reader *reader = &engine->pages;
    const struct page_ask *ask = &page->ask;
    const char *base = engine->config->api.base_url;
    const struct model *model = engine->selection->models[ask->place];
    enum api_order order = ask->kind == PAGES_SCAN ? API_OLDEST_FIRST : API_NEWEST_FIRST;
    if (!may_narrow(reader, ask))
        return api_list_url(base, model, ask->integration_id, order, ask->offset, ask->limit);
    page->probe = !reader->probed;
    reader->probed = true;
    page->since_ms = page->oldest_ms + reader->ahead_ms - NARROW_MS;
    return api_list_url_since(base, model, ask->integration_id, order, ask->offset, ask->limit,
                              page->since_ms);
}

/* Where clocks differ, or jump, this is wrong by as much, which costs requests at most. */
static int64_t oldest_of(const struct page_ask *ask, int64_t now_ms)
{
    int64_t age_ms = ask->since_ms == 0 ? 0 : clock_wall_ms() - ask->since_ms;
    return age_ms < 0 ? now_ms : now_ms - age_ms;
}

void page_begin(struct engine *engine, const struct page_ask *ask, int64_t now_ms)
{
    struct page *page = memory_new(1, sizeof *page);
    page->ask = *ask;
    page->oldest_ms = oldest_of(ask, now_ms);
    char *url = url_of(engine, page);
    struct request request = {.kind = kind_of(page),
                              .url = url,
                              .integration_id = ask->integration_id,
                              .place = ask->place,
                              .answered = page_answered,
                              .dropped = free,
                              .target = page};
    if (!request_start(engine, &request, now_ms)) {
        planner_page_failed(engine->planner, ask, PAGE_AGAIN,
                            policy_for(API_NOT_STARTED)->first_delay_ms, now_ms);
        free(page);
    }
    free(url);
}
