#include "bridge/propexo/webhook.h"

#include <string.h>

#include "bridge/base/attributes.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/brackets.h"

/* The members that routing reads. One of them twice in one object could be read in two ways. */
static const char *const routing_keys[] = {
    "trigger", "event", "object", "record_id", "integration_id", "data", "meta", "diff", "payload",
};

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

/* Its bit; 0: it is none. */
static unsigned routing_bit(const char *name)
{
    for (size_t i = 0; i < ARRAY_LENGTH(routing_keys); i++) {
        if (*routing_keys[i] == *name && strcmp(routing_keys[i], name) == 0)
            return 1U << i;
    }
    return 0;
}

static bool has_double(const cJSON *object)
{
    unsigned seen = 0;
    if (!cJSON_IsObject(object))
        return false;
    for (const cJSON *item = object->child; item != NULL; item = item->next) {
        unsigned bit = routing_bit(item->string);
        if ((seen & bit) != 0)
            return true;
        seen |= bit;
    }
    return false;
}

static struct webhook not_understood(struct webhook webhook, const char *code)
{
    webhook.class = WEBHOOK_UNKNOWN;
    webhook.code = code;
    return webhook;
}

/* A text that can be an id: 1 to WEBHOOK_ID_MAXIMUM bytes of UTF-8 without U+0000. */
static const char *id_of(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    if (text == NULL || *text == '\0' || strlen(text) > WEBHOOK_ID_MAXIMUM ||
        !utf8_valid(text, strlen(text)))
        return NULL;
    return text;
}

/* The first of two objects that has a member of this name at all decides, even when it is unfit. */
static const char *id_of_either(const cJSON *first, const cJSON *second, const char *name)
{
    const cJSON *item = member(first, name);
    return item != NULL && !cJSON_IsNull(item) ? id_of(first, name) : id_of(second, name);
}

static bool is_data_kind(const char *kind)
{
    return strcmp(kind, "DATA_NEW") == 0 || strcmp(kind, "DATA_UPDATE") == 0;
}

static bool is_activity_kind(const char *kind)
{
    static const char *const kinds[] = {"SYNC_COMPLETE", "FIRST_SYNC_COMPLETE", "JOB_SUCCESS",
                                        "JOB_FAILURE", "WRITE_OPERATION_FAILURE"};
    for (size_t i = 0; i < ARRAY_LENGTH(kinds); i++) {
        if (strcmp(kinds[i], kind) == 0)
            return true;
    }
    return false;
}

static struct webhook read_event(struct webhook webhook, const cJSON *data, const cJSON *meta)
{
    const char *object = id_of_either(data, meta, "object");
    if (object == NULL)
        return not_understood(webhook, "no-object");
    webhook.record_id = id_of(data, "record_id");
    if (webhook.record_id == NULL)
        return not_understood(webhook, "no-record-id");
    webhook.model = model_find(object, strlen(object));
    if (webhook.model == NULL)
        return not_understood(webhook, "unknown-model");
    const cJSON *diff = member(data, "diff");
    const cJSON *payload = member(data, "payload");
    webhook.diff = cJSON_IsObject(diff) ? diff : NULL;
    webhook.payload = cJSON_IsObject(payload) ? payload : NULL;
    webhook.class = WEBHOOK_EVENT;
    return webhook;
}

static struct webhook route(struct webhook webhook)
{
    const cJSON *root = webhook.root;
    if (!cJSON_IsObject(root))
        return not_understood(webhook, "not-an-object");
    const cJSON *data = member(root, "data");
    if (!cJSON_IsObject(data))
        data = root;
    const cJSON *meta = member(root, "meta");
    if (has_double(root) || (data != root && has_double(data)) || has_double(meta))
        return not_understood(webhook, "duplicate-key");
    const cJSON *integration = member(data, "integration_id");
    webhook.integration_id = id_of_either(data, meta, "integration_id");
    if (webhook.integration_id == NULL && integration != NULL && !cJSON_IsNull(integration))
        return not_understood(webhook, "bad-integration-id");
    webhook.kind = id_of_either(data, root, "event");
    if (webhook.kind == NULL)
        webhook.kind = id_of(root, "trigger");
    if (webhook.kind == NULL && cJSON_IsObject(member(data, "diff")))
        webhook.kind = "DATA_UPDATE";
    if (webhook.kind == NULL && cJSON_IsObject(member(data, "payload")))
        webhook.kind = "DATA_NEW";
    if (webhook.kind == NULL)
        return not_understood(webhook, "no-kind");
    if (is_data_kind(webhook.kind))
        return read_event(webhook, data, meta);
    if (!is_activity_kind(webhook.kind))
        return not_understood(webhook, "unknown-kind");
    const cJSON *synced = member(data, "models_synced");
    webhook.is_backsync = cJSON_IsTrue(member(data, "is_backsync"));
    webhook.synced = cJSON_IsArray(synced) && synced->child != NULL ? synced : NULL;
    webhook.class = WEBHOOK_ACTIVITY;
    return webhook;
}

/* True when it nests deeper than the parser follows: such text may be JSON all the same, and what
 * is signed and may be JSON is kept, not refused. */
static bool too_deep(const char *body, size_t length)
{
    return brackets_scan(body, length).deepest > CJSON_NESTING_LIMIT;
}

/* Why a long body must not be parsed, or NULL: its tree would take too much memory. */
static const char *unreadable(const char *body, size_t length)
{
    if (length <= 2 * (size_t)WEBHOOK_MAX_VALUES)
        return NULL;
    struct brackets brackets = brackets_scan(body, length);
    if (brackets.deepest > CJSON_NESTING_LIMIT)
        return "too-deep";
    return brackets.values > WEBHOOK_MAX_VALUES ? "too-many-values" : NULL;
}

struct webhook webhook_parse(const char *body, size_t length)
{
    struct webhook webhook = {.class = WEBHOOK_NOT_JSON, .code = "not-json"};
    if (!utf8_valid(body, length))
        return webhook;
    const char *reason = unreadable(body, length);
    if (reason != NULL)
        return not_understood(webhook, reason);
    webhook.root = json_parse_brief(body, length);
    if (webhook.root == NULL)
        return too_deep(body, length) ? not_understood(webhook, "too-deep") : webhook;
    webhook.code = NULL;
    return route(webhook);
}

void webhook_free(struct webhook *webhook)
{
    cJSON_Delete(webhook->root);
    *webhook = (struct webhook){.class = WEBHOOK_UNKNOWN};
}

bool webhook_is_sync(const struct webhook *webhook)
{
    return webhook->class == WEBHOOK_ACTIVITY &&
           (strcmp(webhook->kind, "SYNC_COMPLETE") == 0 ||
            strcmp(webhook->kind, "FIRST_SYNC_COMPLETE") == 0);
}

bool webhook_has_synced(const struct webhook *webhook, const struct model *model)
{
    const cJSON *name;
    if (webhook->synced == NULL)
        return true;
    cJSON_ArrayForEach(name, webhook->synced)
    {
        const char *text = cJSON_GetStringValue(name);
        if (text != NULL && model_find(text, strlen(text)) == model)
            return true;
    }
    return false;
}

bool webhook_is_only_seen(const struct webhook *webhook)
{
    const cJSON *fields = json_member(webhook->diff, "new");
    if (!cJSON_IsObject(fields) || fields->child == NULL)
        return false;
    for (const cJSON *field = fields->child; field != NULL; field = field->next) {
        if (strcmp(field->string, "last_seen") != 0 && strcmp(field->string, "updated_at") != 0)
            return false;
    }
    return true;
}
