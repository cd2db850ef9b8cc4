#include <stdatomic.h>
#include <stdlib.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/backfill.h"
#include "bridge/enricher/engine.h"

/* What walks over all that waits is done once a second; where a million records wait, which takes a
 * while, so seldom that it takes a hundredth of the time. */
#define EVERY_MS 1000
#define PART     100

void engine_count_taken(struct engine *engine, const struct consumer_event *event,
                        const char *integration_id, int64_t kafka_ms)
{
    atomic_fetch_add_explicit(engine->consumed[event->slot / engine->topics->partitions], 1,
                              memory_order_relaxed);
    if (integration_id != NULL)
        (void)metrics_add_labelled(METRIC_INTEGRATION_EVENTS, integration_id, NULL, 1);
    if (kafka_ms != 0)
        age_take(&engine->ages[event->slot], event->message->offset, kafka_ms);
}

static void measure_waiting(const struct engine *engine, int64_t now_ms)
{
    int64_t oldest[] = {now_ms, now_ms}; /* live, low */
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&engine->pending.records, &cursor)) != NULL) {
        const struct record *record = slot->value;
        int64_t *lane = &oldest[record->queue == QUEUE_LOW];
        if (record->now.first_ms < *lane)
            *lane = record->now.first_ms;
    }
    metrics_set(METRIC_OLDEST_LIVE, (now_ms - oldest[0]) * 1000);
    metrics_set(METRIC_OLDEST_LOW, (now_ms - oldest[1]) * 1000);
}

/* What is behind in Kafka, and how old the oldest of what is not done is. */
static void measure_partitions(struct engine *engine)
{
    int64_t wall_ms = clock_wall_ms();
    int64_t oldest_ms = wall_ms;
    int64_t *lag = memory_new(engine->selection->count, sizeof *lag);
    for (size_t i = 0; i < engine->owned_count; i++) {
        int slot = engine->owned[i];
        int64_t next = offsets_next(engine->offsets, slot);
        int64_t end = consumer_end(engine->consumer, slot);
        int64_t first_ms =
            age_oldest(&engine->ages[slot], offsets_watermark(engine->offsets, slot), next);
        if (first_ms != 0 && first_ms < oldest_ms)
            oldest_ms = first_ms;
        if (next >= 0 && end > next)
            lag[slot / engine->topics->partitions] += end - next;
    }
    for (size_t place = 0; place < engine->selection->count; place++)
        metrics_set_labelled(METRIC_LAG, engine->selection->names[place], NULL, lag[place]);
    metrics_set(METRIC_OLDEST_UNCOMMITTED, (wall_ms - oldest_ms) * 1000);
    free(lag);
}

static void measure_backfills(const struct engine *engine)
{
    int64_t running = 0;
    int64_t waiting = 0;
    for (const struct backfill *each = engine->backfills; each != NULL; each = each->next) {
        running += backfill_reads(each) && each->in_flight;
        waiting += backfill_reads(each) && !each->in_flight;
    }
    metrics_set(METRIC_BACKFILLS_RUNNING, running);
    metrics_set(METRIC_BACKFILLS_WAITING, waiting);
}

void engine_measure(struct engine *engine, int64_t now_ms)
{
    metrics_set(METRIC_WAITING_RECORDS,
                (int64_t)(engine->pending.records.count + engine->uncommitted));
    metrics_set(METRIC_BUDGET_LEFT, budget_left(&engine->budget, now_ms));
    metrics_set(METRIC_BUDGET_LIMIT, engine->budget.limit == 0 ? -1 : engine->budget.limit);
    metrics_set(METRIC_API_IN_FLIGHT, http_client_in_flight(engine->http));
    metrics_set(METRIC_PARTITIONS_OWNED, (int64_t)engine->owned_count);
    if (now_ms < engine->measure_ms)
        return;
    int64_t began_us = clock_us();
    engine_urge(engine, now_ms);
    measure_waiting(engine, now_ms);
    measure_partitions(engine);
    measure_backfills(engine);
    int64_t rest_ms = (clock_us() - began_us) * PART / 1000;
    engine->measure_ms = now_ms + (rest_ms > EVERY_MS ? rest_ms : EVERY_MS);
}
