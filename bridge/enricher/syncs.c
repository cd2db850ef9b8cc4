/*
 * The end of a sync: when everything that it brought is on the topics, downstream is told.
 *
 * The receiver puts a barrier behind the integration's events of each model, so what lies before it
 * in its partition is what the sync brought (webhooks that were refused and come again later lie
 * behind it). It is passed when none of the integration's events before it is open any more, and
 * what they led to is committed, and when the sync was checked (reconcile.c): the milestone goes
 * into a later transaction. Each barrier's offset is done as soon as it is written down, so it
 * holds up nobody; whoever owns the partition next reads that, takes the open events in again, and
 * tells the milestone then, maybe twice.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/text.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/headers.h"
#include "bridge/enricher/sync.h"

#define LOOK_EVERY_MS 50
/* The key of a sync on the state topic is integration_id/sync:ID; no model has such a name. */
#define NAME "sync:"

/* What was committed of one model of one integration since its last milestone. */
struct tally {
    int64_t snapshots;
    int64_t dead_letters;
};

static uint16_t owner_of(const char *integration_id)
{
    return (uint16_t)table_hash(integration_id, strlen(integration_id));
}

void engine_tag(struct engine *engine, const struct consumer_event *event,
                const char *integration_id)
{
    if (integration_id != NULL)
        offsets_tag(engine->offsets, event->slot, event->message->offset, owner_of(integration_id));
}

static struct sync *find(const struct engine *engine, const char *integration_id, const char *id)
{
    struct sync *sync = engine->syncs;
    while (sync != NULL &&
           (strcmp(sync->id, id) != 0 || strcmp(sync->integration_id, integration_id) != 0))
        sync = sync->next;
    return sync;
}

static void append(struct engine *engine, struct sync *sync)
{
    struct sync **end = &engine->syncs;
    while (*end != NULL)
        end = &(*end)->next;
    *end = sync;
}

static void drop(struct engine *engine, struct sync *sync)
{
    struct sync **at = &engine->syncs;
    while (*at != sync)
        at = &(*at)->next;
    *at = sync->next;
    check_free(engine, sync);
    sync_free(sync);
}

int sync_slot(const struct engine *engine, const struct sync *sync, size_t place)
{
    return (int)place * engine->topics->partitions + sync->number;
}

/* `place` is that of a part: its partition's work. `claim`: the events that go along, or NULL. */
static void write_down(struct engine *engine, const struct sync *sync, size_t place, bool gone,
                       struct claim *claim)
{
    char *name = memory_format(NAME "%s", sync->id);
    engine_text(engine, ITEM_PROGRESS, sync_slot(engine, sync, place), name, sync->integration_id,
                gone ? NULL : sync_write(sync, engine->selection), NULL, claim);
    free(name);
}

void sync_write_down(struct engine *engine, const struct sync *sync, size_t place)
{
    write_down(engine, sync, place, false, NULL);
}

static struct sync *new_sync(struct engine *engine, int slot, const char *integration_id,
                             const struct event_headers *headers, bool is_backsync)
{
    struct sync *sync =
        sync_new(integration_id, headers->sync_id, slot % engine->topics->partitions,
                 headers->sync_models, engine->selection, clock_wall_ms());
    sync->is_backsync = is_backsync;
    append(engine, sync);
    return sync;
}

/* What lies before it is waited for. */
static void wait_for(struct sync_part *part, int64_t offset)
{
    part->state = SYNC_WAITS;
    part->offset = offset;
    part->open_at = 0;
}

/* The one behind what a check made good tells what that was. One of a sync that is over, or of a
 * check that was begun anew, tells nothing. */
static bool take_second(struct sync *sync, size_t place, const struct event_headers *headers,
                        int64_t offset)
{
    struct sync_check check;
    uint64_t token = 0;
    if (sync == NULL || !check_read(headers->sync_checked, &check, &token) ||
        !sync->parts[place].again || sync->parts[place].token != token)
        return false;
    sync->parts[place].check = check;
    sync->parts[place].again = false;
    wait_for(&sync->parts[place], offset);
    return true;
}

void engine_take_barrier(struct engine *engine, const struct consumer_event *event,
                         const char *integration_id, const struct event_headers *headers,
                         bool is_backsync)
{
    size_t place = (size_t)(event->slot / engine->topics->partitions);
    struct claim claim = {0};
    struct sync *sync = find(engine, integration_id, headers->sync_id);
    bool second = headers->sync_checked != NULL;
    offsets_take(engine->offsets, event->slot, event->message->offset, 1);
    claim_add(&claim, (struct event_ref){event->slot, event->message->offset}, clock_ms());
    if (second && !take_second(sync, place, headers, event->message->offset)) {
        engine_nothing(engine, (int)place, engine->selection->names[place], &claim);
        return;
    }
    if (!second && sync == NULL)
        sync = new_sync(engine, event->slot, integration_id, headers, is_backsync);
    /* One that is taken in again finds what it began. */
    if (!second && sync->parts[place].state <= SYNC_UNTOLD)
        wait_for(&sync->parts[place], event->message->offset);
    planner_hurry(engine->planner, (int)place, integration_id);
    write_down(engine, sync, place, false, &claim);
}

