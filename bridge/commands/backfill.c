#include "bridge/commands/backfill.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/listing.h"
#include "bridge/kafka/producer.h"
#include "bridge/kafka/range.h"
#include "bridge/kafka/topics.h"
#include "bridge/propexo/selection.h"

#define KEPT_MS 30000 /* an order must be kept within this time */
#define LOOK_MS 500
#define BAR     30 /* columns */

struct order {
    const struct config *config;
    struct selection *selection;
    struct topics *topics;
    bool *chosen; /* by place */
    char id[33];
    int64_t given_ms;      /* wall clock */
    struct table progress; /* "integration/model" -> struct progress */
    pthread_mutex_t lock;  /* of the two below, which delivery reports count */
    int open;
    char problem[200];
};

/* One model of one integration. */
struct progress {
    int64_t rows; /* published or passed */
    int64_t total;
    int64_t missing;
    bool done;
    bool failed;
};

static void on_done(void *opaque, bool kept, const char *reason)
{
    struct order *order = opaque;
    (void)pthread_mutex_lock(&order->lock);
    order->open--;
    if (!kept)
        (void)snprintf(order->problem, sizeof order->problem, "%s", reason);
    (void)pthread_mutex_unlock(&order->lock);
}

static bool choose_models(struct order *order, const struct arguments *arguments)
{
    for (size_t i = 0; i < order->selection->count; i++)
        order->chosen[i] = arguments->model_count == 0;
    for (size_t m = 0; m < arguments->model_count; m++) {
        const char *name = arguments->models[m];
        int place = selection_find(order->selection, name, strlen(name));
        if (place < 0) {
            (void)fprintf(stderr, "propexo-bridge: %s is not in bridge.models\n", name);
            return false;
        }
        order->chosen[place] = true;
    }
    return true;
}

/* Sends the order for one integration. */
static bool order_lists(struct order *order, struct producer *producer, const char *integration_id,
                        struct error *error)
{
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "event", "FIRST_SYNC_COMPLETE");
    (void)cJSON_AddStringToObject(body, "integration_id", integration_id);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    bool ok = true;
    for (size_t i = 0; ok && i < order->selection->count; i++) {
        if (!order->chosen[i])
            continue;
        struct message message = {.topic = order->topics->events[i],
                                  .partition = -1,
                                  .key = integration_id,
                                  .key_length = strlen(integration_id),
                                  .value = text,
                                  .value_length = strlen(text)};
        message_header(&message, "content-type", "application/json");
        message_header(&message, "integration_id", integration_id);
        message_header(&message, "model", order->selection->names[i]);
        message_header(&message, "trigger", "FIRST_SYNC_COMPLETE");
        message_header(&message, "sync_id", order->id);
        message_header(&message, "forced", "true");
        (void)pthread_mutex_lock(&order->lock);
        order->open++;
        (void)pthread_mutex_unlock(&order->lock);
        ok = producer_send(producer, &message, order, error);
        char *key = memory_format("%s/%s", integration_id, order->selection->names[i]);
        if (table_get(&order->progress, key, strlen(key)) == NULL)
            (void)table_put(&order->progress, key, strlen(key),
                            memory_new(1, sizeof(struct progress)));
        free(key);
    }
    free(text);
    return ok;
}

static void rest(int64_t ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&pause, NULL);
}

static bool wait_kept(struct order *order, struct error *error)
{
    int64_t deadline = clock_ms() + KEPT_MS;
    for (;;) {
        (void)pthread_mutex_lock(&order->lock);
        int open = order->open;
        (void)pthread_mutex_unlock(&order->lock);
        if (order->problem[0] != '\0')
            return error_set(error, VERDICT_RETRY, "%s", order->problem);
        if (open == 0)
            return true;
        if (clock_ms() >= deadline)
            return error_set(error, VERDICT_RETRY, "Kafka did not keep the order in time");
        rest(10);
    }
}

struct sending {
    struct order *order;
    struct producer *producer;
};

static bool order_integration(void *context, const char *id, const cJSON *row, struct error *error)
{
    const struct sending *sending = context;
    (void)row;
    return order_lists(sending->order, sending->producer, id, error);
}

/* Sends the order for all integrations that the API lists. */
static bool send_all(struct order *order, struct producer *producer, struct error *error)
{
    struct sending sending = {order, producer};
    struct listing *listing = listing_open(order->config, error);
    bool ok = listing != NULL && listing_integrations(listing, order_integration, &sending, error);
    listing_close(listing);
    return ok;
}

static bool give(struct order *order, const struct arguments *arguments, struct error *error)
{
    struct kafka_context kafka = {order->config, order->config->kafka.bootstrap_servers};
    const char *const *names = (const char *const *)order->topics->events;
    struct producer *producer =
        producer_new(&kafka, names, order->selection->count, on_done, error);
    bool ok = producer != NULL &&
              (arguments->all ? send_all(order, producer, error)
                              : order_lists(order, producer, arguments->integration, error));
    ok = ok && wait_kept(order, error);
    producer_close(producer);
    producer_free(producer);
    return ok;
}

