#include "bridge/enricher/envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/digest.h"
#include "bridge/base/memory.h"
#include "bridge/http/client.h"
#include "bridge/propexo/recreate.h"

/* This much of an event that is too large for the dead letters is kept. */
#define HEAD_SIZE ((size_t)1024)

static void set_key(struct message *message, const char *key)
{
    message->key = key;
    message->key_length = key == NULL ? 0 : strlen(key);
}

/* CloudEvents 1.0, Kafka protocol binding, binary mode. */
static void add_cloud_event(struct envelope *envelope, const struct item *item, const char *model,
                            struct random *random)
{
    struct message *message = &envelope->message;
    char *encoded = http_encode(item->integration_id);
    (void)snprintf(envelope->id, sizeof envelope->id, "%016" PRIx64 "%016" PRIx64,
                   random_next(random), random_next(random));
    envelope->source = memory_format("/integrations/%s", encoded);
    envelope->subject = memory_format("%s/%s", model, item->record_id);
    free(encoded);
    message_header(message, "ce_specversion", "1.0");
    message_header(message, "ce_id", envelope->id);
    message_header(message, "ce_source", envelope->source);
    message_header(message, "ce_type",
                   item->kind == ITEM_TOMBSTONE   ? "com.propexo.bridge.tombstone"
                   : item->kind == ITEM_MILESTONE ? "com.propexo.bridge.milestone"
                   : item->kind == ITEM_EVENT     ? "com.propexo.bridge.recovered"
                                                  : "com.propexo.bridge.snapshot");
    message_header(message, "ce_time", envelope->fetched_at);
    message_header(message, "ce_subject", envelope->subject);
}

void envelope_snapshot(struct envelope *envelope, const struct item *item, const char *topic,
                       const char *model, const void *value, size_t length,
                       const char *content_type, struct random *random)
{
    struct message *message = &envelope->message;
    message->topic = topic;
    message->partition = -1;
    set_key(message, item->record_id);
    message->value = value;
    message->value_length = length;
    clock_format(item->fetched_ms, envelope->fetched_at);
    envelope->changed_fields = changes_list(&item->claim.changes);
    if (value != NULL)
        message_header(message, "content-type", content_type);
    add_cloud_event(envelope, item, model, random);
    message_header(message, "integration_id", item->integration_id);
    message_header(message, "model", model);
    message_header(message, "record_id", item->record_id);
    message_header(message, "fetched_at", envelope->fetched_at);
    message_header(message, "trigger",
                   item->trigger != NULL ? item->trigger
                   : item->claim.is_new  ? "DATA_NEW"
                                         : "DATA_UPDATE");
    message_header(message, "changed_fields", envelope->changed_fields);
    message_header(message, "consistency",
                   item->conflicted    ? "conflicted"
                   : item->unconfirmed ? "unconfirmed"
                                       : "confirmed");
    message_header(message, "traceparent", item->claim.traceparent);
}

static void set_json(struct message *message, const char *text)
{
    message->value = text;
    message->value_length = text == NULL ? 0 : strlen(text);
    message_header(message, "content-type", "application/json");
}

void envelope_state(struct envelope *envelope, const struct item *item, const char *topic,
                    int partition, const char *model)
{
    struct message *message = &envelope->message;
    envelope->key = memory_format("%s/%s", model, item->record_id);
    message->topic = topic;
    message->partition = partition;
    set_key(message, envelope->key);
    set_json(message, item->state);
}

/* `record_id` is the model's name. */
void envelope_progress(struct envelope *envelope, const struct item *item, const char *topic,
                       int partition)
{
    envelope->key = memory_format("%s/%s", item->integration_id, item->record_id);
    envelope->message.topic = topic;
    envelope->message.partition = partition;
    set_key(&envelope->message, envelope->key);
    set_json(&envelope->message, item->text);
}

void envelope_milestone(struct envelope *envelope, const struct item *item, const char *topic,
                        struct random *random)
{
    struct message *message = &envelope->message;
    message->topic = topic;
    message->partition = -1;
    set_key(message, item->integration_id);
    set_json(message, item->text);
    clock_format(item->fetched_ms, envelope->fetched_at);
    add_cloud_event(envelope, item, "milestones", random);
    message_header(message, "integration_id", item->integration_id);
    message_header(message, "trigger", item->trigger);
}

