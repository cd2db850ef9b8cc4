#include "bridge/enricher/headers.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/enricher/erasing.h"
#include "bridge/propexo/recreate.h"
#include "bridge/propexo/webhook.h"

/* A version-00 traceparent (W3C Trace Context) has this many characters. */
#define TRACEPARENT_LENGTH 55
/* The names of all models together are shorter. */
#define NAMES_MAXIMUM 8192

static char *header_text(const rd_kafka_headers_t *headers, const char *name, size_t most)
{
    const void *value = NULL;
    size_t length = 0;
    if (rd_kafka_header_get_last(headers, name, &value, &length) != RD_KAFKA_RESP_ERR_NO_ERROR ||
        value == NULL || length == 0 || length > most)
        return NULL;
    return memory_text_n(value, length);
}

static bool has_header(const rd_kafka_headers_t *headers, const char *name)
{
    char *text = header_text(headers, name, WEBHOOK_ID_MAXIMUM);
    bool has = text != NULL;
    free(text);
    return has;
}

static enum erasure_kind erasure_of(const rd_kafka_headers_t *list)
{
    static const char *const names[] = {
        [ERASURE_SET] = ERASE_SET, [ERASURE_LIFT] = ERASE_LIFT, [ERASURE_ASK] = ERASE_ASK};
    enum erasure_kind found = ERASURE_NONE;
    char *text = header_text(list, ERASE_HEADER, WEBHOOK_ID_MAXIMUM);
    for (enum erasure_kind kind = ERASURE_SET; text != NULL && kind <= ERASURE_ASK; kind++)
        if (strcmp(text, names[kind]) == 0)
            found = kind;
    free(text);
    return found;
}

struct event_headers event_headers_read(const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *list = NULL;
    int64_t arrived_ms = rd_kafka_message_timestamp(message, NULL);
    struct event_headers headers = {.arrived_ms = arrived_ms < 0 ? 0 : arrived_ms};
    if (rd_kafka_message_headers(message, &list) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return headers;
    headers.integration_id = header_text(list, "integration_id", WEBHOOK_ID_MAXIMUM);
    headers.traceparent = header_text(list, "traceparent", TRACEPARENT_LENGTH);
    headers.sync_id = header_text(list, "sync_id", WEBHOOK_ID_MAXIMUM);
    headers.sync_models = header_text(list, "sync_models", NAMES_MAXIMUM);
    headers.sync_checked = header_text(list, "sync_checked", WEBHOOK_ID_MAXIMUM);
    headers.forwarded = has_header(list, "forwarded");
    headers.forced = has_header(list, "forced");
    headers.erasure = erasure_of(list);
    headers.recovered = has_header(list, RECREATE_HEADER);
    if (headers.traceparent != NULL && strlen(headers.traceparent) != TRACEPARENT_LENGTH) {
        free(headers.traceparent);
        headers.traceparent = NULL;
    }
    return headers;
}

void event_headers_free(struct event_headers *headers)
{
    free(headers->integration_id);
    free(headers->traceparent);
    free(headers->sync_id);
    free(headers->sync_models);
    free(headers->sync_checked);
}
