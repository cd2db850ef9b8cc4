#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/avro_input.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/offers.h"
#include "bridge/kafka/range.h"
#include "bridge/propexo/redaction.h"

#define LOOKUP_MESSAGES 200000 /* of a topic, the newest */
#define SHOWN_MOST      20     /* of each kind, the newest */
#define RECORD_TEXT     ((size_t)16 << 20)

struct lookup {
    const struct offers *offers;
    const struct model *model;
    const char *record_id;
    struct registry *registry;
    struct avro_input *avro; /* NULL: snapshots are JSON */
    cJSON *rows;
    int64_t looked_at;
    bool whole; /* nothing older is in the topics */
};

static void add_header(cJSON *row, const rd_kafka_message_t *message, const char *name)
{
    size_t length = 0;
    const char *value = range_header(message, name, &length);
    if (value == NULL)
        return;
    char *text = memory_text_n(value, length);
    (void)cJSON_AddStringToObject(row, name, text);
    free(text);
}

/* Adds a row that says where the message is; the oldest makes room. */
static cJSON *add_row(const struct lookup *lookup, const rd_kafka_message_t *message)
{
    cJSON *row = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(row, "partition", message->partition);
    (void)cJSON_AddNumberToObject(row, "offset", (double)message->offset);
    (void)cJSON_AddNumberToObject(row, "written_at_ms", (double)range_timestamp(message));
    add_header(row, message, "trigger");
    add_header(row, message, "integration_id");
    (void)cJSON_AddItemToArray(lookup->rows, row);
    if (cJSON_GetArraySize(lookup->rows) > SHOWN_MOST)
        cJSON_DeleteItemFromArray(lookup->rows, 0);
    return row;
}

static void add_problem(cJSON *row, const char *sentence)
{
    (void)cJSON_AddStringToObject(row, "problem", sentence);
}

static void take_snapshot(void *context, const rd_kafka_message_t *message)
{
    struct lookup *lookup = context;
    lookup->looked_at++;
    if (message->key_len != strlen(lookup->record_id) ||
        memcmp(message->key, lookup->record_id, message->key_len) != 0)
        return;
    cJSON *row = add_row(lookup, message);
    add_header(row, message, "changed_fields");
    add_header(row, message, "fetched_at");
    if (message->payload == NULL) {
        (void)cJSON_AddNullToObject(row, "record");
        return;
    }
    struct buffer text = buffer_new(RECORD_TEXT);
    struct error cause = {0};
    bool ok = lookup->avro == NULL
                  ? buffer_append(&text, message->payload, message->len)
                  : avro_input_json(lookup->avro, message->payload, message->len, &text, &cause);
    cJSON *record = ok ? json_parse(buffer_text(&text), text.length) : NULL;
    if (record != NULL)
        (void)cJSON_AddItemToObject(row, "record", record);
    else
        add_problem(row, ok ? "the snapshot is no JSON" : cause.message);
    buffer_free(&text);
}

static void take_event(void *context, const rd_kafka_message_t *message)
{
    struct lookup *lookup = context;
    size_t length = 0;
    const char *id = range_header(message, "record_id", &length);
    lookup->looked_at++;
    if (id == NULL || length != strlen(lookup->record_id) ||
        memcmp(id, lookup->record_id, length) != 0)
        return;
    cJSON *row = add_row(lookup, message);
    cJSON *body = message->payload == NULL ? NULL : json_parse(message->payload, message->len);
    if (body == NULL) {
        add_problem(row, "the event is no JSON");
        return;
    }
    /* As it would be kept: what snapshots must not show is not shown here either. */
    redaction_told(lookup->offers->selection->redaction, lookup->model, body, true);
    (void)cJSON_AddItemToObject(row, "event", body);
}

static bool read_topic(struct lookup *lookup, struct range *range, const char *topic,
                       range_take *take, const atomic_bool *cancel, struct error *error)
{
    int partitions = 0;
    bool ok = range_partitions(range, topic, &partitions, error);
    for (int i = 0; i < partitions && ok; i++) {
        int64_t low = 0;
        int64_t high = 0;
        int64_t next = 0;
        ok = range_bounds(range, topic, i, &low, &high, error);
        int64_t from = high - LOOKUP_MESSAGES / partitions;
        lookup->whole = lookup->whole && from <= low;
        ok = ok && range_read(range, topic, i, from > low ? from : low, high, take, lookup, cancel,
                              &next, error);
    }
    return ok;
}

static bool read_both(struct lookup *lookup, int place, cJSON *root, const atomic_bool *cancel,
                      struct error *error)
{
    const struct topics *topics = lookup->offers->topics;
    struct range *range = range_open(lookup->offers->kafka, error);
    bool ok = range != NULL;
    lookup->rows = cJSON_AddArrayToObject(root, "snapshots");
    if (ok && topics->snapshots[place] != NULL)
        ok = read_topic(lookup, range, topics->snapshots[place], take_snapshot, cancel, error);
    lookup->rows = cJSON_AddArrayToObject(root, "events");
    ok = ok && read_topic(lookup, range, topics->events[place], take_event, cancel, error);
    range_close(range);
    return ok;
}

/* The model's place among those that are worked on; -1 with `error`. */
static int read_question(struct lookup *lookup, const cJSON *asked, struct error *error)
{
    const char *name = json_member_text(asked, "model");
    lookup->record_id = json_member_text(asked, "record_id");
    lookup->model = name == NULL ? NULL : model_find(name, strlen(name));
    int place =
        lookup->model == NULL ? -1 : selection_place(lookup->offers->selection, lookup->model);
    if (lookup->record_id == NULL || *lookup->record_id == '\0')
        error_set(error, VERDICT_CONFIGURATION, "record_id is missing");
    else if (place < 0)
        error_set(error, VERDICT_CONFIGURATION, "model is none of bridge.models");
    else
        return place;
    return -1;
}

bool offer_record(void *context, const cJSON *asked, const atomic_bool *cancel,
                  struct buffer *answer, struct error *error)
{
    struct lookup lookup = {.offers = context, .whole = true};
    int place = read_question(&lookup, asked, error);
    if (place < 0)
        return false;
    const struct config *config = lookup.offers->config;
    if (config->output.format == FORMAT_AVRO) {
        lookup.registry = registry_new(config, error);
        if (lookup.registry == NULL)
            return false;
        lookup.avro = avro_input_new(lookup.registry);
    }
    cJSON *root = cJSON_CreateObject();
    bool ok = read_both(&lookup, place, root, cancel, error);
    (void)cJSON_AddNumberToObject(root, "looked_at", (double)lookup.looked_at);
    (void)cJSON_AddBoolToObject(root, "whole", lookup.whole);
    char *text = cJSON_PrintUnformatted(root);
    if (ok)
        (void)buffer_append_text(answer, text);
    cJSON_free(text);
    cJSON_Delete(root);
    avro_input_free(lookup.avro);
    registry_free(lookup.registry);
    return ok;
}
