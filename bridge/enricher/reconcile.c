/*
 * After a sync: did all its webhooks arrive?
 *
 * The API's count of recorded changes in the window is held against the ledger's (ledger.h): one
 * request. Where they differ, what is on its way is waited for a moment; then the recorded changes
 * are read (audit.h), or the lists of all models, newest change first, down to where the window
 * begins: whatever costs fewer requests. Without a right to the recorded changes it is the lists.
 *
 * Why the count proves something: changes are recorded before their webhooks are sent, and what was
 * heard is counted before the question is asked. So an answer has all changes whose webhooks were
 * heard; when it has no others, none is missing. That is believed of a window in which all was
 * heard, no content twice, and of which no late webhook of a forgotten change is to be expected.
 *
 * What is recorded while an answer's pages are read belongs to the next window, and what is heard
 * meanwhile counts in both: its change may be on either side.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/enricher/reconcile.h"
#include "bridge/enricher/requests.h"

/* More recorded changes are not read: that many pages are four minutes of the whole budget. */
#define PAGES_MOST 400
/* Over the pages, when rows moved between them. */
#define PASSES_MOST 2
/* Without a right to recorded changes it is not tried again before. */
#define REFUSED_MS (INT64_C(3600) * 1000)
/* Of an integration of which nothing was heard before its first sync changes this old count. */
#define UNHEARD_MS 600000
/* The anchor moves up before the API forgets what lies behind it: it keeps 30 days. */
#define ANCHOR_MS (INT64_C(20) * 24 * 3600 * 1000)
/* An API that records less than half of so many changes does not record. */
#define HEARD_MANY 20

struct ledger check_ledger(const struct engine *engine, const struct sync *sync)
{
    return engine_ledger(engine, sync->number, sync->integration_id);
}

struct ledger_window check_window(const struct engine *engine, const struct sync *sync)
{
    struct ledger ledger = check_ledger(engine, sync);
    struct ledger_window window;
    (void)ledger_window(&ledger, &window);
    return window;
}

/* Changes are counted from the window's own beginning on: the API has forgotten older ones, or will
 * soon. */
static void move_anchor(struct engine *engine, struct sync *sync)
{
    struct ledger ledger = check_ledger(engine, sync);
    struct ledger_start start = check_window(engine, sync).start;
    start.anchor_ms = start.newest_ms;
    start.counted = 0;
    ledger_anchor(&ledger, &start);
}

static void begin(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    struct ledger ledger = check_ledger(engine, sync);
    struct check *check = memory_new(1, sizeof *check);
    int64_t wall_ms = clock_wall_ms();
    *check = (struct check){.serial = ++engine->check_serial,
                            .deadline_ms = now_ms + engine->config->sync.deadline_ms,
                            .total = -1,
                            .passes = 1,
                            .found = memory_new(sync->count, sizeof *check->found)};
    sync->check = check;
    ledger_open(&ledger, sync->began_ms - UNHEARD_MS, wall_ms);
    ledger_settle(&ledger, engine->closing_by);
    if (wall_ms - check_window(engine, sync).start.anchor_ms > ANCHOR_MS)
        move_anchor(engine, sync);
    check->newest_ms = check_window(engine, sync).start.newest_ms;
}

/* All pages are read. */
static void settle(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    int64_t heard = check_window(engine, sync).heard;
    bool is_short = check->fresh >= 0 && audit_is_short(check->audit, check->fresh);
    if (audit_overflowed(check->audit)) {
        check->verdict = check_can_sweep(engine) ? NULL : "too-many-changes";
        check_begin_sweeps(engine, sync);
        return;
    }
    if (is_short && check->passes < PASSES_MOST) {
        check->passes++;
        check->offset = 0;
        audit_again(check->audit);
        return;
    }
    bool records = heard <= HEARD_MANY || audit_count(check->audit) >= heard / 2;
    check_make_good(engine, sync);
    check_end(engine, sync,
              is_short   ? "changes-unread"
              : !records ? "fewer-recorded"
                         : NULL,
              !is_short);
}

/* Reading what was recorded, or the lists? The first page of the former is here already. What is
 * made good by events costs pages of its own when nothing is known of what was heard. A list may
 * not show a change of `last_seen` alone, so where webhooks tell of such ones it is no choice. */
