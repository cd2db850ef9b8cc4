/*
 * After a sync: did all its webhooks arrive? What did not is made good.
 *
 * The API's count of recorded changes in the window is held against the ledger's (ledger.h): one
 * request. Where they differ, what is on its way is waited for a moment; then the recorded changes
 * are read (audit.h), or the lists of the sync's models, newest change first, down to where the
 * window begins: whatever costs fewer requests. Without a right to the recorded changes it is the
 * lists.
 *
 * Why the count proves something: changes are recorded before their webhooks are sent, and what was
 * heard is counted before the question is asked. So an answer has all changes whose webhooks were
 * heard; when it has no others, none is missing.
 *
 * What is missing is made good by events (recreate.h) that go into the integration's own partition,
 * with another barrier behind them: whoever owns the partition then works on them like on any other
 * event, and the milestone waits for them. Events, barriers, the next window and the sync's state
 * are committed in this order, so a crash makes things good twice, never not at all.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/audit.h"
#include "bridge/enricher/backfill.h"
#include "bridge/enricher/requests.h"
#include "bridge/enricher/sync.h"
#include "bridge/propexo/recreate.h"

/* More recorded changes are not read: that many pages are four minutes of the whole budget. */
#define PAGES_MOST 400
/* Without a right to recorded changes it is not tried again before. */
#define REFUSED_MS (INT64_C(3600) * 1000)
/* Stamps of changes may become visible a little out of order: lists are read down so much further.
 */
#define OVERLAP_MS 5000
/* Of an integration of which nothing was heard before its first sync changes this old count. */
#define UNHEARD_MS 600000
/* The anchor moves up before the API forgets what lies behind it (30 days), and before counting
 * from there becomes a burden. */
#define ANCHOR_MS    (INT64_C(20) * 24 * 3600 * 1000)
#define ANCHOR_COUNT 100000

enum check_phase {
    CHECK_ASKS,       /* how many changes were recorded */
    CHECK_WAITS,      /* for what may be on its way */
    CHECK_ASKS_AGAIN, /* the same question, and the first page if it comes to that */
    CHECK_READS,      /* the recorded changes */
    CHECK_SWEEPS,     /* the models' lists */
};

struct check {
    enum check_phase phase;
    bool in_flight;
    int failures;
    int64_t not_before_ms;
    int64_t deadline_ms;
    int64_t heard;     /* when the question was asked; -1: not all was, the answer proves nothing */
    int64_t total;     /* recorded since the anchor; -1 = not told */
    int64_t offset;    /* of the next page */
    int64_t newest_ms; /* stamp of the newest recorded change */
    struct audit *audit;
    struct backfill **sweeps; /* by place */
    int64_t *found;           /* records made good, by place */
    char reason[64];          /* what stands in the way */
};

static struct ledger ledger_of(const struct engine *engine, const struct sync *sync)
{
    return (struct ledger){engine->cache, sync->number, sync->integration_id};
}

static int slot_of(const struct engine *engine, const struct sync *sync, size_t place)
{
    return (int)place * engine->topics->partitions + sync->number;
}

static struct ledger_window window_of(const struct engine *engine, const struct sync *sync,
                                      bool *verified)
{
    struct ledger ledger = ledger_of(engine, sync);
    struct ledger_window window;
    if (!ledger_window(&ledger, &window, verified))
        window = (struct ledger_window){0};
    return window;
}

void check_free(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    sync->check = NULL;
    if (check == NULL)
        return;
    for (size_t i = 0; check->sweeps != NULL && i < sync->count; i++) {
        if (check->sweeps[i] != NULL)
            engine_end_sweep(engine, check->sweeps[i]);
    }
    audit_free(check->audit);
    free(check->sweeps);
    free(check->found);
    free(check);
}

