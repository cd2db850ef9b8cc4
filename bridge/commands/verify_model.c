#include "bridge/commands/verify_model.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bridge/base/clock.h"
#include "bridge/base/memory.h"
#include "bridge/codec/comparison.h"
#include "bridge/codec/encoder.h"
#include "bridge/codec/json_parse.h"
#include "bridge/codec/timestamp.h"
#include "bridge/commands/sightings.h"
#include "bridge/commands/snapshot_reader.h"
#include "bridge/propexo/recreate.h"

#define PASSES_MOST 2 /* of a list whose ids are fewer than its total */
#define ROUNDS_MOST 5 /* looks at what is suspected */

/* A moment: twice what a change may wait in the enricher, and its way there and back. */
#define MOMENT_MS(config) (2 * (config)->enricher.max_delay_ms + 1000)

struct check {
    struct verification *verification;
    int place;
    const struct model *model;
    const char *name;
    struct comparison *comparison;
    struct encoder *encoder;
    struct snapshot_reader *topic;
    struct sightings *sightings;
    uint32_t round; /* readings of the list so far */
    bool judging;   /* rows are looked at for what is suspected */
    struct model_result *result;
};

bool verify_can(const struct verification *verification, int place)
{
    const struct model *model = verification->orders.selection->models[place];
    return model->list_path != NULL && model_schema(model) != NULL;
}

static const char *scope_of(const struct check *check)
{
    return check->verification->arguments->integration;
}

static void tell(const struct check *check, const char *what, int64_t count, int64_t total)
{
    if (!isatty(STDERR_FILENO))
        return;
    (void)fprintf(stderr, "\r%s: %s %" PRId64, check->name, what, count);
    if (total >= 0)
        (void)fprintf(stderr, " of %" PRId64, total);
    (void)fprintf(stderr, "        ");
}

/* `--ignore field` is for all models, `--ignore model.field` for one. */
static void ignore_fields(struct check *check)
{
    const struct arguments *arguments = check->verification->arguments;
    for (size_t i = 0; i < arguments->ignored_count; i++) {
        const char *path = arguments->ignored[i];
        const char *dot = strchr(path, '.');
        const struct model *model = dot == NULL ? NULL : model_find(path, (size_t)(dot - path));
        if (model == NULL)
            comparison_ignore(check->comparison, path);
        else if (model == check->model)
            comparison_ignore(check->comparison, dot + 1);
    }
}

static void on_snapshot(void *context, const struct snapshot *snapshot)
{
    struct check *check = context;
    struct sighting sighting;
    bool known = sightings_get(check->sightings, snapshot->id, &sighting);
    bool nothing = snapshot->record == NULL && !snapshot->unreadable;
    const char *scope = scope_of(check);
    if (!known && nothing)
        return;
    sighting.standing.topic = nothing                ? SIGHTING_NOTHING
                              : snapshot->unreadable ? SIGHTING_UNREADABLE
                                                     : comparison_hash(snapshot->record);
    sighting.partition = snapshot->partition;
    sighting.offset = snapshot->offset;
    sighting.early |= check->round == 0;
    sighting_name(sighting.integration_id, snapshot->integration_id);
    if (!nothing)
        sighting.in_scope = scope == NULL || strcmp(sighting.integration_id, scope) == 0;
    sightings_put(check->sightings, &sighting);
}

/* The API's record in the form in which it is compared; NULL when it cannot be a snapshot. */
static cJSON *read_row(struct check *check, const cJSON *row)
{
    struct encoding info = {0};
    struct error error;
    const void *text = NULL;
    size_t length = 0;
    cJSON *record = cJSON_Duplicate(row, true);
    redaction_record(check->verification->orders.selection->redaction, check->model, record);
    bool ok =
        encoder_json(check->encoder, record, SNAPSHOT_TEXT_MAXIMUM, &text, &length, &info, &error);
    cJSON_Delete(record);
    return ok ? comparison_read(check->comparison, text, length) : NULL;
}