static void choose(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    struct ledger_window window = check_window(engine, sync);
    int64_t pages = check->fresh / API_PAGE_SIZE + 1;
    int64_t swept = (int64_t)engine->selection->count + window.records / API_PAGE_SIZE;
    int64_t read = window.verified ? pages : 2 * pages;
    bool seen_counts = window.seen > 0 || engine->config->snapshots.expire_unseen_days > 0;
    bool cheaper = window.heard > 0 && !seen_counts && swept < read - 1;
    bool listed = check_can_sweep(engine);
    if (pages > PAGES_MOST && !listed)
        check->verdict = "too-many-changes";
    if (pages > PAGES_MOST || (listed && (sync->is_backsync || cheaper)))
        check_begin_sweeps(engine, sync);
    else
        check->phase = CHECK_READS;
}

static int64_t newest_of(const cJSON *items, int64_t newest_ms)
{
    int64_t latest_ms = engine_latest_stamp_ms();
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        int64_t ms = 0;
        if (timestamp_member(item, "created_at", &ms) && ms > newest_ms && ms <= latest_ms)
            newest_ms = ms;
    }
    return newest_ms;
}

/* In the form in which its event was heard. */
static void redact(const struct engine *engine, const cJSON *items)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, items)
    {
        const char *name = json_member_text(item, "model");
        const struct model *model = name == NULL ? NULL : model_find(name, strlen(name));
        redaction_change(engine->selection->redaction, model, json_member(item, "data_diff"));
    }
}

static void read_page(struct engine *engine, struct sync *sync, const struct api_page *page)
{
    struct check *check = sync->check;
    struct ledger ledger = check_ledger(engine, sync);
    int count = cJSON_GetArraySize(page->items);
    if (check->audit == NULL)
        check->audit = audit_new(engine->selection, check_window(engine, sync).start.newest_ms,
                                 engine_latest_stamp_ms());
    redact(engine, page->items);
    audit_page(check->audit, &ledger, page->items);
    check->offset += count;
    check->pages++;
    if (!page->has_more || count == 0 || audit_is_through(check->audit) ||
        (check->fresh >= 0 && audit_count(check->audit) >= check->fresh)) {
        settle(engine, sync);
    } else if (check->pages >= PAGES_MOST) {
        check->verdict = "too-many-changes";
        check_begin_sweeps(engine, sync);
    }
}

/* The answer to the question: how many were recorded? */
static void on_count(struct engine *engine, struct sync *sync, const struct api_page *page,
                     int64_t now_ms)
{
    struct check *check = sync->check;
    struct ledger_window window = check_window(engine, sync);
    int64_t counted = window.start.counted;
    if (page->total >= 0 && page->total < counted) {
        move_anchor(engine, sync);
        return;
    }
    check->total = page->total;
    check->fresh = page->total < 0 ? -1 : page->total - counted;
    check->newest_ms = newest_of(page->items, check->newest_ms);
    if (check->fresh >= 0 && check->fresh == check->heard && !sync->is_backsync) {
        check_end(engine, sync, NULL, true);
    } else if (check->phase == CHECK_ASKS && engine->config->sync.grace_ms > 0 &&
               check->fresh > window.heard) {
        check->phase = CHECK_WAITS;
        check->not_before_ms = now_ms + engine->config->sync.grace_ms;
    } else {
        choose(engine, sync);
        if (check->phase == CHECK_READS)
            read_page(engine, sync, page);
    }
}

/* This API does not tell us what was recorded. */
static void on_refusal(struct engine *engine, struct sync *sync, enum api_outcome outcome,
                       long status, const char *detail, int64_t now_ms)
{
    log_warn("data_diffs_refused", LOG_NUMBER("status", status),
             LOG_TEXT("integration_id", sync->integration_id), LOG_TEXT("reason", detail),
             LOG_TEXT("hint", "without a right to /v1/admin/data-diffs/ lists are read"));
    if (outcome == API_FORBIDDEN)
        engine->diffs_refused_until = now_ms + REFUSED_MS;
    sync->check->total = -1;
    check_begin_sweeps(engine, sync);
}

