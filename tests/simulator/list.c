#include "tests/simulator/list.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"

static const char *const stamp_names[STAMPS] = {"created_at", "updated_at", "last_seen"};

static bool read_count(const char *text, uint64_t least, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end != '\0' || errno != 0)
        return false;
    *value = number;
    return number >= least && number <= most;
}

bool list_read_paging(const struct uri_parameter *parameter, uint64_t *offset, uint64_t *limit,
                      const char **problem)
{
    if (strcmp(parameter->name, "offset") == 0) {
        if (!read_count(parameter->value, 0, INT64_MAX, offset))
            *problem = "offset must be 0 or more";
        return true;
    }
    if (strcmp(parameter->name, "limit") != 0)
        return false;
    if (!read_count(parameter->value, 1, LIST_LIMIT_MAX, limit))
        *problem = "limit must be 1 to 250";
    return true;
}

static bool read_order(struct list_query *query, const char *text)
{
    size_t length = strcspn(text, ":");
    bool descending = strcmp(text + length, ":desc") == 0;
    if (!descending && strcmp(text + length, ":asc") != 0)
        return false;
    query->descending = descending;
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        if (strlen(stamp_names[stamp]) != length || strncmp(stamp_names[stamp], text, length) != 0)
            continue;
        query->stamp = stamp;
        return true;
    }
    return false;
}

/* updated_at_gte, updated_at_lte, last_seen_gte, last_seen_lte. */
static bool read_range(struct list_query *query, const struct uri_parameter *parameter,
                       const char **problem)
{
    for (enum stamp stamp = STAMP_UPDATED_AT; stamp < STAMPS; stamp++) {
        size_t length = strlen(stamp_names[stamp]);
        if (strncmp(parameter->name, stamp_names[stamp], length) != 0)
            continue;
        bool least = strcmp(parameter->name + length, "_gte") == 0;
        if (!least && strcmp(parameter->name + length, "_lte") != 0)
            return false;
        int64_t *bound = least ? &query->least[stamp] : &query->most[stamp];
        query->ranged[stamp] = true;
        if (!clock_read(parameter->value, strlen(parameter->value), bound))
            *problem = "not an ISO 8601 moment";
        return true;
    }
    return false;
}

static bool documented(const struct model *model, const char *name)
{
    for (unsigned i = 0; model->queries[i] != NULL; i++) {
        if (strcmp(model->queries[i], name) == 0)
            return true;
    }
    return false;
}

static void read_filter(struct list_query *query, const struct store *store,
                        const struct collection *collection, const struct uri_parameter *parameter,
                        const char **problem)
{
    const struct model *model = collection->layout.model;
    int slot = model_field(model, parameter->name);
    if (!documented(model, parameter->name))
        *problem = "unknown query key";
    else if (slot < 0)
        *problem = "documented, but not simulated: the model has no such field";
    else if (slot == collection->layout.integration_id) {
        query->by_integration = true;
        query->integration = store_integration(store, parameter->value);
    } else
        query->filters[query->filter_count++] =
            (struct list_filter){(unsigned)slot, parameter->value};
}

static void read_parameter(struct list_query *query, const struct store *store,
                           const struct collection *collection,
                           const struct uri_parameter *parameter, bool extended,
                           const char **problem)
{
    if (list_read_paging(parameter, &query->offset, &query->limit, problem))
        return;
    if (strcmp(parameter->name, "order-by") == 0) {
        if (!read_order(query, parameter->value))
            *problem = "order-by must be created_at, updated_at or last_seen, then :asc or :desc";
    } else if (!extended || !read_range(query, parameter, problem)) {
        read_filter(query, store, collection, parameter, problem);
    }
}

bool list_parse(struct list_query *query, const struct store *store,
                const struct collection *collection, const struct uri *uri, bool extended,
                const char **problem)
{
    *query = (struct list_query){
        .limit = LIST_LIMIT_STANDARD, .stamp = STAMP_CREATED_AT, .descending = true};
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        query->least[stamp] = INT64_MIN + 1;
        query->most[stamp] = INT64_MAX;
    }
    *problem = NULL;
    for (unsigned i = 0; i < uri->count && *problem == NULL; i++)
        read_parameter(query, store, collection, &uri->parameters[i], extended, problem);
    return *problem == NULL;
}

/* A string field equals the value as JSON text; any other equals it as it is written. */
static bool filter_fits(const struct list_filter *filter, const struct record *record,
                        struct text *scratch)
{
    size_t length;
    const char *text = state_get(record->state, filter->slot, &length);
    text_clear(scratch);
    if (text[0] == '"')
        text_json(scratch, filter->value, strlen(filter->value));
    else
        text_add(scratch, filter->value);
    return scratch->length == length && memcmp(scratch->data, text, length) == 0;
}

