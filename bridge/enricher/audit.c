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
    uint64_t *hashes;  /* of contents not heard */
    size_t hash_count;
};

struct audit {
    const struct selection *selection;
    int64_t window_ms;
    int64_t latest_ms;
    struct table seen;    /* ids of changes */
    struct table records; /* "place/id" -> struct recorded */
    int64_t count;
    int64_t passed;  /* at the window's border, and not counted */
    int64_t unheard; /* changes whose content is not in the ledger */
    int64_t matched; /* changes whose content is */
    size_t bytes;
    bool overflowed;
    bool through;
};

struct audit *audit_new(const struct selection *selection, int64_t newest_ms, int64_t latest_ms)
{
    struct audit *audit = memory_new(1, sizeof *audit);
    *audit = (struct audit){.selection = selection, .window_ms = newest_ms, .latest_ms = latest_ms};
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
    free(recorded->hashes);
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
    *kept = (struct kept){.item = item, .next = recorded->kept};
    recorded->kept = kept;
    audit->bytes += bytes;
}

static void keep_hash(struct recorded *recorded, uint64_t hash)
{
    recorded->hashes =
        memory_grow(recorded->hashes, recorded->hash_count + 1, sizeof *recorded->hashes);
    recorded->hashes[recorded->hash_count++] = hash;
}

/* False when it was seen on a page before: the list moves while it is read. */
static bool is_first(struct audit *audit, const char *id)
{
    return id == NULL || table_put(&audit->seen, id, strlen(id), audit) == NULL;
}

/* The change is one of the window, of a model that is worked on. What is kept of it is a copy: the
 * page is deleted (json_memory.h). */
static void take_recorded(struct audit *audit, int place, const cJSON *item,
                          const struct recreate_change *change, enum ledger_status status)
{
    struct recorded *recorded = recorded_of(audit, place, change->record_id);
    recorded->changes++;
    if (status == LEDGER_HEARD) {
        audit->matched++;
        return;
    }
    audit->unheard++;
    keep_hash(recorded, json_hash(change->content));
    keep(audit, recorded, cJSON_Duplicate(item, true));
}

/* When it was recorded; behind the window's beginning when that cannot be read. */
static int64_t stamp_of(const struct audit *audit, const struct recreate_change *change)
{
    int64_t at = 0;
    return change->created_at != NULL && timestamp_parse(change->created_at, &at) &&
                   at <= audit->latest_ms
               ? at
               : audit->window_ms + 1;
}

/* What is known already of those from before the window is theirs. */
static void take(struct audit *audit, const struct ledger *ledger, const cJSON *item)
{
    struct recreate_change change;
    enum ledger_status status = LEDGER_UNKNOWN;
    bool readable = recreate_read(item, &change);
    int64_t at = stamp_of(audit, &change);
    if (change.integration_id != NULL && strcmp(change.integration_id, ledger->integration_id) != 0)
        return; /* of an API that does not know the filter */
    audit->through |= at < audit->window_ms - AUDIT_OVERLAP_MS;
    if (at < audit->window_ms - AUDIT_OVERLAP_MS || !is_first(audit, change.id))
        return;
    int place =
        readable ? selection_find(audit->selection, change.model, strlen(change.model)) : -1;
    if (place >= 0)
        status = ledger_status(ledger, audit->selection->names[place], change.record_id,
                               json_hash(change.content));
    if (at <= audit->window_ms && (place < 0 || status != LEDGER_UNKNOWN)) {
        audit->passed++;
        return;
    }
    audit->count++;
    if (place >= 0 && status != LEDGER_GOOD)
        take_recorded(audit, place, item, &change, status);
}

void audit_page(struct audit *audit, const struct ledger *ledger, const cJSON *items)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, items) take(audit, ledger, item);
}

int64_t audit_count(const struct audit *audit)
{
    return audit->count;
}

bool audit_is_short(const struct audit *audit, int64_t fresh)
{
    return audit->count + audit->passed < fresh;
}

bool audit_is_through(const struct audit *audit)
{
    return audit->through;
}

void audit_again(struct audit *audit)
{
    audit->through = false;
}

bool audit_overflowed(const struct audit *audit)
{
    return audit->overflowed;
}

/* `by_content`: what was not heard is known by its content. */
static bool is_missing(const struct audit *audit, const struct ledger *ledger,
                       const struct recorded *recorded, bool by_content)
{
    if (recorded->hash_count > 0 && by_content)
        return true;
    return recorded->changes >
           ledger_count(ledger, audit->selection->names[recorded->place], recorded->record_id);
}

static void tell(const struct recorded *recorded, audit_found *found, void *context)
{
    struct audit_change change = {.place = recorded->place,
                                  .record_id = recorded->record_id,
                                  .first = true,
                                  .hashes = recorded->hashes,
                                  .hash_count = recorded->hash_count};
    if (recorded->kept == NULL)
        found(context, &change);
    for (const struct kept *kept = recorded->kept; kept != NULL; kept = kept->next) {
        struct recreate_change recreate;
        change.is_new = recreate_read(kept->item, &recreate) && recreate.is_new;
        change.content = recreate.content;
        found(context, &change);
        change.first = false;
        change.hash_count = 0;
    }
}

bool audit_missing(struct audit *audit, const struct ledger *ledger, bool verified,
                   audit_found *found, void *context)
{
    bool by_content = !verified || audit->matched >= audit->unheard;
    size_t cursor = 0;
    const struct table_slot *slot;
    while ((slot = table_next(&audit->records, &cursor)) != NULL) {
        if (is_missing(audit, ledger, slot->value, by_content))
            tell(slot->value, found, context);
    }
    return by_content;
}
