#include "tests/simulator/diffs.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/ids.h"
#include "tests/simulator/list.h"
#include "tests/simulator/random.h"

#define STREAM_DIFFS UINT64_C(0xd1ff5)

struct diff {
    int64_t moment;
    uint32_t integration;
    char *item; /* JSON text */
};

struct diffs {
    struct random random;
    struct diff *ring; /* diff i is at i % DIFFS_KEPT_MAX */
    uint64_t capacity;
    uint64_t made;
};

struct diffs *diffs_create(uint64_t seed)
{
    struct diffs *diffs = memory_get_zeroed(1, sizeof *diffs);
    diffs->random = random_make(seed, STREAM_DIFFS);
    return diffs;
}

void diffs_destroy(struct diffs *diffs)
{
    if (diffs == NULL)
        return;
    for (uint64_t i = 0; i < diffs_kept(diffs); i++)
        free(diffs->ring[i].item);
    free(diffs->ring);
    free(diffs);
}

uint64_t diffs_kept(const struct diffs *diffs)
{
    return diffs->made < DIFFS_KEPT_MAX ? diffs->made : DIFFS_KEPT_MAX;
}

static void add_text(struct text *text, const char *name, const struct text *value)
{
    text_format(text, ",\"%s\":", name);
    text_append(text, value->data, value->length);
}

static void write_item(struct text *text, struct random *random, const struct webhook_event *event,
                       int64_t moment)
{
    struct text own_job = {0};
    text_add(text, "{\"id\":\"");
    ids_fresh(text, random);
    ids_fresh(&own_job, random);
    text_format(text, "\",\"model\":\"%s\"", event->model);
    add_text(text, "model_record_id", &event->record_id);
    text_format(text, ",\"event_type\":\"%s\"", event->is_new ? "NEW" : "UPDATE");
    add_text(text, "data_diff", &event->payload);
    text_add(text, ",\"created_at\":");
    clock_write(text, moment, CLOCK_FULL);
    const struct text *job = event->job_id.length > 0 ? &event->job_id : &own_job;
    text_add(text, ",\"job_id\":\"");
    text_append(text, job->data, job->length);
    text_format(text, "\",\"integration_id\":\"%s\"", event->integration);
    add_text(text, "integration_vendor", &event->vendor);
    text_add(text, "}");
    text_free(&own_job);
}

static void grow(struct diffs *diffs)
{
    diffs->capacity = diffs->capacity > 0 ? diffs->capacity * 2 : 1024;
    if (diffs->capacity > DIFFS_KEPT_MAX)
        diffs->capacity = DIFFS_KEPT_MAX;
    diffs->ring = memory_resize(diffs->ring, diffs->capacity, sizeof diffs->ring[0]);
}

void diffs_add(struct diffs *diffs, const struct webhook_event *event, uint32_t integration,
               int64_t moment)
{
    struct text item = {0};
    write_item(&item, &diffs->random, event, moment);
    if (diffs->made == diffs->capacity && diffs->capacity < DIFFS_KEPT_MAX)
        grow(diffs);
    struct diff *place = &diffs->ring[diffs->made % DIFFS_KEPT_MAX];
    if (diffs->made >= DIFFS_KEPT_MAX)
        free(place->item);
    *place = (struct diff){moment, integration, memory_copy(item.data, item.length)};
    diffs->made++;
    text_free(&item);
}

static void read_moment(int64_t *moment, const char *text, const char **problem)
{
    if (!clock_read(text, strlen(text), moment))
        *problem = "before and after must be ISO 8601 moments";
}

static void read_order(struct diffs_query *query, const char *text, const char **problem)
{
    query->descending = strcmp(text, "created_at:desc") == 0;
    if (!query->descending && strcmp(text, "created_at:asc") != 0)
        *problem = "order-by must be created_at:asc or created_at:desc";
}

static void read_parameter(struct diffs_query *query, const struct store *store,
                           const struct uri_parameter *parameter, const char **problem)
{
    const char *name = parameter->name;
    if (list_read_paging(parameter, &query->offset, &query->limit, problem))
        return;
    if (strcmp(name, "order-by") == 0) {
        read_order(query, parameter->value, problem);
    } else if (strcmp(name, "after") == 0) {
        read_moment(&query->after, parameter->value, problem);
    } else if (strcmp(name, "before") == 0) {
        read_moment(&query->before, parameter->value, problem);
    } else if (strcmp(name, "integration_id") == 0) {
        query->by_integration = true;
        query->integration = store_integration(store, parameter->value);
    } else {
        *problem = "unknown query key";
    }
}

bool diffs_parse(struct diffs_query *query, const struct store *store, const struct uri *uri,
                 const char **problem)
{
    *query = (struct diffs_query){
        .limit = LIST_LIMIT_STANDARD, .descending = true, .after = INT64_MIN, .before = INT64_MAX};
    *problem = NULL;
    for (unsigned i = 0; i < uri->count && *problem == NULL; i++)
        read_parameter(query, store, &uri->parameters[i], problem);
    return *problem == NULL;
}

static bool fits(const struct diffs_query *query, const struct diff *diff)
{
    return diff->moment > query->after && diff->moment < query->before &&
           (!query->by_integration || diff->integration == query->integration);
}

/* Appends the page's items, each with a comma in front of it; returns how many fit in all. */
static uint64_t write_items(struct text *items, const struct diffs *diffs,
                            const struct diffs_query *query)
{
    uint64_t kept = diffs_kept(diffs);
    uint64_t oldest = diffs->made - kept;
    uint64_t found = 0;
    for (uint64_t i = 0; i < kept; i++) {
        uint64_t number = oldest + (query->descending ? kept - 1 - i : i);
        const struct diff *diff = &diffs->ring[number % DIFFS_KEPT_MAX];
        if (!fits(query, diff))
            continue;
        if (found >= query->offset && found - query->offset < query->limit) {
            text_add(items, ",");
            text_add(items, diff->item);
        }
        found++;
    }
    return found;
}

void diffs_write(struct text *text, const struct diffs *diffs, const struct diffs_query *query,
                 uint64_t sequence)
{
    struct text items = {0};
    uint64_t total = write_items(&items, diffs, query);
    bool more = total > query->offset && total - query->offset > query->limit;
    list_write_meta(text, &(struct list_meta){.offset = query->offset,
                                              .limit = query->limit,
                                              .key = "created_at",
                                              .descending = query->descending,
                                              .more = more,
                                              .total = total,
                                              .sequence = sequence});
    if (items.length > 0)
        text_append(text, items.data + 1, items.length - 1);
    text_add(text, "]}");
    text_free(&items);
}
