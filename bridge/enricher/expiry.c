/*
 * Records that syncs do not see any more: Propexo never deletes one, but `last_seen` stays behind.
 * After a reconciled sync those that were not seen for `snapshots.expire_unseen_days` get a
 * tombstone. The list of a model is read from the record on that was not seen for the longest time;
 * mostly its first page ends it.
 *
 * Before the first tombstone it is made sure that the list has a record which the sync saw: an
 * integration whose syncs do not move `last_seen` keeps all its records. Tombstones pass the stale
 * rule like every other copy; a record that waits to be fetched is left to its own answer. As long
 * as a reading finds any, the list is read again: rows move between pages. One that is published
 * again later, because it changed or a backfill read it, gets its tombstone after the next sync,
 * unless it was seen. Nothing is written down: after a crash the next sync does it.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/requests.h"
#include "bridge/enricher/sync.h"

#define EXPIRED "EXPIRED" /* the trigger of such a tombstone */
/* Rows of a page that are those of the page before: rows of equal stamps may change places. */
#define OVERLAP       50
#define READINGS_MOST 4
#define READING_MS    2000 /* apart */

enum expiry_phase {
    EXPIRY_LOOKS,      /* is there any? */
    EXPIRY_MAKES_SURE, /* that the sync moved `last_seen` */
    EXPIRY_PUBLISHES,
};

/* One model of one integration. */
struct expiry {
    char *integration_id;
    int place;
    int slot;
    enum expiry_phase phase;
    int64_t before_ms; /* wall clock: not seen since */
    int64_t synced_ms; /* wall clock: a record of the list must have been seen since */
    int64_t offset;
    struct table given; /* ids of records that got a tombstone */
    bool again; /* this reading found some: another may find those that moved, or were busy */
    int readings;
    int failures;
    int64_t not_before_ms;
    bool in_flight;
    struct expiry *next;
};

void engine_begin_expiry(struct engine *engine, const struct sync *sync)
{
    int64_t wall_ms = clock_wall_ms();
    int64_t before_ms = config_expired_before(engine->config, wall_ms);
    for (size_t i = 0; before_ms != INT64_MIN && i < sync->count; i++) {
        if (sync->parts[i].state != SYNC_DONE || !model_is_listed(engine->selection->models[i]))
            continue;
        struct expiry *expiry = memory_new(1, sizeof *expiry);
        *expiry = (struct expiry){.integration_id = memory_text(sync->integration_id),
                                  .place = (int)i,
                                  .slot = (int)i * engine->topics->partitions + sync->number,
                                  .before_ms = before_ms,
                                  .synced_ms = wall_ms - (wall_ms - before_ms) / 2,
                                  .next = engine->expiries};
        engine->expiries = expiry;
    }
}

static void unlink_expiry(struct engine *engine, struct expiry *expiry)
{
    struct expiry **at = &engine->expiries;
    while (*at != expiry)
        at = &(*at)->next;
    *at = expiry->next;
}

static void end(struct engine *engine, struct expiry *expiry)
{
    unlink_expiry(engine, expiry);
    if (expiry->given.count > 0)
        log_info("expired", LOG_TEXT("model", engine->selection->names[expiry->place]),
                 LOG_TEXT("integration_id", expiry->integration_id),
                 LOG_NUMBER("records", expiry->given.count));
    table_free(&expiry->given);
    free(expiry->integration_id);
    free(expiry);
}

void engine_forget_expiries(struct engine *engine)
{
    while (engine->expiries != NULL)
        end(engine, engine->expiries);
}

/* A list that does not know the filter shows all integrations. */
static bool is_ours(const struct engine *engine, const struct expiry *expiry, const cJSON *row)
{
    const char *integration = json_member_text(row, "integration_id");
    return integration == NULL ? engine->selection->models[expiry->place]->by_integration
                               : strcmp(integration, expiry->integration_id) == 0;
}

/* The row's record is to get a tombstone: it has none from here. */
static bool is_due(struct engine *engine, const struct expiry *expiry, const cJSON *row)
{
    const char *id = json_member_text(row, "id");
    int64_t seen_ms = 0;
    return id != NULL && is_ours(engine, expiry, row) &&
           timestamp_member(row, "last_seen", &seen_ms) && seen_ms < expiry->before_ms &&
           table_get(&expiry->given, id, strlen(id)) == NULL &&
           !cache_is_expired(engine->cache, expiry->slot % engine->topics->partitions,
                             engine->selection->names[expiry->place], id);
}

static void publish(struct engine *engine, struct expiry *expiry, const char *id, uint64_t start,
                    uint64_t until)
{
    struct claim none = {0};
    char *key = pending_key(expiry->place, false, id);
    bool idle = pending_find(&engine->pending, expiry->place, id) == NULL &&
                recency_publish(engine->recency, key, strlen(key), start, until);
    free(key);
    if (!idle)
        return; /* others have it in hand */
    struct item *item =
        engine_item(engine, ITEM_TOMBSTONE, expiry->place, id, expiry->integration_id);
    item->slot = expiry->slot;
    item->trigger = EXPIRED;
    engine_settle(engine, item, &none);
    (void)table_put(&expiry->given, id, strlen(id), expiry);
    metrics_add(METRIC_EXPIRED, 1);
}

/* Rows are there, longest unseen first. True when all that come behind them were seen. */
static bool is_end(const struct expiry *expiry, const struct api_page *page)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, page->items)
    {
        int64_t seen_ms = 0;
        if (timestamp_member(row, "last_seen", &seen_ms) && seen_ms >= expiry->before_ms)
            return true;
    }
    return !page->has_more || page->items->child == NULL;
}

