#include "bridge/commands/webhooks.h"

#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "bridge/base/memory.h"
#include "bridge/base/utf8.h"
#include "bridge/codec/json_parse.h"
#include "bridge/commands/listing.h"
#include "bridge/commands/webhooks_report.h"
#include "bridge/propexo/selection.h"
#include "bridge/propexo/subscriptions.h"

#define DIFFERENCE        1 /* exit code */
#define SECRET_CHARACTERS 10
#define READS             3 /* of a list that changes while it is read */

struct work {
    const struct config *config;
    const struct arguments *arguments;
    struct selection *selection;
    struct listing *listing;
    char *url;
    struct subscriptions_wish wish;
};

static bool check_url(const char *url, struct error *error)
{
    const char *host = strstr(url, "://");
    bool good = strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0;
    for (const char *c = url; *c != '\0' && good; c++)
        good = *c > ' ' && *c < 0x7f;
    if (good && host[3] != '\0' && host[3] != '/')
        return true;
    return error_set(error, VERDICT_CONFIGURATION,
                     "--url must be the receiver's whole URL, such as "
                     "https://bridge.example.com/webhooks");
}

static size_t characters(const char *text)
{
    size_t count = 0;
    for (; *text != '\0'; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

/* The first secret signs; further ones are those that the receiver still takes. */
static bool choose_secret(struct work *work, struct error *error)
{
    const struct config *config = work->config;
    const char *secret = config_propexo_secret(config);
    if (secret == NULL) {
        if (config->receiver.allow_unsigned && !has_option(work->arguments, OPTION_ROTATE))
            return true;
        return error_set(error, VERDICT_CONFIGURATION,
                         "a webhook needs a secret: set receiver.secret or receiver.secret_file");
    }
    if (!utf8_valid(secret, strlen(secret)) || characters(secret) < SECRET_CHARACTERS)
        return error_set(error, VERDICT_CONFIGURATION,
                         "the first secret of receiver.secret or receiver.secret_file must have at "
                         "least %d characters in UTF-8: Propexo takes no other",
                         SECRET_CHARACTERS);
    work->wish.secret = secret;
    return true;
}

static bool prepare(struct work *work, struct error *error)
{
    if (!check_url(work->arguments->url, error))
        return false;
    if (strcmp(work->arguments->word, "list") != 0 && !choose_secret(work, error))
        return false;
    size_t length = strlen(work->arguments->url);
    work->url = memory_text_n(work->arguments->url,
                              work->arguments->url[length - 1] == '/' ? length - 1 : length);
    work->selection = selection_new(work->config, error);
    if (work->selection == NULL)
        return false;
    work->wish.url = work->url;
    work->wish.models = work->selection->names;
    work->wish.model_count = work->selection->count;
    work->wish.rotate = has_option(work->arguments, OPTION_ROTATE);
    work->listing = listing_open(work->config, error);
    return work->listing != NULL;
}

static bool has_id(const cJSON *rows, const char *id)
{
    const cJSON *row;
    cJSON_ArrayForEach(row, rows)
    {
        if (strcmp(json_member_text(row, "id"), id) == 0)
            return true;
    }
    return false;
}

/* Moves the rows that are new to us. */
static bool take_page(cJSON *rows, cJSON *items, struct error *error)
{
    while (items->child != NULL) {
        cJSON *row = cJSON_DetachItemViaPointer(items, items->child);
        const char *id = json_member_text(row, "id");
        if (id == NULL || has_id(rows, id))
            cJSON_Delete(row);
        else
            (void)cJSON_AddItemToArray(rows, row);
        if (id == NULL)
            return error_set(error, VERDICT_CONFIGURATION,
                             "the API lists a webhook without an id, so it cannot be managed");
    }
    return true;
}

/* All pages once. `*whole` is false when the list is known to have more: one that shifts between
 * two pages hides a row. */
static bool read_once(const struct work *work, cJSON *rows, bool *whole, struct error *error)
{
    bool ok = true;
    bool more = true;
    for (int64_t offset = 0; ok && more;) {
        struct api_page page;
        int before = cJSON_GetArraySize(rows);
        char *url = api_webhooks_url(work->config->api.base_url, offset);
        ok = listing_page(work->listing, url, "the list of webhooks", &page, error);
        free(url);
        if (!ok)
            break;
        offset += cJSON_GetArraySize(page.items);
        ok = take_page(rows, page.items, error);
        /* A page without anything new is the end, whatever it says: else there might be none. */
        more = page.has_more && cJSON_GetArraySize(rows) > before;
        *whole = cJSON_GetArraySize(rows) >= page.total;
        cJSON_Delete(page.items);
    }
    return ok;
}

/* The whole list, which the caller deletes; NULL with `error`. */
static cJSON *read_rows(const struct work *work, struct error *error)
{
    for (int i = 0; i < READS; i++) {
        cJSON *rows = cJSON_CreateArray();
        bool whole = false;
        bool ok = read_once(work, rows, &whole, error);
        if (ok && whole)
            return rows;
        cJSON_Delete(rows);
        if (!ok)
            return NULL;
    }
    error_set(error, VERDICT_ABORT, "the list of webhooks changes while it is read; try again");
    return NULL;
}

static bool make_change(const struct work *work, const struct subscription_change *change,
                        struct error *error)
{
    static const enum http_method methods[] = {[SUBSCRIPTION_CREATE] = HTTP_POST,
                                               [SUBSCRIPTION_UPDATE] = HTTP_PUT,
                                               [SUBSCRIPTION_REMOVE] = HTTP_DELETE};
    const char *id = change->row == NULL ? NULL : json_member_text(change->row, "id");
    char *url = api_webhook_url(work->config->api.base_url, id);
    char *what =
        memory_format("cannot %s the webhook for %s", subscription_action_name(change->action),
                      webhooks_subject(change->model));
    char *body =
        change->action == SUBSCRIPTION_REMOVE ? NULL : subscriptions_body(&work->wish, change);
    struct http_request request = {.method = methods[change->action],
                                   .url = url,
                                   .content_type = "application/json",
                                   .body = body};
    bool ok = listing_change(work->listing, &request, what, work->wish.secret, error);
    free(body);
    free(what);
    free(url);
    return ok;
}

static size_t to_do(const struct subscriptions_plan *plan)
{
    return plan->count - plan->counts[SUBSCRIPTION_KEEP];
}

static bool carry_out(const struct work *work, const struct subscriptions_plan *plan, size_t *done,
                      struct error *error)
{
    size_t made = 0;
    for (size_t i = 0; i < plan->count; i++) {
        const struct subscription_change *change = &plan->changes[i];
        if (change->action == SUBSCRIPTION_KEEP)
            continue;
        if (!make_change(work, change, error))
            return error_prefix(error,
                                "%zu of %zu changes are known to be made, running it again goes on",
                                made, to_do(plan));
        done[change->action]++;
        made++;
    }
    return true;
}

/* Looks whether the API shows what was changed. A creation whose answer was lost on the way was
 * tried again and may stand there twice: the plan then has removals, and nothing else. */
static bool confirm(struct work *work, struct error *error)
{
    size_t done[SUBSCRIPTION_ACTIONS] = {0};
    work->wish.rotate = false;
    cJSON *rows = read_rows(work, error);
    if (rows == NULL)
        return false;
    struct subscriptions_plan plan = subscriptions_compare(&work->wish, rows);
    size_t open = plan.counts[SUBSCRIPTION_CREATE] + plan.counts[SUBSCRIPTION_UPDATE];
    bool ok = open == 0 ? carry_out(work, &plan, done, error)
                        : error_set(error, VERDICT_ABORT,
                                    "all changes are made, but the API does not show %zu of them "
                                    "yet; look again with webhooks plan",
                                    open);
    subscriptions_free(&plan);
    cJSON_Delete(rows);
    return ok;
}

static void print_tree(cJSON *tree)
{
    char *text = cJSON_PrintUnformatted(tree);
    (void)puts(text);
    free(text);
    cJSON_Delete(tree);
}

static void list(const struct work *work, const cJSON *rows)
{
    if (has_option(work->arguments, OPTION_JSON))
        print_tree(webhooks_list_tree(&work->wish, rows));
    else
        webhooks_print_list(&work->wish, rows);
}

static int plan_only(const struct work *work, const cJSON *rows)
{
    struct subscriptions_plan plan = subscriptions_compare(&work->wish, rows);
    int code = to_do(&plan) > 0 ? DIFFERENCE : EX_OK;
    if (has_option(work->arguments, OPTION_JSON))
        print_tree(webhooks_plan_tree(&work->wish, &plan));
    else
        webhooks_print_plan(&work->wish, &plan);
    subscriptions_free(&plan);
    return code;
}

/* The plan is printed before anything is changed; as JSON it comes at the end, with what was done.
 */
static bool apply(struct work *work, const cJSON *rows, struct error *error)
{
    struct subscriptions_plan plan = subscriptions_compare(&work->wish, rows);
    size_t done[SUBSCRIPTION_ACTIONS] = {0};
    cJSON *tree = webhooks_plan_tree(&work->wish, &plan);
    if (!has_option(work->arguments, OPTION_JSON))
        webhooks_print_plan(&work->wish, &plan);
    (void)fflush(stdout);
    bool ok = carry_out(work, &plan, done, error) && (to_do(&plan) == 0 || confirm(work, error));
    cJSON *applied = cJSON_AddObjectToObject(tree, "applied");
    (void)cJSON_AddNumberToObject(applied, "create", (double)done[SUBSCRIPTION_CREATE]);
    (void)cJSON_AddNumberToObject(applied, "update", (double)done[SUBSCRIPTION_UPDATE]);
    (void)cJSON_AddNumberToObject(applied, "remove", (double)done[SUBSCRIPTION_REMOVE]);
    (void)cJSON_AddBoolToObject(tree, "done", ok);
    if (has_option(work->arguments, OPTION_JSON)) {
        print_tree(tree);
    } else {
        cJSON_Delete(tree);
        (void)printf("%zu created, %zu updated, %zu removed\n", done[SUBSCRIPTION_CREATE],
                     done[SUBSCRIPTION_UPDATE], done[SUBSCRIPTION_REMOVE]);
    }
    subscriptions_free(&plan);
    return ok;
}

static bool act(struct work *work, int *code, struct error *error)
{
    bool ok = true;
    cJSON *rows = read_rows(work, error);
    if (rows == NULL)
        return false;
    *code = EX_OK;
    if (strcmp(work->arguments->word, "list") == 0)
        list(work, rows);
    else if (strcmp(work->arguments->word, "plan") == 0)
        *code = plan_only(work, rows);
    else
        ok = apply(work, rows, error);
    cJSON_Delete(rows);
    return ok;
}

int command_webhooks(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct work work = {.config = config, .arguments = arguments};
    int code = EX_OK;
    if (has_option(arguments, OPTION_ROTATE) && strcmp(arguments->word, "list") == 0) {
        (void)fputs("propexo-bridge webhooks: list takes no --rotate\n", stderr);
        return EX_USAGE;
    }
    if (!prepare(&work, &error) || !act(&work, &code, &error)) {
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
        code = error_exit_code(&error);
    }
    listing_close(work.listing);
    selection_free(work.selection);
    free(work.url);
    return code;
}
