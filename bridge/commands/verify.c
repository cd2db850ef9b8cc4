#include "bridge/commands/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "bridge/base/memory.h"
#include "bridge/commands/verify_model.h"

#define SHOWN_DEFAULT 100
#define SHOWN_MOST    1000000 /* they are kept in memory */

static bool read_limit(const char *text, int64_t *limit)
{
    *limit = SHOWN_DEFAULT;
    if (text == NULL || argument_number(text, SHOWN_MOST, limit))
        return true;
    (void)fprintf(stderr, "propexo-bridge verify: --limit takes a number up to %d\n", SHOWN_MOST);
    return false;
}

/* A model that was named must be one that can be verified. */
static bool can_all(const struct verification *verification)
{
    for (size_t i = 0; i < verification->orders.selection->count; i++) {
        if (verification->arguments->model_count == 0 || !verification->orders.chosen[i] ||
            verify_can(verification, (int)i))
            continue;
        (void)fprintf(stderr, "propexo-bridge: %s has no list in the API to compare with\n",
                      verification->orders.selection->names[i]);
        return false;
    }
    return true;
}

static bool open_sources(struct verification *verification, struct error *error)
{
    const struct config *config = verification->config;
    if (!orders_prepare(&verification->orders, false, error))
        return false;
    if (has_option(verification->arguments, OPTION_REPAIR) &&
        !orders_connect(&verification->orders, error))
        return false;
    verification->listing = listing_open(config, error);
    if (verification->listing == NULL)
        return false;
    if (config->output.format == FORMAT_AVRO) {
        verification->registry = registry_new(config, error);
        if (verification->registry == NULL)
            return false;
        verification->avro = avro_input_new(verification->registry);
    }
    verification->range = range_open(&verification->orders.kafka, error);
    return verification->range != NULL &&
           erasures_read(&verification->erasures, verification->range, verification->orders.topics,
                         error);
}

static void close_all(struct verification *verification)
{
    erasures_free(&verification->erasures);
    range_close(verification->range);
    avro_input_free(verification->avro);
    registry_free(verification->registry);
    listing_close(verification->listing);
    orders_free(&verification->orders);
    cJSON_Delete(verification->differences);
}

static bool is_checked(const struct verification *verification, size_t place)
{
    return verification->orders.chosen[place] && verify_can(verification, (int)place);
}

static int64_t found(const struct model_result *result)
{
    return result->missing + result->differing + result->gone;
}

static struct model_result add_up(const struct verification *verification,
                                  const struct model_result *results)
{
    struct model_result all = {0};
    for (size_t i = 0; i < verification->orders.selection->count; i++) {
        all.records += results[i].records;
        all.same += results[i].same;
        all.missing += results[i].missing;
        all.differing += results[i].differing;
        all.gone += results[i].gone;
        all.not_judged += results[i].not_judged;
    }
    return all;
}

static void print_row(const char *name, const struct model_result *result)
{
    (void)printf("%-32s %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64 " %10" PRId64
                 " %10" PRId64 "\n",
                 name, result->records, result->same, result->missing, result->differing,
                 result->gone, result->not_judged);
}

static void print_differences(const struct verification *verification, int64_t all)
{
    const cJSON *item;
    const cJSON *field;
    if (verification->shown > 0)
        (void)printf("\n");
    cJSON_ArrayForEach(item, verification->differences)
    {
        const char *before = ": ";
        (void)printf("%s %s %s", cJSON_GetObjectItem(item, "difference")->valuestring,
                     cJSON_GetObjectItem(item, "model")->valuestring,
                     cJSON_GetObjectItem(item, "record_id")->valuestring);
        cJSON_ArrayForEach(field, cJSON_GetObjectItem(item, "fields"))
        {
            (void)printf("%s%s", before, field->valuestring);
            before = ", ";
        }
        (void)printf("\n");
    }
    if (verification->shown < all)
        (void)printf("and %" PRId64 " more (--limit)\n", all - verification->shown);
}

/* What the table cannot say. */
static void print_notes(const struct verification *verification, const struct model_result *results)
{
    const struct selection *selection = verification->orders.selection;
    const char *before = "\nnot verifiable, no list shows them: ";
    for (size_t i = 0; i < selection->count; i++) {
        if (!verification->orders.chosen[i] || is_checked(verification, i))
            continue;
        (void)printf("%s%s", before, selection->names[i]);
        before = ", ";
    }
    if (*before == ',')
        (void)printf("\n");
    for (size_t i = 0; i < selection->count; i++) {
        if (is_checked(verification, i) && !results[i].whole)
            (void)printf("\n%s: the list could not be read whole (%" PRId64 " of %" PRId64
                         " records), so what is gone is not judged\n",
                         selection->names[i], results[i].met, results[i].total);
    }
}