static void end_reading(struct engine *engine, struct expiry *expiry, int64_t now_ms)
{
    if (!expiry->again || ++expiry->readings == READINGS_MOST) {
        end(engine, expiry);
        return;
    }
    expiry->again = false;
    expiry->offset = 0;
    expiry->not_before_ms = now_ms + READING_MS;
}

static void on_rows(struct engine *engine, struct expiry *expiry, const struct api_page *page,
                    uint64_t start, int64_t now_ms)
{
    uint64_t until = recency_end(engine->recency);
    int count = cJSON_GetArraySize(page->items);
    bool due = false;
    const cJSON *row;
    cJSON_ArrayForEach(row, page->items)
    {
        if (!is_due(engine, expiry, row))
            continue;
        due = true;
        if (expiry->phase == EXPIRY_PUBLISHES)
            publish(engine, expiry, json_member_text(row, "id"), start, until);
    }
    expiry->again |= due;
    if (due && expiry->phase == EXPIRY_LOOKS)
        expiry->phase = EXPIRY_MAKES_SURE; /* and this page again */
    else if (is_end(expiry, page))
        end_reading(engine, expiry, now_ms);
    else
        expiry->offset += count > OVERLAP ? count - OVERLAP : count;
}

/* The rows are those seen last. */
static void on_newest(struct engine *engine, struct expiry *expiry, const struct api_page *page)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, page->items)
    {
        int64_t seen_ms = 0;
        if (is_ours(engine, expiry, row) && timestamp_member(row, "last_seen", &seen_ms) &&
            seen_ms >= expiry->synced_ms) {
            expiry->phase = EXPIRY_PUBLISHES;
            return;
        }
    }
    log_warn("expiry_not_sure", LOG_TEXT("model", engine->selection->names[expiry->place]),
             LOG_TEXT("integration_id", expiry->integration_id),
             LOG_TEXT("reason", "no record of the list was seen lately; none gets a tombstone"));
    end(engine, expiry);
}

static void on_failure(struct engine *engine, struct expiry *expiry, enum api_outcome outcome,
                       long status, int64_t now_ms)
{
    const struct policy *policy = policy_for(outcome);
    expiry->failures++;
    expiry->not_before_ms = now_ms + policy_delay(policy, expiry->failures, &engine->random);
    if (policy->attempts == 0 || expiry->failures < policy->attempts)
        return;
    log_warn("expiry_failed", LOG_TEXT("model", engine->selection->names[expiry->place]),
             LOG_TEXT("integration_id", expiry->integration_id), LOG_NUMBER("status", status));
    end(engine, expiry);
}

static enum api_outcome answered(struct engine *engine, void *target, uint64_t start,
                                 const struct http_answer *http, int64_t now_ms)
{
    struct expiry *expiry = target;
    struct api_page page = api_read_page(http);
    expiry->in_flight = false;
    if (page.outcome != API_RECORD)
        on_failure(engine, expiry, page.outcome, http->status, now_ms);
    else if (expiry->phase == EXPIRY_MAKES_SURE)
        on_newest(engine, expiry, &page);
    else
        on_rows(engine, expiry, &page, start, now_ms);
    cJSON_Delete(page.items);
    return page.outcome;
}

/* One after the other, there is no hurry: the one whose page is under way is the first. One that
 * has to wait lets others go before. */
static struct expiry *next_ready(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    *wait = INT64_MAX;
    if (engine->expiries == NULL || engine->expiries->in_flight)
        return NULL;
    for (struct expiry *each = engine->expiries; each != NULL; each = each->next) {
        int64_t left = each->not_before_ms - now_ms;
        if (!breakers_may(engine->breakers,
                          request_integration(engine, each->place, each->integration_id), now_ms))
            continue;
        if (left <= 0)
            return each;
        *wait = left < *wait ? left : *wait;
    }
    return NULL;
}

bool expiry_continue(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    struct expiry *expiry = next_ready(engine, now_ms, wait);
    if (expiry == NULL)
        return false;
    unlink_expiry(engine, expiry);
    expiry->next = engine->expiries;
    engine->expiries = expiry;
    bool sure = expiry->phase == EXPIRY_MAKES_SURE;
    char *url = api_list_url(engine->config->api.base_url, engine->selection->models[expiry->place],
                             expiry->integration_id, sure ? API_SEEN_FIRST : API_UNSEEN_FIRST,
                             sure ? 0 : expiry->offset, API_PAGE_SIZE);
    expiry->in_flight = true;
    struct request request = {
        .kind = METRIC_KIND_EXPIRY,
        .url = url,
        .integration_id = request_integration(engine, expiry->place, expiry->integration_id),
        .place = expiry->place,
        .answered = answered,
        .target = expiry};
    if (!request_start(engine, &request, now_ms)) {
        expiry->in_flight = false;
        on_failure(engine, expiry, API_NOT_STARTED, 0, now_ms);
    }
    free(url);
    return true;
}

void engine_expiry_committed(struct engine *engine, const struct item *item)
{
    bool tombstone = item->kind == ITEM_TOMBSTONE && item->trigger != NULL &&
                     strcmp(item->trigger, EXPIRED) == 0;
    if (engine->config->snapshots.expire_unseen_days == 0 || item->integration_id == NULL ||
        (!tombstone && item->kind != ITEM_SNAPSHOT))
        return;
    int number = item->slot >= 0 ? item->slot % engine->topics->partitions
                 : item->claim.count > 0
                     ? claim_events(&item->claim)[0].slot % engine->topics->partitions
                     : -1;
    if (number >= 0)
        cache_put_expired(engine->cache, number, engine->selection->names[item->place],
                          item->record_id, tombstone);
}
