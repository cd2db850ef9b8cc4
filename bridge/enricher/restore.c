#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bridge/base/clock.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/enricher/engine.h"
#include "bridge/enricher/family.h"
#include "bridge/enricher/headers.h"
#include "bridge/kafka/range.h"

#define FLUSH_EVERY 10000 /* messages: what gathers in the store stays small */
#define RETRY_MS    250
#define PATIENCE_MS 60000

/* What another instance took in meanwhile is heard from the topic when it is no more than this; a
 * cache that begins empty hears nothing of what lies before. */
#define HEARD_MOST 20000

struct restoring {
    struct engine *engine;
    struct range *range;       /* NULL until something has to be read */
    int number;                /* of the partition */
    int slot;                  /* the same, with the topic */
    const struct model *model; /* whose events are read */
    int64_t messages;
};

static void count_message(struct restoring *restoring)
{
    /* A failure shows at the end. */
    if (++restoring->messages % FLUSH_EVERY == 0 && !cache_flush(restoring->engine->cache))
        log_debug("restore_unkept");
}

/* The key is model/id; no model's name has a slash in it. */
static void take_state(void *context, const rd_kafka_message_t *message)
{
    struct restoring *restoring = context;
    char key[1024];
    count_message(restoring);
    if (message->key == NULL || message->key_len >= sizeof key)
        return;
    memcpy(key, message->key, message->key_len);
    key[message->key_len] = '\0';
    char *slash = strchr(key, '/');
    if (slash == NULL)
        return;
    *slash = '\0';
    cache_put_state(restoring->engine->cache, restoring->number, key, slash + 1, message->payload,
                    message->len);
}

static void take_event(void *context, const rd_kafka_message_t *message)
{
    struct restoring *restoring = context;
    struct webhook webhook = webhook_parse(message->payload, message->len);
    count_message(restoring);
    if (webhook.class == WEBHOOK_EVENT && webhook.model == restoring->model)
        cJSON_Delete(engine_learn_parents(restoring->engine, restoring->number, &webhook));
    webhook_free(&webhook);
}

static void hear_event(void *context, const rd_kafka_message_t *message)
{
    struct restoring *restoring = context;
    struct event_headers headers = event_headers_read(message);
    struct webhook webhook = webhook_parse(message->payload, message->len);
    count_message(restoring);
    engine_hear(restoring->engine, restoring->slot, message, &webhook, &headers);
    engine_keep_slot(restoring->engine, restoring->slot);
    webhook_free(&webhook);
    event_headers_free(&headers);
}

/* The ledger is to have heard all up to the committed offset. */
static bool hear_slot(struct restoring *restoring, const struct consumer_slot *slot,
                      struct error *error)
{
    struct engine *engine = restoring->engine;
    const char *topic = engine->topics->events[slot->slot / engine->topics->partitions];
    int64_t from = engine_heard(engine, slot->slot);
    int64_t next = from;
    restoring->slot = slot->slot;
    if (slot->offset <= from)
        return true;
    if (from > 0 && slot->offset - from <= HEARD_MOST) {
        if (restoring->range == NULL &&
            (restoring->range = range_open(&engine->kafka, error)) == NULL)
            return false;
        if (!range_read(restoring->range, topic, restoring->number, from, slot->offset, hear_event,
                        restoring, engine->stopping, &next, error))
            return false;
    }
    if (next < slot->offset)
        engine_not_heard(engine, slot->slot, slot->offset);
    else
        engine->heard_next[slot->slot] = slot->offset;
    return true;
}

/* From where the cache stands to `to`; from the beginning when the topic is another one than it
 * was. */
static bool catch_up(struct restoring *restoring, const char *topic, int64_t to, range_take *take,
                     struct error *error)
{
    struct engine *engine = restoring->engine;
    int64_t from = cache_offset(engine->cache, topic, restoring->number);
    int64_t next = from;
    if (from >= to)
        return true;
    if (restoring->range == NULL && (restoring->range = range_open(&engine->kafka, error)) == NULL)
        return false;
    if (!range_read(restoring->range, topic, restoring->number, from, to, take, restoring,
                    engine->stopping, &next, error))
        return false;
    if (next == RANGE_LOST) {
        if (restoring->model == NULL)
            cache_drop_states(engine->cache, restoring->number);
        else
            cache_drop_parents(engine->cache, restoring->number, restoring->model->name);
        if (!range_read(restoring->range, topic, restoring->number, 0, to, take, restoring,
                        engine->stopping, &next, error))
            return false;
    }
    cache_put_offset(engine->cache, topic, restoring->number, next);
    return true;
}

