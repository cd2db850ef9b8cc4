#include "tests/simulator/store.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulator/clock.h"
#include "tests/simulator/family.h"
#include "tests/simulator/ids.h"
#include "tests/simulator/random.h"

#define DAY_MS           INT64_C(86400000)
#define FIRST_CREATED    INT64_C(1735689600000) /* 2025-01-01 */
#define CREATED_SPAN     (150 * DAY_MS)
#define CREATED_STEP_MAX 61007 /* between two groups of ties */
#define FIRST_SEEN       (FIRST_CREATED + 200 * DAY_MS)
#define NEVER_SEEN       50 /* one of so many has last_seen null */
#define TABLE_MIN        64

static struct subject subject_of(const struct collection *collection, const struct record *record)
{
    return (struct subject){collection->layout.model, record->index, record->integration};
}

void store_write_stamp(struct text *text, const struct record *record, int64_t moment)
{
    if (moment == STAMP_NULL)
        text_add(text, "null");
    else
        clock_write(text, moment, (enum clock_style)(random_mix(record->index, 3) % CLOCK_STYLES));
}

static void write_field(struct text *values, struct store *store, struct collection *collection,
                        const struct record *record, unsigned slot, struct random *random)
{
    const struct layout *layout = &collection->layout;
    if ((int)slot == layout->created_at)
        store_write_stamp(values, record, record->stamps[STAMP_CREATED_AT]);
    else if ((int)slot == layout->updated_at)
        store_write_stamp(values, record, record->stamps[STAMP_UPDATED_AT]);
    else if ((int)slot == layout->last_seen)
        store_write_stamp(values, record, record->stamps[STAMP_LAST_SEEN]);
    else {
        struct subject subject = subject_of(collection, record);
        size_t start = values->length;
        values_write(values, &store->values, &subject, &layout->model->fields[slot], random);
        /* Drawn all the same: the other fields must not depend on which models there are. */
        if (collection->assembled[slot]) {
            values->length = start;
            text_add(values, "[]");
        }
    }
}

static void make_state(struct store *store, struct collection *collection, struct record *record)
{
    const char *name = collection->layout.model->name;
    uint64_t stream = random_mix(random_hash(name, strlen(name)) + 1, record->index);
    struct random random = random_make(store->values.seed, stream);
    struct text values = {0};
    uint32_t ends[STATE_SLOTS_MAX];
    unsigned fields = collection->layout.fields;
    for (unsigned slot = 0; slot < fields; slot++) {
        write_field(&values, store, collection, record, slot, &random);
        ends[slot] = (uint32_t)values.length;
    }
    ends[fields] = (uint32_t)values.length;
    record->state = state_make(&values, ends, fields + 1);
    text_free(&values);
}

/* Groups of `created_ties` records share created_at; updated_at and last_seen have larger and
 * smaller groups. */
static void make_stamps(const struct store *store, const struct layout *layout,
                        struct record *record)
{
    uint64_t groups = store->values.records / store->created_ties + 1;
    int64_t step = CREATED_SPAN / (int64_t)groups;
    int64_t group = (int64_t)(record->index / store->created_ties);
    int64_t created = FIRST_CREATED + group * (step < CREATED_STEP_MAX ? step : CREATED_STEP_MAX);
    uint64_t mixed = random_mix(store->values.seed + 2, record->index);
    if (group % 3 == 0)
        created -= created % 1000;
    record->stamps[STAMP_CREATED_AT] = created;
    record->stamps[STAMP_UPDATED_AT] = created + (int64_t)(mixed % 50) * 3600000;
    bool never_seen =
        mixed / 50 % NEVER_SEEN == 0 && layout->model->fields[layout->last_seen].nullable;
    record->stamps[STAMP_LAST_SEEN] =
        never_seen ? STAMP_NULL : FIRST_SEEN + (int64_t)record->integration * 60500;
}

static const char *record_id(const struct collection *collection, uint32_t number, size_t *length)
{
    const struct record *record = &collection->records[number];
    const char *quoted = state_get(record->state, (unsigned)collection->layout.id, length);
    *length -= 2;
    return quoted + 1;
}

static void table_put(struct collection *collection, uint32_t number)
{
    size_t length;
    const char *id = record_id(collection, number, &length);
    uint32_t mask = collection->table_size - 1;
    uint32_t at = (uint32_t)random_hash(id, length) & mask;
    while (collection->table[at] != 0)
        at = (at + 1) & mask;
    collection->table[at] = number + 1;
}