static bool fits(const struct list_query *query, const struct record *record, struct text *scratch)
{
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        int64_t moment = record->stamps[stamp];
        if (query->ranged[stamp] && (moment < query->least[stamp] || moment > query->most[stamp]))
            return false;
    }
    for (unsigned i = 0; i < query->filter_count; i++) {
        if (!filter_fits(&query->filters[i], record, scratch))
            return false;
    }
    return true;
}

/* The records that fit, ascending. *own is memory to be freed, or NULL when an order of the
 * collection serves as it is. */
static struct order choose(const struct collection *collection, const struct list_query *query,
                           uint32_t **own)
{
    *own = NULL;
    if (query->by_integration && query->integration == STORE_NONE)
        return (struct order){0};
    const struct order *base =
        query->by_integration
            ? &collection->by_integration[query->integration * STAMPS + query->stamp]
            : &collection->orders[query->stamp];
    if (query->filter_count == 0 && !query->ranged[STAMP_UPDATED_AT] &&
        !query->ranged[STAMP_LAST_SEEN])
        return *base;
    struct order chosen = {0};
    struct text scratch = {0};
    for (size_t i = 0; i < base->count; i++) {
        if (fits(query, &collection->records[base->items[i]], &scratch))
            order_append(&chosen, base->items[i]);
    }
    text_free(&scratch);
    *own = chosen.items;
    return chosen;
}

/*
 * Copies [low, high) of the chosen, widened to whole groups of ties, and shuffles each group. The
 * copy is the caller's; *low becomes the widened start.
 */
static uint32_t *shuffled(const struct collection *collection, const struct order *chosen,
                          enum stamp stamp, size_t *low, size_t high, struct random *random)
{
    const struct record *records = collection->records;
    const uint32_t *items = chosen->items;
#define MOMENT(place) (records[items[place]].stamps[stamp])
    while (*low > 0 && MOMENT(*low - 1) == MOMENT(*low))
        (*low)--;
    while (high < chosen->count && MOMENT(high - 1) == MOMENT(high))
        high++;
    uint32_t *copy = memory_get((high - *low) * sizeof *copy);
    memcpy(copy, items + *low, (high - *low) * sizeof *copy);
    for (size_t start = *low; start < high;) {
        size_t end = start + 1;
        while (end < high && MOMENT(end) == MOMENT(start))
            end++;
        for (size_t left = end - start; left > 1; left--) {
            uint32_t *group = copy + (start - *low);
            size_t other = random_below(random, left);
            uint32_t swapped = group[left - 1];
            group[left - 1] = group[other];
            group[other] = swapped;
        }
        start = end;
    }
#undef MOMENT
    return copy;
}

static void write_records(struct text *text, const struct collection *collection,
                          const uint32_t *items, size_t count, bool backwards, uint64_t sequence)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t number = items[backwards ? count - 1 - i : i];
        if (i > 0)
            text_append(text, ",", 1);
        state_write(text, &collection->layout, collection->records[number].state, sequence);
    }
}

void list_write_meta(struct text *text, const struct list_meta *meta)
{
    text_format(text,
                "{\"meta\":{\"offset\":%" PRIu64 ",\"limit\":%" PRIu64
                ",\"orderBy\":\"%s:%s\",\"hasMore\":%s,\"total\":%" PRIu64
                ",\"read_sequence\":%" PRIu64 "},\"results\":[",
                meta->offset, meta->limit, meta->key, meta->descending ? "desc" : "asc",
                meta->more ? "true" : "false", meta->total, meta->sequence);
}

void list_write(struct text *text, const struct collection *collection,
                const struct list_query *query, uint64_t sequence, struct random *shuffle)
{
    uint32_t *own;
    struct order chosen = choose(collection, query, &own);
    size_t offset = query->offset < chosen.count ? query->offset : chosen.count;
    size_t count = chosen.count - offset < query->limit ? chosen.count - offset : query->limit;
    list_write_meta(text, &(struct list_meta){.offset = query->offset,
                                              .limit = query->limit,
                                              .key = stamp_names[query->stamp],
                                              .descending = query->descending,
                                              .more = offset + count < chosen.count,
                                              .total = chosen.count,
                                              .sequence = sequence});
    size_t first = query->descending ? chosen.count - offset - count : offset;
    if (count > 0 && shuffle != NULL) {
        size_t low = first;
        uint32_t *copy = shuffled(collection, &chosen, query->stamp, &low, first + count, shuffle);
        write_records(text, collection, copy + (first - low), count, query->descending, sequence);
        free(copy);
    } else if (count > 0) {
        write_records(text, collection, chosen.items + first, count, query->descending, sequence);
    }
    text_append(text, "]}", 2);
    free(own);
}
