#include "tests/simulator/family.h"

#include <stdlib.h>
#include <string.h>

/* Where a child is listed: numbers of records, plus 1; 0 = none. */
struct place {
    uint32_t parent;
    uint32_t next; /* sibling */
};

/* One list: a child's field that names the parent, and the parent's field that shows the child. */
struct edge {
    struct collection *child;
    struct collection *parent;
    unsigned key;
    unsigned slot;
    unsigned columns[MODEL_FIELDS_MAX]; /* the child's slots that are shown */
    unsigned column_count;
    bool bare;            /* a list of values, not of objects */
    bool moves;           /* a change in the list moves the parent's updated_at */
    uint32_t *first;      /* by parent: its first child + 1; 0 = none */
    uint32_t first_count; /* parents behind that have none */
    struct place *places; /* by child */
    uint32_t place_count;
};

struct family {
    struct edge *edges;
    unsigned count;
};

/* The child's field that names a record of that model; -1 = none. */
static int find_key(const struct model *child, const char *parent)
{
    for (int i = 0; child->fields[i].name != NULL; i++) {
        if (child->fields[i].parent != NULL && strcmp(child->fields[i].parent, parent) == 0)
            return i;
    }
    return -1;
}

static bool moves_parents(const struct options *options, const char *child, const char *parent)
{
    uint64_t names =
        random_mix(random_hash(child, strlen(child)), random_hash(parent, strlen(parent)));
    if (options->parents_updated_at == PARENTS_SEED)
        return random_mix(options->seed, names) % 2 == 0;
    return options->parents_updated_at == PARENTS_ALWAYS;
}

static void add_columns(struct edge *edge, const struct field *list)
{
    const struct model *child = edge->child->layout.model;
    edge->bare = list->items == NULL;
    if (edge->bare)
        edge->columns[edge->column_count++] = (unsigned)model_field(child, list->shows);
    for (const struct field *item = list->items; item != NULL && item->name != NULL; item++)
        edge->columns[edge->column_count++] = (unsigned)model_field(child, item->name);
}

static void add_edge(struct family *family, struct store *store, const struct options *options,
                     struct collection *parent, unsigned slot)
{
    const struct field *list = &parent->layout.model->fields[slot];
    struct collection *child = list->embeds != NULL ? store_collection(store, list->embeds) : NULL;
    const char *name = parent->layout.model->name;
    int key = child != NULL ? find_key(child->layout.model, name) : -1;
    if (key < 0)
        return;
    family->edges = memory_resize(family->edges, family->count + 1, sizeof family->edges[0]);
    struct edge *edge = &family->edges[family->count++];
    *edge = (struct edge){.child = child,
                          .parent = parent,
                          .key = (unsigned)key,
                          .slot = slot,
                          .moves = moves_parents(options, list->embeds, name)};
    add_columns(edge, list);
    parent->assembled[slot] = true;
}

struct family *family_create(struct store *store, const struct options *options)
{
    struct family *family = memory_get_zeroed(1, sizeof *family);
    for (unsigned i = 0; i < store->count; i++) {
        struct collection *parent = &store->collections[i];
        for (unsigned slot = 0; slot < parent->layout.fields; slot++)
            add_edge(family, store, options, parent, slot);
    }
    return family;
}

void family_destroy(struct family *family)
{
    if (family == NULL)
        return;
    for (unsigned i = 0; i < family->count; i++) {
        free(family->edges[i].first);
        free(family->edges[i].places);
    }
    free(family->edges);
    free(family);
}

/* The number of the parent that the child names; STORE_NONE when it is deleted or names none. */
static uint32_t named_parent(const struct edge *edge, uint32_t child)
{
    const struct state *state = edge->child->records[child].state;
    size_t length = 0;
    const char *text = state != NULL ? state_get(state, edge->key, &length) : NULL;
    if (length < 2 || text[0] != '"')
        return STORE_NONE;
    return store_find(edge->parent, text + 1, length - 2);
}

static void *grown(void *old, uint32_t *count, uint32_t capacity, size_t size)
{
    char *array = memory_resize(old, capacity, size);
    memset(array + *count * size, 0, (capacity - *count) * size);
    *count = capacity;
    return array;
}

/* Room for all records that there are. */
static void make_room(struct edge *edge)
{
    if (edge->first_count < edge->parent->count)
        edge->first =
            grown(edge->first, &edge->first_count, edge->parent->capacity, sizeof edge->first[0]);
    if (edge->place_count < edge->child->count)
        edge->places =
            grown(edge->places, &edge->place_count, edge->child->capacity, sizeof edge->places[0]);
}

