#include "bridge/enricher/family.h"

#include <string.h>

#include "bridge/base/utf8.h"
#include "bridge/propexo/webhook.h"

static const cJSON *member(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* A text that can be an id, or NULL. */
static const char *id_in(const cJSON *object, const char *name)
{
    const char *text = cJSON_GetStringValue(member(object, name));
    bool fit = text != NULL && *text != '\0' && strlen(text) <= WEBHOOK_ID_MAXIMUM &&
               utf8_valid(text, strlen(text));
    return fit ? text : NULL;
}

/* What the event says of an edge's parent now; NULL when it is silent. */
static const cJSON *told(const struct model_parent *edge, const cJSON *diff, const cJSON *payload)
{
    const cJSON *value = member(member(diff, "new"), edge->key);
    return value != NULL ? value : member(payload, edge->key);
}

static void add(struct family *family, const struct model_parent *edge, const char *id)
{
    for (size_t i = 0; id != NULL && i < family->count; i++) {
        if (family->kin[i].edge == edge && strcmp(family->kin[i].id, id) == 0)
            return;
    }
    if (id != NULL && family->count < FAMILY_MAXIMUM)
        family->kin[family->count++] = (struct kin){edge, id};
}

bool family_is_named(const struct model *model)
{
    for (size_t i = 0; i < model->parent_count; i++) {
        if (model->parents[i].key != NULL)
            return true;
    }
    return false;
}

struct family family_of(const struct model *model, const cJSON *diff, const cJSON *payload,
                        const cJSON *known)
{
    struct family family = {0};
    for (size_t i = 0; i < model->parent_count; i++) {
        const struct model_parent *edge = &model->parents[i];
        if (edge->key == NULL)
            continue;
        add(&family, edge, id_in(member(diff, "new"), edge->key));
        add(&family, edge, id_in(member(diff, "previous"), edge->key));
        add(&family, edge, id_in(payload, edge->key));
        if (told(edge, diff, payload) == NULL)
            add(&family, edge, id_in(known, edge->key));
    }
    return family;
}

static void put(cJSON *object, const char *name, const char *text)
{
    cJSON_DeleteItemFromObjectCaseSensitive(object, name);
    if (text != NULL)
        (void)cJSON_AddStringToObject(object, name, text);
}

cJSON *family_learn(const struct model *model, const cJSON *diff, const cJSON *payload,
                    cJSON *known, bool *changed)
{
    *changed = false;
    for (size_t i = 0; i < model->parent_count; i++) {
        const struct model_parent *edge = &model->parents[i];
        const cJSON *value = edge->key == NULL ? NULL : told(edge, diff, payload);
        if (value == NULL)
            continue;
        const char *before = id_in(known, edge->key);
        const char *now = id_in(member(diff, "new"), edge->key);
        if (now == NULL && member(member(diff, "new"), edge->key) == NULL)
            now = id_in(payload, edge->key);
        if (before == NULL ? now == NULL : now != NULL && strcmp(before, now) == 0)
            continue;
        if (known == NULL)
            known = cJSON_CreateObject();
        put(known, edge->key, now);
        *changed = true;
    }
    return known;
}
