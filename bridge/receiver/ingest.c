#include "bridge/receiver/ingest.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/text.h"
#include "bridge/http/spans.h"

#define PATH "/webhooks"
/* All models' names together are a tenth of this. */
#define NAMES_MAXIMUM ((size_t)32 << 10)

/* True for /webhooks and /webhooks/<integration_id>; the id points into `path`, or is NULL. */
static bool match_path(const char *path, const char **integration_id)
{
    size_t length = strlen(PATH);
    *integration_id = NULL;
    if (strncmp(path, PATH, length) != 0)
        return false;
    if (path[length] == '\0' || strcmp(path + length, "/") == 0)
        return true;
    if (path[length] != '/')
        return false;
    const char *id = path + length + 1;
    *integration_id = id;
    return strchr(id, '/') == NULL && strlen(id) <= WEBHOOK_ID_MAXIMUM;
}

static const char *explain(const char *code)
{
    static const struct {
        const char *code;
        const char *text;
    } texts[] = {
        {"not-json", "the body is not JSON in UTF-8"},
        {"too-deep", "the body nests deeper than 1000 levels"},
        {"too-many-values", "the body has more than 100000 values"},
        {"not-an-object", "the body is not a JSON object"},
        {"duplicate-key", "a member that routing reads stands twice in one object"},
        {"bad-integration-id", "integration_id is not a text of 1 to 512 bytes"},
        {"no-kind", "neither event nor trigger, diff or payload tell what happened"},
        {"unknown-kind", "this kind of webhook is not known"},
        {"no-object", "object, the model's name, is missing or not a text"},
        {"no-record-id", "record_id is missing or not a text of 1 to 512 bytes"},
        {"unknown-model", "Propexo's description has no model of this name"},
        {"model-not-configured", "the model is not in bridge.models"},
    };
    for (size_t i = 0; i < ARRAY_LENGTH(texts); i++) {
        if (strcmp(texts[i].code, code) == 0)
            return texts[i].text;
    }
    return code;
}

/* CloudEvents 1.0, Kafka protocol binding, binary mode: attributes as ce_ headers, the body
 * untouched. */
static void add_cloud_event(struct ingest_result *result, const char *subject)
{
    struct message *message = &result->message;
    message_header(message, "content-type", "application/json");
    message_header(message, "ce_specversion", "1.0");
    message_header(message, "ce_id", result->id);
    message_header(message, "ce_source", result->source);
    message_header(message, "ce_type", result->type);
    message_header(message, "ce_time", result->time);
    message_header(message, "ce_subject", subject);
}

static void set_key(struct message *message, const char *key)
{
    message->key = key;
    message->key_length = key == NULL ? 0 : strlen(key);
}

static void route_dead_letter(struct ingest_result *result, const struct topics *topics)
{
    const struct webhook *webhook = &result->webhook;
    struct message *message = &result->message;
    result->dead_letter = true;
    message->topic = topics->dead_letters;
    set_key(message,
            webhook->integration_id != NULL ? webhook->integration_id : webhook->record_id);
    message_header(message, "error_code", result->code);
    message_header(message, "error_message", explain(result->code));
    message_header(message, "source", "webhook");
    message_header(message, "attempts", "1");
    message_header(message, "first_failed_at", result->time);
    add_cloud_event(result, NULL);
    message_header(message, "model", webhook->model == NULL ? NULL : webhook->model->name);
    message_header(message, "record_id", webhook->record_id);
}

static void route_event(struct ingest_result *result, const struct topics *topics, int place)
{
    const struct webhook *webhook = &result->webhook;
    struct message *message = &result->message;
    message->topic = topics->events[place];
    set_key(message,
            webhook->integration_id != NULL ? webhook->integration_id : webhook->record_id);
    result->subject = memory_join(webhook->model->name, "/", webhook->record_id);
    add_cloud_event(result, result->subject);
    message_header(message, "model", webhook->model->name);
    message_header(message, "record_id", webhook->record_id);
}

/* A sync goes behind its integration's events, too, so that whoever works on these knows when all
 * of them were there: Propexo sends it last. Without an integration it belongs to nobody. */
static void route_activity(const struct ingest *ingest, struct ingest_result *result)
{
    const struct selection *selection = ingest->selection;
    struct message *message = &result->message;
    message->topic = ingest->topics->activity;
    set_key(message, result->webhook.integration_id);
    add_cloud_event(result, NULL);
    if (!webhook_is_sync(&result->webhook) || result->webhook.integration_id == NULL)
        return;
    struct buffer names = buffer_new(NAMES_MAXIMUM);
    for (size_t i = 0; i < selection->count; i++) {
        if (!webhook_has_synced(&result->webhook, selection->models[i]))
            continue;
        result->synced_count++;
        (void)buffer_append_format(&names, "%s%s", names.length == 0 ? "" : ",",
                                   selection->names[i]);
    }
    result->synced = buffer_take(&names);
    message_header(message, "sync_id", result->id);
    message_header(message, "sync_models", result->synced);
}

static void route(const struct ingest *ingest, struct ingest_result *result)
{
    const struct webhook *webhook = &result->webhook;
    int place = -1;
    switch (webhook->class) {
    case WEBHOOK_NOT_JSON:
        result->status = 400;
        result->code = webhook->code;
        break;
    case WEBHOOK_UNKNOWN:
        result->code = webhook->code;
        break;
    case WEBHOOK_ACTIVITY:
        route_activity(ingest, result);
        break;
    case WEBHOOK_EVENT:
        place = selection_place(ingest->selection, webhook->model);
        if (place >= 0)
            route_event(result, ingest->topics, place);
        else
            result->code = "model-not-configured";
        break;
    }
    if (result->code != NULL)
        route_dead_letter(result, ingest->topics);
    message_header(&result->message, "integration_id", webhook->integration_id);
    message_header(&result->message, "trigger", webhook->kind);
}