static void table_grow(struct collection *collection)
{
    free(collection->table);
    uint32_t size = TABLE_MIN;
    while (size / 4 < collection->count)
        size *= 2;
    collection->table = memory_get_zeroed(size, sizeof collection->table[0]);
    collection->table_size = size;
    for (uint32_t i = 0; i < collection->count; i++) {
        if (collection->records[i].state != NULL)
            table_put(collection, i);
    }
}

static struct record *add_record(struct store *store, struct collection *collection,
                                 uint32_t integration)
{
    if (collection->count == collection->capacity) {
        collection->capacity = collection->capacity > 0 ? collection->capacity * 2 : 256;
        collection->records =
            memory_resize(collection->records, collection->capacity, sizeof collection->records[0]);
    }
    struct record *record = &collection->records[collection->count];
    *record = (struct record){.index = collection->count, .integration = integration};
    make_stamps(store, &collection->layout, record);
    collection->count++;
    collection->alive++;
    return record;
}

static struct order *order_of(struct collection *collection, uint32_t integration, enum stamp stamp)
{
    return &collection->by_integration[integration * STAMPS + stamp];
}

static void fill(struct store *store, struct collection *collection)
{
    uint64_t integrations = store->values.integrations;
    collection->by_integration =
        memory_get_zeroed(integrations * STAMPS, sizeof collection->by_integration[0]);
    for (uint64_t i = 0; i < store->values.records; i++) {
        uint32_t integration = (uint32_t)(i % integrations);
        struct record *record = add_record(store, collection, integration);
        make_state(store, collection, record);
        for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
            order_append(&collection->orders[stamp], (uint32_t)i);
            order_append(order_of(collection, integration, stamp), (uint32_t)i);
        }
    }
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        order_sort(&collection->orders[stamp], collection->records, stamp);
        for (uint32_t i = 0; i < integrations; i++)
            order_sort(order_of(collection, i, stamp), collection->records, stamp);
    }
    table_grow(collection);
}

struct store *store_create(const struct options *options)
{
    struct store *store = memory_get_zeroed(1, sizeof *store);
    store->values = (struct values){options->seed, options->records, options->integrations};
    store->created_ties = options->created_ties;
    store->integrations = memory_get_zeroed(options->integrations, sizeof store->integrations[0]);
    for (uint64_t i = 0; i < options->integrations; i++) {
        struct text id = {0};
        ids_integration(&id, options->seed, i);
        store->integrations[i] = text_take(&id);
    }
    store->count = options->model_count;
    for (unsigned i = 0; i < store->count; i++)
        layout_make(&store->collections[i].layout, options->models[i]);
    store->family = family_create(store, options);
    for (unsigned i = 0; i < store->count; i++)
        fill(store, &store->collections[i]);
    family_fill(store->family);
    return store;
}

static void collection_free(struct collection *collection, uint64_t integrations)
{
    for (uint32_t i = 0; i < collection->count; i++) {
        free(collection->records[i].state);
        free(collection->records[i].previous);
    }
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++)
        order_free(&collection->orders[stamp]);
    for (uint64_t i = 0; i < integrations * STAMPS; i++)
        order_free(&collection->by_integration[i]);
    free(collection->by_integration);
    free(collection->records);
    free(collection->table);
    layout_free(&collection->layout);
}

void store_destroy(struct store *store)
{
    if (store == NULL)
        return;
    for (unsigned i = 0; i < store->count; i++)
        collection_free(&store->collections[i], store->values.integrations);
    for (uint64_t i = 0; i < store->values.integrations; i++)
        free(store->integrations[i]);
    free(store->integrations);
    family_destroy(store->family);
    free(store);
}

struct collection *store_collection(struct store *store, const char *model)
{
    for (unsigned i = 0; i < store->count; i++) {
        if (strcmp(store->collections[i].layout.model->name, model) == 0)
            return &store->collections[i];
    }
    return NULL;
}

struct collection *store_by_list_path(struct store *store, const char *path)
{
    for (unsigned i = 0; i < store->count; i++) {
        const char *list_path = store->collections[i].layout.model->list_path;
        if (list_path != NULL && strcmp(list_path, path) == 0)
            return &store->collections[i];
    }
    return NULL;
}

