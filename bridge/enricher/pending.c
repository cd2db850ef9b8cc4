#include "bridge/enricher/pending.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/text.h"
#include "bridge/propexo/api.h"

const struct event_ref *claim_events(const struct claim *claim)
{
    return claim->capacity == 0 ? &claim->events.one : claim->events.many;
}

/* Room for one event more. */
static struct event_ref *next_event(struct claim *claim)
{
    if (claim->capacity == 0 && claim->count == 0)
        return &claim->events.one;
    if (claim->capacity == 0) {
        struct event_ref one = claim->events.one;
        claim->capacity = 2;
        claim->events.many = memory_new(claim->capacity, sizeof one);
        claim->events.many[0] = one;
    } else if (claim->count == claim->capacity) {
        claim->capacity *= 2;
        claim->events.many =
            memory_grow(claim->events.many, claim->capacity, sizeof *claim->events.many);
    }
    return &claim->events.many[claim->count];
}

void claim_add(struct claim *claim, struct event_ref ref, int64_t now_ms)
{
    if (claim->count == 0)
        claim->first_ms = now_ms;
    *next_event(claim) = ref;
    claim->count++;
}

void claim_arrived(struct claim *claim, int64_t kafka_ms)
{
    if (kafka_ms != 0 && (claim->arrived_ms == 0 || kafka_ms < claim->arrived_ms))
        claim->arrived_ms = kafka_ms;
}

void claim_keep_large(struct claim *claim, const char *head, size_t head_length, size_t length,
                      const char *sha256)
{
    free(claim->large);
    claim->large = memory_new(1, sizeof *claim->large + head_length);
    claim->large->length = length;
    claim->large->head_length = head_length;
    memcpy(claim->large->head, head, head_length);
    if (sha256 != NULL)
        (void)snprintf(claim->large->sha256, sizeof claim->large->sha256, "%s", sha256);
}

struct claim claim_split(struct claim *claim, uint32_t count)
{
    struct claim part = {.is_new = claim->is_new, .forwarded = claim->forwarded};
    struct event_ref *events = claim->events.many; /* two at least */
    for (uint32_t i = 0; i < count; i++)
        claim_add(&part, events[i], claim->first_ms);
    claim->count -= count;
    memmove(events, events + count, claim->count * sizeof *events);
    return part;
}

void claim_free(struct claim *claim)
{
    if (claim->capacity > 0)
        free(claim->events.many);
    free(claim->traceparent);
    free(claim->large);
    changes_free(&claim->changes);
    *claim = (struct claim){0};
}

static void free_record(struct record *record)
{
    claim_free(&record->now);
    if (record->later != NULL)
        claim_free(record->later);
    free(record->later);
    assembly_free(record->work);
    free(record);
}

char *pending_key(int place, bool orphan, const char *id)
{
    size_t size = strlen(id) + TEXT_NUMBER_SIZE + 1;
    char *key = memory_bytes(size);
    (void)text_numbered(key, size, place, orphan ? '?' : ':', id);
    return key;
}

const char *pending_integration(struct pending *pending, const char *id)
{
    if (id == NULL)
        return NULL;
    char *known = table_get(&pending->integrations, id, strlen(id));
    if (known == NULL) {
        known = memory_text(id);
        (void)table_put(&pending->integrations, known, strlen(known), known);
    }
    return known;
}

struct record *pending_record(struct pending *pending, int place, bool orphan, const char *id,
                              bool *created)
{
    char *key = pending_key(place, orphan, id);
    size_t length = strlen(key);
    struct record *record = table_get(&pending->records, key, length);
    *created = record == NULL;
    if (record == NULL) {
        record = memory_new(1, sizeof *record + length + 1);
        record->place = (int16_t)place;
        record->orphan = orphan;
        record->key_length = (uint16_t)length;
        memcpy(record->key, key, length + 1);
        record->id = record->key + length - strlen(id);
        (void)table_put(&pending->records, record->key, length, record);
    }
    free(key);
    return record;
}

struct record *pending_find(const struct pending *pending, int place, const char *id)
{
    char *key = pending_key(place, false, id);
    struct record *record = table_get(&pending->records, key, strlen(key));
    free(key);
    return record;
}

/* What was missing or looked old before the news may be there with them. */
static void hear_news(struct record *record)
{
    if (record->news >= PENDING_NEWS)
        return;
    record->news += record->reread || (record->outcome == API_GONE && record->attempts > 0);
    record->reread = false;
    if (record->outcome == API_GONE)
        record->attempts = 0;
}

struct claim *record_claim(struct record *record)
{
    if (record->state == RECORD_FETCHING) {
        if (record->later == NULL)
            record->later = memory_new(1, sizeof *record->later);
        return record->later;
    }
    hear_news(record);
    return &record->now;
}

static void join_changes(struct changes *into, const struct changes *from)
{
    for (size_t i = 0; i < from->count; i++)
        changes_put(into, from->items[i]);
}

/* The events that came meanwhile, taken out of the record; none: a claim without any. */
static struct claim take_later(struct record *record)
{
    struct claim later = {0};
    if (record->later != NULL) {
        later = *record->later;
        free(record->later);
        record->later = NULL;
    }
    return later;
}

static void join_later(struct record *record)
{
    struct claim later = take_later(record);
    if (later.count == 0)
        return;
    hear_news(record);
    for (uint32_t i = 0; i < later.count; i++)
        claim_add(&record->now, claim_events(&later)[i], later.first_ms);
    claim_arrived(&record->now, later.arrived_ms);
    join_changes(&record->now.changes, &later.changes);
    record->now.is_new = later.is_new;
    record->now.forwarded |= later.forwarded;
    record->now.tells_more |= later.tells_more;
    if (later.traceparent != NULL) {
        free(record->now.traceparent);
        record->now.traceparent = later.traceparent;
        later.traceparent = NULL;
    }
    claim_free(&later);
}

void record_wait(struct record *record, int64_t due_ms)
{
    join_later(record);
    record->state = RECORD_WAITING;
    record->due_ms = due_ms;
}

bool pending_settle(struct pending *pending, struct record *record)
{
    claim_free(&record->now);
    if (record->later == NULL) {
        (void)table_remove(&pending->records, record->key, record->key_length);
        free_record(record);
        return false;
    }
    record->now = take_later(record);
    record->state = RECORD_WAITING;
    record->attempts = 0;
    record->failed_s = 0;
    record->reread = false;
    record->alone = false;
    record->urged = false;
    record->passed = 0;
    record->news = 0;
    record->due_ms = 0;
    return true;
}

void pending_clear(struct pending *pending)
{
    size_t cursor = 0;
    struct table_slot *slot;
    while ((slot = table_next(&pending->records, &cursor)) != NULL)
        free_record(slot->value);
    table_free(&pending->records);
    cursor = 0;
    while ((slot = table_next(&pending->integrations, &cursor)) != NULL)
        free(slot->value);
    table_free(&pending->integrations);
}