static void begin(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    struct ledger ledger = ledger_of(engine, sync);
    struct check *check = memory_new(1, sizeof *check);
    *check = (struct check){.deadline_ms = now_ms + engine->config->sync.deadline_ms,
                            .total = -1,
                            .found = memory_new(sync->count, sizeof *check->found)};
    sync->check = check;
    ledger_open(&ledger, sync->began_ms - UNHEARD_MS, clock_wall_ms());
    ledger_settle(&ledger, engine->closing_by);
    check->newest_ms = window_of(engine, sync, &(bool){false}).start.newest_ms;
}

/* An event for what did not arrive. */
static void write_event(struct engine *engine, const struct sync *sync, int place,
                        const char *record_id, const char *trigger, char *text, char *checked)
{
    struct claim none = {0};
    struct item *item = engine_item(engine, ITEM_EVENT, place, record_id, sync->integration_id);
    item->slot = slot_of(engine, sync, (size_t)place);
    item->trigger = trigger;
    item->text = text;
    item->sync_id = memory_text(sync->id);
    item->sync_checked = checked;
    item->record_bytes = text == NULL ? 0 : strlen(text);
    engine_settle(engine, item, &none);
}

struct making_good {
    struct engine *engine;
    struct sync *sync;
    struct ledger ledger;
};

/* Without its content where that cannot be told again: the record is read at least. */
static void make_good(void *context, const struct audit_change *change)
{
    const struct making_good *making = context;
    struct engine *engine = making->engine;
    const char *model = engine->selection->names[change->place];
    const char *integration_id = making->sync->integration_id;
    char *text =
        recreate_event(integration_id, model, change->record_id, change->is_new, change->content);
    if (text == NULL || strlen(text) > (size_t)engine->config->topics.max_message) {
        free(text);
        text = recreate_event(integration_id, model, change->record_id, false, NULL);
    }
    if (text == NULL)
        return;
    write_event(engine, making->sync, change->place, change->record_id,
                change->is_new ? "DATA_NEW" : "DATA_UPDATE", text, NULL);
    if (change->content != NULL)
        ledger_owe(&making->ledger, model, change->record_id, json_hash(change->content),
                   clock_wall_ms());
    making->sync->check->found[change->place] += change->first;
}

/* Behind what was made good of a model. */
static void write_barrier(struct engine *engine, struct sync *sync, size_t place,
                          const struct sync_check *found)
{
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "event", "SYNC_COMPLETE");
    (void)cJSON_AddStringToObject(body, "integration_id", sync->integration_id);
    write_event(engine, sync, (int)place, engine->selection->names[place], "SYNC_COMPLETE",
                cJSON_PrintUnformatted(body),
                memory_format("%" PRId64 " %" PRId64 " %d", found->missed, found->unverified,
                              found->reconciled));
    cJSON_Delete(body);
    sync->parts[place].again = true;
}

bool check_read(const char *text, struct sync_check *check)
{
    int reconciled = 0;
    *check = (struct sync_check){.done = true};
    if (sscanf(text, "%" SCNd64 " %" SCNd64 " %d", &check->missed, &check->unverified,
               &reconciled) != 3)
        return false;
    check->reconciled = reconciled != 0;
    return true;
}

/* What was compared is behind us. */
static void close_window(struct engine *engine, const struct sync *sync, size_t place)
{
    const struct check *check = sync->check;
    struct ledger ledger = ledger_of(engine, sync);
    bool verified;
    struct ledger_start start = window_of(engine, sync, &verified).start;
    start.number++;
    start.newest_ms = check->newest_ms > start.newest_ms ? check->newest_ms : start.newest_ms;
    start.counted = check->total < 0 ? 0 : check->total;
    if (check->total < 0 || start.counted > ANCHOR_COUNT ||
        start.newest_ms - start.anchor_ms > ANCHOR_MS) {
        start.anchor_ms = start.newest_ms;
        start.counted = 0;
    }
    ledger_close(&ledger, &start, engine->closing_by, clock_wall_ms());
    engine_write_window(engine, slot_of(engine, sync, place), sync->integration_id, &start);
}