/* What a difference is called, from both sides. */
static const char *name_of(struct standing standing, struct model_result *result, int64_t **count)
{
    if (standing.api == SIGHTING_NOTHING) {
        *count = &result->gone;
        return "gone";
    }
    *count = standing.topic == SIGHTING_NOTHING ? &result->missing : &result->differing;
    return standing.topic == SIGHTING_NOTHING ? "missing" : "differing";
}

struct naming {
    const cJSON *record;
    cJSON *fields;
};

static void on_field(void *context, const char *name)
{
    (void)cJSON_AddItemToArray(context, cJSON_CreateString(name));
}

static void name_fields(void *context, const struct snapshot *snapshot)
{
    const struct naming *naming = context;
    if (snapshot->record != NULL)
        comparison_differ(naming->record, snapshot->record, on_field, naming->fields);
}

/* One more difference: shown while there is room. `record` is NULL for what is gone. */
static bool show(struct check *check, const struct sighting *sighting, const char *difference,
                 const cJSON *record, struct error *error)
{
    struct verification *verification = check->verification;
    if (verification->shown >= verification->shown_most)
        return true;
    verification->shown++;
    cJSON *item = cJSON_CreateObject();
    (void)cJSON_AddItemToArray(verification->differences, item);
    (void)cJSON_AddStringToObject(item, "model", check->name);
    (void)cJSON_AddStringToObject(item, "record_id", sighting->id);
    (void)cJSON_AddStringToObject(item, "integration_id", sighting->integration_id);
    (void)cJSON_AddStringToObject(item, "difference", difference);
    struct naming naming = {record, cJSON_AddArrayToObject(item, "fields")};
    return record == NULL || sighting->standing.topic == SIGHTING_NOTHING ||
           snapshot_reader_again(check->topic, sighting->partition, sighting->offset, name_fields,
                                 &naming, error);
}

static bool order(struct check *check, const struct sighting *sighting, struct error *error)
{
    struct verification *verification = check->verification;
    if (verification->orders.producer == NULL)
        return true;
    if (sighting->integration_id[0] == '\0') {
        verification->without_order++;
        return true;
    }
    char *text = recreate_event(sighting->integration_id, check->name, sighting->id, false, NULL);
    bool ok = text == NULL
                  ? error_set(error, VERDICT_FATAL, "an event could not be written")
                  : orders_send_event(&verification->orders, check->place, sighting->integration_id,
                                      sighting->id, false, text, "verify", error);
    free(text);
    return ok;
}

/* Judges a suspected record by what both sides show now; `record` is NULL when the API does not
 * have it. */
static bool judge(struct check *check, struct sighting *sighting, struct standing before,
                  const cJSON *record, struct error *error)
{
    struct standing now = sighting->standing;
    int64_t *count = NULL;
    if (now.api == now.topic) {
        check->result->same += now.api != SIGHTING_NOTHING;
        suspects_remove(check->sightings, sighting->id);
        return true;
    }
    if (now.api != before.api || now.topic != before.topic) {
        suspects_put(check->sightings, sighting->id, now);
        return true;
    }
    const char *difference = name_of(now, check->result, &count);
    ++*count;
    suspects_remove(check->sightings, sighting->id);
    return show(check, sighting, difference, record, error) && order(check, sighting, error);
}

/* It has no snapshot because it was erased, or because no sync sees it any more
 * (snapshots.expire_unseen_days). */
static bool is_absent(const struct check *check, const struct sighting *sighting, const cJSON *row)
{
    int64_t seen_ms = 0;
    if (sighting->standing.topic != SIGHTING_NOTHING)
        return false;
    return erasures_have(&check->verification->erasures, check->name, sighting->id) ||
           (timestamp_member(row, "last_seen", &seen_ms) &&
            seen_ms < config_expired_before(check->verification->config, clock_wall_ms()));
}

/* Takes in what the API shows of a record, and judges it when it is suspected. `row` is NULL when
 * it does not have it. */
