#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/avro_input.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"
#include "bridge/commands/offers.h"
#include "bridge/enricher/erasing.h"
#include "bridge/kafka/range.h"
#include "bridge/propexo/redaction.h"

#define LOOKUP_MESSAGES 200000 /* of a topic, the newest */
#define SHOWN_MOST      20     /* of each kind, the newest */
#define RECORD_TEXT     ((size_t)16 << 20)

struct lookup {
    const struct offers *offers;
    const struct model *model;
    const char *record_id;
    char *integration_id; /* as its snapshots tell it; NULL: they do not */
    struct registry *registry;
    struct avro_input *avro; /* NULL: snapshots are JSON */
    struct range *range;
    cJSON *rows;
    int64_t erased_ms; /* when it was erased; 0 = it was not */
    int64_t looked_at;
    bool whole;         /* nothing older is in the topics */
    bool failed;        /* the registry did not answer: */
    struct error cause; /* why */
};

static bool is_text(const void *bytes, size_t length, const char *text)
{
    return bytes != NULL && length == strlen(text) && memcmp(bytes, text, length) == 0;
}

static bool header_is(const rd_kafka_message_t *message, const char *name, const char *text)
{
    size_t length = 0;
    const char *value = range_header(message, name, &length);
    return is_text(value, length, text);
}

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

/* Adds a row that says where the message is; the oldest one makes room. */
static cJSON *add_row(const struct lookup *lookup, const rd_kafka_message_t *message)
{
    cJSON *row = cJSON_CreateObject();
    (void)cJSON_AddNumberToObject(row, "partition", message->partition);
    (void)cJSON_AddNumberToObject(row, "offset", (double)message->offset);
    (void)cJSON_AddNumberToObject(row, "written_at_ms", (double)range_timestamp(message));
    add_header(row, message, "trigger");
    (void)cJSON_AddItemToArray(lookup->rows, row);
    if (cJSON_GetArraySize(lookup->rows) > SHOWN_MOST)
        cJSON_DeleteItemFromArray(lookup->rows, 0);
    return row;
}

/* The record as JSON; NULL with a sentence in the row, or when the registry has failed. */
static cJSON *read_record(struct lookup *lookup, const rd_kafka_message_t *message, cJSON *row)
{
    struct buffer text = buffer_new(RECORD_TEXT);
    struct error cause = {0};
    bool ok = lookup->avro == NULL
                  ? buffer_append(&text, message->payload, message->len)
                  : avro_input_json(lookup->avro, message->payload, message->len, &text, &cause);
    cJSON *record = ok ? json_parse(buffer_text(&text), text.length) : NULL;
    if (!ok && lookup->avro != NULL && cause.verdict != VERDICT_ABORT) {
        lookup->failed = true;
        lookup->cause = cause;
        range_stop(lookup->range);
    }
    if (record == NULL)
        (void)cJSON_AddStringToObject(row, "problem",
                                      ok ? "the snapshot is no JSON" : cause.message);
    buffer_free(&text);
    return record;
}

static void take_snapshot(void *context, const rd_kafka_message_t *message)
{
    struct lookup *lookup = context;
    lookup->looked_at++;
    if (lookup->failed || !is_text(message->key, message->key_len, lookup->record_id))
        return;
    if (header_is(message, "trigger", ERASED)) {
        lookup->erased_ms = range_timestamp(message);
        while (cJSON_GetArraySize(lookup->rows) > 0)
            cJSON_DeleteItemFromArray(lookup->rows, 0);
    }
    size_t length = 0;
    const char *integration_id = range_header(message, "integration_id", &length);
    if (integration_id != NULL) {
        free(lookup->integration_id);
        lookup->integration_id = memory_text_n(integration_id, length);
    }
    cJSON *row = add_row(lookup, message);
    add_header(row, message, "changed_fields");
    add_header(row, message, "fetched_at");
    if (message->payload == NULL) {
        (void)cJSON_AddNullToObject(row, "record");
        return;
    }
    cJSON *record = read_record(lookup, message, row);
    if (record == NULL)
        return;
    /* What was written before the rule is not shown either. */
    redaction_record(lookup->offers->selection->redaction, lookup->model, record);
    (void)cJSON_AddItemToObject(row, "record", record);
}

static void take_event(void *context, const rd_kafka_message_t *message)
{
    struct lookup *lookup = context;
    size_t length = 0;
    lookup->looked_at++;
    if (!header_is(message, "record_id", lookup->record_id) ||
        range_header(message, ERASE_HEADER, &length) != NULL ||
        (lookup->erased_ms != 0 && range_timestamp(message) <= lookup->erased_ms))
        return;
    cJSON *row = add_row(lookup, message);
    cJSON *body = message->payload == NULL ? NULL : json_parse(message->payload, message->len);
    if (body == NULL) {
        (void)cJSON_AddStringToObject(row, "problem", "the event is no JSON");
        return;
    }
    redaction_told(lookup->offers->selection->redaction, lookup->model, body, true);
    (void)cJSON_AddItemToObject(row, "event", body);
}

/* Reads the newest messages of the partition that holds the key, or of all where it is not known.
 */
static bool read_topic(struct lookup *lookup, const char *topic, const char *key, range_take *take,
                       const atomic_bool *cancel, struct error *error)
{
    int partitions = 0;
    bool ok = range_partitions(lookup->range, topic, &partitions, error);
    int only =
        ok && key != NULL && partitions > 0 ? range_partition_of(key, strlen(key), partitions) : -1;
    for (int i = 0; i < partitions && ok && !lookup->failed; i++) {
        int64_t low = 0;
        int64_t high = 0;
        int64_t next = 0;
        if (only >= 0 && i != only)
            continue;
        ok = range_bounds(lookup->range, topic, i, &low, &high, error);
        int64_t from = high - LOOKUP_MESSAGES / (only >= 0 ? 1 : partitions);
        lookup->whole = lookup->whole && from <= low;
        ok = ok && range_read(lookup->range, topic, i, from > low ? from : low, high, take, lookup,
                              cancel, &next, error);
    }
    if (ok && lookup->failed)
        *error = lookup->cause;
    return ok && !lookup->failed;
}

static bool read_both(struct lookup *lookup, int place, cJSON *root, const atomic_bool *cancel,
                      struct error *error)
{
    const struct topics *topics = lookup->offers->topics;
    lookup->range = range_open(lookup->offers->kafka, error);
    bool ok = lookup->range != NULL;
    lookup->rows = cJSON_AddArrayToObject(root, "snapshots");
    if (ok && topics->snapshots[place] != NULL)
        ok = read_topic(lookup, topics->snapshots[place], lookup->record_id, take_snapshot, cancel,
                        error);
    lookup->rows = cJSON_AddArrayToObject(root, "events");
    ok = ok && read_topic(lookup, topics->events[place], lookup->integration_id, take_event, cancel,
                          error);
    range_close(lookup->range);
    (void)cJSON_AddNumberToObject(root, "looked_at", (double)lookup->looked_at);
    (void)cJSON_AddBoolToObject(root, "whole", lookup->whole);
    (void)cJSON_AddBoolToObject(root, "erased", lookup->erased_ms != 0);
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
    bool ok =
        read_both(&lookup, place, root, cancel, error) && json_text_value(answer, root, error);
    cJSON_Delete(root);
    avro_input_free(lookup.avro);
    registry_free(lookup.registry);
    free(lookup.integration_id);
    return ok;
}