static void log_end(const struct sync *sync, const char *reason, int64_t missed, int64_t unverified)
{
    metrics_add(reason == NULL ? METRIC_SYNCS_RECONCILED : METRIC_SYNCS_UNRECONCILED, 1);
    log_info("sync_checked", LOG_TEXT("sync_id", sync->id),
             LOG_TEXT("integration_id", sync->integration_id),
             LOG_TEXT("outcome", reason == NULL ? "reconciled" : "not_reconciled"),
             LOG_NUMBER("missed", missed), LOG_NUMBER("unverified", unverified),
             LOG_TEXT("reason", reason == NULL ? "" : reason));
}

/* The check is over; `reason`: why the sync cannot be told as reconciled, or NULL. Models that no
 * list shows are not reconciled by reading lists. */
static void end(struct engine *engine, struct sync *sync, const char *reason)
{
    struct check *check = sync->check;
    bool verified;
    int64_t sum = 0;
    size_t place = 0;
    (void)window_of(engine, sync, &verified);
    (void)snprintf(sync->reason, sizeof sync->reason, "%s", reason == NULL ? "" : reason);
    for (size_t i = 0; i < sync->count; i++) {
        struct sync_part *part = &sync->parts[i];
        struct sync_check found = {.done = true, .reconciled = reason == NULL};
        *(verified ? &found.missed : &found.unverified) = check->found[i];
        sum += check->found[i];
        if (part->state == SYNC_OTHER || part->check.done)
            continue;
        place = i;
        if (check->sweeps != NULL && check->sweeps[i] == NULL && reason == NULL) {
            found.reconciled = false;
            (void)snprintf(sync->reason, sizeof sync->reason, "not-listed");
        }
        if (check->found[i] > 0 && check->sweeps == NULL)
            write_barrier(engine, sync, i, &found);
        else
            part->check = found;
    }
    metrics_add(verified ? METRIC_WEBHOOKS_MISSED : METRIC_WEBHOOKS_UNVERIFIED, sum);
    log_end(sync, reason, verified ? sum : 0, verified ? 0 : sum);
    if (reason == NULL)
        close_window(engine, sync, place);
    check_free(engine, sync);
    sync_write_down(engine, sync, place);
}

static bool is_listed(const struct model *model)
{
    enum model_kind kind = model_kind(model);
    return model->list_path != NULL && (kind == MODEL_BY_ID || kind == MODEL_BY_LIST);
}

/* Lists show all changes of the sync's models. */
static bool can_sweep(const struct engine *engine, const struct sync *sync)
{
    for (size_t i = 0; i < sync->count; i++) {
        if (sync->parts[i].state != SYNC_OTHER && !is_listed(engine->selection->models[i]))
            return false;
    }
    return true;
}

static void begin_sweeps(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    bool verified;
    int64_t since_ms = window_of(engine, sync, &verified).start.newest_ms;
    check->phase = CHECK_SWEEPS;
    check->sweeps = memory_new(sync->count, sizeof(struct backfill *));
    for (size_t i = 0; i < sync->count; i++) {
        if (sync->parts[i].state != SYNC_OTHER && is_listed(engine->selection->models[i]))
            check->sweeps[i] = engine_begin_sweep(engine, slot_of(engine, sync, i),
                                                  sync->integration_id, since_ms, OVERLAP_MS);
    }
}

/* Ends when all lists are read, and what they brought is committed. */
static void look_at_sweeps(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    bool failed = false;
    for (size_t i = 0; i < sync->count; i++) {
        if (check->sweeps[i] != NULL && check->sweeps[i]->phase != BACKFILL_DONE)
            return;
    }
    for (size_t i = 0; i < sync->count; i++) {
        const struct backfill *sweep = check->sweeps[i];
        if (sweep == NULL)
            continue;
        check->found[i] = sweep->unheard;
        check->newest_ms = sweep->top > check->newest_ms ? sweep->top : check->newest_ms;
        failed |= sweep->failed;
    }
    end(engine, sync, failed ? "lists-refused" : NULL);
}

