#include "bridge/propexo/subscriptions.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"
#include "bridge/propexo/models.h"

static const char *const model_triggers[] = {"DATA_NEW", "DATA_UPDATE", NULL};
static const char *const account_triggers[] = {
    "SYNC_COMPLETE", "FIRST_SYNC_COMPLETE",     "JOB_SUCCESS",
    "JOB_FAILURE",   "WRITE_OPERATION_FAILURE", NULL};

static const char *const *triggers_of(const char *model)
{
    return model == NULL ? account_triggers : model_triggers;
}

/* Models were written with hyphens once. */
static const char *model_of(const cJSON *row)
{
    const char *name = json_member_text(row, "model");
    if (name == NULL || name[0] == '\0')
        return NULL;
    const struct model *model = model_find(name, strlen(name));
    return model == NULL ? name : model->name;
}

static bool same_model(const char *one, const char *other)
{
    return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0;
}

bool subscriptions_ours(const struct subscriptions_wish *wish, const cJSON *row)
{
    const char *url = json_member_text(row, "url");
    size_t length = strlen(wish->url);
    return url != NULL && strncmp(url, wish->url, length) == 0 &&
           (url[length] == '\0' || strcmp(url + length, "/") == 0);
}

static bool has_trigger(const cJSON *triggers, const char *name)
{
    const cJSON *trigger;
    cJSON_ArrayForEach(trigger, triggers)
    {
        if (cJSON_IsString(trigger) && strcmp(trigger->valuestring, name) == 0)
            return true;
    }
    return false;
}

/* The same kinds, in whatever order. */
static bool same_triggers(const cJSON *listed, const char *const *wanted)
{
    int count = 0;
    for (; wanted[count] != NULL; count++) {
        if (!has_trigger(listed, wanted[count]))
            return false;
    }
    return cJSON_GetArraySize(listed) == count;
}

/* The secret that the API shows, NULL when it shows none or one made unreadable. */
static const char *shown_secret(const cJSON *row)
{
    const char *secret = json_member_text(row, "secret");
    return secret == NULL || secret[0] == '\0' || strchr(secret, '*') != NULL ? NULL : secret;
}

static unsigned differences(const struct subscriptions_wish *wish, const cJSON *row)
{
    unsigned fields = 0;
    const char *secret = shown_secret(row);
    if (strcmp(json_member_text(row, "url"), wish->url) != 0)
        fields |= SUBSCRIPTION_URL;
    if (!same_triggers(json_member(row, "triggers"), triggers_of(model_of(row))))
        fields |= SUBSCRIPTION_TRIGGERS;
    if (!cJSON_IsTrue(json_member(row, "active")))
        fields |= SUBSCRIPTION_ACTIVE;
    if (wish->secret != NULL &&
        (wish->rotate || (secret != NULL && strcmp(secret, wish->secret) != 0)))
        fields |= SUBSCRIPTION_SECRET;
    return fields;
}

static bool is_better(const struct subscriptions_wish *wish, const cJSON *row, const cJSON *than)
{
    int one = __builtin_popcount(differences(wish, row));
    int other = __builtin_popcount(differences(wish, than));
    return one != other ? one < other
                        : strcmp(json_member_text(row, "id"), json_member_text(than, "id")) < 0;
}

static const cJSON *best_of(const struct subscriptions_wish *wish, const cJSON *rows,
                            const char *model)
{
    const cJSON *best = NULL;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        if (subscriptions_ours(wish, row) && same_model(model_of(row), model) &&
            (best == NULL || is_better(wish, row, best)))
            best = row;
    }
    return best;
}

static void add(struct subscriptions_plan *plan, struct subscription_change change)
{
    plan->changes[plan->count++] = change;
    plan->counts[change.action]++;
}

static void add_wanted(struct subscriptions_plan *plan, const struct subscriptions_wish *wish,
                       const cJSON *rows, const char *model)
{
    struct subscription_change change = {.action = SUBSCRIPTION_CREATE, .model = model};
    change.row = best_of(wish, rows, model);
    if (change.row != NULL) {
        change.fields = differences(wish, change.row);
        change.action = change.fields == 0 ? SUBSCRIPTION_KEEP : SUBSCRIPTION_UPDATE;
        plan->secrets_hidden |= wish->secret != NULL && shown_secret(change.row) == NULL;
    }
    add(plan, change);
}

static bool is_wanted(const struct subscriptions_wish *wish, const char *model)
{
    bool wanted = model == NULL;
    for (size_t i = 0; i < wish->model_count && !wanted; i++)
        wanted = same_model(wish->models[i], model);
    return wanted;
}

static bool has_row(const struct subscriptions_plan *plan, const cJSON *row)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->changes[i].row == row)
            return true;
    }
    return false;
}

struct subscriptions_plan subscriptions_compare(const struct subscriptions_wish *wish,
                                                const cJSON *rows)
{
    struct subscriptions_plan plan = {0};
    size_t most = wish->model_count + 1 + (size_t)cJSON_GetArraySize(rows);
    plan.changes = memory_new(most, sizeof *plan.changes);
    for (size_t i = 0; i < wish->model_count; i++)
        add_wanted(&plan, wish, rows, wish->models[i]);
    add_wanted(&plan, wish, rows, NULL);
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        const char *model = model_of(row);
        if (!subscriptions_ours(wish, row))
            plan.foreign++;
        else if (!has_row(&plan, row))
            add(&plan, (struct subscription_change){.action = SUBSCRIPTION_REMOVE,
                                                    .model = model,
                                                    .row = row,
                                                    .duplicate = is_wanted(wish, model)});
    }
    return plan;
}

void subscriptions_free(struct subscriptions_plan *plan)
{
    free(plan->changes);
    *plan = (struct subscriptions_plan){0};
}

char *subscriptions_body(const struct subscriptions_wish *wish,
                         const struct subscription_change *change)
{
    cJSON *body = cJSON_CreateObject();
    cJSON *triggers = cJSON_AddArrayToObject(body, "triggers");
    const cJSON *headers = json_member(change->row, "headers");
    for (const char *const *name = triggers_of(change->model); *name != NULL; name++)
        (void)cJSON_AddItemToArray(triggers, cJSON_CreateString(*name));
    (void)cJSON_AddStringToObject(body, "url", wish->url);
    if (change->model != NULL)
        (void)cJSON_AddStringToObject(body, "model", change->model);
    if (cJSON_IsArray(headers))
        (void)cJSON_AddItemToObject(body, "headers", cJSON_Duplicate(headers, true));
    if (wish->secret != NULL)
        (void)cJSON_AddStringToObject(body, "secret", wish->secret);
    (void)cJSON_AddBoolToObject(body, "active", true);
    char *text = cJSON_PrintUnformatted(body);
    cJSON_Delete(body);
    return text;
}

const char *subscription_action_name(enum subscription_action action)
{
    static const char *const names[] = {[SUBSCRIPTION_CREATE] = "create",
                                        [SUBSCRIPTION_UPDATE] = "update",
                                        [SUBSCRIPTION_KEEP] = "keep",
                                        [SUBSCRIPTION_REMOVE] = "remove"};
    return names[action];
}

const char *subscription_field_name(unsigned place)
{
    static const char *const names[SUBSCRIPTION_FIELDS] = {"url", "triggers", "active", "secret"};
    return names[place];
}
