#include "bridge/enricher/audit.h"

#include <stdlib.h>
#include <string.h>

#include "bridge/base/memory.h"
#include "bridge/base/table.h"
#include "bridge/codec/json_hash.h"
#include "bridge/codec/timestamp.h"
#include "bridge/propexo/models.h"
#include "bridge/propexo/recreate.h"

/* A change that was not heard, as the API told it. */
struct kept {
    cJSON *item;
    struct kept *next;
};

struct recorded {
    int place;
    char *record_id;
    int64_t changes;
    struct kept *kept; /* the oldest first */
};

struct audit {
    const struct selection *selection;
    int64_t window_ms;
    int64_t newest_ms;
    struct table seen;    /* ids of changes */
    struct table records; /* "place/id" -> struct recorded */
    int64_t count;
    int64_t matched; /* changes whose content is in the ledger */
    size_t bytes;
    bool overflowed;
};

struct audit *audit_new(const struct selection *selection, int64_t newest_ms)
{
    struct audit *audit = memory_new(1, sizeof *audit);
    *audit = (struct audit){.selection = selection, .window_ms = newest_ms, .newest_ms = newest_ms};
    return audit;
}

static void free_recorded(struct recorded *recorded)
{
    while (recorded->kept != NULL) {
        struct kept *kept = recorded->kept;
        recorded->kept = kept->next;
        cJSON_Delete(kept->item);
        free(kept);
    }
    free(recorded->record_id);
    free(recorded);
}

void audit_free(struct audit *audit)
{
    if (audit == NULL)
        return;
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&audit->records, &cursor)) != NULL)
        free_recorded(slot->value);
    table_free(&audit->records);
    table_free(&audit->seen);
    free(audit);
}

static struct recorded *recorded_of(struct audit *audit, int place, const char *record_id)
{
    char *key = memory_format("%d/%s", place, record_id);
    size_t length = strlen(key);
    struct recorded *recorded = table_get(&audit->records, key, length);
    if (recorded == NULL) {
        recorded = memory_new(1, sizeof *recorded);
        *recorded = (struct recorded){.place = place, .record_id = memory_text(record_id)};
        (void)table_put(&audit->records, key, length, recorded);
    }
    free(key);
    return recorded;
}

/* About what it takes in memory: a text of its length, a few times. */
static size_t weight(const cJSON *value)
{
    size_t sum = sizeof *value;
    sum += value->string == NULL ? 0 : strlen(value->string);
    sum += value->valuestring == NULL ? 0 : strlen(value->valuestring);
    for (const cJSON *child = value->child; child != NULL; child = child->next)
        sum += weight(child);
    return sum;
}

static bool is_fetched(const struct model *model)
{
    enum model_kind kind = model_kind(model);
    return (kind == MODEL_BY_ID || kind == MODEL_BY_LIST) && model->parent_count == 0;
}

/* Of a record that is fetched one change is enough. */
static void keep(struct audit *audit, struct recorded *recorded, cJSON *item)
{
    size_t bytes = weight(item);
    if (recorded->kept != NULL && is_fetched(audit->selection->models[recorded->place])) {
        cJSON_Delete(item);
        return;
    }
    if (audit->bytes + bytes > AUDIT_BYTES) {
        audit->overflowed = true;
        cJSON_Delete(item);
        return;
    }
    struct kept *kept = memory_new(1, sizeof *kept);
    *kept = (struct kept){item, recorded->kept};
    recorded->kept = kept;
    audit->bytes += bytes;
}

/* False when it was seen on a page before: the list moves while it is read. */
static bool is_first(struct audit *audit, const char *id)
{
    return id == NULL || table_put(&audit->seen, id, strlen(id), audit) == NULL;
}

static void take(struct audit *audit, const struct ledger *ledger, cJSON *items, cJSON *item)
{
    struct recreate_change change;
    int64_t at = audit->window_ms + 1;
    bool readable = recreate_read(item, &change);
    if (!is_first(audit, change.id))
        return;
    audit->count++;
    if (change.created_at != NULL && timestamp_parse(change.created_at, &at) &&
        at > audit->newest_ms)
        audit->newest_ms = at;
    int place =
        readable ? selection_find(audit->selection, change.model, strlen(change.model)) : -1;
    if (place < 0)
        return;
    bool known = ledger_knows(ledger, audit->selection->names[place], change.record_id,
                              json_hash(change.content));
    if (known && at <= audit->window_ms)
        return;
    audit->matched += known;
    struct recorded *recorded = recorded_of(audit, place, change.record_id);
    recorded->changes++;
    if (!known)
        keep(audit, recorded, cJSON_DetachItemViaPointer(items, item));
}

void audit_page(struct audit *audit, const struct ledger *ledger, cJSON *items)
{
    for (cJSON *item = items->child, *next; item != NULL; item = next) {
        next = item->next;
        take(audit, ledger, items, item);
    }
}

int64_t audit_count(const struct audit *audit)
{
    return audit->count;
}

int64_t audit_newest(const struct audit *audit)
{
    return audit->newest_ms;
}

bool audit_overflowed(const struct audit *audit)
{
    return audit->overflowed;
}

/* An assembled record is made of its events, so each of them counts, where they can be told from
 * one another. */
static bool is_missing(const struct audit *audit, const struct ledger *ledger,
                       const struct recorded *recorded)
{
    const struct selection *selection = audit->selection;
    if (recorded->changes >
        ledger_count(ledger, selection->names[recorded->place], recorded->record_id))
        return true;
    return model_kind(selection->models[recorded->place]) == MODEL_ASSEMBLED &&
           audit->matched > 0 && recorded->kept != NULL;
}

static void tell(const struct recorded *recorded, audit_found *found, void *context)
{
    struct audit_change change = {
        .place = recorded->place, .record_id = recorded->record_id, .first = true};
    if (recorded->kept == NULL)
        found(context, &change);
    for (const struct kept *kept = recorded->kept; kept != NULL; kept = kept->next) {
        struct recreate_change recreate;
        change.is_new = recreate_read(kept->item, &recreate) && recreate.is_new;
        change.content = recreate.content;
        found(context, &change);
        change.first = false;
    }
}

int64_t audit_missing(struct audit *audit, const struct ledger *ledger, audit_found *found,
                      void *context)
{
    int64_t records = 0;
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&audit->records, &cursor)) != NULL) {
        const struct recorded *recorded = slot->value;
        if (!is_missing(audit, ledger, recorded))
            continue;
        records++;
        if (found != NULL)
            tell(recorded, found, context);
    }
    return records;
}
