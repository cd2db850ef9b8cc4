#include "bridge/kafka/message.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/log.h"
#include "bridge/base/memory.h"
#include "bridge/http/client.h"

void message_header_bytes(struct message *message, const char *name, const void *value,
                          size_t length)
{
    if (message->header_count == MESSAGE_HEADERS) {
        log_error("too_many_headers", LOG_TEXT("topic", message->topic));
        abort();
    }
    message->headers[message->header_count++] = (struct message_header){name, value, length};
}

void message_header(struct message *message, const char *name, const char *text)
{
    if (text != NULL)
        message_header_bytes(message, name, text, strlen(text));
}

char *message_source(const char *integration_id)
{
    if (integration_id == NULL)
        return memory_text("/integrations");
    char *encoded = http_encode(integration_id);
    char *source = memory_join("/integrations/", encoded, "");
    free(encoded);
    return source;
}

void message_borrow(struct message *message, const rd_kafka_message_t *from)
{
    rd_kafka_headers_t *headers = NULL;
    const char *name;
    const void *value;
    size_t length;
    *message = (struct message){.topic = rd_kafka_topic_name(from->rkt),
                                .partition = from->partition,
                                .key = from->key,
                                .key_length = from->key_len,
                                .value = from->payload,
                                .value_length = from->len};
    if (rd_kafka_message_headers(from, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    while (message->header_count < MESSAGE_HEADERS &&
           rd_kafka_header_get_all(headers, message->header_count, &name, &value, &length) ==
               RD_KAFKA_RESP_ERR_NO_ERROR)
        message_header_bytes(message, name, value, length);
}

bool message_is_stored(const rd_kafka_message_t *report)
{
    return report->err == RD_KAFKA_RESP_ERR_NO_ERROR && report->offset >= 0;
}

const struct message_header *message_find(const struct message *message, const char *name)
{
    for (size_t i = message->header_count; i > 0; i--) {
        if (strcmp(message->headers[i - 1].name, name) == 0)
            return &message->headers[i - 1];
    }
    return NULL;
}

char *message_text(const struct message *message, const char *name)
{
    const struct message_header *header = message_find(message, name);
    return header == NULL || header->value == NULL ? NULL
                                                   : memory_text_n(header->value, header->length);
}

rd_kafka_resp_err_t message_produce(rd_kafka_t *handle, const struct message *message, void *opaque)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(message->header_count);
    for (size_t i = 0; i < message->header_count; i++) {
        const struct message_header *header = &message->headers[i];
        (void)rd_kafka_header_add(headers, header->name, -1, header->value,
                                  (ssize_t)header->length);
    }
    rd_kafka_vu_t parts[] = {
        {.vtype = RD_KAFKA_VTYPE_TOPIC, .u.cstr = message->topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION,
         .u.i32 = message->partition < 0 ? RD_KAFKA_PARTITION_UA : message->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_KEY,
         .u.mem = {(void *)(uintptr_t)message->key, message->key_length}},
        {.vtype = RD_KAFKA_VTYPE_VALUE,
         .u.mem = {(void *)(uintptr_t)message->value, message->value_length}},
        {.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = opaque},
    };
    rd_kafka_error_t *error = rd_kafka_produceva(handle, parts, ARRAY_LENGTH(parts));
    if (error == NULL)
        return RD_KAFKA_RESP_ERR_NO_ERROR;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    rd_kafka_error_destroy(error);
    rd_kafka_headers_destroy(headers); /* librdkafka owns them only on success */
    return code;
}
