/*
 * How each model of each integration stands, for the board (base/board.h) that the console shows:
 * what waits, what was published and what became a dead letter since the assignment, the last sync,
 * and how far backfills have come. Of partitions owned here alone.
 */
#include <stdlib.h>
#include <string.h>

#include "bridge/base/board.h"
#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/text.h"
#include "bridge/enricher/backfill.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/sync.h"

#define STANDINGS_MOST 20000 /* kept; further ones are not shown */
#define ROWS_MOST      1000  /* shown: those with most to tell */
#define BACKFILLS_MOST 200
#define SYNCS_MOST     200
#define FOUND_MOST     4096

struct standing {
    int place;
    const char *integration_id; /* in the table's key */
    int64_t snapshots;
    int64_t dead_letters;
    int64_t synced_ms; /* wall clock: a sync's snapshots were complete; 0 = none was */
    bool reconciled;   /* that sync was */
    int64_t missed;    /* webhooks that did not arrive, in that sync */
    size_t waiting;    /* counted anew for each text, like: */
    int64_t oldest_ms; /* when the oldest of them was taken in */
};

/* NULL when there are too many already. */
static struct standing *standing_of(struct engine *engine, int place, const char *integration_id)
{
    char key[WEBHOOK_ID_MAXIMUM + 16];
    size_t length = text_numbered(key, sizeof key, place, '/', integration_id);
    if (length >= sizeof key)
        return NULL;
    struct standing *standing = table_get(&engine->standings, key, length);
    if (standing == NULL && engine->standings.count < STANDINGS_MOST) {
        standing = memory_new(1, sizeof *standing);
        standing->place = place;
        (void)table_put(&engine->standings, key, (size_t)length, standing);
    }
    return standing;
}

void engine_stand_committed(struct engine *engine, int place, const char *integration_id,
                            int64_t snapshots, int64_t dead_letters)
{
    struct standing *standing = standing_of(engine, place, integration_id);
    if (standing == NULL)
        return;
    standing->snapshots += snapshots;
    standing->dead_letters += dead_letters;
}

void engine_stand_synced(struct engine *engine, const struct sync *sync, int place)
{
    struct standing *standing = standing_of(engine, place, sync->integration_id);
    if (standing == NULL)
        return;
    standing->synced_ms = clock_wall_ms();
    standing->reconciled = sync->parts[place].check.reconciled;
    standing->missed = sync->parts[place].check.missed;
}

void engine_forget_standings(struct engine *engine)
{
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&engine->standings, &cursor)) != NULL)
        free(slot->value);
    table_free(&engine->standings);
}

/* The standing of a waiting record. Ids are held once (pending_integration), and neighbours in the
 * table often share one: most are found without making a key. */
struct found {
    const char *integration_id;
    int place;
    struct standing *standing;
};

static struct standing *standing_of_record(struct engine *engine, struct found *found,
                                           const struct record *record)
{
    uintptr_t mixed = ((uintptr_t)record->integration_id >> 4) * 31 + (uintptr_t)record->place;
    struct found *one = &found[mixed % FOUND_MOST];
    if (one->integration_id != record->integration_id || one->place != record->place)
        *one = (struct found){record->integration_id, record->place,
                              standing_of(engine, record->place, record->integration_id)};
    return one->standing;
}

static void count_waiting(struct engine *engine)
{
    struct found *found = memory_new(FOUND_MOST, sizeof *found);
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&engine->standings, &cursor)) != NULL)
        ((struct standing *)slot->value)->waiting = 0;
    cursor = 0;
    while ((slot = table_next(&engine->pending.records, &cursor)) != NULL) {
        const struct record *record = slot->value;
        if (record->integration_id == NULL) /* it is not known yet whose it is */
            continue;
        struct standing *standing = standing_of_record(engine, found, record);
        if (standing == NULL)
            continue;
        if (standing->waiting++ == 0 || record->now.first_ms < standing->oldest_ms)
            standing->oldest_ms = record->now.first_ms;
    }
    free(found);
}

static int by_need(const void *a, const void *b)
{
    const struct standing *one = *(struct standing *const *)a;
    const struct standing *other = *(struct standing *const *)b;
    if (one->waiting != other->waiting)
        return one->waiting > other->waiting ? -1 : 1;
    if (one->dead_letters != other->dead_letters)
        return one->dead_letters > other->dead_letters ? -1 : 1;
    int order = strcmp(one->integration_id, other->integration_id);
    return order != 0 ? order : one->place - other->place;
}

