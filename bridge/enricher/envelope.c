#include "bridge/enricher/envelope.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/propexo/recreate.h"

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
    (void)random_id(random, envelope->id);
    envelope->source = message_source(item->integration_id);
    envelope->subject = memory_join(model, "/", item->record_id);
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
    if (item->trace.id[0] != '\0')
        message_header(message, "traceparent", trace_text(&item->trace, envelope->traceparent));
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
    envelope->key = memory_join(model, "/", item->record_id);
    message->topic = topic;
    message->partition = partition;
    set_key(message, envelope->key);
    set_json(message, item->state);
}

/* `record_id` is the model's name. */
void envelope_progress(struct envelope *envelope, const struct item *item, const char *topic,
                       int partition)
{
    envelope->key = memory_join(item->integration_id, "/", item->record_id);
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
                      const rd_kafka_message_t *original, const struct redaction *redaction)
{
    struct message *message = &envelope->message;
    struct message event;
    message_borrow(&event, original);
    message->topic = topic;
    message->partition = -1;
    set_key(message, item->integration_id);
    message->value = event.value;
    message->value_length = event.value_length;
    bool read = redaction_event(redaction, message, &envelope->redacted);
    (void)read; /* it was when it was taken in */
    /* Two places are needed for our own; a foreign event with more headers loses the last ones. */
    for (size_t i = 0; i < event.header_count && message->header_count < MESSAGE_HEADERS - 2; i++) {
        const struct message_header *header = &event.headers[i];
        if (!is_replaced(header->name))
            message_header_bytes(message, header->name, header->value, header->length);
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
    (void)snprintf(envelope->number[2], sizeof envelope->number[2], "%zu", large->length);
    message_header(message, "answer_length", envelope->number[2]);
    message_header(message, "answer_sha256", large->sha256);
}

/* The event's key, bytes and headers, and what it tells of earlier failures. */
static void take_event(struct envelope *envelope, const struct item *item,
                       const rd_kafka_message_t *original)
{
    struct message *message = &envelope->message;
    struct message event;
    message_borrow(&event, original);
    message->key = event.key;
    message->key_length = event.key_length;
    message->value = event.value;
    message->value_length = event.value_length;
    envelope->past = dead_letter_past(&event);
    if (!item->bare)
        dead_letter_keep(message, &event);
}

/* What the event does not say itself. */
static void add_missing(struct message *message, const char *name, const char *text)
{
    if (message_find(message, name) == NULL)
        message_header(message, name, text);
}

/* A child's event may fail for a record that shows the child. */
static void add_failed_record(struct envelope *envelope, const struct item *item, const char *model)
{
    const struct message_header *own = message_find(&envelope->message, "record_id");
    if (own == NULL || item->record_id == NULL ||
        (own->length == strlen(item->record_id) &&
         memcmp(own->value, item->record_id, own->length) == 0))
        return;
    envelope->failed = memory_join(model, "/", item->record_id);
    message_header(&envelope->message, "failed_record", envelope->failed);
}

/* Of an event that was sent back, all that it failed is one story. */
static void add_past(struct envelope *envelope, const struct item *item)
{
    struct dead_letter_past *past = &envelope->past;
    char time[CLOCK_TEXT_SIZE];
    past->attempts += item->attempts > 0 ? item->attempts : 1;
    if (past->first_failed_at[0] == '\0')
        (void)snprintf(
            past->first_failed_at, sizeof past->first_failed_at, "%s",
            clock_format(item->failed_ms > 0 ? item->failed_ms : item->fetched_ms, time));
    dead_letter_add_past(&envelope->message, past, &envelope->texts);
}

void envelope_dead_letter(struct envelope *envelope, const struct item *item, const char *topic,
                          const rd_kafka_message_t *original, const struct event_place *place,
                          const char *model, const struct redaction *redaction)
{
    struct message *message = &envelope->message;
    bool readable = true;
    message->topic = topic;
    message->partition = -1;
    if (original != NULL) {
        take_event(envelope, item, original);
        readable = redaction_event(redaction, message, &envelope->redacted);
    }
    (void)snprintf(envelope->number[0], sizeof envelope->number[0], "%d", place->partition);
    (void)snprintf(envelope->number[1], sizeof envelope->number[1], "%" PRId64, place->offset);
    message_header(message, "error_code", item->code == NULL ? "original-gone" : item->code);
    message_header(message, "error_message", item->message);
    message_header(message, "source", "enricher");
    message_header(message, "source_topic", place->topic);
    message_header(message, "source_partition", envelope->number[0]);
    message_header(message, "source_offset", envelope->number[1]);
    add_past(envelope, item);
    add_failed_record(envelope, item, model);
    add_missing(message, "integration_id", item->integration_id);
    add_missing(message, "model", model);
    add_missing(message, "record_id", item->record_id);
    message_header(message, "original", original == NULL ? "gone" : NULL);
    if (item->claim.large != NULL)
        add_large_answer(envelope, item->claim.large);
    if (!readable)
        dead_letter_withhold(message, &envelope->cut);
    else if (original != NULL && item->bare)
        dead_letter_cut(message, &envelope->cut);
}

void envelope_free(struct envelope *envelope)
{
    free(envelope->failed);
    free(envelope->redacted);
    free(envelope->source);
    free(envelope->subject);
    free(envelope->key);
    free(envelope->changed_fields);
}
