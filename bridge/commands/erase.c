#include "bridge/commands/erase.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/random.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/orders.h"
#include "bridge/enricher/erasing.h"
#include "bridge/kafka/range.h"

#define LOOK_MS     200
#define PATIENCE_MS 60000

struct erasure {
    struct orders orders;
    const char *record_id;
    int place;
    bool lift;
    char id[33];
    char *key;     /* of the record on the state topic */
    bool *is_done; /* by partition */
    int number;    /* of the partition that is read */
    int64_t *next;
};

static char *write_order(const struct erasure *erasure)
{
    cJSON *body = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(body, "erase", erasure->lift ? ERASE_LIFT : ERASE_SET);
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
        message_header(&message, ERASE_HEADER, erasure->lift ? ERASE_LIFT : ERASE_SET);
        ok = orders_put(orders, &message, error);
    }
    cJSON_free(text);
    return ok && orders_await(orders, error);
}

/* What the state topic tells of the record, the last word counts: that this order keeps it out, or
 * that none does. */
static void take_state(void *context, const rd_kafka_message_t *message)
{
    struct erasure *erasure = context;
    if (message->key == NULL || message->key_len != strlen(erasure->key) ||
        memcmp(message->key, erasure->key, message->key_len) != 0)
        return;
    cJSON *root = message->payload == NULL ? NULL : json_parse(message->payload, message->len);
    const char *order = json_member_text(root, "order");
    erasure->is_done[erasure->number] =
        erasure->lift ? message->payload == NULL : order != NULL && strcmp(order, erasure->id) == 0;
    cJSON_Delete(root);
}

/* How many partitions are done; negative with `error` when they cannot be read. */
static int look(struct erasure *erasure, struct range *range, struct error *error)
{
    const struct topics *topics = erasure->orders.topics;
    atomic_bool never = false;
    int done = 0;
    for (int i = 0; i < topics->partitions; i++) {
        int64_t from = erasure->next[i] == RANGE_LOST ? 0 : erasure->next[i];
        erasure->number = i;
        if (!range_read(range, topics->state, i, from, RANGE_END, take_state, erasure, &never,
                        &erasure->next[i], error))
            return -1;
        done += erasure->is_done[i];
    }
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

static int carry_out(struct erasure *erasure, struct error *error)
{
    struct orders *orders = &erasure->orders;
    int done = 0;
    if (!orders_prepare(orders, true, error) || orders->topics->partitions < 1)
        return error_exit_code(error);
    size_t partitions = (size_t)orders->topics->partitions;
    erasure->is_done = memory_new(partitions, sizeof *erasure->is_done);
    erasure->next = memory_new(partitions, sizeof *erasure->next);
    /* Where nothing is said of a record, it is not kept out. */
    for (size_t i = 0; i < partitions; i++)
        erasure->is_done[i] = erasure->lift;
    if (!give(erasure, error) || !follow(erasure, &done, error))
        return error_exit_code(error);
    (void)printf("%s %s: %s on %d of %d partitions\n", orders->selection->names[erasure->place],
                 erasure->record_id, erasure->lift ? "let in again" : "erased", done,
                 orders->topics->partitions);
    if (done == orders->topics->partitions)
        return EX_OK;
    (void)fprintf(stderr, "propexo-bridge: the rest is ordered, and is carried out when the "
                          "enrichers that own these partitions come to it\n");
    return EX_TEMPFAIL;
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
    struct random random = random_from_system();
    struct erasure erasure = {.record_id = arguments->record,
                              .lift = has_option(arguments, OPTION_LIFT)};
    int code = EX_OK;
    (void)snprintf(erasure.id, sizeof erasure.id, "%016" PRIx64 "%016" PRIx64, random_next(&random),
                   random_next(&random));
    if (orders_choose(&erasure.orders, config, arguments, &code)) {
        erasure.place = place_of(&erasure.orders);
        if (erasure.place < 0) {
            (void)fprintf(stderr,
                          "propexo-bridge: %s has no snapshots of its own; erase the "
                          "records that show it\n",
                          arguments->models[0]);
            code = EX_USAGE;
        } else {
            erasure.key = memory_format("%s/%s/%s", erasure.orders.selection->names[erasure.place],
                                        erasure.record_id, ERASED_NAME);
            code = carry_out(&erasure, &error);
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
