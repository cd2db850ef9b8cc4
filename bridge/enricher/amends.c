/*
 * What a sync's check found missing is made good.
 *
 * By events (recreate.h), which go into the integration's own partition, with another barrier
 * behind them: whoever owns the partition works on them like on any other event, and the milestone
 * waits for them. Events, barriers, the sync's state and the next window are committed in this
 * order: so a crash makes things good twice, never not at all. A later sync of the integration is
 * checked when this one is over, since what is made good lies behind its barriers, too.
 *
 * Or by lists, whose rows are published at once, in transactions of the partition (backfills.c).
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/backfill.h"
#include "bridge/enricher/reconcile.h"
#include "bridge/propexo/recreate.h"

/* The anchor moves up before counting from there becomes a burden. */
#define ANCHOR_COUNT 100000

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

/* An item with an event, which the caller settles. */
static struct item *new_event(struct engine *engine, const struct sync *sync, size_t place,
                              const char *record_id, const char *trigger, char *text)
{
    struct item *item =
        engine_item(engine, ITEM_EVENT, (int)place, record_id, sync->integration_id);
    item->slot = sync_slot(engine, sync, place);
    item->trigger = trigger;
    item->text = text;
    item->sync_id = memory_text(sync->id);
    item->record_bytes = strlen(text);
    return item;
}

struct amends {
    struct engine *engine;
    struct sync *sync;
};

/* Without its content where that cannot be told again: the record is read at least. */
static void make_good(void *context, const struct audit_change *change)
{
    const struct amends *amends = context;
    struct engine *engine = amends->engine;
    struct sync *sync = amends->sync;
    struct claim none = {0};
    const char *model = engine->selection->names[change->place];
    if (engine_is_erased(engine, sync_slot(engine, sync, (size_t)change->place), change->record_id))
        return;
    char *text = recreate_event(sync->integration_id, model, change->record_id, change->is_new,
                                change->content);
    if (text == NULL || strlen(text) > (size_t)engine->config->topics.max_message) {
        free(text);
        text = recreate_event(sync->integration_id, model, change->record_id, false, NULL);
    }
    if (text == NULL)
        return;
    struct item *item = new_event(engine, sync, (size_t)change->place, change->record_id,
                                  change->is_new ? "DATA_NEW" : "DATA_UPDATE", text);
    if (change->hash_count > 0) {
        item->hashes = memory_new(change->hash_count, sizeof *item->hashes);
        memcpy(item->hashes, change->hashes, change->hash_count * sizeof *item->hashes);
        item->hash_count = change->hash_count;
    }
    engine_settle(engine, item, &none);
    sync->check->found[change->place] += change->first;
}

void check_make_good(struct engine *engine, struct sync *sync)
{
    struct amends amends = {engine, sync};
    struct ledger ledger = check_ledger(engine, sync);
    bool verified = check_window(engine, sync).verified;
    sync->check->unsure =
        !audit_missing(sync->check->audit, &ledger, verified, make_good, &amends) || !verified;
}

/* Behind what was made good of a model, also of one that the sync did not cover: it does now. */
static void write_barrier(struct engine *engine, struct sync *sync, size_t place,
                          const struct sync_check *found)
{
    struct claim none = {0};
    struct sync_part *part = &sync->parts[place];
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "event", "SYNC_COMPLETE");
    (void)cJSON_AddStringToObject(body, "integration_id", sync->integration_id);
    struct item *item = new_event(engine, sync, place, engine->selection->names[place],
                                  "SYNC_COMPLETE", cJSON_PrintUnformatted(body));
    part->token = engine->closing_by ^ sync->check->serial;
    item->sync_checked = memory_format("%016" PRIx64 " %" PRId64 " %" PRId64 " %d", part->token,
                                       found->missed, found->unverified, found->reconciled);
    engine_settle(engine, item, &none);
    cJSON_Delete(body);
    part->state = SYNC_WAITS;
    part->check = (struct sync_check){0};
    part->again = true;
}

bool check_read(const char *text, struct sync_check *check, uint64_t *token)
{
    int reconciled = 0;
    *check = (struct sync_check){.done = true};
    if (sscanf(text, "%" SCNx64 " %" SCNd64 " %" SCNd64 " %d", token, &check->missed,
               &check->unverified, &reconciled) != 4)
        return false;
    check->reconciled = reconciled != 0;
    return true;
}

bool check_can_sweep(const struct engine *engine)
{
    for (size_t i = 0; i < engine->selection->count; i++) {
        if (!model_is_listed(engine->selection->models[i]))
            return false;
    }
    return true;
}

void check_begin_sweeps(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    int64_t since_ms = check_window(engine, sync).start.newest_ms;
    check->phase = CHECK_SWEEPS;
    check->sweeps = memory_new(sync->count, sizeof(struct backfill *));
    for (size_t i = 0; i < sync->count; i++) {
        if (model_is_listed(engine->selection->models[i]))
            check->sweeps[i] = engine_begin_sweep(engine, sync_slot(engine, sync, i),
                                                  sync->integration_id, since_ms, AUDIT_OVERLAP_MS);
    }
}

