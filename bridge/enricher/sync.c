#include "bridge/enricher/sync.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"

static const char *const states[] = {
    [SYNC_OTHER] = "other",     [SYNC_UNTOLD] = "untold", [SYNC_WAITS] = "waits",
    [SYNC_COMMITS] = "commits", [SYNC_DONE] = "done",
};

static struct sync *new_sync(const char *integration_id, const char *id, int number,
                             const struct selection *selection)
{
    struct sync *sync = memory_new(1, sizeof *sync);
    *sync = (struct sync){.integration_id = memory_text(integration_id),
                          .id = memory_text(id),
                          .number = number,
                          .count = selection->count,
                          .parts = memory_new(selection->count, sizeof *sync->parts)};
    return sync;
}

struct sync *sync_new(const char *integration_id, const char *id, int number, const char *models,
                      const struct selection *selection, int64_t wall_ms)
{
    struct sync *sync = new_sync(integration_id, id, number, selection);
    sync->began_ms = wall_ms;
    for (const char *name = models; *name != '\0';) {
        size_t length = strcspn(name, ",");
        int place = selection_find(selection, name, length);
        if (place >= 0)
            sync->parts[place].state = SYNC_UNTOLD;
        name += length + (name[length] == ',');
    }
    return sync;
}

void sync_free(struct sync *sync)
{
    if (sync == NULL)
        return;
    free(sync->integration_id);
    free(sync->id);
    free(sync->parts);
    free(sync);
}

char *sync_write(const struct sync *sync, const struct selection *selection)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "sync", sync->id);
    (void)cJSON_AddNumberToObject(root, "began_ms", (double)sync->began_ms);
    cJSON *models = cJSON_AddObjectToObject(root, "models");
    for (size_t i = 0; i < sync->count; i++) {
        const struct sync_part *part = &sync->parts[i];
        if (part->state == SYNC_OTHER)
            continue;
        cJSON *model = cJSON_AddObjectToObject(models, selection->names[i]);
        (void)cJSON_AddStringToObject(model, "state", states[part->state]);
        (void)cJSON_AddNumberToObject(model, "offset", (double)part->offset);
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

static void read_part(struct sync_part *part, const cJSON *model)
{
    const char *state = json_member_text(model, "state");
    const cJSON *offset = json_member(model, "offset");
    for (size_t i = 0; state != NULL && i < ARRAY_LENGTH(states); i++) {
        if (strcmp(states[i], state) == 0)
            part->state = (enum sync_state)i;
    }
    /* What was not committed with its state is waited for anew. */
    if (part->state == SYNC_COMMITS)
        part->state = SYNC_WAITS;
    part->offset = cJSON_IsNumber(offset) ? (int64_t)offset->valuedouble : 0;
}

struct sync *sync_read(const char *text, size_t length, const char *integration_id, int number,
                       const struct selection *selection)
{
    cJSON *root = json_parse(text, length);
    const char *id = json_member_text(root, "sync");
    const cJSON *models = json_member(root, "models");
    struct sync *sync = NULL;
    if (id != NULL && cJSON_IsObject(models)) {
        const cJSON *began = json_member(root, "began_ms");
        sync = new_sync(integration_id, id, number, selection);
        sync->began_ms = cJSON_IsNumber(began) ? (int64_t)began->valuedouble : 0;
        for (const cJSON *model = models->child; model != NULL; model = model->next) {
            int place = selection_find(selection, model->string, strlen(model->string));
            if (place >= 0)
                read_part(&sync->parts[place], model);
        }
    }
    cJSON_Delete(root);
    return sync;
}

size_t sync_models(const struct sync *sync, size_t *done)
{
    size_t count = 0;
    *done = 0;
    for (size_t i = 0; i < sync->count; i++) {
        count += sync->parts[i].state != SYNC_OTHER;
        *done += sync->parts[i].state == SYNC_DONE;
    }
    return count;
}