static void add_number(cJSON *object, const char *name, int64_t value)
{
    (void)cJSON_AddNumberToObject(object, name, (double)value);
}

static cJSON *add_row(cJSON *rows, const struct engine *engine, const char *integration_id,
                      int place)
{
    cJSON *row = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(row, "integration_id", integration_id);
    (void)cJSON_AddStringToObject(row, "model", engine->selection->names[place]);
    (void)cJSON_AddItemToArray(rows, row);
    return row;
}

static void add_standings(cJSON *root, struct engine *engine, int64_t now_ms)
{
    struct standing **all = memory_new(engine->standings.count + 1, sizeof(struct standing *));
    size_t count = 0;
    size_t cursor = 0;
    const struct table_slot *slot;
    count_waiting(engine);
    while ((slot = table_next(&engine->standings, &cursor)) != NULL) {
        all[count] = slot->value;
        all[count++]->integration_id = strchr(slot->key, '/') + 1;
    }
    qsort(all, count, sizeof *all, by_need);
    cJSON *rows = cJSON_AddArrayToObject(root, "standings");
    add_number(root, "standings_all", (int64_t)count);
    for (size_t i = 0; i < count && i < ROWS_MOST; i++) {
        cJSON *row = add_row(rows, engine, all[i]->integration_id, all[i]->place);
        add_number(row, "waiting", (int64_t)all[i]->waiting);
        add_number(row, "oldest_ms", all[i]->waiting == 0 ? 0 : now_ms - all[i]->oldest_ms);
        add_number(row, "snapshots", all[i]->snapshots);
        add_number(row, "dead_letters", all[i]->dead_letters);
        if (all[i]->synced_ms == 0)
            continue;
        add_number(row, "synced_at_ms", all[i]->synced_ms);
        add_number(row, "missed", all[i]->missed);
        (void)cJSON_AddBoolToObject(row, "reconciled", all[i]->reconciled);
    }
    free(all);
}

static void add_syncs(cJSON *root, const struct engine *engine)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "syncs");
    int left = SYNCS_MOST;
    for (const struct sync *sync = engine->syncs; sync != NULL && left > 0; sync = sync->next) {
        size_t done = 0;
        size_t models = sync_models(sync, &done);
        cJSON *row = cJSON_CreateObject();
        (void)cJSON_AddStringToObject(row, "integration_id", sync->integration_id);
        (void)cJSON_AddStringToObject(row, "sync_id", sync->id);
        add_number(row, "began_at_ms", sync->began_ms);
        add_number(row, "models", (int64_t)models);
        add_number(row, "done", (int64_t)done);
        (void)cJSON_AddItemToArray(rows, row);
        left--;
    }
}

static void add_backfills(cJSON *root, const struct engine *engine)
{
    cJSON *rows = cJSON_AddArrayToObject(root, "backfills");
    int left = BACKFILLS_MOST;
    for (const struct backfill *each = engine->backfills; each != NULL && left > 0;
         each = each->next) {
        if (each->sweep)
            continue;
        cJSON *row = add_row(rows, engine, each->integration_id, each->place);
        (void)cJSON_AddStringToObject(row, "state",
                                      each->phase == BACKFILL_DONE
                                          ? each->failed ? "failed" : "done"
                                      : each->in_flight ? "running"
                                                        : "waiting");
        add_number(row, "met", each->met);
        if (each->total >= 0)
            add_number(row, "total", each->total);
        add_number(row, "pages", each->pages);
        add_number(row, "snapshots", each->snapshots);
        add_number(row, "started_at_ms", each->started_ms);
        if (each->phase == BACKFILL_DONE)
            add_number(row, "ended_at_ms", each->ended_ms);
        left--;
    }
}

void engine_write_board(struct engine *engine, int64_t now_ms)
{
    if (!board_wanted(now_ms))
        return;
    cJSON *root = cJSON_CreateObject();
    add_standings(root, engine, now_ms);
    add_syncs(root, engine);
    add_backfills(root, engine);
    board_put(cJSON_PrintUnformatted(root), now_ms);
    cJSON_Delete(root);
}
