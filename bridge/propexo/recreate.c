#include "bridge/propexo/recreate.h"

#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/json_text.h"

#define TEXT_MAXIMUM ((size_t)64 << 20)

static char *write_text(const cJSON *root)
{
    struct error error;
    struct buffer text = buffer_new(TEXT_MAXIMUM);
    if (json_text_value(&text, root, &error) && !text.overflowed)
        return buffer_take(&text);
    buffer_free(&text);
    return NULL;
}

char *recreate_event(const char *integration_id, const char *model, const char *record_id,
                     bool is_new, const cJSON *content)
{
    const char *kind = is_new ? "DATA_NEW" : "DATA_UPDATE";
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "trigger", kind);
    cJSON *data = cJSON_AddObjectToObject(root, "data");
    (void)cJSON_AddStringToObject(data, "event", kind);
    (void)cJSON_AddStringToObject(data, "integration_id", integration_id);
    (void)cJSON_AddStringToObject(data, "object", model);
    (void)cJSON_AddStringToObject(data, "record_id", record_id);
    if (content != NULL)
        (void)cJSON_AddItemToObject(data, is_new ? "payload" : "diff",
                                    cJSON_Duplicate(content, true));
    cJSON *meta = cJSON_AddObjectToObject(root, "meta");
    (void)cJSON_AddStringToObject(meta, "object", model);
    (void)cJSON_AddStringToObject(meta, "integration_id", integration_id);
    char *text = write_text(root);
    cJSON_Delete(root);
    return text;
}

bool recreate_read(const cJSON *item, struct recreate_change *change)
{
    const char *kind = json_member_text(item, "event_type");
    const cJSON *content = json_member(item, "data_diff");
    *change = (struct recreate_change){
        .id = json_member_text(item, "id"),
        .model = json_member_text(item, "model"),
        .record_id = json_member_text(item, "model_record_id"),
        .integration_id = json_member_text(item, "integration_id"),
        .created_at = json_member_text(item, "created_at"),
        .is_new = kind != NULL && strcmp(kind, "NEW") == 0,
        .content = cJSON_IsObject(content) ? content : NULL,
    };
    return change->model != NULL && change->record_id != NULL && change->record_id[0] != '\0';
}
