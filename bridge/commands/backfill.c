#include "bridge/commands/backfill.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/listing.h"
#include "bridge/commands/orders.h"
#include "bridge/kafka/range.h"

#define LOOK_MS 500
#define BAR     30 /* columns */

struct order {
    struct orders orders;
    char id[RANDOM_ID_SIZE];
    int64_t given_ms;      /* wall clock */
    struct table progress; /* "integration/model" -> struct progress */
};

/* One model of one integration. */
struct progress {
    int64_t rows; /* published or passed */
    int64_t total;
    int64_t missing;
    bool done;
    bool failed;
};

/* Sends the order for one integration. */
static bool order_lists(struct order *order, const char *integration_id, struct error *error)
{
    struct orders *orders = &order->orders;
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "event", "FIRST_SYNC_COMPLETE");
    (void)cJSON_AddStringToObject(body, "integration_id", integration_id);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    bool ok = true;
    for (size_t i = 0; ok && i < orders->selection->count; i++) {
        if (!orders->chosen[i])
            continue;
        struct message message = {0};
        message_header(&message, "sync_id", order->id);
        message_header(&message, "forced", "true");
        ok = orders_send(orders, (int)i, integration_id, "FIRST_SYNC_COMPLETE", text, &message,
                         error);
        char *key = memory_format("%s/%s", integration_id, orders->selection->names[i]);
        if (table_get(&order->progress, key, strlen(key)) == NULL)
            (void)table_put(&order->progress, key, strlen(key),
                            memory_new(1, sizeof(struct progress)));
        free(key);
    }
    free(text);
    return ok;
}

static bool order_integration(void *context, const char *id, const cJSON *row, struct error *error)
{
    (void)row;
    return order_lists(context, id, error);
}

/* Sends the order for all integrations that the API lists. */
static bool order_all(struct order *order, struct error *error)
{
    struct listing *listing = listing_open(order->orders.config, error);
    bool ok = listing != NULL && listing_integrations(listing, order_integration, order, error);
    listing_close(listing);
    return ok;
}

static bool give(struct order *order, const struct arguments *arguments, struct error *error)
{
    return orders_connect(&order->orders, error) &&
           (arguments->integration == NULL ? order_all(order, error)
                                           : order_lists(order, arguments->integration, error)) &&
           orders_await(&order->orders, error);
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
    if (phase != NULL && (ours || json_member_integer(root, "ended_ms") >= order->given_ms ||
                          cJSON_IsTrue(json_member(root, "again")))) {
        progress->rows = json_member_integer(root, "met");
        progress->total = json_member_integer(root, "total");
        progress->missing = json_member_integer(root, "missing");
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
    const struct topics *topics = order->orders.topics;
    struct range *range = range_open(&order->orders.kafka, error);
    int64_t *next = memory_new((size_t)topics->partitions, sizeof *next);
    int64_t began_ms = clock_ms();
    bool ok = range != NULL;
    while (ok && !all->done) {
        size_t left = 0;
        ok =
            range_read_on(range, topics->state, topics->partitions, next, take_state, order, error);
        if (!ok)
            break;
        *all = sum_up(order, &left);
        show(order, all, left, began_ms);
        if (!all->done)
            clock_rest(LOOK_MS);
    }
    free(next);
    range_close(range);
    return ok;
}

static void free_order(struct order *order)
{
    const struct table_slot *slot;
    size_t cursor = 0;
    while ((slot = table_next(&order->progress, &cursor)) != NULL)
        free(slot->value);
    table_free(&order->progress);
    orders_free(&order->orders);
}

int command_backfill(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct progress all = {0};
    struct random random = random_from_system();
    struct order order = {.given_ms = clock_wall_ms()};
    int code = EX_OK;
    (void)random_id(&random, order.id);
    if (orders_choose(&order.orders, config, arguments, &code)) {
        bool ok = orders_prepare(&order.orders, true, &error) && give(&order, arguments, &error);
        if (ok)
            (void)printf("ordered %zu lists, order %s\n", order.progress.count, order.id);
        if (ok && has_option(arguments, OPTION_FOLLOW) && order.progress.count > 0)
            ok = follow(&order, &all, &error);
        code = !ok ? error_exit_code(&error) : all.failed || all.missing > 0 ? 1 : EX_OK;
        if (!ok)
            (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
    }
    free_order(&order);
    return code;
}
