#include "bridge/commands/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/base/store.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/commands/listing.h"
#include "bridge/commands/orders.h"
#include "bridge/propexo/recreate.h"

#define DAY_MS  INT64_C(86400000)
#define KEPT_MS (30 * DAY_MS) /* the API keeps changes this long */

struct recovery {
    const struct config *config;
    const struct arguments *arguments;
    int64_t since_ms;
    struct orders orders; /* its producer is not connected in a dry run */
    struct listing *listing;
    struct store *newest; /* the newest event of each record of one integration that is fetched */
    int64_t integrations;
    int64_t read;      /* changes */
    int64_t events;    /* produced, or in a dry run those that would be */
    int64_t coalesced; /* changes of a record that is fetched, before its newest one */
    int64_t skipped;   /* changes of models that are not configured, or that name no record */
};

bool recover_since(const char *text, int64_t now_ms, int64_t *since_ms)
{
    char *end = NULL;
    if (timestamp_parse(text, since_ms))
        return *since_ms <= now_ms;
    int64_t number = strtoll(text, &end, 10);
    int64_t unit = strcmp(end, "d") == 0   ? DAY_MS
                   : strcmp(end, "h") == 0 ? DAY_MS / 24
                   : strcmp(end, "m") == 0 ? DAY_MS / 24 / 60
                                           : 0;
    if (*text < '0' || *text > '9' || unit == 0 || number > now_ms / unit)
        return false;
    *since_ms = now_ms - number * unit;
    return true;
}

static void tell(const struct recovery *recovery)
{
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r%" PRId64 " integrations, %" PRId64 " changes read",
                      recovery->integrations, recovery->read);
}

static bool produce(struct recovery *recovery, int place, const char *integration_id,
                    const char *record_id, bool is_new, const char *text, struct error *error)
{
    recovery->events++;
    return recovery->orders.producer == NULL ||
           orders_send_event(&recovery->orders, place, integration_id, record_id, is_new, text,
                             "recover", error);
}

/* What keys of `newest` begin with, and how long that is with the model's place behind it. */
#define KEPT     'k'
#define KEY_HEAD (1 + sizeof(uint16_t))

/* A key of `newest`: model and record; the event follows in the value, with whether it is of a new
 * record before it. */
struct kept_key {
    char bytes[STORE_KEY_MAXIMUM];
    size_t length;
};

static bool make_key(int place, const char *record_id, struct kept_key *key)
{
    uint16_t number = (uint16_t)place;
    key->length = KEY_HEAD + strlen(record_id);
    if (key->length > sizeof key->bytes)
        return false;
    key->bytes[0] = KEPT;
    memcpy(key->bytes + 1, &number, sizeof number);
    memcpy(key->bytes + KEY_HEAD, record_id, strlen(record_id));
    return true;
}

/* Keeps the event in the place of an earlier one of the record. False when its id is too long for
 * that. */
static bool keep(struct recovery *recovery, int place, const struct recreate_change *change,
                 const char *text)
{
    const void *before = NULL;
    size_t before_length = 0;
    struct kept_key key;
    if (!make_key(place, change->record_id, &key))
        return false;
    recovery->coalesced +=
        store_get(recovery->newest, key.bytes, key.length, &before, &before_length);
    char *value = memory_format("%c%s", change->is_new ? 'n' : 'u', text);
    store_put(recovery->newest, key.bytes, key.length, value, strlen(value) + 1);
    free(value);
    return true;
}

static bool take_change(struct recovery *recovery, const char *integration_id, const cJSON *item,
                        struct error *error)
{
    struct recreate_change change;
    const struct selection *selection = recovery->orders.selection;
    recovery->read++;
    const struct model *model =
        !recreate_read(item, &change) ? NULL : model_find(change.model, strlen(change.model));
    int place = model == NULL ? -1 : selection_place(selection, model);
    if (place < 0) {
        recovery->skipped++;
        return true;
    }
    redaction_change(recovery->orders.selection->redaction, model, json_member(item, "data_diff"));
    char *text = recreate_event(integration_id, model->name, change.record_id, change.is_new,
                                change.content);
    bool ok = true;
    if (text == NULL)
        recovery->skipped++; /* bytes that are no text: no webhook could have told it either */
    else if (!model_is_fetched(model) || !keep(recovery, place, &change, text))
        ok = produce(recovery, place, integration_id, change.record_id, change.is_new, text, error);
    free(text);
    return ok;
}

/* Produces what was kept of an integration, and forgets it. */
static bool produce_kept(struct recovery *recovery, const char *integration_id, struct error *error)
{
    char key[STORE_KEY_MAXIMUM + 1] = {KEPT};
    const void *next = NULL;
    const void *value = NULL;
    size_t key_length = 1;
    size_t length = 0;
    uint16_t place = 0;
    bool ok = true;
    while (ok &&
           store_next(recovery->newest, key, key_length, 1, &next, &key_length, &value, &length)) {
        memcpy(key, next, key_length);
        key[key_length] = '\0';
        memcpy(&place, key + 1, sizeof place);
        const char *event = value;
        ok = produce(recovery, place, integration_id, key + KEY_HEAD, event[0] == 'n', event + 1,
                     error);
    }
    return ok;
}

