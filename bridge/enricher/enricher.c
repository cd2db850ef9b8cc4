#include "bridge/enricher/enricher.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/health.h"
#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/enricher/engine.h"

#define RUSH_EVENTS       200 /* of one turn */
#define RUSH_MS           100
#define RUSH_MOST_MS      500
#define EVENTS_A_TURN     2000 /* taken in before the other work has its turn */
#define LONGEST_WAIT_MS   500
#define CONSUMER_CLOSE_MS 10000
#define CONNECT_MS        10000

struct enricher {
    struct engine engine;
    pthread_t thread;
    int wake_fd;
    int failure_fd;
    atomic_llong drain_until_ms; /* 0 = not draining; else the deadline on the monotonic clock */
    atomic_bool stopping;        /* draining: what waits gives up */
    atomic_bool failed;
    struct error failure; /* written before `failed` */
    int64_t rush_ms;      /* when very many events were here at once */
    int64_t rush_began_ms;
};

static void forget_all(struct engine *engine)
{
    (void)engine_cancel_fetches(engine);
    engine->closing_by = random_next(&engine->random) | 1;
    engine_forget_walks(engine);
    engine_forget_syncs(engine);
    engine_forget_expiries(engine);
    engine_forget_backfills(engine);
    engine_forget_ahead(engine);
    engine_forget_erased(engine);
    planner_clear(engine->planner);
    pending_clear(&engine->pending);
    recency_clear(engine->recency);
    offsets_clear(engine->offsets);
    memset(engine->ages, 0,
           engine->topics->model_count * (size_t)engine->topics->partitions * sizeof *engine->ages);
    engine_forget_behind(engine);
    breakers_forget(engine->breakers);
    engine_drop_batches(engine);
    membership_release(engine->membership);
    engine->membership = NULL;
    engine->owned_count = 0;
    engine->fenced = false;
}

static bool on_assigned(void *context, const struct consumer_slot *slots, size_t count,
                        struct membership *membership, struct error *error)
{
    struct engine *engine = context;
    forget_all(engine);
    engine->membership = membership;
    if (!engine_restore(engine, slots, count, error))
        return false;
    for (size_t i = 0; i < count; i++) {
        engine->owned[engine->owned_count++] = slots[i].slot;
        engine_load_told(engine, &slots[i]);
        offsets_begin(engine->offsets, slots[i].slot, slots[i].offset);
    }
    budget_set_share(&engine->budget, (int)count,
                     (int)engine->topics->model_count * engine->topics->partitions);
    bool whole = consumer_incomplete(engine->consumer) == 0;
    health_set(HEALTH_ASSIGNMENT, whole,
               "some partition numbers are owned in some topics only: bridge.models differ");
    log_info("assigned", LOG_NUMBER("partitions", count),
             LOG_NUMBER("incomplete", consumer_incomplete(engine->consumer)));
    return true;
}

static void on_revoked(void *context)
{
    struct engine *engine = context;
    int64_t began_ms = clock_ms();
    size_t partitions = engine->owned_count;
    size_t records = engine->pending.records.count;
    size_t requests = engine_cancel_fetches(engine);
    for (size_t i = 0; i < engine->owned_count; i++) {
        int slot = engine->owned[i];
        if (engine->paused[slot])
            consumer_resume(engine->consumer, slot);
        engine->paused[slot] = false;
    }
    engine->paused_count = 0;
    publisher_revoke(engine->publisher);
    engine_keep_heard(engine);
    forget_all(engine);
    health_set(HEALTH_ASSIGNMENT, false, "no partitions are assigned");
    log_info("revoked", LOG_NUMBER("partitions", partitions), LOG_NUMBER("records", records),
             LOG_NUMBER("requests", requests), LOG_NUMBER("ms", clock_ms() - began_ms));
}

static void fail(struct enricher *enricher, const struct error *error)
{
    uint64_t one = 1;
    if (atomic_load(&enricher->failed))
        return;
    enricher->failure = *error;
    atomic_store(&enricher->failed, true);
    log_error("enricher_failed", LOG_TEXT("reason", error->message));
    ssize_t written = write(enricher->failure_fd, &one, sizeof one);
    (void)written;
}