static int64_t number(const cJSON *root, const char *name)
{
    const cJSON *item = json_member(root, name);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

/* What the state topic tells of a backfill: ours, or one that our order became a part of. */
static void take_state(void *context, const rd_kafka_message_t *message)
{
    struct order *order = context;
    struct progress *progress =
        message->key == NULL ? NULL : table_get(&order->progress, message->key, message->key_len);
    if (progress == NULL || message->payload == NULL)
        return;
    cJSON *root = json_parse(message->payload, message->len);
    const char *phase = json_member_text(root, "phase");
    const char *id = json_member_text(root, "backfill");
    bool ours = id != NULL && strcmp(id, order->id) == 0;
    if (phase != NULL && (ours || number(root, "ended_ms") >= order->given_ms ||
                          cJSON_IsTrue(json_member(root, "again")))) {
        progress->rows = number(root, "met");
        progress->total = number(root, "total");
        progress->missing = number(root, "missing");
        progress->done = strcmp(phase, "done") == 0;
        progress->failed = cJSON_IsTrue(json_member(root, "failed"));
    }
    cJSON_Delete(root);
}

static struct progress sum_up(const struct order *order, size_t *left)
{
    struct progress all = {.done = true};
    const struct table_slot *slot;
    size_t cursor = 0;
    *left = 0;
    while ((slot = table_next(&order->progress, &cursor)) != NULL) {
        const struct progress *one = slot->value;
        all.rows += one->rows;
        all.total += one->total > 0 ? one->total : 0;
        all.missing += one->missing;
        all.failed |= one->failed;
        all.done &= one->done;
        *left += !one->done;
    }
    return all;
}

/* One line, written over on a terminal. */
static void show(const struct order *order, const struct progress *all, size_t left,
                 int64_t began_ms)
{
    double seconds = (double)(clock_ms() - began_ms) / 1000;
    double rate = seconds > 0 ? (double)all->rows / seconds : 0;
    double part = all->total > 0 ? (double)all->rows / (double)all->total : 0;
    int filled = (int)(part > 1 ? BAR : part * BAR);
    const char *end = isatty(STDOUT_FILENO) && !all->done ? "\r" : "\n";
    (void)printf("[%.*s%*s] %" PRId64 " of %" PRId64 " records, %.0f/s", filled,
                 "##############################", BAR - filled, "", all->rows, all->total, rate);
    if (!all->done && rate > 0 && all->total > all->rows)
        (void)printf(", %.0f s left", (double)(all->total - all->rows) / rate);
    (void)printf(", %zu of %zu lists left    %s", left, order->progress.count, end);
    (void)fflush(stdout);
}

static bool follow(struct order *order, struct progress *all, struct error *error)
{
    struct kafka_context kafka = {order->config, order->config->kafka.bootstrap_servers};
    struct range *range = range_open(&kafka, error);
    atomic_bool never = false;
    int64_t *next = memory_new((size_t)order->topics->partitions, sizeof *next);
    int64_t began_ms = clock_ms();
    bool ok = range != NULL;
    while (ok && !all->done) {
        size_t left = 0;
        for (int i = 0; ok && i < order->topics->partitions; i++) {
            int64_t from = next[i] == RANGE_LOST ? 0 : next[i];
            ok = range_read(range, order->topics->state, i, from, RANGE_END, take_state, order,
                            &never, &next[i], error);
        }
        if (!ok)
            break;
        *all = sum_up(order, &left);
        show(order, all, left, began_ms);
        if (!all->done)
            rest(LOOK_MS);
    }
    free(next);
    range_close(range);
    return ok;
}

static bool prepare(struct order *order, struct error *error)
{
    const struct config *config = order->config;
    struct kafka_context kafka = {config, config->kafka.bootstrap_servers};
    if (strcmp(kafka.bootstrap, EMBEDDED_NAME) == 0)
        return error_set(error, VERDICT_CONFIGURATION,
                         "kafka.bootstrap.servers is embedded: that broker lives in a running "
                         "bridge only");
    order->topics = topics_new(config, order->selection->names, order->selection->has_snapshots,
                               order->selection->count, order->selection->has_assembled);
    return topics_prepare(&kafka, NULL, order->topics, error);
}

static void free_order(struct order *order)
{
    const struct table_slot *slot;
    size_t cursor = 0;
    while ((slot = table_next(&order->progress, &cursor)) != NULL)
        free(slot->value);
    table_free(&order->progress);
    (void)pthread_mutex_destroy(&order->lock);
    topics_free(order->topics);
    selection_free(order->selection);
    free(order->chosen);
}

int command_backfill(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct progress all = {0};
    struct random random = random_from_system();
    struct order order = {.config = config, .given_ms = clock_wall_ms()};
    int code = EX_USAGE;
    (void)pthread_mutex_init(&order.lock, NULL);
    (void)snprintf(order.id, sizeof order.id, "%016" PRIx64 "%016" PRIx64, random_next(&random),
                   random_next(&random));
    order.selection = selection_new(config, &error);
    if (order.selection == NULL) {
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
        free_order(&order);
        return error_exit_code(&error);
    }
    order.chosen = memory_new(order.selection->count, sizeof *order.chosen);
    if (choose_models(&order, arguments)) {
        bool ok = prepare(&order, &error) && give(&order, arguments, &error);
        if (ok)
            (void)printf("ordered %zu lists, order %s\n", order.progress.count, order.id);
        if (ok && arguments->follow && order.progress.count > 0)
            ok = follow(&order, &all, &error);
        code = !ok ? error_exit_code(&error) : all.failed || all.missing > 0 ? 1 : EX_OK;
        if (!ok)
            (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
    }
    free_order(&order);
    return code;
}