static bool read_changes(struct recovery *recovery, const char *integration_id, struct error *error)
{
    bool ok = true;
    bool more = true;
    for (int64_t offset = 0; ok && more; offset += API_PAGE_SIZE) {
        struct api_page page = {0};
        char *url = api_diffs_url_after(recovery->config->api.base_url, integration_id,
                                        API_OLDEST_FIRST, recovery->since_ms - 1, offset);
        ok = listing_page(recovery->listing, url, "recorded changes", &page, error);
        free(url);
        const cJSON *item;
        cJSON_ArrayForEach(item, page.items) ok =
            ok && take_change(recovery, integration_id, item, error);
        more = page.has_more && cJSON_GetArraySize(page.items) > 0;
        cJSON_Delete(page.items);
        store_flush(recovery->newest);
        tell(recovery);
    }
    return ok &&
           (store_works(recovery->newest) ||
            error_set(error, VERDICT_RETRY, "the temporary folder cannot be written (TMPDIR)"));
}

static bool recover_integration(void *context, const char *id, const cJSON *row,
                                struct error *error)
{
    struct recovery *recovery = context;
    (void)row;
    recovery->newest = store_open("", "recover", STORE_FIRST_SIZE, error);
    bool ok = recovery->newest != NULL && read_changes(recovery, id, error) &&
              produce_kept(recovery, id, error);
    store_close(recovery->newest);
    recovery->integrations++;
    return ok;
}

static bool recover_all(struct recovery *recovery, struct error *error)
{
    const struct arguments *arguments = recovery->arguments;
    bool dry = has_option(arguments, OPTION_DRY_RUN);
    if (!orders_prepare(&recovery->orders, false, error) ||
        (!dry && !orders_connect(&recovery->orders, error)))
        return false;
    recovery->listing = listing_open(recovery->config, error);
    bool ok = recovery->listing != NULL &&
              (arguments->integration != NULL
                   ? recover_integration(recovery, arguments->integration, NULL, error)
                   : listing_integrations(recovery->listing, recover_integration, recovery, error));
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\033[K");
    return ok && orders_await(&recovery->orders, error);
}

static void propose_backfill(FILE *out, const struct recovery *recovery)
{
    const char *id = recovery->arguments->integration;
    (void)fprintf(out, "to read all records instead: propexo-bridge backfill %s%s\n",
                  id == NULL ? "--all" : "--integration ", id == NULL ? "" : id);
}

static int conclude(const struct recovery *recovery, bool ok, const struct error *error)
{
    if (ok) {
        (void)printf("%" PRId64 " integrations, %" PRId64 " changes read, %" PRId64
                     " events %s; %" PRId64 " changes coalesced, %" PRId64
                     " skipped (models not configured)\n",
                     recovery->integrations, recovery->read, recovery->events,
                     recovery->orders.producer == NULL ? "would be produced" : "produced",
                     recovery->coalesced, recovery->skipped);
        return EX_OK;
    }
    (void)fprintf(stderr, "propexo-bridge: %s\n", error->message);
    if (recovery->listing != NULL && listing_outcome(recovery->listing) == API_FORBIDDEN) {
        (void)fprintf(stderr, "the token has no right to /v1/admin\n");
        propose_backfill(stderr, recovery);
    }
    return error_exit_code(error);
}

/* Whether there is a moment to begin at, and the API still knows it; else the exit code. */
static bool read_since(struct recovery *recovery, int *code)
{
    const char *text = recovery->arguments->since;
    int64_t now_ms = clock_wall_ms();
    if (text == NULL || !recover_since(text, now_ms, &recovery->since_ms)) {
        (void)fprintf(stderr, "propexo-bridge recover: --since takes " SINCE_WORDS "\n");
        *code = EX_USAGE;
        return false;
    }
    if (now_ms - recovery->since_ms <= KEPT_MS)
        return true;
    (void)fprintf(stderr, "propexo-bridge: the API keeps changes for 30 days; nothing was done\n");
    propose_backfill(stderr, recovery);
    *code = 1;
    return false;
}

int command_recover(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct recovery recovery = {.config = config, .arguments = arguments};
    int code = EX_USAGE;
    if (!read_since(&recovery, &code))
        return code;
    if (orders_choose(&recovery.orders, config, arguments, &code))
        code = conclude(&recovery, recover_all(&recovery, &error), &error);
    listing_close(recovery.listing);
    orders_free(&recovery.orders);
    return code;
}