/* How many were taken in; EVENTS_A_TURN: there may be more. */
static int take_events(struct enricher *enricher, int64_t now_ms)
{
    struct engine *engine = &enricher->engine;
    struct consumer_event event;
    struct error error;
    consumer_clear_fd(engine->consumer);
    for (int i = 0; i < EVENTS_A_TURN; i++) {
        switch (consumer_next(engine->consumer, &event, &error)) {
        case CONSUMER_NOTHING:
            return i;
        case CONSUMER_FATAL:
            fail(enricher, &error);
            return i;
        case CONSUMER_EVENT:
            engine_take(engine, &event, now_ms);
            consumer_release(&event);
            if (engine_is_full(engine)) /* pauses; the consumer is served on for rebalances */
                engine_balance(engine);
            break;
        }
    }
    return EVENTS_A_TURN;
}

/* Events of a backlog are here faster than requests are worth planning: what is asked for now would
 * miss those that come within a moment. Not for long, and not where requests cost nothing. */
static bool is_rush(struct enricher *enricher, int taken, int64_t now_ms)
{
    if (taken >= RUSH_EVENTS && now_ms >= enricher->rush_ms + RUSH_MS)
        enricher->rush_began_ms = now_ms;
    if (taken >= RUSH_EVENTS)
        enricher->rush_ms = now_ms;
    return enricher->engine.budget.limit > 0 && now_ms < enricher->rush_ms + RUSH_MS &&
           now_ms < enricher->rush_began_ms + RUSH_MOST_MS;
}

/* What is committed now is in the cache from now on, later batches build on it; and it counts for
 * the milestones. */
static void take_committed(struct engine *engine, const struct batch *batch)
{
    engine->committed_serial = batch->serial;
    for (size_t i = 0; i < batch->count; i++) {
        const struct item *item = &batch->items[i];
        if (item->state != NULL ||
            (item->kind == ITEM_TOMBSTONE &&
             model_kind(engine->selection->models[item->place]) == MODEL_ASSEMBLED))
            engine_assembled_committed(engine, item);
        engine_count_committed(engine, item);
        engine_ledger_committed(engine, item);
        engine_expiry_committed(engine, item);
    }
}

static void keep_cache(struct enricher *enricher)
{
    struct error error;
    engine_keep_heard(&enricher->engine);
    if (cache_flush(enricher->engine.cache))
        return;
    error_set(&error, VERDICT_RETRY, "the cache in enricher.cache_dir failed");
    fail(enricher, &error);
}

static void collect(struct enricher *enricher)
{
    struct engine *engine = &enricher->engine;
    enum publisher_outcome outcome;
    struct error error;
    struct batch *batch;
    while ((batch = publisher_take(engine->publisher, &outcome, &error)) != NULL) {
        engine->uncommitted -= batch->count;
        engine->uncommitted_bytes -= batch->bytes;
        if (outcome == PUBLISHER_COMMITTED)
            take_committed(engine, batch);
        batch_free(batch);
        if (outcome == PUBLISHER_FAILED)
            fail(enricher, &error);
        if (outcome == PUBLISHER_FENCED) {
            engine->fenced = true;
            consumer_rejoin(engine->consumer);
        }
    }
}

static bool is_idle(struct engine *engine)
{
    return http_client_in_flight(engine->http) == 0 && engine->uncommitted == 0;
}

