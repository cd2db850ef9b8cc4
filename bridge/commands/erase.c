#include "bridge/commands/erase.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/commands/orders.h"
#include "bridge/enricher/erasing.h"
#include "bridge/kafka/range.h"

#define LOOK_MS     200
#define PATIENCE_MS 60000

struct erasure {
    struct orders orders;
    const char *record_id;
    int place;
    const char *kind; /* of the order that is under way: ERASE_SET, ... */
    char id[ERASE_ORDER_SIZE];
    char *key;     /* of the record on the state topic */
    bool *is_done; /* by partition: the order was carried out */
    int64_t *next;
};

static char *write_order(const struct erasure *erasure)
{
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "erase", erasure->kind);
    (void)cJSON_AddStringToObject(body, "model", erasure->orders.selection->names[erasure->place]);
    (void)cJSON_AddStringToObject(body, "record_id", erasure->record_id);
    (void)cJSON_AddStringToObject(body, "order", erasure->id);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

static bool give(struct erasure *erasure, struct error *error)
{
    struct orders *orders = &erasure->orders;
    char *text = write_order(erasure);
    bool ok = orders_connect(orders, error);
    for (int i = 0; ok && i < orders->topics->partitions; i++) {
        struct message message = {.topic = orders->topics->events[erasure->place],
                                  .partition = i,
                                  .value = text,
                                  .value_length = strlen(text)};
        message_header(&message, "content-type", "application/json");
        message_header(&message, "model", orders->selection->names[erasure->place]);
        message_header(&message, "record_id", erasure->record_id);
        message_header(&message, ERASE_HEADER, erasure->kind);
        ok = orders_put(orders, &message, error);
    }
    cJSON_free(text);
    return ok && orders_await(orders, error);
}

/* What the state topic tells of the record: the order that was carried out last. */
static void take_state(void *context, const rd_kafka_message_t *message)
{
    struct erasure *erasure = context;
    char order[ERASE_ORDER_SIZE];
    bool kept_out = false;
    if (message->key != NULL && message->key_len == strlen(erasure->key) &&
        memcmp(message->key, erasure->key, message->key_len) == 0 &&
        erasure_read(message->payload, message->len, &kept_out, order))
        erasure->is_done[message->partition] |= strcmp(order, erasure->id) == 0;
}

/* How many partitions are done; negative with `error` when they cannot be read. */
static int look(struct erasure *erasure, struct range *range, struct error *error)
{
    const struct topics *topics = erasure->orders.topics;
    int done = 0;
    if (!range_read_on(range, topics->state, topics->partitions, erasure->next, take_state, erasure,
                       error))
        return -1;
    for (int i = 0; i < topics->partitions; i++)
        done += erasure->is_done[i];
    return done;
}

/* `*done` partitions are; false with `error` when that cannot be seen. */
static bool follow(struct erasure *erasure, int *done, struct error *error)
{
    int partitions = erasure->orders.topics->partitions;
    struct range *range = range_open(&erasure->orders.kafka, error);
    int64_t deadline = clock_ms() + PATIENCE_MS;
    *done = range == NULL ? -1 : 0;
    while (*done >= 0 && *done < partitions && clock_ms() < deadline) {
        *done = look(erasure, range, error);
        if (*done >= 0 && *done < partitions)
            clock_rest(LOOK_MS);
    }
    range_close(range);
    return *done >= 0;
}

/* Gives an order, and follows it. */
static bool carry_out(struct erasure *erasure, const char *kind, int *done, struct error *error)
{
    struct random random = random_from_system();
    erasure->kind = kind;
    (void)random_id(&random, erasure->id);
    memset(erasure->is_done, 0,
           (size_t)erasure->orders.topics->partitions * sizeof *erasure->is_done);
    return give(erasure, error) && follow(erasure, done, error);
}

static int tell(const struct erasure *erasure, const char *what, int done, const char *rest)
{
    const struct orders *orders = &erasure->orders;
    (void)printf("%s %s: %s on %d of %d partitions\n", orders->selection->names[erasure->place],
                 erasure->record_id, what, done, orders->topics->partitions);
    if (done == orders->topics->partitions)
        return EX_OK;
    (void)fprintf(stderr, "propexo-bridge: %s\n", rest);
    return EX_TEMPFAIL;
}

static int erase(struct erasure *erasure, bool lift, struct error *error)
{
    struct orders *orders = &erasure->orders;
    int done = 0;
    if (!orders_prepare(orders, true, error))
        return error_exit_code(error);
    size_t partitions = (size_t)orders->topics->partitions;
    erasure->is_done = memory_new(partitions, sizeof *erasure->is_done);
    erasure->next = memory_new(partitions, sizeof *erasure->next);
    if (!lift)
        return carry_out(erasure, ERASE_SET, &done, error)
                   ? tell(erasure, "erased", done,
                          "the rest is ordered, and is carried out when the enrichers that own "
                          "these partitions come to it")
                   : error_exit_code(error);
    if (!carry_out(erasure, ERASE_ASK, &done, error))
        return error_exit_code(error);
    if (done < orders->topics->partitions)
        return tell(erasure, "asked", done,
                    "nothing is lifted: the others may have to carry out an erasure first");
    return carry_out(erasure, ERASE_LIFT, &done, error)
               ? tell(erasure, "let in again", done,
                      "the rest is ordered; until then the record may be kept out")
               : error_exit_code(error);
}

/* The place of the one model that was named; -1 when it has nothing to erase. */
static int place_of(const struct orders *orders)
{
    for (size_t i = 0; i < orders->selection->count; i++)
        if (orders->chosen[i] && orders->selection->has_snapshots[i])
            return (int)i;
    return -1;
}

int command_erase(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct erasure erasure = {.record_id = arguments->record};
    int code = EX_OK;
    if (orders_choose(&erasure.orders, config, arguments, &code)) {
        erasure.place = place_of(&erasure.orders);
        if (erasure.place < 0) {
            (void)fprintf(stderr,
                          "propexo-bridge: %s has no snapshots of its own; erase the records that "
                          "show it\n",
                          arguments->models[0]);
            code = EX_USAGE;
        } else {
            erasure.key = memory_format("%s/%s/%s", erasure.orders.selection->names[erasure.place],
                                        erasure.record_id, ERASED_NAME);
            code = erase(&erasure, has_option(arguments, OPTION_LIFT), &error);
            if (code != EX_OK && code != EX_TEMPFAIL)
                (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
        }
    }
    free(erasure.key);
    free(erasure.is_done);
    free(erasure.next);
    orders_free(&erasure.orders);
    return code;
}