bool engine_restore_sync(struct engine *engine, const char *integration_id, const char *name,
                         int number, const char *text, size_t length)
{
    if (strncmp(name, NAME, strlen(NAME)) != 0)
        return false;
    struct sync *old = find(engine, integration_id, name + strlen(NAME));
    if (old != NULL)
        drop(engine, old);
    struct sync *sync =
        text == NULL ? NULL : sync_read(text, length, integration_id, number, engine->selection);
    size_t done = 0;
    if (sync != NULL && sync_models(sync, &done) > 0)
        append(engine, sync);
    else
        sync_free(sync); /* none of its models is worked on any more */
    return true;
}

/* The tally of a model of an integration, made when there is none. */
static struct tally *tally_of(struct engine *engine, int place, const char *integration_id)
{
    char key[WEBHOOK_ID_MAXIMUM + 16];
    size_t length = text_numbered(key, sizeof key, place, '/', integration_id);
    length = length < sizeof key ? length : sizeof key - 1;
    struct tally *tally = table_get(&engine->tallies, key, length);
    if (tally == NULL) {
        tally = memory_new(1, sizeof *tally);
        (void)table_put(&engine->tallies, key, length, tally);
    }
    return tally;
}

void engine_count_committed(struct engine *engine, const struct item *item)
{
    bool snapshot =
        item->kind == ITEM_SNAPSHOT || item->kind == ITEM_TOMBSTONE || item->kind == ITEM_ASSEMBLED;
    if ((!snapshot && item->kind != ITEM_DEAD_LETTER) || item->integration_id == NULL)
        return;
    struct tally *tally = tally_of(engine, item->place, item->integration_id);
    /* One without events is a row of a list that cannot be published. */
    int64_t letters = snapshot ? 0 : item->claim.count == 0 ? 1 : item->claim.count;
    tally->snapshots += snapshot;
    tally->dead_letters += letters;
    engine_stand_committed(engine, item->place, item->integration_id, snapshot, letters);
}

static cJSON *new_milestone(const struct sync *sync, const char *event)
{
    cJSON *root = cJSON_CreateObject();
    double seconds = (double)(clock_wall_ms() - sync->began_ms) / 1000;
    (void)cJSON_AddStringToObject(root, "event", event);
    (void)cJSON_AddStringToObject(root, "integration_id", sync->integration_id);
    (void)cJSON_AddStringToObject(root, "sync", sync->id);
    (void)cJSON_AddNumberToObject(root, "seconds", seconds < 0 ? 0 : seconds);
    return root;
}

static void tell(struct engine *engine, const struct sync *sync, size_t place, const char *event,
                 cJSON *milestone)
{
    engine_text(engine, ITEM_MILESTONE, sync_slot(engine, sync, place),
                engine->selection->names[place], sync->integration_id,
                cJSON_PrintUnformatted(milestone), event, NULL);
    cJSON_Delete(milestone);
    log_info("sync", LOG_TEXT("state", event), LOG_TEXT("sync_id", sync->id),
             LOG_TEXT("integration_id", sync->integration_id),
             LOG_TEXT("model", engine->selection->names[place]));
}

static void add_check(cJSON *milestone, const struct sync *sync, const struct sync_part *part)
{
    (void)cJSON_AddNumberToObject(milestone, "snapshots", (double)part->snapshots);
    (void)cJSON_AddNumberToObject(milestone, "dead_letters", (double)part->dead_letters);
    (void)cJSON_AddNumberToObject(milestone, "missed", (double)part->check.missed);
    (void)cJSON_AddNumberToObject(milestone, "unverified", (double)part->check.unverified);
    (void)cJSON_AddBoolToObject(milestone, "reconciled", part->check.reconciled);
    if (!part->check.reconciled)
        (void)cJSON_AddStringToObject(milestone, "reason", sync->reason);
}

static void finish_part(struct engine *engine, struct sync *sync, size_t place)
{
    struct sync_part *part = &sync->parts[place];
    struct tally *tally = tally_of(engine, (int)place, sync->integration_id);
    cJSON *milestone = new_milestone(sync, "SNAPSHOTS_COMPLETE");
    part->snapshots = tally->snapshots;
    part->dead_letters = tally->dead_letters;
    (void)cJSON_AddStringToObject(milestone, "model", engine->selection->names[place]);
    add_check(milestone, sync, part);
    tell(engine, sync, place, "SNAPSHOTS_COMPLETE", milestone);
    *tally = (struct tally){0};
    part->state = SYNC_DONE;
    engine_stand_synced(engine, sync, (int)place);
    write_down(engine, sync, place, false, NULL);
}