static void *loop(void *context)
{
    struct enricher *enricher = context;
    struct engine *engine = &enricher->engine;
    const int fds[] = {consumer_fd(engine->consumer), publisher_fd(engine->publisher),
                       enricher->wake_fd};
    int64_t wait = 0;
    for (;;) {
        http_client_poll(engine->http, fds, ARRAY_LENGTH(fds),
                         (int)(wait > LONGEST_WAIT_MS ? LONGEST_WAIT_MS : wait));
        int64_t now_ms = clock_ms();
        health_turned(HEALTH_LOOP_ENRICHER, now_ms);
        int64_t drain_until = atomic_load(&enricher->drain_until_ms);
        int taken = take_events(enricher, now_ms);
        collect(enricher);
        keep_cache(enricher);
        if (atomic_load(&enricher->failed)) /* nothing more goes to the publisher */
            break;
        wait = INT64_MAX;
        bool rush = is_rush(enricher, taken, now_ms);
        if (drain_until != 0) {
            engine_pause(engine);
        } else {
            engine_balance(engine);
            wait = rush ? RUSH_MS : engine_request(engine, now_ms);
        }
        engine_complete_backfills(engine);
        int64_t until_sync = engine_look_at_syncs(engine, now_ms);
        int64_t until_batch = engine_hand_over(engine, drain_until != 0, now_ms);
        wait = until_batch < wait ? until_batch : wait;
        wait = taken == EVENTS_A_TURN ? 0 : until_sync < wait ? until_sync : wait;
        engine_measure(engine, now_ms);
        engine_write_board(engine, now_ms);
        if (drain_until != 0 && (is_idle(engine) || now_ms >= drain_until))
            break;
    }
    consumer_free(engine->consumer, CONSUMER_CLOSE_MS);
    engine->consumer = NULL;
    return NULL;
}

static bool open_cache(struct engine *engine, struct error *error)
{
    char *cluster = consumer_cluster(engine->consumer);
    if (cluster == NULL)
        return error_set(error, VERDICT_RETRY, "Kafka does not tell its cluster id");
    engine->cache = cache_open(engine->config, cluster, error);
    free(cluster);
    return engine->cache != NULL;
}

static bool start_parts(struct enricher *enricher, const struct kafka_context *kafka,
                        struct error *error)
{
    struct engine *engine = &enricher->engine;
    const struct config *config = engine->config;
    struct http_options options = {.max_connections = (int)config->api.max_concurrency,
                                   .connect_timeout_ms = CONNECT_MS,
                                   .timeout_ms = (int)config->api.timeout_ms,
                                   .max_body = 2 * (size_t)config->topics.max_message,
                                   .bearer = config->api.token,
                                   .ca_file = config->api.ca};
    struct consumer_callbacks callbacks = {on_assigned, on_revoked, engine};
    engine->http = http_client_new(&options, error);
    if (engine->http == NULL)
        return false;
    engine->publisher = publisher_new(kafka, engine->topics, engine->selection, error);
    if (engine->publisher == NULL)
        return false;
    health_set(HEALTH_ASSIGNMENT, false, "the group has not been joined yet");
    engine->consumer = consumer_new(kafka, engine->topics, &callbacks, error);
    if (engine->consumer == NULL)
        return false;
    if (!open_cache(engine, error))
        return false;
    if (pthread_create(&enricher->thread, NULL, loop, enricher) != 0)
        return error_set(error, VERDICT_FATAL, "the enricher's thread did not start");
    return true;
}

static void free_all(struct enricher *enricher)
{
    struct engine *engine = &enricher->engine;
    consumer_free(engine->consumer, 0);
    publisher_free(engine->publisher);
    (void)engine_cancel_fetches(engine);
    http_client_free(engine->http);
    engine_forget_walks(engine);
    engine_forget_ahead(engine);
    engine_forget_erased(engine);
    cache_close(engine->cache);
    pending_clear(&engine->pending);
    planner_free(engine->planner);
    breakers_free(engine->breakers);
    recency_free(engine->recency);
    offsets_free(engine->offsets);
    engine_drop_batches(engine);
    batch_free(engine->open);
    membership_release(engine->membership);
    change_names_free(&engine->names);
    free(engine->owned);
    free(engine->behind);
    free(engine->behind_all);
    free(engine->looked_behind_ms);
    free(engine->paused);
    free(engine->ages);
    free(engine->consumed);
    free(engine->touched);
    free(engine->heard_next);
    free(engine->heard_kept);
    if (enricher->wake_fd >= 0)
        (void)close(enricher->wake_fd);
    free(enricher);
}