void check_look_at_sweeps(struct engine *engine, struct sync *sync)
{
    struct check *check = sync->check;
    bool failed = false;
    bool unsure = false;
    for (size_t i = 0; i < sync->count; i++) {
        if (check->sweeps[i] != NULL && check->sweeps[i]->phase != BACKFILL_DONE)
            return;
    }
    for (size_t i = 0; i < sync->count; i++) {
        const struct backfill *sweep = check->sweeps[i];
        if (sweep == NULL)
            continue;
        check->found[i] = (int64_t)sweep->unheard.count;
        check->newest_ms = sweep->top > check->newest_ms ? sweep->top : check->newest_ms;
        failed |= sweep->failed;
        unsure |= sweep->unsure;
    }
    const char *reason = failed ? "lists-refused" : unsure ? "lists-unsure" : check->verdict;
    check_end(engine, sync, reason, !failed);
}

/* What was compared is behind us. */
static struct ledger_start next_start(const struct engine *engine, const struct sync *sync)
{
    const struct check *check = sync->check;
    struct ledger_start start = check_window(engine, sync).start;
    start.number++;
    start.newest_ms = check->newest_ms > start.newest_ms ? check->newest_ms : start.newest_ms;
    start.counted = check->total < 0 ? 0 : check->total;
    if (check->total < 0 || start.counted > ANCHOR_COUNT) {
        start.anchor_ms = start.newest_ms;
        start.counted = 0;
    }
    return start;
}

static void log_end(const struct sync *sync, int64_t missed, int64_t unverified)
{
    bool reconciled = sync->reason[0] == '\0';
    metrics_add(reconciled ? METRIC_SYNCS_RECONCILED : METRIC_SYNCS_UNRECONCILED, 1);
    log_info("sync_checked", LOG_TEXT("sync_id", sync->id),
             LOG_TEXT("integration_id", sync->integration_id),
             LOG_TEXT("outcome", reconciled ? "reconciled" : "not_reconciled"),
             LOG_NUMBER("missed", missed), LOG_NUMBER("unverified", unverified),
             LOG_TEXT("reason", sync->reason));
}

/* What was heard by now may be of the sync, though it lies behind its barrier: webhooks that were
 * on their way. It is waited for, too. */
static void settle_part(struct engine *engine, struct sync *sync, size_t place,
                        const struct sync_check *found)
{
    struct sync_part *part = &sync->parts[place];
    int64_t reached = offsets_reached(engine->offsets, sync_slot(engine, sync, place));
    part->check = *found;
    part->state = SYNC_WAITS;
    part->offset = reached > part->offset ? reached : part->offset;
    part->open_at = 0;
    planner_hurry(engine->planner, (int)place, sync->integration_id);
}

/* Lists were read, and none shows this model of the sync. */
static bool is_unlisted(const struct sync *sync, size_t place)
{
    const struct check *check = sync->check;
    return check->sweeps != NULL && check->sweeps[place] == NULL &&
           sync->parts[place].state != SYNC_OTHER;
}

/* The check's result for one model. */
static void end_part(struct engine *engine, struct sync *sync, size_t place, bool verified,
                     bool reconciled)
{
    const struct check *check = sync->check;
    struct sync_part *part = &sync->parts[place];
    struct sync_check found = {.done = true, .reconciled = reconciled && !is_unlisted(sync, place)};
    *(verified ? &found.missed : &found.unverified) = check->found[place];
    if (check->found[place] > 0 && check->sweeps == NULL)
        write_barrier(engine, sync, place, &found);
    else if (part->state != SYNC_OTHER && !part->check.done)
        settle_part(engine, sync, place, &found);
}

void check_end(struct engine *engine, struct sync *sync, const char *reason, bool close)
{
    struct check *check = sync->check;
    struct ledger ledger = check_ledger(engine, sync);
    struct ledger_start start = next_start(engine, sync);
    uint64_t sequence = check->sequence;
    bool unsure = check->sweeps != NULL || check->unsure;
    bool verified = check_window(engine, sync).verified;
    bool unlisted = false;
    int64_t sum = 0;
    size_t place = 0;
    for (size_t i = 0; i < sync->count; i++) {
        unlisted |= is_unlisted(sync, i);
        end_part(engine, sync, i, verified, reason == NULL);
        sum += check->found[i];
        place = sync->parts[i].state != SYNC_OTHER ? i : place;
    }
    (void)snprintf(sync->reason, sizeof sync->reason, "%s",
                   reason != NULL ? reason
                   : unlisted     ? "not-listed"
                                  : "");
    metrics_add(verified ? METRIC_WEBHOOKS_MISSED : METRIC_WEBHOOKS_UNVERIFIED, sum);
    log_end(sync, verified ? sum : 0, verified ? 0 : sum);
    check_free(engine, sync);
    sync_write_down(engine, sync, place);
    if (!close)
        return;
    ledger_close(&ledger, &start, sequence, engine->closing_by, unsure, clock_wall_ms());
    engine_write_window(engine, sync_slot(engine, sync, place), sync->integration_id, &start);
}