/* All its models are told: the sync is over. */
static void finish(struct engine *engine, struct sync *sync, size_t models)
{
    size_t place = 0;
    struct sync_part sum = sync_sum(sync);
    while (sync->parts[place].state != SYNC_DONE)
        place++;
    cJSON *milestone = new_milestone(sync, "SYNC_SNAPSHOTS_COMPLETE");
    (void)cJSON_AddNumberToObject(milestone, "models", (double)models);
    add_check(milestone, sync, &sum);
    tell(engine, sync, place, "SYNC_SNAPSHOTS_COMPLETE", milestone);
    if (sum.check.reconciled)
        engine_begin_expiry(engine, sync);
    write_down(engine, sync, place, true, NULL);
    drop(engine, sync);
}

static void look_at_part(struct engine *engine, struct sync *sync, size_t place)
{
    struct sync_part *part = &sync->parts[place];
    int slot = sync_slot(engine, sync, place);
    if (part->state == SYNC_WAITS && offsets_reached(engine->offsets, slot) >= part->offset) {
        int64_t open = offsets_open_from(engine->offsets, slot, part->open_at, part->offset,
                                         owner_of(sync->integration_id));
        if (open >= 0) {
            part->open_at = open;
            return;
        }
        part->state = SYNC_COMMITS;
        part->waits_for = engine->batch_serial + (engine->open->count > 0);
    }
    if (part->state == SYNC_COMMITS && part->check.done &&
        engine->committed_serial >= part->waits_for)
        finish_part(engine, sync, place);
}

/* A barrier that did not come when a later sync's have all come never does: the receiver could not
 * keep all of them, answered 503, and Propexo told the sync again, under another id. */
static bool is_superseded(const struct sync *sync)
{
    bool told = sync_is_told(sync);
    for (const struct sync *later = sync->next; later != NULL && !told; later = later->next) {
        if (strcmp(later->integration_id, sync->integration_id) == 0 && sync_is_told(later) &&
            later->began_ms > sync->began_ms)
            return true;
    }
    return false;
}

static void supersede(struct engine *engine, struct sync *sync)
{
    size_t place = 0;
    while (place + 1 < sync->count &&
           (sync->parts[place].state == SYNC_OTHER || sync->parts[place].state == SYNC_UNTOLD))
        place++;
    log_info("sync_superseded", LOG_TEXT("sync_id", sync->id),
             LOG_TEXT("integration_id", sync->integration_id));
    write_down(engine, sync, place, true, NULL);
    drop(engine, sync);
}

static bool is_before(const struct sync *a, const struct sync *b)
{
    return a->began_ms != b->began_ms ? a->began_ms < b->began_ms : strcmp(a->id, b->id) < 0;
}

/* Its barriers have come and its check is not over; and no earlier sync of the integration is under
 * way, whose check may make good what lies behind the barriers of this one. */
static bool wants_check(const struct engine *engine, const struct sync *sync)
{
    if (!sync_is_told(sync) || !sync_wants_check(sync))
        return false;
    for (const struct sync *other = engine->syncs; other != NULL; other = other->next) {
        if (other != sync && strcmp(other->integration_id, sync->integration_id) == 0 &&
            sync_is_told(other) && is_before(other, sync))
            return false;
    }
    return true;
}

int64_t engine_look_at_syncs(struct engine *engine, int64_t now_ms)
{
    if (engine->fenced || engine->syncs == NULL)
        return INT64_MAX;
    if (now_ms < engine->looked_ms + LOOK_EVERY_MS)
        return engine->looked_ms + LOOK_EVERY_MS - now_ms;
    engine->looked_ms = now_ms;
    for (struct sync *sync = engine->syncs, *next; sync != NULL; sync = next) {
        size_t done = 0;
        next = sync->next;
        if (is_superseded(sync)) {
            supersede(engine, sync);
            continue;
        }
        if (wants_check(engine, sync))
            engine_check_sync(engine, sync, now_ms);
        for (size_t place = 0; place < sync->count; place++)
            look_at_part(engine, sync, place);
        size_t models = sync_models(sync, &done);
        if (models > 0 && done == models)
            finish(engine, sync, models);
    }
    return LOOK_EVERY_MS;
}

void engine_forget_syncs(struct engine *engine)
{
    const struct table_slot *slot;
    size_t cursor = 0;
    while (engine->syncs != NULL)
        drop(engine, engine->syncs);
    while ((slot = table_next(&engine->tallies, &cursor)) != NULL)
        free(slot->value);
    table_free(&engine->tallies);
    engine_forget_standings(engine);
}