/* Of a request to the right place; whom it vouches for. */
static enum credential check_credentials(const struct ingest *ingest,
                                         const struct ingest_request *request,
                                         const char *path_integration, int64_t wall_ms,
                                         const char **reason)
{
    struct credential_request asked = {.body = request->body,
                                       .length = request->length,
                                       .integration_id = path_integration,
                                       .wall_ms = wall_ms};
    memcpy(asked.headers, request->credentials, sizeof asked.headers);
    return credentials_check(ingest->credentials, &asked, reason);
}

static enum ingest_verdict check(const struct ingest_request *request,
                                 const char **path_integration)
{
    if (!match_path(request->path, path_integration))
        return INGEST_NOT_FOUND;
    if (strcmp(request->method, "POST") != 0)
        return INGEST_METHOD;
    if (request->content_encoding != NULL && strcasecmp(request->content_encoding, "identity") != 0)
        return INGEST_ENCODING;
    return INGEST_KEEP;
}

/* Before anything is made of the message. A body that cannot be read ends as a dead letter without
 * its bytes, since nobody knows what is in them. */
static void redact(const struct ingest *ingest, struct ingest_result *result)
{
    const struct redaction *redaction = ingest->selection->redaction;
    struct message *message = &result->message;
    if (!redaction_has_events(redaction))
        return;
    if (result->webhook.root == NULL) {
        dead_letter_withhold(message, &result->withheld);
        return;
    }
    result->body = redaction_body(redaction, result->webhook.model, result->webhook.root);
    if (result->body == NULL)
        return;
    message->value = result->body;
    message->value_length = strlen(result->body);
}

/* What is no traceparent begins a trace like none. One of which no spans are recorded is passed on
 * as it is. */
static void begin_trace(struct ingest *ingest, const struct ingest_body *body,
                        struct ingest_result *result)
{
    struct trace outer;
    bool goes_on = trace_parse(body->traceparent, &outer);
    if (goes_on) {
        result->trace = spans_below(&outer, &ingest->random);
    } else {
        result->trace = trace_new(&ingest->random, false);
        result->trace.sampled = spans_choose(&result->trace);
    }
    if (goes_on && !spans_record(&outer))
        (void)text_copy(result->traceparent, sizeof result->traceparent, body->traceparent);
    else
        (void)trace_text(&result->trace, result->traceparent);
}

void ingest_route(struct ingest *ingest, const struct ingest_body *body,
                  struct ingest_result *result)
{
    *result =
        (struct ingest_result){.verdict = INGEST_KEEP, .status = 200, .message = {.partition = -1}};
    result->webhook = webhook_parse(body->bytes, body->length);
    if (result->webhook.integration_id == NULL)
        result->webhook.integration_id = body->integration_id;
    if (body->id == NULL)
        (void)random_id(&ingest->random, result->id);
    else
        (void)text_copy(result->id, sizeof result->id, body->id);
    (void)text_copy(result->time, sizeof result->time, body->time);
    result->source = message_source(result->webhook.integration_id);
    result->type = memory_join("com.propexo.",
                               result->webhook.kind == NULL ? "unknown" : result->webhook.kind, "");
    result->message.value = body->bytes;
    result->message.value_length = body->length;
    redact(ingest, result);
    route(ingest, result);
    begin_trace(ingest, body, result);
    message_header(&result->message, "traceparent", result->traceparent);
}

static void refuse(struct ingest_result *result, enum ingest_verdict verdict, const char *reason)
{
    *result = (struct ingest_result){.verdict = verdict, .status = 200, .code = reason};
}

void ingest_decide(struct ingest *ingest, const struct ingest_request *request, int64_t wall_ms,
                   struct ingest_result *result)
{
    const char *path_integration = NULL;
    const char *reason = NULL;
    char time[CLOCK_TEXT_SIZE];
    enum ingest_verdict verdict = check(request, &path_integration);
    if (verdict != INGEST_KEEP) {
        refuse(result, verdict, NULL);
        return;
    }
    enum credential credential =
        check_credentials(ingest, request, path_integration, wall_ms, &reason);
    if (credential == CREDENTIAL_NONE) {
        refuse(result, INGEST_BAD_SIGNATURE, reason);
        return;
    }
    struct ingest_body body = {.bytes = request->body,
                               .length = request->length,
                               .integration_id = path_integration,
                               .traceparent = request->traceparent,
                               .time = clock_format(wall_ms, time)};
    ingest_route(ingest, &body, result);
    if (credential == CREDENTIAL_INTEGRATION &&
        (path_integration == NULL ||
         strcmp(result->webhook.integration_id, path_integration) != 0)) {
        ingest_free(result);
        refuse(result, INGEST_BAD_SIGNATURE, "other_integration");
    }
}

const struct message *ingest_spread(const struct ingest *ingest, struct ingest_result *result,
                                    size_t place)
{
    if (result->synced == NULL ||
        !webhook_has_synced(&result->webhook, ingest->selection->models[place]))
        return NULL;
    result->spread = result->message;
    result->spread.topic = ingest->topics->events[place];
    message_header(&result->spread, "model", ingest->selection->names[place]);
    return &result->spread;
}

void ingest_free(struct ingest_result *result)
{
    webhook_free(&result->webhook);
    free(result->body);
    free(result->source);
    free(result->subject);
    free(result->synced);
    free(result->type);
}