static bool take_record(struct check *check, struct sighting *sighting, const cJSON *row,
                        struct error *error)
{
    struct standing before = {0};
    bool suspected = check->judging && suspects_get(check->sightings, sighting->id, &before);
    bool ok = true;
    if (check->judging && !suspected) {
        sightings_put(check->sightings, sighting); /* only that it was met */
        return true;
    }
    cJSON *record = row == NULL ? NULL : read_row(check, row);
    sighting->standing.api = SIGHTING_NOTHING;
    if (row != NULL && !is_absent(check, sighting, row))
        sighting->standing.api = record == NULL ? SIGHTING_UNREADABLE : comparison_hash(record);
    sighting_name(sighting->integration_id, json_member_text(row, "integration_id"));
    sightings_put(check->sightings, sighting);
    if (suspected)
        ok = judge(check, sighting, before, record, error);
    cJSON_Delete(record);
    return ok;
}

/* A row of the list. What is of another integration than the one asked for counts for the list's
 * length only. */
static bool take_row(struct check *check, const cJSON *row, struct error *error)
{
    struct sighting sighting;
    const char *id = json_member_text(row, "id");
    const char *integration_id = json_member_text(row, "integration_id");
    const char *scope = scope_of(check);
    if (id == NULL || id[0] == '\0' || strlen(id) > WEBHOOK_ID_MAXIMUM)
        return true;
    (void)sightings_get(check->sightings, id, &sighting);
    if (sighting.round == check->round)
        return true; /* met before in this reading */
    sighting.round = check->round;
    check->result->met++;
    if (scope == NULL || (integration_id != NULL && strcmp(integration_id, scope) == 0))
        return take_record(check, &sighting, row, error);
    sightings_put(check->sightings, &sighting);
    return true;
}

/* Page after page, each with one row of the page before: records that come and go move the rows.
 * The first page has `first` rows. */
static bool read_pages(struct check *check, int first, struct error *error)
{
    const struct verification *verification = check->verification;
    bool more = true;
    bool ok = true;
    int limit = first;
    for (int64_t offset = 0; ok && more; offset += limit - 1, limit = API_PAGE_SIZE) {
        struct api_page page = {0};
        char *url = api_list_url(verification->config->api.base_url, check->model, scope_of(check),
                                 API_OLDEST_FIRST, offset, limit);
        ok = listing_page(verification->listing, url, "the list", &page, error);
        free(url);
        const cJSON *row;
        cJSON_ArrayForEach(row, page.items) ok = ok && take_row(check, row, error);
        more = page.has_more && cJSON_GetArraySize(page.items) > 1;
        check->result->total = page.total;
        cJSON_Delete(page.items);
        tell(check, "records", check->result->met, page.total);
    }
    return ok && sightings_work(check->sightings, error);
}

/* Reads the list until as many ids were met as it has, but not more than twice. Rows that share a
 * created_at may come in another order each time, and those where one page ends and the next begins
 * can be missed: the second time the pages end elsewhere. */
static bool read_list(struct check *check, struct error *error)
{
    struct model_result *result = check->result;
    check->round++;
    result->met = 0;
    result->whole = false;
    for (int pass = 0; pass < PASSES_MOST && !result->whole; pass++) {
        if (!read_pages(check, API_PAGE_SIZE / (1 + pass), error))
            return false;
        result->whole = result->total < 0 || result->met >= result->total;
    }
    return true;
}

/* After the first reading of both sides: what is the same, what is suspected. */
static void sort_out(struct check *check)
{
    struct model_result *result = check->result;
    struct sightings_cursor cursor = {0};
    struct sighting sighting;
    while (sightings_next(check->sightings, &cursor, &sighting)) {
        struct standing standing = sighting.standing;
        bool listed = standing.api != SIGHTING_NOTHING;
        if (!listed && (standing.topic == SIGHTING_NOTHING || !sighting.early ||
                        !sighting.in_scope || sighting.round != 0))
            continue;
        result->records += listed;
        if (standing.api == SIGHTING_UNREADABLE || (!listed && !result->whole))
            result->not_judged++;
        else if (standing.api == standing.topic)
            result->same++;
        else
            suspects_put(check->sightings, sighting.id, standing);
    }
}

