#include "bridge/commands/snapshot_reader.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/webhook.h"

#define KEEP_CAPACITY ((size_t)256 << 10)

struct snapshot_reader {
    struct range *range;
    const char *topic;
    struct avro_input *avro;
    const struct comparison *comparison;
    struct buffer text;
    int partitions;
    int64_t *next; /* by partition */
    snapshot_take *take;
    void *context;
    atomic_bool failed; /* the registry did not answer: `problem` */
    struct error problem;
};

struct snapshot_reader *snapshot_reader_open(struct range *range, const char *topic,
                                             struct avro_input *avro,
                                             const struct comparison *comparison,
                                             struct error *error)
{
    int partitions = 0;
    if (!range_partitions(range, topic, &partitions, error))
        return NULL;
    if (partitions == 0) {
        (void)error_set(error, VERDICT_CONFIGURATION, "there is no topic %s", topic);
        return NULL;
    }
    struct snapshot_reader *reader = memory_new(1, sizeof *reader);
    reader->range = range;
    reader->topic = topic;
    reader->avro = avro;
    reader->comparison = comparison;
    reader->text = buffer_new(SNAPSHOT_TEXT_MAXIMUM);
    reader->partitions = partitions;
    reader->next = memory_new((size_t)partitions, sizeof *reader->next);
    return reader;
}

void snapshot_reader_close(struct snapshot_reader *reader)
{
    if (reader == NULL)
        return;
    buffer_free(&reader->text);
    free(reader->next);
    free(reader);
}

/* The record, NULL when these bytes are none. Once the registry has failed nothing is read. */
static cJSON *decode(struct snapshot_reader *reader, const rd_kafka_message_t *message)
{
    struct error cause = {0};
    if (reader->avro == NULL)
        return comparison_read(reader->comparison, message->payload, message->len);
    if (reader->text.capacity > KEEP_CAPACITY)
        buffer_free(&reader->text);
    buffer_clear(&reader->text);
    if (avro_input_json(reader->avro, message->payload, message->len, &reader->text, &cause))
        return comparison_read(reader->comparison, buffer_text(&reader->text), reader->text.length);
    if (cause.verdict != VERDICT_ABORT) {
        reader->problem = cause;
        atomic_store(&reader->failed, true);
    }
    return NULL;
}

static char *header_text(const rd_kafka_message_t *message, const char *name)
{
    size_t length = 0;
    const char *value = range_header(message, name, &length);
    return value == NULL || length > WEBHOOK_ID_MAXIMUM ? NULL : memory_text_n(value, length);
}

static void on_message(void *context, const rd_kafka_message_t *message)
{
    struct snapshot_reader *reader = context;
    if (atomic_load(&reader->failed) || message->key == NULL || message->key_len == 0 ||
        message->key_len > WEBHOOK_ID_MAXIMUM ||
        memchr(message->key, '\0', message->key_len) != NULL)
        return;
    cJSON *record = message->payload == NULL ? NULL : decode(reader, message);
    char *id = memory_text_n(message->key, message->key_len);
    char *header = header_text(message, "integration_id");
    const char *told = json_member_text(record, "integration_id");
    struct snapshot snapshot = {
        .id = id,
        .integration_id = header != NULL ? header : told,
        .record = record,
        .unreadable = message->payload != NULL && record == NULL,
        .partition = message->partition,
        .offset = message->offset,
    };
    if (!atomic_load(&reader->failed))
        reader->take(reader->context, &snapshot);
    free(header);
    free(id);
    cJSON_Delete(record);
}

static bool read_stretch(struct snapshot_reader *reader, int partition, int64_t from, int64_t to,
                         int64_t *next, struct error *error)
{
    if (range_read(reader->range, reader->topic, partition, from, to, on_message, reader,
                   &reader->failed, next, error) &&
        !atomic_load(&reader->failed))
        return true;
    if (atomic_load(&reader->failed))
        *error = reader->problem;
    return false;
}

bool snapshot_reader_next(struct snapshot_reader *reader, snapshot_take *take, void *context,
                          struct error *error)
{
    reader->take = take;
    reader->context = context;
    for (int i = 0; i < reader->partitions; i++) {
        if (!read_stretch(reader, i, reader->next[i], RANGE_END, &reader->next[i], error))
            return false;
        if (reader->next[i] == RANGE_LOST)
            return error_set(error, VERDICT_RETRY, "%s was made anew while it was read",
                             reader->topic);
    }
    return true;
}

bool snapshot_reader_again(struct snapshot_reader *reader, int partition, int64_t offset,
                           snapshot_take *take, void *context, struct error *error)
{
    int64_t next = 0;
    reader->take = take;
    reader->context = context;
    return read_stretch(reader, partition, offset, offset + 1, &next, error);
}