static struct planner *new_planner(struct engine *engine)
{
    const struct config *config = engine->config;
    struct planner_rules rules = {.max_delay_ms = config->enricher.max_delay_ms,
                                  .low_max_delay_ms = config->enricher.last_seen_max_delay_ms,
                                  .may = engine_may_ask,
                                  .context = engine};
    struct planner *planner = planner_new((int)engine->selection->count, &rules);
    for (size_t place = 0; place < engine->selection->count; place++) {
        const struct model *model = engine->selection->models[place];
        if (model->list_path != NULL && model_kind(model) == MODEL_BY_ID)
            planner_allow_pages(planner, (int)place, model->by_integration);
    }
    return planner;
}

static struct breakers *new_breakers(struct engine *engine)
{
    const struct config *config = engine->config;
    struct breakers_rules rules = {.threshold = (int)config->enricher.breaker_failures,
                                   .max_concurrency = (int)config->api.max_concurrency,
                                   .timeout_ms = config->api.timeout_ms,
                                   .release = engine_release,
                                   .context = engine};
    return breakers_new(&rules, &engine->random);
}

struct enricher *enricher_new(const struct kafka_context *kafka, const struct topics *topics,
                              const struct selection *selection, int failure_fd,
                              struct error *error)
{
    int slots = (int)topics->model_count * topics->partitions;
    struct enricher *enricher = memory_new(1, sizeof *enricher);
    struct engine *engine = &enricher->engine;
    enricher->failure_fd = failure_fd;
    enricher->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    engine->kafka = *kafka;
    engine->stopping = &enricher->stopping;
    engine->config = kafka->config;
    engine->topics = topics;
    engine->selection = selection;
    engine->random = random_from_system();
    engine->offsets = offsets_new(slots);
    engine->recency = recency_new();
    engine->pending = (struct pending)PENDING_EMPTY;
    engine->planner = new_planner(engine);
    engine->budget = budget_new(kafka->config->api.requests_per_minute, clock_ms());
    engine->breakers = new_breakers(engine);
    engine->owned = memory_new((size_t)slots, sizeof *engine->owned);
    engine->behind = memory_new((size_t)slots, sizeof *engine->behind);
    engine->behind_all = memory_new(engine->topics->model_count, sizeof *engine->behind_all);
    engine->looked_behind_ms = memory_new((size_t)slots, sizeof *engine->looked_behind_ms);
    engine->paused = memory_new((size_t)slots, sizeof *engine->paused);
    engine->ages = memory_new((size_t)slots, sizeof *engine->ages);
    engine->consumed = memory_new(selection->count, sizeof *engine->consumed);
    for (size_t place = 0; place < selection->count; place++)
        engine->consumed[place] =
            metrics_slot(METRIC_EVENTS_CONSUMED, selection->names[place], NULL);
    engine->touched = memory_new((size_t)slots, sizeof *engine->touched);
    engine->heard_next = memory_new((size_t)slots, sizeof *engine->heard_next);
    engine->heard_kept = memory_new((size_t)slots, sizeof *engine->heard_kept);
    engine->open = batch_new();
    metrics_set(METRIC_PARTITIONS, slots);
    metrics_set(METRIC_RETENTION, topics->retention_ms * 1000);
    if (start_parts(enricher, kafka, error))
        return enricher;
    free_all(enricher);
    return NULL;
}

bool enricher_failed(const struct enricher *enricher, struct error *error)
{
    if (!atomic_load(&enricher->failed))
        return false;
    *error = enricher->failure;
    return true;
}

static void stop(struct enricher *enricher, int timeout_ms)
{
    uint64_t one = 1;
    long long running = 0;
    long long until = clock_ms() + timeout_ms;
    if (!atomic_compare_exchange_strong(&enricher->drain_until_ms, &running, until))
        return;
    atomic_store(&enricher->stopping, true);
    ssize_t written = write(enricher->wake_fd, &one, sizeof one);
    (void)written;
    (void)pthread_join(enricher->thread, NULL);
}

void enricher_drain(struct enricher *enricher, int timeout_ms)
{
    stop(enricher, timeout_ms);
}

void enricher_free(struct enricher *enricher)
{
    if (enricher == NULL)
        return;
    stop(enricher, 0);
    free_all(enricher);
}
