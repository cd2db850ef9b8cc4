/*
 * The engine's side of backfills: orders, pages, what is published, what is written down.
 *
 * Why no copy wins over a newer one: each row passes the stale rule like every other copy
 * (recency.h). Why a crash loses nothing: a page's snapshots come before the text that says how far
 * the backfill has come, in the same transaction or an earlier one, and whoever owns the partition
 * goes on from that text. All of it is fenced like every other work, since its transactions carry
 * the offset of the partition that the order came by (batches.c).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/backfill.h"
#include "bridge/enricher/ledger.h"
#include "bridge/enricher/requests.h"

/* One request in so many is a backfill's when others have work too. */
#define BACKFILL_TURN 4
/* Progress is told after so many pages. */
#define TELL_EVERY 40

static const struct model *model_of(const struct engine *engine, const struct backfill *backfill)
{
    return engine->selection->models[backfill->place];
}

static const char *name_of(const struct engine *engine, const struct backfill *backfill)
{
    return engine->selection->names[backfill->place];
}

/* `claim`: the events that go along, or NULL. A sweep is begun anew after a crash. */
static void write_down(struct engine *engine, const struct backfill *backfill, struct claim *claim)
{
    if (backfill->sweep)
        return;
    engine_text(engine, ITEM_PROGRESS, backfill->slot, name_of(engine, backfill),
                backfill->integration_id, backfill_write(backfill), NULL, claim);
}

static void tell(struct engine *engine, const struct backfill *backfill, const char *event)
{
    if (backfill->sweep)
        return;
    cJSON *root = cJSON_CreateObject();
    double seconds = (double)(clock_wall_ms() - backfill->started_ms) / 1000;
    (void)cJSON_AddStringToObject(root, "event", event);
    (void)cJSON_AddStringToObject(root, "integration_id", backfill->integration_id);
    (void)cJSON_AddStringToObject(root, "model", name_of(engine, backfill));
    (void)cJSON_AddStringToObject(root, "order", backfill->order);
    (void)cJSON_AddNumberToObject(root, "snapshots", (double)backfill->snapshots);
    (void)cJSON_AddNumberToObject(root, "pages", (double)backfill->pages);
    if (backfill->total >= 0)
        (void)cJSON_AddNumberToObject(root, "total", (double)backfill->total);
    else
        (void)cJSON_AddNullToObject(root, "total");
    (void)cJSON_AddNumberToObject(root, "missing", (double)backfill->missing);
    (void)cJSON_AddNumberToObject(root, "seconds", seconds < 0 ? 0 : seconds);
    engine_text(engine, ITEM_MILESTONE, backfill->slot, name_of(engine, backfill),
                backfill->integration_id, cJSON_PrintUnformatted(root), event, NULL);
    cJSON_Delete(root);
    log_info("backfill", LOG_TEXT("state", event), LOG_TEXT("model", name_of(engine, backfill)),
             LOG_TEXT("integration_id", backfill->integration_id),
             LOG_TEXT("order", backfill->order), LOG_NUMBER("snapshots", backfill->snapshots),
             LOG_NUMBER("pages", backfill->pages), LOG_NUMBER("total", backfill->total),
             LOG_NUMBER("met", backfill->met), LOG_NUMBER("missing", backfill->missing));
}

static void append(struct engine *engine, struct backfill *backfill)
{
    struct backfill **end = &engine->backfills;
    while (*end != NULL)
        end = &(*end)->next;
    backfill->next = NULL;
    *end = backfill;
}

static struct backfill *find(const struct engine *engine, int place, const char *integration_id)
{
    struct backfill *backfill = engine->backfills;
    while (backfill != NULL && (backfill->sweep || backfill->place != place ||
                                strcmp(backfill->integration_id, integration_id) != 0))
        backfill = backfill->next;
    return backfill;
}

static void drop(struct engine *engine, struct backfill *backfill)
{
    struct backfill **at = &engine->backfills;
    while (*at != backfill)
        at = &(*at)->next;
    *at = backfill->next;
    backfill_free(backfill);
}

void engine_forget_backfills(struct engine *engine)
{
    while (engine->backfills != NULL)
        drop(engine, engine->backfills);
}

/* Of a model without a list only webhooks tell: there is nothing to read. */
static bool has_list(const struct engine *engine, const struct backfill *backfill)
{
    return model_of(engine, backfill)->list_path != NULL;
}

/* Another order for what is running: what came since it began lies at the top. */
static void begin_again(const struct engine *engine, struct backfill *backfill)
{
    backfill->again = true;
    if (backfill->phase == BACKFILL_READ && has_list(engine, backfill))
        backfill_look(backfill);
}