/* Siblings are linked in the order of their numbers. */
static void join(struct edge *edge, uint32_t child, uint32_t parent)
{
    uint32_t *link = &edge->first[parent];
    while (*link != 0 && *link - 1 < child)
        link = &edge->places[*link - 1].next;
    edge->places[child] = (struct place){parent + 1, *link};
    *link = child + 1;
}

static void leave(struct edge *edge, uint32_t child)
{
    uint32_t *link = &edge->first[edge->places[child].parent - 1];
    while (*link != child + 1)
        link = &edge->places[*link - 1].next;
    *link = edge->places[child].next;
    edge->places[child] = (struct place){0, 0};
}

static void write_child(struct text *text, const struct edge *edge, uint32_t child)
{
    const struct model *model = edge->child->layout.model;
    const struct state *state = edge->child->records[child].state;
    size_t length;
    for (unsigned i = 0; i < edge->column_count; i++) {
        if (!edge->bare) {
            text_add(text, i > 0 ? ",\"" : "{\"");
            text_add(text, model->fields[edge->columns[i]].name);
            text_add(text, "\":");
        }
        const char *value = state_get(state, edge->columns[i], &length);
        text_append(text, value, length);
    }
    if (!edge->bare)
        text_add(text, "}");
}

static void write_list(struct text *text, const struct edge *edge, uint32_t parent)
{
    text_add(text, "[");
    for (uint32_t at = edge->first[parent]; at != 0; at = edge->places[at - 1].next) {
        if (at != edge->first[parent])
            text_add(text, ",");
        write_child(text, edge, at - 1);
    }
    text_add(text, "]");
}

static void fill_edge(struct edge *edge)
{
    make_room(edge);
    for (uint32_t child = edge->child->count; child-- > 0;) {
        uint32_t parent = named_parent(edge, child);
        if (parent != STORE_NONE)
            join(edge, child, parent);
    }
    struct text list = {0};
    for (uint32_t parent = 0; parent < edge->parent->count; parent++) {
        if (edge->first[parent] == 0)
            continue;
        text_clear(&list);
        write_list(&list, edge, parent);
        struct record *record = &edge->parent->records[parent];
        struct state *old = record->state;
        record->state =
            state_with(old, &(struct replacement){edge->slot, list.data, list.length}, 1);
        free(old);
    }
    text_free(&list);
}

void family_fill(struct family *family)
{
    for (unsigned i = 0; i < family->count; i++)
        fill_edge(&family->edges[i]);
}

static bool shows(const struct record *record, unsigned slot, const struct text *list)
{
    size_t length;
    const char *present = state_get(record->state, slot, &length);
    return length == list->length && memcmp(present, list->data, length) == 0;
}

static void write_moved(struct text *text, struct store *store, const struct record *record)
{
    int64_t moment = store_now(store);
    if (record->stamps[STAMP_UPDATED_AT] >= moment)
        moment = record->stamps[STAMP_UPDATED_AT] + 1;
    store_write_stamp(text, record, moment);
}

static void rewrite(struct store *store, struct edge *edge, uint32_t parent)
{
    const struct record *record = &edge->parent->records[parent];
    if (record->state == NULL)
        return;
    struct text list = {0};
    struct text moved = {0};
    write_list(&list, edge, parent);
    if (!shows(record, edge->slot, &list)) {
        struct replacement made[2] = {{edge->slot, list.data, list.length}};
        if (edge->moves) {
            write_moved(&moved, store, record);
            made[1] = (struct replacement){(unsigned)edge->parent->layout.updated_at, moved.data,
                                           moved.length};
        }
        store_replace(store, edge->parent, parent, made, edge->moves ? 2 : 1);
    }
    text_free(&moved);
    text_free(&list);
}

static void follow(struct store *store, struct edge *edge, uint32_t child)
{
    make_room(edge);
    uint32_t listed = edge->places[child].parent;
    uint32_t old = listed != 0 ? listed - 1 : STORE_NONE;
    uint32_t new = named_parent(edge, child);
    if (new != old && old != STORE_NONE)
        leave(edge, child);
    if (new != old &&new != STORE_NONE)
        join(edge, child, new);
    if (old != STORE_NONE)
        rewrite(store, edge, old);
    if (new != STORE_NONE &&new != old)
        rewrite(store, edge, new);
}

void family_follow(struct family *family, struct store *store, struct collection *collection,
                   uint32_t number)
{
    for (unsigned i = 0; i < family->count; i++) {
        if (family->edges[i].child == collection)
            follow(store, &family->edges[i], number);
    }
}
