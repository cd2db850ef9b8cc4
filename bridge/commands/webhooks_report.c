#include "bridge/commands/webhooks_report.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/codec/json_parse.h"

const char *webhooks_subject(const char *model)
{
    return model == NULL || model[0] == '\0' ? "(account)" : model;
}

static const char *id_of(const cJSON *row)
{
    return row == NULL ? "-" : json_member_text(row, "id");
}

/* A text of the API's in a column; what could steer a terminal is not printed. */
static void print_cell(const char *text, int width)
{
    (void)fputs("  ", stdout);
    for (const char *c = text; *c != '\0'; c++)
        (void)putchar(iscntrl((unsigned char)*c) ? '?' : *c);
    (void)printf("%*s", width > (int)strlen(text) ? width - (int)strlen(text) : 0, "");
}

static void widen(int *width, const char *text)
{
    *width = (int)strlen(text) > *width ? (int)strlen(text) : *width;
}

/* A URL without user and query: others put tokens there. The caller frees. */
static char *shown_url(const char *url)
{
    const char *host = strstr(url, "://");
    host = host == NULL ? url : host + 3;
    const char *at = memchr(host, '@', strcspn(host, "/?#"));
    size_t end = strcspn(url, "?#");
    const char *from = at == NULL ? host : at + 1;
    return memory_format("%.*s%s%.*s%s", (int)(host - url), url, at == NULL ? "" : "...@",
                         (int)(url + end - from), from, url[end] == '\0' ? "" : "?...");
}

/* Why, in words: the fields of an update, the reason of a removal. The caller frees. */
static char *note_of(const struct subscription_change *change)
{
    if (change->action == SUBSCRIPTION_REMOVE)
        return memory_text(change->duplicate ? "there is another one" : "not in bridge.models");
    char *note = memory_text("");
    for (unsigned place = 0; place < SUBSCRIPTION_FIELDS; place++) {
        if ((change->fields & 1U << place) == 0)
            continue;
        char *longer = memory_format("%s%s%s", note, note[0] == '\0' ? "" : ", ",
                                     subscription_field_name(place));
        free(note);
        note = longer;
    }
    return note;
}

void webhooks_print_plan(const struct subscriptions_wish *wish,
                         const struct subscriptions_plan *plan)
{
    int subjects = 0;
    int ids = 0;
    for (size_t i = 0; i < plan->count; i++) {
        widen(&subjects, webhooks_subject(plan->changes[i].model));
        widen(&ids, id_of(plan->changes[i].row));
    }
    for (size_t i = 0; i < plan->count; i++) {
        const struct subscription_change *change = &plan->changes[i];
        char *note = note_of(change);
        (void)printf("%-6s", subscription_action_name(change->action));
        print_cell(webhooks_subject(change->model), subjects);
        print_cell(id_of(change->row), note[0] == '\0' ? 0 : ids);
        (void)printf("%s%s\n", note[0] == '\0' ? "" : "  ", note);
        free(note);
    }
    (void)printf("%zu to create, %zu to update, %zu to remove, %zu as they should be; "
                 "%zu of others are not touched\n",
                 plan->counts[SUBSCRIPTION_CREATE], plan->counts[SUBSCRIPTION_UPDATE],
                 plan->counts[SUBSCRIPTION_REMOVE], plan->counts[SUBSCRIPTION_KEEP], plan->foreign);
    if (plan->secrets_hidden && !wish->rotate)
        (void)puts("The API does not show secrets, so they were not compared; --rotate sets them "
                   "anew.");
}

/* The kinds with commas between them. The caller frees. */
static char *triggers_text(const cJSON *row)
{
    char *text = memory_text("");
    const cJSON *trigger;
    cJSON_ArrayForEach(trigger, json_member(row, "triggers"))
    {
        if (!cJSON_IsString(trigger))
            continue;
        char *longer =
            memory_format("%s%s%s", text, text[0] == '\0' ? "" : ",", trigger->valuestring);
        free(text);
        text = longer;
    }
    return text;
}