/* It ended not long ago, and what changed since was told by webhooks. */
static bool is_recent(const struct engine *engine, const struct backfill *backfill)
{
    int64_t since = clock_wall_ms() - backfill->started_ms;
    return since >= 0 && since < engine->config->backfill.min_interval_ms;
}

void engine_order_backfill(struct engine *engine, const struct consumer_event *event,
                           const char *integration_id, const char *order, bool forced)
{
    int place = event->slot / engine->topics->partitions;
    struct claim claim = {0};
    struct backfill *backfill = find(engine, place, integration_id);
    offsets_take(engine->offsets, event->slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, clock_ms());
    if (backfill != NULL && backfill->phase != BACKFILL_DONE) {
        begin_again(engine, backfill);
    } else if (backfill != NULL && !forced && is_recent(engine, backfill)) {
        log_info("backfill_not_again", LOG_TEXT("model", name_of(engine, backfill)),
                 LOG_TEXT("integration_id", integration_id));
        engine_nothing(engine, place, engine->selection->names[place], &claim);
        return;
    } else {
        if (backfill != NULL)
            drop(engine, backfill);
        cache_forget_met(engine->cache, event->slot % engine->topics->partitions,
                         engine->selection->names[place], integration_id);
        backfill = backfill_new(integration_id, place, event->slot, order, clock_wall_ms());
        if (!has_list(engine, backfill))
            backfill->phase = BACKFILL_READ;
        append(engine, backfill);
        tell(engine, backfill, "BACKFILL_STARTED");
    }
    write_down(engine, backfill, &claim);
}

void engine_restore_backfill(struct engine *engine, const char *integration_id, const char *model,
                             int number, const char *text, size_t length)
{
    int place = selection_find(engine->selection, model, strlen(model));
    if (place < 0)
        return;
    struct backfill *old = find(engine, place, integration_id);
    if (old != NULL)
        drop(engine, old);
    struct backfill *backfill = text == NULL
                                    ? NULL
                                    : backfill_read(text, length, integration_id, place,
                                                    place * engine->topics->partitions + number);
    if (backfill == NULL)
        return;
    if (backfill_reads(backfill) && !has_list(engine, backfill))
        backfill->phase = BACKFILL_READ;
    append(engine, backfill);
}

/* Publishes the row, unless a newer copy was. True when it does. A record that waits takes it. */
static bool take_row(struct engine *engine, const struct backfill *backfill, cJSON *rows,
                     cJSON *row, uint64_t start, uint64_t end, size_t bytes, int64_t now_ms)
{
    const char *id = json_member_text(row, "id");
    const char *integration = json_member_text(row, "integration_id");
    if (id == NULL) {
        metrics_add(METRIC_LIST_ITEMS_WITHOUT_ID, 1);
        return false;
    }
    if (integration != NULL && strcmp(integration, backfill->integration_id) != 0)
        return false; /* of a list that does not know the filter */
    if (engine_is_erased(engine, backfill->slot, id))
        return false;
    struct record *record = pending_find(&engine->pending, backfill->place, id);
    if (record != NULL && planner_has(record) && record->joined < start) {
        planner_remove(engine->planner, record);
        record_found(engine, record, start, end, cJSON_DetachItemViaPointer(rows, row), bytes,
                     now_ms);
        return true;
    }
    char *key = pending_key(backfill->place, false, id);
    bool newest = recency_publish(engine->recency, key, strlen(key), start, end);
    free(key);
    if (!newest)
        return false;
    struct claim none = {0};
    struct item *item =
        engine_item(engine, ITEM_SNAPSHOT, backfill->place, id, backfill->integration_id);
    item->slot = backfill->slot;
    item->trigger = backfill->sweep ? "SYNC_COMPLETE" : "BACKFILL";
    item->record = cJSON_DetachItemViaPointer(rows, row);
    item->record_bytes = bytes;
    engine_settle(engine, item, &none);
    return true;
}

/* A row of a sweep: has no webhook told of its change? */
static void note_swept(struct engine *engine, struct backfill *sweep, const cJSON *row,
                       const char *id)
{
    struct ledger ledger =
        engine_ledger(engine, sweep->slot % engine->topics->partitions, sweep->integration_id);
    int64_t stamp = 0;
    if (!timestamp_member(row, "updated_at", &stamp) || stamp <= sweep->since)
        return;
    if (stamp > sweep->top && stamp <= engine_latest_stamp_ms())
        sweep->top = stamp;
    if (ledger_count(&ledger, name_of(engine, sweep), id) == 0)
        (void)table_put(&sweep->unheard, id, strlen(id), sweep);
}