void envelope_event(struct envelope *envelope, const struct item *item, const char *topic,
                    int partition, const char *model, struct random *random)
{
    struct message *message = &envelope->message;
    message->topic = topic;
    message->partition = partition;
    set_key(message, item->integration_id);
    set_json(message, item->text);
    clock_format(item->fetched_ms, envelope->fetched_at);
    add_cloud_event(envelope, item, model, random);
    message_header(message, "integration_id", item->integration_id);
    message_header(message, "model", model);
    message_header(message, "trigger", item->trigger);
    if (item->sync_checked != NULL) {
        message_header(message, "sync_id", item->sync_id);
        message_header(message, "sync_checked", item->sync_checked);
        return;
    }
    envelope->key = memory_format("sync:%s", item->sync_id);
    message_header(message, "record_id", item->record_id);
    message_header(message, RECREATE_HEADER, envelope->key);
}

static bool is_replaced(const char *name)
{
    return strcmp(name, "integration_id") == 0 || strcmp(name, "forwarded") == 0;
}

void envelope_forward(struct envelope *envelope, const struct item *item, const char *topic,
                      const rd_kafka_message_t *original)
{
    struct message *message = &envelope->message;
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t length;
    message->topic = topic;
    message->partition = -1;
    set_key(message, item->integration_id);
    message->value = original->payload;
    message->value_length = original->len;
    if (rd_kafka_message_headers(original, &headers) == RD_KAFKA_RESP_ERR_NO_ERROR) {
        /* Two places are needed for our own; a foreign event with more headers loses the last ones.
         */
        for (size_t i = 0; message->header_count < MESSAGE_HEADERS - 2 &&
                           rd_kafka_header_get_all(headers, i, &name, &value, &length) ==
                               RD_KAFKA_RESP_ERR_NO_ERROR;
             i++) {
            if (!is_replaced(name))
                message_header_bytes(message, name, value, length);
        }
    }
    message_header(message, "integration_id", item->integration_id);
    message_header(message, "forwarded", "true");
}

static void add_large_answer(struct envelope *envelope, const struct large_answer *large)
{
    struct message *message = &envelope->message;
    message_header_bytes(message, "answer_head", large->head, large->head_length);
    if (large->length == 0)
        return;
    (void)snprintf(envelope->number[4], sizeof envelope->number[4], "%zu", large->length);
    message_header(message, "answer_length", envelope->number[4]);
    message_header(message, "answer_sha256", large->sha256);
}

void envelope_dead_letter(struct envelope *envelope, const struct item *item, const char *topic,
                          const rd_kafka_message_t *original, const char *source_topic,
                          int source_partition, int64_t source_offset)
{
    struct message *message = &envelope->message;
    message->topic = topic;
    message->partition = -1;
    if (original != NULL) {
        message->key = original->key;
        message->key_length = original->key_len;
        message->value = original->payload;
        message->value_length = original->len;
    }
    (void)snprintf(envelope->number[0], sizeof envelope->number[0], "%d", source_partition);
    (void)snprintf(envelope->number[1], sizeof envelope->number[1], "%" PRId64, source_offset);
    (void)snprintf(envelope->number[2], sizeof envelope->number[2], "%d", item->attempts);
    clock_format(item->fetched_ms, envelope->fetched_at);
    message_header(message, "error_code", item->code == NULL ? "original-gone" : item->code);
    message_header(message, "error_message", item->message);
    message_header(message, "source", "enricher");
    message_header(message, "source_topic", source_topic);
    message_header(message, "source_partition", envelope->number[0]);
    message_header(message, "source_offset", envelope->number[1]);
    message_header(message, "attempts", envelope->number[2]);
    message_header(message, "first_failed_at", envelope->fetched_at);
    message_header(message, "integration_id", item->integration_id);
    message_header(message, "record_id", item->record_id);
    message_header(message, "original", original == NULL ? "gone" : item->bare ? "cut" : NULL);
    if (item->claim.large != NULL)
        add_large_answer(envelope, item->claim.large);
    if (original == NULL || !item->bare)
        return;
    (void)snprintf(envelope->number[3], sizeof envelope->number[3], "%zu", original->len);
    message_header(message, "original_length", envelope->number[3]);
    message_header(message, "original_sha256",
                   digest_sha256(original->payload, original->len, envelope->sha256));
    if (message->value_length > HEAD_SIZE)
        message->value_length = HEAD_SIZE;
}

void envelope_free(struct envelope *envelope)
{
    free(envelope->source);
    free(envelope->subject);
    free(envelope->key);
    free(envelope->changed_fields);
}