static void on_failure(struct engine *engine, struct sync *sync, enum api_outcome outcome,
                       long status, const char *detail, int64_t now_ms)
{
    struct check *check = sync->check;
    const struct policy *policy = policy_for(outcome);
    if (policy->attempts != 0) {
        on_refusal(engine, sync, outcome, status, detail, now_ms);
        return;
    }
    check->failures++;
    check->not_before_ms = now_ms + policy_delay(policy, check->failures, &engine->random);
    (void)snprintf(check->trouble, sizeof check->trouble, "%s",
                   policy->verdict == POLICY_PAUSE ? "unauthorized" : "api-unavailable");
}

/* A request outlives its check when the sync is over by a barrier that an earlier check wrote. */
static struct sync *find_asker(const struct engine *engine, const void *target)
{
    struct sync *sync = engine->syncs;
    while (sync != NULL &&
           (sync->check == NULL || sync->check->serial != (uint64_t)(uintptr_t)target))
        sync = sync->next;
    return sync;
}

static enum api_outcome answered(struct engine *engine, void *target, uint64_t start,
                                 const struct http_answer *http, int64_t now_ms)
{
    struct sync *sync = find_asker(engine, target);
    struct api_page page = api_read_page(http);
    (void)start;
    if (sync != NULL) {
        sync->check->in_flight = false;
        if (page.outcome != API_RECORD)
            on_failure(engine, sync, page.outcome, http->status, page.detail, now_ms);
        else if (sync->check->phase == CHECK_READS)
            read_page(engine, sync, &page);
        else
            on_count(engine, sync, &page, now_ms);
    }
    cJSON_Delete(page.items);
    return page.outcome;
}

/* The question is asked of what was heard by now. */
static void note_heard(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    struct ledger_window window = check_window(engine, sync);
    bool proves = window.verified && window.doubts == 0 && clock_wall_ms() >= window.proves_ms;
    check->heard = proves ? window.heard : -1;
    check->sequence = window.sequence;
    check->offset = 0;
}

static void ask(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    struct check *check = sync->check;
    if (check->phase != CHECK_READS)
        note_heard(engine, sync);
    char *url =
        api_diffs_url_after(engine->config->api.base_url, sync->integration_id, API_NEWEST_FIRST,
                            check_window(engine, sync).start.anchor_ms, check->offset);
    check->in_flight = true;
    struct request request = {.kind = METRIC_KIND_DIFFS,
                              .url = url,
                              .integration_id = sync->integration_id,
                              .place = -1,
                              .answered = answered,
                              .target = (void *)(uintptr_t)check->serial};
    if (!request_start(engine, &request, now_ms)) {
        check->in_flight = false;
        on_failure(engine, sync, API_NOT_STARTED, 0, policy_for(API_NOT_STARTED)->when, now_ms);
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
        if (left <= 0 && !breakers_may(engine->breakers, sync->integration_id, now_ms))
            continue;
        if (left <= 0) {
            ask(engine, sync, now_ms);
            return true;
        }
        *wait = left < *wait ? left : *wait;
    }
    return false;
}

static void begin_check(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    begin(engine, sync, now_ms);
    if (!engine->config->sync.reconcile) {
        check_end(engine, sync, "off", false);
    } else if (now_ms < engine->diffs_refused_until) {
        note_heard(engine, sync);
        check_begin_sweeps(engine, sync);
    }
}

/* Why no answer came. */
static const char *trouble_of(const struct engine *engine, const struct sync *sync)
{
    if (sync->check->trouble[0] != '\0')
        return sync->check->trouble;
    return breakers_is_held(engine->breakers, sync->integration_id) ? "api-unavailable"
                                                                    : "deadline";
}

void engine_check_sync(struct engine *engine, struct sync *sync, int64_t now_ms)
{
    struct check *check = sync->check;
    if (check == NULL) {
        begin_check(engine, sync, now_ms);
    } else if (now_ms >= check->deadline_ms && !check->in_flight) {
        check_end(engine, sync, trouble_of(engine, sync), false);
    } else if (check->phase == CHECK_WAITS && now_ms >= check->not_before_ms) {
        check->phase = CHECK_ASKS_AGAIN;
    } else if (check->phase == CHECK_SWEEPS) {
        check_look_at_sweeps(engine, sync);
    }
}
