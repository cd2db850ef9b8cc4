#include "bridge/propexo/redaction.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/buffer.h"
#include "bridge/base/digest.h"
#include "bridge/base/memory.h"
#include "bridge/base/metrics.h"
#include "bridge/codec/json_text.h"
#include "bridge/codec/plan.h"
#include "bridge/propexo/webhook.h"

#define DEEPEST      8 /* names of one rule */
#define HASH_PREFIX  "hmac-sha256:"
#define HASH_LENGTH  (sizeof HASH_PREFIX - 1 + DIGEST_TEXT_SIZE - 1)
#define TEXT_MAXIMUM ((size_t)128 << 20) /* no body is half as long */

struct rule {
    const struct model *model;
    char *path; /* its names, each terminated */
    const char *names[DEEPEST];
    size_t count;
    bool hash;
};

struct redaction {
    struct rule *rules;
    size_t count;
    const char *key; /* the configuration's */
    bool events;
};

/* One pass over a tree. */
struct pass {
    const struct redaction *redaction;
    const struct model *model; /* NULL: rules of all */
    bool leave_null;           /* a dropped field is null then, not absent */
    size_t changed;
};

/* What routes an event stands beside its content under these names, in the body itself and in its
 * `data` and `meta`. */
static bool is_routing(const char *name)
{
    static const char *const names[] = {
        "trigger",  "event",  "object",      "record_id",     "integration_id",
        "data",     "meta",   "diff",        "payload",       "new",
        "previous", "vendor", "is_backsync", "models_synced", "is_sync_finished"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static bool is_hashed(const char *text)
{
    return strncmp(text, HASH_PREFIX, strlen(HASH_PREFIX)) == 0 && strlen(text) == HASH_LENGTH &&
           strspn(text + strlen(HASH_PREFIX), "0123456789abcdef") == DIGEST_TEXT_SIZE - 1;
}

/* Puts another value in the item's place; name and neighbours stay. */
static void become(cJSON *item, cJSON *other)
{
    cJSON_free(item->valuestring);
    cJSON_Delete(item->child);
    item->child = NULL;
    item->valuestring = other->valuestring;
    item->type = other->type | (item->type & cJSON_StringIsConst);
    other->valuestring = NULL;
    cJSON_Delete(other);
}

/* Every value below the item, but null: texts by their bytes, numbers and booleans by their JSON.
 */
static void hash(struct pass *pass, cJSON *item)
{
    struct error error;
    struct buffer text = buffer_new(TEXT_MAXIMUM);
    char digest[DIGEST_TEXT_SIZE];
    for (cJSON *child = item->child; child != NULL; child = child->next)
        hash(pass, child);
    bool scalar = cJSON_IsNumber(item) || cJSON_IsBool(item);
    bool writable = scalar && json_text_value(&text, item, &error);
    if (cJSON_IsString(item) && !is_hashed(item->valuestring))
        writable = buffer_append_text(&text, item->valuestring);
    if (writable) {
        char *made =
            memory_format(HASH_PREFIX "%s", digest_hmac(pass->redaction->key, buffer_text(&text),
                                                        text.length, digest));
        become(item, cJSON_CreateString(made));
        free(made);
        pass->changed++;
    }
    buffer_free(&text);
}

static void redact(struct pass *pass, const struct rule *rule, cJSON *parent, cJSON *item)
{
    if (rule->hash) {
        hash(pass, item);
    } else if (!pass->leave_null) {
        cJSON_Delete(cJSON_DetachItemViaPointer(parent, item));
        pass->changed++;
    } else if (!cJSON_IsNull(item)) {
        become(item, cJSON_CreateNull());
        pass->changed++;
    }
}

/* Follows a rule's names down from `item`, which is what its first `depth` name; a list's items are
 * all followed. */
static void follow(struct pass *pass, const struct rule *rule, size_t depth, cJSON *parent,
                   cJSON *item)
{
    if (depth == rule->count) {
        redact(pass, rule, parent, item);
        return;
    }
    bool list = cJSON_IsArray(item);
    for (cJSON *child = item->child, *next; child != NULL; child = next) {
        next = child->next;
        if (list)
            follow(pass, rule, depth, item, child);
        else if (child->string != NULL && strcmp(child->string, rule->names[depth]) == 0)
            follow(pass, rule, depth + 1, item, child);
    }
}

static bool counts(const struct pass *pass, const struct rule *rule)
{
    return pass->model == NULL || rule->model == pass->model;
}

/* The rules, with `object` as what their names begin in. */
static void apply_here(struct pass *pass, cJSON *object, bool routing)
{
    if (!cJSON_IsObject(object))
        return;
    for (size_t i = 0; i < pass->redaction->count; i++) {
        const struct rule *rule = &pass->redaction->rules[i];
        if (counts(pass, rule) && !(routing && is_routing(rule->names[0])))
            follow(pass, rule, 0, NULL, object);
    }
}

/* A rule has redacted the whole of this member: looking into it once more for each of its levels
 * would make a small body take long. */
static bool is_done(const struct pass *pass, const cJSON *member, bool routing)
{
    if (member->string == NULL || (routing && is_routing(member->string)))
        return false;
    for (size_t i = 0; i < pass->redaction->count; i++) {
        const struct rule *rule = &pass->redaction->rules[i];
        if (rule->count == 1 && counts(pass, rule) && strcmp(rule->names[0], member->string) == 0)
            return true;
    }
    return false;
}

/* The same for every object below. */
static void apply_deep(struct pass *pass, cJSON *value, bool routing)
{
    apply_here(pass, value, routing);
    for (cJSON *child = value->child; child != NULL; child = child->next)
        if (!is_done(pass, child, routing))
            apply_deep(
                pass, child,
                routing && child->string != NULL &&
                    (strcmp(child->string, "data") == 0 || strcmp(child->string, "meta") == 0));
}

static void count_changed(const struct pass *pass)
{
    if (pass->changed > 0)
        metrics_add(METRIC_REDACTED, (int64_t)pass->changed);
}

bool redaction_has(const struct redaction *redaction, const struct model *model)
{
    for (size_t i = 0; i < redaction->count; i++)
        if (redaction->rules[i].model == model)
            return true;
    return false;
}

bool redaction_has_events(const struct redaction *redaction)
{
    return redaction->events && redaction->count > 0;
}

void redaction_record(const struct redaction *redaction, const struct model *model, cJSON *record)
{
    struct pass pass = {.redaction = redaction, .model = model};
    apply_here(&pass, record, false);
    count_changed(&pass);
}

void redaction_told(const struct redaction *redaction, const struct model *model, cJSON *told,
                    bool is_body)
{
    struct pass pass = {.redaction = redaction, .model = model};
    if (told != NULL && redaction_has(redaction, model))
        apply_deep(&pass, told, is_body);
    count_changed(&pass);
}

void redaction_change(const struct redaction *redaction, const struct model *model, cJSON *content)
{
    struct pass pass = {.redaction = redaction, .model = model, .leave_null = true};
    if (content != NULL && redaction_has_events(redaction))
        apply_deep(&pass, content, false);
    count_changed(&pass);
}

char *redaction_body(const struct redaction *redaction, const struct model *model, cJSON *body)
{
    struct pass pass = {.redaction = redaction, .model = model, .leave_null = true};
    struct error error;
    if (!redaction_has_events(redaction) || (model != NULL && !redaction_has(redaction, model)))
        return NULL;
    apply_deep(&pass, body, true);
    count_changed(&pass);
    if (pass.changed == 0)
        return NULL;
    struct buffer text = buffer_new(TEXT_MAXIMUM);
    if (!json_text_value(&text, body, &error))
        buffer_clear(&text); /* cannot be: it came from such a text. Nothing is kept then */
    return buffer_take(&text);
}

bool redaction_event(const struct redaction *redaction, struct message *event, char **text)
{
    *text = NULL;
    if (event->value == NULL || !redaction_has_events(redaction))
        return true;
    struct webhook webhook = webhook_parse(event->value, event->value_length);
    bool readable = webhook.root != NULL;
    if (readable)
        *text = redaction_body(redaction, webhook.model, webhook.root);
    webhook_free(&webhook);
    if (*text != NULL) {
        event->value = *text;
        event->value_length = strlen(*text);
    }
    return readable;
}

/* The field of a schema that a rule names; NULL when none is known. `*whole` is false then, when
 * what is above it is known and has no such thing below. */
static const struct plan_field *field_of(const struct rule *rule, const struct plan *plan,
                                         bool *whole)
{
    const struct plan_field *field = NULL;
    *whole = true;
    for (size_t i = 0; i < rule->count; i++) {
        int place = plan == NULL ? -1 : plan_find(plan, rule->names[i], 0);
        if (place < 0) {
            *whole = field == NULL || field->kind == PLAN_JSON;
            return NULL;
        }
        field = &plan->fields[place];
        plan = field->items;
    }
    return field;
}

static bool is_needed(const struct redaction *redaction, const struct rule *rule)
{
    static const char *const names[] = {"id", "integration_id", "created_at", "updated_at",
                                        "last_seen"};
    for (size_t i = 0; i < ARRAY_LENGTH(names); i++)
        if (strcmp(names[i], rule->names[0]) == 0)
            return true;
    for (size_t i = 0; i < rule->model->parent_count && redaction->events; i++)
        if (rule->model->parents[i].key != NULL &&
            strcmp(rule->model->parents[i].key, rule->names[0]) == 0)
            return true;
    return false;
}

static bool may_be_hashed(const struct plan_field *field)
{
    return field == NULL || field->kind == PLAN_STRING || field->kind == PLAN_STRINGS ||
           field->kind == PLAN_JSON;
}

static bool check(const struct redaction *redaction, const struct rule *rule, const char *item,
                  struct error *error)
{
    const struct schema *schema = model_schema(rule->model);
    struct plan *plan = NULL;
    bool whole = true;
    if (schema != NULL && model_kind(rule->model) != MODEL_ASSEMBLED) {
        plan = plan_new(schema->text, schema->length, error);
        if (plan == NULL)
            return false;
    }
    const struct plan_field *field = field_of(rule, plan, &whole);
    bool ok = true;
    if (is_needed(redaction, rule) || (field != NULL && !field->nullable && !rule->hash))
        ok = error_set(error, VERDICT_CONFIGURATION,
                       "snapshots.redact: %s cannot be: the bridge, or every snapshot, needs it",
                       item);
    else if (!whole)
        ok = error_set(error, VERDICT_CONFIGURATION,
                       "snapshots.redact: %s: there is nothing of that name below it", item);
    else if (rule->hash && !may_be_hashed(field))
        ok = error_set(error, VERDICT_CONFIGURATION,
                       "snapshots.redact: %s: it is no text, so it can be dropped, but not hashed",
                       item);
    plan_free(plan);
    return ok;
}

/* Reads "model.name.name:hash" whose form the configuration has checked. */
static bool read_rule(struct redaction *redaction, const char *item, struct error *error)
{
    struct rule *rule = &redaction->rules[redaction->count++];
    size_t model = strcspn(item, ".");
    const char *action = strchr(item, ':');
    rule->path =
        memory_text_n(item + model + 1, action == NULL ? strlen(item + model + 1)
                                                       : (size_t)(action - item) - model - 1);
    rule->hash = action != NULL && strcmp(action, ":hash") == 0;
    rule->model = model_find(item, model);
    if (rule->model == NULL)
        return error_set(error, VERDICT_CONFIGURATION,
                         "snapshots.redact: %s: Propexo's description has no such model", item);
    char *rest = rule->path;
    while (rest != NULL && rule->count < DEEPEST)
        rule->names[rule->count++] = strsep(&rest, ".");
    if (rest != NULL)
        return error_set(error, VERDICT_CONFIGURATION,
                         "snapshots.redact: %s goes deeper than %d names", item, DEEPEST);
    return check(redaction, rule, item, error);
}

struct redaction *redaction_new(const struct config *config, struct error *error)
{
    const struct config_list *items = &config->snapshots.redact;
    struct redaction *redaction = memory_new(1, sizeof *redaction);
    redaction->rules = memory_new(items->count + 1, sizeof *redaction->rules);
    redaction->key = config->snapshots.redact_key;
    redaction->events = config->events.redact;
    for (size_t i = 0; i < items->count; i++) {
        if (!read_rule(redaction, items->items[i], error)) {
            redaction_free(redaction);
            return NULL;
        }
    }
    return redaction;
}

void redaction_free(struct redaction *redaction)
{
    if (redaction == NULL)
        return;
    for (size_t i = 0; i < redaction->count; i++)
        free(redaction->rules[i].path);
    free(redaction->rules);
    free(redaction);
}