/* The key is integration_id/name; no name has a slash in it. */
static void take_progress(void *context, const rd_kafka_message_t *message)
{
    const struct restoring *restoring = context;
    struct engine *engine = restoring->engine;
    char *key = memory_text_n(message->key == NULL ? "" : message->key, message->key_len);
    char *slash = strrchr(key, '/');
    if (slash != NULL) {
        *slash = '\0';
        if (!engine_restore_erased(engine, key, slash + 1, restoring->number, message->payload,
                                   message->len) &&
            !engine_restore_sync(engine, key, slash + 1, restoring->number, message->payload,
                                 message->len) &&
            !engine_restore_window(engine, key, slash + 1, message->payload, message->len))
            engine_restore_backfill(engine, key, slash + 1, restoring->number, message->payload,
                                    message->len);
    }
    free(key);
}

/* How far backfills and syncs have come: little, and read whole. */
static bool read_progress(struct restoring *restoring, struct error *error)
{
    struct engine *engine = restoring->engine;
    int64_t next = 0;
    if (restoring->range == NULL && (restoring->range = range_open(&engine->kafka, error)) == NULL)
        return false;
    if (!range_read(restoring->range, engine->topics->state, restoring->number, 0, RANGE_END,
                    take_progress, restoring, engine->stopping, &next, error))
        return false;
    engine_restore_windows(engine, restoring->number);
    return true;
}

static bool restore_slot(struct restoring *restoring, const struct consumer_slot *slot,
                         struct error *error)
{
    struct engine *engine = restoring->engine;
    int place = slot->slot / engine->topics->partitions;
    restoring->number = slot->slot % engine->topics->partitions;
    /* The states lie in one topic for all models: once a partition number. */
    restoring->model = NULL;
    if (place == 0 && !read_progress(restoring, error))
        return false;
    if (place == 0 && engine->topics->assembly != NULL &&
        !catch_up(restoring, engine->topics->assembly, RANGE_END, take_state, error))
        return false;
    restoring->model = engine->selection->models[place];
    if (!hear_slot(restoring, slot, error))
        return false;
    return !family_is_named(restoring->model) ||
           catch_up(restoring, engine->topics->events[place], slot->offset, take_event, error);
}

/* What Kafka may answer a moment later is waited for: a topic just made, a broker that restarts. */
static bool restore_patiently(struct restoring *restoring, const struct consumer_slot *slot,
                              int64_t deadline, struct error *error)
{
    static struct log_gate gate;
    int64_t suppressed = 0;
    while (!restore_slot(restoring, slot, error)) {
        struct timespec pause = {0, RETRY_MS * 1000000L};
        if (error->verdict != VERDICT_RETRY || atomic_load(restoring->engine->stopping) ||
            clock_ms() >= deadline)
            return false;
        if (log_gate_open(&gate, clock_ms(), 5000, &suppressed))
            log_warn("restore_waits", LOG_TEXT("reason", error->message),
                     LOG_NUMBER("suppressed", suppressed));
        (void)nanosleep(&pause, NULL);
    }
    return true;
}

bool engine_restore(struct engine *engine, const struct consumer_slot *slots, size_t count,
                    struct error *error)
{
    struct restoring restoring = {.engine = engine};
    int64_t began = clock_ms();
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = restore_patiently(&restoring, &slots[i], began + PATIENCE_MS, error);
    range_close(restoring.range);
    if (!cache_flush(engine->cache) && ok)
        ok = error_set(error, VERDICT_RETRY, "the cache on disk failed");
    if (ok && restoring.messages > 0)
        log_info("restored", LOG_NUMBER("messages", restoring.messages),
                 LOG_NUMBER("ms", clock_ms() - began));
    return ok;
}