static bool look_by_id(struct check *check, struct error *error)
{
    const struct verification *verification = check->verification;
    struct sightings_cursor cursor = {0};
    struct sighting sighting;
    bool ok = true;
    while (ok && suspects_next(check->sightings, &cursor, &sighting)) {
        cJSON *row = NULL;
        char *url = api_record_url(verification->config->api.base_url, check->model, sighting.id);
        ok = listing_record(verification->listing, url, sighting.id, "a record", &row, error) &&
             take_record(check, &sighting, row, error);
        cJSON_Delete(row);
        free(url);
        tell(check, "suspected", suspects_count(check->sightings), -1);
    }
    return ok;
}

/* By the list: its rows are judged as they come, then what was not among them. */
static bool look_by_list(struct check *check, struct error *error)
{
    struct sightings_cursor cursor = {0};
    struct sighting sighting;
    bool ok = read_list(check, error);
    while (ok && check->result->whole && suspects_next(check->sightings, &cursor, &sighting)) {
        if (sighting.round != check->round)
            ok = take_record(check, &sighting, NULL, error);
    }
    return ok;
}

static bool is_cheaper_by_id(const struct check *check)
{
    int64_t pages = check->result->met / (API_PAGE_SIZE - 1) + 1;
    return check->model->get_path != NULL && suspects_count(check->sightings) <= pages;
}

/* Looks again at what is suspected, until all is judged or time is up. The list's own numbers stay
 * those of the first reading. */
static bool look_again(struct check *check, struct error *error)
{
    struct model_result *result = check->result;
    struct model_result first = *result;
    bool ok = true;
    check->judging = true;
    for (int i = 0; ok && i < ROUNDS_MOST && suspects_count(check->sightings) > 0; i++) {
        tell(check, "suspected", suspects_count(check->sightings), -1);
        clock_rest(MOMENT_MS(check->verification->config));
        ok = snapshot_reader_next(check->topic, on_snapshot, check, error) &&
             (is_cheaper_by_id(check) ? look_by_id(check, error) : look_by_list(check, error)) &&
             sightings_work(check->sightings, error);
    }
    result->not_judged += suspects_count(check->sightings);
    result->met = first.met;
    result->total = first.total;
    result->whole = first.whole;
    return ok;
}

static bool open_check(struct check *check, struct error *error)
{
    struct verification *verification = check->verification;
    const struct schema *schema = model_schema(check->model);
    check->comparison = comparison_new(schema, error);
    if (check->comparison == NULL)
        return false;
    ignore_fields(check);
    check->encoder = encoder_new(schema, error);
    if (check->encoder == NULL)
        return false;
    check->topic = snapshot_reader_open(verification->range,
                                        verification->orders.topics->snapshots[check->place],
                                        verification->avro, check->comparison, error);
    check->sightings = check->topic == NULL ? NULL : sightings_open(error);
    return check->sightings != NULL;
}

bool verify_model(struct verification *verification, int place, struct model_result *result,
                  struct error *error)
{
    const struct selection *selection = verification->orders.selection;
    struct check check = {
        .verification = verification,
        .place = place,
        .model = selection->models[place],
        .name = selection->names[place],
        .result = result,
    };
    *result = (struct model_result){.total = -1};
    bool ok = open_check(&check, error) &&
              snapshot_reader_next(check.topic, on_snapshot, &check, error) &&
              read_list(&check, error);
    if (ok) {
        sort_out(&check);
        ok = look_again(&check, error);
    }
    sightings_close(check.sightings);
    snapshot_reader_close(check.topic);
    encoder_free(check.encoder);
    comparison_free(check.comparison);
    return ok || error_prefix(error, "%s", check.name);
}
