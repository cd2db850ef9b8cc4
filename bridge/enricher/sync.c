#include "bridge/enricher/sync.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>
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

static void write_check(cJSON *model, const struct sync_check *check)
{
    (void)cJSON_AddBoolToObject(model, "reconciled", check->reconciled);
    (void)cJSON_AddNumberToObject(model, "missed", (double)check->missed);
    (void)cJSON_AddNumberToObject(model, "unverified", (double)check->unverified);
}

char *sync_write(const struct sync *sync, const struct selection *selection)
{
    cJSON *root = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(root, "sync", sync->id);
    (void)cJSON_AddNumberToObject(root, "began_ms", (double)sync->began_ms);
    if (sync->is_backsync)
        (void)cJSON_AddTrueToObject(root, "is_backsync");
    if (sync->reason[0] != '\0')
        (void)cJSON_AddStringToObject(root, "reason", sync->reason);
    cJSON *models = cJSON_AddObjectToObject(root, "models");
    for (size_t i = 0; i < sync->count; i++) {
        const struct sync_part *part = &sync->parts[i];
        if (part->state == SYNC_OTHER)
            continue;
        cJSON *model = cJSON_AddObjectToObject(models, selection->names[i]);
        (void)cJSON_AddStringToObject(model, "state", states[part->state]);
        (void)cJSON_AddNumberToObject(model, "offset", (double)part->offset);
        if (part->state == SYNC_DONE) {
            (void)cJSON_AddNumberToObject(model, "snapshots", (double)part->snapshots);
            (void)cJSON_AddNumberToObject(model, "dead_letters", (double)part->dead_letters);
        }
        if (part->again) {
            char token[24];
            (void)snprintf(token, sizeof token, "%016" PRIx64, part->token);
            (void)cJSON_AddStringToObject(model, "again", token);
        }
        if (part->check.done)
            write_check(model, &part->check);
    }
    char *text = cJSON_PrintUnformatted(root);
    cJSON_Delete(root);
    return text;
}

static void read_part(struct sync_part *part, const cJSON *model)
{
    const char *state = json_member_text(model, "state");
    const cJSON *reconciled = json_member(model, "reconciled");
    const char *again = json_member_text(model, "again");
    for (size_t i = 0; state != NULL && i < ARRAY_LENGTH(states); i++) {
        if (strcmp(states[i], state) == 0)
            part->state = (enum sync_state)i;
    }
    /* What was not committed with its state is waited for anew. */
    if (part->state == SYNC_COMMITS)
        part->state = SYNC_WAITS;
    part->offset = json_member_integer(model, "offset");
    part->again = again != NULL && sscanf(again, "%" SCNx64, &part->token) == 1;
    part->snapshots = json_member_integer(model, "snapshots");
    part->dead_letters = json_member_integer(model, "dead_letters");
    part->check = (struct sync_check){reconciled != NULL, cJSON_IsTrue(reconciled),
                                      json_member_integer(model, "missed"),
                                      json_member_integer(model, "unverified")};
}

struct sync *sync_read(const char *text, size_t length, const char *integration_id, int number,
                       const struct selection *selection)
{
    cJSON *root = json_parse(text, length);
    const char *id = json_member_text(root, "sync");
    const cJSON *models = json_member(root, "models");
    struct sync *sync = NULL;
    if (id != NULL && cJSON_IsObject(models)) {
        const char *reason = json_member_text(root, "reason");
        sync = new_sync(integration_id, id, number, selection);
        sync->began_ms = json_member_integer(root, "began_ms");
        sync->is_backsync = cJSON_IsTrue(json_member(root, "is_backsync"));
        (void)snprintf(sync->reason, sizeof sync->reason, "%s", reason == NULL ? "" : reason);
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

bool sync_is_told(const struct sync *sync)
{
    for (size_t i = 0; i < sync->count; i++) {
        if (sync->parts[i].state == SYNC_UNTOLD)
            return false;
    }
    return true;
}

bool sync_wants_check(const struct sync *sync)
{
    for (size_t i = 0; i < sync->count; i++) {
        const struct sync_part *part = &sync->parts[i];
        if (part->state != SYNC_OTHER && !part->check.done && !part->again)
            return true;
    }
    return false;
}

struct sync_part sync_sum(const struct sync *sync)
{
    struct sync_part sum = {.check.reconciled = true};
    for (size_t i = 0; i < sync->count; i++) {
        const struct sync_part *part = &sync->parts[i];
        if (part->state == SYNC_OTHER)
            continue;
        sum.snapshots += part->snapshots;
        sum.dead_letters += part->dead_letters;
        sum.check.missed += part->check.missed;
        sum.check.unverified += part->check.unverified;
        sum.check.reconciled = sum.check.reconciled && part->check.reconciled;
    }
    return sum;
}