void webhooks_print_list(const struct subscriptions_wish *wish, const cJSON *rows)
{
    int ids = 0;
    int subjects = 0;
    int ours = 0;
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        widen(&ids, id_of(row));
        widen(&subjects, webhooks_subject(json_member_text(row, "model")));
    }
    cJSON_ArrayForEach(row, rows)
    {
        bool own = subscriptions_ours(wish, row);
        const char *url = json_member_text(row, "url");
        char *shown = shown_url(url == NULL ? "" : url);
        char *triggers = triggers_text(row);
        ours += own;
        (void)printf("%-6s  %-8s", own ? "ours" : "others",
                     cJSON_IsTrue(json_member(row, "active")) ? "active" : "inactive");
        print_cell(webhooks_subject(json_member_text(row, "model")), subjects);
        print_cell(id_of(row), ids);
        print_cell(shown, 0);
        print_cell(triggers, 0);
        (void)putchar('\n');
        free(triggers);
        free(shown);
    }
    (void)printf("%d ours, %d of others\n", ours, cJSON_GetArraySize(rows) - ours);
}

static void add_text(cJSON *object, const char *name, const char *text)
{
    (void)cJSON_AddItemToObject(object, name,
                                text == NULL ? cJSON_CreateNull() : cJSON_CreateString(text));
}

static cJSON *change_tree(const struct subscription_change *change)
{
    cJSON *tree = cJSON_CreateObject();
    add_text(tree, "action", subscription_action_name(change->action));
    add_text(tree, "model", change->model);
    add_text(tree, "id", change->row == NULL ? NULL : id_of(change->row));
    if (change->action == SUBSCRIPTION_UPDATE) {
        cJSON *fields = cJSON_AddArrayToObject(tree, "fields");
        for (unsigned place = 0; place < SUBSCRIPTION_FIELDS; place++) {
            if ((change->fields & 1U << place) != 0)
                (void)cJSON_AddItemToArray(fields,
                                           cJSON_CreateString(subscription_field_name(place)));
        }
    }
    if (change->action == SUBSCRIPTION_REMOVE)
        (void)cJSON_AddBoolToObject(tree, "duplicate", change->duplicate);
    return tree;
}

cJSON *webhooks_plan_tree(const struct subscriptions_wish *wish,
                          const struct subscriptions_plan *plan)
{
    cJSON *tree = cJSON_CreateObject();
    char *url = shown_url(wish->url);
    add_text(tree, "url", url);
    cJSON *changes = cJSON_AddArrayToObject(tree, "webhooks");
    for (size_t i = 0; i < plan->count; i++)
        (void)cJSON_AddItemToArray(changes, change_tree(&plan->changes[i]));
    cJSON *counts = cJSON_AddObjectToObject(tree, "counts");
    for (enum subscription_action action = 0; action < SUBSCRIPTION_ACTIONS; action++)
        (void)cJSON_AddNumberToObject(counts, subscription_action_name(action),
                                      (double)plan->counts[action]);
    (void)cJSON_AddNumberToObject(counts, "others", (double)plan->foreign);
    (void)cJSON_AddBoolToObject(tree, "secrets_compared", !plan->secrets_hidden);
    free(url);
    return tree;
}

static cJSON *row_tree(const struct subscriptions_wish *wish, const cJSON *row)
{
    cJSON *tree = cJSON_CreateObject();
    const char *url = json_member_text(row, "url");
    char *shown = shown_url(url == NULL ? "" : url);
    const cJSON *trigger;
    add_text(tree, "id", id_of(row));
    (void)cJSON_AddBoolToObject(tree, "ours", subscriptions_ours(wish, row));
    (void)cJSON_AddBoolToObject(tree, "active", cJSON_IsTrue(json_member(row, "active")));
    add_text(tree, "model", json_member_text(row, "model"));
    cJSON *triggers = cJSON_AddArrayToObject(tree, "triggers");
    cJSON_ArrayForEach(trigger, json_member(row, "triggers"))
    {
        if (cJSON_IsString(trigger))
            (void)cJSON_AddItemToArray(triggers, cJSON_CreateString(trigger->valuestring));
    }
    add_text(tree, "url", shown);
    free(shown);
    return tree;
}

cJSON *webhooks_list_tree(const struct subscriptions_wish *wish, const cJSON *rows)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON *webhooks = cJSON_AddArrayToObject(tree, "webhooks");
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)(void) cJSON_AddItemToArray(webhooks, row_tree(wish, row));
    return tree;
}