static void settle(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    struct making_good making = {engine, sync, ledger_of(engine, sync)};
    if (audit_overflowed(check->audit) && can_sweep(engine, sync)) {
        begin_sweeps(engine, sync);
        return;
    }
    if (audit_overflowed(check->audit)) {
        end(engine, sync, "too-many-changes");
        return;
    }
    (void)audit_missing(check->audit, &making.ledger, make_good, &making);
    end(engine, sync, NULL);
}

/* Reading what was recorded, or the lists? The first page of the former is here already. What is
 * made good by events costs pages of its own when nothing is known of what was heard. A list may
 * not show a change of `last_seen` alone, so where webhooks tell of such ones it is no choice. */
static void choose(struct engine *engine, struct sync *sync, int64_t fresh)
{
    bool verified;
    struct ledger_window window = window_of(engine, sync, &verified);
    int64_t pages = (fresh + API_PAGE_SIZE - 1) / API_PAGE_SIZE;
    int64_t lists = 0;
    for (size_t i = 0; i < sync->count; i++)
        lists += sync->parts[i].state != SYNC_OTHER;
    int64_t swept = lists + window.records / API_PAGE_SIZE;
    int64_t read = verified ? pages : 2 * pages;
    bool cheaper = window.heard > 0 && window.seen == 0 && swept < read - 1;
    if (can_sweep(engine, sync) && (sync->is_backsync || cheaper || pages > PAGES_MOST))
        begin_sweeps(engine, sync);
    else if (pages > PAGES_MOST)
        end(engine, sync, "too-many-changes");
    else
        sync->check->phase = CHECK_READS;
}

static int64_t newest_of(const cJSON *items, int64_t newest_ms)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        int64_t ms = 0;
        if (timestamp_member(item, "created_at", &ms) && ms > newest_ms)
            newest_ms = ms;
    }
    return newest_ms;
}

/* The API has forgotten what lies behind the anchor: changes are counted from another one on. */
static void move_anchor(struct engine *engine, struct sync *sync)
{
    struct ledger ledger = ledger_of(engine, sync);
    bool verified;
    struct ledger_start start = window_of(engine, sync, &verified).start;
    start.anchor_ms = start.newest_ms;
    start.counted = 0;
    ledger_restore(&ledger, &start, clock_wall_ms());
}

static void read_page(struct engine *engine, struct sync *sync, struct api_page *page,
                      int64_t fresh)
{
    struct check *check = sync->check;
    struct ledger ledger = ledger_of(engine, sync);
    int count = cJSON_GetArraySize(page->items);
    if (check->audit == NULL)
        check->audit =
            audit_new(engine->selection, window_of(engine, sync, &(bool){false}).start.newest_ms);
    audit_page(check->audit, &ledger, page->items);
    check->offset += count;
    if (!page->has_more || count == 0 || audit_count(check->audit) >= fresh)
        settle(engine, sync);
}

static void on_page(struct engine *engine, struct sync *sync, struct api_page *page, int64_t now_ms)
{
    struct check *check = sync->check;
    bool verified;
    struct ledger_window window = window_of(engine, sync, &verified);
    int64_t fresh = page->total < 0 ? INT64_MAX : page->total - window.start.counted;
    check->failures = 0;
    check->total = page->total;
    check->newest_ms = newest_of(page->items, check->newest_ms);
    if (fresh < 0 && window.start.counted > 0) {
        move_anchor(engine, sync);
        check->phase = CHECK_ASKS;
        return;
    }
    if (check->phase != CHECK_READS && fresh == check->heard && !sync->is_backsync) {
        end(engine, sync, NULL);
        return;
    }
    if (check->phase == CHECK_ASKS && engine->config->sync.grace_ms > 0) {
        check->phase = CHECK_WAITS;
        check->not_before_ms = now_ms + engine->config->sync.grace_ms;
        return;
    }
    if (check->phase != CHECK_READS)
        choose(engine, sync, fresh);
    if (sync->check != NULL && check->phase == CHECK_READS)
        read_page(engine, sync, page, fresh);
}