/* Is this the first time that the backfill meets the record? What it met on pages that are not
 * committed is known in memory alone: were it in the cache, whoever goes on after they were given
 * up would take their records for published. */
static bool meet(struct engine *engine, struct backfill *backfill, const char *id)
{
    size_t length = strlen(id);
    if (table_get(&backfill->fresh[0], id, length) != NULL ||
        table_get(&backfill->fresh[1], id, length) != NULL ||
        cache_has_met(engine->cache, backfill->slot % engine->topics->partitions,
                      name_of(engine, backfill), backfill->integration_id, backfill->order, id))
        return false;
    (void)table_put(&backfill->fresh[0], id, length, backfill);
    return true;
}

/* Those that were not met before are published; and again, at the end, what may have changed since
 * it began. */
static void take_rows(struct engine *engine, struct backfill *backfill, struct api_page *page,
                      uint64_t start, size_t length, int64_t now_ms)
{
    uint64_t end = recency_end(engine->recency);
    size_t count = (size_t)cJSON_GetArraySize(page->items);
    bool top = backfill->phase == BACKFILL_TOP;
    bool *wanted = memory_new(count + 1, sizeof *wanted);
    int64_t met = 0;
    size_t i = 0;
    for (const cJSON *row = page->items->child; row != NULL; row = row->next, i++) {
        const char *id = json_member_text(row, "id");
        bool is_new = !backfill->sweep && id != NULL && meet(engine, backfill, id);
        if (backfill->sweep && id != NULL)
            note_swept(engine, backfill, row, id);
        met += is_new;
        wanted[i] = is_new || (top && backfill_is_news(backfill, row));
    }
    backfill_page(backfill, page->items, page->has_more, page->total, met);
    metrics_add(METRIC_BACKFILL_ROWS, (int64_t)met);
    i = 0;
    for (cJSON *row = page->items->child, *next; row != NULL; row = next, i++) {
        next = row->next;
        if (wanted[i])
            backfill->snapshots += take_row(engine, backfill, page->items, row, start, end,
                                            length * 4 / (count + 1), now_ms);
    }
    free(wanted);
}

/* Of the pages that are committed by now. */
static void keep_met(struct engine *engine, struct backfill *backfill)
{
    for (size_t i = 0; i < ARRAY_LENGTH(backfill->fresh); i++) {
        struct table *fresh = &backfill->fresh[i];
        size_t cursor = 0;
        if (fresh->count == 0 || engine->committed_serial < backfill->waits_for[i])
            continue;
        for (struct table_slot *slot = table_next(fresh, &cursor); slot != NULL;
             slot = table_next(fresh, &cursor)) {
            char *id = memory_text_n(slot->key, slot->length);
            cache_put_met(engine->cache, backfill->slot % engine->topics->partitions,
                          name_of(engine, backfill), backfill->integration_id, backfill->order, id);
            free(id);
        }
        table_free(fresh);
    }
}

static void on_page(struct engine *engine, struct backfill *backfill, struct api_page *page,
                    uint64_t start, size_t length, int64_t now_ms)
{
    backfill->failures = 0;
    backfill->pages++;
    /* The page before the last one is committed: next_ready has waited for it. */
    keep_met(engine, backfill);
    backfill->fresh[1] = backfill->fresh[0];
    backfill->fresh[0] = (struct table){0};
    take_rows(engine, backfill, page, start, length, now_ms);
    write_down(engine, backfill, NULL);
    backfill->waits_for[1] = backfill->waits_for[0];
    backfill->waits_for[0] = engine->batch_serial + (engine->open->count > 0);
    if (backfill_reads(backfill) && backfill->pages % TELL_EVERY == 0)
        tell(engine, backfill, "BACKFILL_PROGRESS");
}

static void on_failure(struct engine *engine, struct backfill *backfill, enum api_outcome outcome,
                       int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    backfill->failures++;
    if (policy->attempts != 0 && backfill->failures >= policy->attempts) {
        backfill->phase = BACKFILL_DONE;
        backfill->failed = true;
        backfill->ended_ms = clock_wall_ms();
        tell(engine, backfill, "BACKFILL_FAILED");
        write_down(engine, backfill, NULL);
        return;
    }
    backfill->not_before_ms = now_ms + policy_delay(policy, backfill->failures, &engine->random);
}