struct collection *store_by_id_path(struct store *store, const char *path, const char **id)
{
    struct collection *found = NULL;
    size_t longest = 0;
    for (unsigned i = 0; i < store->count; i++) {
        const char *id_path = store->collections[i].layout.model->id_path;
        size_t length = id_path != NULL ? strlen(id_path) : 0;
        if (length <= longest || strncmp(path, id_path, length) != 0)
            continue;
        found = &store->collections[i];
        longest = length;
        *id = path + length;
    }
    return found;
}

uint32_t store_find(const struct collection *collection, const char *id, size_t length)
{
    uint32_t mask = collection->table_size - 1;
    uint32_t at = (uint32_t)random_hash(id, length) & mask;
    for (; collection->table[at] != 0; at = (at + 1) & mask) {
        uint32_t number = collection->table[at] - 1;
        if (collection->records[number].state == NULL)
            continue;
        size_t found_length;
        const char *found = record_id(collection, number, &found_length);
        if (found_length == length && memcmp(found, id, length) == 0)
            return number;
    }
    return STORE_NONE;
}

uint32_t store_integration(const struct store *store, const char *id)
{
    for (uint32_t i = 0; i < store->values.integrations; i++) {
        if (strcmp(store->integrations[i], id) == 0)
            return i;
    }
    return STORE_NONE;
}

uint64_t store_read(struct store *store)
{
    return ++store->sequence;
}

int64_t store_now(struct store *store)
{
    int64_t now = clock_wall();
    if (now > store->last_stamp)
        store->last_stamp = now;
    return store->last_stamp;
}

static void move_stamp(struct collection *collection, uint32_t number, enum stamp stamp, int slot)
{
    struct record *record = &collection->records[number];
    size_t length;
    const char *text = state_get(record->state, (unsigned)slot, &length);
    int64_t moment = STAMP_NULL;
    if (text[0] == '"' && !clock_read(text + 1, length - 2, &moment))
        moment = STAMP_NULL;
    if (moment == record->stamps[stamp])
        return;
    struct order *own = order_of(collection, record->integration, stamp);
    order_remove(&collection->orders[stamp], collection->records, stamp, number);
    order_remove(own, collection->records, stamp, number);
    record->stamps[stamp] = moment;
    order_insert(&collection->orders[stamp], collection->records, stamp, number);
    order_insert(own, collection->records, stamp, number);
}

void store_replace(struct store *store, struct collection *collection, uint32_t number,
                   const struct replacement *replacements, unsigned count)
{
    struct record *record = &collection->records[number];
    struct state *old = record->state;
    free(record->previous);
    record->previous = NULL;
    record->state = state_with(old, replacements, count);
    record->previous_sequence = ++store->sequence;
    record->changed = true;
    if (store->keep_previous)
        record->previous = old;
    else
        free(old);
    move_stamp(collection, number, STAMP_CREATED_AT, collection->layout.created_at);
    move_stamp(collection, number, STAMP_UPDATED_AT, collection->layout.updated_at);
    move_stamp(collection, number, STAMP_LAST_SEEN, collection->layout.last_seen);
    family_follow(store->family, store, collection, number);
}

uint32_t store_insert(struct store *store, struct collection *collection, uint32_t integration)
{
    if (collection->count >= STORE_RECORDS_MAX)
        return STORE_NONE;
    int64_t now = store_now(store);
    uint32_t number = collection->count;
    struct record *record = add_record(store, collection, integration);
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++)
        record->stamps[stamp] = now;
    make_state(store, collection, record);
    record->changed = true;
    store->sequence++;
    if (collection->table_size / 2 < collection->count)
        table_grow(collection);
    else
        table_put(collection, number);
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        order_insert(&collection->orders[stamp], collection->records, stamp, number);
        order_insert(order_of(collection, integration, stamp), collection->records, stamp, number);
    }
    family_follow(store->family, store, collection, number);
    return number;
}

void store_delete(struct store *store, struct collection *collection, uint32_t number)
{
    struct record *record = &collection->records[number];
    for (enum stamp stamp = 0; stamp < STAMPS; stamp++) {
        order_remove(&collection->orders[stamp], collection->records, stamp, number);
        order_remove(order_of(collection, record->integration, stamp), collection->records, stamp,
                     number);
    }
    free(record->state);
    free(record->previous);
    record->state = NULL;
    record->previous = NULL;
    collection->alive--;
    store->sequence++;
    family_follow(store->family, store, collection, number);
}