static void on_failure(struct engine *engine, struct sync *sync, enum api_outcome outcome,
                       long status, const char *detail, int64_t now_ms)
{
    struct check *check = sync->check;
    const struct policy *policy = policy_for(outcome);
    if (outcome == API_FORBIDDEN || outcome == API_REFUSED || outcome == API_GONE) {
        log_warn("data_diffs_refused", LOG_NUMBER("status", status), LOG_TEXT("reason", detail),
                 LOG_TEXT("hint", "without a right to /v1/admin/data-diffs/ lists are read"));
        engine->diffs_refused_until = now_ms + REFUSED_MS;
        check->total = -1;
        begin_sweeps(engine, sync);
        return;
    }
    check->failures++;
    check->not_before_ms = now_ms + policy_delay(policy, check->failures, &engine->random);
    (void)snprintf(check->reason, sizeof check->reason, "%s",
                   outcome == API_UNAUTHORIZED ? "unauthorized" : "api-unavailable");
}

static struct sync *with_check(const struct engine *engine, const struct check *check)
{
    struct sync *sync = engine->syncs;
    while (sync != NULL && sync->check != check)
        sync = sync->next;
    return sync;
}

static enum api_outcome answered(struct engine *engine, void *target, uint64_t start,
                                 const struct http_answer *http, int64_t now_ms)
{
    struct check *check = target;
    struct sync *sync = with_check(engine, check);
    struct api_page page = api_read_page(http);
    (void)start;
    check->in_flight = false;
    if (page.outcome == API_RECORD)
        on_page(engine, sync, &page, now_ms);
    else
        on_failure(engine, sync, page.outcome, http->status, page.detail, now_ms);
    cJSON_Delete(page.items);
    return page.outcome;
}

/* The question is asked of what was heard by now. */
static void ask(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    struct check *check = sync->check;
    bool verified;
    struct ledger_window window = window_of(engine, sync, &verified);
    if (check->phase != CHECK_READS) {
        check->heard = verified && window.doubts == 0 ? window.heard : -1;
        check->offset = 0;
    }
    char *url = api_diffs_url_after(engine->config->api.base_url, sync->integration_id,
                                    window.start.anchor_ms, check->offset);
    check->in_flight = true;
    if (!request_start(engine, METRIC_KIND_DIFFS, url, answered, NULL, check, now_ms)) {
        check->in_flight = false;
        on_failure(engine, sync, API_OUTAGE, 0, "the request could not be started", now_ms);
    }
    free(url);
}

static bool wants_request(const struct check *check)
{
    return check != NULL && !check->in_flight &&
           (check->phase == CHECK_ASKS || check->phase == CHECK_ASKS_AGAIN ||
            check->phase == CHECK_READS);
}

bool reconcile_continue(struct engine *engine, int64_t now_ms, int64_t *wait)
{
    *wait = INT64_MAX;
    for (struct sync *sync = engine->syncs; sync != NULL; sync = sync->next) {
        if (!wants_request(sync->check))
            continue;
        int64_t left = sync->check->not_before_ms - now_ms;
        if (left <= 0) {
            ask(engine, sync, now_ms);
            return true;
        }
        *wait = left < *wait ? left : *wait;
    }
    return false;
}

void engine_check_sync(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    if (sync->check == NULL) {
        begin(engine, sync, now_ms);
        if (!engine->config->sync.reconcile)
            end(engine, sync, "off");
        else if (now_ms < engine->diffs_refused_until)
            begin_sweeps(engine, sync);
        return;
    }
    struct check *check = sync->check;
    if (check->phase == CHECK_WAITS && now_ms >= check->not_before_ms)
        check->phase = CHECK_ASKS_AGAIN;
    if (check->phase == CHECK_SWEEPS)
        look_at_sweeps(engine, sync);
    if (sync->check != NULL && now_ms >= check->deadline_ms && !check->in_flight)
        end(engine, sync, check->reason[0] != '\0' ? check->reason : "deadline");
}