static void print_table(const struct verification *verification, const struct model_result *results)
{
    struct model_result all = add_up(verification, results);
    (void)printf("%-32s %10s %10s %10s %10s %10s %10s\n", "model", "records", "same", "missing",
                 "differing", "gone", "not judged");
    for (size_t i = 0; i < verification->orders.selection->count; i++) {
        if (is_checked(verification, i))
            print_row(verification->orders.selection->names[i], &results[i]);
    }
    print_row("all", &all);
    print_differences(verification, found(&all));
    print_notes(verification, results);
    if (verification->orders.producer != NULL)
        (void)printf("\nordered %" PRId64 " records to be read again\n", verification->orders.sent);
    if (verification->without_order > 0)
        (void)printf("%" PRId64 " could not be ordered: their integration is not known\n",
                     verification->without_order);
}

static void add_number(cJSON *object, const char *name, int64_t number)
{
    (void)cJSON_AddNumberToObject(object, name, (double)number);
}

static cJSON *row_of(const char *name, const struct model_result *result)
{
    cJSON *row = cJSON_CreateObject();
    (void)cJSON_AddStringToObject(row, "model", name);
    add_number(row, "records", result->records);
    add_number(row, "same", result->same);
    add_number(row, "missing", result->missing);
    add_number(row, "differing", result->differing);
    add_number(row, "gone", result->gone);
    add_number(row, "not_judged", result->not_judged);
    (void)cJSON_AddBoolToObject(row, "whole", result->whole);
    return row;
}

static void print_json(struct verification *verification, const struct model_result *results)
{
    const struct selection *selection = verification->orders.selection;
    struct model_result all = add_up(verification, results);
    cJSON *root = cJSON_CreateObject();
    cJSON *models = cJSON_AddArrayToObject(root, "models");
    cJSON *others = cJSON_AddArrayToObject(root, "not_verifiable");
    for (size_t i = 0; i < selection->count; i++) {
        if (is_checked(verification, i))
            (void)cJSON_AddItemToArray(models, row_of(selection->names[i], &results[i]));
        else if (verification->orders.chosen[i])
            (void)cJSON_AddItemToArray(others, cJSON_CreateString(selection->names[i]));
    }
    add_number(root, "found", found(&all));
    add_number(root, "ordered", verification->orders.sent);
    add_number(root, "without_order", verification->without_order);
    (void)cJSON_AddItemToObject(root, "differences", verification->differences);
    verification->differences = NULL;
    char *text = cJSON_Print(root);
    (void)puts(text);
    free(text);
    cJSON_Delete(root);
}

static bool check_models(struct verification *verification, struct model_result *results,
                         struct error *error)
{
    bool ok = open_sources(verification, error);
    for (size_t i = 0; ok && i < verification->orders.selection->count; i++) {
        if (is_checked(verification, i))
            ok = verify_model(verification, (int)i, &results[i], error);
    }
    if (isatty(STDERR_FILENO))
        (void)fprintf(stderr, "\r\033[K");
    return ok && orders_await(&verification->orders, error);
}

int command_verify(const struct config *config, const struct arguments *arguments)
{
    struct error error = {0};
    struct verification verification = {.config = config, .arguments = arguments};
    int code = EX_USAGE;
    verification.differences = cJSON_CreateArray();
    if (!orders_choose(&verification.orders, config, arguments, &code) ||
        !read_limit(arguments->limit, &verification.shown_most) || !can_all(&verification)) {
        close_all(&verification);
        return code;
    }
    struct model_result *results =
        memory_new(verification.orders.selection->count, sizeof *results);
    if (check_models(&verification, results, &error)) {
        struct model_result all = add_up(&verification, results);
        code = found(&all) > 0 ? 1 : EX_OK;
        if (has_option(arguments, OPTION_JSON))
            print_json(&verification, results);
        else
            print_table(&verification, results);
    } else {
        (void)fprintf(stderr, "propexo-bridge: %s\n", error.message);
        code = error_exit_code(&error);
    }
    free(results);
    close_all(&verification);
    return code;
}