static enum api_outcome answered(struct engine *engine, void *target, uint64_t start,
                                 const struct http_answer *http, int64_t now_ms)
{
    struct backfill *backfill = target;
    struct api_page page = api_read_page(http);
    backfill->in_flight = false;
    if (backfill->abandoned)
        drop(engine, backfill);
    else if (page.outcome == API_RECORD)
        on_page(engine, backfill, &page, start, http->length, now_ms);
    else
        on_failure(engine, backfill, page.outcome, now_ms);
    cJSON_Delete(page.items);
    return page.outcome;
}

/* All its snapshots are committed: this comes behind them. */
static void complete(struct engine *engine, struct backfill *backfill)
{
    backfill->phase = BACKFILL_DONE;
    backfill->again = false;
    backfill->ended_ms = clock_wall_ms();
    if (!backfill->sweep)
        cache_forget_met(engine->cache, backfill->slot % engine->topics->partitions,
                         name_of(engine, backfill), backfill->integration_id);
    tell(engine, backfill, "BACKFILL_COMPLETE");
    write_down(engine, backfill, NULL);
}

static const char *asks_of(const struct engine *engine, const struct backfill *backfill)
{
    return request_integration(engine, backfill->place, backfill->integration_id);
}

/* The next one that may ask for a page, of those that may run at once; it becomes the last. */
static struct backfill *next_ready(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    int64_t running = 0;
    *wait = INT64_MAX;
    if (engine->backfills == NULL || !publisher_is_connected(engine->publisher))
        return NULL; /* what is asked for now might be asked for again after another crash */
    for (struct backfill *each = engine->backfills; each != NULL; each = each->next) {
        /* One that must wait for long leaves its place to others. */
        if (!backfill_reads(each) ||
            !(each->in_flight || breakers_may(engine->breakers, asks_of(engine, each), now_ms)))
            continue;
        if (running++ >= engine->config->backfill.max_running)
            break;
        /* Of what a crash would have asked for again there is little: two pages. */
        if (each->in_flight || engine->committed_serial < each->waits_for[1])
            continue;
        if (each->not_before_ms <= now_ms)
            return each;
        if (each->not_before_ms - now_ms < *wait)
            *wait = each->not_before_ms - now_ms;
    }
    return NULL;
}

bool backfill_continue(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    struct backfill *backfill = next_ready(engine, now_ms, wait);
    if (backfill == NULL)
        return false;
    enum api_order order = backfill->phase == BACKFILL_OLDEST ? API_OLDEST_FIRST : API_NEWEST_FIRST;
    char *url = api_list_url(engine->config->api.base_url, model_of(engine, backfill),
                             backfill->integration_id, order, backfill->offset, API_PAGE_SIZE);
    log_debug("backfill_page", LOG_TEXT("model", name_of(engine, backfill)),
              LOG_TEXT("integration_id", backfill->integration_id),
              LOG_NUMBER("pass", backfill->passes), LOG_NUMBER("offset", backfill->offset));
    backfill->in_flight = true;
    struct request request = {.kind = METRIC_KIND_BACKFILL,
                              .url = url,
                              .integration_id = asks_of(engine, backfill),
                              .place = backfill->place,
                              .answered = answered,
                              .target = backfill};
    if (!request_start(engine, &request, now_ms)) {
        backfill->in_flight = false;
        on_failure(engine, backfill, API_NOT_STARTED, now_ms);
    }
    free(url);
    return true;
}

bool backfill_has_turn(struct engine *engine)
{
    return ++engine->backfill_turn % BACKFILL_TURN == 0;
}

void engine_complete_backfills(struct engine *engine)
{
    for (struct backfill *each = engine->backfills; each != NULL; each = each->next) {
        keep_met(engine, each);
        if (each->phase == BACKFILL_READ && engine->committed_serial >= each->waits_for[0])
            complete(engine, each);
    }
}

struct backfill *engine_begin_sweep(struct engine *engine, int slot, const char *integration_id,
                                    int64_t since_ms, int64_t overlap_ms)
{
    struct backfill *sweep =
        backfill_new(integration_id, slot / engine->topics->partitions, slot, "", clock_wall_ms());
    sweep->sweep = true;
    sweep->phase = BACKFILL_TOP;
    sweep->until = since_ms - overlap_ms;
    sweep->since = sweep->top = since_ms;
    /* Before others, of which each may take hours. */
    sweep->next = engine->backfills;
    engine->backfills = sweep;
    return sweep;
}

void engine_end_sweep(struct engine *engine, struct backfill *sweep)
{
    if (sweep->in_flight) {
        sweep->abandoned = true;
        sweep->phase = BACKFILL_DONE;
    } else {
        drop(engine, sweep);
    }
}
